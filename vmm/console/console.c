/* SPDX-License-Identifier: MIT */
/*
 * The operator's console: the serial line, its share in the log, and its thread. The thread is the
 * only one that writes to the line while it runs; everyone else leaves data where the thread finds
 * it and wakes it. As a serial line is slow, the thread sleeps while the transmitter is busy, and
 * the CPU's guests run.
 */
#include "input.h"
#include "internal.h"
#include "output.h"

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
#define FLUSH_BYTES    256 /* so much may wait for the line before whoever prints does */
#define PRINT_BYTES    1024
#define LOG_LINE_BYTES (LOG_TEXT_BYTES + 64)
#define LOG_BURST      16      /* lines shown before keys are looked at again */
#define FIFO_BITS      160     /* 16 characters of a start bit, 8 data bits and a stop bit */
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
	bool patient;	/* without the thread: whoever logs waits until the line has it */
	struct line_editor editor;

	u64 sent_at;   /* TSC of the last time the transmitter took something */
	u64 rested_at; /* TSC of the last time the thread gave the CPU up */
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
	while (output_count()) {
		unsigned sent = output_send();
		u64 now = arch_tsc();

		if (sent) {
			console.sent_at = now;
			rest_if_due(now);
		} else if (now - console.sent_at < us_to_tsc(STUCK_US)) {
			transmitter_wait(now);
		} else {
			/* Nothing can be said on a dead line; the console must not hang. */
			console.sent_at = now - us_to_tsc(STUCK_US);
			output_forget();
		}
	}
}

static void flush_if_much(void)
{
	if (output_count() >= FLUSH_BYTES)
		console_flush();
}

static void capture_add(const u8 *bytes, u64 count)
{
	for (u64 i = 0; i < count && console.captured + i < console.capture_bytes; i++)
		console.capture[console.captured + i] = (char)bytes[i];
	console.captured += count;
}

void console_send(const void *bytes, u64 count)
{
	const u8 *at = bytes;

	if (console.capture) {
		capture_add(at, count);
		return;
	}
	while (count) {
		u64 part = MIN(count, (u64)FLUSH_BYTES);

		flush_if_much();
		output_write(at, part);
		at += part;
		count -= part;
	}
}

/* Not more than the queue has room for. */
static void text_put(const char *text, size_t bytes)
{
	_Static_assert(FLUSH_BYTES + 2 * PRINT_BYTES <= OUTPUT_BYTES, "nobody waits for room");

	if (console.capture) {
		capture_add((const u8 *)text, bytes);
		return;
	}
	flush_if_much();
	output_text(text, bytes);
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
	if (input_is_polled())
		deadline = MIN(deadline, arch_tsc() + us_to_tsc(INPUT_POLL_US));
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
		output_text("\n", 1);
	console.at_prompt = false;
}

/*
 * Without the thread. While the machine starts nobody waits for the line: it takes what it has room
 * for, with each line more, and the thread sends the rest. Where no thread will do so, it is waited
 * for.
 */
static void line_show(const char *text, size_t bytes)
{
	line_leave();
	output_text(text, bytes);
	if (console.patient || log_in_panic())
		output_drain();
	else
		(void)output_send();
}

/* With the log's lock held. */
static void sink_write(struct log_sink *sink, enum log_level level unused, const char *text,
		       size_t bytes)
{
	if (is_threaded() && !log_in_panic()) {
		console_wake();
		return;
	}
	line_show(text, bytes);
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

/* Before the thread runs, and when it does no more. */
static void log_show_rest(void)
{
	char line[LOG_LINE_BYTES];
	size_t length;
	u32 missed;

	while (log_next_line(line, &length, &missed)) {
		if (length)
			line_show(line, length);
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
	console.patient = host->log_level == LOG_DEBUG;
	console.sink.level = (enum log_level)host->log_level;
	console.sink.write = sink_write;
	output_open(uart);
	log_show_rest();
	log_sink_add(&console.sink);
	return 0;
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
		console.patient = true;
		log_error("console: no memory for its thread: the log is shown, no commands are "
			  "taken");
		return;
	}
	line_editor_init(&console.editor, PROMPT, editor_output, NULL);
	console.editor.complete = command_complete;
	input_start(console.uart);
	thread_wake(&console.thread);
}

void console_stop(void)
{
	if (!console.uart)
		return;
	console.patient = true;
	if (is_threaded()) {
		log_show_rest();
		output_drain();
		__atomic_store_n(&console.threaded, false, __ATOMIC_SEQ_CST);
	}
	uart_drain(console.uart);
}
