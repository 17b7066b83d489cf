/* SPDX-License-Identifier: MIT */
/* Opening the line to a Bulkhead. */
#include "line.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#define BAUD_DEFAULT 115200

const char line_forms[] = "tty:DEVICE[,BAUD], pty:DEVICE, tcp:HOST:PORT, unix:PATH, or a path";

static const struct {
	unsigned baud;
	speed_t speed;
} speeds[] = {
	{1200, B1200},	   {2400, B2400},     {4800, B4800},	 {9600, B9600},
	{19200, B19200},   {38400, B38400},   {57600, B57600},	 {115200, B115200},
	{230400, B230400}, {460800, B460800}, {921600, B921600},
};

static int line_fail(const char *name, const char *what, const char *why)
{
	fprintf(stderr, "bhctl: cannot open the line %s: %s%s%s\n", name, what, why[0] ? ": " : "",
		why);
	return -1;
}

static int speed_find(const char *text, speed_t *speed)
{
	char *end;
	unsigned long baud = strtoul(text, &end, 10);

	for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
		if (*text && !*end && speeds[i].baud == baud) {
			*speed = speeds[i].speed;
			return 0;
		}
	}
	return -1;
}

static int tty_setup(int fd, speed_t speed)
{
	struct termios settings;

	if (tcgetattr(fd, &settings))
		return -1;
	cfmakeraw(&settings);
	settings.c_cflag |= CLOCAL | CREAD;
	settings.c_cflag &= (tcflag_t) ~(HUPCL | CSTOPB | CRTSCTS);
	settings.c_cc[VMIN] = 1;
	settings.c_cc[VTIME] = 0;
	if (cfsetspeed(&settings, speed) || tcsetattr(fd, TCSANOW, &settings))
		return -1;
	return tcflush(fd, TCIOFLUSH);
}

/* `where`: DEVICE[,BAUD] */
static int tty_open(const char *name, const char *where)
{
	const char *comma = strrchr(where, ',');
	speed_t speed = B115200;
	char device[256];
	int fd;

	snprintf(device, sizeof(device), "%.*s", comma ? (int)(comma - where) : (int)strlen(where),
		 where);
	if (comma && speed_find(comma + 1, &speed))
		return line_fail(name,
				 "no such speed; there are 1200, 2400, 4800, 9600, 19200, "
				 "38400, 57600, 115200, 230400, 460800, 921600",
				 "");
	fd = open(device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return line_fail(name, device, strerror(errno));
	/* Two readers would take bytes from each other. Terminal programs hold the same lock. */
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return line_fail(name, "another program uses it", strerror(errno));
	}
	if (tty_setup(fd, speed)) {
		int error = errno;

		close(fd);
		return line_fail(name, "not a serial line", strerror(error));
	}
	return fd;
}

static int unix_open(const char *name, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return line_fail(name, "the path is too long for a socket", "");
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address))) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		return line_fail(name, path, strerror(error));
	}
	return fd;
}

static int addresses_connect(const struct addrinfo *addresses)
{
	int fd = -1;

	for (const struct addrinfo *at = addresses; at && fd < 0; at = at->ai_next) {
		fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
		if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen)) {
			int error = errno;

			close(fd);
			errno = error;
			fd = -1;
		}
	}
	return fd;
}

/* `where`: HOST:PORT, with an IPv6 address in brackets. */
static int tcp_open(const char *name, const char *where)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const char *colon = strrchr(where, ':');
	struct addrinfo *addresses;
	char host[256];
	int fd, error;

	if (!colon || colon == where || !colon[1])
		return line_fail(name, "expected tcp:HOST:PORT", "");
	if (where[0] == '[' && colon[-1] == ']')
		snprintf(host, sizeof(host), "%.*s", (int)(colon - where - 2), where + 1);
	else
		snprintf(host, sizeof(host), "%.*s", (int)(colon - where), where);
	error = getaddrinfo(host, colon + 1, &hints, &addresses);
	if (error)
		return line_fail(name, where, gai_strerror(error));
	fd = addresses_connect(addresses);
	error = errno;
	freeaddrinfo(addresses);
	return fd >= 0 ? fd : line_fail(name, where, strerror(error));
}

static int path_open(const char *name)
{
	struct stat status;

	if (stat(name, &status))
		return line_fail(name, strerror(errno), "");
	if (S_ISSOCK(status.st_mode))
		return unix_open(name, name);
	if (S_ISCHR(status.st_mode))
		return tty_open(name, name);
	return line_fail(name, "neither a device nor a socket", "");
}

int line_open(const char *name)
{
	static const struct {
		const char *prefix;
		int (*open)(const char *name, const char *where);
	} kinds[] = {
		{"tty:", tty_open},
		{"pty:", tty_open},
		{"tcp:", tcp_open},
		{"unix:", unix_open},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t length = strlen(kinds[i].prefix);

		if (strncmp(name, kinds[i].prefix, length) == 0)
			return kinds[i].open(name, name + length);
	}
	if (strchr(name, '/'))
		return path_open(name);
	fprintf(stderr, "bhctl: the line \"%s\" has no known form: %s\n", name, line_forms);
	return -1;
}
