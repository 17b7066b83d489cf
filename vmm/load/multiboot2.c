/* SPDX-License-Identifier: MIT */
/* Multiboot, version 2. Section numbers are those of the Multiboot2 Specification 2.0. */
#include "multiboot.h"

#include <bulkhead/error.h>

#define HEADER_MAGIC 0xe85250d6
#define LOADED_MAGIC 0x36d76289 /* 3.3 */
#define HEADER_REACH (32 * KIB) /* 3.1.1 */
#define ARCH_I386    0
#define TAG_ALIGN    8
#define TAG_OPTIONAL BIT(0)

struct header {
	u32 magic, architecture, bytes, checksum;
} packed;

/* 3.1.3. `bytes` with this head, without what pads to the next tag. */
struct header_tag {
	u16 type, flags;
	u32 bytes;
} packed;

/* 3.1.4 to 3.1.13 */
enum header_tag_type {
	ASKS_END,
	ASKS_INFORMATION,
	ASKS_ADDRESSES,
	ASKS_ENTRY,
	ASKS_CONSOLE,
	ASKS_FRAMEBUFFER,
	ASKS_PAGES,
	ASKS_EFI_SERVICES,
	ASKS_EFI_32_ENTRY, /* both are for machines with EFI, and mean nothing elsewhere */
	ASKS_EFI_64_ENTRY,
	ASKS_RELOCATION,
};

#define CONSOLE_NEEDED BIT(0)
#define CONSOLE_TEXT   BIT(1)

/* 3.6.3 to 3.6.19: what a kernel is told. */
enum info_type {
	TELLS_END,
	TELLS_CMDLINE,
	TELLS_LOADER,
	TELLS_MODULE,
	TELLS_MEMORY,
	TELLS_BOOT_DEVICE,
	TELLS_MAP,
	TELLS_VBE,
	TELLS_FRAMEBUFFER,
	TELLS_SECTIONS,
	TELLS_OLD_RSDP = 14,
	TELLS_NEW_RSDP,
	TELLS_BASE = 21,
};

struct info_head {
	u32 bytes, reserved;
} packed;

struct info_tag {
	u32 type, bytes;
} packed;

struct info_module {
	u32 start, end;
} packed;

struct info_memory {
	u32 lower_kib, upper_kib;
} packed;

struct info_map {
	u32 entry_bytes, version;
} packed;

struct info_map_entry {
	u64 base, bytes;
	u32 type, reserved;
} packed;

struct info_framebuffer {
	u64 gpa;
	u32 pitch, width, height;
	u8 depth, type;
	u16 reserved;
} packed;

#define MAP_RAM	       1
#define MAP_RESERVED   2
#define OLD_RSDP_BYTES 20 /* ACPI 6.4, table 5-3 */
#define NEW_RSDP_BYTES 36
#define RSDP_CHECKSUM  8
#define RSDP_REVISION  15

/* --- the header --- */

static bool header_is(const struct multiboot_plan *plan)
{
	const struct load_file *file = &plan->request->kernel;
	struct header header;

	if (file->bytes - plan->header_at < sizeof(header))
		return false;
	memcpy(&header, file->data + plan->header_at, sizeof(header));
	return header.magic == HEADER_MAGIC &&
	       header.checksum == 0U - HEADER_MAGIC - header.architecture - header.bytes;
}

/* 3.1.4. What is known but not there is simply not told; the sections of an ELF file are there, but
 * nobody keeps them. */
static int information_read(const u8 *types, u32 count, char *reason)
{
	u32 type;

	for (u32 i = 0; i < count; i++) {
		memcpy(&type, types + i * sizeof(type), sizeof(type));
		if (type > TELLS_BASE || type == TELLS_SECTIONS)
			return load_refuse(reason, -ENOEXEC,
					   "the kernel insists on being told what it is not here: "
					   "information of type %u in its multiboot header",
					   type);
	}
	return 0;
}

static int screen_refuse(char *reason)
{
	return load_refuse(reason, -ENOEXEC,
			   "the kernel insists on a graphics screen, partitions have a text "
			   "screen only");
}

static int console_read(struct multiboot_plan *plan, u32 flags, char *reason)
{
	if (flags & CONSOLE_TEXT)
		plan->wants_text = true;
	else if (flags & CONSOLE_NEEDED)
		return screen_refuse(reason);
	return 0;
}

/* How many bytes follow the head of a tag at least. */
static u32 tag_least(u16 type)
{
	switch (type) {
	case ASKS_ADDRESSES:
		return sizeof(struct multiboot_addresses);
	case ASKS_ENTRY:
	case ASKS_CONSOLE:
		return sizeof(u32);
	case ASKS_RELOCATION:
		return sizeof(struct multiboot_relocation);
	default:
		return 0;
	}
}

