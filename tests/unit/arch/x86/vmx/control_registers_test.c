/* SPDX-License-Identifier: MIT */
/*
 * Writes to control registers that exit, against what SDM vol. 2 says of MOV to them and vol. 3 of
 * paging: what the guest may not write is #GP, and nothing of it is in the VMCS.
 */
#include "fake_vmcs_access.h"

#include <arch/x86/guest_cpuid.h>
#include <arch/x86/vmx/vmx.h>
#include <bulkhead/partition.h>

#define PHYSICAL_BITS  39
#define LENGTH	       3
#define TABLE	       0x1020
#define PROTECTED      (CR0_PE | CR0_ET | CR0_NE)
#define CODE32	       0xc09b
#define CODE_LONG      0xa09b
#define TSS16_BUSY     0x83
#define TSS_BUSY       0x8b
#define UNTOUCHED(i)   (0xdead000UL + (i))
#define PDPTE_FIELD(i) (GUEST_PDPTE0 + 2 * (i))

struct vmx_machine vmx_machine;

static struct guest_cpuid policy;
static struct partition partition;
static struct vcpu vcpu;
static u64 ram[0x2000 / 8] aligned(4096);
static u64 *const table = ram + TABLE / 8;
static unsigned faults, flushes;

void vmx_inject_fault(struct vcpu *of, u8 vector, u32 error_code)
{
	assert_ptr_equal(of, &vcpu);
	assert_int_equal(vector, 13);
	assert_int_equal(error_code, 0);
	faults++;
}

void vmx_flush_guest(const struct vcpu *of)
{
	assert_ptr_equal(of, &vcpu);
	flushes++;
}

/* Protected mode with PAE, paging off. */
static void start(void)
{
	fake_vmcs_init();
	memset(ram, 0, sizeof(ram));
	memset(&vcpu, 0, sizeof(vcpu));
	faults = flushes = 0;
	policy.physical_bits = PHYSICAL_BITS;
	policy.cr4_allowed = CR4_PAE | CR4_PSE | CR4_PGE | CR4_PCIDE;
	policy.efer_allowed = EFER_LME | EFER_NXE;
	partition.cpuid = &policy;
	partition.memory = (struct guest_memory){.window = (u8 *)ram, .low_bytes = sizeof(ram)};
	vcpu.partition = &partition;
	fake_fields[GUEST_CR0] = fake_fields[CR0_SHADOW] = PROTECTED;
	fake_fields[CR0_MASK] = VMX_CR0_OWNED;
	fake_fields[GUEST_CR4] = fake_fields[CR4_SHADOW] = CR4_PAE;
	fake_fields[CR4_MASK] = ~0UL;
	fake_fields[GUEST_CR3] = TABLE;
	fake_fields[GUEST_CS_RIGHTS] = CODE32;
	fake_fields[GUEST_TR_RIGHTS] = TSS_BUSY;
	fake_fields[GUEST_RIP] = 0x1000;
	fake_fields[EXIT_INSTRUCTION_LENGTH] = LENGTH;
	for (unsigned i = 0; i < 4; i++)
		fake_fields[PDPTE_FIELD(i)] = UNTOUCHED(i);
}

/* MOV RCX to it. Whether the guest goes on behind it. */
static bool write_register(unsigned cr, u64 value)
{
	unsigned before = faults;
	u64 rip = fake_fields[GUEST_RIP];

	vcpu.gpr[GPR_RCX] = value;
	fake_fields[EXIT_QUALIFICATION] = cr | GPR_RCX << 8;
	vmx_exit_cr_access(&vcpu);
	if (faults == before) {
		assert_int_equal(fake_fields[GUEST_RIP], rip + LENGTH);
		return true;
	}
	assert_int_equal(faults, before + 1);
	assert_int_equal(fake_fields[GUEST_RIP], rip);
	return false;
}

static void expect_untouched(void)
{
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(fake_fields[PDPTE_FIELD(i)], UNTOUCHED(i));
}

/* --- the four top entries of PAE paging --- */

static const u64 entries[4] = {0x1001, 0x7ffffff019, 0, 0xfffffffffffffffe};

static void fill_table(void)
{
	memcpy(table, entries, sizeof(entries));
}

static void expect_entries(void)
{
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(fake_fields[PDPTE_FIELD(i)], entries[i]);
}

static void pae_loaded(void)
{
	fill_table();
	assert_true(write_register(0, PROTECTED | CR0_PG));
	expect_entries();
	assert_int_equal(fake_fields[GUEST_CR0], PROTECTED | CR0_PG);
	assert_int_equal(flushes, 1);
}

/* Paging is on without PAE before. */
static void pae_loaded_by_cr4(void)
{
	fill_table();
	fake_fields[GUEST_CR0] |= CR0_PG;
	fake_fields[GUEST_CR4] = fake_fields[CR4_SHADOW] = 0;
	assert_true(write_register(4, CR4_PAE));
	expect_entries();
	assert_int_equal(fake_fields[CR4_SHADOW], CR4_PAE);
}

/* SDM vol. 3, 4.4.1: in an entry that is present 63:M, 8:5 and 2:1 are reserved. */
static void pae_reserved(void)
{
	for (unsigned which = 0; which < 4 * 64; which++) {
		unsigned bit = which % 64;
		bool reserved =
			bit >= PHYSICAL_BITS || (bit >= 5 && bit <= 8) || bit == 1 || bit == 2;

		start();
		table[which / 64] = 1 | BIT(bit);
		assert_int_equal(write_register(0, PROTECTED | CR0_PG), !reserved);
		if (reserved) {
			expect_untouched();
			assert_int_equal(fake_fields[GUEST_CR0], PROTECTED);
		}
		start();
		table[which / 64] = BIT(bit) & ~1UL;
		assert_true(write_register(0, PROTECTED | CR0_PG));
	}
}

