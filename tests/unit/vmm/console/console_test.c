/* SPDX-License-Identifier: MIT */
/*
 * The console's thread on a fake serial line: log lines, keys, a guest's console. The tests are one
 * console's life, in order. The thread is a context of its own that runs until it blocks.
 */
/* links: vmm/scheduler_claim.c vmm/format.c vmm/log.c vmm/byte_ring.c */
/* links: vmm/console/line_editor.c vmm/console/attach.c vmm/console/input.c vmm/console/output.c */
/* links: vmm/partition_view.c */
#include "cmocka_all.h"

#include "vmm/console/internal.h"
#include "vmm/console/remote.h"
#include <bulkhead/arch.h>
#include <bulkhead/config.h>
#include <bulkhead/console.h>
#include <bulkhead/error.h>
#include <bulkhead/log.h>
#include <bulkhead/partition.h>
#include <bulkhead/thread.h>
#include <bulkhead/timer.h>
#include <bulkhead/uart.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define HZ	 1000000000ULL
#define BAUD	 115200
#define FIFO_TSC (HZ * 160 / BAUD)
#define LEAVE	 "\x1d"

/* --- the machine --- */

static u64 tsc = 100 * HZ;

u64 arch_irq_save(void)
{
	return 0;
}

void arch_irq_restore(u64 flags)
{
	(void)flags;
}

u64 arch_tsc(void)
{
	return tsc++;
}

u64 arch_tsc_hz(void)
{
	return HZ;
}

u64 arch_time_us(void)
{
	return 0;
}

u32 arch_cpu_id(void)
{
	return 0;
}

static int route_result;
static void (*handler)(void *context);
static void *handler_context;
static unsigned routed_irq;

int arch_irq_route(unsigned isa_irq, void (*new_handler)(void *context), void *context)
{
	routed_irq = isa_irq;
	handler = route_result ? NULL : new_handler;
	handler_context = context;
	return route_result;
}

/* --- the serial line --- */

const struct uart uart_com[4] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};

static char sent[1 << 18];
static size_t sent_bytes;
static u64 empty_at;
static bool line_dead, answers = true, receive_on;
static char received[16384]; /* on its way to us */
static u32 received_count, received_taken;
static unsigned waits, drains;

static void sent_add(const void *bytes, size_t count)
{
	if (sent_bytes + count >= sizeof(sent))
		abort();
	memcpy(sent + sent_bytes, bytes, count);
	sent_bytes += count;
	sent[sent_bytes] = 0;
}

bool uart_init(const struct uart *uart, u32 baud)
{
	(void)uart;
	return answers && baud == BAUD;
}

void uart_receive_interrupt(const struct uart *uart, bool on)
{
	(void)uart;
	receive_on = on;
}

unsigned uart_send(const struct uart *uart, const u8 *data, u64 bytes)
{
	(void)uart;
	if (line_dead || tsc < empty_at)
		return 0;
	bytes = MIN(bytes, 16U);
	sent_add(data, bytes);
	empty_at = tsc + FIFO_TSC;
	return (unsigned)bytes;
}

void uart_drain(const struct uart *uart)
{
	(void)uart;
	drains++;
}

bool uart_wait(const struct uart *uart)
{
	(void)uart;
	waits++;
	tsc = MAX(tsc, empty_at);
	return !line_dead;
}

int uart_receive(const struct uart *uart)
{
	(void)uart;
	return received_taken < received_count ? (u8)received[received_taken++] : -1;
}

/* --- the thread --- */

static ucontext_t test_context, thread_context;
static u8 thread_stack[256 * KIB];
static struct thread *made;
static void (*thread_main)(void *argument);
static void *thread_argument;
static bool woken;
static unsigned wakes, sleeps;
static u64 wait_deadline; /* while the thread waits */

static void thread_enter(void)
{
	thread_main(thread_argument);
	abort();
}

int thread_create(struct thread *thread, const struct scheduler_claim *claim,
		  struct scheduler_group *group, void (*main)(void *argument), void *argument)
{
	assert_ptr_equal(claim, &console_claim);
	assert_null(group);
	made = thread;
	thread_main = main;
	thread_argument = argument;
	getcontext(&thread_context);
	thread_context.uc_stack.ss_sp = thread_stack;
	thread_context.uc_stack.ss_size = sizeof(thread_stack);
	thread_context.uc_link = NULL;
	makecontext(&thread_context, thread_enter, 0);
	woken = false;
	return 0;
}

