/* SPDX-License-Identifier: MIT */
/*
 * The operator's console: the serial line, its share in the log, and its thread. The thread is the
 * only one that writes to the line while it runs; everyone else leaves data where the thread finds
 * it and wakes it. As a serial line is slow, the thread sleeps while the transmitter is busy, and
 * the CPU's guests run.
 */
#include "internal.h"
#include "remote.h"

#include <bulkhead/arch.h>
#include <bulkhead/config.h>
#include <bulkhead/console.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/string.h>
#include <bulkhead/thread.h>
#include <bulkhead/timer.h>
#include <bulkhead/uart.h>

#define PROMPT	       "bulkhead> "
#define CONTROL_C      0x03
#define OUTPUT_BYTES   256
#define PRINT_BYTES    1024
#define LOG_LINE_BYTES (LOG_TEXT_BYTES + 64)
#define LOG_BURST      16  /* lines shown before keys are looked at again */
#define FIFO_BITS      160 /* 16 characters of a start bit, 8 data bits and a stop bit */
#define POLL_US	       20000
#define STUCK_US       1000000 /* longer than any character takes: the line is dead */
#define REST_US	       1000

static struct {
	const struct uart *uart; /* NULL: there is none */
	u32 baud;
	struct config_host host; /* as it is now */
	struct log_sink sink;
	u32 log_next; /* first sequence number that was not shown yet */

	struct thread thread;
	bool threaded;	/* the thread owns the line; atomic */
	bool watching;	/* the thread wants to be woken; atomic */
	bool at_prompt; /* the editor's line is on the terminal */
	bool polled;	/* there is no receive interrupt */
	struct line_editor editor;

	u64 sent_at;   /* TSC of the last time the transmitter took something */
	u64 rested_at; /* TSC of the last time the thread gave the CPU up */
	u8 output[OUTPUT_BYTES];
	u32 output_count;
	char *capture; /* where output goes instead; NULL: to the line */
	u32 capture_bytes;
	u64 captured; /* bytes, those that had no room included */
} console;

const struct scheduler_claim console_claim = {
	.kind = SCHEDULER_RESERVED,
	.weight = SCHEDULER_WEIGHT_DEFAULT,
	.budget_us = 500,
	.period_us = 10000,
};

/* One producer, the receive interrupt (or the thread where there is none), and one consumer, the
 * thread. Both counters only grow. */
static struct {
	u8 data[CONSOLE_INPUT_BYTES];
	u32 put, taken;
	bool stopped; /* the interrupt is off because there was no room */
} input;

/* What of it was typed, for whoever reads keys; the rest are requests of programs. The thread's. */
static struct {
	u8 data[CONSOLE_INPUT_BYTES];
	u32 put, taken;
} keys;

static bool is_threaded(void)
{
	return __atomic_load_n(&console.threaded, __ATOMIC_ACQUIRE);
}

/* Only the first of many events wakes the thread; it looks for all of them. */
void console_wake(void)
{
	if (__atomic_exchange_n(&console.watching, false, __ATOMIC_SEQ_CST))
		thread_wake(&console.thread);
}

/* --- input --- */

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
			uart_receive_interrupt(console.uart, false);
			break;
		}
		byte = uart_receive(console.uart);
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
	if (console.polled)
		(void)input_fetch();
	return __atomic_load_n(&input.put, __ATOMIC_ACQUIRE) - input.taken;
}

static void input_take(u32 count)
{
	__atomic_store_n(&input.taken, input.taken + count, __ATOMIC_RELEASE);
	if (input.stopped && count) {
		input.stopped = false;
		if (!console.polled)
			uart_receive_interrupt(console.uart, true);
	}
}

/* Tell keys from requests, which are carried out. Returns whether there was anything of a request.
 */
static bool input_sort(void)
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

	if (console.capture)
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

/* --- output --- */

static void rest_until(u64 tsc)
{
	thread_sleep_until(tsc);
	console.rested_at = arch_tsc();
}

/* Where the UART is faster than its baud rate says, as emulated ones are, the transmitter never
 * makes us wait: others get their turn all the same. */
static void rest_if_due(u64 now)
{
	if (now - console.rested_at >= us_to_tsc(SCHEDULER_SLICE_US))
		rest_until(now + us_to_tsc(REST_US));
}

