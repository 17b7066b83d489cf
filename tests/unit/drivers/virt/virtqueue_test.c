/* SPDX-License-Identifier: MIT */
/* Split virtqueues (virtio 1.2, 2.7), with drivers that do as they should and others that do not.
 */
/* links: drivers/virt/virtio_device.c vmm/format.c */
#include "cmocka_all.h"

#include "fake_driver.h"

#define SIZE	 8
#define BUFFER	 DRIVER_BUFFERS
#define TABLE	 (DRIVER_BUFFERS + 0x8000)
#define ANYTHING (VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX)

static struct fake_host fake;
static struct fake_driver driver;
static struct virtio_device device;
static struct virtio_chain chain;
static unsigned served, popped, refill;
static bool echo; /* take all that there is and give it back at once */

static void device_ready(struct virtio_device *self, u16 queue)
{
	assert_ptr_equal(self, &device);
	served++;
	while (echo && virtqueue_pop(&self->queue[queue], &chain)) {
		popped++;
		virtqueue_push(&self->queue[queue], chain.head, (u32)chain.writable_bytes);
		if (refill) {
			refill--;
			driver_offer(&driver, queue, chain.head);
		}
	}
}

static const struct virtio_device_ops ops = {
	.name = "virtio test",
	.queues = 2,
	.queue_size = {SIZE, SIZE},
	.queue_ready = device_ready,
};

static int start(u64 features)
{
	fake_init(&fake);
	driver_init(&driver);
	virtio_device_init(&device, &ops, &fake.host, &driver.memory, 0, NULL, 0);
	driver_start(&driver, &device, features);
	served = popped = refill = 0;
	echo = false;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return start(ANYTHING);
}

static int setup_plain(void **state)
{
	(void)state;
	return start(0);
}

static int teardown(void **state)
{
	(void)state;
	driver_free(&driver);
	return 0;
}

/* One chain, as queue_ready would take it. */
static bool pop(void)
{
	device.queue[0].budget = 1;
	return virtqueue_pop(&device.queue[0], &chain);
}

static void describe(u16 at, u64 gpa, u32 bytes, u16 flags, u16 next)
{
	driver_describe(&driver, 0, at, gpa, bytes, flags, next);
}

static void assert_broken(const char *why)
{
	assert_true(device.status & VIRTIO_NEEDS_RESET);
	assert_int_equal(fake.reports, 1);
	assert_non_null(strstr(fake.reported, why));
	assert_int_equal(driver.config_interrupts, 1);
	assert_false(pop());
	virtio_serve(&device, 0);
	assert_int_equal(fake.reports, 1);
}

static void assert_refused(const char *why)
{
	driver_offer(&driver, 0, 0);
	assert_false(pop());
	assert_broken(why);
}

static void test_pieces(void **state)
{
	char text[8] = "";

	(void)state;
	assert_false(pop());
	describe(3, BUFFER, 4, DRIVER_NEXT, 5);
	describe(5, BUFFER + 0x1000, 0, DRIVER_NEXT, 1); /* empty: says nothing */
	describe(1, BUFFER + 0x2000, 2, DRIVER_NEXT, 7);
	describe(7, BUFFER + 0x3000, 3, DRIVER_NEXT | DRIVER_WRITE, 2);
	describe(2, BUFFER + 0x4000, 5, DRIVER_WRITE, 0xffff);
	memcpy(driver.ram + BUFFER, "abcd", 4);
	memcpy(driver.ram + BUFFER + 0x2000, "ef", 2);
	driver_offer(&driver, 0, 3);
	assert_true(pop());
	assert_int_equal(chain.head, 3);
	assert_int_equal(chain.readable, 2);
	assert_int_equal(chain.pieces, 4);
	assert_int_equal(chain.readable_bytes, 6);
	assert_int_equal(chain.writable_bytes, 8);
	assert_ptr_equal(chain.piece[2].at, driver.ram + BUFFER + 0x3000);
	assert_int_equal(chain.piece[3].gpa, BUFFER + 0x4000);
	assert_int_equal(virtio_chain_read(&chain, 0, text, sizeof(text)), 6);
	assert_string_equal(text, "abcdef");
	memset(text, 0, sizeof(text));
	assert_int_equal(virtio_chain_read(&chain, 3, text, 2), 2);
	assert_string_equal(text, "de");
	assert_int_equal(virtio_chain_read(&chain, 6, text, 1), 0);
	assert_int_equal(virtio_chain_write(&chain, 1, "12345678", 8), 7);
	assert_memory_equal(driver.ram + BUFFER + 0x3000,
			    "\0"
			    "12",
			    4);
	assert_memory_equal(driver.ram + BUFFER + 0x4000, "34567", 6);
	assert_false(pop());
	virtqueue_push(&device.queue[0], chain.head, 7);
	assert_int_equal(driver_take(&driver, 0, NULL), 7);
	assert_int_equal(fake.reports, 0);
}

