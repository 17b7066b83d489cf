/* SPDX-License-Identifier: MIT */
/*
 * The table of what the levels have. To the psABI's features level 1 adds what systems need
 * besides, and every CPU has that Bulkhead runs on. Features that only make things faster or safer
 * for a kernel (PCID, SMEP, RDTSCP and so on) are in no level: a guest is to see the same on any
 * machine.
 */
#include <bulkhead/cpu_level.h>

#include "cpu_features.h"

#include <bulkhead/format.h>

struct feature {
	enum config_cpu since;
	enum cpu_word word;
	u32 bit;
	const char *name;
};

#define V1(word, bit)                                                                              \
	{                                                                                          \
		CONFIG_CPU_V1, CPU_WORD_##word, bit, #bit                                          \
	}
#define V2(word, bit, name)                                                                        \
	{                                                                                          \
		CONFIG_CPU_V2, CPU_WORD_##word, bit, name                                          \
	}
#define V3(word, bit, name)                                                                        \
	{                                                                                          \
		CONFIG_CPU_V3, CPU_WORD_##word, bit, name                                          \
	}

static const struct feature features[] = {
	V1(1_EDX, FPU),
	V1(1_EDX, VME),
	V1(1_EDX, DE),
	V1(1_EDX, PSE),
	V1(1_EDX, TSC),
	V1(1_EDX, MSR),
	V1(1_EDX, PAE),
	V1(1_EDX, MCE),
	V1(1_EDX, CX8),
	V1(1_EDX, SEP),
	V1(1_EDX, MTRR),
	V1(1_EDX, PGE),
	V1(1_EDX, MCA),
	V1(1_EDX, CMOV),
	V1(1_EDX, PAT),
	V1(1_EDX, PSE36),
	V1(1_EDX, CLFSH),
	V1(1_EDX, MMX),
	V1(1_EDX, FXSR),
	V1(1_EDX, SSE),
	V1(1_EDX, SSE2),
	V1(80000001_EDX, SYSCALL),
	V1(80000001_EDX, NX),
	V1(80000001_EDX, LM),
	V2(1_ECX, SSE3, "SSE3"),
	V2(1_ECX, SSSE3, "SSSE3"),
	V2(1_ECX, CX16, "CMPXCHG16B"),
	V2(1_ECX, SSE4_1, "SSE4.1"),
	V2(1_ECX, SSE4_2, "SSE4.2"),
	V2(1_ECX, POPCNT, "POPCNT"),
	V2(80000001_ECX, LAHF, "LAHF"),
	V3(1_ECX, XSAVE, "XSAVE"),
	V3(1_ECX, AVX, "AVX"),
	V3(7_EBX, AVX2, "AVX2"),
	V3(7_EBX, BMI1, "BMI1"),
	V3(7_EBX, BMI2, "BMI2"),
	V3(1_ECX, F16C, "F16C"),
	V3(1_ECX, FMA, "FMA"),
	V3(80000001_ECX, LZCNT, "LZCNT"),
	V3(1_ECX, MOVBE, "MOVBE"),
};

u32 cpu_level_mask(enum config_cpu cpu, enum cpu_word word)
{
	u32 mask = 0;

	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (features[i].word == word && features[i].since <= cpu)
			mask |= features[i].bit;
	return mask;
}

bool cpu_level_lacks(enum config_cpu cpu, const u32 words[CPU_WORDS], char *text, size_t bytes)
{
	bool lacks = false;

	text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		const struct feature *feature = &features[i];

		if (feature->since > cpu || words[feature->word] & feature->bit)
			continue;
		(void)format_append(text, bytes, "%s%s", lacks ? ", " : "", feature->name);
		lacks = true;
	}
	return lacks;
}
