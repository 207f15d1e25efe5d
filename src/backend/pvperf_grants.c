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
#include "pvperf_slots.h"

#define PVPERF_GRANT_MAX 64             /* overflows: 1.3 ms at 50000 a second */
#define PVPERF_GRANT_LOW 32             /* granted anew below this */
#define PVPERF_GRANT_PART 4             /* of what is free, for one sampler at once */
#define PVPERF_GRANT_NS 10000000ULL     /* between looks at who is throttled */

/* The rest is for records of the kernel's own throttling. */
#define PVPERF_RING_USABLE (PVPERF_RING_BYTES * 3 / 4)

/* The kernel may use up what is left of a grant while it is granted anew. With
 * this much left, that many records follow the drain, and show. */
#define PVPERF_GRANT_SURE 8

void
pvperfGrantsUnthrottle(pvperfTable *table,
                       pvperfCell *cell)
{
    if (!cell->sampler->throttled)
        return;
    cell->sampler->throttled = 0;
    table->sampling.throttled--;
    table->sampling.granted += cell->sampler->granted;
}


static void
pvperfGrantsThrottle(pvperfTable *table,
                     pvperfEvent *event,
                     uint32_t vcpu)
{
    pvperfSampling *sampling = &table->sampling;
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);

    if (cell->sampler->throttled)
        return;
    cell->sampler->throttled = table->now ? table->now : 1;
    /* What it kept is nobody's as long as it stands still. */
    sampling->granted -= cell->sampler->granted;
    cell->slot.throttles++;
    sampling->vcpus[vcpu].news++;
    sampling->stats->throttles++;
    if (sampling->throttled++ == 0)
        sampling->next_grant = table->now + PVPERF_GRANT_NS;
    pvperfSlotsPublish(table, event, vcpu);
}


/* ---- How much ---------------------------------------------------------------------- */

static uint32_t
pvperfGrantsBytes(const pvperfTable *table,
                  const pvperfEvent *event)
{
    return pvperfRingRecordBytes(pvperfEventGet(event->kind.event)->clock,
                                 table->events[event->leader].members);
}


/* Overflows of an event for which a vCPU's ring has room beside the other samplers'. */
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
        const pvperfSampler *sampler = pvperfTableCell(table, other, vcpu)->sampler;

        if (other != event && !sampler->throttled)
            used += (uint64_t)sampler->granted * pvperfGrantsBytes(table, other);
    }
    return used < PVPERF_RING_USABLE ?
        (PVPERF_RING_USABLE - used) / pvperfGrantsBytes(table, event) : 0;
}


/* What one sampler gets of what is free. Some of them may never use what they
 * have. */
static uint64_t
pvperfGrantsPart(uint64_t free,
                 uint32_t parts,
                 uint32_t nsamplers)
{
    if (parts < nsamplers)
        parts = nsamplers;
    return free > parts ? free / parts : free > 0;
}


/* What a sampler gets on top of what it kept from before it was disabled: no
 * more than a part of what is free, so that others get some, too: of the budget
 * those of the whole VM, of the ring those of its vCPU. Less than 0: what it
 * kept is too much now. False: it has to wait. */
static bool
pvperfGrantsTake(pvperfTable *table,
                 const pvperfEvent *event,
                 uint32_t vcpu,
                 uint32_t parts,
                 int32_t *grant)
{
    pvperfSampling *sampling = &table->sampling;
    const pvperfSampler *sampler = pvperfTableCell(table, event, vcpu)->sampler;
    uint64_t free = pvperfBudgetFree(&sampling->budget, sampling->policy, table->now);
    uint64_t others = sampling->granted - (sampler->throttled ? 0 : sampler->granted);
    uint64_t allowed = free > others ? free - others : 0;
    uint64_t room = pvperfGrantsRoom(table, event, vcpu);
    uint64_t kept = sampler->granted;
    uint32_t waiting;
    uint64_t more;

    allowed = pvperfBudgetMin(allowed, pvperfGroupSamplesFree(sampling->group, others, table->now, &waiting));
    if (kept > pvperfBudgetMin(allowed, room))
        kept = 0;
    more = pvperfBudgetMin(pvperfGrantsPart(allowed - kept, parts + waiting, sampling->nsamplers + waiting),
                           pvperfGrantsPart(room - kept, PVPERF_GRANT_PART,
                                            sampling->vcpus[vcpu].nsamplers));
    more = pvperfBudgetMin(more, PVPERF_GRANT_MAX - kept);
    if (kept >= PVPERF_GRANT_LOW)
        more = 0;
    *grant = (int32_t)(kept + more) - (int32_t)sampler->granted;
    return kept + more > 0;
}


