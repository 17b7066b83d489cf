/* SPDX-License-Identifier: MIT */
/* What each function on the bus has: PCI Local Bus Specification 3.0, chapter 6. */
#include "vpci.h"

#include <bulkhead/string.h>

#define COMMAND_WRITABLE                                                                           \
	(VPCI_COMMAND_IO | VPCI_COMMAND_MEMORY | VPCI_COMMAND_MASTER | VPCI_COMMAND_NO_INTX)
#define STATUS_INTERRUPT    0x08 /* in its low byte */
#define STATUS_CAPABILITIES 0x10
#define BAR_IO		    1

#define CAPABILITY_MSIX 0x11
#define MSIX_BYTES	12
#define MSIX_CONTROL	2 /* from the capability on */
#define MSIX_TABLE	4
#define MSIX_PBA	8
#define MSIX_ENABLE	BIT(15)
#define MSIX_MASK_ALL	BIT(14)
enum { VECTOR_ADDRESS, VECTOR_ADDRESS_HIGH, VECTOR_DATA, VECTOR_CONTROL };
#define VECTOR_MASKED 1

void vpci_config_set(struct vpci_function *function, unsigned offset, unsigned bytes, u32 value)
{
	for (unsigned i = 0; i < bytes; i++)
		function->config[offset + i] = (u8)(value >> (8 * i));
}

static void writable_set(struct vpci_function *function, unsigned offset, unsigned bytes, u32 mask)
{
	for (unsigned i = 0; i < bytes; i++)
		function->writable[offset + i] = (u8)(mask >> (8 * i));
}

void vpci_function_init(struct vpci_function *function, const struct vpci_identity *identity,
			const struct vpci_function_ops *ops)
{
	*function = (struct vpci_function){.ops = ops, .next_capability = VPCI_HEADER_BYTES};
	vpci_config_set(function, VPCI_VENDOR, 2, identity->vendor);
	vpci_config_set(function, VPCI_DEVICE, 2, identity->device);
	vpci_config_set(function, VPCI_REVISION, 1, identity->revision);
	vpci_config_set(function, VPCI_CLASS, 3, identity->class_code);
	vpci_config_set(function, VPCI_SUBSYSTEM_VENDOR, 2, identity->subsystem_vendor);
	vpci_config_set(function, VPCI_SUBSYSTEM, 2, identity->subsystem);
	vpci_config_set(function, VPCI_INTERRUPT_PIN, 1, identity->pin);
	writable_set(function, VPCI_COMMAND, 2, COMMAND_WRITABLE);
	if (identity->pin)
		writable_set(function, VPCI_INTERRUPT_LINE, 1, 0xff);
}

void vpci_bar_add(struct vpci_function *function, unsigned bar, bool io, u32 bytes)
{
	function->bar[bar] = (struct vpci_bar){bytes, io};
	/* Bits below its size read 0 whatever is written: that is how it is sized (6.2.5.1). */
	writable_set(function, VPCI_BAR + 4 * bar, 4, ~(bytes - 1));
	vpci_config_set(function, VPCI_BAR + 4 * bar, 4, io ? BAR_IO : 0);
}

u8 vpci_capability_add(struct vpci_function *function, u8 id, u8 bytes)
{
	u8 at = function->next_capability;
	unsigned link =
		function->last_capability ? function->last_capability + 1U : VPCI_CAPABILITIES;

	function->config[link] = at;
	function->config[at] = id;
	function->config[VPCI_STATUS] |= STATUS_CAPABILITIES;
	function->last_capability = at;
	function->next_capability = (u8)align_up(at + (u64)bytes, 4);
	return at;
}

/* --- MSI-X --- */

