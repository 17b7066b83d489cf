/* SPDX-License-Identifier: MIT */
/* QEMU, docs/specs/fw_cfg. */

#include "vfwcfg.h"

#include <bulkhead/string.h>

enum {
	PORT_SELECT = 0x510,
	PORT_DATA = 0x511,
	PORT_DMA_HIGH = 0x514,
	PORT_DMA_LOW = 0x518, /* writing it starts a transfer */
};

enum {
	KEY_SIGNATURE = 0x00,
	KEY_ID = 0x01,
	KEY_UUID = 0x02,
	KEY_RAM_SIZE = 0x03,
	KEY_NO_GRAPHICS = 0x04,
	KEY_CPUS = 0x05,
	KEY_BOOT_MENU = 0x0e,
	KEY_CPUS_MAX = 0x0f,
	KEY_DIRECTORY = 0x19,
	KEY_FILES = 0x20,
	KEY_IRQ0_OVERRIDE = 0x8002, /* line 0 arrives at input 2 of the I/O APIC */
};

#define ID_BY_PORT 0x1
#define ID_BY_DMA  0x2

/* In guest memory, all of it big-endian. */
struct transfer {
	u32 control; /* the item's number in the upper half */
	u32 bytes;
	u64 address;
} packed;

#define TRANSFER_ERROR	0x01
#define TRANSFER_READ	0x02
#define TRANSFER_SKIP	0x04
#define TRANSFER_SELECT 0x08
#define TRANSFER_WRITE	0x10

struct directory_entry {
	u32 bytes;
	u16 key;
	u16 reserved;
	char name[FW_CFG_NAME_BYTES];
} packed;

/* What of a kernel is how long, and where it is. */
static const struct {
	u16 size_key, key;
	size_t item; /* in struct fw_cfg */
} kernel_keys[] = {
	{0x17, 0x18, offsetof(struct fw_cfg, setup)},
	{0x08, 0x11, offsetof(struct fw_cfg, kernel)},
	{0x0b, 0x12, offsetof(struct fw_cfg, initrd)},
	{0x14, 0x15, offsetof(struct fw_cfg, cmdline)},
};

static const u8 signature[] = {'Q', 'E', 'M', 'U'};
static const u8 dma_signature[] = {'Q', 'E', 'M', 'U', ' ', 'C', 'F', 'G'};

static void select_number(struct vfwcfg *device, u64 value, u32 bytes)
{
	memcpy(device->value, &value, sizeof(value));
	device->data = device->value;
	device->bytes = bytes;
}

static void select_bytes(struct vfwcfg *device, const u8 *data, u32 bytes)
{
	device->data = data;
	device->bytes = bytes;
}

static void select_file(struct vfwcfg *device, u32 number)
{
	const struct fw_cfg *content = device->content;

	if (number < content->file_count)
		select_bytes(device, content->files[number].data, content->files[number].bytes);
}

static void select_of_kernel(struct vfwcfg *device, u16 key)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kernel_keys); i++) {
		const struct fw_cfg_item *item =
			(const void *)((const u8 *)device->content + kernel_keys[i].item);

		if (key == kernel_keys[i].size_key)
			select_number(device, item->bytes, 4);
		else if (key == kernel_keys[i].key)
			select_bytes(device, item->data, item->bytes);
	}
}

static void item_select(struct vfwcfg *device, u16 key)
{
	const struct fw_cfg *content = device->content;

	device->offset = 0;
	device->bytes = 0; /* what there is not is empty */
	switch (key) {
	case KEY_SIGNATURE:
		select_bytes(device, signature, sizeof(signature));
		break;
	case KEY_ID:
		select_number(device, ID_BY_PORT | ID_BY_DMA, 4);
		break;
	case KEY_UUID:
		select_bytes(device, content->uuid, sizeof(content->uuid));
		break;
	case KEY_RAM_SIZE:
		select_number(device, content->ram_bytes, 8);
		break;
	case KEY_NO_GRAPHICS:
		select_number(device, 1, 2);
		break;
	case KEY_CPUS:
	case KEY_CPUS_MAX:
		select_number(device, content->vcpus, 2);
		break;
	case KEY_BOOT_MENU:
		select_number(device, content->boot_menu, 2);
		break;
	case KEY_DIRECTORY:
		select_bytes(device, device->directory,
			     (u32)(4 + content->file_count * sizeof(struct directory_entry)));
		break;
	case KEY_IRQ0_OVERRIDE:
		select_number(device, 1, 4);
		break;
	default:
		if (key >= KEY_FILES)
			select_file(device, key - KEY_FILES);
		else
			select_of_kernel(device, key);
	}
}

