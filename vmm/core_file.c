/* SPDX-License-Identifier: MIT */
/*
 * ELF core files: System V ABI, x86-64 supplement (header, program headers, notes); Linux,
 * include/uapi/linux/elfcore.h (struct elf_prstatus, struct elf_prpsinfo); QEMU,
 * docs of dump-guest-memory (the note called "QEMU").
 */
#include <bulkhead/core_file.h>

#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/string.h>

#define ET_CORE	     4
#define EM_X86_64    62
#define PT_LOAD	     1
#define PT_NOTE	     4
#define SEGMENT_RWX  7
#define NT_PRSTATUS  1
#define NT_PRPSINFO  3
#define QEMU_VERSION 1
#define NO_SYSCALL   (~0UL)

struct elf_header {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, program_headers, section_headers;
	u32 flags;
	u16 header_bytes, program_header_bytes, program_header_count;
	u16 section_header_bytes, section_header_count, section_names;
};

struct program_header {
	u32 type, flags;
	u64 offset, address, physical, file_bytes, memory_bytes, alignment;
};

struct note_header {
	u32 name_bytes, data_bytes, type;
};

/* In the order of struct user_regs_struct. */
struct linux_registers {
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax;
	u64 rip, cs, rflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};

struct linux_prstatus {
	u32 signal_number, signal_code, signal_error;
	u16 current_signal, zero;
	u64 pending, held;
	u32 pid, parent, group, session;
	u64 times[8];
	struct linux_registers registers;
	u32 has_fpu, zero2;
};

struct linux_prpsinfo {
	u8 state, state_name, zombie, nice;
	u32 zero;
	u64 flags;
	u32 uid, gid, pid, parent, group, session;
	char name[16], arguments[80];
};

struct qemu_segment {
	u32 selector, limit, flags, zero;
	u64 base;
};

struct qemu_cpu {
	u32 version, bytes;
	u64 rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
	u64 rip, rflags;
	struct qemu_segment cs, ds, es, fs, gs, ss, ldt, tr, gdt, idt;
	u64 cr[5];
};

_Static_assert(sizeof(struct elf_header) == 64, "ELF64");
_Static_assert(sizeof(struct program_header) == 56, "ELF64");
_Static_assert(offsetof(struct linux_prstatus, registers) == 112, "as Linux has it");
_Static_assert(sizeof(struct linux_prstatus) == 336, "as Linux has it");
_Static_assert(sizeof(struct linux_prpsinfo) == 136, "as Linux has it");
_Static_assert(sizeof(struct qemu_cpu) == 432, "as QEMU has it");

static const char linux_name[] = "CORE", qemu_name[] = "QEMU";

/* Both names take eight bytes with their padding. */
#define NOTE_BYTES(type) (sizeof(struct note_header) + 8 + align_up(sizeof(type), 4))

static u64 notes_bytes(u32 cpu_count)
{
	return NOTE_BYTES(struct linux_prpsinfo) +
	       (u64)cpu_count * (NOTE_BYTES(struct linux_prstatus) + NOTE_BYTES(struct qemu_cpu));
}

static u64 notes_offset(u32 load_count)
{
	return sizeof(struct elf_header) + (1 + (u64)load_count) * sizeof(struct program_header);
}

u64 core_file_header_bytes(u32 cpu_count, u32 load_count)
{
	return align_up(notes_offset(load_count) + notes_bytes(cpu_count), PAGE_SIZE);
}

static u8 *note_put(u8 *at, const char *name, u32 type, const void *data, u32 bytes)
{
	struct note_header header = {
		.name_bytes = (u32)strlen(name) + 1,
		.data_bytes = bytes,
		.type = type,
	};

	memcpy(at, &header, sizeof(header));
	memcpy(at + sizeof(header), name, header.name_bytes);
	memcpy(at + sizeof(header) + 8, data, bytes);
	return at + sizeof(header) + 8 + align_up(bytes, 4);
}

static u8 *prstatus_put(u8 *at, const struct cpu_state *cpu, u32 number)
{
	const u64 *gpr = cpu->gpr;
	struct linux_prstatus status = {
		.pid = number,
		.registers =
			{
				.r15 = gpr[GPR_R15],
				.r14 = gpr[GPR_R14],
				.r13 = gpr[GPR_R13],
				.r12 = gpr[GPR_R12],
				.rbp = gpr[GPR_RBP],
				.rbx = gpr[GPR_RBX],
				.r11 = gpr[GPR_R11],
				.r10 = gpr[GPR_R10],
				.r9 = gpr[GPR_R9],
				.r8 = gpr[GPR_R8],
				.rax = gpr[GPR_RAX],
				.rcx = gpr[GPR_RCX],
				.rdx = gpr[GPR_RDX],
				.rsi = gpr[GPR_RSI],
				.rdi = gpr[GPR_RDI],
				.orig_rax = NO_SYSCALL,
				.rip = cpu->rip,
				.cs = cpu->cs.selector,
				.rflags = cpu->rflags,
				.rsp = gpr[GPR_RSP],
				.ss = cpu->ss.selector,
				.fs_base = cpu->fs.base,
				.gs_base = cpu->gs.base,
				.ds = cpu->ds.selector,
				.es = cpu->es.selector,
				.fs = cpu->fs.selector,
				.gs = cpu->gs.selector,
			},
	};

	return note_put(at, linux_name, NT_PRSTATUS, &status, sizeof(status));
}

