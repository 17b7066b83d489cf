/* SPDX-License-Identifier: MIT */
/* The bitmap font of the text console. */
#pragma once

#include <bulkhead/types.h>

#define FONT_COLUMNS 5
#define FONT_ROWS    9

/* One row of a glyph, 0 at the top: bit FONT_COLUMNS - 1 is its leftmost pixel. 0 for what the font
 * lacks. */
u8 font_row(char character, u32 row);