/* Behind the end of an item there are zeros. */
static u8 item_read(struct vfwcfg *device)
{
	return device->offset < device->bytes ? device->data[device->offset++] : 0;
}

static void item_copy(struct vfwcfg *device, u8 *target, u32 bytes)
{
	u32 there = MIN(bytes, device->bytes - device->offset);

	if (there)
		memcpy(target, device->data + device->offset, there);
	memset(target + there, 0, bytes - there);
	device->offset += there;
}

/* What `transfer`, which is in the processor's order by now, asks for. false: it cannot be. */
static bool transfer_do(struct vfwcfg *device, const struct transfer *transfer)
{
	u8 *target;

	if (transfer->control & TRANSFER_SELECT)
		item_select(device, (u16)(transfer->control >> 16));
	if (transfer->control & TRANSFER_READ) {
		target = guest_memory_at(device->memory, transfer->address, transfer->bytes);
		if (!target || transfer->bytes > VFWCFG_DMA_MAX)
			return !transfer->bytes;
		item_copy(device, target, transfer->bytes);
		return true;
	}
	if (transfer->control & TRANSFER_WRITE)
		return false;
	if (transfer->control & TRANSFER_SKIP)
		device->offset += MIN(transfer->bytes, device->bytes - device->offset);
	return true;
}

static void transfer_run(struct vfwcfg *device, u64 gpa)
{
	struct transfer *shared = guest_memory_at(device->memory, gpa, sizeof(*shared));
	struct transfer transfer;

	if (!shared)
		return;				     /* there is nowhere to say so */
	memcpy(&transfer, shared, sizeof(transfer)); /* once: the guest may change it meanwhile */
	transfer.control = __builtin_bswap32(transfer.control);
	transfer.bytes = __builtin_bswap32(transfer.bytes);
	transfer.address = __builtin_bswap64(transfer.address);
	shared->control = transfer_do(device, &transfer) ? 0 : __builtin_bswap32(TRANSFER_ERROR);
}

static u64 vfwcfg_read(void *opaque, u64 address, unsigned bytes)
{
	struct vfwcfg *device = opaque;
	u64 value = ~0UL;

	if (!device->content)
		return value;
	if (address >= PORT_DMA_HIGH) {
		for (unsigned i = 0; i < bytes && address + i < VFWCFG_END; i++) {
			value &= ~(0xffUL << (8 * i));
			value |= (u64)dma_signature[address + i - PORT_DMA_HIGH] << (8 * i);
		}
	} else if (address <= PORT_DATA) {
		value = (value & ~0xffUL) | item_read(device);
	}
	return value;
}

static void vfwcfg_write(void *opaque, u64 address, unsigned bytes, u64 value)
{
	struct vfwcfg *device = opaque;
	u32 swapped = __builtin_bswap32((u32)value);

	if (!device->content)
		return;
	if (address == PORT_SELECT && bytes == 2) {
		item_select(device, (u16)value);
	} else if (address == PORT_DMA_HIGH && bytes == 4) {
		device->dma_high = swapped;
	} else if (address == PORT_DMA_LOW && bytes == 4) {
		transfer_run(device, (u64)device->dma_high << 32 | swapped);
		device->dma_high = 0;
	}
}

static void directory_fill(struct vfwcfg *device)
{
	const struct fw_cfg *content = device->content;
	u32 count = __builtin_bswap32(content->file_count);

	memcpy(device->directory, &count, sizeof(count));
	for (u32 i = 0; i < content->file_count; i++) {
		const struct fw_cfg_file *file = &content->files[i];
		struct directory_entry entry = {
			.bytes = __builtin_bswap32(file->bytes),
			.key = __builtin_bswap16((u16)(KEY_FILES + i)),
		};

		memcpy(entry.name, file->name,
		       MIN(strlen(file->name), (size_t)FW_CFG_NAME_BYTES - 1));
		memcpy(device->directory + 4 + i * sizeof(entry), &entry, sizeof(entry));
	}
}

void vfwcfg_init(struct vfwcfg *device, const struct fw_cfg *content,
		 const struct guest_memory *memory)
{
	*device = (struct vfwcfg){.content = content, .memory = memory};
	if (!content)
		return;
	directory_fill(device);
	item_select(device, KEY_SIGNATURE);
}

const struct device_ops vfwcfg_ops = {
	.name = "fw_cfg",
	.read = vfwcfg_read,
	.write = vfwcfg_write,
	.widest_bytes = 4,
	.works = true,
};
