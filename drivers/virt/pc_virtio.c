/* SPDX-License-Identifier: MIT */
/* Which virtio devices a board has, in the order of their slots. */
#include "pc_virtio.h"

#include "virtio_blk.h"
#include "virtio_net.h"
#include "virtio_pci.h"
#include "virtio_rng.h"

#define FIRST_SLOT 2
#define ALIGNMENT  16

static u32 rng_count(const struct pc_choice *choice)
{
	return choice->rng;
}

static struct virtio_device *rng_make(void *room, u32 index unused, const struct pc_setup *setup,
				      struct device_host *host)
{
	struct virtio_rng *rng = room;

	virtio_rng_init(rng, host, setup->memory);
	return &rng->device;
}

static u32 disk_count(const struct pc_choice *choice)
{
	return choice->disks;
}

static struct virtio_device *disk_make(void *room, u32 index, const struct pc_setup *setup,
				       struct device_host *host)
{
	struct virtio_blk *blk = room;

	virtio_blk_init(blk, host, setup->memory, setup->disks[index]);
	return &blk->device;
}

static u32 console_count(const struct pc_choice *choice)
{
	return choice->console;
}

static struct virtio_device *console_make(void *room, u32 index unused,
					  const struct pc_setup *setup, struct device_host *host)
{
	struct virtio_console *console = room;

	virtio_console_init(console, host, setup->memory);
	return &console->device;
}

static u32 net_count(const struct pc_choice *choice)
{
	return choice->nets;
}

static struct virtio_device *net_make(void *room, u32 index, const struct pc_setup *setup,
				      struct device_host *host)
{
	const struct pc_net *plug = &setup->nets[index];
	struct virtio_net *net = room;

	virtio_net_init(net, host, setup->memory, plug->mac, plug->ops, plug->cable);
	return &net->device;
}

static u32 balloon_count(const struct pc_choice *choice)
{
	return choice->balloon;
}

static struct virtio_device *balloon_make(void *room, u32 index unused,
					  const struct pc_setup *setup, struct device_host *host)
{
	struct virtio_balloon *balloon = room;

	virtio_balloon_init(balloon, host, setup->memory);
	return &balloon->device;
}

/* `make` puts device `index` of its kind, in its power-up state, into room of `bytes`. */
static const struct {
	u32 (*count)(const struct pc_choice *choice);
	u64 bytes;
	struct virtio_device *(*make)(void *room, u32 index, const struct pc_setup *setup,
				      struct device_host *host);
} kinds[] = {
	{rng_count, sizeof(struct virtio_rng), rng_make},
	{disk_count, sizeof(struct virtio_blk), disk_make},
	{console_count, sizeof(struct virtio_console), console_make},
	{net_count, sizeof(struct virtio_net), net_make},
	{balloon_count, sizeof(struct virtio_balloon), balloon_make},
};

static u64 room_of(u64 bytes)
{
	return align_up(bytes, ALIGNMENT);
}

/* Where the devices of a kind begin: behind all of those before. */
static u64 kind_at(u32 kind, const struct pc_choice *choice)
{
	u64 bytes = 0;

	for (u32 i = 0; i < kind; i++)
		bytes += kinds[i].count(choice) *
			 (room_of(sizeof(struct virtio_pci)) + room_of(kinds[i].bytes));
	return bytes;
}

u64 pc_virtio_bytes(const struct pc_choice *choice)
{
	return kind_at(ARRAY_SIZE(kinds), choice);
}

/* The only device that `make` makes, or NULL. */
static void *device_find(void *room, const struct pc_choice *choice,
			 struct virtio_device *(*make)(void *room, u32 index,
						       const struct pc_setup *setup,
						       struct device_host *host))
{
	u32 kind = 0;

	while (kinds[kind].make != make)
		kind++;
	if (!kinds[kind].count(choice))
		return NULL;
	return (u8 *)room + kind_at(kind, choice) + room_of(sizeof(struct virtio_pci));
}

struct virtio_console *pc_virtio_console(void *room, const struct pc_choice *choice)
{
	return device_find(room, choice, console_make);
}

struct virtio_balloon *pc_virtio_balloon(void *room, const struct pc_choice *choice)
{
	return device_find(room, choice, balloon_make);
}

u8 pc_virtio_init(void *room, const struct pc_setup *setup, struct vpci *pci,
		  struct device_host *host)
{
	u8 *at = room;
	u8 slot = FIRST_SLOT;

	for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
		u32 count = kinds[i].count(&setup->choice);

		for (u32 index = 0; index < count; index++, slot++) {
			struct virtio_pci *transport = (void *)at;

			at += room_of(sizeof(*transport));
			virtio_pci_init(transport, kinds[i].make(at, index, setup, host));
			at += room_of(kinds[i].bytes);
			/* The configuration's rules allow no more than there are slots. */
			(void)!vpci_attach(pci, &transport->function, VPCI_DEVFN(slot, 0));
		}
	}
	return slot;
}

void pc_virtio_net_arrived(void *room, const struct pc_choice *choice)
{
	u8 *at = room;

	for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
		u32 count = kinds[i].count(choice);

		for (u32 index = 0; index < count; index++) {
			struct virtio_net *net = (void *)(at + room_of(sizeof(struct virtio_pci)));

			at += room_of(sizeof(struct virtio_pci)) + room_of(kinds[i].bytes);
			if (kinds[i].make == net_make)
				virtio_serve(&net->device, VIRTIO_NET_RECEIVE);
		}
	}
}
