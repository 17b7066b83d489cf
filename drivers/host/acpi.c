/* SPDX-License-Identifier: MIT */
/*
 * Resetting the machine and switching it off: by its ACPI registers (ACPI 6.5, 4.8.3 and 16.1.7),
 * or by those of a chipset that is known, for machines without tables: Intel 82371AB (PIIX4,
 * datasheet 290562, 7.1 and 7.2) and ICH9 (datasheet 316972, 13.8).
 */
#include <bulkhead/acpi.h>

#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/log.h>
#include <bulkhead/memory.h>
#include <bulkhead/port.h>

#define PM1_STATUS_WAKE	       0x8000
#define PM1_CONTROL_SCI_ENABLE 0x0001
#define PM1_CONTROL_SLEEP_TYPE 0x1c00
#define PM1_CONTROL_SLEEP      0x2000
#define SLEEP_TYPE_SHIFT       10
#define SLEEP_CONTROL_SHIFT    2 /* of hardware-reduced machines: ACPI 6.5, 4.8.3.7 */
#define SLEEP_CONTROL_SLEEP    0x20

#define ENABLE_WAIT_US 3000000 /* firmware's SMI handler leaves legacy mode in its own time */
#define EFFECT_WAIT_US 1000000
#define POLLS_MAX      10000000 /* bounds all waits even when time stands still */

#define PCI_ADDRESS	   0xcf8
#define PCI_DATA	   0xcfc
#define PCI_ADDRESS_ENABLE 0x80000000u

#define PIIX4_POWER		0x71138086u
#define PIIX4_PMBASE		0x40
#define PIIX4_PMBASE_MASK	0xffc0u
#define PIIX4_PMREGMISC		0x80
#define PIIX4_PMREGMISC_ENABLE	1u
#define PIIX4_SLEEP_TYPE_OFF	0
#define ICH9_LPC		0x29188086u
#define ICH9_PMBASE		0x40
#define ICH9_PMBASE_MASK	0xff80u
#define ICH9_ACPI_CNTL		0x44
#define ICH9_ACPI_CNTL_ENABLE	0x80u
#define ICH9_SLEEP_TYPE_OFF	7
#define ICH9_SLEEP_TYPE_OFF_EMU 0 /* QEMU's; S0 in the datasheet, so no harm done */
#define PMBASE_PM1_CONTROL	4 /* in both */

static struct acpi_fixed machine;
static volatile u8 *reset_memory, *sleep_control_memory;

static void wait_us(u64 us)
{
	u64 start = arch_time_us();

	for (u32 i = 0; i < POLLS_MAX && arch_time_us() - start < us; i++)
		arch_relax();
}

static u32 pci_address(u32 device, u32 function, u32 offset)
{
	return PCI_ADDRESS_ENABLE | device << 11 | function << 8 | (offset & 0xfc);
}

static u32 pci_read(u32 device, u32 function, u32 offset)
{
	port_write32(PCI_ADDRESS, pci_address(device, function, offset));
	return port_read32(PCI_DATA);
}

static void pci_write8(u32 device, u32 function, u32 offset, u8 value)
{
	port_write32(PCI_ADDRESS, pci_address(device, function, offset));
	port_write8((u16)(PCI_DATA + (offset & 3)), value);
}

static void register_write(const struct acpi_register *to, volatile u8 *memory, u8 value)
{
	switch (to->space) {
	case ACPI_SPACE_MEMORY:
		*memory = value;
		break;
	case ACPI_SPACE_PORT:
		port_write8((u16)to->address, value);
		break;
	case ACPI_SPACE_PCI:
		pci_write8((u32)(to->address >> 32), (u32)(to->address >> 16 & 0xffff),
			   (u32)(to->address & 0xffff), value);
		break;
	}
}

/* Registers in memory are mapped now: later the machine may be in no state to map anything. */
static volatile u8 *register_map(struct acpi_register *reg)
{
	volatile u8 *mapped;

	if (!reg->present || reg->space != ACPI_SPACE_MEMORY)
		return NULL;
	mapped = memory_map_io(reg->address, 1, PAGE_READ | PAGE_WRITE, MEMORY_UC);
	reg->present = mapped != NULL;
	return mapped;
}

static const u8 *table_view(const struct acpi_reader *reader, u64 address, u64 bytes)
{
	(void)reader;
	if (address + bytes < address)
		return NULL;
	return memory_map_io(address, bytes, PAGE_READ, MEMORY_WB);
}

static bool can_power_off(void)
{
	return machine.sleep_known && (machine.pm1_control[0] || machine.sleep_control.present);
}

