/* SPDX-License-Identifier: MIT */
/*
 * The world of a vCPU, for tests: its thread really runs, on a stack of its own, whenever the test
 * lets it; loaders, devices and the virtualisation backend are fakes that tell in `story` when they
 * are called, one letter a call, with a digit behind it if it is for another vCPU than the first;
 * the guest is a function of the test. Everything is on CPU 0.
 */
#pragma once

#include "fake_machine.h"

#include <ucontext.h>

#include <bulkhead/exit.h>
#include <bulkhead/pc.h>
#include <bulkhead/virt.h>

#include "vmm/partition_memory.h"
#include "vmm/vcpu_devices.h"
#include "vmm/vcpu_thread.h"

#define THREADS	    8
#define STACK_BYTES (256 * KIB)
#define RAM_BYTES   (128 * KIB)
#define TOUCH_BYTES (2 * PARTITION_TOUCH_BYTES) /* RAM of those where it is cleared on touch */
#define TURNS	    64
#define MS	    1000000UL /* ticks */

/* A thread, and where it goes on. */
struct fake_thread {
	struct thread *thread; /* NULL: free */
	ucontext_t context;
	u8 *stack;
	u64 created; /* TSC */
};

static struct fake_thread threads[THREADS], *running;
static ucontext_t operator;
static struct thread operator_thread;
static const struct thread *fake_starved; /* never has its turn */
static bool stack_fails, virt_fails, load_fails;
static unsigned yields, reschedules;
static void (*on_reschedule)(void), (*on_poll)(void);
static const struct address_space *fake_in_sight; /* NULL: the hypervisor's own */
static bool fake_stale; /* this CPU has cached of it what is not mapped any more */

/* What happened: one letter for each call, see the fakes. */
static char story[512];
static u64 held; /* of which vCPUs a CPU has the state: bits by id */
static u32 loads[CONFIG_BOOT_UEFI + 1];
static enum virt_result (*guest)(struct vcpu *vcpu);

static void say(char letter)
{
	size_t length = strlen(story);

	if (length == sizeof(story) - 1)
		length = 0;
	story[length] = letter;
	story[length + 1] = '\0';
}

static void say_of(const struct vcpu *vcpu, char letter)
{
	say(letter);
	if (vcpu->id)
		say((char)('0' + vcpu->id));
}

static void expect_story(const char *text)
{
	assert_string_equal(story, text);
	story[0] = '\0';
}

/* --- threads --- */

static struct fake_thread *fake_of(const struct thread *thread)
{
	u32 i = 0;

	while (i < THREADS && threads[i].thread != thread)
		i++;
	assert_true(i < THREADS);
	return &threads[i];
}

static void state_set(struct fake_thread *fake, enum scheduler_state state)
{
	struct scheduler_entity *entity = &fake->thread->entity;

	entity->times[entity->state] += fake_tsc - entity->state_since;
	entity->state_since = fake_tsc;
	entity->state = state;
}

static void thread_begin(void)
{
	running->thread->main(running->thread->argument);
	fail_msg("a vCPU's thread ended");
}

int thread_create(struct thread *thread, const struct scheduler_claim *claim,
		  struct scheduler_group *group, void (*main)(void *argument), void *argument)
{
	struct fake_thread *fake;

	(void)group;
	if (stack_fails)
		return -ENOMEM;
	fake = fake_of(NULL);
	*fake = (struct fake_thread){.thread = thread, .created = fake_tsc};
	thread->entity.state_since = fake_tsc;
	fake->stack = malloc(STACK_BYTES);
	thread->stack_top = (u64)fake->stack;
	thread->main = main;
	thread->argument = argument;
	thread->entity.claim = *claim;
	getcontext(&fake->context);
	fake->context.uc_stack.ss_sp = fake->stack;
	fake->context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&fake->context, thread_begin, 0);
	return 0;
}

bool thread_retire(struct thread *thread)
{
	return thread->entity.state == SCHEDULER_BLOCKED;
}

void thread_revive(struct thread *thread)
{
	fail_msg("%s was not retired with all others", thread->name);
}

void thread_destroy(struct thread *thread)
{
	if (!thread->stack_top)
		return;
	assert_int_equal(thread->entity.state, SCHEDULER_BLOCKED); /* nobody is on its stack */
	free(fake_of(thread)->stack);
	fake_of(thread)->thread = NULL;
}

/* What happens when a vCPU's thread has woken another. */
static void (*on_wake)(struct vcpu *waker);

void thread_wake(struct thread *thread)
{
	if (thread->entity.state != SCHEDULER_BLOCKED)
		thread->wake_pending = true;
	else
		state_set(fake_of(thread), SCHEDULER_READY);
	thread->wakeups++;
	if (on_wake && running)
		on_wake(running->thread->vcpu);
}

