/* SPDX-License-Identifier: MIT */
/*
 * The levels of the x86-64 psABI ("Micro-Architecture Levels"), as what CPUID says of a CPU. Each
 * has all of the one before it. Pure; the loader, which refuses a level that the machine has not,
 * has this too.
 */
#pragma once

#include <bulkhead/config.h>
#include <bulkhead/types.h>

/* The registers of CPUID that the levels' features are in. */
enum cpu_word {
	CPU_WORD_1_ECX,
	CPU_WORD_1_EDX,
	CPU_WORD_7_EBX, /* of subleaf 0 */
	CPU_WORD_80000001_ECX,
	CPU_WORD_80000001_EDX,
	CPU_WORDS,
};

/* The features of `cpu`, which is a level, in `word`. */
u32 cpu_level_mask(enum config_cpu cpu, enum cpu_word word);

/* Whether a CPU with these words lacks any of them; then they are listed in `text`. CONFIG_CPU_HOST
 * asks for nothing. */
bool cpu_level_lacks(enum config_cpu cpu, const u32 words[CPU_WORDS], char *text, size_t bytes);
