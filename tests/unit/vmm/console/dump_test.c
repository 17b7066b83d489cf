/* SPDX-License-Identifier: MIT */
/* Core files of frozen guests: which memory is where in them, read piece by piece, and with gdb. */
/* links: vmm/console/look.c vmm/console/arguments.c vmm/console/report.c vmm/format.c */
/* links: vmm/page_table.c vmm/page_table_formats.c arch/x86/emulate/walk.c arch/x86/cpu_text.c */
/* links: vmm/core_file.c */
/* links: vmm/partition_view.c vmm/byte_ring.c */
#include "fake_guest.h"

#include <elf.h>
#include <unistd.h>

#include <vmm/console/dump.h>

#define MEMORY_BYTES (LOW_BYTES - (GUEST_HOLE_END - GUEST_HOLE_BASE) + HIGH_BYTES)

static char reason[LOAD_REASON_BYTES];
static u8 *file;
static u64 file_bytes;

/* The whole file, in pieces of this size. */
static void dump(u32 piece)
{
	assert_int_equal(dump_begin(&guests[0], &file_bytes, reason), 0);
	file = malloc(file_bytes);
	for (u64 at = 0; at < file_bytes; at += piece)
		assert_int_equal(
			dump_read(&guests[0], at, file + at, (u32)MIN((u64)piece, file_bytes - at)),
			0);
}

static void dump_end(void)
{
	free(file);
	file = NULL;
}

static u32 segment_count(void)
{
	return ((const Elf64_Ehdr *)(const void *)file)->e_phnum;
}

static const Elf64_Phdr *segment(u32 index)
{
	const Elf64_Ehdr *elf = (const void *)file;

	assert_true(index < elf->e_phnum);
	return (const Elf64_Phdr *)(const void *)(file + elf->e_phoff) + index;
}

/* The memory at a virtual address as a reader of the file finds it: in the first range that has it.
 */
static const u8 *memory_at(u64 address)
{
	for (u32 i = 1; i < segment_count(); i++) {
		const Elf64_Phdr *load = segment(i);

		assert_int_equal(load->p_type, PT_LOAD);
		assert_true(load->p_offset + load->p_filesz <= file_bytes);
		if (address - load->p_vaddr < load->p_filesz)
			return file + load->p_offset + (address - load->p_vaddr);
	}
	return NULL;
}

static void is_at(u64 address, const char *text)
{
	const u8 *at = memory_at(address);

	assert_non_null(at);
	assert_memory_equal(at, text, strlen(text));
}

static void text_at(u64 gpa, const char *text)
{
	poke(0, gpa, text, strlen(text));
}

static void without_paging(void **state)
{
	(void)state;
	text_at(0, "first");
	text_at(GUEST_HOLE_BASE - 4, "hole");
	text_at(GUEST_HOLE_END, "behind");
	text_at(LOW_BYTES - 4, "last");
	text_at(GUEST_HIGH_BASE, "high");
	text_at(GUEST_HIGH_BASE + HIGH_BYTES - 3, "end");
	dump(4096);
	assert_int_equal(segment_count(), 4);
	assert_int_equal(file_bytes, 4096 + MEMORY_BYTES);
	is_at(0, "first");
	is_at(GUEST_HOLE_BASE - 4, "hole");
	assert_null(memory_at(GUEST_HOLE_BASE));
	is_at(GUEST_HOLE_END, "behind");
	is_at(LOW_BYTES - 4, "last");
	assert_null(memory_at(LOW_BYTES));
	is_at(GUEST_HIGH_BASE, "high");
	is_at(GUEST_HIGH_BASE + HIGH_BYTES - 3, "end");
	for (u32 i = 1; i < 4; i++)
		assert_int_equal(segment(i)->p_vaddr, segment(i)->p_paddr);
	dump_end();
}

