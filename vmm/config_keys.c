/* SPDX-License-Identifier: MIT */
/* The keys of the configuration file: their table, and how those are read and written that say what
 * the machine and its partitions are. */
#include <bulkhead/load.h>
#include <bulkhead/log.h>
#include <bulkhead/string.h>

#include "config_value.h"

#define BAUD_DEFAULT 115200

const char *const config_console_names[] = {"com1", "com2", "com3", "com4", "none"};
const char *const config_boot_names[] = {"", "linux", "raw"};
const char *const config_entry_names[] = {"long", "protected", "real"};
static const char *const level_names[] = {
	[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

static const char *console_read(struct slice value, const struct config_target *target)
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

static void console_write(const struct config_source *source, struct config_out *out)
{
	const struct config_host *host = source->host;
	bool usual = host->console_baud == BAUD_DEFAULT || host->console == CONFIG_CONSOLE_NONE;

	if (host->console == CONFIG_CONSOLE_COM1 && usual)
		return;
	config_out_add(out, "%s", config_console_names[host->console]);
	if (!usual)
		config_out_add(out, ", %u", host->console_baud);
}

static const char *cpus_read(struct slice value, const struct config_target *target)
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

static void cpus_write(const struct config_source *source, struct config_out *out)
{
	if (source->host->cpus)
		config_out_add(out, "%u", source->host->cpus);
}

static const char *loglevel_read(struct slice value, const struct config_target *target)
{
	return config_word_read(value, level_names, ARRAY_SIZE(level_names),
				&target->host->log_level);
}

static void loglevel_write(const struct config_source *source, struct config_out *out)
{
	if (source->host->log_level != LOG_INFO)
		config_out_add(out, "%s", level_names[source->host->log_level]);
}

static const char *vcpus_read(struct slice value, const struct config_target *target)
{
	u64 count;
	const char *wrong = config_count_read(value, &count);

	if (wrong)
		return wrong;
	if (count == 0)
		return config_too_small;
	if (count > 1)
		return "more than one virtual CPU is not supported yet";
	target->partition->vcpus = (u32)count;
	return NULL;
}

static void vcpus_write(const struct config_source *source, struct config_out *out)
{
	if (source->partition->vcpus != 1)
		config_out_add(out, "%u", source->partition->vcpus);
}

static const char *memory_read(struct slice value, const struct config_target *target)
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

static void memory_write(const struct config_source *source, struct config_out *out)
{
	char text[CONFIG_SIZE_BYTES];

	config_size_text(source->partition->memory_bytes, text);
	if (source->partition->memory_bytes)
		config_out_add(out, "%s", text);
}

static const char *boot_read(struct slice value, const struct config_target *target)
{
	u32 boot;
	const char *wrong =
		config_word_read(value, config_boot_names, ARRAY_SIZE(config_boot_names), &boot);

	if (wrong || boot == CONFIG_BOOT_NONE)
		return config_not_word;
	target->partition->boot = boot;
	return NULL;
}

static void boot_write(const struct config_source *source, struct config_out *out)
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

static const char *path_read(struct slice path, char room[CONFIG_PATH_BYTES])
{
	const char *wrong = path_check(path);

	if (wrong)
		return wrong;
	memcpy(room, path.start, path.bytes);
	room[path.bytes] = '\0';
	return NULL;
}

static const char *kernel_read(struct slice value, const struct config_target *target)
{
	return path_read(value, target->partition->kernel);
}

static const char *initrd_read(struct slice value, const struct config_target *target)
{
	return path_read(value, target->partition->initrd);
}

/* In quotes if it would be read otherwise without. */
static void text_write(const char *text, bool verbatim, struct config_out *out)
{
	struct slice all = slice_of(text), bare = slice_trim(all);

	if (!verbatim)
		bare = slice_uncomment(bare);
	config_out_add(out, bare.bytes < all.bytes ? "\"%s\"" : "%s", text);
}

static void kernel_write(const struct config_source *source, struct config_out *out)
{
	text_write(source->partition->kernel, false, out);
}

static void initrd_write(const struct config_source *source, struct config_out *out)
{
	text_write(source->partition->initrd, false, out);
}

static const char *cmdline_read(struct slice value, const struct config_target *target)
{
	char *room = target->partition->cmdline;

	if (value.bytes >= CONFIG_CMDLINE_BYTES)
		return "too long";
	memcpy(room, value.start, value.bytes);
	room[value.bytes] = '\0';
	return NULL;
}

static void cmdline_write(const struct config_source *source, struct config_out *out)
{
	text_write(source->partition->cmdline, true, out);
}

static const char *autostart_read(struct slice value, const struct config_target *target)
{
	return config_yes_read(value, &target->partition->autostart);
}

static void autostart_write(const struct config_source *source, struct config_out *out)
{
	if (!source->partition->autostart)
		config_out_add(out, "no");
}

static const char *entry_read(struct slice value, const struct config_target *target)
{
	u32 entry;
	const char *wrong =
		config_word_read(value, config_entry_names, ARRAY_SIZE(config_entry_names), &entry);

	if (!wrong)
		target->partition->entry = entry;
	return wrong;
}

/* Raw images have no defaults. */
static void entry_write(const struct config_source *source, struct config_out *out)
{
	if (source->partition->boot == CONFIG_BOOT_RAW)
		config_out_add(out, "%s", config_entry_names[source->partition->entry]);
}

static const char *load_read(struct slice value, const struct config_target *target)
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

static void load_write(const struct config_source *source, struct config_out *out)
{
	if (source->partition->boot == CONFIG_BOOT_RAW)
		config_out_add(out, "0x%lx", source->partition->load_address);
}

static const char *rng_read(struct slice value, const struct config_target *target)
{
	return config_yes_read(value, &target->partition->rng);
}

static void rng_write(const struct config_source *source, struct config_out *out)
{
	if (source->partition->rng)
		config_out_add(out, "yes");
}

#define NET_ALLOWED                                                                                \
	"the name of a network, then if need be a comma and mac=52:54:00:12:34:56, a comma and "   \
	"rate=100Mbit, from 8kbit to 1000Gbit; or none"
#define WEIGHT_ALLOWED "1 to 10000"
#define CAP_ALLOWED    "a percentage of one CPU's time such as 50%, from 1% to 100000%; or none"
#define ANY_BOOT       (BIT(CONFIG_BOOT_NONE) | BIT(CONFIG_BOOT_LINUX) | BIT(CONFIG_BOOT_RAW))

const struct config_key config_keys[CONFIG_KEYS] = {
	[CONFIG_KEY_CONSOLE] =
		{
			.name = "console",
			.section = CONFIG_SECTION_HOST,
			.read = console_read,
			.write = console_write,
			.allowed = "com1, com2, com3 or com4, then if need be a comma and 9600, "
				   "19200, 38400, 57600 or 115200; or none",
		},
	[CONFIG_KEY_CPUS] =
		{
			.name = "cpus",
			.section = CONFIG_SECTION_HOST,
			.read = cpus_read,
			.write = cpus_write,
			.allowed = "all, or a number from 1 to 4096",
		},
	[CONFIG_KEY_LOGLEVEL] =
		{
			.name = "loglevel",
			.section = CONFIG_SECTION_HOST,
			.read = loglevel_read,
			.write = loglevel_write,
			.allowed = "error, warn, info or debug",
		},
	[CONFIG_KEY_VCPUS] =
		{
			.name = "vcpus",
			.section = CONFIG_SECTION_PARTITION,
			.read = vcpus_read,
			.write = vcpus_write,
			.goes_with = ANY_BOOT,
			.allowed = "1",
		},
	[CONFIG_KEY_MEMORY] =
		{
			.name = "memory",
			.section = CONFIG_SECTION_PARTITION,
			.read = memory_read,
			.write = memory_write,
			.needed_by = ANY_BOOT,
			.goes_with = ANY_BOOT,
			.allowed = "a number with K, M, G or T such as 512M, at least 2M (with "
				   "boot = linux 16M), at most 1T, in steps of 2M",
		},
	[CONFIG_KEY_BOOT] =
		{
			.name = "boot",
			.section = CONFIG_SECTION_PARTITION,
			.read = boot_read,
			.write = boot_write,
			.needed_by = ANY_BOOT,
			.goes_with = ANY_BOOT,
			.allowed = "linux or raw",
		},
	[CONFIG_KEY_KERNEL] =
		{
			.name = "kernel",
			.section = CONFIG_SECTION_PARTITION,
			.read = kernel_read,
			.write = kernel_write,
			.needed_by = ANY_BOOT,
			.goes_with = ANY_BOOT,
			.allowed = "a file of the boot volume such as \\bulkhead\\web\\vmlinuz, "
				   "at most 127 characters",
		},
	[CONFIG_KEY_INITRD] =
		{
			.name = "initrd",
			.section = CONFIG_SECTION_PARTITION,
			.read = initrd_read,
			.write = initrd_write,
			.goes_with = BIT(CONFIG_BOOT_NONE) | BIT(CONFIG_BOOT_LINUX),
			.allowed = "a file of the boot volume such as \\bulkhead\\web\\initrd.gz, "
				   "at most 127 characters",
		},
	[CONFIG_KEY_CMDLINE] =
		{
			.name = "cmdline",
			.section = CONFIG_SECTION_PARTITION,
			.read = cmdline_read,
			.write = cmdline_write,
			.verbatim = true,
			.goes_with = BIT(CONFIG_BOOT_NONE) | BIT(CONFIG_BOOT_LINUX),
			.allowed = "any text of at most 1023 bytes",
		},
	[CONFIG_KEY_AUTOSTART] =
		{
			.name = "autostart",
			.section = CONFIG_SECTION_PARTITION,
			.read = autostart_read,
			.write = autostart_write,
			.goes_with = ANY_BOOT,
			.allowed = "yes or no",
		},
	[CONFIG_KEY_ENTRY] =
		{
			.name = "entry",
			.section = CONFIG_SECTION_PARTITION,
			.read = entry_read,
			.write = entry_write,
			.needed_by = BIT(CONFIG_BOOT_RAW),
			.goes_with = BIT(CONFIG_BOOT_NONE) | BIT(CONFIG_BOOT_RAW),
			.allowed = "long, protected or real",
		},
	[CONFIG_KEY_LOAD] =
		{
			.name = "load",
			.section = CONFIG_SECTION_PARTITION,
			.read = load_read,
			.write = load_write,
			.needed_by = BIT(CONFIG_BOOT_RAW),
			.goes_with = BIT(CONFIG_BOOT_NONE) | BIT(CONFIG_BOOT_RAW),
			.allowed = "an address such as 1M or 0x100000, below 3G, not from 0xa0000 "
				   "to 0xfffff",
		},
	[CONFIG_KEY_RNG] =
		{
			.name = "rng",
			.section = CONFIG_SECTION_PARTITION,
			.read = rng_read,
			.write = rng_write,
			.goes_with = ANY_BOOT,
			.allowed = "yes or no",
		},
	[CONFIG_KEY_NET] =
		{
			.name = "net",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_net_read,
			.write = config_net_write,
			.goes_with = ANY_BOOT,
			.allowed = NET_ALLOWED,
		},
	[CONFIG_KEY_NET2] =
		{
			.name = "net2",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_net2_read,
			.write = config_net2_write,
			.goes_with = ANY_BOOT,
			.allowed = NET_ALLOWED,
		},
	[CONFIG_KEY_NET3] =
		{
			.name = "net3",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_net3_read,
			.write = config_net3_write,
			.goes_with = ANY_BOOT,
			.allowed = NET_ALLOWED,
		},
	[CONFIG_KEY_NET4] =
		{
			.name = "net4",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_net4_read,
			.write = config_net4_write,
			.goes_with = ANY_BOOT,
			.allowed = NET_ALLOWED,
		},
	[CONFIG_KEY_WEIGHT] =
		{
			.name = "weight",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_weight_read,
			.write = config_weight_write,
			.goes_with = ANY_BOOT,
			.allowed = WEIGHT_ALLOWED "; with a reservation also 0",
		},
	[CONFIG_KEY_CAP] =
		{
			.name = "cap",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_cap_read,
			.write = config_cap_write,
			.goes_with = ANY_BOOT,
			.allowed = CAP_ALLOWED,
		},
	[CONFIG_KEY_RESERVATION] =
		{
			.name = "reservation",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_reservation_read,
			.write = config_reservation_write,
			.goes_with = ANY_BOOT,
			.allowed = "budget / period such as 2ms / 10ms, the budget at least 100us "
				   "and at most "
				   "95% of the period, the period from 500us to 1s; or none",
		},
	[CONFIG_KEY_DEDICATED] =
		{
			.name = "dedicated",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_dedicated_read,
			.write = config_dedicated_write,
			.goes_with = ANY_BOOT,
			.allowed = "yes or no",
		},
	[CONFIG_KEY_AFFINITY] =
		{
			.name = "affinity",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_affinity_read,
			.write = config_affinity_write,
			.goes_with = ANY_BOOT,
			.allowed = "numbers of CPUs such as 0-2, 5, from 0 to 511; or all",
		},
	[CONFIG_KEY_GROUP] =
		{
			.name = "group",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_group_read,
			.write = config_group_write,
			.goes_with = ANY_BOOT,
			.allowed = "the name of a section [group NAME]; or none",
		},
	[CONFIG_KEY_AFTER] =
		{
			.name = "after",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_after_read,
			.write = config_after_write,
			.goes_with = ANY_BOOT,
			.allowed =
				"names of other partitions with commas between, at most 8; or none",
		},
	[CONFIG_KEY_ON_POWEROFF] =
		{
			.name = "on_poweroff",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_on_poweroff_read,
			.write = config_on_poweroff_write,
			.goes_with = ANY_BOOT,
			.allowed = "stop, restart or preserve",
		},
	[CONFIG_KEY_ON_RESET] =
		{
			.name = "on_reset",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_on_reset_read,
			.write = config_on_reset_write,
			.goes_with = ANY_BOOT,
			.allowed = "stop, restart or preserve",
		},
	[CONFIG_KEY_ON_CRASH] =
		{
			.name = "on_crash",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_on_crash_read,
			.write = config_on_crash_write,
			.goes_with = ANY_BOOT,
			.allowed = "stop, restart or preserve",
		},
	[CONFIG_KEY_GROUP_WEIGHT] =
		{
			.name = "weight",
			.section = CONFIG_SECTION_GROUP,
			.read = config_group_weight_read,
			.write = config_group_weight_write,
			.allowed = WEIGHT_ALLOWED,
		},
	[CONFIG_KEY_GROUP_CAP] =
		{
			.name = "cap",
			.section = CONFIG_SECTION_GROUP,
			.read = config_group_cap_read,
			.write = config_group_cap_write,
			.allowed = CAP_ALLOWED,
		},
};
