/* SPDX-License-Identifier: MIT */
/* The test-only loader, from the first 64-bit instruction to the core's. */
#include "tests/stub/stub.h"

#define COM1		0x3f8
#define POWER_PORT	0x8900 /* Bochs: the text "Shutdown" written here ends the run with status 1 */
#define TRAMPOLINE_PAGE 0x70000
#define STACK_BYTES	(64 * KIB)
#define LARGE_PAGE	(2 * MIB)

extern const struct e820_entry stub_e820[];
extern const u32 stub_e820_count;
extern u8 stub_end[];

void stub_main(void);
void *memcpy(void *restrict destination, const void *restrict source, size_t bytes);
void *memset(void *destination, int value, size_t bytes);

/* Emulators run a string instruction at one step per element: eight bytes each where possible. */
void *memcpy(void *restrict destination, const void *restrict source, size_t bytes)
{
	void *to = destination;
	size_t words = bytes / 8, rest = bytes % 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(source), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(source), "+c"(rest) : : "memory");
	return destination;
}

void *memset(void *destination, int value, size_t bytes)
{
	void *to = destination;
	size_t words = bytes / 8, rest = bytes % 8;
	u64 pattern = 0x0101010101010101ULL * (u8)value;

	__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
	return destination;
}

static void serial_init(void)
{
	port_write8(COM1 + 1, 0);
	port_write8(COM1 + 3, 0x80);
	port_write8(COM1 + 0, 1);
	port_write8(COM1 + 1, 0);
	port_write8(COM1 + 3, 3); /* 115200 baud, 8N1 */
}

static void serial_text(const char *text)
{
	for (; *text; text++) {
		while (!(port_read8(COM1 + 5) & 0x20))
			;
		port_write8(COM1, (u8)*text);
	}
}

static void serial_hex(u64 value)
{
	char text[17];
	char *at = text + 16;

	*at = 0;
	do {
		*--at = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value);
	serial_text("0x");
	serial_text(at);
}

noreturn void stub_fail(const char *what, const char *value_name, u64 value)
{
	serial_init();
	serial_text("stub: ");
	serial_text(what);
	serial_text(" (");
	serial_text(value_name);
	serial_text(" ");
	serial_hex(value);
	serial_text(")\r\n");
	while (!(port_read8(COM1 + 5) & 0x40)) /* what is still in the UART would be lost */
		;
	for (const char *at = "Shutdown"; *at; at++)
		port_write8(POWER_PORT, (u8)*at);
	for (;;)
		__asm__ volatile("cli; hlt");
}

/*
 * Bochs loads the file into its own memory in one piece, but gives guests that memory in blocks of
 * 128 KiB as they touch them: addresses behind the first block show the file's blocks only in the
 * order in which they are touched, and what the BIOS touched is gone. So the file begins with
 * padding for that, and the bundle is looked for, and all of it touched, block by block before
 * anything else is.
 */
static const struct bundle *bundle_find(const struct hand_over *out)
{
	for (u64 at = BUNDLE_ADDRESS; at < BUNDLE_ADDRESS + BUNDLE_PADDING_MAX;
	     at += BUNDLE_BLOCK) {
		const struct bundle *bundle = (const void *)at;

		if (!memory_is(out, at, BUNDLE_BLOCK, BOOT_MEMORY_USABLE))
			stub_fail("the machine has no memory where the bundle should be; give it "
				  "more",
				  "address", at);
		if (*(const volatile u64 *)&bundle->magic != BUNDLE_MAGIC)
			continue;
		if (!memory_is(out, at, bundle->bytes, BOOT_MEMORY_USABLE))
			stub_fail("the bundle sticks out of memory; give the machine more", "bytes",
				  bundle->bytes);
		for (u64 block = 0; block < bundle->bytes; block += BUNDLE_BLOCK)
			(void)*(const volatile u8 *)(at + block);
		return bundle;
	}
	stub_fail("the emulator has put no bundle into memory", "expected from", BUNDLE_ADDRESS);
}

static const struct bundle_entry *bundle_entry_find(const struct bundle *bundle, u32 kind)
{
	for (u32 i = 0; i < bundle->entry_count; i++)
		if (bundle->entries[i].kind == kind)
			return &bundle->entries[i];
	stub_fail("the bundle has no core (1) or no configuration (2)", "missing kind", kind);
}

/* Memory for the hand-over comes from behind the bundle. */
static u64 place(struct hand_over *out, u64 *next, u64 bytes, u64 alignment, u32 type)
{
	u64 base = align_up(*next, alignment);

	bytes = align_up(bytes, PAGE_SIZE);
	if (!memory_is(out, base, bytes, BOOT_MEMORY_USABLE))
		stub_fail("not enough memory behind the bundle; give the machine more",
			  "needed up to", base + bytes);
	memory_set(out, base, bytes, type);
	*next = base + bytes;
	return base;
}

static void core_check(const struct core_header *header, u64 bytes)
{
	if (bytes < sizeof(*header) || header->magic != CORE_MAGIC)
		stub_fail("the bundle's core does not begin with a core's header", "magic",
			  header->magic);
	if (header->file_bytes > bytes || header->memory_bytes < header->file_bytes)
		stub_fail("the core is not as long as its header says", "bytes", bytes);
	if (header->link_address < 0xffffffff80000000ULL || header->link_address % LARGE_PAGE)
		stub_fail("the core's link address is not 2 MiB-aligned in the top 2 GiB",
			  "address", header->link_address);
}

static u64 core_place(struct hand_over *out, u64 *next, const struct core_header *header)
{
	u64 base = place(out, next, header->memory_bytes, LARGE_PAGE, BOOT_MEMORY_BULKHEAD);

	memcpy((void *)base, header, header->file_bytes);
	memset((void *)(base + header->file_bytes), 0, header->memory_bytes - header->file_bytes);
	return base;
}

