/* SPDX-License-Identifier: MIT */
/*
 * The local APIC of one vCPU (SDM vol. 3, chapter 11): xAPIC and x2APIC, one-shot, periodic and
 * TSC-deadline timer.
 *
 * The registers live in one 4 KiB page in the layout of the APIC page (SDM table 11-1), which is
 * also the virtual-APIC page of hardware APIC virtualisation: there the CPU itself reads and
 * changes it while the vCPU runs, and this model is asked only for what hardware cannot answer.
 * Where the CPU has no such thing the model answers everything. Both work on the same page, so
 * neither notices the other.
 *
 * Locking: only the vCPU's own CPU calls into it, while the vCPU is not in guest mode, apart from
 * vlapic_matches and vlapic_listens, which only look at a few registers. So nothing here is atomic.
 */
#pragma once

#include <bulkhead/device.h>

#define VLAPIC_BASE_DEFAULT 0xfee00000UL
#define VLAPIC_BSP	    BIT(8)
#define VLAPIC_X2APIC	    BIT(10)
#define VLAPIC_ENABLE	    BIT(11)

/* Offsets in the register page. */
enum vlapic_register {
	VLAPIC_ID = 0x020,
	VLAPIC_VERSION = 0x030,
	VLAPIC_TPR = 0x080,
	VLAPIC_APR = 0x090,
	VLAPIC_PPR = 0x0a0,
	VLAPIC_EOI = 0x0b0,
	VLAPIC_LDR = 0x0d0,
	VLAPIC_DFR = 0x0e0,
	VLAPIC_SVR = 0x0f0,
	VLAPIC_ISR = 0x100,
	VLAPIC_TMR = 0x180,
	VLAPIC_IRR = 0x200,
	VLAPIC_ESR = 0x280,
	VLAPIC_LVT_CMCI = 0x2f0,
	VLAPIC_ICR_LOW = 0x300,
	VLAPIC_ICR_HIGH = 0x310,
	VLAPIC_LVT_TIMER = 0x320,
	VLAPIC_LVT_THERMAL = 0x330,
	VLAPIC_LVT_PERF = 0x340,
	VLAPIC_LVT_LINT0 = 0x350,
	VLAPIC_LVT_LINT1 = 0x360,
	VLAPIC_LVT_ERROR = 0x370,
	VLAPIC_TIMER_INITIAL = 0x380,
	VLAPIC_TIMER_CURRENT = 0x390,
	VLAPIC_TIMER_DIVIDE = 0x3e0,
	VLAPIC_SELF_IPI = 0x3f0, /* x2APIC only */
};

struct vlapic;

/* A delivery mode that the manual reserves and no guest can send: KVM's wake-up of a vCPU that has
 * halted, with interrupts masked or not. */
#define VLAPIC_MODE_KICK 3

struct vlapic_ops {
	/* The guest wrote the ICR: deliver it to whom it names. A self-IPI of fixed mode is not
	 * passed here. `icr` has the x2APIC layout (destination in bits 63:32; in xAPIC mode the
	 * 8-bit destination is in bits 39:32). */
	void (*send_ipi)(struct vlapic *apic, u64 icr);
	/* A level-triggered interrupt ended: tell the I/O APICs (SDM 11.8.5). */
	void (*eoi_broadcast)(struct vlapic *apic, u8 vector);
	/* Something the vCPU must look at before it next runs guest code became pending or changed:
	 * an interrupt was accepted, TPR fell, mode or enable changed. */
	void (*changed)(struct vlapic *apic);
};

#define VLAPIC_UNTOLD_VECTORS 1u /* IRR or ISR */
#define VLAPIC_UNTOLD_MODES   2u /* TMR */