static void pae_outside_ram(void)
{
	fake_fields[GUEST_CR3] = sizeof(ram);
	assert_false(write_register(0, PROTECTED | CR0_PG));
	expect_untouched();
}

/* Another of the guest's CPUs, after the check. */
static void spoil(u64 field)
{
	if (field >= GUEST_PDPTE0 && field <= GUEST_PDPTE3)
		memset(table, 0xff, sizeof(entries));
}

static void pae_changed_meanwhile(void)
{
	fill_table();
	fake_before_vmwrite = spoil;
	assert_true(write_register(0, PROTECTED | CR0_PG));
	assert_int_equal(table[0], ~0UL);
	expect_entries();
}

/* --- long mode --- */

static void expect_legacy(void)
{
	assert_int_equal(fake_fields[GUEST_CR0], PROTECTED);
	assert_int_equal(fake_fields[GUEST_EFER], EFER_LME);
	assert_int_equal(fake_fields[ENTRY_CONTROLS], 0);
}

static void long_mode_entered(void)
{
	fake_fields[GUEST_EFER] = EFER_LME;
	assert_true(write_register(0, PROTECTED | CR0_PG));
	assert_int_equal(fake_fields[GUEST_EFER], EFER_LME | EFER_LMA);
	assert_int_equal(fake_fields[ENTRY_CONTROLS], ENTRY_IA32E);
	expect_untouched();
}

static void long_mode_without_pae(void)
{
	fake_fields[GUEST_EFER] = EFER_LME;
	fake_fields[GUEST_CR4] = fake_fields[CR4_SHADOW] = 0;
	assert_false(write_register(0, PROTECTED | CR0_PG));
	expect_legacy();
}

static void long_mode_from_long_code(void)
{
	fake_fields[GUEST_EFER] = EFER_LME;
	fake_fields[GUEST_CS_RIGHTS] = CODE_LONG;
	assert_false(write_register(0, PROTECTED | CR0_PG));
	expect_legacy();
}

/* SDM vol. 3, 10.8.5; at the next entry it would be one that is refused (27.3.1.2). */
static void long_mode_with_16_bit_tss(void)
{
	fake_fields[GUEST_EFER] = EFER_LME;
	fake_fields[GUEST_TR_RIGHTS] = TSS16_BUSY;
	assert_false(write_register(0, PROTECTED | CR0_PG));
	expect_legacy();
	/* To other paging it is nothing. */
	fake_fields[GUEST_EFER] = 0;
	assert_true(write_register(0, PROTECTED | CR0_PG));
	assert_int_equal(fake_fields[ENTRY_CONTROLS], 0);
}

static void long_mode_left(void)
{
	long_mode_entered();
	fake_fields[GUEST_CS_RIGHTS] = CODE_LONG;
	assert_false(write_register(0, PROTECTED));
	assert_int_equal(fake_fields[GUEST_EFER], EFER_LME | EFER_LMA);
	fake_fields[GUEST_CS_RIGHTS] = CODE32;
	assert_true(write_register(0, PROTECTED));
	expect_legacy();
}

/* --- how much of a register is written --- */

/* SDM vol. 2, MOV: 64 bits in 64-bit code, where the upper half is reserved; else 32. */
static void upper_half(void)
{
	const u64 high = BIT(63) | BIT(32);

	assert_true(write_register(4, high | CR4_PAE | CR4_PGE));
	assert_int_equal(fake_fields[CR4_SHADOW], CR4_PAE | CR4_PGE);
	assert_true(write_register(0, high | PROTECTED | CR0_TS));
	assert_int_equal(fake_fields[CR0_SHADOW], PROTECTED | CR0_TS);
	/* CS.L means nothing outside long mode. */
	fake_fields[GUEST_CS_RIGHTS] = CODE_LONG;
	assert_true(write_register(0, high | PROTECTED));
	fake_fields[GUEST_EFER] = EFER_LME | EFER_LMA;
	assert_false(write_register(0, BIT(32) | PROTECTED | CR0_TS));
	assert_false(write_register(0, BIT(63) | PROTECTED | CR0_TS));
	assert_false(write_register(4, BIT(32) | CR4_PAE));
	assert_false(write_register(4, BIT(63) | CR4_PAE));
	assert_int_equal(fake_fields[CR0_SHADOW], PROTECTED);
	assert_int_equal(fake_fields[CR4_SHADOW], CR4_PAE | CR4_PGE);
}

/* In the test itself, as cmocka handles signals of its own in what it calls. */
static void run(void **state)
{
	start();
	((void (*)(void)) * state)();
}

/* clang-format off */
#define TEST(test) { #test, run, NULL, NULL, (void *)(test) }
/* clang-format on */

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pae_loaded),
		TEST(pae_loaded_by_cr4),
		TEST(pae_reserved),
		TEST(pae_outside_ram),
		TEST(pae_changed_meanwhile),
		TEST(long_mode_entered),
		TEST(long_mode_without_pae),
		TEST(long_mode_from_long_code),
		TEST(long_mode_with_16_bit_tss),
		TEST(long_mode_left),
		TEST(upper_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
