/* SPDX-License-Identifier: MIT */
/* Partitions: making and destroying them, and what the operator may do to them. */
#include <bulkhead/partition.h>

#include <bulkhead/account.h>
#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/string.h>

#include "partition_channel.h"
#include "partition_console.h"
#include "partition_memory.h"
#include "partition_net.h"
#include "placement.h"
#include "vcpu_devices.h"
#include "vcpu_thread.h"

/* How long a change that a vCPU has to make itself is waited for. */
#define SETTLE_US     2000000
#define SETTLE_GAP_US 500

/* Written by the console's thread only, under the lock; that thread reads it without. */
static struct partition *first;
static struct spinlock list_lock;
static u32 last_number;

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

bool partition_inspectable(struct partition *partition)
{
	enum partition_state state = partition_state_now(partition);

	return state == PARTITION_PAUSED || state == PARTITION_CRASHED ||
	       (state == PARTITION_STOPPED && partition->kept);
}

/* --- making and destroying --- */

static void start_timer_fire(struct timer *timer)
{
	thread_wake(&container_of(timer, struct partition, start_timer)->vcpus[0]->thread);
}

static void unmake(struct partition *partition)
{
	/* While there is a vCPU that others can ask. */
	partition_net_destroy(partition);
	partition_channel_destroy(partition);
	while (partition->vcpu_count)
		vcpu_destroy(partition);
	arch_guest_cpu_destroy(partition);
	partition_memory_destroy(partition);
	partition_console_destroy(partition);
	memory_give(MEMORY_OTHER, partition->config, sizeof(*partition->config));
	memory_give(MEMORY_OTHER, partition, sizeof(*partition));
}

/* The smallest tag that begins `count` which no vCPU has; 0: there is none. */
static u16 tag_choose(u32 count)
{
	u32 tag = 1;

	for (struct partition *p = first; p;) {
		bool taken = tag < p->tag + p->config->vcpus && p->tag < tag + count;

		tag = taken ? p->tag + p->config->vcpus : tag;
		p = taken ? first : p->next;
	}
	return tag + count - 1 <= PARTITION_TAG_MAX ? (u16)tag : 0;
}

static int vcpus_create(struct partition *partition, const struct placement *placement)
{
	struct group *group = group_find(partition->config->group);
	int error = 0;

	for (u32 i = 0; i < partition->config->vcpus && !error; i++) {
		struct cpu_mask affinity = placement_affinity(placement, partition->config, i);

		error = vcpu_create(partition, placement->cpus[i], &affinity,
				    group ? &group->scheduler : NULL);
	}
	return error;
}

static int build(struct partition *partition, const struct placement *placement, char *reason)
{
	int error;

	if (!partition->tag) {
		format_text(reason, LOAD_REASON_BYTES, "there are %u vCPUs at most",
			    PARTITION_TAG_MAX);
		return -ENOSPC;
	}
	error = arch_guest_cpu_create(partition, reason);
	error = error ? error : partition_memory_create(partition, reason);
	error = error ? error : partition_net_create(partition, reason);
	error = error ? error : partition_channel_create(partition, reason);
	if (error)
		return error;
	return vcpus_create(partition, placement);
}

static struct partition *allocate(const struct config_partition *config)
{
	struct partition *partition = memory_take(MEMORY_OTHER, sizeof(*partition));

	if (!partition)
		return NULL;
	partition->config = memory_take(MEMORY_OTHER, sizeof(*config));
	if (!partition->config) {
		memory_give(MEMORY_OTHER, partition, sizeof(*partition));
		return NULL;
	}
	*partition->config = *config;
	partition->number = ++last_number;
	partition->tag = tag_choose(config->vcpus);
	partition->state = PARTITION_STOPPED;
	partition->created_us = arch_time_us();
	timer_init(&partition->start_timer, arch_cpu_id(), start_timer_fire);
	return partition;
}

static int group_check(const struct config_partition *config, char *reason)
{
	if (!config->group[0] || group_find(config->group))
		return 0;
	format_text(reason, LOAD_REASON_BYTES, "there is no group %s", config->group);
	return -ENOENT;
}

static int check(const struct config_partition *config, char *reason)
{
	if (!partition_find(config->name))
		return group_check(config, reason);
	format_text(reason, LOAD_REASON_BYTES, "there is one of that name");
	return -EEXIST;
}

static void list_add(struct partition *partition)
{
	struct partition **at = &first;

	while (*at)
		at = &(*at)->next;
	spin_lock(&list_lock);
	*at = partition;
	spin_unlock(&list_lock);
}

