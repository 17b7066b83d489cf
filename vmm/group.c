/* SPDX-License-Identifier: MIT */
/* Groups of partitions that share a weight and a cap. */
#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

static struct group *first;

struct group *group_first(void)
{
	return first;
}

struct group *group_find(const char *name)
{
	for (struct group *g = first; g; g = g->next)
		if (strcmp(g->config.name, name) == 0)
			return g;
	return NULL;
}

int group_create(const struct config_group *config, char *reason)
{
	struct group **at = &first, *group;

	if (group_find(config->name)) {
		format_text(reason, LOAD_REASON_BYTES, "there is one of that name");
		return -EEXIST;
	}
	group = memory_take(MEMORY_OTHER, sizeof(*group));
	if (!group) {
		format_text(reason, LOAD_REASON_BYTES, "no memory for it");
		return -ENOMEM;
	}
	group->config = *config;
	scheduler_group_init(&group->scheduler, config->weight, config->cap, NULL);
	while (*at)
		at = &(*at)->next;
	*at = group;
	return 0;
}

int group_change(struct group *group, u32 weight, u32 cap, char *reason)
{
	if (!weight || weight > SCHEDULER_WEIGHT_MAX || cap > SCHEDULER_CAP_MAX) {
		format_text(reason, LOAD_REASON_BYTES,
			    "weight is 1 to %d, cap at most %d%% of one CPU", SCHEDULER_WEIGHT_MAX,
			    SCHEDULER_CAP_MAX);
		return -EINVAL;
	}
	group->config.weight = weight;
	group->config.cap = cap;
	scheduler_group_set(&group->scheduler, weight, cap);
	for (u32 id = 0; id < arch_cpu_count(); id++)
		thread_cpu_look(id);
	return 0;
}