/*
 * RAM and the first 4 GiB one to one, and room for one GiB at the core's link address, in one run
 * of pages: PML4, low and high PDPT, the core's two page directories, the identity map's.
 */
static u64 *tables_make(struct hand_over *out, u64 *next)
{
	u64 gib = align_up(MAX(memory_end(out), 4 * GIB), GIB) / GIB;
	u64 *tables;
	u64 base;

	if (gib > 512)
		stub_fail("the stub maps no more memory than 512 GiB", "GiB", gib);
	base = place(out, next, (5 + gib) * PAGE_SIZE, PAGE_SIZE, BOOT_MEMORY_LOADER);
	tables = (u64 *)base;
	memset(tables, 0, 5 * PAGE_SIZE);
	tables[0] = (base + PAGE_SIZE) | 3;
	tables[511] = (base + 2 * PAGE_SIZE) | 3;
	tables[2 * 512 + 510] = (base + 3 * PAGE_SIZE) | 3;
	tables[2 * 512 + 511] = (base + 4 * PAGE_SIZE) | 3;
	for (u64 i = 0; i < gib; i++)
		tables[512 + i] = (base + (5 + i) * PAGE_SIZE) | 3;
	for (u64 i = 0; i < gib * 512UL; i++)
		tables[5 * 512 + i] = i * LARGE_PAGE | 0x83;
	__asm__ volatile("mov %0, %%cr3" : : "r"(base) : "memory");
	return tables;
}

static void core_map(u64 *tables, u64 link_address, u64 base, u64 bytes)
{
	u64 *directories = tables + 3UL * 512;
	u64 first = (link_address - 0xffffffff80000000ULL) / LARGE_PAGE;

	for (u64 i = 0; i * LARGE_PAGE < bytes; i++)
		directories[first + i] = (base + i * LARGE_PAGE) | 0x83;
}

static void files_list(struct hand_over *out, const struct bundle *bundle)
{
	for (u32 i = 0; i < bundle->entry_count; i++) {
		const struct bundle_entry *entry = &bundle->entries[i];

		if (entry->kind != BUNDLE_FILE)
			continue;
		if (out->info.file_count == FILE_ROOM)
			stub_fail("more files than there is room for", "room", FILE_ROOM);
		out->files[out->info.file_count++] = (struct boot_file){
			.name = (u64)bundle + entry->name_offset,
			.base = (u64)bundle + entry->offset,
			.bytes = entry->bytes,
		};
	}
}

static void info_fill(struct hand_over *out, const struct bundle *bundle)
{
	const struct bundle_entry *config = bundle_entry_find(bundle, BUNDLE_CONFIG);
	struct boot_info *info = &out->info;

	info->magic = BOOT_MAGIC;
	info->version = BOOT_VERSION;
	info->bytes = sizeof(*info);
	info->memory = (u64)out->memory;
	info->cpus = (u64)out->cpus;
	info->ioapics = (u64)out->ioapics;
	info->irq_overrides = (u64)out->irq_overrides;
	info->files = (u64)out->files;
	info->config = (u64)bundle + config->offset;
	info->config_bytes = config->bytes;
	info->config_name = (u64)bundle + config->name_offset;
	info->trampoline_page = TRAMPOLINE_PAGE;
	info->unix_time_s = firmware_time_s();
	memcpy(info->firmware, "legacy BIOS, test loader", sizeof("legacy BIOS, test loader"));
}

static noreturn void core_enter(u64 entry, const struct boot_info *info, u64 stack_end)
{
	__asm__ volatile("mov %2, %%rsp\n\t"
			 "push $0\n\t" /* the return address that a function's entry has */
			 "xor %%ebp, %%ebp\n\t"
			 "cld\n\t"
			 "jmp *%0"
			 :
			 : "r"(entry), "D"(info), "r"(stack_end)
			 : "memory");
	__builtin_unreachable();
}

/* Grown here, as it is needed to find out where it can be, and then moved behind the bundle. */
static struct hand_over scratch;

void stub_main(void)
{
	const struct bundle *bundle;
	const struct bundle_entry *core;
	const struct core_header *header;
	struct hand_over *out = &scratch;
	u64 next, stack, final;
	u64 *tables;

	memory_from_e820(out, stub_e820, stub_e820_count);
	bundle = bundle_find(out);
	core = bundle_entry_find(bundle, BUNDLE_CORE);
	header = (const void *)((u64)bundle + core->offset);
	core_check(header, core->bytes);
	next = (u64)bundle + bundle->bytes;

	tables = tables_make(out, &next);
	out->info.core_base = core_place(out, &next, header);
	core_map(tables, header->link_address, out->info.core_base, header->memory_bytes);
	final = place(out, &next, sizeof(*out), PAGE_SIZE, BOOT_MEMORY_BULKHEAD);
	stack = place(out, &next, STACK_BYTES, PAGE_SIZE, BOOT_MEMORY_LOADER);
	/* All of it stays, the original of the core too: after a reset it is needed again. */
	memory_set(out, (u64)bundle, bundle->bytes, BOOT_MEMORY_BULKHEAD);
	memory_set(out, align_down(0x7c00, PAGE_SIZE),
		   (u64)stub_end - align_down(0x7c00, PAGE_SIZE), BOOT_MEMORY_LOADER);
	memory_set(out, TRAMPOLINE_PAGE, PAGE_SIZE, BOOT_MEMORY_BULKHEAD);

	memcpy((void *) final, out, sizeof(*out));
	out = (struct hand_over *) final;
	firmware_tables(out);
	files_list(out, bundle);
	info_fill(out, bundle);
	core_enter(header->entry, &out->info, stack + STACK_BYTES);
}
