// SPDX-License-Identifier: GPL-2.0-only
/*
 * work.c: the programs that perf counts in a test guest, in one static binary.
 *
 *   work burn MS            keep this CPU busy for MS ms of its CPU time
 *   work hop ROUNDS MS      the same, MS per CPU, on every online CPU in turn
 *   work switch N           two processes pass a byte to and fro N times
 *   work tree N MS          N children at once, each with one child, burn MS each
 *   work churn N            N processes, one after the other, that exit at once
 *   work split MS           75 % of the time in split_75(), 25 % in split_25()
 *   work alternate MS       two processes, ping and pong, on one CPU, that spin
 *                           for 1 ms each in turn, in spin_ping() and spin_pong()
 *   work throughput SECONDS how much all CPUs together get done in that time
 *   work open N TYPE CONFIG SECONDS
 *                           open N events on this task, say how many opened and
 *                           the first error, hold them
 *   work flood TYPE SECONDS
 *                           on each CPU: open a group of another kind each time,
 *                           enable, read, disable and close it, without end
 *
 *   work kexec KERNEL INITRD COMMANDLINE [crash]
 *                           make this the kernel of the next reboot -k, or of the
 *                           next crash
 *   work reboot             start that kernel
 *
 * Each says what it did on one line, so that a case can check that it ran.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long
cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void
burn(long ms)
{
	long long end = cpu_ns() + ms * 1000000LL;

	while (cpu_ns() < end) {
		for (volatile int i = 0; i < 20000; i++)
			;
	}
}

static int
hop(long rounds, long ms)
{
	long ncpus = sysconf(_SC_NPROCESSORS_CONF);
	long moves = 0;

	for (long round = 0; round < rounds; round++) {
		for (long cpu = 0; cpu < ncpus; cpu++) {
			cpu_set_t set;

			CPU_ZERO(&set);
			CPU_SET(cpu, &set);
			if (sched_setaffinity(0, sizeof(set), &set) < 0)
				continue;
			burn(ms);
			moves++;
		}
	}
	printf("hop: %ld moves\n", moves);
	return 0;
}

static int
ping_pong(long n)
{
	int there[2], back[2];
	char byte = 0;
	pid_t child;

	if (pipe(there) < 0 || pipe(back) < 0)
		return 1;
	child = fork();
	if (child == 0) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1) {
			if (write(back[1], &byte, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	for (long i = 0; i < n; i++) {
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			return 1;
	}
	close(there[1]);
	waitpid(child, NULL, 0);
	printf("switch: %ld round trips\n", n);
	return 0;
}

static int
tree(long n, long ms)
{
	for (long i = 0; i < n; i++) {
		if (fork() == 0) {
			if (fork() == 0) {
				burn(ms);
				_exit(0);
			}
			burn(ms);
			wait(NULL);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	printf("tree: %ld processes\n", 2 * n);
	return 0;
}

static int
churn(long n)
{
	for (long i = 0; i < n; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		waitpid(child, NULL, 0);
	}
	printf("churn: %ld processes\n", n);
	return 0;
}

/* The same loop in both: three times as many rounds are three times the time. */
#define SPLIT(name)						\
	static __attribute__((noinline)) void			\
	name(int rounds)					\
	{							\
		for (volatile int i = 0; i < rounds; i++)	\
			;					\
	}

SPLIT(split_75)
SPLIT(split_25)

static __attribute__((noinline)) int
split(long ms)
{
	long long end = cpu_ns() + ms * 1000000LL;
	long rounds = 0;

	while (cpu_ns() < end) {
		for (int i = 0; i < 10; i++) {
			/* Never in step with a sample period. */
			int share = 5000 + rand() % 10000;

			split_75(3 * share);
			split_25(share);
		}
		rounds++;
	}
	printf("split: %ld rounds\n", rounds);
	return 0;
}

/* In the function that calls it, so that what is late for the function's work
 * is still at its address. */
static inline __attribute__((always_inline)) long
syscall_here(long nr, long fd, void *byte)
{
	long ret;

	asm volatile("syscall" : "=a"(ret) : "0"(nr), "D"(fd), "S"(byte), "d"(1L) : "rcx", "r11", "memory");
	return ret;
}

#define SPIN(name)							\
	static __attribute__((noinline)) long				\
	name(int in, int out, unsigned long long ticks, long turns)	\
	{								\
		char byte = 0;						\
									\
		for (long i = 0; i < turns; i++) {			\
			unsigned long long end;				\
									\
			if (syscall_here(SYS_read, in, &byte) != 1)	\
				return i;				\
			end = __builtin_ia32_rdtsc() + ticks;		\
			while (__builtin_ia32_rdtsc() < end)		\
				;					\
			if (syscall_here(SYS_write, out, &byte) != 1)	\
				return i;				\
		}							\
		return turns;						\
	}

SPIN(spin_ping)
SPIN(spin_pong)

static int
alternate(long ms)
{
	unsigned long long begin = __builtin_ia32_rdtsc();
	unsigned long long ticks;
	long long start = cpu_ns();
	int there[2], back[2];
	cpu_set_t set;
	long turns;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (pipe(there) < 0 || pipe(back) < 0 || sched_setaffinity(0, sizeof(set), &set) < 0)
		return 1;
	burn(100);
	ticks = (__builtin_ia32_rdtsc() - begin) / ((cpu_ns() - start) / 1000000);
	if (fork() == 0) {
		prctl(PR_SET_NAME, "pong");
		spin_pong(there[0], back[1], ticks, ms / 2);
		_exit(0);
	}
	prctl(PR_SET_NAME, "ping");
	if (write(back[1], "", 1) != 1)
		return 1;
	turns = spin_ping(back[0], there[1], ticks, ms / 2);
	wait(NULL);
	printf("alternate: %ld turns\n", turns);
	return 0;
}

