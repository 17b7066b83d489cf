/* SPDX-License-Identifier: MIT */
/*
 * What goes out on the operator's serial line: one queue, whoever writes to it, from which the
 * transmitter takes what it has room for. So nobody has to wait for a line that takes 87 us for a
 * byte, and what was written first goes out first.
 *
 * No lock: it belongs to whoever the line belongs to. That is who holds the log's lock until the
 * console's thread runs, that thread afterwards, and in a panic the CPU that panics.
 */
#pragma once

#include <bulkhead/types.h>

struct uart;

#define OUTPUT_BYTES 4096 /* a power of two */

/* The line. Before all else; again for another one. */
void output_open(const struct uart *uart);

/* How many bytes the transmitter has not taken yet. */
u32 output_count(void);

/* Put bytes at the end: as they are, or '\n' as CR LF. Waits for room if there is none. */
void output_write(const void *bytes, u64 count);
void output_text(const char *text, size_t bytes);

/* What the transmitter takes at once: how many bytes that was. */
unsigned output_send(void);

/* Wait until it has taken all. On a line that does not move that is given up soon, and all is
 * forgotten. */
void output_drain(void);
void output_forget(void);
