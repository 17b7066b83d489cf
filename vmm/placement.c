/* SPDX-License-Identifier: MIT */
/*
 * Placement and admission. What others have claimed is counted anew each time from the partitions
 * that exist: there is nothing that could come to disagree with them.
 *
 * Shared claims may run on any CPU that they name and are moved about; those that something was
 * promised to stay on the CPU where it was admitted.
 */
#include "placement.h"

#include <bulkhead/arch.h>
#include <bulkhead/console.h>
#include <bulkhead/cpu.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/partition.h>

#define PER_CENT 10000 /* millionths of a CPU */

/* What the partitions other than `self` have on a CPU. */
struct use {
	u32 reserved; /* millionths */
	u32 weight;
	const struct partition *dedicated; /* who has it alone */
	const struct partition *needs;	   /* who could run nowhere else */
};

/* A CPU that `self` has now is as good as free: it is to be placed anew. */
static bool could_run_elsewhere(const struct partition *partition, u32 cpu,
				const struct partition *self)
{
	for (u32 id = 0; id < arch_cpu_count(); id++) {
		const struct thread *owner = cpus[id]->dedicated;

		if (id != cpu && cpu_mask_has(&partition->config->affinity, id) &&
		    (!owner || owner == &partition->vcpu->thread ||
		     (self && owner == &self->vcpu->thread)))
			return true;
	}
	return false;
}

static void use_add(struct use *use, const struct partition *partition, u32 cpu,
		    const struct partition *self)
{
	const struct scheduler_claim *claim = &partition->config->claim;
	const struct thread *thread = &partition->vcpu->thread;
	/* Claims that were admitted count where that was: the thread may have yet to go there. */
	bool here = claim->kind == SCHEDULER_SHARED ? thread->cpu == cpu
						    : cpu_mask_has(&thread->affinity, cpu);

	switch (claim->kind) {
	case SCHEDULER_DEDICATED:
		if (here)
			use->dedicated = partition;
		break;
	case SCHEDULER_RESERVED:
		if (here) {
			use->reserved += scheduler_bandwidth(claim);
			use->needs = partition;
		}
		break;
	case SCHEDULER_SHARED:
		if (here)
			use->weight += claim->weight;
		if (!could_run_elsewhere(partition, cpu, self))
			use->needs = partition;
		break;
	}
}

static struct use use_of(u32 cpu, const struct partition *self)
{
	struct use use = {.reserved = cpu == CONSOLE_CPU ? scheduler_bandwidth(&console_claim) : 0};

	for (const struct partition *p = partition_first(); p; p = p->next)
		if (p != self)
			use_add(&use, p, cpu, self);
	return use;
}

/* Smaller is better; ~0: impossible, which `reason` explains. */
static u64 cost_of(u32 cpu, const struct scheduler_claim *claim, const struct partition *self,
		   char *reason)
{
	struct use use = use_of(cpu, self);

	if (use.dedicated) {
		format_text(reason, LOAD_REASON_BYTES, "CPU %u is dedicated to %s", cpu,
			    use.dedicated->config->name);
	} else if (claim->kind == SCHEDULER_DEDICATED && cpu == CONSOLE_CPU) {
		format_text(reason, LOAD_REASON_BYTES,
			    "CPU %u serves the operator's console and cannot be dedicated", cpu);
	} else if (claim->kind == SCHEDULER_DEDICATED && use.needs) {
		format_text(reason, LOAD_REASON_BYTES,
			    "CPU %u cannot be dedicated: %s can run nowhere else", cpu,
			    use.needs->config->name);
	} else if (claim->kind == SCHEDULER_RESERVED &&
		   use.reserved + scheduler_bandwidth(claim) > SCHEDULER_RESERVED_MAX * PER_CENT) {
		format_text(
			reason, LOAD_REASON_BYTES,
			"its reservation is %u.%02u%% of a CPU, and of CPU %u %u.%02u%% are left "
			"to reserve",
			scheduler_bandwidth(claim) / PER_CENT,
			scheduler_bandwidth(claim) % PER_CENT / 100, cpu,
			(SCHEDULER_RESERVED_MAX * PER_CENT - use.reserved) / PER_CENT,
			(SCHEDULER_RESERVED_MAX * PER_CENT - use.reserved) % PER_CENT / 100);
	} else if (claim->kind == SCHEDULER_RESERVED) {
		return (u64)use.reserved << 32 | use.weight;
	} else {
		return (u64)use.weight << 32 | use.reserved;
	}
	return ~0UL;
}

int placement_find(const struct config_partition *config, const struct partition *self,
		   struct placement *placement, char *reason)
{
	u64 best = ~0UL;
	bool any = false;

	/* From the last CPU on: the operator's console is on the first. */
	for (u32 cpu = arch_cpu_count(); cpu-- > 0;) {
		u64 cost;

		if (!cpu_mask_has(&config->affinity, cpu))
			continue;
		any = true;
		cost = cost_of(cpu, &config->claim, self, reason);
		if (cost < best || (cost == best && self && self->vcpu->thread.cpu == cpu)) {
			best = cost;
			placement->cpu = cpu;
		}
	}
	if (!any) {
		format_text(reason, LOAD_REASON_BYTES,
			    "its affinity names no CPU of this machine, which has CPU 0 to %u",
			    arch_cpu_count() - 1);
		return -EINVAL;
	}
	if (best == ~0UL)
		return -EBUSY;
	placement->affinity = config->affinity;
	if (config->claim.kind != SCHEDULER_SHARED) {
		placement->affinity = (struct cpu_mask){{0}};
		cpu_mask_add(&placement->affinity, placement->cpu);
	}
	return 0;
}

void placement_withdraw(struct partition *partition)
{
	for (u32 id = 0; id < arch_cpu_count(); id++) {
		if (cpus[id]->dedicated == &partition->vcpu->thread)
			__atomic_store_n(&cpus[id]->dedicated, NULL, __ATOMIC_RELEASE);
	}
}

/* Those that run on a CPU that became somebody's own leave it when it looks at them next: at once.
 */
void placement_apply(struct partition *partition)
{
	struct thread *thread = &partition->vcpu->thread;

	placement_withdraw(partition);
	if (partition->config->claim.kind != SCHEDULER_DEDICATED)
		return;
	for (u32 id = 0; id < arch_cpu_count(); id++) {
		if (!cpu_mask_has(&thread->affinity, id))
			continue;
		__atomic_store_n(&cpus[id]->dedicated, thread, __ATOMIC_RELEASE);
		thread_cpu_look(id);
	}
}
