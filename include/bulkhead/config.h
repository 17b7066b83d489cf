/* SPDX-License-Identifier: MIT */
/*
 * The configuration file. One parser, compiled into the loader (to know which files to read and to
 * refuse before anything is taken over), the core, and the host program bulkhead-check.
 *
 * Pure: no allocation, no I/O. Text is bytes with '\n' or "\r\n" line ends; the parser never reads
 * past text + bytes. Strings in struct config are copies.
 */
#pragma once

#include <bulkhead/cpu_mask.h>
#include <bulkhead/net.h>
#include <bulkhead/scheduler.h>
#include <bulkhead/types.h>

#define CONFIG_VCPUS_MAX     64 /* of one partition */
#define CONFIG_NAME_BYTES    32 /* partitions, groups: [a-z0-9][a-z0-9_-]*, not "none"; with NUL */
#define CONFIG_PATH_BYTES    128
#define CONFIG_CMDLINE_BYTES 1024

enum config_console {
	CONFIG_CONSOLE_COM1,
	CONFIG_CONSOLE_COM2,
	CONFIG_CONSOLE_COM3,
	CONFIG_CONSOLE_COM4,
	CONFIG_CONSOLE_NONE
};

/* How a partition gets its first instruction. */
enum config_boot {
	CONFIG_BOOT_NONE,
	CONFIG_BOOT_LINUX,
	CONFIG_BOOT_RAW,
	CONFIG_BOOT_MULTIBOOT,
	CONFIG_BOOT_PVH,
	CONFIG_BOOT_BIOS,
	CONFIG_BOOT_UEFI,
};

/* Entry mode of a raw image (boot = raw): a flat file copied to `load_address` and entered at its
 * first byte. */
enum config_entry { CONFIG_ENTRY_LONG, CONFIG_ENTRY_PROTECTED, CONFIG_ENTRY_REAL };

/* The CPU that a partition's guest sees: the machine's, or what a level of the x86-64 psABI has and
 * no more, in this order. */
enum config_leaves { CONFIG_LEAVES_KVM, CONFIG_LEAVES_NONE }; /* of a hypervisor, in CPUID */
enum config_cpu { CONFIG_CPU_HOST, CONFIG_CPU_V1, CONFIG_CPU_V2, CONFIG_CPU_V3 };

/* When RAM is cleared. */
enum config_clear { CONFIG_CLEAR_BEFORE_START, CONFIG_CLEAR_ON_TOUCH };

struct config_host {
	enum config_console console; /* console = com1, 115200 (default) */
	u32 console_baud;
	u32 cpus;      /* cpus = all (0) | N: how many CPUs to use */
	u32 log_level; /* loglevel = error|warn|info|debug (enum log_level), default info */
};

/* What becomes of a partition whose guest powers off, resets, or cannot go on. */
enum config_action {
	CONFIG_ACTION_STOP,
	CONFIG_ACTION_RESTART,	/* with a growing delay when it happens again soon */
	CONFIG_ACTION_PRESERVE, /* stays as it is, for inspection, until the operator says more */
};

#define CONFIG_AFTER_MAX 8
#define CONFIG_DISKS_MAX 4

struct config_disk {
	char path[CONFIG_PATH_BYTES]; /* of the image; empty: there is no such disk */
	bool readonly;
};

#define CONFIG_MODULES_MAX   16
#define CONFIG_MODULES_BYTES 1024

/* modules = FILE TEXT; FILE TEXT: for each its file and its text, which may be empty, one behind
 * the other, with a NUL after each; zeroes behind them. */
struct config_modules {
	char text[CONFIG_MODULES_BYTES];
	u32 count; /* at most CONFIG_MODULES_MAX */
};

#define CONFIG_NETS_MAX 4

struct config_net {
	char network[CONFIG_NAME_BYTES]; /* empty: there is no such card */
	bool has_mac;			 /* else it is made of the names */
	u8 mac[NET_MAC_BYTES];
	u64 rate_bits; /* a second, a multiple of 1000; 0: any */
};

struct config_channel {
	char name[CONFIG_NAME_BYTES]; /* empty: none */
	u64 bytes;		      /* a power of 2, see include/bulkhead/channel.h */
	u32 line;		      /* where the key stands */
};

struct config_partition {
	char name[CONFIG_NAME_BYTES];
	u32 line;	     /* where its section begins */
	u32 vcpus;	     /* 1 to CONFIG_VCPUS_MAX */
	enum config_cpu cpu; /* cpu = host (default) | x86-64-v1 | x86-64-v2 | x86-64-v3 */
	enum config_leaves hypervisor_leaves; /* = kvm (default) | none */
	u64 memory_bytes;		      /* multiple of 2 MiB */
	/* clear_memory = before-start (default) | on-touch; goes with shared CPUs only */
	enum config_clear clear_memory;
	enum config_boot boot;
	/* Empty where it does not go with `boot`. With boot = raw the kernel is the image. */
	char kernel[CONFIG_PATH_BYTES];
	char firmware[CONFIG_PATH_BYTES];
	char variables[CONFIG_PATH_BYTES]; /* boot = uefi; empty: in the firmware's file, or none */
	u32 boot_menu_ms; /* how long firmware waits for who wants its menu; at most 60 s; 0: not */
	char initrd[CONFIG_PATH_BYTES]; /* empty: none */
	struct config_modules modules;
	char cmdline[CONFIG_CMDLINE_BYTES];
	bool autostart;		 /* default yes */
	enum config_entry entry; /* boot = raw */
	u64 load_address;	 /* boot = raw */
	bool rng;		 /* has an entropy device; default no */
	/* disk = FILE, readonly: the first; disk2 to disk4: the others. */
	struct config_disk disks[CONFIG_DISKS_MAX];
	bool virtio_console; /* default no */
	bool balloon;	     /* default no */
	/* net = lan, mac=52:54:00:12:34:56, rate=100Mbit: the first card; net2 to net4: others,
	 * each in another network. */
	struct config_net nets[CONFIG_NETS_MAX];
	struct config_channel channel; /* channel = ring, 1M: memory shared by all that name it */

