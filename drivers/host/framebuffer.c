/* SPDX-License-Identifier: MIT */
/*
 * A text console on a linear framebuffer. The text is kept beside it and scrolling draws from
 * there: reading write-combining memory takes hundreds of cycles a pixel. Only what differs is
 * drawn, and a full screen moves up by several rows at once, since all of it happens with the log's
 * lock held.
 *
 * The log's lock guards everything here. A panic writes without it, perhaps into the middle of what
 * another CPU was writing: text may mix then, but every index is checked where it is used.
 */
#include <bulkhead/framebuffer.h>

#include "font.h"

#include <bulkhead/error.h>
#include <bulkhead/log.h>
#include <bulkhead/memory.h>
#include <bulkhead/string.h>

#define CELL_COLUMNS (FONT_COLUMNS + 1)
#define CELL_ROWS    (FONT_ROWS + 1)
#define SIDE_MAX     32768u /* pixels; keeps all arithmetic on them within 64 bits */
#define SCALE_WIDTH  1280   /* every so many pixels of width make the letters one size larger */
#define COLUMNS_MAX  216u   /* a width just below a multiple of SCALE_WIDTH has 213 */
#define ROWS_MAX     128u

static const u32 level_rgb[] = {
	[LOG_ERROR] = 0xff7070,
	[LOG_WARN] = 0xffd060,
	[LOG_INFO] = 0xd0d0d0,
	[LOG_DEBUG] = 0x909090,
};

static struct {
	volatile u32 *pixels;
	u32 width, height, stride; /* pixels */
	u32 scale;
	u32 columns, rows;
	u32 row, column; /* of the next character, unless the row is full or ended */
	bool ended;	 /* a newline came; it takes effect when more text follows */
	u32 ink[ARRAY_SIZE(level_rgb)];
	u8 level[ROWS_MAX];
	char text[ROWS_MAX][COLUMNS_MAX]; /* 0 is blank, too */
} screen;

static void scanline_draw(volatile u32 *pixel, u32 row, u32 from, u32 to, u32 y)
{
	u32 ink = screen.ink[screen.level[row]];

	for (u32 column = from; column < to; column++) {
		u32 bits = (u32)font_row(screen.text[row][column], y) << 1; /* and a blank pixel */

		for (u32 bit = 1u << (CELL_COLUMNS - 1); bit; bit >>= 1)
			for (u32 i = 0; i < screen.scale; i++)
				*pixel++ = bits & bit ? ink : 0;
	}
}

/* Whole scanlines from left to right, as write combining gathers neighbours. */
static void span_draw(u32 row, u32 from, u32 to)
{
	u64 top = (u64)row * CELL_ROWS * screen.scale;
	volatile u32 *line = screen.pixels + top * screen.stride;

	for (u32 y = 0; y < CELL_ROWS; y++)
		for (u32 i = 0; i < screen.scale; i++, line += screen.stride)
			scanline_draw(line + (u64)from * CELL_COLUMNS * screen.scale, row, from, to,
				      y);
}

/* Let `row` show what row `source` has, or nothing when there is no such row. */
static void row_replace(u32 row, u32 source)
{
	static const char blank[COLUMNS_MAX];
	const char *text = source < screen.rows ? screen.text[source] : blank;
	u8 level = source < screen.rows ? screen.level[source] : LOG_INFO;
	u32 from = 0, to = screen.columns;

	if (level == screen.level[row]) {
		while (from < to && screen.text[row][from] == text[from])
			from++;
		while (from < to && screen.text[row][to - 1] == text[to - 1])
			to--;
	}
	memcpy(screen.text[row], text, screen.columns);
	screen.level[row] = level;
	span_draw(row, from, to);
}

static void row_next(void)
{
	u32 next = screen.row + 1, jump = MAX(screen.rows / 4, 1u);

	if (next >= screen.rows) {
		for (u32 row = 0; row < screen.rows; row++)
			row_replace(row, row + jump);
		next = screen.rows - jump;
	}
	screen.row = next;
	screen.column = 0;
	screen.ended = false;
}

