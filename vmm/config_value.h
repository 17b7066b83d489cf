/* SPDX-License-Identifier: MIT */
/* The values of the configuration file: slices of its text, the table of keys, and how each is
 * read. */
#pragma once

#include <bulkhead/config.h>

/* A piece of the configuration's text; not terminated. */
struct slice {
	const char *start;
	size_t bytes;
};

#define SLICE_NONE ((struct slice){"", 0})

struct slice slice_of(const char *text);
struct slice slice_trim(struct slice slice); /* without blanks (space, tab) at both ends */
bool slice_is(struct slice slice, const char *word);
size_t slice_find(struct slice slice, char byte); /* its index, or slice.bytes */
struct slice slice_head(struct slice slice, size_t bytes);
struct slice slice_from(struct slice slice, size_t index);
struct slice
slice_uncomment(struct slice slice); /* up to a '#' that begins it or follows a blank */

/* The slice as it is fit to be shown: a tab becomes a blank and all else that is not
 * printable ASCII '?'; cut with "...". */
void slice_show(struct slice slice, char *buffer, size_t bytes);

/* Whether `slice` is probably a mistyped `word`. Both are short. */
bool slice_resembles(struct slice slice, const char *word);

/* Where the values of the section being read go. */
struct config_target {
	struct config_host *host;
	struct config_partition *partition;
};

struct config_key {
	const char *name;
	const char *allowed;
	bool of_host;  /* belongs into [host], else into a partition's section */
	bool verbatim; /* the value is the rest of the line, '#' included */
	u32 needed_by; /* BIT(enum config_boot): where it may not be missing; NONE is "not known" */
	u32 goes_with; /* BIT(enum config_boot): where it has a meaning */
	/* Store the value. Returns NULL, or what is wrong with it; then nothing was stored. */
	const char *(*read)(struct slice value, const struct config_target *target);
};

enum config_key_id {
	CONFIG_KEY_CONSOLE,
	CONFIG_KEY_CPUS,
	CONFIG_KEY_LOGLEVEL,
	CONFIG_KEY_VCPUS,
	CONFIG_KEY_MEMORY,
	CONFIG_KEY_BOOT,
	CONFIG_KEY_KERNEL,
	CONFIG_KEY_INITRD,
	CONFIG_KEY_CMDLINE,
	CONFIG_KEY_AUTOSTART,
	CONFIG_KEY_ENTRY,
	CONFIG_KEY_LOAD,
	CONFIG_KEYS,
};

extern const struct config_key config_keys[CONFIG_KEYS];

extern const char *const config_console_names[CONFIG_CONSOLE_NONE + 1];
extern const char *const config_boot_names[CONFIG_BOOT_RAW + 1];
extern const char *const config_entry_names[CONFIG_ENTRY_REAL + 1];

#define CONFIG_MEMORY_STEP (2 * MIB)
#define CONFIG_MEMORY_MIN  (16 * MIB)
#define CONFIG_MEMORY_MAX  (1024 * GIB)

/* "512M", "64K" or plain bytes. Returns NULL, or what is wrong. */
const char *config_size_read(struct slice value, u64 *bytes);

#define CONFIG_SIZE_BYTES 24

/* The shortest text that config_size_read reads back as `bytes`. */
void config_size_text(u64 bytes, char buffer[CONFIG_SIZE_BYTES]);
