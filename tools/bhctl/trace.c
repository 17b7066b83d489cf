/* SPDX-License-Identifier: MIT */
/*
 * bhctl trace: the trace as a file of trace events in JSON, which Perfetto's viewer and Chrome's
 * open. Each CPU is a track: slices say who runs, slices within them how long an exit took, marks
 * what else happened.
 */
#include "bhctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include <bulkhead/trace.h>

#define NAMES_MAX   65536
#define CPUS_MAX    4096
#define SECONDS_MAX 3600

struct cpu_trace {
	struct trace_record *records;
	u32 count, room;
};

struct trace {
	struct link *link;
	struct cpu_trace *cpus;
	u32 cpu_count;
	u64 begin; /* TSC of the first record of all */
	u64 end;   /* no record after this TSC is wanted */
	char *threads[NAMES_MAX], *exits[NAMES_MAX];
	FILE *stream;
	bool bad; /* no memory to write an event with */
	u64 events;
};

/* --- fetching --- */

static bool record_add(struct cpu_trace *cpu, const u8 *bytes)
{
	if (cpu->count == cpu->room) {
		u32 room = cpu->room ? cpu->room * 2 : 1024;
		struct trace_record *larger = reallocarray(cpu->records, room, sizeof(*larger));

		if (!larger)
			return false;
		cpu->records = larger;
		cpu->room = room;
	}
	cpu->records[cpu->count++] = (struct trace_record){
		.tsc = frame_get(bytes, 8),
		.data = (u32)frame_get(bytes + 8, 4),
		.who = (u16)frame_get(bytes + 12, 2),
		.kind = bytes[14],
	};
	return true;
}

/* Take one answer's records. Returns whether there are more that are wanted. */
static bool records_take(struct trace *trace, struct cpu_trace *cpu)
{
	const struct link *link = trace->link;
	u32 at;

	for (at = 8; at + FRAME_RECORD_BYTES <= link->bytes; at += FRAME_RECORD_BYTES) {
		/* Others may be recorded faster than the line carries these. */
		if (frame_get(link->data + at, 8) > trace->end)
			return false;
		if (!record_add(cpu, link->data + at)) {
			trace->bad = true;
			return false;
		}
	}
	return at > 8;
}

static enum outcome cpu_fetch(struct trace *trace, u32 number)
{
	u8 payload[12];
	u64 next = 0;

	do {
		enum outcome outcome;

		frame_put(payload, number, 4);
		frame_put(payload + 4, next, 8);
		outcome = link_ask(trace->link, FRAME_TRACE_READ, payload, sizeof(payload));
		if (outcome)
			return outcome;
		if (trace->link->status)
			return failed_there(trace->link);
		if (trace->link->bytes < 8) {
			fprintf(stderr, "bhctl: a piece of the trace is too short\n");
			return OUTCOME_PROTOCOL;
		}
		next = frame_get(trace->link->data, 8);
	} while (records_take(trace, &trace->cpus[number]));
	return trace->bad ? failed("no memory for the trace") : OUTCOME_GOOD;
}

/* Lines "thread NUMBER NAME" and "exit NUMBER NAME". */
static void name_take(struct trace *trace, const char *line)
{
	char **names = NULL, *end;
	unsigned long number;

	if (strncmp(line, "thread ", 7) == 0)
		names = trace->threads;
	else if (strncmp(line, "exit ", 5) == 0)
		names = trace->exits;
	if (!names)
		return; /* of a later version */
	number = strtoul(strchr(line, ' ') + 1, &end, 10);
	if (number >= NAMES_MAX || *end != ' ')
		return;
	free(names[number]);
	names[number] = strdup(end + 1);
}

static enum outcome names_fetch(struct trace *trace)
{
	enum outcome outcome = link_ask(trace->link, FRAME_NAMES, NULL, 0);

	if (outcome)
		return outcome;
	for (char *line = strtok((char *)trace->link->data, "\n"); line; line = strtok(NULL, "\n"))
		name_take(trace, line);
	return OUTCOME_GOOD;
}

static enum outcome trace_fetch(struct trace *trace)
{
	enum outcome outcome = link_greet(trace->link); /* for the TSC as it is now */

	if (outcome)
		return outcome;
	if (!trace->link->tsc_hz || trace->link->cpus > CPUS_MAX)
		return failed("Bulkhead tells %u CPUs at %lu Hz, which cannot be",
			      trace->link->cpus, trace->link->tsc_hz);
	trace->end = trace->link->tsc;
	trace->cpus = calloc(trace->link->cpus, sizeof(*trace->cpus));
	if (!trace->cpus)
		return failed("no memory for the trace");
	trace->cpu_count = trace->link->cpus;
	outcome = names_fetch(trace);
	for (u32 cpu = 0; cpu < trace->cpu_count && !outcome; cpu++)
		outcome = cpu_fetch(trace, cpu);
	return outcome;
}

