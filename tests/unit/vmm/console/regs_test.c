/* SPDX-License-Identifier: MIT */
/* regs, vmcs and inject. */
/* links: vmm/console/look.c vmm/console/arguments.c vmm/console/report.c vmm/format.c */
/* links: vmm/page_table.c vmm/page_table_formats.c arch/x86/emulate/walk.c arch/x86/cpu_text.c */
/* links: vmm/partition_view.c vmm/byte_ring.c */
#include "fake_guest.h"

static u32 requests;

void vcpu_request(struct vcpu *vcpu, u32 request)
{
	assert_ptr_equal(vcpu, &vcpus[0]);
	requests |= request;
}

static bool kept;

/* In order of encoding, as a backend gives them. */
static void fields(const struct vcpu *vcpu,
		   void (*show)(void *context, const struct virt_field *field), void *context)
{
	static const struct virt_field all[] = {
		{0x802, "guest", "guest CS selector", 0x10, ""},
		{0xc02, "host", "host CS selector", 8, ""},
		{0x4002, "control", "primary controls", 0x80000080, "HLT secondary"},
		{0x4402, "exit", "exit reason", 12, "HLT"},
		{0x681e, "guest", "guest RIP", 0xfff0, ""},
	};

	assert_ptr_equal(vcpu, &vcpus[0]);
	for (u32 i = 0; kept && i < ARRAY_SIZE(all); i++)
		show(context, &all[i]);
}

static const struct virt_backend backend = {.vcpu_fields = fields};
const struct virt_backend *virt = &backend;

static void all_registers(void **state)
{
	struct cpu_state *cpu = &vcpus[0].state;

	(void)state;
	guest_long_mode();
	for (u32 i = 0; i < GPR_COUNT; i++)
		cpu->gpr[i] = 0x1000 + i;
	cpu->rflags = 0x246;
	cpu->cr2 = 0x7f0000;
	cpu->gdtr = (struct cpu_table){0xfffffe0000001000, 0x7f};
	cpu->tr = (struct cpu_segment){0x40, SEGMENT_TSS64, 0x67, 0xfffffe0000003000};
	poke(0, 0x200123, "\xf4\xc3\x90", 3);
	expect(command_regs, "web",
	       "REGISTER  VALUE               BITS\n"
	       "rax       0x1000\n"
	       "rbx       0x1003\n"
	       "rcx       0x1001\n"
	       "rdx       0x1002\n"
	       "rsi       0x1006\n"
	       "rdi       0x1007\n"
	       "rbp       0x1005\n"
	       "rsp       0x1004\n"
	       "r8        0x1008\n"
	       "r9        0x1009\n"
	       "r10       0x100a\n"
	       "r11       0x100b\n"
	       "r12       0x100c\n"
	       "r13       0x100d\n"
	       "r14       0x100e\n"
	       "r15       0x100f\n"
	       "rip       0xffffffff81000123\n"
	       "rflags    0x246               PF ZF IF\n"
	       "cr0       0x80010031          PE ET NE WP PG\n"
	       "cr2       0x7f0000\n"
	       "cr3       0x1000\n"
	       "cr4       0x20                PAE\n"
	       "cr8       0x0\n"
	       "efer      0xd00               LME LMA NXE\n"
	       "SEGMENT  SELECTOR  BASE                LIMIT       ATTRIBUTES  KIND\n"
	       "cs       0x10      0x0                 0xffffffff  0xa09b      code, readable, "
	       "64-bit, DPL 0\n"
	       "ss       0x18      0x0                 0xffffffff  0xc093      data, writable, "
	       "32-bit, DPL 0\n"
	       "ds       0x0       0x0                 0x0         0x0         unusable\n"
	       "es       0x0       0x0                 0x0         0x0         unusable\n"
	       "fs       0x0       0x0                 0x0         0x0         unusable\n"
	       "gs       0x0       0x0                 0x0         0x0         unusable\n"
	       "ldtr     0x0       0x0                 0x0         0x0         unusable\n"
	       "tr       0x40      0xfffffe0000003000  0x67        0x8b        TSS, busy, DPL 0\n"
	       "gdtr     -         0xfffffe0000001000  0x7f        -\n"
	       "idtr     -         0x0                 0x0         -\n"
	       "virtual CPU       0\n"
	       "mode              64-bit mode\n"
	       "addresses         4-level paging\n"
	       "privilege level   0\n"
	       "halted            no\n"
	       "next instruction  0xffffffff81000123\n"
	       "bytes there       f4 c3 90 00 00 00 00 00 00 00 00 00 00 00 00 00\n");
}

static void real_mode(void **state)
{
	struct cpu_state *cpu = &vcpus[0].state;

	(void)state;
	cpu->cr0 = 0x10;
	cpu->cs = (struct cpu_segment){0x100, SEGMENT_CODE16, 0xffff, 0x1000};
	cpu->rip = 0x20;
	vcpus[0].halted = true;
	poke(0, 0x1020, "\xeb\xfe", 2);
	expect_part(command_regs, "web/0", "mode              real mode\n");
	expect_part(command_regs, "web", "halted            yes\n");
	expect_part(command_regs, "web", "next instruction  0x1020\nbytes there       eb fe 00");
}

