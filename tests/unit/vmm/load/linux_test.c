/* SPDX-License-Identifier: MIT */
/* A bzImage made here, byte by byte, goes into a guest: where everything lands, and every refusal.
 */
/* links: vmm/load/load_common.c vmm/format.c */
#include "cmocka_all.h"

#include <bulkhead/error.h>
#include <bulkhead/load.h>
#include <stdlib.h>
#include <string.h>

#define RAM_BYTES   (64 * MIB)
#define FILE_BYTES  (5 * 512 + 0x1000) /* 4 setup sectors after the boot sector, 4 KiB of code */
#define SETUP_BYTES (5 * 512)
#define ZERO_PAGE   0x10000
#define RSDP	    0xe1230

struct fixture {
	struct guest_memory memory;
	u8 file[FILE_BYTES + 64];
	struct load_request request;
	struct cpu_state start;
	char reason[LOAD_REASON_BYTES];
};

static void put(u8 *at, u64 value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (u8)(value >> (8 * i));
}

static u64 get(const u8 *at, unsigned bytes)
{
	u64 value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (u64)at[i] << (8 * i);
	return value;
}

static u64 guest_get(const struct fixture *f, u64 gpa, unsigned bytes)
{
	return get(f->memory.window + gpa, bytes);
}

/* Offsets as the boot protocol's table of header fields gives them. */
static void file_make(u8 *file)
{
	for (unsigned i = 0; i < FILE_BYTES; i++)
		file[i] = (u8)(i * 7 + (i >> 8));
	memset(file, 0xff,
	       0x1f1); /* the sentinel at 0x1ef among it: must not reach the zero page */
	memset(file + 0x1f1, 0, 0x290 - 0x1f1);
	put(file + 0x1f1, 4, 1);
	put(file + 0x1f4, 0x1000 / 16, 4);
	put(file + 0x1fe, 0xaa55, 2);
	put(file + 0x200, 0x6aeb, 2);
	memcpy(file + 0x202, "HdrS", 4);
	put(file + 0x206, 0x020f, 2);
	put(file + 0x211, 0x01, 1);
	put(file + 0x214, 0x100000, 4);
	put(file + 0x22c, 0x7fffffff, 4);
	put(file + 0x230, 0x200000, 4);
	put(file + 0x234, 1, 1);
	put(file + 0x236, 0x7f, 2);
	put(file + 0x238, 0x7ff, 4);
	put(file + 0x258, 0x1000000, 8);
	put(file + 0x260, 0x800000, 4);
	put(file + 0x268, 0x12345678, 4); /* a field that the loader need not know */
	put(file + 0x26c, 0xdeadbeef, 4); /* beyond the header */
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->memory.window = calloc(1, RAM_BYTES);
	assert_non_null(f->memory.window);
	f->memory.low_bytes = RAM_BYTES;
	file_make(f->file);
	f->request.kernel = (struct load_file){f->file, FILE_BYTES, NULL};
	f->request.cmdline = "console=ttyS0 quiet";
	f->request.rsdp_gpa = RSDP;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->memory.window);
	free(f);
	return 0;
}

static void load(struct fixture *f)
{
	int error = load_linux(&f->request, &f->memory, &f->start, f->reason);

	if (error)
		fail_msg("refused with %d: %s", error, f->reason);
}

static bool memory_is_untouched(const struct fixture *f)
{
	for (u64 i = 0; i < f->memory.low_bytes; i += 8)
		if (guest_get(f, i, 8))
			return false;
	return true;
}

static void refuse(struct fixture *f, int error, const char *words)
{
	strcpy(f->reason, "none");
	assert_int_equal(load_linux(&f->request, &f->memory, &f->start, f->reason), error);
	if (!strstr(f->reason, words))
		fail_msg("\"%s\" lacks \"%s\"", f->reason, words);
	assert_true(strlen(f->reason) < LOAD_REASON_BYTES - 1);
	assert_true(memory_is_untouched(f));
}

