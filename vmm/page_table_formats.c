/* SPDX-License-Identifier: MIT */
/* The entries of host page tables (SDM vol. 3, section 4.5) and of EPT (SDM vol. 3,
 * section 29.3.2). */
#include <bulkhead/page_table.h>

#define HOST_PRESENT	BIT(0)
#define HOST_WRITE	BIT(1)
#define HOST_USER	BIT(2)
#define HOST_PWT	BIT(3)
#define HOST_PCD	BIT(4)
#define HOST_PAT_4K	BIT(7)
#define HOST_LARGE	BIT(7)
#define HOST_GLOBAL	BIT(8)
#define HOST_PAT_LARGE	BIT(12)
#define HOST_NO_EXECUTE BIT(63)

#define EPT_READ       BIT(0)
#define EPT_WRITE      BIT(1)
#define EPT_EXECUTE    BIT(2)
#define EPT_TYPE_SHIFT 3
#define EPT_TYPE_MASK  BITS(5, 3)
#define EPT_IGNORE_PAT BIT(6)
#define EPT_LARGE      BIT(7)

#define PHYSICAL_BITS_MAX 52

static u64 physical_mask(unsigned physical_bits)
{
	return BITS(MIN(physical_bits, PHYSICAL_BITS_MAX) - 1, PAGE_SHIFT);
}

/* Indices into IA32_PAT as the hypervisor programs it: WB WT UC- UC WB WP UC- WC. */
static unsigned host_pat_index(enum memory_type type)
{
	switch (type) {
	case MEMORY_WB:
		return 0;
	case MEMORY_WT:
		return 1;
	case MEMORY_WP:
		return 5;
	case MEMORY_WC:
		return 7;
	case MEMORY_UC:
		break;
	}
	return 3;
}

static u64 host_type_bits(enum memory_type type, unsigned level)
{
	unsigned index = host_pat_index(type);
	u64 pat = level == 1 ? HOST_PAT_4K : HOST_PAT_LARGE;

	return (index & 1 ? HOST_PWT : 0) | (index & 2 ? HOST_PCD : 0) | (index & 4 ? pat : 0);
}

static enum memory_type host_type(u64 entry, unsigned level)
{
	static const enum memory_type pat[8] = {
		MEMORY_WB, MEMORY_WT, MEMORY_UC, MEMORY_UC,
		MEMORY_WB, MEMORY_WP, MEMORY_UC, MEMORY_WC,
	};
	u64 high = level == 1 ? HOST_PAT_4K : HOST_PAT_LARGE;

	return pat[(entry & HOST_PWT ? 1 : 0) | (entry & HOST_PCD ? 2 : 0) |
		   (entry & high ? 4 : 0)];
}

/* For CPUs without the execute-disable bit, where bit 63 is reserved: all is executable. */
static u64 host_leaf_executable(unused const struct page_table_format *format, unsigned level,
				u32 access, enum memory_type type)
{
	return HOST_PRESENT | host_type_bits(type, level) | (level > 1 ? HOST_LARGE : 0) |
	       (access & PAGE_WRITE ? HOST_WRITE : 0) | (access & PAGE_USER ? HOST_USER : 0) |
	       (access & PAGE_GLOBAL ? HOST_GLOBAL : 0);
}

static u64 host_leaf(const struct page_table_format *format, unsigned level, u32 access,
		     enum memory_type type)
{
	return host_leaf_executable(format, level, access, type) |
	       (access & PAGE_EXECUTE ? 0 : HOST_NO_EXECUTE);
}

/* Rights are those that all levels allow: leaves decide, tables allow everything. */
static u64 host_table(unused const struct page_table_format *format)
{
	return HOST_PRESENT | HOST_WRITE | HOST_USER;
}

static bool host_present(u64 entry)
{
	return entry & HOST_PRESENT;
}

static bool host_is_leaf(u64 entry, unsigned level)
{
	return level == 1 || (level <= 3 && entry & HOST_LARGE);
}

static u32 host_access(u64 entry)
{
	return PAGE_READ | (entry & HOST_WRITE ? PAGE_WRITE : 0) |
	       (entry & HOST_NO_EXECUTE ? 0 : PAGE_EXECUTE) | (entry & HOST_USER ? PAGE_USER : 0) |
	       (entry & HOST_GLOBAL ? PAGE_GLOBAL : 0);
}

void page_table_format_host(struct page_table_format *format, unsigned physical_bits,
			    bool gigabyte_pages, bool no_execute)
{
	*format = (struct page_table_format){
		.name = "host",
		.leaf_sizes = PAGE_SIZES_4K | PAGE_SIZES_2M | (gigabyte_pages ? PAGE_SIZES_1G : 0),
		.physical_mask = physical_mask(physical_bits),
		.canonical = true,
		.leaf = no_execute ? host_leaf : host_leaf_executable,
		.table = host_table,
		.present = host_present,
		.is_leaf = host_is_leaf,
		.access = host_access,
		.type = host_type,
	};
}

/*
 * Writable but not readable is a misconfiguration (SDM vol. 3, section 29.3.3.1), and so is
 * executable but not readable on CPUs without execute-only translations, hence on none here.
 */
static u64 ept_leaf(unused const struct page_table_format *format, unsigned level, u32 access,
		    enum memory_type type)
{
	u64 rights = (access & (PAGE_READ | PAGE_WRITE | PAGE_EXECUTE) ? EPT_READ : 0) |
		     (access & PAGE_WRITE ? EPT_WRITE : 0) |
		     (access & PAGE_EXECUTE ? EPT_EXECUTE : 0);

	return rights | (u64)type << EPT_TYPE_SHIFT | (level > 1 ? EPT_LARGE : 0) |
	       (access & PAGE_FIXED_TYPE ? EPT_IGNORE_PAT : 0);
}

static u64 ept_table(unused const struct page_table_format *format)
{
	return EPT_READ | EPT_WRITE | EPT_EXECUTE;
}

static bool ept_present(u64 entry)
{
	return entry & (EPT_READ | EPT_WRITE | EPT_EXECUTE);
}

static bool ept_is_leaf(u64 entry, unsigned level)
{
	return level == 1 || (level <= 3 && entry & EPT_LARGE);
}

static u32 ept_access(u64 entry)
{
	return (entry & EPT_READ ? PAGE_READ : 0) | (entry & EPT_WRITE ? PAGE_WRITE : 0) |
	       (entry & EPT_EXECUTE ? PAGE_EXECUTE : 0) |
	       (entry & EPT_IGNORE_PAT ? PAGE_FIXED_TYPE : 0);
}

static enum memory_type ept_type(u64 entry, unused unsigned level)
{
	return (enum memory_type)((entry & EPT_TYPE_MASK) >> EPT_TYPE_SHIFT);
}

void page_table_format_ept(struct page_table_format *format, unsigned physical_bits,
			   bool gigabyte_pages, bool large_pages)
{
	*format = (struct page_table_format){
		.name = "EPT",
		.leaf_sizes = PAGE_SIZES_4K | (large_pages ? PAGE_SIZES_2M : 0) |
			      (large_pages && gigabyte_pages ? PAGE_SIZES_1G : 0),
		.physical_mask = physical_mask(physical_bits),
		.leaf = ept_leaf,
		.table = ept_table,
		.present = ept_present,
		.is_leaf = ept_is_leaf,
		.access = ept_access,
		.type = ept_type,
	};
}
