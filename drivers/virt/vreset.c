/* SPDX-License-Identifier: MIT */
/* 8042 (IBM PS/2 Technical Reference, keyboard controller), ports 92h and CF9h (82371SB, PIIX3). */

#include "vreset.h"

#define KEYBOARD_IRQ 1

enum {
	PORT_DATA = 0x60,
	PORT_COMMAND = 0x64,
	PORT_POST = 0x80,
	PORT_92 = 0x92,
	PORT_CF9 = 0xcf9,
};

#define PORT_92_RESET 0x01
#define PORT_92_A20   0x02

#define CF9_RESET    0x04
#define CF9_WRITABLE 0x0e /* full reset, reset CPU, system reset */

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

#define KEYBOARD_RESEND 0xfe

enum {
	READ_RAM = 0x20,  /* to 3Fh */
	WRITE_RAM = 0x60, /* to 7Fh */
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
	READ_TEST_INPUTS = 0xe0,
	PULSE_OUTPUT_PORT = 0xf0, /* to FFh: the bits that are 0 are pulsed */
};

static void reset_machine(struct vreset *reset)
{
	reset->host->ops->event(reset->host, DEVICE_EVENT_RESET);
}

static void kbc_update(struct vreset *reset)
{
	bool line = (reset->status & STATUS_OUTPUT) && (reset->ram[0] & BYTE_INTERRUPT);

	if (line == reset->line)
		return;
	reset->line = line;
	device_irq_set(reset->host, KEYBOARD_IRQ, line);
}

static void kbc_answer(struct vreset *reset, u8 byte, u8 flags)
{
	reset->output = byte;
	reset->status = (u8)((reset->status & ~STATUS_TIMEOUT) | STATUS_OUTPUT | flags);
}

/*
 * Nothing is plugged in that could answer. The controller gives up on the byte at once and says
 * so: "resend" with the time-out flag.
 */
static void kbc_send_device(struct vreset *reset)
{
	kbc_answer(reset, KEYBOARD_RESEND, STATUS_TIMEOUT);
}

static void kbc_write_ram(struct vreset *reset, unsigned index, u8 value)
{
	reset->ram[index] = value;
	if (index)
		return;
	reset->status &= (u8)~STATUS_SYSTEM;
	reset->status |= value & BYTE_SYSTEM;
}

static u8 kbc_output_port(const struct vreset *reset)
{
	return OUTPUT_PORT_RESET | (reset->a20 ? OUTPUT_PORT_A20 : 0) |
	       (reset->status & STATUS_OUTPUT ? OUTPUT_PORT_OBF : 0);
}

static void kbc_write_output_port(struct vreset *reset, u8 value)
{
	reset->a20 = value & OUTPUT_PORT_A20;
	if (!(value & OUTPUT_PORT_RESET))
		reset_machine(reset);
}

static void kbc_self_test(struct vreset *reset)
{
	reset->ram[0] = BYTE_SYSTEM | BYTE_NO_KEYBOARD | BYTE_NO_MOUSE | BYTE_TRANSLATE;
	reset->status |= STATUS_SYSTEM;
	kbc_answer(reset, 0x55, 0);
}

static void kbc_command(struct vreset *reset, u8 command)
{
	reset->command = 0;
	reset->status |= STATUS_COMMAND;
	if (command >= PULSE_OUTPUT_PORT) {
		if (!(command & OUTPUT_PORT_RESET))
			reset_machine(reset);
		return;
	}
	if (command >= READ_RAM && command < READ_RAM + 32) {
		kbc_answer(reset, reset->ram[command & 31], 0);
		return;
	}
	if (command >= WRITE_RAM && command < WRITE_RAM + 32) {
		reset->command = command;
		return;
	}
	switch (command) {
	case DISABLE_MOUSE:
		reset->ram[0] |= BYTE_NO_MOUSE;
		break;
	case ENABLE_MOUSE:
		reset->ram[0] &= (u8)~BYTE_NO_MOUSE;
		break;
	case TEST_MOUSE:
		kbc_answer(reset, 0x01, 0); /* clock line stuck low: there is no mouse port */
		break;
	case SELF_TEST:
		kbc_self_test(reset);
		break;
	case TEST_KEYBOARD:
		kbc_answer(reset, 0x00, 0);
		break;
	case DISABLE_KEYBOARD:
		reset->ram[0] |= BYTE_NO_KEYBOARD;
		break;
	case ENABLE_KEYBOARD:
		reset->ram[0] &= (u8)~BYTE_NO_KEYBOARD;
		break;
	case READ_INPUT_PORT:
		kbc_answer(reset, 0x80, 0); /* the key lock is open */
		break;
	case READ_OUTPUT_PORT:
		kbc_answer(reset, kbc_output_port(reset), 0);
		break;
	case READ_TEST_INPUTS:
		kbc_answer(reset, 0x00, 0);
		break;
	case WRITE_OUTPUT_PORT:
	case WRITE_KEYBOARD_OUTPUT:
	case WRITE_MOUSE_OUTPUT:
	case WRITE_MOUSE:
		reset->command = command;
		break;
	default: /* unknown commands are not answered */
		break;
	}
}

