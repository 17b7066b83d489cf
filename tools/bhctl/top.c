/* SPDX-License-Identifier: MIT */
/* bhctl top: what Bulkhead's "top --json" tells, redrawn in place. */
#include "bhctl.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#define ROWS_DEFAULT  24
#define WIDTH_DEFAULT 80
#define WIDTH_MAX     512
#define SCREEN_BEGIN  "\x1b[?25l\x1b[2J" /* no cursor, nothing on the screen */
#define SCREEN_END    "\x1b[?25h"

struct screen {
	bool terminal; /* redrawn in place */
	u32 rows, width, row;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

/* --- drawing --- */

static void screen_begin(struct screen *screen)
{
	struct winsize size;

	screen->rows = ROWS_DEFAULT;
	screen->width = WIDTH_DEFAULT;
	screen->row = 0;
	if (!screen->terminal)
		return;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col) {
		screen->rows = size.ws_row;
		screen->width = size.ws_col;
	}
	fputs("\x1b[H", stdout);
}

static bool screen_is_full(const struct screen *screen)
{
	return screen->terminal && screen->row + 1 >= screen->rows;
}

static void line_draw(struct screen *screen, const char *format, ...) printf_like(2, 3);

static void line_draw(struct screen *screen, const char *format, ...)
{
	char text[WIDTH_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (!screen->terminal)
		printf("%s\n", text);
	else if (!screen_is_full(screen))
		printf("%.*s\x1b[K\r\n", (int)screen->width - 1, text);
	screen->row++;
}

static void screen_finish(const struct screen *screen)
{
	if (screen->terminal)
		fputs("\x1b[J", stdout);
	else
		putchar('\n');
	fflush(stdout);
}

/* --- what is drawn --- */

static double number_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static const char *text_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(item) ? item->valuestring : "-";
}

/* "100 50%", "2ms/10ms", "dedicated": as Bulkhead's own top shows it. */
static void claim_text(char *text, size_t bytes, const cJSON *row)
{
	const char *kind = text_of(row, "kind");
	double weight = number_of(row, "weight"), cap = number_of(row, "cap");
	size_t length = 0;

	text[0] = 0;
	if (strcmp(kind, "dedicated") == 0) {
		snprintf(text, bytes, "dedicated");
		return;
	}
	if (strcmp(kind, "reserved") == 0)
		length = (size_t)snprintf(text, bytes, "%gms/%gms",
					  number_of(row, "budget_us") / 1000,
					  number_of(row, "period_us") / 1000);
	if (weight > 0 && length < bytes)
		length += (size_t)snprintf(text + length, bytes - length, "%s%.0f",
					   length ? " " : "", weight);
	if (cap > 0 && length < bytes)
		snprintf(text + length, bytes - length, "%s%.0f%%", length ? " " : "", cap);
}

static void head_draw(struct screen *screen, const struct link *link, const cJSON *all)
{
	const cJSON *host = cJSON_GetObjectItemCaseSensitive(all, "host"), *cpu;
	u64 s = (u64)(number_of(host, "uptime_us") / 1e6);
	char text[WIDTH_MAX] = "CPU";
	size_t length = strlen(text);

	line_draw(screen,
		  "Bulkhead %s  up %lud %lu:%02lu:%02lu  memory %.0fM, free %.0fM  last %.1f s%s",
		  link->version, s / 86400, s / 3600 % 24, s / 60 % 60, s % 60,
		  number_of(host, "memory_total") / 1048576,
		  number_of(host, "memory_free") / 1048576, number_of(host, "interval_us") / 1e6,
		  screen->terminal ? "  q leaves" : "");
	cJSON_ArrayForEach(cpu, cJSON_GetObjectItemCaseSensitive(all, "cpus"))
	{
		if (length < sizeof(text))
			length += (size_t)snprintf(text + length, sizeof(text) - length,
						   "  %.0f: %5.1f%%", number_of(cpu, "cpu"),
						   number_of(cpu, "load") / 100);
	}
	line_draw(screen, "%s", text);
	line_draw(screen, "%s", "");
	line_draw(screen, "%-14s %-9s %3s %6s %6s %6s %6s %6s  %-20s %9s %8s", "NAME", "STATE",
		  "CPU", "%RUN", "%EXIT", "%READY", "%CAP", "%BLOCK", "CLAIM", "EXITS/s", "IRQ/s");
}

