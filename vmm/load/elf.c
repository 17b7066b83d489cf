/* SPDX-License-Identifier: MIT */
/* Reads ELF files for the loaders of kernels. */
#include "elf.h"

#include <bulkhead/error.h>

#define ELF_MAGIC      0x464c457fU
#define ELF_CLASS      4 /* byte of the identification */
#define ELF_DATA       5
#define ELF_CLASS_32   1
#define ELF_CLASS_64   2
#define ELF_DATA_LSB   1
#define ELF_EXECUTABLE 2
#define ELF_DYNAMIC    3
#define ELF_386	       3
#define ELF_X86_64     62
#define ELF_LIMIT      (4 * GIB) /* nothing is loaded above */

struct elf32_header {
	u8 identification[16];
	u16 type, machine;
	u32 version, entry, program_headers, section_headers, flags;
	u16 header_bytes, program_header_bytes, program_header_count;
	u16 section_header_bytes, section_header_count, names;
} packed;

struct elf64_header {
	u8 identification[16];
	u16 type, machine;
	u32 version;
	u64 entry, program_headers, section_headers;
	u32 flags;
	u16 header_bytes, program_header_bytes, program_header_count;
	u16 section_header_bytes, section_header_count, names;
} packed;

struct elf32_segment {
	u32 type, offset, virtual, physical, file_bytes, memory_bytes, flags, alignment;
} packed;

struct elf64_segment {
	u32 type, flags;
	u64 offset, virtual, physical, file_bytes, memory_bytes, alignment;
} packed;

struct elf_note {
	u32 name_bytes, number_bytes, type;
} packed;

_Static_assert(sizeof(struct elf32_header) == 52 && sizeof(struct elf64_header) == 64, "headers");
_Static_assert(sizeof(struct elf32_segment) == 32 && sizeof(struct elf64_segment) == 56,
	       "segments");

static u64 segment_bytes(const struct elf_image *image)
{
	return image->is_64 ? sizeof(struct elf64_segment) : sizeof(struct elf32_segment);
}

bool elf_is(const struct load_file *file)
{
	u32 magic;

	if (!file->data || file->bytes < sizeof(magic))
		return false;
	memcpy(&magic, file->data, sizeof(magic));
	return magic == ELF_MAGIC;
}

/* The size of one program header as the file has it. */
static u16 header_read_32(struct elf_image *image, u16 *type, u16 *machine)
{
	struct elf32_header header;

	memcpy(&header, image->file->data, sizeof(header));
	image->entry = header.entry;
	image->table = header.program_headers;
	image->count = header.program_header_count;
	*type = header.type;
	*machine = header.machine;
	return header.program_header_bytes;
}

static u16 header_read_64(struct elf_image *image, u16 *type, u16 *machine)
{
	struct elf64_header header;

	memcpy(&header, image->file->data, sizeof(header));
	image->entry = header.entry;
	image->table = header.program_headers;
	image->count = header.program_header_count;
	*type = header.type;
	*machine = header.machine;
	return header.program_header_bytes;
}

static int header_check_class(struct elf_image *image, char *reason)
{
	const struct load_file *file = image->file;

	if (!elf_is(file))
		return load_refuse(reason, -ENOEXEC, "the kernel is not an ELF file");
	if (file->bytes < sizeof(struct elf64_header))
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is truncated: %lu bytes are too few for an ELF file",
				   file->bytes);
	image->is_64 = file->data[ELF_CLASS] == ELF_CLASS_64;
	if ((!image->is_64 && file->data[ELF_CLASS] != ELF_CLASS_32) ||
	    file->data[ELF_DATA] != ELF_DATA_LSB)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is no ELF file of a PC: class %u and data %u, 1 or "
				   "2 and 1 are needed",
				   file->data[ELF_CLASS], file->data[ELF_DATA]);
	return 0;
}

