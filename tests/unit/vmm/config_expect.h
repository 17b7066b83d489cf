/* SPDX-License-Identifier: MIT */
/* What the tests of the configuration share: parse a text and compare all that is wrong with it. */
#pragma once

#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bulkhead/config.h>
#include <bulkhead/error.h>

#define ROOM 16

static struct config_partition partitions[ROOM];
static struct config_group groups[ROOM];
static struct config_error errors[ROOM];
static struct config config;
static bool partial; /* of the next texts */

/* Parse a copy of the exact size, for the address sanitizer to see any read beyond it. */
static inline int parse_bytes(const char *text, size_t bytes)
{
	char *copy = calloc(1, MAX(bytes, (size_t)1));
	int result;

	memcpy(copy, text, bytes);
	memset(partitions, 0xa5, sizeof(partitions));
	memset(groups, 0xa5, sizeof(groups));
	memset(errors, 0xa5, sizeof(errors));
	memset(&config, 0xa5, sizeof(config));
	config.partial = partial;
	config.groups = groups;
	config.group_room = ROOM;
	config.partitions = partitions;
	config.partition_room = ROOM;
	config.errors = errors;
	config.error_room = ROOM;
	result = config_parse(&config, copy, bytes);
	free(copy);
	return result;
}

static inline int parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static inline void errors_expect(const char *expected)
{
	static char all[ROOM * 600];
	size_t length = 0;

	all[0] = '\0';
	for (u32 i = 0; i < MIN(config.error_count, config.error_room); i++)
		length += config_error_text(&errors[i], "f", all + length, sizeof(all) - length);
	assert_string_equal(all, expected);
}

static inline void expect(const char *text, const char *expected)
{
	assert_int_equal(parse(text), expected[0] ? -EINVAL : 0);
	errors_expect(expected);
}

#define GOOD "memory=512M\nboot=linux\nkernel=\\k\n"
#define WEB  "[partition web]\n" GOOD
#define RAW  "[partition web]\nmemory=16M\nboot=raw\nkernel=\\k\n"
#define SIZES                                                                                      \
	"; allowed: a number with K, M, G or T such as 512M, at least 2M (with boot = linux "      \
	"16M), at most 1T, in steps of 2M\n"
#define KERNEL                                                                                     \
	"; allowed: a file of the boot volume such as \\bulkhead\\web\\vmlinuz, at most 127 "      \
	"characters\n"
#define PORTS                                                                                      \
	"; allowed: com1, com2, com3 or com4, then if need be a comma and 9600, 19200, 38400, "    \
	"57600 or 115200; or none\n"
#define LOADS                                                                                      \
	"; allowed: an address such as 1M or 0x100000, below 3G, not from 0xa0000 to 0xfffff\n"
#define KEYS                                                                                       \
	"; allowed: vcpus, cpu, hypervisor_leaves, memory, clear_memory, boot, kernel, "           \
	"firmware, variables, boot_menu, initrd, "                                                 \
	"modules, cmdline, autostart, "                                                            \
	"entry, load, rng, disk, disk2, disk3, disk4, virtio_console, net, net2, net3, net4, "     \
	"balloon, channel, weight, cap, reservation, dedicated, affinity, group, after, "          \
	"on_poweroff, "                                                                            \
	"on_reset, "                                                                               \
	"on_crash\n"
#define HOST_KEYS "; allowed: console, cpus, loglevel\n"
#define SECTIONS  "; allowed: [host], [partition NAME] or [group NAME]\n"
#define NAMES                                                                                      \
	"; allowed: 1 to 31 of a-z, 0-9, '-' and '_', beginning with a letter or digit, but not "  \
	"\"none\"\n"

/* `lines` are good; one more with `value` is not, for `reason`. */
static inline void value_expect(const char *lines, const char *section, const char *value,
				const char *reason, const char *allowed)
{
	char text[400], expected[600];
	u32 line = 1;

	for (const char *byte = lines; *byte; byte++)
		line += *byte == '\n';
	snprintf(text, sizeof(text), "%s%s\n", lines, value);
	snprintf(expected, sizeof(expected), "f:%u: [%s] %s: %s%s", line, section, value, reason,
		 allowed);
	expect(text, expected);
}
