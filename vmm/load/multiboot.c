/* SPDX-License-Identifier: MIT */
/* Starts a multiboot kernel: finds its header, places and loads it, its modules, and what it is
 * told. */
#include "multiboot.h"
#include "bios_data.h"

#include <bulkhead/error.h>

#define GZIP_MAGIC   0x8b1f
#define HEADER_LEAST 12
#define INFO_GPA     0x10000UL

u64 multiboot_put(struct multiboot_info *info, const void *data, u64 bytes)
{
	u64 at = info->bytes;

	if (info->target && bytes)
		memcpy(info->target + at, data, bytes);
	info->bytes += bytes;
	return info->gpa + at;
}

u64 multiboot_put_text(struct multiboot_info *info, const char *text)
{
	return multiboot_put(info, text, strlen(text) + 1);
}

u64 multiboot_put_line(struct multiboot_info *info, const struct load_file *file, const char *text)
{
	const char *name = load_file_name(file);
	u64 gpa = info->gpa + info->bytes;

	/* The kernel takes its first word to be the name. */
	for (; *name; name++)
		multiboot_put(info, *name == ' ' ? "_" : name, 1);
	if (text && *text) {
		multiboot_put(info, " ", 1);
		multiboot_put(info, text, strlen(text));
	}
	multiboot_put(info, "", 1);
	return gpa;
}

u32 multiboot_upper_kib(const struct guest_memory *memory)
{
	return memory->low_bytes > MIB ? (u32)((memory->low_bytes - MIB) / KIB) : 0;
}

/* --- the header --- */

static bool header_find(struct multiboot_plan *plan, const struct multiboot_version *version)
{
	u64 end = MIN(plan->request->kernel.bytes, version->search);

	plan->version = version;
	for (u64 at = 0; at + HEADER_LEAST <= end; at += version->alignment) {
		plan->header_at = at;
		if (version->is_header(plan))
			return true;
	}
	return false;
}

static int header_read(struct multiboot_plan *plan, char *reason)
{
	const struct load_file *file = &plan->request->kernel;
	u16 magic = 0;

	if (!file->data || file->bytes < HEADER_LEAST)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is not a multiboot image: %lu bytes are too few",
				   file->data ? file->bytes : 0);
	memcpy(&magic, file->data, sizeof(magic));
	if (magic == GZIP_MAGIC)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is compressed with gzip: unpack it first");
	if (header_find(plan, &multiboot2) || header_find(plan, &multiboot1))
		return plan->version->read(plan, reason);
	return load_refuse(reason, -ENOEXEC,
			   "the kernel has no multiboot header: 0xe85250d6 in the first 32 KiB or "
			   "0x1badb002 in the first 8 KiB, with a right checksum");
}

/* --- the image --- */

/* By addresses: a piece of the file, and zeroes behind it. */
static int image_flat(struct multiboot_plan *plan, char *reason)
{
	const struct multiboot_addresses *a = &plan->addresses;
	u64 file_bytes = plan->request->kernel.bytes, ahead, end;

	if (a->load == MULTIBOOT_WHOLE_FILE && plan->version == &multiboot2)
		ahead = plan->header_at;
	else
		ahead = (u64)a->header - a->load;
	if (ahead > plan->header_at || ahead > a->header)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel's header is damaged: it is at 0x%lx in the file, so "
				   "at 0x%x in memory it cannot be when loading begins at 0x%x",
				   plan->header_at, a->header, a->load);
	plan->base = a->header - ahead;
	plan->flat_at = plan->header_at - ahead;
	plan->flat_bytes = file_bytes - plan->flat_at;
	end = a->load_end ? a->load_end : plan->base + plan->flat_bytes;
	if (end <= plan->base || end - plan->base > plan->flat_bytes)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is truncated: by its header it is loaded from 0x%lx "
				   "to 0x%lx, the file has %lu bytes for that",
				   plan->base, end, plan->flat_bytes);
	plan->flat_bytes = end - plan->base;
	plan->end = MAX(end, (u64)a->bss_end);
	if (a->bss_end && a->bss_end < end)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel's header is damaged: bss_end_addr 0x%x is below the "
				   "loaded part's end 0x%lx",
				   a->bss_end, end);
	return 0;
}

static int image_start(struct multiboot_plan *plan, char *reason)
{
	bool inside;

	if (!plan->has_entry && !plan->has_addresses)
		return elf_entry(&plan->elf, &plan->start, reason);
	if (!plan->has_entry)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel's header has load addresses, but no entry address");
	plan->start = plan->entry;
	inside = plan->has_addresses
			 ? plan->start >= plan->base && plan->start - plan->base < plan->flat_bytes
			 : elf_has(&plan->elf, plan->start);
	if (inside)
		return 0;
	return load_refuse(reason, -ENOEXEC,
			   "the kernel's entry point 0x%lx is not in what is loaded (0x%lx to "
			   "0x%lx)",
			   plan->start, plan->base, plan->end);
}

static int image_read(struct multiboot_plan *plan, char *reason)
{
	const struct load_file *file = &plan->request->kernel;
	int error;

	if (plan->has_addresses) {
		error = image_flat(plan, reason);
	} else if (!elf_is(file)) {
		error = load_refuse(reason, -ENOEXEC,
				    "the kernel is no ELF file, and its multiboot header has no "
				    "load addresses");
	} else {
		error = elf_open(&plan->elf, file, reason);
		plan->base = plan->elf.base;
		plan->end = plan->elf.end;
	}
	return error ? error : image_start(plan, reason);
}

/* --- places --- */

