/* SPDX-License-Identifier: MIT */
/*
 * What the commands share that look at a guest which stands still: regs, x, walk, vmcs, dump. For
 * the console's thread.
 */
#pragma once

#include <bulkhead/guest_walk.h>
#include <bulkhead/types.h>

struct cpu_state;
struct partition;
struct vcpu;

/* Registers of 64 bits, by name; the first GPR_COUNT of them are the general ones, in the order in
 * which people look for them. */
struct look_register {
	const char *name;
	size_t offset; /* in struct cpu_state */
};
extern const struct look_register look_registers[];
u64 look_register(const struct cpu_state *state, size_t index);

/* The one that `text` names, if it can be looked at. NULL: report_error has said why not. */
struct vcpu *look_vcpu(const char *text);

/* The guest's paging as its registers are; `read` goes through look_read. */
void look_paging(struct vcpu *vcpu, struct guest_paging *paging);

/* Guest-physical memory; false: not all of it is RAM. */
bool look_read(const struct partition *partition, u64 gpa, void *data, u64 bytes) must_check;

/* What the command line calls an address: [p:]TERM[+TERM|-TERM]..., a TERM being a number, $rip and
 * its like, or $cs.base. */
struct look_address {
	u64 value;
	bool physical;
};
#define LOOK_ADDRESS_HELP                                                                          \
	"a number, a register such as $rsp, sums of them, with p: before it if guest-physical"
bool look_address_read(const struct vcpu *vcpu, const char *text,
		       struct look_address *address) must_check;

/* How many of the `bytes` at `address` there are, up to the first that cannot be read; *walk is
 * then how that one was looked for, for look_fault_text. */
u64 look_bytes(struct vcpu *vcpu, const struct look_address *address, void *data, u64 bytes,
	       struct guest_walk *walk);

/* Why there is no memory at the end of a walk, or "" when it ended in a page. */
void look_fault_text(const struct guest_walk *walk, char *buffer, size_t bytes);
/* What the entry of a level is called: "PDE". */
const char *look_level_name(unsigned level);
