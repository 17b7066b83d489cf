/* SPDX-License-Identifier: MIT */
/*
 * A VMCS that is well-formed by the manual, on a CPU that has everything, for the tests of the
 * entry check: each row changes something and names the one rule that this breaks.
 */
#pragma once

#include "cmocka_all.h"

#include "arch/x86/vmx/entry_check.h"

#include <bulkhead/cpu_state.h>
#include <string.h>

/* Facts about the CPU and bytes of memory, changed like fields. */
enum fake_fact {
	FACT_MISC = 0x10000,
	FACT_BASIC,
	FACT_EPT_CAP,
	FACT_VM_FUNCTIONS,
	FACT_CPU_MAY,
	FACT_RTM,
	FACT_SGX,
	FACT_DEBUGCTL,
	FACT_LINEAR_BITS,
	FACT_COUNT,
};
#define MEMORY(address) (0x80000000 | (address)) /* eight bytes */

enum start { LONG_MODE, PROTECTED_32, PAE, REAL_MODE, VIRTUAL_8086 };

struct change {
	u32 what;
	u64 value;
	enum { END, SET, TOGGLE } how;
};
/* clang-format off */
#define PUT(what, value)  { what, value, SET }
#define FLIP(what, value) { what, value, TOGGLE }
/* clang-format on */

struct row {
	const char *section; /* NULL: all is well */
	u32 field;
	const char *rule; /* a part of it */
	enum start start;
	unsigned count; /* of violations, where it is not one */
	struct change change[16];
};
/* clang-format off */
#define ROWS(count, start, section, field, rule, ...) \
	{ section, field, rule, start, count, { __VA_ARGS__ } }
#define ROW(...)             ROWS(1, __VA_ARGS__)
#define LEGAL(...)           LEGAL_ROW(__VA_ARGS__, { 0 })
#define LEGAL_ROW(mode, ...) { .start = mode, .change = { __VA_ARGS__ } }
/* clang-format on */

#define PAGE_VIRTUAL_APIC 0x5000
#define VTPR_ADDRESS	  0x5080
#define PAGE_LINK	  0x7000
#define MSR_AREA	  0x8000
#define PDPT		  0x9000
#define CURRENT_VMCS	  0xa000
#define REVISION	  0x12

/* Control bits that must be 1 on all CPUs so far, and then all that is tested here. */
#define PIN_ALL 0xffULL
#define CPU_ALL                                                                                    \
	(0x04006172 | CPU_TSC_OFFSETTING | CPU_HLT | CPU_TPR_SHADOW | CPU_NMI_WINDOW |             \
	 CPU_IO_BITMAPS | CPU_MSR_BITMAPS | CPU_SECONDARY)
#define CPU2_ALL                                                                                   \
	(CPU2_APIC_ACCESSES | CPU2_EPT | CPU2_VPID | CPU2_UNRESTRICTED | CPU2_APIC_REGISTER |      \
	 CPU2_VIRTUAL_INTERRUPT | CPU2_VM_FUNCTIONS | CPU2_VMCS_SHADOWING | CPU2_PML |             \
	 CPU2_EPT_VE | CPU2_MODE_BASED_EXECUTE | CPU2_SUB_PAGE_WRITE | CPU2_PT_GUEST_PHYSICAL |    \
	 CPU2_TSC_SCALING)
#define EXIT_ALL                                                                                   \
	(0x36dfb | EXIT_SAVE_DEBUG | EXIT_HOST_64 | EXIT_LOAD_PERF | EXIT_ACKNOWLEDGE |            \
	 EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER | EXIT_SAVE_PREEMPTION |  \
	 EXIT_CLEAR_RTIT | EXIT_LOAD_CET | EXIT_LOAD_PKRS)
