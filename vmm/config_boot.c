/* SPDX-License-Identifier: MIT */
/* The keys that say how a partition gets its first instruction: how they are read and written. */
#include <bulkhead/load.h>
#include <bulkhead/string.h>

#include "config_value.h"

#define BOOT_MENU_MAX_US 60000000UL /* firmware knows 16 bits of milliseconds */

const char *const config_boot_names[] = {"", "linux", "raw", "multiboot", "pvh", "bios", "uefi"};
const char *const config_entry_names[] = {"long", "protected", "real"};

const char *config_boot_read(struct slice value, const struct config_target *target)
{
	u32 boot;
	const char *wrong =
		config_word_read(value, config_boot_names, ARRAY_SIZE(config_boot_names), &boot);

	if (wrong || boot == CONFIG_BOOT_NONE)
		return config_not_word;
	target->partition->boot = boot;
	return NULL;
}

void config_boot_write(const struct config_source *source, struct config_out *out)
{
	config_out_add(out, "%s", config_boot_names[source->partition->boot]);
}

/* Characters that FAT long names exclude besides the separators (FAT specification 1.03, "Long
 * Directory Entries"). */
static bool byte_is_of_path(char byte)
{
	static const char excluded[] = "\"*:<>?|";

	return byte_is_shown(byte) && slice_find(slice_of(excluded), byte) == sizeof(excluded) - 1;
}

static const char *path_name_check(struct slice name)
{
	if (!name.bytes)
		return "a name in the path is empty";
	if (slice_is(name, ".") || slice_is(name, ".."))
		return "'.' and '..' are not names";
	return NULL;
}

static const char *path_check(struct slice path)
{
	const char *wrong = NULL;

	if (path.bytes >= CONFIG_PATH_BYTES)
		return "too long";
	if (slice_find(path, '/') < path.bytes)
		return "'/' in a path";
	if (path.start[0] != '\\')
		return "does not begin with '\\'";
	for (size_t i = 0; i < path.bytes; i++) {
		if (!byte_is_of_path(path.start[i]))
			return "a character that paths cannot have";
	}
	while (!wrong && path.bytes) {
		path = slice_from(path, 1);
		size_t end = slice_find(path, '\\');

		wrong = path_name_check(slice_head(path, end));
		path = slice_from(path, end);
	}
	return wrong;
}

const char *config_path_read(struct slice path, char room[CONFIG_PATH_BYTES])
{
	const char *wrong = path_check(path);

	if (wrong)
		return wrong;
	memcpy(room, path.start, path.bytes);
	room[path.bytes] = '\0';
	return NULL;
}

const char *config_kernel_read(struct slice value, const struct config_target *target)
{
	return config_path_read(value, target->partition->kernel);
}

const char *config_firmware_read(struct slice value, const struct config_target *target)
{
	return config_path_read(value, target->partition->firmware);
}

const char *config_variables_read(struct slice value, const struct config_target *target)
{
	return config_path_read(value, target->partition->variables);
}

const char *config_boot_menu_read(struct slice value, const struct config_target *target)
{
	u64 us;
	const char *wrong = config_time_read(value, &us);

	if (wrong)
		return wrong;
	if (us > BOOT_MENU_MAX_US)
		return config_too_large;
	if (us % 1000)
		return "not in whole milliseconds";
	target->partition->boot_menu_ms = (u32)(us / 1000);
	return NULL;
}

const char *config_initrd_read(struct slice value, const struct config_target *target)
{
	return config_path_read(value, target->partition->initrd);
}

void config_text_write(const char *text, bool verbatim, struct config_out *out)
{
	struct slice all = slice_of(text), bare = slice_trim(all);

	if (!verbatim)
		bare = slice_uncomment(bare);
	config_out_add(out, bare.bytes < all.bytes ? "\"%s\"" : "%s", text);
}

void config_kernel_write(const struct config_source *source, struct config_out *out)
{
	config_text_write(source->partition->kernel, false, out);
}

void config_firmware_write(const struct config_source *source, struct config_out *out)
{
	config_text_write(source->partition->firmware, false, out);
}

void config_variables_write(const struct config_source *source, struct config_out *out)
{
	config_text_write(source->partition->variables, false, out);
}

void config_boot_menu_write(const struct config_source *source, struct config_out *out)
{
	char text[CONFIG_SIZE_BYTES];

	if (!source->partition->boot_menu_ms)
		return;
	config_time_text(source->partition->boot_menu_ms * 1000UL, text);
	config_out_add(out, "%s", text);
}

