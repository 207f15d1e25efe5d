/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_budget.c: two leaky buckets of samples.
 *
 * Called by pvperf_sampling.c. A bucket without a burst holds a tenth of a
 * second, as QEMU's throttling does: shorter than that, a rate is noise.
 */
#include "pvperf_budget.h"

#define PVPERF_UNIT 1000000ULL          /* of a level, per sample */
#define PVPERF_BUDGET_RATE_MAX 1000000000ULL
#define PVPERF_BUDGET_LENGTH_MAX 3600ULL

/* What is left of a level after so many ns: rate * ns / 10^9 samples less. A
 * time whose product would not fit empties any bucket. */
static uint64_t
pvperfBudgetLeak(uint64_t level,
                 uint64_t rate,
                 uint64_t ns)
{
    uint64_t out;

    if (ns / 1000 >= UINT64_MAX / rate / 2)
        return 0;
    out = ns / 1000 * rate + ns % 1000 * rate / 1000;
    return level > out ? level - out : 0;
}


/* What each bucket holds; 0: there is none. */
static void
pvperfBudgetSizes(const pvperfPolicy *policy,
                  uint64_t *size,
                  uint64_t *burst)
{
    uint64_t rate = pvperfBudgetMin(policy->total_samples_sec, PVPERF_BUDGET_RATE_MAX);
    uint64_t max = pvperfBudgetMin(policy->total_samples_sec_max, PVPERF_BUDGET_RATE_MAX);
    uint64_t length = policy->total_samples_sec_max_length;

    length = pvperfBudgetMin(length, PVPERF_BUDGET_LENGTH_MAX);
    *size = 0;
    *burst = 0;
    if (rate)
        *size = pvperfBudgetSize(rate, max, length) * PVPERF_UNIT;
    if (rate && max)
        *burst = pvperfBudgetSize(max, 0, 0) * PVPERF_UNIT;
}


uint32_t
pvperfBudgetFree(pvperfBudget *budget,
                 const pvperfPolicy *policy,
                 uint64_t now)
{
    uint64_t rate = pvperfBudgetMin(policy->total_samples_sec, PVPERF_BUDGET_RATE_MAX);
    uint64_t max = pvperfBudgetMin(policy->total_samples_sec_max, PVPERF_BUDGET_RATE_MAX);
    uint64_t ns = now > budget->leaked ? now - budget->leaked : 0;
    uint64_t size;
    uint64_t burst;
    uint64_t free;

    if (rate == 0)
        return PVPERF_BUDGET_UNLIMITED;

    budget->leaked = now;
    pvperfBudgetSizes(policy, &size, &burst);
    budget->level = pvperfBudgetLeak(budget->level, rate, ns);
    free = size > budget->level ? size - budget->level : 0;
    if (max) {
        budget->burst = pvperfBudgetLeak(budget->burst, max, ns);
        free = pvperfBudgetMin(free, burst > budget->burst ? burst - budget->burst : 0);
    }
    return pvperfBudgetMin(free / PVPERF_UNIT, PVPERF_BUDGET_UNLIMITED - 1);
}


void
pvperfBudgetChange(pvperfBudget *budget,
                   const pvperfPolicy *policy,
                   uint64_t now)
{
    uint64_t size;
    uint64_t burst;

    pvperfBudgetSizes(policy, &size, &burst);
    budget->level = pvperfBudgetMin(budget->level, size);
    budget->burst = pvperfBudgetMin(budget->burst, burst);
    budget->leaked = now;
}


void
pvperfBudgetTake(pvperfBudget *budget)
{
    budget->level += PVPERF_UNIT;
    budget->burst += PVPERF_UNIT;
}
