/* SPDX-License-Identifier: MIT */
/*
 * Reading the tables: RSDP, XSDT or RSDT, FADT, DSDT and SSDTs (ACPI 6.5, 5.2.5 to 5.2.11). They
 * come from firmware of any quality, so nothing in them is trusted. AML is not interpreted: \_S5 is
 * a package of constants in practice, and is looked for byte by byte.
 */
#include <bulkhead/acpi.h>

#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/string.h>

#define RSDP_BYTES_1	20
#define RSDP_BYTES_2	36
#define RSDP_BYTES_MAX	256
#define HEADER_BYTES	36
#define LENGTH_AT	4
#define TABLE_BYTES_MAX (8U << 20) /* the largest DSDTs known have well below 1 MiB */
#define FADT_BYTES_1	116	   /* of ACPI 1.0 */

/* Offsets in the FADT (ACPI 6.5, table 5.9). */
enum fadt_offset {
	FADT_DSDT = 40,
	FADT_SMI_CMD = 48,
	FADT_ACPI_ENABLE = 52,
	FADT_PM1A_EVT = 56,
	FADT_PM1B_EVT = 60,
	FADT_PM1A_CNT = 64,
	FADT_PM1B_CNT = 68,
	FADT_PM_TMR = 76,
	FADT_FLAGS = 112,
	FADT_RESET_REG = 116,
	FADT_RESET_VALUE = 128,
	FADT_X_DSDT = 140,
	FADT_X_PM1A_EVT = 148,
	FADT_X_PM1B_EVT = 160,
	FADT_X_PM1A_CNT = 172,
	FADT_X_PM1B_CNT = 184,
	FADT_X_PM_TMR = 208,
	FADT_SLEEP_CONTROL = 244,
};

#define FADT_TMR_VAL_EXT     BIT(8)
#define FADT_RESET_REG_SUP   BIT(10)
#define FADT_HW_REDUCED_ACPI BIT(20)

/* AML opcodes (ACPI 6.5, 20.3). */
enum aml_opcode {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_WORD = 0x0b,
	AML_DWORD = 0x0c,
	AML_QWORD = 0x0e,
	AML_PACKAGE = 0x12,
	AML_ROOT = 0x5c,
};

#define SLEEP_TYPE_MAX 7 /* SLP_TYP has 3 bits */

static u64 read_number(const u8 *at, u32 bytes)
{
	u64 value = 0;

	for (u32 i = 0; i < bytes; i++)
		value |= (u64)at[i] << (8 * i);
	return value;
}

static bool sum_is_zero(const u8 *at, u64 bytes)
{
	u8 sum = 0;

	for (u64 i = 0; i < bytes; i++)
		sum = (u8)(sum + at[i]);
	return sum == 0;
}

/* The whole of a checked table and its length, or NULL with `reason` set. */
static const u8 *table_read(const struct acpi_reader *reader, u64 address, const char *signature,
			    u32 *bytes, char *reason)
{
	const u8 *table = address ? reader->view(reader, address, HEADER_BYTES) : NULL;

	if (!table || memcmp(table, signature, 4) != 0) {
		format_text(reason, ACPI_REASON_BYTES, "there is no table %s at 0x%lx", signature,
			    address);
		return NULL;
	}
	*bytes = (u32)read_number(table + LENGTH_AT, 4);
	table = NULL;
	if (*bytes >= HEADER_BYTES && *bytes <= TABLE_BYTES_MAX)
		table = reader->view(reader, address, *bytes);
	if (!table) {
		format_text(reason, ACPI_REASON_BYTES, "table %s at 0x%lx has a length of %u",
			    signature, address, *bytes);
		return NULL;
	}
	if (!sum_is_zero(table, *bytes)) {
		format_text(reason, ACPI_REASON_BYTES, "table %s at 0x%lx has a wrong checksum",
			    signature, address);
		return NULL;
	}
	return table;
}

/* The list of tables: an XSDT with entries of 8 bytes or an RSDT with entries of 4. */
struct table_list {
	const u8 *entries;
	u32 count, width;
};

static u64 list_entry(const struct table_list *list, u32 index)
{
	return read_number(list->entries + (u64)index * list->width, list->width);
}

static int list_read(const struct acpi_reader *reader, u64 address, u32 width,
		     struct table_list *list, char *reason)
{
	u32 bytes;
	const u8 *table = table_read(reader, address, width == 8 ? "XSDT" : "RSDT", &bytes, reason);

	if (!table)
		return -EINVAL;
	*list = (struct table_list){table + HEADER_BYTES, (bytes - HEADER_BYTES) / width, width};
	return 0;
}

/* Address of the XSDT, or 0 when this root pointer is of ACPI 1.0 or its newer part is damaged. */
static u64 rsdp_xsdt(const struct acpi_reader *reader, u64 address)
{
	const u8 *rsdp = reader->view(reader, address, RSDP_BYTES_2);
	u64 bytes = rsdp ? read_number(rsdp + 20, 4) : 0;

	if (bytes < RSDP_BYTES_2 || bytes > RSDP_BYTES_MAX)
		return 0;
	rsdp = reader->view(reader, address, bytes);
	return rsdp && sum_is_zero(rsdp, bytes) ? read_number(rsdp + 24, 8) : 0;
}