/* Tells the kernel, which adds the number, whatever its sign; what is left is
 * more than 0. */
static int
pvperfGrantsApply(pvperfTable *table,
                  pvperfCell *cell,
                  int32_t grant)
{
    int ret;

    if (grant == 0)
        return table->host->enable(cell->fd - 1);
    ret = table->host->refresh(cell->fd - 1, grant);
    if (ret < 0)
        return ret;
    cell->sampler->granted += grant;
    table->sampling.granted += grant;
    pvperfGroupGranted(table->sampling.group, table->sampling.granted, table->sampling.throttled, true);
    return 0;
}


/* ---- On and off ------------------------------------------------------------------------ */

int
pvperfGrantsOn(pvperfTable *table,
               pvperfEvent *event,
               uint32_t vcpu)
{
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);
    int32_t grant;
    int ret = 0;

    if (pvperfGrantsTake(table, event, vcpu, PVPERF_GRANT_PART, &grant)) {
        pvperfGrantsUnthrottle(table, cell);
        ret = pvperfGrantsApply(table, cell, grant);
    } else {
        if (cell->sampler->on)
            ret = table->host->disable(cell->fd - 1);
        pvperfGrantsThrottle(table, event, vcpu);
    }
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


/* Its grant is used up: the kernel switched it off, or is about to. */
static void
pvperfGrantsRestart(pvperfTable *table,
                    pvperfEvent *event,
                    uint32_t vcpu)
{
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);

    table->host->disable(cell->fd - 1);
    if (table->sampling.throttled || pvperfGrantsOn(table, event, vcpu) < 0)
        pvperfGrantsThrottle(table, event, vcpu);
    cell->sampler->on = true;
}


void
pvperfGrantsRenew(pvperfTable *table,
                  pvperfEvent *event,
                  uint32_t vcpu)
{
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);
    const pvperfRing *ring = &table->sampling.vcpus[vcpu].rings[cell->sampler->ring];
    uint32_t left = cell->sampler->granted;
    int32_t grant;

    if (!cell->sampler->on || cell->sampler->throttled)
        return;
    if (left == 0) {
        pvperfGrantsRestart(table, event, vcpu);
        return;
    }
    /* Who waits comes first. */
    if (left >= PVPERF_GRANT_LOW || left < PVPERF_GRANT_SURE || table->sampling.throttled ||
        !pvperfGrantsTake(table, event, vcpu, PVPERF_GRANT_PART, &grant) || grant <= 0)
        return;
    if (pvperfGrantsApply(table, cell, grant) < 0)
        return;
    if (pvperfRingHead(ring) - ring->tail >=
        (left - 1) * (uint64_t)pvperfGrantsBytes(table, event)) {
        table->host->disable(cell->fd - 1);
        table->host->enable(cell->fd - 1);
    }
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


/* ---- Who waits ------------------------------------------------------------------------- */

static void
pvperfGrantsResume(pvperfTable *table,
                   pvperfEvent *event,
                   uint32_t vcpu)
{
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);
    int32_t grant;

    if (!cell->sampler->on || !cell->sampler->throttled ||
        !pvperfGrantsTake(table, event, vcpu, table->sampling.throttled, &grant))
        return;
    pvperfCellsResume(table, event, vcpu);
    pvperfGrantsUnthrottle(table, cell);
    if (pvperfGrantsApply(table, cell, grant) < 0)
        pvperfGrantsThrottle(table, event, vcpu);
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
            uint32_t n = (sampling->first / sampling->nactive + k) % on->nsamplers;

            pvperfGrantsResume(table, &table->events[on->samplers[n]], vcpu);
        }
    }
}
