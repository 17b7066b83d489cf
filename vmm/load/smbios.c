/* SPDX-License-Identifier: MIT */
/*
 * What a partition says of itself: SMBIOS structures (DMTF DSP0134, 2.8, chapter 7) and their entry
 * point (5.2.1).
 */
#include <bulkhead/error.h>
#include <bulkhead/load.h>
#include <bulkhead/string.h>

#define NO_HANDLE	0xffff
#define NO_ERROR_HANDLE 0xfffe
#define UNKNOWN_WIDTH	0xffff

/* Handles. There are two mapped ranges at most. */
enum {
	HANDLE_BIOS = 0x0000,
	HANDLE_SYSTEM = 0x0100,
	HANDLE_CHASSIS = 0x0300,
	HANDLE_PROCESSOR = 0x0400,
	HANDLE_ARRAY = 0x1000,
	HANDLE_DEVICE = 0x1100,
	HANDLE_RANGE = 0x1300,
	HANDLE_BOOT = 0x2000,
	HANDLE_END = 0x7f00,
};

struct header {
	u8 type;
	u8 bytes;
	u16 handle;
} packed;

/* 7.1 */
struct bios {
	struct header header;
	u8 vendor, version;
	u16 segment;
	u8 date, rom_size;
	u64 characteristics;
	u8 extension[2];
	u8 major, minor, controller_major, controller_minor;
} packed;

#define BIOS_UNSUPPORTED BIT(3) /* which characteristics there are is not told */
#define BIOS_ACPI	 0x01
#define BIOS_VIRTUAL	 0x10
#define BIOS_NOT_UPDATED 0xff
#define BIOS_SEGMENT	 0xe000

/* 7.2 */
struct system {
	struct header header;
	u8 manufacturer, product, version, serial;
	u8 uuid[SMBIOS_UUID_BYTES];
	u8 wake_up, sku, family;
} packed;

#define WAKE_UP_POWER_SWITCH 6

/* 7.4 */
struct chassis {
	struct header header;
	u8 manufacturer, kind, version, serial, asset;
	u8 boot_state, power_state, thermal_state, security;
	u32 oem;
	u8 height, cords, contained, contained_bytes;
} packed;

#define CHASSIS_OTHER 1
#define STATE_SAFE    3
#define SECURITY_NONE 3

/* 7.5 */
struct processor {
	struct header header;
	u8 socket, kind, family, manufacturer;
	u64 id;
	u8 version, voltage;
	u16 clock, max_speed, speed;
	u8 status, upgrade;
	u16 l1, l2, l3;
	u8 serial, asset, part, cores, enabled, threads;
	u16 characteristics, family2;
} packed;

#define PROCESSOR_CENTRAL 3
#define PROCESSOR_UNKNOWN 2
#define PROCESSOR_ENABLED 0x41
#define PROCESSOR_64_BITS BIT(2)
#define CORES_MAX	  255

/* 7.17 */
struct array {
	struct header header;
	u8 location, use, correction;
	u32 capacity_kib;
	u16 error, devices;
	u64 capacity_bytes;
} packed;

#define ARRAY_OTHER	1
#define ARRAY_SYSTEM	3
#define CORRECTION_NONE 3
#define CAPACITY_LONG	0x80000000U /* see capacity_bytes */

/* 7.18 */
struct device {
	struct header header;
	u16 array, error, total_width, data_width, size_mib;
	u8 form, set, locator, bank, kind;
	u16 detail, speed;
	u8 manufacturer, serial, asset, part, attributes;
	u32 long_size_mib;
	u16 clock;
} packed;

#define FORM_DIMM 9
#define KIND_RAM  7
#define DETAIL	  BIT(1)  /* other */
#define SIZE_LONG 0x7fffU /* see long_size_mib */

/* 7.20 */
struct range {
	struct header header;
	u32 start_kib, last_kib;
	u16 array;
	u8 width;
	u64 long_start, long_end;
} packed;

/* 7.33 */
struct boot {
	struct header header;
	u8 reserved[6];
	u8 status;
} packed;

/* 5.2.1 */
struct entry {
	char anchor[4];
	u8 checksum;
	u8 bytes;
	u8 major, minor;
	u16 largest;
	u8 revision;
	u8 formatted[5];
	char dmi_anchor[5];
	u8 dmi_checksum;
	u16 table_bytes;
	u32 table;
	u16 count;
	u8 bcd;
} packed;

