/* SPDX-License-Identifier: MIT */
/* The firmware's memory map as the hand-over wants it. */
#pragma once

#include "boot/loader.h"

/*
 * Take the map from the firmware, with what the loader holds marked in it, into boot_info. *key is
 * what ExitBootServices asks for; it goes stale with the next allocation. Allocates nothing itself.
 */
int memory_read(struct boot_info *info, UINTN *key) must_check;
