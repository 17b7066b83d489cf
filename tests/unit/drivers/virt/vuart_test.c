/* SPDX-License-Identifier: MIT */
/* The 16550A against National's datasheet. One guest tick is 1 ns. */
#include "cmocka_all.h"

#include "drivers/virt/vuart.h"
#include "fake_host.h"

#define BASE 0x3f8
#define IRQ  4

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH };

static struct fake_host fake;
static struct vuart uart;
static unsigned offers;
static unsigned feed; /* how many bytes input_ready gives at once */
static u8 feed_next;

static void ready(void *context)
{
	assert_ptr_equal(context, &uart);
	offers++;
	while (feed && vuart_input(&uart, feed_next)) {
		feed_next++;
		feed--;
	}
}

static void out(unsigned reg, unsigned value)
{
	vuart_ops.write(&uart, BASE + reg, 1, value);
}

static u8 in(unsigned reg)
{
	return (u8)vuart_ops.read(&uart, BASE + reg, 1);
}

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	offers = 0;
	feed = 0;
	feed_next = 0;
	vuart_init(&uart, &fake.host, BASE, IRQ, ready, &uart);
	return 0;
}

/* 115200 baud, 8N1, FIFO with a trigger of 8, OUT2 on. */
static int setup_fifo(void **state)
{
	setup(state);
	out(LCR, 0x83);
	out(DATA, 1);
	out(IER, 0);
	out(LCR, 0x03);
	out(IIR, 0x87);
	out(MCR, 0x0b);
	return 0;
}

static void input(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_true(vuart_input(&uart, (u8)('a' + i)));
}

static void test_reset_values(void **state)
{
	(void)state;
	/* "Reset configuration" */
	assert_int_equal(in(IER), 0x00);
	assert_int_equal(in(IIR), 0x01);
	assert_int_equal(in(LCR), 0x00);
	assert_int_equal(in(MCR), 0x00);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(MSR) % 16, 0x00);
	assert_false(fake.irq[IRQ]);
}

static void test_registers(void **state)
{
	(void)state;
	out(SCRATCH, 0xa5);
	assert_int_equal(in(SCRATCH), 0xa5);
	out(IER, 0xff);
	assert_int_equal(in(IER), 0x0f);
	out(MCR, 0xff);
	assert_int_equal(in(MCR), 0x1f);
	out(MCR, 0);
	in(MSR);
	out(LCR, 0x80);
	out(DATA, 0x34);
	out(IER, 0x12);
	assert_int_equal(in(DATA), 0x34);
	assert_int_equal(in(IER), 0x12);
	out(LCR, 0x7f);
	assert_int_equal(in(LCR), 0x7f);
	assert_int_equal(in(IER), 0x0f); /* the latch is hidden again */
	assert_int_equal(fake.output_bytes, 0);
	out(LSR, 0xff);
	out(MSR, 0xff);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(MSR), 0xb0);
}

static void test_transmit(void **state)
{
	(void)state;
	for (const char *text = "hello"; *text; text++) {
		assert_int_equal(in(LSR), 0x60);
		out(DATA, (u8)*text);
	}
	assert_int_equal(fake.output_bytes, 5);
	assert_memory_equal(fake.output, "hello", 5);
	out(DATA, 0xe9);
	assert_int_equal((u8)fake.output[5], 0xe9);
}

static void test_transmit_interrupt(void **state)
{
	(void)state;
	out(MCR, 0x08);
	out(DATA, 'x');
	assert_int_equal(in(IIR), 0x01);
	out(IER, 0x02); /* enabling it while THR is empty raises it */
	assert_true(fake.irq[IRQ]);
	assert_int_equal(in(IIR), 0x02); /* reading IIR ends it */
	assert_false(fake.irq[IRQ]);
	assert_int_equal(in(IIR), 0x01);
	out(IER, 0x02); /* no rising edge of the enable */
	assert_false(fake.irq[IRQ]);
	out(DATA, 'y');
	assert_true(fake.irq[IRQ]);
	assert_int_equal(fake.irq_rises[IRQ], 2);
	out(DATA, 'z'); /* ends it; empty again at once: a new edge */
	assert_int_equal(fake.irq_rises[IRQ], 3);
	out(IER, 0x00);
	assert_false(fake.irq[IRQ]);
	out(IER, 0x02);
	assert_int_equal(in(IIR), 0x02);
}