	/*
	 * weight = 1 to 10000 (default 100; with a reservation 0, which is no time beyond it)
	 * cap = 50% (of one CPU; default none), reservation = 2ms / 10ms, dedicated = yes
	 * (default no; goes with none of them), affinity = 0-2, 5 (default: every CPU),
	 * group = NAME of a [group NAME] anywhere in the file (default none)
	 */
	struct scheduler_claim claim;
	struct cpu_mask affinity;
	char group[CONFIG_NAME_BYTES];
	u32 group_line; /* where the key stands; 0: nowhere */
	/* after = NAME, NAME: start by itself only when those run. Cycles are errors. */
	char after[CONFIG_AFTER_MAX][CONFIG_NAME_BYTES];
	u32 after_count;
	u32 after_line;
	/* A place from 1 behind all that `after` names; each of a file has its own. It shows that
	 * there is no circle; who starts when is seen as they run. */
	u32 start_rank;
	/* on_poweroff (default stop), on_reset (default restart), on_crash (default preserve) */
	enum config_action on_poweroff, on_reset, on_crash;
};

/* [group NAME]: partitions that share one weight and one cap. */
struct config_group {
	char name[CONFIG_NAME_BYTES];
	u32 line;
	u32 weight; /* 1 to 10000, default 100 */
	u32 cap;    /* per cent of one CPU, default none: 0 */
};

struct config_error {
	u32 line; /* from 1; 0: not in a file */
	char section[CONFIG_NAME_BYTES +
		     16];  /* as written: "host", "partition web"; "" outside any */
	char key[40];	   /* "" when the line as a whole is at fault */
	char value[64];	   /* as found, cut with "..." when longer */
	char reason[96];   /* what is wrong: "unknown key" */
	char allowed[480]; /* what would do: "a size such as 512M, at least 16M" */
};

/*
 * Where the parser puts what it found. Everything is the caller's; partitions, groups and errors
 * arrays are given with their room. When there is no room for an error it is counted all the same.
 */
struct config {
	/* Given by the caller: the text is not a whole file, but sections to be added to what there
	 * is. `group` and `after` may then name what is not in it, and no section has to be there.
	 */
	bool partial;
	struct config_host host;
	struct config_partition *partitions;
	u32 partition_room, partition_count;
	struct config_group *groups;
	u32 group_room, group_count;
	struct config_error *errors;
	u32 error_room, error_count;
};

/*
 * Parse `text`. `config` has `partial`, its arrays and rooms set by the caller, everything else is
 * overwritten. Returns 0, or -EINVAL when there is at least one error; the rest is then filled in
 * as far as it goes.
 */
int config_parse(struct config *config, const char *text, size_t bytes) must_check;

/* One error as an operator reads it, several lines allowed, ending in '\n' even when it was cut at
 * `bytes`. `file` is the name shown. Returns the length of the text in `buffer`. */
size_t config_error_text(const struct config_error *error, const char *file, char *buffer,
			 size_t bytes);

/*
 * Check what the text alone cannot tell: whether the partitions that start by themselves fit into
 * `available_bytes` of RAM. Adds an error for each that does not, saying how much there is.
 */
int config_check_memory(struct config *config, u64 available_bytes) must_check;

/*
 * Likewise whether the machine can give each partition the CPU that it is to see. `lacks` puts what
 * the machine has not of a level in words (`bytes` of room) and returns whether that is anything.
 */
int config_check_cpus(struct config *config,
		      bool (*lacks)(void *context, enum config_cpu cpu, char *text, size_t bytes),
		      void *context) must_check;

/*
 * For the operator: one "key = value" more for a partition that exists, as if its line stood in the
 * section that config_partition_text prints, in place of one with the same key. What names other
 * partitions or a group is not looked up. 0, or -EINVAL with `error` set (line 0) and `partition`
 * as it was.
 */
int config_partition_set(struct config_partition *partition, const char *key, const char *value,
			 struct config_error *error) must_check;

/* Sections in the file's own syntax, keys with default values left out. Returns the length of the
 * whole text, which is cut at `bytes` as by format_text. Parsing the text gives the same again, but
 * for lines and start_rank. */
size_t config_host_text(const struct config_host *host, char *buffer, size_t bytes);
size_t config_group_text(const struct config_group *group, char *buffer, size_t bytes);
size_t config_partition_text(const struct config_partition *partition, char *buffer, size_t bytes);

/* Of module `index`, which is below modules->count. */
const char *config_module_file(const struct config_modules *modules, u32 index);
const char *config_module_text(const struct config_modules *modules, u32 index);

const char *config_action_name(enum config_action action);
const char *config_cpu_name(enum config_cpu cpu);
