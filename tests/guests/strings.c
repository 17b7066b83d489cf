/* SPDX-License-Identifier: MIT */
/*
 * REP INS and OUTS between ports and RAM again and again, while something about the page of RAM
 * changes: where it is, whether it may be written. The hypervisor remembers the page.
 */
#include "guest.h"

#include <bulkhead/cpu_state.h>
#include <bulkhead/string.h>

#define COM1	   0x3f8
#define COM1_FCR   (COM1 + 2)
#define COM1_MCR   (COM1 + 4)
#define FCR_FIFO   0x07 /* on, and emptied */
#define MCR_LOOP   0x10
#define FIFO_BYTES 16U

#define PORT_RTC  0x70 /* index, and data behind it */
#define RTC_FREE  0x40 /* bytes of memory that are nobody's */
#define PCI_INDEX 0xcf8
#define PCI_DATA  0xcfc
#define PCI_HOST  0x12378086U /* function 0 of device 0 */

#define TIMES 3

/* Two pages of 2 MiB of RAM, and where else one of them is seen. */
#define FIRST	  0x600000UL
#define SECOND	  0x800000UL
#define ELSEWHERE 0x80000000UL
#define ENTRY_RW  BIT(1)

static u64 rep_outs(u16 port, const void *from, u64 count, unsigned bytes)
{
	if (bytes == 1)
		__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
	else if (bytes == 2)
		__asm__ volatile("rep outsw" : "+S"(from), "+c"(count) : "d"(port) : "memory");
	else
		__asm__ volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(port) : "memory");
	return (u64)from + count;
}

static u64 rep_ins(u16 port, void *to, u64 count, unsigned bytes)
{
	if (bytes == 1)
		__asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
	else if (bytes == 2)
		__asm__ volatile("rep insw" : "+D"(to), "+c"(count) : "d"(port) : "memory");
	else
		__asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(port) : "memory");
	return (u64)to + count;
}

static void pattern_put(u8 *at, size_t bytes, u8 seed)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (u8)(seed + 7 * i);
}

/* Through the UART's own loop and back. */
static void loop(const u8 *from, u8 *to)
{
	u8 mcr = in8(COM1_MCR);

	out8(COM1_FCR, FCR_FIFO);
	out8(COM1_MCR, MCR_LOOP);
	rep_outs(COM1, from, FIFO_BYTES, 1);
	rep_ins(COM1, to, FIFO_BYTES, 1);
	out8(COM1_MCR, mcr);
	out8(COM1_FCR, FCR_FIFO);
}

/* All bytes, in order, to and from changing places of a page. */
static void order_try(void)
{
	u8 *from = (u8 *)FIRST, *to = (u8 *)SECOND;

	for (u8 i = 0; i < TIMES; i++) {
		pattern_put(from + i * 8, FIFO_BYTES, i);
		memset(to, 0, 64);
		loop(from + i * 8, to + i);
		check(!memcmp(from + i * 8, to + i, FIFO_BYTES) && !to[i + FIFO_BYTES],
		      "there and back, %u", i);
	}
}

/* More than one page, and more than is done in one exit. */
static void long_try(void)
{
	u8 *from = (u8 *)FIRST + PAGE_SIZE - 100, *to = (u8 *)SECOND + PAGE_SIZE - 90;

	memset(from, 0xa5, 1000);
	check(rep_outs(0x80, from, 1000, 1) == (u64)from + 1000, "rep outsb over pages");
	out32(PCI_INDEX, BIT(31));
	for (unsigned i = 0; i < TIMES; i++) {
		u32 words[300];

		memset(to, 0, sizeof(words) + 4);
		check(rep_ins(PCI_DATA, to, ARRAY_SIZE(words), 4) == (u64)to + sizeof(words),
		      "rep insl over pages, %u", i);
		memcpy(words, to, sizeof(words));
		for (size_t at = 0; at < ARRAY_SIZE(words); at++)
			if (words[at] != PCI_HOST)
				check(false, "word %lu: 0x%x", at, words[at]);
		check(!to[sizeof(words)], "and no more");
	}
}

