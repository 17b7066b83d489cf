/* SPDX-License-Identifier: MIT */
/*
 * The board's moments on the host's clock: when its timer is armed, and when it is not. The board
 * is a fake with one timer, which looks at each call whether it has the lock that it needs.
 */
/* links: vmm/timer.c vmm/partition_report.c */
#include "fake_cpu.h"
#include "fake_pages.h"

#include <bulkhead/boot_files.h>
#include <bulkhead/console.h>
#include <bulkhead/exit.h>
#include <bulkhead/kvm.h>
#include <bulkhead/log.h>
#include <bulkhead/partition.h>
#include <bulkhead/pc.h>
#include <bulkhead/virt.h>

#include "vmm/partition_console.h"
#include "vmm/partition_memory.h"
#include "vmm/partition_net.h"
#include "vmm/vcpu_devices.h"
#include "vmm/vcpu_interrupt.h"

#define US 1000UL /* ticks */

/* --- the board --- */

struct pc {
	const struct pc_ops *ops;
	void *context;
	u64 deadline; /* guest tick */
	unsigned runs;
};

static struct partition partition;
static struct vcpu vcpu;
static u64 run_ticks;	     /* how long a turn of the board takes */
static u64 pressed_deadline; /* what a press of the button sets the board's timer to */

/* The board, which may be called now. */
static struct pc *called(struct pc *pc)
{
	assert_ptr_equal(pc, partition.pc);
	assert_false(fake_unlocked(&partition.device_lock));
	return pc;
}

/* One of its devices wants to be called at `deadline`. */
static void device_asks(struct pc *pc, u64 deadline)
{
	pc->deadline = deadline;
	pc->ops->next_timer(pc->context, deadline);
}

u64 pc_bytes(const struct pc_choice *choice unused)
{
	return sizeof(struct pc);
}

void pc_init(struct pc *pc, const struct pc_setup *setup unused, const struct pc_ops *ops,
	     void *context)
{
	*called(pc) = (struct pc){.ops = ops, .context = context, .deadline = DEVICE_TIMER_OFF};
}

u64 pc_next_timer(const struct pc *pc)
{
	return called((struct pc *)pc)->deadline;
}

void pc_run_timers(struct pc *pc)
{
	called(pc)->runs++;
	fake_tsc += run_ticks;
	device_asks(pc, pc->deadline);
}

bool pc_power_button(struct pc *pc)
{
	device_asks(called(pc), pressed_deadline);
	return true;
}

u32 pc_port_read(struct pc *pc, u32 port, unsigned bytes unused)
{
	return called(pc) ? port : 0;
}

/* A guest that sets a timer of the board. */
void pc_port_write(struct pc *pc, u32 port unused, unsigned bytes unused, u32 value)
{
	device_asks(called(pc), value);
}

/* --- what nobody asks for here --- */

void pc_ports_read(struct pc *pc unused, u32 port unused, unsigned bytes unused, u8 *data unused,
		   u32 count unused)
{
	fail();
}

u32 pc_ports_write(struct pc *pc unused, u32 port unused, unsigned bytes unused,
		   const u8 *data unused, u32 count unused)
{
	fail();
	return 0;
}

u64 pc_memory_read(struct pc *pc unused, u64 gpa unused, unsigned bytes unused)
{
	fail();
	return 0;
}

void pc_memory_write(struct pc *pc unused, u64 gpa unused, unsigned bytes unused, u64 value unused)
{
	fail();
}

void pc_arrived(struct pc *pc unused)
{
	fail();
}

void pc_eoi(struct pc *pc unused, u8 vector unused)
{
	fail();
}

u8 pc_pic_acknowledge(struct pc *pc unused)
{
	fail();
	return 0;
}

void vlapic_init(struct vlapic *apic, u8 *page, u32 id unused, struct device_host *host,
		 const struct vlapic_ops *ops)
{
	apic->page = page;
	apic->host = host;
	apic->ops = ops;
	apic->timer.deadline = DEVICE_TIMER_OFF;
}

void vlapic_reset(struct vlapic *apic unused, bool init unused)
{
	fail();
}

u32 vlapic_read(struct vlapic *apic unused, u32 offset unused)
{
	fail();
	return 0;
}

void vlapic_write(struct vlapic *apic unused, u32 offset unused, u32 value unused)
{
	fail();
}

void vlapic_timer_expired(struct vlapic *apic unused)
{
	fail();
}

bool vlapic_accepts_pic(const struct vlapic *apic unused)
{
	fail();
	return false;
}

