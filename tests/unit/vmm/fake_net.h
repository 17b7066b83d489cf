/* SPDX-License-Identifier: MIT */
/*
 * What a switch needs, faked: pages, and a clock that the test moves; and ports with somebody at
 * the other end who sends and takes frames.
 */
#pragma once

#include "cmocka_all.h"
#include "fake_pages.h"

#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/net_switch.h>

#define SECOND 1000000UL
#define ALL    (NET_ACCEPT_CHECKSUM | NET_ACCEPT_TCP4 | NET_ACCEPT_TCP6)

static u64 fake_us;

u64 arch_time_us(void)
{
	return fake_us;
}

/* --- who is at the other end of a port --- */

struct station {
	struct net_port *port;
	u8 mac[6];
	unsigned asked; /* how often it was told that something came */
};

static inline void station_arrived(void *context)
{
	((struct station *)context)->asked++;
}

/* Its address ends in `last`. */
static inline int station_try(struct station *station, const char *network, u8 last, u64 rate)
{
	struct net_port_setup setup = {
		.network = network,
		.mac = {2, 0, 0, 0, 0, last},
		.rate_bits = rate,
		.arrived = station_arrived,
		.context = station,
	};

	memcpy(station->mac, setup.mac, 6);
	station->asked = 0;
	return net_port_create(&setup, &station->port);
}

static inline void station_plug(struct station *station, const char *network, u8 last)
{
	assert_int_equal(station_try(station, network, last, 0), 0);
	net_port_cable.open(station->port, ALL);
}

static inline void station_unplug(struct station *station)
{
	net_port_destroy(station->port);
	station->port = NULL;
}

/* A frame in memory. */
struct fake_frame {
	struct net_frame frame;
	const u8 *data;
};

static inline void fake_frame_copy(const struct net_frame *frame, u32 offset, void *to, u32 bytes)
{
	const struct fake_frame *fake = container_of(frame, struct fake_frame, frame);

	assert_true(offset + bytes <= frame->bytes);
	memcpy(to, fake->data + offset, bytes);
}

static inline u64 station_send_work(struct station *from, const u8 *data, u32 bytes,
				    struct net_work work)
{
	struct fake_frame fake = {
		.frame = {.work = work, .bytes = bytes, .copy = fake_frame_copy},
		.data = data,
	};

	return net_port_cable.send(from->port, &fake.frame);
}

/* A frame of `bytes` from one address to another that ends with `mark`. */
static inline u64 station_send_as(struct station *from, const u8 source[6], const u8 target[6],
				  u32 bytes, u8 mark)
{
	u8 data[2000];

	memset(data, mark, sizeof(data));
	memcpy(data, target, 6);
	memcpy(data + 6, source, 6);
	data[12] = 0x88;
	data[13] = 0xb5; /* for experiments (IEEE 802, 9.2.3) */
	return station_send_work(from, data, bytes, (struct net_work){0});
}

static inline u64 station_send(struct station *from, const u8 target[6], u8 mark)
{
	return station_send_as(from, from->mac, target, 60, mark);
}

/* The mark of the next frame that it gets; -1: there is none. */
static inline int station_take(struct station *station)
{
	struct net_arrival arrival;
	int mark;

	if (!net_port_cable.next(station->port, &arrival))
		return -1;
	mark = arrival.data[arrival.bytes - 1];
	net_port_cable.taken(station->port, false);
	return mark;
}

static inline u64 station_dropped(struct station *station, enum net_drop why)
{
	struct net_port_view view;

	net_port_look(station->port, &view);
	return view.dropped[why];
}
