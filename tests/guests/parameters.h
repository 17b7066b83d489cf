/* SPDX-License-Identifier: MIT */
/* Numbers that whoever makes the bundle writes into a payload's image: those that follow this one
 * in an array (tests/bench/partitions.py). What the source has there is the default. */
#pragma once

#define PARAMETERS_MARK 0x53524554454d4152UL