/* Words to ports of bytes: each is two accesses. */
static void wide_try(void)
{
	u8 pairs[32], *at = (u8 *)FIRST + PAGE_SIZE - sizeof(pairs) / 2;
	u16 read[8];

	for (u8 i = 0; i < sizeof(pairs) / 2; i++) {
		pairs[2 * i] = RTC_FREE + i;
		pairs[2 * i + 1] = 0x30 + i;
	}
	memcpy(at, pairs, sizeof(pairs));
	rep_outs(PORT_RTC, at, sizeof(pairs) / 2, 2);
	for (u8 i = 0; i < sizeof(pairs) / 2; i++) {
		out8(PORT_RTC, RTC_FREE + i);
		check(in8(PORT_RTC + 1) == 0x30 + i, "pair %u", i);
	}
	out8(PORT_RTC, RTC_FREE + 3);
	rep_ins(PORT_RTC, (void *)SECOND, ARRAY_SIZE(read), 2);
	rep_ins(PORT_RTC, (void *)SECOND, ARRAY_SIZE(read), 2);
	memcpy(read, (void *)SECOND, sizeof(read));
	check(read[0] == 0x33ff && read[7] == 0x33ff, "rep insw: 0x%x", read[7]);
}

#define ENTRY_BASE 0xffffffffff000UL

/* The entry for 2 MiB that maps `address`. */
static volatile u64 *entry_of(u64 address)
{
	u64 table;

	__asm__ volatile("mov %%cr3, %0" : "=r"(table));
	for (unsigned shift = 39;; shift -= 9) {
		volatile u64 *entry =
			(volatile u64 *)(table & ENTRY_BASE) + (address >> shift & 511);

		if (shift == 21)
			return entry;
		table = *entry;
	}
}

static void map(u64 page, bool writable)
{
	volatile u64 *entry = entry_of(ELSEWHERE);

	*entry = (*entry & ~(ENTRY_BASE | ENTRY_RW)) | page | (writable ? ENTRY_RW : 0);
	__asm__ volatile("invlpg (%0)" : : "r"(ELSEWHERE) : "memory");
}

/* Another page at the same address, for what follows at once. */
static void page_try(void)
{
	u8 mcr = in8(COM1_MCR), seen[FIFO_BYTES];

	pattern_put((u8 *)FIRST, FIFO_BYTES, 3);
	pattern_put((u8 *)SECOND, FIFO_BYTES, 90);
	for (unsigned i = 0; i < TIMES; i++) {
		out8(COM1_FCR, FCR_FIFO);
		out8(COM1_MCR, MCR_LOOP);
		map(FIRST, true);
		rep_outs(COM1, (void *)ELSEWHERE, FIFO_BYTES / 2, 1);
		map(SECOND, true);
		rep_outs(COM1, (void *)ELSEWHERE, FIFO_BYTES / 2, 1);
		for (unsigned at = 0; at < FIFO_BYTES; at++)
			seen[at] = in8(COM1);
		out8(COM1_MCR, mcr);
		check(!memcmp(seen, (void *)FIRST, FIFO_BYTES / 2) &&
			      !memcmp(seen + FIFO_BYTES / 2, (void *)SECOND, FIFO_BYTES / 2),
		      "from one page and from another, %u", i);
	}
}

static void write_protect(bool on)
{
	u64 cr0;

	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	cr0 = on ? cr0 | CR0_WP : cr0 & ~CR0_WP;
	__asm__ volatile("mov %0, %%cr0" : : "r"(cr0) : "memory");
}

/* INS to a page that may not be written, while OUTS from it goes on. */
static void protect_try(void)
{
	u64 to, count;

	write_protect(true);
	for (unsigned i = 0; i < TIMES; i++) {
		map(FIRST, true);
		loop((u8 *)ELSEWHERE, (u8 *)ELSEWHERE + 64);
		map(FIRST, false);
		to = ELSEWHERE;
		count = FIFO_BYTES;
		check(attempt("rep insb",
			      : "+D"(to), "+c"(count)
			      : "d"(PORT_RTC)
			      : "memory") == VECTOR_PF &&
			      attempt_error == 3 && count == FIFO_BYTES && to == ELSEWHERE,
		      "rep insb to a page that may not be written, %u", i);
		rep_outs(0x80, (void *)ELSEWHERE, FIFO_BYTES, 1);
		write_protect(false);
		rep_ins(PORT_RTC, (void *)ELSEWHERE, FIFO_BYTES, 1);
		check(*(volatile u8 *)(FIRST + FIFO_BYTES - 1) == 0xff, "without CR0.WP, %u", i);
		write_protect(true);
		count = FIFO_BYTES;
		check(attempt("rep insb",
			      : "+D"(to), "+c"(count)
			      : "d"(PORT_RTC)
			      : "memory") == VECTOR_PF,
		      "and with it again, %u", i);
	}
	map(ELSEWHERE, true);
}

void guest_main(void)
{
	order_try();
	long_try();
	wide_try();
	page_try();
	protect_try();
	checks_end("strings");
}