static void test_kernel_goes_to_its_preferred_address(void **state)
{
	struct fixture *f = *state;

	load(f);
	assert_memory_equal(f->memory.window + 0x1000000, f->file + SETUP_BYTES, 0x1000);
	assert_int_equal(guest_get(f, 0x1001000, 8), 0);
	assert_int_equal(guest_get(f, 0xfffff8, 8), 0);
	assert_int_equal(f->start.rip, 0x1000200);
	assert_int_equal(f->start.gpr[GPR_RSI], ZERO_PAGE);
}

static void test_zero_page_header(void **state)
{
	struct fixture *f = *state;
	const u8 *page = f->memory.window + ZERO_PAGE;

	put(f->file + 0x211, 0xe3, 1);
	put(f->file + 0x218, 0x5555, 4);
	put(f->file + 0x21c, 0x6666, 4);
	put(f->file + 0x224, 0x7777, 2);
	put(f->file + 0x226, 0x8888, 2);
	put(f->file + 0x23c, 3, 4);
	put(f->file + 0x240, 0xaaaa, 8);
	put(f->file + 0x250, 0x9999, 8);
	load(f);
	for (unsigned i = 0; i < 0x70; i++) /* no screen, no APM BIOS */
		assert_int_equal(page[i], 0);
	assert_int_equal(get(page + 0x70, 8), RSDP);
	assert_int_equal(page[0x1ef], 0);
	assert_int_equal(page[0x1f0], 0);
	assert_int_equal(page[0x1f1], 4);
	assert_int_equal(get(page + 0x1fa, 2), 0xffff);
	assert_int_equal(get(page + 0x1fe, 2), 0xaa55);
	assert_memory_equal(page + 0x202, "HdrS\x0f\x02", 6);
	assert_int_equal(page[0x210], 0xff);
	assert_int_equal(page[0x211], 0x01);
	assert_int_equal(get(page + 0x214, 4), 0x1000000);
	assert_int_equal(get(page + 0x218, 8), 0);
	assert_int_equal(get(page + 0x224, 4), 0);
	assert_int_equal(get(page + 0x228, 4), 0x20000);
	assert_int_equal(get(page + 0x23c, 4), 0);
	assert_int_equal(get(page + 0x240, 8), 0);
	assert_int_equal(get(page + 0x250, 8), 0);
	assert_int_equal(get(page + 0x258, 8), 0x1000000);
	assert_int_equal(get(page + 0x260, 4), 0x800000);
	assert_int_equal(get(page + 0x268, 4), 0x12345678);
	assert_int_equal(get(page + 0x26c, 4), 0);
	assert_string_equal(f->memory.window + 0x20000, "console=ttyS0 quiet");
}

static void test_header_never_leaves_its_room(void **state)
{
	struct fixture *f = *state;
	const u8 *page = f->memory.window + ZERO_PAGE;

	f->file[0x201] = 0xff;
	memset(f->file + 0x26c, 0xcc, 0x301 - 0x26c);
	load(f);
	assert_int_equal(page[0x28f], 0xcc);
	assert_int_equal(page[0x290], 0);
	assert_int_equal(get(page + 0x2d0, 8), 0);
}

static void check_e820(const struct fixture *f, unsigned i, u64 address, u64 end, u32 type)
{
	u64 entry = ZERO_PAGE + 0x2d0 + i * 20;

	assert_int_equal(guest_get(f, entry, 8), address);
	assert_int_equal(guest_get(f, entry + 8, 8), end - address);
	assert_int_equal(guest_get(f, entry + 16, 4), type);
}

static void test_memory_map(void **state)
{
	struct fixture *f = *state;

	load(f);
	assert_int_equal(guest_get(f, ZERO_PAGE + 0x1e8, 1), 4);
	check_e820(f, 0, 0, 0x9f000, 1);
	check_e820(f, 1, 0x9f000, 0xa0000, 2);
	check_e820(f, 2, 0xe0000, 0x100000, 2);
	check_e820(f, 3, 0x100000, RAM_BYTES, 1);
}

static void test_memory_map_above_4g(void **state)
{
	struct fixture *f = *state;

	f->memory.high_bytes = 3 * GIB;
	load(f);
	assert_int_equal(guest_get(f, ZERO_PAGE + 0x1e8, 1), 5);
	check_e820(f, 4, 4 * GIB, 7 * GIB, 1);
}

