/* SPDX-License-Identifier: MIT */
/* The 8259A pair against Intel's datasheet. */
#include "cmocka_all.h"

#include "drivers/virt/vpic.h"

#define MASTER 0x20
#define SLAVE  0xa0

static struct vpic pic;
static bool intr;
static unsigned changes;

static void changed(void *context, bool level)
{
	assert_ptr_equal(context, &pic);
	assert_true(level != intr);
	intr = level;
	changes++;
}

static void out(u64 port, u8 value)
{
	vpic_ops.write(&pic, port, 1, value);
}

static u8 in(u64 port)
{
	return (u8)vpic_ops.read(&pic, port, 1);
}

static void program(u8 icw4_master, u8 icw4_slave)
{
	out(MASTER, 0x11);
	out(MASTER + 1, 0x20);
	out(MASTER + 1, 0x04);
	out(MASTER + 1, icw4_master);
	out(SLAVE, 0x11);
	out(SLAVE + 1, 0x28);
	out(SLAVE + 1, 0x02);
	out(SLAVE + 1, icw4_slave);
}

static int setup(void **state)
{
	(void)state;
	intr = false;
	changes = 0;
	vpic_init(&pic, changed, &pic);
	program(1, 1);
	return 0;
}

static void raise(unsigned irq)
{
	vpic_irq_set(&pic, irq, true);
}

static void lower(unsigned irq)
{
	vpic_irq_set(&pic, irq, false);
}

static void pulse(unsigned irq)
{
	lower(irq);
	raise(irq);
}

static u8 isr(u64 port)
{
	out(port, 0x0b);
	return in(port);
}

static u8 irr(u64 port)
{
	out(port, 0x0a);
	return in(port);
}

static void expect(unsigned vector)
{
	assert_true(pic.intr);
	assert_int_equal(vpic_acknowledge(&pic), vector);
}

static void test_uninitialised_is_silent(void **state)
{
	(void)state;
	vpic_init(&pic, changed, &pic);
	raise(1);
	assert_false(intr);
	out(MASTER, 0x11);
	out(MASTER + 1, 0x20);
	out(MASTER + 1, 0x04);
	pulse(1);
	assert_false(intr);
	out(MASTER + 1, 1);
	expect(0x21);
}

static void test_any_icw3_will_do(void **state)
{
	(void)state;
	out(MASTER, 0x11);
	out(MASTER + 1, 0x40);
	out(MASTER + 1, 0x00);
	out(MASTER + 1, 1);
	raise(12);
	expect(0x2c);
}

static void test_init_without_icw4_and_single(void **state)
{
	(void)state;
	out(MASTER, 0x10); /* no ICW4: ICW3 ends it */
	out(MASTER + 1, 0x57);
	out(MASTER + 1, 0x04);
	out(MASTER + 1, 0xfe); /* OCW1 already */
	assert_int_equal(in(MASTER + 1), 0xfe);
	raise(0);
	expect(0x50); /* T7-T3 of ICW2 only */

	out(MASTER, 0x13); /* single: no ICW3 */
	out(MASTER + 1, 0x60);
	out(MASTER + 1, 0x01);
	assert_int_equal(in(MASTER + 1), 0);
	raise(9);
	expect(0x62); /* input 2 is one like the others */
}

static void test_icw1_clears(void **state)
{
	(void)state;
	raise(3);
	raise(4);
	expect(0x23);
	out(MASTER + 1, 0xaa);
	out(MASTER, 0xc3); /* priority: 3 lowest */
	out(MASTER, 0x68); /* special mask */
	out(MASTER, 0x0b); /* read ISR */
	program(1, 1);
	assert_int_equal(in(MASTER + 1), 0);
	assert_int_equal(in(MASTER),
			 0); /* IRR again; edge latches are gone though lines are high */
	assert_int_equal(isr(MASTER), 0);
	assert_false(intr);
	pulse(4);
	raise(0);
	expect(0x20); /* 7 is lowest again */
}

static void test_fixed_priorities(void **state)
{
	/* Fully nested: 0, 1, then the slave's 8 to 15 through input 2, then 3 to 7. */
	static const unsigned order[] = {0, 1, 8, 9, 10, 11, 12, 13, 14, 15, 3, 4, 5, 6, 7};

	(void)state;
	for (unsigned i = 15; i < 16; i--)
		raise(i);
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		expect(0x20 + order[i]);
		if (order[i] >= 8)
			out(SLAVE, 0x20);
		out(MASTER, 0x20);
	}
	assert_false(intr);
	assert_int_equal(irr(MASTER) | irr(SLAVE) | isr(MASTER) | isr(SLAVE), 0);
}

static void test_nesting(void **state)
{
	(void)state;
	raise(5);
	expect(0x25);
	raise(6);
	assert_false(intr); /* lower priority waits */
	raise(3);
	expect(0x23); /* higher priority interrupts */
	assert_int_equal(isr(MASTER), 0x28);
	pulse(3);
	assert_false(intr); /* not by itself */
	out(MASTER, 0x20);  /* non-specific EOI ends the highest */
	assert_int_equal(isr(MASTER), 0x20);
	expect(0x23);
	out(MASTER, 0x65); /* specific EOI of 5 */
	assert_int_equal(isr(MASTER), 0x08);
	assert_false(intr);
	out(MASTER, 0x20);
	expect(0x26);
}

