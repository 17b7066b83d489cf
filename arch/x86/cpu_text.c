/* SPDX-License-Identifier: MIT */
/* Registers in words: SDM vol. 3, chapters 2 and 3. */
#include <bulkhead/cpu_text.h>

#include <bulkhead/format.h>
#include <bulkhead/string.h>

#define ATTRIBUTE_TYPE(a) ((a)&0xf)
#define ATTRIBUTE_SYSTEM  BIT(4) /* 0: a system segment */
#define ATTRIBUTE_DPL(a)  ((a) >> 5 & 3)
#define ATTRIBUTE_PRESENT BIT(7)
#define ATTRIBUTE_LONG	  BIT(13)
#define ATTRIBUTE_BIG	  BIT(14)

#define TYPE_CODE	BIT(3)
#define TYPE_CONFORMING BIT(2) /* of code; of data: expands down */
#define TYPE_READ_WRITE BIT(1)

static const struct bit_name rflags_names[] = {
	{0, "CF"},  {2, "PF"},	 {4, "AF"},   {6, "ZF"},  {7, "SF"},  {8, "TF"},
	{9, "IF"},  {10, "DF"},	 {11, "OF"},  {14, "NT"}, {16, "RF"}, {17, "VM"},
	{18, "AC"}, {19, "VIF"}, {20, "VIP"}, {21, "ID"},
};

static const struct bit_name cr0_names[] = {
	{0, "PE"},  {1, "MP"},	{2, "EM"},  {3, "TS"},	{4, "ET"},  {5, "NE"},
	{16, "WP"}, {18, "AM"}, {29, "NW"}, {30, "CD"}, {31, "PG"},
};

static const struct bit_name cr4_names[] = {
	{0, "VME"},	    {1, "PVI"},	   {2, "TSD"},	    {3, "DE"},	  {4, "PSE"},
	{5, "PAE"},	    {6, "MCE"},	   {7, "PGE"},	    {8, "PCE"},	  {9, "OSFXSR"},
	{10, "OSXMMEXCPT"}, {11, "UMIP"},  {12, "LA57"},    {13, "VMXE"}, {14, "SMXE"},
	{16, "FSGSBASE"},   {17, "PCIDE"}, {18, "OSXSAVE"}, {19, "KL"},	  {20, "SMEP"},
	{21, "SMAP"},	    {22, "PKE"},   {23, "CET"},	    {24, "PKS"},  {25, "UINTR"},
};

static const struct bit_name efer_names[] = {
	{0, "SCE"}, {8, "LME"}, {10, "LMA"}, {11, "NXE"}, {12, "SVME"}, {14, "FFXSR"},
};

static const char *bit_name_find(const struct bit_name *names, size_t count, u32 bit)
{
	for (size_t i = 0; i < count; i++)
		if (names[i].bit == bit)
			return names[i].name;
	return NULL;
}

/* A word behind what is there; false when there was no room for it. */
static bool word_append(char *buffer, size_t bytes, const char *word)
{
	static const char cut[] = "...";
	size_t length = strlen(buffer), gap = length ? 1 : 0;

	/* Room for the mark stays, so that a list which goes on can say so. */
	if (length + gap + strlen(word) + sizeof(cut) + 1 > bytes) {
		format_append(buffer, bytes, "%s%s", gap ? " " : "", cut);
		return false;
	}
	format_append(buffer, bytes, "%s%s", gap ? " " : "", word);
	return true;
}

/* Of the bits from `bit` on that are set and have no name: the last one in a row. */
static u32 nameless_end(u64 value, const struct bit_name *names, size_t count, u32 bit)
{
	while (bit < 63 && value & BIT(bit + 1) && !bit_name_find(names, count, bit + 1))
		bit++;
	return bit;
}

void bits_text(char *buffer, size_t bytes, u64 value, const struct bit_name *names, size_t count)
{
	format_text(buffer, bytes, "%s", "");
	for (u32 bit = 0; bit < 64; bit++) {
		const char *name = bit_name_find(names, count, bit);
		char number[24];
		u32 end;

		if (!(value & BIT(bit)))
			continue;
		end = name ? bit : nameless_end(value, names, count, bit);
		if (end == bit)
			format_text(number, sizeof(number), "bit %u", bit);
		else
			format_text(number, sizeof(number), "bits %u-%u", bit, end);
		if (!word_append(buffer, bytes, name ? name : number))
			return;
		bit = end;
	}
}

