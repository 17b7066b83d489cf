/* SPDX-License-Identifier: MIT */
/* What the parts of the operator's console have of each other. For the console's thread where
 * nothing else is said. */
#pragma once

#include <bulkhead/line_editor.h>
#include <bulkhead/log.h>
#include <bulkhead/types.h>

struct config_host;
struct partition;

extern const char console_version[];

/* Output: collected, and sent by console_flush and console_watch or when it has become much. */
void console_send(const void *bytes, u64 count);	       /* as it is */
void console_print(const char *format, ...) printf_like(1, 2); /* '\n' as CR LF; 1 KiB at most */
void console_flush(void);

/*
 * From here on, what is printed goes into `buffer` instead, and '\n' stays as it is. The end
 * returns how many bytes there were: those beyond the buffer are lost. One at a time.
 */
void console_capture(char *buffer, u32 bytes);
u64 console_capture_end(void) must_check;
bool console_captured(void);

/*
 * What was typed. A byte stays until it is taken; bytes that are not there yet wait in the UART
 * when the console's own room (CONSOLE_INPUT_BYTES) is full.
 */
#define CONSOLE_INPUT_BYTES 4096
u32 console_input_peek(const u8 **bytes); /* how many there are in one piece */
void console_input_take(u32 count);
u32 console_input_count(void);
bool console_input_find(u8 byte, u32 *offset); /* how far behind the first byte it is */
/* Was Ctrl-C typed? It is taken, with what was typed before it. Never while output is captured. */
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
/* The least important lines that are shown on the line. */
void console_log_level_set(enum log_level level);
/* The host's configuration as it is now. */
const struct config_host *console_host(void);

/* Run one line of input. 0, or a negative errno when the command failed, which it has said. */
int command_run(const char *line);
/*
 * The same for a program: what is printed goes to `buffer`, *length bytes of it. Commands that need
 * a terminal refuse. -ENOSPC when the output is longer than the buffer.
 */
int command_run_captured(const char *line, char *buffer, u32 bytes, u32 *length) must_check;
/* line_editor.complete */
void command_complete(struct line_editor *editor);

/* Keep a command that changed something, or failed to, with the error or NULL. */
void audit_add(const char *line, bool remote, const char *error);

/* Join the terminal with a partition's serial line until Ctrl-] is typed. */
void attach_run(struct partition *partition);
