/* SPDX-License-Identifier: MIT */
/* A partition's network cards: what its configuration makes of them, and who is told of frames. */
/* links: vmm/net_switch.c vmm/net_address.c vmm/net_ring.c vmm/net_segment.c vmm/format.c */
#include "fake_net.h"

#include "vmm/partition_net.h"

static struct vcpu vcpu;
static struct config_partition config, other_config;
static struct partition partition, other;
static char reason[LOAD_REASON_BYTES];
static u32 requested;

void vcpu_request(struct vcpu *to, u32 request)
{
	assert_ptr_equal(to, &vcpu);
	requested |= request;
}

static void net_add(struct config_partition *to, u32 index, const char *network)
{
	strcpy(to->nets[index].network, network);
}

static int setup(void **state)
{
	(void)state;
	memset(&config, 0, sizeof(config));
	memset(&other_config, 0, sizeof(other_config));
	partition = (struct partition){.config = &config, .vcpus = {&vcpu}};
	other = (struct partition){.config = &other_config, .vcpus = {&vcpu}};
	strcpy(config.name, "web");
	strcpy(other_config.name, "db");
	assert_int_equal(fake_pages_out, 0);
	requested = 0;
	fake_pages_left = 1000;
	reason[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	partition_net_destroy(&partition);
	partition_net_destroy(&other);
	assert_int_equal(fake_pages_out, 0);
	assert_null(net_first());
	return 0;
}

static void in_order(void **state)
{
	struct pc_net plugs[CONFIG_NETS_MAX];

	(void)state;
	net_add(&config, 0, "lan");
	net_add(&config, 3, "dmz"); /* there is no second and third card */
	config.nets[3].has_mac = true;
	memcpy(config.nets[3].mac, "\x52\x54\0\1\2\3", 6);
	assert_int_equal(partition_net_create(&partition, reason), 0);
	assert_int_equal(partition.net_count, 2);
	assert_string_equal(net_name(net_port_net(partition.nets[0])), "lan");
	assert_string_equal(net_name(net_port_net(partition.nets[1])), "dmz");
	partition_net_plugs(&partition, plugs);
	assert_ptr_equal(plugs[0].ops, &net_port_cable);
	assert_ptr_equal(plugs[1].cable, partition.nets[1]);
	assert_memory_equal(plugs[1].mac, config.nets[3].mac, 6);
	assert_int_equal(plugs[0].mac[0] & 3, 2); /* locally administered, and nobody's group */
}

/* Made of both names: always the same, and another one for others. */
static void addresses(void **state)
{
	struct pc_net first[CONFIG_NETS_MAX], second[CONFIG_NETS_MAX], again[CONFIG_NETS_MAX];

	(void)state;
	net_add(&config, 0, "lan");
	net_add(&config, 1, "dmz");
	net_add(&other_config, 0, "lan");
	assert_int_equal(partition_net_create(&partition, reason), 0);
	assert_int_equal(partition_net_create(&other, reason), 0);
	partition_net_plugs(&partition, first);
	partition_net_plugs(&other, second);
	assert_memory_not_equal(first[0].mac, first[1].mac, 6);
	assert_memory_not_equal(first[0].mac, second[0].mac, 6);
	partition_net_destroy(&partition);
	assert_int_equal(partition.net_count, 2); /* the board was made for as many */
	assert_null(partition.nets[1]);
	assert_int_equal(partition_net_create(&partition, reason), 0);
	assert_int_equal(partition.net_count, 2);
	partition_net_plugs(&partition, again);
	assert_memory_equal(first[0].mac, again[0].mac, 6);
}

static void address_taken(void **state)
{
	(void)state;
	net_add(&config, 0, "lan");
	net_add(&other_config, 0, "free");
	net_add(&other_config, 1, "lan");
	config.nets[0].has_mac = other_config.nets[1].has_mac = true;
	config.nets[0].mac[5] = other_config.nets[1].mac[5] = 9;
	assert_int_equal(partition_net_create(&partition, reason), 0);
	assert_int_equal(partition_net_create(&other, reason), -EEXIST);
	assert_string_equal(reason, "network lan has a card with address 00:00:00:00:00:09 "
				    "already: give it another by mac=");
	assert_int_equal(other.net_count, 1); /* what was made is for partition_net_destroy */
}

static void frames_wake_the_vcpu(void **state)
{
	struct station sender;
	struct pc_net plugs[CONFIG_NETS_MAX];

	(void)state;
	net_add(&config, 0, "lan");
	assert_int_equal(partition_net_create(&partition, reason), 0);
	partition_net_plugs(&partition, plugs);
	station_plug(&sender, "lan", 7);
	station_send(&sender, plugs[0].mac, 1);
	assert_int_equal(requested, 0); /* nobody drives it */
	net_port_cable.open(partition.nets[0], 0);
	station_send(&sender, plugs[0].mac, 2);
	assert_int_equal(requested, VCPU_REQUEST_DEVICES);
	station_unplug(&sender);
}

static void rates(void **state)
{
	struct net_port_view view;

	(void)state;
	net_add(&config, 0, "lan");
	config.nets[0].rate_bits = 5000000;
	assert_int_equal(partition_net_create(&partition, reason), 0);
	net_port_look(partition.nets[0], &view);
	assert_int_equal(view.rate_bits, 5000000);
}

static void out_of_memory(void **state)
{
	int error = -ENOMEM;

	(void)state;
	net_add(&config, 0, "lan");
	net_add(&config, 1, "dmz");
	for (unsigned left = 0; error; left++) {
		assert_true(left < 20);
		fake_pages_left = left;
		error = partition_net_create(&partition, reason);
		assert_true(!error || error == -ENOMEM);
		if (error)
			partition_net_destroy(&partition);
		assert_true(!error || !fake_pages_out);
	}
	assert_int_equal(partition.net_count, 2);
}

#define NET_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(in_order),	 NET_TEST(addresses),
		NET_TEST(address_taken), NET_TEST(frames_wake_the_vcpu),
		NET_TEST(rates),	 NET_TEST(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
