/* SPDX-License-Identifier: MIT */
/* Which address is behind which port. */
#include "net_internal.h"

u64 net_mac_read(const u8 *at)
{
	u64 mac = 0;

	for (u32 i = 0; i < NET_MAC_BYTES; i++)
		mac = mac << 8 | at[i];
	return mac;
}

void net_mac_write(u64 mac, u8 *at)
{
	for (u32 i = NET_MAC_BYTES; i-- > 0; mac >>= 8)
		at[i] = (u8)mac;
}

static struct net_address **bucket_of(struct net *net, u64 mac)
{
	return &net->bucket[(mac * 0x9e3779b97f4a7c15UL) >> 56];
}

_Static_assert(NET_BUCKETS == 1 << (64 - 56), "as many as the hash has values");

bool net_address_aged(const struct net_address *address, u64 now_us)
{
	return !net_address_is_own(address) && now_us - address->seen_us >= NET_AGEING_US;
}

struct net_address *net_address_find(struct net *net, u64 mac)
{
	struct net_address *address = *bucket_of(net, mac);

	while (address && address->mac != mac)
		address = address->next;
	return address;
}

void net_address_add(struct net_address *address, u64 mac, u64 now_us)
{
	struct net_address **bucket = bucket_of(address->port->net, mac);

	address->mac = mac;
	address->seen_us = now_us;
	address->next = *bucket;
	*bucket = address;
}

void net_address_remove(struct net_address *address)
{
	struct net_address **at = bucket_of(address->port->net, address->mac);

	while (*at != address)
		at = &(*at)->next;
	*at = address->next;
	address->mac = 0;
}

/* A free one, or the one that was not seen for longest. */
static struct net_address *address_free(struct net_port *port)
{
	struct net_address *oldest = &port->address[1];

	for (u32 i = 1; i <= NET_LEARNED; i++) {
		struct net_address *address = &port->address[i];

		if (!address->mac)
			return address;
		if (address->seen_us < oldest->seen_us)
			oldest = address;
	}
	net_address_remove(oldest);
	return oldest;
}

bool net_address_learn(struct net_port *port, u64 mac, u64 now_us)
{
	struct net_address *address = net_address_find(port->net, mac);

	if (address && address->port == port) {
		address->seen_us = now_us;
		return true;
	}
	if (address && net_address_is_own(address))
		return false;
	if (address)
		net_address_remove(address);
	net_address_add(address_free(port), mac, now_us);
	return true;
}
