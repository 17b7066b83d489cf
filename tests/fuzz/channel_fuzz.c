/* SPDX-License-Identifier: MIT */
/*
 * Two peers of a channel that access their device's registers, table and memory in any way, and
 * move its BARs. Nothing outside of the channel's memory is touched, no doorbell rings that is not
 * there, and what rang is delivered in the end.
 */
/* links: drivers/virt/vchannel.c drivers/virt/vpci.c drivers/virt/vpci_function.c */
/* links: vmm/channel.c vmm/format.c */
#include "tests/unit/drivers/virt/fake_host.h"

#include "drivers/virt/vchannel.h"
#include "fuzz_input.h"

#include <bulkhead/arch.h>
#include <bulkhead/load.h>
#include <bulkhead/memory.h>

#define PEERS	 2
#define BYTES	 0x10000U
#define SLOT	 VPCI_DEVFN(5, 0)
#define POSITION 8
#define DOORBELL 12

struct peer {
	struct fake_host fake;
	struct vpci pci;
	struct vchannel device;
	struct channel_port *port;
	bool arrived;
};

static struct peer peers[PEERS];

u64 arch_irq_save(void)
{
	return 0;
}

void arch_irq_restore(u64 flags)
{
	(void)flags;
}

void *memory_take(enum memory_use use, u64 bytes)
{
	(void)use;
	return calloc(1, bytes);
}

void memory_give(enum memory_use use, void *memory, u64 bytes)
{
	(void)use;
	(void)bytes;
	free(memory);
}

unsigned memory_order(u64 bytes)
{
	must(bytes == BYTES);
	return 4;
}

/* The device is given its memory by itself. */
u64 memory_guest_alloc(unsigned order)
{
	must(PAGE_SIZE << order == BYTES);
	return 0;
}

void memory_guest_free(u64 physical, unsigned order)
{
	must(physical == 0 && PAGE_SIZE << order == BYTES);
}

static void arrived(void *context)
{
	((struct peer *)context)->arrived = true;
}

static void lines_changed(void *context, u16 lines)
{
	(void)context;
	must(!lines); /* it has no pin */
}

static void peer_make(struct peer *peer, u8 *memory)
{
	const struct channel_setup setup = {"fuzzed", BYTES, arrived, peer};
	bool fresh;

	peer->arrived = false;
	fake_init(&peer->fake);
	must(!channel_join(&setup, &peer->port, &fresh) && fresh == (peer == peers));
	vpci_init(&peer->pci, &peer->fake.host, lines_changed, NULL);
	vchannel_init(&peer->device, &peer->fake.host, &channel_port_ops, peer->port, memory,
		      BYTES);
	must(!vpci_attach(&peer->pci, &peer->device.function, SLOT));
	vchannel_place(&peer->device);
}

/* Within an 8-byte word, as the emulator does. */
static void access(struct peer *peer, u64 gpa)
{
	unsigned bytes = 1U << (next8() & 3);
	u64 value;

	gpa &= ~(u64)(bytes - 1);
	if (next8() & 1)
		(void)vpci_memory_write(&peer->pci, gpa, bytes, next(8));
	else
		(void)vpci_memory_read(&peer->pci, gpa, bytes, &value);
}

static u64 bar(struct peer *peer, unsigned number)
{
	return vpci_config_read(&peer->device.function, VPCI_BAR + 4 * number, 4) & ~15U;
}

/* So that registers are somewhere. */
static void open(struct peer *peer)
{
	vpci_config_write(&peer->device.function, VPCI_BAR, 4, 0xc0000000);
	vpci_config_write(&peer->device.function, VPCI_BAR + 4, 4, 0xc0001000);
	vpci_config_write(&peer->device.function, VPCI_COMMAND, 2, 6);
}

static void rings_take(struct peer *peer)
{
	if (!peer->arrived)
		return;
	peer->arrived = false;
	vchannel_arrived(&peer->device);
}

static void step(void)
{
	struct peer *peer = &peers[next8() % PEERS];

	switch (next8() % 9) {
	case 0:
		access(peer, PCI_ECAM_BASE + (SLOT << 12) + next(2) % 0x1000);
		break;
	case 1:
		access(peer, bar(peer, 0) + next8());
		break;
	case 2:
		(void)vpci_memory_write(&peer->pci, bar(peer, 0) + DOORBELL, 4,
					(next8() % 20U) << 16 | next8() % 8);
		break;
	case 3:
		access(peer, bar(peer, 1) + next(2) % 0x1000);
		break;
	case 4:
		access(peer, bar(peer, 2) + next(4) % (BYTES + 16));
		break;
	case 5:
		vpci_config_write(&peer->device.function, VPCI_BAR + 4 * (next8() % 3), 4,
				  (u32)next(4));
		break;
	case 6:
		open(peer);
		break;
	case 7:
		fake_run(&peer->fake, next(3));
		break;
	default:
		rings_take(peer);
	}
}

static void check(struct peer *peer)
{
	struct device_timer *timer = peer->fake.timers;

	must(!timer || (timer == &peer->device.later && !timer->next));
	must(vpci_bar_read(&peer->device.function, 0, POSITION, 4) == (u64)(peer - peers));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	u8 *memory = calloc(1, BYTES); /* from the heap: what lies outside is the sanitizer's */

	input_begin(data, bytes);
	for (unsigned i = 0; i < PEERS; i++)
		peer_make(&peers[i], memory);
	for (unsigned i = 0; left && i < 4096; i++) {
		step();
		check(&peers[i % PEERS]);
	}
	for (unsigned i = 0; i < PEERS; i++) {
		rings_take(&peers[i]);
		fake_run(&peers[i].fake, 1000000);
		must(!channel_port_ops.take(peers[i].port));
	}
	for (unsigned i = 0; i < PEERS; i++)
		channel_leave(peers[i].port);
	free(memory);
	return 0;
}
