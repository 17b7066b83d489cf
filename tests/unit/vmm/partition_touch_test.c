/* SPDX-License-Identifier: MIT */
/*
 * RAM that is cleared when it is touched, on a partition with 3 GiB below and 6 MiB above 4 GiB.
 * The machine's memory is this program's: what is physical is an address here. All of it is full of
 * what somebody left there.
 */
/* links: vmm/partition_memory.c vmm/partition_view.c vmm/page_table.c vmm/page_table_formats.c */
/* links: vmm/format.c vmm/byte_ring.c */
/* libraries: pthread */
#include "cmocka_all.h"
#include "fake_pages.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

#include <bulkhead/arch.h>
#include <bulkhead/boot_files.h>
#include <bulkhead/error.h>
#include <bulkhead/partition.h>
#include <bulkhead/virt.h>

#include "vmm/partition_memory.h"

#define LOW_BYTES  (3 * GIB)
#define HIGH_BYTES (6 * MIB)
#define PIECE	   PARTITION_TOUCH_BYTES
#define PIECES	   ((LOW_BYTES + HIGH_BYTES) / PIECE)
#define STALE	   0x5a
#define THREADS	   4

static struct config_partition config;
static struct partition partition;
static struct page_table_format host, ept;
static char *machine; /* its memory */
static u64 machine_used;
static unsigned clears; /* of pieces */

/* --- the machine --- */

static void *table_alloc(struct page_table_memory *memory unused)
{
	return memory_take(MEMORY_TABLES, PAGE_SIZE);
}

static void table_free(struct page_table_memory *memory unused, void *page)
{
	memory_give(MEMORY_TABLES, page, PAGE_SIZE);
}

static u64 table_physical(struct page_table_memory *memory unused, void *page)
{
	return (u64)page;
}

static void *table_linear(struct page_table_memory *memory unused, u64 physical)
{
	return (void *)physical;
}

struct page_table_memory memory_tables = {
	.alloc = table_alloc,
	.free = table_free,
	.to_physical = table_physical,
	.to_linear = table_linear,
};

/* Blocks of 1 GiB are there, too. */
u64 memory_guest_alloc(unsigned order)
{
	u64 bytes = PAGE_SIZE << order, at = align_up((u64)machine + machine_used, bytes);

	machine_used = at + bytes - (u64)machine;
	return at;
}

void memory_guest_free(u64 physical unused, unsigned order unused)
{
}

void memory_usage(struct memory_usage *usage)
{
	*usage = (struct memory_usage){.free_bytes = 0};
}

int address_space_create(struct address_space *space)
{
	return page_table_init(&space->table, &host, &memory_tables);
}

void address_space_destroy(struct address_space *space)
{
	page_table_destroy(&space->table);
}

u64 address_space_enter(const struct address_space *space unused)
{
	return 0;
}

void address_space_leave(u64 previous unused)
{
}

int address_space_touchable(struct address_space *space,
			    bool (*touch)(struct address_space *space, u64 address))
{
	space->touch = touch;
	return 0;
}

static bool is_mapped(const struct page_table *table, u64 address)
{
	struct page_table_walk walk;

	return !page_table_lookup(table, address, &walk);
}

static u64 gpa_of(u64 physical)
{
	for (u32 i = 0; i < partition.ram_count; i++) {
		const struct ram_block *block = &partition.ram[i];

		if (physical - block->physical < PAGE_SIZE << block->order)
			return block->gpa + (physical - block->physical);
	}
	fail();
	return 0;
}

/* Nobody else sees what is cleared. */
void address_space_clear(struct address_space *space, u64 physical)
{
	u64 gpa = gpa_of(physical);

	assert_ptr_equal(space, &partition.space);
	assert_true(is_aligned(physical, PIECE));
	assert_false(is_mapped(&partition.second_level, gpa));
	assert_false(is_mapped(&space->table, MEMORY_GUEST + gpa));
	memset((void *)physical, 0, PIECE);
	__atomic_fetch_add(&clears, 1, __ATOMIC_RELAXED);
}

static const struct page_table_format *guest_format(void)
{
	return &ept;
}

