/* SPDX-License-Identifier: MIT */
/* Looking at a guest that stands still: which one, its memory, and what addresses are called. */
#include "look.h"

#include "command.h"
#include "report.h"

#include <bulkhead/cpu_text.h>
#include <bulkhead/format.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

#define TERM_BYTES 32

struct vcpu *look_vcpu(const char *text)
{
	struct vcpu *vcpu = argument_vcpu(text);
	enum partition_state state;
	const char *name;
	bool runs;

	if (!vcpu || partition_inspectable(vcpu->partition))
		return vcpu;
	name = vcpu->partition->config->name;
	state = partition_state_now(vcpu->partition);
	runs = state == PARTITION_RUNNING;
	report_error("%s is %s, only one that is paused or crashed can be looked at%s%s", name,
		     partition_state_name(state), runs ? ": first pause " : "", runs ? name : "");
	return NULL;
}

/* --- memory --- */

bool look_read(const struct partition *partition, u64 gpa, void *data, u64 bytes)
{
	const void *at = guest_memory_read_at(&partition->memory, gpa, bytes);
	u64 previous;

	if (!at)
		return false;
	previous = address_space_enter(&partition->space);
	memcpy(data, at, bytes);
	address_space_leave(previous);
	return true;
}

static bool read_entry(void *context, u64 gpa, void *data, unsigned bytes)
{
	const struct vcpu *vcpu = context;

	return look_read(vcpu->partition, gpa, data, bytes);
}

/* PDPTE registers are not among a vCPU's state; what is in memory is the same unless the guest
 * changed it since it loaded CR3. */
void look_paging(struct vcpu *vcpu, struct guest_paging *paging)
{
	const struct cpu_state *state = &vcpu->state;
	u64 mask = vcpu->partition->second_level.format->physical_mask;

	*paging = (struct guest_paging){
		.cr0 = state->cr0,
		.cr3 = state->cr3,
		.cr4 = state->cr4,
		.efer = state->efer,
		.rflags = state->rflags,
		.pdpte_in_memory = true,
		.physical_bits = 64 - (unsigned)__builtin_clzl(mask),
		.read = read_entry,
		.context = vcpu,
	};
}

/* One piece within a page. */
static bool piece_read(struct vcpu *vcpu, const struct guest_paging *paging, u64 address,
		       bool physical, void *data, u64 bytes, struct guest_walk *walk)
{
	if (physical)
		*walk = (struct guest_walk){.end = GUEST_WALK_PAGE, .gpa = address};
	else
		guest_walk(paging, address, walk);
	return walk->end == GUEST_WALK_PAGE && look_read(vcpu->partition, walk->gpa, data, bytes);
}

u64 look_bytes(struct vcpu *vcpu, const struct look_address *address, void *data, u64 bytes,
	       struct guest_walk *walk)
{
	struct guest_paging paging;
	u64 done = 0;

	look_paging(vcpu, &paging);
	while (done < bytes) {
		u64 at = address->value + done;
		u64 piece = MIN(bytes - done, PAGE_SIZE - (at & (PAGE_SIZE - 1)));

		if (!piece_read(vcpu, &paging, at, address->physical, (u8 *)data + done, piece,
				walk))
			break;
		done += piece;
	}
	return done;
}

const char *look_level_name(unsigned level)
{
	static const char *const names[] = {"", "PTE", "PDE", "PDPTE", "PML4E", "PML5E"};

	return level < ARRAY_SIZE(names) ? names[level] : "";
}

void look_fault_text(const struct guest_walk *walk, char *buffer, size_t bytes)
{
	const char *level =
		walk->count ? look_level_name(walk->entries[walk->count - 1].level) : "";

	switch (walk->end) {
	case GUEST_WALK_PAGE:
		format_text(buffer, bytes, "%s", "");
		break;
	case GUEST_WALK_NOT_CANONICAL:
		format_text(buffer, bytes, "not a canonical address");
		break;
	case GUEST_WALK_NOT_RAM:
		format_text(buffer, bytes, "not mapped: the table of its %s is not in RAM", level);
		break;
	case GUEST_WALK_NOT_PRESENT:
		format_text(buffer, bytes, "not mapped: its %s is not present", level);
		break;
	case GUEST_WALK_RESERVED:
		format_text(buffer, bytes, "not mapped: its %s has reserved bits set", level);
		break;
	}
}

