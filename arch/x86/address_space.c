/* SPDX-License-Identifier: MIT */
/*
 * Partitions' address spaces: making them, going into them and out again, and what in them is
 * mapped only when it is touched.
 *
 * That is by page faults of the hypervisor, and they overwrite CR2. But CR2 is a guest's, as it
 * stays in the CPU like other registers that the hypervisor does not use (vmx/switch.c). So a copy
 * of it is kept while a page fault may come, in cpu->cr2. It is taken where such a space is
 * entered, by CR3 here or by a VM exit in vmx/enter.asm, and where CR2 is written (cr2_set).
 */
#include "memory.h"

#include "instructions.h"

#include <bulkhead/arch.h>
#include <bulkhead/cpu.h>
#include <bulkhead/spinlock.h>
#include <bulkhead/string.h>

/* Of a page fault's error code (SDM vol. 3, 4.7): bit 0 is clear if nothing is mapped there. What
 * touches a partition's memory is neither CPL 3 nor a fetch. */
#define FAULT_WRITE BIT(1)

#define CLEAR_BYTES (2 * MIB)

_Static_assert(CPU_MAX *CLEAR_BYTES <= GIB, "one table has the places of all CPUs");

static struct address_space *touchable; /* all that have `touch` */
static struct spinlock touchable_lock;

int address_space_create(struct address_space *space)
{
	int error = memory_table_init(&space->table);

	if (!error)
		space->root = memory_physical(space->table.root);
	return error;
}

void address_space_destroy(struct address_space *space)
{
	u64 flags = spin_lock_irq(&touchable_lock);

	for (struct address_space **at = &touchable; *at; at = &(*at)->next) {
		if (*at == space) {
			*at = space->next;
			break;
		}
	}
	spin_unlock_irq(&touchable_lock, flags);
	page_table_destroy(&space->table);
}

static void go_to(u64 root)
{
	cr3_write(root);
	if (root != memory_root())
		cpu_this()->cr2 = cr2_read();
}

u64 address_space_enter(const struct address_space *space)
{
	u64 previous = cr3_read(), root = space ? space->root : memory_root();

	if (root != previous)
		go_to(root);
	return previous;
}

void address_space_leave(u64 previous)
{
	if (cr3_read() != previous)
		go_to(previous);
}

/* Where this CPU sees what it clears. No other CPU uses that place. */
static u64 place(void)
{
	return MEMORY_CLEAR + arch_cpu_id() * CLEAR_BYTES;
}

static void hide(struct address_space *space, u64 at)
{
	bool changed;

	if (page_table_hide(&space->table, at, CLEAR_BYTES, &changed))
		panic("memory that was cleared cannot be hidden");
}

static int show(struct address_space *space, u64 at, u64 physical)
{
	bool changed;

	return page_table_map(&space->table, at, physical, CLEAR_BYTES, PAGE_READ | PAGE_WRITE,
			      MEMORY_WB, &changed);
}

int address_space_touchable(struct address_space *space,
			    bool (*touch)(struct address_space *space, u64 address))
{
	/* For the tables, which stay. */
	int error = show(space, MEMORY_CLEAR, 0);
	u64 flags;

	if (error)
		return error;
	hide(space, MEMORY_CLEAR);
	space->touch = touch;
	flags = spin_lock_irq(&touchable_lock);
	space->next = touchable;
	touchable = space;
	spin_unlock_irq(&touchable_lock, flags);
	return 0;
}

void address_space_clear(struct address_space *space, u64 physical)
{
	u64 at = place();

	if (show(space, at, physical))
		panic("memory to be cleared cannot be mapped");
	memory_forget((void *)at); /* what was there the last time */
	memset((void *)at, 0, CLEAR_BYTES);
	hide(space, at);
}

static struct address_space *space_here(void)
{
	u64 root = cr3_read(), flags = spin_lock_irq(&touchable_lock);
	struct address_space *space = touchable;

	while (space && space->root != root)
		space = space->next;
	spin_unlock_irq(&touchable_lock, flags);
	return space;
}

bool address_space_fault(u64 error_code)
{
	u64 address = cr2_read();
	struct address_space *space;

	if (error_code & ~FAULT_WRITE || address < MEMORY_GUEST || address >= MEMORY_FILES)
		return false;
	space = space_here();
	if (!space || !space->touch(space, address))
		return false;
	cr2_write(cpu_this()->cr2);
	return true;
}
