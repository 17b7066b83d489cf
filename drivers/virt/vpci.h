/* SPDX-License-Identifier: MIT */
/*
 * The PCI bus of a board: configuration mechanism #1 and memory-mapped configuration (ECAM), bus 0
 * alone; an i440FX host bridge, a PIIX3 ISA bridge with its interrupt routing, a PIIX4 power
 * management function; and conventional functions with 32-bit BARs, MSI-X and INTx that others put
 * on it. PCI Local Bus Specification 3.0; PCI Express Base 5.0, 7.2.2 for ECAM; PIIX3 (Intel
 * 290550) for the route registers.
 *
 * At power-up BARs, interrupt lines and route registers are as a PC's firmware leaves them, since a
 * guest that is booted directly finds no other.
 */
#pragma once

#include <bulkhead/device.h>

#define VPCI_FUNCTIONS	  24
#define VPCI_WINDOWS	  (2 * VPCI_FUNCTIONS)
#define VPCI_CONFIG_BYTES 256
#define VPCI_BARS	  6
#define VPCI_VECTORS	  16 /* MSI-X, of one function */
#define VPCI_PIRQS	  4

/* Configuration mechanism #1 (PCI 3.0, 3.2.2.3.2). */
#define VPCI_PORT_ADDRESS 0xcf8
#define VPCI_PORT_DATA	  0xcfc
#define VPCI_PORT_END	  0xd00

/* ISA lines to which the route registers lead at power-up. */
#define VPCI_ISA_LINES (BIT(10) | BIT(11))

#define VPCI_DEVFN(device, function) ((u8)((device) << 3 | (function)))

/* Configuration header (PCI 3.0, 6.1). */
enum vpci_register {
	VPCI_VENDOR = 0x00,
	VPCI_DEVICE = 0x02,
	VPCI_COMMAND = 0x04,
	VPCI_STATUS = 0x06,
	VPCI_REVISION = 0x08,
	VPCI_CLASS = 0x09, /* 3 bytes */
	VPCI_HEADER_TYPE = 0x0e,
	VPCI_BAR = 0x10, /* 6 of 4 bytes */
	VPCI_SUBSYSTEM_VENDOR = 0x2c,
	VPCI_SUBSYSTEM = 0x2e,
	VPCI_CAPABILITIES = 0x34,
	VPCI_INTERRUPT_LINE = 0x3c,
	VPCI_INTERRUPT_PIN = 0x3d,
	VPCI_HEADER_BYTES = 0x40,
};

#define VPCI_COMMAND_IO	     0x0001
#define VPCI_COMMAND_MEMORY  0x0002
#define VPCI_COMMAND_MASTER  0x0004
#define VPCI_COMMAND_NO_INTX 0x0400

struct vpci;
struct vpci_function;

struct vpci_function_ops {
	/* Accesses to a BAR of 1, 2, 4 or 8 bytes, naturally aligned and inside of it. */
	u64 (*bar_read)(struct vpci_function *function, unsigned bar, u32 offset, unsigned bytes);
	void (*bar_write)(struct vpci_function *function, unsigned bar, u32 offset, unsigned bytes,
			  u64 value);
	/* Configuration bytes are about to be read, or were written; may be NULL. */
	void (*config_reading)(struct vpci_function *function, unsigned offset, unsigned bytes);
	void (*config_written)(struct vpci_function *function, unsigned offset, unsigned bytes);
};

struct vpci_bar {
	u32 bytes; /* a power of 2, at least 16; 0: there is no such BAR */
	bool io;
};

/* A vector as it is in the table (PCI 3.0, 6.8.2). */
struct vpci_vector {
	u32 word[4]; /* address low and high, data, control */
};

struct vpci_msix {
	u8 capability; /* where it is; 0: none */
	u8 bar;
	u16 vectors;
	u32 table, pba; /* offsets in the BAR */
	u32 pending;	/* a bit for each vector */
	struct vpci_vector vector[VPCI_VECTORS];
};

struct vpci_function {
	struct vpci *bus;
	const struct vpci_function_ops *ops; /* NULL: nothing but configuration space */
	u8 devfn;
	u8 next_capability; /* where there is room for one */
	u8 last_capability; /* 0: none yet */
	bool intx;	    /* it asks for an interrupt */
	bool asserted;	    /* and is allowed to */
	u8 config[VPCI_CONFIG_BYTES];
	u8 writable[VPCI_CONFIG_BYTES]; /* bits that the guest may change */
	struct vpci_bar bar[VPCI_BARS];
	struct vpci_msix msix;
};

/* Where an enabled BAR answers. */
struct vpci_window {
	u32 base, bytes;
	struct vpci_function *function;
	unsigned bar;
};

