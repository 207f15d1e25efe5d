/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_policy.c: the defaults of a VM, and the raw list.
 *
 * Owns the arithmetic of the bare <pvperf/> (docs/policy.rst says the same in
 * words). Called by pvperfDomainDefPolicy, which puts the element's own values
 * over it, and by the backend and the daemon's broker for raw events.
 *
 * Invariants: pure; every value it writes is one that the element itself may
 * carry; nr_vcpus outside 1 .. PVPERF_MAX_VCPUS is taken as the nearest.
 */
#include <string.h>

#include "pvperf_policy.h"


const pvperfPolicyDefaults pvperfPolicyBuiltin = {
    .classes = 1U << PVPERF_CLASS_IPC |
               1U << PVPERF_CLASS_BRANCH |
               1U << PVPERF_CLASS_CACHE |
               1U << PVPERF_CLASS_VCPU,
    .per_vcpu = PVPERF_DEFAULT_PER_VCPU,
    .samples_sec = PVPERF_DEFAULT_SAMPLES_SEC,
    .requests_sec = PVPERF_DEFAULT_REQUESTS_SEC,
    .cpu_period_us = PVPERF_DEFAULT_CPU_PERIOD,
    .cpu_quota_us = PVPERF_DEFAULT_CPU_QUOTA,
};


void
pvperfPolicyInit(pvperfPolicy *policy,
                 const pvperfPolicyDefaults *defaults,
                 unsigned int nr_vcpus)
{
    if (nr_vcpus < 1)
        nr_vcpus = 1;
    if (nr_vcpus > PVPERF_MAX_VCPUS)
        nr_vcpus = PVPERF_MAX_VCPUS;

    memset(policy, 0, sizeof(*policy));

    policy->on = 1;
    policy->classes = defaults->classes;
    policy->per_vcpu = defaults->per_vcpu;
    policy->max = pvperfPolicyDefaultMax(policy->per_vcpu, nr_vcpus);
    policy->total_samples_sec = defaults->samples_sec * nr_vcpus;
    policy->requests_sec = defaults->requests_sec * nr_vcpus;
    policy->cpu_quota_us = pvperfPolicyDefaultQuota(defaults, defaults->cpu_period_us, nr_vcpus);
    policy->cpu_period_us = policy->cpu_quota_us ? defaults->cpu_period_us : 0;
}


void
pvperfPolicyInitDefault(pvperfPolicy *policy,
                        unsigned int nr_vcpus)
{
    pvperfPolicyInit(policy, &pvperfPolicyBuiltin, nr_vcpus);
}


uint32_t
pvperfPolicyDefaultMax(uint32_t per_vcpu,
                       unsigned int nr_vcpus)
{
    uint64_t max = 4 * (uint64_t)per_vcpu * nr_vcpus;

    return max < PVPERF_MAX_IDS ? max : PVPERF_MAX_IDS;
}


uint64_t
pvperfPolicyDefaultQuota(const pvperfPolicyDefaults *defaults,
                         uint64_t period_us,
                         unsigned int nr_vcpus)
{
    uint64_t quota;

    if (defaults->cpu_quota_us == 0)
        return 0;
    quota = period_us * nr_vcpus * defaults->cpu_quota_us / defaults->cpu_period_us;

    /* Less than 1 ms the kernel refuses: one vCPU gets one fifth of a CPU. */
    return quota > PVPERF_MIN_CPU_QUOTA ? quota : PVPERF_MIN_CPU_QUOTA;
}


bool
pvperfPolicyAllowsRaw(const pvperfPolicy *policy,
                      uint64_t config)
{
    uint32_t i;

    if (!(policy->classes & 1U << PVPERF_CLASS_RAW))
        return false;

    if (config & ~PVPERF_RAW_BITS)
        return false;

    for (i = 0; i < policy->nraw && i < PVPERF_RAW_MAX; i++) {
        if ((config & pvperfPolicyRawMask(&policy->raw[i])) == policy->raw[i].config)
            return true;
    }

    return false;
}
