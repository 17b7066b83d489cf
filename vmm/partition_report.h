/* SPDX-License-Identifier: MIT */
/*
 * What devices say of their guest, at the level `debug`. A guest can make them say something as
 * often as it likes, and the log is everyone's: lines beyond PARTITION_REPORT_BURST at once and
 * PARTITION_REPORTS_S a second are left out, and the next one comes behind one that says how many.
 */
#pragma once

#define PARTITION_REPORT_BURST 256
#define PARTITION_REPORTS_S    16

struct partition;

/* With the partition's device lock held. Real time counts, so that a guest gains nothing by a reset
 * and loses nothing by a pause. */
void partition_report(struct partition *partition, const char *text);
