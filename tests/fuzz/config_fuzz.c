/* SPDX-License-Identifier: MIT */
/* links: vmm/config.c vmm/config_check.c vmm/config_keys.c */
/* links: vmm/config_boot.c vmm/config_device.c vmm/config_machine.c vmm/config_policy.c */
/* links: vmm/config_net.c */
/* links: vmm/config_text.c vmm/config_value.c vmm/format.c */
/* The configuration parser against arbitrary bytes: no over-read, promises about what comes out,
 * and that it reads again when written. */
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

/* All of them lie within their room, NUL included. */
static void modules_check(const struct config_modules *modules)
{
	const char *end = modules->text + sizeof(modules->text);

	demand(modules->count <= CONFIG_MODULES_MAX);
	for (u32 i = 0; i < modules->count; i++) {
		const char *text = config_module_text(modules, i);

		demand(config_module_file(modules, i)[0] == '\\');
		demand(text < end && memchr(text, '\0', (size_t)(end - text)));
	}
}

static void partition_check(const struct config_partition *partition)
{
	demand(strnlen(partition->name, CONFIG_NAME_BYTES) < CONFIG_NAME_BYTES);
	demand(strnlen(partition->kernel, CONFIG_PATH_BYTES) < CONFIG_PATH_BYTES);
	demand(strnlen(partition->initrd, CONFIG_PATH_BYTES) < CONFIG_PATH_BYTES);
	demand(strnlen(partition->firmware, CONFIG_PATH_BYTES) < CONFIG_PATH_BYTES);
	demand(partition->boot_menu_ms <= 60000);
	modules_check(&partition->modules);
	demand(strnlen(partition->cmdline, CONFIG_CMDLINE_BYTES) < CONFIG_CMDLINE_BYTES);
	demand(partition->memory_bytes % (2 * MIB) == 0);
	demand(partition->vcpus >= 1 && partition->vcpus <= CONFIG_VCPUS_MAX);
	demand(strnlen(partition->group, CONFIG_NAME_BYTES) < CONFIG_NAME_BYTES);
	demand(partition->after_count <= CONFIG_AFTER_MAX);
	for (u32 i = 0; i < partition->after_count; i++)
		demand(partition->after[i][0] &&
		       strnlen(partition->after[i], CONFIG_NAME_BYTES) < CONFIG_NAME_BYTES);
	demand(!cpu_mask_empty(&partition->affinity));
	demand(partition->claim.weight <= SCHEDULER_WEIGHT_MAX);
	demand(partition->claim.cap <= SCHEDULER_CAP_MAX);
}

static void claim_check(const struct scheduler_claim *claim)
{
	if (claim->kind == SCHEDULER_RESERVED) {
		demand(claim->budget_us >= SCHEDULER_BUDGET_MIN_US);
		demand(claim->period_us >= SCHEDULER_PERIOD_MIN_US);
		demand(claim->period_us <= SCHEDULER_PERIOD_MAX_US);
		demand(claim->budget_us * 100 <= claim->period_us * SCHEDULER_RESERVED_MAX);
		demand(!claim->cap || claim->budget_us * 100 <= claim->period_us * claim->cap);
		return;
	}
	demand(!claim->budget_us && !claim->period_us);
	demand(claim->weight > 0);
	demand(claim->kind == SCHEDULER_SHARED || !claim->cap);
}

