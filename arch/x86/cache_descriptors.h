/* SPDX-License-Identifier: MIT */
/* CPUID leaf 2 for the caches of leaf 4. Pure. */
#pragma once

#include "host_cpuid.h"

#include <bulkhead/types.h>

/*
 * CPUs say by one descriptor in leaf 2 (FFh) that leaf 4 describes the caches. A C library that
 * sizes its copies by them then goes through leaf 4 a dozen times whenever a program starts, and
 * each time is an exit. So where all `count` caches, as subleaves of leaf 4 describe them, have
 * descriptors of their own, these take its place, before all others, as they are what is looked
 * for; else `leaf2` stays as it is.
 */
void cache_descriptors_fill(struct cpuid *leaf2, const struct cpuid *caches, unsigned count);
