/* SPDX-License-Identifier: MIT */
/* x, and what all commands share that look at a frozen guest: addresses, and what is not there. */
/* links: vmm/console/look.c vmm/console/arguments.c vmm/console/report.c vmm/format.c */
/* links: vmm/page_table.c vmm/page_table_formats.c arch/x86/emulate/walk.c arch/x86/cpu_text.c */
/* links: vmm/partition_view.c vmm/byte_ring.c */
#include "fake_guest.h"

#include <vmm/console/look.h>

static void text_at(u64 gpa, const char *text)
{
	poke(0, gpa, text, strlen(text));
}

static void physical_memory(void **state)
{
	(void)state;
	text_at(0x5000, "Hello, world\x01\xff??");
	expect(command_x, "web p:0x5000 16",
	       "ADDRESS           VALUES                                           TEXT\n"
	       "0000000000005000  48 65 6c 6c 6f 2c 20 77 6f 72 6c 64 01 ff 3f 3f  Hello, "
	       "world..??\n");
	/* All of it by default, in 64 bytes. */
	assert_true(run_as(false, command_x, "web p:0x5000"));
	assert_non_null(strstr(output, "0000000000005030  00 00"));
	assert_null(strstr(output, "0000000000005040"));
}

static void units(void **state)
{
	(void)state;
	text_at(0x5000, "\x11\x22\x33\x44\x55\x66\x77\x88\x99");
	expect_part(command_x, "web p:0x5000 8 h",
		    "2211 4433 6655 8877 0099 0000 0000 0000  .\"3DUfw");
	expect_part(command_x, "web p:0x5000 w 4", "44332211 88776655 00000099 00000000  ");
	expect_part(command_x, "web p:0x5000 g 1",
		    "0000000000005000  8877665544332211  .\"3DUfw.\n");
	expect_part(command_x, "web p:0x5001 w 1", "0000000000005001  55443322  ");
	expect_part(command_x, "web p:0x5000 3", "11 22 33  ");
}

static void text(void **state)
{
	(void)state;
	poke(0, 0x5000, "one\0two\0\0four", 14);
	expect(command_x, "web p:0x5000 s 4",
	       "ADDRESS           VALUES  TEXT\n"
	       "0000000000005000          one\n"
	       "0000000000005004          two\n"
	       "0000000000005008\n"
	       "0000000000005009          four\n");
}

/* Text without an end goes on in rows, up to a limit. */
static void endless_text(void **state)
{
	char *much = malloc(8192);

	(void)state;
	memset(much, 'x', 8192);
	poke(0, 0x5000, much, 8192);
	assert_true(run_as(false, command_x, "web p:0x5000 s"));
	assert_non_null(strstr(output, "0000000000005190          xxxx"));
	assert_non_null(strstr(output, "0000000000005fa0          xxxx"));
	assert_null(strstr(output, "00000000000060"));
	/* And one that RAM ends in says so. */
	poke(0, LOW_BYTES - 4, "tail", 4);
	expect_part(command_x, "web p:0x3ffffc s 2",
		    "00000000003ffffc           tail\n0000000000400000  not RAM\n");
	free(much);
}

static void virtual_memory(void **state)
{
	(void)state;
	guest_long_mode();
	text_at(0x200120, "0123456789");
	expect_part(command_x, "web 0xffffffff81000120 8", "30 31 32 33 34 35 36 37  01234567\n");
	expect_part(command_x, "web $rip 4", "ffffffff81000123  33 34 35 36  3456\n");
	/* The physical address is not virtual. */
	expect_part(command_x, "web 0x200120", "not mapped: its PML4E is not present\n");
}

/* What is not mapped is said for each page, and what follows is shown. */
static void holes_between_pages(void **state)
{
	(void)state;
	guest_long_mode();
	guest_map_page(0, 0x6000);
	guest_map_page(2, 0x9000);
	text_at(0x6ff8, "AAAABBBB");
	text_at(0x9000, "CCCCDDDD");
	expect(command_x, "web 0xffffffff81200ff8 w 1024",
	       "ADDRESS           VALUES                              TEXT\n"
	       "ffffffff81200ff8  41414141 42424242                   AAAABBBB\n"
	       "ffffffff81201000  not mapped: its PTE is not present\n");
	/* It goes on where the next page is. */
	assert_true(run_as(false, command_x, "web 0xffffffff81200ff8 512 g"));
	assert_null(strstr(output, "ffffffff81202000"));
	assert_true(run_as(false, command_x, "web 0xffffffff81201ff0 g 3"));
	assert_string_equal(output,
			    "ADDRESS           VALUES                              TEXT\n"
			    "ffffffff81201ff0  not mapped: its PTE is not present\n"
			    "ffffffff81202000  4444444443434343                    CCCCDDDD\n");
	/* A unit that is half there is not shown; the first one behind the hole is. */
	expect(command_x, "web 0xffffffff81200ffc g 1",
	       "ADDRESS           VALUES                              TEXT\n"
	       "ffffffff81201000  not mapped: its PTE is not present\n");
	expect_part(command_x, "web 0xffffffff81201ffc 2 g",
		    "ffffffff81201ffc  not mapped: its PTE is not present\n"
		    "ffffffff81202004  00000000");
}