#define ENTRY_ALL                                                                                  \
	(0x11fb | ENTRY_LOAD_DEBUG | ENTRY_IA32E | ENTRY_LOAD_PERF | ENTRY_LOAD_PAT |              \
	 ENTRY_LOAD_EFER | ENTRY_LOAD_BNDCFGS | ENTRY_LOAD_RTIT | ENTRY_LOAD_UINV |                \
	 ENTRY_LOAD_CET | ENTRY_LOAD_LBR | ENTRY_LOAD_PKRS)
#define EVENT(type, vector) (EVENT_VALID | (type) | (vector))

static struct fake {
	struct vmx_capabilities caps;
	struct entry_check check;
	u64 fields[0x8000];
	bool absent[0x8000]; /* the CPU lacks the field: reading it is a mistake */
	u64 facts[FACT_COUNT - FACT_MISC];
	u8 memory[0x10000];
	struct entry_violation violations[32];
	unsigned reports;
} fake;

static u64 fake_read(void *context unused, u32 field)
{
	assert_non_null(vmcs_field_name(field));
	assert_false(fake.absent[field]);
	return fake.fields[field];
}

static bool fake_read_memory(void *context unused, u64 address, void *buffer, size_t bytes)
{
	if (address > sizeof(fake.memory) - bytes)
		return false;
	memcpy(buffer, fake.memory + address, bytes);
	return true;
}

static void fake_report(void *context unused, const struct entry_violation *violation)
{
	if (fake.reports < ARRAY_SIZE(fake.violations))
		fake.violations[fake.reports] = *violation;
	fake.reports++;
}

/* A field counts where the bits above its width do not exist (SDM vol. 3, 25.11.2). */
static u64 fake_truncate(u32 field, u64 value)
{
	static const u64 masks[] = {0xffff, ~0ULL, 0xffffffff, ~0ULL};

	return value & masks[field >> 13 & 3];
}

static void fake_change(const struct change *change)
{
	u64 *at, value;

	if (change->what & 0x80000000) {
		memcpy(fake.memory + (change->what & 0xffff), &change->value, 8);
		return;
	}
	at = change->what >= FACT_MISC ? &fake.facts[change->what - FACT_MISC]
				       : &fake.fields[change->what];
	value = change->how == TOGGLE ? *at ^ change->value : change->value;
	*at = change->what >= FACT_MISC ? value : fake_truncate(change->what, value);
}

static void fake_change_all(const struct change *changes, size_t count)
{
	for (size_t i = 0; i < count && changes[i].how != END; i++)
		fake_change(&changes[i]);
}

static const struct change fake_facts[] = {
	PUT(FACT_MISC, 0x7004c1e7), /* all activity states, 4 CR3 targets, length 0 */
	PUT(FACT_BASIC, 0x00da040000000012),
	PUT(FACT_EPT_CAP, 0xf01067341f1), /* UC and WB, walks of 4 and 5, accessed and dirty */
	PUT(FACT_VM_FUNCTIONS, 1),
	PUT(FACT_CPU_MAY, 0xfffdfffe),
	PUT(FACT_RTM, 1),
	PUT(FACT_SGX, 1),
};

