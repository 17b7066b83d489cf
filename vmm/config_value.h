/* SPDX-License-Identifier: MIT */
/* The values of the configuration file: slices of its text, numbers and words in them, and the
 * table of keys, which says how each is read and written. */
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
/* Take the part before the first `byte` off the front of `*rest`, and that byte with it. */
struct slice slice_split(struct slice *rest, char byte);

bool byte_is_shown(char byte); /* printable ASCII */

/* The slice as it is fit to be shown: a tab becomes a blank and all else that is not
 * printable ASCII '?'; cut with "...". */
void slice_show(struct slice slice, char *buffer, size_t bytes);

/* Whether `slice` is probably a mistyped `word`. Both are short. */
bool slice_resembles(struct slice slice, const char *word);

/* Reading. Each returns NULL, or what is wrong. */

extern const char config_too_small[], config_too_large[], config_not_word[];

const char *config_count_read(struct slice value, u64 *number); /* whole, decimal */
/* "512M", "64K" or plain bytes. */
const char *config_size_read(struct slice value, u64 *bytes);
/* The same, or hexadecimal after 0x. */
const char *config_address_read(struct slice value, u64 *address);
const char *config_time_read(struct slice value, u64 *us); /* "500us", "10ms", "1s" */
const char *config_percent_read(struct slice value, u64 *percent);
/* The index of the word that `value` is. */
const char *config_word_read(struct slice value, const char *const words[], u32 count, u32 *index);
const char *config_yes_read(struct slice value, bool *yes);

/* Whether it is fit to be the name of a partition or a group. */
bool config_name_is_good(struct slice name);

/* Writing. */

/* Text that grows; cut at `bytes`, but `length` counts all of it. */
struct config_out {
	char *buffer;
	size_t bytes, length;
};

void config_out_add(struct config_out *out, const char *format, ...) printf_like(2, 3);
/* Back to a length that it had before. */
void config_out_cut(struct config_out *out, size_t length);

#define CONFIG_SIZE_BYTES 24

/* The shortest text that config_size_read reads back as `bytes`. */
void config_size_text(u64 bytes, char buffer[CONFIG_SIZE_BYTES]);
/* The shortest text that config_time_read reads back as `us`. */
void config_time_text(u64 us, char buffer[CONFIG_SIZE_BYTES]);

/* Keys. */

enum config_section {
	CONFIG_SECTION_NONE,   /* before the first one */
	CONFIG_SECTION_FAULTY, /* nobody knows what it was meant to be: its keys are not looked at
				*/
	CONFIG_SECTION_HOST,
	CONFIG_SECTION_PARTITION,
	CONFIG_SECTION_GROUP,
};

/* Where the values of the section being read go. */
struct config_target {
	struct config_host *host;
	struct config_partition *partition;
	struct config_group *group;
	u32 line;
};

/* Where the values of a section to be written come from. */
struct config_source {
	const struct config_host *host;
	const struct config_partition *partition;
	const struct config_group *group;
};

struct config_key {
	const char *name;
	const char *allowed;
	enum config_section section; /* where it belongs */
	bool verbatim;		     /* the value is the rest of the line, '#' included */
	/* In a partition's section. BIT(enum config_boot): */
	u32 needed_by; /* where it may not be missing; NONE is "not known" */
	u32 goes_with; /* where it has a meaning */
	/* Store the value. Returns NULL, or what is wrong with it; then nothing was stored. */
	const char *(*read)(struct slice value, const struct config_target *target);
	/* Write the value so that it can be read back; nothing when it is the default. */
	void (*write)(const struct config_source *source, struct config_out *out);
};

/* In each section in the order in which they are written. */
enum config_key_id {
	CONFIG_KEY_CONSOLE,
	CONFIG_KEY_CPUS,
	CONFIG_KEY_LOGLEVEL,
	CONFIG_KEY_VCPUS,
	CONFIG_KEY_CPU,
	CONFIG_KEY_HYPERVISOR_LEAVES,
	CONFIG_KEY_MEMORY,
	CONFIG_KEY_CLEAR_MEMORY,
	CONFIG_KEY_BOOT,
	CONFIG_KEY_KERNEL,
	CONFIG_KEY_FIRMWARE,
	CONFIG_KEY_VARIABLES,
	CONFIG_KEY_BOOT_MENU,
	CONFIG_KEY_INITRD,
	CONFIG_KEY_MODULES,
	CONFIG_KEY_CMDLINE,
	CONFIG_KEY_AUTOSTART,
	CONFIG_KEY_ENTRY,
	CONFIG_KEY_LOAD,
	CONFIG_KEY_RNG,
	CONFIG_KEY_DISK,
	CONFIG_KEY_DISK2,
	CONFIG_KEY_DISK3,
	CONFIG_KEY_DISK4,
	CONFIG_KEY_VIRTIO_CONSOLE,
	CONFIG_KEY_NET,
	CONFIG_KEY_NET2,
	CONFIG_KEY_NET3,
	CONFIG_KEY_NET4,
	CONFIG_KEY_BALLOON,
	CONFIG_KEY_CHANNEL,
	CONFIG_KEY_WEIGHT,
	CONFIG_KEY_CAP,
	CONFIG_KEY_RESERVATION,
	CONFIG_KEY_DEDICATED,
	CONFIG_KEY_AFFINITY,
	CONFIG_KEY_GROUP,
	CONFIG_KEY_AFTER,
	CONFIG_KEY_ON_POWEROFF,
	CONFIG_KEY_ON_RESET,
	CONFIG_KEY_ON_CRASH,
	CONFIG_KEY_GROUP_WEIGHT,
	CONFIG_KEY_GROUP_CAP,
	CONFIG_KEYS,
};

