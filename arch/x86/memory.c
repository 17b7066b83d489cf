/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's address space and the machine's pages.
 *
 * Until memory_init is done the loader's one-to-one tables are in force, so a page's linear address
 * is its physical one (linear_base == 0); afterwards it is in the direct map. Everything that page
 * tables need in between comes from one early region that the direct map starts with.
 */
#include "memory.h"

#include "instructions.h"
#include "mtrr.h"

#include <bulkhead/arch.h>
#include <bulkhead/cpu_state.h>
#include <bulkhead/error.h>
#include <bulkhead/log.h>
#include <bulkhead/spinlock.h>
#include <bulkhead/string.h>

extern char core_start[], core_rodata[], core_data[], core_end[];

/* Enough for the first tables of a machine with terabytes: they come from the early region. */
#define EARLY_BYTES   (4 * MIB)
#define RESERVE_PAGES 4
#define STACK_BYTES   (MEMORY_STACK_PAGES * PAGE_SIZE)

static struct page_pool pool;
static struct spinlock pool_lock;
static u64 guest_bytes; /* handed out to guests */
static u64 used_bytes[MEMORY_USES];
static struct heap heaps[MEMORY_USES]; /* of small objects; under the pool's lock */
static u64 linear_base;
static struct mtrr mtrrs;
static struct page_table_format host_format;
static struct page_table host_table;
static u64 host_root;
static struct spinlock table_lock; /* host_table, device registers and stacks */

/* Adopting a block may need a table while the zone is empty: these are put by for that. */
static void *table_reserve[RESERVE_PAGES];
static unsigned table_reserve_count;

static u64 stack_next = MEMORY_STACKS;
static u64 stack_free; /* top of the first free stack; the next one's is in its first word */
static u64 io_next = MEMORY_IO;

u64 memory_physical(const void *page)
{
	return (u64)page - linear_base;
}

void *memory_linear(u64 physical)
{
	return (void *)(physical + linear_base);
}

const void *memory_boot(u64 physical)
{
	return memory_linear(physical);
}

unsigned memory_order(u64 bytes)
{
	unsigned order = 0;

	while ((PAGE_SIZE << order) < bytes)
		order++;
	return order;
}

static void reserve_fill(void)
{
	while (table_reserve_count < RESERVE_PAGES) {
		u64 physical = page_pool_alloc(&pool, PAGE_ZONE_HYPERVISOR, 0, ~0UL);

		if (physical == PAGE_NONE)
			return;
		used_bytes[MEMORY_TABLES] += PAGE_SIZE;
		table_reserve[table_reserve_count] = memory_linear(physical);
		memset(table_reserve[table_reserve_count++], 0, PAGE_SIZE);
	}
}

static u64 pages_of(u64 bytes)
{
	return align_up(bytes, PAGE_SIZE) / PAGE_SIZE;
}

/* With the pool locked, as the next one; not cleared. */
static void *pages_take(enum memory_use use, u64 pages)
{
	u64 physical = page_pool_alloc_pages(&pool, PAGE_ZONE_HYPERVISOR, pages, ~0UL);

	if (table_reserve_count < RESERVE_PAGES)
		reserve_fill();
	if (physical == PAGE_NONE)
		return NULL;
	used_bytes[use] += pages * PAGE_SIZE;
	return memory_linear(physical);
}

static int pages_give(enum memory_use use, void *memory, u64 pages)
{
	int error =
		page_pool_free_pages(&pool, PAGE_ZONE_HYPERVISOR, memory_physical(memory), pages);

	if (!error)
		used_bytes[use] -= pages * PAGE_SIZE;
	return error;
}

static enum memory_use heap_use(const struct heap *heap)
{
	return (enum memory_use)(heap - heaps);
}

static void *heap_page_alloc(struct heap *heap)
{
	return pages_take(heap_use(heap), 1);
}

static void heap_page_free(struct heap *heap, void *page)
{
	if (pages_give(heap_use(heap), page, 1))
		panic("memory: page %p of small objects was not allocated", page);
}

