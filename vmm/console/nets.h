/* SPDX-License-Identifier: MIT */
/* Networks, as commands show them. */
#pragma once

#include <bulkhead/net.h>

struct partition;

#define MAC_TEXT_BYTES 18

/* "52:54:00:12:34:56". */
const char *mac_text(const u8 mac[NET_MAC_BYTES], char text[MAC_TEXT_BYTES]);

/* A table of network cards: one partition's, in its order. Nothing for people if there are none. */
void partition_cards_table(const struct partition *partition);
