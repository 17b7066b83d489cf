/* SPDX-License-Identifier: MIT */
/*
 * CPUID of guests on four made-up hosts, each register of each leaf. Expected values are worked out
 * by hand from the bit tables of SDM vol. 2, CPUID, and vol. 1, chapter 13.
 */
/* links: arch/x86/host_cpuid.c arch/x86/cpu_level.c arch/x86/cache_descriptors.c */
/* links: vmm/format.c vmm/string.c */
#include "cmocka_all.h"
#include "fake_cpuid.h"

#include <string.h>

#include <bulkhead/cpu_state.h>

#define ANY (~0U) /* as a subleaf: whatever ECX is */

struct row {
	u32 leaf, subleaf;
	struct cpuid value;
};

struct model {
	const char *name;
	const struct row *rows;
	size_t count;
};

#define MODEL(rows) ((struct model){#rows, rows, ARRAY_SIZE(rows)})

static struct cpuid rows_find(const struct model *model, u32 leaf, u32 subleaf)
{
	for (size_t i = 0; i < model->count; i++) {
		const struct row *row = &model->rows[i];

		if (row->leaf == leaf && (row->subleaf == ANY || row->subleaf == subleaf))
			return row->value;
	}
	return (struct cpuid){0};
}

/* As Intel CPUs answer: leaves above the maximum as the highest basic leaf. */
static struct cpuid model_cpuid(void *context, u32 leaf, u32 subleaf)
{
	u32 basic = rows_find(context, 0, 0).eax;
	u32 extended = rows_find(context, 0x80000000, 0).eax;

	if (leaf > extended || (leaf > basic && leaf < 0x80000000))
		leaf = basic;
	return rows_find(context, leaf, subleaf);
}

/* 4 cores of 2 threads, AVX2, HLE and RTM, PMU, thermal sensors, CR4.OSXSAVE set, no leaf 15h. */
static const struct row haswell[] = {
	{0, ANY, {0x0d, 0x756e6547, 0x6c65746e, 0x49656e69}},
	{1, ANY, {0x000306c3, 0x07100800, 0x7ffafbff, 0xbfebfbff}},
	{2, ANY, {0x76036301, 0x00f0b5ff, 0, 0x00c10000}},
	{3, ANY, {0, 0, 0x12345678, 0x9abcdef0}},
	{4, 0, {0x1c004121, 0x01c0003f, 0x3f, 0}},
	{4, 1, {0x1c004122, 0x01c0003f, 0x3f, 0}},
	{4, 2, {0x1c004143, 0x01c0003f, 0x1ff, 0}},
	{4, 3, {0x1c03c163, 0x03c0003f, 0x1fff, 6}},
	{5, ANY, {0x40, 0x40, 0x00042120, 0}},
	{6, ANY, {0x77, 2, 9, 0}},
	{7, 0, {0, 0x00002fbb, 0, 0x9c000600}},
	{0x0a, ANY, {0x07300403, 0, 0, 0x603}},
	{0x0b, 0, {1, 2, 0x100, 7}},
	{0x0b, 1, {4, 8, 0x201, 7}},
	{0x0d, 0, {7, 0x340, 0x340, 0}},
	{0x0d, 1, {1, 0, 0, 0}},
	{0x0d, 2, {0x100, 0x240, 0, 0}},
	{0x80000000, ANY, {0x80000008, 0, 0, 0}},
	{0x80000001, ANY, {0, 0, 0x21, 0x2c100800}},
	{0x80000002, ANY, {0x65746e49, 0x2952286c, 0x726f4320, 0x4d542865}},
	{0x80000003, ANY, {0x37692029, 0x3737342d, 0x50432030, 0x20402055}},
	{0x80000004, ANY, {0x30342e33, 0x007a4847, 0, 0}},
	{0x80000006, ANY, {0, 0, 0x01006040, 0}},
	{0x80000007, ANY, {0, 0, 0, 0x100}},
	{0x80000008, ANY, {0x3027, 0, 0, 0}},
};

