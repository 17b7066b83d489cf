/* SPDX-License-Identifier: MIT */
/*
 * What a partition's board has that a system cannot find by itself: the DSDT. Processors are in
 * the MADT. The numbers that the FADT has too are those of include/bulkhead/load.h; the unit test
 * compares them.
 */
DefinitionBlock ("", "DSDT", 2, "BULKHD", "BULKHEAD", 1)
{
	/* SLP_TYP for PM1a and PM1b, two reserved (ACPI 6.4, 7.4.2.6) */
	Name (\_S5, Package () { 5, 0, 0, 0 })

	Scope (\_SB)
	{
		Device (PIC)
		{
			Name (_HID, EisaId ("PNP0000"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x20, 0x20, 1, 2)
				IO (Decode16, 0xa0, 0xa0, 1, 2)
				IO (Decode16, 0x4d0, 0x4d0, 1, 2)
				IRQNoFlags () { 2 }
			})
		}

		Device (PIT)
		{
			Name (_HID, EisaId ("PNP0100"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x40, 0x40, 1, 4)
				IRQNoFlags () { 0 }
			})
		}

		Device (RTC)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x70, 0x70, 1, 2)
				IRQNoFlags () { 8 }
			})
		}

		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x3f8, 0x3f8, 1, 8)
				IRQNoFlags () { 4 }
			})
		}

		/* Taken, but by nothing that has an identifier of its own */
		Device (MBRD)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x61, 0x61, 1, 1)      /* PIT channel 2 gate and output */
				IO (Decode16, 0x92, 0x92, 1, 1)      /* A20 and fast reset */
				IO (Decode16, 0xcf9, 0xcf9, 1, 1)    /* reset */
				IO (Decode16, 0xb000, 0xb000, 1, 16) /* PM1a and PM timer */
			})
		}
	}
}
