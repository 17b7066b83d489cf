/* SPDX-License-Identifier: MIT */
/* What is on the board. Of its files' alone: for all others it is what <bulkhead/pc.h> says. */
#pragma once

#include <bulkhead/pc.h>

#include "device_timers.h"
#include "vchannel.h"
#include "vdebug.h"
#include "vflash.h"
#include "vfwcfg.h"
#include "vhpet.h"
#include "vi8042.h"
#include "vioapic.h"
#include "vpanic.h"
#include "vpci.h"
#include "vpic.h"
#include "vpit.h"
#include "vpm.h"
#include "vreset.h"
#include "vrtc.h"
#include "vscreen.h"
#include "vuart.h"

struct pc {
	struct device_host host;
	const struct pc_ops *ops;
	void *context;
	struct device_timers timers;
	u64 absent;
	bool legacy; /* lines 0 and 8 are the HPET's */

	struct vpic pic;
	struct vpit pit;
	struct vrtc rtc;
	struct vuart com1;
	struct vioapic ioapic;
	struct vpm pm;
	struct vreset reset;
	struct vi8042 kbc;
	struct vdebug debug;
	struct vhpet hpet;
	struct vpanic panic;
	struct vfwcfg fw_cfg;
	struct vflash flash;
	struct vscreen screen;
	struct vpci pci;
	struct vchannel channel;	/* port NULL: there is none */
	struct virtio_console *console; /* NULL: there is none */
	struct virtio_balloon *balloon; /* likewise */
	/* ISA lines that devices drive, and those that the HPET and PCI's devices do. */
	u16 isa_lines, hpet_lines, pci_lines;
	struct pc_choice choice;
	u8 virtio[] aligned(16); /* pc_virtio.c's */
};
