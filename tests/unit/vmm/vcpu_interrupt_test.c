/* SPDX-License-Identifier: MIT */
/*
 * Whom an interrupt message reaches, in every destination mode, and how. The local APICs are real;
 * the vCPUs are on CPU 0, where messages arrive at once, unless a test puts one elsewhere.
 */
/* links: drivers/virt/vlapic.c drivers/virt/vlapic_interrupt.c */
/* links: drivers/virt/vlapic_message.c drivers/virt/vlapic_timer.c */
#include "fake_cpu.h"

#include "../drivers/virt/fake_host.h"

#include "vmm/vcpu_interrupt.h"
#include "vmm/vcpu_thread.h"

#include <stdlib.h>

#include <bulkhead/memory.h>
#include <bulkhead/partition.h>

#define VCPUS	8
#define VECTOR	0x55u
#define LOGICAL BIT(11)
#define LEVEL	BIT(15)
#define TO_SELF (1UL << 18)
#define TO_ALL	(2UL << 18)
#define OTHERS	(3UL << 18)

enum { FIXED, LOWEST = 1 << 8, SMI = 2 << 8, NMI = 4 << 8, INIT = 5 << 8, STARTUP = 6 << 8 };

static struct partition partition;
static struct vcpu vcpus[VCPUS];
static struct fake_host hosts[VCPUS];
static u8 pages[VCPUS][PAGE_SIZE] aligned(4096);
static u32 inits, startups, kicks; /* bits of vCPUs */
static u8 startup_vector;

void vcpu_request(struct vcpu *vcpu, u32 request)
{
	vcpu->requests |= request;
}

void vcpu_init_request(struct vcpu *vcpu)
{
	inits |= 1u << vcpu->id;
}

void kvm_kick(struct vcpu *vcpu)
{
	kicks |= 1u << vcpu->id;
}

void vcpu_startup_request(struct vcpu *vcpu, u8 vector)
{
	startups |= 1u << vcpu->id;
	startup_vector = vector;
}

static void changed(struct vlapic *apic)
{
	vcpu_request(apic->context, VCPU_REQUEST_INTERRUPT);
}

static const struct vlapic_ops ops = {.changed = changed};

static int setup(void **state)
{
	(void)state;
	fake_cpus_init();
	memset(&partition, 0, sizeof(partition));
	memset(vcpus, 0, sizeof(vcpus));
	partition.vcpu_count = VCPUS;
	for (u32 i = 0; i < VCPUS; i++) {
		struct vlapic *apic = &vcpus[i].apic;

		partition.vcpus[i] = &vcpus[i];
		vcpus[i].id = i;
		vcpus[i].partition = &partition;
		fake_init(&hosts[i]);
		vlapic_init(apic, pages[i], i, &hosts[i].host, &ops);
		apic->context = &vcpus[i];
		apic->has_x2apic = true;
		apic->bus_divisor = 1;
		vlapic_write(apic, VLAPIC_SVR, 0x1ff);
		vlapic_write(apic, VLAPIC_LDR, 1u << (24 + i));
		vcpus[i].requests = 0;
	}
	inits = startups = kicks = 0;
	return 0;
}

static void x2apic_enter(void)
{
	for (u32 i = 0; i < VCPUS; i++)
		assert_int_equal(vlapic_msr_write(&vcpus[i].apic, 0x1b,
						  vcpus[i].apic.base_msr | VLAPIC_X2APIC),
				 0);
}

static void clusters_enter(void)
{
	for (u32 i = 0; i < VCPUS; i++) {
		vlapic_write(&vcpus[i].apic, VLAPIC_DFR, 0x0fffffff);
		vlapic_write(&vcpus[i].apic, VLAPIC_LDR, (i / 4 << 4 | 1u << i % 4) << 24);
	}
}

/* Those that have it, as bits; none has it any more then. */
static u32 reached(u8 vector)
{
	u32 bits = 0;

	for (u32 i = 0; i < VCPUS; i++) {
		u32 *irr = (u32 *)(void *)(pages[i] + VLAPIC_IRR + vector / 32 * 16);

		if (*irr >> vector % 32 & 1)
			bits |= 1u << i;
		*irr &= ~(1u << vector % 32);
	}
	return bits;
}

