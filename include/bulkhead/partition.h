/* SPDX-License-Identifier: MIT */
/* A partition: an isolated PC. */
#pragma once

#include <bulkhead/balloon.h>
#include <bulkhead/byte_ring.h>
#include <bulkhead/config.h>
#include <bulkhead/disk.h>
#include <bulkhead/guest_memory.h>
#include <bulkhead/load.h>
#include <bulkhead/memory.h>
#include <bulkhead/screen.h>
#include <bulkhead/spinlock.h>
#include <bulkhead/vcpu.h>

struct channel_port;
struct net_port;
struct pc;
struct guest_cpuid;

enum partition_state {
	PARTITION_STOPPED,  /* nothing runs; RAM is scrubbed at the next start */
	PARTITION_WAITING,  /* for other partitions, or for its next try after a crash */
	PARTITION_STARTING, /* its RAM is cleared and loaded */
	PARTITION_RUNNING,
	PARTITION_PAUSING,  /* asked to pause; a vCPU may not have left guest mode yet */
	PARTITION_PAUSED,   /* its vCPUs stand still, and so does its time */
	PARTITION_RESUMING, /* asked to go on */
	PARTITION_STOPPING, /* asked to stop; likewise */
	PARTITION_CRASHED,  /* stopped by itself in a way that cannot go on; state kept */
};

/* So much of what its guest printed is kept at most (vmm/partition_console.c). */
#define PARTITION_CONSOLE_BYTES (64 * KIB)

#define PARTITION_EVENT_CRASH BIT(31) /* a vCPU of it has stopped, see vcpu->stop */
#define PARTITION_TAG_MAX     0xfffeU

/* One piece of a partition's RAM: 4 KiB << order of it. */
struct ram_block {
	u64 gpa;
	u64 physical;
	unsigned order;
};

/* The one of `count` in order of guest address that `gpa` is in; NULL: none. */
static inline const struct ram_block *ram_block_at(const struct ram_block *ram, u32 count, u64 gpa)
{
	u32 first = 0, end = count;

	while (first < end) {
		u32 middle = first + (end - first) / 2;

		if (gpa < ram[middle].gpa)
			end = middle;
		else if (gpa - ram[middle].gpa >= PAGE_SIZE << ram[middle].order)
			first = middle + 1;
		else
			return &ram[middle];
	}
	return NULL;
}

#define PARTITION_TOUCH_BYTES (2 * MIB) /* so much is cleared when some of it is touched */

/* What became of such a piece since the partition started: see vmm/partition_touch.c. */
enum partition_touched {
	PARTITION_UNTOUCHED, /* mapped nowhere */
	PARTITION_CLEARING,
	PARTITION_TOUCHED, /* mapped, or was always */
};

/*
 * Created from the configuration or by the operator, linked in a list that only the console's
 * thread changes. `lock` guards state and what belongs to it; `device_lock` every virtual device,
 * see include/bulkhead/device.h. Neither is taken under the other.
 */
struct partition {
	struct partition *next;
	struct config_partition *config; /* its own */
	u32 number;			 /* from 1: never used twice */
	u16 tag; /* its vCPUs have `tag` and those after it, see struct vcpu */

	struct spinlock lock;
	enum partition_state state;
	u64 starts;	  /* how often it was started or restarted */
	u64 started_us;	  /* when it last was */
	char reason[160]; /* why it is not running, for the operator */
	bool kept;	  /* the guest ended by itself, and its state stays for inspection */
	u32 quick_ends;	  /* ends soon after a start, in a row */
	u64 start_at;	  /* waiting: TSC of its next start; 0: for other partitions */
	/* Its power button was pressed since it started. Atomic: its leader reads it without the
	 * lock, too. */
	bool shutting_down;
	struct timer start_timer;
	u64 created_us;

