/* SPDX-License-Identifier: MIT */
/* Guest paging against SDM vol. 3, chapter 4: every mode, permission rule and error code. */
/* links: arch/x86/emulate/walk.c */
#include "guest_tables.h"

#include <bulkhead/emulate.h>
#include <bulkhead/error.h>

#define READ  0u
#define WRITE EMULATE_ACCESS_WRITE
#define USER  EMULATE_ACCESS_USER
#define FETCH EMULATE_ACCESS_FETCH

/* Page-fault error code bits. */
#define E_P 1
#define E_W 2
#define E_U 4
#define E_R 8
#define E_I 16

static u64 gpa;
static struct emulate_fault fault;

static void goes_to(u64 linear, u32 access, u64 expected)
{
	gpa = ~0ULL;
	assert_int_equal(emulate_translate(&paging, linear, access, &gpa, &fault), 0);
	assert_int_equal(gpa, expected);
}

static void page_faults(u64 linear, u32 access, u32 error_code)
{
	memset(&fault, 0xaa, sizeof(fault));
	assert_int_equal(emulate_translate(&paging, linear, access, &gpa, &fault), -EFAULT);
	assert_int_equal(fault.vector, 14);
	assert_true(fault.has_error_code);
	assert_int_equal(fault.error_code, error_code);
	assert_int_equal(fault.address, linear);
}

static void general_faults(u64 linear)
{
	assert_int_equal(emulate_translate(&paging, linear, READ, &gpa, &fault), -EFAULT);
	assert_int_equal(fault.vector, 13);
	assert_true(fault.has_error_code);
	assert_int_equal(fault.error_code, 0);
}

static void map_long(u64 rights)
{
	entry(PML4E, 0x2000 | PWU);
	entry(PDPTE, 0x3000 | PWU);
	entry(PDE, 0x4000 | PWU);
	entry(PTE, 0xabcdef000 | rights);
}

static void no_paging(void **state)
{
	(void)state;
	paging.cr0 = CR0_PE;
	goes_to(0x12345678, USER | WRITE, 0x12345678);
	goes_to(0x112345678, READ, 0x12345678);
}

static void mode_32(void **state)
{
	(void)state;
	paging.cr3 = 0x1018; /* PWT, PCD: not part of the address */
	/* 0xc0403abc: directory 0x301, table 3 */
	page_faults(0xc0403abc, READ, 0);
	entry32(0x1000 + 0x301 * 4, 0x2000 | PWU);
	page_faults(0xc0403abc, WRITE | USER, E_W | E_U);
	entry32(0x2000 + 3 * 4, 0xfffff000 | PWU);
	goes_to(0xc0403abc, WRITE | USER, 0xfffffabc);
	goes_to(0xffffffffc0403abc, READ, 0xfffffabc); /* linear addresses have 32 bits */
	entry32(0x1000 + 0x301 * 4, 0x2000 | P | U);
	page_faults(0xc0403abc, WRITE | USER, E_P | E_W | E_U);
	page_faults(0xc0403abc, WRITE, E_P | E_W);
	entry32(0x1000 + 0x301 * 4, 0x2000 | P | W);
	page_faults(0xc0403abc, USER, E_P | E_U);
	page_faults(0xc0403abc, USER | FETCH, E_P | E_U); /* no I bit without NX or SMEP */
	entry32(0x1000 + 0x301 * 4, 0x9000000 | PWU);	  /* a table outside RAM */
	page_faults(0xc0403abc, READ, 0);
}