static void test_indirect(void **state)
{
	struct driver_descriptor table[] = {{BUFFER, 16, DRIVER_NEXT, 2},
					    {BUFFER + 64, 8, DRIVER_WRITE, 0},
					    {BUFFER + 32, 4, DRIVER_NEXT, 1}};

	(void)state;
	memcpy(driver.ram + TABLE + 1, table, sizeof(table)); /* no alignment is asked for */
	describe(0, BUFFER + 128, 2, DRIVER_NEXT, 4);
	describe(4, TABLE + 1, sizeof(table), DRIVER_INDIRECT, 0);
	driver_offer(&driver, 0, 0);
	assert_true(pop());
	assert_int_equal(chain.readable, 3);
	assert_int_equal(chain.pieces, 4);
	assert_int_equal(chain.readable_bytes, 22);
	assert_int_equal(chain.piece[3].gpa, BUFFER + 64);
}

static void test_as_long_as_the_queue(void **state)
{
	(void)state;
	for (u16 i = 0; i < SIZE; i++)
		describe(i, BUFFER + i, 1, i < SIZE - 1 ? DRIVER_NEXT : 0, (u16)(i + 1));
	driver_offer(&driver, 0, 0);
	assert_true(pop());
	assert_int_equal(chain.pieces, SIZE);
}

static void test_loop(void **state)
{
	(void)state;
	describe(0, BUFFER, 1, DRIVER_NEXT, 1);
	describe(1, BUFFER, 1, DRIVER_NEXT, 0);
	assert_refused("a chain longer than the queue");
}

static void test_loop_of_empty_buffers(void **state)
{
	(void)state;
	describe(0, BUFFER, 0, DRIVER_NEXT, 0);
	assert_refused("a chain longer than the queue");
}

static void test_head_outside(void **state)
{
	(void)state;
	driver_offer(&driver, 0, SIZE);
	assert_false(pop());
	assert_broken("a descriptor outside its table");
}

static void test_next_outside(void **state)
{
	(void)state;
	describe(0, BUFFER, 1, DRIVER_NEXT, SIZE);
	assert_refused("a descriptor outside its table");
}

static void test_no_ram(void **state)
{
	(void)state;
	describe(0, DRIVER_RAM - 1, 2, 0, 0);
	assert_refused("a buffer that is not in RAM");
}

static void test_address_wraps(void **state)
{
	(void)state;
	describe(0, ~0UL, 2, 0, 0);
	assert_refused("a buffer that is not in RAM");
}

static void test_read_behind_write(void **state)
{
	(void)state;
	describe(0, BUFFER, 1, DRIVER_NEXT | DRIVER_WRITE, 1);
	describe(1, BUFFER, 1, 0, 0);
	assert_refused("a buffer to read behind one to write");
}

static void indirect(u64 gpa, u32 bytes, u16 flags)
{
	describe(0, gpa, bytes, DRIVER_INDIRECT | flags, 1);
}

static void test_indirect_length(void **state)
{
	(void)state;
	indirect(TABLE, 24, 0);
	assert_refused("an indirect table of a wrong length");
}

static void test_indirect_empty(void **state)
{
	(void)state;
	indirect(TABLE, 0, 0);
	assert_refused("an indirect table of a wrong length");
}

static void test_indirect_and_next(void **state)
{
	(void)state;
	indirect(TABLE, 16, DRIVER_NEXT);
	assert_refused("an indirect descriptor where none may be");
}

static void test_indirect_in_indirect(void **state)
{
	struct driver_descriptor inner = {TABLE, 16, DRIVER_INDIRECT, 0};

	(void)state;
	memcpy(driver.ram + TABLE, &inner, sizeof(inner));
	indirect(TABLE, 16, 0);
	assert_refused("an indirect descriptor where none may be");
}

static void test_indirect_outside(void **state)
{
	(void)state;
	indirect(DRIVER_RAM, 16, 0);
	assert_refused("a descriptor table that is not in RAM");
}

static void test_indirect_not_agreed(void **state)
{
	(void)state;
	indirect(TABLE, 16, 0);
	assert_refused("an indirect descriptor, which was not agreed on");
}

