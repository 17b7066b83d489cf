/* SPDX-License-Identifier: MIT */
/*
 * Core files: against the system's own <elf.h> and <sys/procfs.h>, and as gdb sees them, when there
 * is one.
 */
/* links: vmm/format.c */
#include "cmocka_all.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <unistd.h>

#undef PAGE_SIZE /* <sys/user.h> has it, too */

#include <bulkhead/core_file.h>
#include <errno.h>

#define ROOM (64 * 1024)

static struct cpu_state cpus[2];
static const struct cpu_state *const cpu_list[] = {&cpus[0], &cpus[1]};
static u8 *buffer;

static int setup(void **state)
{
	(void)state;
	for (u32 c = 0; c < 2; c++) {
		struct cpu_state *cpu = &cpus[c];

		for (u32 i = 0; i < GPR_COUNT; i++)
			cpu->gpr[i] = 0x1000000000000000UL + c * 0x100UL + i;
		cpu->rip = 0xffffffff81000123 + c;
		cpu->rflags = 0x246;
		cpu->cr0 = 0x80050033;
		cpu->cr2 = 0x7f1234;
		cpu->cr3 = 0x1ba000;
		cpu->cr4 = 0x6f0;
		cpu->cs = (struct cpu_segment){0x10, SEGMENT_CODE64, ~0u, 0};
		cpu->ss = (struct cpu_segment){0x18, SEGMENT_DATA32, ~0u, 0};
		cpu->ds = (struct cpu_segment){0x2b, SEGMENT_DATA32, ~0u, 0};
		cpu->es = (struct cpu_segment){0x33, SEGMENT_DATA32, ~0u, 0};
		cpu->fs = (struct cpu_segment){0x3b, SEGMENT_DATA32, ~0u, 0x7fff12340000};
		cpu->gs = (struct cpu_segment){0x43, SEGMENT_DATA32, ~0u, 0xffff888000000000};
		cpu->tr = (struct cpu_segment){0x40, SEGMENT_TSS64, 0x67, 0xfffffe0000003000};
		cpu->gdtr = (struct cpu_table){0xfffffe0000001000, 0x7f};
		cpu->idtr = (struct cpu_table){0xfffffe0000000000, 0xfff};
	}
	buffer = malloc(ROOM);
	memset(buffer, 0xaa, ROOM);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(buffer);
	return 0;
}

static struct core_load loads[] = {
	{0xffffffff81000000, 0x1000, 0x2000, 0x1000},
	{0x1000000000000000, 0, 0x4000, 0},
};

static struct core_file file(u32 cpu_count)
{
	return (struct core_file){"web", cpu_list, cpu_count, loads, ARRAY_SIZE(loads)};
}

static void header_is_elf(void **state)
{
	struct core_file core = file(1);
	u64 bytes = core_file_header_bytes(1, 2);
	const Elf64_Ehdr *elf = (const void *)buffer;
	const Elf64_Phdr *segment = (const void *)(buffer + sizeof(*elf));

	(void)state;
	assert_int_equal(bytes % 4096, 0);
	assert_int_equal(core_file_header(&core, buffer, ROOM), 0);
	assert_memory_equal(elf->e_ident, ELFMAG, SELFMAG);
	assert_int_equal(elf->e_ident[EI_CLASS], ELFCLASS64);
	assert_int_equal(elf->e_ident[EI_DATA], ELFDATA2LSB);
	assert_int_equal(elf->e_ident[EI_VERSION], EV_CURRENT);
	assert_int_equal(elf->e_type, ET_CORE);
	assert_int_equal(elf->e_machine, EM_X86_64);
	assert_int_equal(elf->e_version, EV_CURRENT);
	assert_int_equal(elf->e_phoff, sizeof(*elf));
	assert_int_equal(elf->e_ehsize, sizeof(*elf));
	assert_int_equal(elf->e_phentsize, sizeof(*segment));
	assert_int_equal(elf->e_phnum, 3);
	assert_int_equal(segment[0].p_type, PT_NOTE);
	assert_true(segment[0].p_offset + segment[0].p_filesz <= bytes);
	for (u32 i = 0; i < 2; i++) {
		const Elf64_Phdr *load = &segment[1 + i];

		assert_int_equal(load->p_type, PT_LOAD);
		assert_int_equal(load->p_align, 0);
		assert_int_equal(load->p_vaddr, loads[i].address);
		assert_int_equal(load->p_paddr, loads[i].physical);
		assert_int_equal(load->p_filesz, loads[i].bytes);
		assert_int_equal(load->p_memsz, loads[i].bytes);
		assert_int_equal(load->p_offset, bytes + loads[i].offset);
	}
	assert_int_equal(buffer[bytes], 0xaa); /* nothing beyond */
}