static void test_out2_gates_the_line(void **state)
{
	(void)state;
	out(IER, 0x02);
	assert_false(fake.irq[IRQ]);
	out(MCR, 0x08);
	assert_true(fake.irq[IRQ]);
	out(MCR, 0x00);
	assert_false(fake.irq[IRQ]);
	assert_int_equal(in(IIR), 0x02); /* the chip asks all the same */
}

static void test_receive_without_fifo(void **state)
{
	(void)state;
	out(MCR, 0x08);
	out(IER, 0x01);
	assert_int_equal(in(LSR), 0x60);
	input(1);
	assert_true(fake.irq[IRQ]);
	assert_int_equal(in(IIR), 0x04);
	assert_int_equal(in(LSR), 0x61);
	assert_false(vuart_input(&uart, 'b'));
	assert_int_equal(offers, 0);
	assert_int_equal(in(DATA), 'a');
	assert_int_equal(offers, 1);
	assert_false(fake.irq[IRQ]);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(IIR), 0x01);
	assert_null(fake.timers); /* time-outs are the FIFO's */
}

static void test_fifo_trigger_levels(void **state)
{
	static const unsigned levels[4] = {1, 4, 8, 14};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		out(IIR, i << 6 | 7);
		out(IER, 0x01);
		input(levels[i] - 1);
		assert_int_equal(in(IIR), 0xc1);
		input(1);
		assert_int_equal(in(IIR), 0xc4);
		assert_true(fake.irq[IRQ]);
		in(DATA); /* below the trigger: it ends */
		assert_int_equal(in(IIR), 0xc1);
		assert_false(fake.irq[IRQ]);
	}
}

static void test_fifo_order_and_room(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 16; i++)
		assert_true(vuart_input(&uart, (u8)i));
	assert_false(vuart_input(&uart, 16));
	assert_false(vuart_input(&uart, 16));
	feed = 40;
	feed_next = 16;
	for (unsigned i = 0; i < 16 + 40; i++) {
		assert_int_equal(in(LSR), 0x61); /* and no overrun */
		assert_int_equal(in(DATA), i);
	}
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(feed, 0);
}

static void test_offer_only_when_owed(void **state)
{
	(void)state;
	input(16);
	in(DATA);
	assert_int_equal(offers, 0);
	input(1);
	assert_false(vuart_input(&uart, 'x'));
	in(LSR);
	assert_int_equal(offers, 0);
	in(DATA);
	in(DATA);
	assert_int_equal(offers, 1);
}

static void test_fifo_reset(void **state)
{
	(void)state;
	input(16);
	assert_false(vuart_input(&uart, 'x'));
	out(IIR, 0x83);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(offers, 1);
	input(3);
	out(IIR, 0x00); /* changing the enable clears as well */
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(IIR), 0x01);
	input(1);
	out(IIR, 0xc2); /* reset and trigger bits need the enable bit */
	assert_int_equal(in(LSR), 0x61);
}

static void test_timeout(void **state)
{
	u64 four = 4 * 10 * 1000000000ULL / 115200; /* four characters of ten bits */

	(void)state;
	out(IER, 0x01);
	input(1);
	fake_run(&fake, four - 1);
	assert_int_equal(in(IIR), 0xc1);
	fake_run(&fake, 1);
	assert_true(fake.irq[IRQ]);
	assert_int_equal(in(IIR), 0xcc);
	assert_int_equal(in(IIR), 0xcc); /* stays until a byte is read */
	assert_null(fake.timers);
	assert_int_equal(in(DATA), 'a');
	assert_int_equal(in(IIR), 0xc1);
	assert_false(fake.irq[IRQ]);
	assert_null(fake.timers); /* the FIFO is empty */

	input(1);
	fake_run(&fake, four - 1);
	input(1); /* another byte starts it again */
	fake_run(&fake, four - 1);
	assert_int_equal(in(IIR), 0xc1);
	in(DATA); /* so does a read */
	fake_run(&fake, four - 1);
	assert_int_equal(in(IIR), 0xc1);
	fake_run(&fake, 1);
	assert_int_equal(in(IIR), 0xcc);
	input(7);
	assert_int_equal(in(IIR), 0xc4); /* the trigger has the same priority and is shown first */
}

