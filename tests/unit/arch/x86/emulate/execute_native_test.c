/* SPDX-License-Identifier: MIT */
/*
 * The emulator against the CPU that runs this test: random instructions of every form that it
 * knows, on random registers, flags, segments and memory, in 16-, 32- and 64-bit code, run natively
 * and emulated. Registers, defined flags, memory, and exceptions with their error codes and
 * addresses must be the same. BULKHEAD_CASES sets how many are run.
 */
/* links: arch/x86/emulate/decode.c arch/x86/emulate/opcodes.c arch/x86/emulate/operand.c */
/* links: arch/x86/emulate/arithmetic.c arch/x86/emulate/shift.c arch/x86/emulate/stack.c */
/* links: arch/x86/emulate/string.c arch/x86/emulate/segment.c arch/x86/emulate/vector.c */
/* links: arch/x86/emulate/execute.c tests/unit/arch/x86/emulate/native.c */
#include "cmocka_all.h"

#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bulkhead/error.h>

#include "arch/x86/emulate/instruction.h"
#include "tests/unit/arch/x86/emulate/native.h"
#include "tests/unit/arch/x86/emulate/random_code.h"

#define CASES_DEFAULT 50000
#define CODE_OFFSET   0x800u
#define STATUS_FLAGS                                                                               \
	(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF | RFLAGS_DF)
#define CPUID_MOVBE BIT(22)

#define VECTOR_DB 1
#define VECTOR_UD 6
#define VECTOR_PF 14

#define ERROR_WRITE 2u
#define ERROR_USER  4u

struct test_case {
	enum cpu_mode mode;
	enum native_segment data[SEGMENT_COUNT];
	u8 code[INSTRUCTION_BYTES_MAX + 4];
	struct instruction in;
	struct native_state before, native, emulated;
};

static u8 model[WINDOW_BYTES]; /* what the emulator has in place of the window */
static struct test_case test;  /* of now */
static u64 cases_run, operations_run[OPERATION_COUNT];
static bool has_movbe;

/* The emulated side: memory with the window's rights. */

static u64 offset_in_window(u64 linear)
{
	return linear - (uintptr_t)native.window;
}

static enum native_rights rights_at(u64 linear)
{
	u64 in_code = linear - (uintptr_t)native.code;

	if (in_code < PAGE_SIZE)
		return RIGHTS_READ;
	if (offset_in_window(linear) >= WINDOW_BYTES)
		return RIGHTS_NONE;
	return native_page_rights((unsigned)(offset_in_window(linear) / PAGE_SIZE));
}

static u8 *model_at(u64 linear)
{
	u64 in_code = linear - (uintptr_t)native.code;

	return in_code < PAGE_SIZE ? native.code_alias + in_code : model + offset_in_window(linear);
}

static int access_check(struct emulate_cpu *cpu, u64 linear, unsigned bytes, bool write)
{
	for (unsigned i = 0; i < bytes; i++) {
		u64 at = cpu->mode == CPU_MODE_64 ? linear + i : (u32)(linear + i);
		enum native_rights rights = rights_at(at);

		if (rights == RIGHTS_WRITE || (rights == RIGHTS_READ && !write))
			continue;
		cpu->fault = (struct emulate_fault){
			.vector = VECTOR_PF,
			.has_error_code = true,
			.error_code = ERROR_USER | (write ? ERROR_WRITE : 0) | (rights ? 1 : 0),
			.address = at,
		};
		return -EFAULT;
	}
	return 0;
}

static int model_read(struct emulate_cpu *cpu, u64 linear, void *data, unsigned bytes)
{
	int error = access_check(cpu, linear, bytes, cpu->read_for_write);

	for (unsigned i = 0; !error && i < bytes; i++)
		((u8 *)data)[i] = *model_at(linear + i);
	return error;
}

static int model_write(struct emulate_cpu *cpu, u64 linear, const void *data, unsigned bytes)
{
	int error = access_check(cpu, linear, bytes, true);

	for (unsigned i = 0; !error && i < bytes; i++)
		*model_at(linear + i) = ((const u8 *)data)[i];
	return error;
}

