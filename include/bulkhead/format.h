/* SPDX-License-Identifier: MIT */
/*
 * Text formatting, a subset of C's printf: %d %i %u %x %X %c %s %p %% with the lengths hh h l ll z,
 * the flags '-' and '0', a width, '*' for width and precision, and a precision for %s.
 */
#pragma once

#include <bulkhead/types.h>

/*
 * Write at most `bytes` bytes to `buffer`, always ending in NUL when bytes > 0. Returns the length
 * that the whole text has, which is more than bytes - 1 when it was cut (as C's snprintf does).
 */
size_t format_text(char *buffer, size_t bytes, const char *format, ...) printf_like(3, 4);
size_t format_list(char *buffer, size_t bytes, const char *format, va_list arguments)
	printf_like(3, 0);

/* Append to the text already in `buffer`; cut at `bytes` like format_text. Returns the new length
 * of the text in the buffer. */
size_t format_append(char *buffer, size_t bytes, const char *format, ...) printf_like(3, 4);
