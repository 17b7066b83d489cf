/* SPDX-License-Identifier: MIT */
/* PVH: an ELF kernel made here, byte by byte; where it goes, what it is told, and every refusal. */
/* links: vmm/load/elf.c vmm/load/load_common.c vmm/format.c */
#include "load_expect.h"

#define NOTE_AT 0x2c00

/* The note of Xen's that names the entry point, with a number of `bytes`. */
static void note_make(u8 *note, u64 entry, unsigned bytes)
{
	put(note, 4, 4);
	put(note + 4, bytes, 4);
	put(note + 8, 18, 4);
	memcpy(note + 12, "Xen", 4);
	put(note + 16, entry, bytes);
}

static void file32_make(struct fixture *f)
{
	elf32_make(f->file, 0xc0000000);
	put(f->file + 44, 2, 2);
	put(f->file + FILE32_TABLE + 32, 4, 4);
	put(f->file + FILE32_TABLE + 32 + 4, NOTE_AT, 4);
	put(f->file + FILE32_TABLE + 32 + 16, 20, 4);
	note_make(f->file + NOTE_AT, BASE + 0x40, 4);
}

static void file64_make(struct fixture *f)
{
	elf64_make(f->file, 0xffffffff81000000);
	put(f->file + 56, 2, 2);
	put(f->file + FILE64_TABLE + 56, 4, 4);
	put(f->file + FILE64_TABLE + 56 + 8, NOTE_AT, 8);
	put(f->file + FILE64_TABLE + 56 + 32, 24 + 28, 8);
	/* One of somebody else's of the same type before it. */
	note_make(f->file + NOTE_AT, 0x1234, 8);
	memcpy(f->file + NOTE_AT + 12, "GNU", 4);
	note_make(f->file + NOTE_AT + 24, BASE + 0x40, 8);
}

static int setup(void **state)
{
	struct fixture *f = fixture_make(load_pvh);

	file64_make(f);
	*state = f;
	return 0;
}

static void check_start(const struct fixture *f)
{
	u64 info = f->start.gpr[GPR_RBX];

	check_protected_mode(f);
	check_code(f, BASE);
	assert_int_equal(f->start.rip, BASE + 0x40);
	assert_int_equal(guest_get(f, info, 4), 0x336ec578);
	assert_int_equal(guest_get(f, info + 4, 4), 1);
	assert_int_equal(guest_get(f, info + 8, 4), 0);
	assert_string_equal(guest_text(f, guest_get(f, info + 24, 8)), "console=com0 quiet");
}

static void test_64_bit_kernel(void **state)
{
	struct fixture *f = *state;

	try_load(f);
	check_start(f);
	assert_int_equal(guest_get(f, f->start.gpr[GPR_RBX] + 12, 4), 0);
}

static void test_32_bit_kernel(void **state)
{
	struct fixture *f = *state;

	file32_make(f);
	try_load(f);
	check_start(f);
}

static void test_memory_map(void **state)
{
	static const u64 expected[][3] = {
		{0, 0x9f000, 1},	   {0x9f000, 0x1000, 2},  {0xe0000, 0x20000, 2},
		{MIB, RAM_BYTES - MIB, 1}, {4 * GIB, 3 * GIB, 1},
	};
	struct fixture *f = *state;
	u64 info, map;

	f->memory.high_bytes = 3 * GIB;
	f->request.rsdp_gpa = RSDP_GPA;
	try_load(f);
	info = f->start.gpr[GPR_RBX];
	map = guest_get(f, info + 40, 8);
	assert_int_equal(guest_get(f, info + 32, 8), RSDP_GPA);
	assert_int_equal(guest_get(f, info + 48, 4), ARRAY_SIZE(expected));
	for (u32 i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_int_equal(guest_get(f, map + 24 * i, 8), expected[i][0]);
		assert_int_equal(guest_get(f, map + 24 * i + 8, 8), expected[i][1]);
		assert_int_equal(guest_get(f, map + 24 * i + 16, 4), expected[i][2]);
	}
}

