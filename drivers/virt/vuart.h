/* SPDX-License-Identifier: MIT */
/*
 * A 16550A serial port on a line of unlimited speed: what the guest sends is printed at once, so
 * the transmitter is always empty. All eight bits pass, whatever word length is set. The other end
 * always has its modem lines (CTS, DSR, DCD) raised.
 */
#pragma once

#include <bulkhead/device.h>

#define VUART_FIFO_BYTES 16

struct vuart {
	struct device_host *host;
	u16 base;
	unsigned irq;
	void (*input_ready)(void *context);
	void *context;

	u8 ier, lcr, mcr, scratch;
	u16 divisor;
	bool fifo;
	u8 trigger;	       /* bytes at which the receive interrupt comes; 1 without FIFO */
	bool overrun;	       /* LSR bit 1 */
	u8 deltas;	       /* MSR bits 3:0 */
	bool transmit_pending; /* the THRE interrupt stands */
	bool timeout_pending;  /* so does the character time-out */
	bool line;
	bool input_refused; /* input_ready is owed */

	u8 data[VUART_FIFO_BYTES];
	u8 errors[VUART_FIFO_BYTES]; /* LSR bits 4:2 of each */
	u8 first, count;
	u64 receive_activity; /* guest tick of the last byte received or read */
	struct device_timer timer;
};

/* `input_ready` is called when there is room again after vuart_input refused; it may call
 * vuart_input. */
void vuart_init(struct vuart *uart, struct device_host *host, u16 base, unsigned irq,
		void (*input_ready)(void *context), void *context);
void vuart_reset(struct vuart *uart);

/* A byte for the guest. False when there is no room: keep it until input_ready is called. */
bool vuart_input(struct vuart *uart, u8 byte) must_check;
/* A break from the other end; false as above. */
bool vuart_break(struct vuart *uart) must_check;

/* Eight ports from base on. */
extern const struct device_ops vuart_ops;