struct vlapic {
	u8 *page;     /* the caller's, zeroed, 4 KiB aligned */
	u32 id;	      /* x2APIC id */
	u64 base_msr; /* IA32_APIC_BASE */
	u64 tsc_deadline;
	u64 timer_started; /* tick at which the one-shot or periodic count began */
	/* The mode (LVT bits 18:17) and the TSC ticks of one count that the timer runs with: the
	 * page may hold the next ones already when vlapic_written is told of them. */
	u32 timer_mode;
	u64 timer_tick;
	u32 bus_divisor;       /* TSC ticks for each tick of the undivided APIC timer, at least 1 */
	bool has_tsc_deadline; /* announced to the guest by CPUID.1:ECX[24] */
	bool has_x2apic;       /* CPUID.1:ECX[21] */
	bool virtualised;      /* the CPU changes IRR and ISR as well */
	u32 esr_pending;       /* errors since the last write to ESR */
	u64 accepted;	       /* interrupts, ever */
	/* For who tells the CPU of them, and takes both back: the one vector accepted since, or 0;
	 * and what else changed. */
	u8 newest;
	u8 untold; /* VLAPIC_UNTOLD_* */
	/* Which of the eight registers of each are not 0, or may not be if virtualised. */
	u8 irr_words, isr_words;
	struct device_timer timer;
	struct device_host *host;
	const struct vlapic_ops *ops;
	void *context; /* the owner's */
};

/* bus_divisor, has_..., and virtualised are set already. Power-up state: xAPIC mode, enabled in
 * IA32_APIC_BASE, software-disabled, BSP bit for id 0. */
void vlapic_init(struct vlapic *apic, u8 *page, u32 id, struct device_host *host,
		 const struct vlapic_ops *ops);
/* INIT: registers to reset values, id and base kept (SDM 11.4.7.3). RESET: base as well. */
void vlapic_reset(struct vlapic *apic, bool init);

/* xAPIC page accesses. `offset` is 0 to 0xfff. Reserved registers set ESR "illegal register
 * address" and read 0. Accesses that are not aligned 32-bit ones are undefined by the manual: reads
 * within one register are answered from its bytes, writes of other widths are ignored. */
u32 vlapic_read(struct vlapic *apic, u32 offset);
void vlapic_write(struct vlapic *apic, u32 offset, u32 value);
/* Hardware APIC virtualisation has stored a guest's write to `offset` in the page (APIC-write exit,
 * SDM vol. 3, chapter 30): sanitise the value there and do what else vlapic_write does. */
void vlapic_written(struct vlapic *apic, u32 offset);

/* In x2APIC mode the ICR is one register of 8 bytes at VLAPIC_ICR_LOW, where hardware APIC
 * virtualisation reads it. */

/* What a write of the ICR does, without one. */
void vlapic_send_ipi(struct vlapic *apic, u64 icr);

/* MSRs 800h-8ffh, IA32_TSC_DEADLINE and IA32_APIC_BASE. Negative: the guest gets #GP. */
int vlapic_msr_read(struct vlapic *apic, u32 msr, u64 *value) must_check;
int vlapic_msr_write(struct vlapic *apic, u32 msr, u64 value) must_check;

/* The same for a write of IA32_TSC_DEADLINE alone, which is at every tick of most guests' clocks,
 * while the timer is in the mode that has deadlines. `now` is what device_now would say. */
static inline bool vlapic_has_deadline(const struct vlapic *apic);
void vlapic_deadline_set(struct vlapic *apic, u64 deadline, u64 now);
/* And for one of MSR 838h, the initial count, of which the same holds. */
int vlapic_count_write(struct vlapic *apic, u64 count, u64 now) must_check;
/* What `timer` calls when it fires. */
void vlapic_timer_expired(struct vlapic *apic);

/* An interrupt for this APIC of fixed or lowest-priority mode. */
void vlapic_accept(struct vlapic *apic, u8 vector, bool level);

/* Does it answer to `destination`? Physical or logical mode, xAPIC or x2APIC by its own state. */
bool vlapic_matches(const struct vlapic *apic, u32 destination, bool logical);