static int tag_read(struct multiboot_plan *plan, const struct header_tag *tag, const u8 *data,
		    char *reason)
{
	bool optional = tag->flags & TAG_OPTIONAL;
	u32 rest = tag->bytes - (u32)sizeof(*tag), word = 0;

	if (rest < tag_least(tag->type))
		return load_refuse(reason, -ENOEXEC,
				   "the kernel's multiboot header is damaged: tag %u has %u bytes, "
				   "%lu are needed",
				   tag->type, tag->bytes, tag_least(tag->type) + sizeof(*tag));
	memcpy(&word, data, MIN(rest, sizeof(word)));
	switch (tag->type) {
	case ASKS_INFORMATION:
		return optional ? 0 : information_read(data, rest / sizeof(u32), reason);
	case ASKS_ADDRESSES:
		plan->has_addresses = true;
		memcpy(&plan->addresses, data, sizeof(plan->addresses));
		return 0;
	case ASKS_ENTRY:
		plan->has_entry = true;
		plan->entry = word;
		return 0;
	case ASKS_CONSOLE:
		return console_read(plan, word, reason);
	case ASKS_FRAMEBUFFER:
		return optional ? 0 : screen_refuse(reason);
	case ASKS_RELOCATION:
		plan->has_relocation = true;
		memcpy(&plan->relocation, data, sizeof(plan->relocation));
		return 0;
	case ASKS_PAGES: /* modules are always on pages of their own */
	case ASKS_EFI_32_ENTRY:
	case ASKS_EFI_64_ENTRY:
		return 0;
	default:
		if (optional)
			return 0;
		return load_refuse(reason, -ENOEXEC,
				   "the kernel insists on what it does not get here: tag %u in its "
				   "multiboot header%s",
				   tag->type,
				   tag->type == ASKS_EFI_SERVICES ? ", the services of EFI" : "");
	}
}

static int tags_read(struct multiboot_plan *plan, u64 end, char *reason)
{
	const u8 *data = plan->request->kernel.data;
	u64 at = plan->header_at + sizeof(struct header);
	struct header_tag tag;
	int error;

	while (at + sizeof(tag) <= end) {
		memcpy(&tag, data + at, sizeof(tag));
		if (tag.type == ASKS_END)
			return 0;
		if (tag.bytes < sizeof(tag) || tag.bytes > end - at)
			return load_refuse(reason, -ENOEXEC,
					   "the kernel's multiboot header is damaged: tag %u with "
					   "%u bytes, %lu are left",
					   tag.type, tag.bytes, end - at);
		error = tag_read(plan, &tag, data + at + sizeof(tag), reason);
		if (error)
			return error;
		at += align_up(tag.bytes, TAG_ALIGN);
	}
	return load_refuse(reason, -ENOEXEC,
			   "the kernel's multiboot header is damaged: its tags do not end");
}

static int header_read(struct multiboot_plan *plan, char *reason)
{
	const struct load_file *file = &plan->request->kernel;
	u64 rest = file->bytes - plan->header_at;
	struct header header;

	memcpy(&header, file->data + plan->header_at, sizeof(header));
	if (header.architecture != ARCH_I386)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is not for x86: architecture %u in its multiboot "
				   "header, 0 is needed",
				   header.architecture);
	if (header.bytes > rest)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is truncated: its multiboot header has %u bytes, "
				   "the file %lu",
				   header.bytes, rest);
	return tags_read(plan, plan->header_at + header.bytes, reason);
}

/* --- what the kernel is told --- */

static void pad(struct multiboot_info *info)
{
	static const u8 zeroes[TAG_ALIGN];

	multiboot_put(info, zeroes, align_up(info->bytes, TAG_ALIGN) - info->bytes);
}

/* A tag of two parts, the second may be empty. */
static void tag_put(struct multiboot_info *info, u32 type, const void *data, u64 bytes,
		    const void *more, u64 more_bytes)
{
	struct info_tag tag = {type, (u32)(sizeof(tag) + bytes + more_bytes)};

	multiboot_put(info, &tag, sizeof(tag));
	multiboot_put(info, data, bytes);
	multiboot_put(info, more, more_bytes);
	pad(info);
}

