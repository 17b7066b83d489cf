/* SPDX-License-Identifier: MIT */
/*
 * Guest memory by segment and offset, through the guest's own segmentation and paging, for what the
 * hypervisor does in the guest's place. A failure has injected the guest's exception.
 */
#pragma once

#include <bulkhead/emulate.h>
#include <bulkhead/types.h>

struct vcpu;

/* In the order of instruction information fields (SDM vol. 3, table 28-9). */
enum guest_segment {
	GUEST_SEGMENT_ES,
	GUEST_SEGMENT_CS,
	GUEST_SEGMENT_SS,
	GUEST_SEGMENT_DS,
	GUEST_SEGMENT_FS,
	GUEST_SEGMENT_GS,
};

bool guest_linear_check(struct vcpu *vcpu, unsigned segment, u64 offset, unsigned bytes,
			bool write) must_check;
bool guest_linear_read(struct vcpu *vcpu, unsigned segment, u64 offset, void *data,
		       unsigned bytes) must_check;
bool guest_linear_write(struct vcpu *vcpu, unsigned segment, u64 offset, const void *data,
			unsigned bytes) must_check;

/* Inject what the emulator says. */
void guest_fault_inject(struct vcpu *vcpu, const struct emulate_fault *fault);
