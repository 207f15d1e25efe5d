/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_group.h: limits that the VMs of a group share.
 *
 * The backends of a group map one page of memory, which the daemon makes: each
 * writes what its VM has open and what its samplers were granted into a line
 * of its own, and all move the same clocks of samples and requests. So the
 * limits hold for the sum, exactly and without asking anybody. A backend that
 * has been taken over can cheat the VMs that share the group with it, and
 * nobody else: nothing read from the page is an index, a size or a bound.
 *
 * Lives in pvperfBackend; asked by pvperf_ops.c, pvperf_serve.c and
 * pvperf_grants.c. The daemon's part is src/qemu/pvperf_group.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pvperf_control.h"

#define PVPERF_GROUP_MEMBERS 1023

/* Of a member; only it writes it, and the daemon once it is gone. */
typedef struct _pvperfGroupLine pvperfGroupLine;
struct _pvperfGroupLine {
    uint32_t open;              /* events; one more while one is being opened */
    uint32_t granted;           /* overflows that its samplers may still have */
    uint64_t overflows;         /* taken, ever */
    uint64_t requests;          /* served, ever */
    uint32_t waiting;           /* samplers that wait for a grant */
    uint32_t turn;              /* number of the last grant that it got */
    uint64_t reserved[4];
};

/* Times are of CLOCK_MONOTONIC in 1/16 ns: how far ahead of now a limit is used
 * up. */
typedef struct _pvperfGroupPage pvperfGroupPage;
struct _pvperfGroupPage {
    uint32_t nmembers;          /* lines that may be in use; written by the daemon */
    uint32_t turns;             /* grants given, all together */
    uint64_t samples;           /* by total_samples_sec */
    uint64_t burst;             /* by total_samples_sec_max */
    uint64_t requests;          /* by requests_sec */
    uint64_t reserved[4];
    pvperfGroupLine lines[PVPERF_GROUP_MEMBERS];
};

_Static_assert(sizeof(pvperfGroupLine) == 64, "a line of the cache each");
_Static_assert(sizeof(pvperfGroupPage) == 65536, "size of a group's page");

/* One limit as a clock sees it. */
typedef struct _pvperfGroupBucket pvperfGroupBucket;
struct _pvperfGroupBucket {
    uint64_t each;              /* ticks that one use takes; 0: no limit */
    uint64_t depth;             /* ticks that the clock may be ahead */
};

/* All zero: in no group, nothing is limited. */
typedef struct _pvperfGroup pvperfGroup;
struct _pvperfGroup {
    pvperfGroupPage *page;
    uint32_t member;
    pvperfGroupLimits limits;
    pvperfGroupBucket samples;  /* of the limits */
    pvperfGroupBucket burst;
    pvperfGroupBucket requests;
    uint32_t yields;            /* looks in a row that were left to others */
};

/* Maps the page of @fd (which stays the caller's) and leaves the one of before;
 * with fd -1 the page stays and only limits change. False with errno. */
bool pvperfGroupJoin(pvperfGroup *group,
                     int fd,
                     uint32_t member,
                     const pvperfGroupLimits *limits);
void pvperfGroupLeave(pvperfGroup *group);

/* Is there room for one more event beside the @open of this VM? If so it is
 * taken, until pvperfGroupOpen() says how many there are. */
bool pvperfGroupReserve(pvperfGroup *group,
                        uint32_t open);
void pvperfGroupOpen(pvperfGroup *group,
                     uint32_t open);

/* As pvperfRateCharge(), for the group. */
bool pvperfGroupCharge(pvperfGroup *group,
                       uint64_t now,
                       bool insist);

/* Samples that may be granted to this VM beyond the @granted that it has; 0
 * also if there are few and another VM's turn is before. *@waiting are samplers
 * of other VMs that wait for one. */
uint64_t pvperfGroupSamplesFree(pvperfGroup *group,
                                uint32_t granted,
                                uint64_t now,
                                uint32_t *waiting);

/* So much is granted, so many samplers wait; @turn: and one was granted
 * something now. One sample was taken. */
void pvperfGroupGranted(pvperfGroup *group,
                        uint32_t granted,
                        uint32_t waiting,
                        bool turn);
void pvperfGroupSample(pvperfGroup *group,
                       uint64_t now);
