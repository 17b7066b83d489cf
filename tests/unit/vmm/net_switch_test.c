/* SPDX-License-Identifier: MIT */
/* A network: who gets which frames, and what one port can do to another. */
/* links: vmm/net_address.c vmm/net_ring.c vmm/net_segment.c vmm/format.c */
#include "fake_net.h"

#include "vmm/net_ring.h"

static const u8 broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const u8 group_address[6] = {1, 0, 0x5e, 0, 0, 1};
static const u8 elsewhere[6] = {2, 0, 0, 0, 1, 1}; /* nobody's own */

static struct station a, b, c;

static int setup(void **state)
{
	(void)state;
	fake_us = 1000 * SECOND;
	assert_int_equal(fake_pages_out, 0);
	fake_pages_left = 10000;
	station_plug(&a, "lan", 1);
	station_plug(&b, "lan", 2);
	station_plug(&c, "lan", 3);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	station_unplug(&a);
	station_unplug(&b);
	station_unplug(&c);
	assert_null(net_first());
	assert_int_equal(fake_pages_out, 0);
	return 0;
}

/* Who got a frame with `mark`, and nothing else. */
static void got(int mark, bool at_a, bool at_b, bool at_c)
{
	assert_int_equal(station_take(&a), at_a ? mark : -1);
	assert_int_equal(station_take(&b), at_b ? mark : -1);
	assert_int_equal(station_take(&c), at_c ? mark : -1);
	if (at_a)
		assert_int_equal(station_take(&a), -1);
	if (at_b)
		assert_int_equal(station_take(&b), -1);
	if (at_c)
		assert_int_equal(station_take(&c), -1);
}

static void test_to_one(void **state)
{
	struct net_port_view view;

	(void)state;
	assert_int_equal(station_send(&a, b.mac, 7), 60);
	got(7, false, true, false);
	station_send(&a, a.mac, 8); /* no frame comes back */
	got(8, false, false, false);
	net_port_look(a.port, &view);
	assert_int_equal(view.sent_frames, 2);
	assert_int_equal(view.sent_bytes, 120);
	assert_int_equal(view.received_frames, 0);
	net_port_look(b.port, &view);
	assert_int_equal(view.received_frames, 1);
	assert_int_equal(view.received_bytes, 60);
}

static void test_to_all(void **state)
{
	(void)state;
	station_send(&a, broadcast, 1);
	got(1, false, true, true);
	station_send(&b, group_address, 2);
	got(2, true, false, true);
	station_send(&c, elsewhere, 3);
	got(3, true, true, false);
}

static void test_learns(void **state)
{
	struct net_address_view view[NET_LEARNED];

	(void)state;
	station_send_as(&b, elsewhere, a.mac, 60, 1);
	got(1, true, false, false);
	fake_us += 5;
	station_send(&a, elsewhere, 2);
	got(2, false, true, false);
	assert_int_equal(net_port_addresses(b.port, view), 1);
	assert_memory_equal(view[0].mac, elsewhere, 6);
	assert_int_equal(view[0].age_us, 5);
	station_send_as(&c, elsewhere, a.mac, 60, 3); /* it has moved */
	got(3, true, false, false);
	station_send(&a, elsewhere, 4);
	got(4, false, false, true);
	assert_int_equal(net_port_addresses(b.port, view), 0);
	assert_int_equal(net_port_addresses(c.port, view), 1);
}

static void test_forgets(void **state)
{
	struct net_address_view view[NET_LEARNED];

	(void)state;
	station_send_as(&b, elsewhere, a.mac, 60, 1);
	got(1, true, false, false);
	fake_us += 299 * SECOND;
	station_send(&a, elsewhere, 2);
	got(2, false, true, false);
	fake_us += SECOND; /* being sent to is not being seen */
	station_send(&a, elsewhere, 3);
	got(3, false, true, true);
	assert_int_equal(net_port_addresses(b.port, view), 0);
	fake_us += 10000 * SECOND;
	station_send(&a, b.mac, 4); /* its own is its own for ever */
	got(4, false, true, false);
}

