/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_group.c: a running domain's seat in its group.
 *
 * The seat is taken before the backend is told and given back after it left
 * or ended, so that no two members ever have the same line. Called by
 * pvperf_domain_backend.c.
 */
#include "pvperf_domain_priv.h"

#include <string.h>


static pvperfGroupLimits
pvperfDomainGroupLimits(const pvperfDomain *dom)
{
    pvperfPolicy shared;

    if (!pvperfHostPolicyGroup(dom->host->host_config->policy, dom->effective.group_name, &shared))
        return dom->group_limits; /* its file is gone: what was in force stays */
    return (pvperfGroupLimits) {
        .max = shared.max,
        .total_samples_sec = shared.total_samples_sec,
        .total_samples_sec_max = shared.total_samples_sec_max,
        .total_samples_sec_max_length = shared.total_samples_sec_max_length,
        .requests_sec = shared.requests_sec,
    };
}


void
pvperfDomainGroupLeave(pvperfDomain *dom,
                       bool ended)
{
    if (!dom->seat)
        return;
    if (dom->client)
        pvperfBackendClientGroup(dom->client, -1, 0, NULL);
    pvperfSeatLeave(dom->seat, ended);
    dom->seat = NULL;
}


void
pvperfDomainUpdateGroup(pvperfDomain *dom)
{
    const char *name = dom->effective.group_name;
    g_autoptr(GError) error = NULL;

    if (dom->seat && g_strcmp0(name, pvperfSeatGroup(dom->seat)) != 0)
        pvperfDomainGroupLeave(dom, false);
    if (!name)
        return;
    if (!dom->seat && !(dom->seat = pvperfSeatTake(dom->host->groups, name, &error))) {
        g_warning("domain %s shares no limits: %s", pvperfDomainName(dom), error->message);
        return;
    }
    dom->group_limits = pvperfDomainGroupLimits(dom);
    pvperfBackendClientGroup(dom->client, pvperfSeatFd(dom->seat), pvperfSeatNumber(dom->seat), &dom->group_limits);
}