static bool place_fits(const struct multiboot_plan *plan, u64 base)
{
	const struct multiboot_relocation *r = &plan->relocation;
	struct load_layout layout;

	if (base < r->least || base + (plan->end - plan->base) - 1 > r->most ||
	    !is_aligned(base, r->alignment))
		return false;
	load_layout_init(&layout, plan->layout.memory);
	return !load_layout_take(&layout, base, plan->end - plan->base);
}

static bool place_low(const struct multiboot_plan *plan, u64 *base)
{
	struct load_layout layout;

	load_layout_init(&layout, plan->layout.memory);
	*base = load_layout_find(&layout, plan->end - plan->base, plan->relocation.alignment,
				 plan->relocation.least);
	return *base != LOAD_NOWHERE && place_fits(plan, *base);
}

static bool place_high(const struct multiboot_plan *plan, u64 *base)
{
	u64 bytes = plan->end - plan->base;
	u64 end = MIN((u64)plan->relocation.most + 1, plan->layout.memory->low_bytes);

	if (end < bytes)
		return false;
	*base = align_down(end - bytes, plan->relocation.alignment);
	return place_fits(plan, *base);
}

/* An image that says so may be anywhere that suits it. */
static int image_relocate(struct multiboot_plan *plan, char *reason)
{
	const struct multiboot_relocation *r = &plan->relocation;
	u64 base = plan->base;
	bool found;

	if (!r->alignment || r->alignment & (r->alignment - 1))
		return load_refuse(reason, -ENOEXEC,
				   "the kernel's header is damaged: to be aligned to 0x%x is no "
				   "power of two",
				   r->alignment);
	switch (r->preference) {
	case MULTIBOOT_LOWEST:
		found = place_low(plan, &base);
		break;
	case MULTIBOOT_HIGHEST:
		found = place_high(plan, &base);
		break;
	default:
		found = place_fits(plan, base) || place_low(plan, &base);
		break;
	}
	if (!found)
		return load_refuse(reason, -ENOMEM,
				   "the kernel does not fit: it needs %lu KiB between 0x%x and "
				   "0x%x, RAM ends at 0x%lx",
				   align_up(plan->end - plan->base, KIB) / KIB, r->least, r->most,
				   plan->layout.memory->low_bytes);
	plan->delta = base - plan->base;
	plan->start += plan->delta;
	return 0;
}

static int image_place(struct multiboot_plan *plan, char *reason)
{
	int error = plan->has_relocation ? image_relocate(plan, reason) : 0;

	if (error)
		return error;
	if (!plan->has_addresses)
		return elf_place(&plan->elf, plan->delta, &plan->layout, reason);
	error = load_layout_take(&plan->layout, plan->base + plan->delta, plan->end - plan->base);
	return error ? load_refuse_place(&plan->layout, error, "the kernel",
					 plan->base + plan->delta, plan->end - plan->base, reason)
		     : 0;
}

static u64 info_bytes(const struct multiboot_plan *plan)
{
	struct multiboot_info info = {};

	plan->version->tell(plan, plan->layout.memory, &info);
	return info.bytes;
}

static int rest_place(struct multiboot_plan *plan, char *reason)
{
	const struct load_request *request = plan->request;
	u64 bytes = info_bytes(plan);
	int error;

	for (u32 i = 0; i < request->module_count; i++) {
		error = load_module_place(&plan->layout, &request->modules[i].file,
					  plan->end + plan->delta, &plan->module_gpa[i], reason);
		if (error)
			return error;
	}
	plan->info_gpa = load_layout_find(&plan->layout, bytes, PAGE_SIZE, INFO_GPA);
	plan->state_gpa =
		load_layout_find(&plan->layout, LOAD_PROTECTED_BYTES, PAGE_SIZE, INFO_GPA);
	if (plan->info_gpa == LOAD_NOWHERE || plan->state_gpa == LOAD_NOWHERE)
		return load_refuse(reason, -ENOMEM,
				   "the kernel leaves no room for what it is told: %lu KiB are "
				   "needed beside it",
				   (bytes + LOAD_PROTECTED_BYTES) / KIB + 1);
	return 0;
}

/* --- the guest --- */

static int plan_write(const struct multiboot_plan *plan, struct guest_memory *memory)
{
	const struct load_request *request = plan->request;
	struct multiboot_info info = {memory->window + plan->info_gpa, plan->info_gpa, 0};
	int error;

	if (plan->has_addresses)
		error = load_copy(request, memory, plan->base + plan->delta,
				  request->kernel.data + plan->flat_at, plan->flat_bytes);
	else
		error = elf_copy(&plan->elf, plan->delta, request, memory);
	for (u32 i = 0; i < request->module_count && !error; i++)
		error = load_copy(request, memory, plan->module_gpa[i],
				  request->modules[i].file.data, request->modules[i].file.bytes);
	if (error)
		return error;
	bios_data_write(memory);
	plan->version->tell(plan, memory, &info);
	return 0;
}

int load_multiboot(const struct load_request *request, struct guest_memory *memory,
		   struct cpu_state *start, char *reason)
{
	struct multiboot_plan plan = {.request = request};
	int error = header_read(&plan, reason);

	load_layout_init(&plan.layout, memory);
	error = error ? error : image_read(&plan, reason);
	error = error ? error : image_place(&plan, reason);
	error = error ? error : rest_place(&plan, reason);
	if (error)
		return error;
	error = plan_write(&plan, memory);
	error = error ? error : load_state_protected(memory, plan.state_gpa, start);
	if (error)
		return load_refuse(reason, error,
				   "the partition's RAM (%lu KiB) has gaps where the kernel goes",
				   memory->low_bytes / KIB);
	start->rip = plan.start;
	start->gpr[GPR_RAX] = plan.version->magic;
	start->gpr[GPR_RBX] = plan.info_gpa;
	return 0;
}
