/* SPDX-License-Identifier: MIT */
/*
 * ACPI fixed hardware (ACPI 6.4, 4.8.3): PM1a event and control registers and the 32-bit PM timer
 * at ACPI_PM_BASE, the power button. The SCI is level-triggered interrupt line ACPI_SCI_IRQ.
 */
#pragma once

#include <bulkhead/device.h>
#include <bulkhead/load.h>

struct vpm {
	struct device_host *host;
	struct device_timer timer;
	u16 status, enable, control;
	u64 checked; /* guest tick up to which the timer status bit is known */
	bool line;
};

void vpm_init(struct vpm *pm, struct device_host *host);
void vpm_reset(struct vpm *pm);

/* Somebody pressed the power button. */
void vpm_power_button(struct vpm *pm);

/* ACPI_PM_BYTES ports from ACPI_PM_BASE on. */
extern const struct device_ops vpm_ops;