/* --- writing --- */

static double microseconds(const struct trace *trace, u64 ticks)
{
	/* Of nanoseconds, as more digits are noise. */
	u64 ns = (u64)((double)ticks * 1e9 / (double)trace->link->tsc_hz + 0.5);

	return (double)ns / 1000;
}

static cJSON *event_new(const char *phase, const char *name, u32 cpu)
{
	cJSON *event = cJSON_CreateObject();

	cJSON_AddStringToObject(event, "ph", phase);
	cJSON_AddStringToObject(event, "name", name);
	cJSON_AddNumberToObject(event, "pid", 1);
	cJSON_AddNumberToObject(event, "tid", cpu);
	return event;
}

static void event_write(struct trace *trace, cJSON *event)
{
	char *text = cJSON_PrintUnformatted(event);

	if (text)
		fprintf(trace->stream, "%s\n%s", trace->events++ ? "," : "", text);
	else
		trace->bad = true;
	cJSON_free(text);
	cJSON_Delete(event);
}

static void track_write(struct trace *trace, u32 cpu)
{
	cJSON *event = event_new("M", "thread_name", cpu);
	char name[32];

	snprintf(name, sizeof(name), "CPU %u", cpu);
	cJSON_AddStringToObject(cJSON_AddObjectToObject(event, "args"), "name", name);
	event_write(trace, event);
	event = event_new("M", "thread_sort_index", cpu);
	cJSON_AddNumberToObject(cJSON_AddObjectToObject(event, "args"), "sort_index", cpu);
	event_write(trace, event);
}

static void process_write(struct trace *trace)
{
	cJSON *event = event_new("M", "process_name", 0);
	char name[160];

	snprintf(name, sizeof(name), "Bulkhead %s", trace->link->version);
	cJSON_AddStringToObject(cJSON_AddObjectToObject(event, "args"), "name", name);
	event_write(trace, event);
}

static const char *name_of(char *const *names, u32 number, const char *what, char text[32])
{
	if (number < NAMES_MAX && names[number])
		return names[number];
	snprintf(text, 32, "%s %u", what, number);
	return text;
}

static const char *thread_name(const struct trace *trace, u32 who, char text[32])
{
	return who ? name_of(trace->threads, who, "thread", text) : "idle";
}

static void slice_write(struct trace *trace, u32 cpu, const char *category, const char *name,
			u64 from, u64 to)
{
	cJSON *event = event_new("X", name, cpu);

	cJSON_AddStringToObject(event, "cat", category);
	cJSON_AddNumberToObject(event, "ts", microseconds(trace, from - trace->begin));
	cJSON_AddNumberToObject(event, "dur", microseconds(trace, to - from));
	event_write(trace, event);
}

static void mark_write(struct trace *trace, u32 cpu, const struct trace_record *record)
{
	static const char *const kinds[] = {
		[TRACE_WAKE] = "wake",
		[TRACE_MIGRATE] = "migrate",
		[TRACE_INTERRUPT] = "interrupt",
		[TRACE_INJECT] = "inject",
	};
	const char *kind = record->kind < ARRAY_SIZE(kinds) ? kinds[record->kind] : NULL;
	char name[96], text[32];
	cJSON *event, *arguments;

	if (!kind)
		kind = "event of a later version";
	if (record->kind == TRACE_INTERRUPT || record->kind == TRACE_INJECT)
		snprintf(name, sizeof(name), "%s 0x%x", kind, record->data);
	else
		snprintf(name, sizeof(name), "%s %s", kind, thread_name(trace, record->who, text));
	event = event_new("i", name, cpu);
	cJSON_AddStringToObject(event, "cat", kind);
	cJSON_AddStringToObject(event, "s", "t");
	cJSON_AddNumberToObject(event, "ts", microseconds(trace, record->tsc - trace->begin));
	arguments = cJSON_AddObjectToObject(event, "args");
	cJSON_AddStringToObject(arguments, "who", thread_name(trace, record->who, text));
	cJSON_AddNumberToObject(arguments, "data", record->data);
	event_write(trace, event);
}

/* What is under way on a CPU. */
struct track {
	u32 cpu;
	const struct trace_record *running, *exit; /* NULL: none, or it is not known */
};

static void exit_close(struct trace *trace, struct track *track, u64 tsc)
{
	char text[32];

	if (track->exit)
		slice_write(trace, track->cpu, "exit",
			    name_of(trace->exits, track->exit->data, "exit", text),
			    track->exit->tsc, tsc);
	track->exit = NULL;
}

