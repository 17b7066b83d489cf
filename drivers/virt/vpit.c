/* SPDX-License-Identifier: MIT */
/* 8254 (Intel 231164) and port 61h, the NMI status and control register of the 82371SB (PIIX3). */

#include "vpit.h"
#include "clock.h"

#define NEVER	 (~0UL)
#define PORT_61	 0x61
#define REFRESH	 18    /* PIT ticks from one toggle of port 61h bit 4 to the next: 15 us */
#define EDGE_GAP 20000 /* 1/20000 s: interrupts closer together than that become one */

/* Control words: the channel in bits 7:6, or the read-back command; the access mode in bits 5:4, or
 * the counter latch command. */
#define CONTROL_CHANNEL_SHIFT 6
#define CONTROL_ACCESS	      0x30
#define ACCESS_LATCH	      0x00
#define READ_BACK	      0xc0

static u64 pit_now(const struct vpit *pit)
{
	return clock_count(device_now(pit->host), pit->host->tsc_hz, VPIT_HZ);
}

static u32 channel_modulus(const struct vpit_channel *channel)
{
	return channel->bcd ? 10000 : 0x10000;
}

/* PIT ticks that are left of mode 3's present half-period (an odd count's high half is 1 longer).
 */
static u64 channel_half_left(const struct vpit_channel *channel)
{
	return channel->value / 2 + (channel->out && (channel->loaded & 1));
}

static void channel_count_down(struct vpit_channel *channel, u64 ticks)
{
	u32 modulus = channel_modulus(channel);
	u64 value = channel->value;
	bool strobe = channel->mode >= 4;

	if (ticks < value) {
		channel->value = (u32)(value - ticks);
		if (channel->done && strobe)
			channel->out = true;
		return;
	}
	if (!channel->done)
		channel->out = !(strobe && ticks == value);
	else if (strobe)
		channel->out = true;
	channel->done = true;
	channel->value = modulus - (u32)((ticks - value) % modulus);
}

static void channel_count_rate(struct vpit_channel *channel, u64 ticks)
{
	if (ticks < channel->value) {
		channel->value -= (u32)ticks;
	} else {
		channel->value =
			channel->reload - (u32)((ticks - channel->value) % channel->reload);
		channel->null_count = false;
	}
	/* The datasheet has no count of 1 in this mode: then the output never falls. */
	channel->out = channel->value != 1 || channel->reload == 1;
}

static void channel_count_square(struct vpit_channel *channel, u64 ticks)
{
	bool skipped = false;

	for (;;) {
		u64 left = channel_half_left(channel);

		if (ticks < left) {
			channel->value -= 2 * (u32)ticks;
			return;
		}
		ticks -= left;
		channel->out = !channel->out;
		channel->loaded = channel->reload;
		channel->value = channel->loaded & ~1u;
		channel->null_count = false;
		if (!skipped)
			ticks %= channel->reload; /* whole periods change nothing */
		skipped = true;
	}
}

/* The counting element counts so many, at least one. */
static void channel_run(struct vpit_channel *channel, u64 ticks)
{
	if (channel->mode == 2)
		channel_count_rate(channel, ticks);
	else if (channel->mode == 3)
		channel_count_square(channel, ticks);
	else
		channel_count_down(channel, ticks);
}

/* Let the counting element run to `tick`, if it does. */
static inline void channel_count(struct vpit_channel *channel, u64 tick)
{
	u64 ticks = tick - channel->since;

	channel->since = tick;
	if (!ticks)
		return;
	if (channel->counting)
		channel_run(channel, ticks);
	else
		channel->out |= channel->mode >= 4; /* a strobe ends whatever the gate does */
}

/* The counting element is loaded at the tick for which that was put off. */
static seldom void channel_loaded(struct vpit_channel *channel)
{
	channel_count(channel, channel->load_at);
	channel->load_pending = false;
	channel->null_count = false;
	channel->started = true;
	channel->done = false;
	channel->loaded = channel->reload;
	channel->value = channel->mode == 3 ? channel->reload & ~1u : channel->reload;
	channel->out = channel->mode > 1;
	channel->counting = channel->gate || channel->mode == 1 || channel->mode == 5;
}

