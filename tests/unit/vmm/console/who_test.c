/* SPDX-License-Identifier: MIT */
/*
 * who: what it says of partitions that are isolated, and that it finds each way in which they are
 * not, made here on purpose in the live tables, bitmaps and structures.
 */
/* links: vmm/console/arguments.c vmm/console/report.c vmm/format.c */
/* links: vmm/page_table.c vmm/page_table_formats.c */
/* links: vmm/partition_view.c vmm/byte_ring.c */
/* links: vmm/console/nets.c */
/* links: vmm/channel.c */
/* links: vmm/net_switch.c vmm/net_address.c vmm/net_ring.c vmm/net_segment.c */
#include "fake_guest.h"

#include <bulkhead/channel.h>
#include <bulkhead/net_switch.h>

#define APIC_PAGE(guest) (TABLES_AT + 0x100000 + (guest)*PAGE_SIZE) /* the hypervisor's */

static struct virt_grant more[8]; /* of web, besides what is usual */
static u32 more_count, msr_ranges;
static u64 wrong_root;
static bool apic_pages;

static void grants(const struct vcpu *vcpu,
		   void (*show)(void *context, const struct virt_grant *grant), void *context)
{
	u32 guest = (u32)(vcpu - vcpus);
	u64 root = memory_physical(guests[guest].second_level.root);
	struct virt_grant walked = {VIRT_GRANT_TABLES, wrong_root ? wrong_root : root, 0, 0, 0, ""};
	struct virt_grant page = {
		VIRT_GRANT_PAGES, APIC_PAGE(guest), APIC_PAGE(guest) + 4095, true, true,
		"APIC page"};

	show(context, &walked);
	if (apic_pages)
		show(context, &page);
	for (u32 i = 0; i < msr_ranges; i++) {
		struct virt_grant msr = {
			VIRT_GRANT_MSRS, 0x174 + i * 4, 0x174 + i * 4 + i % 2, true, !(i % 2), ""};

		show(context, &msr);
	}
	for (u32 i = 0; guest == 0 && i < more_count; i++)
		show(context, &more[i]);
}

static const struct virt_backend backend = {.vcpu_grants = grants};
const struct virt_backend *virt = &backend;

static int setup(void **state)
{
	guests_setup(state);
	more_count = 0;
	wrong_root = 0;
	msr_ranges = 2;
	apic_pages = true;
	for (u32 i = 0; i < GUESTS; i++)
		map(&guests[i].second_level, 0xfee00000, APIC_PAGE(i), PAGE_SIZE,
		    PAGE_READ | PAGE_WRITE);
	return 0;
}

#define WEB_AND_DB                                                                                 \
	"web        operator  console     yes      its serial line, the last 64 KiB of it are "    \
	"kept\n"                                                                                   \
	"web        nobody    memory      yes      6016 KiB in 482 mappings, all its own RAM\n"    \
	"web        CPU       memory      yes      APIC page\n"                                    \
	"web        nobody    ports       yes      none passes, devices of its own answer\n"       \
	"web        nobody    MSRs        yes      0x174 rw, 0x178-0x179 r\n"                      \
	"web        nobody    interrupts  yes      none of the machine's, its own only\n"          \
	"db         operator  console     yes      its serial line, the last 64 KiB of it are "    \
	"kept\n"                                                                                   \
	"db         nobody    memory      yes      6016 KiB in 482 mappings, all its own RAM\n"    \
	"db         CPU       memory      yes      APIC page\n"                                    \
	"db         nobody    ports       yes      none passes, devices of its own answer\n"       \
	"db         nobody    MSRs        yes      0x174 rw, 0x178-0x179 r\n"                      \
	"db         nobody    interrupts  yes      none of the machine's, its own only\n"

static void isolated(void **state)
{
	(void)state;
	expect(command_who, "",
	       "PARTITION  WITH      BY          ALLOWED  DETAIL\n" WEB_AND_DB
	       "No partition reaches another one, the hypervisor or the machine.\n");
	expect_json(command_who, "",
		    "{\"channels\": [{\"partition\": \"web\", \"with\": \"operator\", \"by\": "
		    "\"console\", \"allowed\": true, \"detail\": ");
}

/* The ring for what a guest prints grows with that: what is told is how large it may become. */
static void who_has_printed_nothing(void **state)
{
	(void)state;
	guests[0].console.bytes = 0;
	guests[1].console.bytes = 512;
	expect_part(command_who, "", WEB_AND_DB);
}