void vpci_msix_add(struct vpci_function *function, u16 vectors, u8 bar, u32 table, u32 pba)
{
	struct vpci_msix *msix = &function->msix;
	u8 at = vpci_capability_add(function, CAPABILITY_MSIX, MSIX_BYTES);

	*msix = (struct vpci_msix){
		.capability = at, .bar = bar, .vectors = vectors, .table = table, .pba = pba};
	vpci_config_set(function, at + MSIX_CONTROL, 2, vectors - 1U);
	writable_set(function, at + MSIX_CONTROL, 2, MSIX_ENABLE | MSIX_MASK_ALL);
	vpci_config_set(function, at + MSIX_TABLE, 4, table | bar);
	vpci_config_set(function, at + MSIX_PBA, 4, pba | bar);
	for (unsigned i = 0; i < vectors; i++)
		msix->vector[i].word[VECTOR_CONTROL] = VECTOR_MASKED;
}

static u16 msix_control(const struct vpci_function *function)
{
	return function->msix.capability
		       ? vpci_config16(function, function->msix.capability + MSIX_CONTROL)
		       : 0;
}

bool vpci_msix_enabled(const struct vpci_function *function)
{
	return msix_control(function) & MSIX_ENABLE;
}

/* Send what is pending and may go: a message is a write of the function's as bus master. */
static void msix_flush(struct vpci_function *function)
{
	struct vpci_msix *msix = &function->msix;
	struct device_host *host;

	if (!msix->pending || !function->bus ||
	    (msix_control(function) & (MSIX_ENABLE | MSIX_MASK_ALL)) != MSIX_ENABLE ||
	    !(function->config[VPCI_COMMAND] & VPCI_COMMAND_MASTER))
		return;
	host = function->bus->host;
	for (unsigned i = 0; i < msix->vectors; i++) {
		const u32 *word = msix->vector[i].word;

		if (!(msix->pending & BIT(i)) || word[VECTOR_CONTROL] & VECTOR_MASKED)
			continue;
		msix->pending &= ~(u32)BIT(i);
		host->ops->message(host,
				   (u64)word[VECTOR_ADDRESS_HIGH] << 32 | word[VECTOR_ADDRESS],
				   word[VECTOR_DATA]);
	}
}

void vpci_msix_send(struct vpci_function *function, u16 vector)
{
	if (vector >= function->msix.vectors || !vpci_msix_enabled(function))
		return;
	function->msix.pending |= (u32)BIT(vector);
	msix_flush(function);
}

static u32 table_word(const struct vpci_msix *msix, u32 offset)
{
	return msix->vector[offset / 16].word[offset / 4 % 4];
}

static void table_write(struct vpci_function *function, u32 offset, u32 value)
{
	u32 *word = &function->msix.vector[offset / 16].word[offset / 4 % 4];

	switch (offset / 4 % 4) {
	case VECTOR_ADDRESS:
		*word = value & ~3U;
		break;
	case VECTOR_CONTROL:
		*word = value & VECTOR_MASKED;
		break;
	default:
		*word = value;
	}
}

/* Where in the table or the pending bits an access to a BAR is; false: in neither. */
static bool msix_find(const struct vpci_function *function, unsigned bar, u32 offset, u32 *table,
		      u32 *pba)
{
	const struct vpci_msix *msix = &function->msix;

	*table = offset - msix->table;
	*pba = offset - msix->pba;
	return msix->capability && bar == msix->bar &&
	       (*table < msix->vectors * sizeof(struct vpci_vector) || *pba < sizeof(u64));
}

/* 6.8.2: 4 or 8 bytes at a time; what is read otherwise is a part of that. */
static u64 msix_read(const struct vpci_msix *msix, u32 table, u32 pba)
{
	u32 at = (u32)align_down(table, 8);

	if (pba < sizeof(u64))
		return (u64)msix->pending >> (8 * pba);
	return ((u64)table_word(msix, at + 4) << 32 | table_word(msix, at)) >> (8 * (table - at));
}

static void msix_write(struct vpci_function *function, u32 table, u32 pba, unsigned bytes,
		       u64 value)
{
	if (pba < sizeof(u64) || bytes < 4)
		return;
	for (unsigned i = 0; i < bytes / 4; i++)
		table_write(function, table + 4 * i, (u32)(value >> (32 * i)));
	msix_flush(function);
}

