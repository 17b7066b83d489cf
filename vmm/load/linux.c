/* SPDX-License-Identifier: MIT */
/*
 * Starts a Linux kernel from its bzImage (kernel documentation, "The Linux/x86 Boot Protocol"): by
 * the 64-bit boot protocol if it can be entered in long mode, else by the 32-bit one. The file is
 * not trusted: every field is checked before it is used.
 *
 * Low memory, below the kernel:
 *   0x10000  zero page
 *   0x11000  GDT, TSS and page tables
 *   0x20000  command line
 */
#include "linux_header.h"
#include "load_common.h"

#include <bulkhead/error.h>

#define ZERO_PAGE_GPA 0x10000UL
#define STATE_GPA     0x11000UL
#define CMDLINE_GPA   0x20000UL
#define CMDLINE_ROOM  (LOAD_LOW_END - CMDLINE_GPA)
#define ELF_MAGIC     0x464c457fU
#define SETUP_MAX     0xe000UL /* in a segment with its stack and heap (linux_rom.asm) */

_Static_assert(STATE_GPA + LOAD_LONG_BYTES <= CMDLINE_GPA, "low memory overlaps");

struct linux_image {
	struct linux_header header;
	u64 header_bytes; /* what the file has of the header, unknown fields at its end included */
	const u8 *code;	  /* protected-mode code */
	u64 code_bytes;
	u64 code_gpa;
	u64 end_gpa; /* end of all that the kernel writes to before it knows its memory map */
	u64 initrd_gpa;
	bool is_64; /* it is entered in long mode */
};

static int header_check_magic(const struct load_file *file, struct linux_image *image, char *reason)
{
	u32 magic;

	if (!file->data || file->bytes < 2UL * LINUX_SECTOR_BYTES)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is not a bzImage: %lu bytes are too few for one",
				   file->data ? file->bytes : 0);
	memcpy(&magic, file->data, sizeof(magic));
	if (magic == ELF_MAGIC)
		return load_refuse(
			reason, -ENOEXEC,
			"the kernel is not a bzImage but an ELF file (a vmlinux?): give the "
			"vmlinuz that is made from it, or boot = pvh");
	memcpy(&image->header, file->data + LINUX_HEADER_OFFSET, sizeof(image->header));
	if (image->header.boot_flag != LINUX_BOOT_FLAG)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is not a bzImage: bytes 55 aa are needed at 0x1fe, "
				   "found %02x %02x",
				   image->header.boot_flag & 0xff, image->header.boot_flag >> 8);
	if (image->header.magic != LINUX_MAGIC)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is not a bzImage: \"HdrS\" (0x%x) is needed at "
				   "0x202, found 0x%x",
				   LINUX_MAGIC, image->header.magic);
	return 0;
}

/* How much of struct linux_header a kernel of this version has at least. */
static u64 header_bytes_needed(u16 version)
{
	if (version >= LINUX_VERSION_PLACE)
		return sizeof(struct linux_header);
	return offsetof(struct linux_header, hardware_subarch);
}

/* Fields that the kernel does not have are 0, whatever follows its header in the file. */
static int header_cut(struct linux_image *image, char *reason)
{
	struct linux_header *header = &image->header;
	u64 needed = header_bytes_needed(header->version);

	image->header_bytes = LINUX_JUMP_END + (u64)header->jump_bytes - LINUX_HEADER_OFFSET;
	if (image->header_bytes < needed)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel's header is damaged: it must reach to 0x%lx, but "
				   "ends at 0x%lx",
				   needed + LINUX_HEADER_OFFSET,
				   image->header_bytes + LINUX_HEADER_OFFSET);
	image->header_bytes = MIN(image->header_bytes, (u64)LINUX_HEADER_ROOM);
	if (image->header_bytes < sizeof(*header))
		memset((u8 *)header + image->header_bytes, 0,
		       sizeof(*header) - image->header_bytes);
	return 0;
}

/* A kernel that says nothing of where its 32-bit code begins expects to be entered in real mode,
 * with a BIOS to call (iPXE and memdisk do). */
static int header_check_entry(struct linux_image *image, char *reason)
{
	const struct linux_header *header = &image->header;

	image->is_64 =
		header->version >= LINUX_VERSION_64 && header->xloadflags & LINUX_XLF_KERNEL_64;
	if (image->is_64 || header->code32_start == LINUX_CODE32_USUAL)
		return 0;
	if (!header->code32_start)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel can be entered in 16-bit mode only (code32_start "
				   "is 0), which takes a BIOS: give one with firmware = (SeaBIOS, "
				   "for example)");
	return load_refuse(reason, -ENOEXEC,
			   "the kernel's header is damaged: code32_start 0x%x, 0x%x is needed",
			   header->code32_start, LINUX_CODE32_USUAL);
}

