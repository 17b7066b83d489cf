/* SPDX-License-Identifier: MIT */
/* Multiboot 1 and 2: kernels made here, byte by byte; where they go, what they are told, and every
 * refusal. */
/* links: vmm/load/multiboot1.c vmm/load/multiboot2.c vmm/load/elf.c vmm/load/load_common.c */
/* links: vmm/format.c vmm/load/bios_data.c */
#include "load_expect.h"

#define HEADER_AT 0x400
#define MAGIC1	  0x1badb002U
#define MAGIC2	  0xe85250d6U
#define FLAT_BASE 0x300000 /* by addresses in the header */
#define MAP_ROWS  5

static const u64 memory_rows[MAP_ROWS][3] = {
	{0, 0x9f000, 1},	   {0x9f000, 0x1000, 2},  {0xe0000, 0x20000, 2},
	{MIB, RAM_BYTES - MIB, 1}, {4 * GIB, 3 * GIB, 1},
};

static void header1_make(struct fixture *f, u32 flags)
{
	u8 *header = f->file + HEADER_AT;

	memset(header, 0, 0x100);
	put(header, MAGIC1, 4);
	put(header + 4, flags, 4);
	put(header + 8, 0 - MAGIC1 - flags, 4);
	put(header + 12, FLAT_BASE + HEADER_AT, 4);
	put(header + 16, FLAT_BASE, 4);
	put(header + 20, FLAT_BASE + 0x2000, 4);
	put(header + 24, FLAT_BASE + 0x5000, 4);
	put(header + 28, FLAT_BASE + 0x444, 4);
}

/* Multiboot 2: a head, and tags behind it. */
static u32 header2_bytes;

static void header2_close(struct fixture *f)
{
	u8 *header = f->file + HEADER_AT;

	put(header, MAGIC2, 4);
	put(header + 4, 0, 4);
	put(header + 8, header2_bytes, 4);
	put(header + 12, 0 - MAGIC2 - header2_bytes, 4);
}

static void header2_tag(struct fixture *f, u16 type, u16 flags, const u32 *words, u32 count)
{
	u8 *tag = f->file + HEADER_AT + header2_bytes;

	put(tag, type, 2);
	put(tag + 2, flags, 2);
	put(tag + 4, 8 + 4 * count, 4);
	for (u32 i = 0; i < count; i++)
		put(tag + 8 + 4 * i, words[i], 4);
	header2_bytes += (u32)align_up(8 + 4 * count, 8);
	header2_close(f);
}

/* With one tag, or none if its type is 0. */
static void header2_make(struct fixture *f, u16 type, u16 flags, const u32 *words, u32 count)
{
	memset(f->file + HEADER_AT, 0, 0x100);
	header2_bytes = 16;
	if (type)
		header2_tag(f, type, flags, words, count);
	header2_tag(f, 0, 0, NULL, 0);
}

static int setup(void **state)
{
	struct fixture *f = fixture_make(load_multiboot);

	elf32_make(f->file, BASE + 0x20);
	header1_make(f, 3);
	*state = f;
	return 0;
}

/* --- version 1 --- */

static void check_start(const struct fixture *f, u64 rip, u32 magic)
{
	check_protected_mode(f);
	assert_int_equal(f->start.rip, rip);
	assert_int_equal(f->start.gpr[GPR_RAX], magic);
	assert_true(f->start.gpr[GPR_RBX] >= 0x10000);
	assert_int_equal(f->start.gpr[GPR_RBX] % 8, 0);
}

static void test_elf32(void **state)
{
	struct fixture *f = *state;

	try_load(f);
	check_start(f, BASE + 0x20, 0x2badb002);
	check_code(f, BASE);
}

