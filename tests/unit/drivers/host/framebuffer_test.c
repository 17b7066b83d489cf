/* SPDX-License-Identifier: MIT */
/* links: drivers/host/font.c */
/* The screen console on a framebuffer in ordinary memory, looked at pixel by pixel. */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bulkhead/framebuffer.h>

#include <bulkhead/error.h>
#include <bulkhead/log.h>
#include <bulkhead/memory.h>

#define BASE   0xc0000000ULL
#define GUARD  0xdeadbeefu /* what the memory has where nothing was drawn */
#define CELL_W 6
#define CELL_H 10

static struct log_sink *sink;
static u32 *pixels; /* exactly what was mapped, so that the sanitizer sees anything outside */
static struct boot_framebuffer fb;
static bool out_of_memory;

void log_sink_add(struct log_sink *added)
{
	assert_null(sink);
	sink = added;
}

void *memory_map_io(u64 physical, u64 bytes, u32 access, enum memory_type type)
{
	assert_int_equal(physical, BASE);
	assert_int_equal(access, PAGE_READ | PAGE_WRITE);
	assert_int_equal(type, MEMORY_WC);
	if (out_of_memory)
		return NULL;
	free(pixels);
	pixels = malloc(bytes);
	for (u64 i = 0; i < bytes / 4; i++)
		pixels[i] = GUARD;
	return pixels;
}

static void screen(u32 width, u32 height, u32 stride, u32 format)
{
	fb = (struct boot_framebuffer){BASE, width, height, stride, format};
	assert_int_equal(framebuffer_init(&fb), 0);
}

static void say_level(enum log_level level, const char *text)
{
	sink->write(sink, level, text, strlen(text));
}

static void say(const char *text)
{
	say_level(LOG_INFO, text);
}

static u32 pixel(u32 x, u32 y)
{
	return pixels[y * fb.stride_pixels + x];
}

static bool cell_blank(u32 column, u32 row)
{
	for (u32 i = 0; i < CELL_W * CELL_H; i++)
		if (pixel(column * CELL_W + i % CELL_W, row * CELL_H + i / CELL_W))
			return false;
	return true;
}

static u32 known[95][CELL_W * CELL_H]; /* what printable characters look like */

static void cell_read(u32 column, u32 row, u32 cell[CELL_W * CELL_H])
{
	for (u32 i = 0; i < CELL_W * CELL_H; i++)
		cell[i] = pixel(column * CELL_W + i % CELL_W, row * CELL_H + i / CELL_W) != 0;
}

/* What was drawn in a cell, or NUL. */
static char glyph_at(u32 column, u32 row)
{
	u32 cell[CELL_W * CELL_H];

	cell_read(column, row, cell);
	for (char c = ' '; c <= '~'; c++)
		if (memcmp(cell, known[c - ' '], sizeof(cell)) == 0)
			return c;
	return 0;
}

static void expect_row(u32 row, const char *text)
{
	u32 columns = fb.width / CELL_W;
	char found[256] = "";

	for (u32 i = 0; i < columns; i++)
		found[i] = glyph_at(i, row);
	for (u32 i = columns; i > 0 && found[i - 1] == ' '; i--)
		found[i - 1] = 0;
	assert_string_equal(found, text);
}

static int learn(void **state)
{
	(void)state;
	screen(CELL_W, CELL_H, CELL_W, BOOT_PIXEL_BGRX);
	for (char c = ' '; c <= '~'; c++) {
		sink->write(sink, LOG_INFO, &c, 1);
		cell_read(0, 0, known[c - ' ']);
	}
	return 0;
}

static void test_glyph(void **state)
{
	/* A capital L: a stroke of seven pixels on the left, one of five at the foot. */
	static const char *const shape[CELL_H] = {"#.....", "#.....", "#.....", "#.....", "#.....",
						  "#.....", "#####.", "......", "......", "......"};

	(void)state;
	screen(64, 40, 64, BOOT_PIXEL_BGRX);
	say("xL\n");
	for (u32 i = 0; i < CELL_W * CELL_H; i++)
		assert_int_equal(pixel(CELL_W + i % CELL_W, i / CELL_W),
				 shape[i / CELL_W][i % CELL_W] == '#' ? 0xd0d0d0 : 0);
}

