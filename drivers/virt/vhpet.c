/* SPDX-License-Identifier: MIT */
/* IA-PC HPET specification 1.0a, section 2.3. */

#include "vhpet.h"
#include "clock.h"

enum {
	REG_CAPABILITIES = 0x000,
	REG_CONFIG = 0x010,
	REG_STATUS = 0x020,
	REG_COUNTER = 0x0f0,
	REG_TIMERS = 0x100, /* 20h bytes each */
	TIMER_CONFIG = 0x00,
	TIMER_COMPARATOR = 0x08,
};

#define TIMER_BYTES    0x20
#define FEMTOSECONDS_S 1000000000000000UL

#define CONFIG_ENABLE 0x1
#define CONFIG_LEGACY 0x2

#define TIMER_LEVEL    BIT(1)
#define TIMER_ENABLE   BIT(2)
#define TIMER_PERIODIC BIT(3)
#define TIMER_CAN      (BIT(4) | BIT(5)) /* be periodic, count 64 bits */
#define TIMER_SET      BIT(6)		 /* the next write goes to the comparator, too */
#define TIMER_32       BIT(8)
#define TIMER_ROUTE    BITS(13, 9)
#define TIMER_WRITABLE                                                                             \
	(TIMER_LEVEL | TIMER_ENABLE | TIMER_PERIODIC | TIMER_SET | TIMER_32 | TIMER_ROUTE)
#define ROUTE_SHIFT 9
#define ROUTES	    BITS(23, 20) /* I/O APIC inputs that a timer can have */

#define NEVER	 (~0UL)
#define FAR_AWAY (1UL << 56) /* counts: 22 years. What is further off does not happen. */
#define NO_IRQ	 32

static u64 hpet_counter(const struct vhpet *hpet)
{
	if (!(hpet->config & CONFIG_ENABLE))
		return hpet->base;
	return hpet->base +
	       clock_count(device_now(hpet->host) - hpet->epoch, hpet->host->tsc_hz, VHPET_HZ);
}

static u64 timer_mask(const struct vhpet_timer *timer)
{
	return timer->config & TIMER_32 ? BITS(31, 0) : ~0UL;
}

/* Counts from `checked` to the next match. */
static u64 timer_distance(const struct vhpet_timer *timer)
{
	u64 mask = timer_mask(timer);
	u64 distance = (timer->comparator - timer->checked) & mask;

	if (distance)
		return distance;
	return mask == ~0UL ? NEVER : mask + 1;
}

/* Whether it matched since it was last looked at. */
static bool timer_check(struct vhpet_timer *timer, u64 counter)
{
	u64 distance = timer_distance(timer);
	u64 passed = counter - timer->checked;
	u64 mask = timer_mask(timer);

	timer->checked = counter;
	if (passed < distance)
		return false;
	if ((timer->config & TIMER_PERIODIC) && timer->period)
		timer->comparator += ((passed - distance) / timer->period + 1) * timer->period;
	timer->comparator &= mask;
	return true;
}

static unsigned timer_irq(const struct vhpet *hpet, unsigned number)
{
	unsigned route = (unsigned)((hpet->timer[number].config & TIMER_ROUTE) >> ROUTE_SHIFT);

	if ((hpet->config & CONFIG_LEGACY) && number < 2)
		return number ? 8 : 0;
	return ROUTES & BIT(route) ? route : NO_IRQ;
}

/* Lines as the timers now want them. */
static void hpet_drive(struct vhpet *hpet)
{
	u32 lines = 0;

	for (unsigned i = 0; i < VHPET_TIMERS; i++) {
		unsigned irq = timer_irq(hpet, i);

		if (hpet->timer[i].high && irq != NO_IRQ)
			lines |= 1u << irq;
	}
	for (u32 changed = lines ^ hpet->lines; changed; changed &= changed - 1) {
		u32 bit = changed & -changed;

		hpet->lines ^= bit;
		hpet->irq_set(hpet->context, (unsigned)__builtin_ctz(bit), lines & bit);
	}
}

/* A level lasts as long as its status bit; an edge leaves the line high until the next one. */
static void hpet_match(struct vhpet *hpet, unsigned number)
{
	struct vhpet_timer *timer = &hpet->timer[number];

	if (timer->config & TIMER_LEVEL) {
		hpet->status |= 1u << number;
		timer->high = timer->config & TIMER_ENABLE;
	} else if (timer->config & TIMER_ENABLE) {
		timer->high = false;
		hpet_drive(hpet);
		timer->high = true;
	}
}

