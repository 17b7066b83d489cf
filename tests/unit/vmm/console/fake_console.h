/* SPDX-License-Identifier: MIT */
/* Lines and what they print, for tests of commands on the machine of fake_commands.h. */
#pragma once

#include "cmocka_all.h"

#include "fake_commands.h"

/* What a line prints. A line that fails says so. */
unused static void expect(const char *line, const char *text)
{
	output_clear();
	assert_int_equal(command_run(line), 0);
	assert_string_equal(output, text);
}

unused static void expect_error(const char *line, const char *text)
{
	output_clear();
	assert_int_equal(command_run(line), -EINVAL);
	assert_string_equal(output, text);
}

unused static void expect_part(const char *line, const char *text)
{
	output_clear();
	(void)command_run(line);
	if (!strstr(output, text))
		fail_msg("\"%s\" is not in:\n%s", text, output);
}

unused static int fake_setup(void **state)
{
	(void)state;
	fake_begin();
	return 0;
}

unused static int fake_teardown(void **state)
{
	(void)state;
	assert_int_equal(fake_irqs_off, 0);
	assert_int_equal(fake_pages_out, 0);
	assert_null(capture);
	return 0;
}

#define FAKE_TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
