/* SPDX-License-Identifier: MIT */
/*
 * A partition's serial line on the operator's terminal. The guest's bytes are passed as they are.
 * Keys stay in the console's input until the guest takes them, and Ctrl-] among them leads back,
 * also past keys that the guest has not taken for a while: nobody gets stuck here.
 */
#include "internal.h"

#include <bulkhead/arch.h>
#include <bulkhead/console.h>
#include <bulkhead/format.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>
#include <bulkhead/timer.h>

#define KEY_LEAVE     0x1d /* Ctrl-] */
#define OUTPUT_BYTES  256
#define RETRY_US      10000  /* a guest reads its UART without telling us */
#define PATIENCE_US   500000 /* how long keys wait for a guest before Ctrl-] may overtake them */
#define RESET_COLOURS "\x1b[m"

/* How the operator was last told that it is. */
enum attach_state { ATTACH_RUNS, ATTACH_PAUSED, ATTACH_WAITS, ATTACH_ENDED };

struct attachment {
	struct partition *partition;
	char name[CONFIG_NAME_BYTES];
	u32 number;
	u64 position; /* in partition->console */
	u64 taken_at; /* TSC of the last time when no key waited, or the guest took one */
	u64 dropped;  /* keys that the guest never took */
	enum attach_state state;
};

static struct partition *attached; /* atomic */

void console_output_ready(struct partition *partition)
{
	if (__atomic_load_n(&attached, __ATOMIC_SEQ_CST) == partition)
		console_wake();
}

static bool output_pass(struct attachment *attachment)
{
	struct partition *partition = attachment->partition;
	u8 bytes[OUTPUT_BYTES];
	bool first = !attachment->position;
	u64 count, missed;

	count = partition_console_read(partition, &attachment->position, bytes, sizeof(bytes),
				       &missed);
	if (missed && first)
		console_print("[the first %lu bytes are lost: the latest %lu are kept]\n", missed,
			      partition->console.bytes);
	else if (missed)
		console_print(
			"\n[%lu bytes are lost: they came faster than this line shows them]\n",
			missed);
	console_send(bytes, count);
	return count;
}

static enum attach_state state_of(enum partition_state state)
{
	switch (state) {
	case PARTITION_STOPPED:
	case PARTITION_CRASHED:
		return ATTACH_ENDED;
	case PARTITION_WAITING:
		return ATTACH_WAITS;
	case PARTITION_PAUSED:
		return ATTACH_PAUSED;
	default:
		return ATTACH_RUNS;
	}
}

/* Once the guest's last words are shown: tell when it stopped or started again. */
static bool state_pass(struct attachment *attachment)
{
	static const char *const words[] = {
		[ATTACH_RUNS] = "runs again",
		[ATTACH_PAUSED] = "is paused",
		[ATTACH_WAITS] = "waits",
		[ATTACH_ENDED] = "does not run",
	};
	struct partition_view view;
	enum attach_state state;

	partition_look(attachment->partition, &view);
	state = state_of(view.state);
	if (state == attachment->state)
		return false;
	attachment->state = state;
	if (state == ATTACH_RUNS)
		console_print("\n[%s %s]\n", attachment->name, words[state]);
	else
		console_print("\n[%s %s%s%s; Ctrl-] leaves]\n", attachment->name, words[state],
			      view.reason[0] ? ": " : "", view.reason);
	return true;
}

/* Another operator's program may have destroyed it while we waited. */
static bool is_there(const struct attachment *attachment)
{
	for (const struct partition *p = partition_first(); p; p = p->next) {
		if (p == attachment->partition)
			return p->number == attachment->number;
	}
	return false;
}

/* Keys for a guest that stands still wait for it, as for one that is slow. */
static bool takes_keys(const struct attachment *attachment)
{
	return attachment->state == ATTACH_RUNS || attachment->state == ATTACH_PAUSED;
}

static void keys_drop(struct attachment *attachment, u32 count)
{
	console_input_take(count);
	attachment->dropped += count;
	attachment->taken_at = arch_tsc();
}

/* Keys wait and the guest takes none. Returns whether the operator has asked to leave. */
static bool keys_stuck(struct attachment *attachment, bool *busy)
{
	bool late = arch_tsc() - attachment->taken_at >= us_to_tsc(PATIENCE_US);
	u32 count = console_input_count(), offset;

	if (takes_keys(attachment) && !late)
		return false;
	if (console_input_find(KEY_LEAVE, &offset)) {
		keys_drop(attachment, offset);
		console_input_take(1);
		return true;
	}
	if (takes_keys(attachment) && count < CONSOLE_INPUT_BYTES)
		return false;
	keys_drop(attachment, count);
	console_print("\a");
	*busy = true;
	return false;
}

/* How many of `count` keys come before Ctrl-]. */
static u32 keys_for_guest(const u8 *keys, u32 count)
{
	u32 i = 0;

	while (i < count && keys[i] != KEY_LEAVE)
		i++;
	return i;
}

/* Returns whether the operator has asked to leave. */
static bool input_pass(struct attachment *attachment, bool *busy)
{
	const u8 *keys;
	u32 count = console_input_peek(&keys);
	u64 taken;

	if (!count) {
		attachment->taken_at = arch_tsc();
		return false;
	}
	if (keys[0] == KEY_LEAVE) {
		console_input_take(1);
		return true;
	}
	taken = attachment->state == ATTACH_RUNS
			? partition_console_input(attachment->partition, keys,
						  keys_for_guest(keys, count))
			: 0;
	if (!taken)
		return keys_stuck(attachment, busy);
	console_input_take((u32)taken);
	attachment->taken_at = arch_tsc();
	*busy = true;
	return false;
}

static void attach_loop(struct attachment *attachment)
{
	for (;;) {
		bool busy, leave;

		console_watch();
		if (!is_there(attachment)) {
			console_print("\n[%s is destroyed]", attachment->name);
			return;
		}
		busy = output_pass(attachment);
		if (!busy)
			busy = state_pass(attachment);
		leave = input_pass(attachment, &busy);
		if (leave)
			return;
		if (!busy)
			console_wait(console_input_count() ? arch_tsc() + us_to_tsc(RETRY_US)
							   : TIMER_OFF);
	}
}

static void attach_end(const struct attachment *attachment)
{
	u32 lines = console_log_skip();

	console_print(RESET_COLOURS "\n");
	if (attachment->dropped)
		console_print("[%s has not taken %lu of the keys typed]\n", attachment->name,
			      attachment->dropped);
	if (lines)
		console_print("[%u log line%s came meanwhile: \"log %u\" shows %s]\n", lines,
			      lines == 1 ? "" : "s", lines, lines == 1 ? "it" : "them");
}

void attach_run(struct partition *partition)
{
	struct attachment attachment = {
		.partition = partition,
		.taken_at = arch_tsc(),
		.number = partition->number,
		.state = ATTACH_RUNS,
	};

	format_text(attachment.name, sizeof(attachment.name), "%s", partition->config->name);
	console_print("[attached to %s; Ctrl-] leaves]\n", attachment.name);
	__atomic_store_n(&attached, partition, __ATOMIC_SEQ_CST);
	attach_loop(&attachment);
	__atomic_store_n(&attached, NULL, __ATOMIC_SEQ_CST);
	attach_end(&attachment);
}
