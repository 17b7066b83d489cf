/* SPDX-License-Identifier: MIT */
/* Channels: peers and their numbers, doorbells, and when the memory comes and goes. */
/* links: vmm/format.c */
#include "cmocka_all.h"
#include "fake_pages.h"

#include <bulkhead/arch.h>
#include <bulkhead/channel.h>
#include <bulkhead/error.h>

#define PHYSICAL 0x40000000UL

static u32 guest_blocks;
static unsigned guest_order;
static bool no_guest_memory;
static u32 arrivals[CHANNEL_PEERS + 1];

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
	if (no_guest_memory)
		return PAGE_NONE;
	guest_order = order;
	return PHYSICAL + GIB * guest_blocks++;
}

void memory_guest_free(u64 physical, unsigned order)
{
	assert_true(physical >= PHYSICAL);
	assert_int_equal(order, guest_order);
	guest_blocks--;
}

static void arrived(void *context)
{
	(*(u32 *)context)++;
}

static struct channel_port *join(const char *name, u64 bytes, u32 who, int error, bool made)
{
	const struct channel_setup setup = {name, bytes, arrived, &arrivals[who]};
	struct channel_port *port = NULL;
	bool fresh;

	assert_int_equal(channel_join(&setup, &port, &fresh), error);
	if (!error)
		assert_int_equal(fresh, made);
	return port;
}

static int setup(void **state)
{
	(void)state;
	guest_blocks = 0;
	no_guest_memory = false;
	memset(arrivals, 0, sizeof(arrivals));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(fake_pages_out, 0);
	assert_int_equal(guest_blocks, 0);
	return 0;
}

static u32 peer(struct channel_port *port)
{
	return channel_port_ops.peer(port);
}

static void ring(struct channel_port *port, u32 to, u32 vector)
{
	channel_port_ops.ring(port, to, vector);
}

static void test_one_memory(void **state)
{
	struct channel_port *a = join("ring", MIB, 0, 0, true), *b = join("ring", MIB, 1, 0, false);
	struct channel_port *other = join("other", MIB, 2, 0, true);

	(void)state;
	assert_int_equal(guest_order, 8);
	assert_int_equal(channel_physical(a), channel_physical(b));
	assert_int_not_equal(channel_physical(a), channel_physical(other));
	assert_int_equal(channel_bytes(b), MIB);
	assert_string_equal(channel_name(b), "ring");
	assert_true(channel_same(a, b));
	assert_false(channel_same(a, other));
	assert_false(channel_same(a, NULL));
	assert_false(channel_same(NULL, NULL));
	/* It is there until the last one has left; then it is another one. */
	channel_leave(a);
	assert_int_equal(guest_blocks, 2);
	a = join("ring", MIB, 0, 0, false);
	assert_int_equal(peer(a), 0);
	channel_leave(b);
	channel_leave(a);
	assert_int_equal(guest_blocks, 1);
	channel_leave(other);
	channel_leave(NULL);
	a = join("ring", MIB, 0, 0, true);
	channel_leave(a);
}

static void test_refused(void **state)
{
	struct channel_port *ports[CHANNEL_PEERS];

	(void)state;
	for (u32 i = 0; i < CHANNEL_PEERS; i++) {
		ports[i] = join("ring", PAGE_SIZE, i, 0, !i);
		assert_int_equal(peer(ports[i]), i);
	}
	(void)join("ring", PAGE_SIZE, CHANNEL_PEERS, -ENOSPC, false);
	(void)join("ring", 2 * PAGE_SIZE, CHANNEL_PEERS, -EINVAL, false);
	fake_pages_left = 0;
	(void)join("more", PAGE_SIZE, CHANNEL_PEERS, -ENOMEM, false);
	fake_pages_left = FAKE_UNLIMITED;
	no_guest_memory = true;
	(void)join("more", PAGE_SIZE, CHANNEL_PEERS, -ENOMEM, false);
	/* The numbers of others stay when one leaves, and the gap is filled. */
	channel_leave(ports[3]);
	assert_int_equal(peer(ports[4]), 4);
	ports[3] = join("ring", PAGE_SIZE, 3, 0, false);
	assert_int_equal(peer(ports[3]), 3);
	for (u32 i = 0; i < CHANNEL_PEERS; i++)
		channel_leave(ports[i]);
}

static void test_doorbells(void **state)
{
	struct channel_port *a = join("ring", MIB, 0, 0, true), *b = join("ring", MIB, 1, 0, false);

	(void)state;
	/* Nobody is there who could be asked. */
	ring(a, 1, 0);
	assert_int_equal(arrivals[1], 0);
	channel_port_ops.open(a);
	channel_port_ops.open(b);
	assert_int_equal(channel_port_ops.take(b), 0);
	/* Who has yet to look is asked once. */
	ring(a, 1, 0);
	ring(a, 1, 3);
	ring(a, 1, 3);
	assert_int_equal(arrivals[1], 1);
	assert_int_equal(channel_port_ops.take(b), BIT(0) | BIT(3));
	assert_int_equal(channel_port_ops.take(b), 0);
	ring(a, 1, 1);
	assert_int_equal(arrivals[1], 2);
	/* Its own. */
	ring(a, 0, 2);
	assert_int_equal(arrivals[0], 1);
	assert_int_equal(channel_port_ops.take(a), BIT(2));
	/* None that exists. */
	ring(a, 2, 0);
	ring(a, CHANNEL_PEERS, 0);
	ring(a, 0xffff, 0);
	ring(a, 0, CHANNEL_VECTORS);
	ring(a, 0, 0xffff);
	assert_int_equal(arrivals[0], 1);
	/* One that starts anew has heard nothing, and one that has left is not asked. */
	channel_port_ops.open(b);
	assert_int_equal(channel_port_ops.take(b), 0);
	channel_leave(b);
	ring(a, 1, 0);
	assert_int_equal(arrivals[1], 2);
	channel_leave(a);
}

#define CHANNEL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHANNEL_TEST(test_one_memory),
		CHANNEL_TEST(test_refused),
		CHANNEL_TEST(test_doorbells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
