/* SPDX-License-Identifier: MIT */
/*
 * For the benchmark: `rounds` requests to the first disk, each of `bytes`, one after the other;
 * each is waited for. Then it powers off.
 */
#include "parameters.h"
#include "virtio.h"

#define VECTOR	  0x50
#define SECTOR	  512u
#define DISK_AREA (2u * MIB) /* requests go round in as much of the disk */

enum { PARAMETER_ROUNDS = 1, PARAMETER_BYTES, PARAMETER_WRITE };

static volatile u64 parameters[] = {PARAMETERS_MARK, 1000, 4096, 0};

/* virtio 1.2, 5.2.6 */
static struct {
	u32 type, reserved;
	u64 sector;
} header;

static struct virtio_ring ring;
static volatile u8 status;
static _Alignas(4096) u8 data[1 * MIB];

static void chain_describe(u32 bytes, bool write)
{
	ring.descriptor[0] = (struct virtio_descriptor){
		.address = (u64)&header,
		.bytes = sizeof(header),
		.flags = DESCRIPTOR_NEXT,
		.next = 1,
	};
	ring.descriptor[1] = (struct virtio_descriptor){
		.address = (u64)data,
		.bytes = bytes,
		.flags = (u16)(DESCRIPTOR_NEXT | (write ? 0 : DESCRIPTOR_WRITE)),
		.next = 2,
	};
	ring.descriptor[2] = (struct virtio_descriptor){
		.address = (u64)&status,
		.bytes = 1,
		.flags = DESCRIPTOR_WRITE,
	};
}

static bool request(u64 offset)
{
	header.sector = offset / SECTOR;
	status = 0xff;
	virtio_offer(&ring, 0);
	virtio_notify(&ring);
	return virtio_wait(&ring) == 0 && status == 0;
}

void guest_main(void)
{
	u64 rounds = parameters[PARAMETER_ROUNDS], bytes = parameters[PARAMETER_BYTES];
	u64 failed = 0;
	struct virtio_function disk;

	if (bytes > sizeof(data) || !virtio_open(&disk, VIRTIO_ID_BLOCK, 0)) {
		print("diskload: no disk, or too large a request\n");
		return;
	}
	virtio_ring_open(&disk, &ring, 0, VECTOR);
	virtio_start(&disk);
	header.type = (u32)parameters[PARAMETER_WRITE];
	chain_describe((u32)bytes, header.type);
	interrupts_on();
	/* Once round, so that all that is written has its pages. */
	for (u64 offset = 0; offset < DISK_AREA; offset += bytes)
		failed += !request(offset);
	for (u64 i = 0; i < rounds; i++)
		failed += !request(i * bytes % DISK_AREA);
	print("diskload: done, %lu failed\n", failed);
}
