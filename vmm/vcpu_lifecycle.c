/* SPDX-License-Identifier: MIT */
/*
 * A partition's life. The thread of its first vCPU leads: it makes every change of state. Before
 * one it gathers the others: each is asked to stand still (VCPU_HELD), and each says so when it has
 * left guest mode and no CPU holds its state any more (VCPU_STANDS). From then on the leader may do
 * with them what only a vCPU's own thread may do else, until it sets them free again (VCPU_FREE).
 * So one side only writes `hold` at any time, and nobody waits for anything but being scheduled.
 */
#include "vcpu_thread.h"

#include "vcpu_devices.h"

#include <bulkhead/arch.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>
#include <bulkhead/pc.h>
#include <bulkhead/virt.h>

#define RESTART_QUICK_US     10000000UL /* a run shorter than this ended soon */
#define RESTART_FREE	     3		/* so many quick ends in a row have no delay */
#define RESTART_DELAY_US     100000UL
#define RESTART_DELAY_MAX_US 10000000UL

#define EVENTS_THAT_END                                                                            \
	(1u << DEVICE_EVENT_POWER_OFF | 1u << DEVICE_EVENT_RESET | 1u << DEVICE_EVENT_OVERRIDE |   \
	 1u << DEVICE_EVENT_PANIC)

static struct vcpu *leader_of(const struct partition *partition)
{
	return partition->vcpus[0];
}

static bool is_leader(const struct vcpu *vcpu)
{
	return vcpu->id == 0;
}

/* --- all together --- */

static u32 hold_of(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->hold, __ATOMIC_ACQUIRE);
}

static void hold_set(struct vcpu *vcpu, u32 hold)
{
	__atomic_store_n(&vcpu->hold, hold, __ATOMIC_RELEASE);
}

/* All others stand still when this returns. */
static void gather(struct partition *partition)
{
	for (u32 i = 1; i < partition->vcpu_count; i++) {
		if (hold_of(partition->vcpus[i]) != VCPU_FREE)
			continue;
		hold_set(partition->vcpus[i], VCPU_HELD);
		vcpu_request(partition->vcpus[i], VCPU_REQUEST_STOP);
	}
	for (u32 i = 1; i < partition->vcpu_count; i++)
		while (hold_of(partition->vcpus[i]) != VCPU_STANDS)
			thread_block();
}

static void set_free(struct partition *partition)
{
	for (u32 i = 1; i < partition->vcpu_count; i++) {
		hold_set(partition->vcpus[i], VCPU_FREE);
		thread_wake(&partition->vcpus[i]->thread);
	}
}

/* Asked by the leader. */
static void stand_still(struct vcpu *vcpu)
{
	__atomic_and_fetch(&vcpu->requests, ~VCPU_REQUEST_STOP, __ATOMIC_ACQUIRE);
	vcpu_timer_stop(vcpu);
	virt->vcpu_leave(vcpu);
	hold_set(vcpu, VCPU_STANDS);
	thread_wake(&leader_of(vcpu->partition)->thread);
}

/* The leader's CPU lets go of it, so that its own can have it. */
static void give_back(struct vcpu *vcpu)
{
	if (!is_leader(vcpu))
		virt->vcpu_leave(vcpu);
}

/* Keep what inspection shows, while CPUs still have it. */
static void capture(struct partition *partition)
{
	for (u32 i = 0; i < partition->vcpu_count; i++) {
		struct vcpu *vcpu = partition->vcpus[i];

		virt->vcpu_state(vcpu, &vcpu->state);
		virt->vcpu_capture(vcpu);
		give_back(vcpu);
	}
}

/* --- the guest ends --- */

/* Whatever it was, this run of the partition is over, unless it is in another state meanwhile. */
static bool end(struct partition *partition, enum partition_state from, enum partition_state to,
		const char *reason)
{
	vcpu_devices_stop(partition);
	virt->vcpu_leave(leader_of(partition));
	return partition_ended(partition, from, to, reason);
}

/*
 * Partitions that end again and again soon after their start must not keep the machine busy: after
 * some quick ends each restart waits twice as long as the one before.
 */
static u64 restart_delay_us(struct partition *partition)
{
	bool quick = arch_time_us() - partition->started_us < RESTART_QUICK_US;
	u32 doubled;

	partition->quick_ends = quick ? partition->quick_ends + 1 : 0;
	if (partition->quick_ends <= RESTART_FREE)
		return 0;
	doubled = MIN(partition->quick_ends - RESTART_FREE - 1, 31U);
	return MIN(RESTART_DELAY_US << doubled, RESTART_DELAY_MAX_US);
}

