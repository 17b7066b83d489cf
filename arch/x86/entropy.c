/* SPDX-License-Identifier: MIT */
/*
 * Random bytes: of the CPU's own source where it has one (RDSEED, else RDRAND; SDM vol. 1, 7.3.17),
 * of a generator seeded by the jitter of timings only where it has none.
 */
#include "entropy.h"

#include "instructions.h"

#include <bulkhead/arch.h>
#include <bulkhead/csprng.h>
#include <bulkhead/log.h>
#include <bulkhead/spinlock.h>
#include <bulkhead/string.h>

#define CPUID_1_ECX_RDRAND BIT(30)
#define CPUID_7_EBX_RDSEED BIT(18)

#define RDSEED_TRIES 100 /* it may be empty for a while, when others ask too */
#define RDRAND_TRIES 10	 /* after so many it is broken (SDM vol. 1, 7.3.17.1) */
#define SEED_WORDS   32
#define WORD_SAMPLES 32 /* a bit or two of jitter in each: a word has room for that */
#define WORD_FACTOR  0x9e3779b97f4a7c15UL /* odd, so that no two words become one */
#define WORD_ROTATE  29

static bool has_rdseed, has_rdrand;
static struct csprng csprng;
static bool seeded;
static struct spinlock csprng_lock; /* of the two */

static bool rdseed(u64 *value)
{
	bool ok;

	__asm__ volatile("rdseed %0" : "=r"(*value), "=@ccc"(ok) : : "cc");
	return ok;
}

static bool rdrand(u64 *value)
{
	bool ok;

	__asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(ok) : : "cc");
	return ok;
}

static bool cpu_word(u64 *value)
{
	for (unsigned i = 0; has_rdseed && i < RDSEED_TRIES; i++) {
		if (rdseed(value))
			return true;
		arch_relax();
	}
	for (unsigned i = 0; has_rdrand && i < RDRAND_TRIES; i++)
		if (rdrand(value))
			return true;
	return false;
}

/* CPUID serialises, and how long it takes is different each time on a real machine. */
static u64 timings(void)
{
	u64 word = 0;

	for (unsigned i = 0; i < WORD_SAMPLES; i++) {
		(void)cpuid(0, 0);
		word = (word ^ tsc_read()) * WORD_FACTOR;
		word = word << WORD_ROTATE | word >> (64 - WORD_ROTATE);
	}
	return word;
}

static void seed(void)
{
	for (unsigned i = 0; i < SEED_WORDS; i++)
		csprng_stir(&csprng, timings());
	seeded = true;
}

/* Few machines ever need it, so it is seeded by who needs it first. */
static void generated(void *bytes, u64 count)
{
	spin_lock(&csprng_lock);
	if (!seeded)
		seed();
	csprng_stir(&csprng, tsc_read());
	csprng_read(&csprng, bytes, count);
	spin_unlock(&csprng_lock);
}

void arch_entropy(void *bytes, u64 count)
{
	u8 *to = bytes;

	while (count) {
		u64 word, part = MIN(count, sizeof(word));

		if (!cpu_word(&word)) {
			generated(to, count);
			return;
		}
		memcpy(to, &word, part);
		to += part;
		count -= part;
	}
}

void entropy_init(void)
{
	has_rdrand = cpuid(1, 0).ecx & CPUID_1_ECX_RDRAND;
	has_rdseed = cpuid(0, 0).eax >= 7 && cpuid(7, 0).ebx & CPUID_7_EBX_RDSEED;
	if (has_rdseed || has_rdrand)
		log_debug("random bytes: from the CPU's %s", has_rdseed ? "RDSEED" : "RDRAND");
	else
		log_info("random bytes: the CPU has no RDRAND, a generator seeded by the jitter of "
			 "timings makes them");
}
