/* SPDX-License-Identifier: MIT */
/* COM1, polled, for the programs of the benchmark that run without an operating system. */
#pragma once

#include <bulkhead/types.h>

#define COM1		    0x3f8
#define SERIAL_DATA	    (COM1 + 0)
#define SERIAL_INTERRUPTS   (COM1 + 1)
#define SERIAL_LINE_CONTROL (COM1 + 3)
#define SERIAL_LINE_STATUS  (COM1 + 5)

void serial_init(void);					      /* 115200 baud, 8N1 */
void serial_print(const char *format, ...) printf_like(1, 2); /* a line of up to 160 characters */
void serial_drain(void); /* until the last bit is on the line */
