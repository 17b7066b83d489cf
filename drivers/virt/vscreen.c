/* SPDX-License-Identifier: MIT */
/* VGA registers (IBM VGA XGA Technical Reference, chapter 2). */

#include "vscreen.h"

#include <bulkhead/string.h>

enum {
	ATTRIBUTE = 0x3c0,
	ATTRIBUTE_READ = 0x3c1,
	MISC_WRITE = 0x3c2, /* read: input status 0 */
	ENABLE = 0x3c3,
	SEQUENCER_INDEX = 0x3c4,
	SEQUENCER = 0x3c5,
	PALETTE_MASK = 0x3c6,
	PALETTE_READ_INDEX = 0x3c7,
	PALETTE_WRITE_INDEX = 0x3c8,
	PALETTE = 0x3c9,
	FEATURE_READ = 0x3ca,
	MISC_READ = 0x3cc,
	GRAPHICS_INDEX = 0x3ce,
	GRAPHICS = 0x3cf,
	CRTC_INDEX = 0x3d4,
	CRTC = 0x3d5,
	STATUS = 0x3da, /* write: feature control */
};

enum { CRTC_START_HIGH = 0x0c, CRTC_START_LOW, CRTC_CURSOR_HIGH, CRTC_CURSOR_LOW };

#define ATTRIBUTE_INDEX 0x3f /* with bit 5, which lets the palette be seen */
#define PALETTE_VALUES	(256 * 3)
#define LINE_CELLS	SCREEN_COLUMNS
#define CELLS		(VSCREEN_BYTES / 2)
#define BLANK		0x0720 /* a space, light gray on black */

/* 60 frames a second of 500 lines; what is not the picture is one eighth of each. */
#define FRAMES_S	 60
#define LINES_S		 30000
#define STATUS_NOT_SHOWN 0x01
#define STATUS_RETRACE	 0x08

static const u8 attribute_mode3[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14,
				     0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d,
				     0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00};
static const u8 sequencer_mode3[] = {0x03, 0x00, 0x03, 0x00, 0x02};
static const u8 graphics_mode3[] = {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff};
static const u8 crtc_mode3[] = {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00,
				0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e,
				0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff};

static u8 file_read(const struct vscreen_file *file)
{
	return file->index < VSCREEN_REGISTERS ? file->registers[file->index] : 0;
}

static void file_write(struct vscreen_file *file, u8 value)
{
	if (file->index < VSCREEN_REGISTERS)
		file->registers[file->index] = value;
}

/* Whether the last eighth of a period is on, of which there are `hz` a second. */
static bool in_gap(const struct vscreen *screen, u64 hz)
{
	u64 period = screen->host->tsc_hz / hz;

	return device_now(screen->host) % period >= period - period / 8;
}

static u8 status_read(struct vscreen *screen)
{
	bool retrace = in_gap(screen, FRAMES_S);

	screen->attribute_data = false;
	return (u8)((retrace ? STATUS_RETRACE : 0) |
		    (retrace || in_gap(screen, LINES_S) ? STATUS_NOT_SHOWN : 0));
}

static u8 palette_next(struct vscreen *screen)
{
	u8 value = screen->palette[screen->palette_read];

	screen->palette_read = (u16)((screen->palette_read + 1) % PALETTE_VALUES);
	return value;
}

static void palette_put(struct vscreen *screen, u8 value)
{
	screen->palette[screen->palette_write] = value & 0x3f;
	screen->palette_write = (u16)((screen->palette_write + 1) % PALETTE_VALUES);
}

static void attribute_write(struct vscreen *screen, u8 value)
{
	struct vscreen_file *file = &screen->attribute;

	if (!screen->attribute_data)
		file->index = value & ATTRIBUTE_INDEX;
	else
		file->registers[file->index % VSCREEN_REGISTERS] = value;
	screen->attribute_data = !screen->attribute_data;
}

static u8 port_read(struct vscreen *screen, u64 port)
{
	switch (port) {
	case ATTRIBUTE:
		return screen->attribute.index;
	case ATTRIBUTE_READ:
		return screen->attribute.registers[screen->attribute.index % VSCREEN_REGISTERS];
	case ENABLE:
		return 1;
	case SEQUENCER_INDEX:
		return screen->sequencer.index;
	case SEQUENCER:
		return file_read(&screen->sequencer);
	case PALETTE_MASK:
		return screen->palette_mask;
	case PALETTE_WRITE_INDEX:
		return (u8)(screen->palette_write / 3);
	case PALETTE:
		return palette_next(screen);
	case FEATURE_READ:
		return screen->feature;
	case MISC_READ:
		return screen->miscellaneous;
	case GRAPHICS_INDEX:
		return screen->graphics.index;
	case GRAPHICS:
		return file_read(&screen->graphics);
	case CRTC_INDEX:
		return screen->crtc.index;
	case CRTC:
		return file_read(&screen->crtc);
	case STATUS:
		return status_read(screen);
	case MISC_WRITE:
	case PALETTE_READ_INDEX:
		return 0; /* no switch is set; the palette was written last */
	default:
		return 0xff;
	}
}

