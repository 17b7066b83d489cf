/* SPDX-License-Identifier: MIT */
/*
 * An NMI that comes while a guest runs is an exit, and what it is about is seen to there. One that
 * comes while the hypervisor does may be in the middle of anything: it is turned into an ordinary
 * interrupt, which waits until it is let in. If that is not before the next entry, it would end
 * the entry at once; but Bochs holds it up for as long as the guest masks interrupts. So the entry
 * is called off as well.
 */
#include "kick.h"

#include "apic.h"
#include "arch_cpu.h"
#include "interrupt.h"
#include "panic.h"

#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/virt.h>

#define DEVICES_MAX 4

static struct kick_device {
	void (*handler)(void *context);
	void *context;
	u32 cpu;
} devices[DEVICES_MAX];
static u32 device_count;

/* It cannot be told whose NMI it was, nor of how many: all devices of this CPU are asked. */
static void devices_handle(void *context unused)
{
	u32 count = __atomic_load_n(&device_count, __ATOMIC_ACQUIRE), me = arch_cpu_id();

	for (u32 i = 0; i < count; i++)
		if (devices[i].cpu == me)
			devices[i].handler(devices[i].context);
}

void kick_init(void)
{
	interrupt_handler_set(VECTOR_KICK, devices_handle, NULL);
}

int arch_irq_route(unsigned isa_irq, void (*handler)(void *context), void *context)
{
	int error;

	if (device_count == DEVICES_MAX)
		return -EBUSY;
	devices[device_count] = (struct kick_device){handler, context, arch_cpu_id()};
	error = apic_route_isa_nmi(isa_irq);
	if (error)
		return error;
	__atomic_store_n(&device_count, device_count + 1, __ATOMIC_RELEASE);
	return 0;
}

void arch_cpu_kick(u32 cpu)
{
	apic_send_nmi(cpus[cpu]->apic_id);
}

void kick_in_host(struct interrupt_frame *frame)
{
	struct cpu *cpu = cpu_this();

	panic_stop_if_under_way();
	cpu->resumes = NULL;
	if (cpu->virt_owner)
		virt->entry_end();
	/* STI holds up interrupts until HLT has begun, but not NMIs: the interrupt below would be
	 * over before the CPU halts, and wake nobody. */
	if (frame->rip == (u64)arch_idle_halt)
		frame->rip = (u64)arch_idle_awake;
	apic_send_self(VECTOR_KICK);
}

void kick_in_guest(void)
{
	interrupt_nmi_unblock();
	panic_stop_if_under_way();
	interrupt_call(VECTOR_KICK);
}
