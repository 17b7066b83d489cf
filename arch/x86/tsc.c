/* SPDX-License-Identifier: MIT */
/* The clock: the time-stamp counter and how fast it runs. */
#include "tsc.h"

#include "instructions.h"

#include <bulkhead/arch.h>
#include <bulkhead/log.h>

#define PIT_HZ		  1193182UL
#define PIT_CHANNEL_2	  0x42
#define PIT_COMMAND	  0x43
#define PIT_ONE_SHOT_2	  0xb0 /* channel 2, low then high byte, mode 0, binary */
#define PIT_LATCH_2	  0x80
#define PIT_COUNT	  0xffffU /* 55 ms */
#define PORT_B		  0x61
#define PORT_B_GATE_2	  1
#define PORT_B_SPEAKER	  2
#define PORT_B_OUT_2	  0x20
#define MEASURE_COUNT	  11932 /* 10 ms at least */
#define MEASURE_READINGS  4
#define MEASURE_POLLS_MAX 10000000

/* What the 8254's channel 2 had counted at some moment, which is known to `width` ticks. */
struct reading {
	u64 tsc, width;
	u32 counted;
};

static u64 hz;
static u64 start;
static u64 begun;   /* TSC */
static bool counts; /* there is such a channel, and it has counted since then */

static bool count_is_over(void)
{
	return port_read8(PORT_B) & PORT_B_OUT_2;
}

void tsc_begin(void)
{
	u8 port_b = (u8)(port_read8(PORT_B) & ~(PORT_B_SPEAKER | PORT_B_GATE_2));

	port_write8(PORT_B, port_b | PORT_B_GATE_2);
	port_write8(PIT_COMMAND, PIT_ONE_SHOT_2);
	port_write8(PIT_CHANNEL_2, PIT_COUNT & 0xff);
	port_write8(PIT_CHANNEL_2, PIT_COUNT >> 8);
	begun = tsc_read();
	counts = !count_is_over(); /* else it is not a timer */
}

static struct reading read_counter(void)
{
	struct reading now;
	u64 before = tsc_read();
	u32 left;

	port_write8(PIT_COMMAND, PIT_LATCH_2);
	now.tsc = tsc_read();
	now.width = now.tsc - before;
	left = port_read8(PIT_CHANNEL_2);
	left |= (u32)port_read8(PIT_CHANNEL_2) << 8;
	now.counted = PIT_COUNT - left;
	return now;
}

/*
 * The moment that is known best of some, 10 ms or more after the beginning: firmware may have had
 * the CPU in the middle of one. False: none could be had.
 */
static bool measure_end(struct reading *best)
{
	u32 readings = 0;

	*best = (struct reading){.width = ~0UL};
	for (u32 polls = 0; polls < MEASURE_POLLS_MAX && readings < MEASURE_READINGS; polls++) {
		struct reading now = read_counter();

		if (count_is_over())
			return readings;
		if (now.counted < MEASURE_COUNT)
			continue;
		readings++;
		if (now.width < best->width)
			*best = now;
	}
	return readings;
}

/* How fast the TSC runs by the 8254; 0: there is none. */
static u64 measure(void)
{
	struct reading end;
	bool found = counts && measure_end(&end);

	if (counts && !found) {
		tsc_begin(); /* it took so long until here that the count is over */
		found = counts && measure_end(&end);
	}
	port_write8(PORT_B, (u8)(port_read8(PORT_B) & ~(PORT_B_SPEAKER | PORT_B_GATE_2)));
	return found ? mul_div(end.tsc - begun, PIT_HZ, end.counted) : 0;
}

/* What CPUID leaves 15h and 16h say (SDM vol. 2, CPUID), or 0. */
static u64 announced(void)
{
	u32 highest = cpuid(0, 0).eax;
	struct cpuid r = {0};

	if (highest >= 0x15)
		r = cpuid(0x15, 0);
	if (r.eax && r.ebx && r.ecx)
		return mul_div(r.ecx, r.ebx, r.eax);
	if (highest >= 0x16)
		return (cpuid(0x16, 0).eax & 0xffff) * 1000000UL;
	return 0;
}

void tsc_init(void)
{
	u64 measured = measure(), said = announced();

	start = tsc_read();
	if (!measured && !said)
		panic("the TSC's rate is not known: no 8254 to measure it, no CPUID leaf 15h or "
		      "16h");
	/* The announced rate is exact, unless an emulator announces another machine's. */
	if (said && measured &&
	    (said > measured + measured / 50 || said < measured - measured / 50)) {
		log_warn(
			"CPUID says that the TSC runs at %lu kHz, measured are %lu kHz: using that",
			said / 1000, measured / 1000);
		said = 0;
	}
	hz = said ? said : measured;
	log_debug("TSC: %lu kHz%s", hz / 1000, said ? "" : ", measured");
	if (cpuid(0x80000000, 0).eax < 0x80000007 || !(cpuid(0x80000007, 0).edx & BIT(8)))
		log_debug("the CPU does not promise that its TSC keeps its rate");
}

void tsc_wait_us(u64 us)
{
	u64 until = tsc_read() + mul_div(us, hz, 1000000);

	while (tsc_read() < until)
		arch_relax();
}

u64 arch_tsc(void)
{
	return tsc_read();
}

u64 arch_tsc_hz(void)
{
	return hz;
}

u64 arch_time_us(void)
{
	return hz ? mul_div(tsc_read() - start, 1000000, hz) : 0;
}
