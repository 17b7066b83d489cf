/* SPDX-License-Identifier: MIT */
/*
 * A program for Linux guests with several CPUs: on each of them processes that fork and execute,
 * threads that wake each other across CPUs, that change an address space which all CPUs have in
 * their TLBs, that fight for one directory, that sleep, and that move about. It checks that nobody
 * stands still, that no CPU sees a page that was replaced, and that time never goes back from one
 * CPU to another.
 *
 *   storm SECONDS      "storm: PASS" at the end, or what was wrong
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CPUS_MAX    16
#define PAGE	    4096
#define INTERVAL_S  5 /* in each of them everybody must get on */
#define CHILD_EXIT  7
#define SLEEP_NS    2000000
#define NS_PER_S    1000000000L
#define STACK_BYTES (64 << 10)

enum work { WORK_FORK, WORK_FUTEX, WORK_MEMORY, WORK_FILES, WORK_SLEEP, WORK_MOVE, WORKS };

static const char *const work_names[WORKS] = {"forks", "wakes", "maps", "files", "sleeps", "moves"};

/* A page that its owner replaces again and again. `number` is what the present one begins with: odd
 * while that is being changed. */
struct slot {
	uint64_t number;
	volatile uint64_t *page;
} __attribute__((aligned(64)));

struct counts {
	uint64_t of[WORKS];
} __attribute__((aligned(64)));

/* In memory that processes share. */
struct storm {
	int cpus;
	bool stop;
	uint64_t last_ns; /* the latest time that anybody saw */
	uint64_t late_ns; /* by how much a sleep was too long, at most */
	uint32_t turn[CPUS_MAX];
	struct counts counts[CPUS_MAX];
	struct slot slots[CPUS_MAX];
	uint32_t faults;
	char fault[160]; /* the first one */
};

static struct storm *storm;

/* --- what all have in common --- */

__attribute__((format(printf, 1, 2))) static void fault(const char *format, ...)
{
	va_list arguments;

	if (__atomic_fetch_add(&storm->faults, 1, __ATOMIC_SEQ_CST))
		return;
	va_start(arguments, format);
	vsnprintf(storm->fault, sizeof(storm->fault), format, arguments);
	va_end(arguments);
	__atomic_store_n(&storm->stop, true, __ATOMIC_SEQ_CST);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(now.tv_sec * NS_PER_S + now.tv_nsec);
}

