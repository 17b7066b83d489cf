/* SPDX-License-Identifier: MIT */
/* Firmware: its ROM, what of it can be seen below 1 MiB, and the CPU as after power-on. */
/* links: vmm/load/load_common.c vmm/format.c */
#include "load_expect.h"

#include <sys/mman.h>

#define ROM_BYTES (256 * KIB)

/* The ROM ends at 4 GiB, so the window has to be that large; hardly any of it is touched. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	u8 *rom = malloc(ROM_BYTES);

	assert_non_null(f);
	assert_non_null(rom);
	for (u64 i = 0; i < ROM_BYTES; i++)
		rom[i] = (u8)(i * 3 + (i >> 8));
	f->memory = (struct guest_memory){
		.window = mmap(NULL, 4 * GIB, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
		.low_bytes = 2 * MIB,
		.rom_bytes = ROM_BYTES,
	};
	assert_ptr_not_equal(f->memory.window, MAP_FAILED);
	memcpy(f->memory.window + 4 * GIB - ROM_BYTES, rom, ROM_BYTES);
	f->request.kernel = (struct load_file){rom, ROM_BYTES, "\\bios"};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	munmap(f->memory.window, 4 * GIB);
	free((void *)f->request.kernel.data);
	free(f);
	return 0;
}

static const struct load_file none;

static void load(struct fixture *f)
{
	int error = load_firmware(&f->request, &f->memory, &f->start, f->reason);

	if (error)
		fail_msg("refused with %d: %s", error, f->reason);
}

static void check_refused(struct fixture *f, const char *words)
{
	assert_int_equal(load_rom_check(&f->request.kernel, &none, f->reason), -ENOEXEC);
	if (!strstr(f->reason, words))
		fail_msg("\"%s\" lacks \"%s\"", f->reason, words);
	assert_int_equal(load_firmware(&f->request, &f->memory, &f->start, f->reason), -ENOEXEC);
}

static void check_segment(const struct cpu_segment *segment, u64 selector, u64 base, u64 attributes)
{
	assert_int_equal(segment->selector, selector);
	assert_int_equal(segment->base, base);
	assert_int_equal(segment->limit, 0xffff);
	assert_int_equal(segment->attributes, attributes);
}

/* SDM vol. 3, table 10-1 */
static void test_power_on(void **state)
{
	struct fixture *f = *state;

	load(f);
	assert_int_equal(f->start.rip, 0xfff0);
	assert_int_equal(f->start.rflags, 2);
	assert_int_equal(f->start.cr0, 0x60000010);
	assert_int_equal(f->start.cr2 | f->start.cr3 | f->start.cr4 | f->start.efer, 0);
	check_segment(&f->start.cs, 0xf000, 0xffff0000, 0x93);
	check_segment(&f->start.ss, 0, 0, 0x93);
	check_segment(&f->start.ds, 0, 0, 0x93);
	check_segment(&f->start.es, 0, 0, 0x93);
	check_segment(&f->start.fs, 0, 0, 0x93);
	check_segment(&f->start.gs, 0, 0, 0x93);
	check_segment(&f->start.ldtr, 0, 0, 0x82);
	check_segment(&f->start.tr, 0, 0, 0x8b);
	assert_int_equal(f->start.gdtr.base, 0);
	assert_int_equal(f->start.gdtr.limit, 0xffff);
	assert_int_equal(f->start.idtr.base, 0);
	assert_int_equal(f->start.idtr.limit, 0xffff);
	assert_int_equal(f->start.gpr[GPR_RDX] & ~0xffUL, 0x600);
	for (u32 i = 0; i < GPR_COUNT; i++)
		assert_true(i == GPR_RDX || !f->start.gpr[i]);
}

static void test_shadow(void **state)
{
	struct fixture *f = *state;

	load(f);
	assert_memory_equal(f->memory.window + 0xe0000, f->request.kernel.data + 128 * KIB,
			    128 * KIB);
	assert_int_equal(guest_get(f, 0xdfff8, 8), 0);
	assert_int_equal(guest_get(f, 0x100000, 8), 0);
}

static void test_small_rom(void **state)
{
	struct fixture *f = *state;

	f->memory.rom_bytes = f->request.kernel.bytes = 64 * KIB;
	load(f);
	assert_memory_equal(f->memory.window + 0xf0000, f->memory.window + 0xffff0000, 64 * KIB);
	for (u64 i = 0xe0000; i < 0xf0000; i += 8)
		assert_int_equal(guest_get(f, i, 8), 0);
}

