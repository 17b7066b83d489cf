/* SPDX-License-Identifier: MIT */
/*
 * Memory and strings. Large copies dominate: string instructions by words are fast on every CPU
 * with VT-x (SDM volume 1, 7.3.9.3, "Fast-String Operation"), and few where the cost is counted in
 * iterations.
 */
#include <bulkhead/string.h>

/* Without it the compiler would find the very function in the loop that implements it, and call it.
 */
#define opaque(value) __asm__("" : "+r"(value))

struct unaligned_u64 {
	u64 value;
} __attribute__((__packed__, __may_alias__));

static void copy_up(void *to, const void *from, size_t bytes)
{
	size_t words = bytes / 8, rest = bytes % 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words)::"memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest)::"memory");
}

/* Not `std; rep movsb`: fast-string operation is for the upward direction only. */
static void copy_down(u8 *to, const u8 *from, size_t bytes)
{
	while (bytes >= sizeof(u64)) {
		const struct unaligned_u64 *source;

		bytes -= sizeof(u64);
		source = (const void *)(from + bytes);
		opaque(to);
		*(struct unaligned_u64 *)(void *)(to + bytes) = *source;
	}
	while (bytes--) {
		opaque(to);
		to[bytes] = from[bytes];
	}
}

void *memcpy(void *restrict destination, const void *restrict source, size_t bytes)
{
	copy_up(destination, source, bytes);
	return destination;
}

void *memmove(void *destination, const void *source, size_t bytes)
{
	/* True only when it starts inside the source: before the source the difference wraps. */
	if ((uintptr_t)destination - (uintptr_t)source < bytes)
		copy_down(destination, source, bytes);
	else
		copy_up(destination, source, bytes);
	return destination;
}

void *memset(void *destination, int value, size_t bytes)
{
	void *to = destination;
	u64 pattern = (u8)value * 0x0101010101010101UL;
	size_t words = bytes / 8, rest = bytes % 8;

	__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
	return destination;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
	const u8 *left = a, *right = b;

	for (; bytes; bytes--, left++, right++) {
		if (*left != *right)
			return *left - *right;
	}
	return 0;
}

size_t strnlen(const char *text, size_t limit)
{
	size_t length = 0;

	while (length < limit && text[length])
		length++;
	return length;
}

size_t strlen(const char *text)
{
	const char *end = text;

	while (*end) {
		end++;
		opaque(end);
	}
	return (size_t)(end - text);
}

int strncmp(const char *a, const char *b, size_t limit)
{
	for (; limit; limit--, a++, b++) {
		if (*a != *b || !*a)
			return (u8)*a - (u8)*b;
	}
	return 0;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (u8)*a - (u8)*b;
}

char *strchr(const char *text, int character)
{
	for (; *text != (char)character; text++) {
		if (!*text)
			return NULL;
	}
	return (char *)(uintptr_t)text;
}
