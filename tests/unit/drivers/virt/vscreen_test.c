/* SPDX-License-Identifier: MIT */
/* The text screen: what is written is shown, registers read back, the retrace comes and goes. */
#include "cmocka_all.h"

#include <stdlib.h>

#include "drivers/virt/vscreen.h"
#include "fake_host.h"

static struct fake_host fake;
static struct vscreen screen;
static struct screen_text text;
static u8 *memory, *memory_given; /* NULL: there is none; none was asked for */

static u8 *give_memory(void *context)
{
	assert_ptr_equal(context, &fake);
	memory_given = memory;
	return memory;
}

static void out(u64 port, unsigned value)
{
	vscreen_port_ops.write(&screen, port, 1, value);
}

static u8 in(u64 port)
{
	return (u8)vscreen_port_ops.read(&screen, port, 1);
}

static void put(u64 address, unsigned bytes, u64 value)
{
	vscreen_memory_ops.write(&screen, address, bytes, value);
}

static u64 get(u64 address, unsigned bytes)
{
	return vscreen_memory_ops.read(&screen, address, bytes);
}

static void crtc(u8 index, u8 value)
{
	out(0x3d4, index);
	out(0x3d5, value);
}

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	memset(&screen, 0xee, sizeof(screen));
	memory = malloc(VSCREEN_BYTES); /* exactly as much, for ASan */
	assert_non_null(memory);
	memset(memory, 0xee, VSCREEN_BYTES);
	memory_given = NULL;
	vscreen_init(&screen, &fake.host, give_memory, &fake);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static void test_text(void **state)
{
	(void)state;
	vscreen_look(&screen, &text);
	for (unsigned i = 0; i < 25 * 80; i++)
		assert_int_equal(text.cells[i / 80][i % 80], ' ');
	assert_int_equal(text.cursor_line + text.cursor_column, 0);
	put(0xb8000, 2, 0x0748);
	put(0xb8002, 8, 0x076f076c076c0765);
	put(0xb8000 + 2 * (24 * 80 + 79), 1, '!');
	vscreen_look(&screen, &text);
	assert_memory_equal(text.cells[0], "Hello ", 6);
	assert_int_equal(text.cells[24][79], '!');
	assert_int_equal(get(0xb8002, 4), ~0xffffffffUL | 0x076c0765);
	assert_int_equal(get(0xb8003, 1) & 0xff, 0x07);
	put(0xbfffe, 8, ~0UL); /* across the end */
	assert_int_equal(get(0xbffff, 2), ~0UL);
	assert_int_equal(get(0xb8000, 2) & 0xffff, 0x0748);
}

/* Who only looks needs none; what is looked at is blank all the same. */
static void test_memory_when_it_is_written(void **state)
{
	(void)state;
	assert_int_equal(get(0xb8000, 4) & 0xffffffff, 0x07200720);
	assert_int_equal(get(0xb8001, 2) & 0xffff, 0x2007);
	vscreen_look(&screen, &text);
	assert_null(memory_given);
	put(0xb8002, 1, 'x');
	assert_ptr_equal(memory_given, memory);
	assert_int_equal(get(0xb8000, 4) & 0xffffffff, 0x07780720);
	assert_int_equal(get(0xbfffe, 2) & 0xffff, 0x0720);
	vscreen_init(&screen, &fake.host, give_memory, &fake); /* a reset */
	assert_int_equal(get(0xb8002, 2) & 0xffff, 0x0720);
	put(0xb8000, 1, 'y');
	assert_int_equal(get(0xb8000, 4) & 0xffffffff, 0x07200779);
}

static void test_without_memory(void **state)
{
	u8 *later = memory;

	(void)state;
	memory = NULL;
	put(0xb8000, 2, 0x0741);
	put(0xb8000, 2, 0x0742);
	assert_int_equal(get(0xb8000, 2) & 0xffff, 0x0720);
	vscreen_look(&screen, &text);
	assert_int_equal(text.cells[0][0], ' ');
	assert_int_equal(fake.reports, 1);
	memory = later;
	put(0xb8002, 2, 0x0743);
	vscreen_look(&screen, &text);
	assert_memory_equal(text.cells[0], " C", 2);
}

