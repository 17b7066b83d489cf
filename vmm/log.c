/* SPDX-License-Identifier: MIT */
/*
 * The log. Text may come from guests (names, console lines), so that all but printable ASCII is
 * written as \xNN before it is kept: nothing logged can forge a line or command the operator's
 * terminal.
 */
#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/spinlock.h>
#include <bulkhead/string.h>

#define RING_ENTRIES  512
#define LINE_BYTES    288 /* 42 bytes of stamps at most, a whole text, newline, NUL */
#define ESCAPED_BYTES 4	  /* "\xNN" */

static struct {
	struct spinlock lock; /* guards all but `panic` */
	u64 written; /* messages since the beginning; the low half is the next sequence number */
	struct log_entry ring[RING_ENTRIES];
	struct log_sink *sinks;
	bool panic;
} log_state;

/* Returns whether the lock was taken, for log_unlock: in a panic its holder may never let it go. */
static bool log_lock(u64 *flags)
{
	*flags = arch_irq_save();
	while (!log_in_panic()) {
		if (spin_try_lock(&log_state.lock))
			return true;
		arch_relax();
	}
	return false;
}

static void log_unlock(bool locked, u64 flags)
{
	if (locked)
		spin_unlock(&log_state.lock);
	arch_irq_restore(flags);
}

void log_panic_mode(void)
{
	__atomic_store_n(&log_state.panic, true, __ATOMIC_RELAXED);
}

bool log_in_panic(void)
{
	return __atomic_load_n(&log_state.panic, __ATOMIC_RELAXED);
}

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = {
		[LOG_ERROR] = "error",
		[LOG_WARN] = "warn",
		[LOG_INFO] = "info",
		[LOG_DEBUG] = "debug",
	};

	return (unsigned)level < ARRAY_SIZE(names) ? names[level] : "?";
}

size_t log_line(const struct log_entry *entry, char *buffer, size_t bytes)
{
	size_t length;

	if (bytes < sizeof("\n")) {
		memset(buffer, 0, bytes);
		return 0;
	}
	length = format_text(buffer, bytes - 1, "[%5lu.%06lu] %-5s cpu%-2u  %s",
			     entry->time_us / 1000000, entry->time_us % 1000000,
			     log_level_name(entry->level), entry->cpu, entry->text);
	length = MIN(length, bytes - 2);
	buffer[length++] = '\n';
	buffer[length] = 0;
	return length;
}

/* Copy `raw` with every byte made safe. Returns whether all of it fitted. */
static bool text_copy_safe(char text[LOG_TEXT_BYTES], const char *raw)
{
	size_t length = 0;

	for (; *raw; raw++) {
		bool printable = *raw >= ' ' && *raw <= '~';

		if (length + (printable ? 1 : ESCAPED_BYTES) >= LOG_TEXT_BYTES)
			break;
		if (printable)
			text[length++] = *raw;
		else
			length += format_text(text + length, ESCAPED_BYTES + 1, "\\x%02hhx",
					      (u8)*raw);
	}
	text[length] = 0;
	return !*raw;
}

/* A text that was cut ends in dots, so that nobody takes it for the whole. */
static void text_mark_cut(char text[LOG_TEXT_BYTES])
{
	size_t length = strlen(text);

	memcpy(text + MIN(length, (size_t)LOG_TEXT_BYTES - sizeof("...")), "...", sizeof("..."));
}

static void log_show(const struct log_entry *entry)
{
	char line[LINE_BYTES];
	size_t length = log_line(entry, line, sizeof(line));

	for (struct log_sink *sink = log_state.sinks; sink; sink = sink->next) {
		if (entry->level > sink->level)
			continue;
		sink->sequence = entry->sequence;
		sink->write(sink, entry->level, line, length);
	}
}

/* Nothing is kept or stamped: what has panicked may be this very log. */
void log_panic_write(const char *text, size_t bytes)
{
	for (struct log_sink *sink = log_state.sinks; sink; sink = sink->next)
		sink->write(sink, LOG_ERROR, text, bytes);
}

void log_write(enum log_level level, const char *format, ...)
{
	struct log_entry entry = {.level = (u8)level};
	char raw[LOG_TEXT_BYTES];
	va_list arguments;
	bool whole, locked;
	u64 flags;

	va_start(arguments, format);
	whole = format_list(raw, sizeof(raw), format, arguments) < sizeof(raw);
	va_end(arguments);
	if (!text_copy_safe(entry.text, raw) || !whole)
		text_mark_cut(entry.text);

	locked = log_lock(&flags);
	/* Stamped under the lock: sequence and time grow together. */
	entry.time_us = arch_time_us();
	entry.cpu = (u16)arch_cpu_id();
	entry.sequence = (u32)log_state.written;
	log_state.ring[log_state.written % RING_ENTRIES] = entry;
	log_state.written++;
	log_show(&entry);
	log_unlock(locked, flags);
}

void log_sink_add(struct log_sink *sink)
{
	struct log_sink **at = &log_state.sinks;
	u64 flags;
	bool locked = log_lock(&flags);

	while (*at)
		at = &(*at)->next;
	sink->next = NULL;
	*at = sink;
	log_unlock(locked, flags);
}

/* The full position that `sequence` stands for: it is of this round of 2^32, or ahead and of the
 * last. */
static u64 log_position(u32 sequence)
{
	u64 round = log_state.written & ~(u64)UINT32_MAX;
	u64 position = round + sequence;

	return position > log_state.written && round ? position - UINT32_MAX - 1 : position;
}

int log_read(u32 sequence, struct log_entry *entry)
{
	u64 flags, position, oldest;
	bool locked = log_lock(&flags), found;

	oldest = log_state.written - MIN(log_state.written, (u64)RING_ENTRIES);
	position = MAX(log_position(sequence), oldest);
	found = position < log_state.written;
	if (found)
		*entry = log_state.ring[position % RING_ENTRIES];
	log_unlock(locked, flags);
	return found ? 0 : -ENOENT;
}
