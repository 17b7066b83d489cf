/* SPDX-License-Identifier: MIT */
/* What the parser of the configuration file knows while it reads, and how it says what is wrong. */
#pragma once

#include "config_value.h"

#define CONFIG_TITLE_BYTES (CONFIG_NAME_BYTES + 16)

struct parser_found {
	u32 line; /* 0: not in this section */
	bool good;
	struct slice value; /* .start NULL: not from a text, but what the partition has already */
};

struct parser {
	struct config *config;
	u32 line;

	enum config_section section;
	u32 section_line;
	char title[CONFIG_TITLE_BYTES];
	struct parser_found found[CONFIG_KEYS];

	u32 host_line; /* of the first [host], 0 for none */
	bool partition_seen;
	/* Some section was not kept, or not understood, that may have been one of them. */
	bool partitions_lost, groups_lost;
	struct config_target target;
	/* For what is not kept but still checked. */
	struct config_partition spare;
	struct config_group spare_group;
};

struct fault {
	u32 line;
	struct slice key, value;
	const char *allowed;
};

void config_error_add(struct config *config, const char *section, const struct fault *fault,
		      const char *reason, ...) printf_like(4, 5);
/* Something is wrong with a key of the current section, or with its value. */
void config_key_fault(struct parser *parser, const struct config_key *key, const char *reason,
		      const char *allowed);

/* config_check.c */

/* The rules that join several keys of a partition, at the end of its section. */
void config_partition_check(struct parser *parser);
/* The rules that join several sections, at the end of the file. */
void config_sections_check(const struct parser *parser);
/* "a, b" grows by ", c" as long as there is room, then by ", ...". */
void config_list_add(char *list, size_t bytes, const char *name);
