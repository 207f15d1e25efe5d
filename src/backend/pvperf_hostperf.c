/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_hostperf.c: the perf system calls of the backend.
 *
 * The fds come from the daemon, which opened them on this VM's vCPU threads.
 * System calls: ioctl(PERF_EVENT_IOC_ENABLE, _DISABLE), read, close.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pvperf_hostperf.h"

static int
pvperfHostperfEnable(int fd)
{
    return ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0 ? -errno : 0;
}


static int
pvperfHostperfDisable(int fd)
{
    return ioctl(fd, PERF_EVENT_IOC_DISABLE, 0) < 0 ? -errno : 0;
}


static int
pvperfHostperfRead(int fd,
                   uint32_t members,
                   pvperfHostRead *values)
{
    size_t want = offsetof(pvperfHostRead, count) + members * sizeof(values->count[0]);
    ssize_t got = read(fd, values, sizeof(*values));

    if (got < 0)
        return -errno;
    if ((size_t)got != want || values->nr != members)
        return -EIO;
    return 0;
}


static void
pvperfHostperfClose(int fd)
{
    close(fd);
}


const pvperfHostperf pvperfHostperfReal = {
    .enable = pvperfHostperfEnable,
    .disable = pvperfHostperfDisable,
    .read = pvperfHostperfRead,
    .close = pvperfHostperfClose,
};
