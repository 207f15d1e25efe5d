/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench_group.c: mkdir, and numbers into files.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench_group.h"

#define VERSION_1 "/sys/fs/cgroup/cpu"
#define VERSION_2 "/sys/fs/cgroup"

static bool
benchGroupIsVersion1(void)
{
    return access(VERSION_1 "/cpu.cfs_quota_us", F_OK) == 0 || access(VERSION_1 "/cgroup.procs", F_OK) == 0;
}


static void
benchGroupPath(char path[256],
               const char *name,
               const char *file)
{
    snprintf(path, 256, "%s/pvperf-bench-%d-%s/%s", benchGroupIsVersion1() ? VERSION_1 : VERSION_2, getpid(), name,
             file);
}


static bool __attribute__((format(printf, 3, 4)))
benchGroupWrite(const char *name,
                const char *file,
                const char *format,
                ...)
{
    char path[256];
    va_list args;
    bool ok;
    int fd;

    benchGroupPath(path, name, file);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    va_start(args, format);
    ok = vdprintf(fd, format, args) > 0;
    va_end(args);
    close(fd);
    return ok;
}


bool
benchGroupMake(const char *name)
{
    char path[256];

    benchGroupPath(path, name, "");
    return mkdir(path, 0755) == 0;
}


bool
benchGroupQuota(const char *name,
                uint64_t period,
                uint64_t quota)
{
    if (!benchGroupIsVersion1() && quota)
        return benchGroupWrite(name, "cpu.max", "%ju %ju", (uintmax_t)quota, (uintmax_t)period);
    if (!benchGroupIsVersion1())
        return benchGroupWrite(name, "cpu.max", "max");
    return benchGroupWrite(name, "cpu.cfs_period_us", "%ju", (uintmax_t)period) &&
        benchGroupWrite(name, "cpu.cfs_quota_us", "%jd", quota ? (intmax_t)quota : -1);
}


bool
benchGroupEnter(const char *name,
                pid_t pid)
{
    return benchGroupWrite(name, "cgroup.procs", "%d", pid);
}


void
benchGroupRemove(const char *name)
{
    char path[256];

    benchGroupPath(path, name, "");
    rmdir(path);
}
