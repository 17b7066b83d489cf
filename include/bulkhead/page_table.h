/* SPDX-License-Identifier: MIT */
/*
 * One engine for every tree of 4-level tables: host page tables, EPT and (later) VT-d. Formats
 * differ in a few bits, which struct page_table_format holds; the walking, splitting and freeing is
 * the same.
 *
 * Not locked: the owner of a tree serialises changes. But a change that neither takes nor frees a
 * table writes leaves of its range only, so such changes of ranges that do not overlap may be made
 * at the same time.
 *
 * Changing a live tree is safe towards the CPUs that walk it (entries are written whole, and a new
 * table is filled before it is linked), but stale TLB entries are the caller's to invalidate: every
 * call says through `changed` whether a present entry was altered or removed.
 */
#pragma once

#include <bulkhead/types.h>

/* What a mapping allows. Formats translate. */
#define PAGE_READ    1u
#define PAGE_WRITE   2u
#define PAGE_EXECUTE 4u
#define PAGE_USER    8u	 /* host tables: reachable from CPL 3 */
#define PAGE_GLOBAL  16u /* host tables: survives a CR3 load */
/* Second-level tables: the type is the one here, whatever the guest's own tables ask for. */
#define PAGE_FIXED_TYPE 32u

/* Memory types by their PAT/MTRR/EPT number (SDM vol. 3, table 12-2). */
enum memory_type {
	MEMORY_UC = 0,
	MEMORY_WC = 1,
	MEMORY_WT = 4,
	MEMORY_WP = 5,
	MEMORY_WB = 6,
};

/* Sizes of leaves as bits, for page_table_format.leaf_sizes. */
#define PAGE_SIZES_4K BIT(12)
#define PAGE_SIZES_2M BIT(21)
#define PAGE_SIZES_1G BIT(30)

struct page_table_format {
	const char *name;
	u64 leaf_sizes;	   /* which leaves the CPU can use; 4K always, 1G only together with 2M */
	u64 physical_mask; /* bits of an entry that hold an address: BITS(maxphyaddr - 1, 12) */
	bool canonical;	   /* bits 63:48 of an address repeat bit 47 (host); else they are 0 */
	u64 (*leaf)(const struct page_table_format *format, unsigned level, u32 access,
		    enum memory_type type); /* entry bits besides the address; level 1 = 4K, 2 = 2M,
					       3 = 1G */
	u64 (*table)(const struct page_table_format *format); /* entry bits of a non-leaf */
	bool (*present)(u64 entry);
	bool (*is_leaf)(u64 entry, unsigned level);
	u32 (*access)(u64 entry);			     /* PAGE_* that the leaf allows */
	enum memory_type (*type)(u64 entry, unsigned level); /* of a leaf: splitting keeps it */
};

/* Formats are built at boot from what the CPU can do. */
void page_table_format_host(struct page_table_format *format, unsigned physical_bits,
			    bool gigabyte_pages, bool no_execute);
void page_table_format_ept(struct page_table_format *format, unsigned physical_bits,
			   bool gigabyte_pages, bool large_pages);

/*
 * Where tables come from. `alloc` returns the linear address of a zeroed 4 KiB page or NULL. `free`
 * is called after the table was unlinked but before the caller could invalidate: where a CPU may be
 * walking the tree, `free` must keep the page aside, unwritten, until that was done (SDM vol. 3,
 * section 4.10.3: CPUs cache the entries that link tables).
 */
struct page_table_memory {
	void *(*alloc)(struct page_table_memory *memory);
	void (*free)(struct page_table_memory *memory, void *page);
	u64 (*to_physical)(struct page_table_memory *memory, void *page);
	void *(*to_linear)(struct page_table_memory *memory, u64 physical);
};

struct page_table {
	const struct page_table_format *format;
	struct page_table_memory *memory;
	u64 *root;	     /* linear address of the top table */
	u64 shared_slots[8]; /* bitmap of top entries whose subtrees belong to another tree: never
			      * freed, never changed through this one */
};

int page_table_init(struct page_table *table, const struct page_table_format *format,
		    struct page_table_memory *memory) must_check;

/* Free every table of the tree except shared subtrees. What the leaves map to is not freed. */
void page_table_destroy(struct page_table *table);

/* Let top entry `slot` (0 to 511) of `table` be that of `origin`, which must have a table there
 * already. The subtree stays `origin`'s; what `table` had there of its own is freed. */
void page_table_share(struct page_table *table, const struct page_table *origin, unsigned slot);

/* Make sure that the top entry has a (possibly empty) table, so that it can be shared. */
int page_table_reserve_slot(struct page_table *table, unsigned slot) must_check;

/*
 * Map [address, address + bytes) to physical memory from `physical` on with the largest leaves that
 * alignment and format allow. All multiples of 4 KiB. What was mapped there before is replaced,
 * larger leaves are split where they stick out. On -ENOMEM the range may be partly mapped, never
 * wrongly mapped: every page of it is as it was or as asked for. -EINVAL, and nothing is changed,
 * for what is not a multiple of 4 KiB or outside the address space or physical_mask, no right at
 * all (of read, write, execute) and ranges that touch a shared slot. Write and execute imply read.
 */
int page_table_map(struct page_table *table, u64 address, u64 physical, u64 bytes, u32 access,
		   enum memory_type type, bool *changed) must_check;

/* Remove all mappings of the range; splits larger leaves where they stick out; frees empty tables,
 * except those that top entries link, as other trees may share them. Fails like page_table_map. */
int page_table_unmap(struct page_table *table, u64 address, u64 bytes, bool *changed) must_check;

/*
 * The same, but every table stays where it is, as those that split a leaf for this do. So a live
 * tree may be changed like that, and mapping the range again as it was takes no memory and frees
 * none: page_table_map cannot fail then.
 */
int page_table_hide(struct page_table *table, u64 address, u64 bytes, bool *changed) must_check;

struct page_table_walk {
	u64 physical;	/* of `address` itself */
	u64 entry;	/* the leaf, raw */
	unsigned level; /* 1, 2 or 3 */
	u32 access;
};

/* -ENOENT when nothing is mapped there. */
int page_table_lookup(const struct page_table *table, u64 address,
		      struct page_table_walk *walk) must_check;

/* The entries that a CPU reads for `address`, from the top: how many. The last one is a leaf or not
 * present. 0: the address is outside of the address space. */
struct page_table_step {
	u64 at;	   /* physical address of the entry */
	u64 entry; /* raw */
	unsigned level;
	bool present, leaf;
};
unsigned page_table_trace(const struct page_table *table, u64 address,
			  struct page_table_step steps[4]) must_check;

struct page_table_leaf {
	u64 address, physical, bytes;
	u32 access;
	enum memory_type type;
};

/*
 * The leaf behind *leaf, in order of address, or when leaf->bytes is 0 the first one that ends
 * above leaf->address; shared subtrees too. -ENOENT when there is none. The tree may not lose
 * tables meanwhile.
 */
int page_table_next(const struct page_table *table, struct page_table_leaf *leaf) must_check;

/* Number of tables in the tree, shared subtrees not counted: for meters and leak tests. */
u64 page_table_count(const struct page_table *table);
