/* SPDX-License-Identifier: MIT */
/* KVM's MSRs and hypercalls. */
#include <bulkhead/kvm.h>

#include <bulkhead/arch.h>
#include <bulkhead/boot_files.h>
#include <bulkhead/error.h>
#include <bulkhead/kvm_clock.h>
#include <bulkhead/partition.h>
#include <bulkhead/virt.h>

#define MSR_WALL_CLOCK	 (KVM_MSR_FIRST + 0)
#define MSR_CLOCK	 (KVM_MSR_FIRST + 1)
#define MSR_STEAL_TIME	 (KVM_MSR_FIRST + 3)
#define MSR_EOI		 (KVM_MSR_FIRST + 4)
#define MSR_POLL_CONTROL (KVM_MSR_FIRST + 5)

#define POLL_ALLOWED BIT(0)

#define ICR_LOGICAL   BIT(11)
#define ICR_SHORTHAND BITS(19, 18)

/* --- the clock --- */

/* What a guest's TSC was when its clock began: what it writes to its TSC does not move the clock.
 */
static u64 tsc_at_zero(const struct vcpu *vcpu)
{
	return vcpu->tsc_offset - vcpu->partition->clock_offset;
}

static void clock_write(const struct vcpu *vcpu)
{
	const struct partition *partition = vcpu->partition;
	u64 previous = address_space_enter(&partition->space);

	kvm_clock_write(&partition->memory, vcpu->kvm.clock & ~KVM_ON, tsc_at_zero(vcpu),
			arch_tsc_hz());
	address_space_leave(previous);
}

void kvm_tsc_moved(struct vcpu *vcpu)
{
	if (vcpu->kvm.clock & KVM_ON)
		clock_write(vcpu);
}

static void wall_clock_write(const struct vcpu *vcpu)
{
	const struct partition *partition = vcpu->partition;
	u64 clock = mul_div(arch_tsc() + partition->clock_offset, 1000000000, arch_tsc_hz());
	u64 previous = address_space_enter(&partition->space);

	kvm_wall_clock_write(&partition->memory, vcpu->kvm.wall_clock,
			     unix_time_us() * 1000 - clock);
	address_space_leave(previous);
}

/* --- MSRs --- */

/* Multiples of 4, for which there is RAM. */
static bool address_good(const struct vcpu *vcpu, u64 gpa, u64 bytes)
{
	return is_aligned(gpa, 4) && guest_memory_at(&vcpu->partition->memory, gpa, bytes);
}

/* The same, with a bit that says whether it counts; off, it may be anything. */
static bool control_good(const struct vcpu *vcpu, u64 value, u64 bytes)
{
	if (!(value & KVM_ON))
		return is_aligned(value, 4);
	return address_good(vcpu, value & ~KVM_ON, bytes);
}

static int wall_clock_set(struct vcpu *vcpu, u64 value)
{
	if (!address_good(vcpu, value, sizeof(struct kvm_wall_clock_record)))
		return -EINVAL;
	vcpu->kvm.wall_clock = value;
	wall_clock_write(vcpu);
	return 0;
}

static int clock_set(struct vcpu *vcpu, u64 value)
{
	if (!control_good(vcpu, value, sizeof(struct kvm_clock_record)))
		return -EINVAL;
	vcpu->kvm.clock = value;
	if (value & KVM_ON)
		clock_write(vcpu);
	return 0;
}

static int eoi_set(struct vcpu *vcpu, u64 value)
{
	if (!virt->eoi_exits() || !control_good(vcpu, value, sizeof(u32)))
		return -EINVAL;
	vcpu_take_eoi(vcpu);
	if (vcpu->kvm.eoi_offered)
		kvm_eoi_offer(vcpu, false);
	vcpu->kvm.eoi = value;
	return 0;
}

static int poll_set(struct vcpu *vcpu, u64 value)
{
	if (value & ~POLL_ALLOWED)
		return -EINVAL;
	vcpu->kvm.poll = value;
	return 0;
}