/* Its next run begins, now or later. false: it may not. */
static bool restart(struct partition *partition, const char *reason)
{
	u64 delay = 0;
	bool again;

	vcpu_devices_stop(partition);
	spin_lock(&partition->lock);
	again = partition->state == PARTITION_RUNNING && !partition->shutting_down;
	if (again) {
		delay = restart_delay_us(partition);
		partition->state = delay ? PARTITION_WAITING : PARTITION_STARTING;
	}
	if (delay) {
		format_text(partition->reason, sizeof(partition->reason),
			    "%s; it ended %u times soon after its start, so it waits %lu ms",
			    reason, partition->quick_ends, delay / 1000);
		partition->start_at = arch_tsc() + us_to_tsc(delay);
	}
	spin_unlock(&partition->lock);
	if (!again)
		return false;
	log_info("%s: %s%s", partition->config->name, reason,
		 delay ? ", waits before it starts" : "");
	if (delay)
		timer_set(&partition->start_timer, partition->start_at);
	return true;
}

/* The guest ended its run: what the configuration wants to become of it. false: the operator wants
 * something else meanwhile, and that comes first. */
static bool ended(struct partition *partition, enum config_action action, bool crashed,
		  const char *reason)
{
	switch (action) {
	case CONFIG_ACTION_RESTART:
		/* One that is being shut down only ends. */
		return restart(partition, reason) ||
		       end(partition, PARTITION_RUNNING, PARTITION_STOPPED, reason);
	case CONFIG_ACTION_STOP:
		return end(partition, PARTITION_RUNNING, PARTITION_STOPPED, reason);
	case CONFIG_ACTION_PRESERVE:
		break;
	}
	capture(partition);
	partition->kept = true;
	if (end(partition, PARTITION_RUNNING, crashed ? PARTITION_CRASHED : PARTITION_STOPPED,
		reason))
		return true;
	partition->kept = false;
	return false;
}

/* A guest that cannot go on: how it left its CPU, for whoever has to find out why. */
static void say_where(struct vcpu *vcpu)
{
	const char *name = vcpu->partition->config->name;
	struct cpu_state s;

	virt->vcpu_state(vcpu, &s);
	give_back(vcpu);
	log_info("%s: vCPU %u: rip %016lx  rsp %016lx  rflags %08lx", name, vcpu->id, s.rip,
		 s.gpr[GPR_RSP], s.rflags);
	log_info("%s: rax %016lx  rbx %016lx  rcx %016lx", name, s.gpr[GPR_RAX], s.gpr[GPR_RBX],
		 s.gpr[GPR_RCX]);
	log_info("%s: rdx %016lx  rsi %016lx  rdi %016lx", name, s.gpr[GPR_RDX], s.gpr[GPR_RSI],
		 s.gpr[GPR_RDI]);
	log_info("%s: cr0 %08lx  cr2 %016lx  cr3 %016lx  cr4 %08lx", name, s.cr0, s.cr2, s.cr3,
		 s.cr4);
	log_info("%s: cs %04x  ss %04x  efer %04lx  %lu exits, %lu accesses to nothing", name,
		 s.cs.selector, s.ss.selector, s.efer, vcpu->exits,
		 pc_absent_accesses(vcpu->partition->pc));
}

static struct vcpu *who_stopped(const struct partition *partition)
{
	for (u32 i = 0; i < partition->vcpu_count; i++)
		if (partition->vcpus[i]->stop != VCPU_STOP_NONE)
			return partition->vcpus[i];
	return NULL;
}

static bool crashed(struct partition *partition, struct vcpu *vcpu)
{
	/* Of a loop of crashes the first one tells. */
	if (partition->config->on_crash != CONFIG_ACTION_RESTART || !partition->quick_ends)
		say_where(vcpu);
	return ended(partition, partition->config->on_crash, true, vcpu->stop_text);
}

static bool is_shutting_down(const struct partition *partition)
{
	return __atomic_load_n(&partition->shutting_down, __ATOMIC_ACQUIRE);
}

/* What of it is still meant: a button that was pressed before the guest began anew is forgotten. */
static u32 events_take(struct partition *partition)
{
	u32 events = __atomic_exchange_n(&partition->events, 0, __ATOMIC_ACQUIRE);

	return is_shutting_down(partition) ? events : events & ~(1u << DEVICE_EVENT_OVERRIDE);
}

/* What the guest asked its board for, or did not though the operator asked the guest. */
static bool board_event_act(struct partition *partition, u32 events)
{
	const struct config_partition *config = partition->config;

	if (events & 1u << DEVICE_EVENT_PANIC)
		return ended(partition, config->on_crash, true, "the guest panicked");
	if (is_shutting_down(partition))
		return end(partition, PARTITION_RUNNING, PARTITION_STOPPED,
			   events & 1u << DEVICE_EVENT_OVERRIDE
				   ? "stopped by the operator: it did not power off"
				   : "shut down by the operator");
	if (events & 1u << DEVICE_EVENT_POWER_OFF)
		return ended(partition, config->on_poweroff, false, "powered off by the guest");
	return ended(partition, config->on_reset, false, "reset by the guest");
}

