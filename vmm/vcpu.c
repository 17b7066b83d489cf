/* SPDX-License-Identifier: MIT */
/* vCPUs: the thread, what it does between two stretches of guest code, and requests to it. */
#include "vcpu_thread.h"

#include "vcpu_devices.h"

#include <bulkhead/arch.h>
#include <bulkhead/cpu.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/partition.h>
#include <bulkhead/pc.h>
#include <bulkhead/string.h>
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
	va_start(arguments, format);
	format_list(vcpu->stop_text, sizeof(vcpu->stop_text), format, arguments);
	va_end(arguments);
}

#define CLEAR_BYTES (64 * KIB)

#define RESTART_QUICK_US     10000000UL /* a run shorter than this ended soon */
#define RESTART_FREE	     3		/* so many quick ends in a row have no delay */
#define RESTART_DELAY_US     100000UL
#define RESTART_DELAY_MAX_US 10000000UL

#define EXIT_METERS_BYTES (METER_EXIT_REASONS * sizeof(struct exit_meter))

/* In the middle of long work: others may have this CPU for a while. */
static void let_others_run(void)
{
	timer_run_due();
	arch_interrupts_poll();
	thread_reschedule();
}

/* The same with the partition's memory in sight. */
static void load_breathe(void *context)
{
	const struct partition *partition = context;

	address_space_enter(NULL);
	let_others_run();
	address_space_enter(&partition->space);
}

/* Clear RAM in pieces, so that other threads of this CPU get their turns, and no longer than the
 * partition is wanted to start. */
static void clear(struct partition *partition, u64 gpa, u64 bytes)
{
	for (u64 done = 0; done < bytes; done += CLEAR_BYTES) {
		u64 previous;

		if (partition_state_now(partition) != PARTITION_STARTING)
			return;
		previous = address_space_enter(&partition->space);
		memset(partition->memory.window + gpa + done, 0, MIN(CLEAR_BYTES, bytes - done));
		address_space_leave(previous);
		let_others_run();
	}
}

/* All RAM is cleared, then the guest is put in as its boot protocol says. */
int partition_load(struct partition *partition, char *reason)
{
	struct guest_memory *memory = &partition->memory;
	const struct config_partition *config = partition->config;
	struct load_request request = {
		.kernel = partition->kernel,
		.initrd = partition->initrd,
		.cmdline = config->cmdline,
		.load_address = config->load_address,
		.entry = (int)config->entry,
		.breathe = load_breathe,
		.context = partition,
	};
	struct acpi_request acpi = {.vcpus = config->vcpus};
	struct cpu_state start;
	u64 previous;
	int error;

	clear(partition, 0, memory->low_bytes);
	clear(partition, GUEST_HIGH_BASE, memory->high_bytes);
	previous = address_space_enter(&partition->space);
	error = acpi_build(&acpi, memory, &request.rsdp_gpa);
	if (error)
		format_text(reason, LOAD_REASON_BYTES, "no room for its ACPI tables");
	else
		error = config->boot == CONFIG_BOOT_LINUX
				? load_linux(&request, memory, &start, reason)
				: load_raw(&request, memory, &start, reason);
	address_space_leave(previous);
	if (error)
		return error;
	vcpu_devices_reset(partition);
	virt->vcpu_reset(partition->vcpu, &start);
	return 0;
}

/* Keep what inspection shows, while the CPU still has it. */
static void capture(struct vcpu *vcpu)
{
	virt->vcpu_state(vcpu, &vcpu->state);
	virt->vcpu_capture(vcpu);
}

/* Whatever it was, this run of the partition is over, unless it is in another state meanwhile. */
static bool end(struct partition *partition, enum partition_state from, enum partition_state to,
		const char *reason)
{
	vcpu_devices_stop(partition);
	virt->vcpu_leave(partition->vcpu);
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

static bool restart(struct partition *partition, const char *reason)
{
	u64 delay = 0;
	bool again;

	vcpu_devices_stop(partition);
	spin_lock(&partition->lock);
	again = partition->state == PARTITION_RUNNING;
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
		return restart(partition, reason);
	case CONFIG_ACTION_STOP:
		return end(partition, PARTITION_RUNNING, PARTITION_STOPPED, reason);
	case CONFIG_ACTION_PRESERVE:
		break;
	}
	capture(partition->vcpu);
	partition->kept = true;
	if (end(partition, PARTITION_RUNNING, crashed ? PARTITION_CRASHED : PARTITION_STOPPED,
		reason))
		return true;
	partition->kept = false;
	return false;
}

