/* SPDX-License-Identifier: MIT */
/* Multiboot, version 1. Section numbers are those of the Multiboot Specification 0.6.96. */
#include "multiboot.h"

#include <bulkhead/error.h>

#define HEADER_MAGIC 0x1badb002
#define LOADED_MAGIC 0x2badb002 /* 3.2 */
#define HEADER_REACH (8 * KIB)	/* 3.1 */

/* 3.1.1. Of bits 0 to 15 none may be ignored; modules and memory are always given as they ask. */
#define ASKS_PAGES     BIT(0)
#define ASKS_MEMORY    BIT(1)
#define ASKS_VIDEO     BIT(2)
#define ASKS_ADDRESSES BIT(16)
#define ASKS_KNOWN     (ASKS_PAGES | ASKS_MEMORY | ASKS_VIDEO)
#define ASKS_REQUIRED  0xffffU

#define VIDEO_TEXT 1 /* 3.1.4: mode_type */

struct header {
	u32 magic, flags, checksum;
	struct multiboot_addresses addresses;
	u32 entry;
	u32 mode_type, width, height, depth;
} packed;

_Static_assert(offsetof(struct header, mode_type) == 32 && sizeof(struct header) == 48, "header");

/* 3.3: which parts of struct info there are. */
#define HAS_MEMORY	BIT(0)
#define HAS_CMDLINE	BIT(2)
#define HAS_MODULES	BIT(3)
#define HAS_MAP		BIT(6)
#define HAS_LOADER	BIT(9)
#define HAS_FRAMEBUFFER BIT(12)

struct info {
	u32 flags, lower_kib, upper_kib, boot_device, cmdline;
	u32 module_count, modules;
	u32 symbols[4];
	u32 map_bytes, map;
	u32 drives[2], config_table, loader_name, apm;
	u32 vbe[4];
	u64 framebuffer;
	u32 pitch, width, height;
	u8 depth, type, colours[6];
} packed;

_Static_assert(offsetof(struct info, map_bytes) == 44, "memory map");
_Static_assert(offsetof(struct info, loader_name) == 64, "loader's name");
_Static_assert(offsetof(struct info, framebuffer) == 88 && sizeof(struct info) == 116, "screen");

struct module {
	u32 start, end, line, reserved;
} packed;

struct map_entry {
	u32 bytes_more;
	u64 base, bytes;
	u32 type;
} packed;

#define MAP_RAM	     1
#define MAP_RESERVED 2

static bool header_is(const struct multiboot_plan *plan)
{
	struct header header;

	memcpy(&header, plan->request->kernel.data + plan->header_at,
	       offsetof(struct header, addresses));
	return header.magic == HEADER_MAGIC && header.checksum == 0U - HEADER_MAGIC - header.flags;
}

static int video_read(struct multiboot_plan *plan, const struct header *header, char *reason)
{
	if (!(header->flags & ASKS_VIDEO))
		return 0;
	if (header->mode_type == VIDEO_TEXT) {
		plan->wants_text = true;
		return 0;
	}
	return load_refuse(reason, -ENOEXEC,
			   "the kernel wants a graphics screen (%u x %u, %u bits), partitions have "
			   "a text screen only",
			   header->width, header->height, header->depth);
}

static int header_read(struct multiboot_plan *plan, char *reason)
{
	u64 rest = plan->request->kernel.bytes - plan->header_at, needed;
	struct header header = {};

	memcpy(&header, plan->request->kernel.data + plan->header_at, MIN(rest, sizeof(header)));
	needed = header.flags & ASKS_VIDEO	 ? sizeof(header)
		 : header.flags & ASKS_ADDRESSES ? offsetof(struct header, mode_type)
						 : offsetof(struct header, addresses);
	if (rest < needed)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is truncated: its multiboot header at 0x%lx has %lu "
				   "bytes, the file ends after %lu of them",
				   plan->header_at, needed, rest);
	if (header.flags & ASKS_REQUIRED & ~ASKS_KNOWN)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel asks for what nobody knows: flags 0x%x in its "
				   "multiboot header, of the low 16 bits 0x%lx are known",
				   header.flags, ASKS_KNOWN);
	plan->has_addresses = plan->has_entry = header.flags & ASKS_ADDRESSES;
	plan->addresses = header.addresses;
	plan->entry = header.entry;
	return video_read(plan, &header, reason);
}

/* 3.3: the table of modules, after all of their lines. */
static u32 modules_tell(const struct multiboot_plan *plan, struct multiboot_info *info)
{
	const struct load_request *request = plan->request;
	struct module modules[CONFIG_MODULES_MAX] = {};

	for (u32 i = 0; i < request->module_count; i++) {
		const struct load_module *module = &request->modules[i];
		u32 gpa = (u32)plan->module_gpa[i];

		modules[i] = (struct module){
			gpa, gpa + (u32)module->file.bytes,
			(u32)multiboot_put_line(info, &module->file, module->text), 0};
	}
	return (u32)multiboot_put(info, modules, request->module_count * sizeof(modules[0]));
}

static void map_tell(const struct guest_memory *memory, struct multiboot_info *info,
		     struct info *head)
{
	struct load_map_entry map[LOAD_MAP_MAX];
	struct map_entry entries[LOAD_MAP_MAX];
	u32 count = load_map_make(memory, map);

	for (u32 i = 0; i < count; i++)
		entries[i] = (struct map_entry){sizeof(entries[i]) - sizeof(u32), map[i].base,
						map[i].bytes, map[i].ram ? MAP_RAM : MAP_RESERVED};
	head->map_bytes = count * (u32)sizeof(entries[0]);
	head->map = (u32)multiboot_put(info, entries, head->map_bytes);
}

static void screen_tell(struct info *head)
{
	head->flags |= HAS_FRAMEBUFFER;
	head->framebuffer = MULTIBOOT_TEXT_GPA;
	head->pitch = MULTIBOOT_TEXT_COLUMNS * MULTIBOOT_TEXT_BITS / 8;
	head->width = MULTIBOOT_TEXT_COLUMNS;
	head->height = MULTIBOOT_TEXT_ROWS;
	head->depth = MULTIBOOT_TEXT_BITS;
	head->type = MULTIBOOT_TEXT_TYPE;
}

static void tell(const struct multiboot_plan *plan, const struct guest_memory *memory,
		 struct multiboot_info *info)
{
	const struct load_request *request = plan->request;
	struct info head = {
		.flags = HAS_MEMORY | HAS_CMDLINE | HAS_MODULES | HAS_MAP | HAS_LOADER,
		.lower_kib = LOAD_LOW_END / KIB,
		.upper_kib = multiboot_upper_kib(memory),
		.module_count = request->module_count,
	};

	multiboot_put(info, &head, sizeof(head));
	map_tell(memory, info, &head);
	head.cmdline = (u32)multiboot_put_line(info, &request->kernel, request->cmdline);
	head.loader_name = (u32)multiboot_put_text(info, MULTIBOOT_LOADER_NAME);
	head.modules = modules_tell(plan, info);
	if (plan->wants_text)
		screen_tell(&head);
	if (info->target)
		memcpy(info->target, &head, sizeof(head));
}

const struct multiboot_version multiboot1 = {
	.magic = LOADED_MAGIC,
	.search = HEADER_REACH,
	.alignment = 4,
	.is_header = header_is,
	.read = header_read,
	.tell = tell,
};
