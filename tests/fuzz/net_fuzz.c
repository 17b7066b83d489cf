/* links: drivers/virt/virtio_net.c drivers/virt/virtio_device.c drivers/virt/virtqueue.c */
/* links: vmm/net_switch.c vmm/net_address.c vmm/net_ring.c vmm/net_segment.c vmm/format.c */
/* SPDX-License-Identifier: MIT */
/*
 * Two network devices in one network, each with guest memory that is the input: frames with any
 * header, to drivers that agreed on any features, then rings of any content. Nothing is touched
 * outside of guest memory and the ring, and what arrives is what its driver accepts.
 */
#include "../unit/drivers/virt/fake_driver.h"
#include "../unit/fake_pages.h"

#include "drivers/virt/virtio_net.h"

#include <bulkhead/arch.h>
#include <bulkhead/memory.h>
#include <bulkhead/net_switch.h>

#define AREA	DRIVER_BUFFERS
#define HEADER	12U
#define BUFFERS 128U
#define ROOM	2048U /* of each, to receive */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct guest {
	struct fake_host host;
	struct fake_driver driver;
	struct virtio_net net;
	struct net_port *port;
} guests[2];

static u64 now_us;

static void require(bool condition)
{
	if (!condition)
		abort();
}

u64 arch_time_us(void)
{
	return now_us;
}

static void arrived(void *context)
{
	struct guest *guest = context;

	the_driver = &guest->driver;
	virtio_serve(&guest->net.device, VIRTIO_NET_RECEIVE);
}

static void guest_make(struct guest *guest, u8 last, u8 features)
{
	static const u64 choice[8] = {
		VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6,
		VIRTIO_NET_F_GUEST_CSUM,
		VIRTIO_NET_F_GUEST_TSO4,
		VIRTIO_NET_F_GUEST_TSO6,
		VIRTIO_NET_F_MRG_RXBUF,
		VIRTIO_F_EVENT_IDX,
		VIRTIO_F_INDIRECT_DESC,
		VIRTIO_NET_F_CSUM,
	};
	const struct net_port_setup setup = {
		.network = "lan",
		.mac = {2, 0, 0, 0, 0, last},
		.rate_bits = last * 10000000UL,
		.arrived = arrived,
		.context = guest,
	};
	u64 accepted = 0;

	for (u32 i = 0; i < 8; i++)
		accepted |= features & BIT(i) ? choice[i] : 0;
	fake_init(&guest->host);
	driver_init(&guest->driver);
	require(net_port_create(&setup, &guest->port) == 0);
	virtio_net_init(&guest->net, &guest->host.host, &guest->driver.memory, setup.mac,
			&net_port_cable, guest->port);
	driver_start(&guest->driver, &guest->net.device, accepted);
}

/* Buffers to receive, as many as there may be. */
static void buffers_give(struct guest *guest)
{
	for (u16 i = 0; i < BUFFERS; i++) {
		driver_describe(&guest->driver, 0, i, AREA + i * (u64)ROOM, ROOM, DRIVER_WRITE, 0);
		driver_offer(&guest->driver, 0, i);
	}
	virtio_serve(&guest->net.device, VIRTIO_NET_RECEIVE);
}

/* A frame: the first bytes, then `repeats` times more. */
static void frame_send(struct guest *guest, const u8 *data, u32 bytes, u16 repeats)
{
	memcpy(guest->driver.ram + AREA, data, bytes);
	for (u16 i = 0; i <= repeats; i++)
		driver_describe(&guest->driver, 1, i, AREA, bytes, i < repeats ? DRIVER_NEXT : 0,
				(u16)(i + 1));
	driver_offer(&guest->driver, 1, 0);
	virtio_serve(&guest->net.device, VIRTIO_NET_TRANSMIT);
}

/* What the receiver finds in its buffers. */
static void frames_check(struct guest *guest)
{
	struct virtio_net_header header;
	u32 more = 0, bytes = 0;
	long written;
	u16 head;

	while ((written = driver_take(&guest->driver, 0, &head)) >= 0) {
		require(head < BUFFERS && written <= ROOM);
		bytes += (u32)written;
		if (!more) {
			require(written >= HEADER + NET_HEADER_BYTES);
			memcpy(&header, guest->driver.ram + AREA + head * (u64)ROOM, HEADER);
			require(header.buffers && header.buffers <= BUFFERS);
			require(!header.flags ||
				virtio_has(&guest->net.device, VIRTIO_NET_F_GUEST_CSUM));
			require(header.cut != VIRTIO_NET_CUT_TCP4 ||
				virtio_has(&guest->net.device, VIRTIO_NET_F_GUEST_TSO4));
			require(header.cut != VIRTIO_NET_CUT_TCP6 ||
				virtio_has(&guest->net.device, VIRTIO_NET_F_GUEST_TSO6));
			more = header.buffers;
		}
		if (--more)
			continue;
		require(bytes - HEADER <= (header.cut ? NET_UNCUT_MAX : NET_FRAME_MAX));
		bytes = 0;
	}
	require(!more);
}

/* The rest of the input is all that the guest has in its rings. */
static void rings_check(struct guest *guest, const u8 *data, size_t size)
{
	for (u16 queue = 0; queue < VIRTIO_NET_QUEUES; queue++) {
		size_t part = MIN(size, (size_t)0x4000);

		memcpy(guest->driver.ram + DRIVER_RING(queue), data, part);
		data += part;
		size -= part;
		virtio_serve(&guest->net.device, queue);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u32 bytes;

	if (size < 8)
		return 0;
	now_us += 1000000;
	guest_make(&guests[0], 1, data[0]);
	guest_make(&guests[1], 2, data[1]);
	buffers_give(&guests[1]);
	bytes = (u32)MIN(size - 5, data[3] * 16UL + data[4] + 1);
	frame_send(&guests[0], data + 5, bytes, data[2] & 0x7f);
	frames_check(&guests[1]);
	rings_check(&guests[0], data + 5 + bytes, size - 5 - bytes);
	rings_check(&guests[1], data + 5 + bytes, size - 5 - bytes);
	for (u32 i = 0; i < 2; i++) {
		net_port_destroy(guests[i].port);
		driver_free(&guests[i].driver);
	}
	require(!net_first());
	return 0;
}