static void hpet_check(struct vhpet *hpet)
{
	u64 counter = hpet_counter(hpet);
	bool runs = hpet->config & CONFIG_ENABLE;

	for (unsigned i = 0; i < VHPET_TIMERS && runs; i++)
		if (timer_check(&hpet->timer[i], counter))
			hpet_match(hpet, i);
	hpet_drive(hpet);
}

/* Guest tick of the next match of a timer that was checked just now and may interrupt. */
static u64 timer_deadline(const struct vhpet *hpet, unsigned number)
{
	const struct vhpet_timer *timer = &hpet->timer[number];
	u64 distance = timer_distance(timer);
	u64 count = timer->checked - hpet->base + distance;

	if (!(timer->config & TIMER_ENABLE) || (hpet->status & 1u << number) ||
	    distance > FAR_AWAY || count > FAR_AWAY)
		return DEVICE_TIMER_OFF;
	return hpet->epoch + clock_ticks(count, hpet->host->tsc_hz, VHPET_HZ);
}

static void hpet_arm(struct vhpet *hpet)
{
	u64 deadline = DEVICE_TIMER_OFF;

	for (unsigned i = 0; i < VHPET_TIMERS && (hpet->config & CONFIG_ENABLE); i++)
		deadline = MIN(deadline, timer_deadline(hpet, i));
	if (deadline != hpet->alarm.deadline)
		device_timer_set(hpet->host, &hpet->alarm, deadline);
}

static void hpet_fire(void *context)
{
	struct vhpet *hpet = context;

	hpet_check(hpet);
	hpet_arm(hpet);
}

static u64 hpet_read_timer(const struct vhpet *hpet, unsigned number, u64 offset)
{
	const struct vhpet_timer *timer = &hpet->timer[number];

	if (offset == TIMER_CONFIG)
		return ROUTES << 32 | TIMER_CAN | timer->config;
	return offset == TIMER_COMPARATOR ? timer->comparator : 0;
}

static u64 hpet_read(const struct vhpet *hpet, u64 reg)
{
	u64 number = (reg - REG_TIMERS) / TIMER_BYTES;

	switch (reg) {
	case REG_CAPABILITIES:
		return FEMTOSECONDS_S / VHPET_HZ << 32 | ACPI_HPET_ID;
	case REG_CONFIG:
		return hpet->config;
	case REG_STATUS:
		return hpet->status;
	case REG_COUNTER:
		return hpet_counter(hpet);
	default:
		if (reg < REG_TIMERS || number >= VHPET_TIMERS)
			return 0;
		return hpet_read_timer(hpet, (unsigned)number, reg % TIMER_BYTES);
	}
}

static void timer_lower_edge(struct vhpet_timer *timer)
{
	if (!(timer->config & TIMER_LEVEL))
		timer->high = false;
}

static void hpet_write_config(struct vhpet *hpet, u64 value)
{
	u64 changed = (hpet->config ^ value) & (CONFIG_ENABLE | CONFIG_LEGACY);
	bool legacy = value & CONFIG_LEGACY;

	if (changed & CONFIG_ENABLE) {
		hpet->base = hpet_counter(hpet);
		hpet->epoch = device_now(hpet->host);
	}
	hpet->config ^= changed;
	if (!(changed & CONFIG_LEGACY))
		return;
	/* A line that changes hands is low in between. */
	for (unsigned i = 0; i < VHPET_TIMERS; i++)
		timer_lower_edge(&hpet->timer[i]);
	if (legacy)
		hpet->legacy_set(hpet->context, true);
	hpet_drive(hpet);
	if (!legacy)
		hpet->legacy_set(hpet->context, false);
}

static void hpet_write_status(struct vhpet *hpet, u32 value)
{
	hpet->status &= ~value;
	for (unsigned i = 0; i < VHPET_TIMERS; i++)
		if ((value & 1u << i) && (hpet->timer[i].config & TIMER_LEVEL))
			hpet->timer[i].high = false;
}

static void hpet_write_counter(struct vhpet *hpet, u64 value)
{
	hpet->base = value;
	hpet->epoch = device_now(hpet->host);
	for (unsigned i = 0; i < VHPET_TIMERS; i++)
		hpet->timer[i].checked = value;
}

