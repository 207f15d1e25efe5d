/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_policy_check.h: may the guest do this?
 *
 * Pure: the request, the policy, the state and the time come as arguments,
 * a verdict goes out. No clock, no fd, no memory of its own, so that every
 * rule is tested by a table. Called by pvperf_ops.c with copies of what the
 * guest wrote.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "conf/pvperf_events.h"
#include "conf/pvperf_policy.h"

/* What the guest is told: 0 or -errno, why, and the limit that said no. */
typedef struct _pvperfVerdict pvperfVerdict;
struct _pvperfVerdict {
    int ret;
    enum pvperf_reason reason;
    uint64_t limit;
};

/* A refusal without a limit. */
pvperfVerdict pvperfVerdictRefuse(int ret,
                                  enum pvperf_reason reason);

/* Requests per second: a theoretical arrival time that runs ahead of the clock
 * by at most the burst (a tenth of a second's worth, at least 256 requests). */
typedef struct _pvperfRate pvperfRate;
struct _pvperfRate {
    uint64_t arrival;           /* ns */
};

#define PVPERF_RATE_BURST_MIN 256ULL    /* requests: four rings of frames */
#define PVPERF_RATE_BURST_PART 10ULL    /* of a second */

/* Charges one request at time now. False if it is one too many. A request that
 * must not be refused (CLOSE, DISABLE: they give something back) is charged
 * with insist; it never fails and runs up a debt of at most one more burst. */
bool pvperfRateCharge(pvperfRate *rate,
                      uint64_t requests_sec,
                      uint64_t now,
                      bool insist);

/* Can an event of this attr be opened under this policy? *event becomes its entry
 * in the table as soon as that is known, allowed or not. */
pvperfVerdict pvperfCheckAttr(const struct guest_perf_attr *attr,
                              const pvperfPolicy *policy,
                              uint32_t classes_available,
                              pvperfEventIndex *event);

/* Is there room for one more open event? */
pvperfVerdict pvperfCheckMax(const pvperfPolicy *policy,
                             uint32_t open);

/* Is an open event of this kind still allowed? */
pvperfVerdict pvperfCheckOpen(const pvperfPolicy *policy,
                              pvperfEventIndex event,
                              uint64_t raw_config);

/* May an open event of this kind start on a vCPU where so many are counting? */
pvperfVerdict pvperfCheckStart(const pvperfPolicy *policy,
                               pvperfEventIndex event,
                               uint64_t raw_config,
                               uint32_t counting);