static void check_data_segment(const struct cpu_segment *segment)
{
	assert_int_equal(segment->selector, 0x18);
	assert_int_equal(segment->attributes, 0xc093);
	assert_int_equal(segment->limit, 0xffffffff);
	assert_int_equal(segment->base, 0);
}

/* "64-bit boot protocol" in the kernel's documentation, and SDM vol. 3, 27.3.1 for what entry
 * wants. */
static void test_cpu_state(void **state)
{
	struct fixture *f = *state;
	const struct cpu_state *s = &f->start;

	memset(&f->start, 0xff, sizeof(f->start));
	load(f);
	assert_int_equal(s->rflags, 2);
	assert_int_equal(s->cr0, 0x80000031);
	assert_int_equal(s->cr4, 0x20);
	assert_int_equal(s->cr8, 0);
	assert_int_equal(s->efer, 0x500);
	assert_int_equal(s->cs.selector, 0x10);
	assert_int_equal(s->cs.attributes, 0xa09b);
	assert_int_equal(s->cs.base, 0);
	assert_int_equal(s->cs.limit, 0xffffffff);
	check_data_segment(&s->ds);
	check_data_segment(&s->es);
	check_data_segment(&s->ss);
	check_data_segment(&s->fs);
	check_data_segment(&s->gs);
	assert_int_equal(s->ldtr.attributes, 0);
	assert_int_equal(s->tr.selector, 0x20);
	assert_int_equal(s->tr.attributes, 0x8b);
	assert_int_equal(s->tr.limit, 0x67);
	assert_int_equal(s->idtr.limit, 0);
	assert_int_equal(s->gdtr.limit, 0x2f);
	for (unsigned i = 0; i < GPR_COUNT; i++)
		if (i != GPR_RSI)
			assert_int_equal(s->gpr[i], 0);
}

static void test_gdt(void **state)
{
	struct fixture *f = *state;
	u64 gdt, tss;

	load(f);
	gdt = f->start.gdtr.base;
	assert_int_equal(guest_get(f, gdt, 8), 0);
	assert_int_equal(guest_get(f, gdt + 8, 8), 0);
	assert_int_equal(guest_get(f, gdt + 0x10, 8), 0x00af9b000000ffff);
	assert_int_equal(guest_get(f, gdt + 0x18, 8), 0x00cf93000000ffff);
	tss = guest_get(f, gdt + 0x20, 8);
	assert_int_equal(tss & 0xffff, 0x67);
	assert_int_equal((tss >> 16 & 0xffffff) | (tss >> 56) << 24, f->start.tr.base);
	assert_int_equal(tss >> 40 & 0xff, 0x8b);
	assert_int_equal(tss >> 48 & 0xff, 0);
	assert_int_equal(guest_get(f, gdt + 0x28, 8), 0);
}

/* Walked as SDM vol. 3, figure 4-9 says. */
static void test_page_tables_map_4g(void **state)
{
	struct fixture *f = *state;

	load(f);
	assert_int_equal(f->start.cr3 & 0xfff, 0);
	for (u64 address = 0; address < 4 * GIB; address += 2 * MIB) {
		u64 entry = guest_get(f, f->start.cr3 + (address >> 39) * 8, 8);

		assert_int_equal(entry & 0xfff, 3);
		entry = guest_get(f, (entry & ~0xfffULL) + (address >> 30 & 511) * 8, 8);
		assert_int_equal(entry & 0xfff, 3);
		entry = guest_get(f, (entry & ~0xfffULL) + (address >> 21 & 511) * 8, 8);
		assert_int_equal(entry, address | 0x83);
		assert_true(f->start.cr3 + 6 * 4096 <= 0x20000);
	}
}

static void test_low_memory_is_used_from_64k_to_9f000_only(void **state)
{
	struct fixture *f = *state;

	load(f);
	for (u64 i = 0; i < 0x10000; i += 8)
		assert_int_equal(guest_get(f, i, 8), 0);
	for (u64 i = 0x9f000; i < 0x100000; i += 8)
		assert_int_equal(guest_get(f, i, 8), 0);
}

