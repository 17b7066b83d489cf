/* SPDX-License-Identifier: MIT */
/* The keys of the configuration file that say which devices a partition has. */
#include <bulkhead/channel.h>
#include <bulkhead/string.h>

#include "config_value.h"

const char *config_rng_read(struct slice value, const struct config_target *target)
{
	return config_yes_read(value, &target->partition->rng);
}

void config_rng_write(const struct config_source *source, struct config_out *out)
{
	if (source->partition->rng)
		config_out_add(out, "yes");
}

static const char *disk_read(struct slice value, struct config_disk *disk)
{
	size_t comma = slice_find(value, ',');
	struct slice option = slice_trim(slice_from(value, comma + 1));
	const char *wrong;

	if (comma < value.bytes && !slice_is(option, "readonly"))
		return "what follows the comma is not \"readonly\"";
	if (!slice_trim(slice_head(value, comma)).bytes)
		return "no file given";
	wrong = config_path_read(slice_trim(slice_head(value, comma)), disk->path);
	if (!wrong)
		disk->readonly = comma < value.bytes;
	return wrong;
}

static void disk_write(const struct config_disk *disk, struct config_out *out)
{
	char text[CONFIG_PATH_BYTES + sizeof(", readonly")];
	struct config_out whole = {text, sizeof(text), 0};

	if (!disk->path[0])
		return;
	config_out_add(&whole, "%s%s", disk->path, disk->readonly ? ", readonly" : "");
	config_text_write(text, false, out);
}

/* Each disk has a key of its own. */
#define DISK_KEY(key, index)                                                                       \
	const char *config_##key##_read(struct slice value, const struct config_target *target)    \
	{                                                                                          \
		return disk_read(value, &target->partition->disks[index]);                         \
	}                                                                                          \
	void config_##key##_write(const struct config_source *source, struct config_out *out)      \
	{                                                                                          \
		disk_write(&source->partition->disks[index], out);                                 \
	}

DISK_KEY(disk, 0)
DISK_KEY(disk2, 1)
DISK_KEY(disk3, 2)
DISK_KEY(disk4, 3)

const char *config_virtio_console_read(struct slice value, const struct config_target *target)
{
	return config_yes_read(value, &target->partition->virtio_console);
}

void config_virtio_console_write(const struct config_source *source, struct config_out *out)
{
	if (source->partition->virtio_console)
		config_out_add(out, "yes");
}

const char *config_balloon_read(struct slice value, const struct config_target *target)
{
	return config_yes_read(value, &target->partition->balloon);
}

void config_balloon_write(const struct config_source *source, struct config_out *out)
{
	if (source->partition->balloon)
		config_out_add(out, "yes");
}

const char *config_channel_read(struct slice value, const struct config_target *target)
{
	struct config_channel made = {.line = target->line};
	struct slice rest = value, name = slice_trim(slice_split(&rest, ','));
	const char *wrong;

	if (!slice_is(value, "none")) {
		if (!config_name_is_good(name))
			return "not a name";
		wrong = config_size_read(slice_trim(rest), &made.bytes);
		if (wrong)
			return wrong;
		if (made.bytes < CHANNEL_BYTES_MIN)
			return config_too_small;
		if (made.bytes > CHANNEL_BYTES_MAX)
			return config_too_large;
		if (made.bytes & (made.bytes - 1))
			return "the size is not a power of 2";
		slice_show(name, made.name, sizeof(made.name));
	}
	target->partition->channel = made;
	return NULL;
}

void config_channel_write(const struct config_source *source, struct config_out *out)
{
	const struct config_channel *channel = &source->partition->channel;
	char size[CONFIG_SIZE_BYTES];

	if (!channel->name[0])
		return;
	config_size_text(channel->bytes, size);
	config_out_add(out, "%s, %s", channel->name, size);
}
