/* SPDX-License-Identifier: MIT */
/*
 * The core file of a frozen partition: a head, then all RAM, without holes. The head's program
 * headers say at which virtual addresses the guest has that RAM: found in its page tables, joined
 * where they continue each other, and limited, as a guest can have as many mappings as it likes.
 */
#include "dump.h"

#include "command.h"
#include "look.h"
#include "report.h"

#include <bulkhead/core_file.h>
#include <bulkhead/cpu_text.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

#define RAM_RANGES   3
#define SLOT_BYTES   (512 * GIB)
#define SLOT_LOADS   128   /* of one slot of virtual addresses: no one part takes the room of all */
#define SLOT_WALKS   8192  /* likewise, the time */
#define WALKS_MAX    65536 /* of all */
#define WALKS_PIECE  512   /* in one go, before others may run */
#define LOADS_MAX    640
#define HEADER_BYTES (96 * KIB) /* for all of these, and for the registers of all vCPUs */

struct ram_range {
	u64 gpa, bytes;
	u64 offset; /* in the part of the file that is memory */
};

/* A partition at one moment: when it has run since, its exits have increased. */
struct moment {
	u32 number; /* of the partition; 0: none */
	u64 starts, exits;
};

/* Of the last dump_begin. The layout may have been made anew meanwhile, which gives the same for a
 * guest that stands still. */
static struct moment begun;

static struct {
	struct moment moment;
	struct ram_range ram[RAM_RANGES];
	u32 ram_count;
	u64 memory_bytes, header_bytes;
	struct core_load loads[LOADS_MAX];
	u32 load_count;
	bool partly; /* there are more mappings */
	u8 header[HEADER_BYTES];
} layout;

/* --- RAM --- */

static void ram_add(u64 gpa, u64 end)
{
	if (end <= gpa)
		return;
	layout.ram[layout.ram_count++] = (struct ram_range){gpa, end - gpa, layout.memory_bytes};
	layout.memory_bytes += end - gpa;
}

static void ram_find(const struct guest_memory *memory)
{
	layout.ram_count = 0;
	layout.memory_bytes = 0;
	ram_add(0, MIN(memory->low_bytes, GUEST_HOLE_BASE));
	ram_add(GUEST_HOLE_END, memory->low_bytes);
	ram_add(GUEST_HIGH_BASE, GUEST_HIGH_BASE + memory->high_bytes);
}

/* --- virtual addresses --- */

struct scan {
	struct vcpu *vcpu;
	struct guest_paging paging;
	u64 walks;	/* that may still be made */
	u32 slot_loads; /* load_count when this slot began */
};

static bool read_entry(void *context, u64 gpa, void *data, unsigned bytes)
{
	const struct vcpu *vcpu = context;
	const void *at = guest_memory_at(&vcpu->partition->memory, gpa, bytes);

	if (at)
		memcpy(data, at, bytes);
	return at;
}

static bool load_continues(const struct core_load *load, u64 address, u64 physical, u64 offset)
{
	return load->address + load->bytes == address && load->physical + load->bytes == physical &&
	       load->offset + load->bytes == offset;
}

static void load_add(struct scan *scan, u64 address, u64 physical, u64 bytes, u64 offset)
{
	struct core_load *last =
		layout.load_count > scan->slot_loads ? &layout.loads[layout.load_count - 1] : NULL;

	if (last && load_continues(last, address, physical, offset))
		last->bytes += bytes;
	else if (layout.load_count - scan->slot_loads == SLOT_LOADS ||
		 layout.load_count == LOADS_MAX - RAM_RANGES)
		layout.partly = true;
	else
		layout.loads[layout.load_count++] =
			(struct core_load){address, physical, bytes, offset};
}

/* The parts of a page that are RAM. */
static void page_add(struct scan *scan, u64 address, u64 gpa, u64 bytes)
{
	for (u32 i = 0; i < layout.ram_count; i++) {
		const struct ram_range *ram = &layout.ram[i];
		u64 first = MAX(gpa, ram->gpa), end = MIN(gpa + bytes, ram->gpa + ram->bytes);

		if (first < end)
			load_add(scan, address + (first - gpa), first, end - first,
				 ram->offset + (first - ram->gpa));
	}
}

/* Up to `last` or WALKS_PIECE of them; returns where to go on, 0 at the end. In the guest's space.
 */
