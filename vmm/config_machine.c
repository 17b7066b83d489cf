/* SPDX-License-Identifier: MIT */
/* How those keys of the configuration file are read and written that say what the machine and its
 * partitions are. */
#include <bulkhead/log.h>
#include <bulkhead/string.h>

#include "config_value.h"

#define BAUD_DEFAULT 115200

const char *const config_console_names[] = {"com1", "com2", "com3", "com4", "none"};
static const char *const cpu_names[] = {
	[CONFIG_CPU_HOST] = "host",
	[CONFIG_CPU_V1] = "x86-64-v1",
	[CONFIG_CPU_V2] = "x86-64-v2",
	[CONFIG_CPU_V3] = "x86-64-v3",
};
static const char *const leaves_names[] = {
	[CONFIG_LEAVES_KVM] = "kvm", [CONFIG_LEAVES_NONE] = "none"};
static const char *const clear_names[] = {
	[CONFIG_CLEAR_BEFORE_START] = "before-start",
	[CONFIG_CLEAR_ON_TOUCH] = "on-touch",
};
static const char *const level_names[] = {
	[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

const char *config_console_read(struct slice value, const struct config_target *target)
{
	static const u32 rates[] = {9600, 19200, 38400, 57600, 115200};
	size_t comma = slice_find(value, ',');
	struct slice port = slice_trim(slice_head(value, comma));
	struct slice rate = slice_trim(slice_from(value, comma + 1));
	u32 console;
	u64 baud;

	if (config_word_read(port, config_console_names, ARRAY_SIZE(config_console_names),
			     &console))
		return "unknown port";
	if (comma < value.bytes) {
		if (console == CONFIG_CONSOLE_NONE)
			return "no console has no baud rate";
		if (config_count_read(rate, &baud))
			return "the baud rate is not a number";
		for (u32 i = 0; i < ARRAY_SIZE(rates); i++) {
			if (rates[i] == baud) {
				target->host->console = console;
				target->host->console_baud = rates[i];
				return NULL;
			}
		}
		return "unknown baud rate";
	}
	target->host->console = console;
	return NULL;
}

void config_console_write(const struct config_source *source, struct config_out *out)
{
	const struct config_host *host = source->host;
	bool usual = host->console_baud == BAUD_DEFAULT || host->console == CONFIG_CONSOLE_NONE;

	if (host->console == CONFIG_CONSOLE_COM1 && usual)
		return;
	config_out_add(out, "%s", config_console_names[host->console]);
	if (!usual)
		config_out_add(out, ", %u", host->console_baud);
}

const char *config_cpus_read(struct slice value, const struct config_target *target)
{
	u64 count = 0;
	const char *wrong = slice_is(value, "all") ? NULL : config_count_read(value, &count);

	if (wrong)
		return wrong;
	if (count == 0 && !slice_is(value, "all"))
		return config_too_small;
	if (count > 4096)
		return config_too_large;
	target->host->cpus = (u32)count;
	return NULL;
}

void config_cpus_write(const struct config_source *source, struct config_out *out)
{
	if (source->host->cpus)
		config_out_add(out, "%u", source->host->cpus);
}

const char *config_loglevel_read(struct slice value, const struct config_target *target)
{
	return config_word_read(value, level_names, ARRAY_SIZE(level_names),
				&target->host->log_level);
}

void config_loglevel_write(const struct config_source *source, struct config_out *out)
{
	if (source->host->log_level != LOG_INFO)
		config_out_add(out, "%s", level_names[source->host->log_level]);
}

const char *config_vcpus_read(struct slice value, const struct config_target *target)
{
	u64 count;
	const char *wrong = config_count_read(value, &count);

	if (wrong)
		return wrong;
	if (count == 0)
		return config_too_small;
	if (count > CONFIG_VCPUS_MAX)
		return config_too_large;
	target->partition->vcpus = (u32)count;
	return NULL;
}

void config_vcpus_write(const struct config_source *source, struct config_out *out)
{
	if (source->partition->vcpus != 1)
		config_out_add(out, "%u", source->partition->vcpus);
}

const char *config_cpu_name(enum config_cpu cpu)
{
	return cpu_names[cpu];
}

const char *config_cpu_read(struct slice value, const struct config_target *target)
{
	u32 cpu;
	const char *wrong = config_word_read(value, cpu_names, ARRAY_SIZE(cpu_names), &cpu);

	if (!wrong)
		target->partition->cpu = cpu;
	return wrong;
}

void config_cpu_write(const struct config_source *source, struct config_out *out)
{
	if (source->partition->cpu != CONFIG_CPU_HOST)
		config_out_add(out, "%s", cpu_names[source->partition->cpu]);
}

const char *config_hypervisor_leaves_read(struct slice value, const struct config_target *target)
{
	u32 leaves;
	const char *wrong =
		config_word_read(value, leaves_names, ARRAY_SIZE(leaves_names), &leaves);

	if (!wrong)
		target->partition->hypervisor_leaves = leaves;
	return wrong;
}

void config_hypervisor_leaves_write(const struct config_source *source, struct config_out *out)
{
	if (source->partition->hypervisor_leaves != CONFIG_LEAVES_KVM)
		config_out_add(out, "%s", leaves_names[source->partition->hypervisor_leaves]);
}

const char *config_memory_read(struct slice value, const struct config_target *target)
{
	u64 bytes;
	const char *wrong = config_size_read(value, &bytes);

	if (wrong)
		return wrong;
	if (bytes < CONFIG_MEMORY_MIN)
		return config_too_small;
	if (bytes > CONFIG_MEMORY_MAX)
		return config_too_large;
	if (!is_aligned(bytes, CONFIG_MEMORY_STEP))
		return "not a multiple of 2M";
	target->partition->memory_bytes = bytes;
	return NULL;
}

void config_memory_write(const struct config_source *source, struct config_out *out)
{
	char text[CONFIG_SIZE_BYTES];

	config_size_text(source->partition->memory_bytes, text);
	if (source->partition->memory_bytes)
		config_out_add(out, "%s", text);
}

const char *config_clear_memory_read(struct slice value, const struct config_target *target)
{
	u32 when;
	const char *wrong = config_word_read(value, clear_names, ARRAY_SIZE(clear_names), &when);

	if (!wrong)
		target->partition->clear_memory = when;
	return wrong;
}

void config_clear_memory_write(const struct config_source *source, struct config_out *out)
{
	if (source->partition->clear_memory != CONFIG_CLEAR_BEFORE_START)
		config_out_add(out, "%s", clear_names[source->partition->clear_memory]);
}
