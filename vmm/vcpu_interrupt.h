/* SPDX-License-Identifier: MIT */
/* Interrupt messages to the vCPUs of a partition. */
#pragma once

#include <bulkhead/types.h>

struct partition;
struct vcpu;

/* `sender` wrote its ICR, of x2APIC layout (see vlapic_ops.send_ipi); on its own CPU. */
void vcpu_ipi(struct vcpu *sender, u64 icr);
/* A redirection entry of the I/O APIC sends a message; any CPU, under the device lock. */
void partition_interrupt(struct partition *partition, u64 entry);
