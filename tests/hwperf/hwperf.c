/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hwperf.c: init of the kernel that is the host.
 *
 *   init one|two        the tests for one CPU, or for two
 *
 * With one CPU nothing of the guest runs while this thread does: it has the
 * higher priority. So every count is exact, also those taken in between. With
 * two the guest really runs meanwhile.
 */
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests.h"
#include "vmm.h"

static const tapTest one[] = {
    { "instructions and cycles in all modes", testModes },
    { "nothing of the host is counted", testHost },
    { "a group counts in one instant", testGroup },
    { "READ of a running event", testRead },
    { "two hundred intervals", testIntervals },
    { "switched on and off while the guest runs", testToggle },
    { "one sample each period, with mode and place", testSamples },
    { "overflows are bounded in the kernel", testRefresh },
    { "what is missing or denied", testErrno },
    { "a group that is larger than the PMU", testLargeGroup },
    { "more events than counters", testMultiplex },
};

static const tapTest two[] = {
    { "all modes, from another CPU", testModesRemote },
    { "READ of an event that runs on another CPU", testReadRemote },
    { "switched on and off from another CPU", testToggleRemote },
    { "one sample each period, taken on another CPU", testSamplesRemote },
};


static void
stayOn(int cpu)
{
    const struct sched_param first = { .sched_priority = 1 };
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0 || sched_setscheduler(0, SCHED_FIFO, &first) < 0)
        err(99, "CPU %d", cpu);
}


static int
run(bool several)
{
    stayOn(several);
    vmmStart(0);
    if (several)
        tapRun(two, sizeof(two) / sizeof(two[0]));
    else
        tapRun(one, sizeof(one) / sizeof(one[0]));
    return EXIT_SUCCESS;
}


int
main(int argc,
     char **argv)
{
    bool several = argc > 1 && strcmp(argv[argc - 1], "two") == 0;
    int status = 0;
    pid_t pid;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (mount("proc", "/proc", "proc", 0, NULL) < 0 || mount("sysfs", "/sys", "sysfs", 0, NULL) < 0 ||
        mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) < 0)
        printf("Bail out! proc, sys or dev cannot be mounted\n");

    pid = fork();
    if (pid == 0)
        exit(run(several));
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
        printf("Bail out! the tests ended with status 0x%x\n", status);
    reboot(RB_POWER_OFF);
    return EXIT_FAILURE;
}
