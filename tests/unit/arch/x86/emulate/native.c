/* SPDX-License-Identifier: MIT */
/* Runs single instructions in user mode: see native.h. */
#define _GNU_SOURCE
#include "native.h"

#include <asm/ldt.h>
#include <cpuid.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define SELECTOR_USER64 0x33
#define XSAVE_PRESENT	512
#define XMM_OFFSET	160
#define ALT_STACK_BYTES 0x40000

struct native native;

static struct native_state *state_now;
static enum cpu_mode mode_now;
static u16 stack_selector;
static bool inside;
static greg_t host_gregs[NGREG];
static unsigned ymm_offset;

/* In the order of the general registers' encoding. */
static const int gregs[GPR_COUNT] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
				     REG_RSI, REG_RDI, REG_R8,	REG_R9,	 REG_R10, REG_R11,
				     REG_R12, REG_R13, REG_R14, REG_R15};

enum native_rights native_page_rights(unsigned page)
{
	static const u8 rights[WINDOW_PAGES] = {
		[4] = RIGHTS_WRITE, [5] = RIGHTS_WRITE, [6] = RIGHTS_WRITE,
		[7] = RIGHTS_READ,  [9] = RIGHTS_WRITE,
	};

	return page < WINDOW_PAGES ? rights[page] : RIGHTS_NONE;
}

static void vectors_move(ucontext_t *context, bool in)
{
	u8 *area = (void *)context->uc_mcontext.fpregs;
	u64 *present = (void *)(area + XSAVE_PRESENT);

	for (unsigned i = 0; i < NATIVE_VECTORS; i++) {
		u8 *low = area + XMM_OFFSET + 16 * i, *high = area + ymm_offset + 16 * i;
		u8 *vector = state_now->vectors[i];

		memcpy(in ? low : vector, in ? vector : low, 16);
		if (native.vectors_256)
			memcpy(in ? high : vector + 16, in ? vector + 16 : high, 16);
		if (!in && !(*present & 2))
			memset(vector, 0, 16);
		if (!in && !(*present & 4))
			memset(vector + 16, 0, 16);
	}
	if (in)
		*present |= native.vectors_256 ? 6 : 2;
}

static void enter(ucontext_t *context)
{
	greg_t *regs = context->uc_mcontext.gregs;
	u64 code =
		mode_now == CPU_MODE_64
			? SELECTOR_USER64
			: native_selector(mode_now == CPU_MODE_32 ? NATIVE_CODE32 : NATIVE_CODE16);

	memcpy(host_gregs, regs, sizeof(host_gregs));
	for (unsigned i = 0; i < GPR_COUNT; i++)
		regs[gregs[i]] = (greg_t)state_now->gpr[i];
	regs[REG_RIP] = (greg_t)state_now->rip;
	regs[REG_EFL] = (greg_t)(state_now->rflags | RFLAGS_TF);
	if (mode_now != CPU_MODE_64)
		regs[REG_CSGSFS] = (greg_t)(code | (u64)stack_selector << 48);
	vectors_move(context, true);
	inside = true;
}

static void leave(ucontext_t *context)
{
	greg_t *regs = context->uc_mcontext.gregs;

	for (unsigned i = 0; i < GPR_COUNT; i++)
		state_now->gpr[i] = (u64)regs[gregs[i]];
	state_now->rip = (u64)regs[REG_RIP];
	state_now->rflags = (u64)regs[REG_EFL] & ~RFLAGS_TF;
	state_now->fault = (struct emulate_fault){
		.vector = (u8)regs[REG_TRAPNO],
		.error_code = (u32)regs[REG_ERR],
		.address = (u64)regs[REG_CR2],
	};
	vectors_move(context, false);
	memcpy(regs, host_gregs, sizeof(host_gregs));
	regs[REG_RIP] += 2; /* past the UD2 that came here */
	inside = false;
}

/* AC stays set in a handler, which is compiled code. */
static void handler(int number, siginfo_t *info, void *context)
{
	__asm__ volatile("pushfq; andl $~0x40000, (%%rsp); popfq" ::: "cc", "memory");
	(void)info;
	if (inside)
		leave(context);
	else if (number == SIGILL)
		enter(context);
	else
		abort();
}

void native_run(enum cpu_mode mode, const enum native_segment data[SEGMENT_COUNT],
		struct native_state *state)
{
	mode_now = mode;
	state_now = state;
	stack_selector = native_selector(data[SEGMENT_SS]);
	__asm__ volatile("movl %0, %%ds; movl %1, %%es; movl %2, %%gs"
			 :
			 : "r"((u32)native_selector(data[SEGMENT_DS])),
			   "r"((u32)native_selector(data[SEGMENT_ES])),
			   "r"((u32)native_selector(data[SEGMENT_GS])));
	__asm__ volatile("ud2" ::: "memory", "cc");
}

