/* SPDX-License-Identifier: MIT */
/* What firmware is told, and whether it gets sound tables when it does what the script says. */
/* links: vmm/format.c vmm/load/acpi.c vmm/load/smbios.c */
#include "cmocka_all.h"

#include <bulkhead/error.h>
#include <bulkhead/load.h>
#include <stdlib.h>
#include <string.h>

static u8 area[FW_CFG_AREA_BYTES] aligned(64);
static struct fw_cfg fw_cfg;
static struct fw_cfg_request request;

static int setup(void **state)
{
	(void)state;
	memset(area, 0xa5, sizeof(area));
	request = (struct fw_cfg_request){
		.acpi = {.vcpus = 3},
		.smbios = {.name = "web", .vcpus = 3, .low_bytes = 3 * GIB, .high_bytes = GIB},
	};
	return 0;
}

static u64 get(const u8 *at, unsigned bytes)
{
	u64 value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (u64)at[i] << (8 * i);
	return value;
}

static u8 sum(const u8 *at, u64 bytes)
{
	u8 total = 0;

	for (u64 i = 0; i < bytes; i++)
		total = (u8)(total + at[i]);
	return total;
}

static const struct fw_cfg_file *file(const char *name)
{
	for (u32 i = 0; i < fw_cfg.file_count; i++)
		if (!strcmp(fw_cfg.files[i].name, name))
			return &fw_cfg.files[i];
	fail_msg("no file %s", name);
	return NULL;
}

static void build(void)
{
	assert_int_equal(fw_cfg_build(&request, area, sizeof(area), &fw_cfg), 0);
}

static void test_plain_items(void **state)
{
	const struct fw_cfg_file *e820;
	u8 uuid[16];

	(void)state;
	build();
	assert_int_equal(fw_cfg.ram_bytes, 4 * GIB);
	assert_int_equal(fw_cfg.vcpus, 3);
	smbios_uuid("web", uuid);
	assert_memory_equal(fw_cfg.uuid, uuid, 16);
	e820 = file("etc/e820");
	assert_int_equal(e820->bytes, 40);
	assert_int_equal(get(e820->data, 8), 0);
	assert_int_equal(get(e820->data + 8, 8), 3 * GIB);
	assert_int_equal(get(e820->data + 16, 4), 1);
	assert_int_equal(get(e820->data + 20, 8), 4 * GIB);
	assert_int_equal(get(e820->data + 28, 8), GIB);
	assert_int_equal(get(file("etc/sercon-port")->data, 2), 0x3f8);
	assert_false(fw_cfg.boot_menu);
	for (u32 i = 0; i < fw_cfg.file_count; i++) {
		assert_string_not_equal(fw_cfg.files[i].name, "bootorder");
		assert_string_not_equal(fw_cfg.files[i].name, "etc/boot-menu-wait");
	}
	request.smbios.high_bytes = 0;
	request.boot_order = "/rom@one\n";
	request.boot_menu_ms = 60000;
	build();
	assert_true(fw_cfg.boot_menu);
	assert_int_equal(file("etc/boot-menu-wait")->bytes, 2);
	assert_int_equal(get(file("etc/boot-menu-wait")->data, 2), 60000);
	assert_int_equal(file("etc/e820")->bytes, 20);
	assert_int_equal(file("bootorder")->bytes, 10);
	assert_string_equal((const char *)file("bootorder")->data, "/rom@one\n");
}

/* The file's two parts, and a ROM that a BIOS takes for something to boot from, before all others.
 */