static void row_draw(struct screen *screen, const cJSON *row)
{
	char claim[64], name[64];

	claim_text(claim, sizeof(claim), row);
	if (number_of(row, "vcpus") > 1)
		snprintf(name, sizeof(name), "%.11s/%.0f", text_of(row, "name"),
			 number_of(row, "vcpu"));
	else
		snprintf(name, sizeof(name), "%s", text_of(row, "name"));
	line_draw(screen,
		  "%-14.14s %-9.9s %3.0f %6.1f %6.1f %6.1f %6.1f %6.1f  %-20.20s %9.0f %8.0f", name,
		  text_of(row, "state"), number_of(row, "cpu"), number_of(row, "run") / 100,
		  number_of(row, "exit") / 100, number_of(row, "ready") / 100,
		  number_of(row, "capped") / 100, number_of(row, "blocked") / 100, claim,
		  number_of(row, "exits_per_second"), number_of(row, "interrupts_per_second"));
}

static void top_draw(struct screen *screen, const struct link *link, const cJSON *all)
{
	const cJSON *rows = cJSON_GetObjectItemCaseSensitive(all, "partitions"), *row;
	int left = cJSON_GetArraySize(rows);

	screen_begin(screen);
	head_draw(screen, link, all);
	cJSON_ArrayForEach(row, rows)
	{
		if (screen->terminal && left > 1 && screen->row + 2 >= screen->rows) {
			line_draw(screen, "and %d more, which use less", left);
			break;
		}
		row_draw(screen, row);
		left--;
	}
	screen_finish(screen);
}

/* --- the command --- */

static enum outcome top_ask(struct session *session, struct screen *screen)
{
	struct link *link = session->link;
	enum outcome outcome = command_ask(link, "top --json");
	cJSON *all;

	if (outcome)
		return outcome;
	if (link->status)
		return failed_there(link);
	all = cJSON_ParseWithLength((const char *)link->data, link->bytes);
	if (!all || !cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(all, "partitions"))) {
		cJSON_Delete(all);
		fprintf(stderr, "bhctl: the answer to \"top --json\" is not what it should be\n");
		return OUTCOME_PROTOCOL;
	}
	top_draw(screen, link, all);
	cJSON_Delete(all);
	return OUTCOME_GOOD;
}

/* Until it is time for the next one. Returns whether the user has asked to leave. */
static bool pause_pass(u64 until, bool terminal)
{
	for (u64 now = now_ms(); now < until && !interrupted; now = now_ms()) {
		char key;

		if (!terminal) {
			usleep((useconds_t)(until - now) * 1000);
			continue;
		}
		if (keys_wait(until - now) == 0)
			continue;
		if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' || key == 3)
			return true;
	}
	return interrupted;
}

static enum outcome top_loop(struct session *session, struct screen *screen, u64 seconds, u64 times)
{
	bool keys = screen->terminal && isatty(STDIN_FILENO);

	for (u64 i = 0; i < times; i++) {
		u64 until = now_ms() + seconds * 1000;
		enum outcome outcome = top_ask(session, screen);

		if (outcome)
			return outcome;
		if (i + 1 < times && pause_pass(until, keys))
			break;
	}
	return OUTCOME_GOOD;
}

enum outcome top_run(struct session *session, int count, char **words)
{
	struct screen screen = {.terminal = isatty(STDOUT_FILENO)};
	const struct sigaction action = {.sa_handler = on_interrupt};
	const char *interval = "1", *limit = "1000000000";
	const struct option_slot slots[] = {{"--interval", &interval, NULL},
					    {"--count", &limit, NULL}};
	u64 seconds, times;
	struct sigaction before;
	enum outcome outcome;

	count = options_take(count, words, slots, ARRAY_SIZE(slots));
	if (count != 1)
		return usage_show("top");
	if (!number_read(interval, "the interval", 1, 3600, &seconds) ||
	    !number_read(limit, "the count", 1, 1000000000, &times))
		return OUTCOME_MISUSE;
	outcome = link_greet(session->link);
	if (outcome)
		return outcome;
	interrupted = 0;
	sigaction(SIGINT, &action, &before);
	if (screen.terminal) {
		fputs(SCREEN_BEGIN, stdout);
		terminal_raw();
	}
	outcome = top_loop(session, &screen, seconds, times);
	if (screen.terminal) {
		terminal_restore();
		fputs(SCREEN_END, stdout);
		fflush(stdout);
	}
	sigaction(SIGINT, &before, NULL);
	return outcome;
}