static int descriptor_set(unsigned number, u32 base, u32 limit, bool wide, unsigned contents,
			  bool read_only)
{
	struct user_desc descriptor = {
		.entry_number = number,
		.base_addr = base,
		.limit = limit,
		.seg_32bit = wide,
		.contents = contents & 3,
		.read_exec_only = read_only,
		.limit_in_pages = limit == 0xfffff,
		.useable = 1,
	};
	u16 attributes = (u16)(0xf1 | contents << 2 | (read_only ? 0 : 2) | (wide ? 0x4000 : 0) |
			       (limit == 0xfffff ? 0x8000 : 0));

	native.segments[number] = (struct cpu_segment){
		.selector = native_selector(number),
		.attributes = attributes,
		.limit = limit == 0xfffff ? 0xffffffff : limit,
		.base = base,
	};
	return (int)syscall(SYS_modify_ldt, 0x11, &descriptor, sizeof(descriptor));
}

#define CONTENTS_DATA 0
#define CONTENTS_DOWN 1
#define CONTENTS_CODE 2

static int descriptors_set(void)
{
	u32 window = (u32)(uintptr_t)native.window, code = (u32)(uintptr_t)native.code;

	return descriptor_set(NATIVE_CODE32, 0, 0xfffff, true, CONTENTS_CODE, false) |
	       descriptor_set(NATIVE_CODE16, code, 0xffff, false, CONTENTS_CODE, false) |
	       descriptor_set(NATIVE_FLAT, 0, 0xfffff, true, CONTENTS_DATA, false) |
	       descriptor_set(NATIVE_DATA32, window, 0xffff, true, CONTENTS_DATA, false) |
	       descriptor_set(NATIVE_DATA16, window, 0xffff, false, CONTENTS_DATA, false) |
	       descriptor_set(NATIVE_SHORT, window, 0x5ffe, true, CONTENTS_DATA, false) |
	       descriptor_set(NATIVE_READ_ONLY, window, 0xffff, true, CONTENTS_DATA, true) |
	       descriptor_set(NATIVE_DOWN32, window, 0x4fff, true, CONTENTS_DOWN, false) |
	       descriptor_set(NATIVE_DOWN16, window, 0x5007, false, CONTENTS_DOWN, false);
}

/* The window, a gap, and the code; all below 4 GiB. */
static int memory_map(void)
{
	int file = memfd_create("code", 0);
	u8 *low = mmap(NULL, 4 * WINDOW_BYTES, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT | MAP_NORESERVE, -1, 0);

	if (low == MAP_FAILED || file < 0 || ftruncate(file, PAGE_SIZE))
		return -1;
	native.window = (u8 *)(((uintptr_t)low + WINDOW_BYTES) & ~(uintptr_t)0xffff);
	native.code = native.window + 2 * WINDOW_BYTES;
	native.code_alias = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (mmap(native.code, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, file, 0) ==
		    MAP_FAILED ||
	    native.code_alias == MAP_FAILED)
		return -1;
	close(file);
	for (unsigned i = 0; i < WINDOW_PAGES; i++) {
		u8 *page = native.window + i * PAGE_SIZE;

		if (native_page_rights(i) == RIGHTS_NONE)
			continue;
		if (mprotect(page, PAGE_SIZE, PROT_READ | PROT_WRITE))
			return -1;
		memset(page, 0x5a, PAGE_SIZE);
		if (native_page_rights(i) == RIGHTS_READ && mprotect(page, PAGE_SIZE, PROT_READ))
			return -1;
	}
	return 0;
}

static int signals_open(void)
{
	static const int numbers[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE};
	struct sigaction action = {.sa_sigaction = handler,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	static u8 memory[ALT_STACK_BYTES] aligned(PAGE_SIZE);
	stack_t stack = {.ss_sp = memory, .ss_size = sizeof(memory)};

	if (sigaltstack(&stack, NULL))
		return -1;
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (sigaction(numbers[i], &action, NULL))
			return -1;
	return 0;
}

int native_open(void)
{
	unsigned a, b, c, d;

	native.vectors_256 = __builtin_cpu_supports("avx2");
	if (native.vectors_256) {
		__cpuid_count(0xd, 2, a, b, c, d);
		ymm_offset = b;
	}
	return memory_map() || descriptors_set() || signals_open() ? -1 : 0;
}