_Static_assert(sizeof(struct bios) == 0x18, "type 0");
_Static_assert(sizeof(struct system) == 0x1b, "type 1");
_Static_assert(sizeof(struct chassis) == 0x15, "type 3");
_Static_assert(sizeof(struct processor) == 0x2a, "type 4");
_Static_assert(sizeof(struct array) == 0x17, "type 16");
_Static_assert(sizeof(struct device) == 0x22, "type 17");
_Static_assert(sizeof(struct range) == 0x1f, "type 19");
_Static_assert(sizeof(struct boot) == 0x0b, "type 32");
_Static_assert(sizeof(struct entry) == SMBIOS_ANCHOR_BYTES, "entry point");

/* Once it is full, all that follows fails too. */
struct writer {
	u8 *base;
	u64 room, used;
	u16 count, largest;
	bool full;
};

static bool writer_put(struct writer *writer, const void *data, u64 bytes)
{
	if (writer->full || bytes > writer->room - writer->used) {
		writer->full = true;
		return false;
	}
	memcpy(writer->base + writer->used, data, bytes);
	writer->used += bytes;
	return true;
}

/* A structure and its strings, which it numbers from 1; two zeros end it (6.1.3). */
static void add(struct writer *writer, u8 type, u16 handle, void *data, u8 bytes,
		const char *const *strings)
{
	u64 start = writer->used;
	bool any = strings && *strings;

	*(struct header *)data = (struct header){type, bytes, handle};
	writer_put(writer, data, bytes);
	for (; strings && *strings; strings++)
		writer_put(writer, *strings, strlen(*strings) + 1);
	writer_put(writer, "\0", any ? 1 : 2);
	writer->count++;
	writer->largest = (u16)MAX(writer->largest, writer->used - start);
}

static void add_bios(struct writer *writer)
{
	static const char *const strings[] = {"Bulkhead", "1.0", "01/01/2024", NULL};
	struct bios bios = {
		.vendor = 1,
		.version = 2,
		.segment = BIOS_SEGMENT,
		.date = 3,
		.rom_size = 1, /* 64 KiB units less one: what lies from that segment on */
		.characteristics = BIOS_UNSUPPORTED,
		.extension = {BIOS_ACPI, BIOS_VIRTUAL},
		.major = 1,
		.controller_major = BIOS_NOT_UPDATED,
		.controller_minor = BIOS_NOT_UPDATED,
	};

	add(writer, 0, HANDLE_BIOS, &bios, sizeof(bios), strings);
}

static u64 hash(const char *text, u64 value)
{
	for (; *text; text++)
		value = (value ^ (u8)*text) * 0x100000001b3UL; /* FNV-1a */
	return value;
}

/* RFC 9562, version 8: made in a way of one's own. Bytes are in the order of 7.2.1. */
void smbios_uuid(const char *name, u8 *uuid)
{
	u64 halves[2] = {hash(name, 0xcbf29ce484222325UL), 0};

	halves[1] = hash(name, hash("bulkhead", halves[0]));
	memcpy(uuid, halves, SMBIOS_UUID_BYTES);
	uuid[7] = (u8)((uuid[7] & 0x0f) | 0x80);
	uuid[8] = (u8)((uuid[8] & 0x3f) | 0x80);
}

static void add_system(struct writer *writer, const struct smbios_request *request)
{
	const char *const strings[] = {"Bulkhead", "Partition", "1.0", request->name, NULL};
	struct system system = {
		.manufacturer = 1,
		.product = 2,
		.version = 3,
		.serial = 4,
		.wake_up = WAKE_UP_POWER_SWITCH,
	};

	smbios_uuid(request->name, system.uuid);
	add(writer, 1, HANDLE_SYSTEM, &system, sizeof(system), strings);
}

static void add_chassis(struct writer *writer)
{
	static const char *const strings[] = {"Bulkhead", NULL};
	struct chassis chassis = {
		.manufacturer = 1,
		.kind = CHASSIS_OTHER,
		.boot_state = STATE_SAFE,
		.power_state = STATE_SAFE,
		.thermal_state = STATE_SAFE,
		.security = SECURITY_NONE,
	};

	add(writer, 3, HANDLE_CHASSIS, &chassis, sizeof(chassis), strings);
}

static void add_processor(struct writer *writer, u32 vcpus)
{
	static const char *const strings[] = {"CPU 0", "Bulkhead", NULL};
	u8 cores = (u8)MIN(vcpus, CORES_MAX);
	struct processor processor = {
		.socket = 1,
		.kind = PROCESSOR_CENTRAL,
		.family = PROCESSOR_UNKNOWN,
		.manufacturer = 2,
		.status = PROCESSOR_ENABLED,
		.upgrade = PROCESSOR_UNKNOWN,
		.l1 = NO_HANDLE,
		.l2 = NO_HANDLE,
		.l3 = NO_HANDLE,
		.cores = cores,
		.enabled = cores,
		.threads = cores,
		.characteristics = PROCESSOR_64_BITS,
		.family2 = PROCESSOR_UNKNOWN,
	};

	add(writer, 4, HANDLE_PROCESSOR, &processor, sizeof(processor), strings);
}

