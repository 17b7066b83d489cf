/* SPDX-License-Identifier: MIT */
/* Read \bulkhead\bulkhead.conf and show every error in it. */
#include "boot/loader.h"

#include "boot/files.h"
#include "boot/pages.h"

#include <bulkhead/error.h>
#include <bulkhead/string.h>

#define CONFIG_PATH	 "\\bulkhead\\bulkhead.conf"
#define CONFIG_MAX_BYTES MIB
#define PARTITION_ROOM	 256
#define GROUP_ROOM	 256
#define ERROR_ROOM	 64
#define ERROR_TEXT_BYTES 1024

static int config_begin(struct loader *loader)
{
	struct config *config = &loader->config;

	loader->info =
		pages_buffer(sizeof(*loader->info) + sizeof(CONFIG_PATH), BOOT_MEMORY_BULKHEAD);
	config->partitions =
		pages_buffer(PARTITION_ROOM * sizeof(*config->partitions), BOOT_MEMORY_LOADER);
	config->groups = pages_buffer(GROUP_ROOM * sizeof(*config->groups), BOOT_MEMORY_LOADER);
	config->errors = pages_buffer(ERROR_ROOM * sizeof(*config->errors), BOOT_MEMORY_LOADER);
	if (!loader->info || !config->partitions || !config->groups || !config->errors)
		return -ENOMEM;
	config->partition_room = PARTITION_ROOM;
	config->group_room = GROUP_ROOM;
	config->error_room = ERROR_ROOM;
	loader->info->config_name =
		(uintptr_t)memcpy(loader->info + 1, CONFIG_PATH, sizeof(CONFIG_PATH));
	return 0;
}

static void config_show_errors(const struct config *config)
{
	u32 shown = MIN(config->error_count, config->error_room);
	char text[ERROR_TEXT_BYTES];

	for (u32 i = 0; i < shown; i++) {
		config_error_text(&config->errors[i], CONFIG_PATH, text, sizeof(text));
		screen_text(text);
	}
	if (config->error_count > shown)
		screen_line("and %u more errors", config->error_count - shown);
}

static bool config_lacks(void *context, enum config_cpu cpu, char *text, size_t bytes)
{
	const struct loader *loader = context;

	return cpu_level_lacks(cpu, loader->cpu_words, text, bytes);
}

int config_load(struct loader *loader)
{
	struct boot_file file = {0};
	int error = config_begin(loader);

	if (error)
		return error;
	error = file_read(CONFIG_PATH, CONFIG_MAX_BYTES, 1, &file);
	if (error == -ENOENT)
		screen_line("Bulkhead reads its configuration from there: put one on this volume");
	if (error)
		return error;
	loader->info->config = file.base;
	loader->info->config_bytes = file.bytes;
	error = config_parse(&loader->config, (const char *)(uintptr_t)file.base, file.bytes);
	error = error ? error : config_check_cpus(&loader->config, config_lacks, loader);
	if (error)
		config_show_errors(&loader->config);
	return error;
}

/* After memory_gather() knows how much there is. */
int config_fit(struct loader *loader, u64 available_bytes)
{
	int error;

	loader->config.error_count = 0;
	error = config_check_memory(&loader->config, available_bytes);
	if (error)
		config_show_errors(&loader->config);
	return error;
}
