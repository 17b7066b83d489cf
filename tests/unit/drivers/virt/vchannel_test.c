/* SPDX-License-Identifier: MIT */
/* A partition's end of a channel, as QEMU's ivshmem specification has it. */
/* links: drivers/virt/vpci.c drivers/virt/vpci_function.c */
#include "cmocka_all.h"

#include "drivers/virt/vchannel.h"
#include "fake_host.h"

#define BYTES	  0x10000U
#define SLOT	  VPCI_DEVFN(5, 0)
#define POSITION  8
#define DOORBELL  12
#define ADDRESS	  0xfee00000UL
#define GAP_TICKS (VCHANNEL_GAP_US * fake.host.tsc_hz / 1000000)

static struct fake_host fake;
static struct vpci pci;
static struct vchannel channel;
static u8 memory[BYTES];
static u32 opened, pending, rung_peer, rung_vector, rings;

static void lines_changed(void *context, u16 lines)
{
	(void)context, (void)lines;
}

static void port_open(void *port)
{
	assert_ptr_equal(port, &pending);
	opened++;
}

static u32 port_peer(void *port)
{
	assert_ptr_equal(port, &pending);
	return 3;
}

static void port_ring(void *port, u32 peer, u32 vector)
{
	assert_ptr_equal(port, &pending);
	rings++;
	rung_peer = peer;
	rung_vector = vector;
}

static u32 port_take(void *port)
{
	u32 taken = pending;

	assert_ptr_equal(port, &pending);
	pending = 0;
	return taken;
}

static const struct channel_port_ops ops = {port_open, port_peer, port_ring, port_take};

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	opened = pending = rings = 0;
	memset(memory, 0, sizeof(memory));
	vpci_init(&pci, &fake.host, lines_changed, NULL);
	vchannel_init(&channel, &fake.host, &ops, &pending, memory, BYTES);
	assert_int_equal(vpci_attach(&pci, &channel.function, SLOT), 0);
	vchannel_place(&channel);
	return 0;
}

static u32 config(u32 offset)
{
	return vpci_config_read(&channel.function, offset, 4);
}

static u64 bar(unsigned number, u32 offset, unsigned bytes)
{
	return vpci_bar_read(&channel.function, number, offset, bytes);
}

static void bar_set(unsigned number, u32 offset, unsigned bytes, u64 value)
{
	vpci_bar_write(&channel.function, number, offset, bytes, value);
}

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(opened, 1);
	assert_int_equal(config(0), 0x11101af4);
	assert_int_equal(config(8), 0x05000001);
	assert_int_equal(config(0x2c), 0x11101af4);
	assert_int_equal(config(VPCI_INTERRUPT_LINE) >> 8 & 0xff, 0); /* no pin */
	assert_int_equal(config(VPCI_BAR + 8), CHANNEL_GPA | 8);
	vpci_config_write(&channel.function, VPCI_BAR + 8, 4, ~0U);
	assert_int_equal(config(VPCI_BAR + 8), (u32)-BYTES | 8);
}

static void test_registers(void **state)
{
	(void)state;
	assert_int_equal(bar(0, POSITION, 4), 3);
	bar_set(0, POSITION, 4, 9);
	assert_int_equal(bar(0, POSITION, 4), 3);
	bar_set(0, DOORBELL, 4, 0x12340002);
	assert_int_equal(rings, 1);
	assert_int_equal(rung_peer, 0x1234);
	assert_int_equal(rung_vector, 2);
	assert_int_equal(bar(0, DOORBELL, 4), 0);
	/* Not as a whole, or elsewhere. */
	bar_set(0, DOORBELL, 2, 1);
	bar_set(0, DOORBELL, 1, 1);
	bar_set(0, POSITION, 8, ~0UL);
	bar_set(0, 0, 4, 1);
	bar_set(0, 16, 4, 1);
	assert_int_equal(rings, 1);
}

static void test_memory(void **state)
{
	u64 value;

	(void)state;
	bar_set(2, 0xfff8, 8, 0x1122334455667788);
	assert_int_equal(memory[0xfff8], 0x88);
	assert_int_equal(bar(2, 0xfffc, 4), 0x11223344);
	assert_int_equal(bar(2, 0x10000, 1), ~0UL);
	/* Where it was moved to. */
	vpci_config_write(&channel.function, VPCI_BAR + 8, 4, 0xd8000000);
	assert_true(vpci_memory_read(&pci, 0xd800fff8, 2, &value));
	assert_int_equal(value & 0xffff, 0x7788);
	assert_false(vpci_memory_read(&pci, CHANNEL_GPA, 2, &value));
}

static void vectors_on(void)
{
	u32 control = channel.function.msix.capability + 2U;

	for (u32 i = 0; i < CHANNEL_VECTORS; i++) {
		bar_set(1, 16 * i, 8, ADDRESS);
		bar_set(1, 16 * i + 8, 8, 0x40 + i);
	}
	vpci_config_write(&channel.function, control, 2, 0x8000);
}

static void test_interrupts(void **state)
{
	(void)state;
	vectors_on();
	pending = BIT(1) | BIT(3);
	vchannel_arrived(&channel);
	assert_int_equal(fake.messages, 2);
	assert_int_equal(fake.message[0].data, 0x41);
	assert_int_equal(fake.message[1].data, 0x43);
	assert_int_equal(fake.message[1].address, ADDRESS);
	assert_int_equal(pending, 0);
}

/* However often they ring, there is a gap between interrupts; what rang meanwhile is one. */
static void test_gap(void **state)
{
	(void)state;
	vectors_on();
	pending = BIT(0);
	vchannel_arrived(&channel);
	assert_int_equal(fake.messages, 1);
	for (u32 i = 0; i < 10; i++) {
		fake.now += GAP_TICKS / 11;
		pending |= BIT(0);
		vchannel_arrived(&channel);
	}
	assert_int_equal(fake.messages, 1);
	assert_int_equal(pending, BIT(0));
	assert_int_equal(channel.later.deadline, channel.next);
	fake.now = channel.next;
	channel.later.deadline = DEVICE_TIMER_OFF;
	channel.later.fire(channel.later.context);
	assert_int_equal(fake.messages, 2);
	fake.now = channel.next;
	pending = BIT(0);
	vchannel_arrived(&channel);
	assert_int_equal(fake.messages, 3);
}

/* Without MSI-X nobody hears it, and it is not kept. */
static void test_deaf(void **state)
{
	(void)state;
	pending = BIT(0);
	vchannel_arrived(&channel);
	vectors_on();
	assert_int_equal(fake.messages, 0);
	assert_int_equal(pending, 0);
}

#define CHANNEL_TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHANNEL_TEST(test_identity), CHANNEL_TEST(test_registers),
		CHANNEL_TEST(test_memory),   CHANNEL_TEST(test_interrupts),
		CHANNEL_TEST(test_gap),	     CHANNEL_TEST(test_deaf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