static void test_timeout_follows_line_settings(void **state)
{
	/* 7 data bits, parity, 2 stop bits: 11 bits, at 9600 baud. */
	u64 four = 4 * 11 * 1000000000ULL / 9600;

	(void)state;
	out(LCR, 0x8e);
	out(DATA, 12);
	out(LCR, 0x0e);
	input(1);
	fake_run(&fake, four / 2);
	assert_null(fake.timers); /* no interrupt enabled, no timer */
	out(IER, 0x01);
	fake_run(&fake, four - four / 2 - 1);
	assert_int_equal(in(IIR), 0xc1);
	fake_run(&fake, 1);
	assert_int_equal(in(IIR), 0xcc);
	in(DATA);
	input(1);
	out(IER, 0x00);
	fake_run(&fake, 10 * four);
	out(IER, 0x01); /* long past: at once */
	fake_run(&fake, 0);
	assert_int_equal(in(IIR), 0xcc);
	out(LCR, 0x80);
	out(DATA, 0); /* no divisor at all: anything but a crash */
	out(LCR, 0x03);
	in(DATA);
	input(1);
	fake_run(&fake, four);
	assert_int_equal(in(IIR), 0xcc);
}

static void test_priorities(void **state)
{
	(void)state;
	/* Everything at once: break, trigger reached, THR empty, modem change. */
	assert_true(vuart_break(&uart));
	input(8);
	out(MCR, 0x18);
	out(MCR, 0x0b);
	out(IER, 0x0f);
	assert_int_equal(in(IIR), 0xc6);
	assert_int_equal(in(LSR), 0xf1); /* reading LSR ends the first */
	assert_int_equal(in(IIR), 0xc4);
	in(DATA);
	in(DATA);
	assert_int_equal(in(IIR), 0xc2);
	assert_int_equal(in(IIR), 0xc0);
	assert_true(fake.irq[IRQ]);
	assert_int_equal(in(MSR), 0xb3); /* CTS and DSR */
	assert_int_equal(in(IIR), 0xc1);
	assert_false(fake.irq[IRQ]);
}

static void test_iir_read_ends_only_what_it_shows(void **state)
{
	(void)state;
	input(8);
	out(IER, 0x03);
	assert_int_equal(in(IIR), 0xc4);
	in(DATA);
	assert_int_equal(in(IIR), 0xc2);
	assert_int_equal(in(IIR), 0xc1);
}

static void test_break_and_fifo_errors(void **state)
{
	(void)state;
	out(IER, 0x04);
	input(1);
	assert_true(vuart_break(&uart));
	assert_false(fake.irq[IRQ]);	 /* an error shows when its byte is next */
	assert_int_equal(in(LSR), 0xe1); /* bit 7: there is one in the FIFO */
	assert_int_equal(in(DATA), 'a');
	assert_true(fake.irq[IRQ]);
	assert_int_equal(in(IIR), 0xc6);
	assert_int_equal(in(LSR), 0xf1);
	assert_int_equal(in(LSR), 0x61);
	assert_false(fake.irq[IRQ]);
	assert_int_equal(in(DATA), 0);
	assert_int_equal(in(LSR), 0x60);
	/* Sending one is between the guest and its line. */
	out(LCR, 0x43);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(fake.output_bytes, 0);
}

static void test_loopback_data(void **state)
{
	(void)state;
	out(MCR, 0x1b);
	for (unsigned i = 0; i < 16; i++)
		out(DATA, 0xf0 + i);
	assert_int_equal(fake.output_bytes, 0);
	assert_int_equal(in(LSR), 0x61);
	out(DATA, 0x55); /* overrun: the FIFO keeps what it has */
	assert_int_equal(in(LSR), 0x63);
	assert_int_equal(in(LSR), 0x61);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(in(DATA), 0xf0 + i);
	assert_int_equal(in(LSR), 0x60);
	out(LCR, 0x02); /* seven bits */
	out(DATA, 0xff);
	assert_int_equal(in(DATA), 0x7f);

	out(IIR, 0x00);
	out(LCR, 0x03);
	out(IER, 0x04);
	out(DATA, 1);
	out(DATA, 2); /* without FIFO the new byte is what stays */
	assert_int_equal(in(IIR), 0x06);
	assert_int_equal(in(LSR), 0x63);
	assert_int_equal(in(DATA), 2);
	assert_int_equal(in(LSR), 0x60);
}

static void test_loopback_holds_input_back(void **state)
{
	(void)state;
	out(MCR, 0x10);
	assert_false(vuart_input(&uart, 'q'));
	assert_false(vuart_break(&uart));
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(offers, 0);
	feed = 1;
	feed_next = 'q';
	out(MCR, 0x00);
	assert_int_equal(offers, 1);
	assert_int_equal(in(DATA), 'q');
}

