/* SPDX-License-Identifier: MIT */
/* Checksums, and cutting TCP into segments. */
#include "net_segment.h"

#include <bulkhead/string.h>

#define TYPE_OFFSET 12
#define TYPE_VLAN   0x8100
#define TYPE_IPV4   0x0800
#define TYPE_IPV6   0x86dd

#define IPV4_BYTES    20
#define IPV4_LENGTH   2
#define IPV4_ID	      4
#define IPV4_FRAGMENT 6
#define IPV4_PROTOCOL 9
#define IPV4_CHECKSUM 10
#define IPV4_SOURCE   12
#define IPV6_BYTES    40
#define IPV6_LENGTH   4
#define IPV6_PROTOCOL 6
#define IPV6_SOURCE   8
#define PROTOCOL_TCP  6

#define FRAGMENT_BITS 0x3fff /* more fragments, and where this one is */

#define TCP_BYTES    20
#define TCP_SEQUENCE 4
#define TCP_LENGTH   12 /* of the header, in words: bits 7:4 */
#define TCP_FLAGS    13
#define TCP_CHECKSUM 16
#define TCP_FIN	     0x01
#define TCP_PSH	     0x08
#define TCP_CWR	     0x80

/* Of data: with less a segment is mostly headers. Linux believes no peer that wants less, since one
 * that does is after its time (CVE-2019-11479). */
#define SEGMENT_MIN 48

#define GROUP 0x01 /* in the first byte of an address */

static u32 get16(const u8 *at)
{
	return (u32)at[0] << 8 | at[1];
}

static void put16(u8 *at, u32 value)
{
	at[0] = (u8)(value >> 8);
	at[1] = (u8)value;
}

static u32 get32(const u8 *at)
{
	return get16(at) << 16 | get16(at + 2);
}

