/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_spares.h: host events that the guest closed, kept for the next OPEN.
 *
 * A host event of a new kind costs a request to the daemon and a system call
 * there. One that the guest just closed is as good, if it stands alone, is
 * switched off and is of the same kind on the same vCPU: counts are differences,
 * so its past does not show. pvperf_cells.c puts, pvperf_ops.c takes.
 *
 * There are at most PVPERF_SPARES of them, each for at most PVPERF_SPARES_NS:
 * a switched-off event costs its vCPU's thread a little at every context
 * switch. Every fd in here belongs to it alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PVPERF_SPARES 64
#define PVPERF_SPARES_NS 1000000000ULL

/* What makes two host events the same. */
typedef struct _pvperfSpareKind pvperfSpareKind;
struct _pvperfSpareKind {
    int32_t event;              /* pvperfEventIndex */
    uint32_t vcpu;
    uint32_t modes;             /* PVPERF_ATTR_EXCLUDE_USER | _KERNEL */
    uint64_t raw_config;
};

typedef struct _pvperfSpare pvperfSpare;
struct _pvperfSpare {
    pvperfSpareKind kind;
    int fd;
    uint64_t count;             /* when it was last read; it has been off since */
    uint64_t enabled;
    uint64_t running;
    uint64_t until;             /* ns */
};

/* All zero: empty. Oldest first. */
typedef struct _pvperfSpares pvperfSpares;
struct _pvperfSpares {
    pvperfSpare spare[PVPERF_SPARES];
    uint32_t n;
};

/* Keeps one; false if there is no room. */
bool pvperfSparesPut(pvperfSpares *spares,
                     const pvperfSpare *spare);

/* Gives back the youngest of this kind; false if there is none. */
bool pvperfSparesTake(pvperfSpares *spares,
                      const pvperfSpareKind *kind,
                      pvperfSpare *spare);

/* Takes the oldest out, to be closed, if it is due by now; -1: none is. */
int pvperfSparesExpired(pvperfSpares *spares,
                        uint64_t now);

/* Takes one of this vCPU's out, to be closed; -1: there is none. */
int pvperfSparesOfVcpu(pvperfSpares *spares,
                       uint32_t vcpu);

/* When the oldest is due; 0: there is none. */
uint64_t pvperfSparesDeadline(const pvperfSpares *spares);