static int header_check_protocol(struct linux_image *image, char *reason)
{
	const struct linux_header *header = &image->header;
	int error;

	if (header->version < LINUX_VERSION_NEEDED)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is too old: boot protocol 2.06 (Linux 2.6.22) is "
				   "needed, found %u.%02u; with firmware = a BIOS can start it",
				   header->version >> 8, header->version & 0xff);
	if (!(header->loadflags & LINUX_LOADED_HIGH))
		return load_refuse(
			reason, -ENOEXEC,
			"the kernel is a zImage: LOADED_HIGH is needed in loadflags, found 0x%02x",
			header->loadflags);
	error = header_cut(image, reason);
	return error ? error : header_check_entry(image, reason);
}

static u64 header_setup_bytes(const struct linux_header *header)
{
	u64 sectors = header->setup_sects ? header->setup_sects : LINUX_SETUP_SECTS_OLD;

	return (sectors + 1) * LINUX_SECTOR_BYTES;
}

/* Find the protected-mode code. What follows it (a signature, say) is of no use to the kernel. */
static int image_find_code(const struct load_file *file, struct linux_image *image, char *reason)
{
	u64 setup_bytes = header_setup_bytes(&image->header);
	u64 needed = (u64)image->header.syssize * 16;
	u64 found = file->bytes > setup_bytes ? file->bytes - setup_bytes : 0;
	u64 entry = image->is_64 ? LINUX_ENTRY_64 : 0;

	/* syssize is rounded up, and not every file is filled up to that. */
	if (found + 15 < needed || found <= entry)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is truncated: %lu bytes are needed by its header, "
				   "the file has %lu",
				   setup_bytes + MAX(needed, entry + 1), file->bytes);
	if (needed && needed <= entry)
		return load_refuse(
			reason, -ENOEXEC,
			"the kernel's header is damaged: %lu bytes of code do not reach the 64-bit "
			"entry at 0x200",
			needed);
	image->code = file->data + setup_bytes;
	image->code_bytes = needed ? MIN(needed, found) : found;
	return 0;
}

static int image_refuse_memory(u64 end, const struct guest_memory *memory, char *reason)
{
	return load_refuse(reason, -ENOMEM,
			   "the kernel does not fit: it needs %lu KiB of RAM from 0 on, the "
			   "partition has %lu KiB",
			   align_up(end, KIB) / KIB, memory->low_bytes / KIB);
}

/*
 * A kernel runs at an address of its own choice, wherever it is loaded: at pref_address when it is
 * not relocatable, and otherwise no lower than that, aligned (init_size in the boot protocol). So a
 * relocatable kernel is loaded where it will run, and any other where it has always been, at 1 MiB,
 * which is also where those want to be that are older than the field.
 */
static int image_place(struct linux_image *image, const struct guest_memory *memory, char *reason)
{
	const struct linux_header *header = &image->header;
	u64 run_gpa = header->version < LINUX_VERSION_PLACE ? MIB : header->pref_address;

	if (run_gpa >= GUEST_LOW_MAX)
		return load_refuse(
			reason, -ENOMEM,
			"the kernel does not fit: it wants to run at 0x%lx, RAM ends at 0x%lx",
			run_gpa, memory->low_bytes);
	if (header->relocatable_kernel) {
		u64 alignment = header->kernel_alignment;

		if (!alignment || (alignment & (alignment - 1)))
			return load_refuse(reason, -ENOEXEC,
					   "the kernel's header is damaged: kernel_alignment 0x%lx "
					   "is no power of two",
					   alignment);
		run_gpa = align_up(MAX(run_gpa, MIB), alignment);
		image->code_gpa = run_gpa;
	} else {
		if (run_gpa < MIB)
			return load_refuse(
				reason, -ENOEXEC,
				"the kernel wants to run at 0x%lx: 0x100000 or more is needed",
				run_gpa);
		image->code_gpa = MIB;
	}
	image->end_gpa = MAX(run_gpa + header->init_size, image->code_gpa + image->code_bytes);
	if (image->end_gpa > memory->low_bytes)
		return image_refuse_memory(image->end_gpa, memory, reason);
	return 0;
}

/* As high as the kernel can reach, to leave it the room above itself. */
static int initrd_place(const struct load_file *initrd, struct linux_image *image,
			const struct guest_memory *memory, char *reason)
{
	u64 reach = (u64)image->header.initrd_addr_max + 1;
	u64 limit = MIN(reach, memory->low_bytes);

	if (!initrd->data || !initrd->bytes)
		return 0;
	if (initrd->bytes <= limit)
		image->initrd_gpa = align_down(limit - initrd->bytes, PAGE_SIZE);
	if (image->initrd_gpa < image->end_gpa)
		return load_refuse(reason, -ENOMEM,
				   "the initrd does not fit: it needs %lu KiB, from the kernel's "
				   "end to %s (0x%lx) "
				   "there are %lu KiB",
				   align_up(initrd->bytes, KIB) / KIB,
				   reach < memory->low_bytes ? "initrd_addr_max" : "the end of RAM",
				   limit,
				   limit > image->end_gpa ? (limit - image->end_gpa) / KIB : 0);
	return 0;
}

