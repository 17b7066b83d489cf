/* SPDX-License-Identifier: MIT */
/* Text for the operator on the firmware's console: its screen, and its serial line where it has
 * one. */
#include "boot/loader.h"

#include <bulkhead/format.h>

#define SCREEN_CHUNK 80

void screen_text(const char *text)
{
	SIMPLE_TEXT_OUTPUT_INTERFACE *console = firmware.system->ConOut;
	CHAR16 wide[SCREEN_CHUNK + 3];
	u32 used = 0;

	if (!console)
		return;
	for (; *text; text++) {
		if (*text == '\n')
			wide[used++] = '\r';
		wide[used++] = (u8)*text;
		if (used >= SCREEN_CHUNK || !text[1]) {
			wide[used] = 0;
			console->OutputString(console, wide);
			used = 0;
		}
	}
}

void screen_line(const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	format_list(text, sizeof(text), format, arguments);
	va_end(arguments);
	screen_text(text);
	screen_text("\n");
}

#define WAIT_S	     10
#define WAIT_STEP_US 10000

/* Many firmwares clear the screen as soon as a boot option comes back. */
void screen_wait(void)
{
	SIMPLE_INPUT_INTERFACE *keyboard = firmware.system->ConIn;
	EFI_INPUT_KEY key;

	screen_line("Press a key to go back to the firmware, or wait %u seconds.", WAIT_S);
	for (u32 us = 0; us < WAIT_S * 1000000; us += WAIT_STEP_US) {
		if (keyboard && !EFI_ERROR(keyboard->ReadKeyStroke(keyboard, &key)))
			return;
		firmware.services->Stall(WAIT_STEP_US);
	}
}