/* One that makes up addresses crowds out its own only. */
static void test_many_addresses(void **state)
{
	u8 made_up[6] = {2, 9, 9, 9, 0, 0};
	struct net_address_view view[NET_LEARNED];

	(void)state;
	station_send_as(&b, elsewhere, a.mac, 60, 1);
	got(1, true, false, false);
	for (u32 i = 0; i < 5000; i++) {
		fake_us++;
		made_up[4] = (u8)(i >> 8);
		made_up[5] = (u8)i;
		station_send_as(&c, made_up, a.mac, 60, 2);
		assert_int_equal(station_take(&a), 2);
	}
	assert_int_equal(net_port_addresses(c.port, view), NET_LEARNED);
	station_send(&a, elsewhere, 3);
	got(3, false, true, false);
	station_send(&a, made_up, 4); /* the last one is known, the first one is not */
	got(4, false, false, true);
	made_up[4] = made_up[5] = 0;
	station_send(&a, made_up, 5);
	got(5, false, true, true);
}

static void test_false_addresses(void **state)
{
	static const u8 none[6] = {0};
	static const u8 bridges[6] = {1, 0x80, 0xc2, 0, 0, 0x0e}; /* LLDP: for the next bridge */
	static const u8 beyond[6] = {1, 0x80, 0xc2, 0, 0, 0x10};

	(void)state;
	station_send_as(&a, b.mac, c.mac, 60, 1);
	station_send_as(&a, none, c.mac, 60, 2);
	station_send_as(&a, broadcast, c.mac, 60, 3);
	station_send(&a, bridges, 4);
	got(0, false, false, false);
	assert_int_equal(station_dropped(&a, NET_DROP_ADDRESS), 4);
	station_send(&c, b.mac, 5);
	got(5, false, true, false);
	station_send(&a, beyond, 6);
	got(6, false, true, true);
	assert_int_equal(station_dropped(&a, NET_DROP_ADDRESS), 4);
}

static void test_sizes(void **state)
{
	static u8 data[70000];
	const struct net_work cut = {.checksum = true, .cut = NET_CUT_TCP4};

	(void)state;
	memcpy(data, b.mac, 6);
	memcpy(data + 6, a.mac, 6);
	assert_int_equal(station_send_work(&a, data, 0, (struct net_work){0}), 0);
	assert_int_equal(station_send_work(&a, data, 13, (struct net_work){0}), 0);
	assert_int_equal(station_send_work(&a, data, 1519, (struct net_work){0}), 0);
	assert_int_equal(station_send_work(&a, data, 65554, cut), 0);
	assert_int_equal(station_dropped(&a, NET_DROP_SIZE), 4);
	assert_int_equal(station_send_work(&a, data, 14, (struct net_work){0}), 14);
	assert_int_equal(station_send_work(&a, data, 1518, (struct net_work){0}), 1518);
	assert_int_equal(station_dropped(&a, NET_DROP_SIZE), 4);
	assert_int_equal(station_send_work(&a, data, 1518, cut), 0); /* it is no TCP */
	assert_int_equal(station_dropped(&a, NET_DROP_WORK), 1);
}

/* As many as the ring holds come, the others are dropped; then it goes on. */
static void test_full(void **state)
{
	unsigned sent = 0, taken = 0;

	(void)state;
	while (!station_dropped(&b, NET_DROP_FULL)) {
		station_send_as(&a, a.mac, b.mac, 1000, (u8)sent++);
		assert_true(sent < 2 * NET_RING_BYTES / 1000);
	}
	assert_true(sent > NET_RING_BYTES / 1100);
	station_send(&a, c.mac, 9); /* it is nobody else's trouble */
	assert_int_equal(station_take(&c), 9);
	while (station_take(&b) == (u8)taken)
		taken++;
	assert_int_equal(taken, sent - 1);
	assert_int_equal(b.asked, 1);
	for (unsigned i = 0; i < 10000; i++) { /* many times around */
		station_send_as(&a, a.mac, b.mac, 20 + (i * 37) % 1499, (u8)i);
		station_send_as(&c, c.mac, b.mac, 20 + (i * 91) % 1499, (u8)(i + 1));
		assert_int_equal(station_take(&b), (u8)i);
		assert_int_equal(station_take(&b), (u8)(i + 1));
	}
	assert_int_equal(station_dropped(&b, NET_DROP_FULL), 1);
}

