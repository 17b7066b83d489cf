/* SPDX-License-Identifier: MIT */
/* /init of the benchmark: says when it began, waits until that is out, and switches the machine
 * off. */
#include <bulkhead/format.h>
#include <bulkhead/string.h>

/* arch/x86/entry/syscalls/syscall_64.tbl and reboot(2), tcdrain(3), all part of Linux' stable
 * interface. */
#define SYS_WRITE    1
#define SYS_IOCTL    16
#define SYS_REBOOT   169
#define TCSBRK	     0x5409
#define REBOOT_1     0xfee1dead
#define REBOOT_2     672274793
#define REBOOT_POWER 0x4321fedc

void init_main(u64 tsc);

static long system_call(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}

void init_main(u64 tsc)
{
	char text[64];
	size_t length = format_text(text, sizeof(text), "\nbench: init at %lu\n", tsc);

	system_call(SYS_WRITE, 1, (long)text, (long)length);
	system_call(SYS_IOCTL, 1, TCSBRK, 1);
	system_call(SYS_REBOOT, REBOOT_1, REBOOT_2, REBOOT_POWER);
	for (;;)
		__asm__ volatile("pause");
}
