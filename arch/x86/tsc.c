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
#define PORT_B		  0x61
#define PORT_B_GATE_2	  1
#define PORT_B_SPEAKER	  2
#define PORT_B_OUT_2	  0x20
#define MEASURE_COUNT	  11932 /* 10 ms */
#define MEASURE_POLLS_MAX 10000000

static u64 hz;
static u64 start;

/* Ticks in 10 ms of the 8254's channel 2, or 0 when there is no such thing. */
static u64 measure(void)
{
	u8 port_b = (u8)(port_read8(PORT_B) & ~(PORT_B_SPEAKER | PORT_B_GATE_2));
	u64 from, to;
	u32 polls = 0;

	port_write8(PORT_B, port_b | PORT_B_GATE_2);
	port_write8(PIT_COMMAND, PIT_ONE_SHOT_2);
	port_write8(PIT_CHANNEL_2, MEASURE_COUNT & 0xff);
	from = tsc_read();
	port_write8(PIT_CHANNEL_2, MEASURE_COUNT >> 8);
	if (port_read8(PORT_B) & PORT_B_OUT_2)
		return 0; /* OUT is low while it counts: this is not a timer */
	while (!(port_read8(PORT_B) & PORT_B_OUT_2))
		if (++polls == MEASURE_POLLS_MAX)
			return 0;
	to = tsc_read();
	port_write8(PORT_B, port_b);
	return to - from;
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
	u64 ticks = measure();
	u64 measured = ticks ? mul_div(ticks, PIT_HZ, MEASURE_COUNT) : 0;
	u64 said = announced();

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