static u64 piece_scan(struct scan *scan, u64 at, u64 last, u64 *walks)
{
	for (u32 i = 0; i < WALKS_PIECE && *walks; i++) {
		struct guest_walk walk;
		u64 base;

		--*walks;
		guest_walk(&scan->paging, at, &walk);
		base = align_down(at, walk.span);
		if (walk.end == GUEST_WALK_PAGE)
			page_add(scan, base, walk.gpa - (at - base), walk.span);
		if (last - base < walk.span)
			return 0;
		at = base + walk.span;
	}
	return at;
}

static void slot_scan(struct scan *scan, u64 first, u64 last)
{
	u64 walks = MIN(scan->walks, (u64)SLOT_WALKS), allowed = walks, at = first;

	scan->slot_loads = layout.load_count;
	while (walks) {
		u64 previous = address_space_enter(&scan->vcpu->partition->space);

		at = piece_scan(scan, at, last, &walks);
		address_space_leave(previous);
		if (!at)
			break;
		thread_yield();
	}
	if (at)
		layout.partly = true;
	scan->walks -= allowed - walks;
}

/* The slots of a half of the address space from the top down: kernels are there. Those of `done`
 * were scanned already. */
static void half_scan(struct scan *scan, u64 first, u64 last, const u64 done[2])
{
	u64 at = align_down(last, SLOT_BYTES);

	for (;;) {
		u64 previous = address_space_enter(&scan->vcpu->partition->space);
		struct guest_walk walk;
		u64 base;

		guest_walk(&scan->paging, at, &walk);
		address_space_leave(previous);
		/* Nothing here, and perhaps in a larger piece around it. */
		base = align_down(at, MAX(walk.span, SLOT_BYTES));
		if ((walk.end == GUEST_WALK_PAGE || walk.span < SLOT_BYTES) && at != done[0] &&
		    at != done[1])
			slot_scan(scan, at, at + SLOT_BYTES - 1);
		if (base <= first || !scan->walks)
			break;
		at = base - SLOT_BYTES;
		if (!(--scan->walks % WALKS_PIECE))
			thread_yield();
	}
	if (!scan->walks)
		layout.partly = true;
}

/* First of all what surrounds the next instruction and the stack. */
static void long_scan(struct scan *scan, const struct cpu_state *state)
{
	unsigned bits = state->cr4 & CR4_LA57 ? 57 : 48;
	u64 low_last = BIT(bits - 1) - 1, high_first = ~low_last;
	u64 done[2] = {
		align_down(cpu_linear(state, &state->cs, state->rip), SLOT_BYTES),
		align_down(cpu_linear(state, &state->ss, state->gpr[GPR_RSP]), SLOT_BYTES),
	};

	for (u32 i = 0; i < 2; i++)
		if ((!i || done[0] != done[1]) && (done[i] <= low_last || done[i] >= high_first))
			slot_scan(scan, done[i], done[i] + SLOT_BYTES - 1);
	half_scan(scan, high_first, ~0UL, done);
	half_scan(scan, 0, low_last, done);
}

static void loads_find(struct vcpu *vcpu)
{
	const struct cpu_state *state = &vcpu->state;
	bool paging = state->cr0 & CR0_PG;
	struct scan scan = {.vcpu = vcpu, .walks = WALKS_MAX};

	layout.load_count = 0;
	layout.partly = false;
	look_paging(vcpu, &scan.paging);
	scan.paging.read = read_entry;
	if (paging && state->efer & EFER_LMA)
		long_scan(&scan, state);
	else if (paging)
		slot_scan(&scan, 0, 4 * GIB - 1);
	for (u32 i = 0; i < layout.ram_count; i++) {
		const struct ram_range *ram = &layout.ram[i];

		layout.loads[layout.load_count++] = (struct core_load){
			.address = ram->gpa + (paging ? DUMP_PHYSICAL : 0),
			.physical = ram->gpa,
			.bytes = ram->bytes,
			.offset = ram->offset,
		};
	}
}

/* --- the file --- */

static u64 exits_of(const struct partition *partition)
{
	u64 exits = 0;

	for (u32 i = 0; i < partition->vcpu_count; i++)
		exits += partition->vcpus[i]->exits;
	return exits;
}

static struct moment moment_of(const struct partition *partition)
{
	return (struct moment){partition->number, partition->starts, exits_of(partition)};
}

