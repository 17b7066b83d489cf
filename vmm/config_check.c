/* SPDX-License-Identifier: MIT */
/* The rules of the configuration file that no value breaks by itself: what joins keys of a section,
 * sections of the file, and the file with the machine. */
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/guest_memory.h>
#include <bulkhead/string.h>

#include "config_parser.h"

/* Keys of a partition. */

static bool key_good(const struct parser *parser, enum config_key_id id)
{
	return parser->found[id].good;
}

static void key_fault(struct parser *parser, enum config_key_id id, const char *reason,
		      const char *allowed)
{
	config_key_fault(parser, &config_keys[id], reason, allowed);
}

static void load_check(struct parser *parser)
{
	const struct config_partition *partition = parser->target.partition;
	bool real = key_good(parser, CONFIG_KEY_ENTRY) && partition->entry == CONFIG_ENTRY_REAL;

	if (!key_good(parser, CONFIG_KEY_LOAD))
		return;
	if (key_good(parser, CONFIG_KEY_MEMORY) &&
	    partition->load_address >= partition->memory_bytes)
		key_fault(parser, CONFIG_KEY_LOAD, "not inside the partition's memory",
			  "an address below the value of memory");
	else if (real && (partition->load_address >= GUEST_HOLE_BASE ||
			  !is_aligned(partition->load_address, 16)))
		key_fault(parser, CONFIG_KEY_LOAD, "out of reach for real mode",
			  "with entry = real: a multiple of 16 below 640K");
}

static u64 memory_least(enum config_boot boot)
{
	return boot == CONFIG_BOOT_LINUX ? CONFIG_MEMORY_MIN_LINUX : CONFIG_MEMORY_MIN;
}

/* A key is there that has no meaning with this `boot`. */
static void boot_fault(struct parser *parser, const struct config_key *key, enum config_boot boot)
{
	char reason[48], allowed[96] = "", list[64] = "";

	for (u32 i = CONFIG_BOOT_NONE + 1; i < ARRAY_SIZE(config_boot_names); i++)
		if (key->goes_with & BIT(i))
			config_list_add(list, sizeof(list), config_boot_names[i]);
	format_text(reason, sizeof(reason), "does not go with boot = %s", config_boot_names[boot]);
	format_text(allowed, sizeof(allowed), "only with boot = %s", list);
	config_key_fault(parser, key, reason, allowed);
}

static void boot_check(struct parser *parser)
{
	enum config_boot boot = parser->target.partition->boot;

	for (u32 i = 0; i < CONFIG_KEYS; i++) {
		const struct config_key *key = &config_keys[i];
		bool there = parser->found[i].line != 0;

		if (key->section != CONFIG_SECTION_PARTITION)
			continue;
		if (!there && key->needed_by & BIT(boot))
			config_key_fault(parser, key, "required key is missing", key->allowed);
		if (there && !(key->goes_with & BIT(boot)))
			boot_fault(parser, key, boot);
	}
	if (key_good(parser, CONFIG_KEY_MEMORY) &&
	    parser->target.partition->memory_bytes < memory_least(boot))
		key_fault(parser, CONFIG_KEY_MEMORY, config_too_small,
			  config_keys[CONFIG_KEY_MEMORY].allowed);
	if (boot == CONFIG_BOOT_RAW)
		load_check(parser);
}

/* A CPU of its own leaves nothing to be shared. */
static void dedicated_check(struct parser *parser)
{
	const struct config_partition *partition = parser->target.partition;
	const struct {
		enum config_key_id id;
		bool means;
	} others[] = {
		{CONFIG_KEY_WEIGHT, true},
		{CONFIG_KEY_CAP, partition->claim.cap != 0},
		{CONFIG_KEY_RESERVATION, partition->claim.period_us != 0},
		{CONFIG_KEY_GROUP, partition->group[0] != '\0'},
	};

	for (u32 i = 0; i < ARRAY_SIZE(others); i++) {
		if (key_good(parser, others[i].id) && others[i].means)
			key_fault(parser, others[i].id, "does not go with dedicated = yes",
				  "only with dedicated = no");
	}
}