static u8 *prpsinfo_put(u8 *at, const char *name)
{
	struct linux_prpsinfo info = {.state_name = 'T', .pid = 1};

	format_text(info.name, sizeof(info.name), "%s", name);
	format_text(info.arguments, sizeof(info.arguments), "%s", name);
	return note_put(at, linux_name, NT_PRPSINFO, &info, sizeof(info));
}

/* Flags as in the upper half of a descriptor. */
static struct qemu_segment qemu_segment(const struct cpu_segment *segment)
{
	return (struct qemu_segment){
		.selector = segment->selector,
		.limit = segment->limit,
		.flags = (u32)segment->attributes << 8,
		.base = segment->base,
	};
}

static struct qemu_segment qemu_table(const struct cpu_table *table)
{
	return (struct qemu_segment){.limit = table->limit, .base = table->base};
}

static u8 *qemu_put(u8 *at, const struct cpu_state *cpu)
{
	const u64 *gpr = cpu->gpr;
	struct qemu_cpu state = {
		.version = QEMU_VERSION,
		.bytes = sizeof(state),
		.rax = gpr[GPR_RAX],
		.rbx = gpr[GPR_RBX],
		.rcx = gpr[GPR_RCX],
		.rdx = gpr[GPR_RDX],
		.rsi = gpr[GPR_RSI],
		.rdi = gpr[GPR_RDI],
		.rsp = gpr[GPR_RSP],
		.rbp = gpr[GPR_RBP],
		.r8 = gpr[GPR_R8],
		.r9 = gpr[GPR_R9],
		.r10 = gpr[GPR_R10],
		.r11 = gpr[GPR_R11],
		.r12 = gpr[GPR_R12],
		.r13 = gpr[GPR_R13],
		.r14 = gpr[GPR_R14],
		.r15 = gpr[GPR_R15],
		.rip = cpu->rip,
		.rflags = cpu->rflags,
		.cs = qemu_segment(&cpu->cs),
		.ds = qemu_segment(&cpu->ds),
		.es = qemu_segment(&cpu->es),
		.fs = qemu_segment(&cpu->fs),
		.gs = qemu_segment(&cpu->gs),
		.ss = qemu_segment(&cpu->ss),
		.ldt = qemu_segment(&cpu->ldtr),
		.tr = qemu_segment(&cpu->tr),
		.gdt = qemu_table(&cpu->gdtr),
		.idt = qemu_table(&cpu->idtr),
		.cr = {cpu->cr0, 0, cpu->cr2, cpu->cr3, cpu->cr4},
	};

	return note_put(at, qemu_name, 0, &state, sizeof(state));
}

static void elf_header_put(u8 *at, u32 load_count)
{
	struct elf_header header = {
		/* 64-bit, little-endian, version 1 */
		.ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
		.type = ET_CORE,
		.machine = EM_X86_64,
		.version = 1,
		.program_headers = sizeof(header),
		.header_bytes = sizeof(header),
		.program_header_bytes = sizeof(struct program_header),
		.program_header_count = (u16)(1 + load_count),
	};

	memcpy(at, &header, sizeof(header));
}

static void program_headers_put(u8 *at, const struct core_file *core)
{
	u64 memory = core_file_header_bytes(core->cpu_count, core->load_count);
	struct program_header header = {
		.type = PT_NOTE,
		.offset = notes_offset(core->load_count),
		.file_bytes = notes_bytes(core->cpu_count),
		.alignment = 4,
	};

	memcpy(at, &header, sizeof(header));
	for (u32 i = 0; i < core->load_count; i++) {
		const struct core_load *load = &core->loads[i];

		header = (struct program_header){
			.type = PT_LOAD,
			.flags = SEGMENT_RWX,
			.offset = memory + load->offset,
			.address = load->address,
			.physical = load->physical,
			.file_bytes = load->bytes,
			.memory_bytes = load->bytes,
			/* No alignment: by this `crash` tells a dump of kdump's kind from one of
			 * the older netdump, which it would take it for and fail. */
			.alignment = 0,
		};
		at += sizeof(header);
		memcpy(at, &header, sizeof(header));
	}
}

int core_file_header(const struct core_file *core, void *buffer, u64 bytes)
{
	u64 needed = core_file_header_bytes(core->cpu_count, core->load_count);
	u8 *at = buffer;

	if (core->load_count > CORE_FILE_LOADS_MAX)
		return -EINVAL;
	if (bytes < needed)
		return -ENOSPC;
	memset(buffer, 0, needed);
	elf_header_put(at, core->load_count);
	program_headers_put(at + sizeof(struct elf_header), core);
	at += notes_offset(core->load_count);
	at = prpsinfo_put(at, core->name);
	/* gdb takes the first one as the thread that it shows, and numbers them from 1. */
	for (u32 i = 0; i < core->cpu_count; i++)
		at = prstatus_put(at, core->cpus[i], i + 1);
	for (u32 i = 0; i < core->cpu_count; i++)
		at = qemu_put(at, core->cpus[i]);
	return 0;
}
