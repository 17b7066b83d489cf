/* SPDX-License-Identifier: MIT */
/* Small objects: several to a page, none on another, and pages that go back. */
/* links: vmm/heap.c */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include <bulkhead/error.h>
#include <bulkhead/heap.h>

#define OBJECTS 64

static struct heap heap;
static unsigned pages_out, pages_left;

static void *page_alloc(struct heap *of)
{
	void *page;

	assert_ptr_equal(of, &heap);
	if (!pages_left || posix_memalign(&page, PAGE_SIZE, PAGE_SIZE))
		return NULL;
	pages_left--;
	pages_out++;
	return memset(page, 0xa5, PAGE_SIZE);
}

static void page_free(struct heap *of, void *page)
{
	assert_ptr_equal(of, &heap);
	pages_out--;
	pages_left++;
	free(page);
}

static int begin(void **state)
{
	(void)state;
	heap = (struct heap){.page_alloc = page_alloc, .page_free = page_free};
	pages_out = 0;
	pages_left = 1000;
	return 0;
}

static u8 *take(u64 bytes)
{
	u8 *object = heap_alloc(&heap, bytes);

	assert_non_null(object);
	assert_int_equal((u64)object % HEAP_UNIT, 0);
	return object;
}

static void give(void *object, u64 bytes)
{
	assert_int_equal(heap_free(&heap, object, bytes), 0);
}

static void objects_share_a_page(void **state)
{
	u8 *large, *small, *tiny;

	(void)state;
	large = take(HEAP_BYTES_MAX - 3 * HEAP_UNIT);
	small = take(HEAP_UNIT + 1);
	tiny = take(1);
	assert_int_equal(pages_out, 1);
	memset(large, 1, HEAP_BYTES_MAX - 3 * HEAP_UNIT);
	memset(small, 2, HEAP_UNIT + 1);
	memset(tiny, 3, 1);
	assert_int_equal(large[HEAP_BYTES_MAX - 3 * HEAP_UNIT - 1], 1);
	assert_int_equal(small[HEAP_UNIT], 2);
	take(1);
	assert_int_equal(pages_out, 2); /* no unit was left */
	give(small, HEAP_UNIT + 1);
	assert_ptr_equal(take(2 * HEAP_UNIT), small);
	assert_int_equal(pages_out, 2);
}

static void the_largest_object_fills_a_page(void **state)
{
	u8 *first, *second;

	(void)state;
	first = take(HEAP_BYTES_MAX);
	second = take(HEAP_BYTES_MAX);
	assert_int_equal(pages_out, 2);
	memset(first, 1, HEAP_BYTES_MAX);
	memset(second, 2, HEAP_BYTES_MAX);
	give(first, HEAP_BYTES_MAX);
	assert_int_equal(pages_out, 1);
	assert_int_equal(second[HEAP_BYTES_MAX - 1], 2);
	give(second, HEAP_BYTES_MAX);
	assert_int_equal(pages_out, 0);
	assert_null(heap.first);
}

static void sizes_have_limits_and_memory_an_end(void **state)
{
	(void)state;
	assert_null(heap_alloc(&heap, 0));
	assert_null(heap_alloc(&heap, HEAP_BYTES_MAX + 1));
	assert_int_equal(pages_out, 0);
	pages_left = 0;
	assert_null(heap_alloc(&heap, 1));
	pages_left = 1;
	take(HEAP_BYTES_MAX);
	assert_null(heap_alloc(&heap, 1));
}

static void what_was_not_taken_is_refused(void **state)
{
	u8 *object, *other;
	u8 stray[2 * HEAP_UNIT] aligned(HEAP_UNIT);

	(void)state;
	object = take(3 * HEAP_UNIT);
	other = take(1);
	assert_int_equal(heap_free(&heap, object + 1, 1), -EINVAL);
	assert_int_equal(heap_free(&heap, object, 0), -EINVAL);
	assert_int_equal(heap_free(&heap, object, 5 * HEAP_UNIT), -EINVAL);
	assert_int_equal(heap_free(&heap, object, PAGE_SIZE), -EINVAL);
	assert_int_equal(heap_free(&heap, stray, 1), -EINVAL);
	assert_int_equal(heap_free(&heap, object - HEAP_UNIT, 1), -EINVAL); /* the head */
	give(object, 3 * HEAP_UNIT);
	assert_int_equal(heap_free(&heap, object, 3 * HEAP_UNIT), -EINVAL);
	give(other, 1);
	assert_int_equal(pages_out, 0);
}

/* Whatever is taken and given: nobody's bytes change, and all pages go back. */
static void random_use_keeps_objects_apart(void **state)
{
	struct {
		u8 *at;
		u64 bytes;
	} objects[OBJECTS] = {0};

	(void)state;
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned which = (unsigned)rand() % OBJECTS;

		for (u64 j = 0; j < objects[which].bytes; j++)
			assert_int_equal(objects[which].at[j], which);
		if (objects[which].bytes)
			give(objects[which].at, objects[which].bytes);
		objects[which].bytes = (u64)rand() % (i % 7 ? 500 : HEAP_BYTES_MAX);
		if (!objects[which].bytes)
			continue;
		objects[which].at = take(objects[which].bytes);
		memset(objects[which].at, (int)which, objects[which].bytes);
	}
	for (unsigned i = 0; i < OBJECTS; i++)
		if (objects[i].bytes)
			give(objects[i].at, objects[i].bytes);
	assert_int_equal(pages_out, 0);
}

static int end(void **state)
{
	(void)state;
	while (heap.first) {
		void *page = heap.first;

		heap.first = *(struct heap_page **)page; /* what links them is at the start */
		free(page);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(objects_share_a_page, begin, end),
		cmocka_unit_test_setup_teardown(the_largest_object_fills_a_page, begin, end),
		cmocka_unit_test_setup_teardown(sizes_have_limits_and_memory_an_end, begin, end),
		cmocka_unit_test_setup_teardown(what_was_not_taken_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(random_use_keeps_objects_apart, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
