/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_host_policy.c: element, policy, ceilings: who bounds whom.
 *
 * An element that names a policy (or gets the host's default one) begins with
 * what the policy grants and may only lower it; one without begins with the
 * host's defaults and may ask for more. Ceilings bind the outcome either way.
 * Called by the daemon; no I/O.
 */
#include "pvperf_host_policy.h"

#include <string.h>

#include "pvperf_domain_priv.h"
#include "pvperf_policy_text.h"

static const char *const kindNames[] = {
    [PVPERF_HOST_POLICY] = "policy",
    [PVPERF_HOST_GROUP] = "group",
};


pvperfHostPolicy *
pvperfHostPolicyNew(void)
{
    pvperfHostPolicy *host = g_new0(pvperfHostPolicy, 1);
    int i;

    host->defaults = pvperfPolicyBuiltin;
    pvperfPolicyInitUnbounded(&host->ceiling);
    for (i = 0; i < PVPERF_HOST_NR_KINDS; i++) {
        host->named[i] = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                               (GDestroyNotify)pvperfDomainDefFree);
        host->broken[i] = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    }
    return host;
}


void
pvperfHostPolicyFree(pvperfHostPolicy *host)
{
    int i;

    if (!host)
        return;
    for (i = 0; i < PVPERF_HOST_NR_KINDS; i++) {
        g_hash_table_unref(host->named[i]);
        g_hash_table_unref(host->broken[i]);
    }
    g_free(host->default_policy);
    g_free(host);
}


const char *
pvperfHostKindName(pvperfHostKind kind)
{
    return kindNames[kind];
}


/* ---- what each kind may say ---- */

/* The first item that is not this kind's to say, or NULL. */
static const char *
hostPolicyStranger(pvperfHostKind kind,
                   const pvperfDomainDef *def)
{
    bool group = kind == PVPERF_HOST_GROUP;
    bool classes = def->raw != NULL;
    int i;

    for (i = 0; i < PVPERF_NR_CLASSES; i++)
        classes = classes || def->classes[i] != PVPERF_TRISTATE_ABSENT;

    return def->policy ? "the attribute 'policy'" :
        def->managed != PVPERF_TRISTATE_ABSENT ? "the attribute 'managed'" :
        def->migratable != PVPERF_TRISTATE_ABSENT ? "the attribute 'migratable'" :
        def->group_name ? "<group_name>" :
        def->has_monitor ? "<monitor>" :
        group && def->state != PVPERF_TRISTATE_ABSENT ? "the attribute 'state'" :
        group && def->per_vcpu.present ? "per_vcpu" :
        group && classes ? "<class>" :
        group && def->min_period.present ? "<min_period>" :
        group && def->has_cputune ? "<cputune>" : NULL;
}


bool
pvperfHostPolicyAdd(pvperfHostPolicy *host,
                    pvperfHostKind kind,
                    const char *name,
                    const char *xml,
                    GError **error)
{
    g_autofree char *what = g_strdup_printf("name of a %s", kindNames[kind]);
    g_autoptr(pvperfDomainDef) def = NULL;
    const char *stranger;

    if (!pvperfCheckName(what, name, 0, error) ||
        !(def = pvperfDomainDefParseString(xml, error)))
        return false;
    stranger = hostPolicyStranger(kind, def);
    if (stranger)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID, 0,
                                  "a %s does not say %s; allowed: %s", kindNames[kind], stranger,
                                  kind == PVPERF_HOST_GROUP ?
                                  "<events max='...'>, <total_samples_sec>, its _max and _max_length, "
                                  "and <requests_sec>" :
                                  "the attribute 'state', <events>, <class>, <sampletune>, <requests_sec> "
                                  "and <cputune>");
    g_hash_table_replace(host->named[kind], g_strdup(name), g_steal_pointer(&def));
    return true;
}


void
pvperfHostPolicyBroken(pvperfHostPolicy *host,
                       pvperfHostKind kind,
                       const char *name,
                       const char *why,
                       const pvperfHostPolicy *old)
{
    const pvperfDomainDef *def = old ? g_hash_table_lookup(old->named[kind], name) : NULL;
    g_autofree char *text = def ? pvperfDomainDefFormat(def, true) : NULL;

    g_hash_table_replace(host->broken[kind], g_strdup(name), g_strdup(why));
    if (text)
        pvperfHostPolicyAdd(host, kind, name, text, NULL);
}


