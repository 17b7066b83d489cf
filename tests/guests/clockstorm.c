/* SPDX-License-Identifier: MIT */
/*
 * Sets the clock's alarm to a second that there is not, and asks it over and over, many times to an
 * exit, whether it has come.
 */
#include "guest.h"

#define RTC_INDEX	  0x70
#define RTC_DATA	  0x71
#define RTC_SECONDS_ALARM 0x01
#define RTC_MINUTES_ALARM 0x03
#define RTC_HOURS_ALARM	  0x05
#define RTC_B		  0x0b
#define RTC_C		  0x0c
#define RTC_B_ALARM_24H	  0x22
#define ANY		  0xc0
#define NO_SECOND	  0x7f

static u8 buffer[4096];

static void rtc_write(u8 index, u8 value)
{
	out8(RTC_INDEX, index);
	out8(RTC_DATA, value);
}

void guest_main(void)
{
	print("clockstorm: begins\n");
	rtc_write(RTC_HOURS_ALARM, ANY);
	rtc_write(RTC_MINUTES_ALARM, ANY);
	rtc_write(RTC_SECONDS_ALARM, NO_SECOND);
	rtc_write(RTC_B, RTC_B_ALARM_24H);
	out8(RTC_INDEX, RTC_C);
	for (;;) {
		u8 *to = buffer;
		u64 count = sizeof(buffer);

		__asm__ volatile("rep insb"
				 : "+D"(to), "+c"(count)
				 : "d"((u16)RTC_DATA)
				 : "memory");
	}
}
