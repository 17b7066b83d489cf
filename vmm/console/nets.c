/* SPDX-License-Identifier: MIT */
/* net: networks, who is plugged in, and which addresses were seen where. */
#include "nets.h"

#include "command.h"
#include "report.h"

#include <bulkhead/format.h>
#include <bulkhead/net_switch.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

const char *mac_text(const u8 mac[NET_MAC_BYTES], char text[MAC_TEXT_BYTES])
{
	format_text(text, MAC_TEXT_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		    mac[3], mac[4], mac[5]);
	return text;
}

static void cell_mac(const u8 mac[NET_MAC_BYTES])
{
	char text[MAC_TEXT_BYTES];

	cell_text("%s", mac_text(mac, text));
}

static void cell_rate(u64 bits)
{
	if (!bits)
		cell_none();
	else if (bits % 1000000)
		cell_shown(bits, "%lukbit", bits / 1000);
	else
		cell_shown(bits, "%luMbit", bits / 1000000);
}

/* --- cards --- */

static const struct column card_columns[] = {
	{"network", "NETWORK", false},	   {"partition", "PARTITION", false},
	{"mac", "ADDRESS", false},	   {"open", "UP", false},
	{"rate_bits", "RATE", true},	   {"sent_frames", "SENT", true},
	{"sent_bytes", "BYTES", true},	   {"received_frames", "RECEIVED", true},
	{"received_bytes", "BYTES", true}, {"dropped_here", "DROPPED", true},
	{"dropped_for", "LOST", true},	   {"waiting_bytes", NULL, true},
	{"room_bytes", NULL, true},	   {"dropped_size", NULL, true},
	{"dropped_address", NULL, true},   {"dropped_work", NULL, true},
	{"dropped_closed", NULL, true},	   {"dropped_full", NULL, true},
	{"dropped_device", NULL, true},
};

/* What its partition sent and nobody got, and what it should have got. */
static void drop_cells(const struct net_port_view *view)
{
	u64 here = 0, lost = 0;

	for (u32 i = 0; i < NET_DROPS; i++)
		*(i < NET_DROP_CLOSED ? &here : &lost) += view->dropped[i];
	cell_number(here);
	cell_number(lost);
}

static void card_row(struct net_port *port)
{
	const struct partition *partition = net_port_context(port);
	struct net_port_view view;

	net_port_look(port, &view);
	cell_text("%s", net_name(net_port_net(port)));
	cell_text("%s", partition->config->name);
	cell_mac(view.mac);
	cell_flag(view.open);
	cell_rate(view.rate_bits);
	cell_number(view.sent_frames);
	cell_bytes(view.sent_bytes);
	cell_number(view.received_frames);
	cell_bytes(view.received_bytes);
	drop_cells(&view);
	cell_bytes(view.waiting_bytes);
	cell_number(view.room_bytes);
	for (u32 i = 0; i < NET_DROPS; i++)
		cell_number(view.dropped[i]);
}

_Static_assert(ARRAY_SIZE(card_columns) == 13 + NET_DROPS, "a column for each reason, in order");

void partition_cards_table(const struct partition *partition)
{
	table_begin("cards", card_columns, ARRAY_SIZE(card_columns));
	for (u32 i = 0; i < partition->net_count; i++)
		card_row(partition->nets[i]);
	table_end();
}

/* --- networks --- */

/* `only` NULL: all of them. */
static void cards_table(const struct net *only)
{
	table_begin("cards", card_columns, ARRAY_SIZE(card_columns));
	for (const struct net *net = net_first(); net; net = net_next(net)) {
		struct net_port *port;
		u32 at = 0;

		while ((!only || net == only) && (port = net_port_next(net, &at)))
			card_row(port);
	}
	table_end();
}

static void address_rows(const struct net *net, struct net_port *port)
{
	const struct partition *partition = net_port_context(port);
	struct net_address_view learned[NET_LEARNED];
	u32 count = net_port_addresses(port, learned);

	for (u32 i = 0; i < count; i++) {
		cell_text("%s", net_name(net));
		cell_mac(learned[i].mac);
		cell_text("%s", partition->config->name);
		cell_duration(learned[i].age_us);
	}
}

/* Those that are not cards' own. */
static void addresses_table(const struct net *only)
{
	static const struct column columns[] = {
		{"network", "NETWORK", false},
		{"mac", "LEARNED", false},
		{"partition", "BEHIND", false},
		{"age_us", "AGE", true},
	};

	table_begin("addresses", columns, ARRAY_SIZE(columns));
	for (const struct net *net = net_first(); net; net = net_next(net)) {
		struct net_port *port;
		u32 at = 0;

		while ((!only || net == only) && (port = net_port_next(net, &at)))
			address_rows(net, port);
	}
	table_end();
}

void command_net(const struct command *command unused, u32 count, char *const *arguments)
{
	const struct net *only = count ? net_first() : NULL;

	while (only && strcmp(net_name(only), arguments[0]) != 0)
		only = net_next(only);
	if (count && !only) {
		argument_unknown("network", arguments[0], ARGUMENT_NETWORK, NULL);
		return;
	}
	cards_table(only);
	if (!net_first())
		report_note("there are no networks");
	addresses_table(only);
}