/* It is told once until it looks; one that stalls is not told at all. */
static void test_asks_once(void **state)
{
	struct net_arrival arrival;

	(void)state;
	station_send(&a, b.mac, 1);
	station_send(&a, b.mac, 2);
	assert_int_equal(b.asked, 1);
	assert_true(net_port_cable.next(b.port, &arrival));
	station_send(&a, b.mac, 3);
	assert_int_equal(b.asked, 2);
	net_port_cable.stall(b.port);
	station_send(&a, b.mac, 4);
	assert_int_equal(b.asked, 2);
	for (int mark = 1; mark <= 4; mark++)
		assert_int_equal(station_take(&b), mark);
	assert_int_equal(station_take(&b), -1);
	station_send(&a, b.mac, 5);
	assert_int_equal(b.asked, 3);
	assert_int_equal(c.asked, 0);
	assert_int_equal(a.asked, 0);
}

static void test_closed(void **state)
{
	(void)state;
	station_send(&a, b.mac, 1);
	net_port_cable.close(b.port);
	assert_int_equal(station_take(&b), -1); /* what came before is forgotten */
	station_send(&a, b.mac, 2);
	station_send(&a, broadcast, 3);
	got(3, false, false, true);
	assert_int_equal(station_dropped(&b, NET_DROP_CLOSED), 1);
	net_port_cable.open(b.port, ALL);
	station_send(&a, b.mac, 4);
	got(4, false, true, false);
}

/* Somebody is unplugged while others have frames of it, and frames for it. */
static void test_unplugged(void **state)
{
	struct station other;

	(void)state;
	station_plug(&other, "lan", 9);
	station_send_as(&other, elsewhere, a.mac, 60, 1);
	station_send(&a, other.mac, 2);
	station_unplug(&other);
	got(1, true, false, false);
	station_send(&a, elsewhere, 3); /* nobody has it now */
	got(3, false, true, true);
	station_plug(&other, "lan", 10);
	station_send(&a, broadcast, 4);
	assert_int_equal(station_take(&other), 4);
	assert_int_equal(station_take(&other), -1);
	got(4, false, true, true);
	station_unplug(&other);
}

static void test_networks_are_apart(void **state)
{
	struct station other, same;
	struct net *net;
	u32 at = 0;

	(void)state;
	station_plug(&other, "dmz", 2); /* b's address, but not b's network */
	station_plug(&same, "dmz", 1);
	station_send(&a, broadcast, 1);
	station_send(&a, b.mac, 2);
	assert_int_equal(station_take(&other), -1);
	station_send(&same, broadcast, 3);
	assert_int_equal(station_take(&other), 3);
	assert_int_equal(station_take(&c), 1);
	assert_int_equal(station_take(&c), -1);
	net = net_first();
	assert_string_equal(net_name(net), "lan");
	net = net_next(net);
	assert_string_equal(net_name(net), "dmz");
	assert_null(net_next(net));
	assert_ptr_equal(net_port_next(net, &at), other.port);
	assert_ptr_equal(net_port_next(net, &at), same.port);
	assert_null(net_port_next(net, &at));
	assert_ptr_equal(net_port_context(same.port), &same);
	assert_ptr_equal(net_port_net(same.port), net);
	station_unplug(&other);
	at = 0;
	assert_ptr_equal(net_port_next(net, &at), same.port);
	station_unplug(&same);
	assert_null(net_next(net_first()));
}

static void test_address_taken(void **state)
{
	struct station other;
	unsigned blocks = fake_pages_out;

	(void)state;
	assert_int_equal(station_try(&other, "lan", 2, 0), -EEXIST);
	assert_int_equal(fake_pages_out, blocks);
	station_send_as(&c, (const u8[]){2, 0, 0, 0, 0, 4}, a.mac, 60, 1);
	got(1, true, false, false);
	station_plug(&other, "lan", 4); /* what was learned does not count */
	station_send(&a, other.mac, 2);
	assert_int_equal(station_take(&other), 2);
	got(2, false, false, false);
	station_send_as(&c, other.mac, a.mac, 60, 3);
	assert_int_equal(station_dropped(&c, NET_DROP_ADDRESS), 1);
	station_unplug(&other);
}

