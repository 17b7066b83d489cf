/* SPDX-License-Identifier: MIT */
/*
 * What a guest asked for, in words that neither VT-x nor SVM knows: the backend calls these from
 * its exit handlers, on the vCPU's CPU with interrupts off. "Fault" results mean that the guest
 * gets the exception that its manual promises.
 */
#pragma once

#include <bulkhead/types.h>

struct vcpu;

/* Ports, 0 to FFFFh. `bytes` is 1, 2 or 4; what a value has beyond them means nothing, here and
 * below. */
u32 exit_port_read(struct vcpu *vcpu, u32 port, unsigned bytes);
void exit_port_write(struct vcpu *vcpu, u32 port, unsigned bytes, u32 value);
/* So many accesses to the same port, for `count` elements of memory that are aligned to `bytes`.
 * How many were written: fewer where one can be a lot of work, but at least one. */
void exit_ports_read(struct vcpu *vcpu, u32 port, unsigned bytes, u8 *data, u32 count);
u32 exit_ports_write(struct vcpu *vcpu, u32 port, unsigned bytes, const u8 *data, u32 count);

/* Guest-physical memory that is not RAM. `bytes` is 1, 2, 4 or 8, in one aligned 8-byte word. */
u64 exit_memory_read(struct vcpu *vcpu, u64 gpa, unsigned bytes);
void exit_memory_write(struct vcpu *vcpu, u64 gpa, unsigned bytes, u64 value);

/*
 * The guest has halted: wait until something is requested of the vCPU. True: nobody else has had
 * the CPU, and what the backend had in it is there still. It counts as not in guest mode meanwhile.
 */
bool exit_halt(struct vcpu *vcpu) must_check;

/* The local APIC asks whether an 8259 interrupt waits, and takes it. */
bool exit_pic_pending(struct vcpu *vcpu);
u8 exit_pic_acknowledge(struct vcpu *vcpu);
