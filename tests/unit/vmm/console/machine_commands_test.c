/* SPDX-License-Identifier: MIT */
/* Commands about the machine: what they show, the log, and going down. */
/* links: vmm/console/arguments.c vmm/console/audit.c vmm/console/commands.c */
/* links: vmm/console/completion.c vmm/console/help.c vmm/console/line_editor.c */
/* links: vmm/console/machine_commands.c vmm/console/partition_commands.c vmm/console/report.c */
/* links: vmm/console/setting_commands.c vmm/console/words.c vmm/byte_ring.c vmm/format.c */
/* links: vmm/config.c vmm/config_check.c vmm/config_keys.c */
/* links: vmm/config_boot.c vmm/config_device.c vmm/config_machine.c vmm/config_policy.c */
/* links: vmm/config_net.c */
/* links: vmm/config_text.c vmm/config_value.c */
/* links: vmm/console/partition_cells.c vmm/partition_view.c */
/* links: vmm/console/nets.c */
/* links: vmm/net_switch.c vmm/net_address.c vmm/net_ring.c vmm/net_segment.c */
#include "fake_console.h"

static void test_version(void **state)
{
	(void)state;
	expect("version",
	       "Bulkhead 1.2.3\n"
	       "CPU       Imaginary CPU @ 1 GHz\n"
	       "CPUs      4 in use\n"
	       "memory    8192M, of which 6144M are free and 100M held by Bulkhead itself\n"
	       "backend   VT-x with everything\n"
	       "firmware  EDK II 1.0\n"
	       "uptime    1d 2:03:09\n");
	expect("version --json",
	       "{\"version\": {\"version\": \"1.2.3\", \"cpu\": \"Imaginary CPU @ 1 GHz\", "
	       "\"cpus\": 4, \"memory_bytes\": 8589934592, \"backend\": \"VT-x with everything\", "
	       "\"firmware\": \"EDK II 1.0\", \"uptime_us\": 93789000000}}\n");
	virt = NULL;
	fake_boot_info.firmware[0] = 0;
	expect_part("version", "backend   none: partitions cannot run\nfirmware  not known\n");
}

static void test_uptime(void **state)
{
	(void)state;
	expect("uptime", "uptime  1d 2:03:09\n");
	fake_time_us = 0;
	expect("uptime --json", "{\"uptime\": {\"uptime_us\": 0}}\n");
}

static void test_cpus(void **state)
{
	(void)state;
	expect("cpus", "CPU  APIC  ONLINE  RUNS     READY  DEDICATED TO  AFFINITY OF\n"
		       "  0     0  yes     console      0  -             -\n"
		       "  1     2  yes     idle         0  -             -\n"
		       "  2     4  yes     idle         0  -             -\n"
		       "  3     6  yes     web/0        2  -             -\n");
	memset(&configs[0].affinity, 0, sizeof(configs[0].affinity));
	cpu_mask_add(&configs[0].affinity, 2);
	cpu_mask_add(&configs[0].affinity, 1);
	memset(&configs[1].affinity, 0, sizeof(configs[1].affinity));
	cpu_mask_add(&configs[1].affinity, 2);
	cpus[2]->dedicated = &vcpus[1].thread;
	cpus[2]->online = false;
	cpus[2]->thread = NULL;
	cpus[3] = NULL;
	expect("cpus", "CPU  APIC  ONLINE  RUNS     READY  DEDICATED TO  AFFINITY OF\n"
		       "  0     0  yes     console      0  -             -\n"
		       "  1     2  yes     idle         0  -             web\n"
		       "  2     4  no      -            0  debian-12/0   web, debian-12\n");
	cpus[0] = cpus[1] = NULL;
	expect("cpus --json", "{\"cpus\": [{\"id\": 2, \"apic_id\": 4, \"online\": false, "
			      "\"runs\": null, \"ready\": 0, \"dedicated\": \"debian-12/0\", "
			      "\"affinity\": \"web, debian-12\"}]}\n");
}