static int header_check(struct elf_image *image, char *reason)
{
	u16 type, machine, entry_bytes;
	u64 table_bytes;

	entry_bytes = image->is_64 ? header_read_64(image, &type, &machine)
				   : header_read_32(image, &type, &machine);
	if (machine != ELF_386 && machine != ELF_X86_64)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is not for x86: ELF machine %u, 3 or 62 is needed",
				   machine);
	if (type != ELF_EXECUTABLE && type != ELF_DYNAMIC)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is not an executable: ELF type %u, 2 or 3 is needed",
				   type);
	if (!image->count || image->count > ELF_SEGMENTS_MAX)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel has %u program headers, 1 to %u are allowed",
				   image->count, ELF_SEGMENTS_MAX);
	table_bytes = image->count * segment_bytes(image);
	if (entry_bytes != segment_bytes(image) || table_bytes > image->file->bytes ||
	    image->table > image->file->bytes - table_bytes)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is truncated or damaged: %u program headers of %u "
				   "bytes at 0x%lx, the file has %lu bytes",
				   image->count, entry_bytes, image->table, image->file->bytes);
	return 0;
}

void elf_segment(const struct elf_image *image, u32 index, struct elf_segment *segment)
{
	const u8 *at = image->file->data + image->table + index * segment_bytes(image);
	struct elf32_segment small;
	struct elf64_segment large;

	if (!image->is_64) {
		memcpy(&small, at, sizeof(small));
		*segment = (struct elf_segment){
			.type = small.type,
			.offset = small.offset,
			.file_bytes = small.file_bytes,
			.physical = small.physical,
			.virtual = small.virtual,
			.memory_bytes = small.memory_bytes,
		};
		return;
	}
	memcpy(&large, at, sizeof(large));
	*segment = (struct elf_segment){
		.type = large.type,
		.offset = large.offset,
		.file_bytes = large.file_bytes,
		.physical = large.physical,
		.virtual = large.virtual,
		.memory_bytes = large.memory_bytes,
	};
}

/* Also if it has nothing in the file: then its place is kept for it. */
static bool segment_is_loaded(const struct elf_segment *segment)
{
	return segment->type == ELF_SEGMENT_LOAD && (segment->memory_bytes || segment->file_bytes);
}

static int segment_check(const struct elf_image *image, u32 index,
			 const struct elf_segment *segment, char *reason)
{
	u64 bytes = image->file->bytes;

	if (segment->file_bytes > bytes || segment->offset > bytes - segment->file_bytes)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is truncated: segment %u is %lu bytes at 0x%lx, the "
				   "file has %lu",
				   index, segment->file_bytes, segment->offset, bytes);
	if (!segment_is_loaded(segment))
		return 0;
	if (segment->file_bytes > segment->memory_bytes)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel is damaged: segment %u has %lu bytes in the file, "
				   "but %lu in memory",
				   index, segment->file_bytes, segment->memory_bytes);
	if (segment->memory_bytes > ELF_LIMIT ||
	    segment->physical > ELF_LIMIT - segment->memory_bytes)
		return load_refuse(reason, -ENOEXEC,
				   "the kernel does not fit below 4 GiB: segment %u is 0x%lx bytes "
				   "at 0x%lx",
				   index, segment->memory_bytes, segment->physical);
	return 0;
}

static int segments_check(struct elf_image *image, char *reason)
{
	struct elf_segment segment;
	int error;

	image->base = ELF_LIMIT;
	image->end = 0;
	for (u32 i = 0; i < image->count; i++) {
		elf_segment(image, i, &segment);
		if (segment.type != ELF_SEGMENT_LOAD && segment.type != ELF_SEGMENT_NOTE)
			continue;
		error = segment_check(image, i, &segment, reason);
		if (error)
			return error;
		if (!segment_is_loaded(&segment))
			continue;
		image->base = MIN(image->base, segment.physical);
		image->end = MAX(image->end, segment.physical + segment.memory_bytes);
	}
	if (image->end)
		return 0;
	return load_refuse(reason, -ENOEXEC, "the kernel has no segment that is loaded");
}