static void test_start_and_cursor(void **state)
{
	(void)state;
	put(0xb8000 + 2 * 80 * 30, 2, 0x0741);
	crtc(0x0c, 80 * 30 >> 8);
	crtc(0x0d, 80 * 30 & 0xff);
	crtc(0x0e, (80 * 32 + 7) >> 8);
	crtc(0x0f, (80 * 32 + 7) & 0xff);
	vscreen_look(&screen, &text);
	assert_int_equal(text.cells[0][0], 'A');
	assert_int_equal(text.cursor_line, 2);
	assert_int_equal(text.cursor_column, 7);
	crtc(0x0e, 0); /* before the screen begins */
	vscreen_look(&screen, &text);
	assert_true(text.cursor_line >= 25);
	crtc(0x0c, 0x3f); /* the memory is a ring */
	crtc(0x0d, 0xff);
	put(0xbfffe, 1, 'Y');
	put(0xb8000, 1, 'Z');
	vscreen_look(&screen, &text);
	assert_memory_equal(text.cells[0], "YZ", 2);
	crtc(0x0c, 0xff);
	crtc(0x0d, 0xff);
	vscreen_look(&screen, &text);
	assert_memory_equal(text.cells[0], "YZ", 2);
}

static void test_registers(void **state)
{
	static const u16 files[] = {0x3c4, 0x3ce, 0x3d4};

	(void)state;
	out(0x3d4, 1);
	assert_int_equal(in(0x3d5) + 1, 80); /* as a BIOS left it */
	for (unsigned f = 0; f < ARRAY_SIZE(files); f++) {
		for (unsigned i = 0; i < 32; i++) {
			out(files[f], i);
			out(files[f] + 1u, 0x40 + i);
		}
		for (unsigned i = 0; i < 32; i++) {
			out(files[f], i);
			assert_int_equal(in(files[f]), i);
			assert_int_equal(in(files[f] + 1u), 0x40 + i);
		}
		out(files[f], 0xff);
		out(files[f] + 1u, 0x12); /* no such register */
		assert_int_equal(in(files[f] + 1u), 0);
	}
	out(0x3c2, 0xe3);
	assert_int_equal(in(0x3cc), 0xe3);
	out(0x3da, 0x02);
	assert_int_equal(in(0x3ca), 0x02);
	out(0x3c6, 0x0f);
	assert_int_equal(in(0x3c6), 0x0f);
	assert_int_equal(in(0x3df), 0xff);
}

static void test_attributes(void **state)
{
	(void)state;
	(void)in(0x3da); /* index comes next */
	out(0x3c0, 0x10);
	out(0x3c0, 0x5a);
	out(0x3c0, 0x30); /* index again, and the palette is seen */
	assert_int_equal(in(0x3c0), 0x30);
	assert_int_equal(in(0x3c1), 0x5a);
	(void)in(0x3da);
	out(0x3c0, 0x31);
	assert_int_equal(in(0x3c1), 0x00);
}

static void test_palette(void **state)
{
	(void)state;
	out(0x3c8, 254);
	for (unsigned i = 0; i < 9; i++) /* past its end */
		out(0x3c9, 0xc0 + i);
	assert_int_equal(in(0x3c8), 1);
	out(0x3c7, 254);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(in(0x3c9), i);
}

/* Who waits for a retrace to begin or to end gets there. */
static void test_status(void **state)
{
	unsigned changes = 0, retraces = 0;
	u8 last = in(0x3da);

	(void)state;
	for (unsigned i = 0; i < 1000000; i++) {
		u8 now;

		fake.now += 1000;
		now = in(0x3da);
		changes += (now ^ last) & 1;
		retraces += (now & ~last & 8) != 0;
		if (now & 8)
			assert_int_equal(now & 1, 1);
		last = now;
	}
	assert_in_range(retraces, 59, 61);
	assert_true(changes > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_when_it_is_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_start_and_cursor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_registers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_attributes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_palette, setup, teardown),
		cmocka_unit_test_setup_teardown(test_status, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
