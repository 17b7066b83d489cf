/* SPDX-License-Identifier: MIT */
/* The PCI bus against PCI Local Bus Specification 3.0, and a function on it that a test drives. */
/* links: drivers/virt/vpci_function.c */
#include "cmocka_all.h"

#include "drivers/virt/vpci.h"
#include "fake_host.h"

#include <bulkhead/error.h>
#include <bulkhead/load.h>

#define DEVICE	   3
#define ADDRESS	   (0x80000000U | DEVICE << 11)
#define MEMORY_BAR 1
#define PORT_BAR   4
#define MSIX_BASE  0x1000
#define PBA_BASE   0x1800
#define VECTORS	   3
#define PIRQ	   2 /* of device 3, pin A */

static struct fake_host fake;
static struct vpci pci;
static struct vpci_function function;
static u16 isa_lines;
static unsigned isa_changes;

static struct {
	unsigned bar, bytes, reads, writes;
	u32 offset;
	u64 value;
} last;

static u64 function_read(struct vpci_function *self, unsigned bar, u32 offset, unsigned bytes)
{
	assert_ptr_equal(self, &function);
	last.reads++;
	last.bar = bar;
	last.offset = offset;
	last.bytes = bytes;
	return 0x1122334455667788;
}

static void function_write(struct vpci_function *self, unsigned bar, u32 offset, unsigned bytes,
			   u64 value)
{
	assert_ptr_equal(self, &function);
	last.writes++;
	last.bar = bar;
	last.offset = offset;
	last.bytes = bytes;
	last.value = value;
}

static const struct vpci_function_ops ops = {.bar_read = function_read,
					     .bar_write = function_write};

static void isa_changed(void *context, u16 lines)
{
	assert_ptr_equal(context, &fake);
	assert_int_not_equal(lines, isa_lines);
	isa_lines = lines;
	isa_changes++;
}

static void function_make(struct vpci_function *made)
{
	static const struct vpci_identity identity = {.vendor = 0x1234,
						      .device = 0x5678,
						      .subsystem_vendor = 0x9abc,
						      .subsystem = 0xdef0,
						      .class_code = 0x123456,
						      .revision = 7,
						      .pin = 1};

	vpci_function_init(made, &identity, &ops);
	vpci_bar_add(made, MEMORY_BAR, false, 0x2000);
	vpci_bar_add(made, PORT_BAR, true, 0x20);
	vpci_msix_add(made, VECTORS, MEMORY_BAR, MSIX_BASE, PBA_BASE);
}

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	isa_lines = 0;
	isa_changes = 0;
	memset(&last, 0, sizeof(last));
	vpci_init(&pci, &fake.host, isa_changed, &fake);
	function_make(&function);
	assert_int_equal(vpci_attach(&pci, &function, VPCI_DEVFN(DEVICE, 0)), 0);
	return 0;
}

static void out(u16 port, unsigned bytes, u32 value)
{
	if (port >= VPCI_PORT_ADDRESS && port < VPCI_PORT_END)
		vpci_port_ops.write(&pci, port, bytes, value);
	else
		assert_true(vpci_port_write(&pci, port, bytes, value));
}

static u32 in(u16 port, unsigned bytes)
{
	u64 value;

	if (port >= VPCI_PORT_ADDRESS && port < VPCI_PORT_END)
		value = vpci_port_ops.read(&pci, port, bytes);
	else
		assert_true(vpci_port_read(&pci, port, bytes, &value));
	return (u32)value & (bytes < 4 ? (u32)BIT(8 * bytes) - 1 : ~0U);
}

static bool port_reaches(u16 port)
{
	u64 value;

	return vpci_port_read(&pci, port, 1, &value);
}

static u32 config_in(u32 address, unsigned bytes)
{
	out(0xcf8, 4, address & ~3U);
	return in((u16)(0xcfc + (address & 3)), bytes);
}

static void config_out(u32 address, unsigned bytes, u32 value)
{
	out(0xcf8, 4, address & ~3U);
	out((u16)(0xcfc + (address & 3)), bytes, value);
}

static bool memory_reaches(u64 gpa)
{
	unsigned reads = last.reads;
	u64 value;

	return vpci_memory_read(&pci, gpa, 4, &value) && last.reads == reads + 1;
}