static const struct change fake_controls[] = {
	PUT(PIN_CONTROLS, PIN_ALL),
	PUT(PRIMARY_CONTROLS, CPU_ALL),
	PUT(SECONDARY_CONTROLS, CPU2_ALL),
	PUT(EXIT_CONTROLS, EXIT_ALL),
	PUT(ENTRY_CONTROLS, ENTRY_ALL),
	PUT(CR3_TARGET_COUNT, 4),
	PUT(IO_BITMAP_A, 0x1000),
	PUT(IO_BITMAP_B, 0x2000),
	PUT(MSR_BITMAP, 0x7ffffff000),
	PUT(VIRTUAL_APIC_ADDRESS, PAGE_VIRTUAL_APIC),
	PUT(APIC_ACCESS_ADDRESS, 0x6000),
	PUT(POSTED_INTERRUPT_VECTOR, 0xf2),
	PUT(POSTED_INTERRUPT_DESCRIPTOR, 0x6040),
	PUT(VPID, 1),
	PUT(EPT_POINTER, 0x7ffffff05e),
	PUT(VM_FUNCTION_CONTROLS, 1),
	PUT(EPTP_LIST, 0x3000),
	PUT(VMREAD_BITMAP, 0x3000),
	PUT(VMWRITE_BITMAP, 0x4000),
	PUT(VE_INFORMATION, 0x4000),
	PUT(SPP_TABLE, 0x4000),
	PUT(PML_ADDRESS, 0x4000),
	PUT(TSC_MULTIPLIER, 1ULL << 48),
	PUT(EXIT_MSR_STORE_COUNT, 1),
	PUT(EXIT_MSR_STORE_ADDRESS, 0x7ffffffff0),
	PUT(EXIT_MSR_LOAD_COUNT, 2),
	PUT(EXIT_MSR_LOAD_ADDRESS, 0x8800),
	PUT(ENTRY_MSR_LOAD_COUNT, 2),
	PUT(ENTRY_MSR_LOAD_ADDRESS, MSR_AREA),
	PUT(MEMORY(MSR_AREA), 0xc0000081),
	PUT(MEMORY(MSR_AREA + 16), 0xc0000102),
	PUT(MEMORY(PAGE_LINK), REVISION | 1ULL << 31),
};

static const struct change fake_host[] = {
	PUT(HOST_CR0, 0x80050033),
	PUT(HOST_CR3, 0x123000),
	PUT(HOST_CR4, CR4_PAE | CR4_VMXE | CR4_CET | CR4_PCIDE),
	PUT(HOST_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE),
	PUT(HOST_PAT, 0x0107050600070406),
	PUT(HOST_PERF_GLOBAL_CTRL, 0x70000000f),
	PUT(HOST_CS_SELECTOR, 0x8),
	PUT(HOST_TR_SELECTOR, 0x10),
	PUT(HOST_GS_BASE, 0xffff800000000000),
	PUT(HOST_FS_BASE, 0x00007fffffffffff),
	PUT(HOST_GDTR_BASE, 0xffffffff80001000),
	PUT(HOST_IDTR_BASE, 0xffffffff80002000),
	PUT(HOST_TR_BASE, 0xffffffff80003000),
	PUT(HOST_RIP, 0xffffffff80100000),
	PUT(HOST_RSP, 0xffffffff80200000),
	PUT(HOST_S_CET, 0x3),
	PUT(HOST_SSP, 0xffffffff80300000),
};

static const struct change fake_long_mode[] = {
	PUT(GUEST_CR0, 0x80050033),
	PUT(GUEST_CR3, PDPT),
	PUT(GUEST_CR4, CR4_PAE | CR4_VMXE),
	PUT(GUEST_EFER, EFER_SCE | EFER_LME | EFER_LMA),
	PUT(GUEST_PAT, 0x0007040600070406),
	PUT(GUEST_PERF_GLOBAL_CTRL, 0x3),
	PUT(GUEST_RIP, 0xffffffff81000000),
	PUT(GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF),
	PUT(GUEST_DR7, 0x400),
	PUT(GUEST_CS_SELECTOR, 0x10),
	PUT(GUEST_CS_LIMIT, 0xffffffff),
	PUT(GUEST_CS_RIGHTS, 0xa09b),
	PUT(GUEST_SS_SELECTOR, 0x18),
	PUT(GUEST_SS_LIMIT, 0xffffffff),
	PUT(GUEST_SS_RIGHTS, 0xc093),
	PUT(GUEST_DS_SELECTOR, 0x18),
	PUT(GUEST_DS_LIMIT, 0xffffffff),
	PUT(GUEST_DS_RIGHTS, 0xc093),
	PUT(GUEST_ES_RIGHTS, RIGHTS_UNUSABLE),
	PUT(GUEST_FS_RIGHTS, RIGHTS_UNUSABLE),
	PUT(GUEST_GS_RIGHTS, 0x93),
	PUT(GUEST_GS_LIMIT, 0xffff),
	PUT(GUEST_GS_BASE, 0xffff888000000000),
	PUT(GUEST_LDTR_SELECTOR, 0x30),
	PUT(GUEST_LDTR_RIGHTS, 0x82),
	PUT(GUEST_LDTR_LIMIT, 0xff),
	PUT(GUEST_TR_SELECTOR, 0x40),
	PUT(GUEST_TR_RIGHTS, 0x8b),
	PUT(GUEST_TR_LIMIT, 0x67),
	PUT(GUEST_TR_BASE, 0xfffffe0000003000),
	PUT(GUEST_GDTR_BASE, 0xfffffe0000001000),
	PUT(GUEST_GDTR_LIMIT, 0x7f),
	PUT(GUEST_IDTR_BASE, 0xfffffe0000000000),
	PUT(GUEST_IDTR_LIMIT, 0xfff),
	PUT(VMCS_LINK_POINTER, ~0ULL),
};