void config_initrd_write(const struct config_source *source, struct config_out *out)
{
	config_text_write(source->partition->initrd, false, out);
}

const char *config_cmdline_read(struct slice value, const struct config_target *target)
{
	char *room = target->partition->cmdline;

	if (value.bytes >= CONFIG_CMDLINE_BYTES)
		return "too long";
	memcpy(room, value.start, value.bytes);
	room[value.bytes] = '\0';
	return NULL;
}

void config_cmdline_write(const struct config_source *source, struct config_out *out)
{
	config_text_write(source->partition->cmdline, true, out);
}

const char *config_module_file(const struct config_modules *modules, u32 index)
{
	const char *at = modules->text;

	for (u32 i = 0; i < 2 * index; i++)
		at += strlen(at) + 1;
	return at;
}

const char *config_module_text(const struct config_modules *modules, u32 index)
{
	const char *file = config_module_file(modules, index);

	return file + strlen(file) + 1;
}

static const char *module_read(struct slice value, struct config_modules *modules, u32 *used)
{
	size_t end = MIN(slice_find(value, ' '), slice_find(value, '\t'));
	struct slice file = slice_head(value, end), text = slice_trim(slice_from(value, end));
	const char *wrong = file.bytes ? path_check(file) : "a module without a file";

	if (wrong)
		return wrong;
	if (modules->count == CONFIG_MODULES_MAX)
		return "too many modules";
	if (*used + file.bytes + text.bytes + 2 > sizeof(modules->text))
		return "too long";
	memcpy(modules->text + *used, file.start, file.bytes);
	memcpy(modules->text + *used + file.bytes + 1, text.start, text.bytes);
	*used += (u32)(file.bytes + text.bytes + 2);
	modules->count++;
	return NULL;
}

const char *config_modules_read(struct slice value, const struct config_target *target)
{
	bool more = !slice_is(value, "none");
	struct config_modules modules = {};
	struct slice rest = value;
	u32 used = 0;

	while (more) {
		const char *wrong;

		more = slice_find(rest, ';') < rest.bytes;
		wrong = module_read(slice_trim(slice_split(&rest, ';')), &modules, &used);
		if (wrong)
			return wrong;
	}
	target->partition->modules = modules;
	return NULL;
}

/* Whether a '#' in it would begin a comment. */
static bool text_has_comment(const char *text)
{
	return text[0] == '#' || slice_uncomment(slice_of(text)).bytes < strlen(text);
}

void config_modules_write(const struct config_source *source, struct config_out *out)
{
	const struct config_modules *modules = &source->partition->modules;
	bool quotes = false;

	for (u32 i = 0; i < modules->count; i++)
		quotes = quotes || text_has_comment(config_module_text(modules, i));
	config_out_add(out, quotes ? "\"" : "");
	for (u32 i = 0; i < modules->count; i++) {
		const char *text = config_module_text(modules, i);

		config_out_add(out, "%s%s%s%s", i ? "; " : "", config_module_file(modules, i),
			       *text ? " " : "", text);
	}
	config_out_add(out, quotes ? "\"" : "");
}

const char *config_entry_read(struct slice value, const struct config_target *target)
{
	u32 entry;
	const char *wrong =
		config_word_read(value, config_entry_names, ARRAY_SIZE(config_entry_names), &entry);

	if (!wrong)
		target->partition->entry = entry;
	return wrong;
}

/* Raw images have no defaults. */
void config_entry_write(const struct config_source *source, struct config_out *out)
{
	if (source->partition->boot == CONFIG_BOOT_RAW)
		config_out_add(out, "%s", config_entry_names[source->partition->entry]);
}

const char *config_load_read(struct slice value, const struct config_target *target)
{
	u64 address;
	const char *wrong = config_address_read(value, &address);

	if (wrong)
		return wrong;
	if (address >= GUEST_LOW_MAX)
		return config_too_large;
	if (address >= GUEST_HOLE_BASE && address < GUEST_ACPI_END)
		return "not memory that is free for an image";
	target->partition->load_address = address;
	return NULL;
}

void config_load_write(const struct config_source *source, struct config_out *out)
{
	if (source->partition->boot == CONFIG_BOOT_RAW)
		config_out_add(out, "0x%lx", source->partition->load_address);
}