	struct guest_memory memory;
	struct address_space space;
	struct page_table second_level;
	struct load_file kernel, initrd; /* in `space`; firmware in place of a kernel */
	struct load_file variables;	 /* of that; likewise */
	struct load_file handed;	 /* the kernel that its firmware is given to start */
	struct load_module
		modules[CONFIG_MODULES_MAX]; /* config->modules.count of them, likewise */
	struct ram_block *ram; /* what RAM and ROM are made of, in order of guest address */
	u32 ram_count, ram_room;
	u32 rom_first; /* where in `ram` the ROM's blocks begin */
	u8 *touched;   /* of each piece of RAM enum partition_touched, atomic; NULL: all is cleared
			* before it starts */
	struct disk disks[CONFIG_DISKS_MAX]; /* the first disk_count of them; by device_lock */
	u32 disk_count;
	struct firmware *firmware; /* what its firmware is told; NULL: it boots without one */

	/* What its network cards are plugged into, in order of their keys. */
	struct net_port *nets[CONFIG_NETS_MAX];
	u32 net_count;
	struct channel_port *channel; /* its place in a channel; NULL: it is in none */

	/*
	 * By APIC id. The thread of the first one leads: it makes every change of `state` that is
	 * not the operator's, while the others stand still (vmm/vcpu_lifecycle.c).
	 */
	struct vcpu *vcpus[CONFIG_VCPUS_MAX];
	u32 vcpu_count; /* how many are made; all of them once the partition is in the list */
	u32 arbitrated; /* who had the last interrupt of lowest priority; atomic */
	struct guest_cpuid *cpuid; /* the CPU that it is; the architecture's own */

	struct spinlock device_lock;
	struct pc *pc;
	u8 *screen_memory; /* the text on its screen; NULL: it has written none */
	u64 screen_bytes;
	/* TSC: device_timer is set to no earlier moment. TIMER_OFF: the board's time stands still,
	 * and only the leader calls it. */
	u64 board_not_before;
	struct timer device_timer; /* the board's next moment */
	u64 clock_offset;	   /* guest tick = host TSC + clock_offset */
	u64 paused_at;		   /* host TSC */
	/* For partition_report: up to when its devices' lines in the log are paid for, and how many
	 * were left out since the last one. */
	u64 reports_paid_us, reports_lost;
	/* Bits of 1 << enum device_event, and PARTITION_EVENT_CRASH, that its first vCPU has yet to
	 * act on. Atomic. */
	volatile u32 events;

	/* What the guest has printed; under console_lock, as the operator's console reads it. */
	struct spinlock console_lock;
	struct byte_ring console;
};

/* In one allocation of the partition's; made anew at each start. */
struct firmware {
	struct fw_cfg fw_cfg;
	u8 area[FW_CFG_AREA_BYTES] aligned(64);
};

/* Partitions that share a weight and a cap. Made at boot from the configuration or by the operator;
 * never destroyed. */
struct group {
	struct group *next;
	struct config_group config;
	struct scheduler_group scheduler;
};

/*
 * All that follows is for one thread at a time: the start of the machine, then the operator's
 * console. Each returns 0 or a negative errno with the reason in `reason` (LOAD_REASON_BYTES), and
 * has then changed nothing.
 */

/* Make everything of the configuration; report and leave out what cannot be made. */
void partition_create_all(const struct config *config);
void partition_autostart(void);

struct partition *partition_first(void);
struct partition *partition_find(const char *name);

/* `config` is copied. It has passed the checks of the parser; memory, files, CPUs, admission and
 * its group are checked here. */
int partition_create(const struct config_partition *config, struct partition **made,
		     char *reason) must_check;
int partition_start(struct partition *partition, char *reason) must_check;
int partition_pause(struct partition *partition, char *reason) must_check;
int partition_resume(struct partition *partition, char *reason) must_check;
/* As its reset button does: RAM is cleared and loaded again. Of one that runs, waits or is paused.
 */