static int model_vector_read(struct emulate_cpu *cpu, unsigned reg, void *data)
{
	(void)cpu;
	memcpy(data, test.emulated.vectors[reg], VECTOR_BYTES);
	return 0;
}

static int model_vector_write(struct emulate_cpu *cpu, unsigned reg, const void *data,
			      unsigned bytes)
{
	(void)cpu;
	memcpy(test.emulated.vectors[reg], data, bytes);
	return 0;
}

static const struct emulate_ops model_ops = {
	.read = model_read,
	.write = model_write,
	.vector_read = model_vector_read,
	.vector_write = model_vector_write,
};

static void run_emulated(struct test_case *t)
{
	static u64 cache[EMULATE_CACHE_BYTES / 8];
	struct native_state *state = &t->emulated;
	struct emulate_cpu cpu = {
		.gpr = state->gpr,
		.rip = state->rip,
		.rflags = state->rflags,
		.mode = t->mode,
		.alignment_check = true,
		.linear_bits = 48,
		.cpl = 3,
		.cache = cache,
		.ops = &model_ops,
	};
	enum emulate_result result;

	for (unsigned i = 0; i < SEGMENT_COUNT; i++)
		cpu.segments[i] = native.segments[t->data[i]];
	cpu.fs = (struct cpu_segment){0};
	if (t->mode == CPU_MODE_64) {
		cpu.cs.selector = 0x33;
		cpu.ss.selector = 0x2b;
	}
	result = emulate_instruction(&cpu, t->code, INSTRUCTION_BYTES_MAX);
	assert_int_not_equal(result, EMULATE_UNKNOWN);
	state->rip = cpu.rip;
	state->fault = cpu.fault;
	if (result == EMULATE_FAULT)
		return;
	state->rflags = cpu.rflags;
	state->fault = (struct emulate_fault){.vector = VECTOR_DB};
}

/* Random cases. */

static u64 interesting(void)
{
	static const u64 values[] = {0,		 1,	     0x7f,	 0x80,
				     0xff,	 0x7fff,     0x8000,	 0xffff,
				     0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff,
				     BIT(63),	 ~0ULL};

	return one_in(2) ? rnd() << 11 ^ rnd() : values[rnd() % ARRAY_SIZE(values)];
}

/* An address in the window: mostly among pages that can be written, often near a border. */
static u64 pick_offset(void)
{
	u64 page = one_in(8) ? rnd() % WINDOW_PAGES : 4 + rnd() % 3;

	if (one_in(8))
		return page * PAGE_SIZE - rnd() % 32;
	return page * PAGE_SIZE + (one_in(2) ? rnd() % PAGE_SIZE & ~31ULL : rnd() % PAGE_SIZE);
}

static u64 segment_base(const struct test_case *t, unsigned segment)
{
	if (t->mode == CPU_MODE_64 && segment < SEGMENT_FS)
		return 0;
	return native.segments[t->data[segment]].base;
}

static u64 pick_target(const struct test_case *t, unsigned segment)
{
	return (uintptr_t)native.window + pick_offset() - segment_base(t, segment);
}

static void pick_segments(struct test_case *t)
{
	static const enum native_segment any[] = {NATIVE_FLAT,	    NATIVE_DATA32, NATIVE_DATA16,
						  NATIVE_SHORT,	    NATIVE_DATA32, NATIVE_DATA16,
						  NATIVE_READ_ONLY, NATIVE_DOWN32, NATIVE_DOWN16};

	for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
		t->data[i] = any[rnd() % ARRAY_SIZE(any)];
		if (t->mode == CPU_MODE_16 && t->data[i] == NATIVE_FLAT)
			t->data[i] = NATIVE_DATA16;
	}
	t->data[SEGMENT_CS] = t->mode == CPU_MODE_16 ? NATIVE_CODE16 : NATIVE_CODE32;
	if (t->data[SEGMENT_SS] == NATIVE_READ_ONLY) /* nobody can load that */
		t->data[SEGMENT_SS] = NATIVE_DATA32;
}

