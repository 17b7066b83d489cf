/* SPDX-License-Identifier: MIT */
/* The network device (virtio 1.2, 5.1), with a driver and a cable whose other end the test is. */
/* links: drivers/virt/virtio_device.c drivers/virt/virtqueue.c vmm/format.c */
#include "cmocka_all.h"

#include "fake_driver.h"

#include "drivers/virt/virtio_net.h"

#define OFFLOADS                                                                                   \
	(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 |                   \
	 VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6)
#define BUFFER(i) (DRIVER_BUFFERS + 0x800UL * (i)) /* of 2 KiB */
#define HEADER	  12
#define BIG	  0x90000UL /* room for one of 64 KiB */

static const u8 mac[6] = {2, 1, 2, 3, 4, 5};

static struct fake_host fake;
static struct fake_driver driver;
static struct virtio_net net;

/* The other end. */
static unsigned opens, closes, sent, taken, lost, stalls;
static u32 accepted;
static u64 wait_us;
static struct net_frame last; /* sent, and what was in it */
static u8 sent_data[70000], arriving_data[70000];
static struct net_arrival arriving;
static unsigned arrivals; /* of those that wait */

static void cable_open(void *cable, u32 accepts)
{
	assert_ptr_equal(cable, &sent);
	opens++;
	accepted = accepts;
}

static void cable_close(void *cable)
{
	assert_ptr_equal(cable, &sent);
	closes++;
}

static u64 cable_wait(void *cable)
{
	(void)cable;
	return wait_us;
}

static u64 cable_send(void *cable, const struct net_frame *frame)
{
	(void)cable;
	sent++;
	last = *frame;
	if (frame->bytes <= sizeof(sent_data))
		frame->copy(frame, 0, sent_data, frame->bytes);
	return frame->bytes;
}

static bool cable_next(void *cable, struct net_arrival *arrival)
{
	(void)cable;
	*arrival = arriving;
	return arrivals;
}

static void cable_taken(void *cable, bool dropped)
{
	(void)cable;
	assert_true(arrivals--);
	taken++;
	lost += dropped;
}

static void cable_stall(void *cable)
{
	(void)cable;
	stalls++;
}

static const struct net_cable_ops cable_ops = {
	.open = cable_open,
	.close = cable_close,
	.wait_us = cable_wait,
	.send = cable_send,
	.next = cable_next,
	.taken = cable_taken,
	.stall = cable_stall,
};

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	driver_init(&driver);
	opens = closes = sent = taken = lost = stalls = arrivals = 0;
	accepted = 0xffff;
	wait_us = 0;
	for (u32 i = 0; i < sizeof(arriving_data); i++)
		arriving_data[i] = (u8)(i * 7 + i / 256);
	arriving = (struct net_arrival){.bytes = 100, .data = arriving_data};
	virtio_net_init(&net, &fake.host, &driver.memory, mac, &cable_ops, &sent);
	assert_int_equal(closes, 1); /* of an earlier board's */
	closes = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	driver_free(&driver);
	return 0;
}

static void start(u64 features)
{
	driver_start(&driver, &net.device, features);
	assert_true(virtio_live(&net.device));
}

/* A frame to send at buffer `at`, its header in a descriptor of its own; not told yet. */
static void put(u16 at, struct virtio_net_header header, u32 bytes)
{
	memcpy(driver.ram + BUFFER(at), &header, sizeof(header));
	for (u32 i = 0; i < bytes; i++)
		driver.ram[BUFFER(at) + HEADER + i] = (u8)(i + at);
	driver_describe(&driver, 1, (u16)(2 * at), BUFFER(at), HEADER, DRIVER_NEXT,
			(u16)(2 * at + 1));
	driver_describe(&driver, 1, (u16)(2 * at + 1), BUFFER(at) + HEADER, bytes, 0, 0);
	driver_offer(&driver, 1, (u16)(2 * at));
}

/* An empty buffer of `bytes`. */
static void give(u16 at, u64 gpa, u32 bytes)
{
	driver_describe(&driver, 0, at, gpa, bytes, DRIVER_WRITE, 0);
	driver_offer(&driver, 0, at);
}

static void test_identity(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal((u8)virtio_config_read(&net.device, i, 1), mac[i]);
	assert_int_equal((u16)virtio_config_read(&net.device, 6, 2), 1); /* link up */
	assert_int_equal((u16)virtio_config_read(&net.device, 8, 2), 1); /* a pair of queues */
	assert_int_equal((u16)virtio_config_read(&net.device, 10, 2), 1500);
	virtio_config_write(&net.device, 0, 1, 0xff);
	assert_int_equal((u8)virtio_config_read(&net.device, 0, 1), mac[0]);
	assert_int_equal(net.device.ops->id, 1);
}

