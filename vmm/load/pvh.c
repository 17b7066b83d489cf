/* SPDX-License-Identifier: MIT */
/*
 * Starts an ELF kernel by the PVH boot protocol (Xen's documentation, "x86/HVM direct boot ABI",
 * and its public headers arch-x86/hvm/start_info.h and elfnote.h): 32-bit protected mode at the
 * address that a note names, EBX pointing to what the kernel is told.
 */
#include "elf.h"

#include <bulkhead/config.h>
#include <bulkhead/error.h>

#define NOTE_OWNER	  "Xen"
#define NOTE_PHYS32_ENTRY 18
#define PVH_MAGIC	  0x336ec578
#define PVH_VERSION	  1 /* the first with a memory map */
#define PVH_INFO_GPA	  0x10000UL
#define PVH_RAM		  1
#define PVH_RESERVED	  2

struct pvh_start_info {
	u32 magic, version, flags, module_count;
	u64 modules, cmdline, rsdp, map;
	u32 map_count, reserved;
} packed;

struct pvh_module {
	u64 gpa, bytes, cmdline, reserved;
} packed;

struct pvh_map_entry {
	u64 gpa, bytes;
	u32 type, reserved;
} packed;

/* An initrd counts as the first module. */
#define PVH_MODULES_MAX (CONFIG_MODULES_MAX + 1)

/* What the kernel is told, texts behind it: cmdline first, then those of modules. */
struct pvh_info {
	struct pvh_start_info start;
	struct pvh_module modules[PVH_MODULES_MAX];
	struct pvh_map_entry map[LOAD_MAP_MAX];
} packed;

_Static_assert(sizeof(struct pvh_start_info) == 56, "start info");
_Static_assert(sizeof(struct pvh_module) == 32, "module");
_Static_assert(sizeof(struct pvh_map_entry) == 24, "memory map");

struct pvh_plan {
	struct elf_image elf;
	struct load_layout layout;
	struct load_module modules[PVH_MODULES_MAX];
	u64 module_gpa[PVH_MODULES_MAX];
	u32 module_count;
	u64 entry, state_gpa, info_gpa, info_bytes;
};

static const char *text_of(const char *text)
{
	return text ? text : "";
}

static int entry_find(struct pvh_plan *plan, char *reason)
{
	const struct elf_image *elf = &plan->elf;

	if (elf_note_number(elf, NOTE_OWNER, NOTE_PHYS32_ENTRY, &plan->entry))
		return load_refuse(reason, -ENOEXEC,
				   "the kernel has no PVH entry point: an ELF note of Xen with "
				   "type 0x12 is needed (in Linux, CONFIG_PVH)");
	if (!elf_has(elf, plan->entry))
		return load_refuse(reason, -ENOEXEC,
				   "the kernel's PVH entry point 0x%lx is not in what is loaded "
				   "(0x%lx to 0x%lx)",
				   plan->entry, elf->base, elf->end);
	return 0;
}

static void modules_collect(struct pvh_plan *plan, const struct load_request *request)
{
	if (request->initrd.data)
		plan->modules[plan->module_count++].file = request->initrd;
	for (u32 i = 0; i < request->module_count; i++)
		plan->modules[plan->module_count++] = request->modules[i];
}

static int plan_place(struct pvh_plan *plan, const struct load_request *request, char *reason)
{
	int error = elf_place(&plan->elf, 0, &plan->layout, reason);

	if (error)
		return error;
	plan->info_bytes = sizeof(struct pvh_info) + strlen(text_of(request->cmdline)) + 1;
	for (u32 i = 0; i < plan->module_count; i++) {
		plan->info_bytes += strlen(text_of(plan->modules[i].text)) + 1;
		error = load_module_place(&plan->layout, &plan->modules[i].file, plan->elf.end,
					  &plan->module_gpa[i], reason);
		if (error)
			return error;
	}
	plan->info_gpa = load_layout_find(&plan->layout, plan->info_bytes, PAGE_SIZE, PVH_INFO_GPA);
	plan->state_gpa =
		load_layout_find(&plan->layout, LOAD_PROTECTED_BYTES, PAGE_SIZE, PVH_INFO_GPA);
	if (plan->info_gpa == LOAD_NOWHERE || plan->state_gpa == LOAD_NOWHERE)
		return load_refuse(reason, -ENOMEM,
				   "the kernel leaves no room for what it is told: %lu KiB are "
				   "needed beside it",
				   (plan->info_bytes + LOAD_PROTECTED_BYTES) / KIB + 1);
	return 0;
}

/* A text at `*at`, which moves on; where it is. */
static u64 text_put(struct guest_memory *memory, u64 *at, const char *text)
{
	u64 gpa = *at, bytes = strlen(text_of(text)) + 1;

	memcpy(memory->window + gpa, text_of(text), bytes);
	*at += bytes;
	return gpa;
}

static void info_write(const struct pvh_plan *plan, const struct load_request *request,
		       struct guest_memory *memory)
{
	struct pvh_info *info = (void *)(memory->window + plan->info_gpa);
	u64 text = plan->info_gpa + sizeof(*info);
	struct load_map_entry map[LOAD_MAP_MAX];

	info->start = (struct pvh_start_info){
		.magic = PVH_MAGIC,
		.version = PVH_VERSION,
		.module_count = plan->module_count,
		.modules = plan->info_gpa + offsetof(struct pvh_info, modules),
		.cmdline = text_put(memory, &text, request->cmdline),
		.rsdp = request->rsdp_gpa,
		.map = plan->info_gpa + offsetof(struct pvh_info, map),
		.map_count = load_map_make(memory, map),
	};
	for (u32 i = 0; i < plan->module_count; i++)
		info->modules[i] = (struct pvh_module){
			.gpa = plan->module_gpa[i],
			.bytes = plan->modules[i].file.bytes,
			.cmdline = text_put(memory, &text, plan->modules[i].text),
		};
	for (u32 i = 0; i < info->start.map_count; i++)
		info->map[i] = (struct pvh_map_entry){map[i].base, map[i].bytes,
						      map[i].ram ? PVH_RAM : PVH_RESERVED, 0};
}

static int plan_write(const struct pvh_plan *plan, const struct load_request *request,
		      struct guest_memory *memory)
{
	int error = elf_copy(&plan->elf, 0, request, memory);

	for (u32 i = 0; i < plan->module_count && !error; i++)
		error = load_copy(request, memory, plan->module_gpa[i], plan->modules[i].file.data,
				  plan->modules[i].file.bytes);
	if (!error)
		info_write(plan, request, memory);
	return error;
}

int load_pvh(const struct load_request *request, struct guest_memory *memory,
	     struct cpu_state *start, char *reason)
{
	struct pvh_plan plan = {};
	int error = elf_open(&plan.elf, &request->kernel, reason);

	error = error ? error : entry_find(&plan, reason);
	if (error)
		return error;
	load_layout_init(&plan.layout, memory);
	modules_collect(&plan, request);
	error = plan_place(&plan, request, reason);
	if (error)
		return error;
	error = plan_write(&plan, request, memory);
	error = error ? error : load_state_protected(memory, plan.state_gpa, start);
	if (error)
		return load_refuse(reason, error,
				   "the partition's RAM (%lu KiB) has gaps where the kernel goes",
				   memory->low_bytes / KIB);
	start->rip = plan.entry;
	start->gpr[GPR_RBX] = plan.info_gpa;
	return 0;
}
