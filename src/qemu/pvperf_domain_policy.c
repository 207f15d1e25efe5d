/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_policy.c: which policy is in force for a domain.
 *
 * A change that is wrong is refused whole: a running domain keeps what was in
 * force before. That also holds for a daemon that starts later, so what is in
 * force stands in UUID.xml beside the backend's socket, with the QEMU that it
 * is for. Called by pvperf_domain.c on each update, and by
 * pvperf_domain_backend.c as the backend comes and goes.
 */
#include "pvperf_domain_priv.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/pvperf_policy_text.h"


static char *
pvperfDomainPolicyFile(const pvperfDomain *dom)
{
    return g_strconcat(dom->host->config->backend_dir, "/", dom->uuid, ".xml", NULL);
}


void
pvperfDomainPolicyKeep(pvperfDomain *dom)
{
    g_autofree char *element = pvperfPolicyTextElement(&dom->effective.policy, dom->effective.group_name);
    g_autofree char *text = g_strdup_printf("<!-- %d %" G_GUINT64_FORMAT " -->\n%s",
                                            dom->peer->pid, dom->peer->start_time, element);
    g_autofree char *file = pvperfDomainPolicyFile(dom);
    g_autoptr(GError) error = NULL;

    if (g_strcmp0(text, dom->kept) == 0)
        return;
    if (!g_file_set_contents(file, text, -1, &error))
        g_warning("domain %s: cannot write down what is in force: %s", pvperfDomainName(dom), error->message);
    g_free(dom->kept);
    dom->kept = g_steal_pointer(&text);
}


void
pvperfDomainPolicyDrop(pvperfDomain *dom)
{
    g_autofree char *file = pvperfDomainPolicyFile(dom);

    unlink(file);
    g_clear_pointer(&dom->kept, g_free);
}


/* What an earlier daemon wrote down for the same QEMU. */
static bool
pvperfDomainPolicyRecall(pvperfDomain *dom,
                         pvperfEffective *effective)
{
    g_autofree char *file = pvperfDomainPolicyFile(dom);
    g_autofree char *text = NULL;
    g_autoptr(pvperfDomainDef) def = NULL;
    guint64 start_time;
    pid_t pid;

    if (!dom->peer || !g_file_get_contents(file, &text, NULL, NULL) ||
        sscanf(text, "<!-- %d %" G_GUINT64_FORMAT " -->", &pid, &start_time) != 2 ||
        pid != dom->peer->pid || start_time != dom->peer->start_time ||
        !(def = pvperfDomainDefParseString(text, NULL)))
        return false;
    pvperfDomainDefPolicy(def, dom->reading->live->max_vcpus, &effective->policy);
    effective->group_name = g_strdup(def->group_name);
    return true;
}


static void
pvperfDomainPolicyForget(pvperfDomain *dom)
{
    dom->in_force = false;
    pvperfEffectiveClear(&dom->effective);
}


static void
pvperfDomainPolicyTake(pvperfDomain *dom,
                       pvperfEffective *effective)
{
    g_autofree char *changes = NULL;

    if (dom->in_force && dom->reading->active)
        changes = pvperfPolicyTextChanges(&dom->effective.policy, &effective->policy);
    if (changes)
        g_message("domain %s: limits changed: %s", pvperfDomainName(dom), changes);
    pvperfEffectiveClear(&dom->effective);
    dom->effective = *effective;
    dom->in_force = true;
    dom->in_force_id = dom->reading->id;
}


void
pvperfDomainUpdatePolicy(pvperfDomain *dom)
{
    const pvperfReading *reading = dom->reading;
    const pvperfDomainXML *xml = pvperfDomainXMLThatCounts(dom);
    const pvperfDomainDef *def = pvperfDomainElement(dom);
    pvperfEffective effective = { .policy_name = NULL };
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&dom->policy_error, g_free);
    if (dom->in_force && (!reading || dom->in_force_id != reading->id))
        pvperfDomainPolicyForget(dom);
    if (!xml || xml->place == PVPERF_PLACE_NONE) {
        pvperfDomainPolicyForget(dom);
        return;
    }
    if (def && pvperfHostPolicyEffective(dom->host->host_config->policy, def, xml->max_vcpus, &effective, &error)) {
        pvperfDomainPolicyTake(dom, &effective);
        return;
    }
    dom->policy_error = error ? g_strdup(error->message) : pvperfDomainInvalidReason(dom);
    if (!reading->active)
        pvperfDomainPolicyForget(dom);
    else if (!dom->in_force && pvperfDomainPolicyRecall(dom, &effective))
        pvperfDomainPolicyTake(dom, &effective);
}


const pvperfPolicy *
pvperfDomainPolicy(const pvperfDomain *dom)
{
    return dom->in_force ? &dom->effective.policy : NULL;
}


/* ---- more open than there may be ---- */

static void
pvperfDomainPolicyOnStats(const pvperfControlStats *stats,
                          bool fresh,
                          gpointer opaque)
{
    const pvperfDomain *dom = opaque;
    uint32_t max = dom->effective.policy.max;

    if (fresh && dom->in_force && stats->open > max)
        g_message("domain %s: events max is %u and %u events are open: none is opened any more until %u of them "
                  "are closed", pvperfDomainName(dom), max, stats->open, stats->open - max + 1);
}


void
pvperfDomainPolicySend(pvperfDomain *dom)
{
    if (!pvperfBackendClientPolicy(dom->client, &dom->effective.policy))
        return;
    pvperfBackendClientQueryStats(dom->client, pvperfDomainPolicyOnStats, dom);
}
