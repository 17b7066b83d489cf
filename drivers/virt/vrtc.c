/* SPDX-License-Identifier: MIT */
/* MC146818A (Motorola ADI1025, "Real-Time Clock plus RAM"). */

#include "vrtc.h"
#include "clock.h"

#define RTC_IRQ	   8
#define DIVIDER_HZ 32768
#define DAY_S	   86400
#define NEVER	   (~0UL)

/* Of an alarm register, beside the numbers that it may wait for. */
#define ALARM_ANY  0x100u
#define ALARM_NONE 0x101u

/* Days from 1 January of year 0 to 1 January 1970 in the Gregorian calendar. */
#define UNIX_DAYS 719528UL

enum {
	SECONDS,
	SECONDS_ALARM,
	MINUTES,
	MINUTES_ALARM,
	HOURS,
	HOURS_ALARM,
	WEEKDAY, /* 1 is Sunday */
	DAY,
	MONTH,
	YEAR,
	REG_A,
	REG_B,
	REG_C,
	REG_D,
	CENTURY = 0x32,
};

#define A_RATE	      0x0f
#define A_DIVIDER     0x70
#define A_32768	      0x20
#define A_UIP	      0x80
#define B_24H	      0x02
#define B_BINARY      0x04
#define B_SQWE	      0x08
#define B_SET	      0x80
#define FLAG_UPDATE   0x10 /* UF in register C, UIE in B; likewise the next two */
#define FLAG_ALARM    0x20
#define FLAG_PERIODIC 0x40
#define FLAGS	      0x70
#define C_IRQ	      0x80
#define D_VALID	      0x80
#define HOURS_PM      0x80

/* Datasheet, "update cycle": UIP is set 244 us before the cycle, which takes 1984 us. */
#define UPDATE_US 2228

struct calendar {
	u32 year, month, day; /* year 0 to 9999, the others from 1 */
	u32 weekday;	      /* 0 is Sunday */
	u32 second_of_day;
};

