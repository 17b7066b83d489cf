/* SPDX-License-Identifier: MIT */
/*
 * KVM's MSRs and hypercalls as a guest uses them (Linux: Documentation/virt/kvm/x86/msr.rst and
 * hypercalls.rst), on a vCPU that is not there.
 */
/* links: vmm/kvm_clock.c vmm/steal_time.c */
#include "cmocka_all.h"

#include <string.h>

#include <bulkhead/arch.h>
#include <bulkhead/boot_files.h>
#include <bulkhead/error.h>
#include <bulkhead/partition.h>
#include <bulkhead/virt.h>

#define WALL_CLOCK   0x4b564d00
#define CLOCK	     0x4b564d01
#define STEAL_TIME   0x4b564d03
#define EOI	     0x4b564d04
#define POLL_CONTROL 0x4b564d05
#define OLD_CLOCK    0x12

#define NOSYS ((u64)-1000)

static u8 window[1 * MIB] aligned(64);
static struct config_partition config;
static struct partition partition;
static struct vcpu vcpu;
static struct boot_info info;
const struct boot_info *boot_info = &info;
static u64 now;
static bool exits;
static unsigned flushes, eois, ipis, requests;
static u64 icrs[130];
static int spaces; /* how deep in the partition's memory */

u64 arch_tsc(void)
{
	return now;
}

u64 arch_tsc_hz(void)
{
	return 2000000000;
}

u64 arch_time_us(void)
{
	return now / 2000;
}

u64 address_space_enter(const struct address_space *space)
{
	assert_ptr_equal(space, &partition.space);
	return (u64)spaces++;
}

void address_space_leave(u64 previous)
{
	spaces--;
	assert_int_equal(spaces, previous);
}

void vcpu_request(struct vcpu *asked, u32 request)
{
	assert_ptr_equal(asked, &vcpu);
	assert_int_equal(request, VCPU_REQUEST_INTERRUPT);
	requests++;
}

void vlapic_eoi(struct vlapic *apic)
{
	assert_ptr_equal(apic, &vcpu.apic);
	eois++;
}

static void keep_icr(struct vlapic *apic, u64 icr)
{
	assert_ptr_equal(apic, &vcpu.apic);
	assert_true(ipis < ARRAY_SIZE(icrs));
	icrs[ipis++] = icr;
}

void vlapic_send_ipi(struct vlapic *apic, u64 icr)
{
	keep_icr(apic, icr);
}

static void flush(struct vcpu *flushed)
{
	assert_ptr_equal(flushed, &vcpu);
	assert_int_equal(spaces, 0);
	flushes++;
}

static bool eoi_exits(void)
{
	return exits;
}

static const struct virt_backend backend = {.vcpu_flush = flush, .eoi_exits = eoi_exits};
const struct virt_backend *virt = &backend;

static int setup(void **state)
{
	static const struct vlapic_ops ops = {.send_ipi = keep_icr};

	(void)state;
	memset(window, 0, sizeof(window));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&partition, 0, sizeof(partition));
	config = (struct config_partition){.vcpus = 4};
	partition.config = &config;
	partition.memory = (struct guest_memory){.window = window, .low_bytes = sizeof(window)};
	vcpu.partition = &partition;
	vcpu.apic.ops = &ops;
	flushes = eois = ipis = requests = 0;
	exits = true;
	now = 0;
	info.unix_time_s = 1700000000;
	kvm_reset(&vcpu);
	return 0;
}

static void expect(u32 msr, u64 want)
{
	u64 value = 0x5555;

	assert_int_equal(kvm_msr_read(&vcpu, msr, &value), 0);
	assert_int_equal(value, want);
}

static void accept(u32 msr, u64 value)
{
	assert_int_equal(kvm_msr_write(&vcpu, msr, value), 0);
	expect(msr, value);
}

static void refuse(u32 msr, u64 value)
{
	u64 before, after;

	assert_int_equal(kvm_msr_read(&vcpu, msr, &before), 0);
	assert_int_equal(kvm_msr_write(&vcpu, msr, value), -EINVAL);
	assert_int_equal(kvm_msr_read(&vcpu, msr, &after), 0);
	assert_int_equal(before, after);
}

static u64 at(u64 gpa, unsigned bytes)
{
	u64 value = 0;

	memcpy(&value, window + gpa, bytes);
	return value;
}