static void test_wrong_files(void **state)
{
	struct fixture *f = *state;
	u8 *rom = (u8 *)f->request.kernel.data;

	f->request.kernel.bytes = 60 * KIB;
	check_refused(f, "has 61440 bytes: 64 KiB to 16 MiB in steps of 4 KiB are needed");
	f->request.kernel.bytes = ROM_BYTES - 1;
	check_refused(f, "has 262143 bytes");
	f->request.kernel.bytes = 16 * MIB + PAGE_SIZE;
	check_refused(f, "has 16781312 bytes");
	f->request.kernel.bytes = ROM_BYTES;
	memset(rom + ROM_BYTES - 16, 0xff, 16);
	check_refused(f, "no code in its last 16 bytes, where a CPU begins: bytes ff");
	rom[ROM_BYTES - 1] = 0xea;
	load(f);
	f->request.kernel.data = NULL;
	check_refused(f, "has 0 bytes");
	f->request.kernel.data = rom;
}

static void test_variables(void **state)
{
	struct fixture *f = *state;
	struct load_file file = {f->request.kernel.data, 528 * KIB, "\\vars"};

	assert_int_equal(load_rom_check(&f->request.kernel, &file, f->reason), 0);
	file.bytes = 16 * MIB - ROM_BYTES;
	assert_int_equal(load_rom_check(&f->request.kernel, &file, f->reason), 0);
	file.bytes += PAGE_SIZE;
	assert_int_equal(load_rom_check(&f->request.kernel, &file, f->reason), -ENOEXEC);
	assert_string_equal(f->reason,
			    "the variables have 16519168 bytes: steps of 4 KiB are needed, and at "
			    "most 16 MiB together with the firmware, which has 262144");
	file.bytes = 528 * KIB + 1;
	assert_int_equal(load_rom_check(&f->request.kernel, &file, f->reason), -ENOEXEC);
	assert_non_null(strstr(f->reason, "the variables have 540673 bytes"));
}

static void test_no_memory(void **state)
{
	struct fixture *f = *state;

	f->memory.low_bytes = MIB - PAGE_SIZE;
	assert_int_equal(load_firmware(&f->request, &f->memory, &f->start, f->reason), -ENOMEM);
	assert_non_null(strstr(f->reason, "RAM up to 1 MiB and a ROM are needed"));
	f->memory.low_bytes = MIB;
	f->memory.rom_bytes = 0;
	assert_int_equal(load_firmware(&f->request, &f->memory, &f->start, f->reason), -ENOMEM);
}

static void test_rom_is_only_read(void **state)
{
	struct fixture *f = *state;
	const struct guest_memory *memory = &f->memory;
	u64 base = 4 * GIB - ROM_BYTES;

	assert_ptr_equal(guest_memory_read_at(memory, base, ROM_BYTES), memory->window + base);
	assert_null(guest_memory_at(memory, base, 1));
	assert_null(guest_memory_read_at(memory, base - 1, 1));
	assert_null(guest_memory_read_at(memory, base - 1, 2));
	assert_null(guest_memory_read_at(memory, 4 * GIB - 1, 2));
	assert_null(guest_memory_read_at(memory, 4 * GIB, 1));
	assert_ptr_equal(guest_memory_read_at(memory, 0x1000, 8), memory->window + 0x1000);
	assert_null(guest_memory_read_at(memory, 0xa0000, 1));
	f->memory.rom_bytes = 0;
	assert_null(guest_memory_read_at(memory, 4 * GIB - 16, 16));
}

/* What a flash hides is a device, in front of the rest of the ROM. */
static void test_flash_hides(void **state)
{
	struct fixture *f = *state;
	const struct guest_memory *memory = &f->memory;
	u64 base = 4 * GIB - ROM_BYTES, end = base + 64 * KIB;

	f->memory.flash_bytes = 64 * KIB;
	assert_ptr_equal(guest_memory_read_at(memory, base, 8), memory->window + base);
	f->memory.flash_hidden = true;
	assert_null(guest_memory_read_at(memory, base, 8));
	assert_null(guest_memory_read_at(memory, end - 8, 8));
	assert_null(guest_memory_read_at(memory, end - 4, 8));
	assert_ptr_equal(guest_memory_read_at(memory, end, 8), memory->window + end);
	assert_ptr_equal(guest_memory_read_at(memory, 0x1000, 8), memory->window + 0x1000);
	f->memory.flash_bytes = 0;
	assert_ptr_equal(guest_memory_read_at(memory, base, 8), memory->window + base);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_power_on),	TEST(test_shadow),	TEST(test_small_rom),
		TEST(test_wrong_files), TEST(test_no_memory),	TEST(test_rom_is_only_read),
		TEST(test_variables),	TEST(test_flash_hides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
