/* SPDX-License-Identifier: MIT */
/* Where random bytes come from; arch_entropy gives them. */
#pragma once

/* Once, on the boot CPU, before anybody asks for any. */
void entropy_init(void);
