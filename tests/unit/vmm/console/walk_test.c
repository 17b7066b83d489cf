/* SPDX-License-Identifier: MIT */
/* walk: both sets of tables, entry by entry, and where they end. */
/* links: vmm/console/look.c vmm/console/arguments.c vmm/console/report.c vmm/format.c */
/* links: vmm/page_table.c vmm/page_table_formats.c arch/x86/emulate/walk.c arch/x86/cpu_text.c */
/* links: vmm/partition_view.c vmm/byte_ring.c */
#include "fake_guest.h"

static void a_large_page(void **state)
{
	(void)state;
	guest_long_mode();
	expect(command_walk, "web $rip",
	       "the guest's tables: 4-level paging\n"
	       "LEVEL  AT      VALUE     FLAGS\n"
	       "PML4E  0x1ff8  0x2023    P W A\n"
	       "PDPTE  0x2ff0  0x3023    P W A\n"
	       "PDE    0x3040  0x2001e3  P W A D G large\n"
	       "linear address  0xffffffff81000123\n"
	       "guest-physical  0x200123\n"
	       "page            2M\n"
	       "access          read, write, execute\n"
	       "from user mode  no\n"
	       "Bulkhead's tables for it: EPT\n"
	       "LEVEL  AT          VALUE       FLAGS\n"
	       "EPT4   0x10000000  0x10002007  RWX\n"
	       "EPT3   0x10002000  0x10003007  RWX\n"
	       "EPT2   0x10003008  0x402000b7  RWX, write-back, large\n"
	       "guest-physical  0x200123\n"
	       "host-physical   0x40200123\n"
	       "page            2M\n"
	       "access          RWX\n"
	       "memory type     write-back\n");
}

static void a_small_page(void **state)
{
	(void)state;
	guest_long_mode();
	guest_map_page(1, GUEST_HIGH_BASE + 0x5000);
	poke_u64(0, 0x4008, (GUEST_HIGH_BASE + 0x5000) | 0x8000000000000005);
	expect_part(command_walk, "web 0xffffffff81201008",
		    "PTE    0x4008  0x8000000100005005  P U NX\n");
	expect_part(command_walk, "web 0xffffffff81201008", "access          read\n");
	expect_part(command_walk, "web 0xffffffff81201008", "host-physical   0x40005008\n");
}

static void not_mapped_by_the_guest(void **state)
{
	(void)state;
	guest_long_mode();
	expect(command_walk, "web 0xffffffff81202000",
	       "the guest's tables: 4-level paging\n"
	       "LEVEL  AT      VALUE   FLAGS\n"
	       "PML4E  0x1ff8  0x2023  P W A\n"
	       "PDPTE  0x2ff0  0x3023  P W A\n"
	       "PDE    0x3048  0x4023  P W A\n"
	       "PTE    0x4010  0x0     not present\n"
	       "linear address  0xffffffff81202000\n"
	       "guest-physical  -\n"
	       "it ends         not mapped: its PTE is not present\n");
	expect_part(command_walk, "web 0x800000000000",
		    "it ends         not a canonical address\n");
	poke_u64(0, 0x3000 + 9 * 8, 0x8000000000 | 0x23);
	expect_part(command_walk, "web 0xffffffff81202000",
		    "PDE    0x3048  0x8000000023  P W A, reserved bits set: 0x8000000000\n");
	poke_u64(0, 0x3000 + 9 * 8, 0x70000000 | 0x23);
	expect_part(command_walk, "web 0xffffffff81202000",
		    "PTE    0x70000010  0x0         not in RAM\n");
	expect_json(command_walk, "web 0xffffffff81202000",
		    "\"mapped\": false, \"guest_physical\": null, \"page_bytes\": null, "
		    "\"access\": \"\", "
		    "\"user\": false, \"reason\": \"not mapped: the table of its PTE is not in "
		    "RAM\"}}");
}