static bool decode(struct test_case *t)
{
	return !instruction_decode(&t->in, t->mode, t->code, INSTRUCTION_BYTES_MAX);
}

/* Write `displacement` into the instruction, wherever it is encoded. */
static bool displacement_patch(struct test_case *t, u64 displacement)
{
	static const u8 widths[] = {8, 4, 2};
	const struct test_case old = *t;

	for (unsigned w = 0; w < ARRAY_SIZE(widths); w++)
		for (unsigned at = 1; at + widths[w] <= old.in.length; at++) {
			memcpy(t->code + at, &displacement, widths[w]);
			if (decode(t) && t->in.length == old.in.length &&
			    t->in.operation == old.in.operation &&
			    t->in.immediate == old.in.immediate &&
			    t->in.memory.base == old.in.memory.base &&
			    t->in.memory.index == old.in.memory.index &&
			    !((t->in.memory.displacement ^ displacement) &
			      mask_of(t->in.address_bytes)))
				return true;
			memcpy(t->code, old.code, sizeof(t->code));
		}
	t->in = old.in;
	return false;
}

static bool is_string(const struct instruction *in)
{
	return in->operation >= OPERATION_MOVS && in->operation <= OPERATION_SCAS;
}

static bool has_memory(const struct instruction *in)
{
	return in->destination.kind == OPERAND_MEMORY || in->source.kind == OPERAND_MEMORY;
}

static bool is_bit_offset(const struct instruction *in)
{
	return in->operation >= OPERATION_BT && in->operation <= OPERATION_BTC &&
	       in->source.kind == OPERAND_REGISTER;
}

static bool uses_stack(const struct instruction *in)
{
	return in->operation == OPERATION_PUSH || in->operation == OPERATION_POP ||
	       in->operation == OPERATION_CALL || in->operation == OPERATION_CALL_RELATIVE ||
	       in->operation == OPERATION_RET;
}

static u64 address_of(const struct test_case *t)
{
	const struct memory_operand *memory = &t->in.memory;
	u64 address = memory->displacement;

	if (memory->base == BASE_RIP)
		address += t->before.rip + t->in.length;
	else if (memory->base != BASE_NONE)
		address += t->before.gpr[memory->base];
	if (memory->index != BASE_NONE)
		address += t->before.gpr[memory->index] << memory->shift;
	return address & mask_of(t->in.address_bytes);
}

/* Make registers and displacement such that the operand is at `target`. */
static bool address_solve(struct test_case *t, u64 target)
{
	const struct memory_operand *memory = &t->in.memory;
	u64 *gpr = t->before.gpr, mask = mask_of(t->in.address_bytes);

	bool stack = memory->base == GPR_RSP && uses_stack(&t->in);

	if (memory->base == BASE_RIP || memory->base == BASE_NONE || stack) {
		if (memory->index != BASE_NONE)
			gpr[memory->index] &= 63;
		return displacement_patch(t, target - address_of(t) + memory->displacement) &&
		       address_of(t) == (target & mask);
	}
	if (memory->base == memory->index)
		return false;
	gpr[memory->base] += target - address_of(t);
	return address_of(t) == (target & mask);
}

/* The operand must be where nothing else of this process is: segments that end after 64 KiB see to
 * it themselves. */
static bool memory_place(struct test_case *t)
{
	unsigned segment = t->in.memory.segment;
	u64 target = pick_target(t, segment);

	if (!has_memory(&t->in))
		return true;
	if (t->in.address_bytes == 8 && one_in(64))
		target = BIT(47) + (rnd() & BITS(62, 0)) % (BIT(63) + BIT(62)); /* not canonical */
	if (is_bit_offset(&t->in)) {
		u64 *bits = &t->before.gpr[t->in.source.reg];

		if (t->in.source.reg == t->in.memory.base || t->in.source.reg == t->in.memory.index)
			return false;
		*bits = (u64)((s64)(rnd() % 0x10000) - 0x8000);
		if (t->in.operand_bytes == 4)
			*bits ^= rnd() << 32;
	}
	if (address_solve(t, target))
		return true;
	return t->mode != CPU_MODE_64 && native.segments[t->data[segment]].base &&
	       t->data[segment] != NATIVE_DOWN32;
}

