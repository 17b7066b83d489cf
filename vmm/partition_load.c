/* SPDX-License-Identifier: MIT */
/* Putting a partition into its first state. */
#include "vcpu_thread.h"

#include "partition_memory.h"
#include "vcpu_devices.h"

#include <bulkhead/arch.h>
#include <bulkhead/cpu.h>
#include <bulkhead/format.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>
#include <bulkhead/timer.h>
#include <bulkhead/virt.h>

#define CLEAR_BYTES (64 * KIB)

/* Whether somebody else should have this CPU, or a timer is due: what a guest is left for, too. */
static bool others_wait(void)
{
	const struct cpu *cpu;

	arch_interrupts_poll();
	cpu = cpu_this();
	return cpu->attention || arch_tsc() >= timer_or_slice_end(cpu);
}

/* In the middle of long work with the partition's memory in sight: others may have this CPU for a
 * while. */
static void load_breathe(void *context)
{
	const struct partition *partition = context;

	if (likely(!others_wait()))
		return;
	address_space_enter(NULL);
	timer_run_due();
	thread_reschedule();
	address_space_enter(&partition->space);
}

/* Clear RAM in pieces, so that other threads of this CPU get their turns, and no longer than the
 * partition is wanted to start. */
static void clear(struct partition *partition, u64 gpa, u64 bytes)
{
	u64 previous = address_space_enter(&partition->space);

	for (u64 done = 0; done < bytes; done += CLEAR_BYTES) {
		if (partition_state_now(partition) != PARTITION_STARTING)
			break;
		memset(partition->memory.window + gpa + done, 0, MIN(CLEAR_BYTES, bytes - done));
		load_breathe(partition);
	}
	address_space_leave(previous);
}

/* Each GiB of this has many entries in page tables. */
static void untouch(struct partition *partition, u64 gpa, u64 bytes)
{
	for (u64 done = 0; done < bytes; done += GIB) {
		partition_touch_forget(partition, gpa + done, MIN(GIB, bytes - done));
		load_breathe(partition);
	}
}

/* All RAM but the first piece is to be cleared when it is touched: by the guest, or by what puts it
 * in. No CPU may go on with what it has cached, this one least of all. */
static void untouch_all(struct partition *partition)
{
	const struct guest_memory *memory = &partition->memory;

	address_space_enter(&partition->space);
	untouch(partition, PARTITION_TOUCH_BYTES, memory->low_bytes - PARTITION_TOUCH_BYTES);
	untouch(partition, GUEST_HIGH_BASE, memory->high_bytes);
	for (u32 i = 0; i < partition->vcpu_count; i++)
		virt->vcpu_tables_changed(partition->vcpus[i]);
	address_space_enter(NULL);
}

static void clear_all(struct partition *partition)
{
	const struct guest_memory *memory = &partition->memory;

	if (partition->touched) {
		untouch_all(partition);
		clear(partition, 0, PARTITION_TOUCH_BYTES);
	} else {
		clear(partition, 0, memory->low_bytes);
		clear(partition, GUEST_HIGH_BASE, memory->high_bytes);
	}
}

/* The tables that describe the board: in RAM, or for firmware to fetch. */
static int describe(struct partition *partition, u64 *rsdp_gpa, char *reason)
{
	struct guest_memory *memory = &partition->memory;
	const struct config_partition *config = partition->config;
	struct firmware *firmware = partition->firmware;
	struct fw_cfg_request request = {
		.acpi = {.vcpus = config->vcpus, .low_bytes = memory->low_bytes},
		.smbios =
			{
				.name = config->name,
				.vcpus = config->vcpus,
				.low_bytes = memory->low_bytes,
				.high_bytes = memory->high_bytes,
			},
		.kernel = partition->handed,
		.initrd = partition->initrd,
		.cmdline = config->cmdline,
		.boot_menu_ms = config->boot_menu_ms,
	};
	int error = 0;

	format_text(reason, LOAD_REASON_BYTES, "no room for its firmware tables");
	if (partition->handed.data)
		error = load_linux_setup(&partition->handed, &request.setup_bytes, reason);
	if (error)
		return error;
	if (firmware)
		return fw_cfg_build(&request, firmware->area, sizeof(firmware->area),
				    &firmware->fw_cfg);
	error = acpi_build(&request.acpi, memory, rsdp_gpa);
	return error ? error : smbios_build(&request.smbios, memory);
}

/* RAM is seen to, then the guest is put in as its boot protocol says. */
int partition_load(struct partition *partition, char *reason)
{
	struct guest_memory *memory = &partition->memory;
	const struct config_partition *config = partition->config;
	struct load_request request = {
		.boot = (int)(partition->firmware ? CONFIG_BOOT_BIOS : config->boot),
		.kernel = partition->kernel,
		.initrd = partition->initrd,
		.modules = partition->modules,
		.module_count = config->modules.count,
		.cmdline = config->cmdline,
		.load_address = config->load_address,
		.entry = (int)config->entry,
		.breathe = load_breathe,
		.context = partition,
	};
	struct cpu_state start;
	u64 previous;
	int error;

	clear_all(partition);
	previous = address_space_enter(&partition->space);
	error = describe(partition, &request.rsdp_gpa, reason);
	load_breathe(partition);
	if (!error)
		error = load_guest(&request, memory, &start, reason);
	load_breathe(partition);
	address_space_leave(previous);
	if (error)
		return error;
	arch_guest_cpu_start(partition);
	vcpu_devices_reset(partition);
	virt->vcpu_reset(partition->vcpus[0], &start);
	for (u32 i = 1; i < partition->vcpu_count; i++)
		vcpu_power_up(partition->vcpus[i]);
	return 0;
}