static void test_initrd_is_high_and_page_aligned(void **state)
{
	struct fixture *f = *state;
	u8 initrd[5000];

	memset(initrd, 0x5a, sizeof(initrd));
	f->request.initrd = (struct load_file){initrd, sizeof(initrd), NULL};
	load(f);
	assert_int_equal(guest_get(f, ZERO_PAGE + 0x218, 4), RAM_BYTES - 8192);
	assert_int_equal(guest_get(f, ZERO_PAGE + 0x21c, 4), 5000);
	assert_memory_equal(f->memory.window + RAM_BYTES - 8192, initrd, 5000);
	assert_int_equal(f->memory.window[RAM_BYTES - 8192 + 5000], 0);
}

static void test_initrd_stays_within_the_kernels_reach(void **state)
{
	struct fixture *f = *state;
	u8 initrd[4096] = {1};

	put(f->file + 0x22c, 0x1ffffff, 4);
	f->request.initrd = (struct load_file){initrd, sizeof(initrd), NULL};
	load(f);
	assert_int_equal(guest_get(f, ZERO_PAGE + 0x218, 4), 0x1fff000);
	assert_int_equal(f->memory.window[0x1fff000], 1);
}

static void test_initrd_just_fits(void **state)
{
	struct fixture *f = *state;
	u64 bytes = RAM_BYTES - 0x1800000;
	u8 *initrd = calloc(1, bytes + 1);

	f->request.initrd = (struct load_file){initrd, bytes + 1, NULL};
	refuse(f, -ENOMEM, "initrd does not fit: it needs 40961 KiB");
	f->request.initrd.bytes = bytes;
	load(f);
	assert_int_equal(guest_get(f, ZERO_PAGE + 0x218, 4), 0x1800000);
	free(initrd);
}

static void test_initrd_too_big(void **state)
{
	struct fixture *f = *state;
	u8 initrd[8192] = {1};

	f->request.initrd = (struct load_file){initrd, sizeof(initrd), NULL};
	put(f->file + 0x22c, 0x1800000 + 4095, 4);
	refuse(f, -ENOMEM, "to initrd_addr_max (0x1801000) there are 4 KiB");
	put(f->file + 0x22c, 0xfff, 4);
	refuse(f, -ENOMEM, "to initrd_addr_max (0x1000) there are 0 KiB");
	put(f->file + 0x22c, 0xffffffff, 4);
	f->memory.low_bytes = 0x1800000;
	refuse(f, -ENOMEM, "to the end of RAM (0x1800000) there are 0 KiB");
	f->request.initrd.bytes = ~0ULL;
	refuse(f, -ENOMEM, "initrd does not fit");
}

static void test_init_size_is_respected(void **state)
{
	struct fixture *f = *state;

	f->memory.low_bytes = 0x1800000;
	load(f);
	memset(f->memory.window, 0, RAM_BYTES);
	f->memory.low_bytes = 0x1800000 - 4096;
	refuse(f, -ENOMEM, "needs 24576 KiB of RAM from 0 on, the partition has 24572 KiB");
	f->memory.low_bytes = RAM_BYTES;
	put(f->file + 0x260, 0xffffffff, 4);
	refuse(f, -ENOMEM, "needs 4210688 KiB of RAM from 0 on, the partition has 65536 KiB");
}

static void test_code_longer_than_init_size(void **state)
{
	struct fixture *f = *state;

	put(f->file + 0x260, 0, 4);
	f->memory.low_bytes = 0x1000000 + 0x1000;
	load(f);
	memset(f->memory.window, 0, RAM_BYTES);
	f->memory.low_bytes = 0x1000000 + 0xfff;
	refuse(f, -ENOMEM, "the kernel does not fit");
}

static void test_preferred_address_out_of_range(void **state)
{
	struct fixture *f = *state;
	static const u64 addresses[] = {0xc0000000, 0xfffff000, ~0ULL, ~0ULL - 0x7fffff,
					1ULL << 63};

	for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
		put(f->file + 0x258, addresses[i], 8);
		refuse(f, -ENOMEM, "RAM ends at 0x4000000");
	}
	put(f->file + 0x258, 0xbfffffff, 8);
	put(f->file + 0x230, 0x80000000, 4);
	refuse(f, -ENOMEM, "the kernel does not fit");
}

/* init_size in the boot protocol: a relocatable kernel runs at the aligned address at or above
 * pref_address. */