static void test_elf64(void **state)
{
	struct fixture *f = *state;

	/* Linked high: the entry point is where that is in physical memory. */
	elf64_make(f->file, 0xffffffff80000000 + BASE + 0x30);
	header1_make(f, 3);
	try_load(f);
	check_start(f, BASE + 0x30, 0x2badb002);
	check_code(f, BASE);
	put(f->file + 24, BASE + 0x50, 8); /* a physical address */
	try_load(f);
	check_start(f, BASE + 0x50, 0x2badb002);
	put(f->file + 24, BASE + CODE_BYTES, 8);
	refuse(f, -ENOEXEC, "entry point 0x201800 is not in what is loaded (0x200000 to 0x204000)");
}

static void test_addresses(void **state)
{
	struct fixture *f = *state;

	header1_make(f, 0x10003); /* then nobody cares for the ELF file around it */
	try_load(f);
	check_start(f, FLAT_BASE + 0x444, 0x2badb002);
	assert_memory_equal(f->memory.window + FLAT_BASE, f->file, 0x2000);
	assert_int_equal(guest_get(f, FLAT_BASE + 0x2000, 8), 0);
	/* To the file's end, and nothing behind that. */
	put(f->file + HEADER_AT + 20, 0, 4);
	put(f->file + HEADER_AT + 24, 0, 4);
	try_load(f);
	assert_memory_equal(f->memory.window + FLAT_BASE, f->file, IMAGE_BYTES);
	/* From the middle of the file. */
	put(f->file + HEADER_AT + 16, FLAT_BASE + 0x100, 4);
	try_load(f);
	assert_memory_equal(f->memory.window + FLAT_BASE + 0x100, f->file + 0x100,
			    IMAGE_BYTES - 0x100);
	assert_int_equal(guest_get(f, FLAT_BASE + 0xf8, 8), 0);
}

static void test_wrong_addresses(void **state)
{
	static const struct {
		unsigned at;
		u32 value;
		int error;
		const char *words;
	} wrong[] = {
		{12, FLAT_BASE - 1, -ENOEXEC, "header is damaged: it is at 0x400 in the file"},
		{12, FLAT_BASE + HEADER_AT + 1, -ENOEXEC, "header is damaged: it is at 0x400"},
		{16, 0xffffffff, -ENOEXEC, "header is damaged: it is at 0x400"},
		{20, FLAT_BASE - 1, -ENOEXEC, "truncated: by its header it is loaded from"},
		{20, FLAT_BASE + IMAGE_BYTES + 1, -ENOEXEC, "the file has 12288 bytes for that"},
		{20, 0xffffffff, -ENOEXEC, "truncated: by its header"},
		{24, FLAT_BASE + 0x1000, -ENOEXEC, "bss_end_addr 0x301000 is below"},
		{24, 0xffffffff, -ENOMEM, "KiB at 0x300000, RAM ends at 0x1000000"},
		{28, FLAT_BASE - 1, -ENOEXEC, "entry point 0x2fffff is not in what is loaded"},
		{28, FLAT_BASE + 0x2000, -ENOEXEC, "entry point 0x302000 is not in what is"},
	};
	struct fixture *f = *state;

	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		header1_make(f, 0x10003);
		put(f->file + HEADER_AT + wrong[i].at, wrong[i].value, 4);
		refuse(f, wrong[i].error, wrong[i].words);
	}
}

