/* SPDX-License-Identifier: MIT */
/* vCPUs: the thread, what it does between two stretches of guest code, and requests to it. */
#include "vcpu_thread.h"

#include "vcpu_devices.h"

#include <bulkhead/arch.h>
#include <bulkhead/cpu.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/partition.h>
#include <bulkhead/pc.h>
#include <bulkhead/string.h>
#include <bulkhead/virt.h>

void vcpu_request(struct vcpu *vcpu, u32 request)
{
	__atomic_or_fetch(&vcpu->requests, request, __ATOMIC_SEQ_CST);
	if (cpu_this()->thread == &vcpu->thread)
		return;
	thread_wake(&vcpu->thread);
	if (vcpu->in_guest && vcpu->thread.cpu != arch_cpu_id())
		arch_cpu_kick(vcpu->thread.cpu);
}

void vcpu_stop(struct vcpu *vcpu, enum vcpu_stop reason, const char *format, ...)
{
	va_list arguments;

	if (vcpu->stop != VCPU_STOP_NONE)
		return;
	vcpu->stop = reason;
	va_start(arguments, format);
	format_list(vcpu->stop_text, sizeof(vcpu->stop_text), format, arguments);
	va_end(arguments);
}

#define CLEAR_BYTES (256 * KIB)

/* Clear RAM in pieces, so that other threads of this CPU get their turns. */
static void clear(struct partition *partition, u64 gpa, u64 bytes)
{
	for (u64 done = 0; done < bytes; done += CLEAR_BYTES) {
		u64 previous = address_space_enter(&partition->space);

		memset(partition->memory.window + gpa + done, 0, MIN(CLEAR_BYTES, bytes - done));
		address_space_leave(previous);
		timer_run_due();
		arch_interrupts_poll();
		thread_yield();
	}
}

/* All RAM is cleared, then the guest is put in as its boot protocol says. */
int partition_load(struct partition *partition, char *reason)
{
	struct guest_memory *memory = &partition->memory;
	const struct config_partition *config = partition->config;
	struct load_request request = {
		.kernel = partition->kernel,
		.initrd = partition->initrd,
		.cmdline = config->cmdline,
		.load_address = config->load_address,
		.entry = (int)config->entry,
	};
	struct acpi_request acpi = {.vcpus = config->vcpus};
	struct cpu_state start;
	u64 previous;
	int error;

	clear(partition, 0, memory->low_bytes);
	clear(partition, GUEST_HIGH_BASE, memory->high_bytes);
	previous = address_space_enter(&partition->space);
	error = acpi_build(&acpi, memory, &request.rsdp_gpa);
	if (error)
		format_text(reason, LOAD_REASON_BYTES, "no room for its ACPI tables");
	else
		error = config->boot == CONFIG_BOOT_LINUX
				? load_linux(&request, memory, &start, reason)
				: load_raw(&request, memory, &start, reason);
	address_space_leave(previous);
	if (error)
		return error;
	vcpu_devices_reset(partition);
	virt->vcpu_reset(partition->vcpu, &start);
	return 0;
}

/* Whatever it was, this run of the partition is over. */
static void end(struct partition *partition, enum partition_state state, const char *reason)
{
	vcpu_devices_stop(partition);
	partition_ended(partition, state, reason);
}

static void start(struct partition *partition)
{
	char reason[LOAD_REASON_BYTES] = "";
	struct vcpu *vcpu = partition->vcpu;
	int error = partition_load(partition, reason);
	bool started;

	if (error) {
		log_error("%s: cannot start: %s", partition->config->name, reason);
		partition_ended(partition, PARTITION_STOPPED, reason);
		return;
	}
	vcpu->stop = VCPU_STOP_NONE;
	partition->events = 0;
	spin_lock(&partition->lock);
	started = partition->state == PARTITION_STARTING; /* or stopped meanwhile */
	if (started) {
		partition->state = PARTITION_RUNNING;
		partition->starts++;
		partition->started_us = arch_time_us();
	}
	spin_unlock(&partition->lock);
	if (started)
		log_info("%s: started", partition->config->name);
}