char *
pvperfHostPolicyNames(const pvperfHostPolicy *host,
                      pvperfHostKind kind)
{
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(host->named[kind]), (GCompareFunc)strcmp);
    g_autoptr(GString) text = g_string_new(NULL);
    GList *link;

    for (link = names; link; link = link->next)
        g_string_append_printf(text, "%s%s", text->len ? ", " : "", (const char *)link->data);
    return text->len ? g_string_free(g_steal_pointer(&text), FALSE) : g_strdup("none");
}


/* ---- what is in force ---- */

void
pvperfEffectiveClear(pvperfEffective *effective)
{
    g_clear_pointer(&effective->policy_name, g_free);
    g_clear_pointer(&effective->group_name, g_free);
    g_clear_pointer(&effective->remarks, g_free);
}


static const pvperfDomainDef *
hostPolicyFind(const pvperfHostPolicy *host,
               pvperfHostKind kind,
               const char *name,
               GString *remarks,
               GError **error)
{
    const pvperfDomainDef *def = g_hash_table_lookup(host->named[kind], name);
    const char *why = g_hash_table_lookup(host->broken[kind], name);
    g_autofree char *names = NULL;

    if (def) {
        if (why)
            pvperfPolicyTextAdd(remarks, "; ", "%s '%s' is as it was before: %s", kindNames[kind], name, why);
        return def;
    }
    names = pvperfHostPolicyNames(host, kind);
    pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID, 0, why ?
                       "this host's %s '%s' is wrong: %s" : "this host has no %s '%s'; allowed: %s",
                       kindNames[kind], name, why ? why : names);
    return NULL;
}


/* Lowers @policy and remarks, if that changed anything, by whom. */
static bool
hostPolicyBound(pvperfPolicy *policy,
                const pvperfPolicy *bound,
                const char *who,
                GString *remarks,
                GError **error)
{
    const pvperfPolicy asked = *policy;
    g_autofree char *lowered = NULL;

    if (pvperfPolicyLimit(policy, bound) < 0)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID, 0,
                                  "<class name='raw'>: its list and that of %s have more than %d entries "
                                  "in common; allowed: up to %d", who, PVPERF_RAW_MAX, PVPERF_RAW_MAX);
    lowered = pvperfPolicyTextLowered(&asked, policy);
    if (lowered)
        pvperfPolicyTextAdd(remarks, "; ", "%s grants %s", who, lowered);
    return true;
}


bool
pvperfHostPolicyEffective(const pvperfHostPolicy *host,
                          const pvperfDomainDef *def,
                          unsigned int nr_vcpus,
                          pvperfEffective *effective,
                          GError **error)
{
    const char *name = def->policy ? def->policy : host->default_policy;
    const pvperfDomainDef *named = NULL;
    g_autofree char *who = name ? g_strdup_printf("policy '%s'", name) : NULL;
    g_autoptr(GString) remarks = g_string_new(NULL);
    pvperfPolicy policy;
    pvperfPolicy granted;

    if (name && !(named = hostPolicyFind(host, PVPERF_HOST_POLICY, name, remarks, error)))
        return false;
    if (def->group_name && !hostPolicyFind(host, PVPERF_HOST_GROUP, def->group_name, remarks, error))
        return false;

    pvperfPolicyInit(&granted, &host->defaults, nr_vcpus);
    if (named)
        pvperfDomainDefOverlay(named, &host->defaults, nr_vcpus, &granted);
    if (pvperfPolicyLimit(&granted, &host->ceiling) < 0)
        g_assert_not_reached(); /* a ceiling has no raw list */

    policy = granted;
    pvperfDomainDefOverlay(def, &host->defaults, nr_vcpus, &policy);
    if ((named && !hostPolicyBound(&policy, &granted, who, remarks, error)) ||
        !hostPolicyBound(&policy, &host->ceiling, "the host", remarks, error))
        return false;

    effective->policy = policy;
    effective->policy_name = g_strdup(name);
    effective->group_name = g_strdup(def->group_name);
    effective->remarks = remarks->len ? g_string_free(g_steal_pointer(&remarks), FALSE) : NULL;
    return true;
}


bool
pvperfHostPolicyGroup(const pvperfHostPolicy *host,
                      const char *name,
                      pvperfPolicy *shared)
{
    const pvperfDomainDef *def = g_hash_table_lookup(host->named[PVPERF_HOST_GROUP], name);
    pvperfPolicy policy = { .on = 1 };

    if (!def)
        return false;
    pvperfDomainDefOverlay(def, &host->defaults, 1, &policy);
    *shared = policy;
    return true;
}
