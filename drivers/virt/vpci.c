/* SPDX-License-Identifier: MIT */
/* The bus: who answers to an address, how interrupts run, and the chipset's own functions. */
#include "vpci.h"

#include <bulkhead/error.h>
#include <bulkhead/load.h>
#include <bulkhead/string.h>

/* The configuration address register: enable, bus, device, function, register. */
#define ADDRESS_ENABLE BIT(31)
#define ADDRESS_KEPT   0x80fffffcU

#define INTEL	      0x8086
#define MULTIFUNCTION 0x80
#define CLASS_HOST    0x060000
#define CLASS_ISA     0x060100
#define CLASS_OTHER   0x068000 /* bridge of no other kind: what a PIIX4 calls its function 3 */

/* i440FX (Intel 290549), 3.2.13: which of the area from C0000h to FFFFFh is RAM. All of it is, and
 * that firmware wants it otherwise is only remembered. */
#define PAM	  0x59
#define PAM_BYTES 7
#define PAM_RAM	  0x33

/* PIIX3 (Intel 290550), 2.2.12: PIRQRC[A:D]. */
#define PIRQRC		0x60
#define PIRQRC_OFF	0x80
#define PIRQRC_WRITABLE 0x8f
#define PIRQRC_LINES	0xdef8 /* those that may be chosen */

/* PIIX4 (Intel 290562), 7.2.1 and 7.2.5 */
#define PMBASE	       0x40
#define PMBASE_IO      1
#define DEVACTB	       0x58
#define DEVACTB_APMC   BIT(25)
#define PMBASE_MASK    0xffc0U
#define PMREGMISC      0x80
#define PMREGMISC_PMIO 1

/* As a PC's firmware routes PIRQA to PIRQD to the 8259 pair. */
static const u8 pirq_lines[VPCI_PIRQS] = {10, 10, 11, 11};

static struct vpci_function *function_at(struct vpci *pci, unsigned bus, u8 devfn)
{
	u8 index = bus ? 0 : pci->by_devfn[devfn];

	return index ? pci->function[index - 1] : NULL;
}

/* --- configuration mechanism #1 --- */

static struct vpci_function *addressed(struct vpci *pci)
{
	if (!(pci->address & ADDRESS_ENABLE))
		return NULL;
	return function_at(pci, pci->address >> 16 & 0xff, (u8)(pci->address >> 8));
}

/* As much of an access to the data register as is in it. */
static unsigned data_bytes(u64 port, unsigned bytes)
{
	return MIN(bytes, (unsigned)(VPCI_PORT_END - port));
}

static u64 config_port_read(void *device, u64 port, unsigned bytes)
{
	struct vpci *pci = device;
	struct vpci_function *function;

	if (port < VPCI_PORT_DATA)
		return port == VPCI_PORT_ADDRESS && bytes == 4 ? pci->address : ~0U;
	function = addressed(pci);
	if (!function)
		return ~0U;
	return vpci_config_read(function, (pci->address & 0xfc) + (unsigned)(port & 3),
				data_bytes(port, bytes));
}

static void config_port_write(void *device, u64 port, unsigned bytes, u64 value)
{
	struct vpci *pci = device;
	struct vpci_function *function;

	if (port < VPCI_PORT_DATA) {
		if (port == VPCI_PORT_ADDRESS && bytes == 4)
			pci->address = (u32)value & ADDRESS_KEPT;
		return;
	}
	function = addressed(pci);
	if (function)
		vpci_config_write(function, (pci->address & 0xfc) + (unsigned)(port & 3),
				  data_bytes(port, bytes), (u32)value);
}

/* --- windows --- */

static void window_insert(struct vpci_windows *windows, const struct vpci_window *window)
{
	unsigned at = windows->count++;

	while (at && windows->window[at - 1].base > window->base) {
		windows->window[at] = windows->window[at - 1];
		at--;
	}
	windows->window[at] = *window;
}

static void bar_map(struct vpci *pci, struct vpci_function *function, unsigned bar)
{
	bool io = function->bar[bar].io;
	u8 needed = io ? VPCI_COMMAND_IO : VPCI_COMMAND_MEMORY;
	struct vpci_window window = {
		.base = vpci_config32(function, VPCI_BAR + 4 * bar) &
			~(function->bar[bar].bytes - 1),
		.bytes = function->bar[bar].bytes,
		.function = function,
		.bar = bar,
	};

	if (window.bytes && function->config[VPCI_COMMAND] & needed)
		window_insert(io ? &pci->io : &pci->memory, &window);
}

void vpci_remap(struct vpci *pci)
{
	pci->memory.count = pci->io.count = 0;
	for (unsigned i = 0; i < pci->count; i++)
		for (unsigned bar = 0; bar < VPCI_BARS; bar++)
			bar_map(pci, pci->function[i], bar);
}

