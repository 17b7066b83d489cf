/* SPDX-License-Identifier: MIT */
/* What every loader needs: words for a refusal, and the first CPU state in the modes guests start
 * in. */
#include "load_common.h"

#include <bulkhead/error.h>
#include <bulkhead/format.h>

#define TSS_OFFSET	0x100 /* in the page of the GDT */
#define TSS_BYTES	0x68 /* SDM vol. 3, figure 8-11: the 64-bit TSS; the 32-bit one is as long */
#define TABLE_ENTRIES	512
#define ENTRY_TABLE	0x03 /* SDM vol. 3, table 4-15: present, writable */
#define ENTRY_2M	0x83 /* and a page of 2 MiB */
#define IDENTITY_GIB	4
#define COPY_BYTES	(64 * KIB)
#define EBDA_END	0xa0000UL
#define LAYOUT_RESERVED 2      /* ranges that are taken from the beginning */
#define REAL_IDT_LIMIT	0xffff /* SDM vol. 3, table 9-1: as after reset */

int load_refuse(char *reason, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	format_list(reason, LOAD_REASON_BYTES, format, arguments);
	va_end(arguments);
	return error;
}

const char *load_file_name(const struct load_file *file)
{
	const char *name = file->name ? file->name : "";

	for (const char *at = name; *at; at++)
		if (*at == '\\')
			name = at + 1;
	return name;
}

int load_copy(const struct load_request *request, struct guest_memory *memory, u64 gpa,
	      const void *data, u64 bytes)
{
	u8 *target = guest_memory_at(memory, gpa, bytes);

	if (!target)
		return -EFAULT;
	for (u64 done = 0; done < bytes; done += COPY_BYTES) {
		memcpy(target + done, (const u8 *)data + done, MIN(COPY_BYTES, bytes - done));
		if (request->breathe)
			request->breathe(request->context);
	}
	return 0;
}

static void map_add(struct load_map_entry *map, u32 *count, u64 base, u64 end, bool ram)
{
	if (end > base)
		map[(*count)++] = (struct load_map_entry){base, end - base, ram};
}

/* The ACPI tables are reserved, not reclaimable: the FACS among them stays in use as long as the
 * guest runs. */
u32 load_map_make(const struct guest_memory *memory, struct load_map_entry map[LOAD_MAP_MAX])
{
	u32 count = 0;

	map_add(map, &count, 0, LOAD_LOW_END, true);
	map_add(map, &count, LOAD_LOW_END, EBDA_END, false);
	map_add(map, &count, GUEST_ACPI_BASE, GUEST_ACPI_END, false);
	map_add(map, &count, MIB, memory->low_bytes, true);
	map_add(map, &count, GUEST_HIGH_BASE, GUEST_HIGH_BASE + memory->high_bytes, true);
	return count;
}

void load_layout_init(struct load_layout *layout, const struct guest_memory *memory)
{
	*layout = (struct load_layout){
		.memory = memory,
		.taken = {{0, PAGE_SIZE}, {LOAD_LOW_END, MIB}},
		.count = LAYOUT_RESERVED,
	};
}

static const struct load_range *layout_conflict(const struct load_layout *layout, u32 count,
						u64 base, u64 end)
{
	for (u32 i = 0; i < count; i++)
		if (base < layout->taken[i].end && layout->taken[i].base < end)
			return &layout->taken[i];
	return NULL;
}

int load_layout_take(struct load_layout *layout, u64 base, u64 bytes)
{
	u64 end = base + bytes;

	if (!bytes)
		return 0;
	if (end < base || end > layout->memory->low_bytes)
		return -EFAULT;
	if (layout_conflict(layout, LAYOUT_RESERVED, base, end))
		return -EBUSY;
	if (layout->count == LOAD_TAKEN_MAX)
		return -E2BIG;
	layout->taken[layout->count++] = (struct load_range){base, end};
	return 0;
}

int load_refuse_place(const struct load_layout *layout, int error, const char *what, u64 base,
		      u64 bytes, char *reason)
{
	if (error == -EBUSY)
		return load_refuse(reason, error,
				   "%s wants 0x%lx bytes at 0x%lx, where the PC's own data are: "
				   "0x1000 to 0x%lx and from 0x100000 on are free",
				   what, bytes, base, LOAD_LOW_END);
	if (error == -E2BIG)
		return load_refuse(reason, error, "%s has too many parts: at most %u can be loaded",
				   what, LOAD_TAKEN_MAX - LAYOUT_RESERVED);
	return load_refuse(reason, -ENOMEM,
			   "%s does not fit: it needs %lu KiB at 0x%lx, RAM ends at 0x%lx", what,
			   align_up(bytes, KIB) / KIB, base, layout->memory->low_bytes);
}

u64 load_layout_find(struct load_layout *layout, u64 bytes, u64 alignment, u64 from)
{
	u64 base = align_up(from, alignment), most = layout->memory->low_bytes;
	const struct load_range *conflict;

	while (base <= most && bytes <= most - base) {
		conflict = layout_conflict(layout, layout->count, base, base + MAX(bytes, 1UL));
		if (!conflict)
			return load_layout_take(layout, base, bytes) ? LOAD_NOWHERE : base;
		base = align_up(conflict->end, alignment);
	}
	return LOAD_NOWHERE;
}

