/* SPDX-License-Identifier: MIT */
/* COM1, polled: a 16550's registers as in National Semiconductor's PC16550D datasheet, section 8.
 */
#include "serial.h"

#include <bulkhead/format.h>
#include <bulkhead/port.h>

#define LINE_8N1       0x03
#define LINE_DIVISOR   0x80
#define STATUS_HOLDING BIT(5) /* room for a byte */
#define STATUS_EMPTY   BIT(6) /* nothing left to send */

void serial_init(void)
{
	port_write8(SERIAL_INTERRUPTS, 0);
	port_write8(SERIAL_LINE_CONTROL, LINE_DIVISOR);
	port_write8(SERIAL_DATA, 1);
	port_write8(SERIAL_INTERRUPTS, 0);
	port_write8(SERIAL_LINE_CONTROL, LINE_8N1);
}

void serial_print(const char *format, ...)
{
	char text[160];
	va_list arguments;

	va_start(arguments, format);
	format_list(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (const char *at = text; *at; at++) {
		while (!(port_read8(SERIAL_LINE_STATUS) & STATUS_HOLDING))
			;
		port_write8(SERIAL_DATA, (u8)*at);
	}
}

void serial_drain(void)
{
	while (!(port_read8(SERIAL_LINE_STATUS) & STATUS_EMPTY))
		;
}