static void test_mechanism(void **state)
{
	(void)state;
	out(0xcf8, 4, 0xffffffff);
	assert_int_equal(in(0xcf8, 4), 0x80fffffc);
	out(0xcf8, 2, 0); /* not the address register: that is one of 4 bytes */
	out(0xcf8, 1, 0);
	assert_int_equal(in(0xcf8, 4), 0x80fffffc);
	assert_int_equal(in(0xcf8, 2), 0xffff);
	assert_int_equal(config_in(ADDRESS, 4), 0x56781234);
	assert_int_equal(config_in(ADDRESS + 1, 1), 0x12);
	assert_int_equal(config_in(ADDRESS + 2, 2), 0x5678);
	assert_int_equal(config_in(ADDRESS + 1, 2), 0x7812);
	assert_int_equal(config_in(ADDRESS + 3, 4), 0x56); /* ends with the register */
	assert_int_equal(config_in(ADDRESS + VPCI_REVISION, 4), 0x12345607);
	assert_int_equal(config_in(ADDRESS + VPCI_SUBSYSTEM_VENDOR, 4), 0xdef09abc);
	assert_int_equal(config_in(ADDRESS & ~0x80000000U, 4), 0xffffffff); /* not enabled */
	assert_int_equal(config_in(ADDRESS | 1 << 16, 4), 0xffffffff);	    /* bus 1 */
	assert_int_equal(config_in(ADDRESS | 1 << 8, 4), 0xffffffff);	    /* function 1 */
	config_out(ADDRESS | 1 << 8, 4, 0);
	config_out(ADDRESS, 4, 0); /* read-only */
	assert_int_equal(config_in(ADDRESS, 4), 0x56781234);
}

static void test_ecam(void **state)
{
	u64 base = PCI_ECAM_BASE + (DEVICE << 15), value;

	(void)state;
	assert_true(vpci_memory_read(&pci, base, 8, &value));
	assert_int_equal(value, 0x0010000756781234); /* with capabilities, and enabled */
	assert_true(vpci_memory_read(&pci, base + 2, 1, &value));
	assert_int_equal(value, 0x78);
	assert_true(vpci_memory_read(&pci, base + 0x100, 8, &value));
	assert_int_equal(value, 0); /* no extended capabilities */
	assert_true(vpci_memory_read(&pci, base + 0x1000, 4, &value));
	assert_int_equal((u32)value, 0xffffffff);
	assert_true(vpci_memory_write(&pci, base + 0x3c, 4, 0xffffff05));
	assert_int_equal(config_in(ADDRESS + VPCI_INTERRUPT_LINE, 4), 0x105);
	assert_true(vpci_memory_write(&pci, base + 0x100, 8, ~0UL));
	assert_true(vpci_memory_write(&pci, PCI_ECAM_BASE + PCI_ECAM_BYTES - 8, 8, ~0UL));
	assert_false(vpci_memory_read(&pci, PCI_ECAM_BASE + PCI_ECAM_BYTES, 4, &value));
	assert_false(vpci_memory_write(&pci, PCI_ECAM_BASE - 8, 8, 0));
}

static void test_chipset(void **state)
{
	(void)state;
	assert_int_equal(config_in(0x80000000, 4), 0x12378086);
	assert_int_equal(config_in(0x80000008, 4) >> 8, 0x060000);
	assert_int_equal(config_in(0x80000800, 4), 0x70008086);
	assert_int_equal(config_in(0x80000808, 4) >> 8, 0x060100);
	assert_int_equal(config_in(0x8000080e, 1), 0x80); /* more functions */
	assert_int_equal(config_in(0x80000b00, 4), 0x71138086);
	assert_int_equal(config_in(0x80000b40, 4), ACPI_PM_BASE | 1);
	assert_int_equal(vpci_power_base(&pci), ACPI_PM_BASE);
	config_out(0x80000b40, 4, 0xffff0600);
	assert_int_equal(config_in(0x80000b40, 4), 0x601);
	assert_int_equal(vpci_power_base(&pci), 0x600);
	assert_int_equal(config_in(0x80000b58, 4), BIT(25));	/* SMM is set up */
	assert_int_equal(config_in(0x80000058, 4), 0x33333300); /* RAM from C0000h on */
	vpci_shadow_off(&pci);
	assert_int_equal(config_in(0x80000058, 4), 0);
	assert_int_equal(config_in(0x80000b3c, 2), 0x100 | ACPI_SCI_IRQ);
	assert_int_equal(config_in(0x80000860, 4), 0x0b0b0a0a);
	assert_int_equal(config_in(0x80000010, 4), 0); /* no BARs */
	config_out(0x80000010, 4, ~0U);
	assert_int_equal(config_in(0x80000010, 4), 0);
}

