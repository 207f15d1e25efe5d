/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_place.c: where a domain's backend runs: in a control group of
 * its VM, with the quota of the policy, on the emulator's CPUs.
 *
 * None of it is needed for the backend to serve. What a host does not have is
 * said once, and the other limits hold. The group is found once per backend,
 * while its QEMU is known to live; quota and CPUs are compared with what the
 * kernel has whenever the domain is looked at.
 */
#include "pvperf_domain_priv.h"

#include <gio/gio.h>

#include "pvperf_affinity.h"
#include "pvperf_identity.h"

#define PVPERF_PROC "/proc"


/* A host without the controller is one for all its VMs: one warning in the
 * daemon's life. */
static void
pvperfDomainNoGroup(const pvperfDomain *dom,
                    const char *why)
{
    static bool said;

    g_log(G_LOG_DOMAIN, said ? G_LOG_LEVEL_INFO : G_LOG_LEVEL_WARNING,
          "domain %s: its backend gets no control group, and so no quota of CPU time: %s%s",
          pvperfDomainName(dom), why,
          said ? "" : " (this is said once; it may hold for other domains too)");
    said = true;
}


static pvperfCgroup *
pvperfDomainGroup(const pvperfDomain *dom,
                  GError **error)
{
    const pvperfPeer *peer = dom->served;
    g_autoptr(pvperfCgroup) group = pvperfCgroupFind(PVPERF_PROC, peer->pid, error);

    if (!group)
        return NULL;
    /* the number may have become another process's before it was asked */
    if (!pvperfIdentityAlive(peer->pidfd)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "QEMU has ended");
        return NULL;
    }
    if (!pvperfCgroupJoin(group, pvperfProcessPid(dom->process), error)) {
        pvperfCgroupRemove(group, false);
        return NULL;
    }
    return g_steal_pointer(&group);
}


void
pvperfDomainPlace(pvperfDomain *dom)
{
    g_autoptr(GError) error = NULL;

    dom->served = pvperfPeerRef(dom->peer);
    dom->cgroup = pvperfDomainGroup(dom, &error);
    if (dom->cgroup)
        g_info("domain %s: its backend is in %s", pvperfDomainName(dom), pvperfCgroupPath(dom->cgroup));
    else if (pvperfIdentityAlive(dom->served->pidfd))
        pvperfDomainNoGroup(dom, error->message);
    pvperfDomainUpdatePlace(dom);
}


/* Each trouble is said when it comes, not each time it is met. */
static void
pvperfDomainPlaceTrouble(pvperfDomain *dom,
                         const GError *quota,
                         const GError *cpus)
{
    g_autofree char *text = NULL;

    if (quota && g_error_matches(quota, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT))
        text = g_strdup_printf("no quota of its own, the VM's lower one bounds it (%s)", quota->message);
    else if (quota || cpus)
        text = g_strdup(quota ? quota->message : cpus->message);
    if (text && g_strcmp0(text, dom->place_trouble) != 0)
        g_message("domain %s: its backend: %s", pvperfDomainName(dom), text);
    g_free(dom->place_trouble);
    dom->place_trouble = g_steal_pointer(&text);
}


void
pvperfDomainUpdatePlace(pvperfDomain *dom)
{
    const pvperfPolicy *policy = &dom->effective.policy;
    g_autoptr(GError) quota = NULL;
    g_autoptr(GError) cpus = NULL;

    if (!dom->process || !dom->served || !pvperfIdentityAlive(dom->served->pidfd))
        return;
    if (dom->cgroup)
        pvperfCgroupLimit(dom->cgroup, policy->cpu_period_us, policy->cpu_quota_us, &quota);
    pvperfAffinityFollow(PVPERF_PROC, dom->served->pid, pvperfProcessPid(dom->process), &cpus);
    pvperfDomainPlaceTrouble(dom, quota, cpus);
}


void
pvperfDomainLiftQuota(pvperfDomain *dom)
{
    if (dom->cgroup)
        pvperfCgroupLimit(dom->cgroup, dom->effective.policy.cpu_period_us, 0, NULL);
}


void
pvperfDomainUnplace(pvperfDomain *dom)
{
    if (dom->cgroup)
        pvperfCgroupRemove(dom->cgroup, !pvperfIdentityAlive(dom->served->pidfd));
    pvperfDomainForgetPlace(dom);
}


void
pvperfDomainForgetPlace(pvperfDomain *dom)
{
    g_clear_pointer(&dom->cgroup, pvperfCgroupFree);
    g_clear_pointer(&dom->served, pvperfPeerUnref);
    g_clear_pointer(&dom->place_trouble, g_free);
}
