/* SPDX-License-Identifier: MIT */
/*
 * Starts a firmware, BIOS or UEFI: its ROM ends at 4 GiB, the end of it can be seen below 1 MiB as
 * well, and the CPU begins as after power-on, at the ROM's last 16 bytes.
 */
#include "load_common.h"

#include <bulkhead/error.h>

#define SHADOW_MAX  (128 * KIB)
#define RESET_BYTES 16
#define ROM_LEAST   (64 * KIB) /* the segment that a CPU begins in */

/* SDM vol. 3, table 10-1: after power-up or reset. */
#define RESET_CS_SELECTOR 0xf000
#define RESET_CS_BASE	  0xffff0000UL
#define RESET_RIP	  0xfff0
#define RESET_EDX	  0x600 /* family 6 */

static bool all_same(const u8 *bytes, u64 count)
{
	for (u64 i = 1; i < count; i++)
		if (bytes[i] != bytes[0])
			return false;
	return true;
}

static int variables_check(const struct load_file *file, u64 firmware_bytes, char *reason)
{
	if (is_aligned(file->bytes, PAGE_SIZE) && file->bytes <= GUEST_ROM_MAX - firmware_bytes)
		return 0;
	return load_refuse(reason, -ENOEXEC,
			   "the variables have %lu bytes: steps of 4 KiB are needed, and at most "
			   "16 MiB together with the firmware, which has %lu",
			   file->bytes, firmware_bytes);
}

int load_rom_check(const struct load_file *file, const struct load_file *variables, char *reason)
{
	u64 bytes = file->data ? file->bytes : 0;

	if (bytes < ROM_LEAST || bytes > GUEST_ROM_MAX || !is_aligned(bytes, PAGE_SIZE))
		return load_refuse(reason, -ENOEXEC,
				   "the firmware has %lu bytes: 64 KiB to 16 MiB in steps of 4 KiB "
				   "are needed",
				   bytes);
	if (all_same(file->data + bytes - RESET_BYTES, RESET_BYTES))
		return load_refuse(
			reason, -ENOEXEC,
			"the firmware has no code in its last 16 bytes, where a CPU "
			"begins: bytes %02x are all that is there (a file for variables?)",
			file->data[bytes - 1]);
	return variables->data ? variables_check(variables, bytes, reason) : 0;
}

static void state_reset(struct cpu_state *start)
{
	struct cpu_segment data = {0, SEGMENT_DATA16, 0xffff, 0};

	load_state_real(0, start);
	start->cs = (struct cpu_segment){RESET_CS_SELECTOR, SEGMENT_CODE16, 0xffff, RESET_CS_BASE};
	start->ss = start->ds = start->es = start->fs = start->gs = data;
	start->ldtr = (struct cpu_segment){0, SEGMENT_LDT, 0xffff, 0};
	start->cr0 = CR0_ET | CR0_NW | CR0_CD;
	start->rip = RESET_RIP;
	start->gpr[GPR_RDX] = RESET_EDX;
}

int load_firmware(const struct load_request *request, struct guest_memory *memory,
		  struct cpu_state *start, char *reason)
{
	const struct load_file no_variables = {0};
	u64 bytes = MIN(memory->rom_bytes, SHADOW_MAX);
	int error = load_rom_check(&request->kernel, &no_variables, reason);

	if (error)
		return error;
	if (!memory->rom_bytes || memory->low_bytes < MIB)
		return load_refuse(
			reason, -ENOMEM,
			"the firmware does not fit: RAM up to 1 MiB and a ROM are needed, "
			"there are %lu and %lu KiB",
			memory->low_bytes / KIB, memory->rom_bytes / KIB);
	state_reset(start);
	return load_copy(request, memory, MIB - bytes, memory->window + GUEST_ROM_END - bytes,
			 bytes);
}
