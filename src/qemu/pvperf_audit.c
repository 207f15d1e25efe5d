/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_audit.c: accounts and sentences.
 *
 * The sentences are those that the guest gets with a refusal (abi.h), with the
 * limit in the words of the element.
 */
#include "pvperf_audit.h"

#include <string.h>

typedef struct _pvperfAuditAccount pvperfAuditAccount;
struct _pvperfAuditAccount {
    bool known;                 /* seen is of the backend that serves */
    uint64_t seen;              /* its total when it last told */
    uint64_t pending;           /* that no line told of */
    pvperfControlRefusal last;
    gint64 quiet_until;         /* no line before; 0: there was none yet */
};

struct _pvperfAudit {
    pvperfAuditFunc func;
    gpointer opaque;
    pvperfAuditAccount accounts[PVPERF_NR_REASONS];
};

/* How perf works, on any guest: it asks for what the host does not have, takes
 * turns on a vCPU, and starts again in a new session. */
static const bool ordinary[PVPERF_NR_REASONS] = {
    [PVPERF_REASON_PER_VCPU] = true,
    [PVPERF_REASON_UNKNOWN] = true,
    [PVPERF_REASON_HOST] = true,
    [PVPERF_REASON_SESSION] = true,
    [PVPERF_REASON_UNSUPPORTED] = true,
};


pvperfAudit *
pvperfAuditNew(pvperfAuditFunc func,
               gpointer opaque)
{
    pvperfAudit *audit = g_new0(pvperfAudit, 1);

    audit->func = func;
    audit->opaque = opaque;
    return audit;
}


void
pvperfAuditFree(pvperfAudit *audit)
{
    g_free(audit);
}


void
pvperfAuditBegin(pvperfAudit *audit)
{
    int i;

    for (i = 0; i < PVPERF_NR_REASONS; i++)
        audit->accounts[i].known = false;
}


/* ---- the line ---- */

static char *
pvperfAuditEvent(const pvperfControlRefusal *last)
{
    const pvperfEventInfo *info = pvperfEventGet(last->event);

    if (!info)
        return g_strdup("");
    if (info->klass == PVPERF_CLASS_RAW)
        return g_strdup_printf("raw 0x%" G_GINT64_MODIFIER "x", last->raw_config);
    return g_strdup(info->name);
}


/* What of the element said no, in its words; NULL if nothing of it did. */
static char *
pvperfAuditLimit(enum pvperf_reason reason,
                 const pvperfControlRefusal *last)
{
    const pvperfEventInfo *info = pvperfEventGet(last->event);

    switch ((int)reason) {
    case PVPERF_REASON_STATE:
        return g_strdup("state off");
    case PVPERF_REASON_CLASS:
        return info ? g_strdup_printf("class %s", pvperfClassName(info->klass)) : NULL;
    case PVPERF_REASON_RAW:
        return g_strdup("class raw");
    case PVPERF_REASON_MAX:
        return g_strdup_printf("events max %" G_GUINT64_FORMAT, last->limit);
    case PVPERF_REASON_PER_VCPU:
        return g_strdup_printf("events per_vcpu %" G_GUINT64_FORMAT, last->limit);
    case PVPERF_REASON_RATE:
        return g_strdup_printf("requests_sec %" G_GUINT64_FORMAT, last->limit);
    case PVPERF_REASON_MIN_PERIOD:
        return g_strdup_printf("min_period %" G_GUINT64_FORMAT, last->limit);
    default:
        return NULL;
    }
}


static void
pvperfAuditLineTell(pvperfAudit *audit,
                    enum pvperf_reason reason)
{
    pvperfAuditAccount *account = &audit->accounts[reason];
    g_autofree char *event = pvperfAuditEvent(&account->last);
    g_autofree char *limit = pvperfAuditLimit(reason, &account->last);
    g_autofree char *text = NULL;
    pvperfAuditLine line = {
        .reason = reason,
        .notice = !ordinary[reason],
        .count = account->pending,
        .event = event,
        .limit = account->last.limit,
    };

    text = g_strdup_printf("refused %" G_GUINT64_FORMAT " %srequest%s: %s: %s%s%s%s%s%s",
                           line.count, account->quiet_until ? "more " : "", line.count == 1 ? "" : "s",
                           pvperfReasonName(reason), pvperfReasonText(reason),
                           limit ? " (" : "", limit ? limit : "", limit ? ")" : "",
                           *event ? "; last event: " : "", event);
    line.text = text;
    account->pending = 0;
    audit->func(&line, audit->opaque);
}


/* ---- the account ---- */

void
pvperfAuditTell(pvperfAudit *audit,
                gint64 now)
{
    int i;

    for (i = PVPERF_REASON_NONE + 1; i < PVPERF_NR_REASONS; i++) {
        pvperfAuditAccount *account = &audit->accounts[i];

        if (!account->pending || now < account->quiet_until)
            continue;
        pvperfAuditLineTell(audit, i);
        account->quiet_until = now + PVPERF_AUDIT_QUIET;
    }
}


/* The refusals that are news. */
static void
pvperfAuditAdd(pvperfAuditAccount *account,
               uint64_t total,
               const pvperfControlRefusal *last)
{
    /* another backend: what an earlier daemon was told of has its line */
    if (!account->known)
        account->seen = last->told;
    if (total < account->seen)
        account->seen = 0;
    account->known = true;
    if (total == account->seen)
        return;
    account->pending += total - account->seen;
    account->seen = total;
    account->last = *last;
}


void
pvperfAuditNote(pvperfAudit *audit,
                enum pvperf_reason reason,
                uint64_t total,
                const pvperfControlRefusal *last,
                gint64 now)
{
    pvperfAuditAdd(&audit->accounts[reason], total, last);
    pvperfAuditTell(audit, now);
}


void
pvperfAuditNoteStats(pvperfAudit *audit,
                     const pvperfControlStats *stats,
                     gint64 now)
{
    int i;

    for (i = PVPERF_REASON_NONE + 1; i < PVPERF_NR_REASONS; i++)
        pvperfAuditAdd(&audit->accounts[i], stats->refusals[i], &stats->last_refusals[i]);
    pvperfAuditTell(audit, now);
}


void
pvperfAuditEnd(pvperfAudit *audit)
{
    pvperfAuditTell(audit, G_MAXINT64 - PVPERF_AUDIT_QUIET);
}


gint64
pvperfAuditDeadline(const pvperfAudit *audit,
                    gint64 now)
{
    gint64 deadline = 0;
    int i;

    for (i = 0; i < PVPERF_NR_REASONS; i++) {
        gint64 until = audit->accounts[i].quiet_until;

        if (until > now && (!deadline || until < deadline))
            deadline = until;
    }
    return deadline;
}
