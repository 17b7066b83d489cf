/* SPDX-License-Identifier: MIT */
/* links: vmm/config.c vmm/config_check.c vmm/config_keys.c vmm/config_policy.c */
/* links: vmm/config_boot.c vmm/config_device.c vmm/config_machine.c */
/* links: vmm/config_value.c vmm/format.c vmm/scheduler_claim.c vmm/config_text.c */
/* The keys that plug a partition into networks: good values, each limit, each wrong value. */
#include "config_expect.h"

#define NETS                                                                                       \
	"; allowed: the name of a network, then if need be a comma and mac=52:54:00:12:34:56, a "  \
	"comma and rate=100Mbit, from 8kbit to 1000Gbit; or none\n"

static const struct config_net *with(const char *line)
{
	char text[400];

	snprintf(text, sizeof(text), WEB "%s\n", line);
	expect(text, "");
	return partitions[0].nets;
}

static void good(void **state)
{
	static const u8 mac[] = {0x52, 0x54, 0, 0xab, 0xcd, 0xef};
	const struct config_net *nets = with("");

	(void)state;
	for (u32 i = 0; i < CONFIG_NETS_MAX; i++)
		assert_string_equal(nets[i].network, "");
	assert_string_equal(with("net=none")->network, "");
	nets = with("net=lan");
	assert_string_equal(nets->network, "lan");
	assert_false(nets->has_mac);
	assert_int_equal(nets->rate_bits, 0);
	nets = with("net = lan , mac = 52:54:00:aB:Cd:ef ,rate = 100 Mbit # a comment");
	assert_true(nets->has_mac);
	assert_memory_equal(nets->mac, mac, 6);
	assert_int_equal(nets->rate_bits, 100000000);
	assert_int_equal(with("net=lan, rate=8kbit")->rate_bits, 8000);
	assert_int_equal(with("net=lan, rate=1000Gbit")->rate_bits, 1000000000000);
	nets = with("net4=d\nnet2=b\nnet3=c");
	assert_string_equal(nets[0].network, "");
	assert_string_equal(nets[1].network, "b");
	assert_string_equal(nets[2].network, "c");
	assert_string_equal(nets[3].network, "d");
}

static void wrong_with(const char *value, const char *reason)
{
	char text[400], error[500];

	snprintf(text, sizeof(text), WEB "net = %s\n", value);
	snprintf(error, sizeof(error), "f:5: [partition web] net = %s: %s" NETS, value, reason);
	expect(text, error);
	assert_string_equal(partitions[0].nets[0].network, "");
}

static void wrong(void **state)
{
	(void)state;
	wrong_with("Lan", "not a name");
	wrong_with(", rate=1Mbit", "not a name");
	wrong_with("none, rate=1Mbit", "not a name");
	wrong_with("lan,", "what follows the comma is neither mac= nor rate=");
	wrong_with("lan, speed=1Mbit", "what follows the comma is neither mac= nor rate=");
	wrong_with("lan, mac", "not an Ethernet address");
	wrong_with("lan, mac=52:54:00:12:34", "not an Ethernet address");
	wrong_with("lan, mac=52:54:00:12:34:5g", "not an Ethernet address");
	wrong_with("lan, mac=52-54-00-12-34-56", "not an Ethernet address");
	wrong_with("lan, mac=52:54:00:12:34:567", "not an Ethernet address");
	wrong_with("lan, mac=00:00:00:00:00:00", "not an Ethernet address");
	wrong_with("lan, mac=53:54:00:12:34:56", "the address of a group");
	wrong_with("lan, rate=fast", "the rate is not a number");
	wrong_with("lan, rate=100", "the rate has no unit");
	wrong_with("lan, rate=100M", "the rate has no unit");
	wrong_with("lan, rate=7kbit", "the rate is too small");
	wrong_with("lan, rate=0Gbit", "the rate is too small");
	wrong_with("lan, rate=1001Gbit", "the rate is too large");
	wrong_with("lan, rate=18446744073709551615Gbit", "the rate is too large");
	wrong_with("lan, rate=1Mbit, rate=1Mbit", "the same option twice");
}

static void twice_in_one_network(void **state)
{
	(void)state;
	expect(WEB "net=lan\nnet3=dmz\nnet2=lan, rate=1Mbit\n",
	       "f:7: [partition web] net2 = lan, rate=1Mbit: already in that network; allowed: "
	       "another network than its other keys of this kind name\n");
	expect(WEB "net2=lan\n[partition db]\nmemory=64M\nboot=linux\nkernel=\\k\nnet=lan\n", "");
}

static void written(const char *line, const char *shown)
{
	char text[400];
	const char *at;

	with(line);
	config_partition_text(&partitions[0], text, sizeof(text));
	at = strstr(text, "net ");
	if (!*shown) {
		assert_null(at);
		return;
	}
	assert_non_null(at);
	assert_string_equal(at, shown);
}

static void writing(void **state)
{
	(void)state;
	written("net=none", "");
	written("net=lan", "net         = lan\n");
	written("net=lan,rate=1500Mbit,mac=02:00:00:00:00:0F",
		"net         = lan, mac=02:00:00:00:00:0f, rate=1500Mbit\n");
	written("net=lan,rate=2000000kbit\nnet4=x",
		"net         = lan, rate=2Gbit\nnet4        = x\n");
	written("net=lan,rate=1001kbit", "net         = lan, rate=1001kbit\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(wrong),
		cmocka_unit_test(twice_in_one_network),
		cmocka_unit_test(writing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
