/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_policy_check.c: the rules, in the order in which they are asked.
 *
 * Malformed before policy, policy before limits: the guest's user is told the
 * first thing that he could change. The errno of each refusal is what perf in
 * the guest explains best; docs/backend.rst has the table.
 */
#include <errno.h>
#include <linux/perf_event.h>

#include "pvperf_policy_check.h"

#define PVPERF_NS_PER_SEC 1000000000ULL

pvperfVerdict
pvperfVerdictRefuse(int ret,
                    enum pvperf_reason reason)
{
    return (pvperfVerdict) { .ret = ret, .reason = reason };
}


bool
pvperfRateCharge(pvperfRate *rate,
                 uint64_t requests_sec,
                 uint64_t now,
                 bool insist)
{
    uint64_t each;
    uint64_t burst;

    if (requests_sec == 0)
        return true;
    if (requests_sec > PVPERF_NS_PER_SEC)
        requests_sec = PVPERF_NS_PER_SEC;
    each = PVPERF_NS_PER_SEC / requests_sec;
    burst = PVPERF_NS_PER_SEC / PVPERF_RATE_BURST_PART;
    if (burst < each * PVPERF_RATE_BURST_MIN)
        burst = each * PVPERF_RATE_BURST_MIN;

    if (rate->arrival < now)
        rate->arrival = now;
    if (rate->arrival + each > now + burst) {
        if (!insist)
            return false;
        if (rate->arrival + each > now + 2 * burst)
            return true;
    }
    rate->arrival += each;
    return true;
}


/* The part of an attr that has nothing to do with the operator. */
static pvperfVerdict
pvperfCheckShape(const struct guest_perf_attr *attr)
{
    if (attr->pad0 || attr->pad1 || attr->read_format ||
        attr->bp_type || attr->bp_addr || attr->bp_len ||
        (attr->flags & ~PVPERF_ATTR_FLAGS) || attr->sample_period > INT64_MAX)
        return pvperfVerdictRefuse(-EINVAL, PVPERF_REASON_MALFORMED);

    /* perf's :G: only the guests of this guest. Nobody counts those. */
    if ((attr->flags & PVPERF_ATTR_EXCLUDE_HOST) &&
        !(attr->flags & PVPERF_ATTR_EXCLUDE_GUEST))
        return pvperfVerdictRefuse(-EOPNOTSUPP, PVPERF_REASON_UNSUPPORTED);

    return pvperfVerdictRefuse(0, PVPERF_REASON_NONE);
}


/* Is this kind of event allowed? Asked at OPEN and again at each start, because
 * the policy changes while events are open. */
static pvperfVerdict
pvperfCheckKind(const pvperfPolicy *policy,
                const pvperfEventInfo *info,
                uint64_t raw_config)
{
    if (!policy->on)
        return pvperfVerdictRefuse(-ENOENT, PVPERF_REASON_STATE);
    if (!(policy->classes & (1U << info->klass)))
        return pvperfVerdictRefuse(-ENOENT, PVPERF_REASON_CLASS);
    if (info->klass == PVPERF_CLASS_RAW && !pvperfPolicyAllowsRaw(policy, raw_config))
        return pvperfVerdictRefuse(-ENOENT, PVPERF_REASON_RAW);
    return pvperfVerdictRefuse(0, PVPERF_REASON_NONE);
}


pvperfVerdict
pvperfCheckAttr(const struct guest_perf_attr *attr,
                const pvperfPolicy *policy,
                uint32_t classes_available,
                pvperfEventIndex *event)
{
    pvperfVerdict verdict = pvperfCheckShape(attr);
    const pvperfEventInfo *info;

    if (verdict.ret < 0)
        return verdict;

    *event = pvperfEventFind(attr->type, attr->config);
    info = pvperfEventGet(*event);
    if (!info)
        return pvperfVerdictRefuse(-ENOENT, PVPERF_REASON_UNKNOWN);

    verdict = pvperfCheckKind(policy, info, attr->config);
    if (verdict.ret < 0)
        return verdict;

    if (!(classes_available & (1U << info->klass)))
        return pvperfVerdictRefuse(-ENOENT, PVPERF_REASON_HOST);

    if (attr->sample_period == 0)
        return verdict;
    if (info->has_min_period && !(attr->flags & PVPERF_ATTR_FREQ) &&
        attr->sample_period < policy->min_period)
        return (pvperfVerdict) {
            .ret = -EINVAL,
            .reason = PVPERF_REASON_MIN_PERIOD,
            .limit = policy->min_period,
        };
    return verdict;
}


pvperfVerdict
pvperfCheckMax(const pvperfPolicy *policy,
               uint32_t open)
{
    if (open < policy->max)
        return pvperfVerdictRefuse(0, PVPERF_REASON_NONE);
    return (pvperfVerdict) {
        .ret = -EBUSY,
        .reason = PVPERF_REASON_MAX,
        .limit = policy->max,
    };
}


pvperfVerdict
pvperfCheckOpen(const pvperfPolicy *policy,
                pvperfEventIndex event,
                uint64_t raw_config)
{
    return pvperfCheckKind(policy, pvperfEventGet(event), raw_config);
}


pvperfVerdict
pvperfCheckStart(const pvperfPolicy *policy,
                 pvperfEventIndex event,
                 uint64_t raw_config,
                 uint32_t counting)
{
    pvperfVerdict verdict = pvperfCheckOpen(policy, event, raw_config);

    if (verdict.ret < 0 || counting < policy->per_vcpu)
        return verdict;
    return (pvperfVerdict) {
        .ret = -EAGAIN,
        .reason = PVPERF_REASON_PER_VCPU,
        .limit = policy->per_vcpu,
    };
}
