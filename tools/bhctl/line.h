/* SPDX-License-Identifier: MIT */
/* The line to a Bulkhead, as a file descriptor: a serial device, a TCP port, a socket in a file. */
#pragma once

/* Open what `name` says (see line_forms). -1 when that is not possible, which was said. */
int line_open(const char *name);

/* How a line is named, for usage texts. */
extern const char line_forms[];
