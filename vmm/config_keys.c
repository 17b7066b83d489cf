/* SPDX-License-Identifier: MIT */
/* The keys of the configuration file: their table. How each is read and written is in the files
 * that config_value.h names. */
#include "config_value.h"

#define DISK_ALLOWED                                                                               \
	"a file of the boot volume such as \\bulkhead\\web\\disk.img, at most 127 characters "     \
	"without a comma, then if need be a comma and readonly"
#define NET_ALLOWED                                                                                \
	"the name of a network, then if need be a comma and mac=52:54:00:12:34:56, a comma and "   \
	"rate=100Mbit, from 8kbit to 1000Gbit; or none"
#define WEIGHT_ALLOWED "1 to 10000"
#define CAP_ALLOWED    "a percentage of one CPU's time such as 50%, from 1% to 100000%; or none"
#define ANY_BOOT       BITS(CONFIG_BOOT_UEFI, CONFIG_BOOT_NONE)
#define FIRMWARE_BOOT  (BIT(CONFIG_BOOT_BIOS) | BIT(CONFIG_BOOT_UEFI))
#define MODULES_BOOT   (BIT(CONFIG_BOOT_MULTIBOOT) | BIT(CONFIG_BOOT_PVH))
/* Which one is meant is not known while `boot` is faulty. */
#define MAYBE(boot) (BIT(CONFIG_BOOT_NONE) | (boot))