static void start(struct partition *partition)
{
	char reason[LOAD_REASON_BYTES] = "";
	struct vcpu *vcpu = partition->vcpu;
	bool started;
	int error;

	vcpu_devices_stop(partition);
	partition->kept = false;
	error = partition_load(partition, reason);
	if (error) {
		log_error("%s: cannot start: %s", partition->config->name, reason);
		(void)end(partition, PARTITION_STARTING, PARTITION_STOPPED, reason);
		return;
	}
	vcpu->stop = VCPU_STOP_NONE;
	partition->events = 0;
	spin_lock(&partition->lock);
	started = partition->state == PARTITION_STARTING; /* or stopped meanwhile */
	if (started) {
		partition->state = PARTITION_RUNNING;
		partition->starts++;
		partition->started_us = arch_time_us();
		partition->reason[0] = '\0';
	}
	spin_unlock(&partition->lock);
	if (!started)
		return;
	log_info("%s: started", partition->config->name);
	partition_runs(partition);
}

/* Its time stands still from here on until go_on. */
static void pause(struct partition *partition)
{
	vcpu_devices_pause(partition);
	capture(partition->vcpu);
	virt->vcpu_leave(partition->vcpu);
	partition_state_change(partition, PARTITION_PAUSING, PARTITION_PAUSED);
}

static void go_on(struct partition *partition)
{
	vcpu_devices_resume(partition);
	virt->vcpu_time_changed(partition->vcpu);
	partition_state_change(partition, PARTITION_RESUMING, PARTITION_RUNNING);
	partition_runs(partition);
}

/* Until another partition runs, or until its delay is over: see who wakes it, and start when it
 * may. */
static bool wait_is_over(struct partition *partition)
{
	if (partition->start_at)
		return arch_tsc() >= partition->start_at;
	return partition_after_runs(partition);
}

/* What the guest asked its board for. */
static void act_on_events(struct partition *partition)
{
	u32 events = __atomic_exchange_n(&partition->events, 0, __ATOMIC_ACQUIRE);
	bool done = true;

	if (events & 1u << DEVICE_EVENT_POWER_OFF)
		done = ended(partition, partition->config->on_poweroff, false,
			     "powered off by the guest");
	else if (events & 1u << DEVICE_EVENT_RESET)
		done = ended(partition, partition->config->on_reset, false, "reset by the guest");
	if (done)
		return;
	/* When it goes on after a pause. */
	__atomic_or_fetch(&partition->events, events, __ATOMIC_RELEASE);
	vcpu_request(partition->vcpu, VCPU_REQUEST_STOP);
}