/* What waits and what is in service. */
struct vlapic_view {
	int irr, isr; /* the highest vector in each, whatever the priority; -1 for none */
	bool pending; /* irr could be delivered now: it is above PPR */
	bool several; /* IRR has more than that one */
};
void vlapic_look(const struct vlapic *apic, struct vlapic_view *view);
/* Whether a vector in IRR could be delivered while `in_service` is the highest in ISR (0: none). */
static inline bool vlapic_is_above(const struct vlapic *apic, u8 vector, u8 in_service);
/* The same as its PPR says, which is right whenever the vCPU has just left guest mode and the CPU
 * virtualises the APIC, and after each change of TPR or ISR that was made here. */
static inline bool vlapic_is_above_ppr(const struct vlapic *apic, u8 vector);
/* Highest-priority vector that could be delivered now, or -1. */
int vlapic_pending(const struct vlapic *apic);
/* The CPU takes `vector`, which is above PPR: from IRR to ISR. */
void vlapic_take(struct vlapic *apic, u8 vector);
/* EOI, however the guest signalled it. */
void vlapic_eoi(struct vlapic *apic);
/* `vector` was ended by hardware APIC virtualisation (EOI exit): the rest of what EOI means. */
void vlapic_eoi_virtualised(struct vlapic *apic, u8 vector);
/* TPR changed through CR8 or by hardware: recompute PPR. */
void vlapic_tpr_changed(struct vlapic *apic);

/* The guest's clock jumped by `by` ticks (wrapping): deadlines are moments of that clock, counts
 * are not. */
void vlapic_tsc_moved(struct vlapic *apic, u64 by);

/* Would an 8259's INTR reach the vCPU? LINT0 unmasked in ExtINT mode, or APIC globally or software
 * disabled (SDM 11.4.3, virtual wire). */
bool vlapic_accepts_pic(const struct vlapic *apic);

static inline bool vlapic_x2apic(const struct vlapic *apic)
{
	return (apic->base_msr & (VLAPIC_ENABLE | VLAPIC_X2APIC)) ==
	       (VLAPIC_ENABLE | VLAPIC_X2APIC);
}

#define VLAPIC_TIMER_DEADLINE 0x40000u /* of timer_mode */

static inline bool vlapic_has_deadline(const struct vlapic *apic)
{
	return apic->timer_mode == VLAPIC_TIMER_DEADLINE;
}

static inline bool vlapic_enabled(const struct vlapic *apic)
{
	return apic->base_msr & VLAPIC_ENABLE;
}

static inline u32 vlapic_register(const struct vlapic *apic, u32 offset)
{
	return *(volatile u32 *)(void *)(apic->page + offset);
}

static inline bool vlapic_is_above(const struct vlapic *apic, u8 vector, u8 in_service)
{
	u32 tpr = vlapic_register(apic, VLAPIC_TPR) & 0xf0;

	return (vector & 0xf0U) > MAX(tpr, in_service & 0xf0U);
}

static inline bool vlapic_is_above_ppr(const struct vlapic *apic, u8 vector)
{
	/* The low four bits of neither count. */
	return vector > (vlapic_register(apic, VLAPIC_PPR) | 0xf);
}

/* Whether the last interrupt of `vector` was level-triggered. */
static inline bool vlapic_is_level(const struct vlapic *apic, u8 vector)
{
	return vlapic_register(apic, VLAPIC_TMR + vector / 32u * 16) >> (vector & 31) & 1;
}

#define VLAPIC_SVR_ENABLE BIT(8)

static inline bool vlapic_software_enabled(const struct vlapic *apic)
{
	return vlapic_register(apic, VLAPIC_SVR) & VLAPIC_SVR_ENABLE;
}

/* Does it take interrupts? */
static inline bool vlapic_listens(const struct vlapic *apic)
{
	return vlapic_enabled(apic) && vlapic_software_enabled(apic);
}