static void not_mapped_by_the_hypervisor(void **state)
{
	(void)state;
	guest_long_mode();
	guest_map_page(0, 0xb8000);
	expect_part(command_walk, "web 0xffffffff81200010",
		    "EPT1   0x100085c0  0x0         not present\n"
		    "guest-physical  0xb8010\n"
		    "host-physical   -\n"
		    "it ends         no memory: the partition's board answers accesses there\n");
}

static void physical_addresses(void **state)
{
	(void)state;
	expect(command_walk, "web p:0x100000",
	       "Bulkhead's tables for it: EPT\n"
	       "LEVEL  AT          VALUE       FLAGS\n"
	       "EPT4   0x10000000  0x10002007  RWX\n"
	       "EPT3   0x10002000  0x10003007  RWX\n"
	       "EPT2   0x10003000  0x10008007  RWX\n"
	       "EPT1   0x10008800  0x40500037  RWX, write-back\n"
	       "guest-physical  0x100000\n"
	       "host-physical   0x40500000\n"
	       "page            4K\n"
	       "access          RWX\n"
	       "memory type     write-back\n");
	/* Beyond what the tables can name. */
	expect_part(command_walk, "web p:0x1000000000000", "it ends ");
}

static void without_paging(void **state)
{
	(void)state;
	expect_part(command_walk, "web 0x200010",
		    "the guest's tables: paging off\n"
		    "linear address  0x200010\n"
		    "guest-physical  0x200010\n"
		    "page            -\n");
	expect_part(command_walk, "web 0x200010", "host-physical   0x40200010\n");
}

/* PDPTEs are taken from memory. */
static void pae(void **state)
{
	struct cpu_state *cpu = &vcpus[0].state;

	(void)state;
	cpu->cr0 = 0x80000011;
	cpu->cr4 = CR4_PAE;
	cpu->cr3 = 0x1020;
	poke_u64(0, 0x1020 + 3 * 8, 0x3001);
	poke_u64(0, 0x3008, 0x2001e7);
	expect_part(command_walk, "web 0xc0200044",
		    "the guest's tables: PAE paging\n"
		    "LEVEL  AT      VALUE     FLAGS\n"
		    "PDPTE  0x1038  0x3001    P\n"
		    "PDE    0x3008  0x2001e7  P W U A D G large\n"
		    "linear address  0xc0200044\n"
		    "guest-physical  0x200044\n");
}

static void as_json(void **state)
{
	(void)state;
	guest_long_mode();
	expect_json(
		command_walk, "web $rip",
		"{\"guest\": [{\"level\": \"PML4E\", \"at\": \"0x1ff8\", \"value\": \"0x2023\", "
		"\"flags\": \"P W A\"}, ");
	expect_json(command_walk, "web $rip",
		    "\"translation\": {\"linear\": \"0xffffffff81000123\", \"mapped\": true, "
		    "\"guest_physical\": \"0x200123\", \"page_bytes\": 2097152, "
		    "\"access\": \"read, write, execute\", \"user\": false, \"reason\": \"\"}");
	expect_json(
		command_walk, "web $rip",
		"\"host\": {\"guest_physical\": \"0x200123\", \"mapped\": true, "
		"\"host_physical\": \"0x40200123\", \"page_bytes\": 2097152, \"access\": \"RWX\", "
		"\"memory_type\": \"write-back\", \"reason\": \"\"}}");
}

static void wrong_arguments(void **state)
{
	(void)state;
	expect_part(command_walk, "web abc", "is not an address");
	guests[0].state = PARTITION_RUNNING;
	expect_part(command_walk, "web 0", "web is running, only one that is paused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GUEST_TEST(a_large_page),
		GUEST_TEST(a_small_page),
		GUEST_TEST(not_mapped_by_the_guest),
		GUEST_TEST(not_mapped_by_the_hypervisor),
		GUEST_TEST(physical_addresses),
		GUEST_TEST(without_paging),
		GUEST_TEST(pae),
		GUEST_TEST(as_json),
		GUEST_TEST(wrong_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
