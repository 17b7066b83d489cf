/* SPDX-License-Identifier: MIT */
/*
 * As much of a VGA as a system needs that writes text into memory: 32 KiB of text at B8000h, shown
 * as 25 lines of 80 characters, and registers that read back what was written. Of these only where
 * the screen begins and where the cursor is have any effect; there is no graphics mode and no BIOS.
 */
#pragma once

#include <bulkhead/device.h>
#include <bulkhead/screen.h>

#define VSCREEN_BASE  0xb8000UL
#define VSCREEN_BYTES 0x8000UL

/* Registers behind an index port. */
#define VSCREEN_REGISTERS 32

struct vscreen_file {
	u8 index;
	u8 registers[VSCREEN_REGISTERS];
};

struct vscreen {
	struct device_host *host;
	struct vscreen_file attribute, sequencer, graphics, crtc;
	bool attribute_data; /* the next write to port 3C0h is one of data */
	u8 miscellaneous, feature;
	u8 palette_mask;
	u16 palette_read, palette_write; /* color and component: 3 * number + 0 to 2 */
	u8 palette[256 * 3];
	u8 *text;	    /* character and attribute in turns; NULL: it is blank */
	bool lost_reported; /* that there was no memory for them */
	u8 *(*memory)(void *context);
	void *context;
};

/* As a BIOS leaves it: mode 3, a clear screen. `memory` has VSCREEN_BYTES for the text of a guest
 * that writes some, and may be asked again after NULL: until then the screen stays blank. */
void vscreen_init(struct vscreen *screen, struct device_host *host, u8 *(*memory)(void *context),
		  void *context);

void vscreen_look(const struct vscreen *screen, struct screen_text *text);

/* Ports 3C0h to 3DFh. */
extern const struct device_ops vscreen_port_ops;
/* Memory at VSCREEN_BASE. */
extern const struct device_ops vscreen_memory_ops;
