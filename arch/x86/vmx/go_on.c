/* SPDX-License-Identifier: MIT */
/*
 * What comes between the handler of an exit and the guest: time, interrupts, and whoever else wants
 * the CPU. vmx_go_on is the short way, vmx_prepare the long one.
 *
 * An NMI may come at any time, to say that something has changed (kick.c). Before the last look at
 * cpu->resumes it is seen there. After that it is seen by the preemption timer, which it lets end
 * the entry; so the timer is always set before the look.
 */
#include "vmx.h"

#include "../arch_cpu.h"
#include "../instructions.h"
#include "instructions.h"

#include <bulkhead/arch.h>
#include <bulkhead/exit.h>
#include <bulkhead/trace.h>

/* Until when nothing is due that needs this CPU, and no longer than the timer can count. */
static inline u64 leave_at_find(const struct cpu *cpu, u64 now)
{
	u64 at = timer_or_slice_end(cpu);

	return MIN(at, now + vmx_machine.preemption_most);
}

/*
 * The timer counts TSC ticks shifted right (SDM vol. 3, 25.5.1): never later than the moment. It
 * starts anew at each entry.
 */
static inline void preemption_timer_arm(u64 ticks)
{
	vmwrite_sure(PREEMPTION_TIMER, ticks >> vmx_machine.caps.preemption_shift);
}

/* The time since the exit was the hypervisor's. */
static inline void meter_exit(struct vcpu *vcpu, u64 now)
{
	exit_meter_add(&vcpu->exit_meters[vcpu->exit_reason], now - vcpu->exit_at);
}

/* Whether something comes before guest code; then vmx->result says what. */
static bool must_leave(struct vcpu *vcpu, u64 now)
{
	struct cpu *cpu = cpu_this();
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	if (now >= timer_first(cpu) || cpu->attention & CPU_ATTENTION_TIMER)
		timer_run_due();
	if (unlikely(vcpu->stop != VCPU_STOP_NONE)) {
		vmx->result = VIRT_STOPPED;
		return true;
	}
	if (unlikely(cpu->attention || vcpu->requests & VCPU_REQUESTS_LEAVE ||
		     now >= cpu->slice_end)) {
		vmx->result = VIRT_ATTENTION;
		return true;
	}
	if (unlikely(vmx->spins)) {
		vmx->spins = false;
		vmx->result = VIRT_SPINS;
		return true;
	}
	return false;
}

/* Interrupts are seen to. Whether the guest stays halted all the same, and nobody wants it not to.
 */
static bool stays_halted(struct vcpu *vcpu)
{
	if (vcpu->requests)
		vmx_interrupt_deliver(vcpu);
	if (unlikely(vcpu->halted) && vcpu_take_kick(vcpu))
		vcpu->halted = false;
	return vcpu->halted;
}

/*
 * The guest stays halted: wait for what ends that. In an exit it is done here, as most often nobody
 * else wants the CPU meanwhile, and then all that is in it is there still. False: leave.
 */
static bool wait_here(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	vmx->result = VIRT_HALTED;
	if (!vcpu->exit_at)
		return false;
	meter_exit(vcpu, tsc_read());
	vcpu->exit_at = 0;
	vmx->launched = true;
	vmx->result = VIRT_AWAY;
	if (!exit_halt(vcpu))
		return false;
	/* As in vcpu_run. */
	__atomic_store_n(&vcpu->in_guest, true, __ATOMIC_SEQ_CST);
	return true;
}

/* Interrupts that were seen to just now may have become some of another vCPU of this CPU. */
static bool is_wanted(struct vcpu *vcpu)
{
	if (likely(!cpu_this()->attention))
		return false;
	vmx_of(vcpu)->result = VIRT_ATTENTION;
	return true;
}

void vmx_entry_end(void)
{
	preemption_timer_arm(0);
}

/* All is seen to but time. */
static void prepare_entry(struct vcpu *vcpu)
{
	struct cpu *cpu = cpu_this();
	u64 now = tsc_read();

	cpu->leave_at = leave_at_find(cpu, now);
	preemption_timer_arm(cpu->leave_at > now ? cpu->leave_at - now : 0);
	if (vcpu->exit_at)
		meter_exit(vcpu, now);
	trace(TRACE_ENTRY, vcpu->thread.number, 0);
	vcpu->guest_ticks -= now;
}

