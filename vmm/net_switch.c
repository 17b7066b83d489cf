/* SPDX-License-Identifier: MIT */
/* Networks between partitions. */
#include <bulkhead/net_switch.h>

#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/memory.h>
#include <bulkhead/string.h>

#include "net_internal.h"
#include "net_segment.h"

/* A bucket of tokens, each of them a bit, holds as many as come in this time, and a frame. */
#define BURST_US 10000
/* The longest frame is paid for and the bucket full by then, at any rate. */
#define LONG_US 3600000000UL

#define MAC_LOCAL 0x0180c2000000UL /* 01-80-c2-00-00-00 to -0f: not beyond this cable (802.1D) */

#define PORTS_BYTES (NET_PORTS_MAX * sizeof(struct net_port *))

static struct net *first;

static void drop(struct net_port *port, enum net_drop why)
{
	__atomic_add_fetch(&port->dropped[why], 1, __ATOMIC_RELAXED);
}

/* --- rates --- */

static u64 burst(const struct net_port *port)
{
	return port->rate_bits / (1000000 / BURST_US) + 8UL * NET_FRAME_MAX;
}

/* What is too little time for a token counts the next time, however often it is asked. */
static void tokens_fill(struct net_port *port)
{
	u64 now = arch_time_us(), more;

	if (now - port->tokens_us > LONG_US)
		port->tokens_us = now - LONG_US;
	more = mul_div(now - port->tokens_us, port->rate_bits, 1000000);
	port->tokens_us += mul_div(more, 1000000, port->rate_bits);
	port->tokens = MIN(port->tokens + (s64)more, (s64)burst(port));
}

/* Whoever has any may send a frame of any length, and owes the rest. */
static u64 cable_wait_us(void *cable)
{
	struct net_port *port = cable;

	if (!port->rate_bits)
		return 0;
	tokens_fill(port);
	return port->tokens > 0 ? 0
				: mul_div((u64)(1 - port->tokens), 1000000, port->rate_bits) + 1;
}

/* --- passing on --- */

/* One frame under way, with its headers as they were checked. */
struct parcel {
	const struct net_frame *frame;
	struct net_tcp tcp;
	u32 head_bytes;
	u8 head[NET_HEAD_MAX];
};

/* A frame of a parcel: its head, and then what is in the frame from `offset` on. */
static void ring_put(struct net_port *to, const struct parcel *parcel, const u8 *head,
		     u32 head_bytes, u32 offset, u32 bytes, struct net_work work)
{
	struct net_record *record = net_ring_reserve(&to->ring, head_bytes + bytes);

	if (!record) {
		drop(to, NET_DROP_FULL);
		return;
	}
	memcpy(record->data, head, head_bytes);
	parcel->frame->copy(parcel->frame, offset, record->data + head_bytes, bytes);
	if (work.checksum && !(to->accepts & NET_ACCEPT_CHECKSUM)) {
		net_checksum_fill(record->data, head_bytes + bytes, work.checksum_start,
				  work.checksum_offset);
		work.checksum = false;
	}
	record->work = work;
	net_record_publish(record);
}

/* Returns how much that is altogether. */
static u64 segments_put(struct net_port *to, const struct parcel *parcel)
{
	const struct net_tcp *tcp = &parcel->tcp;
	struct net_work work = parcel->frame->work;
	u32 all = parcel->frame->bytes - tcp->data, offset = 0;

	work.cut = NET_CUT_NONE;
	for (u32 i = 0; i < tcp->segments; i++) {
		u32 bytes = MIN((u32)work.segment_bytes, all - offset);
		u8 head[NET_HEAD_MAX];

		memcpy(head, parcel->head, tcp->data);
		net_segment_head(tcp, &work, head, offset, bytes, all);
		ring_put(to, parcel, head, tcp->data, tcp->data + offset, bytes, work);
		offset += work.segment_bytes;
	}
	return (u64)tcp->segments * tcp->data + all;
}

static bool accepts_cut(const struct net_port *port, u8 cut)
{
	return cut == NET_CUT_NONE ||
	       (port->accepts & (cut == NET_CUT_TCP4 ? NET_ACCEPT_TCP4 : NET_ACCEPT_TCP6));
}

/* With its network's lock: it stays, and its ring is not cleared, until it is let go. */
static bool port_hold(struct net_port *port)
{
	if (!port->open)
		return false;
	__atomic_add_fetch(&port->users, 1, __ATOMIC_ACQUIRE);
	return true;
}