static void test_no_memory(void **state)
{
	struct station other;
	unsigned blocks = fake_pages_out;
	int result = -ENOMEM;

	(void)state;
	for (unsigned left = 0; result == -ENOMEM; left++) {
		fake_pages_left = left;
		result = station_try(&other, "other", 9, 0);
		if (result)
			assert_int_equal(fake_pages_out, blocks);
		assert_true(left < 10);
	}
	assert_int_equal(result, 0);
	station_unplug(&other);
	assert_int_equal(fake_pages_out, blocks);
}

static void test_many_ports(void **state)
{
	static struct station many[NET_PORTS_MAX + 1];
	u32 count = 0, at = 0, seen = 0;
	int result = 0;

	(void)state;
	while (!result) {
		struct net_port_setup setup = {
			.network = "crowd",
			.mac = {2, 1, 0, 0, (u8)(count >> 8), (u8)count},
			.arrived = station_arrived,
			.context = &many[count],
		};

		result = net_port_create(&setup, &many[count].port);
		memcpy(many[count].mac, setup.mac, 6);
		if (!result)
			net_port_cable.open(many[count++].port, 0);
	}
	assert_int_equal(result, -ENOSPC);
	assert_int_equal(count, NET_PORTS_MAX);
	station_send(&many[511], broadcast, 5);
	for (u32 i = 0; i < 511; i++)
		assert_int_equal(station_take(&many[i]), 5);
	while (net_port_next(net_next(net_first()), &at))
		seen++;
	assert_int_equal(seen, NET_PORTS_MAX);
	for (u32 i = 0; i < count; i++)
		station_unplug(&many[i]);
}

/* 8 Mbit a second are a byte each microsecond. */
static void test_rate(void **state)
{
	struct station slow;
	u64 sent = 0, from;

	(void)state;
	assert_int_equal(station_try(&slow, "lan", 9, 8000000), 0);
	fake_us += 3600 * SECOND; /* nothing is saved up in an hour but the burst */
	from = fake_us;
	while (fake_us < from + SECOND) {
		u64 wait = net_port_cable.wait_us(slow.port);

		if (wait) {
			fake_us += wait;
			continue;
		}
		station_send_as(&slow, slow.mac, b.mac, 1000, 1);
		assert_int_equal(station_take(&b), 1);
		sent += 1000;
	}
	assert_in_range(sent, 1000000, 1000000 + 10000 + 3 * 1518);
	fake_us += 1;
	assert_int_equal(net_port_cable.wait_us(a.port), 0);
	station_unplug(&slow);
}

/* The slowest there is, asked all the time: 1000 bytes a second. */
static void test_slow_rate(void **state)
{
	struct station slow;
	u64 sent = 0, from;

	(void)state;
	assert_int_equal(station_try(&slow, "lan", 9, 8000), 0);
	while (!net_port_cable.wait_us(slow.port)) /* the burst */
		station_send_as(&slow, slow.mac, b.mac, 1500, 1);
	fake_us += net_port_cable.wait_us(slow.port);
	for (from = fake_us; fake_us < from + 30 * SECOND; fake_us += 7) {
		if (net_port_cable.wait_us(slow.port))
			continue;
		station_send_as(&slow, slow.mac, b.mac, 1500, 1);
		sent += 1500;
	}
	assert_in_range(sent, 30000 - 1500, 30000 + 1500);
	station_unplug(&slow);
}

/* --- work --- */

/* TCP over IPv4 with `data` bytes, to be cut into segments of 1000. */
static struct net_work tcp_make(u8 *frame, u32 data)
{
	const struct net_work work = {.checksum = true,
				      .cut = NET_CUT_TCP4,
				      .checksum_start = 34,
				      .checksum_offset = 16,
				      .segment_bytes = 1000};

	memset(frame, 0, 54);
	memcpy(frame, b.mac, 6);
	memcpy(frame + 6, a.mac, 6);
	frame[12] = 8;
	frame[14] = 0x45;
	frame[23] = 6;
	frame[46] = 0x50;
	for (u32 i = 0; i < data; i++)
		frame[54 + i] = (u8)(i * 3 + i / 255);
	return work;
}

