/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_hostperf.h: what the backend does with a host perf event's fd.
 *
 * The table of events calls through pvperfHostperf, so that unit tests count
 * with a fake of exact arithmetic. The real one makes one system call per
 * function and never waits.
 */
#pragma once

#include <stdint.h>

#include "pvperf/abi.h"

/* What read() of a group leader gives (PERF_FORMAT_GROUP, both times). */
typedef struct _pvperfHostRead pvperfHostRead;
struct _pvperfHostRead {
    uint64_t nr;
    uint64_t enabled;
    uint64_t running;
    uint64_t count[PVPERF_MAX_GROUP];
};

/* One vCPU's ring: the kernel's control page, then the data; locked memory. */
#define PVPERF_RING_CONTROL 4096
#define PVPERF_RING_BYTES 32768
#define PVPERF_RING_MAPPED (PVPERF_RING_CONTROL + PVPERF_RING_BYTES)

typedef struct _pvperfHostperf pvperfHostperf;
struct _pvperfHostperf {
    int (*enable)(int fd);      /* 0 or -errno */
    int (*disable)(int fd);     /* 0 or -errno */
    int (*read)(int fd,
                uint32_t members,
                pvperfHostRead *values); /* 0, or -errno if nr != members */
    void (*close)(int fd);

    /* Sampling. refresh() lets so many more overflows happen, or fewer, and
     * enables; that many must be left. */
    int (*refresh)(int fd,
                   int32_t overflows); /* 0 or -errno */
    int (*identify)(int fd,
                    uint64_t *sample_id); /* 0 or -errno */
    int (*redirect)(int fd,
                    int ring_fd); /* its records go there; 0 or -errno */
    int (*frequency)(int fd,
                     uint64_t hz); /* a new one; 0 or -errno */
    int (*map)(int fd,
               uint64_t bytes,
               void **memory); /* 0 or -errno */
    void (*unmap)(void *memory,
                  uint64_t bytes);
    void (*notify)(int irq_fd); /* raises a vector */
    void (*forget)(int irq_fd); /* takes back what nobody has fetched; never waits */
};

extern const pvperfHostperf pvperfHostperfReal;
