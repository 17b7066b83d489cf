/* SPDX-License-Identifier: MIT */
/* Checks on the guest's segment registers (SDM vol. 3, 27.3.1.2). */
#include "entry_check_internal.h"

#include <bulkhead/cpu_state.h>

/* In the order of the fields' encodings, two apart. */
enum segment_name { ES, CS, SS, DS, FS, GS, LDTR, TR, SEGMENTS };

#define DATA	  (BIT(ES) | BIT(DS) | BIT(FS) | BIT(GS))
#define CODE_DATA (DATA | BIT(CS) | BIT(SS))
#define SYSTEM	  (BIT(LDTR) | BIT(TR))

struct segment {
	u32 selector_field, base_field, limit_field, rights_field;
	u64 selector, base, limit, rights;
	unsigned type, dpl;
	bool usable;
};

/* Access rights: bits of `mask` have this value, in CS and TR always, in the others if usable. */
static const struct rights_rule {
	u32 segments;
	u64 mask, value;
	const char *rule;
} rights_rules[] = {
	{BIT(LDTR), BITS(3, 0), 2, "the type (bits 3:0) must be LDT"},
	{CODE_DATA, BIT(4), BIT(4), "S (bit 4) must be 1"},
	{SYSTEM, BIT(4), 0, "S (bit 4) must be 0"},
	{CODE_DATA | SYSTEM, BIT(7), BIT(7), "P (bit 7) must be 1"},
	{CODE_DATA | SYSTEM, BITS(11, 8), 0, "bits 11:8 must be 0"},
	{BIT(TR), RIGHTS_UNUSABLE, 0, "unusable (bit 16) must be 0"},
	{CODE_DATA | SYSTEM, BITS(31, 17), 0, "bits 31:17 must be 0"},
};

static void read_segments(const struct entry_run *run, struct segment *segments)
{
	for (u32 i = 0; i < SEGMENTS; i++) {
		struct segment *s = &segments[i];

		s->selector_field = GUEST_ES_SELECTOR + 2 * i;
		s->base_field = GUEST_ES_BASE + 2 * i;
		s->limit_field = GUEST_ES_LIMIT + 2 * i;
		s->rights_field = GUEST_ES_RIGHTS + 2 * i;
		s->selector = entry_value(run, s->selector_field);
		s->base = entry_value(run, s->base_field);
		s->limit = entry_value(run, s->limit_field);
		s->rights = entry_value(run, s->rights_field);
		s->type = s->rights & 0xf;
		s->dpl = s->rights >> 5 & 3;
		s->usable = !(s->rights & RIGHTS_UNUSABLE);
	}
}

static bool checked(const struct segment *segments, unsigned i)
{
	return i == CS || i == TR || segments[i].usable;
}

static void check_selectors(struct entry_run *run, const struct segment *segments)
{
	entry_require_zero(run, GUEST_TR_SELECTOR, BIT(2), "TI (bit 2) must be 0");
	if (segments[LDTR].usable)
		entry_require_zero(run, GUEST_LDTR_SELECTOR, BIT(2), "TI (bit 2) must be 0");
}

static void check_bases(struct entry_run *run, const struct segment *segments)
{
	for (unsigned i = 0; i < SEGMENTS; i++) {
		if (i == TR || i == FS || i == GS || (i == LDTR && segments[i].usable))
			entry_require_canonical(run, segments[i].base_field);
		else if (i != LDTR && checked(segments, i))
			entry_require_zero(run, segments[i].base_field, BITS(63, 32),
					   "bits 63:32 must be 0");
	}
}

static void check_virtual_8086(struct entry_run *run, const struct segment *segments)
{
	for (unsigned i = 0; i < SEGMENTS; i++) {
		const struct segment *s = &segments[i];

		if (!(CODE_DATA & BIT(i)))
			continue;
		entry_require_allowed(run, s->base == s->selector << 4, s->base_field,
				      "must be the selector times 16 in virtual-8086 mode", "0x%lx",
				      s->selector << 4);
		entry_require_allowed(run, s->limit == 0xffff, s->limit_field,
				      "has one value in virtual-8086 mode", "0xffff");
		entry_require_allowed(run, s->rights == 0xf3, s->rights_field,
				      "have one value in virtual-8086 mode", "0xf3");
	}
}

static void check_granularity(struct entry_run *run, const struct segment *s)
{
	bool pages = s->rights & BIT(15);

	entry_require_allowed(run, !pages || (s->limit & 0xfff) == 0xfff, s->rights_field,
			      "G (bit 15) must be 0 if any of bits 11:0 of the limit is 0",
			      "bit 15 as 0 with limit 0x%lx", s->limit);
	entry_require_allowed(run, pages || !(s->limit >> 20), s->rights_field,
			      "G (bit 15) must be 1 if any of bits 31:20 of the limit is 1",
			      "bit 15 as 1 with limit 0x%lx", s->limit);
}

static void check_rights(struct entry_run *run, const struct segment *segments, u32 which)
{
	for (unsigned i = 0; i < SEGMENTS; i++) {
		const struct segment *s = &segments[i];

		if (!(which & BIT(i)) || !checked(segments, i))
			continue;
		for (size_t r = 0; r < ARRAY_SIZE(rights_rules); r++) {
			const struct rights_rule *rule = &rights_rules[r];

			if (!(rule->segments & BIT(i)))
				continue;
			entry_require_allowed(run, (s->rights & rule->mask) == rule->value,
					      s->rights_field, rule->rule, "bits 0x%lx as in 0x%lx",
					      rule->mask, rule->value);
		}
		check_granularity(run, s);
	}
}