void cpu_rflags_text(char *buffer, size_t bytes, u64 value)
{
	u64 iopl = (value & RFLAGS_IOPL) >> 12;

	bits_text(buffer, bytes, value & ~(RFLAGS_IOPL | RFLAGS_FIXED), rflags_names,
		  ARRAY_SIZE(rflags_names));
	if (iopl)
		format_append(buffer, bytes, "%sIOPL %lu", buffer[0] ? " " : "", iopl);
}

void cpu_cr0_text(char *buffer, size_t bytes, u64 value)
{
	bits_text(buffer, bytes, value, cr0_names, ARRAY_SIZE(cr0_names));
}

void cpu_cr4_text(char *buffer, size_t bytes, u64 value)
{
	bits_text(buffer, bytes, value, cr4_names, ARRAY_SIZE(cr4_names));
}

void cpu_efer_text(char *buffer, size_t bytes, u64 value)
{
	bits_text(buffer, bytes, value, efer_names, ARRAY_SIZE(efer_names));
}

/* SDM vol. 3, table 3-2; those that TR and LDTR can hold, and gates, which they cannot. */
static const char *system_type(u32 type)
{
	switch (type) {
	case 1:
		return "16-bit TSS, available";
	case 2:
		return "LDT";
	case 3:
		return "16-bit TSS, busy";
	case 9:
		return "TSS, available";
	case 11:
		return "TSS, busy";
	default:
		return "system segment of an unexpected type";
	}
}

static const char *segment_size(u16 attributes)
{
	if (ATTRIBUTE_TYPE(attributes) & TYPE_CODE && attributes & ATTRIBUTE_LONG)
		return "64-bit";
	return attributes & ATTRIBUTE_BIG ? "32-bit" : "16-bit";
}

void cpu_segment_text(char *buffer, size_t bytes, u16 attributes)
{
	u32 type = ATTRIBUTE_TYPE(attributes);

	if (!attributes) {
		format_text(buffer, bytes, "unusable");
		return;
	}
	if (!(attributes & ATTRIBUTE_SYSTEM))
		format_text(buffer, bytes, "%s", system_type(type));
	else if (type & TYPE_CODE)
		format_text(buffer, bytes, "code, %s%s, %s",
			    type & TYPE_READ_WRITE ? "readable" : "not readable",
			    type & TYPE_CONFORMING ? ", conforming" : "", segment_size(attributes));
	else
		format_text(buffer, bytes, "data, %s%s, %s",
			    type & TYPE_READ_WRITE ? "writable" : "not writable",
			    type & TYPE_CONFORMING ? ", expands down" : "",
			    segment_size(attributes));
	format_append(buffer, bytes, ", DPL %u%s", ATTRIBUTE_DPL(attributes),
		      attributes & ATTRIBUTE_PRESENT ? "" : ", not present");
}

bool cpu_is_64bit(const struct cpu_state *state)
{
	return state->efer & EFER_LMA && state->cs.attributes & ATTRIBUTE_LONG;
}

const char *cpu_mode_name(const struct cpu_state *state)
{
	bool big = state->cs.attributes & ATTRIBUTE_BIG;

	if (!(state->cr0 & CR0_PE))
		return "real mode";
	if (cpu_is_64bit(state))
		return "64-bit mode";
	if (state->efer & EFER_LMA)
		return big ? "compatibility mode, 32-bit" : "compatibility mode, 16-bit";
	if (state->rflags & RFLAGS_VM)
		return "virtual-8086 mode";
	return big ? "protected mode, 32-bit" : "protected mode, 16-bit";
}

const char *cpu_paging_name(const struct cpu_state *state)
{
	if (!(state->cr0 & CR0_PG))
		return "paging off";
	if (state->efer & EFER_LMA)
		return state->cr4 & CR4_LA57 ? "5-level paging" : "4-level paging";
	return state->cr4 & CR4_PAE ? "PAE paging" : "32-bit paging";
}

/* SDM vol. 3, 25.4.1: SS has it, in real mode too, where it is 0. */
unsigned cpu_privilege(const struct cpu_state *state)
{
	if (!(state->cr0 & CR0_PE))
		return 0;
	return state->rflags & RFLAGS_VM ? 3 : ATTRIBUTE_DPL(state->ss.attributes);
}

u64 cpu_linear(const struct cpu_state *state, const struct cpu_segment *segment, u64 offset)
{
	if (!cpu_is_64bit(state))
		return (u32)(segment->base + offset);
	return segment == &state->fs || segment == &state->gs ? segment->base + offset : offset;
}