static u32 sent(u32 sender, u32 destination, u64 icr)
{
	vcpu_ipi(&vcpus[sender], (u64)destination << 32 | icr | VECTOR);
	return reached(VECTOR);
}

static u32 from_board(u8 destination, u64 entry)
{
	partition_interrupt(&partition, (u64)destination << 56 | entry | VECTOR);
	return reached(VECTOR);
}

static void by_physical_id(void **state)
{
	(void)state;
	for (unsigned mode = 0; mode < 2; mode++) {
		for (u32 i = 0; i < VCPUS; i++) {
			assert_int_equal(sent(3, i, 0), 1u << i);
			assert_int_equal(from_board((u8)i, 0), 1u << i);
		}
		assert_int_equal(sent(3, VCPUS, 0), 0);
		assert_int_equal(from_board(VCPUS, 0), 0);
		assert_int_equal(sent(3, mode ? 0xffffffff : 0xff, 0), 0xff);
		assert_int_equal(from_board(0xff, 0), 0xff);
		x2apic_enter();
	}
	/* In x2APIC mode 255 is an id that nobody has. */
	assert_int_equal(sent(3, 0xff, 0), 0);
}

static void by_logical_id_flat(void **state)
{
	(void)state;
	assert_int_equal(sent(0, 0x80, LOGICAL), 0x80);
	assert_int_equal(sent(0, 0x35, LOGICAL), 0x35);
	assert_int_equal(sent(0, 0xff, LOGICAL), 0xff);
	assert_int_equal(sent(0, 0, LOGICAL), 0);
	assert_int_equal(from_board(0x82, LOGICAL), 0x82);
}

static void by_logical_id_in_clusters(void **state)
{
	(void)state;
	clusters_enter();
	assert_int_equal(sent(0, 0x05, LOGICAL), 0x05);
	assert_int_equal(sent(0, 0x1a, LOGICAL), 0xa0);
	assert_int_equal(sent(0, 0x2f, LOGICAL), 0);
	assert_int_equal(sent(0, 0xf1, LOGICAL), 0x11);
	assert_int_equal(sent(0, 0xff, LOGICAL), 0xff);
}

static void by_logical_id_in_x2apic_mode(void **state)
{
	(void)state;
	x2apic_enter();
	assert_int_equal(sent(0, 0x00000035, LOGICAL), 0x35);
	assert_int_equal(sent(0, 0x00010035, LOGICAL), 0);
	assert_int_equal(sent(0, 0xffffffff, LOGICAL), 0xff);
	assert_int_equal(from_board(0x41, LOGICAL), 0x41);
}

static void by_shorthand(void **state)
{
	(void)state;
	for (unsigned mode = 0; mode < 2; mode++) {
		assert_int_equal(sent(2, 5, TO_SELF), 0x04);
		assert_int_equal(sent(2, 5, TO_ALL), 0xff);
		assert_int_equal(sent(2, 5, OTHERS), 0xfb);
		x2apic_enter();
	}
}

static void who_is_off_hears_nothing(void **state)
{
	(void)state;
	vlapic_write(&vcpus[1].apic, VLAPIC_SVR, 0xff);
	assert_int_equal(vlapic_msr_write(&vcpus[2].apic, 0x1b, VLAPIC_BASE_DEFAULT), 0);
	assert_int_equal(sent(0, 0, OTHERS), 0xf8);
	assert_int_equal(sent(0, 0xff, 0), 0xf9);
	assert_int_equal(sent(0, 1, 0) | sent(0, 2, 0), 0);
	/* An NMI needs no APIC that software has enabled. */
	vcpu_ipi(&vcpus[0], 1UL << 32 | NMI);
	assert_true(vcpus[1].requests & VCPU_REQUEST_NMI);
}

static void the_lowest_priority_has_it(void **state)
{
	u32 all = 0;

	(void)state;
	for (u32 i = 0; i < VCPUS; i++)
		vlapic_write(&vcpus[i].apic, VLAPIC_TPR, i == 5 ? 0x20 : 0x40);
	for (u32 i = 0; i < 3; i++)
		assert_int_equal(sent(0, 0xff, LOGICAL | LOWEST), 0x20);
	assert_int_equal(sent(0, 0x41, LOGICAL | LOWEST) & ~0x41u, 0);
	/* Equal ones take turns, and who is off takes none. */
	for (u32 i = 0; i < VCPUS; i++)
		vlapic_write(&vcpus[i].apic, VLAPIC_TPR, 0);
	vlapic_write(&vcpus[3].apic, VLAPIC_SVR, 0xff);
	for (u32 i = 0; i < VCPUS - 1; i++) {
		u32 one = from_board(0xff, LOGICAL | LOWEST);

		assert_true(one && !(one & (one - 1)));
		all |= one;
	}
	assert_int_equal(all, 0xf7);
	assert_int_equal(from_board(0x08, LOGICAL | LOWEST), 0);
}

