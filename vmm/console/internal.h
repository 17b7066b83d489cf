/* SPDX-License-Identifier: MIT */
/* What the parts of the operator's console have of each other. For the console's thread where
 * nothing else is said. */
#pragma once

#include <bulkhead/line_editor.h>
#include <bulkhead/types.h>

struct partition;

extern const char console_version[];

/* Output: collected, and sent by console_flush and console_watch or when it has become much. */
void console_send(const void *bytes, u64 count);	       /* as it is */
void console_print(const char *format, ...) printf_like(1, 2); /* '\n' as CR LF; 1 KiB at most */
void console_flush(void);

/*
 * What was typed. A byte stays until it is taken; bytes that are not there yet wait in the UART
 * when the console's own room (CONSOLE_INPUT_BYTES) is full.
 */
#define CONSOLE_INPUT_BYTES 4096
u32 console_input_peek(const u8 **bytes); /* how many there are in one piece */
void console_input_take(u32 count);
u32 console_input_count(void);
bool console_input_find(u8 byte, u32 *offset); /* how far behind the first byte it is */
/* Was Ctrl-C typed? It is taken, with what was typed before it. */
bool console_cancelled(void);

/*
 * Waiting without missing anything: console_watch; look at everything; if nothing at all was to be
 * done (and nothing was printed), console_wait. It returns at TSC `deadline` at the latest, or
 * earlier.
 */
void console_watch(void);
void console_wait(u64 deadline);
/* There is something to look at. Any CPU, any context. */
void console_wake(void);

/* Pass over the log lines that were not shown yet: how many. */
u32 console_log_skip(void);

/* Run one line of input. */
void command_run(const char *line);
/* line_editor.complete */
void command_complete(struct line_editor *editor);

/* Join the terminal with a partition's serial line until Ctrl-] is typed. */
void attach_run(struct partition *partition);