static void test_bars(void **state)
{
	u32 memory = config_in(ADDRESS + VPCI_BAR + 4 * MEMORY_BAR, 4);
	u32 ports = config_in(ADDRESS + VPCI_BAR + 4 * PORT_BAR, 4);
	u64 value;

	(void)state;
	assert_int_equal(memory, PCI_MEMORY_BASE);
	assert_int_equal(ports, PCI_IO_BASE | 1);
	assert_true(memory_reaches(memory + 0xffc));
	assert_int_equal(last.bar, MEMORY_BAR);
	assert_int_equal(last.offset, 0xffc);
	assert_false(memory_reaches(memory + 0x2000));
	assert_true(vpci_memory_write(&pci, memory + 8, 8, 0x123456789));
	assert_int_equal(last.value, 0x123456789);
	assert_true(vpci_memory_read(&pci, memory + 2, 4, &value)); /* not aligned: nobody */
	assert_int_equal(value, ~0UL);
	assert_true(port_reaches(PCI_IO_BASE + 0x1f));
	assert_false(port_reaches(PCI_IO_BASE + 0x20));
	out(PCI_IO_BASE + 2, 2, 0xabcd);
	assert_int_equal(last.bar, PORT_BAR);
	assert_int_equal(last.offset, 2);
	assert_int_equal(last.value, 0xabcd);
	assert_int_equal(in(PCI_IO_BASE + 1, 1), 0x88);
	assert_int_equal(in(PCI_IO_BASE + 0x1e, 4), 0xffffffff); /* across its end */

	config_out(ADDRESS + VPCI_BAR + 4 * MEMORY_BAR, 4, 0xffffffff);
	assert_int_equal(config_in(ADDRESS + VPCI_BAR + 4 * MEMORY_BAR, 4), 0xffffe000);
	assert_true(memory_reaches(0xffffe000));
	assert_true(memory_reaches(0xfffffffc) || last.offset == 0x1ffc);
	config_out(ADDRESS + VPCI_BAR + 4 * PORT_BAR, 4, 0xffffffff);
	assert_int_equal(config_in(ADDRESS + VPCI_BAR + 4 * PORT_BAR, 4), 0xffffffe1);
	assert_false(port_reaches(PCI_IO_BASE));
	assert_false(port_reaches(0xffe0)); /* beyond all ports */
	config_out(ADDRESS + VPCI_BAR + 4 * MEMORY_BAR, 4, 0xd0001234);
	config_out(ADDRESS + VPCI_BAR + 4 * PORT_BAR, 4, 0x1010);
	assert_true(memory_reaches(0xd0000000));
	assert_false(memory_reaches(PCI_MEMORY_BASE));
	assert_true(port_reaches(0x1000));
	config_out(ADDRESS + VPCI_BAR, 4, 0xffffffff); /* there is no BAR 0 */
	assert_int_equal(config_in(ADDRESS + VPCI_BAR, 4), 0);

	config_out(ADDRESS + VPCI_COMMAND, 2, VPCI_COMMAND_IO);
	assert_false(memory_reaches(0xd0000000));
	assert_true(port_reaches(0x1000));
	config_out(ADDRESS + VPCI_COMMAND, 2, VPCI_COMMAND_MEMORY);
	assert_true(memory_reaches(0xd0000000));
	assert_false(port_reaches(0x1000));
}

/* Two functions side by side, moved over each other and apart again. */
static void test_windows(void **state)
{
	static struct vpci_function other, more[VPCI_FUNCTIONS - 5];

	(void)state;
	function_make(&other);
	assert_int_equal(vpci_attach(&pci, &other, VPCI_DEVFN(31, 7)), 0);
	assert_int_equal(config_in(0x8000ff00, 4), 0x56781234);
	assert_int_equal(config_in(0x8000ff14, 4), PCI_MEMORY_BASE + 0x2000);
	assert_int_equal(config_in(0x8000ff20, 4), (PCI_IO_BASE + 0x20) | 1);
	assert_true(memory_reaches(PCI_MEMORY_BASE));
	config_out(0x8000ff14, 4, PCI_MEMORY_BASE - 0x2000);
	assert_true(memory_reaches(PCI_MEMORY_BASE));
	config_out(0x8000ff14, 4, 0);
	assert_true(memory_reaches(PCI_MEMORY_BASE));
	config_out(ADDRESS + 0x14, 4, 0xd0000000);
	assert_false(memory_reaches(PCI_MEMORY_BASE));
	assert_true(memory_reaches(0xd0000ffc));
	for (unsigned i = 0; i < ARRAY_SIZE(more); i++)
		assert_int_equal(vpci_attach(&pci, &more[i], VPCI_DEVFN(4, 0)), 0);
	assert_int_equal(vpci_attach(&pci, &other, VPCI_DEVFN(5, 0)), -ENOSPC);
}