static struct heap heaps[MEMORY_USES] = {
	[0 ... MEMORY_USES - 1] = {.page_alloc = heap_page_alloc, .page_free = heap_page_free},
};

void *memory_take(enum memory_use use, u64 bytes)
{
	u64 flags = spin_lock_irq(&pool_lock);
	void *memory = bytes <= HEAP_BYTES_MAX ? heap_alloc(&heaps[use], bytes)
					       : pages_take(use, pages_of(bytes));

	spin_unlock_irq(&pool_lock, flags);
	return memory ? memset(memory, 0, bytes) : NULL;
}

void memory_give(enum memory_use use, void *memory, u64 bytes)
{
	u64 flags;
	int error;

	if (!memory)
		return;
	flags = spin_lock_irq(&pool_lock);
	error = bytes <= HEAP_BYTES_MAX ? heap_free(&heaps[use], memory, bytes)
					: pages_give(use, memory, pages_of(bytes));
	spin_unlock_irq(&pool_lock, flags);
	if (error)
		panic("memory_give: %p of %lu bytes was not taken", memory, bytes);
}

u64 memory_guest_alloc(unsigned order)
{
	u64 flags = spin_lock_irq(&pool_lock);
	u64 physical = page_pool_alloc(&pool, PAGE_ZONE_GUEST, order, ~0UL);

	if (physical != PAGE_NONE)
		guest_bytes += PAGE_SIZE << order;
	spin_unlock_irq(&pool_lock, flags);
	return physical;
}

void memory_guest_free(u64 physical, unsigned order)
{
	u64 flags = spin_lock_irq(&pool_lock);
	int error = page_pool_free(&pool, PAGE_ZONE_GUEST, physical, order);

	if (!error)
		guest_bytes -= PAGE_SIZE << order;
	spin_unlock_irq(&pool_lock, flags);
	if (error)
		panic("memory_guest_free: %lx order %u was not allocated", physical, order);
}

void memory_usage(struct memory_usage *usage)
{
	u64 flags = spin_lock_irq(&pool_lock);

	usage->total_bytes = pool.total_bytes;
	usage->free_bytes = pool.free_bytes[PAGE_ZONE_GUEST];
	usage->hypervisor_bytes = usage->total_bytes - usage->free_bytes - guest_bytes;
	usage->spare_bytes = pool.free_bytes[PAGE_ZONE_HYPERVISOR];
	memcpy(usage->used_bytes, used_bytes, sizeof(used_bytes));
	spin_unlock_irq(&pool_lock, flags);
}

static void *tables_alloc(struct page_table_memory *memory unused)
{
	return memory_take(MEMORY_TABLES, PAGE_SIZE);
}

static void tables_free(struct page_table_memory *memory unused, void *page)
{
	memory_give(MEMORY_TABLES, page, PAGE_SIZE);
}

static u64 tables_to_physical(struct page_table_memory *memory unused, void *page)
{
	return memory_physical(page);
}

static void *tables_to_linear(struct page_table_memory *memory unused, u64 physical)
{
	return memory_linear(physical);
}

struct page_table_memory memory_tables = {
	.alloc = tables_alloc,
	.free = tables_free,
	.to_physical = tables_to_physical,
	.to_linear = tables_to_linear,
};

/* For changes made with the pool locked: tables come from the reserve. */
static void *reserve_alloc(struct page_table_memory *memory unused)
{
	return table_reserve_count ? table_reserve[--table_reserve_count] : NULL;
}

/* The pool is locked, so what is let go goes back to the reserve. */
static void reserve_free(struct page_table_memory *memory unused, void *page)
{
	assert(table_reserve_count < RESERVE_PAGES);
	memset(page, 0, PAGE_SIZE);
	table_reserve[table_reserve_count++] = page;
}

static struct page_table_memory reserve_tables = {
	.alloc = reserve_alloc,
	.free = reserve_free,
	.to_physical = tables_to_physical,
	.to_linear = tables_to_linear,
};

