/* SPDX-License-Identifier: MIT */
/* links: vmm/config.c vmm/config_value.c vmm/format.c */
/* The configuration parser against arbitrary bytes: no over-read, and promises about what comes
 * out. */
#include <stdlib.h>
#include <string.h>

#include <bulkhead/config.h>

#define ROOM 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void demand(bool kept)
{
	if (!kept)
		abort();
}

static void partition_check(const struct config_partition *partition)
{
	demand(strnlen(partition->name, CONFIG_NAME_BYTES) < CONFIG_NAME_BYTES);
	demand(strnlen(partition->kernel, CONFIG_PATH_BYTES) < CONFIG_PATH_BYTES);
	demand(strnlen(partition->initrd, CONFIG_PATH_BYTES) < CONFIG_PATH_BYTES);
	demand(strnlen(partition->cmdline, CONFIG_CMDLINE_BYTES) < CONFIG_CMDLINE_BYTES);
	demand(partition->memory_bytes % (2 * MIB) == 0);
	demand(partition->vcpus == 1);
}

static void good_check(const struct config_partition *partition)
{
	demand(partition->name[0] != '\0');
	demand(partition->memory_bytes > 0);
	demand(partition->boot != CONFIG_BOOT_NONE);
	demand(partition->kernel[0] == '\\');
	demand(partition->load_address < partition->memory_bytes);
}

static void error_check(const struct config_error *error)
{
	size_t sizes[] = {1, 2, 40, 700};

	demand(error->line >= 1);
	demand(error->reason[0] && error->allowed[0]);
	for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
		char *buffer = malloc(sizes[i]);
		size_t length = config_error_text(error, "fuzz.conf", buffer, sizes[i]);

		demand(length < sizes[i] && length == strlen(buffer));
		demand(length == 0 || buffer[length - 1] == '\n');
		for (size_t j = 0; j + 1 < length; j++)
			demand(buffer[j] >= ' ' && buffer[j] <= '~');
		free(buffer);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct config_partition partitions[ROOM];
	struct config_error errors[ROOM];
	struct config config = {
		.partitions = partitions,
		.partition_room = ROOM,
		.errors = errors,
		.error_room = ROOM,
	};
	char *text = malloc(bytes); /* of the exact size, so that any over-read is seen */
	int result;

	if (bytes)
		memcpy(text, data, bytes);
	result = config_parse(&config, text, bytes);
	free(text);
	demand((result == 0) == (config.error_count == 0));
	demand(config.partition_count <= ROOM);
	for (u32 i = 0; i < config.partition_count; i++) {
		partition_check(&partitions[i]);
		if (result == 0)
			good_check(&partitions[i]);
	}
	if (config_check_memory(&config, 100 * MIB))
		demand(config.error_count > 0);
	for (u32 i = 0; i < MIN(config.error_count, ROOM); i++)
		error_check(&errors[i]);
	return 0;
}
