/* SPDX-License-Identifier: MIT */
/* The steps of building the hypervisor's address space, in the order in which main.c takes them. */
#pragma once

#include <bulkhead/boot.h>
#include <bulkhead/memory.h>

/* Take over from the loader's page tables: afterwards only the image, hypervisor pages and boot
 * information are mapped, with the least rights each. */
void memory_init(const struct boot_info *info);
/* Give back what only the loader needed: its stack and tables. After the boot CPU left them. */
void memory_release_loader(const struct boot_info *info);
/* What the hypervisor's CR3 is. */
u64 memory_root(void);
/* An empty table of the host's format that has all of the hypervisor in it. -ENOMEM */
int memory_table_init(struct page_table *table) must_check;
/* A root below 4 GiB that also maps `page` one to one, executable, for starting other CPUs. */
u64 memory_trampoline_root(u64 page);

/* A page fault: false if it is none of those that address spaces let happen. address_space.c */
bool address_space_fault(u64 error_code) must_check;