static void test_told(void **state)
{
	struct fixture *f = *state;
	u64 info, map;

	f->memory.high_bytes = 3 * GIB;
	try_load(f);
	info = f->start.gpr[GPR_RBX];
	assert_int_equal(guest_get(f, info, 4), 0x24d);
	assert_int_equal(guest_get(f, info + 4, 4), 636);
	assert_int_equal(guest_get(f, info + 8, 4), 15 * 1024);
	assert_string_equal(guest_text(f, guest_get(f, info + 16, 4)),
			    "my_kernel console=com0 quiet");
	assert_int_equal(guest_get(f, info + 20, 4), 0);
	assert_string_equal(guest_text(f, guest_get(f, info + 64, 4)), "Bulkhead");
	assert_int_equal(guest_get(f, info + 44, 4), MAP_ROWS * 24);
	map = guest_get(f, info + 48, 4);
	for (u32 i = 0; i < MAP_ROWS; i++, map += 24) {
		assert_int_equal(guest_get(f, map, 4), 20);
		for (u32 j = 0; j < 3; j++)
			assert_int_equal(guest_get(f, map + 4 + 8 * j, j < 2 ? 8 : 4),
					 memory_rows[i][j]);
	}
	/* The BIOS's words for the end of low memory. */
	assert_int_equal(guest_get(f, 0x40e, 2), 0x9f00);
	assert_int_equal(guest_get(f, 0x413, 2), 636);
	assert_int_equal(guest_get(f, 0x9f000, 1), 1);
	f->request.cmdline = NULL;
	try_load(f);
	info = f->start.gpr[GPR_RBX];
	assert_string_equal(guest_text(f, guest_get(f, info + 16, 4)), "my_kernel");
}

/* Who goes back to real mode and calls a BIOS comes back, and is told that there is none. */
static void test_bios_calls(void **state)
{
	static const u8 fails[] = {0x55, 0x89, 0xe5, 0x80, 0x4e, 0x06,
				   0x01, 0x5d, 0xb4, 0x86, 0xcf};
	static const u8 memory_size[] = {0xb8, 0x7c, 0x02, 0xcf}; /* 636 KiB */
	struct fixture *f = *state;

	try_load(f);
	for (u32 vector = 0; vector < 256; vector++) {
		u64 segment = guest_get(f, 4 * vector + 2, 2), offset = guest_get(f, 4 * vector, 2);
		const u8 *handler = f->memory.window + 16 * segment + offset;

		assert_true(16 * segment >= 0x9f000 && 16 * segment + offset < 0xa0000);
		if (vector == 0x12)
			assert_memory_equal(handler, memory_size, sizeof(memory_size));
		else if (vector >= 0x10 && vector <= 0x1f)
			assert_memory_equal(handler, fails, sizeof(fails));
		else
			assert_int_equal(*handler, 0xcf); /* IRET */
	}
}

static const u8 module_a[5000] = {1, 2, 3}, module_b[3] = {9, 8, 7}, large[2 * MIB];

static void modules_make(struct fixture *f)
{
	module_add(f, module_a, sizeof(module_a), "\\dir\\a", "some text");
	module_add(f, module_b, sizeof(module_b), "\\dir\\b", NULL);
}

static void check_module(const struct fixture *f, u64 at, const u8 *data, u64 bytes)
{
	u64 begin = guest_get(f, at, 4);

	assert_int_equal(begin % PAGE_SIZE, 0);
	assert_true(begin >= BASE + CODE_ROOM);
	assert_int_equal(guest_get(f, at + 4, 4), begin + bytes);
	assert_memory_equal(f->memory.window + begin, data, bytes);
}

static void test_modules(void **state)
{
	struct fixture *f = *state;
	u64 info, list;

	modules_make(f);
	try_load(f);
	info = f->start.gpr[GPR_RBX];
	list = guest_get(f, info + 24, 4);
	assert_int_equal(guest_get(f, info + 20, 4), 2);
	check_module(f, list, module_a, sizeof(module_a));
	check_module(f, list + 16, module_b, sizeof(module_b));
	assert_true(guest_get(f, list + 16, 4) >= guest_get(f, list + 4, 4));
	assert_string_equal(guest_text(f, guest_get(f, list + 8, 4)), "a some text");
	assert_string_equal(guest_text(f, guest_get(f, list + 24, 4)), "b");
	/* There is no more room than below the kernel. */
	f->memory.low_bytes = BASE + CODE_ROOM;
	try_load(f);
	list = guest_get(f, f->start.gpr[GPR_RBX] + 24, 4);
	assert_int_equal(guest_get(f, list, 4), MIB);
	module_add(f, large, sizeof(large), "\\large", NULL);
	refuse(f, -ENOMEM,
	       "large does not fit: 2048 KiB in one piece are needed beside the kernel");
}

