/* SPDX-License-Identifier: MIT */
/* The console's input, apart from what internal.h has of it for those who read keys. */
#pragma once

#include <bulkhead/types.h>

struct uart;

#define INPUT_POLL_US 20000

/* Take what comes from the line: by its interrupt, or, where that cannot be had, which is logged,
 * whenever somebody looks. Then the thread has to look every INPUT_POLL_US. */
void input_start(const struct uart *uart);
bool input_is_polled(void);

/* Tell keys from requests, which are carried out. Returns whether there was anything of a request.
 */
bool input_sort(void);
