/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_check.c: findings, and the order of the rules.
 *
 * See pvperf_check.h. Also the table of what to do about each reason for which
 * an event is refused.
 */
#include "pvperf_check.h"

#include <string.h>

static void
pvperfFindingFree(void *data)
{
    pvperfFinding *finding = data;

    g_free(finding->detail);
    g_free(finding->fix);
    g_free(finding);
}

static pvperfFinding *
pvperfCheckAdd(GPtrArray *findings,
               const char *scope,
               const char *what,
               pvperfCheckResult result)
{
    pvperfFinding *finding = g_new0(pvperfFinding, 1);

    finding->scope = scope;
    finding->what = what;
    finding->result = result;
    g_ptr_array_add(findings, finding);
    return finding;
}

void
pvperfCheckPass(GPtrArray *findings,
                const char *scope,
                const char *what,
                const char *detail,
                ...)
{
    pvperfFinding *finding = pvperfCheckAdd(findings, scope, what, PVPERF_CHECK_PASS);
    va_list ap;

    if (!detail)
        return;
    va_start(ap, detail);
    finding->detail = g_strdup_vprintf(detail, ap);
    va_end(ap);
}

void
pvperfCheckFind(GPtrArray *findings,
                const char *scope,
                const char *what,
                pvperfCheckResult result,
                const char *fix,
                const char *detail,
                ...)
{
    pvperfFinding *finding = pvperfCheckAdd(findings, scope, what, result);
    va_list ap;

    finding->fix = g_strdup(fix);
    va_start(ap, detail);
    finding->detail = g_strdup_vprintf(detail, ap);
    va_end(ap);
}

const char *
pvperfCheckReasonFix(int reason)
{
    static const char *const fixes[] = {
        [PVPERF_REASON_NONE] = "nothing is to be done",
        [PVPERF_REASON_STATE] = "write state='on' into <pvperf>",
        [PVPERF_REASON_CLASS] = "<class name=... allow='yes'/> in <pvperf> allows a class",
        [PVPERF_REASON_RAW] = "<class name='raw' allow='yes'><raw config=... mask=.../></class> allows one",
        [PVPERF_REASON_MAX] = "raise <events max=.../>, or close events in the guest",
        [PVPERF_REASON_PER_VCPU] = "raise <events per_vcpu=.../>; until then perf takes turns",
        [PVPERF_REASON_RATE] = "raise <requests_sec>, or count in longer intervals",
        [PVPERF_REASON_MIN_PERIOD] = "lower <min_period>, or sample less often in the guest",
        [PVPERF_REASON_UNKNOWN] = "'virsh-pvperf capabilities' lists the events",
        [PVPERF_REASON_HOST] = "'virsh-pvperf capabilities' says why the host lacks it",
        [PVPERF_REASON_HOST_RIGHTS] = "see kernel.perf_event_paranoid above",
        [PVPERF_REASON_MALFORMED] = "update the guest's driver; a guest may also be probing",
        [PVPERF_REASON_SESSION] = "nothing: the guest opens its events again by itself",
        [PVPERF_REASON_UNSUPPORTED] = "leave out the modifier (such as :p or :G) in the guest's perf",
        [PVPERF_REASON_RESOURCES] = "free memory and file descriptors on the host; the daemon's log says which",
        [PVPERF_REASON_BROKER] = "start virtpvperfd; the guest may open its events again then",
    };
    G_STATIC_ASSERT(G_N_ELEMENTS(fixes) == PVPERF_NR_REASONS);

    return fixes[reason];
}

GPtrArray *
pvperfCheckAll(const pvperfCheckFacts *facts)
{
    GPtrArray *findings = g_ptr_array_new_with_free_func(pvperfFindingFree);

    pvperfCheckHost(facts, findings);
    pvperfCheckDomain(facts, findings);
    pvperfCheckEvent(facts, findings);
    return findings;
}

bool
pvperfCheckListens(const char *proc_net_unix,
                   const char *path)
{
    /* Num RefCount Protocol Flags Type St Inode Path; flag 0x10000 is
     * SO_ACCEPTCON: somebody listens. */
    g_auto(GStrv) lines = g_strsplit(proc_net_unix, "\n", -1);
    size_t i;

    for (i = 0; lines[i]; i++) {
        unsigned int flags;
        int path_at = 0;

        if (sscanf(lines[i], "%*s %*x %*x %x %*x %*x %*u %n", &flags, &path_at) == 1 && path_at &&
            (flags & 0x10000) && g_str_equal(lines[i] + path_at, path))
            return true;
    }
    return false;
}

void
pvperfCheckFactsClear(pvperfCheckFacts *facts)
{
    g_free(facts->libvirt_error);
    g_free(facts->libvirt_uri);
    g_free(facts->driver);
    g_free(facts->emulator);
    g_free(facts->ivshmem_error);
    g_free(facts->security);
    g_free(facts->socket);
    g_free(facts->daemon_error);
    g_free(facts->daemon_version);
    g_clear_pointer(&facts->capabilities, g_variant_unref);
    g_free(facts->domain);
    g_clear_pointer(&facts->config, pvperfDomainXMLFree);
    g_clear_pointer(&facts->live, pvperfDomainXMLFree);
    g_free(facts->config_text);
    g_free(facts->live_text);
    g_clear_pointer(&facts->row, g_variant_unref);
    g_clear_pointer(&facts->stats, g_variant_unref);
    g_clear_pointer(&facts->policy, g_variant_unref);
    g_free(facts->event);
    memset(facts, 0, sizeof(*facts));
}
