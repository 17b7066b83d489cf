/* SPDX-License-Identifier: MIT */
/* A port at which a guest says that it panics (QEMU's pvpanic; ACPI device QEMU0001). No state. */
#pragma once

#include <bulkhead/device.h>
#include <bulkhead/load.h>

struct vpanic {
	struct device_host *host;
};

void vpanic_init(struct vpanic *panic, struct device_host *host);

/* Port ACPI_PANIC_PORT. */
extern const struct device_ops vpanic_ops;
