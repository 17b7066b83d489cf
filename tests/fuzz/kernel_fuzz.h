/* SPDX-License-Identifier: MIT */
/* What the fuzz targets of the loaders of ELF kernels share. */
#pragma once

#include <bulkhead/config.h>
#include <bulkhead/load.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RAM_MAX	     (16 * MIB)
#define MODULE_BYTES 5000
#define RSDP_GPA     0xe0000

/* The first bytes of the input choose the machine, the rest is the file. */
struct choice {
	u8 mend;
	u8 ram_mib;
	u8 modules;
	u8 options;
} packed;

#define OPTION_RSDP 1
#define OPTION_HIGH 2

static inline void must(bool condition)
{
	if (!condition)
		abort();
}

/* RAM ends where an inaccessible page begins. */
static inline u8 *ram_make(void)
{
	u8 *ram = mmap(NULL, RAM_MAX + PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(ram != MAP_FAILED && !mprotect(ram + RAM_MAX, PAGE_SIZE, PROT_NONE));
	return ram;
}

/* Try the file with `load`, whose result is for `check`. `mend` may put right what random bytes
 * hardly ever are. */
static inline void
kernel_try(const u8 *data, size_t bytes,
	   int (*load)(const struct load_request *request, struct guest_memory *memory,
		       struct cpu_state *start, char *reason),
	   void (*mend)(u8 *file, u64 bytes, u8 choice),
	   void (*check)(const struct load_request *request, const struct guest_memory *memory,
			 const struct cpu_state *start))
{
	static u8 *ram, module[MODULE_BYTES];
	static struct load_module modules[CONFIG_MODULES_MAX];
	char reason[LOAD_REASON_BYTES] = "";
	struct load_request request = {.modules = modules, .cmdline = "console=com1"};
	struct guest_memory memory = {};
	struct cpu_state start;
	struct choice choice;
	u8 *file;

	if (bytes < sizeof(choice))
		return;
	memcpy(&choice, data, sizeof(choice));
	ram = ram ? ram : ram_make();
	memory.low_bytes = (1 + choice.ram_mib % (RAM_MAX / MIB)) * MIB;
	memory.window = ram + RAM_MAX - memory.low_bytes;
	memory.high_bytes = choice.options & OPTION_HIGH ? GIB : 0;
	request.rsdp_gpa = choice.options & OPTION_RSDP ? RSDP_GPA : 0;
	request.module_count = choice.modules % (CONFIG_MODULES_MAX + 1);
	memset(module, 0x5a, sizeof(module));
	for (u32 i = 0; i < request.module_count; i++)
		modules[i] = (struct load_module){{module, MODULE_BYTES, "\\dir\\m"}, "text"};
	bytes -= sizeof(choice);
	file = malloc(bytes); /* exactly: a byte too many read is seen */
	must(file || !bytes);
	memcpy(file, data + sizeof(choice), bytes);
	mend(file, bytes, choice.mend);
	request.kernel = (struct load_file){file, bytes, "\\dir\\kernel"};
	if (load(&request, &memory, &start, reason)) {
		must(reason[0] && strnlen(reason, sizeof(reason)) < sizeof(reason));
	} else {
		must(start.rip < memory.low_bytes && start.gpr[GPR_RBX] < memory.low_bytes);
		must(guest_memory_at(&memory, start.gdtr.base, PAGE_SIZE));
		check(&request, &memory, &start);
	}
	free(file);
	must(!madvise(ram, RAM_MAX, MADV_DONTNEED));
}
