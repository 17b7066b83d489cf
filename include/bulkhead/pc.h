/* SPDX-License-Identifier: MIT */
/*
 * The board of a partition: which virtual devices a PC has, where they answer, and how their
 * interrupt lines run. All calls are made with the partition's device lock held, and those that
 * reach a device (accesses, timers, input) while the partition's address space is the current one.
 */
#pragma once

#include <bulkhead/balloon.h>
#include <bulkhead/channel.h>
#include <bulkhead/device.h>
#include <bulkhead/disk.h>
#include <bulkhead/fw_cfg.h>
#include <bulkhead/guest_memory.h>
#include <bulkhead/net.h>
#include <bulkhead/screen.h>

struct pc;

/* What the board needs from the partition. `context` is the partition's. */
struct pc_ops {
	u64 (*now)(void *context); /* guest tick */
	/* The earliest moment at which pc_run_timers must be called; ~0 for none. */
	void (*next_timer)(void *context, u64 deadline);
	/* An I/O APIC redirection entry fires, or an interrupt message was sent: vector, mode and
	 * destination as in an entry. */
	void (*interrupt)(void *context, u64 redirection_entry);
	/* The 8259 pair's INTR changed. */
	void (*pic)(void *context, bool level);
	void (*event)(void *context, enum device_event event);
	void (*console_output)(void *context, u8 byte);
	/* There is room for console input again. */
	void (*console_ready)(void *context);
	void (*report)(void *context, const char *text);
	void (*entropy)(void *context, void *bytes, u64 count);
	/* The flash of setup.memory shows its array from now on, or accesses to it come here. */
	void (*flash_show)(void *context, bool array);
	/* So many bytes for the screen's text, as the guest begins to write some: its own until the
	 * board is gone, and the same ones after pc_init. NULL: there are none, it stays blank. */
	u8 *(*screen_memory)(void *context, u64 bytes);
};

#define PC_DISKS_MAX 4

/* What the partition's configuration adds to a PC's usual devices. */
struct pc_choice {
	bool rng;
	u32 disks; /* how many */
	bool console;
	u32 nets; /* network cards */
	bool balloon;
};

/* A network card, and the other end of its cable. */
struct pc_net {
	u8 mac[NET_MAC_BYTES];
	const struct net_cable_ops *ops;
	void *cable;
};

/* A channel's end. */
struct pc_channel {
	const struct channel_port_ops *ops;
	void *port; /* NULL: there is none */
	u8 *memory; /* where devices find it while they are called */
	u32 bytes;
};

struct pc_setup {
	u64 tsc_hz;
	u64 unix_time_s;		   /* at guest tick 0 */
	u64 low_bytes, high_bytes;	   /* RAM below and above 4 GiB, for CMOS */
	const struct guest_memory *memory; /* for devices that use it; the caller keeps it.
					    * Its flash shows the array. */
	struct pc_choice choice;	   /* as pc_bytes was given it */
	const struct disk_backend *disks[PC_DISKS_MAX]; /* the caller keeps them */
	const struct fw_cfg *fw_cfg; /* what firmware is told; NULL: there is none to be told */
	bool had_power;		     /* the same board ran before: CMOS memory is what it was */
	const struct pc_net *nets;   /* choice.nets of them; only for this call */
	struct pc_channel channel;
};

u64 pc_bytes(const struct pc_choice *choice); /* size of struct pc, all its devices included */
void pc_init(struct pc *pc, const struct pc_setup *setup, const struct pc_ops *ops, void *context);

/* Ports, 0 to FFFFh. What a value has beyond `bytes` means nothing, in both directions. */
u32 pc_port_read(struct pc *pc, u32 port, unsigned bytes);
void pc_port_write(struct pc *pc, u32 port, unsigned bytes, u32 value);
/* So many accesses to the same port, for `count` elements of memory that are aligned to `bytes`.
 * How many were written: where one can be a lot of work, it is one. */
void pc_ports_read(struct pc *pc, u32 port, unsigned bytes, u8 *data, u32 count);
u32 pc_ports_write(struct pc *pc, u32 port, unsigned bytes, const u8 *data, u32 count);
/* Memory that is no RAM and no local APIC. */
u64 pc_memory_read(struct pc *pc, u64 gpa, unsigned bytes);
void pc_memory_write(struct pc *pc, u64 gpa, unsigned bytes, u64 value);

void pc_run_timers(struct pc *pc);
u64 pc_next_timer(const struct pc *pc); /* as next_timer was told last */
u8 pc_pic_acknowledge(struct pc *pc);
void pc_eoi(struct pc *pc, u8 vector);
/* To the virtio console while the guest has that open, else to COM1. false: no room, console_ready
 * will be called. */
bool pc_console_input(struct pc *pc, u8 byte) must_check;
/* false: the guest does not care about its power button. Else it is asked to shut down, and
 * DEVICE_EVENT_OVERRIDE comes if it takes too long. */
bool pc_power_button(struct pc *pc) must_check;

void pc_screen(const struct pc *pc, struct screen_text *text);

/* Its balloon, if it has one; false: it has none. Those that ask something of the guest are carried
 * out when it gets round to it. */
bool pc_balloon_look(struct pc *pc, struct balloon_view *view) must_check;
bool pc_balloon_target(struct pc *pc, u64 bytes) must_check;
bool pc_balloon_ask(struct pc *pc) must_check; /* for new statistics */

/* Frames have come for some of its network cards, or doorbells rang. */
void pc_arrived(struct pc *pc);

/* Accesses to ports and addresses where nothing is, since pc_init. */
u64 pc_absent_accesses(const struct pc *pc);
