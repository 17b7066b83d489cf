/* SPDX-License-Identifier: MIT */
/* Console device (virtio 1.2, 5.3): its port's beginnings, output, input. */
/* links: drivers/virt/virtio_device.c drivers/virt/virtqueue.c vmm/format.c */
#include "cmocka_all.h"

#include "fake_driver.h"

#include "drivers/virt/virtio_console.h"

#define F_MULTIPORT BIT(1)

enum { INPUT, OUTPUT, TELL, TOLD };
enum { READY = 0, ADD = 1, PORT_READY = 3, CONSOLE = 4, OPEN = 6 };

#define BUFFER(n) (DRIVER_BUFFERS + 0x2000UL * (n))

struct message {
	u32 port;
	u16 event, value;
};

static struct fake_host fake;
static struct fake_driver driver;
static struct virtio_console console;
static unsigned ready;

static void console_ready(void *context)
{
	assert_ptr_equal(context, &ready);
	ready++;
}

static int start(u64 features)
{
	fake_init(&fake);
	driver_init(&driver);
	virtio_console_init(&console, &fake.host, &driver.memory);
	virtio_console_connect(&console, console_ready, &ready);
	driver_start(&driver, &console.device, features);
	ready = 0;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return start(F_MULTIPORT | VIRTIO_F_EVENT_IDX);
}

static int setup_plain(void **state)
{
	(void)state;
	return start(0);
}

static int teardown(void **state)
{
	(void)state;
	driver_free(&driver);
	return 0;
}

static void run(void)
{
	for (unsigned i = 0; i < 1000 && fake.timers; i++)
		fake_run(&fake, 1);
	assert_null(fake.timers);
}

/* Offer a buffer to write to. */
static void offer_room(u16 queue, u16 head, u64 gpa, u32 bytes)
{
	driver_describe(&driver, queue, head, gpa, bytes, DRIVER_WRITE, 0);
	driver_offer(&driver, queue, head);
	virtio_serve(&console.device, queue);
}

static void tell(u32 port, u16 event, u16 value)
{
	struct message message = {port, event, value};

	memcpy(driver.ram + BUFFER(0), &message, sizeof(message));
	driver_describe(&driver, TOLD, 0, BUFFER(0), sizeof(message), 0, 0);
	driver_offer(&driver, TOLD, 0);
	virtio_serve(&console.device, TOLD);
	assert_int_equal(driver_take(&driver, TOLD, NULL), 0);
}

static void expect_message(u16 event)
{
	struct message message;
	u16 head;

	assert_int_equal(driver_take(&driver, TELL, &head), sizeof(message));
	memcpy(&message, driver.ram + BUFFER(1) + 16UL * head, sizeof(message));
	assert_int_equal(message.port, 0);
	assert_int_equal(message.event, event);
	assert_int_equal(message.value, 1);
}

static void print(u64 gpa, u32 bytes)
{
	driver_describe(&driver, OUTPUT, 0, gpa, bytes, 0, 0);
	driver_offer(&driver, OUTPUT, 0);
	virtio_serve(&console.device, OUTPUT);
}

static void type(const char *text)
{
	for (; *text; text++)
		assert_true(virtio_console_input(&console, (u8)*text));
	run();
}

static void test_port_begins(void **state)
{
	(void)state;
	for (u16 i = 0; i < 8; i++)
		offer_room(TELL, i, BUFFER(1) + 16UL * i, 8);
	assert_int_equal(driver_take(&driver, TELL, NULL), -1);
	tell(0, READY, 1);
	expect_message(ADD);
	tell(0, PORT_READY, 1);
	expect_message(CONSOLE);
	expect_message(OPEN);
	assert_false(virtio_console_is_open(&console));
	tell(0, OPEN, 1);
	assert_true(virtio_console_is_open(&console));
	assert_int_equal(driver_take(&driver, TELL, NULL), -1);
	tell(0, OPEN, 0);
	assert_false(virtio_console_is_open(&console));
}

/* What there is no buffer for is said when there is one. */
static void test_messages_wait(void **state)
{
	(void)state;
	tell(0, READY, 1);
	tell(0, READY, 1);
	tell(0, PORT_READY, 1);
	for (u16 i = 0; i < 8; i++)
		offer_room(TELL, i, BUFFER(1) + 16UL * i, 8);
	expect_message(ADD);
	expect_message(CONSOLE);
	expect_message(OPEN);
	assert_int_equal(driver_take(&driver, TELL, NULL), -1);
}

static void test_messages_that_mean_nothing(void **state)
{
	(void)state;
	for (u16 i = 0; i < 8; i++)
		offer_room(TELL, i, BUFFER(1) + 16UL * i, 8);
	tell(1, OPEN, 1);
	tell(1, PORT_READY, 1);
	tell(0, PORT_READY, 0);
	tell(0, 99, 1);
	driver_describe(&driver, TOLD, 0, BUFFER(0), 7, 0, 0);
	driver_offer(&driver, TOLD, 0);
	virtio_serve(&console.device, TOLD);
	assert_false(virtio_console_is_open(&console));
	assert_int_equal(driver_take(&driver, TELL, NULL), -1);
	assert_int_equal(console.device.status & VIRTIO_NEEDS_RESET, 0);
}