static void port_write(struct vscreen *screen, u64 port, u8 value)
{
	switch (port) {
	case ATTRIBUTE:
		attribute_write(screen, value);
		break;
	case MISC_WRITE:
		screen->miscellaneous = value;
		break;
	case SEQUENCER_INDEX:
		screen->sequencer.index = value;
		break;
	case SEQUENCER:
		file_write(&screen->sequencer, value);
		break;
	case PALETTE_MASK:
		screen->palette_mask = value;
		break;
	case PALETTE_READ_INDEX:
		screen->palette_read = (u16)(3 * value);
		break;
	case PALETTE_WRITE_INDEX:
		screen->palette_write = (u16)(3 * value);
		break;
	case PALETTE:
		palette_put(screen, value);
		break;
	case GRAPHICS_INDEX:
		screen->graphics.index = value;
		break;
	case GRAPHICS:
		file_write(&screen->graphics, value);
		break;
	case CRTC_INDEX:
		screen->crtc.index = value;
		break;
	case CRTC:
		file_write(&screen->crtc, value);
		break;
	case STATUS:
		screen->feature = value;
		break;
	default:
		break;
	}
}

static u64 vscreen_port_read(void *device, u64 address, unsigned bytes)
{
	(void)bytes;
	return port_read(device, address);
}

static void vscreen_port_write(void *device, u64 address, unsigned bytes, u64 value)
{
	(void)bytes;
	port_write(device, address, (u8)value);
}

static u8 text_byte(const struct vscreen *screen, u64 offset)
{
	return screen->text ? screen->text[offset] : (u8)(offset % 2 ? BLANK >> 8 : BLANK & 0xff);
}

static bool text_make(struct vscreen *screen)
{
	u8 *text = screen->memory(screen->context);

	if (!text) {
		if (!screen->lost_reported)
			screen->host->ops->report(screen->host,
						  "no memory for its screen: it stays blank");
		screen->lost_reported = true;
		return false;
	}
	_Static_assert(!(VSCREEN_BYTES & (VSCREEN_BYTES - 1)), "doubling ends there");
	/* In few steps, as nobody else has the CPU meanwhile. */
	text[0] = (u8)BLANK;
	text[1] = BLANK >> 8;
	for (u32 done = 2; done < VSCREEN_BYTES; done *= 2)
		memcpy(text + done, text, done);
	screen->text = text;
	return true;
}

static u64 vscreen_memory_read(void *device, u64 address, unsigned bytes)
{
	const struct vscreen *screen = device;
	u64 value = ~0UL;

	for (unsigned i = 0; i < bytes && address - VSCREEN_BASE + i < VSCREEN_BYTES; i++) {
		value &= ~(0xffUL << (8 * i));
		value |= (u64)text_byte(screen, address - VSCREEN_BASE + i) << (8 * i);
	}
	return value;
}

static void vscreen_memory_write(void *device, u64 address, unsigned bytes, u64 value)
{
	struct vscreen *screen = device;

	if (!screen->text && !text_make(screen))
		return;
	for (unsigned i = 0; i < bytes && address - VSCREEN_BASE + i < VSCREEN_BYTES; i++)
		screen->text[address - VSCREEN_BASE + i] = (u8)(value >> (8 * i));
}

static u32 crtc_word(const struct vscreen *screen, unsigned high)
{
	return (u32)screen->crtc.registers[high] << 8 | screen->crtc.registers[high + 1];
}

void vscreen_look(const struct vscreen *screen, struct screen_text *text)
{
	u32 start = crtc_word(screen, CRTC_START_HIGH);
	u32 cursor = (crtc_word(screen, CRTC_CURSOR_HIGH) - start) & 0xffff;

	for (u32 i = 0; i < SCREEN_LINES * SCREEN_COLUMNS; i++)
		text->cells[i / LINE_CELLS][i % LINE_CELLS] =
			text_byte(screen, 2 * ((start + i) % CELLS));
	text->cursor_line = cursor / LINE_CELLS;
	text->cursor_column = cursor % LINE_CELLS;
}

void vscreen_init(struct vscreen *screen, struct device_host *host, u8 *(*memory)(void *context),
		  void *context)
{
	memset(screen, 0, sizeof(*screen));
	screen->host = host;
	screen->memory = memory;
	screen->context = context;
	screen->miscellaneous = 0x67;
	screen->palette_mask = 0xff;
	memcpy(screen->attribute.registers, attribute_mode3, sizeof(attribute_mode3));
	memcpy(screen->sequencer.registers, sequencer_mode3, sizeof(sequencer_mode3));
	memcpy(screen->graphics.registers, graphics_mode3, sizeof(graphics_mode3));
	memcpy(screen->crtc.registers, crtc_mode3, sizeof(crtc_mode3));
}

const struct device_ops vscreen_port_ops = {
	.name = "VGA",
	.read = vscreen_port_read,
	.write = vscreen_port_write,
	.widest_bytes = 1,
};

const struct device_ops vscreen_memory_ops = {
	.name = "VGA text",
	.read = vscreen_memory_read,
	.write = vscreen_memory_write,
	.widest_bytes = 8,
};