static void test_loopback_modem_lines(void **state)
{
	(void)state;
	assert_int_equal(in(MSR), 0xb0); /* CTS, DSR, DCD; nothing changed */
	out(MCR, 0x10);
	assert_int_equal(in(MSR), 0x0b); /* all three fell */
	assert_int_equal(in(MSR), 0x00);
	out(MCR, 0x11);
	assert_int_equal(in(MSR), 0x22); /* DTR is DSR */
	out(MCR, 0x10);
	out(MCR, 0x11);
	out(MCR, 0x13);
	assert_int_equal(in(MSR), 0x33); /* RTS is CTS; changes add up until they are read */
	out(MCR, 0x17);
	assert_int_equal(in(MSR), 0x70); /* OUT1 is RI, whose beginning is not reported */
	out(MCR, 0x1f);
	assert_int_equal(in(MSR), 0xf8); /* OUT2 is DCD */
	out(IER, 0x08);
	out(MCR, 0x1b);
	assert_int_equal(in(IIR) % 16, 0x00);
	assert_false(fake.irq[IRQ]);	 /* OUT2's pin is inactive in loopback */
	assert_int_equal(in(MSR), 0xb4); /* but RI's end is */
	assert_int_equal(in(IIR) % 16, 0x01);
}

static void test_other_port_and_line(void **state)
{
	(void)state;
	vuart_init(&uart, &fake.host, 0x2f8, 3, ready, &uart);
	vuart_ops.write(&uart, 0x2ff, 1, 0x77);
	assert_int_equal(vuart_ops.read(&uart, 0x2ff, 1), 0x77);
	vuart_ops.write(&uart, 0x2fc, 1, 0x08);
	vuart_ops.write(&uart, 0x2f9, 1, 0x02);
	assert_true(fake.irq[3]);
	vuart_reset(&uart);
	assert_false(fake.irq[3]);
}

static void test_random(void **state)
{
	u32 seed = 11;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		seed = seed * 1664525 + 1013904223;
		unsigned reg = seed >> 8 & 7;

		switch (seed >> 12 & 7) {
		case 0:
		case 1:
		case 2:
			out(reg, seed >> 24);
			break;
		case 3:
		case 4:
			in(reg);
			break;
		case 5:
			if (!vuart_input(&uart, (u8)(seed >> 24)))
				assert_true((uart.mcr & 0x10) ||
					    uart.count == (uart.fifo ? 16 : 1));
			break;
		case 6:
			if (seed >> 24 == 0)
				(void)!vuart_break(&uart);
			break;
		default:
			fake_run(&fake, seed >> 12);
		}
		assert_true(uart.count <= (uart.fifo ? 16 : 1));
		assert_true(fake.irq[IRQ] == uart.line);
		if (i % 16 == 0 && !(uart.mcr & 0x10) && (uart.mcr & 8)) {
			bool line = fake.irq[IRQ];

			assert_int_equal(line, in(IIR) % 2 == 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_reset_values, setup),
		cmocka_unit_test_setup(test_registers, setup),
		cmocka_unit_test_setup(test_transmit, setup),
		cmocka_unit_test_setup(test_transmit_interrupt, setup),
		cmocka_unit_test_setup(test_out2_gates_the_line, setup),
		cmocka_unit_test_setup(test_receive_without_fifo, setup),
		cmocka_unit_test_setup(test_fifo_trigger_levels, setup_fifo),
		cmocka_unit_test_setup(test_fifo_order_and_room, setup_fifo),
		cmocka_unit_test_setup(test_offer_only_when_owed, setup_fifo),
		cmocka_unit_test_setup(test_fifo_reset, setup_fifo),
		cmocka_unit_test_setup(test_timeout, setup_fifo),
		cmocka_unit_test_setup(test_timeout_follows_line_settings, setup_fifo),
		cmocka_unit_test_setup(test_priorities, setup_fifo),
		cmocka_unit_test_setup(test_iir_read_ends_only_what_it_shows, setup_fifo),
		cmocka_unit_test_setup(test_break_and_fifo_errors, setup_fifo),
		cmocka_unit_test_setup(test_loopback_data, setup_fifo),
		cmocka_unit_test_setup(test_loopback_holds_input_back, setup_fifo),
		cmocka_unit_test_setup(test_loopback_modem_lines, setup),
		cmocka_unit_test_setup(test_other_port_and_line, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