static void test_sends(void **state)
{
	(void)state;
	start(OFFLOADS);
	put(0, (struct virtio_net_header){0}, 60);
	put(1, (struct virtio_net_header){.flags = 1, .checksum_start = 34, .checksum_offset = 16},
	    80);
	virtio_serve(&net.device, 1);
	assert_int_equal(sent, 2);
	assert_int_equal(last.bytes, 80);
	assert_true(last.work.checksum);
	assert_int_equal(last.work.cut, NET_CUT_NONE);
	assert_int_equal(last.work.checksum_start, 34);
	assert_int_equal(last.work.checksum_offset, 16);
	for (u32 i = 0; i < 80; i++)
		assert_int_equal(sent_data[i], (u8)(i + 1));
	assert_int_equal(driver_take(&driver, 1, NULL), 0);
	assert_int_equal(driver_take(&driver, 1, NULL), 0);
	assert_int_equal(driver_take(&driver, 1, NULL), -1);
	assert_int_equal(driver.interrupts[1], 1); /* for both */
}

static u8 cut_of(u64 features, struct virtio_net_header header)
{
	start(features);
	put(0, header, 60);
	virtio_serve(&net.device, 1);
	return last.work.cut;
}

/* What the driver did not agree on it cannot ask for, nor what nobody knows (5.1.6.2). */
static void test_work_is_agreed_on(void **state)
{
	struct virtio_net_header tcp4 = {.flags = 1, .cut = 1, .segment_bytes = 1448};
	struct virtio_net_header tcp6 = {.flags = 1, .cut = 4, .segment_bytes = 1428};

	(void)state;
	assert_int_equal(cut_of(OFFLOADS, tcp4), NET_CUT_TCP4);
	assert_int_equal(last.work.segment_bytes, 1448);
	assert_int_equal(cut_of(OFFLOADS, tcp6), NET_CUT_TCP6);
	assert_int_equal(cut_of(OFFLOADS & ~VIRTIO_NET_F_HOST_TSO4, tcp4), NET_CUT_UNKNOWN);
	assert_int_equal(cut_of(OFFLOADS & ~VIRTIO_NET_F_HOST_TSO6, tcp6), NET_CUT_UNKNOWN);
	assert_int_equal(cut_of(OFFLOADS & ~VIRTIO_NET_F_CSUM, tcp4), NET_CUT_UNKNOWN);
	tcp4.flags = 0;
	assert_int_equal(cut_of(OFFLOADS, tcp4), NET_CUT_UNKNOWN);
	assert_int_equal(cut_of(0, (struct virtio_net_header){.flags = 1}), NET_CUT_UNKNOWN);
	for (unsigned cut = 0; cut < 256; cut++) {
		u8 found = cut_of(OFFLOADS, (struct virtio_net_header){.flags = 1, .cut = (u8)cut});

		assert_int_equal(found, cut == 0   ? NET_CUT_NONE
					: cut == 1 ? NET_CUT_TCP4
					: cut == 4 ? NET_CUT_TCP6
						   : NET_CUT_UNKNOWN);
	}
}

/* A frame without a header, or one longer than can be, is the switch's to drop. */
static void test_odd_sizes(void **state)
{
	(void)state;
	start(0);
	driver_describe(&driver, 1, 0, BUFFER(0), 11, 0, 0);
	driver_offer(&driver, 1, 0);
	virtio_serve(&net.device, 1);
	assert_int_equal(last.bytes, 0);
	for (u16 i = 0; i < 4; i++)
		driver_describe(&driver, 1, i, BIG, 0x10000, i < 3 ? DRIVER_NEXT : 0, (u16)(i + 1));
	driver_offer(&driver, 1, 0);
	virtio_serve(&net.device, 1);
	assert_int_equal(last.bytes, NET_UNCUT_MAX + 1);
	assert_int_equal(sent, 2);
}

/* A guest that sends long frames gives its CPU up between them. */
static void test_turns(void **state)
{
	(void)state;
	start(0);
	driver_describe(&driver, 1, 0, BIG, 0x10000, 0, 0);
	for (u32 i = 0; i < 100; i++) /* the same one again and again */
		driver_offer(&driver, 1, 0);
	virtio_serve(&net.device, 1);
	assert_int_equal(sent, 5); /* 256 KiB, but for the headers */
	fake_run(&fake, 1);	   /* the timer, as often as it takes */
	assert_int_equal(sent, 100);
	assert_int_equal(driver.interrupts[1], 20);
}

