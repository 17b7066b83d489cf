/* SPDX-License-Identifier: MIT */
/* 8042 and keyboard (IBM PS/2 Hardware Interface Technical Reference). */

#include "vi8042.h"

#define KEYBOARD_IRQ 1

enum { PORT_DATA = 0x60, PORT_COMMAND = 0x64 };

#define STATUS_OUTPUT	0x01 /* a byte waits at port 60h */
#define STATUS_SYSTEM	0x04 /* the self-test was passed */
#define STATUS_COMMAND	0x08 /* the last write went to port 64h */
#define STATUS_UNLOCKED 0x10
#define STATUS_TIMEOUT	0x40

#define BYTE_INTERRUPT	 0x01 /* of the command byte */
#define BYTE_SYSTEM	 0x04
#define BYTE_NO_KEYBOARD 0x10
#define BYTE_NO_MOUSE	 0x20
#define BYTE_TRANSLATE	 0x40

#define OUTPUT_PORT_RESET 0x01 /* 0 holds the CPU in reset */
#define OUTPUT_PORT_A20	  0x02
#define OUTPUT_PORT_OBF	  0x10

enum {
	READ_RAM = 0x20,  /* to 3Fh */
	WRITE_RAM = 0x60, /* to 7Fh */
	TEST_PASSWORD = 0xa4,
	DISABLE_MOUSE = 0xa7,
	ENABLE_MOUSE = 0xa8,
	TEST_MOUSE = 0xa9,
	SELF_TEST = 0xaa,
	TEST_KEYBOARD = 0xab,
	DISABLE_KEYBOARD = 0xad,
	ENABLE_KEYBOARD = 0xae,
	READ_INPUT_PORT = 0xc0,
	READ_OUTPUT_PORT = 0xd0,
	WRITE_OUTPUT_PORT = 0xd1,
	WRITE_KEYBOARD_OUTPUT = 0xd2,
	WRITE_MOUSE_OUTPUT = 0xd3,
	WRITE_MOUSE = 0xd4,
	DISABLE_A20 = 0xdd,
	ENABLE_A20 = 0xdf,
	READ_TEST_INPUTS = 0xe0,
	PULSE_OUTPUT_PORT = 0xf0, /* to FFh: the bits that are 0 are pulsed */
};

/* What the keyboard is told, and what it says. */
enum {
	KEY_LEDS = 0xed,
	KEY_ECHO = 0xee,
	KEY_SCAN_SET = 0xf0,
	KEY_IDENTIFY = 0xf2,
	KEY_RATE = 0xf3,
	KEY_ENABLE = 0xf4,
	KEY_DISABLE = 0xf5,
	KEY_DEFAULTS = 0xf6,
	KEY_ALL_TYPES = 0xf7,	/* to FAh: set 3, how all keys repeat */
	KEY_SINGLE_TYPE = 0xfb, /* to FDh: likewise one key, whose code follows */
	KEY_RESEND = 0xfe,
	KEY_RESET = 0xff,

	ANSWER_PASSED = 0xaa,
	ANSWER_ACKNOWLEDGE = 0xfa,
	ANSWER_RESEND = 0xfe,
};

#define KEY_DEFAULT_SET 2

static void key_send(struct vkeyboard *keyboard, u8 byte)
{
	if (keyboard->count == sizeof(keyboard->queue))
		return;
	keyboard->queue[(keyboard->first + keyboard->count) % sizeof(keyboard->queue)] = byte;
	keyboard->count++;
}

static void key_parameter(struct vkeyboard *keyboard, u8 command, u8 value)
{
	if (command == KEY_SCAN_SET && value > 3) {
		keyboard->command = command; /* it waits for a better one */
		key_send(keyboard, ANSWER_RESEND);
		return;
	}
	key_send(keyboard, ANSWER_ACKNOWLEDGE);
	if (command != KEY_SCAN_SET)
		return;
	if (value)
		keyboard->set = value;
	else
		key_send(keyboard, keyboard->set);
}

static void key_command(struct vkeyboard *keyboard, u8 command)
{
	switch (command) {
	case KEY_ECHO:
		key_send(keyboard, KEY_ECHO);
		return;
	case KEY_RESEND:
		key_send(keyboard, keyboard->last);
		return;
	case KEY_LEDS:
	case KEY_SCAN_SET:
	case KEY_RATE:
	case KEY_SINGLE_TYPE ... KEY_SINGLE_TYPE + 2:
		keyboard->command = command;
		break;
	case KEY_DISABLE:
	case KEY_DEFAULTS:
	case KEY_RESET:
		keyboard->set = KEY_DEFAULT_SET;
		break;
	case KEY_IDENTIFY:
	case KEY_ENABLE:
	case KEY_ALL_TYPES ... KEY_ALL_TYPES + 3:
		break;
	default:
		key_send(keyboard, ANSWER_RESEND);
		return;
	}
	key_send(keyboard, ANSWER_ACKNOWLEDGE);
	if (command == KEY_RESET) {
		key_send(keyboard, ANSWER_PASSED);
	} else if (command == KEY_IDENTIFY) {
		key_send(keyboard, 0xab);
		key_send(keyboard, 0x83);
	}
}