static void port_let_go(struct net_port *port)
{
	__atomic_sub_fetch(&port->users, 1, __ATOMIC_RELEASE);
}

/* To a port that is held, which is let go. Returns what its sender pays: what does not fit into the
 * ring has cost time, too. */
static u64 deliver(struct net_port *to, const struct parcel *parcel)
{
	const struct net_frame *frame = parcel->frame;
	u64 copied = frame->bytes;

	if (accepts_cut(to, frame->work.cut))
		ring_put(to, parcel, parcel->head, parcel->head_bytes, parcel->head_bytes,
			 frame->bytes - parcel->head_bytes, frame->work);
	else
		copied = segments_put(to, parcel);
	if (!__atomic_exchange_n(&to->asked, true, __ATOMIC_SEQ_CST))
		to->arrived(to->context);
	port_let_go(to);
	return copied;
}

/* Hold the first port from place *at on that is open and not `from`. */
static struct net_port *hold_next(struct net *net, const struct net_port *from, u32 *at)
{
	struct net_port *found = NULL;

	spin_lock(&net->lock);
	while (!found && *at < net->end) {
		struct net_port *port = net->port[(*at)++];

		if (port && port != from && port_hold(port))
			found = port;
	}
	spin_unlock(&net->lock);
	return found;
}

static u64 flood(struct net_port *from, const struct parcel *parcel)
{
	struct net_port *to;
	u64 copied = 0;
	u32 at = 0;

	while ((to = hold_next(from->net, from, &at)))
		copied += deliver(to, parcel);
	return copied;
}

/* A frame that is cut for everybody becomes as many as an ordinary one in a full network does, and
 * no more. What TCP then misses it sends again in shorter frames, and an answer to any of them
 * shows where the address is. */
static bool is_too_much_for_all(const struct net_port *from, const struct parcel *parcel)
{
	u32 ports = __atomic_load_n(&from->net->ports, __ATOMIC_RELAXED);

	return parcel->frame->work.cut && parcel->tcp.segments * ports > NET_PORTS_MAX;
}

enum route { ROUTE_DROP, ROUTE_NOWHERE, ROUTE_ONE, ROUTE_ALL };

/* Where `target` is; with the network's lock. */
static enum route route_to(struct net_port *from, u64 target, u64 now_us, struct net_port **to)
{
	struct net_address *address = net_address_find(from->net, target);

	if (!address || net_address_aged(address, now_us))
		return ROUTE_ALL;
	if (address->port == from)
		return ROUTE_NOWHERE;
	*to = address->port;
	if (port_hold(*to))
		return ROUTE_ONE;
	drop(*to, NET_DROP_CLOSED);
	return ROUTE_NOWHERE;
}

/* Learn where it comes from, and see where it is to go: *to is held if that is one port. */
static enum route route_find(struct net_port *from, u64 source, u64 target, struct net_port **to)
{
	u64 now = arch_time_us();
	enum route route = ROUTE_DROP;
	struct net *net = from->net;

	spin_lock(&net->lock);
	if (net_address_learn(from, source, now))
		route = target & NET_MAC_GROUP ? ROUTE_ALL : route_to(from, target, now, to);
	spin_unlock(&net->lock);
	return route;
}

static bool size_is_good(const struct net_frame *frame)
{
	return frame->bytes >= NET_HEADER_BYTES &&
	       frame->bytes <= (frame->work.cut ? NET_UNCUT_MAX : NET_FRAME_MAX);
}

static bool address_is_good(u64 source, u64 target)
{
	return source && !(source & NET_MAC_GROUP) && (target & ~0xfUL) != MAC_LOCAL;
}

static u64 pass_on(struct net_port *from, const struct parcel *parcel)
{
	u64 target = net_mac_read(parcel->head),
	    source = net_mac_read(parcel->head + NET_MAC_BYTES);
	enum route route = ROUTE_DROP;
	struct net_port *to = NULL;

	if (address_is_good(source, target))
		route = route_find(from, source, target, &to);
	if (route == ROUTE_DROP) {
		drop(from, NET_DROP_ADDRESS);
		return 0;
	}
	if (route == ROUTE_ALL && is_too_much_for_all(from, parcel)) {
		drop(from, NET_DROP_WORK);
		return 0;
	}
	__atomic_store_n(&from->sent_frames, from->sent_frames + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&from->sent_bytes, from->sent_bytes + parcel->frame->bytes,
			 __ATOMIC_RELAXED);
	if (route == ROUTE_ALL)
		return flood(from, parcel);
	return route == ROUTE_ONE ? deliver(to, parcel) : parcel->frame->bytes;
}