static void test_relocatable_kernel_is_aligned(void **state)
{
	struct fixture *f = *state;

	put(f->file + 0x258, 0x1100000, 8);
	load(f);
	assert_int_equal(f->start.rip, 0x1200200);
	assert_int_equal(guest_get(f, ZERO_PAGE + 0x214, 4), 0x1200000);
	put(f->file + 0x258, 0, 8);
	load(f);
	assert_int_equal(f->start.rip, 0x200200);
	assert_memory_equal(f->memory.window + 0x200000, f->file + SETUP_BYTES, 0x1000);
}

static void test_fixed_kernel_is_loaded_at_1m(void **state)
{
	struct fixture *f = *state;

	put(f->file + 0x234, 0, 1);
	put(f->file + 0x230, 3, 4);
	load(f);
	assert_int_equal(f->start.rip, 0x100200);
	assert_memory_equal(f->memory.window + 0x100000, f->file + SETUP_BYTES, 0x1000);
	memset(f->memory.window, 0, RAM_BYTES);
	f->memory.low_bytes = 0x1800000 - 4096;
	refuse(f, -ENOMEM, "needs 24576 KiB");
	put(f->file + 0x258, 0xfffff, 8);
	refuse(f, -ENOEXEC, "wants to run at 0xfffff: 0x100000 or more is needed");
}

static void test_bad_alignment(void **state)
{
	struct fixture *f = *state;

	put(f->file + 0x230, 0, 4);
	refuse(f, -ENOEXEC, "kernel_alignment 0x0 is no power of two");
	put(f->file + 0x230, 0x300000, 4);
	refuse(f, -ENOEXEC, "kernel_alignment 0x300000 is no power of two");
}

static void test_not_a_bzimage(void **state)
{
	struct fixture *f = *state;

	f->file[0x1fe] = 0;
	refuse(f, -ENOEXEC, "not a bzImage: bytes 55 aa are needed at 0x1fe, found 00 aa");
	f->file[0x1fe] = 0x55;
	f->file[0x205] = 'T';
	refuse(f, -ENOEXEC,
	       "not a bzImage: \"HdrS\" (0x53726448) is needed at 0x202, found 0x54726448");
	memcpy(f->file, "\177ELF", 4);
	refuse(f, -ENOEXEC, "ELF file");
	f->request.kernel.bytes = 1023;
	refuse(f, -ENOEXEC, "1023 bytes are too few");
	f->request.kernel = (struct load_file){NULL, 0, NULL};
	refuse(f, -ENOEXEC, "0 bytes are too few");
}

static void test_wrong_protocol(void **state)
{
	struct fixture *f = *state;

	put(f->file + 0x206, 0x0205, 2);
	refuse(f, -ENOEXEC, "too old: boot protocol 2.06 (Linux 2.6.22) is needed, found 2.05");
	put(f->file + 0x206, 0x020c, 2);
	put(f->file + 0x211, 0xfe, 1);
	refuse(f, -ENOEXEC, "LOADED_HIGH is needed in loadflags, found 0xfe");
	put(f->file + 0x211, 1, 1);
	load(f);
}

static void check_entered_in_32_bits(const struct fixture *f, u64 code)
{
	assert_int_equal(f->start.rip, code);
	assert_int_equal(f->start.gpr[GPR_RSI], ZERO_PAGE);
	assert_int_equal(f->start.cs.selector, 0x10);
	assert_int_equal(f->start.cs.attributes, 0xc09b);
	assert_int_equal(f->start.ds.selector, 0x18);
	assert_int_equal(f->start.cr0 & (BIT(31) | BIT(0)), BIT(0));
	assert_int_equal(f->start.efer, 0);
}

static void test_32_bit_kernel(void **state)
{
	struct fixture *f = *state;

	put(f->file + 0x236, 0x007e, 2);
	load(f);
	check_entered_in_32_bits(f, 0x1000000);
	assert_memory_equal(f->memory.window + 0x1000000, f->file + SETUP_BYTES, 0x1000);
	assert_int_equal(guest_get(f, ZERO_PAGE + 0x214, 4), 0x1000000);
	put(f->file + 0x1f4, 0x20, 4); /* the code need not reach any other entry */
	load(f);
}

