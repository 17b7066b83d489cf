/* SPDX-License-Identifier: MIT */
/* SMBIOS read back the way a system finds it. Offsets are those of DSP0134. */
#include "cmocka_all.h"

#include <bulkhead/error.h>
#include <bulkhead/load.h>
#include <stdlib.h>
#include <string.h>

#define RAM_BYTES (2 * MIB)

static struct guest_memory memory;
static struct smbios_request request;

static int setup(void **state)
{
	(void)state;
	memory = (struct guest_memory){.window = calloc(1, RAM_BYTES), .low_bytes = RAM_BYTES};
	request = (struct smbios_request){
		.name = "web",
		.vcpus = 4,
		.low_bytes = 3 * GIB,
		.high_bytes = 5 * GIB,
	};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(memory.window);
	return 0;
}

static u64 get(const u8 *at, unsigned bytes)
{
	u64 value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (u64)at[i] << (8 * i);
	return value;
}

static u8 sum(const u8 *at, u64 bytes)
{
	u8 total = 0;

	for (u64 i = 0; i < bytes; i++)
		total = (u8)(total + at[i]);
	return total;
}

/* As Linux does: each multiple of 16 in the last 64 KiB below 1 MiB. */
static const u8 *anchor_find(void)
{
	for (u64 gpa = 0xf0000; gpa < 0x100000; gpa += 16)
		if (!memcmp(memory.window + gpa, "_SM_", 4))
			return memory.window + gpa;
	fail_msg("no entry point");
	return NULL;
}

static const u8 *after(const u8 *structure)
{
	structure += structure[1];
	while (structure[0] || structure[1])
		structure++;
	return structure + 2;
}

static const char *string(const u8 *structure, unsigned field)
{
	const char *text = (const char *)structure + structure[1];

	assert_int_not_equal(structure[field], 0);
	for (unsigned i = 1; i < structure[field]; i++) {
		assert_int_not_equal(*text, 0);
		text += strlen(text) + 1;
	}
	assert_int_not_equal(*text, 0);
	return text;
}

static void build(void)
{
	assert_int_equal(smbios_build(&request, &memory), 0);
}

/* The structure number `index` (from 0) of a type. */
static const u8 *find(u8 type, unsigned index)
{
	const u8 *anchor = anchor_find();
	const u8 *at = memory.window + get(anchor + 0x18, 4);

	for (unsigned i = 0; i < get(anchor + 0x1c, 2); i++, at = after(at))
		if (at[0] == type && !index--)
			return at;
	return NULL;
}

static void test_entry_point(void **state)
{
	const u8 *anchor, *start, *at;
	u64 largest = 0;

	(void)state;
	build();
	anchor = anchor_find();
	assert_int_equal(anchor[5], 31);
	assert_int_equal(sum(anchor, 31), 0);
	assert_memory_equal(anchor + 0x10, "_DMI_", 5);
	assert_int_equal(sum(anchor + 0x10, 15), 0);
	assert_int_equal(get(anchor + 6, 2), 0x0802); /* 2.8 */
	assert_int_equal(anchor[0x1e], 0x28);
	start = at = memory.window + get(anchor + 0x18, 4);
	assert_in_range(at - memory.window, 0xf0000, 0xfffff);
	for (unsigned i = 0; i < get(anchor + 0x1c, 2); i++) {
		const u8 *next = after(at);

		largest = MAX(largest, (u64)(next - at));
		for (const u8 *other = start; other < at; other = after(other))
			assert_int_not_equal(get(at + 2, 2), get(other + 2, 2)); /* handles */
		if (i == get(anchor + 0x1c, 2) - 1u)
			assert_int_equal(at[0], 127);
		else
			assert_int_not_equal(at[0], 127);
		at = next;
	}
	assert_int_equal(at - start, get(anchor + 0x16, 2));
	assert_int_equal(get(anchor + 8, 2), largest);
	for (u64 i = 0; i < RAM_BYTES; i++)
		if (i < 0xf0000 || i >= 0x100000)
			assert_int_equal(memory.window[i], 0);
}

