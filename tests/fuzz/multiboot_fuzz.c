/* SPDX-License-Identifier: MIT */
/* Any bytes as a multiboot kernel: it is refused with a reason, or what load_multiboot promises
 * holds. */
/* links: vmm/load/multiboot.c vmm/load/multiboot1.c vmm/load/multiboot2.c vmm/load/elf.c */
/* links: vmm/load/load_common.c vmm/load/bios_data.c vmm/format.c */
#include "tests/fuzz/kernel_fuzz.h"

#define MAGIC1	  0x1badb002U
#define MAGIC2	  0xe85250d6U
#define LOADED1	  0x2badb002U
#define LOADED2	  0x36d76289U
#define HEADER_AT 0x80

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes);

/* A checksum for a header at HEADER_AT: of the one version, the other, or none. */
static void mend(u8 *file, u64 bytes, u8 choice)
{
	u32 words[4];

	if (choice % 3 == 0 || bytes < HEADER_AT + sizeof(words))
		return;
	memcpy(words, file + HEADER_AT, sizeof(words));
	words[0] = choice % 3 == 1 ? MAGIC1 : MAGIC2;
	if (choice % 3 == 1) {
		words[1] &= 0xf0010007;
		words[2] = 0 - words[0] - words[1];
	} else {
		words[1] = 0;
		words[3] = 0 - words[0] - words[2];
	}
	memcpy(file + HEADER_AT, words, sizeof(words));
}

static u32 word(const struct guest_memory *memory, u64 gpa)
{
	const void *at = guest_memory_at(memory, gpa, sizeof(u32));
	u32 value;

	must(at);
	memcpy(&value, at, sizeof(value));
	return value;
}

static void check_module(const struct guest_memory *memory, u64 at)
{
	u64 begin = word(memory, at);

	must(word(memory, at + 4) - begin == MODULE_BYTES && begin % PAGE_SIZE == 0);
	must(guest_memory_at(memory, begin, MODULE_BYTES));
	must(memory->window[begin] == 0x5a && memory->window[begin + MODULE_BYTES - 1] == 0x5a);
}

static void check(const struct load_request *request, const struct guest_memory *memory,
		  const struct cpu_state *start)
{
	u64 info = start->gpr[GPR_RBX], at;
	u32 modules = 0;

	if (start->gpr[GPR_RAX] == LOADED1) {
		must(word(memory, info + 20) == request->module_count);
		for (u32 i = 0; i < request->module_count; i++)
			check_module(memory, word(memory, info + 24) + 16 * i);
		return;
	}
	must(start->gpr[GPR_RAX] == LOADED2);
	for (at = info + 8; word(memory, at); at += align_up(word(memory, at + 4), 8)) {
		must(at + word(memory, at + 4) <= info + word(memory, info));
		if (word(memory, at) != 3)
			continue;
		check_module(memory, at + 8);
		modules++;
	}
	must(at + 8 == info + word(memory, info) && modules == request->module_count);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	kernel_try(data, bytes, load_multiboot, mend, check);
	return 0;
}
