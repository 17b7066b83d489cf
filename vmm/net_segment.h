/* SPDX-License-Identifier: MIT */
/* What a network card does for frames with work left in them: checksums, and cutting TCP into
 * segments. Pure. Numbers of RFCs: 791 (IPv4), 8200 (IPv6), 9293 (TCP), 1071 (checksum). */
#pragma once

#include <bulkhead/net.h>

/* Headers of Ethernet with a VLAN tag, IPv4 or IPv6, and TCP, each as long as can be. */
#define NET_HEAD_MAX (NET_HEADER_BYTES + NET_VLAN_BYTES + 60 + 60)

/*
 * So many segments are made of one frame at most, as each costs its sender more than its bytes:
 * 64 KiB in pieces of 256 bytes. TCP sends pieces of 536 if nobody has asked for others (RFC 9293,
 * 3.7.1), less its options, which are up to 40; who asked for very small ones sends short frames,
 * as its window counts segments.
 */
#define NET_SEGMENTS_MAX 256

/* Where the headers of a frame of TCP are, and what becomes of it. */
struct net_tcp {
	u32 ip, tcp, data; /* offsets in the frame */
	u32 segments;
	bool v6;
};

/* Whether the work can be done on a frame of `bytes`, of which `head` has the first ones, up to
 * NET_HEAD_MAX. `tcp` is set if it is to be cut, which is only done for one receiver: nobody speaks
 * TCP to a group (RFC 1122, 4.2.3.10). */
bool net_work_check(const struct net_work *work, const u8 *head, u32 bytes,
		    struct net_tcp *tcp) must_check;

/* The headers of one segment, in place of those of the whole: its data are [offset, offset + bytes)
 * of all data, of which there are `all`. Its own checksum has yet to be put in. */
void net_segment_head(const struct net_tcp *tcp, const struct net_work *work, u8 *head, u32 offset,
		      u32 bytes, u32 all);

/* Put the checksum into a frame. Start and offset are good for it. */
void net_checksum_fill(u8 *data, u32 bytes, u32 start, u32 offset);
