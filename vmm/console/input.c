/* SPDX-License-Identifier: MIT */
/* What comes in on the operator's serial line: fetched by the receive interrupt, and told apart by
 * the console's thread. */
#include "input.h"

#include "internal.h"
#include "remote.h"

#include <bulkhead/arch.h>
#include <bulkhead/log.h>
#include <bulkhead/uart.h>

#define CONTROL_C 0x03

/* One producer, the receive interrupt (or the thread where there is none), and one consumer, the
 * thread. Both counters only grow. */
static struct {
	u8 data[CONSOLE_INPUT_BYTES];
	u32 put, taken;
	bool stopped; /* the interrupt is off because there was no room */
	bool polled;  /* there is no interrupt */
	const struct uart *uart;
} input;

/* What of it was typed, for whoever reads keys; the rest are requests of programs. The thread's. */
static struct {
	u8 data[CONSOLE_INPUT_BYTES];
	u32 put, taken;
} keys;

static u32 input_room(void)
{
	return CONSOLE_INPUT_BYTES - (input.put - __atomic_load_n(&input.taken, __ATOMIC_ACQUIRE));
}

/* Fetch what the UART has. All of it, as only an empty receiver makes the next edge of its
 * interrupt. */
static bool input_fetch(void)
{
	u32 put = input.put;

	for (;;) {
		int byte;

		if (!input_room()) {
			input.stopped = true;
			uart_receive_interrupt(input.uart, false);
			break;
		}
		byte = uart_receive(input.uart);
		if (byte < 0)
			break;
		input.data[input.put % CONSOLE_INPUT_BYTES] = (u8)byte;
		__atomic_store_n(&input.put, input.put + 1, __ATOMIC_RELEASE);
	}
	return put != input.put;
}

static void input_interrupt(void *context unused)
{
	if (input_fetch())
		console_wake();
}

static u32 input_count(void)
{
	if (input.polled)
		(void)input_fetch();
	return __atomic_load_n(&input.put, __ATOMIC_ACQUIRE) - input.taken;
}

static void input_take(u32 count)
{
	__atomic_store_n(&input.taken, input.taken + count, __ATOMIC_RELEASE);
	if (input.stopped && count) {
		input.stopped = false;
		if (!input.polled)
			uart_receive_interrupt(input.uart, true);
	}
}

bool input_sort(void)
{
	bool request = false;

	while (keys.put - keys.taken < CONSOLE_INPUT_BYTES && input_count()) {
		u8 byte = input.data[input.taken % CONSOLE_INPUT_BYTES];

		input_take(1);
		if (remote_input(byte))
			request = true;
		else
			keys.data[keys.put++ % CONSOLE_INPUT_BYTES] = byte;
	}
	return request;
}

u32 console_input_count(void)
{
	return keys.put - keys.taken;
}

u32 console_input_peek(const u8 **bytes)
{
	u32 at = keys.taken % CONSOLE_INPUT_BYTES;

	*bytes = keys.data + at;
	return MIN(console_input_count(), CONSOLE_INPUT_BYTES - at);
}

void console_input_take(u32 count)
{
	keys.taken += count;
}

/* Between `from` and `to` of a ring: how far it is behind `from`. */
static bool byte_find(const u8 *data, u32 from, u32 to, u8 byte, u32 *offset)
{
	for (u32 i = 0; i < to - from; i++) {
		if (data[(from + i) % CONSOLE_INPUT_BYTES] == byte) {
			*offset = i;
			return true;
		}
	}
	return false;
}

bool console_input_find(u8 byte, u32 *offset)
{
	return byte_find(keys.data, keys.taken, keys.put, byte, offset);
}

/* Requests are not carried out while a command runs: it may be in the middle of what one would
 * change. One that comes before Ctrl-C is lost; whoever sent it asks again. */
bool console_cancelled(void)
{
	u32 count, offset;

	if (console_captured())
		return false;
	count = input_count();
	if (byte_find(input.data, input.taken, input.taken + count, CONTROL_C, &offset)) {
		input_take(offset + 1);
		keys.taken = keys.put;
		return true;
	}
	if (!console_input_find(CONTROL_C, &offset))
		return false;
	console_input_take(offset + 1);
	return true;
}

void input_start(const struct uart *uart)
{
	input.uart = uart;
	if (arch_irq_route(input.uart->irq, input_interrupt, NULL)) {
		input.polled = true;
		log_warn("console: interrupt %u cannot be had: keys are looked for every %u ms",
			 input.uart->irq, INPUT_POLL_US / 1000);
		return;
	}
	uart_receive_interrupt(input.uart, true);
}

bool input_is_polled(void)
{
	return input.polled;
}
