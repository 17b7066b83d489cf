/* SPDX-License-Identifier: MIT */
/* What a network card does for frames with work left in them: checksums, and cutting TCP into
 * segments. Pure. Numbers of RFCs: 791 (IPv4), 8200 (IPv6), 9293 (TCP), 1071 (checksum). */
#pragma once

#include <bulkhead/net.h>

/* Headers of Ethernet with a VLAN tag, IPv4 or IPv6, and TCP, each as long as can be. */
#define NET_HEAD_MAX (NET_HEADER_BYTES + NET_VLAN_BYTES + 60 + 60)

/* Where the headers of a frame of TCP are. */
struct net_tcp {
	u32 ip, tcp, data; /* offsets in the frame */
	bool v6;
};

/* Whether the work can be done on a frame of `bytes`, of which `head` has the first ones, up to
 * NET_HEAD_MAX. `tcp` is set if it is to be cut. */
bool net_work_check(const struct net_work *work, const u8 *head, u32 bytes,
		    struct net_tcp *tcp) must_check;

/* The headers of one segment, in place of those of the whole: its data are [offset, offset + bytes)
 * of all data, of which there are `all`. Its own checksum has yet to be put in. */
void net_segment_head(const struct net_tcp *tcp, const struct net_work *work, u8 *head, u32 offset,
		      u32 bytes, u32 all);

/* Put the checksum into a frame. Start and offset are good for it. */
void net_checksum_fill(u8 *data, u32 bytes, u32 start, u32 offset);
