/* SPDX-License-Identifier: MIT */
/* walk: how an address of a frozen guest is translated, entry by entry, down to the machine's. */
#include "command.h"
#include "look.h"
#include "report.h"

#include <bulkhead/cpu_text.h>
#include <bulkhead/format.h>
#include <bulkhead/partition.h>

#define TEXT_BYTES 256

static const struct column entry_columns[] = {
	{"level", "LEVEL", false},
	{"at", "AT", false},
	{"value", "VALUE", false},
	{"flags", "FLAGS", false},
};

/* --- the guest's tables --- */

static const struct bit_name entry_names[] = {
	{0, "P"}, {1, "W"}, {2, "U"}, {3, "PWT"}, {4, "PCD"}, {5, "A"}, {63, "NX"},
};
static const struct bit_name leaf_names[] = {
	{0, "P"}, {1, "W"}, {2, "U"}, {3, "PWT"}, {4, "PCD"},
	{5, "A"}, {6, "D"}, {8, "G"}, {63, "NX"},
};
#define ENTRY_BITS (BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(63))
#define LEAF_BITS  (ENTRY_BITS | BIT(6) | BIT(8))

static void entry_text(const struct guest_walk *walk, unsigned index, char *buffer, size_t bytes)
{
	const struct guest_walk_entry *entry = &walk->entries[index];
	bool last = index + 1 == walk->count;
	bool leaf = last && walk->end == GUEST_WALK_PAGE;

	if (last && walk->end == GUEST_WALK_NOT_RAM) {
		format_text(buffer, bytes, "not in RAM");
		return;
	}
	if (!(entry->value & GUEST_ENTRY_PRESENT)) {
		format_text(buffer, bytes, "not present");
		return;
	}
	if (leaf)
		bits_text(buffer, bytes, entry->value & LEAF_BITS, leaf_names,
			  ARRAY_SIZE(leaf_names));
	else
		bits_text(buffer, bytes, entry->value & ENTRY_BITS, entry_names,
			  ARRAY_SIZE(entry_names));
	if (leaf && entry->level > 1)
		format_append(buffer, bytes, " large");
	if (entry->reserved)
		format_append(buffer, bytes, ", reserved bits set: 0x%lx", entry->reserved);
}

static void show_guest_tables(const struct guest_walk *walk)
{
	table_begin("guest", entry_columns, ARRAY_SIZE(entry_columns));
	for (unsigned i = 0; i < walk->count; i++) {
		char text[TEXT_BYTES];

		entry_text(walk, i, text, sizeof(text));
		cell_text("%s", look_level_name(walk->entries[i].level));
		cell_hex(walk->entries[i].at);
		cell_hex(walk->entries[i].value);
		cell_text("%s", text);
	}
	table_end();
}

static void size_cell(u64 bytes)
{
	if (bytes)
		cell_bytes(bytes);
	else
		cell_none();
}

static void show_guest_page(const struct guest_walk *walk)
{
	bool mapped = walk->end == GUEST_WALK_PAGE;
	char fault[TEXT_BYTES];

	look_fault_text(walk, fault, sizeof(fault));
	record_begin("translation");
	record_field("linear", "linear address");
	cell_hex(walk->linear);
	record_field("mapped", NULL);
	cell_flag(mapped);
	record_field("guest_physical", "guest-physical");
	if (mapped)
		cell_hex(walk->gpa);
	else
		cell_none();
	record_field("page_bytes", mapped ? "page" : NULL);
	size_cell(mapped ? walk->span : 0);
	record_field("access", mapped ? "access" : NULL);
	cell_text("%s%s%s", mapped ? "read" : "",
		  mapped && walk->rights & GUEST_ENTRY_WRITE ? ", write" : "",
		  mapped && !(walk->rights & GUEST_ENTRY_NX) ? ", execute" : "");
	record_field("user", mapped ? "from user mode" : NULL);
	cell_flag(mapped && walk->rights & GUEST_ENTRY_USER);
	record_field("reason", mapped ? NULL : "it ends");
	cell_text("%s", fault);
	record_end();
}