/* A block becomes the hypervisor's: let the direct map reach it. Only adds entries, so no CPU has
 * anything stale. The pool is locked. */
static int adopt(struct page_pool *from unused, u64 physical)
{
	struct page_table through_reserve = host_table;
	bool changed;

	through_reserve.memory = &reserve_tables;
	return page_table_map(&through_reserve, MEMORY_DIRECT + physical, physical, 2 * MIB,
			      PAGE_READ | PAGE_WRITE | PAGE_GLOBAL, MEMORY_WB, &changed);
}

static const struct boot_memory *memory_map_entry(const struct boot_info *info, u32 index)
{
	return (const struct boot_memory *)memory_boot(info->memory) + index;
}

static unsigned physical_bits(void)
{
	return cpuid(0x80000000, 0).eax >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
}

static u64 mtrrs_read_msr(void *context unused, u32 msr)
{
	return msr_read(msr);
}

/* Off means that all memory is uncached (SDM vol. 3, 12.11.2.1). No firmware leaves a real machine
 * like that; an emulated one has no caches. */
static void mtrrs_init(void)
{
	if (cpuid(1, 0).edx & BIT(12))
		mtrr_read(&mtrrs, mtrrs_read_msr, NULL, physical_bits());
	if (!mtrrs.enabled)
		log_warn("firmware left the MTRRs off: taking all RAM as write-back");
}

/* How many bytes from `base` to `end` on are of one type. */
static u64 ram_piece(u64 base, u64 end, enum memory_type *type)
{
	if (mtrrs.enabled)
		return mtrr_uniform(&mtrrs, base, end - base, type);
	*type = MEMORY_WB;
	return end - base;
}

static bool is_write_back(u64 base, u64 bytes)
{
	enum memory_type type;

	return ram_piece(base, base + bytes, &type) == bytes && type == MEMORY_WB;
}

/*
 * RAM for guests and the hypervisor: what the MTRRs make write-back. All mappings of RAM say
 * write-back, and for a guest that alone counts, as MTRRs have no say under EPT (SDM vol.
 * 3, 29.3.7.2). A page of another type would have one type for guests and another for the
 * hypervisor and devices, which the manual forbids (12.12.4), and what firmware keeps uncached it
 * has its reasons for.
 */
static void pool_add(u64 base, u64 end)
{
	while (base < end) {
		enum memory_type type;
		u64 bytes = ram_piece(base, end, &type);

		if (type == MEMORY_WB)
			page_pool_add(&pool, PAGE_ZONE_GUEST, base, bytes);
		else
			log_warn("%lu KiB of RAM at 0x%lx left out: its MTRR type is %d, needed is "
				 "%d (write-back)",
				 bytes / KIB, base, type, MEMORY_WB);
		base += bytes;
	}
}

/* The first 2 MiB-aligned usable range of `bytes` below 4 GiB (other CPUs start there in 32-bit
 * mode) and above 1 MiB. */
static u64 early_region(const struct boot_info *info, u64 bytes)
{
	for (u32 i = 0; i < info->memory_count; i++) {
		const struct boot_memory *m = memory_map_entry(info, i);
		u64 base = align_up(MAX(m->base, MIB), 2 * MIB);

		if (m->type == BOOT_MEMORY_USABLE && base + bytes <= m->base + m->bytes &&
		    base + bytes <= 4 * GIB && is_write_back(base, bytes))
			return base;
	}
	panic("no usable memory of %lu KiB in one piece below 4 GiB", bytes / KIB);
}

static void must_map(u64 address, u64 physical, u64 bytes, u32 access, enum memory_type type)
{
	bool changed;

	if (page_table_map(&host_table, address, physical, align_up(bytes, PAGE_SIZE), access, type,
			   &changed))
		panic("no memory for the hypervisor's page tables");
}

