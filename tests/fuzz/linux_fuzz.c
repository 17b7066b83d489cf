/* SPDX-License-Identifier: MIT */
/* Any bytes as a kernel file: it is refused with a reason, or what load_linux promises holds. */
/* links: vmm/load/linux.c vmm/load/load_common.c vmm/format.c */
#include "vmm/load/linux_header.h"

#include <bulkhead/load.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RAM_MAX	    (64 * MIB)
#define INITRD_MAX  (4 * MIB)
#define CMDLINE_MAX 4096
#define ZERO_PAGE   0x10000

#define MEND_MAGIC    1
#define MEND_PROTOCOL 2
#define MEND_32	      4 /* as of a kernel that is entered in 32-bit mode, if that is mended at all */

/*
 * The first bytes of the input choose the machine, the rest is the file. `mend` has fields of it
 * put right that random bytes hardly ever are.
 */
struct choice {
	u8 mend;
	u8 ram_mib;
	u8 high;
	u16 cmdline_bytes;
	u32 initrd_bytes;
} packed;

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* RAM ends where an inaccessible page begins. */
static u8 *ram_make(void)
{
	u8 *ram = mmap(NULL, RAM_MAX + PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(ram != MAP_FAILED && !mprotect(ram + RAM_MAX, PAGE_SIZE, PROT_NONE));
	return ram;
}

static void check_loaded(const struct load_request *request, const struct guest_memory *memory,
			 const struct cpu_state *start)
{
	const struct linux_zero_page *page = (const void *)(memory->window + ZERO_PAGE);
	u64 code = page->header.code32_start;
	u64 initrd = page->header.ramdisk_image;

	must(start->rip == code + (start->efer ? LINUX_ENTRY_64 : 0));
	must(code >= MIB && start->rip < memory->low_bytes);
	must(page->e820_entries >= 3 && page->e820_entries <= 5);
	must(page->header.cmd_line_ptr >= ZERO_PAGE + PAGE_SIZE);
	must(!strcmp((const char *)memory->window + page->header.cmd_line_ptr, request->cmdline));
	must(page->header.ramdisk_size == request->initrd.bytes);
	if (!request->initrd.bytes)
		return;
	must(initrd > code && initrd + request->initrd.bytes <= memory->low_bytes);
	must(initrd + request->initrd.bytes - 1 <= page->header.initrd_addr_max);
	must(memory->window[initrd] == 0x5a);
}

static void file_mend(u8 *file, u64 bytes, u8 mend)
{
	struct linux_header header;

	if (bytes < LINUX_HEADER_OFFSET + sizeof(header))
		return;
	memcpy(&header, file + LINUX_HEADER_OFFSET, sizeof(header));
	if (mend & MEND_MAGIC) {
		header.boot_flag = LINUX_BOOT_FLAG;
		header.magic = LINUX_MAGIC;
	}
	if (mend & MEND_PROTOCOL) {
		header.jump_bytes |= 0x62;
		header.version |= LINUX_VERSION_64;
		header.loadflags |= LINUX_LOADED_HIGH;
		header.xloadflags |= LINUX_XLF_KERNEL_64;
		if (mend & MEND_32)
			header.xloadflags &= (u16)~LINUX_XLF_KERNEL_64;
		header.code32_start = LINUX_CODE32_USUAL;
	}
	memcpy(file + LINUX_HEADER_OFFSET, &header, sizeof(header));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	static u8 *ram, *initrd;
	static char cmdline[CMDLINE_MAX];
	char reason[LOAD_REASON_BYTES] = "";
	struct load_request request = {.cmdline = cmdline};
	struct guest_memory memory;
	struct cpu_state start;
	struct choice choice;
	u8 *file;

	if (bytes < sizeof(choice))
		return 0;
	memcpy(&choice, data, sizeof(choice));
	if (!ram) {
		ram = ram_make();
		initrd = malloc(INITRD_MAX);
		must(initrd);
		memset(initrd, 0x5a, INITRD_MAX);
	}
	memory.low_bytes = (1 + choice.ram_mib % (RAM_MAX / MIB)) * MIB;
	memory.window = ram + RAM_MAX - memory.low_bytes;
	memory.high_bytes = choice.high * MIB;
	memset(cmdline, 'c', sizeof(cmdline));
	cmdline[choice.cmdline_bytes % CMDLINE_MAX] = 0;
	request.initrd = (struct load_file){initrd, choice.initrd_bytes % INITRD_MAX, NULL};
	bytes -= sizeof(choice);
	file = malloc(bytes); /* exactly: a byte too many read is seen */
	must(file || !bytes);
	memcpy(file, data + sizeof(choice), bytes);
	file_mend(file, bytes, choice.mend);
	request.kernel = (struct load_file){file, bytes, NULL};
	if (load_linux(&request, &memory, &start, reason))
		must(reason[0] && strnlen(reason, sizeof(reason)) < sizeof(reason));
	else
		check_loaded(&request, &memory, &start);
	free(file);
	must(!madvise(ram, RAM_MAX, MADV_DONTNEED));
	return 0;
}
