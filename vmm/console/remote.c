/* SPDX-License-Identifier: MIT */
/*
 * The core's end of the protocol for programs: one request at a time, never one twice. The answer
 * to the last request stays until the next one comes, so that a part which the line has damaged can
 * be had again.
 */
#include "remote.h"

#include "dump.h"
#include "internal.h"

#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/frame.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>
#include <bulkhead/thread.h>
#include <bulkhead/trace.h>
#include <bulkhead/virt.h>

#define PATIENCE_US 5000000 /* after that a frame that stopped in the middle is no frame */
#define DUMP_BYTES  (64 * KIB)
#define DUMP_STRIDE (64 * KIB) /* looked at before others get their turn */
#define TRACE_ONCE  1024
#define RECENT	    64 /* requests that are known to have been carried out */

static struct {
	u64 id; /* 0: there is none */
	u32 bytes;
	u8 data[FRAME_ANSWER_HEADER + FRAME_ANSWER_MAX];
} answer;

static struct {
	u32 id;	  /* of this start of the machine; 0: nobody has asked yet */
	u32 busy; /* requests under way */
	u64 recent[RECENT];
	u32 recent_next;
} remote;

/* --- answers --- */

static void frame_send(const struct frame *frame)
{
	static u8 wire[FRAME_WIRE_BYTES];

	console_send(wire, frame_encode(frame, FRAME_TO_HOST, wire));
}

static void refuse(const struct frame *request, enum frame_refusal why)
{
	const u8 payload[] = {(u8)why, FRAME_VERSION};
	const struct frame frame = {
		.version = FRAME_VERSION,
		.type = FRAME_REFUSAL,
		.count = 1,
		.boot = remote.id,
		.id = request ? request->id : 0,
		.bytes = sizeof(payload),
		.payload = payload,
	};

	frame_send(&frame);
}

static void answer_parts(const struct frame *request)
{
	u32 total = FRAME_ANSWER_HEADER + answer.bytes;
	u32 parts = (total + FRAME_PAYLOAD_BYTES - 1) / FRAME_PAYLOAD_BYTES;
	u32 wanted = MIN(MAX(request->count, 1u), (u32)FRAME_WINDOW);
	struct frame frame = {
		.version = FRAME_VERSION,
		.type = FRAME_ANSWER,
		.count = (u16)parts,
		.boot = remote.id,
		.id = answer.id,
	};

	if (request->part >= parts) {
		refuse(request, FRAME_NO_PART);
		return;
	}
	for (u32 part = request->part; part < parts && wanted; part++, wanted--) {
		u32 offset = part * FRAME_PAYLOAD_BYTES;

		frame.part = (u16)part;
		frame.bytes = MIN(total - offset, (u32)FRAME_PAYLOAD_BYTES);
		frame.payload = answer.data + offset;
		frame_send(&frame);
	}
}

static u32 answer_room(void)
{
	return FRAME_ANSWER_MAX - answer.bytes;
}

static u8 *answer_end(void)
{
	return answer.data + FRAME_ANSWER_HEADER + answer.bytes;
}

static void answer_number(u64 value, u32 bytes)
{
	frame_put(answer_end(), value, bytes);
	answer.bytes += bytes;
}

static void answer_text(const char *format, ...) printf_like(1, 2);

static void answer_text(const char *format, ...)
{
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	length = format_list((char *)answer_end(), answer_room(), format, arguments);
	va_end(arguments);
	if (answer_room())
		answer.bytes += MIN((u32)length, answer_room() - 1);
}

/* Length and text, at most 255 bytes of it. */
static void answer_counted(const char *text)
{
	u32 length = (u32)strnlen(text, 255);

	answer_number(length, 1);
	memcpy(answer_end(), text, length);
	answer.bytes += length;
}

/* --- reading a request --- */

struct reader {
	const u8 *at;
	u32 left;
	bool bad;
};

static const u8 *read_bytes(struct reader *reader, u32 bytes)
{
	const u8 *at = reader->at;

	if (reader->bad || bytes > reader->left) {
		reader->bad = true;
		return NULL;
	}
	reader->at += bytes;
	reader->left -= bytes;
	return at;
}

