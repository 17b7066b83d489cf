/* SPDX-License-Identifier: MIT */
/*
 * The log: one line a message, kept in a ring in memory and shown on every sink (serial line,
 * screen) whose level admits it. Any context may log, including interrupt handlers and a panic:
 * the log's own lock is taken with interrupts off and never held while anything else is waited for.
 */
#pragma once

#include <bulkhead/types.h>

enum log_level {
	LOG_ERROR, /* something failed and an operator must act */
	LOG_WARN,  /* it goes on, but not as asked */
	LOG_INFO,  /* a change of state worth a line: a partition started, a CPU came up */
	LOG_DEBUG, /* for developers; not shown by default */
};

#define LOG_TEXT_BYTES 232 /* longest text of one message with its NUL; longer ones are cut */

struct log_entry {
	u64 time_us; /* since the core started */
	u32 sequence;
	u16 cpu;
	u8 level;
	char text[LOG_TEXT_BYTES];
};

/*
 * Where lines go besides the ring. `write` gets a whole formatted line ending in '\n', with the
 * log's lock held: it may not log. A sink stays registered for good; it is owned by its registrant.
 */
struct log_sink {
	void (*write)(struct log_sink *sink, enum log_level level, const char *text, size_t bytes);
	enum log_level level; /* least important level it wants */
	u32 sequence; /* of the line being written, set by the log; in a panic it means nothing */
	struct log_sink *next;
};

void log_sink_add(struct log_sink *sink);

void log_write(enum log_level level, const char *format, ...) printf_like(2, 3);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

/*
 * Copy the oldest entry whose sequence number is at least `sequence` to `entry`. Returns 0, or
 * -ENOENT when there is none. Sequence numbers start at 0; entries that were overwritten are
 * skipped.
 */
int log_read(u32 sequence, struct log_entry *entry) must_check;

const char *log_level_name(enum log_level level);

/* One line of text for an entry, as every sink shows it, ending in '\n' and NUL. */
size_t log_line(const struct log_entry *entry, char *buffer, size_t bytes);

/* In a panic locks are no longer waited for, and text goes straight to every sink. */
void log_panic_mode(void);
bool log_in_panic(void);
void log_panic_write(const char *text, size_t bytes);
