/* SPDX-License-Identifier: MIT */
/*
 * The page-table engine: walking, mapping, splitting and freeing 4-level trees of any format.
 *
 * CPUs may walk a tree while it changes. So every entry is one 64-bit store, and a new table is
 * completed aside, with what it takes over from the leaf it replaces and with what is asked for,
 * before the store that links it. When memory runs out meanwhile, that table is dropped and the old
 * entry was never touched.
 *
 * The recursive functions go down one level each time: four at most.
 */
#include <bulkhead/error.h>
#include <bulkhead/page_table.h>

#define ENTRIES	     512
#define TOP_LEVEL    4
#define TOP_SHIFT    39
#define ADDRESS_BITS 48

/* One call of page_table_map or page_table_unmap. */
struct change {
	const struct page_table *table;
	u64 address, physical; /* where the whole range starts */
	u32 access;
	enum memory_type type;
	u64 leaf_bits;	     /* of a leaf of leaf_level, its address apart */
	unsigned leaf_level; /* 0: of none yet */
	bool map;	     /* or unmap */
	bool keep;	     /* the tables */
	bool changed;
};

static unsigned level_shift(unsigned level)
{
	return PAGE_SHIFT + 9 * (level - 1);
}

static u64 level_span(unsigned level)
{
	return BIT(level_shift(level));
}

static unsigned level_index(u64 address, unsigned level)
{
	return (unsigned)(address >> level_shift(level) & (ENTRIES - 1));
}

/* Other CPUs read and, for accessed and dirty flags, write the entries of a live tree. */
static u64 entry_read(const u64 *entry)
{
	return __atomic_load_n(entry, __ATOMIC_ACQUIRE);
}