/* Whether they run or not. */
static void of_running_partitions(void **state)
{
	(void)state;
	guests[0].state = PARTITION_RUNNING;
	guests[1].state = PARTITION_STOPPED;
	assert_true(run_as(false, command_who, ""));
}

static void nobody_at_all(void **state)
{
	(void)state;
	guest_count = 0;
	expect(command_who, "", "there are no partitions\n");
}

static void found(const char *row, const char *error)
{
	expect_part(command_who, "", row);
	assert_non_null(failure);
	assert_string_equal(failure, error);
	expect_json(command_who, "", "\"allowed\": false");
}

#define ONE "isolation is broken, see what is not allowed: 1 finding"
#define TWO "isolation is broken, see what is not allowed: 2 findings"

/* One page of db's RAM in web's tables. */
static void memory_of_another(void **state)
{
	(void)state;
	map(&guests[0].second_level, 0x80000000, RAM_AT(1, 1) + 0x5000, PAGE_SIZE, PAGE_READ);
	found("web        machine   memory      no       guest-physical 0x80000000 is "
	      "host-physical "
	      "0x41205000, 0x1000 bytes, not its own RAM there\n",
	      TWO);
	expect_part(
		command_who, "",
		"db         web       memory      no       both have host-physical 0x41205000 to "
		"0x41205fff\n");
}

/* Its own RAM, but at another place than its block is: a hole in what is cleared and dumped. */
static void own_memory_at_a_wrong_place(void **state)
{
	(void)state;
	map(&guests[0].second_level, 0x300000, RAM_AT(0, 0), PAGE_SIZE, PAGE_READ);
	found("guest-physical 0x300000 is host-physical 0x40000000", ONE);
}

static void hypervisor_memory(void **state)
{
	(void)state;
	map(&guests[0].second_level, 0x80000000, TABLES_AT + 0x3000, PAGE_SIZE, PAGE_READ);
	found("web        hypervisor  memory      no       both have host-physical 0x10003000 to "
	      "0x10003fff\n",
	      TWO);
}

static void the_hypervisors_code(void **state)
{
	(void)state;
	map(&guests[0].second_level, 0x80000000, 0x200000, 2 * MIB, PAGE_READ);
	found("web        hypervisor  memory      no       both have host-physical 0x200000 to "
	      "0x3fffff\n",
	      TWO);
}

/* Memory that nobody manages, such as a device. */
static void a_device(void **state)
{
	(void)state;
	map(&guests[1].second_level, 0xfed00000, 0xfed00000, PAGE_SIZE, PAGE_READ);
	found("db         machine   memory      no       guest-physical 0xfed00000 is "
	      "host-physical "
	      "0xfed00000",
	      ONE);
}

/* The allocator gave the same block twice: each partition alone looks right. */
static void one_block_for_two(void **state)
{
	bool changed;

	(void)state;
	assert_int_equal(page_table_unmap(&guests[1].second_level, 2 * MIB, 2 * MIB, &changed), 0);
	blocks[1][1].physical = RAM_AT(0, 0);
	map(&guests[1].second_level, 2 * MIB, RAM_AT(0, 0), 2 * MIB, PAGE_READ);
	map(&guests[1].space.table, MEMORY_GUEST + 2 * MIB, RAM_AT(0, 0), 2 * MIB, PAGE_READ);
	found("both have host-physical 0x40000000 to 0x401fffff\n", ONE);
}

/* The hypervisor kept a block in its own map that a guest has. */
static void a_block_that_is_the_hypervisors(void **state)
{
	(void)state;
	map(&guests[0].space.table, MEMORY_DIRECT + RAM_AT(1, 0), RAM_AT(1, 0), PAGE_SIZE,
	    PAGE_READ);
	found("db         hypervisor  memory      no       both have host-physical 0x41000000 to "
	      "0x41000fff\n",
	      ONE);
}

/* Working for web, the hypervisor could reach db. */
static void a_wrong_window(void **state)
{
	(void)state;
	map(&guests[0].space.table, MEMORY_GUEST + 2 * MIB, RAM_AT(1, 1), 2 * MIB, PAGE_READ);
	found("the hypervisor's window at 0xffff820000200000 is host-physical 0x41200000", ONE);
}