static void good_check(const struct config_partition *partition)
{
	demand(partition->name[0] != '\0');
	demand(partition->memory_bytes > 0);
	demand(partition->boot != CONFIG_BOOT_NONE);
	demand((partition->kernel[0] == '\\') != (partition->firmware[0] == '\\'));
	demand(partition->load_address < partition->memory_bytes);
	claim_check(&partition->claim);
	demand(partition->start_rank > 0);
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

struct file {
	struct config config;
	struct config_partition partitions[ROOM];
	struct config_group groups[ROOM];
	struct config_error errors[ROOM];
};

static int file_parse(struct file *file, bool partial, const uint8_t *data, size_t bytes)
{
	char *text = malloc(bytes); /* of the exact size, so that any over-read is seen */
	int result;

	file->config = (struct config){
		.partial = partial,
		.partitions = file->partitions,
		.partition_room = ROOM,
		.groups = file->groups,
		.group_room = ROOM,
		.errors = file->errors,
		.error_room = ROOM,
	};
	if (bytes)
		memcpy(text, data, bytes);
	result = config_parse(&file->config, text, bytes);
	free(text);
	return result;
}

static size_t file_write(const struct config *config, char *text, size_t bytes)
{
	size_t length = config_host_text(&config->host, text, bytes);

	for (u32 i = 0; i < config->group_count; i++)
		length += config_group_text(&config->groups[i], text + length, bytes - length);
	for (u32 i = 0; i < config->partition_count; i++)
		length += config_partition_text(&config->partitions[i], text + length,
						bytes - length);
	demand(length < bytes && length == strlen(text));
	return length;
}

/* A good file is written, read and written again, and both texts are the same. */
static void write_check(const struct config *config)
{
	static char first[ROOM * 4096], second[ROOM * 4096];
	static struct file file;
	size_t bytes = file_write(config, first, sizeof(first));

	demand(file_parse(&file, config->partial, (const uint8_t *)first, bytes) == 0);
	demand(file_write(&file.config, second, sizeof(second)) == bytes);
	demand(memcmp(first, second, bytes) == 0);
	demand(file.config.partition_count == config->partition_count);
	for (u32 i = 0; i < config->partition_count; i++) {
		const struct config_partition *a = &config->partitions[i];
		const struct config_partition *b = &file.partitions[i];

		demand(a->memory_bytes == b->memory_bytes && a->load_address == b->load_address);
		demand(strcmp(a->cmdline, b->cmdline) == 0 && strcmp(a->kernel, b->kernel) == 0);
		demand(memcmp(&a->modules, &b->modules, sizeof(a->modules)) == 0);
		demand(strcmp(a->firmware, b->firmware) == 0);
		demand(strcmp(a->variables, b->variables) == 0);
		demand(a->boot_menu_ms == b->boot_menu_ms);
		demand(a->claim.kind == b->claim.kind && a->claim.weight == b->claim.weight);
		demand(a->claim.cap == b->claim.cap && a->claim.budget_us == b->claim.budget_us);
		demand(a->claim.period_us == b->claim.period_us);
		demand(memcmp(&a->affinity, &b->affinity, sizeof(a->affinity)) == 0);
		demand(a->after_count == b->after_count && a->start_rank == b->start_rank);
	}
}

/* The first line as a change of a partition that exists. */
static void change_check(const uint8_t *data, size_t bytes)
{
	static const char web[] = "[partition web]\nmemory=64M\nboot=linux\nkernel=\\k\n";
	static struct file file;
	struct config_error error;
	static char before[4096], after[4096];
	char key[200] = "", *value, *end;

	demand(file_parse(&file, true, (const uint8_t *)web, sizeof(web) - 1) == 0);
	config_partition_text(&file.partitions[0], before, sizeof(before));
	memcpy(key, data, MIN(bytes, sizeof(key) - 1));
	end = strchr(key, '\n');
	if (end)
		*end = '\0';
	value = strchr(key, '=');
	if (!value)
		return;
	*value++ = '\0';
	if (config_partition_set(&file.partitions[0], key, value, &error)) {
		demand(error.line == 0 && error.reason[0] && error.allowed[0]);
		config_partition_text(&file.partitions[0], after, sizeof(after));
		demand(strcmp(before, after) == 0);
	} else {
		write_check(&file.config);
	}
}

static void file_check(struct file *file, bool partial, const uint8_t *data, size_t bytes)
{
	struct config *config = &file->config;
	int result = file_parse(file, partial, data, bytes);

	demand((result == 0) == (config->error_count == 0));
	demand(config->partition_count <= ROOM && config->group_count <= ROOM);
	for (u32 i = 0; i < config->partition_count; i++) {
		partition_check(&file->partitions[i]);
		if (result == 0)
			good_check(&file->partitions[i]);
	}
	for (u32 i = 0; i < config->group_count; i++)
		demand(file->groups[i].weight && file->groups[i].weight <= SCHEDULER_WEIGHT_MAX);
	if (result == 0)
		write_check(config);
	if (config_check_memory(config, 100 * MIB))
		demand(config->error_count > 0);
	for (u32 i = 0; i < MIN(config->error_count, ROOM); i++)
		error_check(&file->errors[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct file file;

	file_check(&file, false, data, bytes);
	file_check(&file, true, data, bytes);
	change_check(data, bytes);
	return 0;
}
