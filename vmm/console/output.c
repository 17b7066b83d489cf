/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <bulkhead/uart.h>

/* Both counters only grow. */
static struct {
	const struct uart *uart;
	u32 put, taken;
	u8 data[OUTPUT_BYTES];
} output;

void output_open(const struct uart *uart)
{
	output.uart = uart;
}

/* Never more than there can be: in a panic another CPU may have been in the middle of a change. */
u32 output_count(void)
{
	return MIN(output.put - output.taken, (u32)OUTPUT_BYTES);
}

void output_forget(void)
{
	output.taken = output.put;
}

unsigned output_send(void)
{
	u32 at = output.taken % OUTPUT_BYTES;
	unsigned sent =
		uart_send(output.uart, output.data + at, MIN(output_count(), OUTPUT_BYTES - at));

	output.taken += sent;
	return sent;
}

/* Until it takes something. */
static void send_some(void)
{
	if (uart_wait(output.uart))
		(void)output_send();
	else
		output_forget();
}

void output_drain(void)
{
	while (output_count())
		send_some();
}

void output_write(const void *bytes, u64 count)
{
	const u8 *from = bytes;

	while (count--) {
		if (output_count() == OUTPUT_BYTES)
			send_some();
		output.data[output.put++ % OUTPUT_BYTES] = *from++;
	}
}

void output_text(const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '\n')
			output_write("\r", 1);
		output_write(&text[i], 1);
	}
}
