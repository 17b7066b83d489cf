/* SPDX-License-Identifier: MIT */
/* The I/O APIC against the 82093AA's datasheet. */
#include "cmocka_all.h"

#include "drivers/virt/vioapic.h"

#define BASE VIOAPIC_BASE

static struct vioapic ioapic;
static u64 sent[64];
static unsigned sent_count;

static void deliver(void *context, u64 entry)
{
	assert_ptr_equal(context, sent);
	assert_false(entry & VIOAPIC_MASKED);
	sent[sent_count++ % ARRAY_SIZE(sent)] = entry;
}

static int setup(void **state)
{
	(void)state;
	sent_count = 0;
	vioapic_init(&ioapic, deliver, sent);
	return 0;
}

/* What is read beyond its width means nothing. */
static u64 in(u64 address, unsigned bytes)
{
	return vioapic_ops.read(&ioapic, address, bytes) & ~0UL >> (64 - 8 * bytes);
}

static u32 get(unsigned index)
{
	vioapic_ops.write(&ioapic, BASE, 4, index);
	return (u32)vioapic_ops.read(&ioapic, BASE + 0x10, 4);
}

static void set(unsigned index, u32 value)
{
	vioapic_ops.write(&ioapic, BASE, 4, index);
	vioapic_ops.write(&ioapic, BASE + 0x10, 4, value);
}

static void program(unsigned pin, u64 entry)
{
	set(0x10 + 2 * pin, VIOAPIC_MASKED);
	set(0x11 + 2 * pin, (u32)(entry >> 32));
	set(0x10 + 2 * pin, (u32)entry);
}

static void line(unsigned pin, bool level)
{
	vioapic_irq_set(&ioapic, pin, level);
}

static bool remote_irr(unsigned pin)
{
	return get(0x10 + 2 * pin) & VIOAPIC_REMOTE_IRR;
}

static void test_registers(void **state)
{
	(void)state;
	assert_int_equal(get(0), 0);
	assert_int_equal(get(1), 0x00170020);
	set(0, 0xffffffff);
	assert_int_equal(get(0), 0x0f000000);
	assert_int_equal(get(2), 0x0f000000); /* the arbitration id is loaded with it */
	set(1, 0xffffffff);
	set(2, 0);
	assert_int_equal(get(1), 0x00170020);
	assert_int_equal(get(2), 0x0f000000);
	for (unsigned pin = 0; pin < 24; pin++) {
		assert_int_equal(get(0x10 + 2 * pin), 0x00010000); /* masked at reset */
		assert_int_equal(get(0x11 + 2 * pin), 0);
	}
	for (unsigned index = 3; index < 256; index++) {
		if (index >= 0x10 && index < 0x40)
			continue;
		set(index, 0xffffffff);
		assert_int_equal(get(index), 0);
	}
	set(0x12, 0xffffffff); /* remote IRR and delivery status are read-only, 31:17 reserved */
	set(0x13, 0xffffffff);
	assert_int_equal(get(0x12), 0x0001afff);
	assert_int_equal(get(0x13), 0xff000000);
	vioapic_reset(&ioapic);
	assert_int_equal(get(0x12), 0x00010000);
	assert_int_equal(get(0), 0);
}

static void test_edge(void **state)
{
	(void)state;
	program(4, 0x3400000000000034ULL);
	line(4, true);
	assert_int_equal(sent_count, 1);
	assert_int_equal(sent[0], 0x3400000000000034ULL);
	assert_false(remote_irr(4));
	line(4, true);
	assert_int_equal(sent_count, 1);
	line(4, false);
	assert_int_equal(sent_count, 1);
	line(4, true);
	assert_int_equal(sent_count, 2);
	vioapic_eoi(&ioapic, 0x34); /* means nothing to an edge */
	assert_int_equal(sent_count, 2);
}

static void test_edge_while_masked_is_lost(void **state)
{
	(void)state;
	program(4, 0x34 | VIOAPIC_MASKED);
	line(4, true);
	program(4, 0x34);
	assert_int_equal(sent_count, 0);
	line(4, false);
	line(4, true);
	assert_int_equal(sent_count, 1);
}