/* A page that hardware uses for one is not another's, and not anything else. */
static void apic_page_of_another(void **state)
{
	(void)state;
	map(&guests[0].second_level, 0xfee00000, APIC_PAGE(1), PAGE_SIZE, PAGE_READ);
	found("both have host-physical 0x10101000 to 0x10101fff\n",
	      "isolation is broken, see what is not allowed: 3 findings");
	guests_teardown(state);
	setup(state);
	apic_pages = false;
	found("guest-physical 0xfee00000 is host-physical 0x10100000",
	      "isolation is broken, see what is not allowed: 4 findings");
}

static void other_tables(void **state)
{
	(void)state;
	wrong_root = 0x7000;
	found("web        machine   tables      no       its CPU walks tables at 0x7000, its own "
	      "are at "
	      "0x10000000\n",
	      TWO);
}

static void ports(void **state)
{
	(void)state;
	more[0] = (struct virt_grant){VIRT_GRANT_PORTS, 0x80, 0x80, true, true, ""};
	more[1] = (struct virt_grant){VIRT_GRANT_PORTS, 0x3f8, 0x3ff, true, true, ""};
	more_count = 2;
	found("web        machine   ports       no       these are the machine's: 0x80, "
	      "0x3f8-0x3ff\n",
	      ONE);
}

static void interrupts(void **state)
{
	(void)state;
	more[0] =
		(struct virt_grant){VIRT_GRANT_INTERRUPT, 0, 255, false, false, "they do not exit"};
	more_count = 1;
	found("web        machine   interrupts  no       they do not exit\n", ONE);
}

static void devices(void **state)
{
	(void)state;
	guests[1].pc = guests[0].pc;
	found("web        db        devices     no       both have the same board\n", TWO);
}

/* More than a row can say, more rows than anyone can read. */
static void much_of_it(void **state)
{
	(void)state;
	msr_ranges = 200;
	expect_part(command_who, "", "0x178-0x179 r, 0x17c rw, ");
	assert_non_null(strstr(output, ", ...\n"));
	assert_null(failure);
	for (u32 i = 0; i < 100; i++)
		map(&guests[0].second_level, 0x80000000 + i * 2 * PAGE_SIZE,
		    0xfd000000 + i * 2 * PAGE_SIZE, PAGE_SIZE, PAGE_READ);
	found("guest-physical 0x80000000",
	      "isolation is broken, see what is not allowed: 100 findings");
	expect_part(command_who, "", "guest-physical 0x8007e000");
	assert_null(strstr(output, "guest-physical 0x80080000"));
}

/* --- networks --- */

static void arrived(void *context)
{
	(void)context;
}

/* A card of a guest's, whose address ends in `last`. */
static void plug(u32 guest, const char *network, u8 last)
{
	const struct net_port_setup net_setup = {
		.network = network,
		.mac = {2, 0, 0, 0, 0, last},
		.arrived = arrived,
		.context = &guests[guest],
	};
	struct partition *partition = &guests[guest];

	assert_int_equal(net_port_create(&net_setup, &partition->nets[partition->net_count++]), 0);
}

static void unplug_all(void)
{
	for (u32 i = 0; i < GUESTS; i++)
		while (guests[i].net_count)
			net_port_destroy(guests[i].nets[--guests[i].net_count]);
}

static void networks(void **state)
{
	(void)state;
	plug(0, "lan", 1);
	plug(1, "lan", 2);
	plug(1, "dmz", 3);
	expect_part(command_who, "",
		    "web        db        network lan  yes      frames between 02:00:00:00:00:01 "
		    "and 02:00:00:00:00:02, copied\n");
	assert_null(failure);
	expect_part(command_who, "",
		    "db         web       network lan  yes      frames between 02:00:00:00:00:02 "
		    "and 02:00:00:00:00:01, copied\n"
		    "Partitions reach each other by the networks and channels above and by nothing "
		    "else; none reaches the hypervisor or the machine.\n");
	assert_null(strstr(output, "dmz"));
	unplug_all();
}

#define CHANNEL_AT 0x70000000UL

u64 memory_guest_alloc(unsigned order)
{
	assert_int_equal(order, 4);
	return CHANNEL_AT;
}

void memory_guest_free(u64 physical, unsigned order)
{
	assert_int_equal(order, 4);
	assert_int_equal(physical, CHANNEL_AT);
}