/* Neither xloadflags nor pref_address nor init_size: what is there belongs to something else. */
static void test_old_kernel(void **state)
{
	struct fixture *f = *state;

	put(f->file + 0x206, 0x0206, 2);
	f->file[0x201] = 0x3c - 2;
	memset(f->file + 0x23c, 0xee, 0x290 - 0x23c);
	load(f);
	check_entered_in_32_bits(f, 0x200000); /* aligned to kernel_alignment */
	assert_int_equal(guest_get(f, ZERO_PAGE + 0x258, 8), 0);
	memset(f->memory.window, 0, RAM_BYTES);
	f->file[0x234] = 0; /* not relocatable */
	load(f);
	check_entered_in_32_bits(f, 0x100000);
	memset(f->memory.window, 0, RAM_BYTES);
	f->file[0x201] = 0x3c - 3;
	refuse(f, -ENOEXEC, "must reach to 0x23c, but ends at 0x23b");
}

static void test_16_bit_kernel(void **state)
{
	struct fixture *f = *state;

	put(f->file + 0x236, 0, 2);
	put(f->file + 0x214, 0, 4);
	refuse(f, -ENOEXEC, "16-bit mode only (code32_start is 0), which takes a BIOS");
	put(f->file + 0x214, 0x1000, 4);
	refuse(f, -ENOEXEC, "code32_start 0x1000, 0x100000 is needed");
	put(f->file + 0x236, 1, 2); /* of no meaning to a kernel that is entered in long mode */
	load(f);
}

static void refuse_for_bios(struct fixture *f, const char *words)
{
	u32 bytes = 7;

	assert_int_equal(load_linux_setup(&f->request.kernel, &bytes, f->reason), -ENOEXEC);
	assert_non_null(strstr(f->reason, words));
	assert_int_equal(bytes, 7);
}

/* Where the setup code ends, for kernels that have nothing that we could enter ourselves. */
static void test_setup_for_a_bios(void **state)
{
	struct fixture *f = *state;
	u32 bytes;

	put(f->file + 0x206, 0x0202, 2);
	put(f->file + 0x214, 0, 4);
	assert_int_equal(load_linux_setup(&f->request.kernel, &bytes, f->reason), 0);
	assert_int_equal(bytes, SETUP_BYTES);
	f->file[0x1f1] = 0; /* means 4 */
	assert_int_equal(load_linux_setup(&f->request.kernel, &bytes, f->reason), 0);
	assert_int_equal(bytes, SETUP_BYTES);
	put(f->file + 0x206, 0x0201, 2);
	refuse_for_bios(f, "2.02 and LOADED_HIGH in loadflags are needed, found 2.01 and 0x01");
	put(f->file + 0x206, 0x0203, 2);
	f->file[0x211] = 0x80;
	refuse_for_bios(f, "found 2.03 and 0x80");
	f->file[0x211] = 1;
	f->file[0x1f1] = 112; /* more than its segment has room for, and longer than the file */
	refuse_for_bios(f, "57856 bytes of setup code");
	f->request.kernel.bytes = 100000;
	refuse_for_bios(f, "at most 57344 are possible");
	f->file[0x1f1] = 4;
	f->request.kernel.bytes = SETUP_BYTES;
	refuse_for_bios(f, "in a file of 2560 bytes");
	f->file[0x202] = 'X';
	refuse_for_bios(f, "not a bzImage");
}

static void test_header_too_short(void **state)
{
	struct fixture *f = *state;

	f->file[0x201] = 0x61;
	refuse(f, -ENOEXEC, "must reach to 0x264, but ends at 0x263");
	f->file[0x201] = 0x62;
	load(f);
	assert_int_equal(guest_get(f, ZERO_PAGE + 0x260, 4), 0x800000);
	assert_int_equal(guest_get(f, ZERO_PAGE + 0x264, 8), 0);
}

