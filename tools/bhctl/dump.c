/* SPDX-License-Identifier: MIT */
/* bhctl dump: a partition's memory and registers as an ELF core file. */
#include "bhctl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS	  5 /* that bring nothing, until a dump is given up */
#define ROUND_US  1000000
#define REDRAW_MS 200
#define BAR_WIDTH 30

struct dump {
	struct link *link;
	const char *name;
	struct out_file file;
	u64 total, done;
	bool bar; /* shown */
	u64 begun_at, drawn_at;
};

static void bar_draw(struct dump *dump, bool last)
{
	u64 now = now_ms(), ms = now - dump->begun_at, left;
	int full = dump->total ? (int)(dump->done * BAR_WIDTH / dump->total) : BAR_WIDTH;

	if (!dump->bar || (!last && now - dump->drawn_at < REDRAW_MS))
		return;
	dump->drawn_at = now;
	left = dump->done ? (dump->total - dump->done) / 1024 * ms / (dump->done / 1024 + 1) / 1000
			  : 0;
	fprintf(stderr, "\r%s [%.*s%*s] %3lu %%  %lu of %lu KiB  %lu:%02lu left \x1b[K%s",
		dump->name, full, "##############################", BAR_WIDTH - full, "",
		dump->total ? dump->done * 100 / dump->total : 100, dump->done / 1024,
		(dump->total + 1023) / 1024, left / 60, left % 60, last ? "\n" : "");
}

/* Zeros become holes of the file. */
static bool run_write(struct dump *dump, const u8 *bytes, u32 count, bool zeros)
{
	if (zeros ? fseek(dump->file.stream, (long)count, SEEK_CUR) != 0
		  : fwrite(bytes, 1, count, dump->file.stream) != count) {
		failed("cannot write %s: %s", dump->file.part, strerror(errno));
		return false;
	}
	dump->done += count;
	return true;
}

/* Whether the answer is made of whole runs and goes on for at least a byte and at most `wanted`. */
static bool runs_fit(const struct link *link, u64 wanted)
{
	u64 covered = 0;
	u32 at = 0;

	while (at < link->bytes) {
		u32 run, count;

		if (link->bytes - at < 4)
			return false;
		run = (u32)frame_get(link->data + at, 4);
		count = run & ~FRAME_RUN_ZERO;
		at += 4;
		if (!(run & FRAME_RUN_ZERO) && count > link->bytes - at)
			return false;
		at += run & FRAME_RUN_ZERO ? 0 : count;
		covered += count;
	}
	return covered && covered <= wanted;
}

static enum outcome runs_write(struct dump *dump)
{
	const struct link *link = dump->link;
	u32 at = 0;

	while (at < link->bytes) {
		u32 run = (u32)frame_get(link->data + at, 4), count = run & ~FRAME_RUN_ZERO;
		bool zeros = run & FRAME_RUN_ZERO;

		at += 4;
		if (!run_write(dump, link->data + at, count, zeros))
			return OUTCOME_FAILED;
		at += zeros ? 0 : count;
	}
	return OUTCOME_GOOD;
}

/* Ask for what is next until it comes: a dump may take an hour, and a cable is soon plugged in
 * again. */
static enum outcome piece_ask(struct dump *dump, u64 wanted)
{
	u8 payload[FRAME_PAYLOAD_BYTES];
	u32 bytes = link_name(payload, dump->name);
	enum outcome outcome = OUTCOME_GOOD;

	frame_put(payload + bytes, dump->done, 8);
	frame_put(payload + bytes + 8, wanted, 4);
	for (int round = 0; round < ROUNDS; round++) {
		dump->link->quiet = round + 1 < ROUNDS;
		outcome = link_ask(dump->link, FRAME_DUMP_READ, payload, bytes + 12);
		if (!outcome || !dump->link->greeted)
			break; /* done, or the machine is another one now */
		usleep(ROUND_US);
	}
	dump->link->quiet = false;
	if (!outcome || dump->link->greeted)
		return outcome;
	return failed("the machine was started anew meanwhile");
}

static enum outcome dump_pieces(struct dump *dump)
{
	while (dump->done < dump->total) {
		u64 wanted = MIN(dump->total - dump->done, (u64)FRAME_DUMP_MAX);
		enum outcome outcome = piece_ask(dump, wanted);

		if (outcome)
			return outcome;
		if (dump->link->status)
			return failed_there(dump->link);
		if (!runs_fit(dump->link, wanted)) {
			fprintf(stderr, "bhctl: a piece of the dump makes no sense\n");
			return OUTCOME_PROTOCOL;
		}
		outcome = runs_write(dump);
		if (outcome)
			return outcome;
		bar_draw(dump, false);
	}
	return OUTCOME_GOOD;
}

static enum outcome dump_begin(struct dump *dump)
{
	u8 payload[FRAME_PAYLOAD_BYTES];
	enum outcome outcome;

	outcome = link_ask(dump->link, FRAME_DUMP_BEGIN, payload, link_name(payload, dump->name));
	if (outcome)
		return outcome;
	if (dump->link->status)
		return failed_there(dump->link);
	if (dump->link->bytes != 8) {
		fprintf(stderr,
			"bhctl: the answer to the beginning of a dump has a wrong length\n");
		return OUTCOME_PROTOCOL;
	}
	dump->total = frame_get(dump->link->data, 8);
	return OUTCOME_GOOD;
}

static enum outcome dump_finish(struct dump *dump)
{
	/* The file may end in a hole. */
	if (fflush(dump->file.stream) || ftruncate(fileno(dump->file.stream), (off_t)dump->total)) {
		failed("cannot write %s: %s", dump->file.part, strerror(errno));
		out_file_abandon(&dump->file);
		return OUTCOME_FAILED;
	}
	return out_file_commit(&dump->file);
}

enum outcome dump_run(struct session *session, int count, char **words)
{
	struct dump dump = {.link = session->link, .bar = isatty(STDERR_FILENO)};
	bool force = false;
	const struct option_slot slots[] = {{"--force", NULL, &force}};
	enum outcome outcome;

	count = options_take(count, words, slots, ARRAY_SIZE(slots));
	if (count != 3)
		return usage_show("dump");
	dump.name = words[1];
	outcome = out_file_open(&dump.file, words[2], force);
	if (outcome)
		return outcome;
	outcome = dump_begin(&dump);
	dump.begun_at = now_ms();
	if (!outcome)
		outcome = dump_pieces(&dump);
	if (outcome) {
		if (dump.drawn_at)
			fputc('\n', stderr);
		out_file_abandon(&dump.file);
		return outcome;
	}
	bar_draw(&dump, true);
	return dump_finish(&dump);
}