/* Every character looks different from every other; only the space looks like nothing. */
static void test_glyphs_differ(void **state)
{
	char text[2] = "";

	(void)state;
	for (char c = ' '; c <= '~'; c++) {
		screen(2 * CELL_W, CELL_H, 2 * CELL_W, BOOT_PIXEL_BGRX);
		text[0] = c;
		say(text);
		assert_int_equal(glyph_at(0, 0), c);
		assert_int_equal(cell_blank(0, 0), c == ' ');
		assert_true(cell_blank(1, 0));
	}
}

static void test_unprintable(void **state)
{
	(void)state;
	screen(60, 20, 60, BOOT_PIXEL_BGRX);
	say("a\tb\x1b\x80\n");
	expect_row(0, "a b??");
}

static void test_pixel_formats(void **state)
{
	(void)state;
	screen(64, 40, 64, BOOT_PIXEL_BGRX);
	say_level(LOG_WARN, "L\n");
	assert_int_equal(pixel(0, 0), 0x00ffd060); /* bytes 60 d0 ff 00 */
	screen(64, 40, 64, BOOT_PIXEL_RGBX);
	say_level(LOG_WARN, "L\n");
	assert_int_equal(pixel(0, 0), 0x0060d0ff); /* bytes ff d0 60 00 */
	assert_int_equal(pixel(1, 0), 0);
}

/* The whole of the screen is cleared, and nothing beside it is touched. */
static void test_stride(void **state)
{
	(void)state;
	screen(61, 37, 67, BOOT_PIXEL_BGRX);
	for (int i = 0; i < 20; i++)
		say("WWWWWWWWWWWWWWWW\n");
	for (u32 y = 0; y < 36; y++)
		for (u32 x = 61; x < 67; x++)
			assert_int_equal(pixel(x, y), GUARD);
	for (u32 x = 0; x < 61; x++)
		for (u32 y = 30; y < 37; y++) /* three rows fit */
			assert_int_equal(pixel(x, y), 0);
	for (u32 y = 0; y < 37; y++)
		assert_int_equal(pixel(60, y), 0); /* ten columns fit */
	expect_row(0, "WWWWWW");
	expect_row(1, "WWWWWWWWWW");
	expect_row(2, "WWWWWW");
}

static void test_wrap(void **state)
{
	(void)state;
	screen(5 * CELL_W, 8 * CELL_H, 5 * CELL_W, BOOT_PIXEL_BGRX);
	say("abcdefg\n");
	say("hijkl\n"); /* fills its row: no empty one follows */
	say("m");
	say("n\n");
	say("\n");
	say("o\n");
	expect_row(0, "abcde");
	expect_row(1, "fg");
	expect_row(2, "hijkl");
	expect_row(3, "mn");
	expect_row(4, "");
	expect_row(5, "o");
	expect_row(6, "");
}

/* Eight rows: a full screen moves up by two. */
static void test_scroll(void **state)
{
	char line[32];

	(void)state;
	screen(12 * CELL_W, 8 * CELL_H + 3, 80, BOOT_PIXEL_BGRX);
	for (int i = 0; i < 8; i++) {
		snprintf(line, sizeof(line), "line %d%s\n", i, i & 1 ? " long" : "");
		say(line);
	}
	expect_row(0, "line 0");
	expect_row(7, "line 7 long");
	say("the end\n");
	expect_row(0, "line 2");
	expect_row(1, "line 3 long");
	expect_row(5, "line 7 long");
	expect_row(6, "the end");
	expect_row(7, "");
}