static void test_kernel(void **state)
{
	static const u8 kernel[2000] = {1}, initrd[3000] = {2};
	const struct fw_cfg_file *rom;
	u64 expansion;

	(void)state;
	request.kernel = (struct load_file){kernel, sizeof(kernel), "\\k"};
	request.setup_bytes = 1536;
	build();
	assert_ptr_equal(fw_cfg.setup.data, kernel);
	assert_int_equal(fw_cfg.setup.bytes, 1536);
	assert_ptr_equal(fw_cfg.kernel.data, kernel + 1536);
	assert_int_equal(fw_cfg.kernel.bytes, 464);
	assert_int_equal(fw_cfg.initrd.bytes, 0);
	assert_int_equal(fw_cfg.cmdline.bytes, 1);
	assert_int_equal(fw_cfg.cmdline.data[0], 0);
	rom = file("genroms/linux.bin");
	assert_int_equal(get(rom->data, 2), 0xaa55);
	assert_int_equal(rom->data[2] * 512, rom->bytes);
	assert_int_equal(sum(rom->data, rom->bytes), 0);
	expansion = get(rom->data + 0x1a, 2);
	assert_true(expansion + 32 <= rom->bytes);
	assert_memory_equal(rom->data + expansion, "$PnP\1\2\0", 7);
	assert_in_range(get(rom->data + expansion + 0x1a, 2), 0x1c, rom->bytes - 1);
	assert_string_equal((const char *)file("bootorder")->data, "/rom@genroms/linux.bin\n");

	request.initrd = (struct load_file){initrd, sizeof(initrd), "\\i"};
	request.cmdline = "a b";
	request.boot_order = "/one\n";
	build();
	assert_ptr_equal(fw_cfg.initrd.data, initrd);
	assert_int_equal(fw_cfg.initrd.bytes, sizeof(initrd));
	assert_int_equal(fw_cfg.cmdline.bytes, 4);
	assert_memory_equal(fw_cfg.cmdline.data, "a b", 4);
	assert_string_equal((const char *)file("bootorder")->data,
			    "/rom@genroms/linux.bin\n/one\n");
}

/* A firmware that carries out the script: files at addresses of its own. */
static struct placed {
	char name[56];
	u8 *data;
	u64 gpa;
	u32 bytes;
} placed[4];
static u32 placed_count;

static struct placed *placed_find(const char *name)
{
	for (u32 i = 0; i < placed_count; i++)
		if (!strcmp(placed[i].name, name))
			return &placed[i];
	fail_msg("%s is not placed", name);
	return NULL;
}

static void place(const u8 *command)
{
	const struct fw_cfg_file *from = file((const char *)command + 4);
	struct placed *to = &placed[placed_count++];
	u64 alignment = get(command + 60, 4);

	assert_in_range(command[64], 1, 2);
	assert_int_equal(alignment & (alignment - 1), 0);
	strcpy(to->name, from->name);
	to->data = malloc(from->bytes);
	memcpy(to->data, from->data, from->bytes);
	to->bytes = from->bytes;
	to->gpa = command[64] == 2 ? 0xf5640 : 0x7ffe0000;
	assert_int_equal(to->gpa % alignment, 0);
}

static void point(const u8 *command)
{
	const struct placed *in = placed_find((const char *)command + 4);
	const struct placed *to = placed_find((const char *)command + 60);
	u64 offset = get(command + 116, 4), value;
	u8 bytes = command[120];

	assert_true(bytes == 4 || bytes == 8);
	assert_true(offset + bytes <= in->bytes);
	value = get(in->data + offset, bytes);
	assert_true(value < to->bytes);
	value += to->gpa;
	memcpy(in->data + offset, &value, bytes);
}

/* As OVMF does it: what is there already counts. */
static void seal(const u8 *command)
{
	const struct placed *in = placed_find((const char *)command + 4);
	u64 offset = get(command + 60, 4), start = get(command + 64, 4),
	    bytes = get(command + 68, 4);

	assert_true(start + bytes <= in->bytes && offset >= start && offset < start + bytes);
	assert_int_equal(in->data[offset], 0);
	in->data[offset] = (u8)-sum(in->data + start, bytes);
}

static void run_script(void)
{
	const struct fw_cfg_file *script = file("etc/table-loader");

	assert_int_equal(script->bytes % 128, 0);
	placed_count = 0;
	for (u32 at = 0; at < script->bytes; at += 128) {
		const u8 *command = script->data + at;

		switch (get(command, 4)) {
		case 1:
			place(command);
			break;
		case 2:
			point(command);
			break;
		case 3:
			seal(command);
			break;
		default:
			fail_msg("command %lu", get(command, 4));
		}
	}
}