static void test_memory(void **state)
{
	(void)state;
	expect("memory", "total     8G\n"
			 "free      6G\n"
			 "Bulkhead  100M\n"
			 "spare     1540K\n"
			 "tables    2M\n"
			 "devices   40K\n"
			 "other     3M\n"
			 "NAME       MEMORY  HELD  BLOCKS\n"
			 "web          512M  512M       2\n"
			 "debian-12      2G     0       0\n");
	first->next = NULL;
	expect("memory --json",
	       "{\"memory\": {\"total_bytes\": 8589934592, \"free_bytes\": 6442450944, "
	       "\"hypervisor_bytes\": 104857600, \"spare_bytes\": 1576960, "
	       "\"tables_bytes\": 2097152, \"devices_bytes\": 40960, "
	       "\"other_bytes\": 3145728}, \"partitions\": "
	       "[{\"name\": \"web\", "
	       "\"memory_bytes\": 536870912, \"held_bytes\": 536870912, \"blocks\": 2}]}\n");
}

static void test_log(void **state)
{
	static const char *const wrong[] = {
		"0", "-1", "x", "2x", "4294967296", "1.5", "99999999999999999999999", "\"\""};

	(void)state;
	expect("log", "line 100\nline 101\nline 102\nline 103\nline 104\n");
	expect("log 2", "line 103\nline 104\n");
	expect("log 5", "line 100\nline 101\nline 102\nline 103\nline 104\n");
	expect("log 4294967295", "line 100\nline 101\nline 102\nline 103\nline 104\n");
	expect("log 1 --json", "{\"log\": [{\"sequence\": 104, \"time_us\": 104000, \"level\": "
			       "\"warn\", \"cpu\": 3, \"text\": \"line \\\"104\\\"\"}]}\n");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char line[64];

		snprintf(line, sizeof(line), "log %s", wrong[i]);
		expect_part(line, "\" is not a number of lines from 1 to 4294967295\n");
		assert_int_equal(command_run(line), -EINVAL);
	}
	cancel = true;
	expect("log", "line 100\n^C\n");
	log_end = log_first;
	expect("log", "");
	expect("log --json", "{\"log\": []}\n");
}

static void test_loglevel(void **state)
{
	(void)state;
	expect("loglevel", "log level  info\n");
	expect("loglevel debug", "log level  debug\n");
	assert_int_equal(fake_host.log_level, LOG_DEBUG);
	expect("loglevel error --json", "{\"loglevel\": {\"level\": \"error\"}}\n");
	assert_int_equal(fake_host.log_level, LOG_ERROR);
	expect_error("loglevel loud", "no word \"loud\"; there are: error, warn, info, debug\n");
	expect_error("loglevel \"\"", "no word \"\"; there are: error, warn, info, debug\n");
	assert_int_equal(fake_host.log_level, LOG_ERROR);
}

static void expect_down(const char *line, const char *how)
{
	went_down[0] = 0;
	flushed = false;
	/* What never returns leaves the depth of commands behind: only so many at a time. */
	if (!setjmp(machine_gone)) {
		(void)command_run(line);
		fail_msg("\"%s\" came back", line);
	}
	assert_string_equal(went_down, how);
	assert_true(flushed);
}

static void test_going_down_is_held(void **state)
{
	(void)state;
	expect_error("poweroff",
		     "still running: web\n"
		     "\"poweroff now\" does it all the same, as if their power failed\n");
	partitions[1].state = PARTITION_PAUSED;
	expect_error("reboot", "still running: web, debian-12\n"
			       "\"reboot now\" does it all the same, as if their power failed\n");
	expect_error("reboot --json", "{\"error\": \"still running: web, debian-12\"}\n");
	expect_error("reboot tomorrow",
		     "reboot: \"tomorrow\" is not \"now\"\nusage: reboot [now]\n");
	expect_error("panic later", "panic: \"later\" is not \"now\"\nusage: panic now\n");
	assert_string_equal(went_down, "");
}

/* The last tests: what goes down does not come back. */
static void test_going_down(void **state)
{
	(void)state;
	expect_down("reboot now", "stop,reboot");
	partitions[0].state = PARTITION_STOPPED;
	partitions[1].state = PARTITION_WAITING;
	expect_down("poweroff", "stop,off");
	/* Such a machine takes no more commands. */
	assert_int_equal(command_run("uptime"), -EBUSY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(test_version),
		FAKE_TEST(test_uptime),
		FAKE_TEST(test_cpus),
		FAKE_TEST(test_memory),
		FAKE_TEST(test_log),
		FAKE_TEST(test_loglevel),
		FAKE_TEST(test_going_down_is_held),
		FAKE_TEST(test_going_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