static void strings_place(struct test_case *t)
{
	u64 *gpr = t->before.gpr, keep = ~mask_of(t->in.address_bytes);

	gpr[GPR_RSI] = (gpr[GPR_RSI] & keep) | (pick_target(t, t->in.memory.segment) & ~keep);
	gpr[GPR_RDI] = (gpr[GPR_RDI] & keep) | (pick_target(t, SEGMENT_ES) & ~keep);
	if (t->in.repeat)
		gpr[GPR_RCX] = (gpr[GPR_RCX] & keep) | (rnd() % 4);
	if (one_in(2))
		gpr[GPR_RAX] = 0x5a5a5a5a5a5a5a5a;
}

/* Comparisons that come out equal now and then. */
static void accumulator_place(struct test_case *t)
{
	u64 offset = offset_in_window(address_of(t) + segment_base(t, t->in.memory.segment));
	unsigned bytes = t->in.destination.bytes, half = bytes / 2;
	u64 *gpr = t->before.gpr;

	if (t->in.destination.kind != OPERAND_MEMORY || offset > WINDOW_BYTES - 16 || one_in(2))
		return;
	if (t->in.operation == OPERATION_CMPXCHG && t->in.memory.base != GPR_RAX &&
	    t->in.memory.index != GPR_RAX)
		memcpy(&gpr[GPR_RAX], model + offset, bytes);
	if (t->in.operation != OPERATION_CMPXCHG_PAIR || t->in.memory.base == GPR_RAX ||
	    t->in.memory.index == GPR_RAX || t->in.memory.base == GPR_RDX ||
	    t->in.memory.index == GPR_RDX)
		return;
	memcpy(&gpr[GPR_RAX], model + offset, half);
	memcpy(&gpr[GPR_RDX], model + offset + half, half);
}

/* Not tried: ports, and loads of segments and of the task register. */
static bool is_tried(unsigned operation)
{
	if (operation == OPERATION_MOVBE)
		return has_movbe;
	return operation != OPERATION_INS && operation != OPERATION_OUTS &&
	       operation != OPERATION_LOAD_SEGMENT && operation != OPERATION_LOAD_TASK;
}

/* Nor is what goes through FS, which is the C library's. */
static bool is_possible(const struct test_case *t)
{
	const struct instruction *in = &t->in;

	if (in->memory.segment == SEGMENT_FS || (in->vex && !native.vectors_256))
		return false;
	return is_tried(in->operation);
}

/* LOCK across two cache lines stops all other CPUs, and may be forbidden. */
static bool splits_lock(const struct test_case *t)
{
	u64 linear = address_of(t) + segment_base(t, t->in.memory.segment);
	bool locked = t->in.lock || t->in.operation == OPERATION_XCHG;

	return locked && t->in.destination.kind == OPERAND_MEMORY &&
	       (linear & 63) + t->in.destination.bytes > 64;
}

/* What the manual leaves open may differ between processors and is not compared. */
static bool is_open(const struct test_case *t)
{
	const struct instruction *in = &t->in;
	const u64 *gpr = t->before.gpr;
	u64 count = in->count.kind == OPERAND_REGISTER ? gpr[GPR_RCX] : in->immediate;

	if (in->operation == OPERATION_SHLD || in->operation == OPERATION_SHRD)
		return in->operand_bytes == 2 && (count & 31) > 16;
	if (is_string(in) && in->repeat && t->mode == CPU_MODE_64 && in->address_bytes == 4)
		return !(u32)gpr[GPR_RCX];
	if (in->operation == OPERATION_CMPXCHG && in->destination.kind == OPERAND_REGISTER)
		return in->operand_bytes == 4;
	return false;
}

