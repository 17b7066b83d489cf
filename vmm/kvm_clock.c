/* SPDX-License-Identifier: MIT */
/* The records of KVM's clock. */
#include <bulkhead/kvm_clock.h>

#include <bulkhead/string.h>

#define NS_PER_S 1000000000UL

_Static_assert(sizeof(struct kvm_clock_record) == 32, "as guests have it");
_Static_assert(sizeof(struct kvm_wall_clock_record) == 12, "as guests have it");

void kvm_clock_rate(u64 hz, u32 *multiplier, signed char *shift)
{
	unsigned right = 0, left = 0;

	/* Above 1 GHz and up to 2 GHz the multiplier uses all of its bits. */
	while (hz > 2 * NS_PER_S << right)
		right++;
	while (hz << left <= NS_PER_S)
		left++;
	*multiplier = (u32)mul_div(NS_PER_S << right, BIT(32), hz << left);
	*shift = (signed char)((int)left - (int)right);
}

/*
 * What is behind the version, which may be at any multiple of 4: the guest has its other vCPUs to
 * read it meanwhile.
 */
static void record_write(u32 *at, const void *record, size_t bytes)
{
	u32 version = __atomic_load_n(at, __ATOMIC_RELAXED) | 1;

	__atomic_store_n(at, version, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy(at + 1, (const u32 *)record + 1, bytes - sizeof(*at));
	__atomic_store_n(at, version + 1, __ATOMIC_RELEASE);
}

void kvm_clock_write(const struct guest_memory *memory, u64 gpa, u64 tsc_at_zero, u64 hz)
{
	struct kvm_clock_record record = {.tsc = tsc_at_zero, .flags = KVM_CLOCK_STABLE};
	u32 *at = guest_memory_at(memory, gpa, sizeof(record));

	if (!at)
		return;
	kvm_clock_rate(hz, &record.multiplier, &record.shift);
	record_write(at, &record, sizeof(record));
}

void kvm_wall_clock_write(const struct guest_memory *memory, u64 gpa, u64 unix_ns_at_zero)
{
	const struct kvm_wall_clock_record record = {
		.seconds = (u32)(unix_ns_at_zero / NS_PER_S),
		.ns = (u32)(unix_ns_at_zero % NS_PER_S),
	};
	u32 *at = guest_memory_at(memory, gpa, sizeof(record));

	if (at)
		record_write(at, &record, sizeof(record));
}
