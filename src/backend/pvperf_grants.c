/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_grants.c: how many overflows each sampler may still have.
 *
 * A sampler's host event is on for as many overflows as it was granted; the
 * kernel stops it then. An event whose grant is used up is switched off once
 * more before it is granted anew: the kernel does so from an interrupt work
 * that follows the record, and the call waits for that work.
 *
 * Called by pvperf_cells.c when a group starts and stops, by pvperf_sampling.c
 * after a drain and on each pass.
 */
#include "pvperf_cells.h"
#include "pvperf_grants.h"

#define PVPERF_GRANT_MAX 64             /* overflows: 1.3 ms at 50000 a second */
#define PVPERF_GRANT_LOW 32             /* granted anew below this */
#define PVPERF_GRANT_PART 4             /* of what is free, for one sampler at once */
#define PVPERF_GRANT_NS 4000000ULL      /* between looks at who is throttled */

/* The rest is for records of the kernel's own throttling. */
#define PVPERF_RING_USABLE (PVPERF_RING_BYTES * 3 / 4)

void
pvperfGrantsUnthrottle(pvperfTable *table,
                       pvperfCell *cell)
{
    if (!cell->sampler->throttled)
        return;
    cell->sampler->throttled = 0;
    table->sampling.throttled--;
}


static uint32_t
pvperfGrantsBytes(const pvperfTable *table,
                  const pvperfEvent *event)
{
    return pvperfRingRecordBytes(pvperfEventGet(event->event)->clock,
                                 table->events[event->leader].members);
}


/* Overflows of an event for which a vCPU's ring has room. */
static uint32_t
pvperfGrantsRoom(const pvperfTable *table,
                 const pvperfEvent *event,
                 uint32_t vcpu)
{
    const pvperfVcpuSampling *on = &table->sampling.vcpus[vcpu];
    uint64_t used = 0;
    uint32_t i;

    for (i = 0; i < on->nsamplers; i++) {
        const pvperfEvent *other = &table->events[on->samplers[i]];

        used += (uint64_t)pvperfTableCell(table, other, vcpu)->sampler->granted *
            pvperfGrantsBytes(table, other);
    }
    return used < PVPERF_RING_USABLE ?
        (PVPERF_RING_USABLE - used) / pvperfGrantsBytes(table, event) : 0;
}


/* Takes a grant for a sampler out of the budget; it may be none. */
static uint32_t
pvperfGrantsTake(pvperfTable *table,
                 const pvperfEvent *event,
                 uint32_t vcpu)
{
    pvperfSampling *sampling = &table->sampling;
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);
    uint64_t free = pvperfBudgetFree(&sampling->budget, sampling->policy, table->now);
    uint32_t room = pvperfGrantsRoom(table, event, vcpu);
    uint64_t grant;

    free = free > sampling->granted ? free - sampling->granted : 0;
    grant = free > PVPERF_GRANT_PART ? free / PVPERF_GRANT_PART : free;
    if (grant > PVPERF_GRANT_MAX - cell->sampler->granted)
        grant = PVPERF_GRANT_MAX - cell->sampler->granted;
    if (grant > room)
        grant = room;
    cell->sampler->granted += grant;
    sampling->granted += grant;
    return grant;
}


static void
pvperfGrantsThrottle(pvperfTable *table,
                     pvperfCell *cell)
{
    pvperfSampling *sampling = &table->sampling;

    if (cell->sampler->throttled)
        return;
    cell->sampler->throttled = table->now ? table->now : 1;
    cell->sampler->changed = true;
    cell->slot.throttles++;
    sampling->stats->throttles++;
    if (sampling->throttled++ == 0)
        sampling->next_grant = table->now + PVPERF_GRANT_NS;
}


int
pvperfGrantsOn(pvperfTable *table,
               pvperfEvent *event,
               uint32_t vcpu)
{
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);
    uint32_t grant = 0;
    int ret = 0;

    if (cell->sampler->granted < PVPERF_GRANT_LOW)
        grant = pvperfGrantsTake(table, event, vcpu);
    if (grant)
        ret = table->host->refresh(cell->fd - 1, grant);
    else if (cell->sampler->granted)
        ret = table->host->enable(cell->fd - 1);
    else
        pvperfGrantsThrottle(table, cell);
    cell->sampler->on = ret == 0;
    return ret;
}


int
pvperfGrantsOff(pvperfTable *table,
                pvperfEvent *event,
                uint32_t vcpu)
{
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);

    cell->sampler->on = false;
    return table->host->disable(cell->fd - 1);
}


void
pvperfGrantsRenew(pvperfTable *table,
                  pvperfEvent *event,
                  uint32_t vcpu)
{
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);

    if (!cell->sampler->on || cell->sampler->throttled || cell->sampler->granted >= PVPERF_GRANT_LOW)
        return;
    /* The kernel switched it off, or is about to. */
    if (cell->sampler->granted == 0)
        table->host->disable(cell->fd - 1);
    pvperfGrantsOn(table, event, vcpu);
}


uint64_t
pvperfGrantsLost(pvperfTable *table,
                 pvperfCell *cell)
{
    uint64_t since = cell->sampler ? cell->sampler->throttled : 0;

    if (!since || table->now <= since)
        return 0;
    cell->sampler->throttled = table->now;
    table->sampling.stats->throttled_ns += table->now - since;
    return table->now - since;
}


/* Whoever was first last time is last this time. */
void
pvperfGrantsPass(pvperfTable *table)
{
    pvperfSampling *sampling = &table->sampling;
    uint32_t i;
    uint32_t k;

    if (!sampling->throttled || table->now < sampling->next_grant)
        return;
    sampling->next_grant = table->now + PVPERF_GRANT_NS;
    sampling->first++;
    for (i = 0; i < sampling->nactive; i++) {
        uint32_t vcpu = sampling->active[(sampling->first + i) % sampling->nactive];
        const pvperfVcpuSampling *on = &sampling->vcpus[vcpu];

        for (k = 0; k < on->nsamplers; k++) {
            pvperfEvent *event = &table->events[on->samplers[k]];
            pvperfCell *cell = pvperfTableCell(table, event, vcpu);
            uint32_t grant;

            if (!cell->sampler->throttled)
                continue;
            grant = pvperfGrantsTake(table, event, vcpu);
            if (grant == 0)
                continue;
            pvperfCellsWaited(table, event, vcpu);
            pvperfGrantsUnthrottle(table, cell);
            table->host->refresh(cell->fd - 1, grant);
        }
    }
}
