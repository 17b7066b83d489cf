/* SPDX-License-Identifier: MIT */
/* Reading files of the volume that the loader came from. */
#pragma once

#include "boot/loader.h"

/*
 * Read a whole file into memory of type BULKHEAD, followed by at least `tail` zero bytes. Prints
 * why it fails: -ENOENT, -EIO, -EINVAL (a folder), -E2BIG (more than `most` bytes) or -ENOMEM.
 */
int file_read(const char *path, u64 most, u64 tail, struct boot_file *file) must_check;