static void mode_32_large(void **state)
{
	(void)state;
	/* without CR4.PSE bit 7 means nothing */
	entry32(0x1000 + 0x301 * 4, 0x2000 | PWU | PS);
	entry32(0x2000 + 3 * 4, 0x5000 | PWU);
	goes_to(0xc0403abc, READ, 0x5abc);
	paging.cr4 = CR4_PSE;
	entry32(0x1000 + 0x301 * 4, 0x12400000 | PWU | PS);
	goes_to(0xc0403abc, WRITE, 0x12403abc);
	/* PSE-36: bits 20:13 are 39:32 */
	entry32(0x1000 + 0x301 * 4, 0x12400000 | 0xa5u << 13 | PWU | PS);
	goes_to(0xc0403abc, WRITE, 0xa512403abc);
	entry32(0x1000 + 0x301 * 4, 0x12400000 | 1u << 21 | PWU | PS);
	page_faults(0xc0403abc, WRITE, E_P | E_W | E_R);
	paging.physical_bits = 36; /* bits 21:17 are reserved now */
	entry32(0x1000 + 0x301 * 4, 0x12400000 | 0xfu << 13 | PWU | PS);
	goes_to(0xc0403abc, READ, 0xf12403abc);
	entry32(0x1000 + 0x301 * 4, 0x12400000 | 0x10u << 13 | PWU | PS);
	page_faults(0xc0403abc, READ, E_P | E_R);
	paging.physical_bits = 46; /* never more than 40 bits */
	entry32(0x1000 + 0x301 * 4, 0x12400000 | 0xffu << 13 | PWU | PS);
	goes_to(0xc0403abc, READ, 0xff12403abc);
	entry32(0x1000 + 0x301 * 4, 0x12400000 | 1u << 21 | PWU | PS);
	page_faults(0xc0403abc, READ, E_P | E_R);
}

static void mode_pae(void **state)
{
	(void)state;
	paging.cr4 = CR4_PAE;
	/* 0xc0403abc: pointer 3, directory 2, table 3. CR3 is not looked at. */
	page_faults(0xc0403abc, READ, 0);
	paging.cr3 = 0xfffff000;
	paging.pdpte[3] = 0x1000 | P;
	entry(0x1000 + 2 * 8, 0x2000 | PWU);
	entry(0x2000 + 3 * 8, 0xab12345000 | PWU);
	goes_to(0xc0403abc, WRITE | USER, 0xab12345abc);
	entry(0x2000 + 3 * 8, 0xab12345000 | PWU | NX); /* reserved without NXE */
	page_faults(0xc0403abc, READ, E_P | E_R);
	page_faults(0xc0403abc, FETCH, E_P | E_R);
	paging.efer = EFER_NXE;
	goes_to(0xc0403abc, READ, 0xab12345abc);
	page_faults(0xc0403abc, FETCH, E_P | E_I);
	page_faults(0xc0403abc, FETCH | USER, E_P | E_I | E_U);
	entry(0x2000 + 3 * 8, BIT(40) | PWU);
	page_faults(0xc0403abc, READ, E_P | E_R);
	entry(0x2000 + 3 * 8, BIT(52) | PWU); /* reserved here, ignored in long mode */
	page_faults(0xc0403abc, READ, E_P | E_R);
	entry(0x1000 + 2 * 8, 0x40200000 | PWU | PS); /* 2 MiB, whatever CR4.PSE is */
	goes_to(0xc0403abc, READ, 0x40203abc);
	entry(0x1000 + 2 * 8, 0x40200000 | BIT(13) | PWU | PS);
	page_faults(0xc0403abc, READ, E_P | E_R);
	entry(0x1000 + 2 * 8, 0x40200000 | BIT(12) | PWU | PS); /* PAT */
	goes_to(0xc0403abc, READ, 0x40203abc);
}