static void test_video(void **state)
{
	struct fixture *f = *state;
	u64 info;

	header1_make(f, 7);
	put(f->file + HEADER_AT + 32, 1, 4);
	try_load(f);
	info = f->start.gpr[GPR_RBX];
	assert_int_equal(guest_get(f, info, 4) & BIT(12), BIT(12));
	assert_int_equal(guest_get(f, info + 88, 8), 0xb8000);
	assert_int_equal(guest_get(f, info + 96, 4), 160);
	assert_int_equal(guest_get(f, info + 100, 4), 80);
	assert_int_equal(guest_get(f, info + 104, 4), 25);
	assert_int_equal(guest_get(f, info + 108, 1), 16);
	assert_int_equal(guest_get(f, info + 109, 1), 2);
	put(f->file + HEADER_AT + 32, 0, 4);
	put(f->file + HEADER_AT + 36, 1024, 4);
	put(f->file + HEADER_AT + 40, 768, 4);
	put(f->file + HEADER_AT + 44, 32, 4);
	refuse(f, -ENOEXEC, "wants a graphics screen (1024 x 768, 32 bits)");
}

static void test_no_header(void **state)
{
	struct fixture *f = *state;

	f->file[HEADER_AT + 8] ^= 1;
	refuse(f, -ENOEXEC, "no multiboot header");
	header1_make(f, 3);
	memmove(f->file + HEADER_AT + 2, f->file + HEADER_AT, 12);
	f->file[HEADER_AT] = 0;
	refuse(f, -ENOEXEC, "no multiboot header");
	memset(f->file + HEADER_AT, 0, 16);
	put(f->file + 0x2000 - 12, MAGIC1, 4);
	put(f->file + 0x2000 - 8, 0, 4);
	put(f->file + 0x2000 - 4, 0 - MAGIC1, 4);
	try_load(f); /* the last place that there is */
	memmove(f->file + 0x2000 - 8, f->file + 0x2000 - 12, 12);
	put(f->file + 0x2000 - 12, 0, 4);
	refuse(f, -ENOEXEC, "no multiboot header");
	put(f->file, 0x8b1f, 2);
	refuse(f, -ENOEXEC, "compressed with gzip: unpack it first");
	f->request.kernel.bytes = 11;
	refuse(f, -ENOEXEC, "11 bytes are too few");
}

static void test_wrong_header(void **state)
{
	struct fixture *f = *state;

	header1_make(f, 0x0b);
	refuse(f, -ENOEXEC, "asks for what nobody knows: flags 0xb");
	header1_make(f, 0x40003); /* of no importance */
	try_load(f);
	f->file[0] = 0;
	refuse(f, -ENOEXEC, "no ELF file, and its multiboot header has no load addresses");
	header1_make(f, 0x10003);
	f->request.kernel.bytes = HEADER_AT + 31;
	refuse(f, -ENOEXEC, "header at 0x400 has 32 bytes, the file ends after 31");
	header1_make(f, 7);
	f->request.kernel.bytes = HEADER_AT + 47;
	refuse(f, -ENOEXEC, "header at 0x400 has 48 bytes, the file ends after 47");
}

/* --- version 2 --- */

/* The first tag of a type; 0: there is none. */
static u64 tag_find(const struct fixture *f, u32 type)
{
	u64 info = f->start.gpr[GPR_RBX], end = info + guest_get(f, info, 4);

	for (u64 at = info + 8; at < end; at += align_up(guest_get(f, at + 4, 4), 8)) {
		if (guest_get(f, at, 4) == type)
			return at;
		assert_true(guest_get(f, at + 4, 4) >= 8);
	}
	return 0;
}

