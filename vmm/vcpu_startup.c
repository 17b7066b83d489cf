/* SPDX-License-Identifier: MIT */
/*
 * INIT and STARTUP (SDM vol. 3, 9.4 and table 10-1). All vCPUs but the first wait for a STARTUP
 * from power-up on, and again from each INIT on. They wait here, blocked; no CPU is ever put into
 * such a state. Who sends one only leaves a note in vcpu->startup.
 */
#include "vcpu_thread.h"

#include "vcpu_devices.h"

#include <bulkhead/arch.h>
#include <bulkhead/partition.h>
#include <bulkhead/virt.h>

#define RESET_SELECTOR 0xf000
#define RESET_BASE     0xffff0000
#define RESET_RIP      0xfff0

/* As INIT leaves it; the backend keeps what of CR0 an INIT keeps. */
static void state_of_init(struct cpu_state *state)
{
	const struct cpu_segment data = {0, SEGMENT_DATA16, 0xffff, 0};

	*state = (struct cpu_state){
		.gpr[GPR_RDX] = arch_guest_signature(),
		.rip = RESET_RIP,
		.rflags = RFLAGS_FIXED,
		.cr0 = CR0_ET,
		.cs = {RESET_SELECTOR, SEGMENT_CODE16, 0xffff, RESET_BASE},
		.ss = data,
		.ds = data,
		.es = data,
		.fs = data,
		.gs = data,
		.ldtr = {0, SEGMENT_LDT, 0xffff, 0},
		.tr = {0, SEGMENT_TSS64, 0xffff, 0}, /* as VM entry wants it: busy */
		.gdtr = {0, 0xffff},
		.idtr = {0, 0xffff},
	};
}

void vcpu_power_up(struct vcpu *vcpu)
{
	struct cpu_state state;

	state_of_init(&state);
	state.cr0 |= CR0_CD | CR0_NW;
	virt->vcpu_reset(vcpu, &state);
	virt->vcpu_leave(vcpu);
	__atomic_store_n(&vcpu->startup, VCPU_STARTUP_WAITS, __ATOMIC_RELAXED);
}

static void reset_by_init(struct vcpu *vcpu)
{
	struct cpu_state state;

	__atomic_and_fetch(&vcpu->requests, ~VCPU_REQUEST_NMI, __ATOMIC_RELAXED);
	vcpu_devices_init(vcpu);
	state_of_init(&state);
	virt->vcpu_init(vcpu, &state);
}

/* SDM vol. 3, 9.4.4: in real mode, at the page that the vector names. */
static void begin_at(struct vcpu *vcpu, u8 vector)
{
	struct cpu_state state;

	state_of_init(&state);
	state.cs.selector = (u16)(vector << 8);
	state.cs.base = (u64)vector << 12;
	state.rip = 0;
	virt->vcpu_init(vcpu, &state);
}

void vcpu_startup_step(struct vcpu *vcpu)
{
	u32 asked;

	/* Before it looks: what is asked of it after that is asked again. */
	__atomic_and_fetch(&vcpu->requests, ~VCPU_REQUEST_STOP, __ATOMIC_ACQUIRE);
	asked = __atomic_fetch_and(&vcpu->startup, ~VCPU_STARTUP_INIT, __ATOMIC_ACQUIRE);
	if (asked & VCPU_STARTUP_INIT) {
		reset_by_init(vcpu);
	} else if (asked & VCPU_STARTUP_CAME) {
		begin_at(vcpu, (u8)asked);
		/* Unless an INIT came meanwhile. */
		__atomic_compare_exchange_n(&vcpu->startup, &asked, 0, false, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED);
	} else {
		thread_block();
	}
}

/* The first one would begin with firmware that starts the machine anew. */
void vcpu_init_request(struct vcpu *vcpu)
{
	if (vcpu->id == 0) {
		__atomic_or_fetch(&vcpu->partition->events, 1u << DEVICE_EVENT_RESET,
				  __ATOMIC_RELEASE);
	} else {
		/* A STARTUP that came before it counts no longer. */
		__atomic_store_n(&vcpu->startup, VCPU_STARTUP_INIT | VCPU_STARTUP_WAITS,
				 __ATOMIC_RELEASE);
	}
	vcpu_request(vcpu, VCPU_REQUEST_STOP);
}

void vcpu_startup_request(struct vcpu *vcpu, u8 vector)
{
	u32 now = __atomic_load_n(&vcpu->startup, __ATOMIC_RELAXED);

	do { /* only the first one after an INIT counts */
		if (!(now & VCPU_STARTUP_WAITS) || now & VCPU_STARTUP_CAME)
			return;
	} while (!__atomic_compare_exchange_n(&vcpu->startup, &now,
					      now | VCPU_STARTUP_CAME | vector, false,
					      __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	vcpu_request(vcpu, VCPU_REQUEST_STOP);
}