/* By base, so that the one for an address is found by halving. */
struct vpci_windows {
	unsigned count;
	struct vpci_window window[VPCI_WINDOWS];
};

struct vpci {
	struct device_host *host;
	u32 address; /* CF8h */
	unsigned count;
	struct vpci_function *function[VPCI_FUNCTIONS];
	u8 by_devfn[256]; /* index into `function` + 1 */
	struct vpci_windows memory, io;
	u32 next_memory, next_io; /* where the next BAR goes */
	u8 asserting[VPCI_PIRQS]; /* functions that assert each interrupt */
	u16 isa_lines;		  /* ISA lines that they assert by the route registers */
	void (*isa_changed)(void *context, u16 lines);
	void *context;
	struct vpci_function host_bridge, isa_bridge, power;
};

/* Power-up state, with the functions of the chipset alone. `isa_changed` is called with the ISA
 * lines that are asserted for PIRQA to PIRQD each time they change. */
void vpci_init(struct vpci *pci, struct device_host *host,
	       void (*isa_changed)(void *context, u16 lines), void *context);
/* The board begins with firmware, which has yet to copy itself into RAM: it looks at the host
 * bridge to see whether that was done. */
void vpci_shadow_off(struct vpci *pci);
/* Where the guest wants the registers of power management. */
u16 vpci_power_base(const struct vpci *pci);

/* --- making a function, in this order --- */

struct vpci_identity {
	u16 vendor, device, subsystem_vendor, subsystem;
	u32 class_code;
	u8 revision;
	u8 pin; /* 1 for INTA; 0: it has no interrupt */
};

void vpci_function_init(struct vpci_function *function, const struct vpci_identity *identity,
			const struct vpci_function_ops *ops);
void vpci_bar_add(struct vpci_function *function, unsigned bar, bool io, u32 bytes);
/* Room for a capability of `bytes`, zero but for its header; returns where it is. */
u8 vpci_capability_add(struct vpci_function *function, u8 id, u8 bytes);
/* `vectors` of MSI-X, at most VPCI_VECTORS, with their table and pending bits in a memory BAR. */
void vpci_msix_add(struct vpci_function *function, u16 vectors, u8 bar, u32 table, u32 pba);
/* Onto the bus, with addresses for its BARs and all of them enabled. -ENOSPC when it is full. */
int vpci_attach(struct vpci *pci, struct vpci_function *function, u8 devfn) must_check;

/* --- for functions --- */

static inline u16 vpci_config16(const struct vpci_function *function, unsigned offset)
{
	return (u16)(function->config[offset] | function->config[offset + 1] << 8);
}

static inline u32 vpci_config32(const struct vpci_function *function, unsigned offset)
{
	return vpci_config16(function, offset) | (u32)vpci_config16(function, offset + 2) << 16;
}

void vpci_config_set(struct vpci_function *function, unsigned offset, unsigned bytes, u32 value);

/* The function's interrupt pin; while MSI-X is on it stays quiet. */
void vpci_intx_set(struct vpci_function *function, bool level);
bool vpci_msix_enabled(const struct vpci_function *function);
/* Send a vector's message, or note that it is pending while it is masked. */
void vpci_msix_send(struct vpci_function *function, u16 vector);

/* A BAR of a function, whatever its address: what its window does. */
u64 vpci_bar_read(struct vpci_function *function, unsigned bar, u32 offset, unsigned bytes);
void vpci_bar_write(struct vpci_function *function, unsigned bar, u32 offset, unsigned bytes,
		    u64 value);

/* --- for the board --- */

/* Ports CF8h to CFFh, of configuration mechanism #1. */
extern const struct device_ops vpci_port_ops;
/* Ports of BARs: false where none is. */
bool vpci_port_read(struct vpci *pci, u32 port, unsigned bytes, u64 *value) must_check;
bool vpci_port_write(struct vpci *pci, u32 port, unsigned bytes, u64 value) must_check;

/* Memory: false where nothing of PCI's is. `bytes` are 1, 2, 4 or 8, within an aligned 8-byte word.
 */
bool vpci_memory_read(struct vpci *pci, u64 gpa, unsigned bytes, u64 *value) must_check;
bool vpci_memory_write(struct vpci *pci, u64 gpa, unsigned bytes, u64 value) must_check;

/* --- between vpci.c and vpci_function.c --- */

u32 vpci_config_read(struct vpci_function *function, unsigned offset, unsigned bytes);
void vpci_config_write(struct vpci_function *function, unsigned offset, unsigned bytes, u32 value);
/* BARs or what enables them changed. */
void vpci_remap(struct vpci *pci);
/* The function's pin began or ended to assert its interrupt. */
void vpci_pin_changed(struct vpci_function *function);
