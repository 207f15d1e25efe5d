/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_audit.c: what the domain's guest was refused, into the log.
 *
 * A backend tells of a reason once a minute; for what came in between it is
 * asked when the minute is over. So there is a timer in the minute after a line
 * and at no other time, and a domain that is refused nothing wakes nobody.
 */
#include "pvperf_domain_priv.h"

/* Of every line of the audit: a constant of the interface (docs/virtpvperfd.rst). */
#define PVPERF_AUDIT_MESSAGE_ID "3781c81b19f24c29805e07cbe3d99617"

static void pvperfDomainAuditArm(pvperfDomain *dom);


static void
pvperfDomainAuditLine(const pvperfAuditLine *line,
                      gpointer opaque)
{
    const pvperfDomain *dom = opaque;
    g_autofree char *count = g_strdup_printf("%" G_GUINT64_FORMAT, line->count);
    g_autofree char *limit = line->limit ? g_strdup_printf("%" G_GUINT64_FORMAT, line->limit) : g_strdup("");

    g_log_structured(G_LOG_DOMAIN, line->notice ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_INFO,
                     "MESSAGE_ID", PVPERF_AUDIT_MESSAGE_ID,
                     "SYSLOG_IDENTIFIER", "virtpvperfd",
                     "PVPERF_DOMAIN", pvperfDomainName(dom),
                     "PVPERF_UUID", dom->uuid,
                     "PVPERF_REASON", pvperfReasonName(line->reason),
                     "PVPERF_COUNT", count,
                     "PVPERF_EVENT", line->event,
                     "PVPERF_LIMIT", limit,
                     "MESSAGE", "domain %s (%s): %s", pvperfDomainName(dom), dom->uuid, line->text);
}


/* The answer, if there was one, came to pvperfDomainOnStats. */
static void
pvperfDomainAuditAsked(const pvperfControlStats *stats G_GNUC_UNUSED,
                       bool fresh G_GNUC_UNUSED,
                       gpointer opaque)
{
    pvperfDomain *dom = opaque;

    pvperfAuditTell(dom->audit, g_get_monotonic_time());
    pvperfDomainAuditArm(dom);
}


static gboolean
pvperfDomainAuditOver(gpointer opaque)
{
    pvperfDomain *dom = opaque;

    dom->audit_timer = 0;
    pvperfDomainAuditAsk(dom);
    return G_SOURCE_REMOVE;
}


static void
pvperfDomainAuditArm(pvperfDomain *dom)
{
    gint64 now = g_get_monotonic_time();
    gint64 deadline = pvperfAuditDeadline(dom->audit, now);

    if (deadline && !dom->audit_timer)
        dom->audit_timer = g_timeout_add((deadline - now) / 1000 + 1, pvperfDomainAuditOver, dom);
}


void
pvperfDomainAuditAsk(pvperfDomain *dom)
{
    if (dom->client && pvperfBackendClientReady(dom->client))
        pvperfBackendClientQueryStats(dom->client, pvperfDomainAuditAsked, dom);
    else
        pvperfDomainAuditAsked(NULL, false, dom);
}


void
pvperfDomainOnRefused(const pvperfControlRefused *refused,
                      gpointer opaque)
{
    pvperfDomain *dom = opaque;

    pvperfAuditNote(dom->audit, refused->reason, refused->total, &refused->last, g_get_monotonic_time());
    pvperfDomainAuditArm(dom);
}


void
pvperfDomainOnStats(const pvperfControlStats *stats,
                    gpointer opaque)
{
    pvperfDomain *dom = opaque;

    pvperfAuditNoteStats(dom->audit, stats, g_get_monotonic_time());
    pvperfDomainAuditArm(dom);
}


void
pvperfDomainAuditNew(pvperfDomain *dom)
{
    dom->audit = pvperfAuditNew(pvperfDomainAuditLine, dom);
}


void
pvperfDomainAuditFree(pvperfDomain *dom)
{
    g_clear_handle_id(&dom->audit_timer, g_source_remove);
    pvperfAuditEnd(dom->audit);
    pvperfAuditFree(dom->audit);
}