/* A tag that ends in a line: its size is known when that is written. */
static void tag_put_line(struct multiboot_info *info, u32 type, const void *data, u64 bytes,
			 const struct load_file *file, const char *text)
{
	u64 begin = info->bytes;
	struct info_tag tag = {.type = type};

	multiboot_put(info, &tag, sizeof(tag));
	multiboot_put(info, data, bytes);
	multiboot_put_line(info, file, text);
	tag.bytes = (u32)(info->bytes - begin);
	if (info->target)
		memcpy(info->target + begin, &tag, sizeof(tag));
	pad(info);
}

static void modules_tell(const struct multiboot_plan *plan, struct multiboot_info *info)
{
	const struct load_request *request = plan->request;

	for (u32 i = 0; i < request->module_count; i++) {
		const struct load_module *module = &request->modules[i];
		struct info_module at = {(u32)plan->module_gpa[i],
					 (u32)(plan->module_gpa[i] + module->file.bytes)};

		tag_put_line(info, TELLS_MODULE, &at, sizeof(at), &module->file, module->text);
	}
}

static void memory_tell(const struct guest_memory *memory, struct multiboot_info *info)
{
	struct info_memory sizes = {LOAD_LOW_END / KIB, multiboot_upper_kib(memory)};
	struct info_map head = {sizeof(struct info_map_entry), 0};
	struct info_map_entry entries[LOAD_MAP_MAX];
	struct load_map_entry map[LOAD_MAP_MAX];
	u32 count = load_map_make(memory, map);

	for (u32 i = 0; i < count; i++)
		entries[i] = (struct info_map_entry){map[i].base, map[i].bytes,
						     map[i].ram ? MAP_RAM : MAP_RESERVED, 0};
	tag_put(info, TELLS_MEMORY, &sizes, sizeof(sizes), NULL, 0);
	tag_put(info, TELLS_MAP, &head, sizeof(head), entries, count * sizeof(entries[0]));
}

/* As the board has it, and as those of ACPI 1 were: without what its revision 2 adds. */
static void rsdp_tell(const struct guest_memory *memory, u64 gpa, struct multiboot_info *info)
{
	const u8 *found = guest_memory_at(memory, gpa, NEW_RSDP_BYTES);
	u8 rsdp[NEW_RSDP_BYTES];

	if (!gpa || !found)
		return;
	memcpy(rsdp, found, sizeof(rsdp));
	tag_put(info, TELLS_NEW_RSDP, rsdp, sizeof(rsdp), NULL, 0);
	rsdp[RSDP_CHECKSUM] = (u8)(rsdp[RSDP_CHECKSUM] + rsdp[RSDP_REVISION]);
	rsdp[RSDP_REVISION] = 0;
	tag_put(info, TELLS_OLD_RSDP, rsdp, OLD_RSDP_BYTES, NULL, 0);
}

static void screen_tell(struct multiboot_info *info)
{
	struct info_framebuffer screen = {
		.gpa = MULTIBOOT_TEXT_GPA,
		.pitch = MULTIBOOT_TEXT_COLUMNS * MULTIBOOT_TEXT_BITS / 8,
		.width = MULTIBOOT_TEXT_COLUMNS,
		.height = MULTIBOOT_TEXT_ROWS,
		.depth = MULTIBOOT_TEXT_BITS,
		.type = MULTIBOOT_TEXT_TYPE,
	};

	tag_put(info, TELLS_FRAMEBUFFER, &screen, sizeof(screen), NULL, 0);
}

static void tell(const struct multiboot_plan *plan, const struct guest_memory *memory,
		 struct multiboot_info *info)
{
	const struct load_request *request = plan->request;
	u32 base = (u32)(plan->base + plan->delta);
	struct info_head head = {};

	multiboot_put(info, &head, sizeof(head));
	tag_put_line(info, TELLS_CMDLINE, NULL, 0, &request->kernel, request->cmdline);
	tag_put(info, TELLS_LOADER, MULTIBOOT_LOADER_NAME, sizeof(MULTIBOOT_LOADER_NAME), NULL, 0);
	modules_tell(plan, info);
	memory_tell(memory, info);
	if (plan->wants_text)
		screen_tell(info);
	rsdp_tell(memory, request->rsdp_gpa, info);
	if (plan->has_relocation)
		tag_put(info, TELLS_BASE, &base, sizeof(base), NULL, 0);
	tag_put(info, TELLS_END, NULL, 0, NULL, 0);
	head.bytes = (u32)info->bytes;
	if (info->target)
		memcpy(info->target, &head, sizeof(head));
}

const struct multiboot_version multiboot2 = {
	.magic = LOADED_MAGIC,
	.search = HEADER_REACH,
	.alignment = 8,
	.is_header = header_is,
	.read = header_read,
	.tell = tell,
};