static void test_2_told(void **state)
{
	struct fixture *f = *state;
	u64 info, tag, sum = 0;

	header2_make(f, 0, 0, NULL, 0);
	f->memory.high_bytes = 3 * GIB;
	f->request.rsdp_gpa = RSDP_GPA;
	try_load(f);
	check_start(f, BASE + 0x20, 0x36d76289);
	check_code(f, BASE);
	info = f->start.gpr[GPR_RBX];
	tag = tag_find(f, 1);
	assert_string_equal(guest_text(f, tag + 8), "my_kernel console=com0 quiet");
	assert_int_equal(guest_get(f, tag + 4, 4), 8 + sizeof("my_kernel console=com0 quiet"));
	assert_string_equal(guest_text(f, tag_find(f, 2) + 8), "Bulkhead");
	assert_int_equal(guest_get(f, tag_find(f, 4) + 8, 4), 636);
	assert_int_equal(guest_get(f, tag_find(f, 4) + 12, 4), 15 * 1024);
	tag = tag_find(f, 6);
	assert_int_equal(guest_get(f, tag + 4, 4), 16 + MAP_ROWS * 24);
	assert_int_equal(guest_get(f, tag + 8, 8), 24);
	for (u32 i = 0; i < MAP_ROWS; i++)
		for (u32 j = 0; j < 3; j++)
			assert_int_equal(guest_get(f, tag + 16 + 24 * i + 8 * j, j < 2 ? 8 : 4),
					 memory_rows[i][j]);
	tag = tag_find(f, 15);
	assert_int_equal(guest_get(f, tag + 4, 4), 8 + 36);
	assert_memory_equal(f->memory.window + tag + 8, f->memory.window + RSDP_GPA, 36);
	/* The same sum of bytes, with revision 0. */
	tag = tag_find(f, 14);
	assert_int_equal(guest_get(f, tag + 4, 4), 8 + 20);
	for (u32 i = 0; i < 20; i++)
		sum += guest_get(f, tag + 8 + i, 1) - guest_get(f, RSDP_GPA + i, 1);
	assert_int_equal(sum & 0xff, 0);
	assert_int_equal(guest_get(f, tag + 8 + 15, 1), 0);
	tag = tag_find(f, 0);
	assert_int_equal(guest_get(f, tag + 4, 4), 8);
	assert_int_equal(tag + 8, info + guest_get(f, info, 4));
	assert_int_equal(tag_find(f, 8) + tag_find(f, 21) + tag_find(f, 3), 0);
	f->request.rsdp_gpa = 0;
	try_load(f);
	assert_int_equal(tag_find(f, 14) + tag_find(f, 15), 0);
}

static void test_2_modules(void **state)
{
	struct fixture *f = *state;
	u64 tag;

	header2_make(f, 6, 0, NULL, 0);
	modules_make(f);
	try_load(f);
	tag = tag_find(f, 3);
	assert_int_equal(guest_get(f, tag + 4, 4), 16 + sizeof("a some text"));
	check_module(f, tag + 8, module_a, sizeof(module_a));
	assert_string_equal(guest_text(f, tag + 16), "a some text");
	tag += align_up(guest_get(f, tag + 4, 4), 8);
	assert_int_equal(guest_get(f, tag, 4), 3);
	check_module(f, tag + 8, module_b, sizeof(module_b));
	assert_string_equal(guest_text(f, tag + 16), "b");
}

/* The newer one of two. */
static void test_2_and_1(void **state)
{
	struct fixture *f = *state;
	u8 *old = f->file + HEADER_AT + 0x200;

	memcpy(old, f->file + HEADER_AT, 12);
	header2_make(f, 0, 0, NULL, 0);
	try_load(f);
	assert_int_equal(f->start.gpr[GPR_RAX], 0x36d76289);
	f->file[HEADER_AT + 12] ^= 1;
	try_load(f);
	assert_int_equal(f->start.gpr[GPR_RAX], 0x2badb002);
}

