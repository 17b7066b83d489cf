/* SPDX-License-Identifier: MIT */
/*
 * One end of a channel: counts in the shared memory, each time that its peer has counted, and rings
 * the peer's doorbell; halts until its own rings. Either may begin, and be reset at any time: the
 * memory says how far they are. A line for every 1001 counts.
 */
#include "apic.h"
#include "pci.h"

#include <bulkhead/string.h>

#define CHANNEL_ID   0x11101af4u
#define PEERS	     2
#define VECTOR	     0x50
#define DOORBELL     0x0c
#define IV_POSITION  0x08
#define CAP_FIRST    0x34
#define CAP_MSIX     0x11
#define MSIX_ENABLE  0x8000
#define LOCAL_APICS  0xfee00000u
#define COUNTS_LINE  1001 /* odd, so that both peers come to it */
#define BELL_VECTOR  1
#define BAR_ADDRESS  0xfffffff0u
#define MEMORY_MOVED 0xd8000000u

/* At the beginning of the memory. */
struct common {
	volatile u64 count; /* odd ones are the peer's with an odd number */
	volatile u64 runs[PEERS];
};

static volatile u64 bells;

static void bell_interrupt(struct frame *frame unused)
{
	bells++;
	apic_eoi();
}

static u32 device_find(void)
{
	for (u32 slot = 0; slot < PCI_DEVICES; slot++)
		if (read32(pci_config(slot, PCI_ID)) == CHANNEL_ID)
			return slot;
	print("FAIL there is no channel\n");
	power_off();
}

static u64 bar(u32 slot, u32 number)
{
	return read32(pci_config(slot, PCI_BAR(number))) & BAR_ADDRESS;
}

static u64 bar_bytes(u32 slot, u32 number)
{
	u64 at = pci_config(slot, PCI_BAR(number));
	u32 address = read32(at), mask;

	write32(at, ~0u);
	mask = read32(at) & BAR_ADDRESS;
	write32(at, address);
	return (u32)-mask;
}

static void bells_on(u32 slot)
{
	u32 capability = read8(pci_config(slot, CAP_FIRST));
	u64 entry = bar(slot, 1) + 16 * BELL_VECTOR;

	check(read8(pci_config(slot, capability)) == CAP_MSIX, "it has MSI-X");
	write32(entry, LOCAL_APICS);
	write32(entry + 4, 0);
	write32(entry + 8, VECTOR);
	write32(entry + 12, 0);
	write16(pci_config(slot, capability + 2), MSIX_ENABLE);
	handler_set(VECTOR, bell_interrupt);
}

/* Where the BAR is moved to the same memory is, by emulation; and where it was it stays. */
static void check_moved(u32 slot, struct common *common)
{
	volatile u64 *moved = (void *)(u64)(MEMORY_MOVED + PAGE_SIZE - 8);
	const volatile u64 *home = (void *)((u64)common + PAGE_SIZE - 8);
	u64 value = tsc_read();
	u32 address = read32(pci_config(slot, PCI_BAR(2)));

	write32(pci_config(slot, PCI_BAR(2)), MEMORY_MOVED);
	*moved = value;
	check(*moved == value && *home == value, "the memory where the BAR is moved to");
	write32(pci_config(slot, PCI_BAR(2)), address);
}

static void ring(u64 registers, u32 peer)
{
	write32(registers + DOORBELL, peer << 16 | BELL_VECTOR);
}

/* Nobody, no such doorbell, and words that are not whole. */
static void ring_nobody(u64 registers)
{
	ring(registers, 0xffff);
	ring(registers, PEERS);
	write32(registers + DOORBELL, 0xffff);
	write8(registers + DOORBELL, 1);
	write64(registers + 8, 0);
}

noreturn static void count(u64 registers, u32 self, struct common *common)
{
	ring(registers, !self);
	for (;;) {
		interrupts_off();
		while (common->count % PEERS == self) {
			u64 next = common->count + 1;

			common->count = next;
			ring(registers, !self);
			if (next / COUNTS_LINE != (next - 1) / COUNTS_LINE)
				print("channel: peer %u, %lu counts, %lu bells, %lu and %lu runs\n",
				      self, next, bells, common->runs[0], common->runs[1]);
		}
		wait_interrupt();
	}
}

void guest_main(void)
{
	u32 slot = device_find(), self;
	struct common *common = (void *)bar(slot, 2);
	u64 registers = bar(slot, 0);

	apic_setup();
	self = read32(registers + IV_POSITION);
	print("channel: peer %u, %lu KiB at 0x%lx\n", self, bar_bytes(slot, 2) / KIB, (u64)common);
	bells_on(slot);
	check(self < PEERS, "a number");
	check_moved(slot, common);
	ring_nobody(registers);
	common->runs[self]++;
	checks_end("channel");
	count(registers, self, common);
}
