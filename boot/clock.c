/* SPDX-License-Identifier: MIT */
/* Calendar arithmetic for the firmware's clock. */
#include "boot/clock.h"

static bool clock_leap(u32 year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static u32 clock_month_days(u32 year, u32 month)
{
	static const u8 days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && clock_leap(year) ? 1U : 0U);
}

static bool clock_valid(const struct clock_date *date)
{
	return date->year >= 1970 && date->year <= 9999 && date->month >= 1 && date->month <= 12 &&
	       date->day >= 1 && date->day <= clock_month_days(date->year, date->month) &&
	       date->hour < 24 && date->minute < 60 && date->second < 60;
}

u64 clock_unix_time(const struct clock_date *date)
{
	s64 zone = date->zone_minutes;
	u64 days = 0;
	s64 time;

	if (!clock_valid(date))
		return 0;
	if (zone < -1440 || zone > 1440)
		zone = 0;
	for (u32 year = 1970; year < date->year; year++)
		days += clock_leap(year) ? 366 : 365;
	for (u32 month = 1; month < date->month; month++)
		days += clock_month_days(date->year, month);
	days += date->day - 1;
	time = (s64)(days * 86400 + date->hour * 3600UL + date->minute * 60UL + date->second) +
	       zone * 60;
	return time > 0 ? (u64)time : 0;
}
