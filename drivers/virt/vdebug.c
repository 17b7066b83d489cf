/* SPDX-License-Identifier: MIT */
/* The ports of Bochs (E9h) and of QEMU's isa-debugcon (402h): a read that gives E9h says that text
 * is welcome. */

#include "vdebug.h"

enum { PORT_POST = 0x80, PORT_E9 = 0xe9, PORT_DELAY = 0xed, PORT_402 = 0x402 };

#define PRESENT 0xe9

static void debug_end_line(struct vdebug *debug, struct vdebug_line *line)
{
	struct device_host *host = debug->host;

	line->text[line->count] = '\0';
	if (!line->count)
		return;
	line->count = 0;
	host->ops->report(host, line->text);
}

static outlined void debug_print(struct vdebug *debug, struct vdebug_line *line, u8 byte)
{
	if (byte == '\n') {
		debug_end_line(debug, line);
		return;
	}
	if (byte == '\r')
		return;
	if (line->count == VDEBUG_LINE_BYTES)
		debug_end_line(debug, line);
	if (byte == '\t')
		byte = ' ';
	line->text[line->count++] = byte >= ' ' && byte < 0x7f ? (char)byte : '.';
}

static u64 vdebug_read(void *device, u64 address, unsigned bytes)
{
	const struct vdebug *debug = device;

	(void)bytes;
	if (address == PORT_POST)
		return debug->post;
	return address == PORT_DELAY ? 0xff : PRESENT;
}

static void vdebug_write(void *device, u64 address, unsigned bytes, u64 value)
{
	struct vdebug *debug = device;

	(void)bytes;
	if (address == PORT_POST)
		debug->post = (u8)value;
	else if (address != PORT_DELAY)
		debug_print(debug, &debug->line[address == PORT_E9], (u8)value);
}

void vdebug_reset(struct vdebug *debug)
{
	debug->post = 0;
	debug->line[0].count = 0;
	debug->line[1].count = 0;
}

void vdebug_init(struct vdebug *debug, struct device_host *host)
{
	debug->host = host;
	vdebug_reset(debug);
}

const struct device_ops vdebug_ops = {
	.name = "debug ports",
	.read = vdebug_read,
	.write = vdebug_write,
	.widest_bytes = 1,
};
