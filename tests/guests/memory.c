/* SPDX-License-Identifier: MIT */
/*
 * All RAM: zero at the start, keeps patterns, no two addresses are the same; absent addresses read
 * as all ones and swallow writes; the legacy video window is absent too. It leaves its RAM full of
 * patterns on purpose: the next start must find zeros.
 */
#include "guest.h"

#define HOLE	    0xa0000UL
#define HOLE_END    0xb8000UL
#define TEXT	    0xb8000UL
#define TEXT_END    0xc0000UL
#define ROM	    0xc0000UL
#define TABLES	    0xe0000UL
#define TABLES_END  0x100000UL
#define LOW_USED    0x90000UL /* the loader's tables and stack are above, below the hole */
#define ABOVE_IMAGE 0x200000UL
#define FOUR_GIB    (4 * GIB)
#define PAGE_FLAGS  0x83 /* present, writable, 2 MiB */
#define TABLE_FLAGS 0x03

extern u8 guest_end[];

static u64 directory[512] aligned(PAGE_SIZE);

static volatile u64 *at(u64 address)
{
	return (volatile u64 *)address;
}

static u64 pattern(u64 address)
{
	return address * 0x9e3779b97f4a7c15 + 1;
}

static u64 first_nonzero(u64 from, u64 to)
{
	for (u64 address = from; address < to; address += 8)
		if (*at(address))
			return address;
	return 0;
}

static void zero_try(u64 from, u64 to)
{
	u64 found = first_nonzero(from, to);

	check(!found, "0x%lx to 0x%lx is zero at the start, first that is not: 0x%lx", from, to,
	      found);
}

static void patterns_try(u64 from, u64 to, u64 stride)
{
	u64 wrong = 0;

	for (u64 address = from; address < to; address += stride)
		*at(address) = pattern(address);
	for (u64 address = from; address < to; address += stride)
		wrong += *at(address) != pattern(address);
	check(!wrong, "0x%lx to 0x%lx keeps patterns in steps of %lu, wrong: %lu", from, to, stride,
	      wrong);
}

static void absent_try(u64 address, const char *what)
{
	u64 before = *at(address), after;
	u8 byte;

	*at(address) = 0x0123456789abcdef;
	after = *at(address);
	byte = *(volatile u8 *)(address + 3);
	check(before == ~0UL && after == ~0UL && byte == 0xff, "0x%lx, %s, is absent: 0x%lx",
	      address, what, after);
}

/* The loader maps 4 GiB: show 2 MiB at `physical` in the place of `where`, in a directory of our
 * own. */
static void window_map(u64 physical)
{
	u64 cr3, *root, *pointers;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	root = (u64 *)(cr3 & ~0xfffUL);
	pointers = (u64 *)(root[0] & 0xffffffffff000);
	directory[0] = physical | PAGE_FLAGS;
	pointers[4] = (u64)directory | TABLE_FLAGS;
	__asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
}

static void absent_all(u64 top)
{
	u64 highest = 1UL << (cpuid(0x80000008, 0).eax & 0xff);

	absent_try(top, "right above RAM");
	absent_try(0xbffffff8, "below 3 GiB");
	absent_try(0xd0000000, "where a BAR could be");
	absent_try(0xfec01000, "behind the I/O APIC");
	absent_try(0xfed00400, "behind the HPET");
	absent_try(0xfffffff0, "where firmware would be");
	window_map(FOUR_GIB);
	absent_try(FOUR_GIB, "4 GiB");
	window_map(highest - 2 * MIB);
	print("the highest physical address is 0x%lx\n", highest - 1);
	absent_try(FOUR_GIB + 2 * MIB - 8, "the last one");
}

static void hole_try(void)
{
	u32 wrong = 0;

	for (u64 address = HOLE; address < HOLE_END; address += 512) {
		*at(address) = pattern(address);
		wrong += *at(address) != ~0UL;
	}
	check(!wrong, "the video window is absent, wrong: %u", wrong);
	for (u64 address = TEXT; address < TEXT_END; address += 512)
		*at(address) = pattern(address);
	for (u64 address = TEXT; address < TEXT_END; address += 512)
		wrong += *at(address) != pattern(address);
	check(!wrong, "the screen's text is kept, wrong: %u", wrong);
	check(*at(TEXT_END - 4) >> 32 == (u32)*at(ROM), "a read across its end: 0x%lx",
	      *at(TEXT_END - 4));
	*at(HOLE - 8) = 0x1122334455667788;
	check(*at(HOLE - 4) == 0xffffffff11223344, "a read across its begin: 0x%lx", *at(HOLE - 4));
	*at(HOLE - 4) = 0xaabbccdd99887766;
	check(*at(HOLE - 8) == 0x9988776655667788, "a write across its begin: 0x%lx",
	      *at(HOLE - 8));
}

/* Firmware's part: whether it can be written is the board's choice; it must not be lost. */
static void rom_try(void)
{
	u64 before = *at(TABLES), after;

	*at(ROM) = 0x5555;
	print("0xc0000 is %s\n", *at(ROM) == 0x5555 ? "RAM" : "not RAM");
	*at(TABLES) = ~before;
	after = *at(TABLES);
	print("0xe0000 can%s be written\n", after == before ? "not" : "");
	check(after == before || after == ~before, "0xe0000 holds the old value or the new");
	*at(TABLES) = before;
	check(*at(TABLES) == before, "0xe0000 is as before");
}

void guest_main(void)
{
	u64 top = guest_memory_bytes;

	check((u64)guest_end <= ABOVE_IMAGE, "this payload ends below 2 MiB");
	print("%lu MiB of RAM\n", top / MIB);
	zero_try(0, LOW_USED);
	zero_try(ABOVE_IMAGE, top);
	patterns_try(0, LOW_USED, 8);
	patterns_try(ABOVE_IMAGE, top, 8);
	patterns_try(ABOVE_IMAGE + 4, top - 8, 4093);
	rom_try();
	hole_try();
	absent_all(top);
	checks_end("memory");
}
