/* SPDX-License-Identifier: MIT */
/* Partitions: making them from the configuration, starting and stopping them. */
#include <bulkhead/partition.h>

#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/string.h>

#include "partition_memory.h"
#include "vcpu_thread.h"

static struct partition *first;

struct partition *partition_first(void)
{
	return first;
}

struct partition *partition_find(const char *name)
{
	for (struct partition *p = first; p; p = p->next)
		if (strcmp(p->config->name, name) == 0)
			return p;
	return NULL;
}

const char *partition_state_name(enum partition_state state)
{
	static const char *const names[] = {
		[PARTITION_STOPPED] = "stopped", [PARTITION_STARTING] = "starting",
		[PARTITION_RUNNING] = "running", [PARTITION_STOPPING] = "stopping",
		[PARTITION_CRASHED] = "crashed",
	};

	return names[state];
}

/* Partitions take CPUs in turn, from the last one on: the operator's console is on the first. */
static u32 choose_cpu(u32 number)
{
	u32 cpus = arch_cpu_count();

	return cpus - 1 - (number - 1) % cpus;
}

static int build(struct partition *partition, char *reason)
{
	unsigned console_order = memory_order(PARTITION_CONSOLE_BYTES);
	u8 *console = memory_alloc(console_order);
	int error = -ENOMEM;

	if (console) {
		byte_ring_init(&partition->console, console, PARTITION_CONSOLE_BYTES);
		error = partition_memory_create(partition, reason);
		if (!error)
			error = vcpu_create(partition, choose_cpu(partition->number));
		if (!error)
			return 0;
		partition_memory_destroy(partition);
		memory_free(console, console_order);
	}
	if (error == -ENOMEM && !*reason)
		format_text(reason, LOAD_REASON_BYTES,
			    "not enough memory for its tables and devices");
	return error;
}

static struct partition *create(const struct config_partition *config, u32 number)
{
	char reason[LOAD_REASON_BYTES] = "";
	struct partition *partition = memory_alloc(memory_order(sizeof(struct partition)));

	if (!partition) {
		log_error("%s: no memory for it", config->name);
		return NULL;
	}
	partition->config = config;
	partition->number = number;
	partition->state = PARTITION_STOPPED;
	if (!build(partition, reason))
		return partition;
	log_error("%s: cannot be made: %s", config->name, reason);
	memory_free(partition, memory_order(sizeof(struct partition)));
	return NULL;
}

void partition_create_all(const struct config *config)
{
	struct partition **last = &first;

	for (u32 i = 0; i < config->partition_count; i++) {
		struct partition *partition = create(&config->partitions[i], i + 1);

		if (!partition)
			continue;
		*last = partition;
		last = &partition->next;
	}
}

void partition_autostart(void)
{
	char reason[LOAD_REASON_BYTES];

	for (struct partition *p = first; p; p = p->next)
		if (p->config->autostart && partition_start(p, reason))
			log_error("%s: %s", p->config->name, reason);
}

int partition_start(struct partition *partition, char *reason)
{
	spin_lock(&partition->lock);
	if (partition->state != PARTITION_STOPPED && partition->state != PARTITION_CRASHED) {
		format_text(reason, LOAD_REASON_BYTES, "it is %s",
			    partition_state_name(partition->state));
		spin_unlock(&partition->lock);
		return -EBUSY;
	}
	partition->state = PARTITION_STARTING;
	partition->reason[0] = '\0';
	spin_unlock(&partition->lock);
	thread_wake(&partition->vcpu->thread);
	return 0;
}

int partition_stop(struct partition *partition, char *reason)
{
	int error = 0;

	spin_lock(&partition->lock);
	switch (partition->state) {
	case PARTITION_STARTING:
	case PARTITION_RUNNING:
		partition->state = PARTITION_STOPPING;
		break;
	case PARTITION_CRASHED:
		partition->state = PARTITION_STOPPED;
		break;
	default:
		format_text(reason, LOAD_REASON_BYTES, "it is %s",
			    partition_state_name(partition->state));
		error = -EBUSY;
	}
	spin_unlock(&partition->lock);
	if (!error)
		vcpu_request(partition->vcpu, VCPU_REQUEST_STOP);
	return error;
}

void partition_ended(struct partition *partition, enum partition_state state, const char *reason)
{
	spin_lock(&partition->lock);
	partition->state = state;
	format_text(partition->reason, sizeof(partition->reason), "%s", reason);
	spin_unlock(&partition->lock);
	if (state == PARTITION_CRASHED)
		log_error("%s: crashed: %s", partition->config->name, reason);
	else
		log_info("%s: %s", partition->config->name, reason);
}