static void test_modules(void **state)
{
	static const u8 initrd[5000] = {1, 2, 3}, module[3] = {9, 8, 7};
	struct fixture *f = *state;
	u64 info, list, first, second;

	f->request.initrd = (struct load_file){initrd, sizeof(initrd), "\\initrd"};
	module_add(f, module, sizeof(module), "\\module", "some text");
	try_load(f);
	check_start(f);
	info = f->start.gpr[GPR_RBX];
	list = guest_get(f, info + 16, 8);
	assert_int_equal(guest_get(f, info + 12, 4), 2);
	first = guest_get(f, list, 8);
	second = guest_get(f, list + 32, 8);
	assert_int_equal(first % PAGE_SIZE, 0);
	assert_true(first >= BASE + CODE_ROOM && second >= first + sizeof(initrd));
	assert_int_equal(guest_get(f, list + 8, 8), sizeof(initrd));
	assert_memory_equal(f->memory.window + first, initrd, sizeof(initrd));
	assert_string_equal(guest_text(f, guest_get(f, list + 16, 8)), "");
	assert_memory_equal(f->memory.window + second, module, sizeof(module));
	assert_string_equal(guest_text(f, guest_get(f, list + 32 + 16, 8)), "some text");
}

static void test_all_modules(void **state)
{
	static const u8 byte[1] = {0x5a};
	struct fixture *f = *state;

	f->request.initrd = (struct load_file){byte, 1, "\\initrd"};
	for (u32 i = 0; i < MODULES_MAX; i++)
		module_add(f, byte, 1, "\\m", NULL);
	try_load(f);
	assert_int_equal(guest_get(f, f->start.gpr[GPR_RBX] + 12, 4), MODULES_MAX + 1);
}

/* What it is told lies where the kernel is not, even if that takes low memory. */
static void test_kernel_in_low_memory(void **state)
{
	struct fixture *f = *state;

	put(f->file + FILE64_TABLE + 24, 0x10000, 8);
	put(f->file + FILE64_TABLE + 40, 0x8f000, 8);
	put(f->file + NOTE_AT + 24 + 16, 0x10040, 8);
	try_load(f);
	assert_int_equal(f->start.rip, 0x10040);
	assert_true(f->start.gpr[GPR_RBX] >= MIB);
	assert_true(f->start.gdtr.base >= MIB);
}

static void test_no_note(void **state)
{
	struct fixture *f = *state;

	put(f->file + NOTE_AT + 24 + 8, 17, 4);
	refuse(f, -ENOEXEC, "no PVH entry point: an ELF note of Xen with type 0x12 is needed");
	note_make(f->file + NOTE_AT + 24, BASE, 8);
	memcpy(f->file + NOTE_AT + 24 + 12, "xen", 4);
	refuse(f, -ENOEXEC, "no PVH entry point");
	note_make(f->file + NOTE_AT + 24, BASE, 8);
	put(f->file + NOTE_AT + 24 + 4, 2, 4); /* not a number */
	refuse(f, -ENOEXEC, "no PVH entry point");
	note_make(f->file + NOTE_AT + 24, BASE, 8);
	put(f->file + NOTE_AT + 24 + 4, 0xfffffff0, 4); /* longer than the file */
	refuse(f, -ENOEXEC, "no PVH entry point");
	note_make(f->file + NOTE_AT + 24, BASE + CODE_BYTES, 8);
	refuse(f, -ENOEXEC,
	       "PVH entry point 0x201800 is not in what is loaded (0x200000 to 0x204000)");
}

static void test_not_elf(void **state)
{
	struct fixture *f = *state;

	f->file[0] = 0;
	refuse(f, -ENOEXEC, "not an ELF file");
	f->file[0] = 0x7f;
	f->request.kernel.bytes = 63;
	refuse(f, -ENOEXEC, "63 bytes are too few");
	f->request.kernel.bytes = 3;
	refuse(f, -ENOEXEC, "not an ELF file");
	f->request.kernel.data = NULL;
	refuse(f, -ENOEXEC, "not an ELF file");
}

