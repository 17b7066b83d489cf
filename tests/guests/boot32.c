/* SPDX-License-Identifier: MIT */
/*
 * A kernel that says on the serial line what its boot protocol told it: multiboot 1, multiboot 2 or
 * PVH, by what is in EAX and where EBX points. In 32-bit protected mode.
 */
#include <stdbool.h>
#include <stdint.h>

/* Not from bulkhead/types.h: that wants a C library's headers, and those for 32 bits are rarely
 * there. */
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE_SIZE	 4096
#define COM1		 0x3f8
#define COM1_LSR	 (COM1 + 5)
#define LSR_THR_EMPTY	 0x20
#define MULTIBOOT1_MAGIC 0x2badb002
#define MULTIBOOT2_MAGIC 0x36d76289
#define PVH_MAGIC	 0x336ec578

void guest_main(u32 eax, const u8 *info);

static u8 in8(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void print_byte(char byte)
{
	while (!(in8(COM1_LSR) & LSR_THR_EMPTY))
		;
	__asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"((u16)COM1));
}

static void print(const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			print_byte('\r');
		print_byte(*text);
	}
}

static void print_hex(u64 value)
{
	bool begun = false;

	for (int shift = 60; shift >= 0; shift -= 4) {
		u32 digit = (u32)(value >> shift) & 15;

		begun = begun || digit || shift == 0;
		if (begun)
			print_byte("0123456789abcdef"[digit]);
	}
}

static void print_named(const char *name, u64 value)
{
	print(name);
	print_hex(value);
}

static u32 word(const u8 *at)
{
	return *(const u32 *)at;
}

static u64 quad(const u8 *at)
{
	return *(const u64 *)at;
}

static const u8 *at(u64 address)
{
	return (const u8 *)(uintptr_t)address;
}

static void cmdline(u64 text)
{
	print("cmdline: ");
	print((const char *)at(text));
	print("\n");
}

/* What a module has, as the sum of its bytes. */
static void module(u64 begin, u64 bytes, u64 text)
{
	u32 sum = 0;

	for (u64 i = 0; i < bytes; i++)
		sum += at(begin)[i];
	print_named("module: bytes ", bytes);
	print_named(" sum ", sum);
	print(begin % PAGE_SIZE ? " not on a page" : " on a page");
	print(" text ");
	print((const char *)at(text));
	print("\n");
}

static void map_entry(u64 base, u64 bytes, u32 type)
{
	print_named("memory: ", base);
	print_named(" ", bytes);
	print_named(" type ", type);
	print("\n");
}

static void rsdp(u64 address)
{
	u8 sum = 0;

	for (u32 i = 0; i < 20; i++)
		sum = (u8)(sum + at(address)[i]);
	print("rsdp: ");
	for (u32 i = 0; i < 8; i++)
		print_byte((char)at(address)[i]);
	print(sum ? "wrong sum\n" : "good sum\n");
}

static void multiboot1(const u8 *info)
{
	const u8 *entry = at(word(info + 48)), *end = entry + word(info + 44);
	const u8 *list = at(word(info + 24));

	print_named("multiboot1: flags ", word(info));
	print_named(" lower ", word(info + 4));
	print_named(" upper ", word(info + 8));
	print(" loader ");
	print((const char *)at(word(info + 64)));
	print("\n");
	cmdline(word(info + 16));
	for (; entry < end; entry += word(entry) + 4)
		map_entry(quad(entry + 4), quad(entry + 12), word(entry + 20));
	for (u32 i = 0; i < word(info + 20); i++)
		module(word(list + 16 * i), word(list + 16 * i + 4) - word(list + 16 * i),
		       word(list + 16 * i + 8));
	print("multiboot1: done\n");
}

static void multiboot2(const u8 *info)
{
	const u8 *tag = info + 8, *entry;

	print("multiboot2: told\n");
	for (; word(tag); tag += (word(tag + 4) + 7) & ~7U) {
		switch (word(tag)) {
		case 1:
			cmdline((uintptr_t)tag + 8);
			break;
		case 3:
			module(word(tag + 8), word(tag + 12) - word(tag + 8), (uintptr_t)tag + 16);
			break;
		case 6:
			for (entry = tag + 16; entry < tag + word(tag + 4); entry += word(tag + 8))
				map_entry(quad(entry), quad(entry + 8), word(entry + 16));
			break;
		case 8:
			print_named("screen: ", quad(tag + 8));
			print_named(" type ", tag[29]);
			print("\n");
			break;
		case 15:
			rsdp((uintptr_t)tag + 8);
			break;
		case 21:
			print_named("base: ", word(tag + 8));
			print("\n");
			break;
		}
	}
	print("multiboot2: done\n");
}

static void pvh(const u8 *info)
{
	const u8 *list = at(quad(info + 16)), *map = at(quad(info + 40));

	print_named("pvh: version ", word(info + 4));
	print("\n");
	cmdline(quad(info + 24));
	for (u32 i = 0; i < word(info + 48); i++)
		map_entry(quad(map + 24 * i), quad(map + 24 * i + 8), word(map + 24 * i + 16));
	for (u32 i = 0; i < word(info + 12); i++)
		module(quad(list + 32 * i), quad(list + 32 * i + 8), quad(list + 32 * i + 16));
	rsdp(quad(info + 32));
	print("pvh: done\n");
}

void guest_main(u32 eax, const u8 *info)
{
	if (eax == MULTIBOOT1_MAGIC)
		multiboot1(info);
	else if (eax == MULTIBOOT2_MAGIC)
		multiboot2(info);
	else if (word(info) == PVH_MAGIC)
		pvh(info);
	else
		print("FAIL: told nothing\n");
}