/* Back to the operator until it is this one's turn again. */
static void give_up(enum scheduler_state state)
{
	struct fake_thread *self = running;

	assert_true(fake_unlocked(&self->thread->vcpu->partition->lock));
	state_set(self, state);
	swapcontext(&self->context, &operator);
	state_set(self, SCHEDULER_RUNNING);
}

void thread_block(void)
{
	struct thread *thread = running->thread;

	if (thread->wake_pending)
		thread->wake_pending = false;
	else
		give_up(SCHEDULER_BLOCKED);
}

/* What happens while one waits for its CPU in place, once. */
static void (*on_wait)(struct vcpu *vcpu);

enum thread_waited thread_wait(const volatile u32 *wanted)
{
	void (*hook)(struct vcpu * vcpu) = on_wait;

	on_wait = NULL;
	if (hook) {
		hook(running->thread->vcpu);
		return THREAD_STAYED;
	}
	if (*wanted)
		return THREAD_AT_ONCE;
	thread_block();
	return THREAD_AWAY;
}

void thread_reschedule(void)
{
	assert_null(fake_in_sight); /* of whoever is next */
	reschedules++;
	if (on_reschedule)
		on_reschedule();
	give_up(SCHEDULER_READY);
}

void thread_yield(void)
{
	yields++;
	give_up(SCHEDULER_READY);
}

/* One turn for each that wants one; whether there was any. */
static bool turn(void)
{
	bool any = false;

	timer_run_due();
	for (u32 i = 0; i < THREADS; i++) {
		if (!threads[i].thread || threads[i].thread == fake_starved ||
		    threads[i].thread->entity.state != SCHEDULER_READY)
			continue;
		any = true;
		running = &threads[i];
		cpus[0]->thread = threads[i].thread;
		fake_tsc += 10;
		swapcontext(&operator, & threads[i].context);
		cpus[0]->thread = &operator_thread;
		running = NULL;
	}
	return any;
}

static void let_run(void)
{
	for (unsigned i = 0; i < TURNS && turn(); i++)
		;
}

void thread_sleep_until(u64 tsc)
{
	assert_null(running);
	let_run();
	fake_tsc = MAX(fake_tsc, tsc);
	let_run();
}

void thread_times(struct thread *thread, u64 times[SCHEDULER_STATES])
{
	memcpy(times, thread->entity.times, sizeof(thread->entity.times));
	times[thread->entity.state] += fake_tsc - thread->entity.state_since;
}

void thread_claim_set(struct thread *thread, const struct scheduler_claim *claim)
{
	thread->entity.claim = *claim;
}

void thread_affinity_set(struct thread *thread, const struct cpu_mask *affinity)
{
	thread->affinity = *affinity;
}

bool thread_group_set(struct thread *thread, struct scheduler_group *group)
{
	(void)thread;
	(void)group;
	return true;
}

/* --- memory and loading --- */

int partition_memory_create(struct partition *partition, char *reason)
{
	static u8 touched[TOUCH_BYTES / PARTITION_TOUCH_BYTES];
	bool on_touch = partition->config->clear_memory == CONFIG_CLEAR_ON_TOUCH;

	(void)reason;
	partition->touched = on_touch ? touched : NULL;
	partition->memory.low_bytes = on_touch ? TOUCH_BYTES : RAM_BYTES;
	partition->memory.window = memory_take(MEMORY_OTHER, partition->memory.low_bytes);
	return partition->memory.window ? 0 : -ENOMEM;
}

void partition_memory_destroy(struct partition *partition)
{
	memory_give(MEMORY_OTHER, partition->memory.window, partition->memory.low_bytes);
}

u64 address_space_enter(const struct address_space *space)
{
	u64 previous = (u64)fake_in_sight;

	fake_stale = fake_stale && space == fake_in_sight;
	fake_in_sight = space;
	return previous;
}

void address_space_leave(u64 previous)
{
	(void)address_space_enter((const struct address_space *)previous);
}

void arch_interrupts_poll(void)
{
	if (on_poll)
		on_poll();
}

/* All RAM is clear when the first that writes to it comes; what it leaves is to be cleared. */
int acpi_build(const struct acpi_request *request, struct guest_memory *memory, u64 *rsdp_gpa)
{
	assert_int_equal(request->vcpus, partition_first()->config->vcpus);
	assert_false(fake_stale);
	for (u64 i = 0; i < memory->low_bytes; i++)
		assert_int_equal(memory->window[i], 0);
	memset(memory->window, 0xa5, memory->low_bytes);
	*rsdp_gpa = 0xe0000;
	return 0;
}

