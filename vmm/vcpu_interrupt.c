/* SPDX-License-Identifier: MIT */
/*
 * Interrupt messages between vCPUs, and from the I/O APIC to them (SDM vol. 3, 11.6 and 11.7): whom
 * one is for, and how it gets there.
 */
#include "vcpu_interrupt.h"

#include "vcpu_thread.h"

#include <bulkhead/arch.h>
#include <bulkhead/partition.h>

/* Delivery modes of an interrupt message (SDM vol. 3, 11.6.1). */
enum delivery_mode {
	DELIVER_FIXED,
	DELIVER_LOWEST,
	DELIVER_SMI,
	DELIVER_NMI = 4,
	DELIVER_INIT,
	DELIVER_STARTUP,
	DELIVER_EXTINT
};

enum shorthand { NO_SHORTHAND, TO_SELF, TO_ALL, TO_OTHERS };

struct message {
	enum delivery_mode mode;
	u8 vector;
	bool level, logical;
	u32 destination;
	enum shorthand shorthand;
	const struct vcpu *sender; /* NULL: the I/O APIC */
};

/*
 * On its own CPU the vCPU is out of guest mode while anyone asks this, so its APIC page can be
 * changed at once. From elsewhere that would race with the CPU, whose own updates of the page are
 * not promised to be atomic towards others.
 */
static void post(struct vcpu *vcpu, u8 vector, bool level)
{
	u32 bit = 1u << (vector & 31);

	if (vcpu->thread.cpu == arch_cpu_id()) {
		vlapic_accept(&vcpu->apic, vector, level);
		return;
	}
	if (level)
		__atomic_or_fetch(&vcpu->posted_level[vector / 32], bit, __ATOMIC_RELAXED);
	__atomic_or_fetch(&vcpu->posted[vector / 32], bit, __ATOMIC_RELEASE);
	__atomic_store_n(&vcpu->posted_any, true, __ATOMIC_RELEASE);
	vcpu_request(vcpu, VCPU_REQUEST_INTERRUPT);
}

void vcpu_move_posted(struct vcpu *vcpu)
{
	/* Before the words are read: who sets a bit after that says so again. */
	__atomic_store_n(&vcpu->posted_any, false, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < ARRAY_SIZE(vcpu->posted); i++) {
		u32 level, bits;

		if (!__atomic_load_n(&vcpu->posted[i], __ATOMIC_RELAXED))
			continue;
		bits = __atomic_exchange_n(&vcpu->posted[i], 0, __ATOMIC_ACQUIRE);
		level = __atomic_fetch_and(&vcpu->posted_level[i], ~bits, __ATOMIC_RELAXED);
		for (; bits; bits &= bits - 1) {
			unsigned bit = (unsigned)__builtin_ctz(bits);

			vlapic_accept(&vcpu->apic, (u8)(32 * i + bit), level >> bit & 1);
		}
	}
}

static void deliver(struct vcpu *vcpu, const struct message *message)
{
	switch (message->mode) {
	case DELIVER_FIXED:
	case DELIVER_LOWEST:
		post(vcpu, message->vector, message->level);
		break;
	case DELIVER_NMI:
		vcpu_request(vcpu, VCPU_REQUEST_NMI | VCPU_REQUEST_INTERRUPT);
		break;
	case DELIVER_INIT:
		vcpu_init_request(vcpu);
		break;
	case DELIVER_STARTUP:
		vcpu_startup_request(vcpu, message->vector);
		break;
	default:
		/* SMI: there is no SMM. ExtINT: the 8259 pair has its own way to the first one. */
		break;
	}
}

static bool is_for(const struct message *message, const struct vcpu *vcpu)
{
	switch (message->shorthand) {
	case TO_SELF:
		return vcpu == message->sender;
	case TO_ALL:
		return true;
	case TO_OTHERS:
		return vcpu != message->sender;
	default:
		return vlapic_matches(&vcpu->apic, message->destination, message->logical);
	}
}

static u32 priority_of(const struct vcpu *vcpu)
{
	return vlapic_register(&vcpu->apic, VLAPIC_TPR) >> 4 & 0xf;
}

/*
 * Of those that it is for, the one with the lowest task priority has it (SDM vol. 3, 11.6.2.4); of
 * equal ones the first after the one that had the last, so that work spreads.
 */
static struct vcpu *arbitrate(struct partition *partition, const struct message *message)
{
	u32 count = partition->vcpu_count;
	u32 last = __atomic_load_n(&partition->arbitrated, __ATOMIC_RELAXED);
	struct vcpu *best = NULL;

	for (u32 i = 1; i <= count; i++) {
		struct vcpu *vcpu = partition->vcpus[(last + i) % count];

		if (vlapic_listens(&vcpu->apic) && is_for(message, vcpu) &&
		    (!best || priority_of(vcpu) < priority_of(best)))
			best = vcpu;
	}
	if (best)
		__atomic_store_n(&partition->arbitrated, best->id, __ATOMIC_RELAXED);
	return best;
}

/* By shorthand a CPU cannot reset or start itself (SDM vol. 3, table 11-3). */
static bool is_valid(const struct message *message)
{
	return (message->mode != DELIVER_INIT && message->mode != DELIVER_STARTUP) ||
	       message->shorthand == NO_SHORTHAND || message->shorthand == TO_OTHERS;
}

static void send(struct partition *partition, const struct message *message)
{
	bool one = message->shorthand == NO_SHORTHAND && !message->logical;

	if (message->mode == DELIVER_LOWEST) {
		struct vcpu *vcpu = arbitrate(partition, message);

		if (vcpu)
			deliver(vcpu, message);
	} else if (one && message->destination < partition->vcpu_count) {
		struct vcpu *vcpu = partition->vcpus[message->destination];

		if (is_for(message, vcpu))
			deliver(vcpu, message);
	} else {
		for (u32 i = 0; i < partition->vcpu_count; i++)
			if (is_for(message, partition->vcpus[i]))
				deliver(partition->vcpus[i], message);
	}
}

void vcpu_ipi(struct vcpu *sender, u64 icr)
{
	const struct message message = {
		.mode = icr >> 8 & 7,
		.vector = (u8)icr,
		.level = icr & BIT(15),
		.logical = icr & BIT(11),
		.destination = (u32)(icr >> 32),
		.shorthand = icr >> 18 & 3,
		.sender = sender,
	};

	if (is_valid(&message))
		send(sender->partition, &message);
}

void partition_interrupt(struct partition *partition, u64 entry)
{
	struct message message = {
		.mode = entry >> 8 & 7,
		.vector = (u8)entry,
		.level = entry & BIT(15),
		.logical = entry & BIT(11),
		.destination = (u32)(entry >> 56),
	};

	/* The 8 bits of an I/O APIC mean everybody when all are set, in x2APIC mode too. */
	if (message.destination == 0xff)
		message.destination = 0xffffffff;
	/* An I/O APIC has no STARTUP (82093AA, 3.2.4). */
	if (message.mode != DELIVER_STARTUP)
		send(partition, &message);
}
