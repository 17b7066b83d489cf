/* SPDX-License-Identifier: MIT */
/* Random values for every register of every device. */
#pragma once

#include "guest.h"

/* Without end. `spare` leaves out what would switch the machine off or reset it. */
noreturn void garbage_write(const char *name, bool spare);
