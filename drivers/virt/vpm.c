/* SPDX-License-Identifier: MIT */
/* ACPI 6.4, 4.8.3: PM1 event, PM1 control, PM timer; 4.8.4.1: general-purpose events. */

#include "vpm.h"
#include "clock.h"

#define EVENT_TIMER	   0x0001
#define EVENT_POWER_BUTTON 0x0100
#define ENABLE_MASK	   0x0721 /* RTC, sleep and power button, GBL, timer */

#define CONTROL_SCI_EN	 0x0001
#define CONTROL_SLP_EN	 0x2000
#define CONTROL_WRITABLE 0x1c02 /* SLP_TYP, BM_RLD; GBL_RLS and SLP_EN read 0 */
#define SLP_TYP_SHIFT	 10

#define TIMER_HALF 31 /* TMR_STS is set when this bit of the timer changes */

static u64 pm_count(const struct vpm *pm, u64 tick)
{
	return clock_count(tick, pm->host->tsc_hz, ACPI_HW_TIMER_HZ);
}

/* First tick after `tick` at which the timer's top bit changes. */
static u64 pm_next_half(const struct vpm *pm, u64 tick)
{
	u64 next = ((pm_count(pm, tick) >> TIMER_HALF) + 1) << TIMER_HALF;

	return clock_ticks(next, pm->host->tsc_hz, ACPI_HW_TIMER_HZ);
}

static void pm_check_timer(struct vpm *pm)
{
	u64 tick = device_now(pm->host);

	if (pm_count(pm, tick) >> TIMER_HALF != pm_count(pm, pm->checked) >> TIMER_HALF)
		pm->status |= EVENT_TIMER;
	pm->checked = tick;
}

static void pm_update(struct vpm *pm)
{
	bool line = (pm->status & pm->enable) || (pm->gpe_status & pm->gpe_enable);
	bool wait = (pm->enable & EVENT_TIMER) && !(pm->status & EVENT_TIMER);
	u64 deadline = wait ? pm_next_half(pm, pm->checked) : DEVICE_TIMER_OFF;

	if (deadline != pm->timer.deadline)
		device_timer_set(pm->host, &pm->timer, deadline);
	if (line == pm->line)
		return;
	pm->line = line;
	device_irq_set(pm->host, ACPI_SCI_IRQ, line);
}

static void pm_fire(void *context)
{
	struct vpm *pm = context;

	pm_check_timer(pm);
	pm_update(pm);
}

static void pm_patience_ends(void *context)
{
	struct vpm *pm = context;

	pm->host->ops->event(pm->host, DEVICE_EVENT_OVERRIDE);
}

bool vpm_power_button(struct vpm *pm)
{
	u64 patience = VPM_PATIENCE_S * pm->host->tsc_hz;

	if (!(pm->enable & EVENT_POWER_BUTTON))
		return false;
	pm_check_timer(pm);
	pm->status |= EVENT_POWER_BUTTON;
	pm_update(pm);
	if (pm->patience.deadline == DEVICE_TIMER_OFF)
		device_timer_set(pm->host, &pm->patience, device_now(pm->host) + patience);
	return true;
}

void vpm_gpe(struct vpm *pm, unsigned gpe)
{
	pm->gpe_status |= (u16)(1u << (gpe & 15));
	pm_check_timer(pm);
	pm_update(pm);
}

static void pm_sleep(struct vpm *pm)
{
	unsigned type = pm->control >> SLP_TYP_SHIFT & 7;
	char text[] = "ACPI sleep type ? is not offered: the guest goes on";
	char *digit = text;

	if (type == ACPI_S5_TYPE) {
		pm->host->ops->event(pm->host, DEVICE_EVENT_POWER_OFF);
		return;
	}
	while (*digit != '?')
		digit++;
	*digit = (char)('0' + type);
	pm->host->ops->report(pm->host, text);
	pm->host->ops->event(pm->host, DEVICE_EVENT_SLEEP);
}

