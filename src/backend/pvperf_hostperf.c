/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_hostperf.c: the perf system calls of the backend.
 *
 * The fds come from the daemon, which opened them on this VM's vCPU threads.
 * System calls: ioctl(PERF_EVENT_IOC_ENABLE, _DISABLE, _REFRESH, _ID, _SET_OUTPUT,
 * _PERIOD), read, write (of an eventfd), mmap, munmap, close.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
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


static int
pvperfHostperfRefresh(int fd,
                      int32_t overflows)
{
    return ioctl(fd, PERF_EVENT_IOC_REFRESH, overflows) < 0 ? -errno : 0;
}


static int
pvperfHostperfIdentify(int fd,
                       uint64_t *sample_id)
{
    return ioctl(fd, PERF_EVENT_IOC_ID, sample_id) < 0 ? -errno : 0;
}


static int
pvperfHostperfRedirect(int fd,
                       int ring_fd)
{
    return ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, ring_fd) < 0 ? -errno : 0;
}


static int
pvperfHostperfFrequency(int fd,
                        uint64_t hz)
{
    return ioctl(fd, PERF_EVENT_IOC_PERIOD, &hz) < 0 ? -errno : 0;
}


static int
pvperfHostperfMap(int fd,
                  uint64_t bytes,
                  void **memory)
{
    *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return *memory == MAP_FAILED ? -errno : 0;
}


static void
pvperfHostperfUnmap(void *memory,
                    uint64_t bytes)
{
    munmap(memory, bytes);
}


/* A full eventfd, which nobody reads, has long said what there is to say. */
static void
pvperfHostperfNotify(int irq_fd)
{
    const uint64_t one = 1;

    if (write(irq_fd, &one, sizeof(one)) < 0)
        return;
}


static void
pvperfHostperfForget(int irq_fd)
{
    struct pollfd ready = { .fd = irq_fd, .events = POLLIN };
    uint64_t raised;

    if (poll(&ready, 1, 0) == 1 && read(irq_fd, &raised, sizeof(raised)) < 0)
        return;
}


const pvperfHostperf pvperfHostperfReal = {
    .enable = pvperfHostperfEnable,
    .disable = pvperfHostperfDisable,
    .read = pvperfHostperfRead,
    .close = pvperfHostperfClose,
    .refresh = pvperfHostperfRefresh,
    .identify = pvperfHostperfIdentify,
    .redirect = pvperfHostperfRedirect,
    .frequency = pvperfHostperfFrequency,
    .map = pvperfHostperfMap,
    .unmap = pvperfHostperfUnmap,
    .notify = pvperfHostperfNotify,
    .forget = pvperfHostperfForget,
};
