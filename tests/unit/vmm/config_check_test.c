/* SPDX-License-Identifier: MIT */
/* links: vmm/config.c vmm/config_keys.c */
/* links: vmm/config_boot.c vmm/config_device.c vmm/config_machine.c vmm/config_policy.c */
/* links: vmm/config_net.c */
/* links: vmm/config_value.c vmm/format.c */
/* The rules of the configuration that join keys and sections. */
#include "config_expect.h"

#define ALONE	"; allowed: only with dedicated = no\n"
#define BEFORE	"; allowed: with a CPU or time of its own: before-start\n"
#define CIRCLES "; allowed: names that do not lead back to the partition itself; or none\n"
#define SMALL	"[partition %s]\nmemory=2M\nboot=raw\nkernel=\\k\nentry=long\nload=1M\n"

/* A file of the partitions a, b, c ... with what each is to start after; NULL: nothing. */
static const char *chain(const char *const after[], u32 count)
{
	static char text[8192];
	size_t length = 0;

	text[0] = '\0';
	for (u32 i = 0; i < count; i++) {
		char name[] = {(char)('a' + i), '\0'};

		length += (size_t)snprintf(text + length, sizeof(text) - length, SMALL, name);
		if (after[i])
			length += (size_t)snprintf(text + length, sizeof(text) - length,
						   "after=%s\n", after[i]);
	}
	return text;
}

/* Keys of a section. */

static void memory_of_linux(void **state)
{
	static const char text[] = "[partition web]\nboot=linux\nkernel=\\k\nmemory=";
	char small[100];

	(void)state;
	snprintf(small, sizeof(small), "%s14M\n", text);
	expect(small, "f:4: [partition web] memory = 14M: too small" SIZES);
	snprintf(small, sizeof(small), "%s16M\n", text);
	expect(small, "");
	snprintf(small, sizeof(small), SMALL, "tiny");
	expect(small, "");
	assert_int_equal(partitions[0].memory_bytes, 2 * MIB);
}

static void dedicated(void **state)
{
	(void)state;
	expect(WEB "dedicated=yes\nweight=100\ncap=50%\nreservation=2ms/10ms\ngroup=g\n[group g]\n",
	       "f:6: [partition web] weight = 100: does not go with dedicated = yes" ALONE
	       "f:7: [partition web] cap = 50%: does not go with dedicated = yes" ALONE
	       "f:8: [partition web] reservation = 2ms/10ms: does not go with dedicated = yes" ALONE
	       "f:9: [partition web] group = g: does not go with dedicated = yes" ALONE);
	/* The order of the lines does not matter. */
	expect(WEB "reservation=2ms/10ms\ndedicated=yes\n",
	       "f:5: [partition web] reservation = 2ms/10ms: does not go with dedicated = "
	       "yes" ALONE);
	/* Which of the two is meant is not known while one of them is wrong. */
	expect(WEB "dedicated=true\ncap=50%\n",
	       "f:5: [partition web] dedicated = true: not one of the allowed words; allowed: yes "
	       "or no\n");
	/* What another section said is forgotten. */
	expect(WEB "dedicated=yes\n[partition db]\n" GOOD "cap=50%\n", "");
	expect(WEB "cap=50%\n[partition db]\n" GOOD "dedicated=yes\n", "");
}

static void clearing(void **state)
{
	(void)state;
	expect(WEB "clear_memory=on-touch\nweight=5\ncap=50%\ngroup=none\n", "");
	assert_int_equal(partitions[0].clear_memory, CONFIG_CLEAR_ON_TOUCH);
	expect(WEB "clear_memory=on-touch\ndedicated=yes\n",
	       "f:5: [partition web] clear_memory = on-touch: does not go with dedicated = "
	       "yes" BEFORE);
	expect(WEB "reservation=2ms/10ms\nclear_memory=on-touch\n",
	       "f:6: [partition web] clear_memory = on-touch: does not go with a "
	       "reservation" BEFORE);
	expect(WEB "clear_memory=before-start\ndedicated=yes\n", "");
	assert_int_equal(partitions[0].clear_memory, CONFIG_CLEAR_BEFORE_START);
	/* Which of the two is meant is not known while one of them is wrong. */
	expect(WEB "clear_memory=touch\ndedicated=yes\n",
	       "f:5: [partition web] clear_memory = touch: not one of the allowed words; allowed: "
	       "before-start or on-touch\n");
}