/* --- the hypervisor's tables for it --- */

static const char *type_name(enum memory_type type)
{
	switch (type) {
	case MEMORY_UC:
		return "uncached";
	case MEMORY_WC:
		return "write-combining";
	case MEMORY_WT:
		return "write-through";
	case MEMORY_WP:
		return "write-protected";
	case MEMORY_WB:
		return "write-back";
	}
	return "reserved memory type";
}

static void access_text(u32 access, char *buffer, size_t bytes)
{
	format_text(buffer, bytes, "%c%c%c", access & PAGE_READ ? 'R' : '-',
		    access & PAGE_WRITE ? 'W' : '-', access & PAGE_EXECUTE ? 'X' : '-');
}

static void step_text(const struct page_table_format *format, const struct page_table_step *step,
		      char *buffer, size_t bytes)
{
	if (!step->present) {
		format_text(buffer, bytes, "not present");
		return;
	}
	access_text(format->access(step->entry), buffer, bytes);
	if (step->leaf)
		format_append(buffer, bytes, ", %s",
			      type_name(format->type(step->entry, step->level)));
	if (step->leaf && step->level > 1)
		format_append(buffer, bytes, ", large");
}

static void show_second_level(const struct page_table *table, const struct page_table_step *steps,
			      unsigned count)
{
	table_begin("second_level", entry_columns, ARRAY_SIZE(entry_columns));
	for (unsigned i = 0; i < count; i++) {
		char text[TEXT_BYTES];

		step_text(table->format, &steps[i], text, sizeof(text));
		cell_text("%s%u", table->format->name, steps[i].level);
		cell_hex(steps[i].at);
		cell_hex(steps[i].entry);
		cell_text("%s", text);
	}
	table_end();
}

static void show_host_page(const struct page_table *table, u64 gpa)
{
	struct page_table_walk walk;
	char access[TEXT_BYTES] = "";
	bool mapped = page_table_lookup(table, gpa, &walk) == 0;

	if (mapped)
		access_text(walk.access, access, sizeof(access));
	record_begin("host");
	record_field("guest_physical", "guest-physical");
	cell_hex(gpa);
	record_field("mapped", NULL);
	cell_flag(mapped);
	record_field("host_physical", "host-physical");
	if (mapped)
		cell_hex(walk.physical);
	else
		cell_none();
	record_field("page_bytes", mapped ? "page" : NULL);
	size_cell(mapped ? BIT(PAGE_SHIFT + 9 * (walk.level - 1)) : 0);
	record_field("access", mapped ? "access" : NULL);
	cell_text("%s", access);
	record_field("memory_type", mapped ? "memory type" : NULL);
	cell_text("%s", mapped ? type_name(table->format->type(walk.entry, walk.level)) : "");
	record_field("reason", mapped ? NULL : "it ends");
	cell_text("%s", mapped ? "" : "no memory: the partition's board answers accesses there");
	record_end();
}

void command_walk(const struct command *command unused, u32 count unused, char *const *arguments)
{
	struct vcpu *vcpu = look_vcpu(arguments[0]);
	struct page_table_step steps[4];
	struct look_address address;
	const struct page_table *table;

	if (!vcpu || !look_address_read(vcpu, arguments[1], &address))
		return;
	if (!address.physical) {
		struct guest_paging paging;
		struct guest_walk walk;

		look_paging(vcpu, &paging);
		guest_walk(&paging, address.value, &walk);
		report_note("the guest's tables: %s", cpu_paging_name(&vcpu->state));
		show_guest_tables(&walk);
		show_guest_page(&walk);
		if (walk.end != GUEST_WALK_PAGE)
			return;
		address.value = walk.gpa;
	}
	table = &vcpu->partition->second_level;
	report_note("Bulkhead's tables for it: %s", table->format->name);
	show_second_level(table, steps, page_table_trace(table, address.value, steps));
	show_host_page(table, address.value);
}
