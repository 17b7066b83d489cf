/* SPDX-License-Identifier: MIT */
/* Between CPUID of the machine and the CPUs that partitions are given. */
#pragma once

#include "guest_cpuid.h"

/* Once, on the first CPU: what the virtualisation backend gives guests. `cpu` and `kvm` of the
 * options are the partitions' own. */
void guest_cpu_init(const struct guest_cpuid_options *backend);
/* On each other CPU that is to run guests: from now on they see only what it has, too. Before any
 * partition exists. */
void guest_cpu_join(void);