static void test_2_addresses(void **state)
{
	u32 addresses[] = {FLAT_BASE + HEADER_AT, FLAT_BASE, FLAT_BASE + 0x2000,
			   FLAT_BASE + 0x5000};
	u32 entry = FLAT_BASE + 0x444;
	struct fixture *f = *state;

	header2_make(f, 2, 0, addresses, 4);
	refuse(f, -ENOEXEC, "has load addresses, but no entry address");
	header2_bytes -= 8;
	header2_tag(f, 3, 0, &entry, 1);
	header2_tag(f, 0, 0, NULL, 0);
	try_load(f);
	check_start(f, FLAT_BASE + 0x444, 0x36d76289);
	assert_memory_equal(f->memory.window + FLAT_BASE, f->file, 0x2000);
	put(f->file + HEADER_AT + 16 + 12, 0xffffffff, 4); /* the whole file */
	try_load(f);
	assert_memory_equal(f->memory.window + FLAT_BASE, f->file, 0x2000);
	/* An entry point of its own for an ELF file. */
	entry = BASE + 0x60;
	header2_make(f, 3, 0, &entry, 1);
	try_load(f);
	check_start(f, BASE + 0x60, 0x36d76289);
	entry = BASE - 1;
	header2_make(f, 3, 0, &entry, 1);
	refuse(f, -ENOEXEC, "entry point 0x1fffff is not in what is loaded");
}

static void check_moved(struct fixture *f, u64 base)
{
	try_load(f);
	check_start(f, base + 0x20, 0x36d76289);
	check_code(f, base);
	assert_int_equal(guest_get(f, tag_find(f, 21) + 8, 4), base);
}

static void test_2_relocation(void **state)
{
	u32 words[] = {0x400000, 0xffffffff, 0x100000, 0};
	struct fixture *f = *state;

	header2_make(f, 10, 0, words, 4);
	check_moved(f, 0x400000);
	words[0] = 0x80000; /* where it is linked will do */
	header2_make(f, 10, 1, words, 4);
	check_moved(f, BASE);
	words[3] = 1;
	header2_make(f, 10, 0, words, 4);
	check_moved(f, MIB);
	words[3] = 2;
	header2_make(f, 10, 0, words, 4);
	check_moved(f, RAM_BYTES - MIB);
	words[1] = 0x7fffff;
	header2_make(f, 10, 0, words, 4);
	check_moved(f, 0x700000);
	words[0] = 0x700001;
	header2_make(f, 10, 0, words, 4);
	refuse(f, -ENOMEM, "it needs 16 KiB between 0x700001 and 0x7fffff, RAM ends at 0x1000000");
	words[2] = 0x30;
	header2_make(f, 10, 0, words, 4);
	refuse(f, -ENOEXEC, "aligned to 0x30 is no power of two");
}

static void test_2_screen(void **state)
{
	static const u32 mode[] = {1024, 768, 32};
	u32 console = 3;
	struct fixture *f = *state;

	header2_make(f, 4, 0, &console, 1);
	try_load(f);
	assert_int_equal(guest_get(f, tag_find(f, 8) + 4, 4), 32);
	assert_int_equal(guest_get(f, tag_find(f, 8) + 8, 8), 0xb8000);
	assert_int_equal(guest_get(f, tag_find(f, 8) + 16, 4), 160);
	assert_int_equal(guest_get(f, tag_find(f, 8) + 20, 4), 80);
	assert_int_equal(guest_get(f, tag_find(f, 8) + 24, 4), 25);
	assert_int_equal(guest_get(f, tag_find(f, 8) + 28, 2), 0x210);
	console = 1;
	header2_make(f, 4, 0, &console, 1);
	refuse(f, -ENOEXEC, "insists on a graphics screen");
	header2_make(f, 5, 0, mode, 3);
	refuse(f, -ENOEXEC, "insists on a graphics screen");
	header2_make(f, 5, 1, mode, 3);
	try_load(f);
}