static void test_prints(void **state)
{
	(void)state;
	memcpy(driver.ram + BUFFER(2), "hello", 5);
	print(BUFFER(2), 5);
	assert_int_equal(driver_take(&driver, OUTPUT, NULL), 0);
	assert_int_equal(fake.output_bytes, 5);
	assert_memory_equal(fake.output, "hello", 5);
}

/* A large buffer is printed piece by piece, and given back at the end. */
static void test_prints_much(void **state)
{
	u32 bytes = 3 * VIRTIO_CONSOLE_STRETCH + 100;

	(void)state;
	for (u32 i = 0; i < bytes; i++)
		driver.ram[BUFFER(2) + i] = (u8)(i * 7);
	print(BUFFER(2), bytes);
	assert_int_equal(fake.output_bytes, VIRTIO_CONSOLE_STRETCH);
	assert_int_equal(driver_take(&driver, OUTPUT, NULL), -1);
	run();
	assert_int_equal(driver_take(&driver, OUTPUT, NULL), 0);
	assert_int_equal(fake.output_bytes, bytes);
	assert_memory_equal(fake.output, driver.ram + BUFFER(2), bytes);
}

static void test_reset_amid_output(void **state)
{
	(void)state;
	print(BUFFER(2), 2 * VIRTIO_CONSOLE_STRETCH);
	virtio_status_write(&console.device, 0);
	assert_null(fake.timers);
	driver_start(&driver, &console.device, F_MULTIPORT);
	assert_false(virtio_console_is_open(&console));
	fake.output_bytes = 0;
	print(BUFFER(2), 1);
	run();
	assert_int_equal(fake.output_bytes, 1);
}

static void test_memory_goes_amid_output(void **state)
{
	(void)state;
	print(BUFFER(2), 2 * VIRTIO_CONSOLE_STRETCH);
	driver.memory.low_bytes = BUFFER(2) + 1;
	run();
	assert_true(console.device.status & VIRTIO_NEEDS_RESET);
	assert_int_equal(fake.output_bytes, VIRTIO_CONSOLE_STRETCH);
}

/* What was typed together comes together, in one buffer and with one interrupt. */
static void test_input(void **state)
{
	u16 head;

	(void)state;
	offer_room(INPUT, 0, BUFFER(3), 32);
	offer_room(INPUT, 1, BUFFER(4), 32);
	type("ls\r");
	assert_int_equal(driver_take(&driver, INPUT, &head), 3);
	assert_int_equal(head, 0);
	assert_memory_equal(driver.ram + BUFFER(3), "ls\r", 3);
	assert_int_equal(driver.interrupts[INPUT], 1);
	type("x");
	assert_int_equal(driver_take(&driver, INPUT, NULL), 1);
	assert_int_equal(driver.ram[BUFFER(4)], 'x');
}

static void test_input_waits_for_a_buffer(void **state)
{
	(void)state;
	type("abcdef");
	assert_int_equal(driver_take(&driver, INPUT, NULL), -1);
	offer_room(INPUT, 0, BUFFER(3), 4);
	assert_int_equal(driver_take(&driver, INPUT, NULL), 4);
	offer_room(INPUT, 1, BUFFER(4), 4);
	assert_int_equal(driver_take(&driver, INPUT, NULL), 2);
	assert_memory_equal(driver.ram + BUFFER(3), "abcd", 4);
	assert_memory_equal(driver.ram + BUFFER(4), "ef", 2);
}

static void test_no_room_for_input(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VIRTIO_CONSOLE_INPUT; i++)
		assert_true(virtio_console_input(&console, 'a'));
	assert_false(virtio_console_input(&console, 'b'));
	run();
	assert_int_equal(ready, 0);
	offer_room(INPUT, 0, BUFFER(3), 4096);
	assert_int_equal(driver_take(&driver, INPUT, NULL), VIRTIO_CONSOLE_INPUT);
	assert_int_equal(ready, 1);
	assert_true(virtio_console_input(&console, 'b'));
}

/* Who waits for room looks elsewhere when the driver is gone. */
static void test_reset_makes_room(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VIRTIO_CONSOLE_INPUT; i++)
		assert_true(virtio_console_input(&console, 'a'));
	assert_false(virtio_console_input(&console, 'b'));
	virtio_status_write(&console.device, 0);
	assert_int_equal(ready, 1);
	assert_false(virtio_console_is_open(&console));
}

static void test_without_ports(void **state)
{
	(void)state;
	assert_true(virtio_console_is_open(&console));
	offer_room(INPUT, 0, BUFFER(3), 4);
	type("k");
	assert_int_equal(driver_take(&driver, INPUT, NULL), 1);
	virtio_status_write(&console.device, 0);
	assert_false(virtio_console_is_open(&console));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(port_begins),
		TEST(messages_wait),
		TEST(messages_that_mean_nothing),
		TEST(prints),
		TEST(prints_much),
		TEST(reset_amid_output),
		TEST(memory_goes_amid_output),
		TEST(input),
		TEST(input_waits_for_a_buffer),
		TEST(no_room_for_input),
		TEST(reset_makes_room),
		cmocka_unit_test_setup_teardown(test_without_ports, setup_plain, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
