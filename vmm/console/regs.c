/* SPDX-License-Identifier: MIT */
/* The commands on the state of a vCPU: regs, vmcs, inject. */
#include "command.h"
#include "look.h"
#include "report.h"

#include <bulkhead/cpu_text.h>
#include <bulkhead/format.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>
#include <bulkhead/virt.h>

#define CODE_BYTES    16
#define MEANING_BYTES 256

/* --- regs --- */

static void register_row(const char *name, u64 value, const char *meaning)
{
	cell_text("%s", name);
	cell_hex(value);
	cell_text("%s", meaning);
}

static void bits_row(const char *name, u64 value,
		     void (*text)(char *buffer, size_t bytes, u64 value))
{
	char meaning[MEANING_BYTES];

	text(meaning, sizeof(meaning), value);
	register_row(name, value, meaning);
}

static void show_registers(const struct cpu_state *state)
{
	static const struct column columns[] = {
		{"name", "REGISTER", false}, {"value", "VALUE", false}, {"bits", "BITS", false}};

	table_begin("registers", columns, ARRAY_SIZE(columns));
	for (u32 i = 0; i < GPR_COUNT; i++)
		register_row(look_registers[i].name, look_register(state, i), "");
	register_row("rip", state->rip, "");
	bits_row("rflags", state->rflags, cpu_rflags_text);
	bits_row("cr0", state->cr0, cpu_cr0_text);
	register_row("cr2", state->cr2, "");
	register_row("cr3", state->cr3, "");
	bits_row("cr4", state->cr4, cpu_cr4_text);
	register_row("cr8", state->cr8, "");
	bits_row("efer", state->efer, cpu_efer_text);
	table_end();
}

static void segment_row(const char *name, const struct cpu_segment *segment)
{
	char meaning[MEANING_BYTES];

	cpu_segment_text(meaning, sizeof(meaning), segment->attributes);
	cell_text("%s", name);
	cell_hex(segment->selector);
	cell_hex(segment->base);
	cell_hex(segment->limit);
	cell_hex(segment->attributes);
	cell_text("%s", meaning);
}

/* GDTR and IDTR have a base and a limit only. */
static void descriptor_table_row(const char *name, const struct cpu_table *table)
{
	cell_text("%s", name);
	cell_none();
	cell_hex(table->base);
	cell_hex(table->limit);
	cell_none();
	cell_text("%s", "");
}

static void show_segments(const struct cpu_state *state)
{
	static const struct column columns[] = {
		{"name", "SEGMENT", false},
		{"selector", "SELECTOR", false},
		{"base", "BASE", false},
		{"limit", "LIMIT", false},
		{"attributes", "ATTRIBUTES", false},
		{"kind", "KIND", false},
	};

	table_begin("segments", columns, ARRAY_SIZE(columns));
	segment_row("cs", &state->cs);
	segment_row("ss", &state->ss);
	segment_row("ds", &state->ds);
	segment_row("es", &state->es);
	segment_row("fs", &state->fs);
	segment_row("gs", &state->gs);
	segment_row("ldtr", &state->ldtr);
	segment_row("tr", &state->tr);
	descriptor_table_row("gdtr", &state->gdtr);
	descriptor_table_row("idtr", &state->idtr);
	table_end();
}

/* The bytes of the next instructions, as far as they can be read. */
static void show_code(struct vcpu *vcpu, u64 pc)
{
	struct look_address address = {.value = pc};
	char text[3 * CODE_BYTES + 1] = "", fault[MEANING_BYTES];
	struct guest_walk walk;
	u8 code[CODE_BYTES];
	u64 count = look_bytes(vcpu, &address, code, sizeof(code), &walk);

	for (u64 i = 0; i < count; i++)
		format_append(text, sizeof(text), "%s%02x", i ? " " : "", code[i]);
	record_field("code", "bytes there");
	if (count) {
		cell_text("%s", text);
		return;
	}
	look_fault_text(&walk, fault, sizeof(fault));
	cell_text("%s", fault[0] ? fault : "not RAM");
}