static void list_remove(struct partition *partition)
{
	struct partition **at = &first;

	while (*at != partition)
		at = &(*at)->next;
	spin_lock(&list_lock);
	*at = partition->next;
	spin_unlock(&list_lock);
}

/* Their first rest begins. They may run on other CPUs from now on: what can fail has been done. */
static void vcpus_begin(struct partition *partition)
{
	for (u32 i = 0; i < partition->vcpu_count; i++)
		thread_wake(&partition->vcpus[i]->thread);
}

int partition_create(const struct config_partition *config, struct partition **made, char *reason)
{
	struct partition *partition;
	struct placement placement;
	int error = check(config, reason);

	error = error ? error : placement_find(config, NULL, &placement, reason);
	if (error)
		return error;
	*reason = '\0'; /* why it does not go on some other CPU is no matter now */
	partition = allocate(config);
	error = partition ? build(partition, &placement, reason) : -ENOMEM;
	if (error && partition)
		unmake(partition);
	if (error == -ENOMEM && !*reason)
		format_text(reason, LOAD_REASON_BYTES,
			    "not enough memory for its tables and devices");
	if (error)
		return error;
	list_add(partition);
	placement_apply(partition, &placement);
	vcpus_begin(partition);
	*made = partition;
	return 0;
}

void partition_create_all(const struct config *config)
{
	char reason[LOAD_REASON_BYTES];
	struct partition *made;

	for (u32 i = 0; i < config->group_count; i++) {
		reason[0] = '\0';
		if (group_create(&config->groups[i], reason))
			log_error("group %s: cannot be made: %s", config->groups[i].name, reason);
	}
	for (u32 i = 0; i < config->partition_count; i++) {
		reason[0] = '\0';
		if (partition_create(&config->partitions[i], &made, reason))
			log_error("%s: cannot be made: %s", config->partitions[i].name, reason);
	}
}

/* --- what the operator does --- */

static int refuse(struct partition *partition, char *reason)
{
	format_text(reason, LOAD_REASON_BYTES, "it is %s", partition_state_name(partition->state));
	spin_unlock(&partition->lock);
	return -EBUSY;
}

/* With its lock, which is released: the first vCPU's thread sees to the rest. */
static void go_to(struct partition *partition, enum partition_state state)
{
	__atomic_store_n(&partition->state, state, __ATOMIC_RELEASE);
	spin_unlock(&partition->lock);
	vcpu_request(partition->vcpus[0], VCPU_REQUEST_STOP);
}

/* Let the vCPUs' threads go on for a moment; false: it has had long enough. In a thread. */
static bool give_time(u64 end)
{
	if (arch_tsc() >= end)
		return false;
	thread_sleep_until(arch_tsc() + us_to_tsc(SETTLE_GAP_US));
	return true;
}

/* Until its vCPUs have left the state `passing`, or long enough. */
static void settle(struct partition *partition, enum partition_state passing)
{
	u64 end = arch_tsc() + us_to_tsc(SETTLE_US);

	while (partition_state_now(partition) == passing && give_time(end))
		;
}

int partition_start(struct partition *partition, char *reason)
{
	spin_lock(&partition->lock);
	switch (partition->state) {
	case PARTITION_STOPPED:
	case PARTITION_CRASHED:
	case PARTITION_WAITING:
		break;
	default:
		return refuse(partition, reason);
	}
	partition->reason[0] = '\0';
	partition->quick_ends = 0;
	go_to(partition, PARTITION_STARTING);
	return 0;
}

int partition_pause(struct partition *partition, char *reason)
{
	spin_lock(&partition->lock);
	if (partition->state != PARTITION_RUNNING)
		return refuse(partition, reason);
	go_to(partition, PARTITION_PAUSING);
	settle(partition, PARTITION_PAUSING);
	return 0;
}

int partition_resume(struct partition *partition, char *reason)
{
	spin_lock(&partition->lock);
	if (partition->state != PARTITION_PAUSED)
		return refuse(partition, reason);
	go_to(partition, PARTITION_RESUMING);
	settle(partition, PARTITION_RESUMING);
	return 0;
}

int partition_reset(struct partition *partition, char *reason)
{
	spin_lock(&partition->lock);
	switch (partition->state) {
	case PARTITION_RUNNING:
	case PARTITION_PAUSED:
	case PARTITION_WAITING:
		break;
	default:
		return refuse(partition, reason);
	}
	partition->quick_ends = 0;
	go_to(partition, PARTITION_STARTING);
	return 0;
}

