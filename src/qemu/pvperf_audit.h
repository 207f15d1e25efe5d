/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_audit.h: what a domain was refused, as few lines of log.
 *
 * Keeps one account for each reason: how many refusals its backend has told of,
 * and how many of these no line has told of yet. A reason has one line a minute
 * at most, with all that came since its line before. That bound is kept here,
 * by the caller's clock, whatever a backend says: one that lies gets wrong numbers into
 * its own domain's lines, and no more lines.
 *
 * Pure but for the function that takes the lines. Owned by the domain; its
 * accounts outlive a backend, so that one that fails over and over cannot have
 * a line for each start.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "../backend/pvperf_control.h"

#define PVPERF_AUDIT_QUIET (60 * G_TIME_SPAN_SECOND)

typedef struct _pvperfAudit pvperfAudit;

typedef struct _pvperfAuditLine pvperfAuditLine;
struct _pvperfAuditLine {
    enum pvperf_reason reason;
    bool notice;                /* not just how perf works */
    uint64_t count;             /* refusals since this reason's line before */
    const char *event;          /* of the last one: "cycles", "raw 0x1c2", or "" */
    uint64_t limit;             /* 0: it has no number */
    const char *text;           /* the sentence, with all of it */
};

typedef void (*pvperfAuditFunc)(const pvperfAuditLine *line,
                                gpointer opaque);

pvperfAudit *pvperfAuditNew(pvperfAuditFunc func,
                            gpointer opaque);
void pvperfAuditFree(pvperfAudit *audit);

/* A backend was connected to: its totals are its own. */
void pvperfAuditBegin(pvperfAudit *audit);

/* The backend says that it has refused @total requests for @reason, @last being
 * the last one. Times are monotonic, in us. */
void pvperfAuditNote(pvperfAudit *audit,
                     enum pvperf_reason reason,
                     uint64_t total,
                     const pvperfControlRefusal *last,
                     gint64 now);
void pvperfAuditNoteStats(pvperfAudit *audit,
                          const pvperfControlStats *stats,
                          gint64 now);

/* Tells what has waited long enough. */
void pvperfAuditTell(pvperfAudit *audit,
                     gint64 now);

/* Tells all of it: the domain is not going to have another line. */
void pvperfAuditEnd(pvperfAudit *audit);

/* When the next minute after a line is over; 0: no such minute is on. */
gint64 pvperfAuditDeadline(const pvperfAudit *audit,
                           gint64 now);