static void weight_of_nothing(void **state)
{
	(void)state;
	expect(WEB "weight=0\nreservation=none\n", "f:5: [partition web] weight = 0: too small; "
						   "allowed: 1 to 10000; with a reservation "
						   "also 0\n");
	expect(WEB "weight=0\nreservation=2ms/1\n",
	       "f:6: [partition web] reservation = 2ms/1: not a time with its unit; allowed: "
	       "budget "
	       "/ period such as 2ms / 10ms, the budget at least 100us and at most 95% of the "
	       "period, the period from 500us to 1s; or none\n");
}

static void cap_of_reservation(void **state)
{
	(void)state;
	expect(WEB "reservation=2ms/10ms\ncap=20%\n", "");
	expect(WEB "reservation=2ms/10ms\ncap=19%\n",
	       "f:6: [partition web] cap = 19%: less than the reservation, which is 20% of a CPU; "
	       "allowed: at least 20%; or none\n");
	expect(WEB "cap=1%\nreservation=100us/1s\n", "");
	/* One third is more than 33%. */
	expect(WEB "cap=33%\nreservation=1ms/3ms\n",
	       "f:5: [partition web] cap = 33%: less than the reservation, which is 34% of a CPU; "
	       "allowed: at least 34%; or none\n");
	expect(WEB "cap=34%\nreservation=1ms/3ms\n", "");
}

/* Groups. */

static void unknown_groups(void **state)
{
	(void)state;
	expect(WEB "group=servers\n", "f:5: [partition web] group = servers: no such group; "
				      "allowed: none, as the file has "
				      "no section [group NAME]\n");
	expect("[group servers]\n" WEB "group=sevrers\n[partition db]\n" GOOD "group=x\n"
	       "[group rest]\n",
	       "f:6: [partition web] group = sevrers: no such group (did you mean \"servers\"?); "
	       "allowed: servers, rest\n"
	       "f:11: [partition db] group = x: no such group; allowed: servers, rest\n");
	/* A partition is no group, and may have the name of one. */
	expect(WEB "group=db\n[partition db]\n" GOOD,
	       "f:5: [partition web] group = db: no such group; allowed: none, as the file has no "
	       "section [group NAME]\n");
	expect(WEB "group=web\n[group web]\n", "");
	/* Nothing is said about a group that may be the one that was not understood. */
	expect(WEB "group=g\n[gruop g]\n",
	       "f:6: [gruop g]: unknown section (did you mean [group NAME]?)" SECTIONS);
	expect(WEB "group=g\n[group g\x01]\n",
	       "f:6: [partition web]: control character 0x01 in column 9; allowed: printable text "
	       "and tabs, saved as UTF-8\n");
}

static void group_sections(void **state)
{
	static const char three[] = "[group a]\n[group b]\n[group c]\n" WEB;

	(void)state;
	expect("[group]\n[group A]\n[group none]\n[group a]\nweight=5\n[group a]\nweight=5\n"
	       "weight=6\nmemory=2M\nwieght=7\n" WEB,
	       "f:1: [group]: a group needs a name; allowed: [group NAME]\n"
	       "f:2: [group A]: not a name" NAMES "f:3: [group none]: not a name" NAMES
	       "f:6: [group a]: name already taken in line 4; allowed: each name once\n"
	       "f:8: [group a] weight = 6: already set in line 7; allowed: each key once in a "
	       "section\n"
	       "f:9: [group a] memory = 2M: unknown key; allowed: weight, cap\n"
	       "f:10: [group a] wieght = 7: unknown key (did you mean \"weight\"?); allowed: "
	       "weight, cap\n");
	assert_int_equal(config.group_count, 1);
	assert_int_equal(groups[0].weight, 5);
	assert_int_equal(parse(""), -EINVAL);
	config.group_room = 2;
	assert_int_equal(config_parse(&config, three, sizeof(three) - 1), -EINVAL);
	errors_expect("f:3: [group c]: too many groups; allowed: at most 2\n");
	assert_int_equal(config.group_count, 2);
	config.group_room = 0;
	config.groups = NULL;
	assert_int_equal(config_parse(&config, WEB, strlen(WEB)), 0);
	/* A group is no partition. */
	expect("[group a]\n", "f:1: the file has no partition; allowed: at least one section "
			      "[partition NAME]\n");
}

