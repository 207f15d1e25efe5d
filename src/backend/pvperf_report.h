/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_report.h: what the daemon may see: EVENTS and STATS.
 *
 * A page of EVENTS reads what is running, an IPI each; so it is put together
 * in small steps between the passes over the areas, and guests do not wait
 * for an operator's look.
 */
#pragma once

#include "pvperf_serve.h"

typedef struct _pvperfReport pvperfReport;
struct _pvperfReport {
    bool busy;                  /* a page is being put together */
    uint64_t cursor;            /* where to go on: id << 16 | vCPU, plus 1 */
    pvperfControlEvents page;
};

void pvperfReportBegin(pvperfReport *report,
                       uint64_t cookie,
                       uint64_t cursor);

/* Goes on with the page; true when it is whole and can be sent. */
bool pvperfReportStep(pvperfReport *report,
                      pvperfBackend *backend);

/* Bytes of the page that are to be sent. */
uint32_t pvperfReportSize(const pvperfReport *report);

/* Fills in what of the statistics is not counted as it happens. */
void pvperfReportStats(pvperfBackend *backend);
