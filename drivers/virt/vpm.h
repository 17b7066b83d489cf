/* SPDX-License-Identifier: MIT */
/*
 * ACPI fixed hardware (ACPI 6.4, 4.8.3 and 4.8.4): PM1a event and control registers, the 32-bit PM
 * timer and 16 general-purpose events at ACPI_PM_BASE, the power button. The SCI is level-triggered
 * interrupt line ACPI_SCI_IRQ.
 */
#pragma once

#include <bulkhead/device.h>
#include <bulkhead/load.h>

#define VPM_PATIENCE_S 10

struct vpm {
	struct device_host *host;
	struct device_timer timer;
	struct device_timer patience; /* with a guest whose button was pressed */
	u16 status, enable, control;
	u16 gpe_status, gpe_enable;
	u64 checked; /* guest tick up to which the timer status bit is known */
	bool line;
};

void vpm_init(struct vpm *pm, struct device_host *host);
void vpm_reset(struct vpm *pm);

/*
 * Somebody pressed the power button, to have the guest shut down. false: it does not care about its
 * button, and nothing happens. Else DEVICE_EVENT_OVERRIDE comes if it has not powered off within
 * VPM_PATIENCE_S of its time.
 */
bool vpm_power_button(struct vpm *pm) must_check;

/* General-purpose event `gpe`, 0 to 15, happened. */
void vpm_gpe(struct vpm *pm, unsigned gpe);

/* ACPI_PM_BYTES ports from ACPI_PM_BASE on. */
extern const struct device_ops vpm_ops;
