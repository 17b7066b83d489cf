/* SPDX-License-Identifier: MIT */
/* net, and what info says of network cards. */
/* links: vmm/console/arguments.c vmm/console/audit.c vmm/console/commands.c */
/* links: vmm/config_boot.c vmm/config_device.c vmm/config_machine.c */
/* links: vmm/console/completion.c vmm/console/help.c vmm/console/line_editor.c */
/* links: vmm/console/machine_commands.c vmm/console/partition_commands.c vmm/console/report.c */
/* links: vmm/console/setting_commands.c vmm/console/words.c vmm/byte_ring.c vmm/format.c */
/* links: vmm/config.c vmm/config_check.c vmm/config_keys.c vmm/config_policy.c */
/* links: vmm/config_net.c */
/* links: vmm/config_text.c vmm/config_value.c */
/* links: vmm/console/partition_cells.c vmm/partition_view.c */
/* links: vmm/net_switch.c vmm/net_address.c vmm/net_ring.c vmm/net_segment.c */
#include "fake_console.h"

#include <bulkhead/net_switch.h>

static u8 frame[60];

static void arrived(void *context)
{
	(void)context;
}

static void plug(u32 index, const char *network, u8 last, u64 rate)
{
	struct partition *partition = &partitions[index];
	const struct net_port_setup setup = {
		.network = network,
		.mac = {2, 0, 0, 0, 0, last},
		.rate_bits = rate,
		.arrived = arrived,
		.context = partition,
	};

	require(net_port_create(&setup, &partition->nets[partition->net_count++]) == 0);
}

static int setup(void **state)
{
	fake_setup(state);
	plug(0, "lan", 1, 0);
	plug(1, "lan", 2, 1500000);
	plug(1, "dmz", 3, 64000);
	return 0;
}

static int teardown(void **state)
{
	for (u32 i = 0; i < 2; i++)
		while (partitions[i].net_count)
			net_port_destroy(partitions[i].nets[--partitions[i].net_count]);
	return fake_teardown(state);
}

static void copy(const struct net_frame *from, u32 offset, void *to, u32 bytes)
{
	(void)from;
	memcpy(to, frame + offset, bytes);
}

/* From debian-12 to web, from an address that ends in `last`. */
static void send(u8 last)
{
	const struct net_frame sent = {.bytes = sizeof(frame), .copy = copy};

	memcpy(frame, (u8[]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, last}, 12);
	net_port_cable.send(partitions[1].nets[0], &sent);
}

#define HEADER                                                                                     \
	"NETWORK  PARTITION  ADDRESS            UP       RATE  SENT  BYTES  RECEIVED  BYTES  "     \
	"DROPPED  LOST\n"

static void test_none(void **state)
{
	(void)state;
	expect("net", "there are no networks\n");
	expect("net --json", "{\"cards\": [], \"addresses\": []}\n");
	expect_error("net lan", "no network \"lan\"; there are none\n");
}

static void test_traffic(void **state)
{
	struct net_arrival arrival;

	(void)state;
	send(2); /* nobody drives it */
	net_port_cable.open(partitions[0].nets[0], 0);
	send(9);
	send(2);
	send(1); /* web's own */
	require(net_port_cable.next(partitions[0].nets[0], &arrival));
	net_port_cable.taken(partitions[0].nets[0], false);
	fake_time_us += 61000000;
	expect("net lan", HEADER "lan      web        02:00:00:00:00:01  yes         -     0      "
				 "0         1     60  "
				 "      0     1\n"
				 "lan      debian-12  02:00:00:00:00:02  no   1500kbit     3    "
				 "180         0      0  "
				 "      1     0\n"
				 "NETWORK  LEARNED            BEHIND         AGE\n"
				 "lan      02:00:00:00:00:09  debian-12  0:01:01\n");
	expect("net dmz --json",
	       "{\"cards\": [{\"network\": \"dmz\", \"partition\": \"debian-12\", \"mac\": "
	       "\"02:00:00:00:00:03\", \"open\": false, \"rate_bits\": 64000, \"sent_frames\": 0, "
	       "\"sent_bytes\": 0, \"received_frames\": 0, \"received_bytes\": 0, "
	       "\"dropped_here\": 0, \"dropped_for\": 0, \"waiting_bytes\": 0, \"room_bytes\": "
	       "524288, \"dropped_size\": 0, \"dropped_address\": 0, \"dropped_work\": 0, "
	       "\"dropped_closed\": 0, \"dropped_full\": 0, \"dropped_device\": 0}], "
	       "\"addresses\": []}\n");
	expect_part("net --json", "\"dropped_address\": 1,");
	expect_part("net --json", "\"dropped_closed\": 1,");
	expect_part("net --json", "\"addresses\": [{\"network\": \"lan\", \"mac\": "
				  "\"02:00:00:00:00:09\", \"partition\": \"debian-12\", "
				  "\"age_us\": 61000000}]}\n");
}

static void test_unknown(void **state)
{
	(void)state;
	expect_error("net wan", "no network \"wan\"; there are: lan, dmz\n");
}

static void test_info(void **state)
{
	(void)state;
	expect_part("info debian-12", "dmz      debian-12  02:00:00:00:00:03  no    64kbit");
	assert_null(strstr(output, "LEARNED"));
	assert_null(strstr(output, "lan      web"));
	expect_part("info web --json", "\"cards\": [{\"network\": \"lan\", ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(test_none),
		cmocka_unit_test_setup_teardown(test_traffic, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_info, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