/* Whoever is to meet deadlines cannot wait for RAM at a moment that nobody chooses. */
static void clear_check(struct parser *parser)
{
	const struct config_partition *partition = parser->target.partition;
	bool dedicated = partition->claim.kind == SCHEDULER_DEDICATED;

	if (partition->clear_memory == CONFIG_CLEAR_ON_TOUCH &&
	    partition->claim.kind != SCHEDULER_SHARED)
		key_fault(parser, CONFIG_KEY_CLEAR_MEMORY,
			  dedicated ? "does not go with dedicated = yes"
				    : "does not go with a reservation",
			  "with a CPU or time of its own: before-start");
}

static void cap_check(struct parser *parser)
{
	const struct scheduler_claim *claim = &parser->target.partition->claim;
	u64 reserved = (claim->budget_us * 100 + claim->period_us - 1) / claim->period_us;
	char reason[64], allowed[64];

	if (!claim->cap || claim->cap >= reserved)
		return;
	format_text(reason, sizeof(reason), "less than the reservation, which is %lu%% of a CPU",
		    reserved);
	format_text(allowed, sizeof(allowed), "at least %lu%%; or none", reserved);
	key_fault(parser, CONFIG_KEY_CAP, reason, allowed);
}

static void claim_check(struct parser *parser)
{
	struct scheduler_claim *claim = &parser->target.partition->claim;
	const struct parser_found *reservation = &parser->found[CONFIG_KEY_RESERVATION];

	if (!parser->found[CONFIG_KEY_WEIGHT].line)
		claim->weight = config_weight_default(claim->kind);
	if (claim->kind == SCHEDULER_DEDICATED)
		dedicated_check(parser);
	else if (claim->kind == SCHEDULER_RESERVED)
		cap_check(parser);
	else if (!claim->weight && (!reservation->line || reservation->good))
		key_fault(parser, CONFIG_KEY_WEIGHT, config_too_small,
			  config_keys[CONFIG_KEY_WEIGHT].allowed);
}

/* A second card in one network would have the first one's address. */
static void nets_check(struct parser *parser)
{
	const struct config_net *nets = parser->target.partition->nets;

	for (u32 i = 1; i < CONFIG_NETS_MAX; i++)
		for (u32 j = 0; j < i; j++)
			if (nets[i].network[0] && key_good(parser, CONFIG_KEY_NET + i) &&
			    strcmp(nets[i].network, nets[j].network) == 0)
				key_fault(parser, CONFIG_KEY_NET + i, "already in that network",
					  "another network than its other keys of this kind name");
}

void config_partition_check(struct parser *parser)
{
	boot_check(parser);
	claim_check(parser);
	clear_check(parser);
	nets_check(parser);
}

/* Sections of the file. */

void config_list_add(char *list, size_t bytes, const char *name)
{
	static const char more[] = ", ...";
	size_t length = strlen(list);
	const char *comma = length ? ", " : "";

	if (length + strlen(comma) + strlen(name) + sizeof(more) <= bytes)
		format_append(list, bytes, "%s%s", comma, name);
	else if (length < strlen(more) || strcmp(list + length - strlen(more), more) != 0)
		format_append(list, bytes, "%s", more);
}

/* Something is wrong with a key of a section that has ended. */
static void late_fault(struct config *config, const struct config_partition *partition,
		       enum config_key_id id, const char *reason, const char *allowed)
{
	const struct config_source source = {.partition = partition};
	char title[CONFIG_TITLE_BYTES], value[sizeof(((struct config_error *)0)->value) + 1] = "";
	struct config_out out = {value, sizeof(value), 0};
	struct fault fault = {.key = slice_of(config_keys[id].name), .allowed = allowed};

	config_keys[id].write(&source, &out);
	fault.value = slice_of(value);
	fault.line = id == CONFIG_KEY_GROUP	? partition->group_line
		     : id == CONFIG_KEY_CHANNEL ? partition->channel.line
						: partition->after_line;
	format_text(title, sizeof(title), "partition %s", partition->name);
	config_error_add(config, title, &fault, "%s", reason);
}