static u64 cable_send(void *cable, const struct net_frame *frame)
{
	struct net_port *from = cable;
	struct parcel parcel = {.frame = frame};

	from->tokens -= from->rate_bits ? 8 * (s64)frame->bytes : 0;
	if (!size_is_good(frame)) {
		drop(from, NET_DROP_SIZE);
		return 0;
	}
	parcel.head_bytes = MIN(frame->bytes, (u32)NET_HEAD_MAX);
	frame->copy(frame, 0, parcel.head, parcel.head_bytes);
	if (!net_work_check(&frame->work, parcel.head, frame->bytes, &parcel.tcp)) {
		drop(from, NET_DROP_WORK);
		return 0;
	}
	return pass_on(from, &parcel);
}

/* --- taking --- */

static bool cable_next(void *cable, struct net_arrival *arrival)
{
	struct net_port *port = cable;
	struct net_record *record;

	/* Before it looks: who puts in after that asks again. */
	__atomic_store_n(&port->asked, false, __ATOMIC_SEQ_CST);
	record = net_ring_first(&port->ring);
	port->current = record;
	if (record)
		*arrival = (struct net_arrival){record->work, record->bytes, record->data};
	return record;
}

static void cable_taken(void *cable, bool dropped)
{
	struct net_port *port = cable;
	const struct net_record *record = port->current;

	port->current = NULL;
	if (dropped) {
		drop(port, NET_DROP_DEVICE);
	} else {
		__atomic_store_n(&port->received_frames, port->received_frames + 1,
				 __ATOMIC_RELAXED);
		__atomic_store_n(&port->received_bytes, port->received_bytes + record->bytes,
				 __ATOMIC_RELAXED);
	}
	net_ring_remove(&port->ring, record);
}

static void cable_stall(void *cable)
{
	struct net_port *port = cable;

	__atomic_store_n(&port->asked, true, __ATOMIC_RELAXED);
}

static void cable_open(void *cable, u32 accepts)
{
	struct net_port *port = cable;

	spin_lock(&port->net->lock);
	port->open = true;
	port->accepts = accepts;
	spin_unlock(&port->net->lock);
}

/* Who copies into the ring has interrupts off and is soon done. */
static void cable_close(void *cable)
{
	struct net_port *port = cable;

	spin_lock(&port->net->lock);
	port->open = false;
	spin_unlock(&port->net->lock);
	while (__atomic_load_n(&port->users, __ATOMIC_ACQUIRE))
		arch_relax();
	port->current = NULL;
	net_ring_clear(&port->ring);
	__atomic_store_n(&port->asked, false, __ATOMIC_SEQ_CST);
}

const struct net_cable_ops net_port_cable = {
	.open = cable_open,
	.close = cable_close,
	.wait_us = cable_wait_us,
	.send = cable_send,
	.next = cable_next,
	.taken = cable_taken,
	.stall = cable_stall,
};

/* --- making and destroying --- */

static struct net *net_find(const char *name)
{
	struct net *net = first;

	while (net && strcmp(net->name, name) != 0)
		net = net->next;
	return net;
}

static void net_free(struct net *net)
{
	memory_give(MEMORY_OTHER, net->port, PORTS_BYTES);
	memory_give(MEMORY_OTHER, net, sizeof(*net));
}

static struct net *net_make(const char *name)
{
	struct net *net = memory_take(MEMORY_OTHER, sizeof(*net));
	struct net **at = &first;

	if (!net)
		return NULL;
	net->port = memory_take(MEMORY_OTHER, PORTS_BYTES);
	if (!net->port) {
		net_free(net);
		return NULL;
	}
	format_text(net->name, sizeof(net->name), "%s", name);
	while (*at)
		at = &(*at)->next;
	*at = net;
	return net;
}

static void net_unmake(struct net *net)
{
	struct net **at = &first;

	while (*at != net)
		at = &(*at)->next;
	*at = net->next;
	net_free(net);
}

static void port_free(struct net_port *port)
{
	memory_give(MEMORY_DEVICES, port->ring.data, NET_RING_BYTES);
	memory_give(MEMORY_DEVICES, port, sizeof(*port));
}

static struct net_port *port_allocate(const struct net_port_setup *setup)
{
	struct net_port *port = memory_take(MEMORY_DEVICES, sizeof(*port));