int elf_open(struct elf_image *image, const struct load_file *file, char *reason)
{
	int error;

	*image = (struct elf_image){.file = file};
	error = header_check_class(image, reason);
	error = error ? error : header_check(image, reason);
	return error ? error : segments_check(image, reason);
}

int elf_place(const struct elf_image *image, u64 delta, struct load_layout *layout, char *reason)
{
	struct elf_segment segment;
	int error;

	for (u32 i = 0; i < image->count; i++) {
		elf_segment(image, i, &segment);
		if (!segment_is_loaded(&segment))
			continue;
		error = load_layout_take(layout, segment.physical + delta, segment.memory_bytes);
		if (error)
			return load_refuse_place(layout, error, "the kernel",
						 segment.physical + delta, segment.memory_bytes,
						 reason);
	}
	return 0;
}

int elf_copy(const struct elf_image *image, u64 delta, const struct load_request *request,
	     struct guest_memory *memory)
{
	struct elf_segment segment;
	int error = 0;

	for (u32 i = 0; i < image->count && !error; i++) {
		elf_segment(image, i, &segment);
		if (segment_is_loaded(&segment))
			error = load_copy(request, memory, segment.physical + delta,
					  image->file->data + segment.offset, segment.file_bytes);
	}
	return error;
}

bool elf_has(const struct elf_image *image, u64 physical)
{
	struct elf_segment segment;

	for (u32 i = 0; i < image->count; i++) {
		elf_segment(image, i, &segment);
		if (segment_is_loaded(&segment) && physical >= segment.physical &&
		    physical - segment.physical < segment.file_bytes)
			return true;
	}
	return false;
}

int elf_entry(const struct elf_image *image, u64 *gpa, char *reason)
{
	struct elf_segment segment;

	for (u32 i = 0; i < image->count; i++) {
		elf_segment(image, i, &segment);
		if (segment_is_loaded(&segment) && image->entry >= segment.virtual &&
		    image->entry - segment.virtual < segment.file_bytes) {
			*gpa = image->entry - segment.virtual + segment.physical;
			return 0;
		}
	}
	*gpa = image->entry;
	if (elf_has(image, *gpa))
		return 0;
	return load_refuse(reason, -ENOEXEC,
			   "the kernel's entry point 0x%lx is not in what is loaded (0x%lx to "
			   "0x%lx)",
			   image->entry, image->base, image->end);
}

/* Names and numbers are padded to 4 bytes, in files of either class. */
static int note_find(const u8 *notes, u64 bytes, const char *owner, u32 type, u64 *number)
{
	u64 at = 0, owner_bytes = strlen(owner) + 1, name, value;
	struct elf_note note;

	while (bytes - at >= sizeof(note)) {
		memcpy(&note, notes + at, sizeof(note));
		name = at + sizeof(note);
		value = name + align_up(note.name_bytes, 4);
		at = value + align_up(note.number_bytes, 4);
		if (at > bytes)
			break;
		if (note.type != type || note.name_bytes != owner_bytes ||
		    memcmp(notes + name, owner, owner_bytes) != 0)
			continue;
		if (note.number_bytes != 4 && note.number_bytes != 8)
			continue;
		*number = 0;
		memcpy(number, notes + value, note.number_bytes);
		return 0;
	}
	return -ENOENT;
}

int elf_note_number(const struct elf_image *image, const char *owner, u32 type, u64 *number)
{
	struct elf_segment segment;

	for (u32 i = 0; i < image->count; i++) {
		elf_segment(image, i, &segment);
		if (segment.type == ELF_SEGMENT_NOTE &&
		    !note_find(image->file->data + segment.offset, segment.file_bytes, owner, type,
			       number))
			return 0;
	}
	return -ENOENT;
}
