/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sampling_rig.h: a vCPU that overflows, a backend, a handler.
 *
 * The vCPU is a thread that burns one CPU when it is told to and notes each
 * millisecond what its event counts. The handler is a thread that waits for the
 * vector's eventfd, claims and reads the slot, as a guest does; it stands for
 * the VMM's delivery too, which takes place inside the write, so it runs before
 * the backend if this process may ask for that.
 *
 * A run goes through a real pvperf-backend, or is bare: then a thread that
 * waits for the same kernel event does nothing but write the eventfd. The rig
 * is the broker of both, so it reads the kernel's records besides: at which
 * count each overflow was taken.
 */
#pragma once

#include "fake_vm.h"

#define RIG_NS_PER_SEC 1000000000ULL
#define RIG_NOTES 16384
#define RIG_OVERFLOWS (128 * 1024 * 3)

typedef struct _rigNote rigNote;
struct _rigNote {
    uint64_t at;                /* CLOCK_MONOTONIC */
    uint64_t count;             /* of the event */
};

typedef struct _rigOverflow rigOverflow;
struct _rigOverflow {
    uint64_t seen;              /* when the handler had read the slot */
    uint64_t count;             /* of the event as the kernel took the overflow */
};

/* What a run brought; what is timed besides. */
typedef struct _samplingRig samplingRig;
struct _samplingRig {
    fakeVm vm;
    int guest_cpu;
    int host_cpu;               /* of the backend, the handler and the caller */
    bool in_front;              /* the handler runs before the backend */

    uint64_t ns;                /* that the vCPU was told to run */
    uint64_t cpu_ns;            /* of the backend, or of the bare run's thread */
    uint64_t count;             /* of the event */
    uint64_t host;              /* overflows that the kernel recorded */
    uint64_t unwritten;         /* times it had no room for a record */
    uint64_t slot;              /* overflows that the slot tells of ... */
    uint64_t period_sum;        /* ... and what they stand for */
    uint64_t handler;           /* overflows that the handler saw */
    uint64_t nmis;

    rigNote notes[RIG_NOTES];
    uint32_t nnotes;
    rigOverflow overflows[RIG_OVERFLOWS];
    uint32_t noverflows;
    uint64_t pings[RIG_OVERFLOWS]; /* ns from write to read; bare runs */
    uint32_t npings;
};

extern samplingRig rig;

void rigStart(const char *backend,
              int guest_cpu,
              int host_cpu);

/* Lets the vCPU run for so many ns, overflowing each period. */
void rigRunBackend(uint64_t period,
                   uint64_t ns);
void rigRunBare(uint64_t period,
                uint64_t ns);
