/* SPDX-License-Identifier: MIT */
/*
 * What comes between the handler of an exit and the guest: time, interrupts, and whoever else wants
 * the CPU. vmx_go_on is the short way, vmx_prepare the long one.
 */
#include "vmx.h"

#include "../arch_cpu.h"
#include "../instructions.h"
#include "instructions.h"

#include <bulkhead/arch.h>
#include <bulkhead/exit.h>
#include <bulkhead/trace.h>

/* Until when nothing is due that needs this CPU, and no longer than the timer can count. */
static inline u64 leave_at_find(const struct cpu *cpu, const struct vmx_vcpu *vmx, u64 now)
{
	u64 timer = timer_first(cpu), at = MIN(timer, cpu->slice_end);

	return MIN(MIN(at, vmx->look_at), now + vmx_machine.preemption_most);
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

/* Take what the guest may have hidden from us: see THREAD_WATCHDOG_US. */
static void look_around(struct vcpu *vcpu, u64 now)
{
	arch_interrupts_poll();
	vmx_of(vcpu)->look_at = now + vmx_machine.look_ticks;
}

/*
 * A guest that masks interrupts may hide the host's too, on emulators: it is left for a look
 * around. One that does not mask them then is left alone: only its next exit comes here again,
 * because of the request.
 */
static void leave_alone(struct vcpu *vcpu)
{
	if (!(vmread(GUEST_RFLAGS) & RFLAGS_IF))
		return;
	vmx_of(vcpu)->look_at = VMX_LOOK_NEXT;
	__atomic_or_fetch(&vcpu->requests, VCPU_REQUEST_BACKEND, __ATOMIC_RELAXED);
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
	bool taken = vcpu->requests && vmx_interrupt_deliver(vcpu);

	if (likely(!vcpu->halted || taken) || vcpu_take_kick(vcpu)) {
		vcpu->halted = false;
		return false;
	}
	return true;
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
	/* As in vcpu_run. Interrupts were on: nothing of the machine's is hidden now. */
	__atomic_store_n(&vcpu->in_guest, true, __ATOMIC_SEQ_CST);
	vmx->look_at = tsc_read() + vmx_machine.look_ticks;
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

/* All is seen to but time. */
static void prepare_entry(struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
	struct cpu *cpu = cpu_this();
	u64 now = tsc_read();

	cpu->leave_at = leave_at_find(cpu, vmx, now);
	preemption_timer_arm(cpu->leave_at > now ? cpu->leave_at - now : 0);
	if (vcpu->exit_at)
		meter_exit(vcpu, now);
	trace(TRACE_ENTRY, vcpu->thread.number, 0);
	vcpu->guest_ticks -= now;
}

static struct vcpu *leave(struct vcpu *vcpu)
{
	if (vcpu->exit_at)
		meter_exit(vcpu, tsc_read());
	vcpu->exit_at = 0;
	return NULL;
}

struct vcpu *vmx_prepare(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	bool look;

	do {
		u64 now = tsc_read();

		look = now >= vmx->look_at;
		if (vcpu->requests & VCPU_REQUEST_BACKEND)
			__atomic_and_fetch(&vcpu->requests, ~VCPU_REQUEST_BACKEND,
					   __ATOMIC_RELAXED);
		if (unlikely(look || vmx->look_at == VMX_LOOK_NEXT))
			look_around(vcpu, now);
		if (must_leave(vcpu, now))
			return leave(vcpu);
		if (likely(!stays_halted(vcpu)))
			break;
	} while (wait_here(vcpu));
	if (unlikely(vcpu->halted || is_wanted(vcpu)))
		return leave(vcpu);
	if (unlikely(look))
		leave_alone(vcpu);
	prepare_entry(vcpu, vmx);
	return vcpu;
}

/* What waits for the guest is seen to. Whether that was all, and it does not stay halted. */
static bool interrupt_only(struct vcpu *vcpu)
{
	bool taken = vmx_interrupt_deliver(vcpu);

	if (vcpu->halted && !taken)
		return false;
	vcpu->halted = false;
	/* The end of an interrupt can be the beginning of another vCPU's, here. */
	return !vcpu->requests && !cpu_this()->attention;
}

static seldom struct vcpu *count_unusual(struct vcpu *vcpu, u64 ticks)
{
	exit_meter_add_unusual(&vcpu->exit_meters[vcpu->exit_reason], ticks);
	return vcpu;
}

/* Until leave_at. What is called here is called at the end, so that no frame is needed. */
inlined struct vcpu *go_on_in_time(struct vcpu *vcpu)
{
	u64 now = tsc_read(), left;
	struct exit_meter *meter;

	if (unlikely(__builtin_sub_overflow(CPU_FIELD(leave_at), now, &left)))
		return vmx_prepare(vcpu);
	vcpu->guest_ticks -= now;
	preemption_timer_arm(left);
	now -= vcpu->exit_at;
	meter = &vcpu->exit_meters[vcpu->exit_reason];
	if (unlikely(exit_meter_is_unusual(meter, now)))
		return count_unusual(vcpu, now);
	exit_meter_add_usual(meter, now);
	return vcpu;
}

/* One or both of the words are not 0. */
static seldom struct vcpu *go_on_wanted(struct vcpu *vcpu, u32 words)
{
	if (words == VCPU_REQUEST_INTERRUPT && interrupt_only(vcpu))
		return go_on_in_time(vcpu);
	return vmx_prepare(vcpu);
}

/*
 * The usual way back: nobody wants this CPU but the guest, which wants an interrupt at most.
 * Whatever does not depend on time shows in one of two words; time is up at leave_at.
 */
struct vcpu *vmx_go_on(struct vcpu *vcpu)
{
	u32 words = CPU_FIELD(attention);
	bool wanted;

	/* A compiler loads what is volatile by itself first. */
	__asm__ volatile("orl %2, %0" : "+r"(words), "=@ccnz"(wanted) : "m"(vcpu->requests));
	if (unlikely(wanted))
		return go_on_wanted(vcpu, words);
	return go_on_in_time(vcpu);
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
	cpu->leave_at = leave_at_find(cpu, vmx_of(vcpu), now);
	if (vcpu->requests & VCPU_REQUEST_INTERRUPT)
		(void)vmx_interrupt_deliver(vcpu);
}
