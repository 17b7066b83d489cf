/* SPDX-License-Identifier: MIT */
/* What is configured, written in the configuration file's own syntax. */
#include "config_value.h"

static void section_write(struct config_out *out, enum config_section section,
			  const struct config_source *source)
{
	for (u32 i = 0; i < CONFIG_KEYS; i++) {
		const struct config_key *key = &config_keys[i];
		size_t before = out->length, begun;

		if (key->section != section)
			continue;
		config_out_add(out, "%-11s = ", key->name);
		begun = out->length;
		key->write(source, out);
		if (out->length > begun)
			config_out_add(out, "\n");
		else
			config_out_cut(out, before);
	}
}

size_t config_host_text(const struct config_host *host, char *buffer, size_t bytes)
{
	const struct config_source source = {.host = host};
	struct config_out out = {buffer, bytes, 0};

	config_out_add(&out, "[host]\n");
	section_write(&out, CONFIG_SECTION_HOST, &source);
	return out.length;
}

size_t config_group_text(const struct config_group *group, char *buffer, size_t bytes)
{
	const struct config_source source = {.group = group};
	struct config_out out = {buffer, bytes, 0};

	config_out_add(&out, "[group %s]\n", group->name);
	section_write(&out, CONFIG_SECTION_GROUP, &source);
	return out.length;
}

size_t config_partition_text(const struct config_partition *partition, char *buffer, size_t bytes)
{
	const struct config_source source = {.partition = partition};
	struct config_out out = {buffer, bytes, 0};

	config_out_add(&out, "[partition %s]\n", partition->name);
	section_write(&out, CONFIG_SECTION_PARTITION, &source);
	return out.length;
}