/* In the tables it is at `offset` of where it belongs. */
static void channel_map(u32 guest, u64 offset)
{
	const struct channel_setup channel = {.name = "ring", .bytes = 64 * KIB};
	bool fresh;

	assert_int_equal(channel_join(&channel, &guests[guest].channel, &fresh), 0);
	map(&guests[guest].second_level, CHANNEL_GPA + offset, CHANNEL_AT, 64 * KIB,
	    PAGE_READ | PAGE_WRITE);
	map(&guests[guest].space.table, MEMORY_GUEST + CHANNEL_GPA, CHANNEL_AT, 64 * KIB,
	    PAGE_READ | PAGE_WRITE);
}

static void channels_leave(void)
{
	for (u32 i = 0; i < GUESTS; i++) {
		channel_leave(guests[i].channel);
		guests[i].channel = NULL;
	}
}

static void channels(void **state)
{
	(void)state;
	channel_map(0, 0);
	expect_part(command_who, "",
		    "No partition reaches another one, the hypervisor or the machine.\n");
	channel_map(1, 0);
	expect_part(command_who, "",
		    "web        db        channel ring  yes      64 KiB of memory at "
		    "guest-physical 0xd0000000, and doorbells\n");
	assert_null(failure);
	expect_part(command_who, "",
		    "db         web       channel ring  yes      64 KiB of memory at "
		    "guest-physical 0xd0000000, and doorbells\n"
		    "Partitions reach each other by the networks and channels above and by nothing "
		    "else; none reaches the hypervisor or the machine.\n");
	channels_leave();
}

/* Mapped where it does not belong, and by one that is not in it. */
static void stray_channel(void **state)
{
	(void)state;
	channel_map(0, 64 * KIB);
	(void)run_as(false, command_who, "");
	assert_non_null(failure);
	channels_leave();
}

static void stolen_channel(void **state)
{
	(void)state;
	channel_map(0, 0);
	map(&guests[1].second_level, CHANNEL_GPA, CHANNEL_AT, 64 * KIB, PAGE_READ);
	(void)run_as(false, command_who, "");
	assert_non_null(failure);
	expect_part(command_who, "", "both have host-physical 0x70000000 to 0x7000ffff");
	channels_leave();
}

static void different_networks(void **state)
{
	(void)state;
	plug(0, "lan", 1);
	plug(1, "dmz", 1);
	expect_part(command_who, "",
		    "No partition reaches another one, the hypervisor or the machine.\n");
	assert_null(strstr(output, "network"));
	unplug_all();
}

/* A port that no partition has. */
static void a_port_of_nobody(void **state)
{
	struct net_port *lost;

	(void)state;
	plug(0, "lan", 1);
	plug(1, "lan", 2);
	lost = guests[1].nets[--guests[1].net_count];
	found("web        hypervisor  network lan  no       frames between 02:00:00:00:00:01 and "
	      "02:00:00:00:00:02, copied\n",
	      ONE);
	net_port_destroy(lost);
	unplug_all();
}

static void without_memory(void **state)
{
	(void)state;
	fake_pages_left = 0;
	assert_false(run_as(false, command_who, ""));
	assert_non_null(strstr(failure, "no memory to compare"));
}

int main(void)
{
#define WHO_TEST(name) cmocka_unit_test_setup_teardown(name, setup, guests_teardown)
	const struct CMUnitTest tests[] = {
		WHO_TEST(isolated),
		WHO_TEST(who_has_printed_nothing),
		WHO_TEST(of_running_partitions),
		WHO_TEST(nobody_at_all),
		WHO_TEST(memory_of_another),
		WHO_TEST(own_memory_at_a_wrong_place),
		WHO_TEST(hypervisor_memory),
		WHO_TEST(the_hypervisors_code),
		WHO_TEST(a_device),
		WHO_TEST(one_block_for_two),
		WHO_TEST(a_block_that_is_the_hypervisors),
		WHO_TEST(a_wrong_window),
		WHO_TEST(apic_page_of_another),
		WHO_TEST(other_tables),
		WHO_TEST(ports),
		WHO_TEST(interrupts),
		WHO_TEST(devices),
		WHO_TEST(much_of_it),
		WHO_TEST(networks),
		WHO_TEST(channels),
		WHO_TEST(stray_channel),
		WHO_TEST(stolen_channel),
		WHO_TEST(different_networks),
		WHO_TEST(a_port_of_nobody),
		WHO_TEST(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
