/* SPDX-License-Identifier: MIT */
/*
 * Spin locks: CPUs get the lock in the order in which they asked for it. All zero is unlocked. A
 * lock that an interrupt handler takes too is taken with spin_lock_irq everywhere.
 */
#pragma once

#include <bulkhead/arch.h>
#include <bulkhead/types.h>

struct spinlock {
	u32 next;    /* ticket of whoever asks next */
	u32 serving; /* ticket of the holder; equal to `next`: free */
};

static inline void spin_lock(struct spinlock *lock)
{
	u32 ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);

	while (unlikely(__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket))
		__asm__ volatile("pause" ::: "memory");
}

/* Take the lock if it is free; says whether it did. */
must_check static inline bool spin_try_lock(struct spinlock *lock)
{
	u32 ticket = __atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE);

	return __atomic_compare_exchange_n(&lock->next, &ticket, ticket + 1, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static inline void spin_unlock(struct spinlock *lock)
{
	/* Only the holder writes `serving`: that it adds 1 in one go is nobody else's concern. And
	 * now: others wait for it, whatever comes next here. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	lock->serving++;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Interrupts of this CPU off, then lock. What is returned goes to spin_unlock_irq. */
must_check static inline u64 spin_lock_irq(struct spinlock *lock)
{
	u64 flags = arch_irq_save();

	spin_lock(lock);
	return flags;
}

static inline void spin_unlock_irq(struct spinlock *lock, u64 flags)
{
	spin_unlock(lock);
	arch_irq_restore(flags);
}