/* A byte for the keyboard ends whatever it was saying. Parameters are less than 80h: anything else
 * is a new command. */
static void key_write(struct vkeyboard *keyboard, u8 value)
{
	u8 command = keyboard->command;

	keyboard->command = 0;
	keyboard->count = 0;
	if (command && value < 0x80)
		key_parameter(keyboard, command, value);
	else
		key_command(keyboard, value);
}

/* The controller turns codes of set 2 into those of set 1, and takes answers for codes: these are
 * the ones among them that it changes. */
static u8 translate(u8 byte)
{
	switch (byte) {
	case 0x01:
		return 0x43;
	case 0x02:
	case 0x83:
		return 0x41;
	case 0x03:
		return 0x3f;
	default:
		return byte;
	}
}

static void reset_machine(struct vi8042 *kbc)
{
	kbc->host->ops->event(kbc->host, DEVICE_EVENT_RESET);
}

static void kbc_answer(struct vi8042 *kbc, u8 byte, u8 flags)
{
	kbc->output = byte;
	kbc->status = (u8)((kbc->status & ~STATUS_TIMEOUT) | STATUS_OUTPUT | flags);
}

/* Let the keyboard say its next byte, if it may and has one. */
static void kbc_receive(struct vi8042 *kbc)
{
	struct vkeyboard *keyboard = &kbc->keyboard;
	u8 byte;

	if ((kbc->status & STATUS_OUTPUT) || (kbc->ram[0] & BYTE_NO_KEYBOARD) || !keyboard->count)
		return;
	byte = keyboard->queue[keyboard->first];
	keyboard->first = (u8)((keyboard->first + 1) % sizeof(keyboard->queue));
	keyboard->count--;
	keyboard->last = byte;
	kbc_answer(kbc, kbc->ram[0] & BYTE_TRANSLATE ? translate(byte) : byte, 0);
}

static void kbc_update_line(struct vi8042 *kbc)
{
	bool line = (kbc->status & STATUS_OUTPUT) && (kbc->ram[0] & BYTE_INTERRUPT);

	if (line == kbc->line)
		return;
	kbc->line = line;
	device_irq_set(kbc->host, KEYBOARD_IRQ, line);
}

/* Each byte has an edge of its own: the line falls between two. */
static void kbc_update(struct vi8042 *kbc)
{
	kbc_update_line(kbc);
	kbc_receive(kbc);
	kbc_update_line(kbc);
}

static void kbc_write_ram(struct vi8042 *kbc, unsigned index, u8 value)
{
	kbc->ram[index] = value;
	if (index)
		return;
	kbc->status &= (u8)~STATUS_SYSTEM;
	kbc->status |= value & BYTE_SYSTEM;
}

static u8 kbc_output_port(const struct vi8042 *kbc)
{
	return OUTPUT_PORT_RESET | (kbc->a20 ? OUTPUT_PORT_A20 : 0) |
	       (kbc->status & STATUS_OUTPUT ? OUTPUT_PORT_OBF : 0);
}

static void kbc_write_output_port(struct vi8042 *kbc, u8 value)
{
	kbc->a20 = value & OUTPUT_PORT_A20;
	if (!(value & OUTPUT_PORT_RESET))
		reset_machine(kbc);
}

static void kbc_self_test(struct vi8042 *kbc)
{
	kbc->ram[0] = BYTE_SYSTEM | BYTE_NO_KEYBOARD | BYTE_NO_MOUSE | BYTE_TRANSLATE;
	kbc->status |= STATUS_SYSTEM;
	kbc_answer(kbc, 0x55, 0);
}

/* Commands that are the same for a range of numbers. false: it is none of them. */
static bool kbc_range_command(struct vi8042 *kbc, u8 command)
{
	if (command >= PULSE_OUTPUT_PORT) {
		if (!(command & OUTPUT_PORT_RESET))
			reset_machine(kbc);
		return true;
	}
	if (command >= READ_RAM && command < READ_RAM + 32) {
		kbc_answer(kbc, kbc->ram[command & 31], 0);
		return true;
	}
	if (command >= WRITE_RAM && command < WRITE_RAM + 32) {
		kbc->command = command;
		return true;
	}
	return false;
}