/* --- addresses --- */

#define REGISTER(name, member)                                                                     \
	{                                                                                          \
		name, offsetof(struct cpu_state, member)                                           \
	}
#define GPR(name, number) REGISTER(name, gpr[number])

const struct look_register look_registers[] = {
	GPR("rax", GPR_RAX),
	GPR("rbx", GPR_RBX),
	GPR("rcx", GPR_RCX),
	GPR("rdx", GPR_RDX),
	GPR("rsi", GPR_RSI),
	GPR("rdi", GPR_RDI),
	GPR("rbp", GPR_RBP),
	GPR("rsp", GPR_RSP),
	GPR("r8", GPR_R8),
	GPR("r9", GPR_R9),
	GPR("r10", GPR_R10),
	GPR("r11", GPR_R11),
	GPR("r12", GPR_R12),
	GPR("r13", GPR_R13),
	GPR("r14", GPR_R14),
	GPR("r15", GPR_R15),
	REGISTER("rip", rip),
	REGISTER("cr2", cr2),
	REGISTER("cr3", cr3),
	REGISTER("es.base", es.base),
	REGISTER("cs.base", cs.base),
	REGISTER("ss.base", ss.base),
	REGISTER("ds.base", ds.base),
	REGISTER("fs.base", fs.base),
	REGISTER("gs.base", gs.base),
	REGISTER("ldtr.base", ldtr.base),
	REGISTER("tr.base", tr.base),
	REGISTER("gdtr.base", gdtr.base),
	REGISTER("idtr.base", idtr.base),
};

u64 look_register(const struct cpu_state *state, size_t index)
{
	u64 value;

	memcpy(&value, (const u8 *)state + look_registers[index].offset, sizeof(value));
	return value;
}

/* Where the next instruction and the top of the stack are, whatever the segments' bases. */
static bool linear_register(const struct cpu_state *state, const char *name, u64 *value)
{
	if (strcmp(name, "pc") == 0)
		*value = cpu_linear(state, &state->cs, state->rip);
	else if (strcmp(name, "sp") == 0)
		*value = cpu_linear(state, &state->ss, state->gpr[GPR_RSP]);
	else
		return false;
	return true;
}

static bool register_read(const struct cpu_state *state, const char *name, u64 *value)
{
	struct names names = {.count = 0};

	if (linear_register(state, name, value))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(look_registers); i++) {
		if (strcmp(name, look_registers[i].name) != 0)
			continue;
		*value = look_register(state, i);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(look_registers); i++)
		names_add(&names, look_registers[i].name);
	report_error("no register \"$%s\"; there are: pc, sp, %s", name, names_text(&names));
	return false;
}

/* The characters up to the next sign. */
static u64 term_length(const char *text)
{
	u64 length = 0;

	while (text[length] && text[length] != '+' && text[length] != '-')
		length++;
	return length;
}

static bool term_read(const struct cpu_state *state, const char *text, u64 length, u64 *value)
{
	char term[TERM_BYTES];

	if (!length || length >= sizeof(term)) {
		report_error("\"%s\" is no address: %s", text, LOOK_ADDRESS_HELP);
		return false;
	}
	format_text(term, sizeof(term), "%.*s", (int)length, text);
	if (term[0] == '$')
		return register_read(state, term + 1, value);
	return argument_number(term, "address", 0, ~0UL, value);
}

bool look_address_read(const struct vcpu *vcpu, const char *text, struct look_address *address)
{
	bool minus = false;

	address->value = 0;
	address->physical = strncmp(text, "p:", 2) == 0;
	text += address->physical ? 2 : 0;
	for (;;) {
		u64 length = term_length(text), value;

		if (!term_read(&vcpu->state, text, length, &value))
			return false;
		address->value += minus ? -value : value;
		text += length;
		if (!*text)
			return true;
		minus = *text++ == '-';
	}
}