static void test_mask(void **state)
{
	(void)state;
	out(MASTER + 1, 0x02);
	raise(1);
	assert_false(intr);
	assert_int_equal(irr(MASTER), 0x02); /* requested all the same */
	out(MASTER + 1, 0x00);
	assert_true(intr);
	out(MASTER + 1, 0xff);
	assert_false(intr);
	out(MASTER + 1, 0xfd);
	expect(0x21);
	out(MASTER, 0x20);
	raise(10);
	assert_false(intr); /* the cascade is masked */
	out(MASTER + 1, 0x00);
	expect(0x2a);
}

static void test_edges_and_levels(void **state)
{
	(void)state;
	raise(5);
	expect(0x25);
	out(MASTER, 0x20);
	assert_false(intr); /* still high, no new edge */
	raise(5);
	assert_false(intr);
	pulse(5);
	expect(0x25);
	out(MASTER, 0x20);
	lower(5);

	out(0x4d0, 0xff);
	assert_int_equal(in(0x4d0), 0xf8);
	out(0x4d1, 0xff);
	assert_int_equal(in(0x4d1), 0xde);
	raise(5);
	expect(0x25);
	out(MASTER, 0x20);
	assert_true(intr); /* asks for as long as it is high */
	lower(5);
	assert_false(intr);

	raise(11);
	expect(0x2b);
	assert_int_equal(irr(SLAVE), 0x08);
	out(SLAVE, 0x20);
	out(MASTER, 0x20);
	assert_true(intr);
	lower(11);
	assert_false(intr);
}

static void test_spurious(void **state)
{
	(void)state;
	raise(3);
	assert_true(intr);
	lower(3);
	assert_false(intr);
	assert_int_equal(vpic_acknowledge(&pic), 0x27);
	assert_int_equal(isr(MASTER), 0); /* unlike for a real 7 */
	raise(7);
	expect(0x27);
	assert_int_equal(isr(MASTER), 0x80);
	out(MASTER, 0x20);

	/* The slave's request goes away between the two INTA pulses. */
	raise(12);
	pic.chip[1].latches = 0;
	assert_int_equal(vpic_acknowledge(&pic), 0x2f);
	assert_int_equal(isr(SLAVE), 0);
	assert_int_equal(isr(MASTER), 0x04); /* the master did take its input 2 */
}

static void test_rotate(void **state)
{
	(void)state;
	/* "Automatic rotation", figure with IR4 and IR6: after rotate-on-EOI of 4, 5 is highest. */
	raise(4);
	raise(6);
	expect(0x24);
	out(MASTER, 0xa0);
	pulse(4);
	expect(0x26);
	out(MASTER, 0x20);
	expect(0x24);
	out(MASTER, 0x20);

	/* "Specific rotation": set priority, 5 becomes lowest, 6 highest. */
	out(MASTER, 0xc5);
	for (unsigned i = 0; i < 8; i++)
		if (i != 2)
			pulse(i);
	expect(0x26);
	/* Rotate on specific EOI: 6 is ended and becomes lowest. */
	out(MASTER, 0xe6);
	expect(0x27);
	out(MASTER, 0x20);
	expect(0x20);
	out(MASTER, 0x20);
	expect(0x21);
	pulse(6);
	out(MASTER, 0x20);
	expect(0x23);
	out(MASTER, 0x20);
	expect(0x24);
	out(MASTER, 0x20);
	expect(0x25);
	out(MASTER, 0x20);
	expect(0x26);
}

static void test_auto_eoi(void **state)
{
	(void)state;
	program(0x03, 0x03);
	raise(4);
	raise(8);
	raise(9);
	expect(0x28);
	assert_int_equal(isr(MASTER) | isr(SLAVE), 0);
	expect(0x29);
	expect(0x24);
	assert_false(intr);

	out(MASTER, 0x80); /* rotate in automatic EOI mode */
	pulse(0);
	expect(0x20);
	pulse(0);
	pulse(1);
	expect(0x21);
	expect(0x20);
	out(MASTER, 0x00);
	pulse(3);
	expect(0x23);
	pulse(3);
	pulse(1);
	expect(0x21); /* lowest is still 0 */
	expect(0x23);
}

static void test_special_mask(void **state)
{
	(void)state;
	raise(4);
	expect(0x24);
	out(MASTER + 1, 0x10);
	raise(6);
	assert_false(intr); /* in service blocks although masked */
	out(MASTER, 0x68);
	expect(0x26);	   /* every level but the masked one is enabled */
	out(MASTER, 0x20); /* passes over the masked in-service bit */
	assert_int_equal(isr(MASTER), 0x10);
	out(MASTER, 0x20);
	assert_int_equal(isr(MASTER), 0x10);
	out(MASTER, 0x64);
	assert_int_equal(isr(MASTER), 0x00);
	pulse(3);
	expect(0x23);
	pulse(7);
	assert_false(intr); /* unmasked in-service levels block as ever */
	out(MASTER, 0x48);  /* leave special mask mode */
	out(MASTER + 1, 0x18);
	assert_false(intr);
}

