/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_event_table.c: ids, groups and places in the slots.
 *
 * All memory is mapped here, once, untouched; a page of it exists from the
 * first event that needs it. Nothing is allocated later. What counts on a vCPU
 * is pvperf_cells.c's; this file calls it when an event goes.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "pvperf_cells.h"
#include "pvperf_event_table.h"

#define PVPERF_ROW_WHOLE UINT16_MAX

static void *
pvperfTableMap(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    /* One touch must not become 2 MiB. */
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    return memory;
}


static void
pvperfTableUnmap(void *memory,
                 size_t bytes)
{
    if (memory)
        munmap(memory, bytes);
}


static size_t
pvperfTableCellBytes(const pvperfTable *table)
{
    return (size_t)PVPERF_NR_ROWS * table->nr_vcpus * sizeof(*table->cells);
}


static size_t
pvperfTableSamplerBytes(const pvperfTable *table)
{
    return (size_t)PVPERF_NR_ROWS * table->nr_vcpus * sizeof(*table->samplers);
}


int
pvperfTableInit(pvperfTable *table,
                pvperfWindow *window,
                const pvperfHostperf *host,
                pvperfControlTotal *totals)
{
    *table = (pvperfTable) {
        .window = window,
        .host = host,
        .nr_vcpus = pvperfWindowVcpus(window),
        .totals = totals,
    };
    table->events = pvperfTableMap(PVPERF_MAX_IDS * sizeof(*table->events));
    table->cells = pvperfTableMap(pvperfTableCellBytes(table));
    table->samplers = pvperfTableMap(pvperfTableSamplerBytes(table));
    table->row_users = pvperfTableMap(PVPERF_NR_ROWS * sizeof(*table->row_users));
    table->counting = pvperfTableMap(table->nr_vcpus * sizeof(*table->counting));
    table->graves = pvperfTableMap(PVPERF_GRAVES * sizeof(*table->graves));
    table->sampling.vcpus = pvperfTableMap(table->nr_vcpus * sizeof(*table->sampling.vcpus));
    table->sampling.active = pvperfTableMap(table->nr_vcpus * sizeof(*table->sampling.active));

    if (!table->events || !table->cells || !table->samplers || !table->row_users || !table->counting ||
        !table->graves || !table->sampling.vcpus || !table->sampling.active) {
        pvperfTableFree(table);
        return -ENOMEM;
    }
    return 0;
}


void
pvperfTableFree(pvperfTable *table)
{
    uint32_t vcpu;

    if (table->events && table->cells && table->graves) {
        pvperfTableCloseAll(table);
        while (pvperfTableReap(table))
            ;
    }
    for (vcpu = 0; table->sampling.vcpus && vcpu < table->nr_vcpus; vcpu++)
        pvperfSamplingDropRings(table, vcpu);
    pvperfTableUnmap(table->sampling.vcpus, table->nr_vcpus * sizeof(*table->sampling.vcpus));
    pvperfTableUnmap(table->sampling.active, table->nr_vcpus * sizeof(*table->sampling.active));
    pvperfTableUnmap(table->graves, PVPERF_GRAVES * sizeof(*table->graves));
    pvperfTableUnmap(table->events, PVPERF_MAX_IDS * sizeof(*table->events));
    pvperfTableUnmap(table->cells, pvperfTableCellBytes(table));
    pvperfTableUnmap(table->samplers, pvperfTableSamplerBytes(table));
    pvperfTableUnmap(table->row_users, PVPERF_NR_ROWS * sizeof(*table->row_users));
    pvperfTableUnmap(table->counting, table->nr_vcpus * sizeof(*table->counting));
    *table = (pvperfTable) { 0 };
}


pvperfEvent *
pvperfTableFind(const pvperfTable *table,
                uint64_t id)
{
    if (id >= PVPERF_MAX_IDS || !table->events[id].open)
        return NULL;
    return &table->events[id];
}


pvperfEvent *
pvperfTableNext(const pvperfTable *table,
                const pvperfEvent *event)
{
    return event->next == PVPERF_NO_ID ? NULL : &table->events[event->next];
}


pvperfCell *
pvperfTableCell(const pvperfTable *table,
                const pvperfEvent *event,
                uint32_t vcpu)
{
    return &table->cells[(size_t)vcpu * PVPERF_NR_ROWS + event->row];
}


pvperfCell *
pvperfTableTake(pvperfTable *table,
                const pvperfEvent *event,
                uint32_t vcpu)
{
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);

    if (cell->owner)
        return cell;
    cell->owner = event - table->events + 1;
    cell->sampler = event->kind.sample_period ? &table->samplers[cell - table->cells] : NULL;
    cell->base_count = cell->slot.count;
    cell->base_enabled = cell->slot.time_enabled;
    cell->base_lost = cell->slot.time_lost;
    cell->retry_at = 0;
    return cell;
}


/* The vCPUs on which an event may count: first .. end - 1. */
static uint32_t
pvperfTableFirstVcpu(const pvperfEvent *event)
{
    return event->bound ? event->vcpu : 0;
}


