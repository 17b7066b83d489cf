/* SPDX-License-Identifier: MIT */
/*
 * Between a partition's virtual devices and the rest: what exits ask of them, what they ask of the
 * vCPU, the clock and the console. The board is called with the partition's device lock held; the
 * local APIC belongs to its vCPU and needs no lock.
 */
#include "vcpu_devices.h"

#include "partition_console.h"
#include "partition_memory.h"
#include "partition_net.h"
#include "partition_report.h"
#include "vcpu_interrupt.h"

#include <bulkhead/arch.h>
#include <bulkhead/boot_files.h>
#include <bulkhead/console.h>
#include <bulkhead/error.h>
#include <bulkhead/exit.h>
#include <bulkhead/partition.h>
#include <bulkhead/pc.h>
#include <bulkhead/virt.h>

/* The local APIC's only window into the world. */
struct apic_host {
	struct device_host host;
	struct timer timer;
	struct vcpu *vcpu;
};

/* Timers of the board fire no more often than this, so that a guest cannot keep its CPU with them.
 * The local APIC's needs no such limit here: either the guest sets it each time, which takes its
 * own time, or it is periodic, which has one (vlapic_timer.c). */
#define TIMER_GAP_US 20

static u64 timer_gap; /* that, in ticks of the TSC */

static struct apic_host *apic_host_of(struct device_host *host)
{
	return container_of(host, struct apic_host, host);
}

static u64 apic_now(void *clock)
{
	const struct vcpu *vcpu = clock;

	return arch_tsc() + vcpu->tsc_offset;
}

/* When a moment of the guest's clock, which is ahead of the TSC by `offset`, comes: a past one is
 * due now. */
inlined u64 host_deadline(u64 guest, u64 offset)
{
	u64 now = arch_tsc(), host = guest - offset;

	if (guest == DEVICE_TIMER_OFF)
		return TIMER_OFF;
	if (guest <= now + offset)
		return now;
	return host < now ? TIMER_OFF - 1 : host;
}

/*
 * While a vCPU waits for its CPU somebody else has it, whose time this would be: what it would be
 * told waits with it (vcpu_devices_catch_up). Asked on its CPU.
 */
static bool is_waiting(const struct vcpu *vcpu)
{
	enum scheduler_state state = vcpu->thread.entity.state;

	return state == SCHEDULER_READY || state == SCHEDULER_CAPPED;
}

static void apic_timer_set(struct device_host *host, struct device_timer *timer, u64 deadline)
{
	struct apic_host *apic = apic_host_of(host);

	timer->deadline = deadline;
	timer_set_own(&apic->timer, host_deadline(deadline, apic->vcpu->tsc_offset));
}

inlined void apic_timer_run(struct vcpu *vcpu)
{
	vcpu->apic.timer.deadline = DEVICE_TIMER_OFF;
	vlapic_timer_expired(&vcpu->apic);
}

static void apic_timer_fire(struct timer *timer)
{
	struct vcpu *vcpu = container_of(timer, struct apic_host, timer)->vcpu;

	if (unlikely(is_waiting(vcpu)))
		vcpu->late_timers |= VCPU_LATE_APIC;
	else
		apic_timer_run(vcpu);
}

static const struct device_host_ops apic_host_ops = {
	.timer_set = apic_timer_set,
};

static void apic_changed(struct vlapic *apic)
{
	struct vcpu *vcpu = apic->context;

	/* Most often it is the one that has the CPU: nobody needs to be woken. */
	if (likely(cpu_this()->thread == &vcpu->thread))
		__atomic_or_fetch(&vcpu->requests, VCPU_REQUEST_INTERRUPT, __ATOMIC_RELAXED);
	else
		vcpu_request(vcpu, VCPU_REQUEST_INTERRUPT);
}

static void apic_eoi_broadcast(struct vlapic *apic, u8 vector)
{
	struct vcpu *vcpu = apic->context;

	spin_lock(&vcpu->partition->device_lock);
	pc_eoi(vcpu->partition->pc, vector);
	spin_unlock(&vcpu->partition->device_lock);
}

