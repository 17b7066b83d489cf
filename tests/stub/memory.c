/* SPDX-License-Identifier: MIT */
/* The memory map that the stub hands over, made from the BIOS' by overlaying. */
#include "tests/stub/stub.h"

static void entry_insert(struct hand_over *out, u32 at, u64 base, u64 end, u32 type)
{
	if (base >= end)
		return;
	if (out->info.memory_count == MEMORY_ROOM)
		stub_fail("the memory map has more entries than there is room for", "room",
			  MEMORY_ROOM);
	for (u32 i = out->info.memory_count++; i > at; i--)
		out->memory[i] = out->memory[i - 1];
	out->memory[at] = (struct boot_memory){.base = base, .bytes = end - base, .type = type};
}

/* Cut [base, end) out of what is there; returns where an entry for it belongs. */
static u32 range_clear(struct hand_over *out, u64 base, u64 end)
{
	u32 i = 0;

	while (i < out->info.memory_count) {
		struct boot_memory *entry = &out->memory[i];
		u64 entry_end = entry->base + entry->bytes;

		if (entry_end <= base) {
			i++;
		} else if (entry->base >= end) {
			break;
		} else if (entry->base < base) {
			entry->bytes = base - entry->base;
			entry_insert(out, ++i, end, entry_end, entry->type);
		} else if (entry_end > end) {
			entry->base = end;
			entry->bytes = entry_end - end;
			break;
		} else {
			out->info.memory_count--;
			for (u32 j = i; j < out->info.memory_count; j++)
				out->memory[j] = out->memory[j + 1];
		}
	}
	return i;
}

/* [base, base + bytes), multiples of 4 KiB, becomes `type`, whatever it was. */
void memory_set(struct hand_over *out, u64 base, u64 bytes, u32 type)
{
	u32 at;

	if (bytes == 0)
		return;
	at = range_clear(out, base, base + bytes);
	entry_insert(out, at, base, base + bytes, type);
}

bool memory_is(const struct hand_over *out, u64 base, u64 bytes, u32 type)
{
	for (u32 i = 0; i < out->info.memory_count; i++) {
		const struct boot_memory *entry = &out->memory[i];

		if (entry->type == type && entry->base <= base &&
		    base + bytes <= entry->base + entry->bytes)
			return true;
	}
	return false;
}

/* Where RAM ends. */
u64 memory_end(const struct hand_over *out)
{
	u64 end = 0;

	for (u32 i = 0; i < out->info.memory_count; i++)
		if (out->memory[i].type == BOOT_MEMORY_USABLE)
			end = MAX(end, out->memory[i].base + out->memory[i].bytes);
	return end;
}

static u32 type_from_e820(u32 type)
{
	static const u32 types[] = {
		[1] = BOOT_MEMORY_USABLE,   [2] = BOOT_MEMORY_RESERVED, [3] = BOOT_MEMORY_ACPI,
		[4] = BOOT_MEMORY_ACPI_NVS, [5] = BOOT_MEMORY_BAD,
	};

	return type < ARRAY_SIZE(types) && types[type] ? types[type] : BOOT_MEMORY_RESERVED;
}

/* Usable memory shrinks to whole pages; all else grows to them and wins where they overlap. */
void memory_from_e820(struct hand_over *out, const struct e820_entry *entries, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		const struct e820_entry *entry = &entries[i];
		u64 base = align_up(entry->base, PAGE_SIZE);
		u64 end = align_down(entry->base + entry->bytes, PAGE_SIZE);

		if (entry->type == 1 && (entry->attributes & 1) && base < end)
			memory_set(out, base, end - base, BOOT_MEMORY_USABLE);
	}
	for (u32 i = 0; i < count; i++) {
		const struct e820_entry *entry = &entries[i];
		u64 base = align_down(entry->base, PAGE_SIZE);
		u64 end = align_up(entry->base + entry->bytes, PAGE_SIZE);

		if (entry->type != 1 && (entry->attributes & 1))
			memory_set(out, base, end - base, type_from_e820(entry->type));
	}
}
