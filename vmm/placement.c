/* SPDX-License-Identifier: MIT */
/*
 * Placement and admission. What others have claimed is counted anew each time from the partitions
 * that exist: there is nothing that could come to disagree with them.
 *
 * Shared claims may run on any CPU that they name and are moved about; those that something was
 * promised to stay on the CPU where it was admitted. vCPUs of one partition are placed one after
 * the other, as far apart as can be: all have the same claim, so if there is room for all, this
 * finds it.
 */
#include "placement.h"

#include <bulkhead/arch.h>
#include <bulkhead/console.h>
#include <bulkhead/cpu.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/partition.h>

#define PER_CENT 10000 /* millionths of a CPU */

/* What others have on a CPU. */
struct use {
	u32 reserved; /* millionths */
	u32 weight;
	const struct partition *dedicated; /* who has it alone */
	const struct partition *needs;	   /* who could run nowhere else */
};

/* A partition whose vCPUs are being placed: the first `count` have a CPU. */
struct search {
	const struct config_partition *config;
	const struct partition *self; /* if it exists already */
	struct placement *placement;
	u32 count;
};

static u32 placed_on(const struct search *search, u32 cpu)
{
	u32 count = 0;

	for (u32 i = 0; i < search->count; i++)
		count += search->placement->cpus[i] == cpu;
	return count;
}

static bool is_owner(const struct partition *partition, const struct thread *owner)
{
	for (u32 i = 0; i < partition->vcpu_count; i++)
		if (owner == &partition->vcpus[i]->thread)
			return true;
	return false;
}

/* Whether the CPU is dedicated to somebody else than that partition. What `self` has now is as good
 * as free, as it is placed anew; what it has been given just now is not. */
static bool is_taken(const struct search *search, const struct partition *partition, u32 cpu)
{
	const struct thread *owner = cpus[cpu]->dedicated;

	if (search->config->claim.kind == SCHEDULER_DEDICATED && placed_on(search, cpu))
		return true;
	return owner && !is_owner(partition, owner) &&
	       !(search->self && is_owner(search->self, owner));
}

static bool could_run_elsewhere(const struct partition *partition, u32 cpu,
				const struct search *search)
{
	for (u32 id = 0; id < arch_cpu_count(); id++) {
		if (id != cpu && cpu_mask_has(&partition->config->affinity, id) &&
		    !is_taken(search, partition, id))
			return true;
	}
	return false;
}

static void use_add_vcpu(struct use *use, const struct partition *partition,
			 const struct thread *thread, u32 cpu)
{
	const struct scheduler_claim *claim = &partition->config->claim;

	/* Claims that were admitted count where that was: the thread may have yet to go there. */
	switch (claim->kind) {
	case SCHEDULER_DEDICATED:
		if (cpu_mask_has(&thread->affinity, cpu))
			use->dedicated = partition;
		break;
	case SCHEDULER_RESERVED:
		if (cpu_mask_has(&thread->affinity, cpu)) {
			use->reserved += scheduler_bandwidth(claim);
			use->needs = partition;
		}
		break;
	case SCHEDULER_SHARED:
		if (thread->cpu == cpu)
			use->weight += claim->weight;
		break;
	}
}

static struct use use_of(u32 cpu, const struct search *search)
{
	struct use use = {.reserved = cpu == CONSOLE_CPU ? scheduler_bandwidth(&console_claim) : 0};

	for (const struct partition *p = partition_first(); p; p = p->next) {
		if (p == search->self)
			continue;
		for (u32 i = 0; i < p->vcpu_count; i++)
			use_add_vcpu(&use, p, &p->vcpus[i]->thread, cpu);
		if (p->config->claim.kind == SCHEDULER_SHARED &&
		    !could_run_elsewhere(p, cpu, search))
			use.needs = p;
	}
	use.reserved += placed_on(search, cpu) * scheduler_bandwidth(&search->config->claim);
	return use;
}