/* The note with this number among those of a type and name; its data. */
static const void *note(const char *name, u32 type, u32 number, u32 *bytes)
{
	const Elf64_Phdr *segment = (const void *)(buffer + sizeof(Elf64_Ehdr));
	const u8 *at = buffer + segment->p_offset, *end = at + segment->p_filesz;

	while (at < end) {
		const Elf64_Nhdr *header = (const void *)at;
		const char *text = (const char *)at + sizeof(*header);
		const u8 *data = (const u8 *)text + (header->n_namesz + 3) / 4 * 4;

		at = data + (header->n_descsz + 3) / 4 * 4;
		assert_true(at <= end);
		assert_int_equal(strlen(text) + 1, header->n_namesz);
		if (strcmp(text, name) != 0 || header->n_type != type || number--)
			continue;
		*bytes = header->n_descsz;
		return data;
	}
	assert_ptr_equal(at, end);
	return NULL;
}

static void registers_are_where_linux_has_them(void **state)
{
	struct core_file core = file(2);
	u32 bytes;

	(void)state;
	assert_int_equal(core_file_header(&core, buffer, ROOM), 0);
	for (u32 c = 0; c < 2; c++) {
		const void *data = note("CORE", NT_PRSTATUS, c, &bytes);
		struct user_regs_struct regs;
		struct elf_prstatus status;
		const u64 *gpr = cpus[c].gpr;

		assert_non_null(data);
		assert_int_equal(bytes, sizeof(status));
		memcpy(&status, data, sizeof(status));
		assert_int_equal(status.pr_pid, c + 1);
		assert_int_equal(sizeof(status.pr_reg), sizeof(regs));
		memcpy(&regs, &status.pr_reg, sizeof(regs));
		assert_int_equal(regs.rax, gpr[GPR_RAX]);
		assert_int_equal(regs.rcx, gpr[GPR_RCX]);
		assert_int_equal(regs.rdx, gpr[GPR_RDX]);
		assert_int_equal(regs.rbx, gpr[GPR_RBX]);
		assert_int_equal(regs.rsp, gpr[GPR_RSP]);
		assert_int_equal(regs.rbp, gpr[GPR_RBP]);
		assert_int_equal(regs.rsi, gpr[GPR_RSI]);
		assert_int_equal(regs.rdi, gpr[GPR_RDI]);
		assert_int_equal(regs.r8, gpr[GPR_R8]);
		assert_int_equal(regs.r9, gpr[GPR_R9]);
		assert_int_equal(regs.r10, gpr[GPR_R10]);
		assert_int_equal(regs.r11, gpr[GPR_R11]);
		assert_int_equal(regs.r12, gpr[GPR_R12]);
		assert_int_equal(regs.r13, gpr[GPR_R13]);
		assert_int_equal(regs.r14, gpr[GPR_R14]);
		assert_int_equal(regs.r15, gpr[GPR_R15]);
		assert_int_equal(regs.orig_rax, ~0UL);
		assert_int_equal(regs.rip, cpus[c].rip);
		assert_int_equal(regs.eflags, 0x246);
		assert_int_equal(regs.cs, 0x10);
		assert_int_equal(regs.ss, 0x18);
		assert_int_equal(regs.ds, 0x2b);
		assert_int_equal(regs.es, 0x33);
		assert_int_equal(regs.fs, 0x3b);
		assert_int_equal(regs.gs, 0x43);
		assert_int_equal(regs.fs_base, 0x7fff12340000);
		assert_int_equal(regs.gs_base, 0xffff888000000000);
	}
	assert_null(note("CORE", NT_PRSTATUS, 2, &bytes));
}

static void the_name_is_in_it(void **state)
{
	struct core_file core = file(1);
	struct elf_prpsinfo info;
	const void *data;
	u32 bytes;

	(void)state;
	core.name = "a-name-that-is-longer-than-sixteen";
	assert_int_equal(core_file_header(&core, buffer, ROOM), 0);
	data = note("CORE", NT_PRPSINFO, 0, &bytes);
	assert_non_null(data);
	assert_int_equal(bytes, sizeof(info));
	memcpy(&info, data, sizeof(info));
	assert_string_equal(info.pr_fname, "a-name-that-is-");
	assert_string_equal(info.pr_psargs, core.name);
}