static void group_check(struct config *config, const struct config_partition *partition)
{
	char allowed[sizeof(((struct config_error *)0)->allowed)] = "", reason[96];
	const char *nearest = NULL;

	for (u32 i = 0; i < config->group_count; i++) {
		const char *name = config->groups[i].name;

		if (strcmp(name, partition->group) == 0)
			return;
		if (!nearest && slice_resembles(slice_of(partition->group), name))
			nearest = name;
		config_list_add(allowed, sizeof(allowed), name);
	}
	if (nearest)
		format_text(reason, sizeof(reason), "no such group (did you mean \"%s\"?)",
			    nearest);
	else
		format_text(reason, sizeof(reason), "no such group");
	late_fault(config, partition, CONFIG_KEY_GROUP, reason,
		   allowed[0] ? allowed : "none, as the file has no section [group NAME]");
}

static struct config_partition *partition_named(const struct config *config, const char *name)
{
	for (u32 i = 0; i < config->partition_count; i++) {
		if (strcmp(config->partitions[i].name, name) == 0)
			return &config->partitions[i];
	}
	return NULL;
}

static void after_unknown(struct config *config, const struct config_partition *partition,
			  const char *name)
{
	char allowed[sizeof(((struct config_error *)0)->allowed)] = "", reason[96];
	const char *nearest = NULL;

	for (u32 i = 0; i < config->partition_count; i++) {
		const struct config_partition *other = &config->partitions[i];

		if (other == partition)
			continue;
		if (!nearest && slice_resembles(slice_of(name), other->name))
			nearest = other->name;
		config_list_add(allowed, sizeof(allowed), other->name);
	}
	if (nearest)
		format_text(reason, sizeof(reason), "no partition \"%s\" (did you mean \"%s\"?)",
			    name, nearest);
	else
		format_text(reason, sizeof(reason), "no partition \"%s\"", name);
	late_fault(config, partition, CONFIG_KEY_AFTER, reason,
		   allowed[0] ? allowed : "none, as the file has no other partition");
}

static void after_check(struct config *config, const struct config_partition *partition)
{
	for (u32 i = 0; i < partition->after_count; i++) {
		if (!partition_named(config, partition->after[i]))
			after_unknown(config, partition, partition->after[i]);
	}
}

/* The first that it waits for and that has no rank yet. */
static struct config_partition *waits_for(const struct config *config,
					  const struct config_partition *partition)
{
	for (u32 i = 0; i < partition->after_count; i++) {
		struct config_partition *other = partition_named(config, partition->after[i]);

		if (other && !other->start_rank)
			return other;
	}
	return NULL;
}

/* Rank all that wait for none without a rank, until there are no more. The first that is left. */
static struct config_partition *ranks_give(const struct config *config, u32 *rank)
{
	struct config_partition *left;
	bool more;

	do {
		more = false;
		left = NULL;
		for (u32 i = 0; i < config->partition_count; i++) {
			struct config_partition *partition = &config->partitions[i];

			if (partition->start_rank)
				continue;
			if (!waits_for(config, partition)) {
				partition->start_rank = ++*rank;
				more = true;
			} else if (!left) {
				left = partition;
			}
		}
	} while (more);
	return left;
}

/* One that waits for another without a rank leads to a circle of such. The circle's first in the
 * file. */
static struct config_partition *circle_find(const struct config *config,
					    struct config_partition *partition)
{
	struct config_partition *first, *at;

	for (u32 i = 0; i < config->partition_count; i++)
		partition = waits_for(config, partition);
	first = partition;
	for (at = waits_for(config, partition); at != partition; at = waits_for(config, at))
		first = MIN(first, at);
	return first;
}

static void circle_report(struct config *config, const struct config_partition *first)
{
	static const char more[] = " after ...";
	char reason[sizeof(((struct config_error *)0)->reason)];
	const struct config_partition *at = first;
	size_t length;

	format_text(reason, sizeof(reason), "a circle: %s", first->name);
	do {
		at = waits_for(config, at);
		length = strlen(reason);
		if (length + sizeof(" after ") + strlen(at->name) + sizeof(more) > sizeof(reason)) {
			format_append(reason, sizeof(reason), "%s", more);
			break;
		}
		format_append(reason, sizeof(reason), " after %s", at->name);
	} while (at != first);
	late_fault(config, first, CONFIG_KEY_AFTER, reason,
		   "names that do not lead back to the partition itself; or none");
}