static void test_whole_for_who_accepts(void **state)
{
	static u8 frame[65553];
	struct net_work work = tcp_make(frame, sizeof(frame) - 54);
	struct net_arrival arrival;

	(void)state;
	assert_int_equal(station_send_work(&a, frame, sizeof(frame), work), sizeof(frame));
	assert_true(net_port_cable.next(b.port, &arrival));
	assert_int_equal(arrival.bytes, sizeof(frame));
	assert_memory_equal(arrival.data, frame, sizeof(frame));
	assert_memory_equal(&arrival.work, &work, sizeof(work));
	net_port_cable.taken(b.port, true);
	assert_int_equal(station_dropped(&b, NET_DROP_DEVICE), 1);
}

static void check_segments(bool checksummed)
{
	static u8 frame[54 + 2500];
	struct net_work work = tcp_make(frame, 2500);
	struct net_arrival arrival;

	station_send_work(&a, frame, sizeof(frame), work);
	for (u32 offset = 0; offset < 2500; offset += 1000) {
		u32 bytes = offset < 2000 ? 1000 : 500;

		assert_true(net_port_cable.next(b.port, &arrival));
		assert_int_equal(arrival.bytes, 54 + bytes);
		assert_int_equal(arrival.work.cut, NET_CUT_NONE);
		assert_int_equal(arrival.work.checksum, !checksummed);
		assert_int_equal(arrival.data[16] << 8 | arrival.data[17], 40 + bytes);
		assert_memory_equal(arrival.data + 54, frame + 54 + offset, bytes);
		net_port_cable.taken(b.port, false);
	}
	assert_int_equal(station_take(&b), -1);
}

/* Nothing to cut, and to be summed up all the same. */
static void test_cut_without_data(void **state)
{
	u8 frame[54];
	struct net_work work = tcp_make(frame, 0);
	struct net_arrival arrival;

	(void)state;
	net_port_cable.open(b.port, 0);
	station_send_work(&a, frame, sizeof(frame), work);
	assert_true(net_port_cable.next(b.port, &arrival));
	assert_int_equal(arrival.bytes, 54);
	net_port_cable.taken(b.port, false);
	assert_int_equal(station_take(&b), -1);
}

static void test_cut_for_others(void **state)
{
	(void)state;
	net_port_cable.open(b.port, 0);
	check_segments(true);
	net_port_cable.open(b.port, NET_ACCEPT_CHECKSUM | NET_ACCEPT_TCP6);
	check_segments(false);
}

/* What is copied is at the sender's expense: for all who get it, with the headers of each segment.
 */
static void test_cost(void **state)
{
	static u8 frame[54 + 2500];
	struct net_work work = tcp_make(frame, 2500);

	(void)state;
	assert_int_equal(station_send_work(&a, frame, sizeof(frame), work), 2554);
	net_port_cable.open(b.port, 0);
	assert_int_equal(station_send_work(&a, frame, sizeof(frame), work), 2500 + 3 * 54);
	memcpy(frame, elsewhere, 6);
	assert_int_equal(station_send_work(&a, frame, sizeof(frame), work), 2500 + 3 * 54 + 2554);
	assert_int_equal(station_send(&a, broadcast, 1), 2 * 60);
}

static void test_none_is_cut_for_a_group(void **state)
{
	static u8 frame[54 + 2500];
	struct net_work work = tcp_make(frame, 2500);
	struct net_port_view view;

	(void)state;
	memcpy(frame, broadcast, 6);
	assert_int_equal(station_send_work(&a, frame, sizeof(frame), work), 0);
	memcpy(frame, group_address, 6);
	assert_int_equal(station_send_work(&a, frame, sizeof(frame), work), 0);
	got(0, false, false, false);
	assert_int_equal(station_dropped(&a, NET_DROP_WORK), 2);
	net_port_look(a.port, &view);
	assert_int_equal(view.sent_frames, 0);
}

