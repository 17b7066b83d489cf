/* SPDX-License-Identifier: MIT */
/*
 * A VMCS for code that reads and writes one. VMREAD and VMWRITE raise an exception outside VMX
 * operation, and the test carries them out: fields are plain words, and none is ever missing. So
 * are the debug registers.
 * The first header that a test includes.
 */
#pragma once

#define _GNU_SOURCE

#include "cmocka_all.h"
#include "fake_instructions.h"

#include <signal.h>
#include <string.h>
#include <ucontext.h>

static u64 fake_fields[0x8000];
static unsigned fake_vmreads, fake_vmwrites;
/* NULL: none. Called before the value of a VMWRITE is taken: what others do meanwhile. */
static void (*fake_before_vmwrite)(u64 field);
static u64 fake_debug[8];

/* The two opcodes with their ModRM byte (SDM vol. 2, 2.1.5 and 2.2.1.2). */
struct fake_instruction {
	const u8 *at;
	u8 rex;
	greg_t *registers;
};

static greg_t *fake_register(const struct fake_instruction *instruction, unsigned number)
{
	static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
				      REG_RSI, REG_RDI, REG_R8,	 REG_R9,  REG_R10, REG_R11,
				      REG_R12, REG_R13, REG_R14, REG_R15};

	return &instruction->registers[order[number]];
}

static s64 fake_displacement(struct fake_instruction *instruction, unsigned bytes)
{
	s32 value = 0;

	memcpy(&value, instruction->at, bytes);
	instruction->at += bytes;
	return bytes == 1 ? (signed char)value : value;
}

/* Base, index and displacement of a memory operand. */
static u64 fake_address(struct fake_instruction *instruction, unsigned mod, unsigned rm)
{
	bool extend_index = instruction->rex & 2, extend_base = instruction->rex & 1;
	u64 address = 0;

	if (rm == 4) {
		u8 sib = *instruction->at++;
		unsigned index = (sib >> 3 & 7) | (extend_index ? 8 : 0);

		rm = sib & 7;
		if (index != 4)
			address = (u64)*fake_register(instruction, index) << (sib >> 6);
	} else if (mod == 0 && rm == 5) {
		address = (u64)fake_displacement(instruction, 4);
		return address + (u64)instruction->at;
	}
	if (mod != 0 || rm != 5)
		address += (u64)*fake_register(instruction, rm | (extend_base ? 8 : 0));
	if (mod == 1)
		address += (u64)fake_displacement(instruction, 1);
	else if (mod == 2 || rm == 5)
		address += (u64)fake_displacement(instruction, 4);
	return address;
}

/* MOV from and to one: 0f 21 and 0f 23. */
static bool fake_debug_access(struct fake_instruction *instruction)
{
	u8 opcode = instruction->at[1], modrm = instruction->at[2];
	greg_t *reg = fake_register(instruction, (modrm & 7) | (instruction->rex & 1 ? 8 : 0));
	u64 *debug = &fake_debug[modrm >> 3 & 7];

	if (instruction->at[0] != 0x0f || (opcode != 0x21 && opcode != 0x23))
		return false;
	if (opcode == 0x21)
		*reg = (greg_t)*debug;
	else
		*debug = (u64)*reg;
	instruction->registers[REG_RIP] = (greg_t)(instruction->at + 3);
	return true;
}

static void fake_execute(int number, siginfo_t *info unused, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	struct fake_instruction instruction = {.at = (const u8 *)registers[REG_RIP],
					       .registers = registers};
	u8 opcode, modrm;
	u64 field, *operand;

	if ((*instruction.at & 0xf0) == 0x40)
		instruction.rex = *instruction.at++;
	if (fake_debug_access(&instruction))
		return;
	opcode = instruction.at[1];
	if (instruction.at[0] != 0x0f || (opcode != 0x78 && opcode != 0x79)) {
		signal(number, SIG_DFL); /* a mistake of somebody else's: it happens again */
		return;
	}
	modrm = instruction.at[2];
	instruction.at += 3;
	field = (u64)*fake_register(&instruction, (modrm >> 3 & 7) | (instruction.rex & 4 ? 8 : 0));
	if (modrm >> 6 == 3)
		operand = (u64 *)fake_register(&instruction,
					       (modrm & 7) | (instruction.rex & 1 ? 8 : 0));
	else
		operand = (u64 *)fake_address(&instruction, modrm >> 6, modrm & 7);
	if (opcode == 0x78) {
		fake_vmreads++;
		*operand = fake_fields[field];
	} else {
		fake_vmwrites++;
		if (fake_before_vmwrite)
			fake_before_vmwrite(field);
		fake_fields[field] = *operand;
	}
	registers[REG_RIP] = (greg_t)instruction.at;
	registers[REG_EFL] &= ~0x8d5; /* VMsucceed */
}

static inline void fake_vmcs_init(void)
{
	struct sigaction action = {.sa_sigaction = fake_execute, .sa_flags = SA_SIGINFO};

	memset(fake_fields, 0, sizeof(fake_fields));
	memset(fake_debug, 0, sizeof(fake_debug));
	fake_vmreads = fake_vmwrites = 0;
	fake_before_vmwrite = NULL;
	/* #UD; #GP where the machine is in VMX operation itself. */
	assert_int_equal(sigaction(SIGILL, &action, NULL), 0);
	assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
}
