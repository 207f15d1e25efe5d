/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_policy_limit.c: what two policies both allow.
 *
 * Owns "lower, never raise": a named policy or a ceiling of the host bounds
 * what an element asks for. Called by pvperf_host_policy.c.
 *
 * Invariants: pure; the result allows nothing that one of the two denies;
 * limiting twice by the same bound changes nothing the second time. A limit of
 * 0 is no limit, so the smaller of two limits is the other one then.
 */
#include <errno.h>
#include <string.h>

#include "pvperf_policy.h"


static uint64_t
limitLower(uint64_t a,
           uint64_t b)
{
    if (a == 0 || b == 0)
        return a ? a : b;
    return a < b ? a : b;
}


static void
limitSamples(pvperfPolicy *policy,
             const pvperfPolicy *bound)
{
    /* A burst is above a rate, and as long as there is none nothing is above. */
    uint64_t burst = policy->total_samples_sec ? policy->total_samples_sec_max : bound->total_samples_sec_max;
    uint64_t bound_burst = bound->total_samples_sec ? bound->total_samples_sec_max : burst;
    uint64_t rate = limitLower(policy->total_samples_sec, bound->total_samples_sec);
    uint32_t length = policy->total_samples_sec_max_length;

    if (policy->total_samples_sec == 0)
        length = bound->total_samples_sec_max_length;
    else if (bound->total_samples_sec && bound->total_samples_sec_max_length < length)
        length = bound->total_samples_sec_max_length;

    policy->total_samples_sec = rate;
    policy->total_samples_sec_max = burst < bound_burst ? burst : bound_burst;
    policy->total_samples_sec_max_length = policy->total_samples_sec_max ? length : 0;
    if (policy->min_period < bound->min_period)
        policy->min_period = bound->min_period;
}


/* Of two shares of a CPU the smaller one, with its own period. */
static void
limitCPU(pvperfPolicy *policy,
         const pvperfPolicy *bound)
{
    if (bound->cpu_quota_us == 0)
        return;
    if (policy->cpu_quota_us &&
        (unsigned __int128)policy->cpu_quota_us * bound->cpu_period_us <=
        (unsigned __int128)bound->cpu_quota_us * policy->cpu_period_us)
        return;
    policy->cpu_quota_us = bound->cpu_quota_us;
    policy->cpu_period_us = bound->cpu_period_us;
}


/* What matches both entries matches their union of bits, if they agree where
 * both look. */
static bool
limitRawPair(const pvperfPolicyRaw *a,
             const pvperfPolicyRaw *b,
             pvperfPolicyRaw *both)
{
    if ((a->config ^ b->config) & pvperfPolicyRawMask(a) & pvperfPolicyRawMask(b))
        return false;
    both->config = a->config | b->config;
    both->mask = a->mask | b->mask;
    return true;
}


static bool
limitRawHas(const pvperfPolicyRaw *list,
            uint32_t n,
            const pvperfPolicyRaw *entry)
{
    uint32_t i;

    for (i = 0; i < n; i++) {
        if (list[i].config == entry->config && list[i].mask == entry->mask)
            return true;
    }
    return false;
}


static int
limitRaw(pvperfPolicy *policy,
         const pvperfPolicy *bound)
{
    pvperfPolicyRaw list[PVPERF_RAW_MAX];
    uint32_t n = 0;
    uint32_t i;
    uint32_t k;

    for (i = 0; i < policy->nraw; i++) {
        for (k = 0; k < bound->nraw; k++) {
            pvperfPolicyRaw both;

            if (!limitRawPair(&policy->raw[i], &bound->raw[k], &both) ||
                limitRawHas(list, n, &both))
                continue;
            if (n == PVPERF_RAW_MAX) {
                policy->nraw = 0;
                return -E2BIG;
            }
            list[n++] = both;
        }
    }
    memset(policy->raw, 0, sizeof(policy->raw));
    memcpy(policy->raw, list, n * sizeof(list[0]));
    policy->nraw = n;
    return 0;
}


int
pvperfPolicyLimit(pvperfPolicy *policy,
                  const pvperfPolicy *bound)
{
    int ret;

    policy->on = policy->on && bound->on;
    policy->classes &= bound->classes;
    policy->max = limitLower(policy->max, bound->max);
    policy->per_vcpu = limitLower(policy->per_vcpu, bound->per_vcpu);
    policy->requests_sec = limitLower(policy->requests_sec, bound->requests_sec);
    limitSamples(policy, bound);
    limitCPU(policy, bound);

    ret = limitRaw(policy, bound);
    if (policy->nraw == 0)
        policy->classes &= ~(1U << PVPERF_CLASS_RAW);
    return ret;
}


void
pvperfPolicyInitUnbounded(pvperfPolicy *policy)
{
    memset(policy, 0, sizeof(*policy));
    policy->on = 1;
    policy->classes = (1U << PVPERF_NR_CLASSES) - 1;
    policy->max = PVPERF_MAX_IDS;
    policy->per_vcpu = PVPERF_MAX_PER_VCPU;
    policy->nraw = 1;           /* of no bit: whatever is asked for */
}
