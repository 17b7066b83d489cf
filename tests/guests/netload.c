/* SPDX-License-Identifier: MIT */
/*
 * For the benchmark: frames between two partitions. The first sends `batch` of them with one
 * notification and waits for an answer, `rounds` times; the second answers each batch with one
 * frame, as long as the others if a batch is one frame, else the shortest that there is.
 */
#include "alarm.h"
#include "parameters.h"
#include "virtio.h"

#include <bulkhead/string.h>

#define VECTOR		0x50
#define FRAME_BYTES	1514u /* 1500 and the Ethernet header */
#define FRAME_SHORTEST	60u
#define HEADER_BYTES	12u /* virtio 1.2, 5.1.6 */
#define BUFFER_BYTES	2048
#define BUFFERS		64
#define MAC_BYTES	6
#define FIRST_FRAME_US	20000
#define ETHERTYPE_LOCAL 0x88b5 /* IEEE 802: for local experiments */

enum { PARAMETER_ROUNDS = 1, PARAMETER_BATCH, PARAMETER_SECOND };
enum { RECEIVE, TRANSMIT };

static volatile u64 parameters[] = {PARAMETERS_MARK, 1000, 1, 0};

static struct virtio_ring receive_ring, transmit_ring;
static u8 received[BUFFERS][BUFFER_BYTES], sent[HEADER_BYTES + FRAME_BYTES];

static void card_address(u8 *at, u8 number)
{
	static const u8 address[MAC_BYTES] = {0x52, 0x54, 0x00, 0x00, 0x00, 0x00};

	memcpy(at, address, MAC_BYTES);
	at[MAC_BYTES - 1] = number;
}

static bool card_open(bool second)
{
	struct virtio_function card;

	if (!virtio_open(&card, VIRTIO_ID_NET, 0))
		return false;
	virtio_ring_open(&card, &receive_ring, RECEIVE, VECTOR);
	virtio_ring_open(&card, &transmit_ring, TRANSMIT, 0);
	virtio_start(&card);
	for (u16 i = 0; i < BUFFERS; i++) {
		receive_ring.descriptor[i] = (struct virtio_descriptor){
			(u64)received[i], BUFFER_BYTES, DESCRIPTOR_WRITE, 0};
		virtio_offer(&receive_ring, i);
	}
	virtio_notify(&receive_ring);
	card_address(sent + HEADER_BYTES, second ? 1 : 2);
	card_address(sent + HEADER_BYTES + MAC_BYTES, second ? 2 : 1);
	sent[HEADER_BYTES + 2 * MAC_BYTES] = (u8)(ETHERTYPE_LOCAL >> 8);
	sent[HEADER_BYTES + 2 * MAC_BYTES + 1] = (u8)ETHERTYPE_LOCAL;
	return true;
}

/* All from the one buffer: what is in them does not matter. The device has taken those of the last
 * time when the answer to them has come. */
static void frames_send(u64 count, u32 bytes)
{
	for (u16 i = 0; i < count; i++) {
		transmit_ring.descriptor[i] =
			(struct virtio_descriptor){(u64)sent, HEADER_BYTES + bytes, 0, 0};
		virtio_offer(&transmit_ring, i);
	}
	virtio_notify(&transmit_ring);
	while (virtio_take(&transmit_ring) != VIRTIO_NONE)
		;
}

static void frames_wait(u64 count)
{
	for (u64 i = 0; i < count; i++)
		virtio_offer(&receive_ring, virtio_wait(&receive_ring));
	virtio_notify(&receive_ring);
}

static void first(u64 rounds, u64 batch)
{
	frames_wait(1);
	for (u64 i = 0; i < rounds; i++) {
		frames_send(batch, FRAME_BYTES);
		frames_wait(1);
	}
}

/* Its first frame says that it is there; the other one was started before. */
static void second(u64 rounds, u64 batch)
{
	alarm_setup();
	alarm_sleep(tsc_read() + us_to_tsc(FIRST_FRAME_US));
	interrupts_on();
	frames_send(1, FRAME_SHORTEST);
	for (u64 i = 0; i < rounds; i++) {
		frames_wait(batch);
		frames_send(1, batch == 1 ? FRAME_BYTES : FRAME_SHORTEST);
	}
}

void guest_main(void)
{
	u64 rounds = parameters[PARAMETER_ROUNDS], batch = parameters[PARAMETER_BATCH];

	if (batch > BUFFERS || !card_open(parameters[PARAMETER_SECOND])) {
		print("netload: no card, or too large a batch\n");
		return;
	}
	interrupts_on();
	if (parameters[PARAMETER_SECOND])
		second(rounds, batch);
	else
		first(rounds, batch);
	print("netload: done\n");
}