int partition_stop(struct partition *partition, char *reason)
{
	spin_lock(&partition->lock);
	if (partition->state == PARTITION_STOPPED || partition->state == PARTITION_STOPPING)
		return refuse(partition, reason);
	partition->kept = false;
	go_to(partition, PARTITION_STOPPING);
	settle(partition, PARTITION_STOPPING);
	return 0;
}

/* If it runs: from now on it does not begin anew by itself, whether it does so just now or acts on
 * its button. */
static bool shutdown_begins(struct partition *partition)
{
	bool runs;

	spin_lock(&partition->lock);
	runs = partition->state == PARTITION_RUNNING;
	if (runs)
		__atomic_store_n(&partition->shutting_down, true, __ATOMIC_RELEASE);
	spin_unlock(&partition->lock);
	return runs;
}

int partition_shutdown(struct partition *partition, char *reason)
{
	if (shutdown_begins(partition) && vcpu_devices_power_button(partition)) {
		log_info("%s: its power button was pressed", partition->config->name);
		return 0;
	}
	return partition_stop(partition, reason);
}

static int restless(char *reason)
{
	format_text(reason, LOAD_REASON_BYTES, "its vCPUs do not come to rest");
	return -EBUSY;
}

/* None of its threads runs ever again; or all may, if one does not come to rest. */
static bool retire(struct partition *partition)
{
	u64 end = arch_tsc() + us_to_tsc(SETTLE_US);
	u32 retired = 0;

	while (retired < partition->vcpu_count) {
		if (thread_retire(&partition->vcpus[retired]->thread))
			retired++;
		else if (!give_time(end))
			break;
	}
	if (retired == partition->vcpu_count)
		return true;
	while (retired)
		thread_revive(&partition->vcpus[--retired]->thread);
	return false;
}

int partition_destroy(struct partition *partition, char *reason)
{
	spin_lock(&partition->lock);
	if (partition->state != PARTITION_STOPPED && partition->state != PARTITION_CRASHED)
		return refuse(partition, reason);
	spin_unlock(&partition->lock);
	/* Its threads may still be on their way to rest. */
	if (!retire(partition))
		return restless(reason);
	timer_set(&partition->start_timer, TIMER_OFF);
	account_close(partition);
	placement_withdraw(partition);
	list_remove(partition);
	unmake(partition);
	return 0;
}

static bool disks_differ(const struct config_partition *a, const struct config_partition *b)
{
	for (u32 i = 0; i < CONFIG_DISKS_MAX; i++)
		if (strcmp(a->disks[i].path, b->disks[i].path) != 0 ||
		    a->disks[i].readonly != b->disks[i].readonly)
			return true;
	return false;
}

static bool nets_differ(const struct config_partition *a, const struct config_partition *b)
{
	for (u32 i = 0; i < CONFIG_NETS_MAX; i++) {
		const struct config_net *x = &a->nets[i], *y = &b->nets[i];

		if (strcmp(x->network, y->network) != 0 || x->rate_bits != y->rate_bits ||
		    x->has_mac != y->has_mac || memcmp(x->mac, y->mac, sizeof(x->mac)) != 0)
			return true;
	}
	return false;
}

/* The first thing that may not change while a partition exists and would; NULL: nothing. */
static const char *fixed_difference(const struct config_partition *a,
				    const struct config_partition *b)
{
	const struct {
		const char *key;
		bool differs;
	} keys[] = {
		{"its name", strcmp(a->name, b->name) != 0},
		{"vcpus", a->vcpus != b->vcpus},
		{"cpu", a->cpu != b->cpu},
		{"hypervisor_leaves", a->hypervisor_leaves != b->hypervisor_leaves},
		{"memory", a->memory_bytes != b->memory_bytes},
		{"clear_memory", a->clear_memory != b->clear_memory},
		{"boot", a->boot != b->boot},
		{"kernel or image", strcmp(a->kernel, b->kernel) != 0},
		{"firmware", strcmp(a->firmware, b->firmware) != 0},
		{"variables", strcmp(a->variables, b->variables) != 0},
		{"boot_menu", a->boot_menu_ms != b->boot_menu_ms},
		{"initrd", strcmp(a->initrd, b->initrd) != 0},
		{"modules", memcmp(&a->modules, &b->modules, sizeof(a->modules)) != 0},
		{"cmdline", strcmp(a->cmdline, b->cmdline) != 0},
		{"autostart", a->autostart != b->autostart},
		{"entry", a->entry != b->entry},
		{"load", a->load_address != b->load_address},
		{"rng", a->rng != b->rng},
		{"a disk", disks_differ(a, b)},
		{"virtio_console", a->virtio_console != b->virtio_console},
		{"a network", nets_differ(a, b)},
		{"balloon", a->balloon != b->balloon},
		{"channel", strcmp(a->channel.name, b->channel.name) != 0 ||
				    a->channel.bytes != b->channel.bytes},
	};

	for (u32 i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].differs)
			return keys[i].key;
	}
	return NULL;
}

