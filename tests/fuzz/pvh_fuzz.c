/* SPDX-License-Identifier: MIT */
/* Any bytes as a PVH kernel: it is refused with a reason, or what load_pvh promises holds. */
/* links: vmm/load/pvh.c vmm/load/elf.c vmm/load/load_common.c vmm/format.c */
#include "tests/fuzz/kernel_fuzz.h"

#define MEND_HEADER 1
#define MEND_64	    2

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes);

static void put16(u8 *at, u16 value)
{
	memcpy(at, &value, sizeof(value));
}

static void mend(u8 *file, u64 bytes, u8 choice)
{
	bool wide = choice & MEND_64;

	if (!(choice & MEND_HEADER) || bytes < 64)
		return;
	memcpy(file, "\177ELF", 4);
	file[4] = wide ? 2 : 1;
	file[5] = 1;
	put16(file + 16, 2);
	put16(file + 18, wide ? 62 : 3);
	put16(file + (wide ? 54 : 42), wide ? 56 : 32);
}

static void check(const struct load_request *request, const struct guest_memory *memory,
		  const struct cpu_state *start)
{
	const u8 *info = guest_memory_at(memory, start->gpr[GPR_RBX], 56);
	u64 list, module[4];
	u32 head[4];

	must(info);
	memcpy(head, info, sizeof(head));
	must(head[0] == 0x336ec578 && head[1] == 1 && head[3] == request->module_count);
	memcpy(&list, info + 16, sizeof(list));
	for (u32 i = 0; i < head[3]; i++) {
		must(guest_memory_at(memory, list + i * sizeof(module), sizeof(module)));
		memcpy(module, memory->window + list + i * sizeof(module), sizeof(module));
		must(module[1] == MODULE_BYTES && guest_memory_at(memory, module[0], module[1]));
		must(memory->window[module[0]] == 0x5a);
		must(!strcmp((const char *)memory->window + module[2], "text"));
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	kernel_try(data, bytes, load_pvh, mend, check);
	return 0;
}