int partition_reset(struct partition *partition, char *reason) must_check;
int partition_stop(struct partition *partition, char *reason) must_check;
/* Press its power button: however the guest ends then, it is stopped, and if it does not, after a
 * while (pc_power_button). One that does not run, or whose guest does not care about the button, is
 * stopped at once. */
int partition_shutdown(struct partition *partition, char *reason) must_check;
/* Of one that is stopped or crashed. The partition is gone when this returns 0. */
int partition_destroy(struct partition *partition, char *reason) must_check;

/* While it runs or not: a new configuration of which only the claim, affinity, group (only of one
 * that does not run), after and the actions may differ. */
int partition_change(struct partition *partition, const struct config_partition *config,
		     char *reason) must_check;

struct group *group_first(void);
struct group *group_find(const char *name);
int group_create(const struct config_group *config, char *reason) must_check;
int group_change(struct group *group, u32 weight, u32 cap, char *reason) must_check;

/* Whether it is safe to look at the guest's registers: paused, crashed, or ended with its state
 * kept. */
bool partition_inspectable(struct partition *partition);

/* Put a partition that is PARTITION_STARTING into its first state; in its first vCPU's thread,
 * while the others stand still. */
int partition_load(struct partition *partition, char *reason) must_check;
/*
 * What its RAM has at `gpa` is to be touched, in its address space and with interrupts off: if it
 * is not mapped, clear and map it. False: there is no RAM, or RAM that is always mapped. Of one
 * with `touched`; any CPU, whatever locks are held.
 */
bool partition_touch(struct partition *partition, u64 gpa) must_check;
/* In its first vCPU's thread: it runs now, so others that wait for it may start. */
void partition_runs(struct partition *partition);
/* Whether all that it is to start after run. */
bool partition_after_runs(struct partition *partition);
/* Unless somebody wanted something else meanwhile. */
void partition_state_change(struct partition *partition, enum partition_state from,
			    enum partition_state to);
/* It leaves the state `from` for good: note why, tell the operator. Nothing, and false, if
 * somebody wanted something else meanwhile. */
bool partition_ended(struct partition *partition, enum partition_state from,
		     enum partition_state to, const char *reason);

/* What of a partition changes, at one moment. Any CPU, as all that follows. */
struct partition_view {
	enum partition_state state;
	u64 starts, started_us;
	char reason[sizeof(((struct partition *)0)->reason)];
};
void partition_look(struct partition *partition, struct partition_view *view);

static inline enum partition_state partition_state_now(const struct partition *partition)
{
	return __atomic_load_n(&partition->state, __ATOMIC_ACQUIRE);
}

const char *partition_state_name(enum partition_state state);

static inline u64 partition_touch_pieces(const struct partition *partition)
{
	return (partition->memory.low_bytes + partition->memory.high_bytes) / PARTITION_TOUCH_BYTES;
}
/* How much of its RAM is cleared when it starts, or was touched since. */
u64 partition_cleared_bytes(const struct partition *partition);

/* How much it has ever printed, and what: as byte_ring_read does. A position beyond the end, from a
 * partition that had the name before, means the beginning. */
u64 partition_console_written(struct partition *partition);
u64 partition_console_read(struct partition *partition, u64 *position, u8 *bytes, u64 room,
			   u64 *missed);

/* What its guest shows, or showed last; false: it never ran. */
bool partition_screen(struct partition *partition, struct screen_text *text) must_check;

/* What its balloon says; false: it has none, or does not run. */
bool partition_balloon(struct partition *partition, struct balloon_view *view) must_check;
/* Of one with a balloon, until its next start: the guest should go without that many bytes. */
bool partition_balloon_target(struct partition *partition, u64 bytes) must_check;
/* Ask its guest how it fares now. */
bool partition_balloon_ask(struct partition *partition) must_check;

/* Bytes typed at the partition's console: how many were taken. */
u64 partition_console_input(struct partition *partition, const u8 *bytes, u64 count);
