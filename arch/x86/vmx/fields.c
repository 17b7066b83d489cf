/* SPDX-License-Identifier: MIT */
/* The VMCS fields' names, for dumps and explanations. */
#include "fields.h"

static const struct {
	u32 encoding;
	const char *name;
} fields[] = {
#define F(name, encoding, text) {encoding, text},
	VMCS_FIELDS(F)
#undef F
};

const char *vmcs_field_name(u32 encoding)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i].encoding == encoding)
			return fields[i].name;
	}
	return NULL;
}
