/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_report.c: walks the event table for the daemon.
 *
 * The cursor is a position (id, vCPU), not a snapshot: what is opened or closed
 * between two steps shows or does not, and no record is half of one event and
 * half of another. A record's numbers are those since its own OPEN; the slot's
 * are older where an earlier event used it.
 */
#include <stddef.h>

#include "pvperf_cells.h"
#include "pvperf_report.h"

#define PVPERF_REPORT_STEP_CELLS 64     /* looked at in one step */
#define PVPERF_REPORT_STEP_READS 2      /* IPIs in one step */
#define PVPERF_CURSOR_VCPU_BITS 16

void
pvperfReportBegin(pvperfReport *report,
                  uint64_t cookie,
                  uint64_t cursor)
{
    report->busy = true;
    report->cursor = cursor ? cursor : 1;
    report->page.h.type = PVPERF_CONTROL_EVENTS;
    report->page.h.cookie = cookie;
    report->page.cursor = 0;
    report->page.count = 0;
    report->page.pad = 0;
}


uint32_t
pvperfReportSize(const pvperfReport *report)
{
    return offsetof(pvperfControlEvents, records) +
           report->page.count * sizeof(report->page.records[0]);
}


/* An event shows where it was enabled; if that is nowhere, where it was opened. */
static bool
pvperfReportShows(const pvperfTable *table,
                  const pvperfEvent *event,
                  uint32_t vcpu)
{
    uint32_t i;

    if (pvperfTableCell(table, event, vcpu)->used)
        return true;
    if (vcpu != event->vcpu)
        return false;
    for (i = 0; !event->bound && i < table->nr_vcpus; i++) {
        if (pvperfTableCell(table, event, i)->used)
            return false;
    }
    return true;
}


static void
pvperfReportRecord(pvperfReport *report,
                   const pvperfTable *table,
                   const pvperfEvent *event,
                   uint32_t vcpu)
{
    const pvperfCell *cell = pvperfTableCell(table, event, vcpu);
    uint64_t enabled = cell->owner ? cell->slot.time_enabled - cell->base_enabled : 0;
    uint64_t lost = cell->owner ? cell->slot.time_lost - cell->base_lost : 0;

    report->page.records[report->page.count++] = (pvperfControlRecord) {
        .id = event - table->events,
        .event = event->kind.event,
        .vcpu = vcpu,
        .state = cell->slot.state,
        .raw_config = event->kind.raw_config,
        .count = cell->owner ? cell->slot.count - cell->base_count : 0,
        .time_enabled = enabled,
        .time_running = enabled - lost,
    };
}


bool
pvperfReportStep(pvperfReport *report,
                 pvperfBackend *backend)
{
    pvperfTable *table = &backend->table;
    uint64_t id = (report->cursor - 1) >> PVPERF_CURSOR_VCPU_BITS;
    uint32_t vcpu = (report->cursor - 1) & ((1U << PVPERF_CURSOR_VCPU_BITS) - 1);
    uint32_t cells = 0;
    uint32_t reads = 0;

    while (id < (uint64_t)table->id_end) {
        pvperfEvent *event = pvperfTableFind(table, id);

        if (event && event->bound && vcpu < event->vcpu)
            vcpu = event->vcpu;
        if (!event || vcpu >= table->nr_vcpus || (event->bound && vcpu > event->vcpu)) {
            id++;
            vcpu = 0;
            continue;
        }
        report->cursor = (id << PVPERF_CURSOR_VCPU_BITS | vcpu) + 1;
        if (report->page.count == PVPERF_CONTROL_RECORDS_MAX) {
            report->page.cursor = report->cursor;
            report->busy = false;
            return true;
        }
        if (cells++ == PVPERF_REPORT_STEP_CELLS || reads == PVPERF_REPORT_STEP_READS)
            return false;

        if (pvperfReportShows(table, event, vcpu)) {
            if (pvperfTableCell(table, event, vcpu)->enabled) {
                pvperfCellsRead(table, event, vcpu);
                reads++;
            }
            pvperfReportRecord(report, table, event, vcpu);
        }
        vcpu++;
    }
    report->busy = false;
    return true;
}


void
pvperfReportStats(pvperfBackend *backend)
{
    backend->stats->session = backend->session;
    backend->stats->open = backend->table.open;
    backend->stats->open_peak = backend->table.open_peak;
}