static void test_intx(void **state)
{
	(void)state;
	assert_int_equal(config_in(ADDRESS + VPCI_INTERRUPT_LINE, 2), 0x10b);
	vpci_intx_set(&function, true);
	assert_true(fake.irq[PCI_GSI_BASE + PIRQ]);
	assert_int_equal(isa_lines, BIT(11));
	assert_int_equal(config_in(ADDRESS + VPCI_STATUS, 2), 0x18);
	vpci_intx_set(&function, true);
	config_out(ADDRESS + VPCI_COMMAND, 2, VPCI_COMMAND_NO_INTX);
	assert_false(fake.irq[PCI_GSI_BASE + PIRQ]);
	assert_int_equal(isa_lines, 0);
	assert_int_equal(config_in(ADDRESS + VPCI_STATUS, 2), 0x18);
	config_out(ADDRESS + VPCI_COMMAND, 2, 0);
	assert_true(fake.irq[PCI_GSI_BASE + PIRQ]);
	vpci_intx_set(&function, false);
	assert_false(fake.irq[PCI_GSI_BASE + PIRQ]);
	assert_int_equal(config_in(ADDRESS + VPCI_STATUS, 2), 0x10);
	assert_int_equal(isa_changes, 4);
}

/* Two at one interrupt: it is over when both are. */
static void test_shared_interrupt(void **state)
{
	static struct vpci_function other;

	(void)state;
	function_make(&other);
	assert_int_equal(vpci_attach(&pci, &other, VPCI_DEVFN(DEVICE + 4, 0)), 0);
	vpci_intx_set(&function, true);
	vpci_intx_set(&other, true);
	vpci_intx_set(&function, false);
	assert_true(fake.irq[PCI_GSI_BASE + PIRQ]);
	vpci_intx_set(&other, false);
	assert_false(fake.irq[PCI_GSI_BASE + PIRQ]);
	assert_int_equal(isa_changes, 2);
}

static void test_routing(void **state)
{
	u32 route = 0x80000860 + PIRQ;

	(void)state;
	vpci_intx_set(&function, true);
	config_out(route, 1, 5);
	assert_int_equal(isa_lines, BIT(5));
	config_out(route, 1, 0xf5);
	assert_int_equal(config_in(route, 1), 0x85);
	assert_int_equal(isa_lines, 0); /* off */
	config_out(route, 1, 8);	/* the clock's is nobody's to choose */
	assert_int_equal(isa_lines, 0);
	config_out(0x80000860, 4, 0x0f0e0c09);
	assert_int_equal(isa_lines, BIT(14));
	assert_true(fake.irq[PCI_GSI_BASE + PIRQ]);
}

static u8 msix_capability(void)
{
	u32 at = config_in(ADDRESS + VPCI_CAPABILITIES, 1);

	while (at && config_in(ADDRESS + at, 1) != 0x11)
		at = config_in(ADDRESS + at + 1, 1);
	assert_int_not_equal(at, 0);
	return (u8)at;
}

static void msix_control(u16 value)
{
	config_out(ADDRESS + msix_capability() + 2U, 2, value);
}

static void table_set(unsigned vector, u64 address, u32 data, u32 control)
{
	u64 at = PCI_MEMORY_BASE + MSIX_BASE + 16 * vector;

	assert_true(vpci_memory_write(&pci, at, 8, address));
	assert_true(vpci_memory_write(&pci, at + 8, 4, data));
	assert_true(vpci_memory_write(&pci, at + 12, 4, control));
}

static u64 msix_at(u32 offset, unsigned bytes)
{
	u64 value;

	assert_true(vpci_memory_read(&pci, PCI_MEMORY_BASE + offset, bytes, &value));
	assert_int_equal(last.reads, 0);
	return value & (bytes < 8 ? BIT(8 * bytes) - 1 : ~0UL);
}