void vcpu_request(struct vcpu *who unused, u32 request unused)
{
	fail();
}

void vcpu_ipi(struct vcpu *sender unused, u64 icr unused)
{
	fail();
}

void kvm_eoi_take(struct vcpu *who unused)
{
	fail();
}

void partition_interrupt(struct partition *whose unused, u64 entry unused)
{
	fail();
}

void partition_console_put(struct partition *whose unused, u8 byte unused)
{
	fail();
}

void console_output_ready(struct partition *whose unused)
{
	fail();
}

void partition_flash_hide(struct partition *whose unused)
{
	fail();
}

void arch_entropy(void *bytes unused, u64 count unused)
{
	fail();
}

void disk_started(struct disk *disk unused)
{
	fail();
}

u64 channel_bytes(const struct channel_port *port unused)
{
	fail();
	return 0;
}

const struct channel_port_ops channel_port_ops;

void log_write(enum log_level level unused, const char *format, ...)
{
	fail_msg("%s", format);
}

/* --- the rest of the machine --- */

static const struct boot_info fake_boot;
const struct boot_info *boot_info = &fake_boot;

void partition_flash_show(struct partition *whose unused)
{
}

void partition_net_plugs(const struct partition *whose unused,
			 struct pc_net plugs[CONFIG_NETS_MAX] unused)
{
}

void kvm_reset(struct vcpu *who unused)
{
}

void arch_guest_msrs_reset(struct vcpu *who unused)
{
}

void arch_guest_apic_setup(struct vlapic *apic unused)
{
}

static unsigned wakes;

void thread_wake(struct thread *thread)
{
	assert_ptr_equal(thread, &vcpu.thread);
	wakes++;
}

u64 arch_time_us(void)
{
	return fake_tsc / US;
}

u64 address_space_enter(const struct address_space *space unused)
{
	return 0;
}

void address_space_leave(u64 previous unused)
{
}

static bool eoi_exits(void)
{
	return false;
}

static const struct virt_backend backend = {.eoi_exits = eoi_exits};
const struct virt_backend *virt = &backend;

/* --- tests --- */

static struct config_partition config = {.name = "web", .vcpus = 1};

/* One that has just started. */
static int setup(void **state)
{
	(void)state;
	fake_cpus_init();
	fake_tsc = 1000 * US;
	pressed_deadline = DEVICE_TIMER_OFF;
	partition = (struct partition){.config = &config, .vcpus = {&vcpu}, .vcpu_count = 1};
	vcpu = (struct vcpu){.partition = &partition};
	vcpu.thread.entity.state = SCHEDULER_RUNNING;
	cpus[0]->thread = &vcpu.thread;
	run_ticks = 0;
	wakes = 0;
	assert_int_equal(vcpu_devices_create(&vcpu), 0);
	vcpu_devices_reset(&partition);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_true(fake_unlocked(&partition.device_lock));
	vcpu_devices_stop(&partition);
	vcpu_devices_destroy(&vcpu);
	assert_null(cpus[0]->timers);
	assert_int_equal(fake_pages_out, 0);
	return 0;
}

/* At that guest tick; guest time began in setup(). */
static void expect_armed(u64 guest)
{
	assert_int_equal(partition.device_timer.deadline, guest - partition.clock_offset);
	assert_ptr_equal(cpus[0]->timers, &partition.device_timer);
	assert_true(fake_unlocked(&partition.device_lock));
}

static void expect_off(void)
{
	assert_int_equal(partition.device_timer.deadline, TIMER_OFF);
	assert_null(cpus[0]->timers);
	assert_int_equal(cpus[0]->timer_next, TIMER_OFF);
	assert_true(fake_unlocked(&partition.device_lock));
}

static void arms_what_its_guest_sets(void **state)
{
	(void)state;
	expect_off();
	exit_port_write(&vcpu, 0x40, 4, 50 * US);
	expect_armed(50 * US);
	fake_tsc += 50 * US - 1;
	timer_run_due();
	assert_int_equal(partition.pc->runs, 0);
	partition.pc->deadline = 90 * US;
	fake_tsc++;
	timer_run_due();
	assert_int_equal(partition.pc->runs, 1);
	expect_armed(90 * US);
}

/* What is always due again has its turn, and so have others. */
static void fires_no_more_often_than_every_20_us(void **state)
{
	(void)state;
	exit_port_write(&vcpu, 0x40, 4, 5 * US);
	fake_tsc += 30 * US;
	timer_run_due();
	assert_int_equal(partition.pc->runs, 1);
	expect_armed(50 * US);
	exit_port_write(&vcpu, 0x40, 4, 31 * US);
	expect_armed(50 * US);
}