/* Offsets are from QEMU's layout, counted by hand. */
static void control_registers_are_where_qemu_has_them(void **state)
{
	struct core_file core = file(2);
	const u8 *data;
	u32 bytes;

	(void)state;
	assert_int_equal(core_file_header(&core, buffer, ROOM), 0);
	for (u32 c = 0; c < 2; c++) {
		u64 words[54];
		u32 cs[4];

		data = note("QEMU", 0, c, &bytes);
		assert_non_null(data);
		assert_int_equal(bytes, sizeof(words));
		memcpy(words, data, sizeof(words));
		assert_int_equal(words[0], 432UL << 32 | 1); /* version 1 and its size */
		assert_int_equal(words[1], cpus[c].gpr[GPR_RAX]);
		assert_int_equal(words[2], cpus[c].gpr[GPR_RBX]);
		assert_int_equal(words[7], cpus[c].gpr[GPR_RSP]);
		assert_int_equal(words[16], cpus[c].gpr[GPR_R15]);
		assert_int_equal(words[17], cpus[c].rip);
		memcpy(cs, &words[19], sizeof(cs));
		assert_int_equal(cs[0], 0x10);
		assert_int_equal(cs[1], 0xffffffff);
		assert_int_equal(cs[2], 0xa09b00);
		assert_int_equal(words[19 + 9 * 3 + 2], 0xfffffe0000000000); /* IDT */
		assert_int_equal(words[49], 0x80050033);
		assert_int_equal(words[52], 0x1ba000); /* CR3 */
		assert_int_equal(words[53], 0x6f0);
	}
}

static void limits(void **state)
{
	struct core_file core = file(1);
	u64 bytes = core_file_header_bytes(1, 2);

	(void)state;
	assert_int_equal(core_file_header(&core, buffer, bytes - 1), -ENOSPC);
	assert_int_equal(buffer[0], 0xaa);
	core.load_count = CORE_FILE_LOADS_MAX + 1;
	assert_int_equal(core_file_header(&core, buffer, ROOM), -EINVAL);
	core.load_count = 0;
	assert_int_equal(core_file_header(&core, buffer, ROOM), 0);
	for (u32 count = 1; count < 1000; count += 37)
		assert_true(core_file_header_bytes(3, count) >= 64 + 56 * (count + 1));
}

/* What gdb says of it, with all blanks as one. */
static char *gdb(const char *path)
{
	static char output[16384];
	char command[512];
	size_t count = 0;
	FILE *pipe;
	int byte;

	snprintf(command, sizeof(command),
		 "gdb -nx -batch -ex 'core-file %s' -ex 'info registers' -ex 'info threads' "
		 "-ex 'x/2gx $rip - 0x123' -ex 'x/1gx 0x1000000000000000 + 0x3ff8' 2>&1",
		 path);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	while ((byte = fgetc(pipe)) != EOF && count + 1 < sizeof(output))
		if ((byte != ' ' && byte != '\t') || (count && output[count - 1] != ' '))
			output[count++] = (char)(byte == '\t' ? ' ' : byte);
	output[count] = 0;
	pclose(pipe);
	return output;
}

static void shows(const char *output, const char *text)
{
	if (!strstr(output, text))
		fail_msg("gdb does not say \"%s\":\n%s", text, output);
}

static void gdb_opens_it(void **state)
{
	char path[] = "/tmp/core_file_test.XXXXXX";
	struct core_file core = file(2);
	u64 bytes = core_file_header_bytes(2, 2), memory[0x4000 / 8];
	int fd;

	(void)state;
	if (system("gdb --version > /dev/null 2>&1") != 0)
		skip();
	for (u32 i = 0; i < ARRAY_SIZE(memory); i++)
		memory[i] = 0xabcd000000000000 + i * 8;
	assert_int_equal(core_file_header(&core, buffer, ROOM), 0);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, buffer, bytes), bytes);
	assert_int_equal(write(fd, memory, sizeof(memory)), sizeof(memory));
	close(fd);
	{
		const char *output = gdb(path);

		unlink(path);
		shows(output, "rax 0x1000000000000000 ");
		shows(output, "r15 0x100000000000000f ");
		shows(output, "rip 0xffffffff81000123 0xffffffff81000123");
		shows(output, "eflags 0x246 ");
		shows(output, "* 1 LWP 1 0xffffffff81000123 in ?? ()");
		shows(output, "2 LWP 2 0xffffffff81000124 in ?? ()");
		/* $rip - 0x123 is at 0x1000 of the memory, which is at its own address, too. */
		shows(output, "0xffffffff81000000: 0xabcd000000001000 0xabcd000000001008");
		shows(output, "0x1000000000003ff8: 0xabcd000000003ff8");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(header_is_elf, setup, teardown),
		cmocka_unit_test_setup_teardown(registers_are_where_linux_has_them, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_name_is_in_it, setup, teardown),
		cmocka_unit_test_setup_teardown(control_registers_are_where_qemu_has_them, setup,
						teardown),
		cmocka_unit_test_setup_teardown(limits, setup, teardown),
		cmocka_unit_test_setup_teardown(gdb_opens_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
