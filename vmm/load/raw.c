/* SPDX-License-Identifier: MIT */
/* Starts a flat file: copied to the address that the configuration names and entered at its first
 * byte. */
#include "load_common.h"

#include <bulkhead/config.h>
#include <bulkhead/error.h>

#define STACK_BYTES	 (4 * PAGE_SIZE)
#define REAL_SEGMENT	 0x10000UL
#define REAL_SP		 0xfff0 /* when the stack is in the image's own segment */
#define REAL_STACK_LEAST KIB
#define REAL_LIMIT	 MIB
/* Where a BIOS loads a boot sector, and how it enters one: by 0:7c00, DL saying which disk it is
 * from. */
#define BOOT_SECTOR 0x7c00
#define BOOT_DISK   0x80
#define FLAT_LIMIT  (4UL * GIB)

static bool ranges_overlap(u64 a, u64 a_bytes, u64 b, u64 b_bytes)
{
	return a < b + b_bytes && b < a + a_bytes;
}

static int image_check(const struct load_request *request, const struct guest_memory *memory,
		       char *reason)
{
	u64 address = request->load_address;
	u64 bytes = request->kernel.bytes;

	if (!request->kernel.data || !bytes)
		return load_refuse(reason, -ENOEXEC, "the image is empty");
	if (!guest_memory_at(memory, address, bytes))
		return load_refuse(reason, -ENOMEM,
				   "the image does not fit: %lu bytes at 0x%lx are needed, RAM is "
				   "0 to 0xa0000 and "
				   "0xc0000 to 0x%lx",
				   bytes, address, memory->low_bytes);
	if (request->rsdp_gpa &&
	    ranges_overlap(address, bytes, GUEST_ACPI_BASE, GUEST_ACPI_END - GUEST_ACPI_BASE))
		return load_refuse(reason, -EBUSY,
				   "the image (%lu bytes at 0x%lx) lies on the ACPI tables at "
				   "0x%lx to 0x%lx",
				   bytes, address, GUEST_ACPI_BASE, GUEST_ACPI_END);
	return 0;
}

/* Room in low memory that the image leaves: right below LOAD_LOW_END, or else right below the
 * image. */
static int low_area_find(const struct load_request *request, const struct guest_memory *memory,
			 u64 bytes, u64 *gpa, char *reason)
{
	u64 end = align_down(MIN(LOAD_LOW_END, memory->low_bytes), PAGE_SIZE);

	if (end >= bytes &&
	    ranges_overlap(request->load_address, request->kernel.bytes, end - bytes, bytes))
		end = align_down(request->load_address, PAGE_SIZE);
	if (end < bytes + PAGE_SIZE) /* page 0 stays free for real-mode vectors */
		return load_refuse(reason, -ENOMEM,
				   "the image (%lu bytes at 0x%lx) leaves no %lu KiB for tables "
				   "and stack in one "
				   "piece below 0x%lx",
				   request->kernel.bytes, request->load_address, bytes / KIB,
				   LOAD_LOW_END);
	*gpa = end - bytes;
	return 0;
}

static int state_real(const struct load_request *request, struct guest_memory *memory,
		      struct cpu_state *start, char *reason)
{
	u64 address = request->load_address;
	u64 stack = 0;
	int error;

	if (address >= REAL_LIMIT || !is_aligned(address, 16))
		return load_refuse(reason, -EINVAL,
				   "entry = real needs a load address below 0x%lx that is a "
				   "multiple of 16, found "
				   "0x%lx",
				   REAL_LIMIT, address);
	if (address == BOOT_SECTOR) {
		load_state_real(0, start);
		start->rip = start->gpr[GPR_RSP] = BOOT_SECTOR;
		start->gpr[GPR_RDX] = BOOT_DISK;
		return 0;
	}
	load_state_real(address, start);
	start->gpr[GPR_RSP] = REAL_SP;
	if (request->kernel.bytes + REAL_STACK_LEAST <= REAL_SP &&
	    guest_memory_at(memory, address, REAL_SEGMENT))
		return 0;
	error = low_area_find(request, memory, STACK_BYTES, &stack, reason);
	if (error)
		return error;
	start->ss.selector = (u16)(stack >> 4);
	start->ss.base = stack;
	start->gpr[GPR_RSP] = STACK_BYTES;
	return 0;
}

static int state_flat(const struct load_request *request, struct guest_memory *memory,
		      struct cpu_state *start, char *reason)
{
	bool is_long = request->entry == CONFIG_ENTRY_LONG;
	u64 tables_bytes = is_long ? LOAD_LONG_BYTES : LOAD_PROTECTED_BYTES;
	u64 stack = 0;
	int error;

	if (request->load_address >= FLAT_LIMIT)
		return load_refuse(
			reason, -EINVAL, "entry = %s needs a load address below 0x%lx, found 0x%lx",
			is_long ? "long" : "protected", FLAT_LIMIT, request->load_address);
	error = low_area_find(request, memory, STACK_BYTES + tables_bytes, &stack, reason);
	if (error)
		return error;
	error = is_long ? load_state_long(memory, stack + STACK_BYTES, start)
			: load_state_protected(memory, stack + STACK_BYTES, start);
	if (error)
		return load_refuse(reason, error, "no RAM at 0x%lx for tables",
				   stack + STACK_BYTES);
	start->rip = request->load_address;
	start->gpr[GPR_RSP] = stack + STACK_BYTES;
	if (is_long)
		start->gpr[GPR_RDI] = memory->low_bytes + memory->high_bytes;
	return 0;
}

int load_raw(const struct load_request *request, struct guest_memory *memory,
	     struct cpu_state *start, char *reason)
{
	int error = image_check(request, memory, reason);

	if (error)
		return error;
	if (request->entry == CONFIG_ENTRY_REAL)
		error = state_real(request, memory, start, reason);
	else
		error = state_flat(request, memory, start, reason);
	return error ? error
		     : load_copy(request, memory, request->load_address, request->kernel.data,
				 request->kernel.bytes);
}
