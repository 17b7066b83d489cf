/* SPDX-License-Identifier: MIT */
/*
 * The board: its devices, interrupt wiring, and the timers of all of them. The devices are those of
 * a PC whose screen shows text only.
 */
#include "pc_board.h"

#include "pc_virtio.h"

#include <bulkhead/string.h>

#define PIT_IRQ 0
#define RTC_IRQ 8
/* What the HPET takes over when it is told to. */
#define HPET_ISA_LINES (BIT(PIT_IRQ) | BIT(RTC_IRQ))
#define COM1_BASE      0x3f8
#define COM1_IRQ       4
#define ELCR_HIGH      0x4d1

/* Interrupt messages: vector, delivery mode and trigger mode are where a redirection entry has
 * them, and the rest of the data means nothing there. */
#define MESSAGE_AREA 0xfee00000UL
#define MESSAGE_DATA (VIOAPIC_VECTOR | VIOAPIC_MODE | VIOAPIC_LEVEL)

static struct pc *pc_of(struct device_host *host)
{
	return container_of(host, struct pc, host);
}

u64 pc_next_timer(const struct pc *pc)
{
	return device_timers_next(&pc->timers);
}

static void next_timer(struct pc *pc)
{
	pc->ops->next_timer(pc->context, pc_next_timer(pc));
}

static void host_timer_set(struct device_host *host, struct device_timer *timer, u64 deadline)
{
	struct pc *pc = pc_of(host);

	if (device_timers_set(&pc->timers, timer, deadline))
		next_timer(pc);
}

void pc_run_timers(struct pc *pc)
{
	device_timers_run(&pc->timers, device_now(&pc->host));
	next_timer(pc);
}

/* ISA lines reach both the 8259 pair and the I/O APIC; the 8254's arrives at pin 2 there, as the
 * MADT says. A line is high while anybody drives it so. */
static void isa_line_update(struct pc *pc, unsigned irq)
{
	u64 isa = pc->legacy ? pc->isa_lines & ~HPET_ISA_LINES : pc->isa_lines;
	bool level = (isa | pc->pci_lines | pc->hpet_lines) & BIT(irq);

	vpic_irq_set(&pc->pic, irq, level);
	vioapic_irq_set(&pc->ioapic, irq == 0 ? 2 : irq, level);
}

static void host_irq_set(struct device_host *host, unsigned irq, bool level)
{
	struct pc *pc = pc_of(host);

	if (irq >= 16) {
		vioapic_irq_set(&pc->ioapic, irq, level);
		return;
	}
	pc->isa_lines = (u16)(level ? pc->isa_lines | BIT(irq) : pc->isa_lines & ~BIT(irq));
	isa_line_update(pc, irq);
}

static void hpet_irq_set(void *context, unsigned irq, bool level)
{
	struct pc *pc = context;

	if (irq >= 16) {
		vioapic_irq_set(&pc->ioapic, irq, level);
		return;
	}
	pc->hpet_lines = (u16)(level ? pc->hpet_lines | BIT(irq) : pc->hpet_lines & ~BIT(irq));
	isa_line_update(pc, irq);
}

static void hpet_legacy_set(void *context, bool on)
{
	struct pc *pc = context;

	pc->legacy = on;
	isa_line_update(pc, PIT_IRQ);
	isa_line_update(pc, RTC_IRQ);
}

static void pci_lines_changed(void *context, u16 lines)
{
	struct pc *pc = context;
	u16 changed = pc->pci_lines ^ lines;

	pc->pci_lines = lines;
	for (unsigned irq = 0; irq < 16; irq++)
		if (changed & BIT(irq))
			isa_line_update(pc, irq);
}

/* The address names whom, the data what (SDM vol. 3, figures 11-14 and 11-15): the fields of a
 * redirection entry in other places. */
static void host_message(struct device_host *host, u64 address, u32 data)
{
	struct pc *pc = pc_of(host);
	u64 logical = address & BIT(2) ? VIOAPIC_LOGICAL : 0;

	if (address >> 20 != MESSAGE_AREA >> 20)
		return;
	pc->ops->interrupt(pc->context,
			   (data & MESSAGE_DATA) | logical | (address >> 12 & 0xff) << 56);
}

static void host_entropy(struct device_host *host, void *bytes, u64 count)
{
	struct pc *pc = pc_of(host);

	pc->ops->entropy(pc->context, bytes, count);
}

static void host_event(struct device_host *host, enum device_event event)
{
	struct pc *pc = pc_of(host);

	pc->ops->event(pc->context, event);
}

static void host_console_output(struct device_host *host, u8 byte)
{
	struct pc *pc = pc_of(host);

	pc->ops->console_output(pc->context, byte);
}

static void host_report(struct device_host *host, const char *text)
{
	struct pc *pc = pc_of(host);

	pc->ops->report(pc->context, text);
}

static const struct device_host_ops host_ops = {
	.timer_set = host_timer_set,
	.irq_set = host_irq_set,
	.message = host_message,
	.entropy = host_entropy,
	.event = host_event,
	.console_output = host_console_output,
	.report = host_report,
};

static void pic_changed(void *context, bool level)
{
	struct pc *pc = context;

	pc->ops->pic(pc->context, level);
}