void thread_wake(struct thread *thread)
{
	(void)thread;
	wakes++;
	woken = true;
}

static void thread_stop_until(u64 deadline)
{
	wait_deadline = deadline;
	if (!woken)
		swapcontext(&thread_context, &test_context);
	woken = false;
}

void thread_block(void)
{
	thread_stop_until(TIMER_OFF);
}

/* Pauses for the transmitter and the guests pass at once; longer ones stop here. */
void thread_sleep_until(u64 deadline)
{
	sleeps++;
	if (deadline > tsc + HZ / 200) {
		thread_stop_until(deadline);
		return;
	}
	tsc = MAX(tsc, deadline);
}

/* Let the thread run until it waits and nothing has woken it. */
static void run(void)
{
	while (woken) {
		woken = false;
		swapcontext(&test_context, &thread_context);
	}
}

/* Let it run when the time is over that it wants to wait for. */
static void run_timeout(void)
{
	assert_true(wait_deadline != TIMER_OFF);
	tsc = MAX(tsc, wait_deadline);
	woken = true;
	run();
}

static void type(const char *keys, u32 count)
{
	memcpy(received, keys, count);
	received_count = count;
	received_taken = 0;
	if (receive_on)
		handler(handler_context);
	run();
}

static void type_text(const char *keys)
{
	type(keys, (u32)strlen(keys));
}

static void sent_clear(void)
{
	sent_bytes = 0;
	sent[0] = 0;
	waits = 0;
}

static void expect_sent(const char *text)
{
	assert_string_equal(sent, text);
	sent_clear();
}

/* --- commands --- */

const char console_version[] = "1.2.3";
static char ran[LINE_BYTES];
static struct partition partition;

int command_run(const char *line)
{
	strcpy(ran, line);
	if (strcmp(line, "attach") == 0)
		attach_run(&partition);
	else if (strcmp(line, "say") == 0)
		console_print("one\ntwo\n");
	else if (strcmp(line, "fail") == 0)
		log_error("it failed");
	else if (strcmp(line, "cancel") == 0)
		console_print("%s\n", console_cancelled() ? "cancelled" : "not cancelled");
	return 0;
}

void command_complete(struct line_editor *editor)
{
	line_editor_insert(editor, "completed");
}

/* --- a partition --- */

static struct config_partition partition_config = {.name = "web"};
static struct partition *first = &partition;

struct partition *partition_first(void)
{
	return first;
}

static u8 ring[PARTITION_CONSOLE_BYTES];
static char keys[32768];
static u64 keys_count, keys_room;

u64 partition_console_input(struct partition *to, const u8 *bytes, u64 count)
{
	count = MIN(count, keys_room);
	memcpy(keys + keys_count, bytes, count);
	keys_count += count;
	keys[keys_count] = 0;
	keys_room -= count;
	return to == &partition ? count : 0;
}

/* --- requests of programs: '<', digits and '>' --- */

static bool in_request;
static char requests[64];
static void (*carry_out)(void);

bool remote_input(u8 byte)
{
	if (!in_request && byte != '<')
		return false;
	in_request = byte != '>';
	sprintf(requests + strlen(requests), "%c", byte);
	if (!in_request && carry_out)
		carry_out();
	return true;
}

static void guest_prints(const char *text)
{
	byte_ring_write(&partition.console, (const u8 *)text, strlen(text));
	console_output_ready(&partition);
}

static void keys_clear(u64 room)
{
	keys_count = 0;
	keys[0] = 0;
	keys_room = room;
}

/* --- tests --- */

#define SHOWN(level, text) "[    0.000000] " level " cpu0   " text "\r\n"
#define PROMPT		   "bulkhead> "
#define HIDE		   "\r\x1b[K"

static struct config config = {
	.host = {.console = CONFIG_CONSOLE_COM2, .console_baud = BAUD, .log_level = LOG_INFO},
	.partition_count = 1,
};

static void test_without_a_line(void **state)
{
	struct config_host host = {.console = CONFIG_CONSOLE_NONE};

	(void)state;
	assert_int_equal(console_init(&host), 0);
	console_start(&config);
	console_stop();
	assert_null(thread_main);
	host.console = CONFIG_CONSOLE_COM4;
	host.console_baud = BAUD;
	answers = false;
	assert_int_equal(console_init(&host), -ENODEV);
	answers = true;
	console_start(&config);
	assert_null(thread_main);
	expect_sent("");
}