static void test_msix(void **state)
{
	u8 at = msix_capability();

	(void)state;
	assert_int_equal(config_in(ADDRESS + at + 2U, 2), VECTORS - 1);
	assert_int_equal(config_in(ADDRESS + at + 4U, 4), MSIX_BASE | MEMORY_BAR);
	assert_int_equal(config_in(ADDRESS + at + 8U, 4), PBA_BASE | MEMORY_BAR);
	assert_int_equal(msix_at(MSIX_BASE + 12, 4), 1); /* masked */
	table_set(2, 0x1fee01003, 0x4041, 0xfffffffe);
	assert_int_equal(msix_at(MSIX_BASE + 32, 8), 0x1fee01000);
	assert_int_equal(msix_at(MSIX_BASE + 40, 8), 0x4041);
	assert_int_equal(msix_at(MSIX_BASE + 33, 1), 0x10);
	assert_true(vpci_memory_write(&pci, PCI_MEMORY_BASE + MSIX_BASE + 40, 1, 0)); /* ignored */
	assert_int_equal(msix_at(MSIX_BASE + 40, 4), 0x4041);
	vpci_msix_send(&function, 2); /* not enabled */
	assert_int_equal(fake.messages, 0);
	msix_control(0x8000);
	assert_int_equal(config_in(ADDRESS + at + 2U, 2), 0x8000 | (VECTORS - 1));
	vpci_msix_send(&function, 2);
	assert_int_equal(fake.messages, 1);
	assert_int_equal(fake.message[0].address, 0x1fee01000);
	assert_int_equal(fake.message[0].data, 0x4041);
	vpci_msix_send(&function, VECTORS);
	vpci_msix_send(&function, 0xffff);
	assert_int_equal(fake.messages, 1);
	assert_int_equal(msix_at(PBA_BASE, 8), 0);
}

static void test_msix_pending(void **state)
{
	(void)state;
	msix_control(0x8000);
	table_set(0, 0xfee00000, 0x30, 1);
	table_set(1, 0xfee00000, 0x31, 0);
	vpci_msix_send(&function, 0);
	assert_int_equal(fake.messages, 0);
	assert_int_equal(msix_at(PBA_BASE, 4), 1);
	assert_true(vpci_memory_write(&pci, PCI_MEMORY_BASE + PBA_BASE, 8, 0)); /* read-only */
	assert_int_equal(msix_at(PBA_BASE, 1), 1);
	table_set(0, 0xfee00000, 0x30, 0);
	assert_int_equal(fake.messages, 1);
	assert_int_equal(fake.message[0].data, 0x30);
	assert_int_equal(msix_at(PBA_BASE, 4), 0);
	msix_control(0xc000); /* all are masked */
	vpci_msix_send(&function, 1);
	vpci_msix_send(&function, 1);
	assert_int_equal(fake.messages, 1);
	msix_control(0x8000);
	assert_int_equal(fake.messages, 2); /* one, however often it was raised */
	assert_int_equal(fake.message[1].data, 0x31);
	config_out(ADDRESS + VPCI_COMMAND, 2, VPCI_COMMAND_MEMORY); /* no bus master */
	vpci_msix_send(&function, 1);
	assert_int_equal(fake.messages, 2);
	config_out(ADDRESS + VPCI_COMMAND, 2, VPCI_COMMAND_MEMORY | VPCI_COMMAND_MASTER);
	assert_int_equal(fake.messages, 3);
}

/* While messages are on the pin is quiet. */
static void test_msix_or_pin(void **state)
{
	(void)state;
	vpci_intx_set(&function, true);
	assert_true(fake.irq[PCI_GSI_BASE + PIRQ]);
	msix_control(0x8000);
	assert_false(fake.irq[PCI_GSI_BASE + PIRQ]);
	msix_control(0);
	assert_true(fake.irq[PCI_GSI_BASE + PIRQ]);
}

#define PCI_TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PCI_TEST(test_mechanism),
		PCI_TEST(test_ecam),
		PCI_TEST(test_chipset),
		PCI_TEST(test_bars),
		PCI_TEST(test_windows),
		PCI_TEST(test_intx),
		PCI_TEST(test_shared_interrupt),
		PCI_TEST(test_routing),
		PCI_TEST(test_msix),
		PCI_TEST(test_msix_pending),
		PCI_TEST(test_msix_or_pin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