static void kbc_command(struct vi8042 *kbc, u8 command)
{
	kbc->command = 0;
	kbc->status |= STATUS_COMMAND;
	if (kbc_range_command(kbc, command))
		return;
	switch (command) {
	case TEST_PASSWORD:
		kbc_answer(kbc, 0xf1, 0); /* there is none */
		break;
	case DISABLE_MOUSE:
		kbc->ram[0] |= BYTE_NO_MOUSE;
		break;
	case ENABLE_MOUSE:
		kbc->ram[0] &= (u8)~BYTE_NO_MOUSE;
		break;
	case TEST_MOUSE:
		kbc_answer(kbc, 0x01, 0); /* clock line stuck low: there is no mouse port */
		break;
	case SELF_TEST:
		kbc_self_test(kbc);
		break;
	case TEST_KEYBOARD:
	case READ_TEST_INPUTS:
		kbc_answer(kbc, 0x00, 0);
		break;
	case DISABLE_KEYBOARD:
		kbc->ram[0] |= BYTE_NO_KEYBOARD;
		break;
	case ENABLE_KEYBOARD:
		kbc->ram[0] &= (u8)~BYTE_NO_KEYBOARD;
		break;
	case READ_INPUT_PORT:
		kbc_answer(kbc, 0x80, 0); /* the key lock is open */
		break;
	case READ_OUTPUT_PORT:
		kbc_answer(kbc, kbc_output_port(kbc), 0);
		break;
	case DISABLE_A20:
	case ENABLE_A20:
		kbc->a20 = command == ENABLE_A20;
		break;
	case WRITE_OUTPUT_PORT:
	case WRITE_KEYBOARD_OUTPUT:
	case WRITE_MOUSE_OUTPUT:
	case WRITE_MOUSE:
		kbc->command = command;
		break;
	default: /* unknown commands are not answered */
		break;
	}
}

static void kbc_data(struct vi8042 *kbc, u8 value)
{
	u8 command = kbc->command;

	kbc->command = 0;
	kbc->status &= (u8)~STATUS_COMMAND;
	switch (command) {
	case 0:
		kbc->ram[0] &= (u8)~BYTE_NO_KEYBOARD; /* sending to it enables it */
		key_write(&kbc->keyboard, value);
		break;
	case WRITE_OUTPUT_PORT:
		kbc_write_output_port(kbc, value);
		break;
	case WRITE_KEYBOARD_OUTPUT:
	case WRITE_MOUSE_OUTPUT: /* without mouse port the byte is not marked as a mouse's */
		kbc_answer(kbc, value, 0);
		break;
	case WRITE_MOUSE: /* nothing there could answer: the controller gives up at once */
		kbc_answer(kbc, ANSWER_RESEND, STATUS_TIMEOUT);
		break;
	default:
		kbc_write_ram(kbc, command & 31, value);
	}
}

static u64 vi8042_read(void *device, u64 address, unsigned bytes)
{
	struct vi8042 *kbc = device;
	u8 value = kbc->output;

	(void)bytes;
	if (address == PORT_COMMAND)
		return kbc->status;
	kbc->status &= (u8) ~(STATUS_OUTPUT | STATUS_TIMEOUT);
	kbc_update(kbc);
	return value;
}

static void vi8042_write(void *device, u64 address, unsigned bytes, u64 value)
{
	struct vi8042 *kbc = device;

	(void)bytes;
	if (address == PORT_COMMAND)
		kbc_command(kbc, (u8)value);
	else
		kbc_data(kbc, (u8)value);
	kbc_update(kbc);
}

void vi8042_reset(struct vi8042 *kbc)
{
	*kbc = (struct vi8042){
		.host = kbc->host,
		.keyboard = {.set = KEY_DEFAULT_SET},
		.a20 = true,
		.ram = {BYTE_INTERRUPT | BYTE_SYSTEM | BYTE_NO_MOUSE | BYTE_TRANSLATE},
		.status = STATUS_SYSTEM | STATUS_UNLOCKED,
		.line = kbc->line,
	};
	kbc_update(kbc);
}

void vi8042_init(struct vi8042 *kbc, struct device_host *host)
{
	*kbc = (struct vi8042){.host = host};
	vi8042_reset(kbc);
}

const struct device_ops vi8042_ops = {
	.name = "8042",
	.read = vi8042_read,
	.write = vi8042_write,
	.widest_bytes = 1,
};