/* However long a turn takes, the guest gets on before the next one. */
static void has_time_of_its_own_after_each_turn(void **state)
{
	(void)state;
	run_ticks = 70 * US;
	exit_port_write(&vcpu, 0x40, 4, 5 * US);
	fake_tsc += 10 * US;
	timer_run_due();
	assert_int_equal(partition.pc->runs, 1);
	expect_armed(100 * US);
}

/* Its first vCPU is to pay for it, which may have halted while somebody else has the CPU. */
static void runs_at_nobody_elses_expense(void **state)
{
	struct thread other = {0};

	(void)state;
	exit_port_write(&vcpu, 0x40, 4, 5 * US);
	fake_tsc += 10 * US;
	cpus[0]->thread = &other;
	vcpu.thread.entity.state = SCHEDULER_BLOCKED;
	timer_run_due();
	assert_int_equal(partition.pc->runs, 0);
	assert_int_equal(wakes, 1);
	assert_int_equal(vcpu.late_timers, VCPU_LATE_BOARD);
	vcpu_devices_catch_up(&vcpu);
	assert_int_equal(partition.pc->runs, 1);
	assert_int_equal(vcpu.late_timers, 0);
	expect_armed(30 * US);
}

static void runs_while_nobody_has_the_cpu(void **state)
{
	struct thread other = {0};

	(void)state;
	exit_port_write(&vcpu, 0x40, 4, 5 * US);
	fake_tsc += 10 * US;
	cpus[0]->thread = &other;
	cpus[0]->idling = true;
	vcpu.thread.entity.state = SCHEDULER_BLOCKED;
	timer_run_due();
	assert_int_equal(partition.pc->runs, 1);
	assert_int_equal(wakes, 0);
	/* But one that may not run now, even if nobody else wants to, does not work either. */
	fake_tsc += 30 * US;
	vcpu.thread.entity.state = SCHEDULER_CAPPED;
	timer_run_due();
	assert_int_equal(partition.pc->runs, 1);
	assert_int_equal(vcpu.late_timers, VCPU_LATE_BOARD);
}

/* An operator presses its button as it ends: nobody would take that timer off any more. */
static void arms_nothing_while_it_stands(void **state)
{
	(void)state;
	exit_port_write(&vcpu, 0x40, 4, 50 * US);
	vcpu_devices_stop(&partition);
	expect_off();
	pressed_deadline = 40 * US;
	assert_true(vcpu_devices_power_button(&partition));
	expect_off();
	/* It begins anew, and its devices with it. */
	fake_tsc += 1000 * US;
	vcpu_devices_reset(&partition);
	expect_off();
	exit_port_write(&vcpu, 0x40, 4, 60 * US);
	expect_armed(60 * US);
}

static void after_a_pause_it_has_what_it_asked_for_meanwhile(void **state)
{
	(void)state;
	exit_port_write(&vcpu, 0x40, 4, 50 * US);
	fake_tsc += 10 * US;
	vcpu_devices_pause(&partition);
	expect_off();
	fake_tsc += 3 * US;
	pressed_deadline = 40 * US;
	assert_true(vcpu_devices_power_button(&partition));
	expect_off();
	fake_tsc += 4 * US;
	vcpu_devices_resume(&partition);
	expect_armed(40 * US);
	assert_int_equal(partition.device_timer.deadline, fake_tsc + 30 * US);
	exit_port_write(&vcpu, 0x40, 4, 35 * US);
	expect_armed(35 * US);
}

static unsigned looked;

static void look_at_lock(void)
{
	assert_false(fake_unlocked(&partition.device_lock));
	looked++;
}

/* Whoever sets it off just then comes before or after. */
static void stops_under_the_boards_lock(void **state)
{
	(void)state;
	looked = 0;
	exit_port_write(&vcpu, 0x40, 4, 50 * US);
	fake_on_irq_save = look_at_lock;
	vcpu_devices_stop(&partition);
	fake_on_irq_save = NULL;
	assert_int_equal(looked, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(arms_what_its_guest_sets),
		T(fires_no_more_often_than_every_20_us),
		T(has_time_of_its_own_after_each_turn),
		T(runs_at_nobody_elses_expense),
		T(runs_while_nobody_has_the_cpu),
		T(arms_nothing_while_it_stands),
		T(after_a_pause_it_has_what_it_asked_for_meanwhile),
		T(stops_under_the_boards_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