static bool year_leap(u32 year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static u32 month_days(u32 year, u32 month)
{
	static const u8 days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return month == 2 && year_leap(year) ? 29 : days[month - 1];
}

/* Days from 1 January of year 0 to that of `year`. */
static u64 year_start(u32 year)
{
	return 365UL * year + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
}

static u64 calendar_seconds(const struct calendar *calendar)
{
	u64 days = year_start(calendar->year) + calendar->day - 1;

	for (u32 month = 1; month < calendar->month; month++)
		days += month_days(calendar->year, month);
	return days * DAY_S + calendar->second_of_day;
}

static void calendar_of(u64 seconds, struct calendar *calendar)
{
	u64 days = seconds / DAY_S % year_start(10000);
	u32 year = (u32)(days / 366);
	u32 month = 1;

	while (year < 9999 && year_start(year + 1) <= days)
		year++;
	calendar->weekday = (u32)((days + 6) % 7); /* year 0 began on a Saturday */
	calendar->second_of_day = (u32)(seconds % DAY_S);
	days -= year_start(year);
	while (days >= month_days(year, month))
		days -= month_days(year, month++);
	calendar->year = year;
	calendar->month = month;
	calendar->day = (u32)days + 1;
}

static u8 rtc_encode(const struct vrtc *rtc, u32 value)
{
	return (u8)(rtc->cmos[REG_B] & B_BINARY ? value : value / 10 % 10 << 4 | value % 10);
}

static u32 rtc_decode(const struct vrtc *rtc, u8 value)
{
	return rtc->cmos[REG_B] & B_BINARY ? value : (value >> 4) * 10u + (value & 15);
}

static u8 rtc_encode_hours(const struct vrtc *rtc, u32 hours)
{
	u8 pm = hours >= 12 ? HOURS_PM : 0;

	if (rtc->cmos[REG_B] & B_24H)
		return rtc_encode(rtc, hours);
	return (u8)(rtc_encode(rtc, hours % 12 ? hours % 12 : 12) | pm);
}

static u32 rtc_decode_hours(const struct vrtc *rtc, u8 value)
{
	if (rtc->cmos[REG_B] & B_24H)
		return rtc_decode(rtc, value);
	return rtc_decode(rtc, value & 0x7f) % 12 + (value & HOURS_PM ? 12 : 0);
}

static bool rtc_divider_runs(const struct vrtc *rtc)
{
	return (rtc->cmos[REG_A] & A_DIVIDER) == A_32768;
}

static bool rtc_runs(const struct vrtc *rtc)
{
	return rtc_divider_runs(rtc) && !(rtc->cmos[REG_B] & B_SET);
}

/* Whole seconds from the epoch to `tick`. */
static u64 rtc_elapsed(const struct vrtc *rtc, u64 tick)
{
	return (tick - rtc->epoch) / rtc->host->tsc_hz;
}

static void rtc_calendar(const struct vrtc *rtc, u64 tick, struct calendar *calendar)
{
	calendar_of(rtc->epoch_second + rtc_elapsed(rtc, tick), calendar);
	calendar->weekday = (calendar->weekday + rtc->weekday_shift) % 7;
}

/* Put the time at `tick` into the registers. */
static seldom void rtc_store(struct vrtc *rtc, u64 tick)
{
	struct calendar now;

	rtc_calendar(rtc, tick, &now);
	rtc->cmos[SECONDS] = rtc_encode(rtc, now.second_of_day % 60);
	rtc->cmos[MINUTES] = rtc_encode(rtc, now.second_of_day / 60 % 60);
	rtc->cmos[HOURS] = rtc_encode_hours(rtc, now.second_of_day / 3600);
	rtc->cmos[WEEKDAY] = (u8)(now.weekday + 1);
	rtc->cmos[DAY] = rtc_encode(rtc, now.day);
	rtc->cmos[MONTH] = rtc_encode(rtc, now.month);
	rtc->cmos[YEAR] = rtc_encode(rtc, now.year % 100);
	rtc->cmos[CENTURY] = rtc_encode(rtc, now.year / 100);
}

/* The same, for reading: guests read the registers one by one, and more often than each second. */
static void rtc_show(struct vrtc *rtc, u64 tick)
{
	if (likely(tick < rtc->shown_until))
		return;
	rtc->shown_until = rtc->epoch + (rtc_elapsed(rtc, tick) + 1) * rtc->host->tsc_hz;
	rtc_store(rtc, tick);
}

static u32 clamp(u32 value, u32 low, u32 high)
{
	return MIN(MAX(value, low), high);
}

/* Take the time at `tick` from the registers. */
static void rtc_load(struct vrtc *rtc, u64 tick)
{
	u32 hours = clamp(rtc_decode_hours(rtc, rtc->cmos[HOURS]), 0, 23);
	u32 minutes = clamp(rtc_decode(rtc, rtc->cmos[MINUTES]), 0, 59);
	u32 seconds = clamp(rtc_decode(rtc, rtc->cmos[SECONDS]), 0, 59);
	u32 weekday = clamp(rtc->cmos[WEEKDAY], 1, 7) - 1;
	struct calendar set = {0}, plain;
	u64 total;

	set.year = clamp(rtc_decode(rtc, rtc->cmos[CENTURY]), 0, 99) * 100 +
		   clamp(rtc_decode(rtc, rtc->cmos[YEAR]), 0, 99);
	set.month = clamp(rtc_decode(rtc, rtc->cmos[MONTH]), 1, 12);
	set.day = clamp(rtc_decode(rtc, rtc->cmos[DAY]), 1, month_days(set.year, set.month));
	set.second_of_day = hours * 3600 + minutes * 60 + seconds;
	total = calendar_seconds(&set);
	calendar_of(total, &plain);
	rtc->weekday_shift = (u8)((weekday + 7 - plain.weekday) % 7);
	rtc->epoch_second = total - rtc_elapsed(rtc, tick);
}

/* Datasheet, "alarm": the two top bits set stand for every value. */
static u32 alarm_value(u8 alarm, u32 value, u8 encoded, u32 values)
{
	if ((alarm & 0xc0) == 0xc0)
		return ALARM_ANY;
	return value < values && encoded == alarm ? value : ALARM_NONE;
}

/* What an alarm register waits for: a number, ALARM_ANY, or ALARM_NONE if no time looks so. */
static u32 rtc_alarm(const struct vrtc *rtc, u8 alarm)
{
	u32 value = rtc_decode(rtc, alarm);

	return alarm_value(alarm, value, rtc_encode(rtc, value), 60);
}

static u32 rtc_alarm_hours(const struct vrtc *rtc, u8 alarm)
{
	u32 hours = rtc_decode_hours(rtc, alarm);

	return alarm_value(alarm, hours, rtc_encode_hours(rtc, hours), 24);
}

/*
 * The first second from `at` on whose part of `unit` seconds is `wanted` of 0 to `values` - 1, for
 * an `at` that has what is wanted of the smaller parts. `first` has it, too, and no other is less.
 */
static u32 alarm_advance(u32 at, u32 wanted, u32 values, u32 unit, u32 first)
{
	u32 part = at / unit % values;

	if (wanted == ALARM_ANY || wanted == part)
		return at;
	return at - at % unit + (wanted + values - part) % values * unit + first;
}

/*
 * Seconds from `second_of_day` to the next match of the alarm, 1 to DAY_S, or NEVER. Whatever the
 * guest has written there, nothing is searched for: it may ask as often as it likes.
 */
static u64 rtc_alarm_delay(const struct vrtc *rtc, u32 second_of_day)
{
	u32 hours = rtc_alarm_hours(rtc, rtc->cmos[HOURS_ALARM]);
	u32 minutes = rtc_alarm(rtc, rtc->cmos[MINUTES_ALARM]);
	u32 seconds = rtc_alarm(rtc, rtc->cmos[SECONDS_ALARM]);
	u32 at = second_of_day + 1, first = 0;

	if (hours == ALARM_NONE || minutes == ALARM_NONE || seconds == ALARM_NONE)
		return NEVER;
	at = alarm_advance(at, seconds, 60, 1, first);
	if (seconds != ALARM_ANY)
		first = seconds;
	at = alarm_advance(at, minutes, 60, 60, first);
	if (minutes != ALARM_ANY)
		first += minutes * 60;
	at = alarm_advance(at, hours, 24, 3600, first);
	return at - second_of_day;
}

/* Periods of the periodic interrupt that are complete at `tick`, in 1/32768 s; 0 is none. */
static u64 rtc_period(const struct vrtc *rtc)
{
	u32 rate = rtc->cmos[REG_A] & A_RATE;

	if (rate == 0 || !rtc_divider_runs(rtc))
		return 0;
	return 1UL << ((rate < 3 ? rate + 7 : rate) - 1);
}

/* Tick of the first occurrence after `tick` of what `flag` tells, or NEVER. */
static u64 rtc_next(const struct vrtc *rtc, u8 flag, u64 tick)
{
	u64 hz = rtc->host->tsc_hz;
	u64 elapsed = rtc_elapsed(rtc, tick);
	u64 delay = 1;
	u64 period = rtc_period(rtc);

	if (flag == FLAG_PERIODIC) {
		if (!period)
			return NEVER;
		delay = clock_count(tick - rtc->epoch, hz, DIVIDER_HZ) / period + 1;
		return rtc->epoch + clock_ticks(delay * period, hz, DIVIDER_HZ);
	}
	if (!rtc_runs(rtc))
		return NEVER;
	if (flag == FLAG_ALARM)
		delay = rtc_alarm_delay(rtc, (u32)((rtc->epoch_second + elapsed) % DAY_S));
	return delay == NEVER ? NEVER : rtc->epoch + (elapsed + delay) * hz;
}

/* Find out which flags of register C were set since the last time. */
static void rtc_check(struct vrtc *rtc, u64 tick)
{
	for (u8 flag = FLAG_UPDATE; flag <= FLAG_PERIODIC; flag = (u8)(flag << 1))
		if (!(rtc->cmos[REG_C] & flag) && rtc_next(rtc, flag, rtc->checked) <= tick)
			rtc->cmos[REG_C] |= flag;
	rtc->checked = tick;
}

/* Interrupt line and timer as flags and enables now want them. */
static void rtc_update(struct vrtc *rtc)
{
	u8 enabled = rtc->cmos[REG_B] & FLAGS;
	bool line = rtc->cmos[REG_C] & enabled;
	u64 deadline = DEVICE_TIMER_OFF;

	if (line)
		rtc->cmos[REG_C] |= C_IRQ;
	else
		rtc->cmos[REG_C] &= (u8)~C_IRQ;
	/* With the line high nothing that the guest could notice happens until it reads register C.
	 */
	for (u8 flag = FLAG_UPDATE; flag <= FLAG_PERIODIC && !line; flag = (u8)(flag << 1))
		if (enabled & flag)
			deadline = MIN(deadline, rtc_next(rtc, flag, rtc->checked));
	if (deadline != rtc->timer.deadline)
		device_timer_set(rtc->host, &rtc->timer, deadline);
	if (line != rtc->line) {
		rtc->line = line;
		device_irq_set(rtc->host, RTC_IRQ, line);
	}
}

static void rtc_fire(void *context)
{
	struct vrtc *rtc = context;

	rtc_check(rtc, device_now(rtc->host));
	rtc_update(rtc);
}

static bool rtc_updating(const struct vrtc *rtc, u64 tick)
{
	u64 hz = rtc->host->tsc_hz;

	return rtc_runs(rtc) && (tick - rtc->epoch) % hz >= hz - mul_div(hz, UPDATE_US, 1000000);
}

static bool index_is_time(u8 index)
{
	return index == CENTURY || (index <= YEAR && (index > HOURS_ALARM || !(index & 1)));
}

static seldom u8 rtc_read_a(const struct vrtc *rtc)
{
	return rtc->cmos[REG_A] | (rtc_updating(rtc, device_now(rtc->host)) ? A_UIP : 0);
}

static seldom u8 rtc_read_c(struct vrtc *rtc)
{
	u8 value;

	rtc_check(rtc, device_now(rtc->host));
	rtc_update(rtc);
	value = rtc->cmos[REG_C];
	rtc->cmos[REG_C] = 0;
	rtc_update(rtc);
	return value;
}

static u8 rtc_read(struct vrtc *rtc)
{
	if (index_is_time(rtc->index)) {
		if (rtc_runs(rtc))
			rtc_show(rtc, device_now(rtc->host));
	} else if (rtc->index == REG_A) {
		return rtc_read_a(rtc);
	} else if (rtc->index == REG_C) {
		return rtc_read_c(rtc);
	}
	return rtc->cmos[rtc->index];
}

/* Registers A and B can stop the clock and start it. */
static void rtc_write_control(struct vrtc *rtc, u8 value, u64 tick)
{
	bool ran = rtc_runs(rtc);
	bool divided = rtc_divider_runs(rtc);

	if (ran)
		rtc_store(rtc, tick);
	if (rtc->index == REG_A)
		value &= (u8)~A_UIP;
	else if (value & B_SET)
		value &= (u8)~FLAG_UPDATE; /* SET clears UIE */
	rtc->cmos[rtc->index] = value;
	/* "Divider control": the first update comes half a second after the divider is let go. */
	if (!divided && rtc_divider_runs(rtc))
		rtc->epoch = tick - rtc->host->tsc_hz / 2;
	if (!ran && rtc_runs(rtc))
		rtc_load(rtc, tick);
}

static void rtc_write(struct vrtc *rtc, u8 value)
{
	u64 tick = device_now(rtc->host);
	bool time = index_is_time(rtc->index) && rtc_runs(rtc);

	rtc->shown_until = 0;
	rtc_check(rtc, tick);
	if (rtc->index == REG_A || rtc->index == REG_B) {
		rtc_write_control(rtc, value, tick);
	} else if (rtc->index != REG_C && rtc->index != REG_D) {
		if (time)
			rtc_store(rtc, tick);
		rtc->cmos[rtc->index] = value;
		if (time)
			rtc_load(rtc, tick);
	}
	rtc_update(rtc);
}

static u64 vrtc_read(void *device, u64 address, unsigned bytes)
{
	struct vrtc *rtc = device;

	(void)bytes;
	return address & 1 ? rtc_read(rtc) : 0xff; /* the index cannot be read back */
}

static void vrtc_write(void *device, u64 address, unsigned bytes, u64 value)
{
	struct vrtc *rtc = device;

	(void)bytes;
	if (address & 1) {
		rtc_write(rtc, (u8)value);
	} else {
		rtc->index = value & 0x7f;
		rtc->nmi_masked = value & 0x80;
	}
}

bool vrtc_nmi_masked(const struct vrtc *rtc)
{
	return rtc->nmi_masked;
}

void vrtc_reset(struct vrtc *rtc)
{
	rtc_check(rtc, device_now(rtc->host));
	rtc->cmos[REG_B] &= (u8) ~(FLAGS | B_SQWE);
	rtc->cmos[REG_C] = 0;
	rtc->nmi_masked = false;
	rtc_update(rtc);
}

static void cmos_set_word(struct vrtc *rtc, unsigned index, u64 value)
{
	rtc->cmos[index] = (u8)value;
	rtc->cmos[index + 1] = (u8)(value >> 8);
}

/* The bytes in which a PC's firmware keeps the memory sizes, and its checksum of 10h to 2Dh. */
static void rtc_init_sizes(struct vrtc *rtc, u64 low_bytes, u64 high_bytes)
{
	u64 above_1m = low_bytes > MIB ? (low_bytes - MIB) / KIB : 0;
	u64 above_16m = low_bytes > 16 * MIB ? (low_bytes - 16 * MIB) / (64 * KIB) : 0;
	u64 above_4g = high_bytes / (64 * KIB);
	u32 sum = 0;

	cmos_set_word(rtc, 0x15, MIN(low_bytes / KIB, 640UL));
	cmos_set_word(rtc, 0x17, MIN(above_1m, 0xffffUL));
	cmos_set_word(rtc, 0x30, MIN(above_1m, 0xffffUL));
	cmos_set_word(rtc, 0x34, MIN(above_16m, 0xffffUL));
	cmos_set_word(rtc, 0x5b, MIN(above_4g, 0xffffffUL));
	rtc->cmos[0x5d] = (u8)(MIN(above_4g, 0xffffffUL) >> 16);
	rtc->cmos[0x14] = 0x02; /* equipment: an FPU, no diskettes */
	for (unsigned i = 0x10; i <= 0x2d; i++)
		sum += rtc->cmos[i];
	rtc->cmos[0x2e] = (u8)(sum >> 8);
	rtc->cmos[0x2f] = (u8)sum;
}

/* Memory that is the guest's own: neither the clock's nor one of the sizes. */
static bool index_is_memory(u8 index)
{
	return index > REG_D && index != CENTURY && !(index >= 0x15 && index <= 0x18) &&
	       index != 0x30 && index != 0x31 && index != 0x34 && index != 0x35 &&
	       !(index >= 0x5b && index <= 0x5d);
}

void vrtc_restore(struct vrtc *rtc, const u8 *cmos)
{
	for (u8 index = 0; index < VRTC_BYTES; index++)
		if (index_is_memory(index))
			rtc->cmos[index] = cmos[index];
}

void vrtc_init(struct vrtc *rtc, struct device_host *host, u64 unix_time_s, u64 low_bytes,
	       u64 high_bytes)
{
	*rtc = (struct vrtc){
		.host = host,
		.timer = {.deadline = DEVICE_TIMER_OFF, .fire = rtc_fire, .context = rtc},
		.epoch_second = UNIX_DAYS * DAY_S + unix_time_s,
		.checked = device_now(host),
	};
	rtc->cmos[REG_A] = A_32768 | 6; /* 1024 Hz, as firmware leaves it */
	rtc->cmos[REG_B] = B_24H;
	rtc->cmos[REG_D] = D_VALID;
	rtc_init_sizes(rtc, low_bytes, high_bytes);
}

const struct device_ops vrtc_ops = {
	.name = "MC146818",
	.read = vrtc_read,
	.write = vrtc_write,
	.widest_bytes = 1,
};