static int
throughput(unsigned int seconds)
{
	long ncpus = sysconf(_SC_NPROCESSORS_ONLN);
	time_t end = time(NULL) + seconds;
	unsigned long long all = 0, done;
	int result[2];

	if (pipe(result) < 0)
		return 1;
	for (long cpu = 0; cpu < ncpus; cpu++) {
		if (fork() != 0)
			continue;
		for (done = 0; time(NULL) < end; done++)
			split_25(2000);
		_exit(write(result[1], &done, sizeof(done)) != sizeof(done));
	}
	for (long cpu = 0; cpu < ncpus; cpu++)
		if (read(result[0], &done, sizeof(done)) == sizeof(done))
			all += done;
	while (wait(NULL) > 0)
		;
	printf("throughput: %llu\n", all);
	return 0;
}

static int
open_many(long n, unsigned int type, unsigned long long config, unsigned int seconds)
{
	int error = 0;
	long opened = 0;

	for (long i = 0; i < n; i++) {
		struct perf_event_attr attr = {
			.type = type,
			.size = sizeof(attr),
			.config = config,
			.exclude_guest = 1,
		};

		if (syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0) >= 0)
			opened++;
		else if (!error)
			error = errno;
	}
	printf("open: %ld of %ld, %s\n", opened, n, error ? strerrorname_np(error) : "no error");
	fflush(stdout);
	sleep(seconds);
	return 0;
}

/* The groups are of the PMU's first three events, so that there is always one
 * of another kind than the one just closed. */
static void
flood_cpu(long cpu, unsigned int type, time_t end, unsigned long done[2])
{
	int fds[3];
	char counts[64];
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (unsigned int round = 0; time(NULL) < end; round++) {
		unsigned int members = 1 + round % 3;

		for (unsigned int i = 0; i < members; i++) {
			struct perf_event_attr attr = {
				.type = type,
				.size = sizeof(attr),
				.config = (round + i) % 3,
				.disabled = i == 0,
				.exclude_guest = 1,
			};

			fds[i] = syscall(SYS_perf_event_open, &attr, 0, -1, i ? fds[0] : -1, 0);
			done[fds[i] < 0]++;
		}
		for (int i = 0; i < 10 && fds[0] >= 0; i++) {
			ioctl(fds[0], PERF_EVENT_IOC_ENABLE, 0);
			if (read(fds[0], counts, sizeof(counts)) < 0)
				break;
			ioctl(fds[0], PERF_EVENT_IOC_DISABLE, 0);
		}
		while (members > 0)
			close(fds[--members]);
	}
}

static int
flood(unsigned int type, unsigned int seconds)
{
	long ncpus = sysconf(_SC_NPROCESSORS_ONLN);
	time_t end = time(NULL) + seconds;
	unsigned long all[2] = { 0 }, done[2] = { 0 };
	int result[2];

	if (pipe(result) < 0)
		return 1;
	for (long cpu = 0; cpu < ncpus; cpu++) {
		if (fork() != 0)
			continue;
		flood_cpu(cpu, type, end, done);
		_exit(write(result[1], done, sizeof(done)) != sizeof(done));
	}
	for (long cpu = 0; cpu < ncpus; cpu++) {
		if (read(result[0], done, sizeof(done)) == sizeof(done)) {
			all[0] += done[0];
			all[1] += done[1];
		}
	}
	while (wait(NULL) > 0)
		;
	printf("flood: %lu opened, %lu refused\n", all[0], all[1]);
	return 0;
}

static int
load_kernel(char **argv, unsigned long flags)
{
	int kernel = open(argv[2], O_RDONLY);
	int initrd = open(argv[3], O_RDONLY);

	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[4]) + 1, argv[4], flags) < 0) {
		perror("kexec_file_load");
		return 1;
	}
	printf("kexec: loaded\n");
	return 0;
}

static long
number(int argc, char **argv, int index)
{
	if (index >= argc) {
		fprintf(stderr, "work: argument %d is missing\n", index);
		exit(2);
	}
	return strtol(argv[index], NULL, 0);
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "burn")) {
		burn(number(argc, argv, 2));
		printf("burn: %ld ms\n", number(argc, argv, 2));
		return 0;
	}
	if (!strcmp(what, "hop"))
		return hop(number(argc, argv, 2), number(argc, argv, 3));
	if (!strcmp(what, "switch"))
		return ping_pong(number(argc, argv, 2));
	if (!strcmp(what, "tree"))
		return tree(number(argc, argv, 2), number(argc, argv, 3));
	if (!strcmp(what, "churn"))
		return churn(number(argc, argv, 2));
	if (!strcmp(what, "split"))
		return split(number(argc, argv, 2));
	if (!strcmp(what, "alternate"))
		return alternate(number(argc, argv, 2));
	if (!strcmp(what, "throughput"))
		return throughput(number(argc, argv, 2));
	if (!strcmp(what, "kexec") && argc >= 5)
		return load_kernel(argv, argc > 5 ? KEXEC_FILE_ON_CRASH : 0);
	if (!strcmp(what, "reboot"))
		return reboot(RB_KEXEC) < 0;
	if (!strcmp(what, "open"))
		return open_many(number(argc, argv, 2), number(argc, argv, 3),
				 number(argc, argv, 4), number(argc, argv, 5));
	if (!strcmp(what, "flood"))
		return flood(number(argc, argv, 2), number(argc, argv, 3));
	fprintf(stderr, "usage: work burn|hop|switch|tree|churn|split|alternate|throughput|kexec|reboot|"
		"open|flood ...\n");
	return 2;
}
