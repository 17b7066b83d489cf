/* SPDX-License-Identifier: MIT */
/* vCPUs: making them, what a thread does between two stretches of guest code, and requests to it.
 */
#include "vcpu_thread.h"

#include "vcpu_devices.h"

#include <bulkhead/arch.h>
#include <bulkhead/cpu.h>
#include <bulkhead/error.h>
#include <bulkhead/exit.h>
#include <bulkhead/format.h>
#include <bulkhead/partition.h>
#include <bulkhead/virt.h>

void vcpu_request(struct vcpu *vcpu, u32 request)
{
	__atomic_or_fetch(&vcpu->requests, request, __ATOMIC_SEQ_CST);
	if (cpu_this()->thread == &vcpu->thread)
		return;
	thread_wake(&vcpu->thread);
	if (vcpu->in_guest && vcpu->thread.cpu != arch_cpu_id())
		arch_cpu_kick(vcpu->thread.cpu);
}

void vcpu_stop(struct vcpu *vcpu, enum vcpu_stop reason, const char *format, ...)
{
	va_list arguments;

	if (vcpu->stop != VCPU_STOP_NONE)
		return;
	vcpu->stop = reason;
	__atomic_or_fetch(&vcpu->requests, VCPU_REQUEST_BACKEND, __ATOMIC_RELAXED);
	va_start(arguments, format);
	format_list(vcpu->stop_text, sizeof(vcpu->stop_text), format, arguments);
	va_end(arguments);
}

#define EXIT_METERS_BYTES (METER_EXIT_REASONS * sizeof(struct exit_meter))

/* The first one sees to it. */
static void stopped(struct vcpu *vcpu)
{
	struct partition *partition = vcpu->partition;

	__atomic_or_fetch(&partition->events, PARTITION_EVENT_CRASH, __ATOMIC_RELEASE);
	if (vcpu->id == 0) {
		vcpu_act_on_events(partition);
	} else {
		vcpu_request(partition->vcpus[0], VCPU_REQUEST_STOP);
		thread_block();
	}
}

/*
 * Whoever asked for this has asked all of them. Who comes here first waits until the others have
 * left guest mode, too, so that what is gone is gone for all. They hold each other up for no longer
 * than that: none of them holds a lock here, or counts as in guest mode.
 */
static void tables_changed(struct vcpu *vcpu)
{
	const struct partition *partition = vcpu->partition;

	__atomic_and_fetch(&vcpu->requests, ~VCPU_REQUEST_TABLES, __ATOMIC_SEQ_CST);
	virt->vcpu_tables_changed(vcpu);
	for (u32 i = 0; i < partition->vcpu_count; i++) {
		const struct vcpu *other = partition->vcpus[i];

		while (other->in_guest && other->requests & VCPU_REQUEST_TABLES)
			arch_relax();
	}
}

static void look(struct vcpu *vcpu)
{
	if (vcpu->requests & VCPU_REQUEST_DEVICES)
		vcpu_devices_look(vcpu);
	if (vcpu->requests & VCPU_REQUEST_TABLES)
		tables_changed(vcpu);
}

/* What comes before guest code, but for requests. */
inlined void before_run(struct vcpu *vcpu)
{
	kvm_before_run(vcpu);
	if (unlikely(vcpu->late_timers))
		vcpu_devices_catch_up(vcpu);
}

static seldom bool halt_ends(struct vcpu *vcpu, enum thread_waited waited)
{
	if (waited == THREAD_AWAY)
		return false;
	before_run(vcpu);
	return true;
}

/* As run() would, in the midst of virt->vcpu_run. */
bool exit_halt(struct vcpu *vcpu)
{
	enum thread_waited waited;

	vcpu->in_guest = false;
	kvm_after_run(vcpu);
	waited = thread_wait(&vcpu->requests);
	if (likely(waited == THREAD_AT_ONCE && !vcpu->kvm.steal.away))
		return true;
	return halt_ends(vcpu, waited);
}

/* In both loops below, as each turn of them is a wake-up of a guest. */
inlined void run(struct vcpu *vcpu)
{
	enum virt_result result;

	before_run(vcpu);
	if (unlikely(vcpu->requests & (VCPU_REQUEST_DEVICES | VCPU_REQUEST_TABLES)))
		look(vcpu);
	result = virt->vcpu_run(vcpu);
	kvm_after_run(vcpu);
	switch (result) {
	case VIRT_HALTED:
		(void)thread_wait(&vcpu->requests);
		break;
	case VIRT_AWAY:
		break;
	case VIRT_SPINS:
		thread_yield();
		break;
	case VIRT_ATTENTION:
		if (vcpu->requests & VCPU_REQUEST_STOP) {
			__atomic_and_fetch(&vcpu->requests, ~VCPU_REQUEST_STOP, __ATOMIC_ACQUIRE);
			if (vcpu->id == 0)
				vcpu_act_on_events(vcpu->partition);
		}
		thread_reschedule();
		break;
	case VIRT_STOPPED:
		stopped(vcpu);
		break;
	}
}