static void test_too_many(void **state)
{
	(void)state;
	driver_available(&driver, 0)->index = SIZE + 1;
	assert_false(pop());
	assert_broken("more buffers than the queue has descriptors");
}

/* The same heads again and again, while none came back. */
static void test_more_than_came_back(void **state)
{
	(void)state;
	describe(0, BUFFER, 1, 0, 0);
	for (unsigned i = 0; i < SIZE; i++) {
		driver_offer(&driver, 0, 0);
		assert_true(pop());
	}
	assert_refused("more buffers than the queue has descriptors");
}

/* The driver's index goes back behind what was taken already. */
static void test_index_goes_back(void **state)
{
	(void)state;
	describe(0, BUFFER, 1, 0, 0);
	for (unsigned i = 0; i < SIZE; i++) {
		driver_offer(&driver, 0, 0);
		assert_true(pop());
	}
	driver_available(&driver, 0)->index--;
	assert_false(pop());
	assert_broken("more buffers than the queue has descriptors");
}

static void test_reset_mends(void **state)
{
	(void)state;
	describe(0, ~0UL, 2, 0, 0);
	assert_refused("a buffer that is not in RAM");
	driver_start(&driver, &device, ANYTHING);
	assert_false(device.status & VIRTIO_NEEDS_RESET);
	describe(0, BUFFER, 2, 0, 0);
	driver_offer(&driver, 0, 0);
	assert_true(pop());
	describe(0, ~0UL, 2, 0, 0);
	driver_offer(&driver, 0, 0);
	assert_false(pop()); /* broken again, and the operator knows */
	assert_true(device.status & VIRTIO_NEEDS_RESET);
	assert_int_equal(fake.reports, 1);
}

static void queue_place(u64 descriptors, u64 available, u64 used, u16 size)
{
	struct virtqueue *queue = &device.queue[1];

	queue->ready = false;
	queue->descriptors = descriptors;
	queue->available = available;
	queue->used = used;
	queue->size = size;
	virtqueue_enable(queue);
}