/* A guest that cannot go on: how it left its CPU, for whoever has to find out why. */
static void say_where(struct vcpu *vcpu)
{
	const char *name = vcpu->partition->config->name;
	struct cpu_state s;

	virt->vcpu_state(vcpu, &s);
	log_info("%s: rip %016lx  rsp %016lx  rflags %08lx", name, s.rip, s.gpr[GPR_RSP], s.rflags);
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

/* A guest that wants to know is told how long it waited for this CPU. */
static void steal_update(struct vcpu *vcpu)
{
	struct partition *partition = vcpu->partition;
	const u64 *times = vcpu->thread.entity.times;
	u64 waited = times[SCHEDULER_READY] + times[SCHEDULER_CAPPED], ticks, previous;

	ticks = steal_time_take(&vcpu->msrs.steal, waited);
	if (likely(!ticks))
		return;
	previous = address_space_enter(&partition->space);
	steal_time_add(&vcpu->msrs.steal, &partition->memory, ticks, arch_tsc_hz());
	address_space_leave(previous);
}

static void run(struct partition *partition)
{
	struct vcpu *vcpu = partition->vcpu;

	steal_update(vcpu);
	if (unlikely(vcpu->late_timers))
		vcpu_devices_catch_up(vcpu);
	if (unlikely(vcpu->requests & VCPU_REQUEST_DEVICES))
		vcpu_devices_look(vcpu);
	switch (virt->vcpu_run(vcpu)) {
	case VIRT_HALTED:
		thread_block();
		break;
	case VIRT_SPINS:
		thread_yield();
		break;
	case VIRT_ATTENTION:
		if (vcpu->requests & VCPU_REQUEST_STOP) {
			__atomic_and_fetch(&vcpu->requests, ~VCPU_REQUEST_STOP, __ATOMIC_ACQUIRE);
			act_on_events(partition);
		}
		thread_reschedule();
		break;
	case VIRT_STOPPED:
		/* Of a loop of crashes the first one tells. */
		if (partition->config->on_crash != CONFIG_ACTION_RESTART || !partition->quick_ends)
			say_where(vcpu);
		/* What cannot be now comes again: it stays stopped. */
		(void)ended(partition, partition->config->on_crash, true, vcpu->stop_text);
		break;
	}
}

static u64 blocked_ticks(struct vcpu *vcpu)
{
	u64 times[SCHEDULER_STATES];

	thread_times(&vcpu->thread, times);
	return times[SCHEDULER_BLOCKED];
}

/* Blocked, but not by the guest's own will: that time is counted apart. */
static void rest(struct vcpu *vcpu)
{
	u64 before = blocked_ticks(vcpu);

	__atomic_store_n(&vcpu->rest_from, before, __ATOMIC_RELAXED);
	thread_block();
	vcpu->rest_ticks += blocked_ticks(vcpu) - before;
	__atomic_store_n(&vcpu->rest_from, VCPU_NOT_RESTING, __ATOMIC_RELAXED);
}

static void vcpu_main(void *argument)
{
	struct partition *partition = argument;

	for (;;) {
		switch (partition_state_now(partition)) {
		case PARTITION_STARTING:
			start(partition);
			break;
		case PARTITION_RUNNING:
			run(partition);
			break;
		case PARTITION_PAUSING:
			pause(partition);
			break;
		case PARTITION_RESUMING:
			go_on(partition);
			break;
		case PARTITION_STOPPING:
			partition->kept = false;
			(void)end(partition, PARTITION_STOPPING, PARTITION_STOPPED,
				  "stopped by the operator");
			break;
		case PARTITION_WAITING:
			if (wait_is_over(partition))
				partition_state_change(partition, PARTITION_WAITING,
						       PARTITION_STARTING);
			else
				rest(partition->vcpu);
			break;
		case PARTITION_STOPPED:
		case PARTITION_PAUSED:
		case PARTITION_CRASHED:
			rest(partition->vcpu);
			break;
		}
	}
}

void vcpu_times(struct vcpu *vcpu, struct vcpu_times *times)
{
	u64 rest_from = __atomic_load_n(&vcpu->rest_from, __ATOMIC_RELAXED);
	u64 in[SCHEDULER_STATES], guest, entered;

	do { /* while it enters or leaves the guest the two do not belong together */
		entered = __atomic_load_n(&vcpu->entered_at, __ATOMIC_ACQUIRE);
		guest = __atomic_load_n(&vcpu->guest_ticks, __ATOMIC_ACQUIRE);
	} while (entered != __atomic_load_n(&vcpu->entered_at, __ATOMIC_ACQUIRE));
	thread_times(&vcpu->thread, in);
	if (entered)
		guest += arch_tsc() - entered;
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
	vcpu_devices_move(thread->vcpu->partition, to);
}

void vcpu_destroy(struct partition *partition)
{
	struct vcpu *vcpu = partition->vcpu;

	thread_destroy(&vcpu->thread);
	virt->vcpu_destroy(vcpu);
	vcpu_devices_destroy(partition);
	memory_free(vcpu->exit_meters, memory_order(EXIT_METERS_BYTES));
	memory_free(vcpu, memory_order(sizeof(*vcpu)));
	partition->vcpu = NULL;
}

int vcpu_create(struct partition *partition, u32 cpu, const struct cpu_mask *affinity,
		struct scheduler_group *group)
{
	struct vcpu *vcpu = memory_alloc(memory_order(sizeof(struct vcpu)));
	int error;

	if (!vcpu)
		return -ENOMEM;
	partition->vcpu = vcpu;
	vcpu->partition = partition;
	vcpu->rest_from = VCPU_NOT_RESTING;
	vcpu->thread.name = partition->config->name;
	vcpu->thread.number = partition->number;
	vcpu->thread.cpu = cpu;
	vcpu->thread.affinity = *affinity;
	vcpu->thread.vcpu = vcpu;
	vcpu->thread.leave = leave;
	vcpu->exit_meters = memory_alloc(memory_order(EXIT_METERS_BYTES));
	error = vcpu->exit_meters ? vcpu_devices_create(partition) : -ENOMEM;
	error = error ? error : virt->vcpu_create(vcpu);
	error = error ? error
		      : thread_create(&vcpu->thread, &partition->config->claim, group, vcpu_main,
				      partition);
	if (error)
		vcpu_destroy(partition);
	else
		thread_wake(&vcpu->thread); /* its first rest begins now */
	return error;
}
