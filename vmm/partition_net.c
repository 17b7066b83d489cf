/* SPDX-License-Identifier: MIT */
/* The network cards of a partition. */
#include "partition_net.h"

#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/net_switch.h>
#include <bulkhead/string.h>

/* A switch has frames for a card: the vCPU takes them, in its own time. */
static void arrived(void *context)
{
	struct partition *partition = context;

	vcpu_request(partition->vcpus[0], VCPU_REQUEST_DEVICES);
}

static u64 hash(u64 value, const char *text)
{
	for (; *text; text++)
		value = (value ^ (u8)*text) * 0x100000001b3UL; /* FNV-1a */
	return value;
}

/* The same each time for a partition and a network, and in the range that everybody may use (IEEE
 * 802, 8.4: the second bit of the first byte). */
static void mac_make(const char *partition, const char *network, u8 mac[NET_MAC_BYTES])
{
	u64 value = hash(hash(hash(0xcbf29ce484222325UL, partition), "/"), network);

	value ^= value >> 32;
	for (u32 i = 0; i < NET_MAC_BYTES; i++)
		mac[i] = (u8)(value >> (8 * i));
	mac[0] = (u8)((mac[0] & ~3u) | 2);
}

static int explain(int error, const struct net_port_setup *setup, char *reason)
{
	const u8 *mac = setup->mac;

	if (error == -EEXIST)
		format_text(reason, LOAD_REASON_BYTES,
			    "network %s has a card with address "
			    "%02x:%02x:%02x:%02x:%02x:%02x already: give it another by mac=",
			    setup->network, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	else if (error == -ENOSPC)
		format_text(reason, LOAD_REASON_BYTES, "network %s has %u cards already",
			    setup->network, NET_PORTS_MAX);
	return error;
}

static int plug_in(struct partition *partition, const struct config_net *net, char *reason)
{
	struct net_port_setup setup = {
		.network = net->network,
		.rate_bits = net->rate_bits,
		.arrived = arrived,
		.context = partition,
	};
	int error;

	if (net->has_mac)
		memcpy(setup.mac, net->mac, NET_MAC_BYTES);
	else
		mac_make(partition->config->name, net->network, setup.mac);
	error = net_port_create(&setup, &partition->nets[partition->net_count]);
	if (error)
		return explain(error, &setup, reason);
	partition->net_count++;
	return 0;
}

int partition_net_create(struct partition *partition, char *reason)
{
	int error = 0;

	partition->net_count = 0;
	for (u32 i = 0; i < CONFIG_NETS_MAX && !error; i++)
		if (partition->config->nets[i].network[0])
			error = plug_in(partition, &partition->config->nets[i], reason);
	return error;
}

void partition_net_destroy(struct partition *partition)
{
	/* How many there were is still asked for: it says how large the board is. */
	for (u32 i = 0; i < partition->net_count; i++) {
		net_port_destroy(partition->nets[i]);
		partition->nets[i] = NULL;
	}
}

void partition_net_plugs(const struct partition *partition, struct pc_net plugs[CONFIG_NETS_MAX])
{
	for (u32 i = 0; i < partition->net_count; i++) {
		struct net_port_view view;

		net_port_look(partition->nets[i], &view);
		plugs[i].ops = &net_port_cable;
		plugs[i].cable = partition->nets[i];
		memcpy(plugs[i].mac, view.mac, NET_MAC_BYTES);
	}
}
