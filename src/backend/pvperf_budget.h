/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_budget.h: how many samples a VM may take now.
 *
 * Two leaky buckets, with the meaning that libvirt's iotune gives the same
 * words: total_samples_sec leaks out of the first at all times, and where there
 * is a total_samples_sec_max the first is as large as that rate for
 * total_samples_sec_max_length seconds, while the second keeps the burst
 * itself to total_samples_sec_max. pvperf_sampling.c fills them, one sample
 * each, and pvperf_grants.c hands out no more than what is free.
 *
 * Pure arithmetic: levels are in millionths of a sample, time in ns.
 */
#pragma once

#include <stdint.h>

#include "conf/pvperf_policy.h"

static inline uint64_t
pvperfBudgetMin(uint64_t a,
                uint64_t b)
{
    return a < b ? a : b;
}

/* All zero: empty. */
typedef struct _pvperfBudget pvperfBudget;
struct _pvperfBudget {
    uint64_t level;             /* of the bucket that total_samples_sec leaks out of */
    uint64_t burst;             /* of the one that total_samples_sec_max leaks out of */
    uint64_t leaked;            /* ns: up to when both have leaked */
};

/* What may be taken at once without a burst, as a part of a second's worth. */
#define PVPERF_BUDGET_PART 10ULL

/* Samples that a bucket holds out of which @rate leaks, with a burst of @max (0:
 * none) for @length seconds. */
static inline uint64_t
pvperfBudgetSize(uint64_t rate,
                 uint64_t max,
                 uint64_t length)
{
    if (max == 0)
        return rate / PVPERF_BUDGET_PART + 1;
    return max * (length ? length : 1);
}

#define PVPERF_BUDGET_UNLIMITED UINT32_MAX

/* Samples that may be taken now. */
uint32_t pvperfBudgetFree(pvperfBudget *budget,
                          const pvperfPolicy *policy,
                          uint64_t now);

/* The limits changed: what is in the buckets is at most what they hold now. */
void pvperfBudgetChange(pvperfBudget *budget,
                        const pvperfPolicy *policy,
                        uint64_t now);

/* One was taken; more than is free at most by what was handed out before. */
void pvperfBudgetTake(pvperfBudget *budget);
