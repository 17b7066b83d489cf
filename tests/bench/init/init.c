/* SPDX-License-Identifier: MIT */
/*
 * /init of the benchmark: notes when it began, does work that needs no device and notes how long it
 * took, says all of it, waits until that is out, and switches the machine off.
 */
#include <bulkhead/format.h>
#include <bulkhead/string.h>

/* Linux' stable interface: syscalls(2), ioctl_tty(2), reboot(2), open(2), wait(2). */
#define SYS_READ     0
#define SYS_WRITE    1
#define SYS_OPEN     2
#define SYS_IOCTL    16
#define SYS_PIPE     22
#define SYS_DUP2     33
#define SYS_FORK     57
#define SYS_EXECVE   59
#define SYS_EXIT     60
#define SYS_WAIT4    61
#define SYS_MOUNT    165
#define SYS_REBOOT   169
#define TCSBRK	     0x5409
#define O_RDWR	     2
#define REBOOT_1     0xfee1dead
#define REBOOT_2     672274793
#define REBOOT_POWER 0x4321fedc

#define ARGUMENTS_MAX 6
#define BUSYBOX	      "/bin/busybox"

/* A program that is run so often, or a function with that as its argument. */
struct work {
	const char *name;
	u32 repeat;
	const char *arguments[ARGUMENTS_MAX];
	bool (*function)(u32 repeat);
};

static bool ping_pong(u32 rounds);

static const struct work works[] = {
	{"exec_400", 400, {BUSYBOX, "true"}, NULL},
	{"write_16M",
	 1,
	 {BUSYBOX, "dd", "if=/dev/zero", "of=/data", "bs=1048576", "count=16"},
	 NULL},
	{"sha256_16M", 1, {BUSYBOX, "sha256sum", "/data"}, NULL},
	{"read_write_200k",
	 1,
	 {BUSYBOX, "dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=200000"},
	 NULL},
	/* Twice the file of busybox itself: programs are what there is here. */
	{"gzip_md5",
	 1,
	 {BUSYBOX, "sh", "-c", "cat /bin/busybox /bin/busybox | gzip | md5sum"},
	 NULL},
	{"ping_pong_5k", 5000, {}, ping_pong},
};

void init_main(u64 tsc);

static long system_call(long number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = 0;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}

static u64 tsc_read(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (u64)high << 32 | low;
}

static noreturn void child(const struct work *work, long null)
{
	const char *arguments[ARGUMENTS_MAX + 1] = {};
	const char *environment[] = {NULL};

	memcpy(arguments, work->arguments, sizeof(work->arguments));
	system_call(SYS_DUP2, null, 1, 0, 0);
	system_call(SYS_DUP2, null, 2, 0, 0);
	system_call(SYS_EXECVE, (long)BUSYBOX, (long)arguments, (long)environment, 0);
	for (;;)
		system_call(SYS_EXIT, 127, 0, 0, 0);
}

/* A byte to the other and one back, so often. */
static bool pass(u32 rounds, int from, int to, bool first)
{
	char byte = 0;

	for (u32 i = 0; i < rounds; i++) {
		if (first && system_call(SYS_WRITE, to, (long)&byte, 1, 0) != 1)
			return false;
		if (system_call(SYS_READ, from, (long)&byte, 1, 0) != 1)
			return false;
		if (!first && system_call(SYS_WRITE, to, (long)&byte, 1, 0) != 1)
			return false;
	}
	return true;
}

/* Two processes, and a pipe each way. */
static bool ping_pong(u32 rounds)
{
	int there[2], back[2], status = -1;
	bool passed;
	long pid;

	if (system_call(SYS_PIPE, (long)there, 0, 0, 0) ||
	    system_call(SYS_PIPE, (long)back, 0, 0, 0))
		return false;
	pid = system_call(SYS_FORK, 0, 0, 0, 0);
	if (pid == 0) {
		passed = pass(rounds, there[0], back[1], false);
		for (;;)
			system_call(SYS_EXIT, !passed, 0, 0, 0);
	}
	passed = pass(rounds, back[0], there[1], true);
	return system_call(SYS_WAIT4, pid, (long)&status, 0, 0) == pid && status == 0 && passed;
}

/* Ticks that the work took, or 0 when any of it failed. */
static u64 work_run(const struct work *work, long null)
{
	u64 start = tsc_read();

	if (work->function)
		return work->function(work->repeat) ? tsc_read() - start : 0;
	for (u32 i = 0; i < work->repeat; i++) {
		long pid = system_call(SYS_FORK, 0, 0, 0, 0);
		int status = -1;

		if (pid == 0)
			child(work, null);
		if (system_call(SYS_WAIT4, pid, (long)&status, 0, 0) != pid || status != 0)
			return 0;
	}
	return tsc_read() - start;
}

/* Printed at the end: a serial line that is still sending has interrupts. */
void init_main(u64 tsc)
{
	u64 ticks[ARRAY_SIZE(works)];
	char text[512];
	size_t length;
	long null;

	system_call(SYS_MOUNT, (long)"devtmpfs", (long)"/dev", (long)"devtmpfs", 0);
	null = system_call(SYS_OPEN, (long)"/dev/null", O_RDWR, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(works); i++)
		ticks[i] = work_run(&works[i], null);

	format_text(text, sizeof(text), "\nbench: init at %lu\n", tsc);
	for (size_t i = 0; i < ARRAY_SIZE(works); i++)
		format_append(text, sizeof(text), "bench: %s took %lu\n", works[i].name, ticks[i]);
	length = format_append(text, sizeof(text), "bench: end\n");
	system_call(SYS_WRITE, 1, (long)text, (long)length, 0);
	system_call(SYS_IOCTL, 1, TCSBRK, 1, 0);
	system_call(SYS_REBOOT, REBOOT_1, REBOOT_2, REBOOT_POWER, 0);
	for (;;)
		__asm__ volatile("pause");
}