static void mode_long(void **state)
{
	static const u64 addresses[] = {PML4E, PDPTE, PDE, PTE};

	(void)state;
	paging.cr3 = 0x1abc; /* a PCID */
	for (unsigned i = 0; i < 4; i++) {
		page_faults(LONG_LINEAR, READ, 0);
		entry(addresses[i], (i == 3 ? 0xabcdef000 : 0x2000 + i * 0x1000) | PWU);
	}
	goes_to(LONG_LINEAR, READ, 0xabcdefabc);
	for (unsigned i = 0; i < 4; i++) {
		u64 right, here = addresses[i];

		memcpy(&right, memory + here, 8);
		entry(here, right & ~W);
		page_faults(LONG_LINEAR, WRITE, E_P | E_W);
		page_faults(LONG_LINEAR, WRITE | USER, E_P | E_W | E_U);
		goes_to(LONG_LINEAR, USER, 0xabcdefabc);
		entry(here, right & ~U);
		page_faults(LONG_LINEAR, USER, E_P | E_U);
		goes_to(LONG_LINEAR, WRITE, 0xabcdefabc);
		entry(here, right | NX);
		page_faults(LONG_LINEAR, FETCH, E_P | E_I);
		goes_to(LONG_LINEAR, READ, 0xabcdefabc);
		entry(here, right | BIT(40));
		page_faults(LONG_LINEAR, WRITE, E_P | E_W | E_R);
		page_faults(LONG_LINEAR, FETCH, E_P | E_I | E_R);
		entry(here, right | BITS(62, 52)); /* ignored */
		goes_to(LONG_LINEAR, FETCH, 0xabcdefabc);
		entry(here, right & ~P);
		page_faults(LONG_LINEAR, FETCH | USER, E_I | E_U);
		entry(here, right);
	}
	entry(PML4E, 0x2000 | PWU | PS);
	page_faults(LONG_LINEAR, READ, E_P | E_R);
	general_faults(0x0000800000000000);
	general_faults(0xffff7fffffffffff);
	page_faults(0x00007fffffffffff, READ, 0);
	page_faults(0xffff800000000000, READ, 0);
}

static void mode_long_large(void **state)
{
	(void)state;
	map_long(PWU);
	entry(PDE, 0x8000200000 | PWU | PS);
	goes_to(LONG_LINEAR, READ, 0x8000200000 + (LONG_LINEAR & 0x1fffff));
	entry(PDE, 0x8000200000 | BIT(20) | PWU | PS);
	page_faults(LONG_LINEAR, READ, E_P | E_R);
	entry(PDPTE, 0x40000000 | PWU | PS);
	goes_to(LONG_LINEAR, READ, 0x40000000 + (LONG_LINEAR & 0x3fffffff));
	for (unsigned bit = 13; bit < 30; bit++) {
		entry(PDPTE, 0x40000000 | BIT(bit) | PWU | PS);
		page_faults(LONG_LINEAR, READ, E_P | E_R);
	}
	entry(PDPTE, 0x40000000 | P | PS);
	page_faults(LONG_LINEAR, USER | WRITE, E_P | E_U | E_W);
}

static void mode_5_level(void **state)
{
	/* 0x01ff812345678abc sign-extended from bit 56: indexes 0x1ff then as LONG_LINEAR */
	(void)state;
	paging.cr4 |= CR4_LA57;
	paging.cr3 = 0x5000;
	map_long(PWU);
	entry(0x5000 + 0x1ff * 8, 0x1000 | PWU);
	goes_to(LONG_LINEAR, READ, 0xabcdefabc);
	entry(0x5000 + 0x12 * 8, 0x1000 | PWU);
	goes_to(0x0012812345678abc, READ, 0xabcdefabc);
	entry(0x5000 + 0x12 * 8, 0x1000 | PWU | PS);
	page_faults(0x0012812345678abc, READ, E_P | E_R);
	general_faults(0x0100000000000000);
	general_faults(0x8012812345678abc);
}

static void write_protect(void **state)
{
	(void)state;
	map_long(P | U);
	page_faults(LONG_LINEAR, WRITE, E_P | E_W);
	paging.cr0 &= ~CR0_WP;
	goes_to(LONG_LINEAR, WRITE, 0xabcdefabc);
	page_faults(LONG_LINEAR, WRITE | USER, E_P | E_W | E_U); /* WP is for the supervisor only */
}

static void smep(void **state)
{
	(void)state;
	map_long(PWU);
	goes_to(LONG_LINEAR, FETCH, 0xabcdefabc);
	paging.cr4 |= CR4_SMEP;
	page_faults(LONG_LINEAR, FETCH, E_P | E_I);
	goes_to(LONG_LINEAR, FETCH | USER, 0xabcdefabc);
	goes_to(LONG_LINEAR, READ, 0xabcdefabc);
	entry(PDE, 0x4000 | P | W); /* one supervisor entry makes it a supervisor page */
	goes_to(LONG_LINEAR, FETCH, 0xabcdefabc);
	/* the I bit comes with SMEP even where there is no NX */
	paging.efer &= ~EFER_NXE;
	page_faults(LONG_LINEAR, FETCH | USER, E_P | E_U | E_I);
	paging.cr4 &= ~CR4_SMEP;
	page_faults(LONG_LINEAR, FETCH | USER, E_P | E_U);
}