static void hpet_write_timer_config(struct vhpet *hpet, unsigned number, u64 value)
{
	struct vhpet_timer *timer = &hpet->timer[number];
	u64 changed = timer->config ^ (value & TIMER_WRITABLE);

	if (changed & (TIMER_ROUTE | TIMER_ENABLE))
		timer_lower_edge(timer);
	timer->config ^= changed;
	if (changed & TIMER_LEVEL) {
		timer->high = false;
		hpet->status &= ~(1u << number);
	}
	if (timer->config & TIMER_LEVEL)
		timer->high = (timer->config & TIMER_ENABLE) && (hpet->status & 1u << number);
	timer->comparator &= timer_mask(timer);
	timer->period &= timer_mask(timer);
}

static u64 merge(u64 old, u64 value, u64 mask)
{
	return (old & ~mask) | (value & mask);
}

/* 2.3.9.2.2: in periodic mode what is written is the period, and the comparator as well if
 * TIMER_SET says so, once. */
static void hpet_write_comparator(struct vhpet *hpet, struct vhpet_timer *timer, u64 value,
				  u64 mask)
{
	bool periodic = timer->config & TIMER_PERIODIC;

	mask &= timer_mask(timer);
	if (periodic)
		timer->period = merge(timer->period, value, mask);
	if (periodic && !(timer->config & TIMER_SET))
		return;
	timer->config &= ~TIMER_SET;
	timer->comparator = merge(timer->comparator, value, mask);
	timer->checked = hpet_counter(hpet) - 1; /* equality from now on is a match */
}

static void hpet_write(struct vhpet *hpet, u64 reg, u64 value, u64 mask)
{
	u64 number = (reg - REG_TIMERS) / TIMER_BYTES;
	u64 whole = merge(hpet_read(hpet, reg), value, mask);

	switch (reg) {
	case REG_CONFIG:
		hpet_write_config(hpet, whole);
		break;
	case REG_STATUS:
		hpet_write_status(hpet, (u32)(value & mask));
		break;
	case REG_COUNTER:
		hpet_write_counter(hpet, whole);
		break;
	default:
		if (reg < REG_TIMERS || number >= VHPET_TIMERS)
			break;
		if (reg % TIMER_BYTES == TIMER_CONFIG)
			hpet_write_timer_config(hpet, (unsigned)number, whole);
		else if (reg % TIMER_BYTES == TIMER_COMPARATOR)
			hpet_write_comparator(hpet, &hpet->timer[number], value, mask);
	}
}

/* Any register but the counter. */
static outlined u64 hpet_read_other(struct vhpet *hpet, u64 reg)
{
	/* A periodic comparator moves, and status bits may be polled. */
	if (reg >= REG_TIMERS || reg == REG_STATUS)
		hpet_check(hpet);
	return hpet_read(hpet, reg);
}

static u64 vhpet_read(void *device, u64 address, unsigned bytes)
{
	struct vhpet *hpet = device;
	u64 reg = address & (VHPET_BYTES - 8);
	u64 value = likely(reg == REG_COUNTER) ? hpet_counter(hpet) : hpet_read_other(hpet, reg);

	(void)bytes;
	return value >> (8 * (address & 7));
}

/* 2.3.1: registers are written whole or by halves. */
static void vhpet_write(void *device, u64 address, unsigned bytes, u64 value)
{
	struct vhpet *hpet = device;
	u64 offset = address & (VHPET_BYTES - 1);
	u64 mask = bytes == 8 ? ~0UL : BITS(31, 0) << (8 * (offset & 4));

	if ((bytes != 4 && bytes != 8) || (offset & (bytes - 1)))
		return;
	hpet_check(hpet);
	hpet_write(hpet, offset & ~7UL, value << (8 * (offset & 4)), mask);
	hpet_check(hpet);
	hpet_arm(hpet);
}

void vhpet_reset(struct vhpet *hpet)
{
	hpet_write_config(hpet, 0);
	hpet->status = 0;
	hpet->base = 0;
	for (unsigned i = 0; i < VHPET_TIMERS; i++)
		hpet->timer[i] = (struct vhpet_timer){.comparator = ~0UL};
	hpet_drive(hpet);
	hpet_arm(hpet);
}

void vhpet_init(struct vhpet *hpet, struct device_host *host,
		void (*irq_set)(void *context, unsigned irq, bool level),
		void (*legacy_set)(void *context, bool on), void *context)
{
	*hpet = (struct vhpet){
		.host = host,
		.irq_set = irq_set,
		.legacy_set = legacy_set,
		.context = context,
		.alarm = {.deadline = DEVICE_TIMER_OFF, .fire = hpet_fire, .context = hpet},
	};
	vhpet_reset(hpet);
}

const struct device_ops vhpet_ops = {
	.name = "HPET",
	.read = vhpet_read,
	.write = vhpet_write,
	.widest_bytes = 8,
};