static int cmdline_check(const char *cmdline, const struct linux_image *image, char *reason)
{
	u64 limit = MIN((u64)image->header.cmdline_size, CMDLINE_ROOM - 1);
	u64 length = cmdline ? strlen(cmdline) : 0;

	if (length > limit)
		return load_refuse(reason, -E2BIG,
				   "the command line is too long: it has %lu characters, this "
				   "kernel takes %lu",
				   length, limit);
	return 0;
}

static void e820_write(struct linux_zero_page *page, const struct guest_memory *memory)
{
	struct load_map_entry map[LOAD_MAP_MAX];

	page->e820_entries = (u8)load_map_make(memory, map);
	for (u32 i = 0; i < page->e820_entries; i++)
		page->e820[i] =
			(struct linux_e820){map[i].base, map[i].bytes,
					    map[i].ram ? LINUX_E820_RAM : LINUX_E820_RESERVED};
}

static void zero_page_write(struct linux_zero_page *page, const struct linux_image *image,
			    const struct load_request *request, const struct guest_memory *memory)
{
	struct linux_header *header = &page->header;

	memcpy(page->header_bytes, request->kernel.data + LINUX_HEADER_OFFSET, image->header_bytes);
	header->vid_mode = LINUX_VIDEO_NORMAL;
	header->type_of_loader = LINUX_LOADER_UNDEFINED;
	header->ext_loader_version = 0;
	header->ext_loader_type = 0;
	header->loadflags = LINUX_LOADED_HIGH;
	header->code32_start = (u32)image->code_gpa;
	header->ramdisk_image = (u32)image->initrd_gpa;
	header->ramdisk_size = image->initrd_gpa ? (u32)request->initrd.bytes : 0;
	header->heap_end_ptr = 0;
	header->cmd_line_ptr = CMDLINE_GPA;
	header->hardware_subarch = 0; /* a PC */
	header->hardware_subarch_data = 0;
	header->setup_data = 0;
	page->acpi_rsdp_addr = request->rsdp_gpa;
	e820_write(page, memory);
}

static int image_write(const struct linux_image *image, const struct load_request *request,
		       struct guest_memory *memory)
{
	struct linux_zero_page *page = guest_memory_at(memory, ZERO_PAGE_GPA, sizeof(*page));
	const char *cmdline = request->cmdline ? request->cmdline : "";
	int error;

	if (!page)
		return -EFAULT;
	zero_page_write(page, image, request, memory);
	error = load_copy(request, memory, CMDLINE_GPA, cmdline, strlen(cmdline) + 1);
	if (!error)
		error = load_copy(request, memory, image->code_gpa, image->code, image->code_bytes);
	if (!error && image->initrd_gpa)
		error = load_copy(request, memory, image->initrd_gpa, request->initrd.data,
				  request->initrd.bytes);
	return error;
}

static int image_check(struct linux_image *image, const struct load_request *request,
		       const struct guest_memory *memory, char *reason)
{
	int error = header_check_magic(&request->kernel, image, reason);

	if (!error)
		error = header_check_protocol(image, reason);
	if (!error)
		error = image_find_code(&request->kernel, image, reason);
	if (!error)
		error = image_place(image, memory, reason);
	if (!error)
		error = initrd_place(&request->initrd, image, memory, reason);
	if (!error)
		error = cmdline_check(request->cmdline, image, reason);
	return error;
}

int load_linux(const struct load_request *request, struct guest_memory *memory,
	       struct cpu_state *start, char *reason)
{
	struct linux_image image = {};
	int error = image_check(&image, request, memory, reason);

	if (error)
		return error;
	error = image_write(&image, request, memory);
	if (!error)
		error = image.is_64 ? load_state_long(memory, STATE_GPA, start)
				    : load_state_protected(memory, STATE_GPA, start);
	if (error)
		return load_refuse(reason, error,
				   "the partition's RAM (%lu KiB) has gaps where the kernel goes",
				   memory->low_bytes / KIB);
	start->rip = image.code_gpa + (image.is_64 ? LINUX_ENTRY_64 : 0);
	start->gpr[GPR_RSI] = ZERO_PAGE_GPA;
	return 0;
}

int load_linux_setup(const struct load_file *kernel, u32 *setup_bytes, char *reason)
{
	struct linux_image image = {};
	const struct linux_header *header = &image.header;
	int error = header_check_magic(kernel, &image, reason);
	u64 bytes;

	if (error)
		return error;
	if (header->version < LINUX_VERSION_CMDLINE || !(header->loadflags & LINUX_LOADED_HIGH))
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is too old for the firmware: boot protocol 2.02 and "
				   "LOADED_HIGH in loadflags are needed, found %u.%02u and 0x%02x",
				   header->version >> 8, header->version & 0xff, header->loadflags);
	bytes = header_setup_bytes(header);
	if (bytes > SETUP_MAX || bytes >= kernel->bytes)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel's header is damaged: %lu bytes of setup code, at "
				   "most %lu are possible, in a file of %lu bytes",
				   bytes, SETUP_MAX, kernel->bytes);
	*setup_bytes = (u32)bytes;
	return 0;
}