static void add_memory(struct writer *writer, u64 bytes)
{
	static const char *const strings[] = {"DIMM 0", "Bulkhead", NULL};
	u64 kib = bytes / KIB, mib = bytes / MIB;
	struct array array = {
		.location = ARRAY_OTHER,
		.use = ARRAY_SYSTEM,
		.correction = CORRECTION_NONE,
		.capacity_kib = (u32)MIN(kib, (u64)CAPACITY_LONG),
		.error = NO_ERROR_HANDLE,
		.devices = 1,
		.capacity_bytes = kib >= CAPACITY_LONG ? bytes : 0,
	};
	struct device device = {
		.array = HANDLE_ARRAY,
		.error = NO_ERROR_HANDLE,
		.total_width = UNKNOWN_WIDTH,
		.data_width = UNKNOWN_WIDTH,
		.size_mib = (u16)MIN(mib, (u64)SIZE_LONG),
		.form = FORM_DIMM,
		.locator = 1,
		.kind = KIND_RAM,
		.detail = DETAIL,
		.manufacturer = 2,
		.long_size_mib = mib >= SIZE_LONG ? (u32)mib : 0,
	};

	add(writer, 16, HANDLE_ARRAY, &array, sizeof(array), NULL);
	add(writer, 17, HANDLE_DEVICE, &device, sizeof(device), strings);
}

static void add_range(struct writer *writer, u16 handle, u64 start, u64 bytes)
{
	struct range range = {
		.start_kib = (u32)(start / KIB),
		.last_kib = (u32)((start + bytes) / KIB - 1),
		.array = HANDLE_ARRAY,
		.width = 1,
	};

	if (bytes)
		add(writer, 19, handle, &range, sizeof(range), NULL);
}

static void add_boot(struct writer *writer)
{
	struct boot boot = {.status = 0}; /* no errors */

	add(writer, 32, HANDLE_BOOT, &boot, sizeof(boot), NULL);
}

int smbios_tables(const struct smbios_request *request, u8 *area, u64 room,
		  struct smbios_tables *tables)
{
	struct writer writer = {.base = area, .room = MIN(room, SMBIOS_TABLES_MAX)};
	struct header end;

	add_bios(&writer);
	add_system(&writer, request);
	add_chassis(&writer);
	add_processor(&writer, request->vcpus);
	add_memory(&writer, request->low_bytes + request->high_bytes);
	add_range(&writer, HANDLE_RANGE, 0, request->low_bytes);
	add_range(&writer, HANDLE_RANGE + 1, GUEST_HIGH_BASE, request->high_bytes);
	add_boot(&writer);
	add(&writer, 127, HANDLE_END, &end, sizeof(end), NULL);
	if (writer.full)
		return -ENOSPC;
	*tables = (struct smbios_tables){writer.used, writer.count, writer.largest};
	return 0;
}

static u8 checksum(const void *data, u64 bytes)
{
	const u8 *byte = data;
	u8 sum = 0;

	while (bytes--)
		sum = (u8)(sum + *byte++);
	return (u8)-sum;
}

void smbios_anchor(const struct smbios_tables *tables, u32 gpa, u8 *anchor)
{
	struct entry entry = {
		.anchor = {'_', 'S', 'M', '_'},
		.bytes = sizeof(entry),
		.major = 2,
		.minor = 8,
		.largest = tables->largest,
		.dmi_anchor = {'_', 'D', 'M', 'I', '_'},
		.table_bytes = (u16)tables->bytes,
		.table = gpa,
		.count = tables->count,
		.bcd = 0x28,
	};
	u64 dmi = offsetof(struct entry, dmi_anchor);

	entry.dmi_checksum = checksum((const u8 *)&entry + dmi, sizeof(entry) - dmi);
	entry.checksum = checksum(&entry, sizeof(entry));
	memcpy(anchor, &entry, sizeof(entry));
}

/* The entry point first: systems look for it at each multiple of 16 (5.2.1). */
int smbios_build(const struct smbios_request *request, struct guest_memory *memory)
{
	u64 offset = align_up(SMBIOS_ANCHOR_BYTES, 16), room = GUEST_ACPI_END - GUEST_SMBIOS_BASE;
	u8 *area = guest_memory_at(memory, GUEST_SMBIOS_BASE, room);
	struct smbios_tables tables;
	int error;

	if (!area)
		return -ENOSPC;
	memset(area, 0, room);
	error = smbios_tables(request, area + offset, room - offset, &tables);
	if (!error)
		smbios_anchor(&tables, (u32)(GUEST_SMBIOS_BASE + offset), area);
	return error;
}