/* It was not entered after all. The exit, if one led here, is metered. */
static void unprepare_entry(struct vcpu *vcpu)
{
	vcpu->guest_ticks += tsc_read();
	vcpu->exit_at = 0;
}

static bool leave(struct vcpu *vcpu)
{
	if (vcpu->exit_at)
		meter_exit(vcpu, tsc_read());
	vcpu->exit_at = 0;
	vcpu->in_guest = false;
	cpu_this()->resumes = NULL;
	return false;
}

/* False: leave. */
static bool nothing_is_wanted(struct vcpu *vcpu)
{
	do {
		if (vcpu->requests & VCPU_REQUEST_BACKEND)
			__atomic_and_fetch(&vcpu->requests, ~VCPU_REQUEST_BACKEND,
					   __ATOMIC_RELAXED);
		cpu_this()->resumes = vcpu;
		arch_interrupts_poll();
		if (must_leave(vcpu, tsc_read()))
			return false;
		if (likely(!stays_halted(vcpu)))
			break;
	} while (wait_here(vcpu));
	return likely(!vcpu->halted && !is_wanted(vcpu));
}

bool vmx_prepare(struct vcpu *vcpu)
{
	for (;;) {
		if (!nothing_is_wanted(vcpu))
			return leave(vcpu);
		prepare_entry(vcpu);
		if (likely(cpu_this()->resumes))
			return true;
		unprepare_entry(vcpu);
	}
}

/* cpu->resumes is NULL after vmx_go_on. */
bool vmx_entry_stopped(struct vcpu *vcpu)
{
	if (!vcpu->in_guest) /* vmx_prepare has left it */
		return false;
	unprepare_entry(vcpu);
	return vmx_prepare(vcpu);
}

/* What waits for the guest, which has not halted, is seen to. Whether that was all. */
inlined bool interrupt_only(struct vcpu *vcpu)
{
	vmx_interrupt_deliver(vcpu);
	/* The end of an interrupt can be the beginning of another vCPU's, here. */
	return !(vcpu->requests | CPU_FIELD(attention));
}

static seldom void count_unusual(struct vcpu *vcpu, u64 ticks)
{
	exit_meter_add_unusual(&vcpu->exit_meters[vcpu->exit_reason], ticks);
}

/* Until leave_at. What is called here is called at the end, so that no frame is needed. */
inlined void go_on_in_time(struct vcpu *vcpu)
{
	u64 now = tsc_read(), left;
	struct exit_meter *meter;

	if (unlikely(__builtin_sub_overflow(CPU_FIELD(leave_at), now, &left))) {
		(void)vmx_prepare(vcpu);
		return;
	}
	vcpu->guest_ticks -= now;
	preemption_timer_arm(left);
	now -= vcpu->exit_at;
	meter = &vcpu->exit_meters[vcpu->exit_reason];
	if (unlikely(exit_meter_is_unusual(meter, now)))
		count_unusual(vcpu, now);
	else
		exit_meter_add_usual(meter, now);
}

/* One or both of the words are not 0. */
static seldom void go_on_wanted(struct vcpu *vcpu, u32 words)
{
	if (words == VCPU_REQUEST_INTERRUPT && interrupt_only(vcpu))
		go_on_in_time(vcpu);
	else
		(void)vmx_prepare(vcpu);
}

/*
 * The usual way back: nobody wants this CPU but the guest, which wants an interrupt at most.
 * Whatever does not depend on time shows in one of two words; time is up at leave_at.
 */
void vmx_go_on(struct vcpu *vcpu)
{
	u32 words = CPU_FIELD(attention);
	bool wanted;

	/* A compiler loads what is volatile by itself first. */
	__asm__ volatile("orl %2, %0" : "+r"(words), "=@ccnz"(wanted) : "m"(vcpu->requests));
	if (unlikely(wanted))
		go_on_wanted(vcpu, words);
	else
		go_on_in_time(vcpu);
}

/* Most often it is the guest's own timer. Whatever else it is shows before the next entry. */
void vmx_exit_preemption_timer(struct vcpu *vcpu)
{
	struct cpu *cpu = cpu_this();
	u64 now = tsc_read();

	if (likely(now >= cpu->timer_own_next))
		timer_own_fire(cpu);
	else if (now >= cpu->timer_next)
		timer_run_due();
	else
		return;
	cpu->leave_at = leave_at_find(cpu, now);
	if (vcpu->requests & VCPU_REQUEST_INTERRUPT)
		vmx_interrupt_deliver(vcpu);
}
