/* SPDX-License-Identifier: MIT */
/* bhctl: manage a Bulkhead from another machine, over the line that its console is on. */
#include "bhctl.h"
#include "line.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_VARIABLE	   "BULKHEAD_LINE"
#define TIMEOUT_MS_DEFAULT 2000
#define TRIES_DEFAULT	   5

static const char usage[] =
	"usage: bhctl [OPTION]... COMMAND...\n"
	"Manage a Bulkhead over the line that its console is on.\n"
	"\n"
	"  -s, --line LINE     tty:DEVICE[,BAUD], pty:DEVICE, tcp:HOST:PORT, unix:PATH, or the\n"
	"                      path of a device or socket; default: $" LINE_VARIABLE "\n"
	"  -j, --json          let Bulkhead answer in JSON\n"
	"  -t, --timeout SECS  wait that long for an answer before asking again (2)\n"
	"  -r, --tries N       ask that often (5)\n"
	"  -h, --help; -V, --version\n"
	"\n"
	"Commands are those of Bulkhead's console (bhctl help lists them), and:\n"
	"  attach NAME [--new]                  use a partition's console; Ctrl-] leaves\n"
	"  dump NAME FILE [--force]             save a partition's memory and registers\n"
	"  shell                                take commands from the keyboard\n"
	"  top [--interval SECONDS] [--count N] show who uses the machine; q leaves\n"
	"  trace FILE [--seconds N] [--force]   save the trace for Perfetto's viewer\n"
	"  wait NAME STATE [--timeout SECONDS]  until a partition is in a state, or \"gone\"\n"
	"\n"
	"Exits 0 when all went well, 1 when the command failed, 2 on misuse, 3 when the line\n"
	"cannot be opened or no Bulkhead answers, 4 when no answer came through undamaged.\n";

static const struct option long_options[] = {
	{"line", required_argument, NULL, 's'},
	{"json", no_argument, NULL, 'j'},
	{"timeout", required_argument, NULL, 't'},
	{"tries", required_argument, NULL, 'r'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static bool option_take(struct session *session, int option)
{
	u64 number = 0;

	switch (option) {
	case 's':
		session->link->name = optarg;
		return true;
	case 'j':
		session->options.json = true;
		return true;
	case 't':
		if (!number_read(optarg, "the timeout", 1, 600, &number))
			return false;
		session->link->timeout_ms = (u32)number * 1000;
		return true;
	case 'r':
		if (!number_read(optarg, "the number of tries", 1, 1000, &number))
			return false;
		session->link->tries = (u32)number;
		return true;
	case 'h':
		fputs(usage, stdout);
		exit(OUTCOME_GOOD);
	case 'V':
		printf("bhctl " BULKHEAD_VERSION ", protocol %d\n", FRAME_VERSION);
		exit(OUTCOME_GOOD);
	default:
		return false;
	}
}

int main(int count, char **words)
{
	static struct link link = {
		.fd = -1, .timeout_ms = TIMEOUT_MS_DEFAULT, .tries = TRIES_DEFAULT};
	struct session session = {.link = &link};
	enum outcome outcome;
	int option;

	link.name = getenv(LINE_VARIABLE);
	/* Options behind the command are the command's. */
	while ((option = getopt_long(count, words, "+s:jt:r:hV", long_options, NULL)) >= 0) {
		if (!option_take(&session, option)) {
			fputs("bhctl --help tells how it is used\n", stderr);
			return OUTCOME_MISUSE;
		}
	}
	if (optind == count) {
		fputs(usage, stderr);
		return OUTCOME_MISUSE;
	}
	if (!link.name || !link.name[0]) {
		fprintf(stderr, "bhctl: no line: name one with -s or in " LINE_VARIABLE ": %s\n",
			line_forms);
		return OUTCOME_MISUSE;
	}
	signal(SIGPIPE, SIG_IGN);
	link.fd = line_open(link.name);
	if (link.fd < 0)
		return OUTCOME_NO_LINE;
	outcome = session_run(&session, count - optind, words + optind);
	close(link.fd);
	if (fflush(stdout) && !outcome)
		outcome = failed("cannot write what there is to say");
	return (int)outcome;
}