static void apic_send_ipi(struct vlapic *apic, u64 icr)
{
	vcpu_ipi(apic->context, icr);
}

static const struct vlapic_ops apic_ops = {
	.send_ipi = apic_send_ipi,
	.eoi_broadcast = apic_eoi_broadcast,
	.changed = apic_changed,
};

static u64 board_now(void *context)
{
	const struct partition *partition = context;

	return arch_tsc() + partition->clock_offset;
}

static void board_next_timer(void *context, u64 deadline)
{
	struct partition *partition = context;
	u64 host = host_deadline(deadline, partition->clock_offset);

	timer_set(&partition->device_timer, MAX(host, partition->board_not_before));
}

/* Timers fire wherever this CPU is just then, also in sight of another partition's memory. */
static void board_timer_run(struct partition *partition)
{
	u64 previous = address_space_enter(&partition->space);

	spin_lock(&partition->device_lock);
	pc_run_timers(partition->pc);
	/* However long that took, the guest has time of its own before it comes again. */
	partition->board_not_before = arch_tsc() + timer_gap;
	board_next_timer(partition, pc_next_timer(partition->pc));
	spin_unlock(&partition->device_lock);
	address_space_leave(previous);
}

/* It has the CPU, or nobody has. */
static bool is_nobody_elses_time(const struct vcpu *vcpu)
{
	const struct cpu *cpu = cpu_this();

	return cpu->thread == &vcpu->thread || cpu->idling;
}

/* On the first vCPU's CPU, and at its expense: devices may have a lot to do. If it has halted and
 * somebody else has the CPU, it has to come back to it for that. */
static void board_timer_fire(struct timer *timer)
{
	struct partition *partition = container_of(timer, struct partition, device_timer);
	struct vcpu *first = partition->vcpus[0];

	if (!is_waiting(first) && is_nobody_elses_time(first)) {
		board_timer_run(partition);
		return;
	}
	first->late_timers |= VCPU_LATE_BOARD;
	thread_wake(&first->thread);
}

void vcpu_devices_catch_up(struct vcpu *vcpu)
{
	u32 late = vcpu->late_timers;

	vcpu->late_timers = 0;
	if (late & VCPU_LATE_APIC)
		apic_timer_run(vcpu);
	if (late & VCPU_LATE_BOARD)
		board_timer_run(vcpu->partition);
}

void vcpu_devices_look(struct vcpu *vcpu)
{
	struct partition *partition = vcpu->partition;
	u64 previous;

	__atomic_and_fetch(&vcpu->requests, ~VCPU_REQUEST_DEVICES, __ATOMIC_ACQUIRE);
	previous = address_space_enter(&partition->space);
	spin_lock(&partition->device_lock);
	pc_arrived(partition->pc);
	spin_unlock(&partition->device_lock);
	address_space_leave(previous);
}

static void board_interrupt(void *context, u64 entry)
{
	partition_interrupt(context, entry);
}

static void board_pic(void *context, bool level)
{
	struct vcpu *first = ((struct partition *)context)->vcpus[0];

	/* The 8259 pair's INTR is wired to the LINT0 of the first one alone. */
	__atomic_store_n(&first->pic_level, level, __ATOMIC_RELAXED);
	if (level)
		vcpu_request(first, VCPU_REQUEST_INTERRUPT);
}

static void board_event(void *context, enum device_event event)
{
	struct partition *partition = context;

	__atomic_or_fetch(&partition->events, 1u << event, __ATOMIC_RELEASE);
	vcpu_request(partition->vcpus[0], VCPU_REQUEST_STOP);
}

static void board_console_output(void *context, u8 byte)
{
	struct partition *partition = context;

	partition_console_put(partition, byte);
	console_output_ready(partition);
}

static void board_console_ready(void *context)
{
	/* Attached: it offers again what the guest had no room for. */
	console_output_ready(context);
}

static void board_report(void *context, const char *text)
{
	partition_report(context, text);
}