/* The transmitter is busy: sleep until it should have sent what it took. */
static void transmitter_wait(u64 now)
{
	u64 fifo = mul_div(arch_tsc_hz(), FIFO_BITS, console.baud);
	u64 empty_at = console.sent_at + fifo;

	rest_until(empty_at > now ? empty_at : now + fifo / 16);
}

void console_flush(void)
{
	u32 done = 0;

	while (done < console.output_count) {
		unsigned sent =
			uart_send(console.uart, console.output + done, console.output_count - done);
		u64 now = arch_tsc();

		if (sent) {
			done += sent;
			console.sent_at = now;
			rest_if_due(now);
		} else if (now - console.sent_at < us_to_tsc(STUCK_US)) {
			transmitter_wait(now);
		} else {
			console.sent_at = now - us_to_tsc(STUCK_US);
			break; /* nothing can be said on a dead line; the console must not hang */
		}
	}
	console.output_count = 0;
}

static void output_put(u8 byte)
{
	if (console.capture) {
		if (console.captured < console.capture_bytes)
			console.capture[console.captured] = (char)byte;
		console.captured++;
		return;
	}
	if (console.output_count == OUTPUT_BYTES)
		console_flush();
	console.output[console.output_count++] = byte;
}

void console_send(const void *bytes, u64 count)
{
	const u8 *at = bytes;

	while (count--)
		output_put(*at++);
}

static void text_put(const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '\n' && !console.capture)
			output_put('\r');
		output_put((u8)text[i]);
	}
}

void console_print(const char *format, ...)
{
	static char text[PRINT_BYTES];
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	length = format_list(text, sizeof(text), format, arguments);
	va_end(arguments);
	text_put(text, MIN(length, sizeof(text) - 1));
}

void console_capture(char *buffer, u32 bytes)
{
	console.capture = buffer;
	console.capture_bytes = bytes;
	console.captured = 0;
}

u64 console_capture_end(void)
{
	console.capture = NULL;
	return console.captured;
}

bool console_captured(void)
{
	return console.capture;
}

static void editor_output(struct line_editor *editor unused, const char *bytes, size_t count)
{
	console_send(bytes, count);
}

/* --- waiting --- */

/* A request prints its answer, and what wakes the thread meanwhile is to be seen, too. */
void console_watch(void)
{
	do {
		console_flush();
		__atomic_store_n(&console.watching, true, __ATOMIC_SEQ_CST);
	} while (input_sort());
}

void console_wait(u64 deadline)
{
	if (console.polled)
		deadline = MIN(deadline, arch_tsc() + us_to_tsc(POLL_US));
	if (deadline == TIMER_OFF)
		thread_block();
	else
		thread_sleep_until(deadline);
	console.rested_at = arch_tsc();
}

/* --- the log --- */

static void line_leave(void)
{
	if (console.at_prompt)
		uart_write(console.uart, "\n", 1);
	console.at_prompt = false;
}

/* With the log's lock held. */
static void sink_write(struct log_sink *sink, enum log_level level unused, const char *text,
		       size_t bytes)
{
	if (is_threaded() && !log_in_panic()) {
		console_wake();
		return;
	}
	line_leave();
	uart_write(console.uart, text, bytes);
	if (!log_in_panic())
		console.log_next = sink->sequence + 1;
}

/* The next line to show, as text, or 0 when there is none. Lines that the sink does not want have
 * no text but count. */
static bool log_next_line(char line[LOG_LINE_BYTES], size_t *length, u32 *missed)
{
	struct log_entry entry;

	if (log_read(console.log_next, &entry))
		return false;
	*missed = entry.sequence - console.log_next;
	console.log_next = entry.sequence + 1;
	*length = 0;
	if (entry.level <= console.sink.level)
		*length = log_line(&entry, line, LOG_LINE_BYTES);
	return true;
}

static bool log_pass(void)
{
	char line[LOG_LINE_BYTES];
	bool shown = false;
	size_t length;
	u32 missed;

	for (u32 i = 0; i < LOG_BURST && log_next_line(line, &length, &missed); i++) {
		if (!length && !missed)
			continue;
		if (!shown && console.at_prompt)
			line_editor_hide(&console.editor);
		shown = true;
		if (missed)
			console_print("[%u log lines came faster than this line shows them]\n",
				      missed);
		text_put(line, length);
	}
	if (shown && console.at_prompt)
		line_editor_show(&console.editor);
	return shown;
}

u32 console_log_skip(void)
{
	char line[LOG_LINE_BYTES];
	u32 first = console.log_next;
	size_t length;
	u32 missed;

	while (log_next_line(line, &length, &missed))
		;
	return console.log_next - first;
}