static void show_vcpu(struct vcpu *vcpu)
{
	const struct cpu_state *state = &vcpu->state;
	u64 pc = cpu_linear(state, &state->cs, state->rip);

	record_begin("vcpu");
	record_field("partition", NULL);
	cell_text("%s", vcpu->partition->config->name);
	record_field("id", "virtual CPU");
	cell_number(vcpu->id);
	record_field("mode", "mode");
	cell_text("%s", cpu_mode_name(state));
	record_field("paging", "addresses");
	cell_text("%s", cpu_paging_name(state));
	record_field("privilege", "privilege level");
	cell_number(cpu_privilege(state));
	record_field("halted", "halted");
	cell_flag(vcpu->halted);
	record_field("stopped_by", vcpu->stop == VCPU_STOP_NONE ? NULL : "stopped by");
	cell_text_or_none(vcpu->stop == VCPU_STOP_NONE ? "" : vcpu->stop_text);
	record_field("instruction", "next instruction");
	cell_hex(pc);
	show_code(vcpu, pc);
	record_end();
}

void command_regs(const struct command *command unused, u32 count unused, char *const *arguments)
{
	struct vcpu *vcpu = look_vcpu(arguments[0]);

	if (!vcpu)
		return;
	show_registers(&vcpu->state);
	show_segments(&vcpu->state);
	show_vcpu(vcpu);
}

/* --- vmcs --- */

static const char *const groups[] = {"guest", "host", "control", "exit"};

struct filter {
	const char *text;  /* NULL: everything */
	const char *group; /* of this turn */
	u32 fields, shown;
};

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool contains(const char *text, const char *part)
{
	for (; *text; text++) {
		u64 i = 0;

		while (part[i] && lower(text[i]) == lower(part[i]))
			i++;
		if (!part[i])
			return true;
	}
	return false;
}

/* The name of a group means that group, other text a part of a field's name. */
static bool is_wanted(const struct filter *filter, const struct virt_field *field)
{
	if (!filter->text)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (strcmp(filter->text, groups[i]) == 0)
			return strcmp(field->group, groups[i]) == 0;
	return contains(field->name, filter->text);
}

static void show_field(void *context, const struct virt_field *field)
{
	struct filter *filter = context;

	if (strcmp(field->group, filter->group) != 0)
		return;
	filter->fields++;
	if (!is_wanted(filter, field))
		return;
	filter->shown++;
	cell_text("%s", field->group);
	cell_text("%s", field->name);
	cell_text("0x%04x", field->encoding);
	cell_hex(field->value);
	cell_text("%s", field->meaning);
}

void command_vmcs(const struct command *command unused, u32 count, char *const *arguments)
{
	static const struct column columns[] = {
		{"group", "GROUP", false},	  {"name", "FIELD", false},
		{"encoding", "ENCODING", false},  {"value", "VALUE", false},
		{"meaning", COLUMN_BELOW, false},
	};
	struct vcpu *vcpu = look_vcpu(arguments[0]);
	struct filter filter = {.text = count > 1 ? arguments[1] : NULL};

	if (!vcpu)
		return;
	table_begin("fields", columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		filter.group = groups[i];
		virt->vcpu_fields(vcpu, show_field, &filter);
	}
	table_end();
	if (!filter.fields)
		report_error("the fields of %s were not kept: memory was short",
			     vcpu->partition->config->name);
	else if (!filter.shown)
		report_error("no field has \"%s\" in its name; the groups are: guest, host, "
			     "control, exit",
			     filter.text);
}

/* --- inject --- */

void command_inject(const struct command *command, u32 count unused, char *const *arguments)
{
	struct vcpu *vcpu = argument_vcpu(arguments[0]);
	struct partition *partition;

	if (!vcpu || !argument_word(command, arguments[1]))
		return;
	partition = vcpu->partition;
	if (partition_state_now(partition) != PARTITION_RUNNING) {
		report_error("%s is %s: only a running partition takes interrupts",
			     partition->config->name,
			     partition_state_name(partition_state_now(partition)));
		return;
	}
	vcpu_request(vcpu, VCPU_REQUEST_NMI | VCPU_REQUEST_INTERRUPT);
	report_note("%s: an NMI is on its way", partition->config->name);
}