/* The first of the file that names a channel says how large it is. */
static const struct config_partition *channel_first(const struct config *config,
						    const struct config_partition *partition)
{
	const struct config_partition *first = config->partitions;

	while (strcmp(first->channel.name, partition->channel.name) != 0)
		first++;
	return first;
}

static void channel_check(struct config *config, const struct config_partition *partition)
{
	const struct config_partition *first = channel_first(config, partition);
	char size[CONFIG_SIZE_BYTES], reason[96];

	if (!partition->channel.name[0] || first->channel.bytes == partition->channel.bytes)
		return;
	config_size_text(first->channel.bytes, size);
	format_text(reason, sizeof(reason), "it has %s in [partition %s]", size, first->name);
	late_fault(config, partition, CONFIG_KEY_CHANNEL, reason,
		   "the same size wherever the channel is named");
}

void config_sections_check(const struct parser *parser)
{
	struct config *config = parser->config;
	struct config_partition *left;
	u32 rank = 0;

	for (u32 i = 0; i < config->partition_count; i++) {
		const struct config_partition *partition = &config->partitions[i];

		if (partition->group[0] && !config->partial && !parser->groups_lost)
			group_check(config, partition);
		if (!config->partial && !parser->partitions_lost)
			after_check(config, partition);
		channel_check(config, partition);
	}
	while ((left = ranks_give(config, &rank))) {
		left = circle_find(config, left);
		circle_report(config, left);
		left->start_rank = ++rank;
	}
}

/* The machine. */

static void memory_fault(struct config *config, const struct config_partition *partition, u64 left,
			 u64 available)
{
	char title[CONFIG_TITLE_BYTES], size[CONFIG_SIZE_BYTES];
	char most[CONFIG_SIZE_BYTES], all[CONFIG_SIZE_BYTES], allowed[160];
	struct fault fault = {partition->line, slice_of("memory"), SLICE_NONE, allowed};

	format_text(title, sizeof(title), "partition %s", partition->name);
	config_size_text(partition->memory_bytes, size);
	fault.value = slice_of(size);
	config_size_text(left, most);
	if (left >= memory_least(partition->boot))
		format_text(allowed, sizeof(allowed), "at most %s here", most);
	else
		format_text(allowed, sizeof(allowed), "less memory for the partitions before it");
	config_size_text(available, all);
	config_error_add(config, title, &fault, "does not fit: %s of the machine's %s are left",
			 most, all);
}

/* What a partition takes besides its RAM: the channel that it is the first to name. */
static u64 channel_room(const struct config *config, const struct config_partition *partition)
{
	bool own = partition->channel.name[0] && channel_first(config, partition) == partition;

	return own ? align_up(partition->channel.bytes, CONFIG_MEMORY_STEP) : 0;
}

int config_check_memory(struct config *config, u64 available_bytes)
{
	u64 available = align_down(available_bytes, CONFIG_MEMORY_STEP), left = available;
	u32 errors = config->error_count;

	for (u32 i = 0; i < config->partition_count; i++) {
		const struct config_partition *partition = &config->partitions[i];

		u64 room = channel_room(config, partition);

		if (partition->memory_bytes + room > left)
			memory_fault(config, partition, left - MIN(left, room), available);
		else
			left -= partition->memory_bytes + room;
	}
	return config->error_count > errors ? -EINVAL : 0;
}

int config_check_cpus(struct config *config,
		      bool (*lacks)(void *context, enum config_cpu cpu, char *text, size_t bytes),
		      void *context)
{
	u32 errors = config->error_count;
	char what[64], title[CONFIG_TITLE_BYTES];

	for (u32 i = 0; i < config->partition_count; i++) {
		const struct config_partition *partition = &config->partitions[i];
		const struct fault fault = {
			.line = partition->line,
			.key = slice_of(config_keys[CONFIG_KEY_CPU].name),
			.value = slice_of(config_cpu_name(partition->cpu)),
			.allowed = "host, or a level all of which each of this machine's CPUs has",
		};

		if (!lacks(context, partition->cpu, what, sizeof(what)))
			continue;
		format_text(title, sizeof(title), "partition %s", partition->name);
		config_error_add(config, title, &fault, "the machine lacks %s", what);
	}
	return config->error_count > errors ? -EINVAL : 0;
}