static int list_find(const struct acpi_reader *reader, u64 address, struct table_list *list,
		     char *reason)
{
	const u8 *rsdp = reader->view(reader, address, RSDP_BYTES_1);
	u64 xsdt = 0;

	if (!rsdp || memcmp(rsdp, "RSD PTR ", 8) != 0 || !sum_is_zero(rsdp, RSDP_BYTES_1)) {
		format_text(reason, ACPI_REASON_BYTES, "there is no valid root pointer at 0x%lx",
			    address);
		return -EINVAL;
	}
	if (rsdp[15] >= 2)
		xsdt = rsdp_xsdt(reader, address);
	if (xsdt && !list_read(reader, xsdt, 8, list, reason))
		return 0;
	return list_read(reader, read_number(rsdp + 16, 4), 4, list, reason);
}

static bool has_signature(const struct acpi_reader *reader, u64 address, const char *signature)
{
	const u8 *table = address ? reader->view(reader, address, HEADER_BYTES) : NULL;

	return table && memcmp(table, signature, 4) == 0;
}

struct fadt {
	const u8 *table;
	u32 bytes;
};

/* A field, 0 when the table is of an older revision and ends before it. */
static u64 fadt_field(const struct fadt *fadt, u32 offset, u32 bytes)
{
	return offset + bytes <= fadt->bytes ? read_number(fadt->table + offset, bytes) : 0;
}

/* A register block in I/O space: the old field counts where it is set, as old systems use it. */
static u16 fadt_port(const struct fadt *fadt, u32 offset, u32 offset_x)
{
	u64 port = fadt_field(fadt, offset, 4);

	if (!port && fadt_field(fadt, offset_x, 1) == ACPI_SPACE_PORT)
		port = fadt_field(fadt, offset_x + 4, 8);
	return port <= UINT16_MAX ? (u16)port : 0;
}

/* Of PCI configuration space: bus 0, device in bits 47:32, function in 31:16, offset in 15:0. */
static bool register_valid(u32 space, u64 address)
{
	switch (space) {
	case ACPI_SPACE_MEMORY:
		return address != 0;
	case ACPI_SPACE_PORT:
		return address != 0 && address <= UINT16_MAX;
	case ACPI_SPACE_PCI:
		return address >> 32 < 32 && (address >> 16 & 0xffff) < 8 &&
		       (address & 0xffff) < 256;
	default:
		return false;
	}
}

/* A "generic address structure" of 8 bits. */
static struct acpi_register fadt_register(const struct fadt *fadt, u32 offset)
{
	struct acpi_register found = {
		.space = (u8)fadt_field(fadt, offset, 1),
		.address = fadt_field(fadt, offset + 4, 8),
	};

	found.present = fadt_field(fadt, offset + 1, 1) == 8 &&
			fadt_field(fadt, offset + 2, 1) == 0 &&
			register_valid(found.space, found.address);
	return found;
}

static void fadt_read(const struct fadt *fadt, struct acpi_fixed *fixed)
{
	u64 flags = fadt_field(fadt, FADT_FLAGS, 4), smi = fadt_field(fadt, FADT_SMI_CMD, 4);

	if (flags & FADT_RESET_REG_SUP && fadt->bytes > FADT_RESET_VALUE) {
		fixed->reset = fadt_register(fadt, FADT_RESET_REG);
		fixed->reset_value = (u8)fadt_field(fadt, FADT_RESET_VALUE, 1);
	}
	if (flags & FADT_HW_REDUCED_ACPI) {
		fixed->sleep_control = fadt_register(fadt, FADT_SLEEP_CONTROL);
		return;
	}
	fixed->pm1_status[0] = fadt_port(fadt, FADT_PM1A_EVT, FADT_X_PM1A_EVT);
	fixed->pm1_status[1] = fadt_port(fadt, FADT_PM1B_EVT, FADT_X_PM1B_EVT);
	fixed->pm1_control[0] = fadt_port(fadt, FADT_PM1A_CNT, FADT_X_PM1A_CNT);
	fixed->pm1_control[1] = fadt_port(fadt, FADT_PM1B_CNT, FADT_X_PM1B_CNT);
	fixed->smi_command = smi <= UINT16_MAX ? (u16)smi : 0;
	fixed->acpi_enable = (u8)fadt_field(fadt, FADT_ACPI_ENABLE, 1);
	fixed->timer = fadt_port(fadt, FADT_PM_TMR, FADT_X_PM_TMR);
	fixed->timer_32 = flags & FADT_TMR_VAL_EXT;
}

static bool aml_constant(const u8 **at, const u8 *end, u64 *value)
{
	u32 bytes;

	if (*at == end)
		return false;
	switch (*(*at)++) {
	case AML_ZERO:
		*value = 0;
		return true;
	case AML_ONE:
		*value = 1;
		return true;
	case AML_BYTE:
		bytes = 1;
		break;
	case AML_WORD:
		bytes = 2;
		break;
	case AML_DWORD:
		bytes = 4;
		break;
	case AML_QWORD:
		bytes = 8;
		break;
	default:
		return false;
	}
	if (end - *at < (ptrdiff_t)bytes)
		return false;
	*value = read_number(*at, bytes);
	*at += bytes;
	return true;
}

