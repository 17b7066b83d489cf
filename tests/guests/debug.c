/* SPDX-License-Identifier: MIT */
/*
 * Debug exceptions, which the hypervisor takes in the guest's place: INT1, single steps over
 * instructions that exit and over ones that do not, in the shadow of MOV SS, and the protection of
 * debug registers.
 */
#include "guest.h"

#define VECTOR_DB 1
#define DR6_BD	  BIT(13)
#define DR7_GD	  BIT(13)

static volatile u64 traps, last_dr6, last_dr7;
static u64 last_rip;

static u64 dr6_take(void)
{
	u64 value, clear = 0xffff0ff0;

	__asm__ volatile("movq %%dr6, %0" : "=r"(value));
	__asm__ volatile("movq %0, %%dr6" : : "r"(clear));
	return value;
}

static u64 dr7_read(void)
{
	u64 value;

	__asm__ volatile("movq %%dr7, %0" : "=r"(value));
	return value;
}

static void on_exception(struct frame *frame)
{
	if (frame->vector != VECTOR_DB) {
		print("FAIL exception %lu at 0x%lx\n", frame->vector, frame->rip);
		power_off();
	}
	traps++;
	last_rip = frame->rip;
	last_dr7 = dr7_read();
	last_dr6 = dr6_take();
}

static void try_int1(void)
{
	u64 after;

	traps = 0;
	__asm__ volatile(".byte 0xf1\n1:\tleaq 1b(%%rip), %0" : "=r"(after) : : "memory");
	check(traps == 1, "int1 traps %lu times", traps);
	check(last_rip == after, "int1 returns behind itself");
}

/* TF on, `body`, TF off: how many traps that gives. */
#define single_step(body, ...)                                                                     \
	({                                                                                         \
		traps = 0;                                                                         \
		__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq\n\t" body                     \
				 "\n\tpushfq; andq $~0x100, (%%rsp); popfq" __VA_ARGS__);          \
		traps;                                                                             \
	})

static void try_single_step(void)
{
	u64 plain = single_step("nop; nop; nop", : : : "memory", "cc");
	u64 cpuid = single_step("nop; cpuid; nop",
				:
				: "a"(0), "c"(0)
				: "rbx", "rdx", "memory", "cc");
	u64 port = single_step("nop; inb $0x21, %%al; nop", : : : "rax", "memory", "cc");
	u64 msr = single_step("nop; rdmsr; nop", : : "c"(0x1b) : "rax", "rdx", "memory", "cc");
	u64 memory = single_step("nop; movl (%0), %%eax; nop",
				 :
				 : "r"(0xfec00000UL)
				 : "rax", "memory", "cc");

	check(plain >= 3, "single steps over what does not exit: %lu", plain);
	check(cpuid == plain, "single steps over CPUID: %lu", cpuid);
	check(port == plain, "single steps over IN: %lu", port);
	check(msr == plain, "single steps over RDMSR: %lu", msr);
	check(memory == plain, "single steps over an access to a device: %lu", memory);
	check(last_dr6 & BIT(14), "DR6 says single step");
}

/* What traps come is up to the CPU; that the partition goes on is what is looked at. */
static void try_shadow(void)
{
	u64 count = single_step("movw %%ss, %%ax; movw %%ax, %%ss; .byte 0xf1; nop",
				:
				:
				: "rax", "memory", "cc");

	check(count > 0, "int1 in the shadow of MOV SS with single steps: %lu traps", count);
}

static void try_general_detect(void)
{
	u64 dr7 = 0x400 | DR7_GD;

	traps = 0;
	__asm__ volatile("movq %0, %%dr7" : : "r"(dr7));
	(void)dr7_read();
	check(traps == 1, "DR7.GD protects debug registers: %lu traps", traps);
	check(last_dr6 & DR6_BD, "DR6 says that it was that");
	check(!(last_dr7 & DR7_GD), "DR7.GD is clear in the handler");
}

void guest_main(void)
{
	exception_handler = on_exception;
	try_int1();
	try_single_step();
	try_shadow();
	try_general_detect();
	checks_end("debug");
}