static void test_system(void **state)
{
	const u8 *bios, *system;
	u8 uuid[16];

	(void)state;
	build();
	bios = find(0, 0);
	assert_string_equal(string(bios, 4), "Bulkhead");
	assert_int_equal(strlen(string(bios, 8)), 10);
	assert_int_equal(bios[0x12], 0x01); /* ACPI */
	assert_int_equal(bios[0x13], 0x10); /* a virtual machine */
	system = find(1, 0);
	assert_int_equal(system[1], 0x1b);
	assert_string_equal(string(system, 4), "Bulkhead");
	assert_string_equal(string(system, 5), "Partition");
	assert_string_equal(string(system, 7), "web");
	assert_int_equal(system[0x18], 6);
	memcpy(uuid, system + 8, 16);
	assert_int_equal(uuid[7] >> 4, 8);
	assert_int_equal(uuid[8] >> 6, 2);
	build(); /* always the same, but not for others */
	assert_memory_equal(find(1, 0) + 8, uuid, 16);
	request.name = "wec";
	build();
	assert_memory_not_equal(find(1, 0) + 8, uuid, 8);
	assert_memory_not_equal(find(1, 0) + 16, uuid + 8, 8);
}

static void test_processor(void **state)
{
	const u8 *processor;

	(void)state;
	build();
	processor = find(4, 0);
	assert_int_equal(processor[1], 0x2a);
	assert_int_equal(processor[5], 3);
	assert_int_equal(processor[0x18], 0x41);
	assert_int_equal(get(processor + 0x1a, 4), 0xffffffff);
	assert_int_equal(processor[0x23], 4);
	assert_int_equal(processor[0x24], 4);
	assert_int_equal(processor[0x25], 4);
	request.vcpus = 300;
	build();
	assert_int_equal(find(4, 0)[0x23], 255);
	assert_non_null(find(3, 0));
	assert_int_equal(find(3, 0)[1], 0x15);
	assert_int_equal(find(32, 0)[1], 11);
	assert_int_equal(find(32, 0)[10], 0);
}

static void test_memory(void **state)
{
	const u8 *array, *device, *range;

	(void)state;
	build();
	array = find(16, 0);
	assert_int_equal(get(array + 7, 4), 8 * MIB); /* KiB */
	assert_int_equal(get(array + 0x0d, 2), 1);
	device = find(17, 0);
	assert_int_equal(get(device + 4, 2), get(array + 2, 2));
	assert_int_equal(get(device + 0x0c, 2), 8192); /* MiB */
	assert_int_equal(get(device + 0x1c, 4), 0);
	range = find(19, 0);
	assert_int_equal(get(range + 4, 4), 0);
	assert_int_equal(get(range + 8, 4), 3 * MIB - 1);
	assert_int_equal(get(range + 12, 2), get(array + 2, 2));
	range = find(19, 1);
	assert_int_equal(get(range + 4, 4), 4 * MIB);
	assert_int_equal(get(range + 8, 4), 9 * MIB - 1);
	request.high_bytes = 0;
	build();
	assert_null(find(19, 1));
	request.low_bytes = 3 * GIB;
	request.high_bytes = 4096 * GIB - 3 * GIB;
	build();
	assert_int_equal(get(find(16, 0) + 7, 4), 0x80000000);
	assert_int_equal(get(find(16, 0) + 0x0f, 8), 4096 * GIB);
	assert_int_equal(get(find(17, 0) + 0x0c, 2), 0x7fff);
	assert_int_equal(get(find(17, 0) + 0x1c, 4), 4096 * 1024);
}

static void test_no_room(void **state)
{
	struct smbios_tables tables;
	u8 area[1024];
	u64 needed;

	(void)state;
	assert_int_equal(smbios_tables(&request, area, sizeof(area), &tables), 0);
	needed = tables.bytes;
	for (u64 room = 0; room < needed; room++) {
		u8 *exact = malloc(room ? room : 1); /* whose end the sanitizer guards */

		assert_int_equal(smbios_tables(&request, exact, room, &tables), -ENOSPC);
		free(exact);
	}
	memory.low_bytes = MIB - 1;
	assert_int_equal(smbios_build(&request, &memory), -ENOSPC);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_entry_point), TEST(test_system),  TEST(test_processor),
		TEST(test_memory),	TEST(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