/* Lines that came before are shown or not as the level was when they came. */
void console_log_level_set(enum log_level level)
{
	char *capture = console.capture;

	console.capture = NULL;
	while (log_pass())
		;
	console.capture = capture;
	console.host.log_level = level;
	console.sink.level = level;
}

const struct config_host *console_host(void)
{
	return &console.host;
}

/* Straight to the line: before the thread runs and when it does no more. */
static void log_write_rest(void)
{
	char line[LOG_LINE_BYTES];
	size_t length;
	u32 missed;

	while (log_next_line(line, &length, &missed)) {
		if (length)
			line_leave();
		uart_write(console.uart, line, length);
	}
}

/* --- the thread --- */

static void prompt_show(void)
{
	while (log_pass())
		;
	line_editor_begin(&console.editor);
	console.at_prompt = true;
}

static void key_pressed(u8 byte)
{
	enum line_result result = line_editor_input(&console.editor, byte);

	if (result == LINE_MORE)
		return;
	console.at_prompt = false;
	if (result == LINE_DONE)
		(void)command_run(console.editor.line);
	prompt_show();
}

static bool input_pass(void)
{
	const u8 *bytes;
	u8 byte;

	if (!console_input_peek(&bytes))
		return false;
	/* Taken first: the command that it completes may read on. */
	byte = *bytes;
	console_input_take(1);
	key_pressed(byte);
	return true;
}

/* From here on the line is the thread's. Another CPU that still writes to it holds the log's lock:
 * once that could be had, it is done. */
static void line_take(void)
{
	struct log_entry entry;
	int found;

	__atomic_store_n(&console.threaded, true, __ATOMIC_SEQ_CST);
	found = log_read(0, &entry);
	(void)found;
	console.sent_at = arch_tsc(); /* the transmitter may be busy with such a line */
	console.rested_at = console.sent_at;
}

static void console_main(void *argument)
{
	const struct config *config = argument;

	line_take();
	console_print("\nBulkhead %s, %u partition%s configured. \"help\" lists the commands.\n",
		      console_version, config->partition_count,
		      config->partition_count == 1 ? "" : "s");
	prompt_show();
	for (;;) {
		bool busy;

		console_watch();
		busy = log_pass();
		busy |= input_pass();
		if (!busy)
			console_wait(TIMER_OFF);
	}
}

/* --- contract --- */

int console_init(const struct config_host *host)
{
	const struct uart *uart;

	if (host->console == CONFIG_CONSOLE_NONE)
		return 0;
	uart = &uart_com[host->console];
	if (!uart_init(uart, host->console_baud)) {
		log_error("console: nothing answers at com%u (I/O port 0x%x), so there is no "
			  "console; choose another line or none in the configuration",
			  host->console + 1, uart->port);
		return -ENODEV;
	}
	console.uart = uart;
	console.baud = host->console_baud;
	console.host = *host;
	console.sink.level = (enum log_level)host->log_level;
	console.sink.write = sink_write;
	log_write_rest();
	log_sink_add(&console.sink);
	return 0;
}

static void input_start(void)
{
	if (arch_irq_route(console.uart->irq, input_interrupt, NULL)) {
		console.polled = true;
		log_warn("console: interrupt %u cannot be had: keys are looked for every %u ms",
			 console.uart->irq, POLL_US / 1000);
		return;
	}
	uart_receive_interrupt(console.uart, true);
}

void console_start(const struct config *config)
{
	/* The thread only reads it; thread_create has no const. */
	void *argument = (void *)(uintptr_t)config;

	if (!console.uart)
		return;
	console.thread.name = "console";
	console.thread.number = THREAD_CONSOLE;
	console.thread.cpu = CONSOLE_CPU;
	cpu_mask_add(&console.thread.affinity, CONSOLE_CPU);
	if (thread_create(&console.thread, &console_claim, NULL, console_main, argument)) {
		log_error("console: no memory for its thread: the log is shown, no commands are "
			  "taken");
		return;
	}
	line_editor_init(&console.editor, PROMPT, editor_output, NULL);
	console.editor.complete = command_complete;
	input_start();
	thread_wake(&console.thread);
}

void console_stop(void)
{
	if (!console.uart)
		return;
	if (is_threaded()) {
		log_write_rest();
		__atomic_store_n(&console.threaded, false, __ATOMIC_SEQ_CST);
	}
	uart_drain(console.uart);
}
