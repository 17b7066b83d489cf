/* SPDX-License-Identifier: MIT */
/* Files that are whole or not there. */
#include "bhctl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum outcome out_file_open(struct out_file *file, const char *name, bool force)
{
	int fd;

	file->name = name;
	if (!force && access(name, F_OK) == 0)
		return failed("%s is there already; --force overwrites it", name);
	if ((size_t)snprintf(file->part, sizeof(file->part), "%s.part", name) >= sizeof(file->part))
		return failed("%s: %s", name, strerror(ENAMETOOLONG));
	/* What guests have in memory is nobody else's business. */
	fd = open(file->part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
	file->stream = fd < 0 ? NULL : fdopen(fd, "w+");
	if (!file->stream)
		return failed("cannot write %s: %s", file->part, strerror(errno));
	return OUTCOME_GOOD;
}

enum outcome out_file_commit(struct out_file *file)
{
	bool bad = fflush(file->stream) || ferror(file->stream) || fsync(fileno(file->stream));

	bad |= fclose(file->stream) != 0;
	file->stream = NULL;
	if (!bad && rename(file->part, file->name) == 0)
		return OUTCOME_GOOD;
	failed("cannot write %s: %s", file->name, strerror(errno));
	unlink(file->part);
	return OUTCOME_FAILED;
}

void out_file_abandon(struct out_file *file)
{
	if (file->stream)
		fclose(file->stream);
	file->stream = NULL;
	unlink(file->part);
}
