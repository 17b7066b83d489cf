/* SPDX-License-Identifier: MIT */
/* The keys of the configuration file that plug a partition into networks. */
#include <bulkhead/string.h>

#include "config_value.h"

#define RATE_MIN 8000UL /* bits a second */
#define RATE_MAX 1000000000000UL

static const struct {
	const char *name;
	u64 bits;
} rate_units[] = {
	{"Gbit", 1000000000}, /* the largest first, for writing */
	{"Mbit", 1000000},
	{"kbit", 1000},
};

static const char *rate_read(struct slice value, u64 *rate)
{
	size_t digits = 0;
	struct slice unit;
	u64 number;

	while (digits < value.bytes && value.start[digits] >= '0' && value.start[digits] <= '9')
		digits++;
	unit = slice_trim(slice_from(value, digits));
	if (config_count_read(slice_head(value, digits), &number))
		return "the rate is not a number";
	for (u32 i = 0; i < ARRAY_SIZE(rate_units); i++) {
		if (!slice_is(unit, rate_units[i].name))
			continue;
		if (number > RATE_MAX / rate_units[i].bits)
			return "the rate is too large";
		*rate = number * rate_units[i].bits;
		return *rate < RATE_MIN ? "the rate is too small" : NULL;
	}
	return "the rate has no unit";
}

static u32 digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return (u32)(digit - '0');
	if (digit >= 'a' && digit <= 'f')
		return (u32)(digit - 'a') + 10;
	return digit >= 'A' && digit <= 'F' ? (u32)(digit - 'A') + 10 : 16;
}

static const char *mac_read(struct slice value, u8 mac[NET_MAC_BYTES])
{
	static const char wrong[] = "not an Ethernet address";
	bool any = false;

	if (value.bytes != 3 * NET_MAC_BYTES - 1)
		return wrong;
	for (u32 i = 0; i < NET_MAC_BYTES; i++) {
		const char *at = value.start + (size_t)3 * i;
		u32 high = digit_value(at[0]), low = digit_value(at[1]);

		if (high > 15 || low > 15 || (i + 1 < NET_MAC_BYTES && at[2] != ':'))
			return wrong;
		mac[i] = (u8)(high << 4 | low);
		any = any || mac[i];
	}
	/* IEEE 802, 8.2: the lowest bit of the first byte. */
	return mac[0] & 1 ? "the address of a group" : any ? NULL : wrong;
}

static const char *option_read(struct slice option, struct config_net *net)
{
	struct slice value = option, name = slice_trim(slice_split(&value, '='));

	value = slice_trim(value);
	if (slice_is(name, "mac") && !net->has_mac) {
		net->has_mac = true;
		return mac_read(value, net->mac);
	}
	if (slice_is(name, "rate") && !net->rate_bits)
		return rate_read(value, &net->rate_bits);
	if (slice_is(name, "mac") || slice_is(name, "rate"))
		return "the same option twice";
	return "what follows the comma is neither mac= nor rate=";
}

static const char *net_read(struct slice value, struct config_net *net)
{
	struct config_net made = {.rate_bits = 0};
	struct slice rest = value, name = slice_trim(slice_split(&rest, ','));
	bool more = name.bytes && slice_find(value, ',') < value.bytes;
	const char *wrong = NULL;

	if (!slice_is(value, "none")) {
		if (!config_name_is_good(name))
			return "not a name";
		slice_show(name, made.network, sizeof(made.network));
	}
	while (more && !wrong) {
		more = slice_find(rest, ',') < rest.bytes;
		wrong = option_read(slice_trim(slice_split(&rest, ',')), &made);
	}
	if (!wrong)
		*net = made;
	return wrong;
}

static void net_write(const struct config_net *net, struct config_out *out)
{
	if (!net->network[0])
		return;
	config_out_add(out, "%s", net->network);
	if (net->has_mac)
		config_out_add(out, ", mac=%02x:%02x:%02x:%02x:%02x:%02x", net->mac[0], net->mac[1],
			       net->mac[2], net->mac[3], net->mac[4], net->mac[5]);
	for (u32 i = 0; net->rate_bits && i < ARRAY_SIZE(rate_units); i++) {
		if (net->rate_bits % rate_units[i].bits)
			continue;
		config_out_add(out, ", rate=%lu%s", net->rate_bits / rate_units[i].bits,
			       rate_units[i].name);
		break;
	}
}

/* Each network card has a key of its own. */
#define NET_KEY(key, index)                                                                        \
	const char *config_##key##_read(struct slice value, const struct config_target *target)    \
	{                                                                                          \
		return net_read(value, &target->partition->nets[index]);                           \
	}                                                                                          \
	void config_##key##_write(const struct config_source *source, struct config_out *out)      \
	{                                                                                          \
		net_write(&source->partition->nets[index], out);                                   \
	}

NET_KEY(net, 0)
NET_KEY(net2, 1)
NET_KEY(net3, 2)
NET_KEY(net4, 3)