static void map_image(u64 core_base)
{
	const struct {
		const char *from, *to;
		u32 access;
	} parts[] = {
		{core_start, core_rodata, PAGE_READ | PAGE_EXECUTE},
		{core_rodata, core_data, PAGE_READ},
		{core_data, core_end, PAGE_READ | PAGE_WRITE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		must_map((u64)parts[i].from, core_base + (u64)(parts[i].from - core_start),
			 (u64)(parts[i].to - parts[i].from), parts[i].access | PAGE_GLOBAL,
			 MEMORY_WB);
}

/* What the loader prepared, read-only; guests' files stay out of the hypervisor's own view. */
static void map_boot_information(const struct boot_info *info)
{
	const struct boot_file *files = memory_boot(info->files);
	bool changed;

	for (u32 i = 0; i < info->memory_count; i++) {
		const struct boot_memory *m = memory_map_entry(info, i);

		if (m->type == BOOT_MEMORY_BULKHEAD)
			must_map(MEMORY_DIRECT + m->base, m->base, m->bytes,
				 PAGE_READ | PAGE_GLOBAL, MEMORY_WB);
	}
	for (u32 i = 0; i < info->file_count; i++)
		if (page_table_unmap(&host_table, MEMORY_DIRECT + files[i].base,
				     align_up(files[i].bytes, PAGE_SIZE), &changed))
			panic("no memory for the hypervisor's page tables");
}

static void host_format_init(void)
{
	u32 highest = cpuid(0x80000000, 0).eax;
	u32 features = highest >= 0x80000001 ? cpuid(0x80000001, 0).edx : 0;

	page_table_format_host(&host_format, physical_bits(), features & BIT(26),
			       features & BIT(20));
}

static u64 memory_end(const struct boot_info *info)
{
	u64 end = 0;

	for (u32 i = 0; i < info->memory_count; i++) {
		const struct boot_memory *m = memory_map_entry(info, i);

		if (m->type == BOOT_MEMORY_USABLE || m->type == BOOT_MEMORY_LOADER)
			end = MAX(end, m->base + m->bytes);
	}
	return end;
}

/* Everything usable to the pool, apart from the early region and the first page, which stays free
 * for nobody so that a physical address of 0 never names a page. */
static void pool_fill(const struct boot_info *info, u64 early, u64 early_end)
{
	for (u32 i = 0; i < info->memory_count; i++) {
		const struct boot_memory *m = memory_map_entry(info, i);
		u64 base = MAX(m->base, PAGE_SIZE), end = m->base + m->bytes;

		if (m->type != BOOT_MEMORY_USABLE || base >= end)
			continue;
		if (early < base || early >= end) {
			pool_add(base, end);
			continue;
		}
		if (base < early)
			pool_add(base, early);
		if (early_end < end)
			pool_add(early_end, end);
	}
}

void memory_init(const struct boot_info *info)
{
	u64 pages = align_up(memory_end(info), PAGE_SIZE) / PAGE_SIZE;
	u64 meta_bytes = align_up(page_pool_meta_bytes(pages), PAGE_SIZE);
	u64 early_bytes = align_up(meta_bytes + EARLY_BYTES, 2 * MIB);
	u64 early;

	mtrrs_init();
	early = early_region(info, early_bytes);
	host_format_init();
	page_pool_init(&pool, memory_linear(early), 0, pages);
	page_pool_add(&pool, PAGE_ZONE_HYPERVISOR, early + meta_bytes, early_bytes - meta_bytes);
	if (page_table_init(&host_table, &host_format, &memory_tables))
		panic("no memory for the hypervisor's page tables");
	for (unsigned slot = 256; slot < 259; slot++)
		if (page_table_reserve_slot(&host_table, slot))
			panic("no memory for the hypervisor's page tables");
	map_image(info->core_base);
	must_map(MEMORY_DIRECT + early, early, early_bytes, PAGE_READ | PAGE_WRITE | PAGE_GLOBAL,
		 MEMORY_WB);
	map_boot_information(info);
	host_root = memory_physical(host_table.root);

	msr_write(IA32_PAT, PAT_VALUE);
	cr4_write(cr4_read() & ~CR4_PGE); /* the loader's or firmware's global entries go */
	cr3_write(host_root);
	cr4_write(cr4_read() | CR4_PGE);
	linear_base = MEMORY_DIRECT;
	pool.meta = (void *)((u64)pool.meta + MEMORY_DIRECT);
	host_table.root = (void *)((u64)host_table.root + MEMORY_DIRECT);

	reserve_fill();
	pool.adopt = adopt;
	pool_fill(memory_linear((u64)info), early, early + early_bytes);
}

void memory_release_loader(const struct boot_info *info)
{
	for (u32 i = 0; i < info->memory_count; i++) {
		const struct boot_memory *m = memory_map_entry(info, i);

		if (m->type == BOOT_MEMORY_LOADER)
			pool_add(MAX(m->base, PAGE_SIZE), m->base + m->bytes);
	}
}

u64 memory_root(void)
{
	return host_root;
}

u64 memory_trampoline_root(u64 page)
{
	static struct page_table table;
	bool changed;

	if (!table.root) {
		if (page_table_init(&table, &host_format, &memory_tables))
			return 0;
		for (unsigned slot = 256; slot < 512; slot++)
			if (host_table.root[slot])
				page_table_share(&table, &host_table, slot);
	}
	if (page_table_map(&table, page, page, PAGE_SIZE, PAGE_READ | PAGE_EXECUTE, MEMORY_WB,
			   &changed))
		return 0;
	return memory_physical(table.root) < 4 * GIB ? memory_physical(table.root) : 0;
}

void *memory_map_io(u64 physical, u64 bytes, u32 access, enum memory_type type)
{
	u64 offset = physical & (PAGE_SIZE - 1);
	u64 size = align_up(bytes + offset, PAGE_SIZE);
	u64 flags = spin_lock_irq(&table_lock);
	u64 address = io_next;
	bool changed;
	int error = page_table_map(&host_table, address, physical - offset, size,
				   access | PAGE_GLOBAL, type, &changed);

	if (!error)
		io_next += size;
	spin_unlock_irq(&table_lock, flags);
	return error ? NULL : (void *)(address + offset);
}

/* A fresh stack: the lowest page of its stride stays unmapped, so that running over faults. */
static u64 stack_map(void)
{
	u64 top = stack_next + MEMORY_STACK_STRIDE;
	void *pages = memory_take(MEMORY_OTHER, STACK_BYTES);
	bool changed;

	if (!pages)
		return 0;
	if (page_table_map(&host_table, top - STACK_BYTES, memory_physical(pages), STACK_BYTES,
			   PAGE_READ | PAGE_WRITE | PAGE_GLOBAL, MEMORY_WB, &changed)) {
		/* What is mapped of them nobody uses: the next stack's take its place. */
		memory_give(MEMORY_OTHER, pages, STACK_BYTES);
		return 0;
	}
	stack_next += MEMORY_STACK_STRIDE;
	return top;
}

u64 memory_stack_alloc(void)
{
	u64 flags = spin_lock_irq(&table_lock);
	u64 top = stack_free;

	if (top)
		stack_free = *(u64 *)(top - sizeof(u64));
	else
		top = stack_map();
	spin_unlock_irq(&table_lock, flags);
	return top;
}

void memory_stack_free(u64 top)
{
	u64 flags = spin_lock_irq(&table_lock);

	*(u64 *)(top - sizeof(u64)) = stack_free;
	stack_free = top;
	spin_unlock_irq(&table_lock, flags);
}

int memory_table_init(struct page_table *table)
{
	int error = page_table_init(table, &host_format, &memory_tables);

	if (error)
		return error;
	for (unsigned slot = 256; slot < 259; slot++)
		page_table_share(table, &host_table, slot);
	page_table_share(table, &host_table, 511);
	return 0;
}

void memory_forget(const void *at)
{
	tlb_flush_page((u64)at);
}
