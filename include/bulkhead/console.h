/* SPDX-License-Identifier: MIT */
/*
 * The operator's console on the serial line. Until its thread runs, log lines are queued, and the
 * line takes what it has room for with each of them; from then on the thread alone writes there, so
 * that nothing is ever mixed with what the operator types. In a panic whoever panics waits until
 * the line has taken what was queued and what it says.
 */
#pragma once

#include <bulkhead/scheduler.h>
#include <bulkhead/types.h>

/* The CPU that the console's thread and the serial line's interrupt stay on, and what the thread
 * has of it: time to answer at once, whatever guests do, and no more than a fair share beyond that.
 */
#define CONSOLE_CPU 0
extern const struct scheduler_claim console_claim;

struct config;
struct config_host;
struct partition;

/*
 * Early, on the boot CPU: set up the serial line and show the log on it, with all that was logged
 * so far. `host` must stay. 0, also for console = none; -ENODEV when nothing answers where the line
 * should be, which is logged. With `loglevel = debug` each line is waited for until the thread
 * runs: so one knows how far a machine came that hangs.
 */
int console_init(const struct config_host *host) must_check;

/* On the boot CPU, when threads run: start taking commands. What goes wrong is logged. */
void console_start(const struct config *config);

/* The machine goes down: show what the log still has, and wait until the last byte has left. Later
 * log lines are waited for, too. Any CPU. */
void console_stop(void);

/* `partition` has printed something: shown when the operator is attached to it. Any CPU, any
 * context, whatever locks of the partition are held; cheap when nobody looks. */
void console_output_ready(struct partition *partition);
