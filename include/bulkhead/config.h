/* SPDX-License-Identifier: MIT */
/*
 * The configuration file. One parser, compiled into the loader (to know which files to read and to
 * refuse before anything is taken over), the core, and the host program bulkhead-check.
 *
 * Pure: no allocation, no I/O. Text is bytes with '\n' or "\r\n" line ends; the parser never reads
 * past text + bytes. Strings in struct config are copies.
 */
#pragma once

#include <bulkhead/types.h>

#define CONFIG_NAME_BYTES    32 /* partition names: [a-z0-9][a-z0-9_-]*, with NUL */
#define CONFIG_PATH_BYTES    128
#define CONFIG_CMDLINE_BYTES 1024

enum config_console {
	CONFIG_CONSOLE_COM1,
	CONFIG_CONSOLE_COM2,
	CONFIG_CONSOLE_COM3,
	CONFIG_CONSOLE_COM4,
	CONFIG_CONSOLE_NONE
};

enum config_boot { CONFIG_BOOT_NONE, CONFIG_BOOT_LINUX, CONFIG_BOOT_RAW };

/* Entry mode of a raw image (boot = raw): a flat file copied to `load_address` and entered at its
 * first byte. */
enum config_entry { CONFIG_ENTRY_LONG, CONFIG_ENTRY_PROTECTED, CONFIG_ENTRY_REAL };

struct config_host {
	enum config_console console; /* console = com1, 115200 (default) */
	u32 console_baud;
	u32 cpus;      /* cpus = all (0) | N: how many CPUs to use */
	u32 log_level; /* loglevel = error|warn|info|debug (enum log_level), default info */
};

struct config_partition {
	char name[CONFIG_NAME_BYTES];
	u32 line; /* where its section begins */
	u32 vcpus;
	u64 memory_bytes; /* multiple of 2 MiB */
	enum config_boot boot;
	char kernel[CONFIG_PATH_BYTES]; /* boot = linux: the kernel; boot = raw: the image */
	char initrd[CONFIG_PATH_BYTES]; /* empty: none */
	char cmdline[CONFIG_CMDLINE_BYTES];
	bool autostart;		 /* default yes */
	enum config_entry entry; /* boot = raw */
	u64 load_address;	 /* boot = raw */
};

struct config_error {
	u32 line; /* from 1 */
	char section[CONFIG_NAME_BYTES +
		     16];  /* as written: "host", "partition web"; "" outside any */
	char key[40];	   /* "" when the line as a whole is at fault */
	char value[64];	   /* as found, cut with "..." when longer */
	char reason[96];   /* what is wrong: "unknown key" */
	char allowed[160]; /* what would do: "a size such as 512M, at least 16M" */
};

/*
 * Where the parser puts what it found. Everything is the caller's; partitions and errors arrays are
 * given with their room. When there is no room for an error it is counted all the same.
 */
struct config {
	struct config_host host;
	struct config_partition *partitions;
	u32 partition_room, partition_count;
	struct config_error *errors;
	u32 error_room, error_count;
};

/*
 * Parse `text`. `config` has its arrays and rooms set by the caller, everything else is
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