/*
 * A package: its opcode, its length, which counts from itself on (ACPI 6.5, 20.2.4), how many
 * elements it has, elements. Leaves *at at the first element and *end behind the last.
 */
static bool aml_package(const u8 **at, const u8 **end, u8 *elements)
{
	const u8 *start = *at + 1;
	u32 more, length;

	if (*end - *at < 2 || **at != AML_PACKAGE)
		return false;
	more = *start >> 6;
	if (*end - start < (ptrdiff_t)more + 2)
		return false;
	length = more ? (*start & 0xf) | (u32)read_number(start + 1, more) << 4 : *start & 0x3f;
	if (length < more + 2 || length > *end - start)
		return false;
	*elements = start[more + 1];
	*at = start + more + 2;
	*end = start + length;
	return true;
}

/* Two values, or one that holds both in its bytes, as ACPI 1.0 had it. */
static bool aml_sleep_types(const u8 *at, const u8 *end, u8 type[2])
{
	u64 a, b;
	u8 elements;

	if (!aml_package(&at, &end, &elements) || !elements || !aml_constant(&at, end, &a))
		return false;
	if (elements == 1) {
		b = a >> 8 & 0xff;
		a &= 0xff;
	} else if (!aml_constant(&at, end, &b)) {
		return false;
	}
	if (a > SLEEP_TYPE_MAX || b > SLEEP_TYPE_MAX)
		return false;
	type[0] = (u8)a;
	type[1] = (u8)b;
	return true;
}

/* Name (_S5_, ...) or Name (\_S5_, ...): not a reference to it, nor the end of a longer name. */
static bool aml_is_definition(const u8 *aml, u64 at)
{
	if (at >= 2 && aml[at - 1] == AML_ROOT)
		at--;
	return at >= 1 && aml[at - 1] == AML_NAME;
}

int acpi_sleep_type_find(const u8 *aml, u64 bytes, u8 type[2])
{
	for (u64 at = 1; at + 4 <= bytes; at++) {
		if (aml[at] != '_' || memcmp(aml + at, "_S5_", 4) != 0 ||
		    !aml_is_definition(aml, at))
			continue;
		if (aml_sleep_types(aml + at + 4, aml + bytes, type))
			return 0;
	}
	return -ENOENT;
}

static bool sleep_type_in(const struct acpi_reader *reader, u64 address, const char *signature,
			  struct acpi_fixed *fixed, char *reason)
{
	u32 bytes;
	const u8 *table = table_read(reader, address, signature, &bytes, reason);

	if (table &&
	    !acpi_sleep_type_find(table + HEADER_BYTES, bytes - HEADER_BYTES, fixed->sleep_type))
		fixed->sleep_known = true;
	return fixed->sleep_known;
}

static void sleep_type_read(const struct acpi_reader *reader, const struct table_list *list,
			    const struct fadt *fadt, struct acpi_fixed *fixed, char *reason)
{
	u64 dsdt = fadt_field(fadt, FADT_X_DSDT, 8);

	if (!has_signature(reader, dsdt, "DSDT"))
		dsdt = fadt_field(fadt, FADT_DSDT, 4);
	format_text(reason, ACPI_REASON_BYTES, "neither the DSDT nor an SSDT defines \\_S5");
	if (sleep_type_in(reader, dsdt, "DSDT", fixed, reason))
		return;
	for (u32 i = 0; i < list->count; i++) {
		u64 address = list_entry(list, i);

		if (has_signature(reader, address, "SSDT") &&
		    sleep_type_in(reader, address, "SSDT", fixed, reason))
			return;
	}
}

static int fadt_find(const struct acpi_reader *reader, const struct table_list *list,
		     struct fadt *fadt, char *reason)
{
	for (u32 i = 0; i < list->count; i++) {
		u64 address = list_entry(list, i);

		if (!has_signature(reader, address, "FACP"))
			continue;
		fadt->table = table_read(reader, address, "FACP", &fadt->bytes, reason);
		if (!fadt->table)
			return -EINVAL;
		if (fadt->bytes >= FADT_BYTES_1)
			return 0;
		format_text(reason, ACPI_REASON_BYTES, "table FACP has %u bytes, too few",
			    fadt->bytes);
		return -EINVAL;
	}
	format_text(reason, ACPI_REASON_BYTES, "there is no table FACP");
	return -ENOENT;
}

int acpi_fixed_read(const struct acpi_reader *reader, u64 rsdp, struct acpi_fixed *fixed,
		    char *reason)
{
	struct table_list list;
	struct fadt fadt;
	int error;

	memset(fixed, 0, sizeof(*fixed));
	error = list_find(reader, rsdp, &list, reason);
	if (error)
		return error;
	error = fadt_find(reader, &list, &fadt, reason);
	if (error)
		return error;
	fadt_read(&fadt, fixed);
	sleep_type_read(reader, &list, &fadt, fixed, reason);
	return 0;
}