static bool moment_is(const struct moment *moment, const struct partition *partition)
{
	return moment->number == partition->number && moment->starts == partition->starts &&
	       moment->exits == exits_of(partition);
}

static int layout_make(struct partition *partition)
{
	static const struct cpu_state *states[CONFIG_VCPUS_MAX];
	struct core_file core = {
		.name = partition->config->name,
		.cpus = states,
		.cpu_count = partition->vcpu_count,
		.loads = layout.loads,
	};

	layout.moment = moment_of(partition);
	ram_find(&partition->memory);
	for (u32 i = 0; i < partition->vcpu_count; i++)
		states[i] = &partition->vcpus[i]->state;
	loads_find(partition->vcpus[0]);
	core.load_count = layout.load_count;
	layout.header_bytes = core_file_header_bytes(core.cpu_count, core.load_count);
	return core_file_header(&core, layout.header, sizeof(layout.header));
}

int dump_begin(struct partition *partition, u64 *total_bytes, char *reason)
{
	int error;

	begun.number = 0;
	if (!partition_inspectable(partition)) {
		format_text(reason, LOAD_REASON_BYTES, "it is %s, it must be paused or crashed",
			    partition_state_name(partition_state_now(partition)));
		return -EBUSY;
	}
	error = layout_make(partition);
	if (error) {
		format_text(reason, LOAD_REASON_BYTES, "its head needs %lu bytes, there are %lu",
			    layout.header_bytes, sizeof(layout.header));
		return error;
	}
	begun = layout.moment;
	*total_bytes = layout.header_bytes + layout.memory_bytes;
	return 0;
}

/* The range that has byte `offset` of memory. */
static const struct ram_range *ram_at(u64 offset)
{
	for (u32 i = 0; i < layout.ram_count; i++)
		if (offset - layout.ram[i].offset < layout.ram[i].bytes)
			return &layout.ram[i];
	return NULL;
}

static int memory_read(const struct partition *partition, u64 offset, u8 *buffer, u64 bytes)
{
	while (bytes) {
		const struct ram_range *ram = ram_at(offset);
		u64 in_range = ram ? offset - ram->offset : 0;
		u64 piece = ram ? MIN(bytes, ram->bytes - in_range) : 0;

		if (!ram || !look_read(partition, ram->gpa + in_range, buffer, piece))
			return -EINVAL;
		offset += piece;
		buffer += piece;
		bytes -= piece;
	}
	return 0;
}

static int layout_read(const struct partition *partition, u64 offset, u8 *buffer, u32 bytes)
{
	u64 total = layout.header_bytes + layout.memory_bytes, head = 0;

	if (offset > total || bytes > total - offset)
		return -EINVAL;
	if (offset < layout.header_bytes) {
		head = MIN((u64)bytes, layout.header_bytes - offset);
		memcpy(buffer, layout.header + offset, head);
	}
	return head == bytes ? 0
			     : memory_read(partition, offset + head - layout.header_bytes,
					   buffer + head, bytes - head);
}

int dump_read(struct partition *partition, u64 offset, void *buffer, u32 bytes)
{
	int error = 0;

	if (!moment_is(&begun, partition) || !partition_inspectable(partition))
		return -EBUSY;
	/* The operator looked at how large another one's would be. */
	if (!moment_is(&layout.moment, partition))
		error = layout_make(partition);
	return error ? error : layout_read(partition, offset, buffer, bytes);
}

void command_dump(const struct command *command unused, u32 count unused, char *const *arguments)
{
	struct vcpu *vcpu = look_vcpu(arguments[0]);
	const char *name;
	u64 bytes;

	if (!vcpu)
		return;
	name = vcpu->partition->config->name;
	if (layout_make(vcpu->partition)) {
		report_error("the head of a core file of %s has no room", name);
		return;
	}
	bytes = layout.header_bytes + layout.memory_bytes;
	record_begin("dump");
	record_field("partition", "partition");
	cell_text("%s", name);
	record_field("bytes", "core file");
	cell_shown(bytes, "%lu bytes", bytes);
	record_field("ranges", "ranges of memory");
	cell_number(layout.load_count);
	record_field("all_mappings", "all mappings");
	cell_flag(!layout.partly);
	record_end();
	report_note(
		"It is received by the program at the other end of this line: bhctl dump %s FILE",
		name);
}
