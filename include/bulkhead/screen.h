/* SPDX-License-Identifier: MIT */
/* What a guest shows in VGA text mode. */
#pragma once

#include <bulkhead/types.h>

#define SCREEN_COLUMNS 80
#define SCREEN_LINES   25

struct screen_text {
	u8 cells[SCREEN_LINES][SCREEN_COLUMNS]; /* codes of code page 437 */
	u32 cursor_line, cursor_column; /* beyond the last if the cursor is somewhere else */
};