static const struct change fake_protected_32[] = {
	FLIP(ENTRY_CONTROLS, ENTRY_IA32E),
	PUT(GUEST_CR4, CR4_VMXE | CR4_PSE),
	PUT(GUEST_EFER, 0),
	PUT(GUEST_RIP, 0xc0100000),
	PUT(GUEST_CS_RIGHTS, 0xc09b),
	PUT(GUEST_GS_BASE, 0),
	PUT(GUEST_TR_BASE, 0xc0003000),
	PUT(GUEST_GDTR_BASE, 0xc0001000),
	PUT(GUEST_IDTR_BASE, 0xc0000000),
};

static const struct change fake_pae[] = {
	FLIP(GUEST_CR4, CR4_PAE),	 PUT(GUEST_PDPTE0, 0x1001),
	PUT(GUEST_PDPTE1, 0x7ffffff019), PUT(GUEST_PDPTE2, 0x6 /* not present: anything goes */),
	PUT(GUEST_PDPTE3, 0xe01),	 PUT(MEMORY(PDPT), 0x1001),
	PUT(MEMORY(PDPT + 8), 0x2001),
};

/* As after reset. */
static const struct change fake_real_mode[] = {
	PUT(GUEST_CR0, CR0_NE | CR0_ET | CR0_NW | CR0_CD),
	PUT(GUEST_CR4, CR4_VMXE),
	PUT(GUEST_RIP, 0xfff0),
	PUT(GUEST_RFLAGS, RFLAGS_FIXED),
	PUT(GUEST_CS_SELECTOR, 0xf000),
	PUT(GUEST_CS_BASE, 0xffff0000),
	PUT(GUEST_CS_LIMIT, 0xffff),
	PUT(GUEST_CS_RIGHTS, 0x93),
	PUT(GUEST_SS_SELECTOR, 0),
	PUT(GUEST_SS_LIMIT, 0xffff),
	PUT(GUEST_SS_RIGHTS, 0x93),
	PUT(GUEST_DS_SELECTOR, 0x43),
	PUT(GUEST_DS_LIMIT, 0xffff),
	PUT(GUEST_DS_RIGHTS, 0x93),
};

static const struct change fake_virtual_8086[] = {
	FLIP(GUEST_RFLAGS, RFLAGS_VM),	PUT(GUEST_CS_SELECTOR, 0x1001), PUT(GUEST_CS_BASE, 0x10010),
	PUT(GUEST_SS_SELECTOR, 0x2002), PUT(GUEST_SS_BASE, 0x20020),	PUT(GUEST_DS_SELECTOR, 0),
};

