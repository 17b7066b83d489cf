/* SPDX-License-Identifier: MIT */
/* Which loader starts which kind of guest. */
#include <bulkhead/config.h>
#include <bulkhead/error.h>
#include <bulkhead/load.h>

#include "load_common.h"

typedef int load_function(const struct load_request *request, struct guest_memory *memory,
			  struct cpu_state *start, char *reason);

static load_function *const loaders[] = {
	[CONFIG_BOOT_LINUX] = load_linux,	  [CONFIG_BOOT_RAW] = load_raw,
	[CONFIG_BOOT_MULTIBOOT] = load_multiboot, [CONFIG_BOOT_PVH] = load_pvh,
	[CONFIG_BOOT_BIOS] = load_firmware,	  [CONFIG_BOOT_UEFI] = load_firmware,
};

int load_guest(const struct load_request *request, struct guest_memory *memory,
	       struct cpu_state *start, char *reason)
{
	if (request->boot < 0 || (size_t)request->boot >= ARRAY_SIZE(loaders) ||
	    !loaders[request->boot])
		return load_refuse(reason, -EINVAL, "it has no way to boot");
	return loaders[request->boot](request, memory, start, reason);
}