static void test_waits_for_its_rate(void **state)
{
	(void)state;
	start(0);
	wait_us = 30;
	put(0, (struct virtio_net_header){0}, 60);
	virtio_serve(&net.device, 1);
	assert_int_equal(sent, 0);
	assert_int_equal(driver_take(&driver, 1, NULL), -1);
	fake_run(&fake, 29999);
	assert_int_equal(sent, 0);
	wait_us = 0;
	fake_run(&fake, 1);
	assert_int_equal(sent, 1);
	wait_us = 5;
	put(1, (struct virtio_net_header){0}, 60);
	virtio_serve(&net.device, 1);
	virtio_status_write(&net.device, 0); /* nothing is left of it */
	wait_us = 0;
	fake_run(&fake, 100000);
	assert_int_equal(sent, 1);
}

static void test_opens_and_closes(void **state)
{
	(void)state;
	start(OFFLOADS);
	assert_int_equal(opens, 1);
	assert_int_equal(accepted, NET_ACCEPT_CHECKSUM | NET_ACCEPT_TCP4 | NET_ACCEPT_TCP6);
	virtio_serve(&net.device, 0);
	assert_int_equal(opens, 1);
	assert_int_equal(closes, 0);
	virtio_status_write(&net.device, 0);
	assert_int_equal(closes, 1);
	virtio_status_write(&net.device, 0);
	assert_int_equal(closes, 1);
	start(OFFLOADS & ~VIRTIO_NET_F_GUEST_CSUM); /* the others need it (5.1.3.1) */
	assert_int_equal(opens, 2);
	assert_int_equal(accepted, 0);
	start(VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO6);
	assert_int_equal(accepted, NET_ACCEPT_CHECKSUM | NET_ACCEPT_TCP6);
}

static struct virtio_net_header header_at(u64 gpa)
{
	struct virtio_net_header header;

	memcpy(&header, driver.ram + gpa, sizeof(header));
	return header;
}

static void test_receives(void **state)
{
	struct virtio_net_header header;
	u16 head;

	(void)state;
	start(OFFLOADS);
	give(3, BUFFER(3), 2048);
	arriving.work = (struct net_work){.checksum = true,
					  .cut = NET_CUT_TCP6,
					  .checksum_start = 54,
					  .checksum_offset = 16,
					  .segment_bytes = 1200};
	arrivals = 1;
	virtio_serve(&net.device, 0);
	assert_int_equal(taken, 1);
	assert_int_equal(lost, 0);
	assert_int_equal(driver_take(&driver, 0, &head), HEADER + 100);
	assert_int_equal(head, 3);
	header = header_at(BUFFER(3));
	assert_int_equal(header.flags, 1);
	assert_int_equal(header.cut, 4);
	assert_int_equal(header.checksum_start, 54);
	assert_int_equal(header.checksum_offset, 16);
	assert_int_equal(header.segment_bytes, 1200);
	assert_int_equal(header.buffers, 1);
	assert_memory_equal(driver.ram + BUFFER(3) + HEADER, arriving_data, 100);
	assert_int_equal(driver.interrupts[0], 1);
}

static void test_receives_without_work(void **state)
{
	struct virtio_net_header header, plain = {.buffers = 1};

	(void)state;
	start(0);
	give(0, BUFFER(0), 2048);
	arrivals = 1;
	virtio_serve(&net.device, 0);
	header = header_at(BUFFER(0));
	assert_memory_equal(&header, &plain, sizeof(header));
}

/* What was sent to an earlier driver of the same device, which had agreed on more. */
static void test_work_that_is_not_accepted(void **state)
{
	(void)state;
	start(VIRTIO_NET_F_GUEST_CSUM);
	give(0, BUFFER(0), 2048);
	arriving.work.checksum = true;
	arriving.work.cut = NET_CUT_TCP4;
	arrivals = 1;
	virtio_serve(&net.device, 0);
	assert_int_equal(lost, 1);
	arriving.work.cut = NET_CUT_NONE;
	arrivals = 1;
	virtio_serve(&net.device, 0);
	assert_int_equal(taken - lost, 1);
	start(0);
	give(0, BUFFER(0), 2048);
	arrivals = 1;
	virtio_serve(&net.device, 0);
	assert_int_equal(lost, 2);
}