static void entry_write(u64 *entry, u64 value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

static bool entry_is_table(const struct page_table *table, u64 entry, unsigned level)
{
	return table->format->present(entry) && !table->format->is_leaf(entry, level);
}

static u64 *entry_table(const struct page_table *table, u64 entry)
{
	return table->memory->to_linear(table->memory, entry & table->format->physical_mask);
}

/* In large leaves low bits of physical_mask are no address: bit 12 is PAT in host tables. */
static u64 entry_physical(const struct page_table *table, u64 entry, unsigned level)
{
	return entry & table->format->physical_mask & ~(level_span(level) - 1);
}

static bool slot_is_shared(const struct page_table *table, unsigned slot)
{
	return table->shared_slots[slot / 64] & BIT(slot % 64);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, 4 levels */
static void subtree_free(const struct page_table *table, u64 *entries, unsigned level)
{
	for (unsigned i = 0; level > 1 && i < ENTRIES; i++) {
		u64 entry = entry_read(&entries[i]);

		if (entry_is_table(table, entry, level))
			subtree_free(table, entry_table(table, entry), level - 1);
	}
	table->memory->free(table->memory, entries);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, 4 levels */
static u64 subtree_count(const struct page_table *table, const u64 *entries, unsigned level)
{
	u64 count = 1;

	for (unsigned i = 0; level > 1 && i < ENTRIES; i++) {
		u64 entry = entry_read(&entries[i]);

		if (level == TOP_LEVEL && slot_is_shared(table, i))
			continue;
		if (entry_is_table(table, entry, level))
			count += subtree_count(table, entry_table(table, entry), level - 1);
	}
	return count;
}

static bool table_is_empty(const struct page_table *table, const u64 *entries)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		if (table->format->present(entry_read(&entries[i])))
			return false;
	}
	return true;
}

int page_table_init(struct page_table *table, const struct page_table_format *format,
		    struct page_table_memory *memory)
{
	/* Splitting a 1G leaf takes 2M leaves. */
	if (format->leaf_sizes & PAGE_SIZES_1G && !(format->leaf_sizes & PAGE_SIZES_2M))
		return -EINVAL;
	*table = (struct page_table){.format = format, .memory = memory};
	table->root = memory->alloc(memory);
	return table->root ? 0 : -ENOMEM;
}

void page_table_destroy(struct page_table *table)
{
	for (unsigned slot = 0; slot < ENTRIES; slot++) {
		u64 entry = entry_read(&table->root[slot]);

		if (!slot_is_shared(table, slot) && entry_is_table(table, entry, TOP_LEVEL))
			subtree_free(table, entry_table(table, entry), TOP_LEVEL - 1);
	}
	table->memory->free(table->memory, table->root);
	table->root = NULL;
}

static u64 table_entry(const struct page_table *table, u64 *child)
{
	return table->memory->to_physical(table->memory, child) |
	       table->format->table(table->format);
}

void page_table_share(struct page_table *table, const struct page_table *origin, unsigned slot)
{
	u64 old, entry;
	bool own;

	if (table == origin || slot >= ENTRIES)
		return;
	old = entry_read(&table->root[slot]);
	entry = entry_read(&origin->root[slot]);
	own = !slot_is_shared(table, slot) && entry_is_table(table, old, TOP_LEVEL);
	if (!entry_is_table(origin, entry, TOP_LEVEL))
		return;
	entry_write(&table->root[slot], entry);
	table->shared_slots[slot / 64] |= BIT(slot % 64);
	if (own)
		subtree_free(table, entry_table(table, old), TOP_LEVEL - 1);
}

int page_table_reserve_slot(struct page_table *table, unsigned slot)
{
	u64 *child;

	if (slot >= ENTRIES)
		return -EINVAL;
	if (entry_is_table(table, entry_read(&table->root[slot]), TOP_LEVEL))
		return 0;
	child = table->memory->alloc(table->memory);
	if (!child)
		return -ENOMEM;
	entry_write(&table->root[slot], table_entry(table, child));
	return 0;
}

/* Fill `child` with what the leaf `entry` of `level` maps. */
static void leaf_split(const struct page_table *table, u64 *child, u64 entry, unsigned level)
{
	const struct page_table_format *format = table->format;
	u64 physical = entry_physical(table, entry, level);
	u64 bits =
		format->leaf(format, level - 1, format->access(entry), format->type(entry, level));

	for (unsigned i = 0; i < ENTRIES; i++)
		entry_write(&child[i], (physical + i * level_span(level - 1)) | bits);
}

static void entry_replace(struct change *change, u64 *entry, unsigned level, u64 value)
{
	const struct page_table *table = change->table;
	u64 old = entry_read(entry);

	if (old == value)
		return;
	entry_write(entry, value);
	if (!table->format->present(old))
		return;
	change->changed = true;
	if (!table->format->is_leaf(old, level))
		subtree_free(table, entry_table(table, old), level - 1);
}

/* Can [first, last] become one entry of this level? The tables below the root stay for sharers. */
static bool change_fits(const struct change *change, u64 old, unsigned level, u64 first, u64 last)
{
	u64 span = level_span(level);
	u64 physical = change->physical + (first - change->address);

	if (level == TOP_LEVEL || last - first != span - 1)
		return false;
	if (change->keep)
		return !entry_is_table(change->table, old, level);
	return !change->map ||
	       (change->table->format->leaf_sizes & span && is_aligned(physical, span));
}

/* Most leaves are of the same level as the one before. */
static u64 change_entry(struct change *change, unsigned level, u64 first)
{
	const struct page_table_format *format = change->table->format;

	if (!change->map)
		return 0;
	if (change->leaf_level != level) {
		change->leaf_bits = format->leaf(format, level, change->access, change->type);
		change->leaf_level = level;
	}
	return (change->physical + (first - change->address)) | change->leaf_bits;
}

static int change_level(struct change *change, u64 *entries, unsigned level, u64 first, u64 last);

/* Put a table in the place of nothing or of a leaf. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, 4 levels */
static int change_grow(struct change *change, u64 *entry, unsigned level, u64 first, u64 last)
{
	const struct page_table *table = change->table;
	u64 old = entry_read(entry);
	bool changed = change->changed;
	u64 *child = table->memory->alloc(table->memory);
	int error;

	if (!child)
		return -ENOMEM;
	if (table->format->present(old))
		leaf_split(table, child, old, level);
	error = change_level(change, child, level - 1, first, last);
	if (error) {
		subtree_free(table, child, level - 1);
		change->changed = changed;
		return error;
	}
	entry_replace(change, entry, level, table_entry(table, child));
	return 0;
}

/* `first` and `last`, the last byte, are within what `entry` covers. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, 4 levels */
static int change_at(struct change *change, u64 *entry, unsigned level, u64 first, u64 last)
{
	const struct page_table *table = change->table;
	u64 old = entry_read(entry);
	u64 *child;
	int error;

	if (change_fits(change, old, level, first, last)) {
		entry_replace(change, entry, level, change_entry(change, level, first));
		return 0;
	}
	if (!change->map && !table->format->present(old))
		return 0;
	if (!entry_is_table(table, old, level))
		return change_grow(change, entry, level, first, last);
	child = entry_table(table, old);
	error = change_level(change, child, level - 1, first, last);
	if (!change->map && !change->keep && level < TOP_LEVEL && table_is_empty(table, child))
		entry_replace(change, entry, level, 0);
	return error;
}

/* Files of guests have thousands of such pages: so without a look at each. */
static void pages_map(struct change *change, u64 *entries, u64 first, u64 last)
{
	u64 value = change_entry(change, 1, first);

	for (unsigned i = level_index(first, 1); i <= level_index(last, 1); i++) {
		entry_replace(change, &entries[i], 1, value);
		value += PAGE_SIZE;
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, 4 levels */
static int change_level(struct change *change, u64 *entries, unsigned level, u64 first, u64 last)
{
	if (level == 1 && change->map) {
		pages_map(change, entries, first, last);
		return 0;
	}
	for (;;) {
		u64 stop = MIN(first | (level_span(level) - 1), last);
		int error =
			change_at(change, &entries[level_index(first, level)], level, first, stop);

		if (error || stop == last)
			return error;
		first = stop + 1;
	}
}

static bool address_is_valid(const struct page_table *table, u64 address)
{
	u64 top = address >> (ADDRESS_BITS - 1);

	return table->format->canonical ? top == 0 || top == BITS(16, 0) : top <= 1;
}

/* `last` is the last byte. Canonical ranges may not cross from the lower to the upper half. */
static bool range_is_valid(const struct page_table *table, u64 first, u64 last)
{
	if (!is_aligned(first | (last + 1), PAGE_SIZE) || last < first ||
	    first >> 63 != last >> 63 || !address_is_valid(table, first) ||
	    !address_is_valid(table, last))
		return false;
	for (unsigned slot = level_index(first, TOP_LEVEL); slot <= level_index(last, TOP_LEVEL);
	     slot++) {
		if (slot_is_shared(table, slot))
			return false;
	}
	return true;
}

static bool type_is_valid(enum memory_type type)
{
	return type == MEMORY_UC || type == MEMORY_WC || type == MEMORY_WT || type == MEMORY_WP ||
	       type == MEMORY_WB;
}

static int change_run(struct change *change, u64 bytes, bool *changed)
{
	u64 last = change->address + bytes - 1;
	int error;

	*changed = false;
	if (!bytes)
		return 0;
	if (!range_is_valid(change->table, change->address, last))
		return -EINVAL;
	error = change_level(change, change->table->root, TOP_LEVEL, change->address, last);
	*changed = change->changed;
	return error;
}

int page_table_map(struct page_table *table, u64 address, u64 physical, u64 bytes, u32 access,
		   enum memory_type type, bool *changed)
{
	u64 reserved = ~(table->format->physical_mask | (PAGE_SIZE - 1));
	struct change change = {
		.table = table,
		.address = address,
		.physical = physical,
		.access = access,
		.type = type,
		.map = true,
	};

	*changed = false;
	if (!is_aligned(physical, PAGE_SIZE) || !type_is_valid(type) ||
	    !(access & (PAGE_READ | PAGE_WRITE | PAGE_EXECUTE)))
		return -EINVAL;
	if (bytes && (physical + (bytes - 1) < physical || (physical + (bytes - 1)) & reserved))
		return -EINVAL;
	return change_run(&change, bytes, changed);
}

int page_table_unmap(struct page_table *table, u64 address, u64 bytes, bool *changed)
{
	struct change change = {.table = table, .address = address};

	return change_run(&change, bytes, changed);
}

int page_table_hide(struct page_table *table, u64 address, u64 bytes, bool *changed)
{
	struct change change = {.table = table, .address = address, .keep = true};

	return change_run(&change, bytes, changed);
}

unsigned page_table_trace(const struct page_table *table, u64 address,
			  struct page_table_step steps[4])
{
	const struct page_table_format *format = table->format;
	u64 *entries = table->root;
	unsigned count = 0;

	if (!address_is_valid(table, address))
		return 0;
	for (unsigned level = TOP_LEVEL;; level--) {
		unsigned index = level_index(address, level);
		struct page_table_step *step = &steps[count++];
		u64 entry = entry_read(&entries[index]);

		*step = (struct page_table_step){
			.at = table->memory->to_physical(table->memory, entries) +
			      index * sizeof(u64),
			.entry = entry,
			.level = level,
			.present = format->present(entry),
			.leaf = format->present(entry) && format->is_leaf(entry, level),
		};
		if (!step->present || step->leaf)
			return count;
		entries = entry_table(table, entry);
	}
}

/* Of the first leaf at or above `address` below `entries`. Addresses are without their sign. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, 4 levels */
static bool leaf_find(const struct page_table *table, const u64 *entries, unsigned level, u64 base,
		      u64 address, struct page_table_leaf *leaf)
{
	const struct page_table_format *format = table->format;

	for (unsigned i = address > base ? level_index(address, level) : 0; i < ENTRIES; i++) {
		u64 at = base + i * level_span(level), entry = entry_read(&entries[i]);

		if (!format->present(entry))
			continue;
		if (!format->is_leaf(entry, level)) {
			if (leaf_find(table, entry_table(table, entry), level - 1, at, address,
				      leaf))
				return true;
			continue;
		}
		*leaf = (struct page_table_leaf){
			.address = at,
			.physical = entry_physical(table, entry, level),
			.bytes = level_span(level),
			.access = format->access(entry),
			.type = format->type(entry, level),
		};
		return true;
	}
	return false;
}

int page_table_next(const struct page_table *table, struct page_table_leaf *leaf)
{
	u64 mask = BIT(ADDRESS_BITS) - 1;
	u64 address = (leaf->address & mask) + leaf->bytes;

	if (address > mask || (!leaf->bytes && !address_is_valid(table, leaf->address)) ||
	    !leaf_find(table, table->root, TOP_LEVEL, 0, address, leaf))
		return -ENOENT;
	if (table->format->canonical && leaf->address >> (ADDRESS_BITS - 1))
		leaf->address |= ~mask;
	return 0;
}

int page_table_lookup(const struct page_table *table, u64 address, struct page_table_walk *walk)
{
	struct page_table_step steps[TOP_LEVEL], *last;
	unsigned count = page_table_trace(table, address, steps);

	if (!count || !steps[count - 1].leaf)
		return -ENOENT;
	last = &steps[count - 1];
	*walk = (struct page_table_walk){
		.physical = entry_physical(table, last->entry, last->level) |
			    (address & (level_span(last->level) - 1)),
		.entry = last->entry,
		.level = last->level,
		.access = table->format->access(last->entry),
	};
	return 0;
}

u64 page_table_count(const struct page_table *table)
{
	return subtree_count(table, table->root, TOP_LEVEL);
}
