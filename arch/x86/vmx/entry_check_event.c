/* SPDX-License-Identifier: MIT */
/* Checks on the event that entry injects (SDM vol. 3, 27.2.1.3). */
#include "entry_check_internal.h"

#include <bulkhead/cpu_state.h>

#define MISC_ZERO_LENGTH BIT(30) /* SDM vol. 3, A.6 */
/* Error codes go with any exception or with none (SDM vol. 3, A.1). */
#define BASIC_ANY_ERROR_CODE BIT(56)

/* #DF, #TS, #NP, #SS, #GP, #PF, #AC. */
#define ERROR_CODE_VECTORS (BIT(8) | BITS(14, 10) | BIT(17))

static void check_type(struct entry_run *run, u64 type)
{
	bool monitor_trap = run->check->caps->cpu.may & CPU_MONITOR_TRAP;

	entry_require_allowed(run, type != 1UL << 8 && (type != EVENT_OTHER || monitor_trap),
			      ENTRY_INTERRUPTION, "the type (bits 10:8) must not be reserved",
			      "type 0, 2 to %u", monitor_trap ? 7 : 6);
}

static void check_vector(struct entry_run *run, u64 type, u64 vector)
{
	if (type == EVENT_NMI)
		entry_require_allowed(run, vector == 2, ENTRY_INTERRUPTION,
				      "the vector of an NMI must be 2", "vector 2");
	if (type == EVENT_EXCEPTION)
		entry_require_allowed(run, vector <= 31, ENTRY_INTERRUPTION,
				      "the vector of a hardware exception must be at most 31",
				      "vector 0 to 31");
	if (type == EVENT_OTHER)
		entry_require_allowed(run, vector == 0, ENTRY_INTERRUPTION,
				      "the vector of another event must be 0 (pending MTF VM exit)",
				      "vector 0");
}

static void check_error_code(struct entry_run *run, u64 event, u64 vector)
{
	bool any = run->check->basic & BASIC_ANY_ERROR_CODE;
	bool delivered = event & EVENT_ERROR_CODE;
	bool exception = (event & EVENT_TYPE_MASK) == EVENT_EXCEPTION;
	bool has_code = vector < 32 && ERROR_CODE_VECTORS & BIT(vector);
	bool possible = exception && entry_value(run, GUEST_CR0) & CR0_PE;

	entry_require_allowed(run, delivered || !possible || any || !has_code, ENTRY_INTERRUPTION,
			      "this exception must deliver an error code", "bit 11 as 1");
	entry_require_allowed(run, !delivered || (possible && (any || vector > 31 || has_code)),
			      ENTRY_INTERRUPTION, "this event must not deliver an error code",
			      "bit 11 as 0");
	if (delivered)
		entry_require_zero(run, ENTRY_ERROR_CODE, BITS(31, 16), "bits 31:16 must be 0");
}

static void check_length(struct entry_run *run, u64 type)
{
	bool zero = run->check->caps->misc & MISC_ZERO_LENGTH;
	u64 length = entry_value(run, ENTRY_INSTRUCTION_LENGTH);

	if (type != EVENT_SOFTWARE && type != EVENT_PRIVILEGED && type != EVENT_SOFTWARE_EXC)
		return;
	entry_require_allowed(run, length <= 15 && (length || zero), ENTRY_INSTRUCTION_LENGTH,
			      "a software event needs its instruction's length", "%u to 15",
			      zero ? 0 : 1);
}

void entry_check_event(struct entry_run *run)
{
	u64 event = entry_value(run, ENTRY_INTERRUPTION);
	u64 type = event & EVENT_TYPE_MASK, vector = event & 0xff;

	if (!(event & EVENT_VALID))
		return;
	run->section = "27.2.1.3";
	check_type(run, type);
	check_vector(run, type, vector);
	check_error_code(run, event, vector);
	entry_require_zero(run, ENTRY_INTERRUPTION, BITS(30, 12), "bits 30:12 must be 0");
	check_length(run, type);
}