	if (!port)
		return NULL;
	port->ring.data = memory_take(MEMORY_DEVICES, NET_RING_BYTES);
	if (!port->ring.data) {
		port_free(port);
		return NULL;
	}
	for (u32 i = 0; i < ARRAY_SIZE(port->address); i++)
		port->address[i].port = port;
	port->arrived = setup->arrived;
	port->context = setup->context;
	port->rate_bits = setup->rate_bits;
	port->tokens = (s64)burst(port);
	port->tokens_us = arch_time_us();
	return port;
}

/* Its own address is learned for good, also if another port has used it until now. */
static int port_plug(struct net *net, struct net_port *port, u64 mac)
{
	struct net_address *address;
	u32 place = 0;
	int error = 0;

	spin_lock(&net->lock);
	address = net_address_find(net, mac);
	while (place < NET_PORTS_MAX && net->port[place])
		place++;
	if (address && net_address_is_own(address)) {
		error = -EEXIST;
	} else if (place == NET_PORTS_MAX) {
		error = -ENOSPC;
	} else {
		if (address)
			net_address_remove(address);
		port->net = net;
		port->place = place;
		net_address_add(&port->address[0], mac, 0);
		net->port[place] = port;
		net->ports++;
		net->end = MAX(net->end, place + 1);
	}
	spin_unlock(&net->lock);
	return error;
}

int net_port_create(const struct net_port_setup *setup, struct net_port **made)
{
	struct net_port *port = port_allocate(setup);
	struct net *net;
	int error;

	if (!port)
		return -ENOMEM;
	net = net_find(setup->network);
	net = net ? net : net_make(setup->network);
	error = net ? port_plug(net, port, net_mac_read(setup->mac)) : -ENOMEM;
	if (error) {
		port_free(port);
		return error;
	}
	*made = port;
	return 0;
}

void net_port_destroy(struct net_port *port)
{
	struct net *net;

	if (!port)
		return;
	net = port->net;
	cable_close(port);
	spin_lock(&net->lock);
	for (u32 i = 0; i < ARRAY_SIZE(port->address); i++)
		if (port->address[i].mac)
			net_address_remove(&port->address[i]);
	net->port[port->place] = NULL;
	net->ports--;
	spin_unlock(&net->lock);
	port_free(port);
	if (!net->ports)
		net_unmake(net);
}

/* --- for the operator --- */

const void *net_port_context(const struct net_port *port)
{
	return port->context;
}

const struct net *net_port_net(const struct net_port *port)
{
	return port->net;
}

struct net *net_first(void)
{
	return first;
}

struct net *net_next(const struct net *net)
{
	return net->next;
}

const char *net_name(const struct net *net)
{
	return net->name;
}

struct net_port *net_port_next(const struct net *net, u32 *index)
{
	while (*index < net->end) {
		struct net_port *port = net->port[(*index)++];

		if (port)
			return port;
	}
	return NULL;
}

u32 net_port_addresses(struct net_port *port, struct net_address_view view[NET_LEARNED])
{
	u64 now = arch_time_us();
	u32 count = 0;

	spin_lock(&port->net->lock);
	for (u32 i = 1; i <= NET_LEARNED; i++) {
		const struct net_address *address = &port->address[i];

		if (!address->mac || net_address_aged(address, now))
			continue;
		net_mac_write(address->mac, view[count].mac);
		view[count++].age_us = now - address->seen_us;
	}
	spin_unlock(&port->net->lock);
	return count;
}

void net_port_look(struct net_port *port, struct net_port_view *view)
{
	struct net_address_view addresses[NET_LEARNED];

	*view = (struct net_port_view){
		.rate_bits = port->rate_bits,
		.open = port->open,
		.sent_frames = __atomic_load_n(&port->sent_frames, __ATOMIC_RELAXED),
		.sent_bytes = __atomic_load_n(&port->sent_bytes, __ATOMIC_RELAXED),
		.received_frames = __atomic_load_n(&port->received_frames, __ATOMIC_RELAXED),
		.received_bytes = __atomic_load_n(&port->received_bytes, __ATOMIC_RELAXED),
		.waiting_bytes = net_ring_used(&port->ring),
		.room_bytes = NET_RING_BYTES,
		.addresses = net_port_addresses(port, addresses),
	};
	net_mac_write(port->address[0].mac, view->mac);
	for (u32 i = 0; i < NET_DROPS; i++)
		view->dropped[i] = __atomic_load_n(&port->dropped[i], __ATOMIC_RELAXED);
}