/* Large and small pages, joined where they go on, shared, and not RAM. */
static void with_paging(void **state)
{
	(void)state;
	guest_long_mode();
	for (u32 i = 0; i < 8; i++)
		guest_map_page(i, 0x5000 + i * PAGE_SIZE);
	guest_map_page(8, 0x6000);
	guest_map_page(9, 0xfee00000); /* a device */
	guest_map_page(10, GUEST_HOLE_BASE - PAGE_SIZE);
	guest_map_page(11, GUEST_HOLE_BASE);
	text_at(0x200123, "kernel");
	text_at(0x6010, "twice");
	dump(4096);
	is_at(KERNEL + 0x123, "kernel");
	is_at(PAGES + 0x1010, "twice");
	is_at(PAGES + 0x8010, "twice");
	assert_null(memory_at(PAGES + 0x9000));
	assert_non_null(memory_at(PAGES + 0xa000));
	assert_null(memory_at(PAGES + 0xb000));
	/* Physical memory has a place of its own, its addresses have none. */
	is_at(DUMP_PHYSICAL + 0x200123, "kernel");
	assert_null(memory_at(0x200123));
	/* The kernel, eight pages in one, the one again, the last before the hole, and RAM. */
	assert_int_equal(segment_count(), 1 + 4 + 3);
	assert_int_equal(segment(2)->p_vaddr, PAGES);
	assert_int_equal(segment(2)->p_paddr, 0x5000);
	assert_int_equal(segment(2)->p_filesz, 8 * PAGE_SIZE);
	dump_end();
}

/* A large page over the hole has memory on both sides of it. */
static void a_page_with_a_hole(void **state)
{
	(void)state;
	guest_long_mode();
	poke_u64(0, 0x3000 + 8 * 8, 0x1e3); /* 2 MiB from 0 on */
	text_at(GUEST_HOLE_END + 8, "behind");
	dump(4096);
	is_at(KERNEL + GUEST_HOLE_END + 8, "behind");
	assert_null(memory_at(KERNEL + GUEST_HOLE_BASE));
	assert_int_equal(segment_count(), 1 + 2 + 3);
	dump_end();
}

static void user_memory(void **state)
{
	(void)state;
	guest_long_mode();
	poke_u64(0, 0x1000, 0x2027);
	poke_u64(0, 0x2000, 0x3027);
	poke_u64(0, 0x3000, 0x2000e7); /* 0 is 0x200000 */
	text_at(0x200010, "user");
	dump(4096);
	is_at(0x10, "user");
	dump_end();
}

static void thirty_two_bits(void **state)
{
	struct cpu_state *cpu = &vcpus[0].state;
	u32 entry = 0x83;

	(void)state;
	cpu->cr0 = 0x80000011;
	cpu->cr4 = CR4_PSE;
	cpu->cr3 = 0x1000;
	poke(0, 0x1000 + 0x300 * 4, &entry, 4); /* c0000000 is 4 MiB: 0 to 0x3fffff */
	text_at(0x200010, "kernel");
	dump(4096);
	is_at(0xc0200010, "kernel");
	is_at(DUMP_PHYSICAL + 0x200010, "kernel");
	dump_end();
}

/* A guest whose tables map its RAM at every address: bounded, and still with what matters. */
static void tables_without_end(void **state)
{
	(void)state;
	guest_long_mode();
	for (u32 i = 0; i < 512; i++) {
		poke_u64(0, 0x1000 + i * 8, 0x2023);
		poke_u64(0, 0x2000 + i * 8, 0x3023);
		poke_u64(0, 0x3000 + i * 8, 0x4023);
		guest_map_page(i, i % 2 ? 0x200000 : 0x100000);
	}
	vcpus[0].state.rip = 0x123456789000;
	text_at(0x100000, "even");
	dump(4096);
	assert_true(segment_count() <= 1 + 640);
	is_at(0x123456789000 & ~0x7fffffffffUL, "even"); /* the start of its 512 GiB */
	assert_true(yields > 10);
	is_at(DUMP_PHYSICAL + 0x100000, "even");
	assert_true(run_as(false, command_dump, "web"));
	assert_non_null(strstr(output, "all mappings      no\n"));
	dump_end();
}

/* Five levels, all present but empty below: many slots, few walks. */
static void many_empty_slots(void **state)
{
	(void)state;
	guest_long_mode();
	vcpus[0].state.cr4 |= CR4_LA57;
	for (u32 i = 0; i < 512; i++) {
		poke_u64(0, 0x1000 + i * 8, 0x5023);
		poke_u64(0, 0x5000 + i * 8, 0);
	}
	dump(4096);
	assert_int_equal(segment_count(), 1 + 3);
	dump_end();
}