static void power_up(void **state)
{
	(void)state;
	expect(WALL_CLOCK, 0);
	expect(CLOCK, 0);
	expect(STEAL_TIME, 0);
	expect(EOI, 0);
	expect(POLL_CONTROL, 1);
	expect(OLD_CLOCK, 0);
	accept(CLOCK, 0x1001);
	accept(POLL_CONTROL, 0);
	accept(EOI, 0x2001);
	vcpu.kvm.steal.counted = 4711;
	accept(STEAL_TIME, 0x3001);
	kvm_reset(&vcpu);
	expect(CLOCK, 0);
	expect(STEAL_TIME, 0);
	expect(EOI, 0);
	expect(POLL_CONTROL, 1);
	assert_int_equal(vcpu.kvm.steal.counted, 4711);
}

/* No number takes the short way if there are no hypercalls, and none that is a call's. */
static void offered(void **state)
{
	(void)state;
	assert_true(vcpu.kvm.offered);
	assert_int_equal(vcpu.kvm.calls_from, 5);
	config.hypervisor_leaves = CONFIG_LEAVES_NONE;
	kvm_reset(&vcpu);
	assert_false(vcpu.kvm.offered);
	assert_int_equal(vcpu.kvm.calls_from, 0);
}

/* Records of 32, 64 and 4 bytes, from multiples of 4 (of 64), in RAM as a whole. */
static void addresses(void **state)
{
	static const struct {
		u32 msr;
		u64 bytes, step;
	} all[] = {{CLOCK, 32, 4}, {EOI, 4, 4}, {STEAL_TIME, 64, 64}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		u64 last = sizeof(window) - all[i].bytes;

		accept(all[i].msr, 1);
		accept(all[i].msr, last | 1);
		accept(all[i].msr, 0);
		refuse(all[i].msr, (last + all[i].step) | 1);
		refuse(all[i].msr, 2);
		refuse(all[i].msr, 3);
		refuse(all[i].msr, GUEST_HOLE_BASE | 1);
		refuse(all[i].msr, ~63UL | 1);
		refuse(all[i].msr, BIT(63) | 1);
		accept(all[i].msr, ~63UL); /* off: it means nothing */
	}
	accept(WALL_CLOCK, 0x1004);
	refuse(WALL_CLOCK, 0x1001);
	refuse(WALL_CLOCK, 0x1002);
	refuse(WALL_CLOCK, sizeof(window) - 8);
	refuse(WALL_CLOCK, ~3UL);
	refuse(POLL_CONTROL, 2);
	refuse(POLL_CONTROL, BIT(63));
}

static void no_others(void **state)
{
	u64 value;

	(void)state;
	for (u32 msr = KVM_MSR_FIRST; msr <= KVM_MSR_LAST; msr++)
		if (msr > POLL_CONTROL || msr == 0x4b564d02) {
			assert_int_equal(kvm_msr_read(&vcpu, msr, &value), -EINVAL);
			assert_int_equal(kvm_msr_write(&vcpu, msr, 0), -EINVAL);
		}
	accept(OLD_CLOCK, 0);
	refuse(OLD_CLOCK, 1);
	refuse(OLD_CLOCK, 0x1000);
}

/* Two vCPUs that the same moment finds have the same time, whatever one did to its TSC. */
static void clock_follows_the_board(void **state)
{
	(void)state;
	now = 1000000;
	partition.clock_offset = vcpu.tsc_offset = 0 - 400000UL;
	accept(CLOCK, 0x1005);
	assert_int_equal(at(0x1004 + 8, 8), 0); /* TSC at 0 */
	assert_int_equal(at(0x1004, 4), 2);
	vcpu.tsc_offset += 7000;
	kvm_tsc_moved(&vcpu);
	assert_int_equal(at(0x1004 + 8, 8), 7000);
	assert_int_equal(at(0x1004, 4), 4);
	/* A pause moves both offsets: what is there is still right. */
	partition.clock_offset -= 100;
	vcpu.tsc_offset -= 100;
	kvm_tsc_moved(&vcpu);
	assert_int_equal(at(0x1004 + 8, 8), 7000);
	accept(CLOCK, 0x1004);
	vcpu.tsc_offset = 5;
	kvm_tsc_moved(&vcpu); /* off */
	assert_int_equal(at(0x1004, 4), 6);
}

/* So that with the clock's time, which began 3 s ago but stood still for 1 s, it is the time of
 * day. */
static void wall_clock(void **state)
{
	(void)state;
	now = 10000000000;
	partition.clock_offset = 0 - 6000000000UL;
	accept(WALL_CLOCK, 0x2000);
	assert_int_equal(at(0x2000, 4), 2);
	assert_int_equal(at(0x2004, 4), 1700000005 - 2);
	assert_int_equal(at(0x2008, 4), 0);
}

