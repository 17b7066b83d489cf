/* SPDX-License-Identifier: MIT */
/*
 * The short way for instructions that were carried out before: what they leave in the VMCS, and
 * what is for the long way. An exit saves RF as 1 where it is a fault's, as accesses to no memory
 * are (SDM vol. 3, 28.3.3).
 */
/* links: arch/x86/emulate/move.c arch/x86/emulate/decode.c arch/x86/emulate/opcodes.c */
/* links: arch/x86/emulate/operand.c arch/x86/emulate/arithmetic.c arch/x86/emulate/shift.c */
/* links: arch/x86/emulate/stack.c arch/x86/emulate/string.c arch/x86/emulate/segment.c */
/* links: arch/x86/emulate/vector.c arch/x86/emulate/execute.c */
#include "fake_vmcs_access.h"

#include <arch/x86/vmx/vmx.h>
#include <bulkhead/exit.h>
#include <bulkhead/partition.h>

#define RIP    0x401008UL
#define CR3    0x7000UL
#define GPA    0xfec00010UL
#define LINEAR 0xffff800000000010UL
#define VALUE  0x11223344U

static struct vcpu vcpu;
static struct vmx_vcpu vmx;
static u64 table;
static u8 code[16];
static u64 where, memory; /* what the device has */
static unsigned reads, writes;

bool guest_walk_keep(const struct guest_memory *of unused, const struct guest_walk *walk unused,
		     struct guest_kept_walk *kept unused)
{
	fail_msg("nothing is kept here");
	return false;
}

u64 exit_memory_read(struct vcpu *of unused, u64 gpa, unsigned bytes)
{
	assert_int_equal(gpa, where);
	assert_int_equal(bytes, 4);
	reads++;
	return memory;
}

void exit_memory_write(struct vcpu *of unused, u64 gpa, unsigned bytes, u64 value)
{
	assert_int_equal(gpa, where);
	assert_int_equal(bytes, 4);
	writes++;
	memory = (u32)value;
}

/* The exit of an instruction that is the same as before. */
static void start(const u8 *instruction, u64 flags)
{
	struct guest_move *kept = &vmx.emulation.moves[(RIP ^ RIP >> 4) % GUEST_MOVES];

	fake_vmcs_init();
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&vmx, 0, sizeof(vmx));
	vcpu.virt = &vmx;
	where = GPA;
	memory = VALUE;
	reads = writes = 0;
	memset(code, 0x90, sizeof(code));
	memcpy(code, instruction, 2);
	assert_true(emulate_move_describe(code, &kept->move));
	kept->rip = RIP;
	kept->cr3 = CR3;
	kept->code = (const volatile guest_code_word *)code;
	memcpy(&kept->bytes[0], code, 8);
	memcpy(&kept->bytes[1], code + INSTRUCTION_BYTES_MAX - 8, 8);
	kept->near = align_down(GPA, PAGE_SIZE);
	kept->near_mask = ~(PAGE_SIZE - 1) | 3;
	for (unsigned i = 0; i < GUEST_WALK_LEVELS; i++)
		kept->walk.tables[i] = &table;
	fake_fields[GUEST_RIP] = RIP;
	fake_fields[GUEST_CR3] = CR3;
	fake_fields[GUEST_CS_RIGHTS] = BIT(13);
	fake_fields[GUEST_EFER] = EFER_LMA;
	fake_fields[GUEST_RFLAGS] = flags;
	fake_fields[GUEST_LINEAR_ADDRESS] = LINEAR;
	fake_fields[GUEST_PHYSICAL_ADDRESS] = GPA;
	fake_fields[GUEST_INTERRUPTIBILITY] = INTERRUPTIBILITY_STI;
}

static const u8 load[] = {0x8b, 0x08};	/* mov ecx, [rax] */
static const u8 store[] = {0x89, 0x08}; /* mov [rax], ecx */
static const u8 or [] = {0x09, 0x08};	/* or [rax], ecx */

static bool again(u64 kind)
{
	return guest_move_again(&vcpu, EPT_LINEAR | EPT_TRANSLATION | kind);
}

static void is_over(u64 flags)
{
	assert_int_equal(fake_fields[GUEST_RIP], RIP + 2);
	assert_int_equal(fake_fields[GUEST_RFLAGS], flags);
	assert_int_equal(fake_fields[GUEST_INTERRUPTIBILITY], 0);
}

/* Breakpoints at the next instruction are not to be held back. */
static void resumed(void **state)
{
	const u64 flags = RFLAGS_FIXED | RFLAGS_IF | RFLAGS_CF;

	(void)state;
	start(load, flags | RFLAGS_RF);
	assert_true(again(0));
	assert_int_equal(vcpu.gpr[GPR_RCX], VALUE);
	is_over(flags);
	start(store, flags | RFLAGS_RF);
	vcpu.gpr[GPR_RCX] = 7;
	assert_true(again(EPT_WRITE));
	assert_int_equal(memory, 7);
	is_over(flags);
	assert_int_equal(reads, 0);
	assert_int_equal(writes, 1);
}

/* It changes other flags, too. */
static void resumed_compute(void **state)
{
	(void)state;
	start(or, RFLAGS_FIXED | RFLAGS_IF | RFLAGS_CF | RFLAGS_RF);
	vcpu.gpr[GPR_RCX] = 0x80000000;
	assert_true(again(EPT_WRITE));
	assert_int_equal(memory, VALUE | 0x80000000);
	is_over(RFLAGS_FIXED | RFLAGS_IF | RFLAGS_SF | RFLAGS_PF);
}

static void resumed_apic(void **state)
{
	(void)state;
	start(load, RFLAGS_FIXED | RFLAGS_RF);
	where = VLAPIC_BASE_DEFAULT | VLAPIC_TIMER_CURRENT;
	assert_true(guest_move_apic(&vcpu, VLAPIC_TIMER_CURRENT));
	assert_int_equal(vcpu.gpr[GPR_RCX], VALUE);
	is_over(RFLAGS_FIXED);
}

/* The flags are written only where they change. */
static void plain(void **state)
{
	(void)state;
	start(load, RFLAGS_FIXED);
	assert_true(again(0));
	is_over(RFLAGS_FIXED);
	assert_int_equal(fake_vmwrites, 2);
}

/* The long way has all as the exit left it. */
static void long_way(void **state)
{
	static const u64 flags[] = {RFLAGS_FIXED | RFLAGS_TF, RFLAGS_FIXED | RFLAGS_TF | RFLAGS_RF};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		start(load, flags[i]);
		assert_false(again(0));
		assert_int_equal(fake_vmwrites, 0);
	}
	start(load, RFLAGS_FIXED | RFLAGS_RF);
	fake_fields[GUEST_PHYSICAL_ADDRESS] = GPA + 1;
	assert_false(again(0));
	assert_int_equal(fake_vmwrites, 0);
	assert_int_equal(reads + writes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resumed),	cmocka_unit_test(resumed_compute),
		cmocka_unit_test(resumed_apic), cmocka_unit_test(plain),
		cmocka_unit_test(long_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
