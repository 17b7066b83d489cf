/* SPDX-License-Identifier: MIT */
/* The files that the loader brought along, by the name that the configuration uses. */
#include <bulkhead/boot_files.h>

#include <bulkhead/memory.h>
#include <bulkhead/string.h>

const struct boot_info *boot_info;

const struct boot_file *boot_file_find(const char *name)
{
	const struct boot_file *files = memory_boot(boot_info->files);

	for (u32 i = 0; i < boot_info->file_count; i++)
		if (strcmp(memory_boot(files[i].name), name) == 0)
			return &files[i];
	return NULL;
}