static void kbc_data(struct vreset *reset, u8 value)
{
	u8 command = reset->command;

	reset->command = 0;
	reset->status &= (u8)~STATUS_COMMAND;
	switch (command) {
	case 0:
		reset->ram[0] &= (u8)~BYTE_NO_KEYBOARD; /* sending to it enables it */
		kbc_send_device(reset);
		break;
	case WRITE_OUTPUT_PORT:
		kbc_write_output_port(reset, value);
		break;
	case WRITE_KEYBOARD_OUTPUT:
	case WRITE_MOUSE_OUTPUT: /* without mouse port the byte is not marked as a mouse's */
		kbc_answer(reset, value, 0);
		break;
	case WRITE_MOUSE:
		kbc_send_device(reset);
		break;
	default:
		kbc_write_ram(reset, command & 31, value);
	}
}

static u8 kbc_read_data(struct vreset *reset)
{
	reset->status &= (u8) ~(STATUS_OUTPUT | STATUS_TIMEOUT);
	return reset->output;
}

static void reset_write_92(struct vreset *reset, u8 value)
{
	bool asked = value & ~reset->port_92 & PORT_92_RESET;

	reset->a20 = value & PORT_92_A20;
	reset->port_92 = value & PORT_92_RESET;
	if (asked)
		reset_machine(reset);
}

/* 82371SB, reset control register: the reset comes when bit 2 rises. A soft one (bit 1 clear)
 * restarts firmware just as well. */
static void reset_write_cf9(struct vreset *reset, u8 value)
{
	bool asked = value & ~reset->control & CF9_RESET;

	reset->control = value & CF9_WRITABLE;
	if (asked)
		reset_machine(reset);
}

static u64 vreset_read(void *device, u64 address, unsigned bytes)
{
	struct vreset *reset = device;
	u64 value = 0xff;

	(void)bytes;
	switch (address) {
	case PORT_DATA:
		value = kbc_read_data(reset);
		kbc_update(reset);
		break;
	case PORT_COMMAND:
		value = reset->status;
		break;
	case PORT_POST:
		value = reset->post;
		break;
	case PORT_92:
		value = reset->port_92 | (reset->a20 ? PORT_92_A20 : 0u);
		break;
	case PORT_CF9:
		value = reset->control;
		break;
	default: /* EDh */
		break;
	}
	return value;
}

static void vreset_write(void *device, u64 address, unsigned bytes, u64 value)
{
	struct vreset *reset = device;

	(void)bytes;
	switch (address) {
	case PORT_DATA:
		kbc_data(reset, (u8)value);
		kbc_update(reset);
		break;
	case PORT_COMMAND:
		kbc_command(reset, (u8)value);
		kbc_update(reset);
		break;
	case PORT_POST:
		reset->post = (u8)value;
		break;
	case PORT_92:
		reset_write_92(reset, (u8)value);
		break;
	case PORT_CF9:
		reset_write_cf9(reset, (u8)value);
		break;
	default:
		break;
	}
}

/* As firmware hands the machine over: A20 on, self-test passed, keyboard interrupt on. */
void vreset_reset(struct vreset *reset)
{
	*reset = (struct vreset){
		.host = reset->host,
		.a20 = true,
		.ram = {BYTE_INTERRUPT | BYTE_SYSTEM | BYTE_NO_MOUSE | BYTE_TRANSLATE},
		.status = STATUS_SYSTEM | STATUS_UNLOCKED,
		.line = reset->line,
	};
	kbc_update(reset);
}

void vreset_init(struct vreset *reset, struct device_host *host)
{
	*reset = (struct vreset){.host = host};
	vreset_reset(reset);
}

const struct device_ops vreset_ops = {
	.name = "8042",
	.read = vreset_read,
	.write = vreset_write,
	.widest_bytes = 1,
};
