/* SPDX-License-Identifier: MIT */
/*
 * Any accesses to a board's PCI bus and to the virtio device on it, by ports, by memory and through
 * configuration space, with any bytes as the guest's RAM.
 */
/* links: drivers/virt/vpci.c drivers/virt/vpci_function.c drivers/virt/virtio_pci.c */
/* links: drivers/virt/virtio_rng.c drivers/virt/virtqueue.c drivers/virt/virtio_device.c */
/* links: vmm/format.c */
#include "drivers/virt/virtio_pci.h"
#include "drivers/virt/virtio_rng.h"

#include <bulkhead/load.h>
#include <stdlib.h>
#include <sys/mman.h>

#define RAM_BYTES (16 * KIB)
#define SLOT	  VPCI_DEVFN(2, 0)

/* One access; those behind the 0 that ends them are RAM. */
struct step {
	u8 what; /* bits 3:0 where, 5:4 how wide, 6 write */
	u16 at;
	u32 value;
} packed;

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes);

static struct guest_memory memory = {.low_bytes = RAM_BYTES};
static struct vpci pci;
static struct virtio_pci transport;
static struct virtio_rng rng;
static bool timer_armed;
static u32 lines;

static void must(bool condition)
{
	if (!condition)
		abort();
}

static u64 host_now(void *clock)
{
	(void)clock;
	return 1;
}

static void host_timer_set(struct device_host *host, struct device_timer *timer, u64 deadline)
{
	(void)host;
	must(timer == &rng.device.again);
	timer->deadline = deadline;
	timer_armed = deadline != DEVICE_TIMER_OFF;
}

static void host_irq_set(struct device_host *host, unsigned irq, bool level)
{
	(void)host;
	must(irq >= PCI_GSI_BASE && irq < PCI_GSI_BASE + VPCI_PIRQS);
	lines = level ? lines | 1U << irq : lines & ~(1U << irq);
}

static void host_message(struct device_host *host, u64 address, u32 data)
{
	(void)host;
	(void)data;
	must(!(address & 3));
	must(vpci_msix_enabled(&transport.function));
}

static void host_entropy(struct device_host *host, void *bytes, u64 count)
{
	(void)host;
	memset(bytes, 0x5a, count);
}

static void host_report(struct device_host *host, const char *text)
{
	(void)host;
	must(text[0]);
}

static const struct device_host_ops host_ops = {
	.timer_set = host_timer_set,
	.irq_set = host_irq_set,
	.message = host_message,
	.entropy = host_entropy,
	.report = host_report,
};
static struct device_host host = {.ops = &host_ops, .now = host_now};

static void isa_changed(void *context, u16 now)
{
	(void)context;
	must(!(now & ~0xdef8));
}

static void ports(u16 port, const struct step *step, unsigned bytes)
{
	bool config = port >= VPCI_PORT_ADDRESS && port < VPCI_PORT_END;
	u64 value;

	bytes = MIN(bytes, 4U);
	if (step->what & 0x40 && config)
		vpci_port_ops.write(&pci, port, bytes, step->value);
	else if (step->what & 0x40)
		(void)vpci_port_write(&pci, port, bytes, step->value);
	else if (config)
		(void)vpci_port_ops.read(&pci, port, bytes);
	else
		(void)vpci_port_read(&pci, port, bytes, &value);
}

static void memory_access(u64 gpa, const struct step *step, unsigned bytes)
{
	u64 value = step->value | (u64)step->at << 32;

	bytes = MIN(bytes,
		    8 - (unsigned)(gpa & 7)); /* within an 8-byte word, as the emulator does */
	bytes = bytes & (bytes - 1) ? 1 : bytes;
	if (step->what & 0x40)
		(void)vpci_memory_write(&pci, gpa, bytes, value);
	else
		(void)vpci_memory_read(&pci, gpa, bytes, &value);
}

static u32 bar(unsigned index)
{
	return vpci_config32(&transport.function, VPCI_BAR + 4 * index) & ~15U;
}

static void act(const struct step *step)
{
	unsigned bytes = 1U << (step->what >> 4 & 3);

	switch (step->what & 15) {
	case 1:
		ports(0xcf8, &(struct step){0x40, 0, 0x80000000 | step->value}, 4);
		break;
	case 2:
		ports((u16)(0xcf8 + (step->at & 7)), step, bytes);
		break;
	case 3:
		memory_access(PCI_ECAM_BASE + (SLOT << 12) + (step->at & 0xfff), step, bytes);
		break;
	case 4:
		memory_access(PCI_ECAM_BASE + (u64)step->at * 16, step, bytes);
		break;
	case 5:
	case 6:
		memory_access(bar(0) + (step->at & 0x3fU), step, bytes);
		break;
	case 7:
		memory_access(bar(0) + (step->at & 0x7fffU), step, bytes);
		break;
	case 8:
		ports((u16)(bar(1) + (step->at & 15)), step, bytes);
		break;
	case 9:
		ports(step->at, step, bytes);
		break;
	case 10:
		memory_access((u64)step->at << 16, step, bytes);
		break;
	case 11:
		memory.window[step->at & (RAM_BYTES - 1)] = (u8)step->value;
		break;
	default:
		if (timer_armed) {
			timer_armed = false;
			rng.device.again.fire(&rng.device);
		}
	}
}

/* The interrupt lines are what the function says, and what is fixed is as it was. */
static void check(void)
{
	const struct vpci_function *function = &transport.function;

	must(!!(lines & 1U << (PCI_GSI_BASE + 1)) == function->asserted);
	must(!function->asserted || function->intx);
	must(pci.memory.count <= VPCI_WINDOWS && pci.io.count <= VPCI_WINDOWS);
	for (unsigned i = 1; i < pci.memory.count; i++)
		must(pci.memory.window[i - 1].base <= pci.memory.window[i].base);
	must(vpci_config32(function, VPCI_VENDOR) == 0x10441af4);
	/* Where power management is may change, that it is ports may not. */
	must((vpci_config32(&pci.power, 0x40) & ~0xffc0U) == 1);
	must(rng.device.queue[0].size <= 8 || !rng.device.queue[0].ready);
}

static void board_make(const u8 *data, size_t bytes)
{
	if (!memory.window) {
		u8 *area = mmap(NULL, RAM_BYTES + 2 * PAGE_SIZE, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		must(area != MAP_FAILED &&
		     !mprotect(area + PAGE_SIZE, RAM_BYTES, PROT_READ | PROT_WRITE));
		memory.window = area + PAGE_SIZE;
	}
	memset(memory.window, 0, RAM_BYTES);
	memcpy(memory.window, data, MIN(bytes, (size_t)RAM_BYTES));
	timer_armed = false;
	lines = 0;
	vpci_init(&pci, &host, isa_changed, NULL);
	virtio_rng_init(&rng, &host, &memory);
	virtio_pci_init(&transport, &rng.device);
	must(!vpci_attach(&pci, &transport.function, SLOT));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	const u8 *end = data + bytes, *rest = data;
	struct step step;

	while ((size_t)(end - rest) >= sizeof(step) && *rest)
		rest += sizeof(step);
	board_make(rest, (size_t)(end - rest));
	for (; data < rest; data += sizeof(step)) {
		memcpy(&step, data, sizeof(step));
		act(&step);
		check();
	}
	return 0;
}
