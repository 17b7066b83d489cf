/* SPDX-License-Identifier: MIT */
/* The local APIC's timer: one-shot, periodic, TSC deadline (SDM vol. 3, section 11.5.4). */
#include <bulkhead/error.h>
#include <bulkhead/string.h>

#include "vlapic_internal.h"

#define MODE_BITS     0x60000u
#define MODE_ONE_SHOT 0x00000u
#define MODE_PERIODIC VLAPIC_TIMER_PERIODIC
#define MODE_DEADLINE VLAPIC_TIMER_DEADLINE

/* A periodic timer interrupts at most this often, lest a guest keep its CPU busy with nothing else.
 */
#define RATE_MAX_HZ 50000

static u64 tick_from_divide(const struct vlapic *apic)
{
	u32 divide = vlapic_register(apic, VLAPIC_TIMER_DIVIDE);
	u32 code = (divide & 8) >> 1 | (divide & 3);

	/* 000b to 110b divide by 2 to 128, 111b by 1. */
	return (u64)MAX(apic->bus_divisor, 1) << ((code + 1) & 7);
}

/* TSC ticks from the initial count down to 0; 0 when the timer does not count. */
static u64 period(const struct vlapic *apic)
{
	return vlapic_register(apic, VLAPIC_TIMER_INITIAL) * apic->timer_tick;
}

static void timer_off(struct vlapic *apic)
{
	if (apic->timer.deadline != DEVICE_TIMER_OFF)
		device_timer_set(apic->host, &apic->timer, DEVICE_TIMER_OFF);
}

static void count_stop(struct vlapic *apic)
{
	vlapic_register_set(apic, VLAPIC_TIMER_INITIAL, 0);
	apic->tsc_deadline = 0;
	timer_off(apic);
}

/* The next moment the count is 0 that is after `now`, periods without an interrupt of their own
 * skipped. */
static u64 periodic_next(const struct vlapic *apic, u64 now)
{
	u64 length = period(apic);
	u64 earliest = now - apic->timer_started;
	u64 spacing = apic->host->tsc_hz / RATE_MAX_HZ;

	if (length < spacing)
		earliest += spacing - length;
	return apic->timer_started + (earliest / length + 1) * length;
}

static void count_arm(struct vlapic *apic, u64 now)
{
	u64 length = period(apic);

	if (!length)
		timer_off(apic);
	else if (apic->timer_mode == MODE_PERIODIC)
		device_timer_set(apic->host, &apic->timer, periodic_next(apic, now));
	else if (now - apic->timer_started < length)
		device_timer_set(apic->host, &apic->timer, apic->timer_started + length);
}

void vlapic_timer_restart(struct vlapic *apic)
{
	count_arm(apic, device_now(apic->host));
}

static void timer_fire(void *context)
{
	vlapic_timer_expired(context);
}

void vlapic_tsc_moved(struct vlapic *apic, u64 by)
{
	u64 deadline = apic->timer.deadline;

	if (apic->timer_mode != MODE_DEADLINE) {
		apic->timer_started += by;
		if (deadline != DEVICE_TIMER_OFF)
			deadline += by;
	}
	device_timer_set(apic->host, &apic->timer, deadline);
}

u32 vlapic_timer_current(const struct vlapic *apic)
{
	u64 length = period(apic);
	u64 elapsed = device_now(apic->host) - apic->timer_started;

	if (!length)
		return 0;
	if (apic->timer_mode == MODE_PERIODIC)
		elapsed %= length;
	else if (elapsed >= length)
		return 0;
	return vlapic_register(apic, VLAPIC_TIMER_INITIAL) - (u32)(elapsed / apic->timer_tick);
}

void vlapic_timer_start(struct vlapic *apic, u64 now)
{
	u64 length;

	/* Writes are ignored in TSC-deadline mode (11.5.4.1), and the reserved mode counts nothing.
	 */
	if (apic->timer_mode != MODE_ONE_SHOT && apic->timer_mode != MODE_PERIODIC) {
		vlapic_register_set(apic, VLAPIC_TIMER_INITIAL, 0);
		return;
	}
	apic->timer_started = now;
	length = period(apic);
	if (likely(length))
		device_timer_set(apic->host, &apic->timer, now + length);
	else
		timer_off(apic);
}

int vlapic_count_write(struct vlapic *apic, u64 count, u64 now)
{
	if (!vlapic_x2apic(apic) || count >> 32)
		return -EINVAL;
	vlapic_register_set(apic, VLAPIC_TIMER_INITIAL, (u32)count);
	vlapic_timer_start(apic, now);
	return 0;
}

/* The count goes on from where it is, at the new rate. */
void vlapic_timer_divide_changed(struct vlapic *apic)
{
	u32 counted = vlapic_register(apic, VLAPIC_TIMER_INITIAL) - vlapic_timer_current(apic);
	u64 now;

	apic->timer_tick = tick_from_divide(apic);
	if (!period(apic))
		return;
	now = device_now(apic->host);
	apic->timer_started = now - counted * apic->timer_tick;
	count_arm(apic, now);
}

void vlapic_timer_mode_changed(struct vlapic *apic)
{
	u32 mode = vlapic_register(apic, VLAPIC_LVT_TIMER) & MODE_BITS;

	if (mode == apic->timer_mode)
		return;
	apic->timer_mode = mode;
	count_stop(apic);
}

void vlapic_deadline_set(struct vlapic *apic, u64 deadline, u64 now)
{
	if (deadline > now) {
		apic->tsc_deadline = deadline;
		device_timer_set(apic->host, &apic->timer, deadline);
		return;
	}
	apic->tsc_deadline = 0;
	timer_off(apic);
	if (deadline)
		vlapic_timer_interrupt(apic);
}

int vlapic_deadline_write(struct vlapic *apic, u64 deadline)
{
	if (!apic->has_tsc_deadline)
		return -EINVAL;
	if (vlapic_has_deadline(apic))
		vlapic_deadline_set(apic, deadline, device_now(apic->host));
	return 0;
}

void vlapic_timer_reset(struct vlapic *apic)
{
	apic->timer_mode = MODE_ONE_SHOT;
	apic->timer_tick = tick_from_divide(apic);
	apic->timer_started = 0;
	count_stop(apic);
}

void vlapic_timer_init(struct vlapic *apic)
{
	memset(&apic->timer, 0, sizeof(apic->timer));
	apic->timer.deadline = DEVICE_TIMER_OFF;
	apic->timer.fire = timer_fire;
	apic->timer.context = apic;
}