int kvm_msr_write(struct vcpu *vcpu, u32 msr, u64 value)
{
	switch (msr) {
	case MSR_WALL_CLOCK:
		return wall_clock_set(vcpu, value);
	case MSR_CLOCK:
		return clock_set(vcpu, value);
	case MSR_STEAL_TIME:
		return steal_time_write(&vcpu->kvm.steal, &vcpu->partition->memory, value);
	case MSR_EOI:
		return eoi_set(vcpu, value);
	case MSR_POLL_CONTROL:
		return poll_set(vcpu, value);
	case KVM_MSR_OLD_CLOCK:
		/* It is off and stays off. But Linux 5.13 to 6.7 with no-kvmclock switches it off
		 * when it goes down, and complains at length of a fault. */
		return value ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

int kvm_msr_read(const struct vcpu *vcpu, u32 msr, u64 *value)
{
	switch (msr) {
	case MSR_WALL_CLOCK:
		*value = vcpu->kvm.wall_clock;
		return 0;
	case MSR_CLOCK:
		*value = vcpu->kvm.clock;
		return 0;
	case MSR_STEAL_TIME:
		*value = vcpu->kvm.steal.control;
		return 0;
	case MSR_EOI:
		*value = vcpu->kvm.eoi;
		return virt->eoi_exits() ? 0 : -EINVAL;
	case MSR_POLL_CONTROL:
		*value = vcpu->kvm.poll;
		return 0;
	case KVM_MSR_OLD_CLOCK:
		*value = 0;
		return 0;
	default:
		return -EINVAL;
	}
}

void kvm_reset(struct vcpu *vcpu)
{
	bool offered = vcpu->partition->config->hypervisor_leaves == CONFIG_LEAVES_KVM;

	vcpu->kvm = (struct kvm_state){
		.offered = offered,
		.calls_from = offered ? KVM_CALL_KICK : 0,
		.steal.counted = vcpu->kvm.steal.counted,
		.poll = POLL_ALLOWED,
	};
}

/* --- hypercalls --- */

/* The ids of APICs are the numbers of the vCPUs. */
static bool exists(const struct vcpu *vcpu, u64 id)
{
	return id < vcpu->partition->config->vcpus;
}

/* To wake one that waits for a lock. */
static u64 kick(struct vcpu *vcpu, u64 id)
{
	if (exists(vcpu, id))
		vcpu->apic.ops->send_ipi(&vcpu->apic, id << 32 | VLAPIC_MODE_KICK << 8);
	return 0;
}

/* One interrupt to all whose bits are set, from the id in the third argument on. The result is how
 * many there are. */
static u64 send_ipi(struct vcpu *vcpu, const struct kvm_call *call)
{
	u64 first = call->arguments[2], icr = call->arguments[3], sent = 0;
	u64 width = call->wide ? 64 : 32;

	if (icr & (ICR_LOGICAL | ICR_SHORTHAND) || first > 0xffffffff)
		return (u64)-KVM_RESULT_INVAL;
	for (u64 i = 0; i < 2; i++)
		for (u64 bits = call->arguments[i]; bits; bits &= bits - 1) {
			u64 id = first + i * width + (u32)__builtin_ctzl(bits);

			if (!exists(vcpu, id))
				continue;
			vlapic_send_ipi(&vcpu->apic, id << 32 | (icr & 0xffff));
			sent++;
		}
	return sent;
}

u64 kvm_hypercall(struct vcpu *vcpu, const struct kvm_call *call)
{
	if (!call->privileged)
		return kvm_call_unknown(false);
	switch (call->number) {
	case KVM_CALL_KICK:
		return kick(vcpu, call->arguments[1]);
	case KVM_CALL_SEND_IPI:
		return send_ipi(vcpu, call);
	default:
		return kvm_call_unknown(true);
	}
}

void kvm_kick(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->kvm.kicked, true, __ATOMIC_RELEASE);
	vcpu_request(vcpu, VCPU_REQUEST_INTERRUPT);
}

/* --- before and after it runs --- */

void kvm_before_run(struct vcpu *vcpu)
{
	struct partition *partition = vcpu->partition;
	struct steal_time *steal = &vcpu->kvm.steal;
	const u64 *times = vcpu->thread.entity.times;
	u64 ticks = steal_time_take(steal, times[SCHEDULER_READY] + times[SCHEDULER_CAPPED]);
	bool flush = false;
	u64 previous;

	if (likely(!ticks && !steal->away))
		return;
	previous = address_space_enter(&partition->space);
	if (ticks)
		steal_time_add(steal, &partition->memory, ticks, arch_tsc_hz());
	if (steal->away)
		flush = steal_time_return(steal, &partition->memory);
	address_space_leave(previous);
	if (flush)
		virt->vcpu_flush(vcpu);
}

/* Only other vCPUs want to know. */
void kvm_after_run(struct vcpu *vcpu)
{
	struct partition *partition = vcpu->partition;
	u64 previous;

	if (likely(partition->config->vcpus == 1 || !(vcpu->kvm.steal.control & STEAL_TIME_ON)))
		return;
	previous = address_space_enter(&partition->space);
	steal_time_preempt(&vcpu->kvm.steal, &partition->memory);
	address_space_leave(previous);
}

/* --- EOI --- */

/* The byte of the guest's word that has bit 0; NULL where there is no RAM any more. */
static u8 *eoi_byte(const struct vcpu *vcpu)
{
	return guest_memory_at(&vcpu->partition->memory, vcpu->kvm.eoi & ~KVM_ON, sizeof(u32));
}

void kvm_eoi_offer(struct vcpu *vcpu, bool offer)
{
	u64 previous = address_space_enter(&vcpu->partition->space);
	u8 *byte = eoi_byte(vcpu);

	if (byte && offer)
		__atomic_or_fetch(byte, KVM_ON, __ATOMIC_RELAXED);
	else if (byte)
		__atomic_and_fetch(byte, (u8)~KVM_ON, __ATOMIC_RELAXED);
	vcpu->kvm.eoi_offered = byte && offer;
	address_space_leave(previous);
}

void kvm_eoi_take(struct vcpu *vcpu)
{
	u64 previous = address_space_enter(&vcpu->partition->space);
	const u8 *byte = eoi_byte(vcpu);
	bool ended = !byte || !(__atomic_load_n(byte, __ATOMIC_RELAXED) & KVM_ON);

	address_space_leave(previous);
	if (!ended)
		return;
	vcpu->kvm.eoi_offered = false;
	vlapic_eoi(&vcpu->apic);
}