static void test_remote_irr_life_cycle(void **state)
{
	(void)state;
	program(10, 0x51 | VIOAPIC_LEVEL | VIOAPIC_ACTIVE_LOW);
	assert_false(remote_irr(10));
	line(10, true);
	assert_int_equal(sent_count, 1);
	assert_int_equal(sent[0] & 0xff, 0x51);
	assert_true(remote_irr(10));
	line(10, false);
	line(10, true); /* not again before the EOI */
	assert_int_equal(sent_count, 1);
	vioapic_eoi(&ioapic, 0x52); /* somebody else's */
	assert_int_equal(sent_count, 1);
	assert_true(remote_irr(10));
	vioapic_eoi(&ioapic, 0x51); /* still asserted: again */
	assert_int_equal(sent_count, 2);
	assert_true(remote_irr(10));
	line(10, false);
	vioapic_eoi(&ioapic, 0x51);
	assert_int_equal(sent_count, 2);
	assert_false(remote_irr(10));
	vioapic_eoi(&ioapic, 0x51);
	assert_int_equal(sent_count, 2);
}

static void test_level_and_mask(void **state)
{
	(void)state;
	line(9, true);
	program(9, 0x61 | VIOAPIC_LEVEL | VIOAPIC_MASKED);
	assert_int_equal(sent_count, 0);
	set(0x10 + 18, 0x61 | (u32)VIOAPIC_LEVEL);
	assert_int_equal(sent_count, 1); /* unmasked while asserted */
	set(0x10 + 18, 0x61 | (u32)(VIOAPIC_LEVEL | VIOAPIC_MASKED));
	assert_true(remote_irr(9)); /* masking does not forget what is under way */
	set(0x10 + 18, 0x61 | (u32)VIOAPIC_LEVEL);
	assert_int_equal(sent_count, 1);
	set(0x10 + 18, 0x61 | (u32)(VIOAPIC_LEVEL | VIOAPIC_MASKED));
	vioapic_eoi(&ioapic, 0x61);
	assert_false(remote_irr(9));
	assert_int_equal(sent_count, 1);
	set(0x10 + 18, 0x61 | (u32)VIOAPIC_LEVEL);
	assert_int_equal(sent_count, 2);
}

static void test_trigger_mode_change_clears_remote_irr(void **state)
{
	(void)state;
	program(5, 0x71 | VIOAPIC_LEVEL);
	line(5, true);
	assert_true(remote_irr(5));
	set(0x10 + 10, 0x71 | (u32)VIOAPIC_MASKED);
	assert_false(remote_irr(5));
	set(0x10 + 10, 0x71 | (u32)VIOAPIC_LEVEL);
	assert_int_equal(sent_count, 2);
}

static void test_eoi_register(void **state)
{
	(void)state;
	program(3, 0x41 | VIOAPIC_LEVEL);
	program(7, 0x41 | VIOAPIC_LEVEL); /* two inputs with one vector: both end */
	line(3, true);
	line(7, true);
	assert_int_equal(sent_count, 2);
	line(3, false);
	vioapic_ops.write(&ioapic, BASE + 0x40, 4, 0x41);
	assert_false(remote_irr(3));
	assert_true(remote_irr(7));
	assert_int_equal(sent_count, 3);
	line(7, false);
	vioapic_ops.write(&ioapic, BASE + 0x40, 1, 0x41);
	assert_false(remote_irr(7));
	assert_int_equal(in(BASE + 0x40, 4), 0);
}

static void test_delivery_modes(void **state)
{
	(void)state;
	program(1, 0x81 | VIOAPIC_LEVEL | 1ULL << 8); /* lowest priority */
	line(1, true);
	assert_true(remote_irr(1));
	/* NMI, SMI, INIT, ExtINT are edges even if marked as levels. */
	for (u64 mode = 2; mode <= 7; mode++) {
		unsigned before = sent_count;

		if (mode == 3 || mode == 6)
			continue;
		line(2, false);
		program(2, VIOAPIC_LEVEL | mode << 8);
		line(2, true);
		assert_int_equal(sent_count, before + 1);
		assert_int_equal((sent[before] & VIOAPIC_MODE) >> 8, mode);
		assert_false(remote_irr(2));
		line(2, true);
		assert_int_equal(sent_count, before + 1);
	}
}

