/* SPDX-License-Identifier: MIT */
/*
 * How a CPU is reached whatever it does: by an NMI, which no guest can hold up. Those of other CPUs
 * and of devices come alike.
 */
#pragma once

struct interrupt_frame;

/* On the boot CPU, before any kick. */
void kick_init(void);

/* An NMI has interrupted the hypervisor. In its handler. */
void kick_in_host(struct interrupt_frame *frame);
/* It has ended guest code. With interrupts off; further NMIs are let in. */
void kick_in_guest(void);