static const struct row haswell_guest[] = {
	{0, ANY, {0x16, 0x756e6547, 0x6c65746e, 0x49656e69}},
	/* ECX: 31-28, 26-19, 17, 13, 12, 9, 1, 0; EDX: 26-23, 19, 17-11, 9-0 */
	{1, ANY, {0x000306c3, 0x00010800, 0xf7fa3203, 0x078bfbff}},
	{2, ANY, {0x21302c01, 0x760363e4, 0x00c1f0b5, 0}}, /* 2ch, 30h, 21h, e4h first */
	{4, 0, {0x121, 0x01c0003f, 0x3f, 0}},
	{4, 1, {0x122, 0x01c0003f, 0x3f, 0}},
	{4, 2, {0x143, 0x01c0003f, 0x1ff, 0}},
	{4, 3, {0x163, 0x03c0003f, 0x1fff, 6}},
	{6, ANY, {4, 0, 0, 0}},
	{7, 0, {0, 0x000027ab, 0, 0}}, /* less HLE (4), RTM (11) */
	{0x0d, 0, {7, 0x240, 0x340, 0}},
	{0x0d, 1, {1, 0, 0, 0}},
	{0x0d, 2, {0x100, 0x240, 0, 0}},
	{0x15, ANY, {1, 1, 2400000000, 0}},
	{0x16, ANY, {2400, 2400, 2400, 0}},
	{0x80000000, ANY, {0x80000008, 0, 0, 0}},
	{0x80000001, ANY, {0, 0, 0x21, 0x2c100800}},
	{0x80000002, ANY, {0x65746e49, 0x2952286c, 0x726f4320, 0x4d542865}},
	{0x80000003, ANY, {0x37692029, 0x3737342d, 0x50432030, 0x20402055}},
	{0x80000004, ANY, {0x30342e33, 0x007a4847, 0, 0}},
	{0x80000006, ANY, {0, 0, 0x01006040, 0}},
	{0x80000007, ANY, {0, 0, 0, 0x100}},
	{0x80000008, ANY, {0x3027, 0, 0, 0}},
};