static void test_widths(void **state)
{
	(void)state;
	vioapic_ops.write(&ioapic, BASE, 1, 0x01);
	assert_int_equal(in(BASE, 4), 1);
	assert_int_equal(in(BASE + 0x10, 1), 0x20);
	assert_int_equal(in(BASE + 0x12, 2), 0x17);
	assert_int_equal(in(BASE + 0x13, 4), 0xffffff00);
	assert_int_equal(in(BASE + 0x14, 4), 0xffffffff);
	assert_int_equal(in(BASE + 0x20, 4), 0xffffffff);
	assert_int_equal(in(BASE + 0xff0, 4), 0xffffffff);
	set(0x10, 0x00010033);
	vioapic_ops.write(&ioapic, BASE + 0x10, 1, 0x99); /* half a register is not written */
	vioapic_ops.write(&ioapic, BASE + 0x12, 2, 0x0000);
	vioapic_ops.write(&ioapic, BASE + 0x11, 4, 0x0000);
	assert_int_equal(get(0x10), 0x00010033);
	vioapic_ops.write(&ioapic, BASE + 0x01, 1, 0x11); /* nor is the index moved from beside */
	assert_int_equal(in(BASE, 4), 0x10);
}

static void test_absent_pins(void **state)
{
	(void)state;
	line(24, true);
	line(31, true);
	line(1000, true);
	assert_int_equal(sent_count, 0);
	program(23, 0x91);
	line(23, true);
	assert_int_equal(sent_count, 1);
}

static void test_random(void **state)
{
	u32 seed = 5;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		static const unsigned widths[4] = {1, 2, 4, 4};

		seed = seed * 1664525 + 1013904223;
		u64 address = BASE + (seed >> 8 & 7 ? seed >> 9 & 0x50 : seed >> 9 & 0xfff);
		u32 value = seed >> 4 & 1 ? seed >> 11 & 0x3f : seed ^ seed << 13;

		switch (seed >> 28 & 3) {
		case 0:
			vioapic_ops.read(&ioapic, address, widths[seed >> 30]);
			break;
		case 1:
		case 2:
			vioapic_ops.write(&ioapic, address, widths[seed >> 30], value);
			break;
		default:
			if (seed >> 27 & 1)
				line(value & 31, seed >> 26 & 1);
			else
				vioapic_eoi(&ioapic, (u8)value);
		}
		for (unsigned pin = 0; pin < 24; pin++) {
			u64 entry = ioapic.entry[pin];

			assert_false(entry & BIT(12));
			assert_false(entry & BITS(55, 17));
			if (entry & VIOAPIC_REMOTE_IRR)
				assert_true(entry & VIOAPIC_LEVEL);
			/* An asserted, unmasked level is always on its way. */
			else if ((entry & VIOAPIC_LEVEL) && (entry >> 8 & 7) < 2 &&
				 !(entry & VIOAPIC_MASKED))
				assert_false(ioapic.lines >> pin & 1);
		}
	}
	assert_true(sent_count > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_registers, setup),
		cmocka_unit_test_setup(test_edge, setup),
		cmocka_unit_test_setup(test_edge_while_masked_is_lost, setup),
		cmocka_unit_test_setup(test_remote_irr_life_cycle, setup),
		cmocka_unit_test_setup(test_level_and_mask, setup),
		cmocka_unit_test_setup(test_trigger_mode_change_clears_remote_irr, setup),
		cmocka_unit_test_setup(test_eoi_register, setup),
		cmocka_unit_test_setup(test_delivery_modes, setup),
		cmocka_unit_test_setup(test_widths, setup),
		cmocka_unit_test_setup(test_absent_pins, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