/* Bring the channel up to `tick`, with the load that may be due on the way. */
static inline void channel_settle(struct vpit_channel *channel, u64 tick)
{
	if (unlikely(channel->load_pending) && channel->load_at <= tick)
		channel_loaded(channel);
	channel_count(channel, tick);
}

static void channel_load(struct vpit_channel *channel, u64 tick)
{
	channel->load_pending = true;
	channel->load_at = tick + 1; /* on the next CLK pulse */
}

/* The tick at which OUT rises next if nobody touches the settled channel; its gate is high. */
static u64 channel_next_rise(const struct vpit_channel *channel)
{
	u64 since = channel->since;

	switch (channel->mode) {
	case 0:
		if (channel->load_pending)
			return channel->load_at + channel->reload;
		return channel->counting && !channel->done ? since + channel->value : NEVER;
	case 2:
		if (channel->reload == 1 && (channel->load_pending || channel->value == 1))
			return NEVER;
		if (channel->load_pending)
			return channel->load_at + channel->reload;
		return channel->counting ? since + channel->value : NEVER;
	case 3:
		if (channel->load_pending)
			return channel->reload > 1 ? channel->load_at + channel->reload : NEVER;
		if (!channel->counting)
			return NEVER;
		if (!channel->out)
			return since + channel_half_left(channel);
		if (channel->reload == 1)
			return NEVER;
		return since + channel_half_left(channel) + channel->reload / 2;
	case 4:
		if (!channel->out)
			return since + 1;
		if (channel->load_pending)
			return channel->load_at + channel->reload + 1;
		return channel->counting && !channel->done ? since + channel->value + 1 : NEVER;
	default: /* modes 1 and 5 wait for a gate that never rises */
		return NEVER;
	}
}

static void pit_line_set(struct vpit *pit, bool level)
{
	if (pit->line == level)
		return;
	pit->line = level;
	if (level)
		pit->last_edge = device_now(pit->host);
	device_irq_set(pit->host, 0, level);
}

static void pit_edge(struct vpit *pit)
{
	pit_line_set(pit, false);
	pit_line_set(pit, true);
}

static void pit_arm(struct vpit *pit)
{
	u64 hz = pit->host->tsc_hz;
	u64 deadline = DEVICE_TIMER_OFF;

	pit->next_edge = channel_next_rise(&pit->channel[0]);
	if (pit->next_edge != NEVER) {
		deadline = clock_ticks(pit->next_edge, hz, VPIT_HZ);
		deadline = MAX(deadline, pit->last_edge + hz / EDGE_GAP);
	}
	device_timer_set(pit->host, &pit->timer, deadline);
}

/* Deliver the edge of channel 0 that is due by now, be it one or many. */
static u64 pit_deliver(struct vpit *pit)
{
	u64 tick = pit_now(pit);
	bool due = pit->next_edge <= tick;

	channel_settle(&pit->channel[0], tick);
	if (due) {
		pit->next_edge = NEVER;
		pit_edge(pit);
	}
	return tick;
}

static void pit_fire(void *context)
{
	struct vpit *pit = context;

	pit_deliver(pit);
	pit_arm(pit);
}

/*
 * The guest programmed channel 0: its output may have changed at once. In the periodic modes it
 * does so only by a control word; otherwise what was delivered keeps the line high to the end of
 * the period.
 */
static void pit_programmed(struct vpit *pit)
{
	const struct vpit_channel *channel = &pit->channel[0];
	bool periodic = channel->mode == 2 || channel->mode == 3;

	if (!periodic || !channel->started)
		pit_line_set(pit, channel->out);
	pit_arm(pit);
}

static u8 channel_status(const struct vpit_channel *channel)
{
	return (u8)(channel->out << 7 | channel->null_count << 6 | channel->access << 4 |
		    channel->mode << 1 | channel->bcd);
}