/* --- BARs --- */

static bool bar_has(const struct vpci_function *function, unsigned bar, u32 offset, unsigned bytes)
{
	return bar < VPCI_BARS && offset < function->bar[bar].bytes && function->ops &&
	       is_aligned(offset, bytes);
}

u64 vpci_bar_read(struct vpci_function *function, unsigned bar, u32 offset, unsigned bytes)
{
	u32 table, pba;

	if (!bar_has(function, bar, offset, bytes))
		return ~0UL;
	if (msix_find(function, bar, offset, &table, &pba))
		return msix_read(&function->msix, table, pba);
	return function->ops->bar_read(function, bar, offset, bytes);
}

void vpci_bar_write(struct vpci_function *function, unsigned bar, u32 offset, unsigned bytes,
		    u64 value)
{
	u32 table, pba;

	if (!bar_has(function, bar, offset, bytes))
		return;
	if (msix_find(function, bar, offset, &table, &pba))
		msix_write(function, table, pba, bytes, value);
	else
		function->ops->bar_write(function, bar, offset, bytes,
					 value & ~0UL >> (64 - 8 * bytes));
}

/* --- INTx --- */

static void intx_update(struct vpci_function *function)
{
	bool asserted = function->intx && !vpci_msix_enabled(function) &&
			!(vpci_config16(function, VPCI_COMMAND) & VPCI_COMMAND_NO_INTX);

	if (asserted == function->asserted)
		return;
	function->asserted = asserted;
	if (function->bus)
		vpci_pin_changed(function);
}

void vpci_intx_set(struct vpci_function *function, bool level)
{
	function->intx = level;
	function->config[VPCI_STATUS] &= (u8)~STATUS_INTERRUPT;
	if (level)
		function->config[VPCI_STATUS] |= STATUS_INTERRUPT;
	intx_update(function);
}

/* --- configuration space --- */

static u32 config_value(const struct vpci_function *function, unsigned offset, unsigned bytes)
{
	const u8 *config = &function->config[offset];
	u32 value = 0;

	if (likely(bytes == 4))
		return config[0] | (u32)config[1] << 8 | (u32)config[2] << 16 |
		       (u32)config[3] << 24;
	for (unsigned i = 0; i < bytes; i++)
		value |= (u32)config[i] << (8 * i);
	return value;
}

/* Of a function that fills it in when it is looked at. */
static seldom u32 config_fresh(struct vpci_function *function, unsigned offset, unsigned bytes)
{
	function->ops->config_reading(function, offset, bytes);
	return config_value(function, offset, bytes);
}

u32 vpci_config_read(struct vpci_function *function, unsigned offset, unsigned bytes)
{
	/* No extended capabilities: their list is a 0 (PCI Express 5.0, 7.6.3). */
	if (offset + bytes > VPCI_CONFIG_BYTES)
		return 0;
	if (unlikely(function->ops && function->ops->config_reading))
		return config_fresh(function, offset, bytes);
	return config_value(function, offset, bytes);
}

static bool overlaps(unsigned offset, unsigned bytes, unsigned from, unsigned count)
{
	return offset < from + count && offset + bytes > from;
}

void vpci_config_write(struct vpci_function *function, unsigned offset, unsigned bytes, u32 value)
{
	if (offset + bytes > VPCI_CONFIG_BYTES)
		return;
	for (unsigned i = 0; i < bytes; i++, value >>= 8) {
		u8 *config = &function->config[offset + i], mask = function->writable[offset + i];

		*config = (u8)((*config & ~mask) | (value & mask));
	}
	if (overlaps(offset, bytes, VPCI_COMMAND, 2) ||
	    overlaps(offset, bytes, VPCI_BAR, 4 * VPCI_BARS))
		vpci_remap(function->bus);
	intx_update(function);
	msix_flush(function);
	if (function->ops && function->ops->config_written)
		function->ops->config_written(function, offset, bytes);
}
