/* SPDX-License-Identifier: MIT */
/*
 * Frozen guests for the tests of the commands that look at them: two partitions, "web" and "db",
 * with real second-level tables and RAM that can be read in their own address space only, and what
 * the commands print.
 */
#pragma once

#include "cmocka_all.h"
#include "fake_pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>
#include <bulkhead/virt.h>
#include <vmm/console/command.h>
#include <vmm/console/internal.h>
#include <vmm/console/report.h>

#define GUESTS		     2
#define LOW_BYTES	     (4 * MIB)
#define HIGH_BYTES	     (2 * MIB)
#define WINDOW		     (GUEST_HIGH_BASE + HIGH_BYTES)
#define TABLES		     256
#define TABLES_AT	     0x10000000UL /* host-physical */
#define RAM_AT(guest, block) (0x40000000UL + ((guest)*8 + (block)) * 2 * MIB)

static char output[256 * KIB];
static size_t output_bytes;
static const char *failure; /* of the last command */

static struct partition guests[GUESTS];
static struct vcpu vcpus[GUESTS];
static struct config_partition configs[GUESTS];
static struct ram_block blocks[GUESTS][3];
static u8 tables[TABLES][PAGE_SIZE] aligned(PAGE_SIZE);
static u32 tables_used;
static struct page_table_format ept, host;
static u32 entered; /* spaces: how deep */
static u32 yields;

/* --- output --- */

void console_print(const char *format, ...)
{
	va_list arguments;

	assert_int_equal(entered, 0); /* printing may let others run */
	va_start(arguments, format);
	output_bytes += format_list(output + output_bytes, sizeof(output) - output_bytes, format,
				    arguments);
	va_end(arguments);
	assert_true(output_bytes < sizeof(output));
}

void console_send(const void *bytes, u64 count)
{
	console_print("%.*s", (int)count, (const char *)bytes);
}

bool console_cancelled(void)
{
	return false;
}

noreturn void panic(const char *format, ...)
{
	fail_msg("%s", format);
	__builtin_trap();
}

u64 arch_irq_save(void)
{
	return 0;
}

void arch_irq_restore(u64 flags)
{
	(void)flags;
}

void thread_yield(void)
{
	assert_int_equal(entered, 0);
	yields++;
}

/* --- memory --- */

u64 arch_time_us(void)
{
	return 0;
}

u64 memory_physical(const void *page)
{
	u64 index = (u64)((const u8 *)page - &tables[0][0]) / PAGE_SIZE;

	assert_true(index < TABLES);
	return TABLES_AT + index * PAGE_SIZE;
}

static void *table_alloc(struct page_table_memory *memory)
{
	(void)memory;
	assert_true(tables_used < TABLES);
	return memset(tables[tables_used++], 0, PAGE_SIZE);
}

static void table_free(struct page_table_memory *memory, void *page)
{
	(void)memory, (void)page;
}

static u64 table_physical(struct page_table_memory *memory, void *page)
{
	(void)memory;
	return memory_physical(page);
}

static void *table_linear(struct page_table_memory *memory, u64 physical)
{
	(void)memory;
	assert_true(physical >= TABLES_AT && physical < TABLES_AT + TABLES * PAGE_SIZE);
	return tables[(physical - TABLES_AT) / PAGE_SIZE];
}

static struct page_table_memory table_memory = {table_alloc, table_free, table_physical,
						table_linear};

/* A partition's RAM is there in its own space only. */
u64 address_space_enter(const struct address_space *space)
{
	struct partition *guest = container_of(space, struct partition, space);

	assert_int_equal(entered++, 0);
	assert_int_equal(mprotect(guest->memory.window, WINDOW, PROT_READ), 0);
	return (u64)guest;
}

void address_space_leave(u64 previous)
{
	struct partition *guest = (void *)previous;

	assert_int_equal(entered--, 1);
	assert_int_equal(mprotect(guest->memory.window, WINDOW, PROT_NONE), 0);
}

/* --- partitions --- */

