/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_ring.h: the host kernel's records of one vCPU thread's overflows.
 *
 * A ring belongs to a host event that never counts (the daemon opens it in the
 * context of those that do); sampling events of the same thread are redirected
 * into it. pvperf_sampling.c maps, reads and drops rings.
 *
 * The kernel writes, this side reads and moves the tail. A ring is never full:
 * pvperf_sampling.c lets no more overflows happen than fit.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pvperf_hostperf.h"

/* Longest record there is: a sample with the counts of a whole group. */
#define PVPERF_RING_RECORD_WORDS (7 + PVPERF_MAX_GROUP)

typedef struct _pvperfRing pvperfRing;
struct _pvperfRing {
    int fd;                     /* its owner's, + 1; 0: no ring */
    void *memory;               /* one control page, then PVPERF_RING_BYTES */
    uint64_t tail;
    bool armed;                 /* the next record wakes the poll loop */
};

typedef enum {
    PVPERF_RECORD_OVERFLOW,
    PVPERF_RECORD_THROTTLED,    /* the host's kernel stopped the event ... */
    PVPERF_RECORD_UNTHROTTLED,  /* ... and lets it go on */
    PVPERF_RECORD_OTHER,
} pvperfRecordKind;

typedef struct _pvperfRecord pvperfRecord;
struct _pvperfRecord {
    pvperfRecordKind kind;
    uint64_t sample_id;         /* the kernel's number of the event */
    uint64_t ip;
    uint64_t period;
    uint32_t mode;              /* PERF_RECORD_MISC_* of the place */
    uint32_t members;           /* counts that follow, 0: none were asked for */
    uint64_t count[PVPERF_MAX_GROUP];
};

/* Maps a ring; the fd is the ring's if that succeeds. 0 or -errno. */
int pvperfRingOpen(pvperfRing *ring,
                   const pvperfHostperf *host,
                   int fd);
void pvperfRingClose(pvperfRing *ring,
                     const pvperfHostperf *host);

/* How far the kernel has written (acquire: the records are there). */
uint64_t pvperfRingHead(const pvperfRing *ring);

/* Takes the next record before head; false if there is none. */
bool pvperfRingNext(pvperfRing *ring,
                    uint64_t head,
                    pvperfRecord *record);

/* Gives the room of what was taken back to the kernel. */
void pvperfRingRelease(pvperfRing *ring);

/* Bytes that one overflow takes. */
uint32_t pvperfRingRecordBytes(bool counts,
                               uint32_t members);
