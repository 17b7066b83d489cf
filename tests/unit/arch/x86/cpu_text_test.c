/* SPDX-License-Identifier: MIT */
/* Registers in words, against SDM vol. 3, chapters 2 and 3. */
/* links: vmm/format.c */
#include "cmocka_all.h"

#include <string.h>

#include <bulkhead/cpu_text.h>

static char text[128];

static const struct bit_name few[] = {{0, "zero"}, {63, "last"}};

static void bits(void **state)
{
	(void)state;
	bits_text(text, sizeof(text), 0, few, 2);
	assert_string_equal(text, "");
	bits_text(text, sizeof(text), 1, few, 2);
	assert_string_equal(text, "zero");
	bits_text(text, sizeof(text), 1UL << 63 | 1 << 5 | 1, few, 2);
	assert_string_equal(text, "zero bit 5 last");
	bits_text(text, sizeof(text), ~0UL, few, 2);
	assert_string_equal(text, "zero bits 1-62 last");
	bits_text(text, sizeof(text), 0x7cUL << 56, few, 1);
	assert_string_equal(text, "bits 58-62");
	bits_text(text, sizeof(text), 0xc000000000000000, few, 1);
	assert_string_equal(text, "bits 62-63");
}

/* What does not fit is said to go on, and nothing behind the room is touched. */
static void bits_without_room(void **state)
{
	(void)state;
	for (size_t room = 1; room < sizeof(text); room++) {
		memset(text, '#', sizeof(text));
		bits_text(text, room, 0x55, few, 2);
		assert_true(strlen(text) < room);
		for (size_t i = room; i < sizeof(text); i++)
			assert_int_equal(text[i], '#');
		if (room >= 5 && strcmp(text, "zero bit 2 bit 4 bit 6") != 0)
			assert_string_equal(text + strlen(text) - 3, "...");
	}
	assert_string_equal(text, "zero bit 2 bit 4 bit 6");
}

static void registers(void **state)
{
	(void)state;
	cpu_rflags_text(text, sizeof(text), 0x2);
	assert_string_equal(text, "");
	cpu_rflags_text(text, sizeof(text), 0x246);
	assert_string_equal(text, "PF ZF IF");
	cpu_rflags_text(text, sizeof(text), 0x3202);
	assert_string_equal(text, "IF IOPL 3");
	cpu_rflags_text(text, sizeof(text), 0x1002);
	assert_string_equal(text, "IOPL 1");
	cpu_cr0_text(text, sizeof(text), 0x80050033);
	assert_string_equal(text, "PE MP ET NE WP AM PG");
	cpu_cr4_text(text, sizeof(text), 0x6f0);
	assert_string_equal(text, "PSE PAE MCE PGE OSFXSR OSXMMEXCPT");
	cpu_cr4_text(text, sizeof(text), 1UL << 40 | 1 << 12);
	assert_string_equal(text, "LA57 bit 40");
	cpu_efer_text(text, sizeof(text), 0xd01);
	assert_string_equal(text, "SCE LME LMA NXE");
}

static void segment(u16 attributes, const char *expected)
{
	cpu_segment_text(text, sizeof(text), attributes);
	assert_string_equal(text, expected);
}

static void segments(void **state)
{
	(void)state;
	segment(0, "unusable");
	segment(0xa09b, "code, readable, 64-bit, DPL 0");
	segment(0xc0fb, "code, readable, 32-bit, DPL 3");
	segment(0x009d, "code, not readable, conforming, 16-bit, DPL 0");
	segment(0xc093, "data, writable, 32-bit, DPL 0");
	segment(0x0091, "data, not writable, 16-bit, DPL 0");
	segment(0xc0f7, "data, writable, expands down, 32-bit, DPL 3");
	segment(0x0013, "data, writable, 16-bit, DPL 0, not present");
	segment(0x008b, "TSS, busy, DPL 0");
	segment(0x0082, "LDT, DPL 0");
	segment(0x0083, "16-bit TSS, busy, DPL 0");
	segment(0x008e, "system segment of an unexpected type, DPL 0");
	/* L counts for code only. */
	segment(0xa093, "data, writable, 16-bit, DPL 0");
}

static void mode(u64 cr0, u64 efer, u64 rflags, u16 cs, const char *expected)
{
	struct cpu_state cpu = {.cr0 = cr0, .efer = efer, .rflags = rflags};

	cpu.cs.attributes = cs;
	assert_string_equal(cpu_mode_name(&cpu), expected);
}

static void modes(void **state)
{
	(void)state;
	mode(0x10, 0, 2, 0x93, "real mode");
	mode(0x11, 0, 2, 0x9b, "protected mode, 16-bit");
	mode(0x11, 0, 2, 0xc09b, "protected mode, 32-bit");
	mode(0x80000011, 0, 2 | RFLAGS_VM, 0xf3, "virtual-8086 mode");
	mode(0x80000011, 0x500, 2, 0xa09b, "64-bit mode");
	mode(0x80000011, 0x500, 2, 0xc0fb, "compatibility mode, 32-bit");
	mode(0x80000011, 0x500, 2, 0x00fb, "compatibility mode, 16-bit");
	/* A descriptor with L means nothing before long mode is active. */
	mode(0x11, 0x100, 2, 0xe09b, "protected mode, 32-bit");
}

static void paging(void **state)
{
	struct cpu_state cpu = {.cr0 = CR0_PE};

	(void)state;
	cpu.cr4 = CR4_PAE;
	assert_string_equal(cpu_paging_name(&cpu), "paging off");
	cpu.cr0 |= CR0_PG;
	assert_string_equal(cpu_paging_name(&cpu), "PAE paging");
	cpu.efer = EFER_LMA;
	assert_string_equal(cpu_paging_name(&cpu), "4-level paging");
	cpu.cr4 |= CR4_LA57;
	assert_string_equal(cpu_paging_name(&cpu), "5-level paging");
	cpu.efer = cpu.cr4 = 0;
	assert_string_equal(cpu_paging_name(&cpu), "32-bit paging");
}

static void privilege(void **state)
{
	struct cpu_state cpu = {.ss = {.attributes = 0xc0f3}};

	(void)state;
	assert_int_equal(cpu_privilege(&cpu), 0);
	cpu.cr0 = CR0_PE;
	assert_int_equal(cpu_privilege(&cpu), 3);
	cpu.ss.attributes = 0xc093;
	assert_int_equal(cpu_privilege(&cpu), 0);
	cpu.rflags = RFLAGS_VM;
	assert_int_equal(cpu_privilege(&cpu), 3);
}

static void linear_addresses(void **state)
{
	struct cpu_state cpu = {.cs = {.base = 0xffff0000, .attributes = 0x93}};

	(void)state;
	assert_int_equal(cpu_linear(&cpu, &cpu.cs, 0xfff0), 0xfffffff0);
	assert_int_equal(cpu_linear(&cpu, &cpu.cs, 0x10010), 0x10); /* wraps at 4 GiB */
	cpu.efer = EFER_LMA;
	cpu.cs.attributes = 0xa09b;
	cpu.gs.base = 0xffff888000000000;
	assert_int_equal(cpu_linear(&cpu, &cpu.cs, 0xffffffff81000000), 0xffffffff81000000);
	assert_int_equal(cpu_linear(&cpu, &cpu.gs, 0x28), 0xffff888000000028);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits),	     cmocka_unit_test(bits_without_room),
		cmocka_unit_test(registers), cmocka_unit_test(segments),
		cmocka_unit_test(modes),     cmocka_unit_test(paging),
		cmocka_unit_test(privilege), cmocka_unit_test(linear_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