static void board_entropy(void *context unused, void *bytes, u64 count)
{
	arch_entropy(bytes, count);
}

static void board_flash_show(void *context, bool array)
{
	struct partition *partition = context;

	/* What is not there nobody has cached. */
	if (array) {
		partition_flash_show(partition);
		return;
	}
	partition_flash_hide(partition);
	for (u32 i = 0; i < partition->vcpu_count; i++)
		vcpu_request(partition->vcpus[i], VCPU_REQUEST_TABLES);
}

static u8 *board_screen_memory(void *context, u64 bytes)
{
	struct partition *partition = context;

	if (!partition->screen_memory)
		partition->screen_memory = memory_take(MEMORY_DEVICES, bytes);
	partition->screen_bytes = bytes;
	return partition->screen_memory;
}

static const struct pc_ops board_ops = {
	.now = board_now,
	.next_timer = board_next_timer,
	.interrupt = board_interrupt,
	.pic = board_pic,
	.event = board_event,
	.console_output = board_console_output,
	.console_ready = board_console_ready,
	.report = board_report,
	.entropy = board_entropy,
	.flash_show = board_flash_show,
	.screen_memory = board_screen_memory,
};

static struct pc_choice board_choice(const struct partition *partition)
{
	return (struct pc_choice){
		.rng = partition->config->rng,
		.disks = partition->disk_count,
		.nets = partition->net_count,
		.console = partition->config->virtio_console,
		.balloon = partition->config->balloon,
	};
}

static u64 board_bytes(const struct partition *partition)
{
	struct pc_choice choice = board_choice(partition);

	return pc_bytes(&choice);
}

int vcpu_devices_create(struct vcpu *vcpu)
{
	struct partition *partition = vcpu->partition;
	struct apic_host *host = memory_take(MEMORY_DEVICES, sizeof(*host));

	timer_gap = us_to_tsc(TIMER_GAP_US);
	if (vcpu->id == 0) {
		partition->pc = memory_take(MEMORY_DEVICES, board_bytes(partition));
		timer_init(&partition->device_timer, vcpu->thread.cpu, board_timer_fire);
	}
	vcpu->apic.page = memory_take(MEMORY_DEVICES, PAGE_SIZE);
	vcpu->apic.host = host ? &host->host : NULL;
	vcpu->apic.virtualised = !virt->eoi_exits();
	if (!host || !vcpu->apic.page || !partition->pc)
		return -ENOMEM;
	timer_init(&host->timer, vcpu->thread.cpu, apic_timer_fire);
	host->host.ops = &apic_host_ops;
	host->host.tsc_hz = arch_tsc_hz();
	host->host.now = apic_now;
	host->host.clock = vcpu;
	host->vcpu = vcpu;
	return 0;
}

void vcpu_devices_destroy(struct vcpu *vcpu)
{
	struct vlapic *apic = &vcpu->apic;

	memory_give(MEMORY_DEVICES, apic->page, PAGE_SIZE);
	memory_give(MEMORY_DEVICES, apic->host ? apic_host_of(apic->host) : NULL,
		    sizeof(struct apic_host));
	if (vcpu->id == 0) {
		memory_give(MEMORY_DEVICES, vcpu->partition->pc, board_bytes(vcpu->partition));
		memory_give(MEMORY_DEVICES, vcpu->partition->screen_memory,
			    vcpu->partition->screen_bytes);
		vcpu->partition->pc = NULL;
	}
}

void vcpu_timer_stop(struct vcpu *vcpu)
{
	vcpu->late_timers = 0; /* their deadlines are kept */
	timer_set(&apic_host_of(vcpu->apic.host)->timer, TIMER_OFF);
}

void vcpu_timer_go_on(struct vcpu *vcpu)
{
	struct device_timer *timer = &vcpu->apic.timer;

	if (timer->deadline != DEVICE_TIMER_OFF)
		apic_timer_set(vcpu->apic.host, timer, timer->deadline);
}