static void test_special_fully_nested(void **state)
{
	(void)state;
	raise(12);
	expect(0x2c);
	raise(9);
	assert_false(intr); /* normal nesting: the slave is locked out */
	program(0x11, 0x01);
	lower(9);
	pulse(12);
	expect(0x2c);
	raise(9);
	expect(0x29);
	raise(14);
	raise(3);
	assert_false(intr); /* nothing less urgent gets through */
	assert_int_equal(isr(SLAVE), 0x12);
	out(SLAVE, 0x20);
	assert_int_equal(isr(SLAVE), 0x10); /* not empty: no EOI to the master */
	out(SLAVE, 0x20);
	out(MASTER, 0x20);
	expect(0x2e);
}

static void test_poll(void **state)
{
	(void)state;
	out(MASTER, 0x0c);
	assert_int_equal(in(MASTER), 0x00);
	raise(5);
	out(MASTER, 0x0c);
	assert_int_equal(in(MASTER), 0x85);
	assert_false(intr);
	assert_int_equal(isr(MASTER), 0x20); /* the poll was the acknowledge */
	out(MASTER, 0x20);
	raise(10);
	out(MASTER, 0x0e); /* poll overrides read register */
	assert_int_equal(in(MASTER), 0x82);
	out(SLAVE, 0x0c);
	assert_int_equal(in(SLAVE), 0x82);
	assert_int_equal(in(SLAVE), 0x00); /* one read only: this is IRR again */
}

static void test_read_select_is_kept(void **state)
{
	(void)state;
	raise(1);
	expect(0x21);
	raise(6);
	out(MASTER, 0x0b);
	assert_int_equal(in(MASTER), 0x02);
	assert_int_equal(in(MASTER), 0x02);
	out(MASTER, 0x08); /* no read register command */
	assert_int_equal(in(MASTER), 0x02);
	out(MASTER, 0x0a);
	assert_int_equal(in(MASTER), 0x40);
}

static void test_line_2_is_the_cascade(void **state)
{
	(void)state;
	raise(2);
	raise(16);
	assert_int_equal(changes, 0);
	assert_int_equal(irr(MASTER), 0);
}

static void test_reset(void **state)
{
	(void)state;
	out(0x4d0, 0x20);
	raise(5);
	assert_true(intr);
	vpic_reset(&pic);
	assert_false(intr);
	assert_int_equal(in(0x4d0), 0);
}

static void test_random(void **state)
{
	static const u16 ports[] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1};
	u32 seed = 1;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		seed = seed * 1664525 + 1013904223;
		u8 value = (u8)(seed >> 24);
		u16 port = ports[(seed >> 8) % ARRAY_SIZE(ports)];

		switch (seed >> 16 & 3) {
		case 0:
			out(port, value);
			break;
		case 1:
			in(port);
			break;
		case 2:
			vpic_irq_set(&pic, value & 31, value & 32);
			break;
		default:
			vpic_acknowledge(&pic);
		}
		assert_int_equal(pic.intr, intr);
		if (intr) {
			u8 base = vpic_acknowledge(&pic) & 0xf8;

			assert_true(base == pic.chip[0].base || base == pic.chip[1].base);
		}
		for (unsigned c = 0; c < 2; c++) {
			assert_int_equal(pic.chip[c].latches & ~pic.chip[c].lines, 0);
			assert_true(pic.chip[c].lowest < 8);
		}
	}
	/* However it was left, initialising it makes it work. */
	for (unsigned i = 0; i < 16; i++)
		lower(i);
	out(0x4d0, 0);
	out(0x4d1, 0);
	in(MASTER);
	in(SLAVE);
	program(1, 1);
	raise(14);
	expect(0x2e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_uninitialised_is_silent, setup),
		cmocka_unit_test_setup(test_any_icw3_will_do, setup),
		cmocka_unit_test_setup(test_init_without_icw4_and_single, setup),
		cmocka_unit_test_setup(test_icw1_clears, setup),
		cmocka_unit_test_setup(test_fixed_priorities, setup),
		cmocka_unit_test_setup(test_nesting, setup),
		cmocka_unit_test_setup(test_mask, setup),
		cmocka_unit_test_setup(test_edges_and_levels, setup),
		cmocka_unit_test_setup(test_spurious, setup),
		cmocka_unit_test_setup(test_rotate, setup),
		cmocka_unit_test_setup(test_auto_eoi, setup),
		cmocka_unit_test_setup(test_special_mask, setup),
		cmocka_unit_test_setup(test_special_fully_nested, setup),
		cmocka_unit_test_setup(test_poll, setup),
		cmocka_unit_test_setup(test_read_select_is_kept, setup),
		cmocka_unit_test_setup(test_line_2_is_the_cascade, setup),
		cmocka_unit_test_setup(test_reset, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
