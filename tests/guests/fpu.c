/* SPDX-License-Identifier: MIT */
/*
 * Keeps values of its own in every register that stays in the CPU while a vCPU has it, and looks
 * whether they are still there: vector and FPU state, debug registers, CR2, MSRs of SYSCALL.
 * Between two looks it spins or sleeps, so that neighbours that do the same have the CPU meanwhile.
 * The amount of memory tells instances apart. A line once a second.
 */
#include "alarm.h"

#include <bulkhead/cpu_state.h>
#include <bulkhead/string.h>

#define CPUID_1_ECX_XSAVE BIT(26)
#define CPUID_1_ECX_AVX	  BIT(28)
#define XCR0_AVX_STATE	  7U
#define CR4_SSE		  (BIT(9) | BIT(10))
#define AREA_BYTES	  1024
#define LEGACY_BYTES	  512
#define AVX_OFFSET	  576 /* of the upper halves in the standard format, CPUID 0Dh */
#define AVX_BYTES	  256
#define XMM_OFFSET	  160
#define ST_OFFSET	  32
#define MXCSR_DEFAULT	  0x1f80U
#define MXCSR_ROUNDING	  0x6000U
#define HOLD_US		  3000 /* about as long as a CPU is had at a time */

#define MSR_STAR	   0xc0000081U
#define MSR_LSTAR	   0xc0000082U
#define MSR_CSTAR	   0xc0000083U
#define MSR_FMASK	   0xc0000084U
#define MSR_KERNEL_GS_BASE 0xc0000102U

#define PLAIN_REGISTERS 10

static u8 wanted[AREA_BYTES] aligned(64), found[AREA_BYTES] aligned(64);
static u64 plain_wanted[PLAIN_REGISTERS];
static bool has_avx;
static u64 state;

static u64 random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void vectors_enable(void)
{
	u32 features = cpuid(1, 0).ecx;
	u64 cr4, cr0;

	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	__asm__ volatile("mov %0, %%cr0" : : "r"((cr0 & ~(BIT(2) | BIT(3))) | BIT(1)));
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_SSE));
	has_avx = (features & CPUID_1_ECX_XSAVE) && (features & CPUID_1_ECX_AVX);
	if (!has_avx)
		return;
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_SSE | CR4_OSXSAVE));
	__asm__ volatile("xsetbv" : : "a"(XCR0_AVX_STATE), "d"(0), "c"(0));
}

static void state_load(void *area)
{
	if (has_avx)
		__asm__ volatile("xrstor64 (%0)"
				 :
				 : "r"(area), "a"(XCR0_AVX_STATE), "d"(0)
				 : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

static void state_save(void *area)
{
	if (has_avx)
		__asm__ volatile("xsave64 (%0)"
				 :
				 : "r"(area), "a"(XCR0_AVX_STATE), "d"(0)
				 : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

static void random_fill(u32 offset, u32 bytes)
{
	for (u32 i = 0; i < bytes; i += sizeof(u64))
		*(u64 *)(wanted + offset + i) = random();
}

/* An image as FXSAVE and XSAVE lay it out (SDM vol. 1, sections 10.5 and 13.4). */
static void wanted_make(void)
{
	memset(wanted, 0, sizeof(wanted));
	*(u16 *)wanted = (u16)(0x37f ^ (random() & 0xc00)); /* rounding */
	wanted[4] = 0xff;				    /* all registers are in use */
	*(u32 *)(wanted + 24) = (u32)(MXCSR_DEFAULT ^ (random() & MXCSR_ROUNDING));
	for (u32 i = 0; i < 8; i++) {
		*(u64 *)(wanted + ST_OFFSET + i * 16) = random() | BIT(63);
		*(u16 *)(wanted + ST_OFFSET + i * 16 + 8) = 0x3fff;
	}
	random_fill(XMM_OFFSET, 16 * 16);
	if (!has_avx)
		return;
	*(u64 *)(wanted + LEGACY_BYTES) = XCR0_AVX_STATE;
	random_fill(AVX_OFFSET, AVX_BYTES);
}

static void plain_load(void)
{
	for (u32 i = 0; i < PLAIN_REGISTERS; i++)
		plain_wanted[i] = random() >> 20; /* canonical, and fits all of them but two */
	plain_wanted[6] = (u32)plain_wanted[6];	  /* FMASK */
	__asm__ volatile("mov %0, %%db0" : : "r"(plain_wanted[0]));
	__asm__ volatile("mov %0, %%db1" : : "r"(plain_wanted[1]));
	__asm__ volatile("mov %0, %%db2" : : "r"(plain_wanted[2]));
	__asm__ volatile("mov %0, %%db3" : : "r"(plain_wanted[3]));
	__asm__ volatile("mov %0, %%cr2" : : "r"(plain_wanted[4]));
	msr_write(MSR_LSTAR, plain_wanted[5]);
	msr_write(MSR_FMASK, plain_wanted[6]);
	msr_write(MSR_STAR, plain_wanted[7]);
	msr_write(MSR_CSTAR, plain_wanted[8]);
	msr_write(MSR_KERNEL_GS_BASE, plain_wanted[9]);
}

static bool plain_kept(void)
{
	u64 now[PLAIN_REGISTERS];

	__asm__ volatile("mov %%db0, %0" : "=r"(now[0]));
	__asm__ volatile("mov %%db1, %0" : "=r"(now[1]));
	__asm__ volatile("mov %%db2, %0" : "=r"(now[2]));
	__asm__ volatile("mov %%db3, %0" : "=r"(now[3]));
	__asm__ volatile("mov %%cr2, %0" : "=r"(now[4]));
	now[5] = msr_read(MSR_LSTAR);
	now[6] = msr_read(MSR_FMASK);
	now[7] = msr_read(MSR_STAR);
	now[8] = msr_read(MSR_CSTAR);
	now[9] = msr_read(MSR_KERNEL_GS_BASE);
	return memcmp(now, plain_wanted, sizeof(now)) == 0;
}

/* Control and status as far as they were loaded, and the registers. */
static bool vectors_kept(void)
{
	state_save(found);
	if (*(u16 *)wanted != *(u16 *)found || *(u32 *)(wanted + 24) != *(u32 *)(found + 24))
		return false;
	for (u32 i = 0; i < 8; i++)
		if (memcmp(wanted + ST_OFFSET + i * 16, found + ST_OFFSET + i * 16, 10))
			return false;
	if (memcmp(wanted + XMM_OFFSET, found + XMM_OFFSET, 256))
		return false;
	return !has_avx || memcmp(wanted + AVX_OFFSET, found + AVX_OFFSET, AVX_BYTES) == 0;
}

/* Spin or sleep, by turns. */
static void hold(u64 round)
{
	u64 end = tsc_read() + us_to_tsc(HOLD_US);

	if (round % 2)
		alarm_sleep(end);
	while (tsc_read() < end)
		;
}

void guest_main(void)
{
	u64 second = tsc_hz(), rounds = 0, wrong = 0;

	state = guest_memory_bytes * 0x9e3779b97f4a7c15;
	alarm_setup();
	vectors_enable();
	print("fpu: begins, %s\n", has_avx ? "with AVX" : "without AVX");
	for (u64 number = 1;; number++) {
		while (tsc_read() < number * second) {
			wanted_make();
			state_load(wanted);
			plain_load();
			hold(rounds++);
			wrong += !vectors_kept() || !plain_kept();
		}
		print_quickly("fpu: %lu checks, %lu wrong\n", rounds, wrong);
	}
}