static u32 to_bcd(u32 value)
{
	return value / 1000 << 12 | value / 100 % 10 << 8 | value / 10 % 10 << 4 | value % 10;
}

static u32 from_bcd(u32 value)
{
	return (value >> 12) * 1000 + (value >> 8 & 15) * 100 + (value >> 4 & 15) * 10 +
	       (value & 15);
}

static inline u16 channel_value(const struct vpit_channel *channel)
{
	return (u16)(likely(!channel->bcd) ? channel->value : to_bcd(channel->value % 10000));
}

static void channel_latch_count(struct vpit_channel *channel)
{
	channel->count_latched = true;
	channel->latched_count = channel_value(channel);
}

static void channel_latch_status(struct vpit_channel *channel)
{
	if (channel->status_latched)
		return;
	channel->status_latched = true;
	channel->latched_status = channel_status(channel);
}

/* The byte of a count whose turn it is. */
static inline u8 channel_read(struct vpit_channel *channel, u16 count)
{
	bool high = channel->access == 3 ? channel->read_high : channel->access == 2;

	if (channel->access == 3)
		channel->read_high = !channel->read_high;
	if (channel->access != 3 || high)
		channel->count_latched = false;
	return (u8)(high ? count >> 8 : count);
}

static void channel_control(struct vpit_channel *channel, u8 word, u64 tick)
{
	u8 mode = word >> 1 & 7;

	*channel = (struct vpit_channel){
		.mode = mode > 5 ? mode & 3 : mode,
		.access = word >> 4 & 3,
		.bcd = word & 1,
		.gate = channel->gate,
		.out = mode != 0,
		.null_count = true,
		.since = tick,
		.value = channel->value,
		.reload = channel->reload,
	};
}

/* The count register is complete: when does the counting element get it? */
static void channel_count_written(struct vpit_channel *channel, u32 count, u64 tick)
{
	u32 modulus = channel_modulus(channel);

	count = channel->bcd ? from_bcd(count) % modulus : count;
	channel->reload = count ? count : modulus;
	channel->null_count = true;
	channel->programmed = true;
	if (channel->mode == 0 || channel->mode == 4 ||
	    ((channel->mode == 2 || channel->mode == 3) && !channel->started))
		channel_load(channel, tick);
	if (channel->mode == 0)
		channel->out = false;
}

static void channel_write(struct vpit_channel *channel, u8 value, u64 tick)
{
	if (channel->access == 3 && !channel->write_high) {
		channel->write_low = value;
		channel->write_high = true;
		if (channel->mode == 0) { /* the first byte stops a count in mode 0 */
			channel->counting = false;
			channel->load_pending = false;
			channel->out = false;
		}
		return;
	}
	channel->write_high = false;
	if (channel->access == 3)
		channel_count_written(channel, (u32)value << 8 | channel->write_low, tick);
	else
		channel_count_written(channel, channel->access == 2 ? (u32)value << 8 : value,
				      tick);
}

static void channel_gate(struct vpit_channel *channel, bool gate, u64 tick)
{
	bool rate = channel->mode == 2 || channel->mode == 3;
	bool one_shot = channel->mode == 1 || channel->mode == 5;

	if (gate == channel->gate)
		return;
	channel->gate = gate;
	if (rate && !gate) {
		channel->counting = false;
		channel->out = true;
	} else if (rate || one_shot) {
		if (gate && channel->programmed)
			channel_load(channel, tick);
	} else if (channel->started) {
		/* Half a count was written in mode 0: the rest starts it, not the gate. */
		channel->counting = gate && !(channel->mode == 0 && channel->write_high);
	}
}

static void pit_read_back(struct vpit *pit, u8 word, u64 tick)
{
	for (unsigned i = 0; i < 3; i++) {
		struct vpit_channel *channel = &pit->channel[i];

		if (!(word & 2u << i))
			continue;
		channel_settle(channel, tick);
		if (!(word & 0x20) && !channel->count_latched)
			channel_latch_count(channel);
		if (!(word & 0x10))
			channel_latch_status(channel);
	}
}