static void test_truncated(void **state)
{
	struct fixture *f = *state;

	f->request.kernel.bytes = FILE_BYTES - 16;
	refuse(f, -ENOEXEC, "truncated: 6656 bytes are needed by its header, the file has 6640");
	f->request.kernel.bytes = FILE_BYTES - 15; /* syssize counts units of 16 */
	load(f);
	memset(f->memory.window, 0, RAM_BYTES);
	put(f->file + 0x1f4, 0xffffffff, 4);
	refuse(f, -ENOEXEC, "truncated: 68719479280 bytes are needed");
	put(f->file + 0x1f1, 0xff, 1);
	refuse(f, -ENOEXEC, "truncated");
	put(f->file + 0x1f4, 0, 4);
	refuse(f, -ENOEXEC, "truncated");
	put(f->file + 0x1f1, 4, 1);
	f->request.kernel.bytes = SETUP_BYTES + 0x200;
	refuse(f, -ENOEXEC, "truncated");
}

static void test_code_without_entry(void **state)
{
	struct fixture *f = *state;

	put(f->file + 0x1f4, 0x20, 4);
	refuse(f, -ENOEXEC, "512 bytes of code do not reach the 64-bit entry");
	put(f->file + 0x1f4, 0x21, 4);
	load(f);
	assert_memory_equal(f->memory.window + 0x1000000, f->file + SETUP_BYTES, 0x210);
	assert_int_equal(guest_get(f, 0x1000210, 8), 0);
}

static void test_sizes_of_old_conventions(void **state)
{
	struct fixture *f = *state;

	put(f->file + 0x1f1, 0, 1); /* means 4 */
	put(f->file + 0x1f4, 0, 4); /* all that is left */
	load(f);
	assert_memory_equal(f->memory.window + 0x1000000, f->file + SETUP_BYTES, 0x1000);
}

static void test_command_line_length(void **state)
{
	struct fixture *f = *state;
	char line[257];

	memset(line, 'x', sizeof(line));
	line[256] = 0;
	put(f->file + 0x238, 255, 4);
	f->request.cmdline = line;
	refuse(f, -E2BIG, "it has 256 characters, this kernel takes 255");
	line[255] = 0;
	load(f);
	assert_string_equal(f->memory.window + 0x20000, line);
}

static void test_command_line_never_leaves_its_room(void **state)
{
	struct fixture *f = *state;
	u64 room = 0x9f000 - 0x20000;
	char *line = malloc(room + 1);

	assert_non_null(line);
	memset(line, 'x', room);
	line[room] = 0;
	put(f->file + 0x238, 0xffffffff, 4);
	f->request.cmdline = line;
	refuse(f, -E2BIG, "this kernel takes 520191");
	line[room - 1] = 0;
	load(f);
	assert_int_equal(f->memory.window[0x9f000 - 2], 'x');
	assert_int_equal(guest_get(f, 0x9f000, 8), 0);
	free(line);
}

static void test_no_command_line(void **state)
{
	struct fixture *f = *state;

	f->request.cmdline = NULL;
	load(f);
	assert_int_equal(guest_get(f, ZERO_PAGE + 0x228, 4), 0x20000);
	assert_int_equal(guest_get(f, 0x20000, 8), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_kernel_goes_to_its_preferred_address),
		TEST(test_zero_page_header),
		TEST(test_header_never_leaves_its_room),
		TEST(test_memory_map),
		TEST(test_memory_map_above_4g),
		TEST(test_cpu_state),
		TEST(test_gdt),
		TEST(test_page_tables_map_4g),
		TEST(test_low_memory_is_used_from_64k_to_9f000_only),
		TEST(test_initrd_is_high_and_page_aligned),
		TEST(test_initrd_stays_within_the_kernels_reach),
		TEST(test_initrd_just_fits),
		TEST(test_initrd_too_big),
		TEST(test_init_size_is_respected),
		TEST(test_code_longer_than_init_size),
		TEST(test_preferred_address_out_of_range),
		TEST(test_relocatable_kernel_is_aligned),
		TEST(test_fixed_kernel_is_loaded_at_1m),
		TEST(test_bad_alignment),
		TEST(test_not_a_bzimage),
		TEST(test_wrong_protocol),
		TEST(test_32_bit_kernel),
		TEST(test_old_kernel),
		TEST(test_16_bit_kernel),
		TEST(test_setup_for_a_bios),
		TEST(test_header_too_short),
		TEST(test_truncated),
		TEST(test_code_without_entry),
		TEST(test_sizes_of_old_conventions),
		TEST(test_command_line_length),
		TEST(test_command_line_never_leaves_its_room),
		TEST(test_no_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