static void run_close(struct trace *trace, struct track *track, u64 tsc)
{
	char text[32];

	/* An exit whose vCPU gives the CPU up is over: slices may not cross. */
	exit_close(trace, track, tsc);
	if (track->running && track->running->who)
		slice_write(trace, track->cpu, "run", thread_name(trace, track->running->who, text),
			    track->running->tsc, tsc);
	track->running = NULL;
}

static void record_write(struct trace *trace, struct track *track,
			 const struct trace_record *record)
{
	switch (record->kind) {
	case TRACE_SWITCH:
		if (track->running && track->running->who == record->who)
			break; /* it goes on */
		run_close(trace, track, record->tsc);
		track->running = record;
		break;
	case TRACE_EXIT:
		exit_close(trace, track, record->tsc);
		track->exit = record;
		break;
	case TRACE_ENTRY:
		exit_close(trace, track, record->tsc);
		break;
	default:
		mark_write(trace, track->cpu, record);
	}
}

static void cpu_write(struct trace *trace, u32 number)
{
	const struct cpu_trace *cpu = &trace->cpus[number];
	struct track track = {.cpu = number};

	track_write(trace, number);
	for (u32 i = 0; i < cpu->count; i++)
		record_write(trace, &track, &cpu->records[i]);
	if (cpu->count)
		run_close(trace, &track, cpu->records[cpu->count - 1].tsc);
}

static void trace_write_all(struct trace *trace)
{
	trace->begin = ~0UL;
	for (u32 cpu = 0; cpu < trace->cpu_count; cpu++) {
		if (trace->cpus[cpu].count)
			trace->begin = MIN(trace->begin, trace->cpus[cpu].records[0].tsc);
	}
	fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", trace->stream);
	process_write(trace);
	for (u32 cpu = 0; cpu < trace->cpu_count; cpu++)
		cpu_write(trace, cpu);
	fputs("\n]}\n", trace->stream);
}

static void trace_free(struct trace *trace)
{
	for (u32 i = 0; i < NAMES_MAX; i++) {
		free(trace->threads[i]);
		free(trace->exits[i]);
	}
	for (u32 cpu = 0; cpu < trace->cpu_count; cpu++)
		free(trace->cpus[cpu].records);
	free(trace->cpus);
	free(trace);
}

/* --- the command --- */

/* Switch it on, let it run, and off. */
static enum outcome trace_record_for(struct link *link, u64 seconds)
{
	static const char *const lines[] = {"trace on", "trace off"};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		enum outcome outcome = command_ask(link, lines[i]);

		if (outcome)
			return outcome;
		if (link->status)
			return failed_there(link);
		if (i == 0)
			sleep((unsigned)seconds);
	}
	return OUTCOME_GOOD;
}

static u64 trace_count_all(const struct trace *trace)
{
	u64 count = 0;

	for (u32 cpu = 0; cpu < trace->cpu_count; cpu++)
		count += trace->cpus[cpu].count;
	return count;
}

static enum outcome trace_save(struct trace *trace, const char *name, bool force, u64 seconds)
{
	enum outcome outcome;
	struct out_file file;

	outcome = out_file_open(&file, name, force);
	if (outcome)
		return outcome;
	if (seconds)
		outcome = trace_record_for(trace->link, seconds);
	if (!outcome)
		outcome = trace_fetch(trace);
	if (!outcome && !trace_count_all(trace))
		outcome = failed("there is nothing in the trace; \"bhctl trace on\" begins one");
	if (!outcome) {
		trace->stream = file.stream;
		trace_write_all(trace);
		if (trace->bad)
			outcome = failed("no memory to write the trace with");
	}
	if (outcome) {
		out_file_abandon(&file);
		return outcome;
	}
	outcome = out_file_commit(&file);
	if (!outcome)
		printf("%s: %lu records of %u CPUs\n", name, trace_count_all(trace),
		       trace->cpu_count);
	return outcome;
}

enum outcome trace_run(struct session *session, int count, char **words)
{
	const char *text = NULL;
	bool force = false;
	const struct option_slot slots[] = {{"--seconds", &text, NULL}, {"--force", NULL, &force}};
	struct trace *trace;
	enum outcome outcome;
	u64 seconds = 0;

	count = options_take(count, words, slots, ARRAY_SIZE(slots));
	if (count != 2)
		return usage_show("trace");
	if (text && !number_read(text, "the number of seconds", 1, SECONDS_MAX, &seconds))
		return OUTCOME_MISUSE;
	trace = calloc(1, sizeof(*trace));
	if (!trace)
		return failed("no memory for the trace");
	trace->link = session->link;
	outcome = trace_save(trace, words[1], force, seconds);
	trace_free(trace);
	return outcome;
}