/* Whether the claim can be kept there; if not, `reason` says why. */
static bool admits(const struct use *use, u32 cpu, const struct search *search, char *reason)
{
	const struct scheduler_claim *claim = &search->config->claim;
	bool dedicated = claim->kind == SCHEDULER_DEDICATED;
	u32 bandwidth = scheduler_bandwidth(claim), most = SCHEDULER_RESERVED_MAX * PER_CENT;

	if (dedicated && placed_on(search, cpu)) {
		/* What is wrong with the other CPUs tells more. */
		if (!*reason)
			format_text(reason, LOAD_REASON_BYTES,
				    "each of its %u vCPUs needs a CPU of its own, and there are %u "
				    "for it",
				    search->config->vcpus, search->count);
	} else if (use->dedicated) {
		format_text(reason, LOAD_REASON_BYTES, "CPU %u is dedicated to %s", cpu,
			    use->dedicated->config->name);
	} else if (dedicated && cpu == CONSOLE_CPU) {
		format_text(reason, LOAD_REASON_BYTES,
			    "CPU %u serves the operator's console and cannot be dedicated", cpu);
	} else if (dedicated && use->needs) {
		format_text(reason, LOAD_REASON_BYTES,
			    "CPU %u cannot be dedicated: %s can run nowhere else", cpu,
			    use->needs->config->name);
	} else if (claim->kind == SCHEDULER_RESERVED && use->reserved + bandwidth > most) {
		format_text(
			reason, LOAD_REASON_BYTES,
			"its reservation is %u.%02u%% of a CPU%s, and of CPU %u %u.%02u%% are left "
			"to reserve",
			bandwidth / PER_CENT, bandwidth % PER_CENT / 100,
			search->config->vcpus > 1 ? " for each vCPU" : "", cpu,
			(most - use->reserved) / PER_CENT, (most - use->reserved) % PER_CENT / 100);
	} else {
		return true;
	}
	return false;
}

/* Smaller is better; ~0: impossible, which `reason` explains. */
static u64 cost_of(u32 cpu, const struct search *search, char *reason)
{
	struct use use = use_of(cpu, search);
	u64 apart = (u64)placed_on(search, cpu) << 56, weight = MIN(use.weight, (u32)BITS(23, 0));

	if (!admits(&use, cpu, search, reason))
		return ~0UL;
	if (search->config->claim.kind == SCHEDULER_RESERVED)
		return apart | (u64)use.reserved << 24 | weight;
	return apart | weight << 32 | use.reserved;
}

static bool is_there(const struct search *search, u32 cpu)
{
	return search->self && search->count < search->self->vcpu_count &&
	       search->self->vcpus[search->count]->thread.cpu == cpu;
}

/* The next vCPU's CPU. */
static bool place_next(struct search *search, char *reason)
{
	u32 *place = &search->placement->cpus[search->count];
	u64 best = ~0UL;

	*reason = '\0';
	/* From the last CPU on: the operator's console is on the first. */
	for (u32 cpu = arch_cpu_count(); cpu-- > 0;) {
		u64 cost;

		if (!cpu_mask_has(&search->config->affinity, cpu))
			continue;
		cost = cost_of(cpu, search, reason);
		if (cost < best || (cost == best && is_there(search, cpu))) {
			best = cost;
			*place = cpu;
		}
	}
	search->count++;
	return best != ~0UL;
}

static bool names_a_cpu(const struct cpu_mask *affinity)
{
	for (u32 cpu = 0; cpu < arch_cpu_count(); cpu++)
		if (cpu_mask_has(affinity, cpu))
			return true;
	return false;
}

int placement_find(const struct config_partition *config, const struct partition *self,
		   struct placement *placement, char *reason)
{
	struct search search = {config, self, placement, 0};

	if (!names_a_cpu(&config->affinity)) {
		format_text(reason, LOAD_REASON_BYTES,
			    "its affinity names no CPU of this machine, which has CPU 0 to %u",
			    arch_cpu_count() - 1);
		return -EINVAL;
	}
	while (search.count < config->vcpus)
		if (!place_next(&search, reason))
			return -EBUSY;
	return 0;
}

struct cpu_mask placement_affinity(const struct placement *placement,
				   const struct config_partition *config, u32 vcpu)
{
	struct cpu_mask mask = {{0}};

	if (config->claim.kind == SCHEDULER_SHARED)
		return config->affinity;
	cpu_mask_add(&mask, placement->cpus[vcpu]);
	return mask;
}

void placement_withdraw(struct partition *partition)
{
	for (u32 id = 0; id < arch_cpu_count(); id++) {
		if (cpus[id]->dedicated && is_owner(partition, cpus[id]->dedicated))
			__atomic_store_n(&cpus[id]->dedicated, NULL, __ATOMIC_RELEASE);
	}
}

/* Those that run on a CPU that became somebody's own leave it when it looks at them next: at once.
 */
void placement_apply(struct partition *partition, const struct placement *placement)
{
	placement_withdraw(partition);
	if (partition->config->claim.kind != SCHEDULER_DEDICATED)
		return;
	for (u32 i = 0; i < partition->vcpu_count; i++) {
		u32 id = placement->cpus[i];

		__atomic_store_n(&cpus[id]->dedicated, &partition->vcpus[i]->thread,
				 __ATOMIC_RELEASE);
		thread_cpu_look(id);
	}
}
