/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes all 65536 ports in widths of 1, 2 and 4 bytes. Left out are writes that end the
 * run at once: ones to ports 92h and CF9h, and what a keyboard controller or PM1 control takes for
 * the end is not among the values. The payloads reset* try those.
 */
#include "guest.h"

#include <bulkhead/load.h>

/* 0 is written to the ports of the board only, to save time. */
#define BOARD_PORTS 0x1000
static const u32 values[] = {0, 0x5a5a5a5a, 0xffffffff};

static bool covers(u32 port, u32 bytes, u32 which)
{
	return port <= which && which < port + bytes;
}

static bool ends_it(u32 port, u32 bytes, u32 value)
{
	return value == 0xffffffff &&
	       (covers(port, bytes, 0x92) || covers(port, bytes, ACPI_RESET_PORT));
}

static u32 port_read(u16 port, u32 bytes)
{
	switch (bytes) {
	case 1:
		return in8(port) | 0xffffff00;
	case 2:
		return in16(port) | 0xffff0000;
	default:
		return in32(port);
	}
}

static void port_write(u16 port, u32 bytes, u32 value)
{
	switch (bytes) {
	case 1:
		out8(port, (u8)value);
		break;
	case 2:
		out16(port, (u16)value);
		break;
	default:
		out32(port, value);
		break;
	}
}

static void width_try(u32 bytes)
{
	u32 absent = 0;

	for (u32 port = 0; port < 0x10000; port++) {
		absent += port_read((u16)port, bytes) == 0xffffffff;
		for (u32 i = port >= BOARD_PORTS; i < ARRAY_SIZE(values); i++)
			if (!ends_it(port, bytes, values[i]))
				port_write((u16)port, bytes, values[i]);
	}
	serial_setup();
	print("width %u: %u of 65536 ports read as absent\n", bytes, absent);
	check(absent > 65000 && absent < 65536, "most are absent");
}

void guest_main(void)
{
	width_try(1);
	width_try(2);
	width_try(4);
	out32(0xcf8, 0x80000000);
	check(in32(0xcfc) == 0x12378086, "the host bridge is where it was");
	check(in8(0x2f8 + 5) == 0xff, "there is no COM2");
	checks_end("portall");
}