/* The order of starting. */

static void ranks(void **state)
{
	static const char *const after[] = {"c, e", "a", "d", NULL, NULL, "e"};
	u32 seen = 0;

	(void)state;
	expect(chain(after, 6), "");
	for (u32 i = 0; i < 6; i++) {
		assert_in_range(partitions[i].start_rank, 1, 6);
		seen |= 1U << partitions[i].start_rank;
		for (u32 j = 0; j < partitions[i].after_count; j++) {
			u32 other = (u32)(partitions[i].after[j][0] - 'a');

			assert_true(partitions[other].start_rank < partitions[i].start_rank);
		}
	}
	assert_int_equal(seen, 0x7e);
}

static void unknown_partitions(void **state)
{
	(void)state;
	expect(WEB "after=db\n",
	       "f:5: [partition web] after = db: no partition \"db\"; allowed: none, as the file "
	       "has no other partition\n");
	expect(WEB "after = dbx , files,mail # all\n[partition db]\n" GOOD
		   "[partition files]\n" GOOD,
	       "f:5: [partition web] after = dbx, files, mail: no partition \"dbx\" (did you mean "
	       "\"db\"?); allowed: db, files\n"
	       "f:5: [partition web] after = dbx, files, mail: no partition \"mail\"; allowed: db, "
	       "files\n");
	/* As above: [partiton db] may be the one. */
	expect(WEB "after=db\n[partiton db]\n",
	       "f:6: [partiton db]: unknown section (did you mean [partition NAME]?)" SECTIONS);
}

/* Nothing is cut of the longest names. */
static void long_names(void **state)
{
	static const char a[] = "0123456789012345678901234567890";
	static const char b[] = "0123456789012345678901234567891";
	char text[600], expected[600];

	(void)state;
	snprintf(text, sizeof(text), "[partition %s]\n" GOOD "after=%s\n", a, b);
	snprintf(expected, sizeof(expected),
		 "f:5: [partition %s] after = %s: no partition \"%s\"; allowed: none, as the file "
		 "has no other partition\n",
		 a, b, b);
	expect(text, expected);
}

/* More names than an error has room for. */
static void many_names(void **state)
{
	char text[4096] = "", name[40], expected[sizeof(errors[0].allowed)] = "";

	(void)state;
	for (u32 i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "name-of-thirty-one-bytes-all-%02u", i);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), SMALL, name);
		if (strlen(expected) + strlen(name) + strlen(", ...") < sizeof(expected))
			strcat(strcat(expected, name), ", ");
	}
	strcat(text, "after=x\n");
	assert_int_equal(parse(text), -EINVAL);
	assert_int_equal(config.error_count, 1);
	assert_string_equal(errors[0].allowed, strcat(expected, "..."));
}

static void channel_sizes(void **state)
{
	(void)state;
	expect("[partition a]\n" GOOD "channel=ring,1M\n[partition b]\n" GOOD
	       "channel=ring,1024K\n[partition c]\n" GOOD "channel=other,4K\n[partition d]\n" GOOD,
	       "");
	expect("[partition a]\n" GOOD "channel=ring,1M\n[partition b]\n" GOOD "channel=ring,2M\n",
	       "f:10: [partition b] channel = ring, 2M: it has 1M in [partition a]; allowed: the "
	       "same size wherever the channel is named\n");
}