static u64 blocked_ticks(struct vcpu *vcpu)
{
	u64 times[SCHEDULER_STATES];

	thread_times(&vcpu->thread, times);
	return times[SCHEDULER_BLOCKED];
}

void vcpu_rest(struct vcpu *vcpu)
{
	u64 before = blocked_ticks(vcpu);

	__atomic_store_n(&vcpu->rest_from, before, __ATOMIC_RELAXED);
	thread_block();
	vcpu->rest_ticks += blocked_ticks(vcpu) - before;
	__atomic_store_n(&vcpu->rest_from, VCPU_NOT_RESTING, __ATOMIC_RELAXED);
}

static void leader_main(void *argument)
{
	struct vcpu *vcpu = argument;

	for (;;) {
		enum partition_state state = partition_state_now(vcpu->partition);

		if (likely(state == PARTITION_RUNNING))
			run(vcpu);
		else
			vcpu_lead(vcpu->partition, state);
	}
}

static void follower_main(void *argument)
{
	struct vcpu *vcpu = argument;

	for (;;) {
		if (unlikely(__atomic_load_n(&vcpu->hold, __ATOMIC_ACQUIRE) != VCPU_FREE))
			vcpu_follow(vcpu);
		else if (unlikely(__atomic_load_n(&vcpu->startup, __ATOMIC_ACQUIRE)))
			vcpu_startup_step(vcpu);
		else
			run(vcpu);
	}
}

void vcpu_times(struct vcpu *vcpu, struct vcpu_times *times)
{
	u64 rest_from = __atomic_load_n(&vcpu->rest_from, __ATOMIC_RELAXED);
	u64 guest = __atomic_load_n(&vcpu->guest_ticks, __ATOMIC_ACQUIRE);
	u64 in[SCHEDULER_STATES];

	thread_times(&vcpu->thread, in);
	if ((s64)guest < 0)
		guest += arch_tsc();
	*times = (struct vcpu_times){
		.run = MIN(guest, in[SCHEDULER_RUNNING]),
		.ready = in[SCHEDULER_READY],
		.capped = in[SCHEDULER_CAPPED],
		.paused = vcpu->rest_ticks,
	};
	if (rest_from != VCPU_NOT_RESTING && in[SCHEDULER_BLOCKED] > rest_from)
		times->paused += in[SCHEDULER_BLOCKED] - rest_from;
	times->paused = MIN(times->paused, in[SCHEDULER_BLOCKED]);
	times->exit = in[SCHEDULER_RUNNING] - times->run;
	times->blocked = in[SCHEDULER_BLOCKED] - times->paused;
	for (unsigned i = 0; i < SCHEDULER_STATES; i++)
		times->wall += in[i];
}

/* Nothing of it stays on the CPU that it leaves. */
static void leave(struct thread *thread, u32 to)
{
	virt->vcpu_leave(thread->vcpu);
	vcpu_devices_move(thread->vcpu, to);
}

void vcpu_destroy(struct partition *partition)
{
	struct vcpu *vcpu = partition->vcpus[--partition->vcpu_count];

	thread_destroy(&vcpu->thread);
	virt->vcpu_destroy(vcpu);
	vcpu_devices_destroy(vcpu);
	memory_give(MEMORY_OTHER, vcpu->exit_meters, EXIT_METERS_BYTES);
	memory_give(MEMORY_OTHER, vcpu, sizeof(*vcpu));
	partition->vcpus[partition->vcpu_count] = NULL;
}

static struct vcpu *allocate(struct partition *partition)
{
	struct vcpu *vcpu = memory_take(MEMORY_OTHER, sizeof(struct vcpu));
	u32 id = partition->vcpu_count;

	if (!vcpu)
		return NULL;
	partition->vcpus[partition->vcpu_count++] = vcpu;
	vcpu->id = id;
	vcpu->tag = (u16)(partition->tag + id);
	vcpu->partition = partition;
	vcpu->cpuid = partition->cpuid;
	vcpu->rest_from = VCPU_NOT_RESTING;
	return vcpu;
}

int vcpu_create(struct partition *partition, u32 cpu, const struct cpu_mask *affinity,
		struct scheduler_group *group)
{
	struct vcpu *vcpu = allocate(partition);
	int error;

	if (!vcpu)
		return -ENOMEM;
	vcpu->thread.name = partition->config->name;
	vcpu->thread.number = vcpu->tag;
	vcpu->thread.cpu = cpu;
	vcpu->thread.affinity = *affinity;
	vcpu->thread.vcpu = vcpu;
	vcpu->thread.leave = leave;
	vcpu->exit_meters = memory_take(MEMORY_OTHER, EXIT_METERS_BYTES);
	error = vcpu->exit_meters ? vcpu_devices_create(vcpu) : -ENOMEM;
	error = error ? error : virt->vcpu_create(vcpu);
	error = error ? error
		      : thread_create(&vcpu->thread, &partition->config->claim, group,
				      vcpu->id == 0 ? leader_main : follower_main, vcpu);
	vcpu->thread.entity.family = partition;
	return error;
}