static const u8 *table_at(u64 gpa, const char *name)
{
	const struct placed *tables = placed_find("etc/acpi/tables");
	const u8 *table = tables->data + (gpa - tables->gpa);

	assert_in_range(gpa, tables->gpa, tables->gpa + tables->bytes - 36);
	if (name)
		assert_memory_equal(table, name, 4);
	assert_in_range(get(table + 4, 4), 36, tables->gpa + tables->bytes - gpa);
	assert_int_equal(sum(table, get(table + 4, 4)), 0);
	return table;
}

static void test_tables_are_sound_where_firmware_puts_them(void **state)
{
	const u8 *root, *rsdt, *xsdt, *fadt = NULL;
	u64 facs;

	(void)state;
	build();
	run_script();
	root = placed_find("etc/acpi/rsdp")->data;
	assert_in_range(placed_find("etc/acpi/rsdp")->gpa, 0xe0000, 0xfffff);
	assert_memory_equal(root, "RSD PTR ", 8);
	assert_int_equal(sum(root, 20), 0);
	assert_int_equal(sum(root, 36), 0);
	rsdt = table_at(get(root + 16, 4), "RSDT");
	xsdt = table_at(get(root + 24, 8), "XSDT");
	assert_int_equal((get(rsdt + 4, 4) - 36) / 4, (get(xsdt + 4, 4) - 36) / 8);
	for (u64 i = 0; i < (get(rsdt + 4, 4) - 36) / 4; i++) {
		const u8 *table = table_at(get(xsdt + 36 + 8 * i, 8), NULL);

		assert_int_equal(get(rsdt + 36 + 4 * i, 4), get(xsdt + 36 + 8 * i, 8));
		if (!memcmp(table, "FACP", 4))
			fadt = table;
	}
	assert_non_null(fadt);
	table_at(get(fadt + 40, 4), "DSDT");
	assert_int_equal(get(fadt + 40, 4), get(fadt + 140, 8));
	facs = get(fadt + 36, 4);
	assert_int_equal(facs % 64, 0);
	assert_memory_equal(placed_find("etc/acpi/tables")->data +
				    (facs - placed_find("etc/acpi/tables")->gpa),
			    "FACS", 4);
	for (u32 i = 0; i < placed_count; i++)
		free(placed[i].data);
}

static void test_smbios(void **state)
{
	const struct fw_cfg_file *anchor, *tables;

	(void)state;
	build();
	anchor = file("etc/smbios/smbios-anchor");
	tables = file("etc/smbios/smbios-tables");
	assert_int_equal(anchor->bytes, 31);
	assert_memory_equal(anchor->data, "_SM_", 4);
	assert_int_equal(get(anchor->data + 0x16, 2), tables->bytes);
	assert_int_equal(get(anchor->data + 0x18, 4), 0); /* firmware's */
	assert_int_equal(sum(anchor->data, 31), 0);
	assert_int_equal(tables->data[0], 0);
}

static void test_room(void **state)
{
	u64 room;

	(void)state;
	request.acpi.vcpus = request.smbios.vcpus = 1024; /* many are no problem */
	build();
	request.acpi.vcpus = request.smbios.vcpus = 1;
	request.boot_order = "/disk\n";
	for (room = 0; fw_cfg_build(&request, area, room, &fw_cfg); room += 64) {
		assert_true(room < sizeof(area));
		assert_int_equal(fw_cfg_build(&request, area, room, &fw_cfg), -ENOSPC);
		memset(area + room, 0x77, 64);
		(void)!fw_cfg_build(&request, area, room, &fw_cfg);
		for (u64 i = 0; i < 64; i++)
			assert_int_equal(area[room + i], 0x77);
	}
	assert_true(room > 1024);
	request.acpi.vcpus = 0;
	assert_int_equal(fw_cfg_build(&request, area, sizeof(area), &fw_cfg), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_plain_items, setup),
		cmocka_unit_test_setup(test_kernel, setup),
		cmocka_unit_test_setup(test_tables_are_sound_where_firmware_puts_them, setup),
		cmocka_unit_test_setup(test_smbios, setup),
		cmocka_unit_test_setup(test_room, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