const struct config_key config_keys[CONFIG_KEYS] = {
	[CONFIG_KEY_CONSOLE] =
		{
			.name = "console",
			.section = CONFIG_SECTION_HOST,
			.read = config_console_read,
			.write = config_console_write,
			.allowed = "com1, com2, com3 or com4, then if need be a comma and 9600, "
				   "19200, 38400, 57600 or 115200; or none",
		},
	[CONFIG_KEY_CPUS] =
		{
			.name = "cpus",
			.section = CONFIG_SECTION_HOST,
			.read = config_cpus_read,
			.write = config_cpus_write,
			.allowed = "all, or a number from 1 to 4096",
		},
	[CONFIG_KEY_LOGLEVEL] =
		{
			.name = "loglevel",
			.section = CONFIG_SECTION_HOST,
			.read = config_loglevel_read,
			.write = config_loglevel_write,
			.allowed = "error, warn, info or debug",
		},
	[CONFIG_KEY_VCPUS] =
		{
			.name = "vcpus",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_vcpus_read,
			.write = config_vcpus_write,
			.goes_with = ANY_BOOT,
			.allowed = "1 to 64",
		},
	[CONFIG_KEY_CPU] =
		{
			.name = "cpu",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_cpu_read,
			.write = config_cpu_write,
			.goes_with = ANY_BOOT,
			.allowed = "host, x86-64-v1, x86-64-v2 or x86-64-v3",
		},
	[CONFIG_KEY_HYPERVISOR_LEAVES] =
		{
			.name = "hypervisor_leaves",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_hypervisor_leaves_read,
			.write = config_hypervisor_leaves_write,
			.goes_with = ANY_BOOT,
			.allowed = "kvm or none",
		},
	[CONFIG_KEY_MEMORY] =
		{
			.name = "memory",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_memory_read,
			.write = config_memory_write,
			.needed_by = ANY_BOOT,
			.goes_with = ANY_BOOT,
			.allowed = "a number with K, M, G or T such as 512M, at least 2M (with "
				   "boot = linux 16M), at most 1T, in steps of 2M",
		},
	[CONFIG_KEY_CLEAR_MEMORY] =
		{
			.name = "clear_memory",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_clear_memory_read,
			.write = config_clear_memory_write,
			.goes_with = ANY_BOOT,
			.allowed = "before-start or on-touch",
		},
	[CONFIG_KEY_BOOT] =
		{
			.name = "boot",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_boot_read,
			.write = config_boot_write,
			.needed_by = ANY_BOOT,
			.goes_with = ANY_BOOT,
			.allowed = "linux, multiboot, pvh, raw, bios or uefi",
		},
	[CONFIG_KEY_KERNEL] =
		{
			.name = "kernel",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_kernel_read,
			.write = config_kernel_write,
			.needed_by = ANY_BOOT & ~FIRMWARE_BOOT,
			.goes_with = ANY_BOOT & ~FIRMWARE_BOOT,
			.allowed = "a file of the boot volume such as \\bulkhead\\web\\vmlinuz, "
				   "at most 127 characters",
		},
	[CONFIG_KEY_FIRMWARE] =
		{
			.name = "firmware",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_firmware_read,
			.write = config_firmware_write,
			.needed_by = FIRMWARE_BOOT,
			.goes_with = MAYBE(FIRMWARE_BOOT | BIT(CONFIG_BOOT_LINUX)),
			.allowed = "a file of the boot volume such as \\bulkhead\\bios-256k.bin, "
				   "at most 127 characters",
		},
	[CONFIG_KEY_VARIABLES] =
		{
			.name = "variables",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_variables_read,
			.write = config_variables_write,
			.goes_with = MAYBE(BIT(CONFIG_BOOT_UEFI)),
			.allowed = "a file of the boot volume such as \\bulkhead\\OVMF_VARS_4M.fd, "
				   "at most 127 characters",
		},
	[CONFIG_KEY_BOOT_MENU] =
		{
			.name = "boot_menu",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_boot_menu_read,
			.write = config_boot_menu_write,
			.goes_with = MAYBE(FIRMWARE_BOOT),
			.allowed = "a time such as 5s, in milliseconds, at most 60s; 0s is none",
		},
	[CONFIG_KEY_INITRD] =
		{
			.name = "initrd",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_initrd_read,
			.write = config_initrd_write,
			.goes_with = MAYBE(BIT(CONFIG_BOOT_LINUX) | BIT(CONFIG_BOOT_PVH)),
			.allowed = "a file of the boot volume such as \\bulkhead\\web\\initrd.gz, "
				   "at most 127 characters",
		},
	[CONFIG_KEY_MODULES] =
		{
			.name = "modules",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_modules_read,
			.write = config_modules_write,
			.goes_with = MAYBE(MODULES_BOOT),
			.allowed =
				"at most 16 files of the boot volume, each with text behind it if "
				"need be, such as \\a\\fs.bin --root; \\a\\init, together at "
				"most 1000 characters; or none",
		},
	[CONFIG_KEY_CMDLINE] =
		{
			.name = "cmdline",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_cmdline_read,
			.write = config_cmdline_write,
			.verbatim = true,
			.goes_with = MAYBE(BIT(CONFIG_BOOT_LINUX) | MODULES_BOOT),
			.allowed = "any text of at most 1023 bytes",
		},
	[CONFIG_KEY_AUTOSTART] =
		{
			.name = "autostart",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_autostart_read,
			.write = config_autostart_write,
			.goes_with = ANY_BOOT,
			.allowed = "yes or no",
		},
	[CONFIG_KEY_ENTRY] =
		{
			.name = "entry",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_entry_read,
			.write = config_entry_write,
			.needed_by = BIT(CONFIG_BOOT_RAW),
			.goes_with = MAYBE(BIT(CONFIG_BOOT_RAW)),
			.allowed = "long, protected or real",
		},
	[CONFIG_KEY_LOAD] =
		{
			.name = "load",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_load_read,
			.write = config_load_write,
			.needed_by = BIT(CONFIG_BOOT_RAW),
			.goes_with = MAYBE(BIT(CONFIG_BOOT_RAW)),
			.allowed = "an address such as 1M or 0x100000, below 3G, not from 0xa0000 "
				   "to 0xfffff",
		},
	[CONFIG_KEY_RNG] =
		{
			.name = "rng",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_rng_read,
			.write = config_rng_write,
			.goes_with = ANY_BOOT,
			.allowed = "yes or no",
		},
	[CONFIG_KEY_DISK] =
		{
			.name = "disk",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_disk_read,
			.write = config_disk_write,
			.goes_with = ANY_BOOT,
			.allowed = DISK_ALLOWED,
		},
	[CONFIG_KEY_DISK2] =
		{
			.name = "disk2",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_disk2_read,
			.write = config_disk2_write,
			.goes_with = ANY_BOOT,
			.allowed = DISK_ALLOWED,
		},
	[CONFIG_KEY_DISK3] =
		{
			.name = "disk3",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_disk3_read,
			.write = config_disk3_write,
			.goes_with = ANY_BOOT,
			.allowed = DISK_ALLOWED,
		},
	[CONFIG_KEY_DISK4] =
		{
			.name = "disk4",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_disk4_read,
			.write = config_disk4_write,
			.goes_with = ANY_BOOT,
			.allowed = DISK_ALLOWED,
		},
	[CONFIG_KEY_VIRTIO_CONSOLE] =
		{
			.name = "virtio_console",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_virtio_console_read,
			.write = config_virtio_console_write,
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
	[CONFIG_KEY_BALLOON] =
		{
			.name = "balloon",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_balloon_read,
			.write = config_balloon_write,
			.goes_with = ANY_BOOT,
			.allowed = "yes or no",
		},
	[CONFIG_KEY_CHANNEL] =
		{
			.name = "channel",
			.section = CONFIG_SECTION_PARTITION,
			.read = config_channel_read,
			.write = config_channel_write,
			.goes_with = ANY_BOOT,
			.allowed =
				"a name, a comma and a size that is a power of 2 from 4K to 16M, "
				"such as ring, 1M; or none",
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
			.allowed = "budget / period such as 2ms / 10ms, the budget "
				   "at least 100us "
				   "and at most "
				   "95% of the period, the period from 500us to "
				   "1s; or none",
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
			.allowed = "numbers of CPUs such as 0-2, 5, from 0 to 511; "
				   "or all",
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
			.allowed = "names of other partitions with commas between, "
				   "at most 8; or none",
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