/* No XSAVE, no PCID, no 1 GiB pages, no TSC-deadline, no x2APIC; highest leaf 0bh. */
static const struct row arrandale[] = {
	{0, ANY, {0x0b, 0x756e6547, 0x6c65746e, 0x49656e69}},
	{1, ANY, {0x00020655, 0x00100800, 0x0298e3ff, 0xbfebfbff}},
	{2, ANY, {0x55035a01, 0x00f0b2e4, 0, 0x09ca212c}},
	{4, 0, {0x1c004121, 0x01c0003f, 0x3f, 0}},
	{4, 1, {0x1c004122, 0x00c0003f, 0x7f, 0}},
	{4, 2, {0x1c004143, 0x01c0003f, 0x1ff, 0}},
	{4, 3, {0x1c03c163, 0x02c0003f, 0xfff, 2}},
	{5, ANY, {0x40, 0x40, 0x1120, 0}},
	{6, ANY, {7, 2, 1, 0}},
	{0x0a, ANY, {0x07300403, 0x44, 0, 0x603}},
	{0x0b, ANY, {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, /* seen above the maximum */
	{0x80000000, ANY, {0x80000008, 0, 0, 0}},
	{0x80000001, ANY, {0, 0, 1, 0x28100800}},
	{0x80000002, ANY, {0x65746e49, 0x2952286c, 0x726f4320, 0x4d542865}},
	{0x80000006, ANY, {0, 0, 0x01006040, 0}},
	{0x80000007, ANY, {0, 0, 0, 0x100}},
	{0x80000008, ANY, {0x3024, 0, 0, 0}},
};

static const struct row arrandale_guest[] = {
	{0, ANY, {0x16, 0x756e6547, 0x6c65746e, 0x49656e69}},
	/* ECX: 25, 23, 20, 19, 13, 9, 1, 0 and x2APIC (21), TSC-deadline (24), hypervisor (31) */
	{1, ANY, {0x00020655, 0x00010800, 0x83b82203, 0x078bfbff}},
	{2, ANY, {0x55035a01, 0x00f0b2e4, 0, 0x09ca212c}},
	{4, 0, {0x121, 0x01c0003f, 0x3f, 0}},
	{4, 1, {0x122, 0x00c0003f, 0x7f, 0}},
	{4, 2, {0x143, 0x01c0003f, 0x1ff, 0}},
	{4, 3, {0x163, 0x02c0003f, 0xfff, 2}},
	{6, ANY, {4, 0, 0, 0}},
	{7, 0, {0, 2, 0, 0}}, /* TSC_ADJUST */
	{0x15, ANY, {1, 1, 2400000000, 0}},
	{0x16, ANY, {2400, 2400, 2400, 0}},
	{0x80000000, ANY, {0x80000008, 0, 0, 0}},
	{0x80000001, ANY, {0, 0, 1, 0x28100800}},
	{0x80000002, ANY, {0x65746e49, 0x2952286c, 0x726f4320, 0x4d542865}},
	{0x80000006, ANY, {0, 0, 0x01006040, 0}},
	{0x80000007, ANY, {0, 0, 0, 0x100}},
	{0x80000008, ANY, {0x3024, 0, 0, 0}},
};

/* AVX-512, MPX, PKU, RDT, PT; XSAVEC, XGETBV1, XSAVES; leaves 14h to 16h; 57 linear bits. */
static const struct row skylake_x[] = {
	{0, ANY, {0x16, 0x756e6547, 0x6c65746e, 0x49656e69}},
	{1, ANY, {0x00050654, 0x00200800, 0x7ffefbff, 0xbfebfbff}},
	{2, ANY, {0x76036301, 0x00f0b5ff, 0, 0x00c30000}},
	{4, 0, {0x3c004121, 0x01c0003f, 0x3f, 0}},
	{4, 1, {0x3c004122, 0x01c0003f, 0x3f, 0}},
	{4, 2, {0x3c004143, 0x03c0003f, 0x3ff, 0}},
	{4, 3, {0x3c07c163, 0x0280003f, 0x4fff, 4}},
	{5, ANY, {0x40, 0x40, 0x2020, 0}},
	{6, ANY, {0xef7, 2, 9, 0}},
	{7, 0, {0, 0xd39ffffb, 0x00000018, 0xbc000400}},
	{0x0a, ANY, {0x07300404, 0, 0, 0x603}},
	{0x0b, 0, {1, 2, 0x100, 0}},
	{0x0d, 0, {0x2ff, 0xa88, 0xa88, 0}},
	{0x0d, 1, {0xf, 0xa08, 0x100, 0}},
	{0x0d, 2, {0x100, 0x240, 0, 0}},
	{0x0d, 3, {0x40, 0x3c0, 0, 0}},
	{0x0d, 4, {0x40, 0x400, 0, 0}},
	{0x0d, 5, {0x40, 0x440, 2, 0}},
	{0x0d, 6, {0x200, 0x480, 0, 0}},
	{0x0d, 7, {0x400, 0x680, 0, 0}},
	{0x0d, 8, {0x80, 0, 1, 0}},
	{0x0d, 9, {8, 0xa80, 0, 0}},
	{0x0f, 0, {0, 0xff, 0, 2}},
	{0x10, 0, {0, 0xa, 0, 0}},
	{0x14, 0, {1, 0xf, 7, 0}},
	{0x15, ANY, {2, 200, 24000000, 0}},
	{0x16, ANY, {0xce4, 0x1130, 0x64, 0}},
	{0x80000000, ANY, {0x80000008, 0, 0, 0}},
	{0x80000001, ANY, {0, 0, 0x121, 0x2c100800}},
	{0x80000006, ANY, {0, 0, 0x04008040, 0}},
	{0x80000007, ANY, {0, 0, 0, 0x100}},
	{0x80000008, ANY, {0x392e, 0, 0, 0}},
};

static const struct row skylake_x_guest[] = {
	{0, ANY, {0x16, 0x756e6547, 0x6c65746e, 0x49656e69}},
	{1, ANY, {0x00050654, 0x00010800, 0xf7fa3203, 0x078bfbff}},
	{2, ANY, {0x76036301, 0x00f0b5ff, 0, 0x00c30000}},
	{4, 0, {0x121, 0x01c0003f, 0x3f, 0}},
	{4, 1, {0x122, 0x01c0003f, 0x3f, 0}},
	{4, 2, {0x143, 0x03c0003f, 0x3ff, 0}},
	{4, 3, {0x163, 0x0280003f, 0x4fff, 4}},
	{6, ANY, {4, 0, 0, 0}},
	/* less HLE (4), RTM (11), RDT (12, 15), MPX (14), PT (25); PKU; speculation control */
	{7, 0, {0, 0xd19f27eb, 0, 0}},
	{0x0d, 0, {0xe7, 0x240, 0xa80, 0}},
	{0x0d, 1, {1, 0, 0, 0}},
	{0x0d, 2, {0x100, 0x240, 0, 0}},
	{0x0d, 5, {0x40, 0x440, 0, 0}},
	{0x0d, 6, {0x200, 0x480, 0, 0}},
	{0x0d, 7, {0x400, 0x680, 0, 0}},
	{0x15, ANY, {1, 1, 2400000000, 0}},
	{0x16, ANY, {2400, 2400, 2400, 0}},
	{0x80000000, ANY, {0x80000008, 0, 0, 0}},
	{0x80000001, ANY, {0, 0, 0x121, 0x2c100800}},
	{0x80000006, ANY, {0, 0, 0x04008040, 0}},
	{0x80000007, ANY, {0, 0, 0, 0x100}},
	{0x80000008, ANY, {0x302e, 0, 0, 0}}, /* 4-level paging */
};

/* CET, PKU, key locker, MOVDIRI, UMIP, SHA, VAES; supervisor states in leaf 0dh; leaf 1fh absent by
 * maximum. */
static const struct row tiger_lake[] = {
	{0, ANY, {0x1b, 0x756e6547, 0x6c65746e, 0x49656e69}},
	{1, ANY, {0x000806c1, 0x00100800, 0x7ffafbbf, 0xbfebfbff}},
	{2, ANY, {0x00feff01, 0xf0, 0, 0}},
	{4, 0, {0x1c004121, 0x02c0003f, 0x3f, 0}},
	{4, 1, {0x1c004122, 0x01c0003f, 0x3f, 0}},
	{4, 2, {0x1c004143, 0x04c0003f, 0x3ff, 0}},
	{4, 3, {0x1c03c163, 0x02c0003f, 0x3fff, 4}},
	{6, ANY, {0x17eff7, 2, 9, 0}},
	{7, 0, {0, 0xf3bfa7eb, 0x18c05fde, 0xfc100510}},
	{0x0a, ANY, {0x08300805, 0, 0xf, 0x8604}},
	{0x0d, 0, {0x2e7, 0xa88, 0xa88, 0}},
	{0x0d, 1, {0xf, 0x9c8, 0x9900, 0}},
	{0x0d, 2, {0x100, 0x240, 0, 0}},
	{0x0d, 5, {0x40, 0x440, 0, 0}},
	{0x0d, 6, {0x200, 0x480, 0, 0}},
	{0x0d, 7, {0x400, 0x680, 0, 0}},
	{0x0d, 9, {8, 0xa80, 0, 0}},
	{0x0d, 11, {0x10, 0, 1, 0}},
	{0x0d, 12, {0x18, 0, 1, 0}},
	{0x15, ANY, {2, 146, 38400000, 0}},
	{0x16, ANY, {0xa8c, 0x12c0, 0x64, 0}},
	{0x19, ANY, {7, 0x14, 3, 0}},
	{0x1b, ANY, {0x77777777, 0x77777777, 0x77777777, 0x77777777}},
	{0x80000000, ANY, {0x80000008, 0, 0, 0}},
	{0x80000001, ANY, {0, 0, 0x121, 0x2c100800}},
	{0x80000006, ANY, {0, 0, 0x05007040, 0}},
	{0x80000007, ANY, {0, 0, 0, 0x100}},
	{0x80000008, ANY, {0x3027, 0x200, 0, 0}},
};

static const struct row tiger_lake_guest[] = {
	{0, ANY, {0x16, 0x756e6547, 0x6c65746e, 0x49656e69}},
	{1, ANY, {0x000806c1, 0x00010800, 0xf7fa3203, 0x078bfbff}},
	{2, ANY, {0x00feff01, 0xf0, 0, 0}},
	{4, 0, {0x121, 0x02c0003f, 0x3f, 0}},
	{4, 1, {0x122, 0x01c0003f, 0x3f, 0}},
	{4, 2, {0x143, 0x04c0003f, 0x3ff, 0}},
	{4, 3, {0x163, 0x02c0003f, 0x3fff, 4}},
	{6, ANY, {4, 0, 0, 0}},
	/* EBX less PT (25), RDT (15); ECX: 22, 14, 12-8, 6, 2, 1; EDX: VP2INTERSECT (8), FSRM (4)
	 */
	{7, 0, {0, 0xf1bf27eb, 0x00405f46, 0x110}},
	{0x0d, 0, {0xe7, 0x240, 0xa80, 0}},
	{0x0d, 1, {1, 0, 0, 0}},
	{0x0d, 2, {0x100, 0x240, 0, 0}},
	{0x0d, 5, {0x40, 0x440, 0, 0}},
	{0x0d, 6, {0x200, 0x480, 0, 0}},
	{0x0d, 7, {0x400, 0x680, 0, 0}},
	{0x15, ANY, {1, 1, 2400000000, 0}},
	{0x16, ANY, {2400, 2400, 2400, 0}},
	{0x80000000, ANY, {0x80000008, 0, 0, 0}},
	{0x80000001, ANY, {0, 0, 0x121, 0x2c100800}},
	{0x80000006, ANY, {0, 0, 0x05007040, 0}},
	{0x80000007, ANY, {0, 0, 0, 0x100}},
	{0x80000008, ANY, {0x3027, 0, 0, 0}},
};

static struct guest_cpuid build(struct model model, struct guest_cpuid_options options)
{
	struct guest_cpuid policy;
	struct host_cpuid host;

	fake_power_up();
	memset(&policy, 0xee, sizeof(policy));
	memset(&host, 0xee, sizeof(host));
	if (!options.tsc_hz)
		options.tsc_hz = 2400000000;
	if (!options.vcpus)
		options.vcpus = 1;
	host_cpuid_read(&host, model_cpuid, &model);
	guest_cpuid_build(&policy, &options, &host);
	return policy;
}

static void expect(const struct guest_cpuid *policy, u32 leaf, u32 subleaf, struct cpuid want)
{
	struct cpuid got = fake_cpuid(policy, leaf, subleaf);

	if (memcmp(&got, &want, sizeof(got)))
		fail_msg("leaf 0x%x.%u: %08x %08x %08x %08x, expected %08x %08x %08x %08x", leaf,
			 subleaf, got.eax, got.ebx, got.ecx, got.edx, want.eax, want.ebx, want.ecx,
			 want.edx);
}

/* KVM: no port delays 1, clock 3, steal time 5, unhalt 7, TLB flush 9, IPIs 11, poll control 12,
 * stable clock 24. */
#define KVM_ANY 0x01001aaaU

/* Leaf 0bh for one vCPU with APIC id 0, and the hypervisor's, are the same on every host: KVM's
 * signature, its features and the clock's rates, then our own. */
static struct cpuid expected(const struct model *guest, u32 leaf, u32 subleaf)
{
	if (leaf == 0x0b)
		return (struct cpuid){0, subleaf < 2,
				      (subleaf & 0xff) | (subleaf == 0	 ? 0x100U
							  : subleaf == 1 ? 0x200U
									 : 0),
				      0};
	if (leaf == 0x40000000)
		return (struct cpuid){0x40000010, 0x4b4d564b, 0x564b4d56, 0x4d};
	if (leaf == 0x40000001)
		return (struct cpuid){KVM_ANY, 0, 0, 0};
	if (leaf == 0x40000010)
		return (struct cpuid){2400000, 2400000, 0, 0};
	if (leaf == 0x40000100)
		return (struct cpuid){0x40000100, 0x6b6c7542, 0x64616568, 0x20202020};
	return rows_find(guest, leaf, subleaf);
}

static void check_all_leaves(struct model host, struct model guest)
{
	static const u32 ranges[][2] = {
		{0, 0x16}, {0x40000000, 0x40000200}, {0x80000000, 0x80000008}};
	static const u32 subleaves[] = {0,  1,	2,  3,	4,  5,	6,  7,	8,     9,
					10, 11, 12, 17, 18, 31, 32, 63, 0x100, 0xffffffff};
	struct guest_cpuid policy = build(host, (struct guest_cpuid_options){.kvm = true});

	for (size_t r = 0; r < ARRAY_SIZE(ranges); r++)
		for (u32 leaf = ranges[r][0]; leaf <= ranges[r][1]; leaf++)
			for (size_t s = 0; s < ARRAY_SIZE(subleaves); s++)
				expect(&policy, leaf, subleaves[s],
				       expected(&guest, leaf, subleaves[s]));
}

static void haswell_leaves(void **state)
{
	(void)state;
	check_all_leaves(MODEL(haswell), MODEL(haswell_guest));
}

static void arrandale_leaves(void **state)
{
	(void)state;
	check_all_leaves(MODEL(arrandale), MODEL(arrandale_guest));
}

static void skylake_x_leaves(void **state)
{
	(void)state;
	check_all_leaves(MODEL(skylake_x), MODEL(skylake_x_guest));
}

static void tiger_lake_leaves(void **state)
{
	(void)state;
	check_all_leaves(MODEL(tiger_lake), MODEL(tiger_lake_guest));
}

static void registers_follow(void **state)
{
	/* CR4: bits 0-10 everywhere; UMIP 11, FSGSBASE 16, PCIDE 17, OSXSAVE 18, SMEP 20, SMAP 21
	 */
	const struct {
		struct model model;
		u64 cr4, xcr0;
		u32 xsave_bytes, physical_bits;
		bool invpcid;
	} expected_registers[] = {
		{MODEL(haswell), 0x1707ff, 0x07, 832, 39, true},
		{MODEL(arrandale), 0x7ff, 0, 0, 36, false},
		{MODEL(skylake_x), 0x3707ff, 0xe7, 2688, 46, true},
		{MODEL(tiger_lake), 0x370fff, 0xe7, 2688, 39, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expected_registers); i++) {
		struct guest_cpuid policy = build(expected_registers[i].model,
						  (struct guest_cpuid_options){.kvm = true});

		assert_int_equal(policy.cr4_allowed, expected_registers[i].cr4);
		assert_int_equal(policy.efer_allowed, 0xd01); /* NXE, LMA, LME, SCE */
		assert_int_equal(policy.xcr0_allowed, expected_registers[i].xcr0);
		assert_int_equal(policy.xsave_bytes, expected_registers[i].xsave_bytes);
		assert_int_equal(policy.physical_bits, expected_registers[i].physical_bits);
		assert_int_equal(policy.invpcid, expected_registers[i].invpcid);
		assert_true(policy.rdtscp && policy.tsc_deadline && policy.x2apic &&
			    policy.tsc_adjust);
		assert_true(policy.rdseed || !i || i == 1);
		assert_true(policy.rdrand || i == 1);
	}
}

static void osxsave_shows_cr4(void **state)
{
	struct guest_cpuid policy =
		build(MODEL(haswell), (struct guest_cpuid_options){.kvm = true});

	(void)state;
	fake_cr4 = CR4_OSXSAVE;
	assert_int_equal(fake_cpuid(&policy, 1, 0).ecx, 0xfffa3203);
	fake_cr4 = ~CR4_OSXSAVE;
	assert_int_equal(fake_cpuid(&policy, 1, 0).ecx, 0xf7fa3203);
}

static void apic_switched_off(void **state)
{
	struct guest_cpuid policy =
		build(MODEL(haswell), (struct guest_cpuid_options){.kvm = true});

	(void)state;
	fake_apic.base_msr = ~VLAPIC_ENABLE;
	expect(&policy, 1, 0, (struct cpuid){0x306c3, 0x10800, 0xf7fa3203, 0x078bf9ff});
	fake_apic.base_msr = VLAPIC_ENABLE;
	expect(&policy, 1, 0, (struct cpuid){0x306c3, 0x10800, 0xf7fa3203, 0x078bfbff});
}

static void xsave_size_shows_xcr0(void **state)
{
	struct guest_cpuid policy =
		build(MODEL(skylake_x), (struct guest_cpuid_options){.kvm = true});
	static const u32 sizes[][2] = {{1, 576}, {3, 576}, {7, 832}, {0xe7, 2688}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		fake_xcr0 = sizes[i][0];
		expect(&policy, 0x0d, 0, (struct cpuid){0xe7, sizes[i][1], 2688, 0});
	}
}

/* A host with one leaf's register changed. */
static struct guest_cpuid build_changed(u32 leaf, u32 subleaf, struct cpuid value)
{
	struct row rows[ARRAY_SIZE(tiger_lake)];
	struct model model = {"changed", rows, ARRAY_SIZE(rows)};

	memcpy(rows, tiger_lake, sizeof(rows));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].leaf == leaf && (rows[i].subleaf == ANY || rows[i].subleaf == subleaf))
			rows[i].value = value;
	return build(model, (struct guest_cpuid_options){.kvm = true});
}