#define NO_COM4                                                                                    \
	SHOWN("error", "console: nothing answers at com4 (I/O port 0x2e8), so there is no "        \
		       "console; choose another line or none in the configuration")

/* What is logged while the machine starts, from the beginning on. */
static char logged[1 << 14];

static void log_line_start(const char *text)
{
	log_info("%s", text);
	sprintf(logged + strlen(logged), SHOWN("info ", "%s"), text);
}

static void expect_first_sent(size_t bytes)
{
	assert_int_equal(sent_bytes, bytes);
	assert_memory_equal(sent, logged, bytes);
}

static void expect_child_good(pid_t child)
{
	int status;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* What a developer has asked for is on the line before anything else is done. */
static void test_debug_is_waited_for(void **state)
{
	struct config_host host = config.host;
	pid_t child = fork();

	(void)state;
	if (!child) {
		host.log_level = LOG_DEBUG;
		if (console_init(&host))
			_exit(1);
		sent_clear();
		log_debug("all of which is more than sixteen bytes");
		_exit(strcmp(sent, SHOWN("debug", "all of which is more than sixteen bytes")) != 0);
	}
	expect_child_good(child);
}

/* The line takes what it has room for, and nobody waits for it. */
static void test_log_before_the_thread(void **state)
{
	(void)state;
	log_debug("not shown");
	strcpy(logged, NO_COM4);
	log_line_start("earlier");
	assert_int_equal(console_init(&config.host), 0);
	expect_first_sent(16);
	log_line_start("later");
	log_debug("not shown");
	expect_first_sent(16);
	tsc = empty_at;
	log_line_start("later still");
	expect_first_sent(32);
	assert_int_equal(waits, 0);
}

/* A queue that is full makes those wait who write, and loses nothing. */
static void test_log_more_than_the_queue(void **state)
{
	(void)state;
	for (int i = 0; i < 150; i++)
		log_line_start("one of many");
	assert_int_equal(waits, (strlen(logged) - 32 - 4096 + 15) / 16);
	expect_first_sent(32 + 16 * waits);
}

/* What waits for the line comes before the report, and all of it is sent. */
static void test_panic_before_the_thread(void **state)
{
	pid_t child = fork();

	(void)state;
	if (!child) {
		log_panic_mode();
		log_panic_write("*** panic\n", 10);
		strcat(logged, "*** panic\r\n");
		if (strcmp(sent, logged) != 0)
			_exit(1);
		line_dead = true;
		waits = 0;
		log_panic_write("unheard\n", 8);
		_exit(waits != 1);
	}
	expect_child_good(child);
}

static void test_start(void **state)
{
	(void)state;
	console_start(&config);
	assert_int_equal(routed_irq, 3);
	assert_true(receive_on);
	assert_string_equal(made->name, "console");
	assert_int_equal(made->cpu, CONSOLE_CPU);
	assert_true(cpu_mask_has(&made->affinity, CONSOLE_CPU));
	assert_null(scheduler_claim_fault(&console_claim));
	sent_clear();
	log_line_start("before its first turn");
	waits = 0;
	run();
	strcat(logged, "\r\nBulkhead 1.2.3, 1 partition configured. \"help\" lists the "
		       "commands.\r\n" PROMPT);
	assert_string_equal(sent, logged + strlen(logged) - sent_bytes);
	assert_true(sent_bytes > 4096);
	assert_int_equal(waits, 0);
	sent_clear();
	assert_int_equal(wait_deadline, TIMER_OFF);
}

static void test_commands(void **state)
{
	(void)state;
	type_text("say x\t");
	expect_sent("say xcompleted");
	type_text("\r");
	assert_string_equal(ran, "say xcompleted");
	expect_sent("\r\n" PROMPT);
	type_text("say\rsay\x03");
	expect_sent("say\r\none\r\ntwo\r\n" PROMPT "say^C\r\n" PROMPT);
	type_text("fail\r");
	expect_sent("fail\r\n" SHOWN("error", "it failed") PROMPT);
	type_text("\x10\r");
	expect_sent("fail\x1b[K\r\n" SHOWN("error", "it failed") PROMPT);
}

static void test_log_while_typing(void **state)
{
	(void)state;
	type_text("abc\x02");
	sent_clear();
	log_info("first");
	log_debug("not shown");
	log_info("second");
	assert_int_equal(sent_bytes, 0);
	run();
	expect_sent(HIDE SHOWN("info ", "first") SHOWN("info ", "second") PROMPT "abc\b");
	assert_int_equal(waits, 0);
	log_debug("nothing to see");
	run();
	expect_sent("");
	type_text("\x03");
	sent_clear();
}

static void test_log_too_fast(void **state)
{
	(void)state;
	for (int i = 0; i < 600; i++)
		log_info("flood");
	run();
	assert_memory_equal(sent, HIDE "[88 log lines came faster", 27);
	sent_clear();
}

static void test_wakes_are_few(void **state)
{
	(void)state;
	wakes = 0;
	for (int i = 0; i < 10; i++)
		log_info("again");
	assert_int_equal(wakes, 1);
	guest_prints("nobody looks");
	assert_int_equal(wakes, 1);
	run();
	sent_clear();
}

static void test_input_overflow(void **state)
{
	static char many[CONSOLE_INPUT_BYTES + 100];

	(void)state;
	memset(many, 'x', sizeof(many));
	many[sizeof(many) - 1] = 0x03;
	memcpy(received, many, sizeof(many));
	received_count = sizeof(many);
	received_taken = 0;
	handler(handler_context);
	assert_false(receive_on);
	assert_int_equal(received_taken, CONSOLE_INPUT_BYTES);
	run();
	assert_true(receive_on);
	handler(handler_context); /* as switching it on does while data waits */
	run();
	assert_int_equal(received_taken, sizeof(many));
	assert_string_equal(sent + sent_bytes - strlen("\a^C\r\n" PROMPT), "\a^C\r\n" PROMPT);
	sent_clear();
}

static void partition_reset_fake(void)
{
	memset(&partition, 0, sizeof(partition));
	partition.config = &partition_config;
	partition.state = PARTITION_RUNNING;
	byte_ring_init(&partition.console, ring, sizeof(ring));
	keys_clear(sizeof(keys) - 1);
}

static void test_attach(void **state)
{
	(void)state;
	partition_reset_fake();
	guest_prints("booted\nlogin: ");
	type_text("attach\r");
	expect_sent("attach\r\n[attached to web; Ctrl-] leaves]\r\nbooted\nlogin: ");
	type_text("root\r\x03\x1b[A");
	assert_string_equal(keys, "root\r\x03\x1b[A");
	expect_sent("");
	guest_prints("root\r\n\x1b[1m# ");
	run();
	expect_sent("root\r\n\x1b[1m# ");
	log_error("unseen");
	run();
	expect_sent("");
	log_info("unseen too");
	type_text("x" LEAVE "say\r");
	assert_string_equal(keys, "root\r\x03\x1b[Ax");
	expect_sent("\x1b[m\r\n[2 log lines came meanwhile: \"log 2\" shows them]\r\n" PROMPT
		    "say\r\none\r\ntwo\r\n" PROMPT);
	guest_prints("unseen");
	run();
	expect_sent("");
}

static void test_attach_slow_guest(void **state)
{
	(void)state;
	keys_clear(3);
	type_text("attach\r");
	sent_clear();
	type_text("abcdefgh" LEAVE);
	assert_string_equal(keys, "abc");
	keys_room = 4;
	run_timeout();
	assert_string_equal(keys, "abcdefg");
	keys_room = 1;
	console_output_ready(&partition); /* it has room again */
	run();
	assert_string_equal(keys, "abcdefgh");
	expect_sent("\x1b[m\r\n" PROMPT);
}

static void test_attach_deaf_guest(void **state)
{
	static char many[CONSOLE_INPUT_BYTES];

	(void)state;
	keys_clear(0);
	type_text("attach\r");
	sent_clear();
	type_text("abc" LEAVE "say\r");
	run_timeout();
	expect_sent("");
	tsc += HZ;
	run_timeout();
	expect_sent("\x1b[m\r\n[web has not taken 3 of the keys typed]\r\n" PROMPT
		    "say\r\none\r\ntwo\r\n" PROMPT);

	type_text("attach\r");
	sent_clear();
	memset(many, 'x', sizeof(many));
	type(many, sizeof(many));
	tsc += HZ;
	run_timeout();
	expect_sent("\a");
	type_text(LEAVE);
	expect_sent("\x1b[m\r\n[web has not taken 4096 of the keys typed]\r\n" PROMPT);
}

static void test_attach_lost_output(void **state)
{
	static const char header[] = "attach\r\n[attached to web; Ctrl-] leaves]\r\n"
				     "[the first 5 bytes are lost: the latest 65536 are kept]\r\n";
	static char big[PARTITION_CONSOLE_BYTES + 1];

	(void)state;
	partition_reset_fake();
	memset(big, 'y', sizeof(big) - 1);
	guest_prints("12345");
	guest_prints(big);
	type_text("attach\r");
	assert_memory_equal(sent, header, strlen(header));
	assert_int_equal(sent_bytes, strlen(header) + PARTITION_CONSOLE_BYTES);
	sent_clear();
	guest_prints(big);
	guest_prints("z");
	run();
	assert_memory_equal(sent, "\r\n[1 bytes are lost", 19);
	assert_int_equal(sent[sent_bytes - 1], 'z');
	type_text(LEAVE);
	sent_clear();
}

static void test_attach_partition_ends(void **state)
{
	(void)state;
	partition_reset_fake();
	type_text("attach\r");
	sent_clear();
	partition.state = PARTITION_CRASHED;
	strcpy(partition.reason, "triple fault");
	byte_ring_write(&partition.console, (const u8 *)"last words", 10);
	log_error("web: crashed");
	run();
	expect_sent("last words\r\n[web does not run: triple fault; Ctrl-] leaves]\r\n");
	type_text("a");
	expect_sent("\a");
	partition.state = PARTITION_RUNNING;
	log_info("web: starts");
	run();
	expect_sent("\r\n[web runs again]\r\n");
	type_text("b" LEAVE);
	assert_string_equal(keys, "b");
	expect_sent("\x1b[m\r\n[web has not taken 1 of the keys typed]\r\n"
		    "[2 log lines came meanwhile: \"log 2\" shows them]\r\n" PROMPT);
}

static void test_attach_pauses_and_waits(void **state)
{
	(void)state;
	partition_reset_fake();
	type_text("attach\r");
	sent_clear();
	partition.state = PARTITION_PAUSED;
	log_info("web: paused");
	run();
	expect_sent("\r\n[web is paused; Ctrl-] leaves]\r\n");
	type_text("ab");
	assert_string_equal(keys, ""); /* they wait for it */
	expect_sent("");
	partition.state = PARTITION_RUNNING;
	log_info("web: running");
	run();
	assert_string_equal(keys, "ab");
	expect_sent("\r\n[web runs again]\r\n");
	partition.state = PARTITION_WAITING;
	strcpy(partition.reason, "for db");
	log_info("web: waits");
	run();
	expect_sent("\r\n[web waits: for db; Ctrl-] leaves]\r\n");
	type_text("c");
	expect_sent("\a");
	type_text(LEAVE);
	sent_clear();
}

static void destroy(void)
{
	first = NULL;
	memset(&partition, 0xa5, sizeof(partition));
}

/* By a program, while we look. */
static void test_attach_partition_is_destroyed(void **state)
{
	(void)state;
	partition_reset_fake();
	type_text("attach\r");
	sent_clear();
	carry_out = destroy;
	type_text("<1>say\r");
	expect_sent("\r\n[web is destroyed]\x1b[m\r\n" PROMPT "say\r\none\r\ntwo\r\n" PROMPT);
	carry_out = NULL;
	first = &partition;
	partition_reset_fake();
}

static char answer[64];

static void answer_make(void)
{
	console_capture(answer, sizeof(answer));
	assert_true(console_captured());
	assert_false(console_cancelled());
	command_run("say");
	assert_int_equal(console_capture_end(), 8);
	assert_false(console_captured());
	console_send("{", 1);
	console_send(answer, 8);
	console_send("}", 1);
}

static void test_requests_between_keys(void **state)
{
	(void)state;
	carry_out = answer_make;
	requests[0] = 0;
	type_text("sa<12>y<345>\r");
	assert_string_equal(requests, "<12><345>");
	assert_string_equal(ran, "say");
	/* Keys are shown when all that has come is sorted. */
	expect_sent("{one\ntwo\n}{one\ntwo\n}say\r\none\r\ntwo\r\n" PROMPT);

	/* In pieces, and while attached: the guest sees nothing of it. */
	requests[0] = 0;
	partition_reset_fake();
	type_text("attach\r");
	sent_clear();
	type_text("a<1");
	type_text("2");
	expect_sent("");
	type_text(">b");
	expect_sent("{one\ntwo\n}");
	assert_string_equal(keys, "ab");
	assert_string_equal(requests, "<12>");
	type_text(LEAVE);
	sent_clear();
	carry_out = NULL;
}

static void test_capture_is_cut(void **state)
{
	char buffer[5] = "#####";

	(void)state;
	console_capture(buffer, 4);
	console_print("abc\nde");
	console_flush();
	assert_int_equal(console_capture_end(), 6);
	assert_memory_equal(buffer, "abc\n#", 5);
	expect_sent("");
}

static void test_cancel(void **state)
{
	(void)state;
	type_text("cancel\rx");
	expect_sent("cancel\r\nnot cancelled\r\n" PROMPT "x");
	type_text("\x03");
	sent_clear();
	type_text("cancel\rab\x03");
	/* What was typed before it is gone, too. */
	expect_sent("cancel\r\ncancelled\r\n" PROMPT);
}

static void test_log_level(void **state)
{
	(void)state;
	assert_int_equal(console_host()->log_level, LOG_INFO);
	console_log_level_set(LOG_ERROR);
	assert_int_equal(console_host()->log_level, LOG_ERROR);
	assert_int_equal(console_host()->console, CONFIG_CONSOLE_COM2);
	log_warn("not shown");
	run();
	expect_sent("");
	console_log_level_set(LOG_INFO);
	log_info("shown");
	run();
	expect_sent(HIDE SHOWN("info ", "shown") PROMPT);
}

static void test_output_leaves_the_cpu_to_others(void **state)
{
	(void)state;
	sleeps = 0;
	type_text("say\rsay\rsay\rsay\r");
	/* Each FIFO full but the first has to wait for the one before. */
	assert_true(sleeps >= sent_bytes / 16 - 1);
	sent_clear();
}

static void test_dead_line(void **state)
{
	(void)state;
	line_dead = true;
	type_text("say\r");
	assert_string_equal(ran, "say");
	expect_sent("");
	line_dead = false;
	type_text("\x03");
	expect_sent("^C\r\n" PROMPT);
}

static void test_polling(void **state)
{
	(void)state;
	receive_on = false;
	route_result = -ENODEV;
	console_start(&config);
	run();
	assert_false(receive_on);
	assert_non_null(strstr(sent, "interrupt 3 cannot be had"));
	sent_clear();
	type_text("say\r");
	expect_sent("");
	run_timeout();
	expect_sent("say\r\none\r\ntwo\r\n" PROMPT);
}

static void test_panic_and_stop(void **state)
{
	(void)state;
	log_info("shown by console_stop");
	console_stop();
	assert_int_equal(drains, 1);
	expect_sent("\r\n" SHOWN("info ", "shown by console_stop"));
	log_info("after it");
	expect_sent(SHOWN("info ", "after it"));

	console_start(&config);
	run();
	sent_clear();
	log_panic_mode();
	log_panic_write("*** panic\n", 10);
	expect_sent("\r\n*** panic\r\n");
	log_error("and more");
	expect_sent(SHOWN("error", "and more"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_line),
		cmocka_unit_test(test_debug_is_waited_for),
		cmocka_unit_test(test_log_before_the_thread),
		cmocka_unit_test(test_log_more_than_the_queue),
		cmocka_unit_test(test_panic_before_the_thread),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_log_while_typing),
		cmocka_unit_test(test_log_too_fast),
		cmocka_unit_test(test_wakes_are_few),
		cmocka_unit_test(test_input_overflow),
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_attach_slow_guest),
		cmocka_unit_test(test_attach_deaf_guest),
		cmocka_unit_test(test_attach_lost_output),
		cmocka_unit_test(test_attach_partition_ends),
		cmocka_unit_test(test_attach_pauses_and_waits),
		cmocka_unit_test(test_attach_partition_is_destroyed),
		cmocka_unit_test(test_requests_between_keys),
		cmocka_unit_test(test_capture_is_cut),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_log_level),
		cmocka_unit_test(test_output_leaves_the_cpu_to_others),
		cmocka_unit_test(test_dead_line),
		cmocka_unit_test(test_polling),
		cmocka_unit_test(test_panic_and_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