int smbios_build(const struct smbios_request *request, struct guest_memory *memory)
{
	assert_int_equal(request->vcpus, partition_first()->config->vcpus);
	assert_int_equal(request->low_bytes, memory->low_bytes);
	return 0;
}

/* None of them has a firmware. */
int load_linux_setup(const struct load_file *kernel, u32 *setup_bytes, char *reason)
{
	(void)kernel;
	(void)setup_bytes;
	(void)reason;
	fail();
	return -ENOEXEC;
}

int fw_cfg_build(const struct fw_cfg_request *request, u8 *area, u64 room, struct fw_cfg *fw_cfg)
{
	(void)request;
	(void)area;
	(void)room;
	(void)fw_cfg;
	fail();
	return -ENOSPC;
}

int load_guest(const struct load_request *request, struct guest_memory *memory,
	       struct cpu_state *start, char *reason)
{
	(void)memory;
	assert_int_equal(request->rsdp_gpa, 0xe0000);
	assert_in_range(request->boot, CONFIG_BOOT_LINUX, CONFIG_BOOT_UEFI);
	loads[request->boot]++;
	*start = (struct cpu_state){.rip = 0x1234};
	if (!load_fails)
		return 0;
	strcpy(reason, "no kernel in it");
	return -ENOEXEC;
}

/* --- devices --- */

int vcpu_devices_create(struct vcpu *vcpu)
{
	if (vcpu->id)
		return 0;
	vcpu->partition->pc = memory_take(MEMORY_DEVICES, PAGE_SIZE);
	return vcpu->partition->pc ? 0 : -ENOMEM;
}

void vcpu_devices_destroy(struct vcpu *vcpu)
{
	if (!vcpu->id)
		memory_give(MEMORY_DEVICES, vcpu->partition->pc, PAGE_SIZE);
}

void vcpu_timer_stop(struct vcpu *vcpu)
{
	say_of(vcpu, 'x');
}

void vcpu_timer_go_on(struct vcpu *vcpu)
{
	say_of(vcpu, 'g');
}

void vcpu_devices_init(struct vcpu *vcpu)
{
	say_of(vcpu, 'i');
}

/* What is done to all is done while the others stand still, and nobody holds them. */
static void all_stand(const struct partition *partition)
{
	assert_int_equal(held & ~1UL, 0);
	for (u32 i = 1; i < partition->vcpu_count; i++)
		assert_int_equal(partition->vcpus[i]->hold, VCPU_STANDS);
}

/* It is as if all of it were cleared by a touch. */
void partition_touch_forget(struct partition *partition, u64 gpa, u64 bytes)
{
	all_stand(partition);
	assert_true(gpa >= PARTITION_TOUCH_BYTES && gpa + bytes <= partition->memory.low_bytes);
	memset(partition->memory.window + gpa, 0, bytes);
	fake_stale = fake_in_sight;
	say('u');
}

/* What the operator does meanwhile, once. */
static void (*on_devices_stop)(void);

void vcpu_devices_stop(struct partition *partition)
{
	void (*hook)(void) = on_devices_stop;

	all_stand(partition);
	say('x');
	on_devices_stop = NULL;
	if (hook)
		hook();
}

void vcpu_devices_pause(struct partition *partition)
{
	all_stand(partition);
	say('p');
}

void vcpu_devices_catch_up(struct vcpu *vcpu)
{
	vcpu->late_timers = 0;
	say('l');
}

void vcpu_devices_look(struct vcpu *vcpu)
{
	vcpu->requests &= ~VCPU_REQUEST_DEVICES;
	say('n');
}

void vcpu_devices_resume(struct partition *partition)
{
	all_stand(partition);
	say('r');
}

void vcpu_devices_move(struct vcpu *vcpu, u32 cpu)
{
	(void)vcpu;
	say((char)('0' + cpu));
}

void vcpu_devices_reset(struct partition *partition)
{
	for (u32 i = 0; i < partition->vcpu_count; i++)
		partition->vcpus[i]->requests = 0;
	all_stand(partition);
	say('d');
}

/* Whether the guest listens to its power button. */
static bool button_heard;

bool vcpu_devices_power_button(struct partition *partition)
{
	assert_int_equal(partition->state, PARTITION_RUNNING);
	say('b');
	return button_heard;
}

u32 arch_guest_signature(void)
{
	return 0x306c3;
}

u64 pc_absent_accesses(const struct pc *pc)
{
	assert_non_null(pc);
	return 3;
}

/* --- the virtualisation backend --- */

static int fake_vcpu_create(struct vcpu *vcpu)
{
	vcpu->virt = memory_take(MEMORY_OTHER, PAGE_SIZE);
	return vcpu->virt && !virt_fails ? 0 : -ENOMEM;
}