/* Bring channel `number` up to now because the guest is about to program it. */
static u64 pit_settle(struct vpit *pit, unsigned number)
{
	u64 tick;

	if (number == 0)
		return pit_deliver(pit);
	tick = pit_now(pit);
	channel_settle(&pit->channel[number], tick);
	return tick;
}

/* A second latch before the first was read is ignored. */
static outlined void pit_latch(struct vpit *pit, struct vpit_channel *channel)
{
	if (channel->count_latched)
		return;
	channel_settle(channel, pit_now(pit));
	channel_latch_count(channel);
}

static seldom void pit_control(struct vpit *pit, u8 word)
{
	unsigned number = word >> CONTROL_CHANNEL_SHIFT;
	u64 tick;

	if (word >= READ_BACK) {
		pit_read_back(pit, word, pit_now(pit));
	} else {
		tick = pit_settle(pit, number);
		channel_control(&pit->channel[number], word, tick);
		if (number == 0)
			pit_programmed(pit);
	}
}

static outlined u64 pit_read_61(struct vpit *pit)
{
	u64 tick = pit_now(pit);

	channel_settle(&pit->channel[2], tick);
	return (pit->control | (tick / REFRESH & 1) << 4 | (pit->channel[2].out ? 0x20u : 0u));
}

static outlined u64 pit_read_count(struct vpit *pit, struct vpit_channel *channel)
{
	if (channel->status_latched) {
		channel->status_latched = false;
		return channel->latched_status;
	}
	if (channel->count_latched)
		return channel_read(channel, channel->latched_count);
	channel_settle(channel, pit_now(pit));
	return channel_read(channel, channel_value(channel));
}

static u64 vpit_read(void *device, u64 address, unsigned bytes)
{
	struct vpit *pit = device;

	(void)bytes;
	if (address == PORT_61)
		return pit_read_61(pit);
	if ((address & 3) == 3)
		return 0xff; /* the control register is write-only */
	return pit_read_count(pit, &pit->channel[address & 3]);
}

static seldom void pit_write_61(struct vpit *pit, u8 value)
{
	u64 tick = pit_settle(pit, 2);

	pit->control = value & 0xf;
	channel_gate(&pit->channel[2], value & 1, tick);
}

static seldom void pit_write_count(struct vpit *pit, unsigned number, u8 value)
{
	u64 tick = pit_settle(pit, number);

	channel_write(&pit->channel[number], value, tick);
	if (number == 0)
		pit_programmed(pit);
}

static void vpit_write(void *device, u64 address, unsigned bytes, u64 value)
{
	struct vpit *pit = device;
	unsigned number = address & 3;

	(void)bytes;
	if (address == PORT_61)
		pit_write_61(pit, (u8)value);
	else if (number != 3)
		pit_write_count(pit, number, (u8)value);
	else if ((value & CONTROL_ACCESS) == ACCESS_LATCH && (u8)value < READ_BACK)
		pit_latch(pit, &pit->channel[(u8)value >> CONTROL_CHANNEL_SHIFT]);
	else
		pit_control(pit, (u8)value);
}

void vpit_reset(struct vpit *pit)
{
	u64 tick = pit_now(pit);

	for (unsigned i = 0; i < 3; i++)
		pit->channel[i] = (struct vpit_channel){
			.access = 3,
			.gate = i != 2,
			.programmed = true,
			.started = true,
			.counting = i != 2,
			.done = true,
			.since = tick,
			.value = 0x10000,
			.reload = 0x10000,
		};
	pit->control = 0;
	pit_programmed(pit);
}

void vpit_init(struct vpit *pit, struct device_host *host)
{
	*pit = (struct vpit){
		.host = host,
		.timer = {.deadline = DEVICE_TIMER_OFF, .fire = pit_fire, .context = pit},
	};
	vpit_reset(pit);
}

const struct device_ops vpit_ops = {
	.name = "8254",
	.read = vpit_read,
	.write = vpit_write,
	.widest_bytes = 1,
};