/* The window that `address` is in: the last one that does not begin behind it, or none. Windows
 * that a guest has put over each other answer in parts. */
static const struct vpci_window *window_find(const struct vpci_windows *windows, u64 address)
{
	unsigned low = 0, high = windows->count;
	const struct vpci_window *window;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (windows->window[middle].base <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	window = &windows->window[low - 1];
	return address - window->base < window->bytes ? window : NULL;
}

bool vpci_port_read(struct vpci *pci, u32 port, unsigned bytes, u64 *value)
{
	const struct vpci_window *window = window_find(&pci->io, port);

	if (!window)
		return false;
	*value = vpci_bar_read(window->function, window->bar, port - window->base, bytes);
	return true;
}

bool vpci_port_write(struct vpci *pci, u32 port, unsigned bytes, u64 value)
{
	const struct vpci_window *window = window_find(&pci->io, port);

	if (!window)
		return false;
	vpci_bar_write(window->function, window->bar, port - window->base, bytes, value);
	return true;
}

/* --- memory --- */

static bool is_ecam(u64 gpa)
{
	return gpa - PCI_ECAM_BASE < PCI_ECAM_BYTES;
}

/* PCI Express 5.0, 7.2.2: function in bits 19:12, register below. */
static u32 ecam_read(struct vpci *pci, u64 gpa, unsigned bytes)
{
	struct vpci_function *function = function_at(pci, 0, (u8)(gpa >> 12));

	return function ? vpci_config_read(function, gpa & 0xfff, bytes) : ~0U;
}

static void ecam_write(struct vpci *pci, u64 gpa, unsigned bytes, u32 value)
{
	struct vpci_function *function = function_at(pci, 0, (u8)(gpa >> 12));

	if (function)
		vpci_config_write(function, gpa & 0xfff, bytes, value);
}

bool vpci_memory_read(struct vpci *pci, u64 gpa, unsigned bytes, u64 *value)
{
	const struct vpci_window *window;

	if (is_ecam(gpa)) {
		*value = ecam_read(pci, gpa, MIN(bytes, 4U));
		if (bytes == 8)
			*value |= (u64)ecam_read(pci, gpa + 4, 4) << 32;
		return true;
	}
	window = window_find(&pci->memory, gpa);
	if (!window)
		return false;
	*value = vpci_bar_read(window->function, window->bar, (u32)(gpa - window->base), bytes);
	return true;
}

bool vpci_memory_write(struct vpci *pci, u64 gpa, unsigned bytes, u64 value)
{
	const struct vpci_window *window;

	if (is_ecam(gpa)) {
		ecam_write(pci, gpa, MIN(bytes, 4U), (u32)value);
		if (bytes == 8)
			ecam_write(pci, gpa + 4, 4, (u32)(value >> 32));
		return true;
	}
	window = window_find(&pci->memory, gpa);
	if (!window)
		return false;
	vpci_bar_write(window->function, window->bar, (u32)(gpa - window->base), bytes, value);
	return true;
}

/* --- interrupts --- */

/* Pins are swizzled over the PIRQs, so that neighbours differ; device 1 has INTA at PIRQA. */
static unsigned function_pirq(const struct vpci_function *function)
{
	unsigned pin = function->config[VPCI_INTERRUPT_PIN] - 1U, device = function->devfn >> 3;

	return (device + VPCI_PIRQS - 1 + pin) % VPCI_PIRQS;
}

static void isa_update(struct vpci *pci)
{
	u16 lines = 0;

	for (unsigned i = 0; i < VPCI_PIRQS; i++) {
		u8 route = pci->isa_bridge.config[PIRQRC + i];

		if (pci->asserting[i] && !(route & PIRQRC_OFF))
			lines |= (u16)(BIT(route & 15) & PIRQRC_LINES);
	}
	if (lines == pci->isa_lines)
		return;
	pci->isa_lines = lines;
	pci->isa_changed(pci->context, lines);
}

void vpci_pin_changed(struct vpci_function *function)
{
	struct vpci *pci = function->bus;
	unsigned pirq = function_pirq(function);

	pci->asserting[pirq] =
		(u8)(function->asserted ? pci->asserting[pirq] + 1 : pci->asserting[pirq] - 1);
	device_irq_set(pci->host, PCI_GSI_BASE + pirq, pci->asserting[pirq]);
	isa_update(pci);
}

/* --- putting functions on the bus --- */

static void bar_place(struct vpci *pci, struct vpci_function *function, unsigned bar)
{
	u32 bytes = function->bar[bar].bytes;
	u32 *next = function->bar[bar].io ? &pci->next_io : &pci->next_memory;
	u32 base = (u32)align_up(*next, bytes);

	vpci_config_set(function, VPCI_BAR + 4 * bar, 4,
			base | vpci_config32(function, VPCI_BAR + 4 * bar));
	*next = base + bytes;
}

int vpci_attach(struct vpci *pci, struct vpci_function *function, u8 devfn)
{
	if (pci->count == VPCI_FUNCTIONS)
		return -ENOSPC;
	function->bus = pci;
	function->devfn = devfn;
	pci->function[pci->count++] = function;
	pci->by_devfn[devfn] = (u8)pci->count;
	for (unsigned bar = 0; bar < VPCI_BARS; bar++)
		if (function->bar[bar].bytes)
			bar_place(pci, function, bar);
	if (function->config[VPCI_INTERRUPT_PIN] && !function->config[VPCI_INTERRUPT_LINE])
		function->config[VPCI_INTERRUPT_LINE] = pirq_lines[function_pirq(function)];
	function->config[VPCI_COMMAND] |=
		VPCI_COMMAND_IO | VPCI_COMMAND_MEMORY | VPCI_COMMAND_MASTER;
	vpci_remap(pci);
	return 0;
}

/* --- the chipset --- */

static void isa_bridge_written(struct vpci_function *function, unsigned offset, unsigned bytes)
{
	if (offset < PIRQRC + VPCI_PIRQS && offset + bytes > PIRQRC)
		isa_update(function->bus);
}

static const struct vpci_function_ops isa_bridge_ops = {.config_written = isa_bridge_written};

static void host_bridge_make(struct vpci_function *bridge)
{
	static const struct vpci_identity i440fx = {
		.vendor = INTEL, .device = 0x1237, .class_code = CLASS_HOST, .revision = 2};

	vpci_function_init(bridge, &i440fx, NULL);
	memset(bridge->config + PAM, PAM_RAM, PAM_BYTES);
	memset(bridge->writable + PAM, 0xff, PAM_BYTES);
}

static void isa_bridge_make(struct vpci_function *bridge)
{
	static const struct vpci_identity piix3 = {
		.vendor = INTEL, .device = 0x7000, .class_code = CLASS_ISA};

	vpci_function_init(bridge, &piix3, &isa_bridge_ops);
	vpci_config_set(bridge, VPCI_HEADER_TYPE, 1, MULTIFUNCTION);
	memcpy(bridge->config + PIRQRC, pirq_lines, VPCI_PIRQS);
	memset(bridge->writable + PIRQRC, PIRQRC_WRITABLE, VPCI_PIRQS);
}

/* Its registers answer where the ACPI tables say, and where firmware moves them besides. */
static void power_make(struct vpci_function *power)
{
	static const struct vpci_identity piix4 = {.vendor = INTEL,
						   .device = 0x7113,
						   .class_code = CLASS_OTHER,
						   .revision = 3,
						   .pin = 1};

	vpci_function_init(power, &piix4, NULL);
	vpci_config_set(power, PMBASE, 4, ACPI_PM_BASE | PMBASE_IO);
	power->writable[PMBASE] = (u8)PMBASE_MASK;
	power->writable[PMBASE + 1] = PMBASE_MASK >> 8;
	vpci_config_set(power, PMREGMISC, 1, PMREGMISC_PMIO);
	/* System-management mode is set up, says this to firmware: there is none. */
	vpci_config_set(power, DEVACTB, 4, DEVACTB_APMC);
	vpci_config_set(power, VPCI_INTERRUPT_LINE, 1, ACPI_SCI_IRQ);
}

void vpci_init(struct vpci *pci, struct device_host *host,
	       void (*isa_changed)(void *context, u16 lines), void *context)
{
	*pci = (struct vpci){
		.host = host,
		.next_memory = PCI_MEMORY_BASE,
		.next_io = PCI_IO_BASE,
		.isa_changed = isa_changed,
		.context = context,
	};
	host_bridge_make(&pci->host_bridge);
	isa_bridge_make(&pci->isa_bridge);
	power_make(&pci->power);
	/* The first three of an empty bus always find room. */
	(void)!vpci_attach(pci, &pci->host_bridge, VPCI_DEVFN(0, 0));
	(void)!vpci_attach(pci, &pci->isa_bridge, VPCI_DEVFN(1, 0));
	(void)!vpci_attach(pci, &pci->power, VPCI_DEVFN(1, 3));
}

u16 vpci_power_base(const struct vpci *pci)
{
	const u8 *base = pci->power.config + PMBASE;
	u32 value = base[0] | (u32)base[1] << 8;

	return (u16)(value & PMBASE_MASK);
}

void vpci_shadow_off(struct vpci *pci)
{
	memset(pci->host_bridge.config + PAM, 0, PAM_BYTES);
}

const struct device_ops vpci_port_ops = {
	.name = "PCI",
	.read = config_port_read,
	.write = config_port_write,
	.widest_bytes = 4,
	.works = true,
};