/* Where nobody knows an address a frame makes no more copies than one to all of a full network. */
static void test_cut_for_many(void **state)
{
	static struct station many[256 - 3];
	static u8 frame[54 + 3000];
	struct net_work work = tcp_make(frame, 3000);
	struct net_port_view view;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(many); i++) {
		station_plug(&many[i], "lan", (u8)(i + 4));
		net_port_cable.open(many[i].port, 0);
	}
	memcpy(frame, elsewhere, 6);
	assert_int_equal(station_send_work(&a, frame, 54 + 2001, work), 0);
	assert_int_equal(station_dropped(&a, NET_DROP_WORK), 1);
	assert_int_equal(station_take(&many[0]), -1);
	assert_int_equal(station_send_work(&a, frame, 54 + 2000, work),
			 2 * 2054 + ARRAY_SIZE(many) * (2000 + 2 * 54));
	memcpy(frame, b.mac, 6); /* to one that is known */
	assert_int_equal(station_send_work(&a, frame, sizeof(frame), work), sizeof(frame));
	assert_int_equal(station_dropped(&a, NET_DROP_WORK), 1);
	net_port_look(a.port, &view);
	assert_int_equal(view.sent_frames, 2);
	for (u32 i = 0; i < ARRAY_SIZE(many); i++)
		station_unplug(&many[i]);
}

/* The sum of 8 words 0x0101 is 0x0808, with the 0 that the checksum's place has. */
static void test_checksum_for_others(void **state)
{
	u8 frame[14 + 18];
	struct net_work work = {.checksum = true, .checksum_start = 14, .checksum_offset = 16};
	struct net_arrival arrival;

	(void)state;
	memset(frame, 1, sizeof(frame));
	memcpy(frame, b.mac, 6);
	memcpy(frame + 6, a.mac, 6);
	frame[30] = frame[31] = 0;
	net_port_cable.open(b.port, 0);
	station_send_work(&a, frame, sizeof(frame), work);
	assert_true(net_port_cable.next(b.port, &arrival));
	assert_false(arrival.work.checksum);
	assert_int_equal(arrival.data[30], 0xf7);
	assert_int_equal(arrival.data[31], 0xf7);
	net_port_cable.taken(b.port, false);
	net_port_cable.open(b.port, NET_ACCEPT_CHECKSUM);
	station_send_work(&a, frame, sizeof(frame), work);
	assert_true(net_port_cable.next(b.port, &arrival));
	assert_true(arrival.work.checksum);
	assert_int_equal(arrival.data[30], 0);
	net_port_cable.taken(b.port, false);
}

/* What was checked is what arrives, whatever the guest does to its memory meanwhile. */
static u8 changing[200];

static void changing_copy(const struct net_frame *frame, u32 offset, void *to, u32 bytes)
{
	(void)frame;
	memcpy(to, changing + offset, bytes);
	memcpy(changing, broadcast, 6);
	memcpy(changing + 6, c.mac, 6);
}

static void test_addresses_are_read_once(void **state)
{
	struct net_frame frame = {.bytes = sizeof(changing), .copy = changing_copy};
	struct net_arrival arrival;

	(void)state;
	memcpy(changing, b.mac, 6);
	memcpy(changing + 6, a.mac, 6);
	net_port_cable.send(a.port, &frame);
	assert_true(net_port_cable.next(b.port, &arrival));
	assert_memory_equal(arrival.data, b.mac, 6);
	assert_memory_equal(arrival.data + 6, a.mac, 6);
	assert_int_equal(station_take(&c), -1);
}

#define NET_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_to_one),
		NET_TEST(test_to_all),
		NET_TEST(test_learns),
		NET_TEST(test_forgets),
		NET_TEST(test_many_addresses),
		NET_TEST(test_false_addresses),
		NET_TEST(test_sizes),
		NET_TEST(test_full),
		NET_TEST(test_asks_once),
		NET_TEST(test_closed),
		NET_TEST(test_unplugged),
		NET_TEST(test_networks_are_apart),
		NET_TEST(test_address_taken),
		NET_TEST(test_no_memory),
		NET_TEST(test_many_ports),
		NET_TEST(test_rate),
		NET_TEST(test_slow_rate),
		NET_TEST(test_whole_for_who_accepts),
		NET_TEST(test_cut_for_others),
		NET_TEST(test_cut_without_data),
		NET_TEST(test_cost),
		NET_TEST(test_none_is_cut_for_a_group),
		NET_TEST(test_cut_for_many),
		NET_TEST(test_checksum_for_others),
		NET_TEST(test_addresses_are_read_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
