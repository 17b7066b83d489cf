/* SPDX-License-Identifier: MIT */
/*
 * A world for virtual devices under test: a clock that the test moves, timers, interrupt lines,
 * events, console output. One tick is 1 ns unless the test sets tsc_hz.
 */
#pragma once

#include <bulkhead/device.h>
#include <stdio.h>
#include <string.h>

struct fake_host {
	struct device_host host;
	u64 now;
	struct device_timer *timers;
	bool irq[24];
	unsigned irq_rises[24];
	unsigned events[8];
	char output[65536];
	size_t output_bytes;
	char reported[256];
	unsigned reports;
	struct {
		u64 address;
		u32 data;
	} message[64]; /* interrupt messages */
	unsigned messages;
	u64 random; /* bytes of entropy given: they count up from 1 */
};

static inline struct fake_host *fake_of(struct device_host *host)
{
	return container_of(host, struct fake_host, host);
}

static inline u64 fake_now(void *clock)
{
	return ((struct fake_host *)clock)->now;
}

static inline void fake_timer_set(struct device_host *host, struct device_timer *timer,
				  u64 deadline)
{
	struct fake_host *fake = fake_of(host);
	struct device_timer **at = &fake->timers;

	while (*at && *at != timer)
		at = &(*at)->next;
	if (*at)
		*at = timer->next;
	timer->deadline = deadline;
	if (deadline != DEVICE_TIMER_OFF) {
		timer->next = fake->timers;
		fake->timers = timer;
	}
}

static inline void fake_irq_set(struct device_host *host, unsigned irq, bool level)
{
	struct fake_host *fake = fake_of(host);

	if (level && !fake->irq[irq])
		fake->irq_rises[irq]++;
	fake->irq[irq] = level;
}

static inline void fake_event(struct device_host *host, enum device_event event)
{
	fake_of(host)->events[event]++;
}

static inline void fake_output(struct device_host *host, u8 byte)
{
	struct fake_host *fake = fake_of(host);

	if (fake->output_bytes < sizeof(fake->output))
		fake->output[fake->output_bytes++] = (char)byte;
}

static inline void fake_report(struct device_host *host, const char *text)
{
	struct fake_host *fake = fake_of(host);

	snprintf(fake->reported, sizeof(fake->reported), "%s", text);
	fake->reports++;
}

static inline void fake_message(struct device_host *host, u64 address, u32 data)
{
	struct fake_host *fake = fake_of(host);

	fake->message[fake->messages % 64].address = address;
	fake->message[fake->messages++ % 64].data = data;
}

static inline void fake_entropy(struct device_host *host, void *bytes, u64 count)
{
	struct fake_host *fake = fake_of(host);

	for (u64 i = 0; i < count; i++)
		((u8 *)bytes)[i] = (u8)++fake->random;
}

static const struct device_host_ops fake_ops = {
	.timer_set = fake_timer_set,
	.irq_set = fake_irq_set,
	.event = fake_event,
	.console_output = fake_output,
	.report = fake_report,
	.message = fake_message,
	.entropy = fake_entropy,
};

static inline void fake_init(struct fake_host *fake)
{
	memset(fake, 0, sizeof(*fake));
	fake->host.ops = &fake_ops;
	fake->host.tsc_hz = 1000000000;
	fake->host.now = fake_now;
	fake->host.clock = fake;
}

/* Move the clock to `when`, firing timers in order at their own moments. */
static inline void fake_run_until(struct fake_host *fake, u64 when)
{
	for (;;) {
		struct device_timer *first = NULL;

		for (struct device_timer *timer = fake->timers; timer; timer = timer->next)
			if (timer->deadline <= when &&
			    (!first || timer->deadline < first->deadline))
				first = timer;
		if (!first)
			break;
		if (first->deadline > fake->now)
			fake->now = first->deadline;
		fake_timer_set(&fake->host, first, DEVICE_TIMER_OFF);
		first->fire(first->context);
	}
	fake->now = when;
}

static inline void fake_run(struct fake_host *fake, u64 ticks)
{
	fake_run_until(fake, fake->now + ticks);
}
