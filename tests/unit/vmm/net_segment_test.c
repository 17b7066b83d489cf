/* SPDX-License-Identifier: MIT */
/*
 * Checksums and segments: what comes out is checked as a receiver would, by summing up (RFC 1071),
 * and against the examples of that document.
 */
#include "cmocka_all.h"

#include <string.h>

#include "vmm/net_segment.h"

#define DATA 4000
#define MSS  1000

static u8 frame[70000];

static u32 get16(const u8 *at)
{
	return (u32)at[0] << 8 | at[1];
}

static void put16(u8 *at, u32 value)
{
	at[0] = (u8)(value >> 8);
	at[1] = (u8)value;
}

/* Ones' complement sum of big-endian words, folded: 0xffff if a checksum in it is right. */
static u32 sum_be(const u8 *data, u32 bytes, u32 start)
{
	u32 total = start;

	for (u32 i = 0; i < bytes; i++)
		total += i % 2 ? data[i] : (u32)data[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

static u32 pseudo4(const u8 *ip, u32 tcp_bytes)
{
	return sum_be(ip + 12, 8, 6 + tcp_bytes);
}

static u32 pseudo6(const u8 *ip, u32 tcp_bytes)
{
	return sum_be(ip + 8, 32, 6 + tcp_bytes);
}

/* A frame of TCP with DATA bytes, as a stack gives it away to be cut. `l2`: 14, or 18 with a tag.
 */
static struct net_work frame_make(bool v6, u32 l2, u32 ip_bytes, u32 tcp_bytes)
{
	u8 *ip = frame + l2, *tcp = ip + ip_bytes;
	struct net_work work = {.checksum = true, .segment_bytes = MSS, .checksum_offset = 16};

	for (u32 i = 0; i < sizeof(frame); i++)
		frame[i] = (u8)(i * 13 + i / 251);
	if (l2 == 18)
		put16(frame + 12, 0x8100);
	put16(frame + l2 - 2, v6 ? 0x86dd : 0x0800);
	ip[0] = v6 ? 0x60 : (u8)(0x40 | ip_bytes / 4);
	if (v6) {
		ip[6] = 6;
	} else {
		put16(ip + 4, 0xfffe); /* the id wraps */
		put16(ip + 6, 0x4000);
		ip[9] = 6;
	}
	memset(tcp + 4, 0xff, 4); /* and so does the sequence number */
	tcp[12] = (u8)(tcp_bytes / 4 << 4);
	tcp[13] = 0x80 | 0x08 | 0x01 | 0x10; /* CWR, PSH, FIN, ACK */
	work.cut = v6 ? NET_CUT_TCP6 : NET_CUT_TCP4;
	work.checksum_start = (u16)(tcp - frame);
	return work;
}

static void check_segment(const struct net_tcp *tcp, const struct net_work *work, u32 offset,
			  u32 bytes)
{
	u8 segment[2000];
	const u8 *ip = segment + tcp->ip, *header = segment + tcp->tcp;
	u32 tcp_bytes = tcp->data - tcp->tcp + bytes, sequence, flags = 0x10;

	memcpy(segment, frame, tcp->data);
	memcpy(segment + tcp->data, frame + tcp->data + offset, bytes);
	net_segment_head(tcp, work, segment, offset, bytes, DATA);
	net_checksum_fill(segment, tcp->data + bytes, work->checksum_start, work->checksum_offset);
	sequence = get16(header + 4) << 16 | get16(header + 6);
	assert_int_equal(sequence, (u32)(0xffffffff + offset));
	flags |= offset ? 0 : 0x80;
	flags |= offset + bytes == DATA ? 0x09 : 0;
	assert_int_equal(header[13], flags);
	assert_memory_equal(segment, frame, tcp->ip);
	assert_memory_equal(header, frame + tcp->tcp, 4); /* ports */
	if (tcp->v6) {
		assert_int_equal(get16(ip + 4), tcp_bytes);
		assert_int_equal(sum_be(header, tcp_bytes, pseudo6(ip, tcp_bytes)), 0xffff);
		return;
	}
	assert_int_equal(get16(ip + 2), tcp->tcp - tcp->ip + tcp_bytes);
	assert_int_equal(get16(ip + 4), (0xfffe + offset / MSS) & 0xffff);
	assert_int_equal(sum_be(ip, tcp->tcp - tcp->ip, 0), 0xffff);
	assert_int_equal(sum_be(header, tcp_bytes, pseudo4(ip, tcp_bytes)), 0xffff);
}

static void check_cut(bool v6, u32 l2, u32 ip_bytes, u32 tcp_bytes, u32 mss)
{
	struct net_work work = frame_make(v6, l2, ip_bytes, tcp_bytes);
	struct net_tcp tcp;

	work.segment_bytes = (u16)mss;
	assert_true(net_work_check(&work, frame, l2 + ip_bytes + tcp_bytes + DATA, &tcp));
	assert_int_equal(tcp.ip, l2);
	assert_int_equal(tcp.tcp, l2 + ip_bytes);
	assert_int_equal(tcp.data, l2 + ip_bytes + tcp_bytes);
	work.segment_bytes = MSS;
	for (u32 offset = 0; offset < DATA; offset += MSS)
		check_segment(&tcp, &work, offset, MSS);
	check_segment(&tcp, &work, DATA - 1, 1);
}

static void test_cut(void **state)
{
	(void)state;
	check_cut(false, 14, 20, 20, MSS);
	check_cut(false, 14, 20, 32, 1448);
	check_cut(false, 18, 60, 60, 1380);
	check_cut(true, 14, 40, 20, 1440);
	check_cut(true, 18, 40, 60, 48);
}

static void refused(const struct net_work *work, u32 bytes)
{
	struct net_tcp tcp;

	assert_false(net_work_check(work, frame, bytes, &tcp));
}

static void test_no_tcp(void **state)
{
	struct net_work work;

	(void)state;
	for (u32 bytes = 14; bytes < 54; bytes++) { /* headers that are cut off */
		work = frame_make(false, 14, 20, 20);
		refused(&work, bytes);
	}
	work = frame_make(false, 14, 20, 20);
	frame[14] = 0x44; /* a header of 16 bytes */
	refused(&work, 4000);
	frame[14] = 0x65;
	refused(&work, 4000);
	work = frame_make(false, 14, 20, 20);
	frame[14 + 9] = 17;
	refused(&work, 4000);
	work = frame_make(false, 14, 20, 20);
	frame[14 + 7] = 1; /* a fragment */
	refused(&work, 4000);
	work = frame_make(false, 14, 20, 20);
	frame[14 + 20 + 12] = 0x40; /* a TCP header of 16 bytes */
	refused(&work, 4000);
	work = frame_make(false, 14, 20, 20);
	work.cut = NET_CUT_TCP6;
	refused(&work, 4000);
	work = frame_make(true, 14, 40, 20);
	frame[14 + 6] = 0; /* another header first */
	refused(&work, 4000);
}

static void test_work_that_makes_no_sense(void **state)
{
	struct net_work work = frame_make(false, 14, 20, 20);
	struct net_tcp tcp;

	(void)state;
	assert_true(net_work_check(&work, frame, 4000, &tcp));
	work.segment_bytes = 47;
	refused(&work, 4000);
	work.segment_bytes = 1461; /* more than a frame holds */
	refused(&work, 4000);
	work.segment_bytes = 1460;
	assert_true(net_work_check(&work, frame, 4000, &tcp));
	work.checksum_start++;
	refused(&work, 4000);
	work.checksum_start--;
	work.checksum_offset = 6;
	refused(&work, 4000);
	work.checksum_offset = 16;
	work.checksum = false;
	refused(&work, 4000);
	work = (struct net_work){.cut = NET_CUT_UNKNOWN};
	refused(&work, 100);
	work = (struct net_work){.checksum = true, .checksum_start = 34, .checksum_offset = 6};
	assert_true(net_work_check(&work, frame, 42, &tcp));
	refused(&work, 41);
	work.checksum_start = 13; /* in the addresses */
	refused(&work, 100);
	work = (struct net_work){
		.checksum = true, .checksum_start = 65535, .checksum_offset = 65535};
	refused(&work, 65549);
	work = (struct net_work){.cut = NET_CUT_NONE};
	assert_true(net_work_check(&work, frame, 14, &tcp));
}

/* How much one frame can cost is bounded by their number: 64 KiB in pieces of 256 bytes. */
static void test_many_segments(void **state)
{
	struct net_work work = frame_make(false, 14, 20, 20);
	struct net_tcp tcp;

	(void)state;
	assert_true(net_work_check(&work, frame, 54 + DATA, &tcp));
	assert_int_equal(tcp.segments, 4);
	assert_true(net_work_check(&work, frame, 54 + DATA + 1, &tcp));
	assert_int_equal(tcp.segments, 5);
	assert_true(net_work_check(&work, frame, 54, &tcp)); /* one without data */
	assert_int_equal(tcp.segments, 1);
	work.segment_bytes = 256;
	assert_true(net_work_check(&work, frame, NET_UNCUT_MAX, &tcp));
	assert_int_equal(tcp.segments, 256);
	work.segment_bytes = 255;
	refused(&work, NET_UNCUT_MAX);
	work.segment_bytes = 48;
	assert_true(net_work_check(&work, frame, 54 + 256 * 48, &tcp));
	refused(&work, 54 + 256 * 48 + 1);
}

/* TCP has one receiver (RFC 1122, 4.2.3.10). */
static void test_group(void **state)
{
	struct net_work work = frame_make(false, 14, 20, 20);
	struct net_tcp tcp;

	(void)state;
	frame[0] = 0x01;
	refused(&work, 4000);
	frame[0] = 0xff;
	refused(&work, 4000);
	frame[0] = 0xfe;
	assert_true(net_work_check(&work, frame, 4000, &tcp));
	frame[0] = 0x01;
	work.cut = NET_CUT_NONE; /* a checksum can be put in for all */
	assert_true(net_work_check(&work, frame, 1400, &tcp));
}

/* RFC 1071, section 3: 0001 f203 f4f5 f6f7 add up to ddf2. */
static void test_checksum(void **state)
{
	u8 data[] = {0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7, 0, 0};
	u8 odd[] = {9, 0, 0, 0xab, 0xcd, 0xef};
	u8 zero[] = {0xff, 0xff, 0, 0};

	(void)state;
	net_checksum_fill(data, sizeof(data), 0, 8);
	assert_int_equal(get16(data + 8), 0xddf2 ^ 0xffff);
	net_checksum_fill(odd, sizeof(odd), 1, 0); /* as if a 0 followed */
	assert_int_equal(sum_be(odd + 1, 5, 0), 0xffff);
	assert_int_equal(odd[0], 9);
	net_checksum_fill(zero, sizeof(zero), 0, 2); /* 0 would mean none (RFC 768) */
	assert_int_equal(get16(zero + 2), 0xffff);
}

/* Of the largest frame, with the largest words: nothing is lost by carries. */
static void test_checksum_of_much(void **state)
{
	(void)state;
	for (u32 bytes = 60000; bytes < 60008; bytes++) {
		memset(frame, 0xff, sizeof(frame));
		put16(frame, 0);
		net_checksum_fill(frame, bytes, 0, 0);
		assert_int_equal(sum_be(frame, bytes, 0), 0xffff);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_no_tcp),
		cmocka_unit_test(test_work_that_makes_no_sense),
		cmocka_unit_test(test_many_segments),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_checksum_of_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