static const struct virt_backend backend = {.guest_format = guest_format};
const struct virt_backend *virt = &backend;

noreturn void panic(const char *format, ...)
{
	fputs(format, stderr);
	abort();
}

u64 arch_irq_save(void)
{
	return 0;
}

void arch_irq_restore(u64 flags unused)
{
}

/* It has no files. */

const struct boot_file *boot_file_find(const char *name unused)
{
	fail();
	return NULL;
}

int load_rom_check(const struct load_file *firmware unused,
		   const struct load_file *variables unused, char *reason unused)
{
	fail();
	return 0;
}

const char *config_module_file(const struct config_modules *modules unused, u32 index unused)
{
	fail();
	return NULL;
}

const char *config_module_text(const struct config_modules *modules unused, u32 index unused)
{
	fail();
	return NULL;
}

int disk_create(struct disk *disk unused, const char *owner unused, const char *path unused,
		bool readonly unused, const struct load_file *image unused,
		struct page_table *table unused, u8 *written unused, char *reason unused)
{
	fail();
	return 0;
}

void disk_destroy(struct disk *disk unused)
{
	fail();
}

/* --- the partition --- */

static void create(enum config_clear clear, bool large_pages)
{
	char reason[LOAD_REASON_BYTES] = "";

	page_table_format_host(&host, 48, true, true);
	page_table_format_ept(&ept, 48, large_pages, large_pages);
	config = (struct config_partition){
		.name = "web",
		.memory_bytes = LOW_BYTES + HIGH_BYTES,
		.clear_memory = clear,
	};
	partition = (struct partition){.config = &config};
	if (partition_memory_create(&partition, reason))
		fail_msg("%s", reason);
}

/* Take all of it away, as a start does. */
static void start(void)
{
	partition_touch_forget(&partition, PIECE, LOW_BYTES - PIECE);
	partition_touch_forget(&partition, GUEST_HIGH_BASE, HIGH_BYTES);
	clears = 0;
}