/* One byte of the register block. */
static u8 pm_read_byte(const struct vpm *pm, u64 port, u32 timer)
{
	u64 shift = 8 * (port & 3);

	switch (port & ~3UL) {
	case ACPI_PM1_EVENT:
		return (u8)(((u32)pm->enable << 16 | pm->status) >> shift);
	case ACPI_PM1_CONTROL:
		return (u8)((0xffff0000 | pm->control | CONTROL_SCI_EN) >> shift);
	case ACPI_PM_TIMER:
		return (u8)(timer >> shift);
	case ACPI_GPE0:
		return (u8)(((u32)pm->gpe_enable << 16 | pm->gpe_status) >> shift);
	default:
		return 0xff;
	}
}

static u64 vpm_read(void *device, u64 address, unsigned bytes)
{
	struct vpm *pm = device;
	u32 timer = (u32)pm_count(pm, device_now(pm->host));
	u64 value = 0;

	if (address == ACPI_PM_TIMER && bytes == 4)
		return timer;
	pm_check_timer(pm);
	pm_update(pm);
	for (unsigned i = 0; i < bytes && i < 8; i++)
		value |= (u64)pm_read_byte(pm, address + i, timer) << (8 * i);
	return value;
}

/* Writes of any width and place become one of a value and a mask for each register. */
static u16 pm_field(u64 port, u64 address, u64 value)
{
	u64 distance = port > address ? port - address : address - port;

	if (distance > 7)
		return 0;
	return (u16)(port > address ? value >> (8 * distance) : value << (8 * distance));
}

/* Status bits that are written as ones end, enable bits are what is written. */
static void pm_write_events(u64 port, u64 address, u64 bits, u64 value, u16 *status, u16 *enable,
			    u16 enable_mask)
{
	u16 written = pm_field(port + 2, address, bits) & enable_mask;

	*status &= (u16)~pm_field(port, address, value);
	*enable = (u16)((*enable & ~written) | (pm_field(port + 2, address, value) & written));
}

static void vpm_write(void *device, u64 address, unsigned bytes, u64 value)
{
	struct vpm *pm = device;
	u64 bits = bytes < 8 ? BIT(8 * bytes) - 1 : ~0UL;
	u16 control = pm_field(ACPI_PM1_CONTROL, address, bits);
	u16 new_control = pm_field(ACPI_PM1_CONTROL, address, value & bits);

	pm_check_timer(pm);
	pm_write_events(ACPI_PM1_EVENT, address, bits, value & bits, &pm->status, &pm->enable,
			ENABLE_MASK);
	pm_write_events(ACPI_GPE0, address, bits, value & bits, &pm->gpe_status, &pm->gpe_enable,
			0xffff);
	control &= CONTROL_WRITABLE;
	pm->control = (u16)((pm->control & ~control) | (new_control & control));
	pm_update(pm);
	if (new_control & CONTROL_SLP_EN)
		pm_sleep(pm);
}

void vpm_reset(struct vpm *pm)
{
	pm->status = 0;
	pm->enable = 0;
	pm->control = 0;
	pm->gpe_status = 0;
	pm->gpe_enable = 0;
	device_timer_set(pm->host, &pm->patience, DEVICE_TIMER_OFF);
	pm->checked = device_now(pm->host);
	pm_update(pm);
}

void vpm_init(struct vpm *pm, struct device_host *host)
{
	*pm = (struct vpm){
		.host = host,
		.timer = {.deadline = DEVICE_TIMER_OFF, .fire = pm_fire, .context = pm},
		.patience = {.deadline = DEVICE_TIMER_OFF, .fire = pm_patience_ends, .context = pm},
	};
	vpm_reset(pm);
}

const struct device_ops vpm_ops = {
	.name = "ACPI PM",
	.read = vpm_read,
	.write = vpm_write,
	.widest_bytes = 4,
};
