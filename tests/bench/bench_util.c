/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench_util.c: a clock, a CPU, a percentile, the machine.
 */
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench_util.h"

uint64_t
benchNow(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}


void
benchPin(pid_t tid,
         int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(tid, sizeof(set), &set) < 0)
        err(99, "CPU %d", cpu);
}


static int
benchCompare(const void *a,
             const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}


uint64_t
benchPercentile(uint64_t *values,
                uint32_t n,
                unsigned int percent)
{
    if (n == 0)
        return 0;
    qsort(values, n, sizeof(values[0]), benchCompare);
    return values[(uint64_t)n * percent / 100];
}


void
benchPrintMachine(double load)
{
    char line[256];
    struct utsname name;
    FILE *file = fopen("/proc/cpuinfo", "re");

    uname(&name);
    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, "model name", 10) == 0) {
            printf("machine: %ld CPUs, %s", sysconf(_SC_NPROCESSORS_ONLN), strchr(line, ':') + 2);
            break;
        }
    }
    if (file)
        fclose(file);
    printf("kernel: %s %s, load %.1f (figures mean something below 1.5)\n", name.release, name.machine, load);
}