static void smap(void **state)
{
	(void)state;
	map_long(PWU);
	paging.cr4 |= CR4_SMAP;
	page_faults(LONG_LINEAR, READ, E_P);
	page_faults(LONG_LINEAR, WRITE, E_P | E_W);
	goes_to(LONG_LINEAR, READ | USER, 0xabcdefabc);
	goes_to(LONG_LINEAR, FETCH, 0xabcdefabc);
	paging.cr0 &= ~CR0_WP; /* is no way around it */
	page_faults(LONG_LINEAR, WRITE, E_P | E_W);
	paging.rflags = RFLAGS_AC;
	goes_to(LONG_LINEAR, WRITE, 0xabcdefabc);
	paging.rflags = 0;
	entry(PTE, 0xabcdef000 | P | W);
	goes_to(LONG_LINEAR, WRITE, 0xabcdefabc);
}

/* The CPU's own accesses to descriptors: a supervisor's at any CPL, and AC does not help. */
static void implicit(void **state)
{
	u32 access = USER | EMULATE_ACCESS_IMPLICIT;

	(void)state;
	map_long(P | W);
	page_faults(LONG_LINEAR, USER, E_P | E_U);
	goes_to(LONG_LINEAR, access | WRITE, 0xabcdefabc);
	map_long(PWU);
	paging.cr4 |= CR4_SMAP;
	paging.rflags = RFLAGS_AC;
	goes_to(LONG_LINEAR, READ, 0xabcdefabc);
	page_faults(LONG_LINEAR, access, E_P);
	entry(PTE, 0);
	page_faults(LONG_LINEAR, access | WRITE, E_W);
}

#define E_K	     32
#define KEY(n)	     ((u64)(n) << 59)
#define NO_ACCESS(n) (1u << 2 * (n))
#define NO_WRITE(n)  (2u << 2 * (n))

static void protection_keys(void **state)
{
	(void)state;
	map_long(PWU | KEY(5));
	paging.pkru = NO_ACCESS(5) | NO_ACCESS(4) | NO_ACCESS(6);
	goes_to(LONG_LINEAR, WRITE | USER, 0xabcdefabc); /* not without CR4.PKE */
	paging.cr4 |= CR4_PKE;
	page_faults(LONG_LINEAR, READ, E_P | E_K);
	page_faults(LONG_LINEAR, WRITE | USER, E_P | E_W | E_U | E_K);
	goes_to(LONG_LINEAR, FETCH | USER, 0xabcdefabc);
	paging.pkru = NO_WRITE(5);
	goes_to(LONG_LINEAR, READ | USER, 0xabcdefabc);
	page_faults(LONG_LINEAR, WRITE | USER, E_P | E_W | E_U | E_K);
	page_faults(LONG_LINEAR, WRITE, E_P | E_W | E_K);
	paging.cr0 &= ~CR0_WP;
	goes_to(LONG_LINEAR, WRITE, 0xabcdefabc);
	page_faults(LONG_LINEAR, WRITE | USER, E_P | E_W | E_U | E_K);
	map_long(P | W | KEY(5)); /* keys are for users' pages; other reasons have no key bit */
	goes_to(LONG_LINEAR, WRITE, 0xabcdefabc);
	page_faults(LONG_LINEAR, WRITE | USER, E_P | E_W | E_U);
	map_long(P | U | KEY(5)); /* two reasons */
	page_faults(LONG_LINEAR, WRITE | USER, E_P | E_W | E_U | E_K);
	paging.pkru = ~(NO_ACCESS(5) | NO_WRITE(5));
	map_long(PWU | KEY(5));
	goes_to(LONG_LINEAR, WRITE | USER, 0xabcdefabc);
	map_long(PWU);
	page_faults(LONG_LINEAR, READ, E_P | E_K);
}

#define A BIT(5)
#define D BIT(6)

static unsigned updates, interfere; /* so many updates come too late */