static int setup(void **state unused)
{
	machine = mmap(NULL, 8 * GIB, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(machine, MAP_FAILED);
	machine_used = 0;
	fake_pages_left = FAKE_UNLIMITED;
	create(CONFIG_CLEAR_ON_TOUCH, true);
	start();
	return 0;
}

static int teardown(void **state unused)
{
	partition_memory_destroy(&partition);
	munmap(machine, 8 * GIB);
	assert_int_equal(fake_pages_out, 0);
	return 0;
}

static u64 *physical_at(u64 gpa)
{
	const struct ram_block *block = ram_block_at(partition.ram, partition.ram_count, gpa);

	return (u64 *)(block->physical + (gpa - block->gpa));
}

/* How much of it is mapped in a table, from `first` to `end`, and in pieces of what size. */
static u64 mapped_bytes(const struct page_table *table, u64 first, u64 end, u64 *largest)
{
	struct page_table_leaf leaf = {.address = first};
	u64 bytes = 0;

	*largest = 0;
	while (!page_table_next(table, &leaf) && leaf.address < end) {
		bytes += leaf.bytes;
		*largest = MAX(*largest, leaf.bytes);
	}
	return bytes;
}

static void expect_mapped(u64 bytes, u64 pieces)
{
	u64 largest;

	assert_int_equal(mapped_bytes(&partition.second_level, 0, ~0UL, &largest),
			 bytes - (GUEST_HOLE_END - GUEST_HOLE_BASE));
	assert_int_equal(largest, bytes == PIECE ? PAGE_SIZE : pieces); /* the hole splits one */
	assert_int_equal(mapped_bytes(&partition.space.table, MEMORY_GUEST, MEMORY_FILES, &largest),
			 bytes);
	assert_int_equal(largest, pieces);
}

/* Both have there what the partition has. */
static void expect_there(u64 gpa)
{
	const u64 physical = (u64)physical_at(gpa);
	struct page_table_walk walk;

	assert_int_equal(page_table_lookup(&partition.second_level, gpa, &walk), 0);
	assert_int_equal(walk.physical, physical);
	assert_int_equal(walk.access, PAGE_READ | PAGE_WRITE | PAGE_EXECUTE);
	assert_int_equal(page_table_lookup(&partition.space.table, MEMORY_GUEST + gpa, &walk), 0);
	assert_int_equal(walk.physical, physical);
	assert_int_equal(walk.access, PAGE_READ | PAGE_WRITE);
}

static bool is_clear(u64 gpa)
{
	const u64 *words = physical_at(align_down(gpa, PIECE));

	for (u64 i = 0; i < PIECE / sizeof(u64); i++)
		if (words[i])
			return false;
	return true;
}

static void stale(u64 gpa)
{
	memset(physical_at(align_down(gpa, PIECE)), STALE, PIECE);
}

/* --- what is there --- */

static void all_is_mapped_by_pieces_that_can_be_taken_away(void **state unused)
{
	assert_int_equal(partition.ram[0].order, PAGE_ORDER_1G);
	partition_memory_destroy(&partition);
	create(CONFIG_CLEAR_ON_TOUCH, true);
	expect_mapped(LOW_BYTES + HIGH_BYTES, PIECE);
}

static void but_not_when_it_is_cleared_before(void **state unused)
{
	partition_memory_destroy(&partition);
	create(CONFIG_CLEAR_BEFORE_START, true);
	assert_null(partition.touched);
	assert_null(partition.space.touch);
	assert_int_equal(partition_cleared_bytes(&partition), LOW_BYTES + HIGH_BYTES);
	expect_mapped(LOW_BYTES + HIGH_BYTES, GIB);
}

static void nothing_is_there_after_a_start_but_the_first_piece(void **state unused)
{
	expect_mapped(PIECE, PIECE);
	expect_there(0);
	expect_there(PIECE - PAGE_SIZE);
	assert_int_equal(partition_cleared_bytes(&partition), PIECE);
}

static void touch_and_expect(u64 gpa, u64 number)
{
	stale(gpa);
	assert_true(partition_touch(&partition, gpa));
	assert_int_equal(clears, number);
	assert_true(is_clear(gpa));
	expect_there(gpa);
	expect_mapped((number + 1) * PIECE, PIECE);
	assert_int_equal(partition_cleared_bytes(&partition), (number + 1) * PIECE);
}

static void a_touch_clears_one_piece(void **state unused)
{
	fake_pages_left = 0; /* it takes no memory */
	touch_and_expect(PIECE, 1);
	touch_and_expect(GIB + 3 * PIECE + 0x1234, 2);
	touch_and_expect(LOW_BYTES - 1, 3);
	touch_and_expect(GUEST_HIGH_BASE, 4);
	touch_and_expect(GUEST_HIGH_BASE + HIGH_BYTES - 1, 5);
}

static void what_was_written_stays(void **state unused)
{
	u64 gpa = GIB + PIECE;

	assert_true(partition_touch(&partition, gpa));
	*physical_at(gpa) = 7;
	assert_true(partition_touch(&partition, gpa + PIECE - 1));
	assert_int_equal(*physical_at(gpa), 7);
	assert_int_equal(clears, 1);
}

static void the_hypervisors_touch_is_the_same(void **state unused)
{
	struct address_space *space = &partition.space;

	stale(2 * PIECE);
	assert_true(space->touch(space, MEMORY_GUEST + 2 * PIECE + 5));
	assert_true(is_clear(2 * PIECE));
	expect_there(2 * PIECE);
	assert_false(space->touch(space, MEMORY_GUEST + LOW_BYTES));
	assert_false(space->touch(space, MEMORY_FILES - 1));
}

static void what_is_no_ram_is_not_touched(void **state unused)
{
	const u64 none[] = {0,
			    GUEST_HOLE_BASE,
			    PIECE - 1,
			    LOW_BYTES,
			    GUEST_HIGH_BASE - 1,
			    GUEST_HIGH_BASE + HIGH_BYTES,
			    BIT(47),
			    ~0UL};

	for (u32 i = 0; i < ARRAY_SIZE(none); i++)
		assert_false(partition_touch(&partition, none[i]));
	expect_mapped(PIECE, PIECE);
	assert_int_equal(clears, 0);
}

static void the_next_start_takes_it_away_again(void **state unused)
{
	u64 gpa = 5 * PIECE, tables = page_table_count(&partition.second_level);

	assert_true(partition_touch(&partition, gpa));
	assert_true(partition_touch(&partition, GUEST_HIGH_BASE));
	*physical_at(gpa) = 7;
	fake_pages_left = 0;
	start();
	expect_mapped(PIECE, PIECE);
	assert_int_equal(page_table_count(&partition.second_level), tables);
	assert_int_equal(partition_cleared_bytes(&partition), PIECE);
	touch_and_expect(gpa, 1);
}

/* Tables for guests on a CPU that has no large pages for them. */
static void small_pages_do_as_well(void **state unused)
{
	u64 gpa = 3 * PIECE, largest;

	partition_memory_destroy(&partition);
	create(CONFIG_CLEAR_ON_TOUCH, false);
	start();
	fake_pages_left = 0;
	stale(gpa);
	assert_true(partition_touch(&partition, gpa + 77 * PAGE_SIZE));
	assert_true(is_clear(gpa));
	for (u64 at = gpa; at < gpa + PIECE; at += PAGE_SIZE)
		expect_there(at);
	assert_int_equal(mapped_bytes(&partition.second_level, gpa, ~0UL, &largest), PIECE);
	assert_int_equal(largest, PAGE_SIZE);
}

static void what_cannot_be_made_leaves_nothing(void **state unused)
{
	char reason[LOAD_REASON_BYTES];
	unsigned left = 0;
	int error;

	partition_memory_destroy(&partition);
	do {
		partition = (struct partition){.config = &config};
		fake_pages_left = left++;
		error = partition_memory_create(&partition, reason);
		if (error) {
			assert_int_equal(error, -ENOMEM);
			partition_memory_destroy(&partition);
			assert_int_equal(fake_pages_out, 0);
		}
	} while (error);
	assert_true(left > 10);
}

/* --- at once --- */

#define AT_ONCE 24U /* pieces */

static pthread_barrier_t together;

static u64 race_gpa(u32 i)
{
	return i % 8 ? (1 + i) * PIECE : GUEST_HIGH_BASE + i / 8 * PIECE;
}

/* All touch the same piece and count in it, half of them as the hypervisor does. */
static void *race(void *argument)
{
	bool host_side = *(const u32 *)argument % 2;
	struct address_space *space = &partition.space;

	for (u32 i = 0; i < AT_ONCE; i++) {
		u64 gpa = race_gpa(i), address = MEMORY_GUEST + gpa;
		bool there;

		pthread_barrier_wait(&together);
		there = host_side ? space->touch(space, address) : partition_touch(&partition, gpa);
		if (there && is_mapped(&partition.second_level, gpa) &&
		    is_mapped(&space->table, address))
			__atomic_fetch_add(physical_at(gpa), 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void of_many_at_once_one_clears(void **state unused)
{
	pthread_t threads[THREADS];
	u32 numbers[THREADS];

	for (u32 i = 0; i < AT_ONCE; i++)
		stale(race_gpa(i));
	pthread_barrier_init(&together, NULL, THREADS);
	for (u32 i = 0; i < THREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, race, &numbers[i]), 0);
	}
	for (u32 i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&together);
	assert_int_equal(clears, AT_ONCE);
	for (u32 i = 0; i < AT_ONCE; i++) {
		assert_int_equal(*physical_at(race_gpa(i)), THREADS);
		*physical_at(race_gpa(i)) = 0;
		assert_true(is_clear(race_gpa(i)));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_is_mapped_by_pieces_that_can_be_taken_away),
		T(but_not_when_it_is_cleared_before),
		T(nothing_is_there_after_a_start_but_the_first_piece),
		T(a_touch_clears_one_piece),
		T(what_was_written_stays),
		T(the_hypervisors_touch_is_the_same),
		T(what_is_no_ram_is_not_touched),
		T(the_next_start_takes_it_away_again),
		T(small_pages_do_as_well),
		T(what_cannot_be_made_leaves_nothing),
		T(of_many_at_once_one_clears),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
