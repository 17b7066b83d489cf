/* SPDX-License-Identifier: MIT */
/*
 * The head of an ELF core file of a stopped machine, as gdb and crash read it: a note with the
 * registers of each CPU as Linux writes it for x86-64 (NT_PRSTATUS), one with the name
 * (NT_PRPSINFO), one per CPU with control registers and descriptor tables as QEMU's memory dumps
 * have it, and a PT_LOAD for each range of memory. Memory itself follows, at
 * core_file_header_bytes. Pure.
 */
#pragma once

#include <bulkhead/cpu_state.h>
#include <bulkhead/types.h>

struct core_load {
	u64 address;  /* virtual */
	u64 physical; /* of the guest */
	u64 bytes;
	u64 offset; /* from where memory begins in the file; several loads may share bytes */
};

struct core_file {
	const char *name;
	const struct cpu_state *const *cpus;
	u32 cpu_count;
	const struct core_load *loads;
	u32 load_count;
};

#define CORE_FILE_LOADS_MAX 0xfffdu /* what an ELF header can count, less the notes */

/* A multiple of 4 KiB. */
u64 core_file_header_bytes(u32 cpu_count, u32 load_count);

/* All of the head into `buffer`, which has `bytes`. -ENOSPC: that is less than it needs; -EINVAL:
 * more loads than an ELF file can have. */
int core_file_header(const struct core_file *core, void *buffer, u64 bytes) must_check;