static void fake_start_virtual_8086(void)
{
	fake_change_all(fake_virtual_8086, ARRAY_SIZE(fake_virtual_8086));
	for (u32 i = 0; i < 6; i++) {
		fake.fields[GUEST_ES_RIGHTS + 2 * i] = 0xf3;
		fake.fields[GUEST_ES_LIMIT + 2 * i] = 0xffff;
	}
}

#define APPLY(changes) fake_change_all(changes, ARRAY_SIZE(changes))

static void fake_start(enum start start)
{
	memset(&fake, 0, sizeof(fake));
	APPLY(fake_facts);
	APPLY(fake_controls);
	APPLY(fake_host);
	APPLY(fake_long_mode);
	if (start != LONG_MODE)
		APPLY(fake_protected_32);
	if (start == PAE)
		APPLY(fake_pae);
	if (start == REAL_MODE)
		APPLY(fake_real_mode);
	if (start == VIRTUAL_8086)
		fake_start_virtual_8086();
}

static u64 fake_fact(enum fake_fact fact)
{
	return fake.facts[fact - FACT_MISC];
}

/* What the check is told about the CPU; tests may change it before the run. */
static void fake_prepare(void)
{
	fake.caps = (struct vmx_capabilities){
		.revision = REVISION,
		.misc = fake_fact(FACT_MISC),
		.cr0_fixed0 = 0x80000021,
		.cr0_fixed1 = 0xffffffff,
		.cr4_fixed0 = 0x2000,
		.cr4_fixed1 = 0x1f77fff,
		.ept_vpid = fake_fact(FACT_EPT_CAP),
		.physical_bits = 39,
		.pin = {0x16, 0xff},
		.cpu = {0x04006172, (u32)fake_fact(FACT_CPU_MAY)},
		.cpu2 = {0, 0x03dfffff},
		.exit = {0x00036dfb, 0x77ffffff},
		.entry = {0x000011fb, 0x007fffff},
	};
	fake.check = (struct entry_check){
		.read = fake_read,
		.read_memory = fake_read_memory,
		.report = fake_report,
		.caps = &fake.caps,
		.basic = fake_fact(FACT_BASIC),
		.current_vmcs = CURRENT_VMCS,
		.linear_bits = (unsigned)fake_fact(FACT_LINEAR_BITS),
		.vm_functions = fake_fact(FACT_VM_FUNCTIONS),
		.rtm = fake_fact(FACT_RTM),
		.sgx = fake_fact(FACT_SGX),
		.debugctl = fake_fact(FACT_DEBUGCTL),
		.perf_global = 0x70000000f,
		.rtit_ctl = 0x3fff,
	};
}

static unsigned fake_run(void)
{
	fake_prepare();
	return entry_check_all(&fake.check);
}

static bool fake_reported(const struct row *row)
{
	for (unsigned i = 0; i < MIN(fake.reports, (unsigned)ARRAY_SIZE(fake.violations)); i++) {
		const struct entry_violation *v = &fake.violations[i];

		if (row->section && v->field == row->field && strstr(v->rule, row->rule) &&
		    !strcmp(v->section, row->section) && v->value == fake.fields[row->field])
			return true;
	}
	return !row->section;
}

/* Returns how many rows came out otherwise than they say, each printed. */
static unused unsigned fake_run_rows(const struct row *rows, size_t count)
{
	unsigned wrong = 0;
	char text[256];

	for (size_t i = 0; i < count; i++) {
		fake_start(rows[i].start);
		APPLY(rows[i].change);
		if (fake_run() == rows[i].count && fake.reports == rows[i].count &&
		    fake_reported(&rows[i]))
			continue;
		wrong++;
		print_error("row %zu (%s): %u violations\n", i,
			    rows[i].rule ? rows[i].rule : "legal", fake.reports);
		for (unsigned v = 0; v < MIN(fake.reports, 32U); v++) {
			entry_violation_text(&fake.violations[v], text, sizeof(text));
			print_error("  %s\n", text);
		}
	}
	return wrong;
}