extern const struct config_key config_keys[CONFIG_KEYS];

extern const char *const config_console_names[CONFIG_CONSOLE_NONE + 1];
extern const char *const config_boot_names[CONFIG_BOOT_UEFI + 1];
extern const char *const config_entry_names[CONFIG_ENTRY_REAL + 1];

#define CONFIG_MEMORY_STEP	(2 * MIB)
#define CONFIG_MEMORY_MIN	(2 * MIB)
#define CONFIG_MEMORY_MIN_LINUX (16 * MIB)
#define CONFIG_MEMORY_MAX	(1024 * GIB)

/* The weight of one that is given none. */
u32 config_weight_default(enum scheduler_kind kind);

/* A file of the boot volume into `room`. */
const char *config_path_read(struct slice path, char room[CONFIG_PATH_BYTES]);

/* Text in quotes if it would be read otherwise without. */
void config_text_write(const char *text, bool verbatim, struct config_out *out);

#define CONFIG_KEY_FUNCTIONS(key)                                                                  \
	const char *config_##key##_read(struct slice value, const struct config_target *target);   \
	void config_##key##_write(const struct config_source *source, struct config_out *out)

/* config_machine.c: the keys that say what the machine and its partitions are. */
CONFIG_KEY_FUNCTIONS(console);
CONFIG_KEY_FUNCTIONS(cpus);
CONFIG_KEY_FUNCTIONS(loglevel);
CONFIG_KEY_FUNCTIONS(vcpus);
CONFIG_KEY_FUNCTIONS(cpu);
CONFIG_KEY_FUNCTIONS(hypervisor_leaves);
CONFIG_KEY_FUNCTIONS(memory);
CONFIG_KEY_FUNCTIONS(clear_memory);

/* config_boot.c: the keys that say how a partition gets its first instruction. */
CONFIG_KEY_FUNCTIONS(boot);
CONFIG_KEY_FUNCTIONS(kernel);
CONFIG_KEY_FUNCTIONS(firmware);
CONFIG_KEY_FUNCTIONS(variables);
CONFIG_KEY_FUNCTIONS(boot_menu);
CONFIG_KEY_FUNCTIONS(initrd);
CONFIG_KEY_FUNCTIONS(modules);
CONFIG_KEY_FUNCTIONS(cmdline);
CONFIG_KEY_FUNCTIONS(entry);
CONFIG_KEY_FUNCTIONS(load);

/* config_device.c: the keys that say which devices a partition has. */
CONFIG_KEY_FUNCTIONS(rng);
CONFIG_KEY_FUNCTIONS(disk);
CONFIG_KEY_FUNCTIONS(disk2);
CONFIG_KEY_FUNCTIONS(disk3);
CONFIG_KEY_FUNCTIONS(disk4);
CONFIG_KEY_FUNCTIONS(virtio_console);
CONFIG_KEY_FUNCTIONS(balloon);
CONFIG_KEY_FUNCTIONS(channel);

/* config_policy.c: the keys that say when a partition runs. */
CONFIG_KEY_FUNCTIONS(autostart);
CONFIG_KEY_FUNCTIONS(weight);
CONFIG_KEY_FUNCTIONS(cap);
CONFIG_KEY_FUNCTIONS(reservation);
CONFIG_KEY_FUNCTIONS(dedicated);
CONFIG_KEY_FUNCTIONS(affinity);
CONFIG_KEY_FUNCTIONS(group);
CONFIG_KEY_FUNCTIONS(after);
CONFIG_KEY_FUNCTIONS(on_poweroff);
CONFIG_KEY_FUNCTIONS(on_reset);
CONFIG_KEY_FUNCTIONS(on_crash);
CONFIG_KEY_FUNCTIONS(group_weight);
CONFIG_KEY_FUNCTIONS(group_cap);

/* config_net.c: those of networks. */
CONFIG_KEY_FUNCTIONS(net);
CONFIG_KEY_FUNCTIONS(net2);
CONFIG_KEY_FUNCTIONS(net3);
CONFIG_KEY_FUNCTIONS(net4);