static u32 guest_count;

struct partition *partition_first(void)
{
	return guest_count ? &guests[0] : NULL;
}

struct partition *partition_find(const char *name)
{
	for (u32 i = 0; i < guest_count; i++)
		if (strcmp(configs[i].name, name) == 0)
			return &guests[i];
	return NULL;
}

struct group *group_find(const char *name)
{
	(void)name;
	return NULL;
}

bool partition_inspectable(struct partition *partition)
{
	return partition->state == PARTITION_PAUSED || partition->state == PARTITION_CRASHED;
}

const char *candidate(enum argument_kind kind, const struct command *command, const char *key,
		      u32 index)
{
	(void)command, (void)key;
	if (kind == ARGUMENT_WORD)
		return index ? NULL : "nmi";
	return index < guest_count ? configs[index].name : NULL;
}

/* --- the guest's memory, from outside --- */

static void poke(u32 guest, u64 gpa, const void *data, u64 bytes)
{
	u8 *at = guest_memory_at(&guests[guest].memory, gpa, bytes);

	assert_non_null(at);
	assert_int_equal(mprotect(guests[guest].memory.window, WINDOW, PROT_READ | PROT_WRITE), 0);
	memcpy(at, data, bytes);
	assert_int_equal(mprotect(guests[guest].memory.window, WINDOW, PROT_NONE), 0);
}

unused static void poke_u64(u32 guest, u64 gpa, u64 value)
{
	poke(guest, gpa, &value, sizeof(value));
}

static void map(struct page_table *table, u64 address, u64 physical, u64 bytes, u32 access)
{
	bool changed;

	assert_int_equal(
		page_table_map(table, address, physical, bytes, access, MEMORY_WB, &changed), 0);
}