/* Rows keep their colours when they move. */
static void test_scroll_colour(void **state)
{
	(void)state;
	screen(4 * CELL_W, 2 * CELL_H, 4 * CELL_W, BOOT_PIXEL_BGRX);
	say("L\n");
	say_level(LOG_ERROR, "L\n");
	assert_int_equal(pixel(0, CELL_H), 0xff7070);
	say("L\n");
	assert_int_equal(pixel(0, 0), 0xff7070);
	assert_int_equal(pixel(0, CELL_H), 0xd0d0d0);
}

static void test_one_cell(void **state)
{
	(void)state;
	screen(CELL_W, CELL_H, CELL_W, BOOT_PIXEL_BGRX);
	say("abc\n");
	expect_row(0, "c");
	say("\n\nd\n");
	expect_row(0, "d");
}

static void test_wide_is_doubled(void **state)
{
	(void)state;
	screen(1920, 1080, 1920, BOOT_PIXEL_BGRX);
	say(" L\n"); /* its second column of cells begins at pixel 12 */
	for (u32 y = 0; y < 14; y++)
		for (u32 x = 12; x < 24; x++)
			assert_int_equal(pixel(x, y) != 0, x < 14 || (y >= 12 && x < 22));
	for (int i = 0; i < 60; i++)
		say("scroll\n");
}

/* More columns and rows than the text buffer has, and a very low screen that is very wide. */
static void test_extremes(void **state)
{
	static char line[1000];

	(void)state;
	memset(line, 'M', sizeof(line) - 1);
	screen(1279, 1300, 1279, BOOT_PIXEL_BGRX);
	for (int i = 0; i < 60; i++)
		say(line);
	screen(12000, 12, 12001, BOOT_PIXEL_RGBX);
	for (int i = 0; i < 5; i++)
		say(line);
	screen(1300, 15, 1300, BOOT_PIXEL_RGBX);
	say("L\n");
	assert_int_equal(glyph_at(0, 0), 'L');
}

static void test_refused(void **state)
{
	static const struct {
		struct boot_framebuffer fb;
		int error;
	} cases[] = {
		{{0, 640, 480, 640, BOOT_PIXEL_BGRX}, -ENODEV},
		{{BASE, 640, 480, 640, 0}, -EINVAL},
		{{BASE, 640, 480, 640, 3}, -EINVAL},
		{{BASE, 640, 480, 639, BOOT_PIXEL_BGRX}, -EINVAL},
		{{BASE + 2, 640, 480, 640, BOOT_PIXEL_BGRX}, -EINVAL},
		{{BASE, 5, 480, 640, BOOT_PIXEL_BGRX}, -EINVAL},
		{{BASE, 640, 9, 640, BOOT_PIXEL_BGRX}, -EINVAL},
		{{BASE, 0, 0, 0, BOOT_PIXEL_BGRX}, -EINVAL},
		{{BASE, 640, 0xffffffff, 640, BOOT_PIXEL_BGRX}, -EINVAL},
		{{BASE, 640, 480, 0xffffffff, BOOT_PIXEL_BGRX}, -EINVAL},
		{{BASE, 0xffffffff, 480, 0xffffffff, BOOT_PIXEL_BGRX}, -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(framebuffer_init(&cases[i].fb), cases[i].error);
	out_of_memory = true;
	fb = (struct boot_framebuffer){BASE, 640, 480, 640, BOOT_PIXEL_BGRX};
	assert_int_equal(framebuffer_init(&fb), -ENOMEM);
	out_of_memory = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_glyph),	    cmocka_unit_test(test_glyphs_differ),
		cmocka_unit_test(test_unprintable), cmocka_unit_test(test_pixel_formats),
		cmocka_unit_test(test_stride),	    cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_scroll),	    cmocka_unit_test(test_scroll_colour),
		cmocka_unit_test(test_one_cell),    cmocka_unit_test(test_wide_is_doubled),
		cmocka_unit_test(test_extremes),    cmocka_unit_test(test_refused),
	};
	int failed = cmocka_run_group_tests(tests, learn, NULL);

	free(pixels);
	return failed;
}