static void ioapic_deliver(void *context, u64 entry)
{
	struct pc *pc = context;

	pc->ops->interrupt(pc->context, entry);
}

static void flash_show(void *context, bool array)
{
	struct pc *pc = context;

	pc->ops->flash_show(pc->context, array);
}

static void flash_init(struct pc *pc, const struct guest_memory *memory)
{
	u64 base = guest_rom_base(memory);

	vflash_init(&pc->flash, memory->window + base, base, memory->flash_bytes, flash_show, pc);
}

static u8 *screen_memory(void *context)
{
	struct pc *pc = context;

	return pc->ops->screen_memory(pc->context, VSCREEN_BYTES);
}

static void input_ready(void *context)
{
	struct pc *pc = context;

	pc->ops->console_ready(pc->context);
}

u64 pc_bytes(const struct pc_choice *choice)
{
	return sizeof(struct pc) + pc_virtio_bytes(choice);
}

static void channel_init(struct pc *pc, const struct pc_channel *channel, u8 slot)
{
	vchannel_init(&pc->channel, &pc->host, channel->ops, channel->port, channel->memory,
		      channel->bytes);
	/* The configuration's rules allow no more than there are slots. */
	(void)!vpci_attach(&pc->pci, &pc->channel.function, VPCI_DEVFN(slot, 0));
	vchannel_place(&pc->channel);
}

void pc_init(struct pc *pc, const struct pc_setup *setup, const struct pc_ops *ops, void *context)
{
	u8 cmos[VRTC_BYTES], slot;

	memcpy(cmos, pc->rtc.cmos, sizeof(cmos));
	*pc = (struct pc){
		.host = {.ops = &host_ops,
			 .tsc_hz = setup->tsc_hz,
			 .now = ops->now,
			 .clock = context},
		.ops = ops,
		.context = context,
		.choice = setup->choice,
	};
	vpic_init(&pc->pic, pic_changed, pc);
	vioapic_init(&pc->ioapic, ioapic_deliver, pc);
	vpit_init(&pc->pit, &pc->host);
	vrtc_init(&pc->rtc, &pc->host, setup->unix_time_s, setup->low_bytes, setup->high_bytes);
	if (setup->had_power)
		vrtc_restore(&pc->rtc, cmos);
	vuart_init(&pc->com1, &pc->host, COM1_BASE, COM1_IRQ, input_ready, pc);
	vpm_init(&pc->pm, &pc->host);
	vreset_init(&pc->reset, &pc->host);
	vi8042_init(&pc->kbc, &pc->host);
	vdebug_init(&pc->debug, &pc->host);
	vfwcfg_init(&pc->fw_cfg, setup->fw_cfg, setup->memory);
	flash_init(pc, setup->memory);
	vscreen_init(&pc->screen, &pc->host, screen_memory, pc);
	vpanic_init(&pc->panic, &pc->host);
	vhpet_init(&pc->hpet, &pc->host, hpet_irq_set, hpet_legacy_set, pc);
	vpci_init(&pc->pci, &pc->host, pci_lines_changed, pc);
	if (setup->fw_cfg)
		vpci_shadow_off(&pc->pci);
	/* Lines of PCI are level-triggered: firmware has told the 8259 pair. */
	vpic_ops.write(&pc->pic, ELCR_HIGH, 1, VPCI_ISA_LINES >> 8);
	slot = pc_virtio_init(pc->virtio, setup, &pc->pci, &pc->host);
	if (setup->channel.port)
		channel_init(pc, &setup->channel, slot);
	pc->console = pc_virtio_console(pc->virtio, &setup->choice);
	if (pc->console)
		virtio_console_connect(pc->console, input_ready, pc);
	pc->balloon = pc_virtio_balloon(pc->virtio, &setup->choice);
}

u8 pc_pic_acknowledge(struct pc *pc)
{
	return vpic_acknowledge(&pc->pic);
}

void pc_eoi(struct pc *pc, u8 vector)
{
	vioapic_eoi(&pc->ioapic, vector);
}

bool pc_console_input(struct pc *pc, u8 byte)
{
	if (pc->console && virtio_console_is_open(pc->console))
		return virtio_console_input(pc->console, byte);
	return vuart_input(&pc->com1, byte);
}

bool pc_power_button(struct pc *pc)
{
	return vpm_power_button(&pc->pm);
}

void pc_screen(const struct pc *pc, struct screen_text *text)
{
	vscreen_look(&pc->screen, text);
}

bool pc_balloon_look(struct pc *pc, struct balloon_view *view)
{
	if (pc->balloon)
		virtio_balloon_look(pc->balloon, view);
	return pc->balloon;
}

bool pc_balloon_target(struct pc *pc, u64 bytes)
{
	if (pc->balloon)
		virtio_balloon_target(pc->balloon, bytes);
	return pc->balloon;
}

bool pc_balloon_ask(struct pc *pc)
{
	if (pc->balloon)
		virtio_balloon_ask(pc->balloon);
	return pc->balloon;
}

void pc_arrived(struct pc *pc)
{
	pc_virtio_net_arrived(pc->virtio, &pc->choice);
	if (pc->channel.port)
		vchannel_arrived(&pc->channel);
}

u64 pc_absent_accesses(const struct pc *pc)
{
	return pc->absent;
}