/* Mapped by the guest to where it has no RAM. */
static void mapped_to_nothing(void **state)
{
	(void)state;
	guest_long_mode();
	guest_map_page(0, 0xfee00000);
	expect_part(command_x, "web 0xffffffff81200030 w 1",
		    "ffffffff81200030  guest-physical 0xfee00030 is not RAM\n");
	expect_part(command_x, "web p:0xa0000 1", "00000000000a0000  not RAM\n");
	expect_part(command_x, "web 0x800000000000", "not a canonical address\n");
	poke_u64(0, 0x3000 + 9 * 8, 0x7f000000 | 0x23);
	expect_part(command_x, "web 0xffffffff81200000",
		    "not mapped: the table of its PTE is not in RAM\n");
	poke_u64(0, 0x3000 + 8 * 8, 0x204000 | 0x1e3);
	expect_part(command_x, "web $rip", "not mapped: its PDE has reserved bits set\n");
}

static void the_end_of_the_address_space(void **state)
{
	(void)state;
	expect_part(command_x, "web p:0xfffffffffffffff8", "fffffffffffffff8  not RAM\n");
	poke(0, GUEST_HIGH_BASE + HIGH_BYTES - 2, "zz", 2);
	expect_part(command_x, "web p:0x1001ffffe 4",
		    "00000001001ffffe  7a 7a    zz\n0000000100200000  not RAM\n");
}

static void json(void **state)
{
	(void)state;
	text_at(0x5000, "A\"");
	expect_json(command_x, "web p:0x5000 2",
		    "{\"memory\": [{\"address\": \"0000000000005000\", \"values\": \"41 22\", "
		    "\"text\": \"A\\\"\", \"readable\": true}]}");
	expect_json(command_x, "web p:0xa0000 1",
		    "\"values\": \"not RAM\", \"text\": \"\", \"readable\": false}");
}

static void wrong_arguments(void **state)
{
	(void)state;
	expect_error(command_x, "wbe 0", "no partition \"wbe\"; there are: web, db");
	expect_error(command_x, "web 0 0", "\"0\" is not a count from 1 to 4096");
	expect_error(command_x, "web 0 g 513", "\"513\" is not a count from 1 to 512");
	expect_error(command_x, "web 0 65 s", "\"65\" is not a count from 1 to 64");
	expect_error(
		command_x, "web 0 1 2",
		"\"2\" is neither a count nor one of b (bytes), h (16 bits), w (32), g (64), s "
		"(text), or there is one already");
	expect_part(command_x, "web 0 i", "neither a count");
	expect_part(command_x, "web 0 b w", "neither a count");
	guests[0].state = PARTITION_RUNNING;
	expect_error(
		command_x, "web 0",
		"web is running, only one that is paused or crashed can be looked at: first pause "
		"web");
	guests[0].state = PARTITION_STOPPED;
	expect_error(command_x, "web 0",
		     "web is stopped, only one that is paused or crashed can be looked at");
}

/* --- addresses --- */

static u64 address(const char *text)
{
	struct look_address found;

	report_begin(false);
	assert_true(look_address_read(&vcpus[0], text, &found));
	assert_null(report_end());
	assert_int_equal(found.physical, text[0] == 'p');
	return found.value;
}

static void addresses(void **state)
{
	struct cpu_state *cpu = &vcpus[0].state;

	(void)state;
	cpu->gpr[GPR_RSP] = 0x1000;
	cpu->gpr[GPR_R10] = 0x20;
	cpu->rip = 0x300;
	cpu->cs.base = 0x40000;
	cpu->ss.base = 0x50000;
	cpu->gs.base = 0xffff888000000000;
	assert_int_equal(address("0x10"), 0x10);
	assert_int_equal(address("4096"), 4096);
	assert_int_equal(address("$rsp"), 0x1000);
	assert_int_equal(address("$rsp+8"), 0x1008);
	assert_int_equal(address("$rsp-0x10+$r10"), 0x1010);
	assert_int_equal(address("p:$rsp-1-1"), 0xffe);
	assert_int_equal(address("0-1"), ~0UL);
	assert_int_equal(address("$gs.base+0x28"), 0xffff888000000028);
	/* Real mode: with and without the segment's base. */
	assert_int_equal(address("$rip"), 0x300);
	assert_int_equal(address("$pc"), 0x40300);
	assert_int_equal(address("$sp"), 0x51000);
}

static void no_address(const char *text, const char *error)
{
	struct look_address found;

	report_begin(false);
	assert_false(look_address_read(&vcpus[0], text, &found));
	failure = report_end();
	assert_non_null(failure);
	if (!strstr(failure, error))
		fail_msg("\"%s\" is not in: %s", error, failure);
}

static void no_addresses(void **state)
{
	(void)state;
	no_address("", "is no address: a number, a register such as $rsp");
	no_address("p:", "is no address");
	no_address("$rsp+", "is no address");
	no_address("+8", "is no address");
	no_address("0x123456789012345678901234567890123456", "is no address");
	no_address("ffffffff81000000", "\"ffffffff81000000\" is not an address");
	no_address("0x12345678123456789", "is not an address");
	no_address("$eip", "no register \"$eip\"; there are: pc, sp, rax, rbx");
	no_address("$", "no register \"$\"");
	no_address("P:8", "is not an address");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GUEST_TEST(physical_memory),
		GUEST_TEST(units),
		GUEST_TEST(text),
		GUEST_TEST(endless_text),
		GUEST_TEST(virtual_memory),
		GUEST_TEST(holes_between_pages),
		GUEST_TEST(mapped_to_nothing),
		GUEST_TEST(the_end_of_the_address_space),
		GUEST_TEST(json),
		GUEST_TEST(wrong_arguments),
		GUEST_TEST(addresses),
		GUEST_TEST(no_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