static void crashed(void **state)
{
	(void)state;
	guests[0].state = PARTITION_CRASHED;
	vcpus[0].stop = VCPU_STOP_TRIPLE_FAULT;
	strcpy(vcpus[0].stop_text, "triple fault at rip 0x1000");
	expect_part(command_regs, "web", "stopped by        triple fault at rip 0x1000\n");
	expect_json(command_regs, "web", "\"stopped_by\": \"triple fault at rip 0x1000\"");
}

/* The bytes end where they cannot be read. */
static void code_at_an_end(void **state)
{
	(void)state;
	guest_long_mode();
	guest_map_page(0, 0x6000);
	vcpus[0].state.rip = PAGES + 0xffe;
	expect_part(command_regs, "web", "bytes there       00 00\n");
	vcpus[0].state.rip = PAGES + 0x1000;
	expect_part(command_regs, "web", "bytes there       not mapped: its PTE is not present\n");
	guest_map_page(0, 0xfee00000);
	vcpus[0].state.rip = PAGES;
	expect_part(command_regs, "web", "bytes there       not RAM\n");
}

static void registers_as_json(void **state)
{
	(void)state;
	guest_long_mode();
	expect_json(command_regs, "web",
		    "{\"registers\": [{\"name\": \"rax\", \"value\": \"0x0\", \"bits\": \"\"}, ");
	expect_json(command_regs, "web",
		    "{\"name\": \"cr4\", \"value\": \"0x20\", \"bits\": \"PAE\"}");
	expect_json(
		command_regs, "web",
		"{\"name\": \"gdtr\", \"selector\": null, \"base\": \"0x0\", \"limit\": \"0x0\", "
		"\"attributes\": null, \"kind\": \"\"}");
	expect_json(
		command_regs, "web",
		"\"vcpu\": {\"partition\": \"web\", \"id\": 0, \"mode\": \"64-bit mode\", "
		"\"paging\": \"4-level paging\", \"privilege\": 0, \"halted\": false, "
		"\"stopped_by\": null, \"instruction\": \"0xffffffff81000123\", \"code\": \"00 ");
}

static void only_of_frozen_ones(void **state)
{
	(void)state;
	guests[0].state = PARTITION_RUNNING;
	expect_error(
		command_regs, "web",
		"web is running, only one that is paused or crashed can be looked at: first pause "
		"web");
	expect_error(
		command_vmcs, "web",
		"web is running, only one that is paused or crashed can be looked at: first pause "
		"web");
	expect_error(command_regs, "web/1", "no virtual CPU \"web/1\"; web has 0 to 0");
}

static void fields_in_groups(void **state)
{
	(void)state;
	kept = true;
	expect(command_vmcs, "web",
	       "GROUP    FIELD              ENCODING  VALUE\n"
	       "guest    guest CS selector  0x0802    0x10\n"
	       "guest    guest RIP          0x681e    0xfff0\n"
	       "host     host CS selector   0x0c02    0x8\n"
	       "control  primary controls   0x4002    0x80000080\n"
	       "         HLT secondary\n"
	       "exit     exit reason        0x4402    0xc\n"
	       "         HLT\n");
	expect_json(command_vmcs, "web",
		    "{\"group\": \"control\", \"name\": \"primary controls\", \"encoding\": "
		    "\"0x4002\", "
		    "\"value\": \"0x80000080\", \"meaning\": \"HLT secondary\"}");
}

static void fields_by_text(void **state)
{
	(void)state;
	kept = true;
	expect_part(command_vmcs, "web cs", "guest  guest CS selector");
	assert_non_null(strstr(output, "host CS selector"));
	assert_null(strstr(output, "RIP"));
	expect_part(command_vmcs, "web CONTROL", "primary controls");
	assert_null(strstr(output, "exit"));
	expect_part(command_vmcs, "web exit", "exit reason"); /* a group's name */
	assert_null(strstr(output, "guest"));
	expect_part(command_vmcs, "web host", "host CS selector");
	assert_null(strstr(output, "guest"));
	expect_part(command_vmcs, "web Guest", "guest RIP"); /* a part of names */
	expect_error(
		command_vmcs, "web xyz",
		"no field has \"xyz\" in its name; the groups are: guest, host, control, exit");
	kept = false;
	expect_error(command_vmcs, "web", "the fields of web were not kept: memory was short");
}

static void nmi(void **state)
{
	(void)state;
	requests = 0;
	expect_error(command_inject, "web nmi",
		     "web is paused: only a running partition takes interrupts");
	guests[0].state = PARTITION_RUNNING;
	expect_error(command_inject, "web smi", "no word \"smi\"; there are: nmi");
	assert_int_equal(requests, 0);
	expect(command_inject, "web nmi", "web: an NMI is on its way\n");
	assert_int_equal(requests, VCPU_REQUEST_NMI | VCPU_REQUEST_INTERRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GUEST_TEST(all_registers),
		GUEST_TEST(real_mode),
		GUEST_TEST(crashed),
		GUEST_TEST(code_at_an_end),
		GUEST_TEST(registers_as_json),
		GUEST_TEST(only_of_frozen_ones),
		GUEST_TEST(fields_in_groups),
		GUEST_TEST(fields_by_text),
		GUEST_TEST(nmi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