static void test_placement(void **state)
{
	static const struct {
		u64 descriptors, available, used;
		u16 size;
		const char *why;
	} bad[] = {
		{BUFFER + 8, BUFFER + 0x1000, BUFFER + 0x2000, 8, "not aligned"},
		{BUFFER, BUFFER + 0x1001, BUFFER + 0x2000, 8, "not aligned"},
		{BUFFER, BUFFER + 0x1000, BUFFER + 0x2002, 8, "not aligned"},
		{BUFFER, BUFFER + 0x1000, BUFFER + 0x2000, 0, "size"},
		{BUFFER, BUFFER + 0x1000, BUFFER + 0x2000, 6, "size"},
		{BUFFER, BUFFER + 0x1000, BUFFER + 0x2000, 16, "size"},
		{DRIVER_RAM - 112, BUFFER + 0x1000, BUFFER + 0x2000, 8, "not in RAM"},
		{BUFFER, DRIVER_RAM - 20, BUFFER + 0x2000, 8, "not in RAM"},
		{BUFFER, BUFFER + 0x1000, DRIVER_RAM - 68, 8, "not in RAM"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		teardown(state);
		start(0);
		queue_place(bad[i].descriptors, bad[i].available, bad[i].used, bad[i].size);
		assert_false(device.queue[1].ready);
		assert_broken(bad[i].why);
	}
	teardown(state);
	start(0);
	queue_place(DRIVER_RAM - 128, BUFFER, BUFFER + 0x1000, 8);
	queue_place(BUFFER, DRIVER_RAM - 22, BUFFER + 0x1000, 8);
	queue_place(BUFFER, BUFFER + 0x1000, DRIVER_RAM - 72, 8);
	queue_place(BUFFER, BUFFER + 0x1000, BUFFER + 0x2000, 1);
	assert_int_equal(device.status & VIRTIO_NEEDS_RESET, 0);
	assert_true(device.queue[1].ready);
}

/* RAM that a balloon took, say. */
static void test_ring_vanishes(void **state)
{
	(void)state;
	driver.memory.low_bytes = DRIVER_RING(0) + 0x1000;
	assert_false(pop());
	assert_broken("a ring is not in RAM any more");
}

static void test_indices_wrap(void **state)
{
	(void)state;
	echo = true;
	for (u16 i = 0; i < SIZE; i++)
		describe(i, BUFFER, i, DRIVER_WRITE, 0);
	for (unsigned i = 0; i < 70000; i++) {
		u16 head;

		driver_offer(&driver, 0, (u16)(i % SIZE));
		*driver_used_event(&driver, 0) = (u16)i;
		virtio_serve(&device, 0);
		assert_int_equal(driver_take(&driver, 0, &head), i % SIZE);
		assert_int_equal(head, i % SIZE);
		assert_int_equal(driver.interrupts[0], i + 1);
		assert_int_equal(*driver_available_event(&driver, 0), (u16)(i + 1));
	}
	assert_int_equal(fake.reports, 0);
}

static void test_event_index(void **state)
{
	(void)state;
	echo = true;
	describe(0, BUFFER, 1, DRIVER_WRITE, 0);
	*driver_used_event(&driver, 0) = 2; /* when the third came back */
	for (unsigned i = 0; i < 5; i++) {
		driver_offer(&driver, 0, 0);
		virtio_serve(&device, 0);
		assert_int_equal(driver.interrupts[0], i >= 2);
	}
	*driver_used_event(&driver, 0) = 6;
	for (unsigned i = 0; i < 4; i++)
		driver_offer(&driver, 0, 0);
	virtio_serve(&device, 0); /* passes it in the middle */
	assert_int_equal(driver.interrupts[0], 2);
	virtio_serve(&device, 0);
	assert_int_equal(driver.interrupts[0], 2);
}

static void test_no_event_index(void **state)
{
	(void)state;
	echo = true;
	describe(0, BUFFER, 1, DRIVER_WRITE, 0);
	driver_offer(&driver, 0, 0);
	virtio_serve(&device, 0);
	assert_int_equal(driver.interrupts[0], 1);
	driver_available(&driver, 0)->flags = 1;
	driver_offer(&driver, 0, 0);
	virtio_serve(&device, 0);
	assert_int_equal(driver.interrupts[0], 1);
	assert_int_equal(driver_used(&driver, 0)->flags, 0);
	assert_int_equal(driver_used(&driver, 0)->index, 2);
	assert_int_equal(*driver_available_event(&driver, 0), 0);
}

/* Another vCPU that adds as fast as buffers come back does not keep this one. */
static void test_endless_supply(void **state)
{
	(void)state;
	echo = true;
	refill = 1000;
	describe(0, BUFFER, 1, DRIVER_WRITE, 0);
	driver_offer(&driver, 0, 0);
	virtio_serve(&device, 0);
	assert_int_equal(popped, SIZE);
	assert_int_equal(driver.interrupts[0], 1);
	for (unsigned i = 0; i < 200; i++)
		fake_run(&fake, 1);
	assert_int_equal(popped, 1001);
	assert_null(fake.timers);
	assert_false(virtqueue_pop(&device.queue[0], &chain)); /* outside queue_ready */
}

static void test_push_without_pop(void **state)
{
	(void)state;
	virtqueue_push(&device.queue[0], 0, 1);
	assert_int_equal(driver_used(&driver, 0)->index, 0);
}

#define QUEUE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define PLAIN_TEST(f) cmocka_unit_test_setup_teardown(f, setup_plain, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		QUEUE_TEST(test_pieces),
		QUEUE_TEST(test_indirect),
		QUEUE_TEST(test_as_long_as_the_queue),
		QUEUE_TEST(test_loop),
		QUEUE_TEST(test_loop_of_empty_buffers),
		QUEUE_TEST(test_head_outside),
		QUEUE_TEST(test_next_outside),
		QUEUE_TEST(test_no_ram),
		QUEUE_TEST(test_address_wraps),
		QUEUE_TEST(test_read_behind_write),
		QUEUE_TEST(test_indirect_length),
		QUEUE_TEST(test_indirect_empty),
		QUEUE_TEST(test_indirect_and_next),
		QUEUE_TEST(test_indirect_in_indirect),
		QUEUE_TEST(test_indirect_outside),
		PLAIN_TEST(test_indirect_not_agreed),
		QUEUE_TEST(test_too_many),
		QUEUE_TEST(test_more_than_came_back),
		QUEUE_TEST(test_index_goes_back),
		QUEUE_TEST(test_reset_mends),
		QUEUE_TEST(test_placement),
		QUEUE_TEST(test_ring_vanishes),
		QUEUE_TEST(test_indices_wrap),
		QUEUE_TEST(test_event_index),
		PLAIN_TEST(test_no_event_index),
		QUEUE_TEST(test_endless_supply),
		QUEUE_TEST(test_push_without_pop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