static u32 with_request(u32 request)
{
	u32 bits = 0;

	for (u32 i = 0; i < VCPUS; i++) {
		bits |= vcpus[i].requests & request ? 1u << i : 0;
		vcpus[i].requests = 0;
	}
	return bits;
}

static void nmi_init_and_startup(void **state)
{
	(void)state;
	vcpu_ipi(&vcpus[0], OTHERS | NMI);
	assert_int_equal(with_request(VCPU_REQUEST_NMI), 0xfe);
	partition_interrupt(&partition, 0UL << 56 | NMI);
	assert_int_equal(with_request(VCPU_REQUEST_NMI), 0x01);
	vcpu_ipi(&vcpus[0], OTHERS | INIT);
	assert_int_equal(inits, 0xfe);
	vcpu_ipi(&vcpus[0], 4UL << 32 | STARTUP | 0x9a);
	assert_int_equal(startups, 0x10);
	assert_int_equal(startup_vector, 0x9a);
	assert_int_equal(reached(0x9a), 0);
	vcpu_ipi(&vcpus[0], 3UL << 32 | VLAPIC_MODE_KICK << 8);
	assert_int_equal(kicks, 0x08);
	assert_int_equal(with_request(~0U), 0);
}

static void what_is_not_allowed_does_nothing(void **state)
{
	(void)state;
	vcpu_ipi(&vcpus[1], TO_SELF | INIT);
	vcpu_ipi(&vcpus[1], TO_ALL | INIT);
	vcpu_ipi(&vcpus[1], TO_ALL | STARTUP);
	partition_interrupt(&partition, 0xffUL << 56 | STARTUP);
	partition_interrupt(&partition, 0xffUL << 56 | VLAPIC_MODE_KICK << 8);
	vcpu_ipi(&vcpus[1], TO_ALL | SMI);
	vcpu_ipi(&vcpus[1], TO_ALL | 7 << 8);
	assert_int_equal(inits | startups | kicks, 0);
	assert_int_equal(with_request(~0U), 0);
}

/* On another CPU the vCPU takes it into its APIC itself. */
static void elsewhere_it_is_posted(void **state)
{
	(void)state;
	vcpus[6].thread.cpu = 1;
	assert_int_equal(sent(0, 6, LEVEL), 0);
	assert_int_equal(with_request(VCPU_REQUEST_INTERRUPT), 0x40);
	assert_true(vcpus[6].posted_any);
	vcpu_take_posted(&vcpus[6]);
	assert_false(vcpus[6].posted_any);
	assert_int_equal(vlapic_register(&vcpus[6].apic, VLAPIC_TMR + VECTOR / 32 * 16),
			 1u << VECTOR % 32);
	assert_int_equal(reached(VECTOR), 0x40);
	vcpu_take_posted(&vcpus[6]);
	assert_int_equal(reached(VECTOR), 0);
}

/* Whatever a guest writes: nothing but what it names is touched. */
static void any_message(void **state)
{
	(void)state;
	srand(3);
	for (unsigned i = 0; i < 200000; i++) {
		u64 icr = (u64)(u32)rand() << 32 | (u32)rand();

		if (i == 100000)
			x2apic_enter();
		vcpu_ipi(&vcpus[i % VCPUS], icr);
		partition_interrupt(&partition, icr << 7);
	}
	assert_int_equal(partition.vcpu_count, VCPUS);
	assert_true(partition.arbitrated < VCPUS);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(by_physical_id),
		T(by_logical_id_flat),
		T(by_logical_id_in_clusters),
		T(by_logical_id_in_x2apic_mode),
		T(by_shorthand),
		T(who_is_off_hears_nothing),
		T(the_lowest_priority_has_it),
		T(nmi_init_and_startup),
		T(what_is_not_allowed_does_nothing),
		T(elsewhere_it_is_posted),
		T(any_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