void vcpu_devices_stop(struct partition *partition)
{
	/* The operator may call the board just now. */
	spin_lock(&partition->device_lock);
	partition->board_not_before = TIMER_OFF;
	timer_set(&partition->device_timer, TIMER_OFF);
	spin_unlock(&partition->device_lock);
	vcpu_timer_stop(partition->vcpus[0]);
}

void vcpu_devices_pause(struct partition *partition)
{
	partition->paused_at = arch_tsc();
	vcpu_devices_stop(partition);
}

void vcpu_devices_resume(struct partition *partition)
{
	u64 pause = arch_tsc() - partition->paused_at;

	spin_lock(&partition->device_lock);
	partition->clock_offset -= pause;
	for (u32 i = 0; i < partition->vcpu_count; i++)
		partition->vcpus[i]->tsc_offset -= pause;
	partition->board_not_before = 0;
	board_next_timer(partition, pc_next_timer(partition->pc));
	spin_unlock(&partition->device_lock);
	vcpu_timer_go_on(partition->vcpus[0]);
}

void vcpu_devices_move(struct vcpu *vcpu, u32 cpu)
{
	struct partition *partition = vcpu->partition;

	if (vcpu->id == 0) {
		/* Others may set it off: not while it moves. */
		spin_lock(&partition->device_lock);
		timer_move(&partition->device_timer, cpu);
		spin_unlock(&partition->device_lock);
	}
	timer_move(&apic_host_of(vcpu->apic.host)->timer, cpu);
}

/* What is on its way to a vCPU is lost. */
static void posted_clear(struct vcpu *vcpu)
{
	for (unsigned i = 0; i < ARRAY_SIZE(vcpu->posted); i++) {
		__atomic_store_n(&vcpu->posted[i], 0, __ATOMIC_RELAXED);
		__atomic_store_n(&vcpu->posted_level[i], 0, __ATOMIC_RELAXED);
	}
}

void vcpu_devices_init(struct vcpu *vcpu)
{
	posted_clear(vcpu);
	vlapic_reset(&vcpu->apic, true);
}

static void vcpu_reset(struct vcpu *vcpu, u64 now)
{
	posted_clear(vcpu);
	vcpu->tsc_offset = 0 - now;
	vcpu->requests = 0;
	vcpu->pic_level = false;
	arch_guest_msrs_reset(vcpu);
	kvm_reset(vcpu);
	vcpu->apic.context = vcpu;
	arch_guest_apic_setup(&vcpu->apic);
	vlapic_init(&vcpu->apic, vcpu->apic.page, vcpu->id, vcpu->apic.host, &apic_ops);
}

void vcpu_devices_reset(struct partition *partition)
{
	u64 now = arch_tsc();
	struct pc_setup setup = {
		.tsc_hz = arch_tsc_hz(),
		.unix_time_s = unix_time_us() / 1000000,
		.low_bytes = partition->memory.low_bytes,
		.high_bytes = partition->memory.high_bytes,
		.memory = &partition->memory,
		.choice = board_choice(partition),
		.fw_cfg = partition->firmware ? &partition->firmware->fw_cfg : NULL,
		.had_power = partition->starts,
	};
	struct pc_net nets[CONFIG_NETS_MAX];

	for (u32 i = 0; i < partition->disk_count; i++) {
		setup.disks[i] = &partition->disks[i].backend;
		disk_started(&partition->disks[i]);
	}
	if (partition->channel)
		setup.channel = (struct pc_channel){
			.ops = &channel_port_ops,
			.port = partition->channel,
			.memory = partition->memory.window + CHANNEL_GPA,
			.bytes = (u32)channel_bytes(partition->channel),
		};
	vcpu_devices_stop(partition);
	partition_net_plugs(partition, nets);
	setup.nets = nets;
	/* No interrupt comes meanwhile for what a person types. */
	spin_lock(&partition->device_lock);
	partition->clock_offset = 0 - now;
	partition->board_not_before = 0;
	for (u32 i = 0; i < partition->vcpu_count; i++)
		vcpu_reset(partition->vcpus[i], now);
	partition_flash_show(partition);
	pc_init(partition->pc, &setup, &board_ops, partition);
	spin_unlock(&partition->device_lock);
}