static void test_merges_buffers(void **state)
{
	u32 at = 0;

	(void)state;
	start(VIRTIO_NET_F_MRG_RXBUF);
	arriving.bytes = 5000;
	give(0, BUFFER(0), 2048);
	give(1, BUFFER(1), 2048);
	arrivals = 1;
	virtio_serve(&net.device, 0); /* 4084 bytes of room */
	assert_int_equal(taken, 0);
	assert_int_equal(stalls, 1);
	assert_int_equal(driver_take(&driver, 0, NULL), -1);
	give(2, BUFFER(2), 2048);
	virtio_serve(&net.device, 0);
	assert_int_equal(taken, 1);
	assert_int_equal(lost, 0);
	assert_int_equal(header_at(BUFFER(0)).buffers, 3);
	assert_int_equal(driver_take(&driver, 0, NULL), 2048);
	assert_int_equal(driver_take(&driver, 0, NULL), 2048);
	assert_int_equal(driver_take(&driver, 0, NULL), 5000 + HEADER - 4096);
	assert_memory_equal(driver.ram + BUFFER(0) + HEADER, arriving_data, 2048 - HEADER);
	at += 2048 - HEADER;
	assert_memory_equal(driver.ram + BUFFER(1), arriving_data + at, 2048);
	at += 2048;
	assert_memory_equal(driver.ram + BUFFER(2), arriving_data + at, 5000 - at);
	assert_int_equal(driver.interrupts[0], 1);
}

/* All that the driver can ever offer is too little: the next frame must not wait behind it. */
static void test_too_long_for_the_queue(void **state)
{
	(void)state;
	start(VIRTIO_NET_F_MRG_RXBUF);
	arriving.bytes = 65549;
	for (u16 i = 0; i < 128; i++)
		give(i, BUFFER(i), 256);
	arrivals = 1;
	virtio_serve(&net.device, 0);
	assert_int_equal(lost, 1);
	arriving.bytes = 60;
	arrivals = 1;
	fake_run(&fake, 1); /* the budget of the first call is used up */
	virtio_serve(&net.device, 0);
	assert_int_equal(taken - lost, 1);
	assert_int_equal(driver_take(&driver, 0, NULL), 60 + HEADER);
}

/* Every buffer is big, but the frame's end comes when the call's budget is used up. */
static void test_goes_on_after_its_budget(void **state)
{
	(void)state;
	start(VIRTIO_NET_F_MRG_RXBUF);
	arriving.bytes = 2500;
	for (u16 i = 0; i < 128; i++)
		give(i, BUFFER(i), 1024); /* three for each frame, 128 is no multiple */
	arrivals = 45;
	virtio_serve(&net.device, 0);
	assert_int_equal(taken, 42);
	for (u16 i = 0; i < 126; i++)
		assert_true(driver_take(&driver, 0, NULL) > 0);
	give(0, BUFFER(0), 1024);
	fake_run(&fake, 1);
	assert_int_equal(taken, 43);
	assert_int_equal(lost, 0);
}

static void test_unmerged(void **state)
{
	(void)state;
	start(0);
	arriving.bytes = 1500;
	give(0, BUFFER(0), 1024);
	arrivals = 2;
	virtio_serve(&net.device, 0);
	assert_int_equal(lost, 2);
	assert_int_equal(driver_take(&driver, 0, NULL), -1);
	arriving.bytes = 1012;
	arrivals = 1;
	virtio_serve(&net.device, 0);
	assert_int_equal(taken, 3);
	assert_int_equal(driver_take(&driver, 0, NULL), 1024);
}

static void test_no_room_for_a_header(void **state)
{
	(void)state;
	start(0);
	give(0, BUFFER(0), 11);
	arrivals = 1;
	virtio_serve(&net.device, 0);
	assert_true(net.device.status & VIRTIO_NEEDS_RESET);
	assert_non_null(strstr(fake.reported, "a buffer too small for a header"));
}

/* Without buffers it says that it looks by itself; the driver's next notification is that. */
static void test_stalls(void **state)
{
	(void)state;
	start(0);
	arrivals = 1;
	virtio_serve(&net.device, 0);
	assert_int_equal(stalls, 1);
	assert_int_equal(taken, 0);
	give(0, BUFFER(0), 2048);
	virtio_serve(&net.device, 0);
	assert_int_equal(taken, 1);
	assert_int_equal(stalls, 1);
}

#define NET_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_identity),
		NET_TEST(test_sends),
		NET_TEST(test_work_is_agreed_on),
		NET_TEST(test_odd_sizes),
		NET_TEST(test_turns),
		NET_TEST(test_waits_for_its_rate),
		NET_TEST(test_opens_and_closes),
		NET_TEST(test_receives),
		NET_TEST(test_receives_without_work),
		NET_TEST(test_work_that_is_not_accepted),
		NET_TEST(test_merges_buffers),
		NET_TEST(test_too_long_for_the_queue),
		NET_TEST(test_goes_on_after_its_budget),
		NET_TEST(test_unmerged),
		NET_TEST(test_no_room_for_a_header),
		NET_TEST(test_stalls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
