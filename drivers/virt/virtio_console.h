/* SPDX-License-Identifier: MIT */
/*
 * A virtio console (virtio 1.2, 5.3) with one port, which is the partition's console while the
 * driver has it open: what it prints is kept as what COM1 prints is, and what the operator types
 * goes there and not to COM1.
 */
#pragma once

#include <bulkhead/virtio.h>

#define VIRTIO_CONSOLE_INPUT 64 /* bytes that wait for a buffer of the driver's */

/* As much output is taken in one call, so that nobody waits for long; the rest is a timer's. */
#define VIRTIO_CONSOLE_STRETCH 512

/* Configuration space (5.3.4). */
struct virtio_console_config {
	u16 cols, rows;
	u32 max_nr_ports;
	u32 emerg_wr;
};

struct virtio_console {
	struct virtio_device device;
	struct virtio_console_config config;
	void (*ready)(void *context); /* there is room for input again */
	void *context;
	struct device_timer go_on; /* with output, and to hand over input */

	bool open;    /* by the driver */
	u32 messages; /* bits of 1 << event: what the driver is to be told */
	bool full;    /* input was refused */
	u32 waiting;
	u8 input[VIRTIO_CONSOLE_INPUT];

	bool printing; /* `output` is under way */
	u64 printed;   /* bytes of it */
	struct virtio_chain output, chain;
};

void virtio_console_init(struct virtio_console *console, struct device_host *host,
			 const struct guest_memory *memory);
/* Whom to tell that there is room for input. */
void virtio_console_connect(struct virtio_console *console, void (*ready)(void *context),
			    void *context);

/* Whether what is typed is for this console. */
bool virtio_console_is_open(const struct virtio_console *console);
/* false: no room, `ready` will be called. */
bool virtio_console_input(struct virtio_console *console, u8 byte) must_check;
