/* SPDX-License-Identifier: MIT */
/*
 * A Bulkhead without a machine, for tests of bhctl: the core's own end of the protocol on a socket
 * in a file, over the machine of tests/unit/vmm/console/fake_remote.h. The line between may be bad.
 *
 *   bhctl-peer [--noise N] [--chatter] [--echo] [--mute] PATH
 *
 * --noise damages, drops or doubles one byte in N; --chatter prints what consoles print around
 * every answer; --echo sends back all that comes; --mute answers nothing. Bytes that were typed and
 * are in no frame are listed on stdout.
 */
#include "../unit/vmm/console/fake_remote.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct {
	u32 noise; /* 0: none */
	bool chatter, echo, mute;
	int fd;
	u8 out[1 << 20];
	u32 count;
} peer;

static const char chatter[] =
	"\r\n[    1.024] info  cpu0   web: \x1b[31mstarted\x1b[m\r\nbulkhead> "
	"\x1b_BH:AAAA\x1b_another\x1b\\\x1b";

static void out_add(u8 byte)
{
	if (peer.count == sizeof(peer.out))
		abort();
	peer.out[peer.count++] = byte;
}

/* What a guest that somebody is attached to can print: it does not know the number of any request.
 */
static void forgery_add(void)
{
	const u8 payload[] = "\0\0\0\0\6\0\0\0forged";
	const struct frame frame = {
		.version = FRAME_VERSION,
		.type = FRAME_ANSWER,
		.count = 1,
		.id = 1,
		.bytes = sizeof(payload) - 1,
		.payload = payload,
	};
	u8 wire[FRAME_WIRE_BYTES];
	u32 count = frame_encode(&frame, FRAME_TO_HOST, wire);

	for (u32 i = 0; i < count; i++)
		out_add(wire[i]);
}

/* One byte over a bad line: how many bytes it is then. */
static u32 noise(u8 byte, u8 to[2])
{
	to[0] = to[1] = byte;
	if (!peer.noise || (u32)rand() % peer.noise)
		return 1;
	if (rand() % 3 == 0)
		return (u32)rand() % 2 * 2;
	to[0] ^= (u8)(1u << rand() % 8);
	return 1;
}

void console_send(const void *bytes, u64 count)
{
	const u8 *from = bytes;

	if (peer.mute)
		return;
	if (peer.chatter) {
		forgery_add();
		for (u32 i = 0; i + 1 < sizeof(chatter); i++)
			out_add((u8)chatter[i]);
	}
	for (u64 i = 0; i < count; i++) {
		u8 damaged[2];
		u32 left = noise(from[i], damaged);

		for (u32 k = 0; k < left; k++)
			out_add(damaged[k]);
	}
}

static void input_byte(u8 byte)
{
	u8 damaged[2];
	u32 left = noise(byte, damaged);

	for (u32 i = 0; i < left; i++) {
		if (peer.echo)
			out_add(damaged[i]);
		if (!remote_input(damaged[i])) {
			printf("typed %02x\n", damaged[i]);
			fflush(stdout);
		}
	}
}

static bool out_flush(void)
{
	for (u32 done = 0; done < peer.count;) {
		ssize_t sent = send(peer.fd, peer.out + done, peer.count - done, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		done += (u32)sent;
	}
	peer.count = 0;
	return true;
}

static void command_run_hook(const char *line)
{
	if (strcmp(line, "reboot now") == 0)
		peer.mute = true;
	if (strcmp(line, "poweroff now") == 0)
		_exit(0);
}

/* One program after another. */
static void client_serve(void)
{
	u8 bytes[4096];
	ssize_t count;

	peer.count = 0;
	while ((count = read(peer.fd, bytes, sizeof(bytes))) > 0) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		fake_tsc = (u64)now.tv_sec * FAKE_HZ + (u64)now.tv_nsec;
		for (ssize_t i = 0; i < count; i++)
			input_byte(bytes[i]);
		if (!out_flush())
			break;
	}
	close(peer.fd);
}

static const char *options_read(int count, char **words)
{
	const char *path = NULL;

	for (int i = 1; i < count; i++) {
		if (strcmp(words[i], "--noise") == 0 && i + 1 < count)
			peer.noise = (u32)strtoul(words[++i], NULL, 10);
		else if (strcmp(words[i], "--chatter") == 0)
			peer.chatter = true;
		else if (strcmp(words[i], "--echo") == 0)
			peer.echo = true;
		else if (strcmp(words[i], "--mute") == 0)
			peer.mute = true;
		else
			path = words[i];
	}
	return path;
}

/* The path is there when it can be connected to, not before. */
static int socket_listen(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s.new", path) >=
	    sizeof(address.sun_path))
		return -1;
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(listener, 4) || rename(address.sun_path, path))
		return -1;
	return listener;
}

int main(int count, char **words)
{
	const char *path = options_read(count, words);
	int listener = path ? socket_listen(path) : -1;

	if (listener < 0) {
		fprintf(stderr, "bhctl-peer: cannot listen at %s\n", path ? path : "no path");
		return 1;
	}
	fake_machine_begin();
	fake_command_hook = command_run_hook;
	srand(7);
	while ((peer.fd = accept(listener, NULL, NULL)) >= 0)
		client_serve();
	return 0;
}