/* Whatever the pieces are, the file is the same. */
static void any_pieces(void **state)
{
	static const u32 pieces[] = {1000003, 65536, 4095};
	u8 *whole;

	(void)state;
	guest_long_mode();
	for (u64 at = 0; at < LOW_BYTES; at += 64 * KIB)
		if (at < GUEST_HOLE_BASE - 8 || at >= GUEST_HOLE_END)
			if (at)
				poke_u64(0, at, at * 0x9e3779b97f4a7c15);
	dump(4096);
	whole = file;
	for (u32 i = 0; i < ARRAY_SIZE(pieces); i++) {
		dump(pieces[i]);
		assert_memory_equal(file, whole, file_bytes);
		dump_end();
	}
	free(whole);
}

static void limits(void **state)
{
	u8 byte = 0xaa;
	u64 bytes;

	(void)state;
	assert_int_equal(dump_begin(&guests[0], &bytes, reason), 0);
	assert_int_equal(dump_read(&guests[0], bytes - 1, &byte, 1), 0);
	assert_int_equal(byte, 0);
	assert_int_equal(dump_read(&guests[0], bytes, &byte, 0), 0);
	assert_int_equal(dump_read(&guests[0], bytes, &byte, 1), -EINVAL);
	assert_int_equal(dump_read(&guests[0], bytes - 1, &byte, 2), -EINVAL);
	assert_int_equal(dump_read(&guests[0], ~0UL, &byte, 1), -EINVAL);
}

/* Nothing is given of a guest that has changed since. */
static void only_what_stands_still(void **state)
{
	u64 bytes;
	u8 byte;

	(void)state;
	guests[0].state = PARTITION_RUNNING;
	assert_int_equal(dump_begin(&guests[0], &bytes, reason), -EBUSY);
	assert_string_equal(reason, "it is running, it must be paused or crashed");
	assert_int_equal(dump_read(&guests[0], 0, &byte, 1), -EBUSY);
	guests[0].state = PARTITION_PAUSED;
	assert_int_equal(dump_read(&guests[0], 0, &byte, 1), -EBUSY);
	assert_int_equal(dump_begin(&guests[0], &bytes, reason), 0);
	assert_int_equal(dump_read(&guests[1], 0, &byte, 1), -EBUSY);
	assert_int_equal(dump_read(&guests[0], 0, &byte, 1), 0);
	vcpus[0].exits++; /* it ran and was paused again */
	assert_int_equal(dump_read(&guests[0], 0, &byte, 1), -EBUSY);
	assert_int_equal(dump_begin(&guests[0], &bytes, reason), 0);
	guests[0].starts++;
	assert_int_equal(dump_read(&guests[0], 0, &byte, 1), -EBUSY);
}

/* What the operator asks meanwhile does not end a dump, nor change it. */
static void the_command_amid_a_dump(void **state)
{
	u64 bytes;
	u8 *whole;

	(void)state;
	guest_long_mode();
	text_at(0x5000, "text of web");
	dump(4096);
	whole = file;
	file = malloc(file_bytes);
	assert_int_equal(dump_begin(&guests[0], &bytes, reason), 0);
	assert_int_equal(bytes, file_bytes);
	assert_int_equal(dump_read(&guests[0], 0, file, 4000), 0);
	assert_true(run_as(false, command_dump, "db"));
	assert_int_equal(dump_read(&guests[0], 4000, file + 4000, (u32)bytes - 4000), 0);
	assert_memory_equal(file, whole, bytes);
	assert_int_equal(dump_read(&guests[1], 0, file, 1), -EBUSY);
	free(whole);
	dump_end();
}

static void the_command(void **state)
{
	(void)state;
	guest_long_mode();
	expect(command_dump, "web",
	       "partition         web\n"
	       "core file         6164480 bytes\n"
	       "ranges of memory  4\n"
	       "all mappings      yes\n"
	       "It is received by the program at the other end of this line: bhctl dump web "
	       "FILE\n");
	expect_json(command_dump, "web",
		    "{\"dump\": {\"partition\": \"web\", \"bytes\": 6164480, \"ranges\": 4, "
		    "\"all_mappings\": true}}");
	guests[0].state = PARTITION_RUNNING;
	expect_part(command_dump, "web", "web is running");
}