static uint32_t
pvperfTableEndVcpu(const pvperfTable *table,
                   const pvperfEvent *event)
{
    return event->bound ? event->vcpu + 1U : table->nr_vcpus;
}


bool
pvperfTablePlaceFree(const pvperfTable *table,
                     uint32_t row,
                     bool bound,
                     uint32_t vcpu)
{
    if (!bound)
        return table->row_users[row] == 0;
    return table->row_users[row] != PVPERF_ROW_WHOLE &&
           table->cells[(size_t)vcpu * PVPERF_NR_ROWS + row].owner == 0;
}


bool
pvperfTableComplete(const pvperfTable *table,
                    const pvperfEvent *leader,
                    uint32_t vcpu)
{
    return pvperfTableCell(table, leader, vcpu)->host_members == leader->members;
}


void
pvperfTableAdd(pvperfTable *table,
               const pvperfOpening *opening)
{
    pvperfEvent *event = &table->events[opening->id];

    *event = (pvperfEvent) {
        .open = true,
        .bound = opening->bound,
        .row = opening->row,
        .vcpu = opening->vcpu,
        .members = 1,
        .leader = opening->id,
        .next = PVPERF_NO_ID,
        .generation = ++table->generation,
        .kind = opening->kind,
    };

    if (opening->leader != PVPERF_NO_ID) {
        pvperfEvent *leader = &table->events[opening->leader];
        pvperfEvent *last = leader;

        while (last->next != PVPERF_NO_ID)
            last = &table->events[last->next];
        last->next = opening->id;
        event->leader = opening->leader;
        leader->members++;
        leader->generation = ++table->generation;
    }

    if (event->bound) {
        table->row_users[event->row]++;
        pvperfTableTake(table, event, event->vcpu);
    } else {
        table->row_users[event->row] = PVPERF_ROW_WHOLE;
    }

    if (opening->id >= table->id_end)
        table->id_end = opening->id + 1;
    if (++table->open > table->open_peak)
        table->open_peak = table->open;
    table->totals[event->kind.event].opened++;
}


/* Takes a closed event out of its group; a leader's siblings become groups of
 * their own. */
static void
pvperfTableUnlink(pvperfTable *table,
                  pvperfEvent *event)
{
    int32_t id = event - table->events;
    pvperfEvent *leader = &table->events[event->leader];
    pvperfEvent *previous = leader;
    int32_t next;

    if (event != leader) {
        while (previous->next != id)
            previous = &table->events[previous->next];
        previous->next = event->next;
        leader->members--;
        leader->generation = ++table->generation;
        return;
    }

    for (id = event->next; id != PVPERF_NO_ID; id = next) {
        pvperfEvent *sibling = &table->events[id];

        next = sibling->next;
        sibling->next = PVPERF_NO_ID;
        sibling->leader = id;
        sibling->members = 1;
        sibling->generation = ++table->generation;
    }
}


void
pvperfTableClose(pvperfTable *table,
                 pvperfEvent *event)
{
    uint32_t vcpu;

    for (vcpu = pvperfTableFirstVcpu(event); vcpu < pvperfTableEndVcpu(table, event); vcpu++)
        pvperfCellsClose(table, event, vcpu);
    pvperfTableUnlink(table, event);

    if (event->bound)
        table->row_users[event->row]--;
    else
        table->row_users[event->row] = 0;
    event->open = false;
    table->open--;
}


void
pvperfTableCloseAll(pvperfTable *table)
{
    int32_t id;
    int fd;

    /* Siblings first: then no leader has to be split from a group. */
    for (id = 0; id < table->id_end; id++) {
        pvperfEvent *event = &table->events[id];

        if (event->open && event->leader != id)
            pvperfTableClose(table, event);
    }
    for (id = 0; id < table->id_end; id++) {
        if (table->events[id].open)
            pvperfTableClose(table, &table->events[id]);
    }
    table->id_end = 0;

    while ((fd = pvperfSparesExpired(&table->spares, UINT64_MAX)) >= 0)
        pvperfTableBury(table, fd);
}


void
pvperfTableBury(pvperfTable *table,
                int fd)
{
    if (pvperfTableBuried(table) == PVPERF_GRAVES)
        pvperfTableReap(table);
    table->graves[table->buried++ % PVPERF_GRAVES] = fd;
}


bool
pvperfTableReap(pvperfTable *table)
{
    int spare;

    if (table->buried != table->reaped) {
        table->host->close(table->graves[table->reaped++ % PVPERF_GRAVES]);
        return true;
    }
    spare = pvperfSparesExpired(&table->spares, table->now);
    if (spare >= 0)
        table->host->close(spare);
    return spare >= 0;
}


uint32_t
pvperfTableBuried(const pvperfTable *table)
{
    return table->buried - table->reaped;
}


void
pvperfTableReset(pvperfTable *table)
{
    /* Fresh pages read as zero, which is what the slots are now too. */
    madvise(table->cells, pvperfTableCellBytes(table), MADV_DONTNEED);
    pvperfWindowClearSlots(table->window);
}
