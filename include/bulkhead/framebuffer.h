/* SPDX-License-Identifier: MIT */
/* Text on the screen that the firmware left us: a sink of the log. */
#pragma once

#include <bulkhead/boot.h>

/*
 * Clear the screen and show the log on it from now on. On the boot CPU, while no other logs.
 * -ENODEV when there is no framebuffer, -EINVAL when its description makes no sense or not even one
 * character fits, -ENOMEM when it cannot be mapped.
 */
int framebuffer_init(const struct boot_framebuffer *fb) must_check;