static bool case_make(struct test_case *t)
{
	static const enum cpu_mode modes[] = {CPU_MODE_16, CPU_MODE_32, CPU_MODE_64, CPU_MODE_64};

	memset(&t->before, 0, sizeof(t->before));
	t->mode = modes[rnd() % ARRAY_SIZE(modes)];
	code_make(t->code);
	if (!decode(t) || !is_possible(t))
		return false;
	pick_segments(t);
	t->before.rip = t->mode == CPU_MODE_16 ? CODE_OFFSET : (uintptr_t)native.code + CODE_OFFSET;
	for (unsigned i = 0; i < GPR_COUNT; i++)
		t->before.gpr[i] = t->mode == CPU_MODE_64 ? interesting() : (u32)interesting();
	t->before.rflags =
		RFLAGS_FIXED | RFLAGS_IF | (rnd() & STATUS_FLAGS) | (one_in(16) ? RFLAGS_AC : 0);
	for (unsigned i = 0; i < sizeof(t->before.vectors); i++)
		((u8 *)t->before.vectors)[i] = rnd_byte();
	if (uses_stack(&t->in))
		t->before.gpr[GPR_RSP] = pick_target(t, SEGMENT_SS);
	if (is_string(&t->in))
		strings_place(t);
	if (!memory_place(t))
		return false;
	accumulator_place(t);
	return !is_open(t) && !splits_lock(t);
}

/* Comparison. */

static u64 shift_count(const struct test_case *t)
{
	const struct operand *from = t->in.count.kind ? &t->in.count : &t->in.source;
	u64 count = from->kind == OPERAND_REGISTER ? t->before.gpr[GPR_RCX] : t->in.immediate;

	return count & (t->in.operand_bytes == 8 ? 63 : 31);
}

static u64 undefined_flags(const struct test_case *t)
{
	u64 count = shift_count(t), overflow = count == 1 ? 0 : RFLAGS_OF;

	switch (t->in.operation) {
	case OPERATION_OR:
	case OPERATION_AND:
	case OPERATION_XOR:
	case OPERATION_TEST:
		return RFLAGS_AF;
	case OPERATION_BT ... OPERATION_BTC:
		return RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF;
	case OPERATION_ROL ... OPERATION_RCR:
		return overflow;
	case OPERATION_SHL ... OPERATION_SHL_ALIAS:
		overflow |= count >= 8U * t->in.operand_bytes ? RFLAGS_CF : 0;
		fallthrough;
	case OPERATION_SAR ... OPERATION_SHRD:
		return RFLAGS_AF | overflow;
	default:
		return 0;
	}
}