void vcpu_act_on_events(struct partition *partition)
{
	u32 events = events_take(partition);
	struct vcpu *stopped = events & PARTITION_EVENT_CRASH ? who_stopped(partition) : NULL;
	bool done;

	if (!(events & EVENTS_THAT_END) && !stopped)
		return;
	gather(partition);
	if (events & EVENTS_THAT_END)
		done = board_event_act(partition, events);
	else
		done = crashed(partition, stopped);
	if (done)
		return;
	/* When it goes on after a pause: what cannot be now comes again. */
	__atomic_or_fetch(&partition->events, events, __ATOMIC_RELEASE);
	vcpu_request(leader_of(partition), VCPU_REQUEST_STOP);
}

/* --- what the operator wants --- */

static bool run_begins(struct partition *partition)
{
	bool begins;

	spin_lock(&partition->lock);
	begins = partition->state == PARTITION_STARTING; /* or stopped meanwhile */
	if (begins) {
		partition->state = PARTITION_RUNNING;
		partition->shutting_down = false;
		partition->starts++;
		partition->started_us = arch_time_us();
		partition->reason[0] = '\0';
	}
	spin_unlock(&partition->lock);
	return begins;
}

static void start(struct partition *partition)
{
	char reason[LOAD_REASON_BYTES] = "";

	gather(partition);
	vcpu_devices_stop(partition);
	partition->kept = false;
	if (partition_load(partition, reason)) {
		log_error("%s: cannot start: %s", partition->config->name, reason);
		(void)end(partition, PARTITION_STARTING, PARTITION_STOPPED, reason);
		return;
	}
	for (u32 i = 0; i < partition->vcpu_count; i++)
		partition->vcpus[i]->stop = VCPU_STOP_NONE;
	partition->events = 0;
	if (!run_begins(partition))
		return;
	log_info("%s: started", partition->config->name);
	set_free(partition);
	partition_runs(partition);
}

/* Its time stands still from here on until go_on. */
static void pause(struct partition *partition)
{
	gather(partition);
	vcpu_devices_pause(partition);
	capture(partition);
	virt->vcpu_leave(leader_of(partition));
	partition_state_change(partition, PARTITION_PAUSING, PARTITION_PAUSED);
}

static void go_on(struct partition *partition)
{
	vcpu_devices_resume(partition);
	for (u32 i = 0; i < partition->vcpu_count; i++) {
		virt->vcpu_time_changed(partition->vcpus[i]);
		give_back(partition->vcpus[i]);
	}
	partition_state_change(partition, PARTITION_RESUMING, PARTITION_RUNNING);
	set_free(partition);
	partition_runs(partition);
}

static void stop(struct partition *partition)
{
	gather(partition);
	partition->kept = false;
	(void)end(partition, PARTITION_STOPPING, PARTITION_STOPPED, "stopped by the operator");
}

/* Until another partition runs, or until its delay is over: see who wakes it, and start when it
 * may. */
static bool wait_is_over(struct partition *partition)
{
	if (partition->start_at)
		return arch_tsc() >= partition->start_at;
	return partition_after_runs(partition);
}

/* --- what the threads ask for --- */

void vcpu_lead(struct partition *partition, enum partition_state state)
{
	switch (state) {
	case PARTITION_STARTING:
		start(partition);
		break;
	case PARTITION_PAUSING:
		pause(partition);
		break;
	case PARTITION_RESUMING:
		go_on(partition);
		break;
	case PARTITION_STOPPING:
		stop(partition);
		break;
	case PARTITION_WAITING:
		if (wait_is_over(partition))
			partition_state_change(partition, PARTITION_WAITING, PARTITION_STARTING);
		else
			vcpu_rest(leader_of(partition));
		break;
	case PARTITION_STOPPED:
	case PARTITION_PAUSED:
	case PARTITION_CRASHED:
		vcpu_rest(leader_of(partition));
		break;
	case PARTITION_RUNNING:
		break;
	}
}

void vcpu_follow(struct vcpu *vcpu)
{
	if (hold_of(vcpu) == VCPU_HELD)
		stand_still(vcpu);
	/* It may be free again by now: then this returns at once. */
	vcpu_rest(vcpu);
	if (hold_of(vcpu) == VCPU_FREE) {
		/* If it did not rest: RAM may have been taken away that this CPU has cached. */
		address_space_enter(NULL);
		vcpu_timer_go_on(vcpu);
	}
}