bool vcpu_devices_power_button(struct partition *partition)
{
	bool heard;

	spin_lock(&partition->device_lock);
	heard = pc_power_button(partition->pc);
	spin_unlock(&partition->device_lock);
	return heard;
}

u32 exit_port_read(struct vcpu *vcpu, u32 port, unsigned bytes)
{
	struct partition *partition = vcpu->partition;
	u32 value;

	spin_lock(&partition->device_lock);
	value = pc_port_read(partition->pc, port, bytes);
	spin_unlock(&partition->device_lock);
	return value;
}

void exit_port_write(struct vcpu *vcpu, u32 port, unsigned bytes, u32 value)
{
	struct partition *partition = vcpu->partition;

	spin_lock(&partition->device_lock);
	pc_port_write(partition->pc, port, bytes, value);
	spin_unlock(&partition->device_lock);
}

void exit_ports_read(struct vcpu *vcpu, u32 port, unsigned bytes, u8 *data, u32 count)
{
	struct partition *partition = vcpu->partition;

	spin_lock(&partition->device_lock);
	pc_ports_read(partition->pc, port, bytes, data, count);
	spin_unlock(&partition->device_lock);
}

u32 exit_ports_write(struct vcpu *vcpu, u32 port, unsigned bytes, const u8 *data, u32 count)
{
	struct partition *partition = vcpu->partition;
	u32 done;

	spin_lock(&partition->device_lock);
	done = pc_ports_write(partition->pc, port, bytes, data, count);
	spin_unlock(&partition->device_lock);
	return done;
}

/* Is it this vCPU's local APIC page? */
static inline bool is_apic(const struct vcpu *vcpu, u64 gpa)
{
	return !((gpa ^ vcpu->apic.base_msr) & BITS(51, 12)) && vlapic_enabled(&vcpu->apic) &&
	       !vlapic_x2apic(&vcpu->apic);
}

static outlined u64 apic_read(struct vcpu *vcpu, u64 gpa)
{
	u32 offset = (u32)gpa & 0xfff;

	vcpu_take_eoi(vcpu);
	return vlapic_read(&vcpu->apic, offset & ~3u) >> (8 * (offset & 3));
}

static outlined void apic_write(struct vcpu *vcpu, u64 gpa, unsigned bytes, u64 value)
{
	vcpu_take_eoi(vcpu);
	if (bytes == 4 && is_aligned(gpa, 4))
		vlapic_write(&vcpu->apic, (u32)gpa & 0xfff, (u32)value);
}

u64 exit_memory_read(struct vcpu *vcpu, u64 gpa, unsigned bytes)
{
	struct partition *partition = vcpu->partition;
	u64 value;

	if (is_apic(vcpu, gpa))
		return apic_read(vcpu, gpa);
	spin_lock(&partition->device_lock);
	value = pc_memory_read(partition->pc, gpa, bytes);
	spin_unlock(&partition->device_lock);
	return value;
}

void exit_memory_write(struct vcpu *vcpu, u64 gpa, unsigned bytes, u64 value)
{
	struct partition *partition = vcpu->partition;

	if (is_apic(vcpu, gpa)) {
		apic_write(vcpu, gpa, bytes, value);
		return;
	}
	spin_lock(&partition->device_lock);
	pc_memory_write(partition->pc, gpa, bytes, value);
	spin_unlock(&partition->device_lock);
}

bool exit_pic_pending(struct vcpu *vcpu)
{
	return vcpu->pic_level && vlapic_accepts_pic(&vcpu->apic);
}

u8 exit_pic_acknowledge(struct vcpu *vcpu)
{
	struct partition *partition = vcpu->partition;
	u8 vector;

	spin_lock(&partition->device_lock);
	vector = pc_pic_acknowledge(partition->pc);
	spin_unlock(&partition->device_lock);
	return vector;
}