static void avx512_needs_all_its_state(void **state)
{
	static const u32 states[] = {0x2c7, 0x2a7, 0x267, 0x207};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct guest_cpuid policy =
			build_changed(0x0d, 0, (struct cpuid){states[i], 0xa88, 0xa88, 0});

		assert_int_equal(policy.xcr0_allowed, 7);
		expect(&policy, 0x0d, 0, (struct cpuid){7, 576, 832, 0});
		expect(&policy, 0x0d, 5, (struct cpuid){0});
		/* EBX less 16, 17, 21, 28, 30, 31; ECX: UMIP, GFNI, VAES, VPCLMULQDQ, RDPID; FSRM
		 */
		expect(&policy, 7, 0, (struct cpuid){0, 0x219c27eb, 0x00400704, 0x10});
	}
}

static void avx_needs_its_state(void **state)
{
	struct guest_cpuid policy = build_changed(0x0d, 0, (struct cpuid){0xe3, 0xa80, 0xa80, 0});

	(void)state;
	assert_int_equal(policy.xcr0_allowed, 3);
	assert_int_equal(policy.xsave_bytes, 576);
	expect(&policy, 0x0d, 0, (struct cpuid){3, 576, 576, 0});
	expect(&policy, 0x0d, 2, (struct cpuid){0});
	/* Less AVX (28), F16C (29), FMA (12); AVX2 (5); VAES, VPCLMULQDQ. XSAVE stays. */
	expect(&policy, 1, 0, (struct cpuid){0x806c1, 0x10800, 0xc7fa2203, 0x078bfbff});
	expect(&policy, 7, 0, (struct cpuid){0, 0x219c27cb, 0x00400104, 0x10});
}

