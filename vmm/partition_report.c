/* SPDX-License-Identifier: MIT */
#include "partition_report.h"

#include <bulkhead/arch.h>
#include <bulkhead/log.h>
#include <bulkhead/partition.h>

#define PRICE_US (1000000UL / PARTITION_REPORTS_S)

/* Lines are paid for with time, up to a burst ahead of it. */
static bool report_pay(struct partition *partition, u32 lines)
{
	u64 now = arch_time_us();
	u64 paid = MAX(partition->reports_paid_us, now) + lines * PRICE_US;

	if (paid > now + PARTITION_REPORT_BURST * PRICE_US)
		return false;
	partition->reports_paid_us = paid;
	return true;
}

void partition_report(struct partition *partition, const char *text)
{
	const char *name = partition->config->name;

	if (!report_pay(partition, partition->reports_lost ? 2 : 1)) {
		partition->reports_lost++;
		return;
	}
	if (partition->reports_lost)
		log_debug("%s: (too many lines of its devices: left out %lu)", name,
			  partition->reports_lost);
	partition->reports_lost = 0;
	log_debug("%s: %s", name, text);
}
