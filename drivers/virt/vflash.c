/* SPDX-License-Identifier: MIT */
/*
 * What differs from a chip: a command is done when the write that completes it is, and bit 7 of the
 * status, ready, is 0 from "clear status" until the next command is done. Firmware tells a flash
 * from ROM by just that, as QEMU's has it (edk2, OvmfPkg, QemuFlashFvbServicesRuntimeDxe).
 */
#include "vflash.h"

#include <bulkhead/string.h>

enum {
	COMMAND_PROGRAM = 0x10,
	COMMAND_ERASE = 0x20,
	COMMAND_PROGRAM_TOO = 0x40,
	COMMAND_CLEAR_STATUS = 0x50,
	COMMAND_READ_STATUS = 0x70,
	COMMAND_CONFIRM = 0xd0,
};

#define STATUS_READY	      0x80
#define STATUS_ERASE_FAILED   0x20
#define STATUS_PROGRAM_FAILED 0x10

static void mode_set(struct vflash *flash, bool working)
{
	if (flash->working == working)
		return;
	flash->working = working;
	flash->show(flash->context, !working);
}

/* Bits can only be cleared: erasing sets them. */
static void program(struct vflash *flash, u64 offset, unsigned bytes, u64 value)
{
	for (unsigned i = 0; i < bytes && offset + i < flash->bytes; i++)
		flash->array[offset + i] &= (u8)(value >> (8 * i));
	flash->status |= STATUS_READY;
}

static void erase(struct vflash *flash, u64 offset, u8 confirmation)
{
	flash->status |= STATUS_READY;
	if (confirmation == COMMAND_CONFIRM)
		memset(flash->array + align_down(offset, VFLASH_BLOCK_BYTES), 0xff,
		       VFLASH_BLOCK_BYTES);
	else /* a wrong sequence of commands */
		flash->status |= STATUS_ERASE_FAILED | STATUS_PROGRAM_FAILED;
}

static void command(struct vflash *flash, u8 value)
{
	switch (value) {
	case COMMAND_PROGRAM:
	case COMMAND_PROGRAM_TOO:
	case COMMAND_ERASE:
		flash->begun = value;
		mode_set(flash, true);
		break;
	case COMMAND_READ_STATUS:
		mode_set(flash, true);
		break;
	case COMMAND_CLEAR_STATUS:
		flash->status = 0;
		mode_set(flash, false);
		break;
	default: /* "read array", and what it does not know */
		mode_set(flash, false);
		break;
	}
}

static u64 vflash_read(void *opaque, u64 address, unsigned bytes)
{
	const struct vflash *flash = opaque;
	u64 offset = address - flash->base, value = 0;

	for (unsigned i = 0; i < bytes; i++) {
		u8 byte = flash->working	      ? flash->status
			  : offset + i < flash->bytes ? flash->array[offset + i]
						      : 0xff;

		value |= (u64)byte << (8 * i);
	}
	return value;
}

static void vflash_write(void *opaque, u64 address, unsigned bytes, u64 value)
{
	struct vflash *flash = opaque;
	u64 offset = address - flash->base;
	u8 begun = flash->begun;

	flash->begun = 0;
	if (begun == COMMAND_ERASE)
		erase(flash, offset, (u8)value);
	else if (begun)
		program(flash, offset, bytes, value);
	else
		command(flash, (u8)value);
}

void vflash_init(struct vflash *flash, u8 *array, u64 base, u64 bytes,
		 void (*show)(void *context, bool array), void *context)
{
	*flash = (struct vflash){
		.array = array,
		.base = base,
		.bytes = bytes,
		.show = show,
		.context = context,
	};
}

const struct device_ops vflash_ops = {
	.name = "flash",
	.read = vflash_read,
	.write = vflash_write,
	.widest_bytes = 8,
};