static void avx_needs_xsave(void **state)
{
	struct guest_cpuid policy =
		build_changed(1, 0, (struct cpuid){0x806c1, 0x00100800, 0x73fafbbf, 0xbfebfbff});

	(void)state;
	assert_int_equal(policy.xcr0_allowed, 0);
	assert_int_equal(policy.xsave_bytes, 0);
	assert_int_equal(policy.cr4_allowed, 0x330fff);
	expect(&policy, 1, 0, (struct cpuid){0x806c1, 0x10800, 0xc3fa2203, 0x078bfbff});
	for (u32 i = 0; i < 64; i++)
		expect(&policy, 0x0d, i, (struct cpuid){0});
}

static void backend_takes_features_away(void **state)
{
	struct guest_cpuid policy = build(
		MODEL(tiger_lake), (struct guest_cpuid_options){.kvm = true, .no_rdtscp = true});

	(void)state;
	assert_false(policy.rdtscp);
	assert_true(policy.invpcid);
	expect(&policy, 0x80000001, 0, (struct cpuid){0, 0, 0x121, 0x24100800});
	expect(&policy, 7, 0, (struct cpuid){0, 0xf1bf27eb, 0x00005f46, 0x110});

	policy = build(MODEL(tiger_lake),
		       (struct guest_cpuid_options){.kvm = true, .no_invpcid = true});
	assert_true(policy.rdtscp);
	assert_false(policy.invpcid);
	expect(&policy, 7, 0, (struct cpuid){0, 0xf1bf23eb, 0x00405f46, 0x110});
	assert_int_equal(policy.cr4_allowed, 0x370fff);
}