static void test_2_requests(void **state)
{
	static const u32 known[] = {1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 14, 15, 16, 20, 21};
	static const u32 unknown[] = {6, 22}, sections[] = {9};
	struct fixture *f = *state;

	header2_make(f, 1, 0, known, ARRAY_SIZE(known));
	try_load(f);
	header2_make(f, 1, 0, unknown, 2);
	refuse(f, -ENOEXEC, "information of type 22");
	header2_make(f, 1, 1, unknown, 2);
	try_load(f);
	header2_make(f, 1, 0, sections, 1);
	refuse(f, -ENOEXEC, "information of type 9");
}

static void test_2_wrong_header(void **state)
{
	struct fixture *f = *state;
	u8 *header = f->file + HEADER_AT;
	u32 word = 0;

	header2_make(f, 7, 0, NULL, 0);
	refuse(f, -ENOEXEC, "tag 7 in its multiboot header, the services of EFI");
	header2_make(f, 9, 0, &word, 1);
	try_load(f);
	header2_make(f, 77, 0, NULL, 0);
	refuse(f, -ENOEXEC, "insists on what it does not get here: tag 77");
	header2_make(f, 77, 1, NULL, 0);
	try_load(f);
	header2_make(f, 2, 0, &word, 1);
	refuse(f, -ENOEXEC, "damaged: tag 2 has 12 bytes, 24 are needed");
	header2_make(f, 77, 1, NULL, 0);
	put(header + 20, 7, 4);
	refuse(f, -ENOEXEC, "damaged: tag 77 with 7 bytes, 16 are left");
	put(header + 20, 17, 4);
	refuse(f, -ENOEXEC, "damaged: tag 77 with 17 bytes");
	put(header + 20, 16, 4);
	refuse(f, -ENOEXEC, "its tags do not end");
	header2_make(f, 0, 0, NULL, 0);
	put(header + 4, 4, 4);
	put(header + 12, 0 - MAGIC2 - 4 - header2_bytes, 4);
	refuse(f, -ENOEXEC, "not for x86: architecture 4");
	header2_bytes = IMAGE_BYTES - HEADER_AT + 1;
	header2_close(f);
	refuse(f, -ENOEXEC, "truncated: its multiboot header has 11265 bytes, the file 11264");
	header2_bytes = 8;
	header2_close(f);
	refuse(f, -ENOEXEC, "its tags do not end");
}

static void test_no_room(void **state)
{
	struct fixture *f = *state;

	f->memory.low_bytes = BASE + CODE_ROOM - 1;
	refuse(f, -ENOMEM, "it needs 16 KiB at 0x200000, RAM ends at 0x203fff");
	/* The kernel has all that there is. */
	f->memory.low_bytes = RAM_BYTES;
	put(f->file + 44, 2, 2);
	memcpy(f->file + FILE32_TABLE + 32, f->file + FILE32_TABLE, 32);
	put(f->file + FILE32_TABLE + 32 + 12, 0x1000, 4);
	put(f->file + FILE32_TABLE + 32 + 20, 0x9e000, 4);
	put(f->file + FILE32_TABLE + 12, MIB, 4);
	put(f->file + FILE32_TABLE + 20, RAM_BYTES - MIB, 4);
	refuse(f, -ENOMEM, "leaves no room for what it is told");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_elf32),	    TEST(test_elf64),	    TEST(test_addresses),
		TEST(test_wrong_addresses), TEST(test_told),	    TEST(test_bios_calls),
		TEST(test_modules),	    TEST(test_video),	    TEST(test_no_header),
		TEST(test_wrong_header),    TEST(test_2_told),	    TEST(test_2_modules),
		TEST(test_2_and_1),	    TEST(test_2_addresses), TEST(test_2_relocation),
		TEST(test_2_screen),	    TEST(test_2_requests),  TEST(test_2_wrong_header),
		TEST(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
