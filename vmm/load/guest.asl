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

		Device (KBD)
		{
			Name (_HID, EisaId ("PNP0303"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x60, 0x60, 1, 1)
				IO (Decode16, 0x64, 0x64, 1, 1)
				IRQNoFlags () { 1 }
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

		/* Where a guest says that it panics */
		Device (PEVT)
		{
			Name (_HID, "QEMU0001")
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x505, 0x505, 1, 1)
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
				IO (Decode16, 0xb000, 0xb000, 1, 16) /* PM1a, PM timer, GPE0 */
				Memory32Fixed (ReadWrite, 0xe0000000, 0x100000) /* what the MCFG names */
			})
		}
	}

	/* Which interrupt controllers the system uses (ACPI 6.4, 5.8.1): 0 the 8259 pair, 1 the I/O APIC */
	Name (\PICM, 0)
	Method (\_PIC, 1)
	{
		PICM = Arg0
	}

	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_BBN, 0)
			Name (_CRS, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0, 0, 0, 0, 1)
				IO (Decode16, 0xcf8, 0xcf8, 1, 8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, 0x0000, 0x0cf7, 0, 0x0cf8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, 0x0d00, 0xffff, 0, 0xf300)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0, 0xc0000000, 0xdfffffff, 0, 0x20000000)
			})

			Device (ISA)
			{
				Name (_ADR, 0x00010000)
				OperationRegion (ROUT, PCI_Config, 0x60, 4)
				Field (ROUT, ByteAcc, NoLock, Preserve)
				{
					PRQA, 8,
					PRQB, 8,
					PRQC, 8,
					PRQD, 8
				}
			}

			/*
			 * Interrupt pins of all slots: pin P of slot S is at PIRQ (S + P + 3) mod 4,
			 * which is an input of the I/O APIC from 16 on, or goes to the 8259 pair
			 * through a link.
			 */
			Method (_PRT, 0, Serialized)
			{
				Local0 = Package (128) {}
				Local1 = 0
				While (Local1 < 128)
				{
					Local2 = Local1 >> 2
					Local3 = (Local1 + Local2 + 3) & 3
					If (PICM)
					{
						Local4 = Package (4) { 0, 0, 0, 0 }
						Local4 [3] = Local3 + 16
					}
					ElseIf (Local3 == 0)
					{
						Local4 = Package (4) { 0, 0, \_SB.LNKA, 0 }
					}
					ElseIf (Local3 == 1)
					{
						Local4 = Package (4) { 0, 0, \_SB.LNKB, 0 }
					}
					ElseIf (Local3 == 2)
					{
						Local4 = Package (4) { 0, 0, \_SB.LNKC, 0 }
					}
					Else
					{
						Local4 = Package (4) { 0, 0, \_SB.LNKD, 0 }
					}
					Local4 [0] = (Local2 << 16) | 0xffff
					Local4 [1] = Local1 & 3
					Local0 [Local1] = Local4
					Local1++
				}
				Return (Local0)
			}
		}

		/* PIRQRC (82371SB, 2.2.12): bit 7 is off, bits 3:0 are the 8259's input */
		Method (LSTA, 1)
		{
			If (Arg0 & 0x80)
			{
				Return (0x09)
			}
			Return (0x0b)
		}

		Name (LNOW, ResourceTemplate ()
		{
			Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 0 }
		})

		Method (LCRS, 1)
		{
			Local0 = LNOW /* a copy */
			CreateDWordField (Local0, 5, LINE)
			If (!(Arg0 & 0x80))
			{
				LINE = Arg0 & 0x0f
			}
			Return (Local0)
		}

		Name (LPRS, ResourceTemplate ()
		{
			Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 5, 10, 11 }
		})

		Device (LNKA)
		{
			Name (_HID, EisaId ("PNP0C0F"))
			Name (_UID, 1)
			Method (_PRS) { Return (LPRS) }
			Method (_STA) { Return (LSTA (\_SB.PCI0.ISA.PRQA)) }
			Method (_CRS) { Return (LCRS (\_SB.PCI0.ISA.PRQA)) }
			Method (_DIS) { \_SB.PCI0.ISA.PRQA |= 0x80 }
			Method (_SRS, 1)
			{
				CreateDWordField (Arg0, 5, LINE)
				\_SB.PCI0.ISA.PRQA = LINE
			}
		}

		Device (LNKB)
		{
			Name (_HID, EisaId ("PNP0C0F"))
			Name (_UID, 2)
			Method (_PRS) { Return (LPRS) }
			Method (_STA) { Return (LSTA (\_SB.PCI0.ISA.PRQB)) }
			Method (_CRS) { Return (LCRS (\_SB.PCI0.ISA.PRQB)) }
			Method (_DIS) { \_SB.PCI0.ISA.PRQB |= 0x80 }
			Method (_SRS, 1)
			{
				CreateDWordField (Arg0, 5, LINE)
				\_SB.PCI0.ISA.PRQB = LINE
			}
		}

		Device (LNKC)
		{
			Name (_HID, EisaId ("PNP0C0F"))
			Name (_UID, 3)
			Method (_PRS) { Return (LPRS) }
			Method (_STA) { Return (LSTA (\_SB.PCI0.ISA.PRQC)) }
			Method (_CRS) { Return (LCRS (\_SB.PCI0.ISA.PRQC)) }
			Method (_DIS) { \_SB.PCI0.ISA.PRQC |= 0x80 }
			Method (_SRS, 1)
			{
				CreateDWordField (Arg0, 5, LINE)
				\_SB.PCI0.ISA.PRQC = LINE
			}
		}

		Device (LNKD)
		{
			Name (_HID, EisaId ("PNP0C0F"))
			Name (_UID, 4)
			Method (_PRS) { Return (LPRS) }
			Method (_STA) { Return (LSTA (\_SB.PCI0.ISA.PRQD)) }
			Method (_CRS) { Return (LCRS (\_SB.PCI0.ISA.PRQD)) }
			Method (_DIS) { \_SB.PCI0.ISA.PRQD |= 0x80 }
			Method (_SRS, 1)
			{
				CreateDWordField (Arg0, 5, LINE)
				\_SB.PCI0.ISA.PRQD = LINE
			}
		}
	}
}