static u64 call(u64 number, u64 a0, u64 a1, u64 a2, u64 a3)
{
	const struct kvm_call request = {number, {a0, a1, a2, a3}, true, true};

	return kvm_hypercall(&vcpu, &request);
}

static void unknown_calls(void **state)
{
	static const u64 known[] = {5, 10};

	(void)state;
	for (u64 number = 0; number < 64; number++)
		if (number != known[0] && number != known[1])
			assert_int_equal(call(number, 0, 0, 0, 0), NOSYS);
	assert_int_equal(call(~0UL, 0, 0, 0, 0), NOSYS);
	assert_int_equal(call(BIT(32) | 5, 0, 0, 0, 0), NOSYS);
}

static void user_calls(void **state)
{
	const struct kvm_call request = {.number = 10, .arguments = {1}, .wide = true};

	(void)state;
	assert_int_equal(kvm_hypercall(&vcpu, &request), (u64)-1);
	assert_int_equal(ipis, 0);
}

static void kicks(void **state)
{
	(void)state;
	assert_int_equal(call(5, 0, 3, 0, 0), 0);
	assert_int_equal(ipis, 1);
	assert_int_equal(icrs[0], 3UL << 32 | 3 << 8);
	assert_int_equal(call(5, 0, 4, 0, 0), 0); /* nobody */
	assert_int_equal(call(5, 0, ~0UL, 0, 0), 0);
	assert_int_equal(ipis, 1);
}

static void ipis_by_bits(void **state)
{
	(void)state;
	assert_int_equal(call(10, 0xb, 0, 0, 0xfd), 3);
	assert_int_equal(ipis, 3);
	assert_int_equal(icrs[0], 0xfd);
	assert_int_equal(icrs[1], 1UL << 32 | 0xfd);
	assert_int_equal(icrs[2], 3UL << 32 | 0xfd);
	/* From 2 on, NMI; those that do not exist do not count. */
	assert_int_equal(call(10, ~0UL, ~0UL, 2, 0x400), 2);
	assert_int_equal(icrs[3], 2UL << 32 | 0x400);
	assert_int_equal(icrs[4], 3UL << 32 | 0x400);
	assert_int_equal(ipis, 5);
	/* The second word begins 64 on, or 32 on from 32-bit code. */
	config.vcpus = 200;
	assert_int_equal(call(10, 0, 3, 100, 0x30), 2);
	assert_int_equal(icrs[5], 164UL << 32 | 0x30);
	assert_int_equal(icrs[6], 165UL << 32 | 0x30);
	{
		const struct kvm_call narrow = {10, {0, 1, 5, 0x30}, false, true};

		assert_int_equal(kvm_hypercall(&vcpu, &narrow), 1);
		assert_int_equal(icrs[7], 37UL << 32 | 0x30);
	}
	config.vcpus = 400;
	ipis = 0;
	assert_int_equal(call(10, ~0UL, ~0UL, 0, 0x30), 128);
}

static void ipis_refused(void **state)
{
	(void)state;
	assert_int_equal(call(10, 1, 0, 0, 0x8fd), (u64)-22);	/* logical */
	assert_int_equal(call(10, 1, 0, 0, 0x400fd), (u64)-22); /* shorthands */
	assert_int_equal(call(10, 1, 0, 0, 0x800fd), (u64)-22);
	assert_int_equal(call(10, 1, 0, BIT(32), 0xfd), (u64)-22);
	assert_int_equal(call(10, ~0UL, ~0UL, 0xffffffff, 0xfd), 0);
	assert_int_equal(call(10, 0, 0, 0, 0xfd), 0);
	assert_int_equal(ipis, 0);
	/* Nothing but vector, mode and level gets through, and no destination. */
	assert_int_equal(call(10, 1, 0, 0, 0xffffffff00000000 | 0xc0fd), 1);
	assert_int_equal(icrs[0], 0xc0fd);
}

static void a_kick_lasts_until_a_halt(void **state)
{
	(void)state;
	assert_false(vcpu_take_kick(&vcpu));
	kvm_kick(&vcpu);
	kvm_kick(&vcpu);
	assert_int_equal(requests, 2);
	assert_true(vcpu_take_kick(&vcpu));
	assert_false(vcpu_take_kick(&vcpu));
}

/* On the record whether it runs, for the others. */
static void run_and_stop(u8 then)
{
	kvm_before_run(&vcpu);
	assert_int_equal(window[0x3010], 0);
	kvm_after_run(&vcpu);
	assert_int_equal(window[0x3010], then);
}