static int change_check(struct partition *partition, const struct config_partition *config,
			char *reason)
{
	const char *fixed = fixed_difference(partition->config, config);
	int error;

	if (fixed) {
		format_text(reason, LOAD_REASON_BYTES,
			    "%s cannot change while the partition exists", fixed);
		return -EINVAL;
	}
	if (strcmp(partition->config->group, config->group) == 0)
		return 0;
	error = group_check(config, reason);
	if (error)
		return error;
	if (partition_state_now(partition) != PARTITION_STOPPED &&
	    partition_state_now(partition) != PARTITION_CRASHED) {
		format_text(reason, LOAD_REASON_BYTES,
			    "its group can change only while it is stopped, it is %s",
			    partition_state_name(partition_state_now(partition)));
		return -EBUSY;
	}
	return 0;
}

static int group_move(struct partition *partition, const char *name, char *reason)
{
	struct group *group = group_find(name);
	u64 end = arch_tsc() + us_to_tsc(SETTLE_US);

	for (u32 i = 0; i < partition->vcpu_count; i++)
		while (!thread_group_set(&partition->vcpus[i]->thread,
					 group ? &group->scheduler : NULL))
			if (!give_time(end))
				return restless(reason);
	return 0;
}

int partition_change(struct partition *partition, const struct config_partition *config,
		     char *reason)
{
	struct placement placement;
	int error = change_check(partition, config, reason);

	error = error ? error : placement_find(config, partition, &placement, reason);
	if (error)
		return error;
	if (strcmp(partition->config->group, config->group) != 0) {
		error = group_move(partition, config->group, reason);
		if (error)
			return error;
	}
	spin_lock(&list_lock); /* partition_after_runs reads it */
	*partition->config = *config;
	spin_unlock(&list_lock);
	for (u32 i = 0; i < partition->vcpu_count; i++) {
		struct cpu_mask affinity = placement_affinity(&placement, config, i);

		thread_affinity_set(&partition->vcpus[i]->thread, &affinity);
		thread_claim_set(&partition->vcpus[i]->thread, &config->claim);
	}
	placement_apply(partition, &placement);
	if (partition_state_now(partition) == PARTITION_WAITING)
		thread_wake(&partition->vcpus[0]->thread); /* maybe for others than these */
	return 0;
}

/* --- starting by themselves --- */

void partition_autostart(void)
{
	for (struct partition *p = first; p; p = p->next) {
		if (!p->config->autostart)
			continue;
		spin_lock(&p->lock);
		format_text(p->reason, sizeof(p->reason), "waits for what it is to start after");
		p->start_at = 0;
		go_to(p, PARTITION_WAITING);
	}
}

bool partition_after_runs(struct partition *partition)
{
	const struct config_partition *config = partition->config;
	bool all = true;

	spin_lock(&list_lock);
	for (u32 i = 0; i < config->after_count; i++) {
		struct partition *other = partition_find(config->after[i]);

		all = all && other && partition_state_now(other) == PARTITION_RUNNING;
	}
	spin_unlock(&list_lock);
	return all;
}

void partition_runs(struct partition *partition)
{
	spin_lock(&list_lock);
	for (struct partition *p = first; p; p = p->next)
		if (p != partition && partition_state_now(p) == PARTITION_WAITING)
			thread_wake(&p->vcpus[0]->thread);
	spin_unlock(&list_lock);
}

/* --- for its vCPUs --- */

void partition_state_change(struct partition *partition, enum partition_state from,
			    enum partition_state to)
{
	spin_lock(&partition->lock);
	if (partition->state == from)
		__atomic_store_n(&partition->state, to, __ATOMIC_RELEASE);
	spin_unlock(&partition->lock);
}

bool partition_ended(struct partition *partition, enum partition_state from,
		     enum partition_state to, const char *reason)
{
	bool done;

	spin_lock(&partition->lock);
	done = partition->state == from;
	if (done) {
		__atomic_store_n(&partition->state, to, __ATOMIC_RELEASE);
		format_text(partition->reason, sizeof(partition->reason), "%s", reason);
	}
	spin_unlock(&partition->lock);
	if (done && to == PARTITION_CRASHED)
		log_error("%s: crashed: %s", partition->config->name, reason);
	else if (done)
		log_info("%s: %s", partition->config->name, reason);
	return done;
}