static void check_code(struct entry_run *run, const struct segment *segments)
{
	const struct segment *cs = &segments[CS];
	unsigned cpl = segments[SS].dpl;
	bool unrestricted = entry_on(run, WORD_CPU2, CPU2_UNRESTRICTED);

	entry_require_allowed(
		run, (cs->type & 9) == 9 || (cs->type == 3 && unrestricted), GUEST_CS_RIGHTS,
		"the type (bits 3:0) must be an accessed code segment",
		unrestricted ? "type 3 (data), 9, 11, 13 or 15" : "type 9, 11, 13 or 15");
	entry_require_allowed(run, cs->type != 3 || !cs->dpl, GUEST_CS_RIGHTS,
			      "DPL (bits 6:5) must be 0 with a data type", "DPL 0");
	entry_require_allowed(
		run, (cs->type != 9 && cs->type != 11) || cs->dpl == cpl, GUEST_CS_RIGHTS,
		"DPL (bits 6:5) of non-conforming code must equal that of SS", "DPL %u", cpl);
	entry_require_allowed(
		run, (cs->type != 13 && cs->type != 15) || cs->dpl <= cpl, GUEST_CS_RIGHTS,
		"DPL (bits 6:5) of conforming code must not exceed that of SS", "DPL 0 to %u", cpl);
	entry_require_allowed(run,
			      !entry_on(run, WORD_ENTRY, ENTRY_IA32E) ||
				      !(cs->rights & RIGHTS_LONG) || !(cs->rights & BIT(14)),
			      GUEST_CS_RIGHTS, "D/B (bit 14) must be 0 in 64-bit mode",
			      "bit 14 as 0");
}

static void check_stack(struct entry_run *run, const struct segment *segments)
{
	const struct segment *ss = &segments[SS];
	u64 rpl = ss->selector & 3;
	bool privileged = segments[CS].type == 3 || !(entry_value(run, GUEST_CR0) & CR0_PE);

	entry_require_allowed(run, !ss->usable || ss->type == 3 || ss->type == 7, GUEST_SS_RIGHTS,
			      "the type (bits 3:0) must be writable accessed data", "type 3 or 7");
	entry_require_allowed(run, !privileged || !ss->dpl, GUEST_SS_RIGHTS,
			      "DPL (bits 6:5) must be 0 with a data type in CS or CR0.PE 0",
			      "DPL 0");
	if (entry_on(run, WORD_CPU2, CPU2_UNRESTRICTED))
		return;
	entry_require_allowed(run, rpl == (segments[CS].selector & 3), GUEST_SS_SELECTOR,
			      "RPL (bits 1:0) must equal that of CS", "RPL %lu",
			      segments[CS].selector & 3);
	entry_require_allowed(run, ss->dpl == rpl, GUEST_SS_RIGHTS,
			      "DPL (bits 6:5) must equal RPL of the selector", "DPL %lu", rpl);
}

static void check_data(struct entry_run *run, const struct segment *s)
{
	bool unrestricted = entry_on(run, WORD_CPU2, CPU2_UNRESTRICTED);

	if (!s->usable)
		return;
	entry_require_allowed(run, s->type & 1, s->rights_field,
			      "the type (bits 3:0) must be accessed", "bit 0 as 1");
	entry_require_allowed(run, !(s->type & 8) || s->type & 2, s->rights_field,
			      "the type (bits 3:0) must be readable if it is code", "bit 1 as 1");
	entry_require_allowed(run, unrestricted || s->type > 11 || s->dpl >= (s->selector & 3),
			      s->rights_field,
			      "DPL (bits 6:5) must not be less than RPL of the selector",
			      "DPL %lu to 3", s->selector & 3);
}

static void check_task(struct entry_run *run, const struct segment *tr)
{
	bool ia32e = entry_on(run, WORD_ENTRY, ENTRY_IA32E);

	entry_require_allowed(run, tr->type == 11 || (tr->type == 3 && !ia32e), GUEST_TR_RIGHTS,
			      "the type (bits 3:0) must be a busy TSS",
			      ia32e ? "type 11" : "type 3 (16-bit) or 11 (32-bit)");
}

void entry_check_segments(struct entry_run *run)
{
	struct segment segments[SEGMENTS];
	bool virtual_8086 = entry_value(run, GUEST_RFLAGS) & RFLAGS_VM;

	run->section = "27.3.1.2";
	read_segments(run, segments);
	check_selectors(run, segments);
	check_bases(run, segments);
	check_task(run, &segments[TR]);
	check_rights(run, segments, virtual_8086 ? SYSTEM : SYSTEM | CODE_DATA);
	if (virtual_8086) {
		check_virtual_8086(run, segments);
		return;
	}
	check_code(run, segments);
	check_stack(run, segments);
	for (unsigned i = 0; i < SEGMENTS; i++) {
		if (DATA & BIT(i))
			check_data(run, &segments[i]);
	}
}