static void circles(void **state)
{
	static const char *const two[] = {"b", "a"};
	static const char *const tail[] = {"b", "c", "d", "b", NULL};
	static const char *const both[] = {"b", "a", "d", "c", "a, c"};
	static const char *const crossed[] = {"b, c", "a", "a"};

	(void)state;
	expect(chain(two, 2), "f:7: [partition a] after = b: a circle: a after b after a" CIRCLES);
	/* One that only leads to a circle is not part of it. */
	expect(chain(tail, 5),
	       "f:14: [partition b] after = c: a circle: b after c after d after b" CIRCLES);
	expect(chain(both, 5),
	       "f:7: [partition a] after = b: a circle: a after b after a" CIRCLES
	       "f:21: [partition c] after = d: a circle: c after d after c" CIRCLES);
	/* Taking the first of them out of its circle takes it out of both. */
	expect(chain(crossed, 3),
	       "f:7: [partition a] after = b, c: a circle: a after b after a" CIRCLES);
	partial = true;
	expect(chain(two, 2), "f:7: [partition a] after = b: a circle: a after b after a" CIRCLES);
	partial = false;
}

static void long_circle(void **state)
{
	char text[4096] = "";

	(void)state;
	for (u32 i = 0; i < 16; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "[partition partition-%02u]\n" GOOD "after=partition-%02u\n", i,
			 (i + 1) % 16);
	assert_int_equal(parse(text), -EINVAL);
	assert_int_equal(config.error_count, 1);
	assert_string_equal(errors[0].reason,
			    "a circle: partition-00 after partition-01 after partition-02 after "
			    "partition-03 after ...");
}

/* Whether any of the ten partitions waits for itself, found in another way: by closing over all
 * steps. */
static bool has_circle(bool reach[10][10])
{
	for (u32 k = 0; k < 10; k++)
		for (u32 i = 0; i < 10; i++)
			for (u32 j = 0; j < 10; j++)
				reach[i][j] |= reach[i][k] && reach[k][j];
	for (u32 i = 0; i < 10; i++)
		if (reach[i][i])
			return true;
	return false;
}

static void random_orders(void **state)
{
	u32 seed = 1, good = 0, bad = 0;

	(void)state;
	for (u32 round = 0; round < 1000; round++) {
		char lists[10][40] = {""};
		const char *after[10] = {NULL};
		bool reach[10][10] = {{false}};

		for (u32 i = 0; i < 100; i++) {
			char *list = lists[i / 10];

			seed = seed * 1103515245 + 12345;
			if (i / 10 == i % 10 || (seed >> 16) % 12)
				continue;
			sprintf(list + strlen(list), "%s%c", list[0] ? "," : "",
				'a' + (char)(i % 10));
			after[i / 10] = list;
			reach[i / 10][i % 10] = true;
		}
		assert_int_equal(parse(chain(after, 10)), has_circle(reach) ? -EINVAL : 0);
		bad += config.error_count != 0;
		good += config.error_count == 0;
		for (u32 i = 0; i < config.error_count; i++)
			assert_memory_equal(errors[i].reason, "a circle: ", 10);
		for (u32 i = 0; i < 10 && !config.error_count; i++)
			for (u32 j = 0; j < partitions[i].after_count; j++)
				assert_true(partitions[partitions[i].after[j][0] - 'a'].start_rank <
					    partitions[i].start_rank);
	}
	assert_true(good > 100 && bad > 100);
}

/* Parts of a file. */

static void parts(void **state)
{
	(void)state;
	partial = true;
	expect("", "");
	expect("[host]\ncpus=2\n", "");
	expect(WEB "group=g\nafter=db, files\n", "");
	assert_string_equal(partitions[0].group, "g");
	assert_int_equal(partitions[0].after_count, 2);
	expect("[partition web]\n" GOOD "memory=1G\n",
	       "f:5: [partition web] memory = 1G: already set in line 2; allowed: each key once in "
	       "a section\n");
	partial = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_of_linux),
		cmocka_unit_test(dedicated),
		cmocka_unit_test(clearing),
		cmocka_unit_test(weight_of_nothing),
		cmocka_unit_test(cap_of_reservation),
		cmocka_unit_test(unknown_groups),
		cmocka_unit_test(group_sections),
		cmocka_unit_test(ranks),
		cmocka_unit_test(unknown_partitions),
		cmocka_unit_test(long_names),
		cmocka_unit_test(many_names),
		cmocka_unit_test(channel_sizes),
		cmocka_unit_test(circles),
		cmocka_unit_test(long_circle),
		cmocka_unit_test(random_orders),
		cmocka_unit_test(parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
