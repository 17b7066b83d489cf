/* SPDX-License-Identifier: MIT */
/* The thread that a vCPU is. */
#pragma once

#include <bulkhead/types.h>

struct partition;

/* Make the partition's vCPU with its devices, on CPU `cpu`, waiting for the partition to start. */
int vcpu_create(struct partition *partition, u32 cpu) must_check;
