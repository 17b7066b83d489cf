/* SPDX-License-Identifier: MIT */
/*
 * The core from its first C function to the first guest. The loader has handed over as
 * include/bulkhead/boot.h says.
 */
#include "apic.h"
#include "arch_cpu.h"
#include "entropy.h"
#include "guest_cpu.h"
#include "instructions.h"
#include "interrupt.h"
#include "kick.h"
#include "memory.h"
#include "smp.h"
#include "tsc.h"

#include <bulkhead/acpi.h>
#include <bulkhead/arch.h>
#include <bulkhead/boot_files.h>
#include <bulkhead/config.h>
#include <bulkhead/console.h>
#include <bulkhead/error.h>
#include <bulkhead/framebuffer.h>
#include <bulkhead/log.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>
#include <bulkhead/thread.h>
#include <bulkhead/virt.h>

noreturn void core_main(u64 info);

const struct virt_backend *virt = &virt_vmx;

static struct config config;

/* Room for as many partitions and groups as the text has '[' in it: never too little. */
static void read_configuration(void)
{
	const char *text = memory_boot(boot_info->config);
	static struct config_error error;
	u32 sections = 0;
	char message[256];

	for (u64 i = 0; i < boot_info->config_bytes; i++)
		sections += text[i] == '[';
	config.partition_room = sections;
	config.partitions = memory_take(MEMORY_OTHER, sections * sizeof(*config.partitions));
	config.group_room = sections;
	config.groups = memory_take(MEMORY_OTHER, sections * sizeof(*config.groups));
	config.errors = &error;
	config.error_room = 1;
	if (!config.partitions || !config.groups)
		panic("no memory for the configuration's %u sections", sections);
	if (!config_parse(&config, text, boot_info->config_bytes))
		return;
	config_error_text(&error, memory_boot(boot_info->config_name), message, sizeof(message));
	panic("the loader let a wrong configuration through: %s", message);
}

/* Partitions and groups have copies of their own. */
static void forget_configuration(void)
{
	memory_give(MEMORY_OTHER, config.partitions,
		    config.partition_room * sizeof(*config.partitions));
	memory_give(MEMORY_OTHER, config.groups, config.group_room * sizeof(*config.groups));
	config.partitions = NULL;
	config.groups = NULL;
}

/* That it ends a halt is all that it is for. */
static void timer_handle(void *context unused)
{
}

/* A CPU's own thread: what it was started on becomes its idle loop. */
static noreturn void become_idle(struct thread *thread)
{
	struct cpu *cpu = cpu_this();

	thread->name = "idle";
	thread->cpu = cpu->id;
	cpu->idle = thread;
	cpu->thread = thread;
	thread_idle_loop();
}

/* What another CPU needs before it counts. */
static int ap_prepare(void)
{
	struct thread *idle = memory_take(MEMORY_OTHER, sizeof(*idle));
	int error;

	if (!idle)
		return -ENOMEM;
	cpu_this()->thread = idle;
	thread_cpu_init();
	error = virt->cpu_enable();
	if (!error)
		guest_cpu_join();
	return error;
}

static void ap_work(void)
{
	become_idle(cpu_this()->thread);
}

static void say_what_there_is(void)
{
	struct memory_usage usage;
	char backend[80];

	memory_usage(&usage);
	virt->describe(backend, sizeof(backend));
	log_info("Bulkhead " BULKHEAD_VERSION " on %s", arch_cpu_name());
	log_info("%u CPUs at %lu MHz, %lu MiB for guests, %s", arch_cpu_count(),
		 arch_tsc_hz() / 1000000, usage.free_bytes / MIB, backend);
}

/* On a guarded stack, with the loader's memory no longer in use. */
static void late_start(void *argument unused)
{
	memory_release_loader(boot_info);
	read_configuration();
	(void)!console_init(&config.host); /* it has logged why; the screen and the ring remain */
	if (boot_info->framebuffer.base && framebuffer_init(&boot_info->framebuffer))
		log_warn("the screen cannot be used");
	(void)!acpi_init(boot_info->rsdp); /* logs what is missing; only power control needs it */
	apic_init();
	apic_init_board(boot_info);
	tsc_init();
	entropy_init();
	apic_timer_calibrate();
	thread_cpu_init();
	interrupt_handler_set(VECTOR_TIMER, timer_handle, NULL);
	kick_init();
	if (virt->probe() || virt->cpu_enable())
		panic("this machine cannot run guests, see above");
	smp_start(boot_info, config.host.cpus, ap_prepare, ap_work);
	say_what_there_is();
	console_start(&config);
	partition_create_all(&config);
	forget_configuration();
	partition_autostart();
	become_idle(cpu_this()->thread);
}

void core_main(u64 info_physical)
{
	static struct thread first = {.name = "start"};
	const struct boot_info *info = (const void *)info_physical;
	u64 unused_stack;

	cpu_setup_boot();
	tsc_begin();
	if (info->magic != BOOT_MAGIC || info->version != BOOT_VERSION ||
	    info->bytes != sizeof(*info))
		panic("the loader is not of this version");
	memory_init(info);
	boot_info = memory_boot(info_physical);
	cpu_finish_boot(0);
	cpu_this()->thread = &first;
	if (thread_create(&first, &(struct scheduler_claim){.weight = SCHEDULER_WEIGHT_DEFAULT},
			  NULL, late_start, NULL))
		panic("no memory for the first stack");
	arch_context_switch(&unused_stack, first.stack_pointer);
	__builtin_unreachable();
}
