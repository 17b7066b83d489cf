/* SPDX-License-Identifier: MIT */
/* screen: what of a guest's screen is printed. */
/* links: vmm/console/arguments.c vmm/console/report.c vmm/format.c */
/* links: vmm/page_table.c vmm/page_table_formats.c */
/* links: vmm/partition_view.c vmm/byte_ring.c */
#include "fake_guest.h"

#include <bulkhead/screen.h>

static const struct virt_backend backend;
const struct virt_backend *virt = &backend;

static struct screen_text shown;
static bool ran;

bool partition_screen(struct partition *partition, struct screen_text *text)
{
	assert_string_equal(partition->config->name, "web");
	if (ran)
		*text = shown;
	return ran;
}

static int setup(void **state)
{
	guests_setup(state);
	memset(&shown, 0, sizeof(shown));
	memset(shown.cells, ' ', sizeof(shown.cells));
	shown.cursor_line = 3;
	shown.cursor_column = 4;
	ran = true;
	return 0;
}

static void put(u32 line, u32 column, const char *text)
{
	memcpy(&shown.cells[line][column], text, strlen(text));
}

static void test_text(void **state)
{
	(void)state;
	put(0, 2, "title");
	put(2, 0, "two");
	put(2, 79, "!");
	expect(command_screen, "web",
	       "  title\n\n"
	       "two                                                                            "
	       "!\n");
	put(24, 0, "end");
	expect_part(command_screen, "web", "!\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\nend\n");
	expect_json(command_screen, "web",
		    "\"screen\": {\"name\": \"web\", \"cursor_line\": 3, \"cursor_column\": 4}, "
		    "\"text\": \"  title\\n\\ntwo ");
}

/* No control code reaches the operator's terminal. */
static void test_characters(void **state)
{
	(void)state;
	put(0, 0, "\xda\xc4\xbf\xb3\xdb\xb0\xcd\xba");
	put(1, 0, "\x1b[2J\x7f\x80\xe1\xff\x01");
	memset(shown.cells[2], 0, 80);
	expect(command_screen, "web", "+-+|#%=|\n?[2J??? ?\n");
	for (unsigned code = 0; code < 256; code++) {
		shown.cells[0][0] = (u8)code;
		(void)run_as(false, command_screen, "web");
		assert_in_range(output[0], ' ', '~');
	}
}

static void test_nothing(void **state)
{
	(void)state;
	expect(command_screen, "web", "nothing is on its screen\n");
	ran = false;
	expect_error(command_screen, "web", "web has shown nothing yet: it was never started");
	expect_error(command_screen, "wbe", "no partition \"wbe\"; there are: web, db");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, setup, guests_teardown),
		cmocka_unit_test_setup_teardown(test_characters, setup, guests_teardown),
		cmocka_unit_test_setup_teardown(test_nothing, setup, guests_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