static void address_widths_missing(void **state)
{
	struct guest_cpuid policy = build_changed(0x80000008, 0, (struct cpuid){0x3000, 0, 0, 0});

	(void)state;
	assert_int_equal(policy.physical_bits, 36);
	expect(&policy, 0x80000008, 0, (struct cpuid){0x3024, 0, 0, 0});
	policy = build_changed(0x80000008, 0, (struct cpuid){0xff3934, 0, 0, 0});
	assert_int_equal(policy.physical_bits, 52);
	expect(&policy, 0x80000008, 0, (struct cpuid){0x3034, 0, 0, 0});
}

/* Where the host answers with its highest basic leaf, full of ones here, it has nothing to offer.
 */
static void host_lacks_leaves(void **state)
{
	static const struct row rows[] = {
		{0, ANY, {6, 0x756e6547, 0x6c65746e, 0x49656e69}},
		{1, ANY, {0x000306c3, 0x00100800, 0x7ffafbff, 0xbfebfbff}},
		{6, ANY, {~0U, ~0U, ~0U, ~0U}},
		{0x80000000, ANY, {0x80000001, 0, 0, 0}},
		{0x80000001, ANY, {0, 0, 0x21, 0x2c100800}},
	};
	struct guest_cpuid policy = build(MODEL(rows), (struct guest_cpuid_options){.kvm = true});

	(void)state;
	assert_int_equal(policy.xcr0_allowed, 0);
	assert_int_equal(policy.physical_bits, 36);
	expect(&policy, 6, 0, (struct cpuid){4, 0, 0, 0});
	expect(&policy, 7, 0, (struct cpuid){0, 2, 0, 0});
	expect(&policy, 0x0d, 2, (struct cpuid){0});
	expect(&policy, 0x80000002, 0, (struct cpuid){0});
	expect(&policy, 0x80000006, 0, (struct cpuid){0});
}