static void differ(const struct test_case *t, const char *what, u64 is, u64 ours)
{
	char text[64] = "";

	for (unsigned i = 0; i < t->in.length; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %02x", t->code[i]);
	for (unsigned i = 0; i < GPR_COUNT; i++)
		print_message("gpr %u: %#lx\n", i, t->before.gpr[i]);
	print_message("address %#lx, window %p, code %p, segment %u %x\n", address_of(t),
		      native.window, native.code, t->in.memory.segment,
		      t->data[t->in.memory.segment]);
	print_message("case %lu, native vector %u error %x address %#lx\n", cases_run,
		      t->native.fault.vector, t->native.fault.error_code, t->native.fault.address);
	fail_msg("%u-bit code%s: %s is %#lx natively, %#lx emulated; flags before %#lx",
		 8 * t->mode, text, what, is, ours, t->before.rflags);
}

static void same(const struct test_case *t, const char *what, u64 is, u64 ours)
{
	if (is != ours)
		differ(t, what, is, ours);
}

static void compare_faults(const struct test_case *t)
{
	const struct emulate_fault *is = &t->native.fault, *ours = &t->emulated.fault;

	same(t, "vector", is->vector, ours->vector);
	if (ours->has_error_code)
		same(t, "error code", is->error_code, ours->error_code);
	if (is->vector == VECTOR_PF)
		same(t, "address", is->address, ours->address);
}

/* A repeated string instruction with 32-bit addresses in 64-bit code that faults: CPUs may clear
 * the upper halves of its registers before. */
static bool upper_half_open(const struct test_case *t)
{
	return is_string(&t->in) && t->in.repeat && t->in.address_bytes == 4 &&
	       t->native.fault.vector != VECTOR_DB;
}

static void compare_registers(const struct test_case *t)
{
	u64 mask = t->mode != CPU_MODE_64 || upper_half_open(t) ? 0xffffffff : ~0UL;
	char name[16];

	for (unsigned i = 0; i < (t->mode == CPU_MODE_64 ? GPR_COUNT : 8U); i++) {
		snprintf(name, sizeof(name), "gpr %u", i);
		same(t, name, t->native.gpr[i] & mask, t->emulated.gpr[i] & mask);
	}
	same(t, "rip", t->native.rip, t->emulated.rip);
	same(t, "flags", t->native.rflags & STATUS_FLAGS & ~undefined_flags(t),
	     t->emulated.rflags & STATUS_FLAGS & ~undefined_flags(t));
}

static void compare_vectors(const struct test_case *t)
{
	unsigned bytes = native.vectors_256 ? VECTOR_BYTES : 16;

	for (unsigned i = 0; i < (t->mode == CPU_MODE_64 ? NATIVE_VECTORS : 8U); i++)
		if (memcmp(t->native.vectors[i], t->emulated.vectors[i], bytes))
			differ(t, "a vector register", i, i);
}

static void compare_memory(const struct test_case *t)
{
	for (unsigned page = 0; page < WINDOW_PAGES; page++) {
		const u8 *is = native.window + page * PAGE_SIZE, *ours = model + page * PAGE_SIZE;

		if (native_page_rights(page) != RIGHTS_WRITE || !memcmp(is, ours, PAGE_SIZE))
			continue;
		for (unsigned i = 0; i < PAGE_SIZE; i++)
			same(t, "memory", is[i], ours[i]);
	}
}

static void case_run(struct test_case *t)
{
	memcpy(native.code_alias + CODE_OFFSET, t->code, sizeof(t->code));
	t->native = t->emulated = t->before;
	native_run(t->mode, t->data, &t->native);
	run_emulated(t);
	compare_faults(t);
	compare_registers(t);
	compare_vectors(t);
	compare_memory(t);
}

static void memory_fill(void)
{
	for (unsigned page = 0; page < WINDOW_PAGES; page++) {
		u8 *at = native.window + page * PAGE_SIZE;

		if (native_page_rights(page) == RIGHTS_WRITE)
			for (unsigned i = 0; i < PAGE_SIZE; i++)
				at[i] = one_in(4) ? rnd_byte() : 0x5a;
		if (native_page_rights(page) != RIGHTS_NONE)
			memcpy(model + page * PAGE_SIZE, at, PAGE_SIZE);
	}
}

static u64 cases(void)
{
	const char *text = getenv("BULKHEAD_CASES");

	return text ? strtoull(text, NULL, 0) : CASES_DEFAULT;
}

static void like_the_cpu(void **state)
{
	u64 count = cases(), faults = 0;
	unsigned a, b, c, d;

	(void)state;
	if (native_open()) {
		print_message("no segments of our own here (modify_ldt)\n");
		skip();
	}
	__cpuid(1, a, b, c, d);
	has_movbe = c & CPUID_MOVBE;
	memory_fill();
	while (cases_run < count) {
		if (!case_make(&test))
			continue;
		case_run(&test);
		faults += test.native.fault.vector != VECTOR_DB;
		operations_run[test.in.operation]++;
		cases_run++;
	}
	print_message("%lu instructions, %lu of them with an exception\n", count, faults);
	assert_true(faults < count / 2);
	for (unsigned i = 1; i < OPERATION_COUNT; i++)
		if (is_tried(i) && !operations_run[i])
			fail_msg("operation %u did not occur", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(like_the_cpu),
	};
	const char *text = getenv("BULKHEAD_SEED");

	if (text)
		seed = strtoull(text, NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