static void put32(u8 *at, u32 value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static bool is_tcp4(const u8 *ip, u32 room, u32 *header)
{
	if (room < IPV4_BYTES || ip[0] >> 4 != 4)
		return false;
	*header = 4 * (ip[0] & 15u);
	return *header >= IPV4_BYTES && ip[IPV4_PROTOCOL] == PROTOCOL_TCP &&
	       !(get16(ip + IPV4_FRAGMENT) & FRAGMENT_BITS);
}

static bool is_tcp6(const u8 *ip, u32 room, u32 *header)
{
	*header = IPV6_BYTES;
	return room >= IPV6_BYTES && ip[0] >> 4 == 6 && ip[IPV6_PROTOCOL] == PROTOCOL_TCP;
}

static bool tcp_find(const u8 *head, u32 room, enum net_cut cut, struct net_tcp *tcp)
{
	u32 type = get16(head + TYPE_OFFSET), header;

	tcp->v6 = cut == NET_CUT_TCP6;
	tcp->ip = NET_HEADER_BYTES;
	if (type == TYPE_VLAN && room >= NET_HEADER_BYTES + NET_VLAN_BYTES) {
		type = get16(head + TYPE_OFFSET + NET_VLAN_BYTES);
		tcp->ip += NET_VLAN_BYTES;
	}
	if (type != (tcp->v6 ? TYPE_IPV6 : TYPE_IPV4))
		return false;
	if (tcp->v6 ? !is_tcp6(head + tcp->ip, room - tcp->ip, &header)
		    : !is_tcp4(head + tcp->ip, room - tcp->ip, &header))
		return false;
	tcp->tcp = tcp->ip + header;
	if (room < tcp->tcp + TCP_BYTES)
		return false;
	header = 4 * (head[tcp->tcp + TCP_LENGTH] >> 4u);
	tcp->data = tcp->tcp + header;
	return header >= TCP_BYTES && room >= tcp->data;
}

/* One without data is a segment, too. */
static bool segments_count(const struct net_work *work, u32 bytes, struct net_tcp *tcp)
{
	if (work->segment_bytes < SEGMENT_MIN ||
	    tcp->data - tcp->ip + work->segment_bytes > NET_MTU)
		return false;
	tcp->segments = (bytes - tcp->data + work->segment_bytes - 1U) / work->segment_bytes;
	tcp->segments = MAX(tcp->segments, 1U);
	return tcp->segments <= NET_SEGMENTS_MAX;
}

bool net_work_check(const struct net_work *work, const u8 *head, u32 bytes, struct net_tcp *tcp)
{
	u32 room = MIN(bytes, (u32)NET_HEAD_MAX);

	if (work->cut == NET_CUT_UNKNOWN)
		return false;
	if (work->checksum &&
	    (work->checksum_start < NET_HEADER_BYTES ||
	     (u32)work->checksum_start + work->checksum_offset + sizeof(u16) > bytes))
		return false;
	if (work->cut == NET_CUT_NONE)
		return true;
	return work->checksum && !(head[0] & GROUP) && tcp_find(head, room, work->cut, tcp) &&
	       work->checksum_start == tcp->tcp && work->checksum_offset == TCP_CHECKSUM &&
	       segments_count(work, bytes, tcp);
}

/* The sum of 16-bit words as they are in memory, without carries folded in (RFC 1071, 2B). */
static u64 sum(const u8 *data, u32 bytes)
{
	u64 total = 0;
	u32 word;

	for (; bytes >= 4; data += 4, bytes -= 4) {
		memcpy(&word, data, 4);
		total += word;
	}
	word = 0;
	memcpy(&word, data, bytes); /* a last byte is the first one of a word */
	return total + word;
}

/* In memory order, as the sum is. */
static u16 fold(u64 total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (u16)total;
}

void net_checksum_fill(u8 *data, u32 bytes, u32 start, u32 offset)
{
	u16 folded = fold(sum(data + start, bytes - start));
	/* UDP has a meaning of its own for 0, and to all others both are the same (RFC 768). */
	u16 checksum = folded == 0xffff ? folded : (u16)~folded;

	memcpy(data + start + offset, &checksum, sizeof(checksum));
}

static u16 pseudo_sum(const struct net_tcp *tcp, const u8 *head, u32 tcp_bytes)
{
	const u8 *addresses = head + tcp->ip + (tcp->v6 ? IPV6_SOURCE : IPV4_SOURCE);
	u8 rest[8] = {0};

	put32(rest, tcp_bytes);
	rest[7] = PROTOCOL_TCP;
	return fold(sum(addresses, tcp->v6 ? 32 : 8) + sum(rest, sizeof(rest)));
}

static void ip_head(const struct net_tcp *tcp, u8 *ip, u32 index, u32 bytes)
{
	if (tcp->v6) {
		put16(ip + IPV6_LENGTH, bytes - IPV6_BYTES);
		return;
	}
	put16(ip + IPV4_LENGTH, bytes);
	put16(ip + IPV4_ID, get16(ip + IPV4_ID) + index);
	put16(ip + IPV4_CHECKSUM, 0);
	net_checksum_fill(ip, tcp->tcp - tcp->ip, 0, IPV4_CHECKSUM);
}

void net_segment_head(const struct net_tcp *tcp, const struct net_work *work, u8 *head, u32 offset,
		      u32 bytes, u32 all)
{
	u32 tcp_bytes = tcp->data - tcp->tcp + bytes;
	u8 *header = head + tcp->tcp;
	u16 pseudo;

	ip_head(tcp, head + tcp->ip, offset / work->segment_bytes, tcp->data - tcp->ip + bytes);
	put32(header + TCP_SEQUENCE, get32(header + TCP_SEQUENCE) + offset);
	if (offset)
		header[TCP_FLAGS] &= (u8)~TCP_CWR;
	if (offset + bytes < all)
		header[TCP_FLAGS] &= (u8) ~(TCP_FIN | TCP_PSH);
	pseudo = pseudo_sum(tcp, head, tcp_bytes);
	memcpy(header + TCP_CHECKSUM, &pseudo, sizeof(pseudo));
}