static void test_wrong_elf(void **state)
{
	static const struct {
		unsigned at, bytes;
		u64 value;
		const char *words;
	} wrong[] = {
		{4, 1, 3, "class 3 and data 1"},
		{5, 1, 2, "class 2 and data 2"},
		{16, 2, 1, "not an executable: ELF type 1"},
		{18, 2, 183, "not for x86: ELF machine 183"},
		{32, 8, IMAGE_BYTES - 111, "program headers of 56 bytes at 0x2f91"},
		{32, 8, ~0UL, "truncated or damaged"},
		{54, 2, 32, "2 program headers of 32 bytes"},
		{56, 2, 0, "has 0 program headers, 1 to 32"},
		{56, 2, 33, "has 33 program headers"},
		{FILE64_TABLE, 4, 2, "no segment that is loaded"},
		{FILE64_TABLE + 8, 8, IMAGE_BYTES - CODE_BYTES + 1, "truncated: segment 0 is 6144"},
		{FILE64_TABLE + 8, 8, ~0UL, "truncated: segment 0"},
		{FILE64_TABLE + 32, 8, ~0UL, "truncated: segment 0"},
		{FILE64_TABLE + 40, 8, CODE_BYTES - 1,
		 "6144 bytes in the file, but 6143 in memory"},
		{FILE64_TABLE + 40, 8, ~0UL, "does not fit below 4 GiB: segment 0"},
		{FILE64_TABLE + 24, 8, 4 * GIB - CODE_ROOM + 1, "does not fit below 4 GiB"},
		{FILE64_TABLE + 24, 8, ~0UL, "does not fit below 4 GiB"},
		{FILE64_TABLE + 56 + 8, 8, IMAGE_BYTES, "truncated: segment 1 is 52 bytes"},
	};
	struct fixture *f = *state;

	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		file64_make(f);
		put(f->file + wrong[i].at, wrong[i].value, wrong[i].bytes);
		refuse(f, -ENOEXEC, wrong[i].words);
	}
	file64_make(f);
	try_load(f);
}

static void segment_move(struct fixture *f, u64 gpa)
{
	put(f->file + FILE64_TABLE + 24, gpa, 8);
	put(f->file + NOTE_AT + 24 + 16, gpa, 8);
}

static void test_no_room(void **state)
{
	static u8 large[12 * MIB];
	struct fixture *f = *state;

	f->memory.low_bytes = BASE + CODE_ROOM - 1;
	refuse(f, -ENOMEM, "it needs 16 KiB at 0x200000, RAM ends at 0x203fff");
	f->memory.low_bytes = RAM_BYTES;
	segment_move(f, 0x9e000);
	refuse(f, -EBUSY, "wants 0x4000 bytes at 0x9e000, where the PC's own data are");
	segment_move(f, 0);
	refuse(f, -EBUSY, "wants 0x4000 bytes at 0x0");
	segment_move(f, 0xfe000);
	refuse(f, -EBUSY, "wants 0x4000 bytes at 0xfe000");
	file64_make(f);
	module_add(f, large, sizeof(large), "\\dir\\large", NULL);
	try_load(f);
	module_add(f, large, 3 * MIB, "\\dir\\second", NULL);
	refuse(f, -ENOMEM,
	       "second does not fit: 3072 KiB in one piece are needed beside the kernel");
}

/* Loaded or not, its place is its own: nothing else is put there. */
static void test_segment_without_bytes(void **state)
{
	static const u8 byte[1] = {0x5a};
	struct fixture *f = *state;
	u64 list;

	put(f->file + 56, 3, 2);
	put(f->file + FILE64_TABLE + 112, 1, 4);
	put(f->file + FILE64_TABLE + 112 + 24, BASE + CODE_ROOM, 8);
	put(f->file + FILE64_TABLE + 112 + 40, MIB, 8);
	module_add(f, byte, 1, "\\m", NULL);
	try_load(f);
	list = guest_get(f, f->start.gpr[GPR_RBX] + 16, 8);
	assert_true(guest_get(f, list, 8) >= BASE + CODE_ROOM + MIB);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_64_bit_kernel),
		TEST(test_32_bit_kernel),
		TEST(test_memory_map),
		TEST(test_modules),
		TEST(test_all_modules),
		TEST(test_kernel_in_low_memory),
		TEST(test_no_note),
		TEST(test_not_elf),
		TEST(test_wrong_elf),
		TEST(test_no_room),
		TEST(test_segment_without_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