int load_module_place(struct load_layout *layout, const struct load_file *file, u64 kernel_end,
		      u64 *gpa, char *reason)
{
	*gpa = load_layout_find(layout, file->bytes, PAGE_SIZE, MAX(kernel_end, MIB));
	if (*gpa == LOAD_NOWHERE)
		*gpa = load_layout_find(layout, file->bytes, PAGE_SIZE, MIB);
	if (*gpa != LOAD_NOWHERE)
		return 0;
	return load_refuse(
		reason, -ENOMEM,
		"%s does not fit: %lu KiB in one piece are needed beside the kernel, RAM "
		"ends at 0x%lx",
		load_file_name(file), align_up(file->bytes, KIB) / KIB, layout->memory->low_bytes);
}

/* SDM vol. 3, figure 3-8. */
static u64 segment_descriptor(const struct cpu_segment *segment)
{
	u64 limit = segment->attributes & BIT(15) ? segment->limit >> 12 : segment->limit;

	return (limit & 0xffff) | (segment->base & 0xffffff) << 16 |
	       (u64)(segment->attributes & 0xf0ff) << 40 | (limit >> 16 & 0xf) << 48 |
	       (segment->base >> 24 & 0xff) << 56;
}

static int state_flat(struct guest_memory *memory, u64 gpa, u16 code, struct cpu_state *start)
{
	u64 *gdt = guest_memory_at(memory, gpa, PAGE_SIZE);
	struct cpu_segment data = {LOAD_SELECTOR_DATA, SEGMENT_DATA32, 0xffffffff, 0};

	if (!gdt)
		return -EFAULT;
	*start = (struct cpu_state){
		.rflags = RFLAGS_FIXED,
		.cr0 = CR0_PE | CR0_ET | CR0_NE,
		.cs = {LOAD_SELECTOR_CODE, code, 0xffffffff, 0},
		.ss = data,
		.ds = data,
		.es = data,
		.fs = data,
		.gs = data,
		.tr = {LOAD_SELECTOR_TSS, SEGMENT_TSS64, TSS_BYTES - 1, gpa + TSS_OFFSET},
		.gdtr = {gpa, LOAD_SELECTOR_TSS + 16 - 1},
	};
	gdt[LOAD_SELECTOR_CODE / 8] = segment_descriptor(&start->cs);
	gdt[LOAD_SELECTOR_DATA / 8] = segment_descriptor(&start->ds);
	gdt[LOAD_SELECTOR_TSS / 8] = segment_descriptor(&start->tr);
	return 0;
}

int load_state_protected(struct guest_memory *memory, u64 gpa, struct cpu_state *start)
{
	return state_flat(memory, gpa, SEGMENT_CODE32, start);
}

/* PML4, PDPT and one directory for each GiB, in this order. */
static void identity_write(u64 *tables, u64 gpa)
{
	u64 *pdpt = tables + TABLE_ENTRIES;
	u64 *directories = pdpt + TABLE_ENTRIES;

	tables[0] = (gpa + PAGE_SIZE) | ENTRY_TABLE;
	for (u64 i = 0; i < IDENTITY_GIB; i++)
		pdpt[i] = (gpa + (2 + i) * PAGE_SIZE) | ENTRY_TABLE;
	for (u64 i = 0; i < (u64)IDENTITY_GIB * TABLE_ENTRIES; i++)
		directories[i] = i * 2 * MIB | ENTRY_2M;
}

int load_state_long(struct guest_memory *memory, u64 gpa, struct cpu_state *start)
{
	u64 tables_gpa = gpa + PAGE_SIZE;
	u64 *tables = guest_memory_at(memory, tables_gpa, LOAD_LONG_BYTES - PAGE_SIZE);
	int error = state_flat(memory, gpa, SEGMENT_CODE64, start);

	if (error)
		return error;
	if (!tables)
		return -EFAULT;
	identity_write(tables, tables_gpa);
	start->cr0 |= CR0_PG;
	start->cr3 = tables_gpa;
	start->cr4 = CR4_PAE;
	start->efer = EFER_LME | EFER_LMA;
	return 0;
}

void load_state_real(u64 address, struct cpu_state *start)
{
	struct cpu_segment data = {(u16)(address >> 4), SEGMENT_DATA16, 0xffff, address};
	struct cpu_segment code = data;

	code.attributes = SEGMENT_CODE16;
	*start = (struct cpu_state){
		.rflags = RFLAGS_FIXED,
		.cr0 = CR0_ET | CR0_NE,
		.cs = code,
		.ss = data,
		.ds = data,
		.es = data,
		.fs = data,
		.gs = data,
		/* VM entry wants a busy TSS in TR in every mode (SDM vol. 3, 27.3.1.2). */
		.tr = {0, SEGMENT_TSS64, 0xffff, 0},
		.gdtr = {0, 0xffff},
		.idtr = {0, REAL_IDT_LIMIT},
	};
}