static bool memory_update(void *context, u64 address, u64 old, u64 new, unsigned bytes)
{
	u64 value = 0;

	assert_ptr_equal(context, memory);
	assert_true(address <= sizeof(memory) - bytes);
	memcpy(&value, memory + address, bytes);
	assert_int_equal(value, old);
	assert_int_equal(new & ~old & ~(A | D), 0);
	updates++;
	if (interfere) {
		interfere--;
		memory[address + 1] ^= 2; /* an ignored bit */
		return false;
	}
	memcpy(memory + address, &new, bytes);
	return true;
}

static u64 flags_at(u64 address)
{
	return memory[address] & (A | D);
}

static void accessed_and_dirty(void **state)
{
	(void)state;
	map_long(PWU);
	goes_to(LONG_LINEAR, WRITE, 0xabcdefabc);
	assert_int_equal(flags_at(PTE), 0); /* nobody to set them */
	paging.update = memory_update;
	updates = interfere = 0;
	goes_to(LONG_LINEAR, READ, 0xabcdefabc);
	assert_int_equal(updates, 4);
	assert_true(flags_at(PML4E) == A && flags_at(PDPTE) == A && flags_at(PDE) == A &&
		    flags_at(PTE) == A);
	goes_to(LONG_LINEAR, FETCH, 0xabcdefabc);
	assert_int_equal(updates, 4); /* they are set */
	goes_to(LONG_LINEAR, WRITE | USER, 0xabcdefabc);
	assert_int_equal(updates, 5);
	assert_true(flags_at(PTE) == (A | D) && flags_at(PDE) == A);
	/* a fault leaves the page's own alone */
	map_long(P | U);
	page_faults(LONG_LINEAR, WRITE, E_P | E_W);
	assert_int_equal(flags_at(PTE), 0);
	/* entries that change meanwhile are walked again, but not for ever */
	map_long(PWU);
	updates = 0;
	interfere = 3;
	goes_to(LONG_LINEAR, WRITE, 0xabcdefabc);
	assert_int_equal(updates, 3 + 4);
	assert_int_equal(flags_at(PTE), A | D);
	map_long(PWU);
	updates = 0;
	interfere = 1000;
	goes_to(LONG_LINEAR, WRITE, 0xabcdefabc);
	assert_in_range(updates, 2, 20);
}

static void accessed_and_dirty_32(void **state)
{
	(void)state;
	paging.update = memory_update;
	updates = interfere = 0;
	entry32(0x1000 + 0x301 * 4, 0x2000 | PWU);
	entry32(0x2000 + 3 * 4, 0xfffff000 | PWU);
	entry32(0x2000 + 4 * 4, 0x11111000);
	goes_to(0xc0403abc, WRITE, 0xfffffabc);
	assert_true(flags_at(0x1000 + 0x301 * 4) == A && flags_at(0x2000 + 3 * 4) == (A | D));
	assert_int_equal(flags_at(0x2000 + 4 * 4), 0);
	/* PAE: the four registers have none */
	memset(memory, 0, sizeof(memory));
	paging.cr4 = CR4_PAE;
	paging.pdpte[3] = 0x2000 | P;
	entry(0x2000 + 2 * 8, 0x40000000 | PWU | PS);
	updates = 0;
	goes_to(0xc0403abc, WRITE, 0x40003abc);
	assert_int_equal(updates, 1);
	assert_int_equal(flags_at(0x2000 + 2 * 8), A | D);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(no_paging, setup),
		cmocka_unit_test_setup(mode_32, setup),
		cmocka_unit_test_setup(mode_32_large, setup),
		cmocka_unit_test_setup(mode_pae, setup),
		cmocka_unit_test_setup(mode_long, setup_long),
		cmocka_unit_test_setup(mode_long_large, setup_long),
		cmocka_unit_test_setup(mode_5_level, setup_long),
		cmocka_unit_test_setup(write_protect, setup_long),
		cmocka_unit_test_setup(smep, setup_long),
		cmocka_unit_test_setup(smap, setup_long),
		cmocka_unit_test_setup(implicit, setup_long),
		cmocka_unit_test_setup(protection_keys, setup_long),
		cmocka_unit_test_setup(accessed_and_dirty, setup_long),
		cmocka_unit_test_setup(accessed_and_dirty_32, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
