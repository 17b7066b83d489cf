/* SPDX-License-Identifier: MIT */
/* What else the core wants to know of the machine: screen, time of day, who made the firmware. */
#include "boot/loader.h"

#include "boot/clock.h"

#include <bulkhead/format.h>
#include <bulkhead/string.h>

void *platform_table(const EFI_GUID *guid)
{
	for (UINTN i = 0; i < firmware.system->NumberOfTableEntries; i++) {
		const EFI_CONFIGURATION_TABLE *table = &firmware.system->ConfigurationTable[i];

		if (memcmp(&table->VendorGuid, guid, sizeof(*guid)) == 0)
			return table->VendorTable;
	}
	return NULL;
}

/* The one that the console is on, where there are several. */
static EFI_GRAPHICS_OUTPUT_PROTOCOL *platform_graphics(void)
{
	EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
	EFI_HANDLE console = firmware.system->ConsoleOutHandle;
	void *graphics = NULL;

	if (console && !EFI_ERROR(firmware.services->HandleProtocol(console, &guid, &graphics)))
		return graphics;
	if (!EFI_ERROR(firmware.services->LocateProtocol(&guid, NULL, &graphics)))
		return graphics;
	return NULL;
}

static void platform_framebuffer(struct boot_framebuffer *framebuffer)
{
	EFI_GRAPHICS_OUTPUT_PROTOCOL *graphics = platform_graphics();
	const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode;

	if (!graphics || !graphics->Mode || !graphics->Mode->Info ||
	    !graphics->Mode->FrameBufferBase)
		return;
	mode = graphics->Mode->Info;
	if (mode->PixelFormat == PixelBlueGreenRedReserved8BitPerColor)
		framebuffer->format = BOOT_PIXEL_BGRX;
	else if (mode->PixelFormat == PixelRedGreenBlueReserved8BitPerColor)
		framebuffer->format = BOOT_PIXEL_RGBX;
	else
		return;
	framebuffer->base = graphics->Mode->FrameBufferBase;
	framebuffer->width = mode->HorizontalResolution;
	framebuffer->height = mode->VerticalResolution;
	framebuffer->stride_pixels = MAX(mode->PixelsPerScanLine, mode->HorizontalResolution);
}

static u64 platform_time(void)
{
	EFI_TIME time = {0};
	struct clock_date date;

	if (EFI_ERROR(firmware.system->RuntimeServices->GetTime(&time, NULL)))
		return 0;
	date = (struct clock_date){
		.year = time.Year,
		.month = time.Month,
		.day = time.Day,
		.hour = time.Hour,
		.minute = time.Minute,
		.second = time.Second,
		.zone_minutes = time.TimeZone,
	};
	return clock_unix_time(&date);
}

static void platform_firmware_name(char *name, size_t bytes)
{
	const CHAR16 *vendor = firmware.system->FirmwareVendor;
	u32 revision = firmware.system->FirmwareRevision;
	size_t used = 0;

	for (; vendor && vendor[used] && used < bytes - 1; used++)
		name[used] = vendor[used] >= ' ' && vendor[used] < 0x7f ? (char)vendor[used] : '?';
	name[used] = 0;
	if (used > 0)
		format_append(name, bytes, " %u.%u", revision >> 16, revision & 0xffff);
}

int platform_gather(struct loader *loader)
{
	platform_framebuffer(&loader->info->framebuffer);
	platform_firmware_name(loader->info->firmware, sizeof(loader->info->firmware));
	loader->info->unix_time_s = platform_time();
	return 0;
}
