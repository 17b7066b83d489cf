/* SPDX-License-Identifier: MIT */
/*
 * Failures are negative errno values: 0 is success, -EINVAL and so on are failures. The numbers are
 * those of POSIX on Linux, so that host programs that share our sources agree with <errno.h>.
 */
#pragma once

#define ENOENT	2  /* no such name */
#define EIO	5  /* the device or the CPU refused */
#define E2BIG	7  /* longer than the room for it */
#define ENOMEM	12 /* cannot be had now */
#define EFAULT	14 /* address is not there */
#define EBUSY	16 /* wrong state for this now */
#define EEXIST	17 /* name is taken */
#define ENODEV	19 /* the machine lacks it */
#define EINVAL	22 /* argument or format is wrong */
#define ENOSPC	28 /* container is full */
#define ERANGE	34 /* value outside its range */
#define ENOEXEC 8  /* not an image this protocol can start */
