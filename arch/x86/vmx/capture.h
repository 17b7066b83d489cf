/* SPDX-License-Identifier: MIT */
/* A copy of a VMCS, to look at while its vCPU stands still. */
#pragma once

#include "fields.h"

#include <bulkhead/virt.h>

enum {
#define F(name, encoding, text) FIELD_INDEX_##name,
	VMCS_FIELDS(F)
#undef F
		VMCS_FIELD_COUNT
};

struct vmx_capture {
	u64 values[VMCS_FIELD_COUNT]; /* in the order of VMCS_FIELDS, which is that of the encodings
				       */
	bool present[VMCS_FIELD_COUNT];
};

/* `read` returns false for a field that the CPU does not have. */
void vmx_capture_fill(struct vmx_capture *capture, bool (*read)(u32 encoding, u64 *value));
void vmx_capture_show(const struct vmx_capture *capture,
		      void (*show)(void *context, const struct virt_field *field), void *context);

/* field_text.c: what the value of a field says, "" where the number says it all. */
void vmcs_field_text(u32 encoding, u64 value, char *buffer, size_t bytes);