static char character_shown(char character)
{
	if (character == '\t')
		return ' ';
	return character >= ' ' && character <= '~' ? character : '?';
}

/* Put text without newlines into the current row as far as it has room: how much that is. */
static size_t row_put(const char *text, size_t bytes, u8 level)
{
	u32 row = screen.row, from = MIN(screen.column, screen.columns);
	u32 count = (u32)MIN(bytes, (size_t)(screen.columns - from));

	for (u32 i = 0; i < count; i++)
		screen.text[row][from + i] = character_shown(text[i]);
	screen.level[row] = level;
	span_draw(row, from, from + count);
	screen.column = from + count;
	return count;
}

static void newline(void)
{
	if (screen.ended)
		row_next();
	screen.ended = true;
}

static void framebuffer_write(struct log_sink *sink, enum log_level level, const char *text,
			      size_t bytes)
{
	size_t done = 0;

	(void)sink;
	while (done < bytes) {
		size_t end = done;

		if (text[done] == '\n') {
			newline();
			done++;
			continue;
		}
		while (end < bytes && text[end] != '\n')
			end++;
		if (screen.ended || screen.column >= screen.columns)
			row_next();
		done += row_put(text + done, end - done, (u8)MIN(level, LOG_DEBUG));
	}
	/* Empties the write-combining buffers (SDM vol. 3, 12.3.1). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static struct log_sink framebuffer_sink = {.write = framebuffer_write, .level = LOG_INFO};

/* `rgb` as a pixel of the format: bytes in memory are B, G, R or R, G, B. */
static u32 pixel_value(u32 rgb, u32 format)
{
	if (format == BOOT_PIXEL_BGRX)
		return rgb;
	return rgb >> 16 | (rgb & 0xff00) | (rgb & 0xff) << 16;
}

static int framebuffer_check(const struct boot_framebuffer *fb)
{
	if (!fb->base)
		return -ENODEV;
	if (fb->format != BOOT_PIXEL_BGRX && fb->format != BOOT_PIXEL_RGBX)
		return -EINVAL;
	if (!is_aligned(fb->base, sizeof(u32)) || fb->stride_pixels < fb->width)
		return -EINVAL;
	if (fb->stride_pixels > SIDE_MAX || fb->height > SIDE_MAX)
		return -EINVAL;
	return fb->width < CELL_COLUMNS || fb->height < CELL_ROWS ? -EINVAL : 0;
}

static void framebuffer_clear(void)
{
	for (u32 y = 0; y < screen.height; y++)
		for (u32 x = 0; x < screen.width; x++)
			screen.pixels[(u64)y * screen.stride + x] = 0;
}

int framebuffer_init(const struct boot_framebuffer *fb)
{
	int error = framebuffer_check(fb);
	bool first = !screen.pixels;
	u64 pixels;
	void *mapped;

	if (error)
		return error;
	/* Of the last line only what is shown: the rest of the stride may lie outside the device.
	 */
	pixels = (u64)fb->stride_pixels * (fb->height - 1) + fb->width;
	mapped = memory_map_io(fb->base, pixels * sizeof(u32), PAGE_READ | PAGE_WRITE, MEMORY_WC);
	if (!mapped)
		return -ENOMEM;
	memset(&screen, 0, sizeof(screen));
	memset(screen.level, LOG_INFO, sizeof(screen.level));
	screen.pixels = mapped;
	screen.width = fb->width;
	screen.height = fb->height;
	screen.stride = fb->stride_pixels;
	screen.scale = MIN(1 + fb->width / SCALE_WIDTH, fb->height / CELL_ROWS);
	screen.columns = MIN(fb->width / (CELL_COLUMNS * screen.scale), COLUMNS_MAX);
	screen.rows = MIN(fb->height / (CELL_ROWS * screen.scale), ROWS_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(level_rgb); i++)
		screen.ink[i] = pixel_value(level_rgb[i], fb->format);
	framebuffer_clear();
	if (first)
		log_sink_add(&framebuffer_sink);
	return 0;
}