static void others_see_who_does_not_run(void **state)
{
	(void)state;
	run_and_stop(0);
	accept(STEAL_TIME, 0x3001);
	run_and_stop(1);
	run_and_stop(1);
	assert_int_equal(flushes, 0);
	window[0x3010] |= 2;
	run_and_stop(1);
	assert_int_equal(flushes, 1);
	run_and_stop(1);
	assert_int_equal(flushes, 1);
	config.vcpus = 1;
	kvm_before_run(&vcpu);
	run_and_stop(0); /* nobody else is there */
}

static void stolen_time_is_told(void **state)
{
	(void)state;
	config.vcpus = 1;
	accept(STEAL_TIME, 0x3001);
	vcpu.thread.entity.times[SCHEDULER_READY] = 2000;
	vcpu.thread.entity.times[SCHEDULER_CAPPED] = 4000;
	kvm_before_run(&vcpu);
	assert_int_equal(at(0x3000, 8), 3000);
	kvm_before_run(&vcpu);
	assert_int_equal(at(0x3000, 8), 3000);
	assert_int_equal(at(0x3008, 4), 2);
}

static void eoi_in_memory(void **state)
{
	(void)state;
	accept(EOI, 0x4001);
	window[0x4000] = 0xf0;
	kvm_eoi_offer(&vcpu, true);
	assert_true(vcpu.kvm.eoi_offered);
	assert_int_equal(window[0x4000], 0xf1);
	vcpu_take_eoi(&vcpu); /* not yet */
	assert_int_equal(eois, 0);
	assert_true(vcpu.kvm.eoi_offered);
	window[0x4000] = 0xf0;
	vcpu_take_eoi(&vcpu);
	assert_int_equal(eois, 1);
	assert_false(vcpu.kvm.eoi_offered);
	vcpu_take_eoi(&vcpu);
	assert_int_equal(eois, 1);
	/* Taken back: the guest has to do it in the other way. */
	kvm_eoi_offer(&vcpu, true);
	kvm_eoi_offer(&vcpu, false);
	assert_false(vcpu.kvm.eoi_offered);
	assert_int_equal(window[0x4000], 0xf0);
	vcpu_take_eoi(&vcpu);
	assert_int_equal(eois, 1);
}

static void eoi_changes_place(void **state)
{
	(void)state;
	accept(EOI, 0x4001);
	kvm_eoi_offer(&vcpu, true);
	accept(EOI, 0x5001); /* taken back before */
	assert_int_equal(window[0x4000], 0);
	assert_false(vcpu.kvm.eoi_offered);
	kvm_eoi_offer(&vcpu, true);
	window[0x5000] = 0;
	accept(EOI, 0); /* carried out before */
	assert_int_equal(eois, 1);
	assert_false(vcpu.kvm.eoi_offered);
	/* Memory that is gone: nothing is touched, and the interrupt ends. */
	accept(EOI, 0x5001);
	kvm_eoi_offer(&vcpu, true);
	partition.memory.low_bytes = 0x1000;
	vcpu_take_eoi(&vcpu);
	assert_int_equal(eois, 2);
	kvm_eoi_offer(&vcpu, true);
	assert_false(vcpu.kvm.eoi_offered);
}

/* Where the CPU answers EOIs itself there is nothing to be gained. */
static void no_eoi_where_none_exits(void **state)
{
	u64 value;

	(void)state;
	exits = false;
	assert_int_equal(kvm_msr_read(&vcpu, EOI, &value), -EINVAL);
	assert_int_equal(kvm_msr_write(&vcpu, EOI, 0x1001), -EINVAL);
	assert_int_equal(kvm_msr_write(&vcpu, EOI, 0), -EINVAL);
	assert_int_equal(vcpu.kvm.eoi, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(power_up, setup),
		cmocka_unit_test_setup(offered, setup),
		cmocka_unit_test_setup(addresses, setup),
		cmocka_unit_test_setup(no_others, setup),
		cmocka_unit_test_setup(clock_follows_the_board, setup),
		cmocka_unit_test_setup(wall_clock, setup),
		cmocka_unit_test_setup(unknown_calls, setup),
		cmocka_unit_test_setup(user_calls, setup),
		cmocka_unit_test_setup(kicks, setup),
		cmocka_unit_test_setup(ipis_by_bits, setup),
		cmocka_unit_test_setup(ipis_refused, setup),
		cmocka_unit_test_setup(a_kick_lasts_until_a_halt, setup),
		cmocka_unit_test_setup(others_see_who_does_not_run, setup),
		cmocka_unit_test_setup(stolen_time_is_told, setup),
		cmocka_unit_test_setup(eoi_in_memory, setup),
		cmocka_unit_test_setup(eoi_changes_place, setup),
		cmocka_unit_test_setup(no_eoi_where_none_exits, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