/* What the guest asked its board for. */
static void act_on_events(struct partition *partition)
{
	u32 events = __atomic_exchange_n(&partition->events, 0, __ATOMIC_ACQUIRE);

	if (events & 1u << DEVICE_EVENT_POWER_OFF) {
		end(partition, PARTITION_STOPPED, "powered off by the guest");
		return;
	}
	if (!(events & 1u << DEVICE_EVENT_RESET))
		return;
	log_info("%s: reset by the guest", partition->config->name);
	spin_lock(&partition->lock);
	if (partition->state == PARTITION_RUNNING)
		partition->state = PARTITION_STARTING;
	spin_unlock(&partition->lock);
}

/* A guest that cannot go on: how it left its CPU, for whoever has to find out why. */
static void say_where(struct vcpu *vcpu)
{
	const char *name = vcpu->partition->config->name;
	struct cpu_state s;

	virt->vcpu_state(vcpu, &s);
	log_info("%s: rip %016lx  rsp %016lx  rflags %08lx", name, s.rip, s.gpr[GPR_RSP], s.rflags);
	log_info("%s: rax %016lx  rbx %016lx  rcx %016lx", name, s.gpr[GPR_RAX], s.gpr[GPR_RBX],
		 s.gpr[GPR_RCX]);
	log_info("%s: rdx %016lx  rsi %016lx  rdi %016lx", name, s.gpr[GPR_RDX], s.gpr[GPR_RSI],
		 s.gpr[GPR_RDI]);
	log_info("%s: cr0 %08lx  cr2 %016lx  cr3 %016lx  cr4 %08lx", name, s.cr0, s.cr2, s.cr3,
		 s.cr4);
	log_info("%s: cs %04x  ss %04x  efer %04lx  %lu exits, %lu accesses to nothing", name,
		 s.cs.selector, s.ss.selector, s.efer, vcpu->exits,
		 pc_absent_accesses(vcpu->partition->pc));
}

static void run(struct partition *partition)
{
	struct vcpu *vcpu = partition->vcpu;

	switch (virt->vcpu_run(vcpu)) {
	case VIRT_HALTED:
		thread_block();
		break;
	case VIRT_ATTENTION:
		if (vcpu->requests & VCPU_REQUEST_STOP) {
			__atomic_and_fetch(&vcpu->requests, ~VCPU_REQUEST_STOP, __ATOMIC_ACQUIRE);
			act_on_events(partition);
		}
		thread_yield();
		break;
	case VIRT_STOPPED:
		say_where(vcpu);
		end(partition, PARTITION_CRASHED, vcpu->stop_text);
		break;
	}
}

static void vcpu_main(void *argument)
{
	struct partition *partition = argument;

	for (;;) {
		switch (__atomic_load_n(&partition->state, __ATOMIC_ACQUIRE)) {
		case PARTITION_STARTING:
			start(partition);
			break;
		case PARTITION_RUNNING:
			run(partition);
			break;
		case PARTITION_STOPPING:
			end(partition, PARTITION_STOPPED, "stopped by the operator");
			break;
		default:
			thread_block();
			break;
		}
	}
}

/* What creation has made so far, when it cannot be finished. */
static void destroy(struct partition *partition)
{
	struct vcpu *vcpu = partition->vcpu;

	virt->vcpu_destroy(vcpu);
	vcpu_devices_destroy(partition);
	memory_free(vcpu, memory_order(sizeof(*vcpu)));
	partition->vcpu = NULL;
}

int vcpu_create(struct partition *partition, u32 cpu)
{
	struct vcpu *vcpu = memory_alloc(memory_order(sizeof(struct vcpu)));
	int error;

	if (!vcpu)
		return -ENOMEM;
	partition->vcpu = vcpu;
	vcpu->partition = partition;
	vcpu->thread.cpu = cpu;
	error = vcpu_devices_create(partition);
	error = error ? error : virt->vcpu_create(vcpu);
	error = error ? error
		      : thread_create(&vcpu->thread, partition->config->name, cpu, vcpu_main,
				      partition);
	vcpu->thread.vcpu = vcpu;
	if (error)
		destroy(partition);
	return error;
}