/* Whoever saw a time, on whatever CPU: nobody sees an earlier one after that. */
static void check_clock(int cpu)
{
	uint64_t last = __atomic_load_n(&storm->last_ns, __ATOMIC_SEQ_CST);
	uint64_t now = now_ns();

	if (now < last)
		fault("time went back by %llu ns on CPU %d", (unsigned long long)(last - now), cpu);
	while (last < now && !__atomic_compare_exchange_n(&storm->last_ns, &last, now, false,
							  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

static bool goes_on(void)
{
	return !__atomic_load_n(&storm->stop, __ATOMIC_RELAXED);
}

static void done(int cpu, enum work work)
{
	__atomic_fetch_add(&storm->counts[cpu].of[work], 1, __ATOMIC_RELAXED);
	check_clock(cpu);
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fault("cannot go to CPU %d: %s", cpu, strerror(errno));
	else if (sched_getcpu() != cpu)
		fault("on CPU %d instead of %d", sched_getcpu(), cpu);
}

/* --- the kinds of work --- */

static void fork_once(int cpu)
{
	char *arguments[] = {"storm", "child", NULL};
	int status = 0;
	pid_t child = fork();

	if (!child) {
		execv("/proc/self/exe", arguments);
		_exit(1);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		fault("fork or wait on CPU %d: %s", cpu, strerror(errno));
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != CHILD_EXIT)
		fault("a child on CPU %d ended with status %x", cpu, (unsigned)status);
}

/* A token goes from CPU to CPU: each waits until its word says that it is there. */
static void futex_once(int cpu)
{
	static const struct timespec patience = {.tv_sec = 1};
	uint32_t *mine = &storm->turn[cpu], *next = &storm->turn[(cpu + 1) % storm->cpus];

	while (!__atomic_load_n(mine, __ATOMIC_ACQUIRE) && goes_on())
		syscall(SYS_futex, mine, FUTEX_WAIT, 0, &patience, NULL, 0);
	__atomic_store_n(mine, 0, __ATOMIC_RELAXED);
	__atomic_store_n(next, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, next, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Another page at the same address, and then others' pages: an old one may not be seen any more. */
static void memory_once(int cpu)
{
	struct slot *own = &storm->slots[cpu];
	uint64_t number = own->number;

	__atomic_store_n(&own->number, number + 1, __ATOMIC_SEQ_CST);
	if (mmap((void *)own->page, PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		fault("mmap on CPU %d: %s", cpu, strerror(errno));
	*own->page = number + 2;
	__atomic_store_n(&own->number, number + 2, __ATOMIC_SEQ_CST);
	for (int i = 0; i < storm->cpus; i++) {
		const struct slot *slot = &storm->slots[i];
		uint64_t before = __atomic_load_n(&slot->number, __ATOMIC_SEQ_CST);
		uint64_t there = *slot->page;

		if (!(before & 1) && before == __atomic_load_n(&slot->number, __ATOMIC_SEQ_CST) &&
		    there != before)
			fault("CPU %d sees page %llu of CPU %d, which is %llu", cpu,
			      (unsigned long long)there, i, (unsigned long long)before);
	}
	if (mprotect((void *)own->page, PAGE, PROT_READ) ||
	    mprotect((void *)own->page, PAGE, PROT_READ | PROT_WRITE))
		fault("mprotect on CPU %d: %s", cpu, strerror(errno));
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
		fault("membarrier on CPU %d: %s", cpu, strerror(errno));
}

static void files_once(int cpu)
{
	char name[32];
	int file;

	snprintf(name, sizeof(name), "/tmp/storm-%d", cpu);
	file = open(name, O_CREAT | O_RDWR | O_EXCL, 0600);
	if (file < 0 || write(file, name, sizeof(name)) != sizeof(name) || close(file) ||
	    unlink(name))
		fault("a file on CPU %d: %s", cpu, strerror(errno));
}

static void sleep_once(int cpu)
{
	const struct timespec pause = {.tv_nsec = SLEEP_NS};
	uint64_t begin = now_ns(), took, late;

	nanosleep(&pause, NULL);
	took = now_ns() - begin;
	if (took < SLEEP_NS)
		fault("CPU %d slept for %llu ns only", cpu, (unsigned long long)took);
	late = __atomic_load_n(&storm->late_ns, __ATOMIC_RELAXED);
	while (took - SLEEP_NS > late &&
	       !__atomic_compare_exchange_n(&storm->late_ns, &late, took - SLEEP_NS, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

/* Everywhere once, and home again. */
static void move_once(int cpu)
{
	for (int i = 1; i <= storm->cpus; i++) {
		stay_on((cpu + i) % storm->cpus);
		check_clock((cpu + i) % storm->cpus);
	}
}

static void (*const works[WORKS])(int) = {
	[WORK_FORK] = fork_once,   [WORK_FUTEX] = futex_once, [WORK_MEMORY] = memory_once,
	[WORK_FILES] = files_once, [WORK_SLEEP] = sleep_once, [WORK_MOVE] = move_once,
};

/* --- who does it --- */

static void work(int cpu, enum work work)
{
	stay_on(cpu);
	while (goes_on()) {
		works[work](cpu);
		done(cpu, work);
	}
}

static void *thread_main(void *argument)
{
	uintptr_t number = (uintptr_t)argument;

	work((int)(number / WORKS), (enum work)(number % WORKS));
	return NULL;
}

static int threads_start(pthread_t *threads)
{
	pthread_attr_t small;
	int count = 0;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_BYTES);
	for (int i = 0; i < storm->cpus * WORKS; i++) {
		if (i % WORKS == WORK_FORK)
			continue;
		if (pthread_create(&threads[count], &small, thread_main, (void *)(uintptr_t)i))
			fault("cannot start thread %d", i);
		else
			count++;
	}
	return count;
}

/* Of their own, since a process with many threads is slow to fork, and takes all locks for it. */
static int forkers_start(void)
{
	int count = 0;

	for (int cpu = 0; cpu < storm->cpus; cpu++) {
		pid_t pid = fork();

		if (!pid) {
			work(cpu, WORK_FORK);
			_exit(0);
		}
		if (pid < 0)
			fault("cannot start process %d: %s", cpu, strerror(errno));
		else
			count++;
	}
	return count;
}

static void check_progress(const struct counts *before)
{
	for (int cpu = 0; cpu < storm->cpus; cpu++)
		for (int i = 0; i < WORKS; i++)
			if (storm->counts[cpu].of[i] == before[cpu].of[i])
				fault("CPU %d: no %s any more after %llu", cpu, work_names[i],
				      (unsigned long long)before[cpu].of[i]);
}

static void watch(long seconds)
{
	static struct counts before[CPUS_MAX];
	uint64_t begin = now_ns();
	long until = 0;

	while (until < seconds && goes_on()) {
		until = until + 2 * INTERVAL_S > seconds ? seconds : until + INTERVAL_S;
		while (now_ns() < begin + (uint64_t)(until * NS_PER_S) && goes_on())
			usleep(50000);
		if (goes_on())
			check_progress(before);
		memcpy(before, storm->counts, sizeof(before));
	}
	__atomic_store_n(&storm->stop, true, __ATOMIC_SEQ_CST);
}

static void report(void)
{
	for (int cpu = 0; cpu < storm->cpus; cpu++) {
		printf("storm: cpu %d:", cpu);
		for (int i = 0; i < WORKS; i++)
			printf(" %llu %s", (unsigned long long)storm->counts[cpu].of[i],
			       work_names[i]);
		printf("\n");
	}
	printf("storm: a sleep was %llu us too long at most\n",
	       (unsigned long long)storm->late_ns / 1000);
	if (storm->faults)
		printf("storm: FAIL, %u: %s\n", storm->faults, storm->fault);
	else
		printf("storm: PASS on %d CPUs\n", storm->cpus);
}

static bool prepare(void)
{
	storm = mmap(NULL, sizeof(*storm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (storm == MAP_FAILED)
		return false;
	storm->cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (storm->cpus < 1 || storm->cpus > CPUS_MAX)
		return false;
	storm->turn[0] = 1;
	for (int i = 0; i < storm->cpus; i++) {
		storm->slots[i].page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (storm->slots[i].page == MAP_FAILED)
			return false;
	}
	return !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

int main(int argc, char **argv)
{
	static pthread_t threads[CPUS_MAX * WORKS];
	long seconds = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
	int count, processes;

	if (argc == 2 && !strcmp(argv[1], "child"))
		return CHILD_EXIT;
	if (seconds < 1 || !prepare()) {
		printf("storm: FAIL, usage: storm SECONDS, on 1 to %d CPUs\n", CPUS_MAX);
		return 1;
	}
	processes = forkers_start();
	count = threads_start(threads);
	watch(seconds);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	while (processes-- > 0)
		wait(NULL);
	report();
	return storm->faults ? 1 : 0;
}