static u64 read_number(struct reader *reader, u32 bytes)
{
	const u8 *at = read_bytes(reader, bytes);

	return at ? frame_get(at, bytes) : 0;
}

/* Length and text of a partition's name. */
static void read_name(struct reader *reader, char name[CONFIG_NAME_BYTES])
{
	u32 length = (u32)read_number(reader, 1);
	const u8 *at = length < CONFIG_NAME_BYTES ? read_bytes(reader, length) : NULL;

	if (!at || !length || strnlen((const char *)at, length) != length) {
		reader->bad = true;
		return;
	}
	memcpy(name, at, length);
	name[length] = 0;
}

static bool read_end(struct reader *reader)
{
	reader->bad |= reader->left;
	return !reader->bad;
}

/* --- requests --- */

/*
 * Each reads all of its request and then fills in the answer. 0 or a negative errno, with the text
 * for the operator in the answer. One whose request makes no sense does nothing.
 */

static int request_hello(struct reader *reader)
{
	if (!read_end(reader))
		return 0;
	answer_number(remote.id, 4);
	answer_number(arch_cpu_count(), 4);
	answer_number(arch_tsc_hz(), 8);
	answer_number(arch_tsc(), 8);
	answer_number(trace_on, 1);
	answer_text("%s", console_version);
	return 0;
}

static int request_names(struct reader *reader)
{
	if (!read_end(reader))
		return 0;
	answer_text("thread %u console\n", THREAD_CONSOLE);
	for (struct partition *partition = partition_first(); partition;
	     partition = partition->next) {
		for (u32 i = 0; i < partition->vcpu_count; i++)
			answer_text("thread %u %s/%u\n", partition->vcpus[i]->thread.number,
				    partition->config->name, i);
	}
	for (u32 reason = 0; reason < METER_EXIT_REASONS; reason++) {
		const char *name = virt->exit_name(reason);

		if (name)
			answer_text("exit %u %s\n", reason, name);
	}
	return 0;
}

static int request_command(struct reader *reader)
{
	static char line[LINE_BYTES];
	u32 length = reader->left, printed = 0;
	const u8 *text = read_bytes(reader, length);
	int status;

	if (length >= LINE_BYTES) {
		answer_text("a line has at most %u characters, found %u\n", LINE_BYTES - 1, length);
		return -E2BIG;
	}
	for (u32 i = 0; i < length; i++) {
		if (text[i] < ' ' || text[i] > '~') {
			answer_text("character %u of the line is 0x%02x; only printable ASCII is "
				    "allowed\n",
				    i + 1, text[i]);
			return -EINVAL;
		}
		line[i] = (char)text[i];
	}
	line[length] = 0;
	status = command_run_captured(line, (char *)answer_end(), answer_room(), &printed);
	answer.bytes += MIN(printed, answer_room());
	return status;
}

/* The partition that is named, or NULL with the answer saying which there are. */
static struct partition *partition_named(const char *name)
{
	struct partition *partition = partition_find(name);

	if (partition)
		return partition;
	answer_text("no partition \"%s\"; there %s", name, partition_first() ? "are:" : "are none");
	for (partition = partition_first(); partition; partition = partition->next)
		answer_text(" %s%s", partition->config->name, partition->next ? "," : "");
	answer_text("\n");
	return NULL;
}

static int request_console_read(struct reader *reader)
{
	static u8 bytes[FRAME_CONSOLE_MAX];
	char name[CONFIG_NAME_BYTES];
	struct partition *partition;
	struct partition_view view;
	u64 position, room, missed, count;

	read_name(reader, name);
	position = read_number(reader, 8);
	room = read_number(reader, 4);
	if (!read_end(reader))
		return 0;
	partition = partition_named(name);
	if (!partition)
		return -ENOENT;
	/* The state first: of a guest that has stopped nothing is printed any more. */
	partition_look(partition, &view);
	if (position == FRAME_POSITION_END)
		position = partition_console_written(partition);
	count = partition_console_read(partition, &position, bytes, MIN(room, sizeof(bytes)),
				       &missed);
	answer_number(position, 8);
	answer_number(missed, 8);
	answer_counted(partition_state_name(view.state));
	answer_counted(view.reason);
	memcpy(answer_end(), bytes, count);
	answer.bytes += (u32)count;
	return 0;
}