static void out_of_range(void **state)
{
	static const u32 leaves[] = {0x17,	 0x1f,	     0x20,	 0x3fffffff, 0x50000000,
				     0x7fffffff, 0x80000009, 0x8000001f, 0xc0000000, 0xffffffff};
	struct guest_cpuid policy =
		build(MODEL(tiger_lake), (struct guest_cpuid_options){.kvm = true});

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++)
		for (u32 subleaf = 0; subleaf < 3; subleaf++)
			expect(&policy, leaves[i], subleaf, (struct cpuid){2400, 2400, 2400, 0});
	expect(&policy, 0x40000002, 0, (struct cpuid){0});
	expect(&policy, 0x40000101, 0, (struct cpuid){0});
	expect(&policy, 0x40010000, 0, (struct cpuid){0});
	expect(&policy, 0x4fffffff, 0, (struct cpuid){0});
}

/* As guests compare them: twelve characters in EBX, ECX and EDX. */
static void signatures(void **state)
{
	static const struct {
		u32 leaf;
		const char *text;
	} all[] = {{0x40000000, "KVMKVMKVM\0\0\0"}, {0x40000100, "Bulkhead    "}};
	struct guest_cpuid policy =
		build(MODEL(arrandale), (struct guest_cpuid_options){.kvm = true});

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct cpuid value = fake_cpuid(&policy, all[i].leaf, 0);
		u32 text[3] = {value.ebx, value.ecx, value.edx};

		assert_memory_equal(text, all[i].text, sizeof(text));
	}
	/* Without this bit nobody looks at these leaves. */
	assert_true(fake_cpuid(&policy, 1, 0).ecx & 1U << 31);
}

/* What else KVM's leaf says depends on the machine and the partition's claim. */
static void kvm_features(void **state)
{
	struct guest_cpuid policy =
		build(MODEL(haswell), (struct guest_cpuid_options){.kvm = true, .eoi_exits = true});

	(void)state;
	expect(&policy, 0x40000001, 0, (struct cpuid){KVM_ANY | 1 << 6, 0, 0, 0});
	guest_cpuid_dedicated(&policy, true);
	expect(&policy, 0x40000001, 0, (struct cpuid){KVM_ANY | 1 << 6, 0, 0, 1});
	guest_cpuid_dedicated(&policy, false);
	expect(&policy, 0x40000001, 0, (struct cpuid){KVM_ANY | 1 << 6, 0, 0, 0});
}

static void six_vcpus(void **state)
{
	struct guest_cpuid policy =
		build(MODEL(haswell), (struct guest_cpuid_options){.kvm = true, .vcpus = 6});

	(void)state;
	fake_apic.id = 5;
	/* 8 APIC ids are the package's; HTT */
	expect(&policy, 1, 0, (struct cpuid){0x306c3, 0x05080800, 0xf7fa3203, 0x178bfbff});
	/* 8 core ids less 1 in EAX[31:26]; sharing less 1 in EAX[25:14] */
	expect(&policy, 4, 0, (struct cpuid){0x1c000121, 0x01c0003f, 0x3f, 0});
	expect(&policy, 4, 1, (struct cpuid){0x1c000122, 0x01c0003f, 0x3f, 0});
	expect(&policy, 4, 2, (struct cpuid){0x1c000143, 0x01c0003f, 0x1ff, 0});
	expect(&policy, 4, 3, (struct cpuid){0x1c01c163, 0x03c0003f, 0x1fff, 6});
	expect(&policy, 4, 4, (struct cpuid){0});
	expect(&policy, 0x0b, 0, (struct cpuid){0, 1, 0x100, 5});
	expect(&policy, 0x0b, 1, (struct cpuid){3, 6, 0x201, 5});
	expect(&policy, 0x0b, 2, (struct cpuid){0, 0, 2, 5});
}