int acpi_init(u64 rsdp)
{
	static const struct acpi_reader reader = {.view = table_view};
	char reason[ACPI_REASON_BYTES];
	int error;

	if (!rsdp) {
		log_info("firmware gives no ACPI tables: power off and reset go by the chipset");
		return -ENODEV;
	}
	error = acpi_fixed_read(&reader, rsdp, &machine, reason);
	if (error) {
		log_warn("ACPI: %s: power off and reset go by the chipset", reason);
		return error;
	}
	reset_memory = register_map(&machine.reset);
	sleep_control_memory = register_map(&machine.sleep_control);
	if (!machine.sleep_known)
		log_warn("ACPI: %s: power off goes by the chipset", reason);
	else if (!can_power_off())
		log_warn("ACPI: the FADT names no register to power off with: that goes by the "
			 "chipset");
	log_debug("ACPI: PM1 control 0x%x 0x%x, S5 type %u %u, timer 0x%x, reset register %s",
		  machine.pm1_control[0], machine.pm1_control[1], machine.sleep_type[0],
		  machine.sleep_type[1], machine.timer, machine.reset.present ? "yes" : "no");
	return 0;
}

const struct acpi_fixed *acpi_fixed(void)
{
	return &machine;
}

void acpi_reset(void)
{
	if (!machine.reset.present)
		return;
	register_write(&machine.reset, reset_memory, machine.reset_value);
	wait_us(EFFECT_WAIT_US);
}

/* In legacy mode the PM1 registers belong to firmware (ACPI 6.5, 4.8.2.5). */
static void acpi_mode_enter(void)
{
	u16 control = machine.pm1_control[0];
	u64 start = arch_time_us();

	if (!machine.smi_command || !machine.acpi_enable)
		return;
	if (port_read16(control) & PM1_CONTROL_SCI_ENABLE)
		return;
	port_write8(machine.smi_command, machine.acpi_enable);
	for (u32 i = 0; i < POLLS_MAX && arch_time_us() - start < ENABLE_WAIT_US; i++) {
		if (port_read16(control) & PM1_CONTROL_SCI_ENABLE)
			return;
		arch_relax();
	}
	log_warn("ACPI: firmware does not leave legacy mode");
}

static u16 pm1_sleep_value(u16 port, u8 type)
{
	u32 kept = port_read16(port) & ~(u32)(PM1_CONTROL_SLEEP_TYPE | PM1_CONTROL_SLEEP);

	return (u16)(kept | (u32)type << SLEEP_TYPE_SHIFT);
}

static void pm1_power_off(void)
{
	u16 value[2];

	acpi_mode_enter();
	for (u32 i = 0; i < 2; i++) {
		if (machine.pm1_status[i])
			port_write16(machine.pm1_status[i], PM1_STATUS_WAKE);
		if (!machine.pm1_control[i])
			continue;
		/* The type first, by itself: some machines want it to be there before the order. */
		value[i] = pm1_sleep_value(machine.pm1_control[i], machine.sleep_type[i]);
		port_write16(machine.pm1_control[i], value[i]);
	}
	for (u32 i = 0; i < 2; i++)
		if (machine.pm1_control[i])
			port_write16(machine.pm1_control[i], value[i] | PM1_CONTROL_SLEEP);
	wait_us(EFFECT_WAIT_US);
}

static void sleep_control_power_off(void)
{
	register_write(&machine.sleep_control, sleep_control_memory,
		       (u8)(machine.sleep_type[0] << SLEEP_CONTROL_SHIFT | SLEEP_CONTROL_SLEEP));
	wait_us(EFFECT_WAIT_US);
}

static void chipset_sleep(u32 pmbase, u8 type)
{
	u16 control = (u16)(pmbase + PMBASE_PM1_CONTROL);

	port_write16(control, pm1_sleep_value(control, type) | PM1_CONTROL_SLEEP);
	wait_us(EFFECT_WAIT_US);
}

static void piix4_power_off(u32 device, u32 function)
{
	u32 pmbase = pci_read(device, function, PIIX4_PMBASE) & PIIX4_PMBASE_MASK;
	u32 misc = pci_read(device, function, PIIX4_PMREGMISC);

	if (!pmbase)
		return;
	pci_write8(device, function, PIIX4_PMREGMISC, (u8)(misc | PIIX4_PMREGMISC_ENABLE));
	chipset_sleep(pmbase, PIIX4_SLEEP_TYPE_OFF);
}

static void ich9_power_off(u32 device, u32 function)
{
	u32 pmbase = pci_read(device, function, ICH9_PMBASE) & ICH9_PMBASE_MASK;
	u32 control = pci_read(device, function, ICH9_ACPI_CNTL);

	if (!pmbase)
		return;
	pci_write8(device, function, ICH9_ACPI_CNTL, (u8)(control | ICH9_ACPI_CNTL_ENABLE));
	chipset_sleep(pmbase, ICH9_SLEEP_TYPE_OFF);
	chipset_sleep(pmbase, ICH9_SLEEP_TYPE_OFF_EMU);
}

/* Both sit on bus 0. */
static void chipset_power_off(void)
{
	for (u32 device = 0; device < 32; device++) {
		for (u32 function = 0; function < 8; function++) {
			u32 id = pci_read(device, function, 0);

			if (id == PIIX4_POWER)
				piix4_power_off(device, function);
			else if (id == ICH9_LPC)
				ich9_power_off(device, function);
		}
	}
}

void acpi_power_off(void)
{
	if (can_power_off()) {
		if (machine.pm1_control[0])
			pm1_power_off();
		else
			sleep_control_power_off();
	}
	chipset_power_off();
}