static void guest_memory_make(u32 i)
{
	static const u64 at[] = {0, 2 * MIB, GUEST_HIGH_BASE};
	struct partition *guest = &guests[i];
	bool changed;

	guest->memory.window =
		mmap(NULL, WINDOW, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(guest->memory.window, MAP_FAILED);
	guest->memory.low_bytes = LOW_BYTES;
	guest->memory.high_bytes = HIGH_BYTES;
	assert_int_equal(page_table_init(&guest->second_level, &ept, &table_memory), 0);
	assert_int_equal(page_table_init(&guest->space.table, &host, &table_memory), 0);
	for (u32 b = 0; b < 3; b++) {
		blocks[i][b] = (struct ram_block){at[b], RAM_AT(i, 2 - b), 9};
		map(&guest->second_level, at[b], RAM_AT(i, 2 - b), 2 * MIB,
		    PAGE_READ | PAGE_WRITE | PAGE_EXECUTE);
		map(&guest->space.table, MEMORY_GUEST + at[b], RAM_AT(i, 2 - b), 2 * MIB,
		    PAGE_READ | PAGE_WRITE);
	}
	guest->ram = blocks[i];
	guest->ram_count = 3;
	assert_int_equal(page_table_unmap(&guest->second_level, GUEST_HOLE_BASE,
					  GUEST_HOLE_END - GUEST_HOLE_BASE, &changed),
			 0);
	/* The hypervisor: the tables here, and its image. */
	map(&guest->space.table, MEMORY_DIRECT + TABLES_AT, TABLES_AT, 2 * MIB,
	    PAGE_READ | PAGE_WRITE);
	map(&guest->space.table, MEMORY_IMAGE, 0x200000, 2 * MIB, PAGE_READ | PAGE_EXECUTE);
}

static int guests_setup(void **state)
{
	static const char *const names[] = {"web", "db"};

	(void)state;
	tables_used = entered = yields = 0;
	fake_pages_left = FAKE_UNLIMITED;
	guest_count = GUESTS;
	page_table_format_ept(&ept, 39, true, true);
	page_table_format_host(&host, 39, true, true);
	memset(guests, 0, sizeof(guests));
	memset(vcpus, 0, sizeof(vcpus));
	for (u32 i = 0; i < GUESTS; i++) {
		struct partition *guest = &guests[i];

		guest->next = i + 1 < GUESTS ? &guests[i + 1] : NULL;
		guest->config = &configs[i];
		format_text(configs[i].name, sizeof(configs[i].name), "%s", names[i]);
		guest->number = i + 1;
		guest->starts = 1;
		guest->state = PARTITION_PAUSED;
		guest->vcpus[0] = &vcpus[i];
		guest->vcpu_count = 1;
		guest->pc = (void *)(0x1000UL * (i + 1));
		guest->console.bytes = PARTITION_CONSOLE_BYTES;
		vcpus[i].partition = guest;
		vcpus[i].state.rflags = RFLAGS_FIXED;
		guest_memory_make(i);
	}
	return 0;
}

static int guests_teardown(void **state)
{
	(void)state;
	for (u32 i = 0; i < GUESTS; i++)
		munmap(guests[i].memory.window, WINDOW);
	assert_int_equal(entered, 0);
	assert_int_equal(fake_pages_out, 0);
	return 0;
}

/*
 * "web" in long mode: one table of each level at 0x1000 to 0x4000, by which ffffffff81000000 is
 * 0x200000 in one large page and ffffffff81200000 is page by page what guest_map_page says.
 */
#define KERNEL 0xffffffff81000000UL
#define PAGES  0xffffffff81200000UL

unused static void guest_long_mode(void)
{
	struct cpu_state *cpu = &vcpus[0].state;

	cpu->cr0 = 0x80010031;
	cpu->cr3 = 0x1000;
	cpu->cr4 = CR4_PAE;
	cpu->efer = EFER_LME | EFER_LMA | EFER_NXE;
	cpu->cs = (struct cpu_segment){0x10, SEGMENT_CODE64, ~0u, 0};
	cpu->ss = (struct cpu_segment){0x18, SEGMENT_DATA32, ~0u, 0};
	cpu->rip = KERNEL + 0x123;
	cpu->gpr[GPR_RSP] = KERNEL + 0x8000;
	poke_u64(0, 0x1000 + 511 * 8, 0x2000 | 0x23);
	poke_u64(0, 0x2000 + 510 * 8, 0x3000 | 0x23);
	poke_u64(0, 0x3000 + 8 * 8, 0x200000 | 0x1e3);
	poke_u64(0, 0x3000 + 9 * 8, 0x4000 | 0x23);
}

unused static void guest_map_page(u32 index, u64 gpa)
{
	poke_u64(0, 0x4000 + index * 8, gpa | 0x63);
}

/* --- running commands --- */

typedef void (*command_run_t)(const struct command *command, u32 count, char *const *arguments);

static bool run_as(bool json, command_run_t run, const char *line)
{
	static const struct command command = {.name = "fake", .words = "nmi"};
	char copy[256], *words[8];
	u32 count = 0;

	output[0] = 0;
	output_bytes = 0;
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		words[count++] = word;
	report_begin(json);
	run(&command, count, words);
	failure = report_end();
	assert_int_equal(entered, 0);
	return !failure;
}

/* Succeeds and prints this. */
unused static void expect(command_run_t run, const char *line, const char *text)
{
	assert_true(run_as(false, run, line));
	assert_string_equal(output, text);
}

unused static void expect_part(command_run_t run, const char *line, const char *text)
{
	(void)run_as(false, run, line);
	if (!strstr(output, text))
		fail_msg("\"%s\" is not in:\n%s", text, output);
}

unused static void expect_json(command_run_t run, const char *line, const char *text)
{
	(void)run_as(true, run, line);
	if (!strstr(output, text))
		fail_msg("\"%s\" is not in:\n%s", text, output);
}

unused static void expect_error(command_run_t run, const char *line, const char *text)
{
	assert_false(run_as(false, run, line));
	assert_string_equal(failure, text);
}

#define GUEST_TEST(name) cmocka_unit_test_setup_teardown(name, guests_setup, guests_teardown)