static void vcpus_beyond_field_widths(void **state)
{
	struct guest_cpuid policy =
		build(MODEL(haswell), (struct guest_cpuid_options){.kvm = true, .vcpus = 300});

	(void)state;
	fake_apic.id = 299;
	assert_int_equal(fake_cpuid(&policy, 1, 0).ebx, 0x2bff0800);
	assert_int_equal(fake_cpuid(&policy, 4, 0).eax, 0xfc000121);
	assert_int_equal(fake_cpuid(&policy, 4, 3).eax, 0xfc000163 | 511U << 14);
	expect(&policy, 0x0b, 1, (struct cpuid){9, 300, 0x201, 299});
}

static void tsc_rates(void **state)
{
	static const struct {
		u64 hz;
		u32 ratio, crystal;
	} rates[] = {
		{10000000, 1, 10000000},     {2400000000, 1, 2400000000},
		{4294967295, 1, 4294967295}, {4294967296, 2, 2147483648},
		{5000000000, 2, 2500000000}, {8589934591, 2, 4294967295},
		{8589934592, 3, 2863311530},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		struct guest_cpuid policy =
			build(MODEL(haswell),
			      (struct guest_cpuid_options){.kvm = true, .tsc_hz = rates[i].hz});

		assert_int_equal(policy.bus_divisor, rates[i].ratio);
		expect(&policy, 0x15, 0, (struct cpuid){1, rates[i].ratio, rates[i].crystal, 0});
	}
}

static struct cpuid all_ones(void *context, u32 leaf, u32 subleaf)
{
	(void)context;
	if (leaf == 0x0d && subleaf >= 2)
		return (struct cpuid){64, 576 + 64 * (subleaf - 2), ~0U, ~0U};
	return (struct cpuid){~0U, ~0U, ~0U, ~0U};
}

/* Whatever a future CPU has to say, these are the bits that guests can see. */
static void nothing_else_passes(void **state)
{
	static const struct row shown[] = {
		{0, 0, {0x16, ~0U, ~0U, ~0U}},
		{1, 0, {0x0fff3fff, 0x0001ff00, 0xf7fa3203, 0x078bfbff}},
		{3, 0, {0}},
		{5, 0, {0}},
		{6, 0, {4, 0, 0, 0}},
		/* EBX less SGX 2, HLE 4, RTM 11, RDT 12 and 15, MPX 14, 22, PT 25 */
		{7, 0, {0, 0xfdbf27eb, 0x00405f46, 0x0080011c}},
		{7, 1, {0}},
		{9, 0, {0}},
		{0x0a, 0, {0}},
		{0x0c, 0, {0}},
		{0x0d, 0, {0xe7, 576, 576 + 6 * 64, 0}},
		{0x0d, 1, {1, 0, 0, 0}},
		{0x0d, 3, {0}},
		{0x0d, 7, {64, 576 + 5 * 64, 0, 0}},
		{0x0d, 9, {0}},
		{0x0f, 0, {0}},
		{0x12, 0, {0}},
		{0x14, 0, {0}},
		{0x80000001, 0, {0, 0, 0x121, 0x2c100800}},
		{0x80000005, 0, {0}},
		{0x80000006, 0, {0, 0, 0xfffff0ff, 0}},
		{0x80000007, 0, {0, 0, 0, 0x100}},
		{0x80000008, 0, {0x3034, 0, 0, 0}},
	};
	struct guest_cpuid policy;
	struct host_cpuid host;

	(void)state;
	host_cpuid_read(&host, all_ones, NULL);
	guest_cpuid_build(&policy,
			  &(struct guest_cpuid_options){.kvm = true, .vcpus = 1, .tsc_hz = 1},
			  &host);
	assert_true(policy.count <= GUEST_CPUID_ANSWERS);
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		expect(&policy, shown[i].leaf, shown[i].subleaf, shown[i].value);
	assert_int_equal(policy.cr4_allowed, 0x370fff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(haswell_leaves),
		cmocka_unit_test(arrandale_leaves),
		cmocka_unit_test(skylake_x_leaves),
		cmocka_unit_test(tiger_lake_leaves),
		cmocka_unit_test(registers_follow),
		cmocka_unit_test(osxsave_shows_cr4),
		cmocka_unit_test(apic_switched_off),
		cmocka_unit_test(xsave_size_shows_xcr0),
		cmocka_unit_test(avx512_needs_all_its_state),
		cmocka_unit_test(avx_needs_its_state),
		cmocka_unit_test(avx_needs_xsave),
		cmocka_unit_test(backend_takes_features_away),
		cmocka_unit_test(address_widths_missing),
		cmocka_unit_test(host_lacks_leaves),
		cmocka_unit_test(out_of_range),
		cmocka_unit_test(signatures),
		cmocka_unit_test(kvm_features),
		cmocka_unit_test(six_vcpus),
		cmocka_unit_test(vcpus_beyond_field_widths),
		cmocka_unit_test(tsc_rates),
		cmocka_unit_test(nothing_else_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