/* A note of each vCPU's registers, in order, also of as many as there can be. */
static void all_vcpus(void **state)
{
	static const u32 counts[] = {2, CONFIG_VCPUS_MAX};
	static struct vcpu more[CONFIG_VCPUS_MAX];

	(void)state;
	guest_long_mode();
	for (u32 i = 0; i < ARRAY_SIZE(counts); i++) {
		u32 found = 0;

		guests[0].vcpu_count = counts[i];
		for (u32 id = 1; id < counts[i]; id++) {
			more[id].id = id;
			more[id].state.rip = 0xabcd0000 + id;
			guests[0].vcpus[id] = &more[id];
		}
		dump(PAGE_SIZE);
		for (u64 at = segment(0)->p_offset;
		     at < segment(0)->p_offset + segment(0)->p_filesz;) {
			const Elf64_Nhdr *note = (const void *)(file + at);
			u64 name = at + sizeof(*note), body = name + (note->n_namesz + 3U) / 4 * 4;

			if (note->n_type == NT_PRSTATUS && !strcmp((char *)file + name, "CORE")) {
				/* pr_reg, and in it rip (struct user_regs_struct) */
				u64 rip;

				memcpy(&rip, file + body + 112 + 16 * 8, sizeof(rip));
				assert_int_equal(rip, found ? 0xabcd0000 + found : KERNEL + 0x123);
				found++;
			}
			at = body + (note->n_descsz + 3U) / 4 * 4;
		}
		assert_int_equal(found, counts[i]);
		dump_end();
	}
}

/* What gdb says, with all blanks as one. */
static void gdb(const char *path, const char *commands, char *said, size_t room)
{
	char command[512];
	size_t count = 0;
	FILE *pipe;
	int byte;

	snprintf(command, sizeof(command), "gdb -nx -batch -ex 'core-file %s' %s 2>&1", path,
		 commands);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	while ((byte = fgetc(pipe)) != EOF && count + 1 < room)
		if ((byte != ' ' && byte != '\t') || (count && said[count - 1] != ' '))
			said[count++] = (char)(byte == '\t' ? ' ' : byte);
	said[count] = 0;
	pclose(pipe);
}

static void shows(const char *said, const char *text)
{
	if (!strstr(said, text))
		fail_msg("gdb does not say \"%s\":\n%s", text, said);
}

static void gdb_shows_the_guest(void **state)
{
	char path[] = "/tmp/dump_test.XXXXXX", said[8192];
	int fd;

	(void)state;
	if (system("gdb --version > /dev/null 2>&1") != 0)
		skip();
	guest_long_mode();
	guest_map_page(3, GUEST_HIGH_BASE + 0x7000);
	vcpus[0].state.gpr[GPR_RBX] = 0x1234567;
	text_at(0x200123, "\xf4\xc3");
	text_at(0x208000, "the stack");
	text_at(GUEST_HIGH_BASE + 0x7010, "high up");
	dump(4096);
	fd = mkstemp(path);
	assert_int_equal(write(fd, file, file_bytes), file_bytes);
	close(fd);
	gdb(path,
	    "-ex 'info registers' -ex 'x/2i $rip' -ex 'x/s $rsp' -ex 'x/s 0xffffffff81203010' "
	    "-ex 'x/s 0x1000000000208000' -ex 'x/x 0xffffffff81202000'",
	    said, sizeof(said));
	unlink(path);
	shows(said, "Core was generated by `web'");
	shows(said, "rbx 0x1234567 ");
	shows(said, "rip 0xffffffff81000123 ");
	shows(said, "=> 0xffffffff81000123: hlt");
	shows(said, "0xffffffff81000124: ret");
	shows(said, "0xffffffff81008000: \"the stack\"");
	shows(said, "0xffffffff81203010: \"high up\"");
	shows(said, "0x1000000000208000: \"the stack\"");
	shows(said, "Cannot access memory at address 0xffffffff81202000");
	dump_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GUEST_TEST(without_paging),
		GUEST_TEST(with_paging),
		GUEST_TEST(a_page_with_a_hole),
		GUEST_TEST(user_memory),
		GUEST_TEST(thirty_two_bits),
		GUEST_TEST(tables_without_end),
		GUEST_TEST(many_empty_slots),
		GUEST_TEST(any_pieces),
		GUEST_TEST(limits),
		GUEST_TEST(only_what_stands_still),
		GUEST_TEST(the_command),
		GUEST_TEST(all_vcpus),
		GUEST_TEST(the_command_amid_a_dump),
		GUEST_TEST(gdb_shows_the_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
