/* SPDX-License-Identifier: MIT */
/*
 * #DB that exits: it is left as it was raised, without what the CPU does when it delivers one (SDM
 * vol. 3, 28.1), and an entry that injects it does not do it either (27.6.1.2).
 */
#include "fake_vmcs_access.h"

#include <arch/x86/interrupt.h>
#include <arch/x86/kick.h>
#include <arch/x86/vmx/vmx.h>
#include <bulkhead/kvm.h>
#include <bulkhead/partition.h>
#include <bulkhead/trace.h>

bool trace_on;

/* The rest of an exit's world, of which this uses nothing. */
#define OTHER(handler)                                                                             \
	void handler(struct vcpu *of unused)                                                       \
	{                                                                                          \
		fail();                                                                            \
	}
OTHER(kvm_eoi_take)
OTHER(vmx_emulate)
OTHER(vmx_exit_apic_access_whole)
OTHER(vmx_exit_cr_access_whole)
OTHER(vmx_exit_emulate_whole)
OTHER(vmx_exit_hlt)
OTHER(vmx_exit_interrupt_window)
OTHER(vmx_exit_io_any)
OTHER(vmx_exit_preemption_timer)
OTHER(vmx_exit_rdmsr)
OTHER(vmx_exit_vmcall_rbx)
OTHER(vmx_exit_wrmsr)
OTHER(vmx_exit_xsetbv)
OTHER(vmx_load_rbx)

noreturn void panic(const char *format, ...)
{
	fail_msg("%s", format);
	__builtin_trap();
}

void vcpu_stop(struct vcpu *of unused, enum vcpu_stop reason unused, const char *format, ...)
{
	fail_msg("%s", format);
}

void trace_write(enum trace_kind kind unused, u32 who unused, u32 data unused)
{
	fail();
}

bool guest_access_mark_rom(const struct vcpu *of unused)
{
	fail();
	return false;
}

bool guest_move_again(struct vcpu *of unused, u64 qualification unused)
{
	fail();
	return false;
}

bool guest_move_apic(struct vcpu *of unused, u64 qualification unused)
{
	fail();
	return false;
}

void interrupt_run(u8 vector unused)
{
	fail();
}

void kick_in_guest(void)
{
	fail();
}

u64 kvm_hypercall(struct vcpu *of unused, const struct kvm_call *call unused)
{
	fail();
	return 0;
}

bool partition_touch(struct partition *partition unused, u64 gpa unused)
{
	fail();
	return false;
}

void vlapic_eoi_virtualised(struct vlapic *apic unused, u8 vector unused)
{
	fail();
}

void vlapic_tpr_changed(struct vlapic *apic unused)
{
	fail();
}

void vlapic_written(struct vlapic *apic unused, u32 offset unused)
{
	fail();
}

void vmx_cpu_control(struct vcpu *of unused, u32 bit unused, bool on unused)
{
	fail();
}

void vmx_entry_failed(struct vcpu *of unused, u64 instruction_error unused)
{
	fail();
}

void vmx_inject_fault(struct vcpu *of unused, u8 vector unused, u32 error_code unused)
{
	fail();
}

void vmx_inject(struct vcpu *of unused, u32 event, u32 error_code unused)
{
	fake_fields[ENTRY_INTERRUPTION] = event | EVENT_VALID;
}

void vmx_inject_exception(struct vcpu *of, u8 vector)
{
	vmx_inject(of, EVENT_EXCEPTION | vector, 0);
}

#define PENDING_BS BIT(14)

static struct vcpu vcpu;

static void start(u64 flags, u64 debugctl)
{
	fake_vmcs_init();
	memset(&vcpu, 0, sizeof(vcpu));
	fake_fields[EXIT_INTERRUPTION] = EVENT_VALID | EVENT_EXCEPTION | 1;
	fake_fields[EXIT_QUALIFICATION] = PENDING_BS | 2;
	fake_fields[GUEST_RFLAGS] = RFLAGS_FIXED | flags;
	fake_fields[GUEST_DEBUGCTL] = debugctl;
	fake_fields[GUEST_DR7] = BIT(13) | 0x402;
	fake_debug[6] = 0xffff0ff1;
}

static void debug_exit(void)
{
	vmx_exit_handlers[EXIT_EXCEPTION_NMI](&vcpu);
	assert_int_equal(fake_fields[ENTRY_INTERRUPTION], EVENT_VALID | EVENT_EXCEPTION | 1);
}

static void registers(void **state)
{
	(void)state;
	start(RFLAGS_TF, DEBUGCTL_LBR | DEBUGCTL_BTF);
	debug_exit();
	assert_int_equal(fake_debug[6], 0xffff4ff2);
	assert_int_equal(fake_fields[GUEST_DR7], 0x402);
	assert_int_equal(fake_fields[GUEST_DEBUGCTL], 0);
	assert_int_equal(fake_fields[GUEST_PENDING_DEBUG], 0);
}

/* Then TF demands a pending trap, and BTF is no excuse any more (SDM vol. 3, 27.3.1.5). */
static void in_a_shadow(void **state)
{
	static const u64 debugctl[] = {0, DEBUGCTL_BTF};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(debugctl); i++) {
		start(RFLAGS_TF, debugctl[i]);
		fake_fields[GUEST_INTERRUPTIBILITY] = INTERRUPTIBILITY_STI;
		debug_exit();
		assert_int_equal(fake_fields[GUEST_DEBUGCTL], 0);
		assert_int_equal(fake_fields[GUEST_PENDING_DEBUG], PENDING_BS);
	}
	start(0, DEBUGCTL_BTF);
	fake_fields[GUEST_INTERRUPTIBILITY] = INTERRUPTIBILITY_STI;
	debug_exit();
	assert_int_equal(fake_fields[GUEST_PENDING_DEBUG], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers),
		cmocka_unit_test(in_a_shadow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
