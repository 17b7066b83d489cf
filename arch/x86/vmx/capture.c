/* SPDX-License-Identifier: MIT */
/* The fields of a VMCS for inspection. A VMCS can be read on the CPU only where it is current, so
 * they are copied when the vCPU stops, and shown from the copy. */
#include "capture.h"

#include "instructions.h"
#include "vmx.h"

#include <bulkhead/memory.h>

static const struct {
	u32 encoding;
	const char *name;
} fields[VMCS_FIELD_COUNT] = {
#define F(name, encoding, text) {encoding, text},
	VMCS_FIELDS(F)
#undef F
};

void vmx_capture_fill(struct vmx_capture *capture, bool (*read)(u32 encoding, u64 *value))
{
	const unsigned error = FIELD_INDEX_INSTRUCTION_ERROR;

	/* First of all, as reading a field that is not there changes it. */
	capture->present[error] = read(fields[error].encoding, &capture->values[error]);
	for (unsigned i = 0; i < VMCS_FIELD_COUNT; i++)
		if (i != error)
			capture->present[i] = read(fields[i].encoding, &capture->values[i]);
}

/* Bits 11:10 of an encoding (SDM vol. 3, table 25-20). */
static const char *field_group(u32 encoding)
{
	static const char *const groups[] = {"control", "exit", "guest", "host"};

	return groups[encoding >> 10 & 3];
}

void vmx_capture_show(const struct vmx_capture *capture,
		      void (*show)(void *context, const struct virt_field *field), void *context)
{
	char meaning[512];

	for (unsigned i = 0; i < VMCS_FIELD_COUNT; i++) {
		struct virt_field field = {
			.encoding = fields[i].encoding,
			.group = field_group(fields[i].encoding),
			.name = fields[i].name,
			.value = capture->values[i],
			.meaning = meaning,
		};

		if (!capture->present[i])
			continue;
		vmcs_field_text(field.encoding, field.value, meaning, sizeof(meaning));
		show(context, &field);
	}
}

void vmx_capture_destroy(struct vcpu *vcpu)
{
	memory_give(MEMORY_OTHER, vmx_of(vcpu)->capture, sizeof(struct vmx_capture));
	vmx_of(vcpu)->capture = NULL;
}

/* Most never stand still before their end, so there is memory for it from the first time on. */
void vmx_capture(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	if (!vmx->capture)
		vmx->capture = memory_take(MEMORY_OTHER, sizeof(struct vmx_capture));
	if (vmx->capture)
		vmx_capture_fill(vmx->capture, vmread_try);
}

void vmx_fields(const struct vcpu *vcpu,
		void (*show)(void *context, const struct virt_field *field), void *context)
{
	const struct vmx_capture *capture = vmx_of(vcpu)->capture;

	if (capture)
		vmx_capture_show(capture, show, context);
}