static int request_console_write(struct reader *reader)
{
	char name[CONFIG_NAME_BYTES];
	struct partition *partition;
	const u8 *bytes;
	u32 count;

	read_name(reader, name);
	count = reader->left;
	bytes = read_bytes(reader, count);
	if (!read_end(reader))
		return 0;
	partition = partition_named(name);
	if (!partition)
		return -ENOENT;
	answer_number(partition_console_input(partition, bytes, count), 4);
	return 0;
}

/* --- dumps --- */

static int request_dump_begin(struct reader *reader)
{
	char name[CONFIG_NAME_BYTES], reason[LOAD_REASON_BYTES] = "";
	struct partition *partition;
	u64 bytes = 0;
	int status;

	read_name(reader, name);
	if (!read_end(reader))
		return 0;
	partition = partition_named(name);
	if (!partition)
		return -ENOENT;
	status = dump_begin(partition, &bytes, reason);
	if (status) {
		answer_text("cannot dump %s: %s\n", name, reason);
		return status;
	}
	answer_number(bytes, 8);
	return 0;
}

static bool is_zero(const u8 *bytes, u64 count)
{
	for (u64 i = 0; i < count; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

/* The runs of an answer to FRAME_DUMP_READ. */
struct runs {
	u8 *last; /* length of the run that may still grow; NULL: none */
	u32 length;
};

/* Memory that was never used is most of many dumps, and the line is slow: zeros are only counted.
 */
static void runs_add(struct runs *runs, const u8 *bytes, u32 count)
{
	u32 kind = is_zero(bytes, count) ? FRAME_RUN_ZERO : 0;

	if (!runs->last || (runs->length & FRAME_RUN_ZERO) != kind) {
		runs->last = answer_end();
		runs->length = kind;
		answer.bytes += 4;
	}
	runs->length += count;
	frame_put(runs->last, runs->length, 4);
	if (kind)
		return;
	memcpy(answer_end(), bytes, count);
	answer.bytes += count;
}

static int dump_runs(struct partition *partition, u64 offset, u64 bytes)
{
	static u8 page[PAGE_SIZE];
	struct runs runs = {.last = NULL};

	for (u64 done = 0; done < bytes && answer.bytes + sizeof(page) + 4 <= DUMP_BYTES;) {
		u32 count = (u32)MIN(bytes - done, sizeof(page));
		int status = dump_read(partition, offset + done, page, count);

		if (status < 0)
			return status;
		runs_add(&runs, page, count);
		done += count;
		if (is_aligned(done, DUMP_STRIDE))
			thread_yield();
	}
	return 0;
}

static int request_dump_read(struct reader *reader)
{
	char name[CONFIG_NAME_BYTES];
	struct partition *partition;
	u64 offset, bytes;
	int status;

	read_name(reader, name);
	offset = read_number(reader, 8);
	bytes = read_number(reader, 4);
	if (!read_end(reader))
		return 0;
	partition = partition_named(name);
	if (!partition)
		return -ENOENT;
	status = dump_runs(partition, offset, MIN(bytes, (u64)FRAME_DUMP_MAX));
	if (!status)
		return 0;
	answer.bytes = 0;
	if (status == -EBUSY)
		answer_text(
			"the dump of %s is void: it was not begun, or the partition ran since\n",
			name);
	else
		answer_text("cannot read %lu bytes at %lu of the dump of %s: error %d\n", bytes,
			    offset, name, -status);
	return status;
}

/* --- trace --- */

static void answer_record(const struct trace_record *record)
{
	answer_number(record->tsc, 8);
	answer_number(record->data, 4);
	answer_number(record->who, 2);
	answer_number(record->kind, 1);
	answer_number(0, 1);
}

static int request_trace_read(struct reader *reader)
{
	static struct trace_record records[64];
	u64 cpu = read_number(reader, 4), next = read_number(reader, 8);
	u32 count, all = 0, at;

	if (!read_end(reader))
		return 0;
	if (cpu >= arch_cpu_count()) {
		answer_text("no CPU %lu; there are 0 to %u\n", cpu, arch_cpu_count() - 1);
		return -ENOENT;
	}
	at = answer.bytes;
	answer_number(next, 8);
	do {
		count = trace_read((u32)cpu, &next, records, ARRAY_SIZE(records));
		for (u32 i = 0; i < count; i++)
			answer_record(&records[i]);
		all += count;
	} while (count && all + ARRAY_SIZE(records) <= TRACE_ONCE);
	frame_put(answer.data + FRAME_ANSWER_HEADER + at, next, 8);
	return 0;
}

/* --- the protocol --- */

static int (*const requests[])(struct reader *reader) = {
	[FRAME_HELLO] = request_hello,
	[FRAME_NAMES] = request_names,
	[FRAME_COMMAND] = request_command,
	[FRAME_CONSOLE_READ] = request_console_read,
	[FRAME_CONSOLE_WRITE] = request_console_write,
	[FRAME_DUMP_BEGIN] = request_dump_begin,
	[FRAME_DUMP_READ] = request_dump_read,
	[FRAME_TRACE_READ] = request_trace_read,
};

static bool was_carried_out(u64 id)
{
	for (u32 i = 0; i < RECENT; i++) {
		if (remote.recent[i] == id)
			return true;
	}
	return false;
}

static void request_run(const struct frame *request)
{
	static u8 payload[FRAME_PAYLOAD_BYTES]; /* what comes meanwhile overwrites the receiver's */
	struct frame copy = *request;
	struct reader reader = {.at = payload, .left = copy.bytes};
	int status;

	memcpy(payload, copy.payload, copy.bytes);
	answer.id = 0;
	answer.bytes = 0;
	remote.busy++;
	status = requests[copy.type](&reader);
	remote.busy--;
	if (reader.bad) {
		refuse(&copy, FRAME_BAD_REQUEST);
		return;
	}
	remote.recent[remote.recent_next++ % RECENT] = copy.id;
	answer.id = copy.id;
	frame_put(answer.data, (u32)status, 4);
	frame_put(answer.data + 4, answer.bytes, 4);
	answer_parts(&copy);
}

static void request_take(const struct frame *request)
{
	if (!remote.id)
		remote.id = (u32)arch_tsc() | 1;
	if (request->type >= FRAME_ANSWER)
		return; /* a line that sends back what it is sent */
	if (request->version != FRAME_VERSION)
		refuse(request, FRAME_OTHER_VERSION);
	else if (request->type >= ARRAY_SIZE(requests) || !requests[request->type])
		refuse(request, FRAME_UNKNOWN_TYPE);
	else if (request->type != FRAME_HELLO && request->boot != remote.id)
		refuse(request, FRAME_OTHER_BOOT);
	else if (!request->id)
		refuse(request, FRAME_BAD_REQUEST);
	else if (request->id == answer.id)
		answer_parts(request);
	else if (request->part || was_carried_out(request->id))
		refuse(request, FRAME_FORGOTTEN);
	else
		request_run(request);
}

bool remote_input(u8 byte)
{
	static struct frame_receiver receiver; /* zeros are its beginning */
	static u64 received_at;
	u64 now = arch_tsc();

	if (frame_receiving(&receiver) && now - received_at > us_to_tsc(PATIENCE_US))
		frame_receiver_init(&receiver, FRAME_TO_CORE);
	received_at = now;
	switch (frame_receive(&receiver, byte)) {
	case FRAME_OUTSIDE:
		return false;
	case FRAME_READY:
		if (!remote.busy)
			request_take(&receiver.frame);
		break;
	case FRAME_DAMAGED:
		if (!remote.busy)
			refuse(NULL, FRAME_DAMAGED_REQUEST);
		break;
	case FRAME_INSIDE:
		break;
	}
	return true;
}
