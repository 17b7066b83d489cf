/* SPDX-License-Identifier: MIT */
/* A real 16550-compatible serial port: the operator's line. */
#pragma once

#include <bulkhead/types.h>

struct uart {
	u16 port;
	u8 irq;
};

extern const struct uart uart_com[4];

/* 8N1, FIFOs on, interrupts off. false when nothing answers at the port. */
bool uart_init(const struct uart *uart, u32 baud);
void uart_receive_interrupt(const struct uart *uart, bool on);

/* Up to 16 bytes into the transmitter if it is empty: how many went in. */
unsigned uart_send(const struct uart *uart, const u8 *data, u64 bytes);
/* Wait until the transmitter is empty; false: it is not for longer than any byte takes. */
bool uart_wait(const struct uart *uart) must_check;
/* Wait until the last byte has left, or as long as that. */
void uart_drain(const struct uart *uart);
/* The next received byte, or -1. */
int uart_receive(const struct uart *uart);