static void fake_vcpu_destroy(struct vcpu *vcpu)
{
	/* A CPU that still had it would write to it later. */
	assert_false(held & BIT(vcpu->id));
	memory_give(MEMORY_OTHER, vcpu->virt, PAGE_SIZE);
}

static void fake_vcpu_reset(struct vcpu *vcpu, const struct cpu_state *state)
{
	assert_int_equal(state->rip, vcpu->id ? 0xfff0 : 0x1234);
	held |= BIT(vcpu->id);
	say_of(vcpu, 'S');
}

static struct cpu_state initial; /* of the last vcpu_init */

static void fake_vcpu_init_state(struct vcpu *vcpu, const struct cpu_state *state)
{
	held |= BIT(vcpu->id);
	initial = *state;
	say_of(vcpu, 'I');
}

static enum virt_result fake_vcpu_run(struct vcpu *vcpu)
{
	enum virt_result result;

	assert_int_equal(vcpu->thread.entity.state, SCHEDULER_RUNNING);
	if (vcpu->id && vcpu->stop != VCPU_STOP_NONE)
		return VIRT_STOPPED;
	assert_int_equal(vcpu->stop, VCPU_STOP_NONE);
	assert_int_equal(vcpu->startup, 0);
	held |= BIT(vcpu->id);
	say_of(vcpu, 'R');
	vcpu->requests &= ~(VCPU_REQUEST_INTERRUPT | VCPU_REQUEST_NMI); /* seen to at each entry */
	vcpu->guest_ticks -= fake_tsc;
	fake_tsc += 1000;
	result = guest(vcpu);
	vcpu->guest_ticks += fake_tsc;
	fake_tsc += 100;
	return vcpu->requests & VCPU_REQUEST_STOP && result == VIRT_HALTED ? VIRT_ATTENTION
									   : result;
}

static void fake_vcpu_leave(struct vcpu *vcpu)
{
	held &= ~BIT(vcpu->id);
	say_of(vcpu, 'l');
}

static void fake_vcpu_time_changed(struct vcpu *vcpu)
{
	held |= BIT(vcpu->id);
	say_of(vcpu, 't');
}

static void fake_vcpu_state(struct vcpu *vcpu, struct cpu_state *state)
{
	held |= BIT(vcpu->id);
	*state = (struct cpu_state){.rip = 0x5678, .gpr[GPR_RAX] = vcpu->exits};
	say_of(vcpu, 's');
}

static void fake_vcpu_capture(struct vcpu *vcpu)
{
	assert_true(held & BIT(vcpu->id));
	say_of(vcpu, 'c');
}

/* KVM's dialect, of which tests of the thread use the record of stolen time only. */
const struct boot_info *boot_info;

static bool fake_eoi_exits(void)
{
	return false;
}

static void fake_vcpu_flush(struct vcpu *vcpu unused)
{
	fail_msg("nobody asked for that");
}

static void fake_vcpu_tables_changed(struct vcpu *vcpu)
{
	say_of(vcpu, 't');
}

void vlapic_eoi(struct vlapic *apic unused)
{
	fail_msg("nobody asked for that");
}

void vlapic_send_ipi(struct vlapic *apic unused, u64 icr unused)
{
	fail_msg("nobody asked for that");
}

static const struct virt_backend backend = {
	.vcpu_create = fake_vcpu_create,
	.vcpu_destroy = fake_vcpu_destroy,
	.vcpu_reset = fake_vcpu_reset,
	.vcpu_init = fake_vcpu_init_state,
	.vcpu_run = fake_vcpu_run,
	.vcpu_leave = fake_vcpu_leave,
	.vcpu_time_changed = fake_vcpu_time_changed,
	.vcpu_flush = fake_vcpu_flush,
	.vcpu_tables_changed = fake_vcpu_tables_changed,
	.eoi_exits = fake_eoi_exits,
	.vcpu_state = fake_vcpu_state,
	.vcpu_capture = fake_vcpu_capture,
};
const struct virt_backend *virt = &backend;

/* Of a test, so that each begins in the same way. */
static inline void fake_vcpu_init(void)
{
	fake_machine_init();
	cpus[0]->thread = &operator_thread;
	memset(threads, 0, sizeof(threads));
	running = NULL;
	fake_starved = NULL;
	stack_fails = virt_fails = load_fails = false;
	held = 0;
	yields = reschedules = 0;
	memset(loads, 0, sizeof(loads));
	on_reschedule = NULL;
	on_devices_stop = NULL;
	on_wake = NULL;
	button_heard = false;
	story[0] = '\0';
}
