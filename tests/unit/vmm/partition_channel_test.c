/* SPDX-License-Identifier: MIT */
/* A partition's place in a channel: where its memory is mapped, when it is cleared, who is woken.
 */
/* links: vmm/channel.c vmm/format.c */
#include "cmocka_all.h"
#include "fake_pages.h"

#include "vmm/partition_channel.h"

#include <bulkhead/arch.h>
#include <bulkhead/channel.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>

#define PHYSICAL 0x40000000UL
#define BYTES	 (64 * KIB)

static struct vcpu vcpu;
static struct config_partition configs[2];
static struct partition partitions[2];
static char reason[LOAD_REASON_BYTES];
static u8 memory[BYTES + 1];
static u32 requested, maps, entered, blocks;
static bool no_tables, no_guest_memory;

void vcpu_request(struct vcpu *to, u32 request)
{
	assert_ptr_equal(to, &vcpu);
	requested |= request;
}

u64 arch_irq_save(void)
{
	return 0;
}

void arch_irq_restore(u64 flags)
{
	(void)flags;
}

u64 memory_guest_alloc(unsigned order)
{
	assert_int_equal(PAGE_SIZE << order, BYTES);
	blocks += !no_guest_memory;
	return no_guest_memory ? PAGE_NONE : PHYSICAL;
}

void memory_guest_free(u64 physical, unsigned order)
{
	assert_int_equal(PAGE_SIZE << order, BYTES);
	assert_int_equal(physical, PHYSICAL);
	blocks--;
}

/* The guest has it with its type fixed, neither executes it. */
int page_table_map(struct page_table *table, u64 linear, u64 physical, u64 bytes, u32 access,
		   enum memory_type type, bool *changed)
{
	bool guest = table == &partitions[0].second_level || table == &partitions[1].second_level;

	assert_int_equal(linear, guest ? CHANNEL_GPA : MEMORY_GUEST + CHANNEL_GPA);
	assert_int_equal(access, PAGE_READ | PAGE_WRITE | (guest ? PAGE_FIXED_TYPE : 0));
	assert_int_equal(type, MEMORY_WB);
	assert_int_equal(physical, PHYSICAL);
	assert_int_equal(bytes, BYTES);
	*changed = true;
	maps++;
	return no_tables ? -ENOMEM : 0;
}

u64 address_space_enter(const struct address_space *space)
{
	assert_true(space == &partitions[0].space || space == &partitions[1].space);
	assert_int_equal(entered++, 0);
	return 7;
}

void address_space_leave(u64 previous)
{
	assert_int_equal(previous, 7);
	entered--;
}

static int setup(void **state)
{
	(void)state;
	for (u32 i = 0; i < 2; i++) {
		configs[i] = (struct config_partition){.channel = {"ring", BYTES, 1}};
		partitions[i] = (struct partition){.config = &configs[i], .vcpus = {&vcpu}};
		partitions[i].memory.window = (u8 *)((u64)memory - CHANNEL_GPA);
	}
	requested = maps = entered = blocks = 0;
	memset(memory, 0xa5, sizeof(memory));
	no_tables = no_guest_memory = false;
	reason[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (u32 i = 0; i < 2; i++)
		partition_channel_destroy(&partitions[i]);
	assert_int_equal(blocks + fake_pages_out, 0);
	assert_int_equal(entered, 0);
	return 0;
}

/* Cleared when it is made, and then it is nobody's to clear. */
static void two(void **state)
{
	(void)state;
	assert_int_equal(partition_channel_create(&partitions[0], reason), 0);
	assert_int_equal(maps, 2);
	assert_int_equal(memory[0] | memory[BYTES - 1], 0);
	assert_int_equal(memory[BYTES], 0xa5);
	memory[0] = 1;
	assert_int_equal(partition_channel_create(&partitions[1], reason), 0);
	assert_int_equal(maps, 4);
	assert_int_equal(memory[0], 1);
	partition_channel_destroy(&partitions[0]);
	assert_null(partitions[0].channel);
	assert_int_equal(partition_channel_create(&partitions[0], reason), 0);
	assert_int_equal(memory[0], 1);
}

static void bells(void **state)
{
	(void)state;
	assert_int_equal(partition_channel_create(&partitions[0], reason), 0);
	assert_int_equal(partition_channel_create(&partitions[1], reason), 0);
	channel_port_ops.open(partitions[1].channel);
	channel_port_ops.ring(partitions[0].channel, 1, 0);
	assert_int_equal(requested, VCPU_REQUEST_DEVICES);
}

static void none(void **state)
{
	(void)state;
	configs[0].channel.name[0] = '\0';
	assert_int_equal(partition_channel_create(&partitions[0], reason), 0);
	assert_null(partitions[0].channel);
	assert_int_equal(maps, 0);
}

static void refused(void **state)
{
	(void)state;
	assert_int_equal(partition_channel_create(&partitions[0], reason), 0);
	configs[1].channel.bytes = 2 * BYTES;
	assert_int_equal(partition_channel_create(&partitions[1], reason), -EINVAL);
	assert_string_equal(reason, "channel ring exists with another size than 128 KiB");
	partition_channel_destroy(&partitions[0]);
	no_guest_memory = true;
	assert_int_equal(partition_channel_create(&partitions[0], reason), -ENOMEM);
	assert_string_equal(reason, "there are no 64 KiB in one piece for channel ring");
	no_guest_memory = false;
	no_tables = true;
	memset(memory, 0xa5, sizeof(memory));
	assert_int_equal(partition_channel_create(&partitions[0], reason), -ENOMEM);
	assert_int_equal(memory[0], 0xa5);
}

#define CHANNEL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHANNEL_TEST(two),
		CHANNEL_TEST(bells),
		CHANNEL_TEST(none),
		CHANNEL_TEST(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
