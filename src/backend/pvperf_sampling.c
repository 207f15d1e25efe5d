/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_sampling.c: draining, telling the guest.
 *
 * A sample's period: the one that the kernel recorded; for clocks, whose timer
 * leaves out what it is late for, as many whole periods as the count has moved
 * on, so that the sum of periods never falls behind the count.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stddef.h>

#include "pvperf_cells.h"
#include "pvperf_grants.h"
#include "pvperf_sampling.h"
#include "pvperf_slots.h"

#define PVPERF_NMI_LOST_NS 100000000ULL /* an NMI that takes longer never comes */
#define PVPERF_NMI_SHARE 2              /* of the time that one takes, between two */
#define PVPERF_NMI_TIMED_NS 400000ULL   /* how long it is watched what one takes ... */
#define PVPERF_NMI_TIMED_EACH 16        /* ... and how often */
#define PVPERF_SHORT_PERIODS 8          /* the kernel finds a frequency's period within so many */

/* ---- Rings and host events ------------------------------------------------------ */

bool
pvperfSamplingReady(const pvperfTable *table,
                    uint32_t vcpu,
                    pvperfRingKind kind)
{
    return table->sampling.vcpus[vcpu].rings[kind].fd != 0;
}


/* Locked memory is the host's: counted here, because the kernel charges a user's
 * first rings to an account that all backends share. */
static int
pvperfSamplingMapRing(pvperfTable *table,
                      pvperfRing *ring,
                      int fd)
{
    pvperfSampling *sampling = &table->sampling;
    int ret;

    if (sampling->ring_bytes_max && sampling->ring_bytes + PVPERF_RING_MAPPED > sampling->ring_bytes_max)
        return -ENOMEM;
    ret = pvperfRingOpen(ring, table->host, fd);
    if (ret == 0)
        sampling->ring_bytes += PVPERF_RING_MAPPED;
    return ret;
}


static void
pvperfSamplingUnmapRing(pvperfTable *table,
                        pvperfRing *ring)
{
    if (ring->fd)
        table->sampling.ring_bytes -= PVPERF_RING_MAPPED;
    pvperfRingClose(ring, table->host);
}


int
pvperfSamplingSetRing(pvperfTable *table,
                      uint32_t vcpu,
                      pvperfRingKind kind,
                      int fd)
{
    pvperfRing *ring = &table->sampling.vcpus[vcpu].rings[kind];
    int ret;

    /* Two requests may have asked for it. */
    if (ring->fd) {
        table->host->close(fd);
        return 0;
    }
    ret = pvperfSamplingMapRing(table, ring, fd);
    if (ret < 0) {
        table->host->close(fd);
        return ret;
    }
    ring->armed = true;
    if (table->sampling.watch)
        ret = table->sampling.watch(table->sampling.opaque, fd, true);
    if (ret < 0)
        pvperfSamplingUnmapRing(table, ring);
    return ret;
}


void
pvperfSamplingDropRings(pvperfTable *table,
                        uint32_t vcpu)
{
    int kind;

    for (kind = 0; kind < PVPERF_NR_RINGS; kind++)
        pvperfSamplingUnmapRing(table, &table->sampling.vcpus[vcpu].rings[kind]);
}


int
pvperfSamplingAttach(pvperfTable *table,
                     pvperfEvent *event,
                     uint32_t vcpu,
                     pvperfRingKind kind)
{
    const pvperfRing *ring = &table->sampling.vcpus[vcpu].rings[kind];
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);
    int ret;

    if (!ring->fd)
        return -EAGAIN;
    ret = table->host->redirect(cell->fd - 1, ring->fd - 1);
    if (ret < 0) {
        /* It is the ring of a thread that is gone; the next request brings a new one. */
        pvperfSamplingDropRings(table, vcpu);
        return ret == -EINVAL ? -EAGAIN : ret;
    }
    cell->sampler->ring = kind;
    return table->host->identify(cell->fd - 1, &cell->sampler->sample_id);
}


void
pvperfSamplingDetach(pvperfTable *table,
                     pvperfCell *cell)
{
    if (!cell->sampler)
        return;
    pvperfGrantsUnthrottle(table, cell);
    if (cell->enabled)
        table->sampling.granted -= cell->sampler->granted;
    *cell->sampler = (pvperfSampler) { .changed = cell->sampler->changed };
}


/* ---- Who samples ------------------------------------------------------------------- */

void
pvperfSamplingEnter(pvperfTable *table,
                    const pvperfEvent *event,
                    uint32_t vcpu)
{
    pvperfSampling *sampling = &table->sampling;
    pvperfVcpuSampling *on = &sampling->vcpus[vcpu];

    sampling->nsamplers++;
    sampling->granted += pvperfTableCell(table, event, vcpu)->sampler->granted;
    if (on->nsamplers == 0)
        sampling->active[sampling->nactive++] = vcpu;
    on->samplers[on->nsamplers++] = event - table->events;
}


void
pvperfSamplingLeave(pvperfTable *table,
                    const pvperfEvent *event,
                    uint32_t vcpu)
{
    pvperfSampling *sampling = &table->sampling;
    pvperfVcpuSampling *on = &sampling->vcpus[vcpu];
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);
    uint32_t i = 0;

    pvperfGrantsUnthrottle(table, cell);
    sampling->granted -= cell->sampler->granted;
    sampling->nsamplers--;
    while (on->samplers[i] != event - table->events)
        i++;
    on->samplers[i] = on->samplers[--on->nsamplers];
    if (on->nsamplers)
        return;
    on->news = 0;
    on->crowded = false;
    for (i = 0; sampling->active[i] != vcpu; i++)
        ;
    sampling->active[i] = sampling->active[--sampling->nactive];
}


static pvperfEvent *
pvperfSamplingFind(pvperfTable *table,
                   uint32_t vcpu,
                   uint64_t sample_id)
{
    const pvperfVcpuSampling *on = &table->sampling.vcpus[vcpu];
    uint32_t i;

    for (i = 0; i < on->nsamplers; i++) {
        pvperfEvent *event = &table->events[on->samplers[i]];

        if (pvperfTableCell(table, event, vcpu)->sampler->sample_id == sample_id)
            return event;
    }
    return NULL;
}


/* ---- Records --------------------------------------------------------------------------- */

/* How much of the event an overflow stands for. */
static uint64_t
pvperfSamplingPeriod(const pvperfTable *table,
                     const pvperfEvent *event,
                     pvperfCell *cell,
                     const pvperfRecord *record)
{
    const pvperfEvent *member;
    uint64_t period = record->period;
    uint64_t periods = 1;
    uint32_t i = 0;

    if (!pvperfEventGet(event->kind.event)->clock || period == 0)
        return period;
    for (member = &table->events[event->leader]; member != event; i++)
        member = pvperfTableNext(table, member);
    if (i < record->members && record->count[i] > cell->sampler->sampled)
        periods = (record->count[i] - cell->sampler->sampled + period / 2) / period;
    if (periods == 0)
        periods = 1;
    cell->sampler->sampled += periods * period;
    return periods * period;
}


/* A frequency for which the kernel has to go below the operator's minimum. */
static void
pvperfSamplingCheckPeriod(pvperfTable *table,
                          const pvperfEvent *event,
                          pvperfCell *cell,
                          uint64_t period)
{
    uint64_t min = table->sampling.policy->min_period;
    uint64_t hz = cell->sampler->freq_now ? cell->sampler->freq_now : event->kind.sample_period;

    if (!event->kind.freq || period >= min || !pvperfEventGet(event->kind.event)->has_min_period) {
        cell->sampler->short_periods = 0;
        return;
    }
    if (++cell->sampler->short_periods < PVPERF_SHORT_PERIODS || hz <= 1)
        return;
    cell->sampler->short_periods = 0;
    cell->sampler->freq_now = hz / 2;
    table->host->frequency(cell->fd - 1, hz / 2);
}


static void
pvperfSamplingOverflow(pvperfTable *table,
                       pvperfEvent *event,
                       uint32_t vcpu,
                       const pvperfRecord *record)
{
    pvperfSampling *sampling = &table->sampling;
    pvperfVcpuSampling *on = &sampling->vcpus[vcpu];
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);

    sampling->stats->overflows++;
    pvperfBudgetTake(&sampling->budget);
    pvperfGroupSample(sampling->group, table->now);
    if (cell->sampler->granted) {
        cell->sampler->granted--;
        sampling->granted--;
    }
    cell->slot.overflows++;
    cell->slot.period_sum += pvperfSamplingPeriod(table, event, cell, record);
    cell->sampler->changed = true;
    on->news++;
    pvperfSamplingCheckPeriod(table, event, cell, record->period);

    /* An address of the host is none of the guest's business. */
    if (record->mode == PERF_RECORD_MISC_GUEST_KERNEL || record->mode == PERF_RECORD_MISC_GUEST_USER)
        pvperfWindowWriteSample(table->window, vcpu, on->samples_head++, &(struct pvperf_sample) {
            .ip = record->ip,
            .id = event - table->events,
            .mode = record->mode,
            .period_sum = cell->slot.period_sum,
            .overflows = cell->slot.overflows,
        });
}


static void
pvperfSamplingRecord(pvperfTable *table,
                     uint32_t vcpu,
                     const pvperfRecord *record)
{
    pvperfEvent *event = NULL;

    if (record->kind != PVPERF_RECORD_OTHER)
        event = pvperfSamplingFind(table, vcpu, record->sample_id);
    if (!event)
        return;
    if (record->kind == PVPERF_RECORD_OVERFLOW) {
        pvperfSamplingOverflow(table, event, vcpu, record);
    } else if (record->kind == PVPERF_RECORD_THROTTLED) {
        pvperfCell *cell = pvperfTableCell(table, event, vcpu);

        /* The host's own limit, which lets go at its next tick. */
        cell->slot.throttles++;
        cell->sampler->changed = true;
        table->sampling.stats->host_throttles++;
    }
}


/* After a drain: the window's slots first, the guest may be looking. */
static void
pvperfSamplingSettle(pvperfTable *table,
                     uint32_t vcpu)
{
    pvperfVcpuSampling *on = &table->sampling.vcpus[vcpu];
    uint32_t i;

    for (i = 0; i < on->nsamplers; i++) {
        pvperfEvent *event = &table->events[on->samplers[i]];
        pvperfCell *cell = pvperfTableCell(table, event, vcpu);

        if (cell->sampler->changed)
            pvperfSlotsPublish(table, event, vcpu);
        cell->sampler->changed = false;
    }
    for (i = 0; i < on->nsamplers; i++)
        pvperfGrantsRenew(table, &table->events[on->samplers[i]], vcpu);
}


void
pvperfSamplingDrain(pvperfTable *table,
                    uint32_t vcpu)
{
    pvperfVcpuSampling *on = &table->sampling.vcpus[vcpu];
    pvperfRecord record;
    bool any = false;
    int kind;

    for (kind = 0; kind < PVPERF_NR_RINGS; kind++) {
        pvperfRing *ring = &on->rings[kind];
        uint64_t head = ring->fd ? pvperfRingHead(ring) : 0;

        if (!ring->fd || head == ring->tail)
            continue;
        ring->armed = false;
        while (pvperfRingNext(ring, head, &record))
            pvperfSamplingRecord(table, vcpu, &record);
        pvperfRingRelease(ring);
        any = true;
    }
    if (any) {
        pvperfWindowSamples(table->window, vcpu, on->samples_head);
        pvperfSamplingSettle(table, vcpu);
    }
}


/* ---- The guest ------------------------------------------------------------------------- */

void
pvperfSamplingSeen(pvperfTable *table,
                   uint32_t vcpu)
{
    pvperfVcpuSampling *on = &table->sampling.vcpus[vcpu];

    /* No page for a vCPU that never sampled. */
    if (on->news)
        on->news = 0;
}


/* How long an NMI takes from here until the guest has claimed it, where that is
 * watched: now and then. */
static void
pvperfSamplingTime(pvperfVcpuSampling *on,
                   uint64_t now)
{
    uint64_t takes = now - on->nmi_at;

    if (!on->timed || (on->on_its_way && takes < PVPERF_NMI_TIMED_NS))
        return;
    on->timed = false;
    if (takes > PVPERF_NMI_TIMED_NS)
        takes = PVPERF_NMI_TIMED_NS;
    on->nmi_takes = on->nmi_takes ? (3 * on->nmi_takes + takes) / 4 : takes;
}


/* One NMI at a time: the guest finds by it what was written before it looks.
 * Then none for as long as leaves the guest most of its time. */
static void
pvperfSamplingNotify(pvperfTable *table,
                     uint32_t vcpu)
{
    pvperfSampling *sampling = &table->sampling;
    pvperfVcpuSampling *on = &sampling->vcpus[vcpu];

    if (!on->news && !on->on_its_way)
        return;
    if (on->on_its_way) {
        on->on_its_way = pvperfWindowNmiHandled(table->window, vcpu) != on->nmi_sent;
        pvperfSamplingTime(on, table->now);
    }
    if (on->on_its_way && table->now - on->nmi_at < PVPERF_NMI_LOST_NS)
        on->news = 0;
    else if (on->on_its_way)
        on->news++;
    if (!on->news || table->now < on->nmi_next)
        return;
    on->crowded = on->news > 1;
    on->news = 0;
    on->on_its_way = true;
    on->timed = on->nmi_sent % PVPERF_NMI_TIMED_EACH == 0 || on->nmi_takes == 0;
    on->nmi_at = table->now;
    on->nmi_next = table->now + on->nmi_takes * PVPERF_NMI_SHARE;
    pvperfWindowNmiSent(table->window, vcpu, ++on->nmi_sent);
    sampling->stats->nmis++;
    if (sampling->irq_fds && sampling->irq_fds[vcpu])
        table->host->notify(sampling->irq_fds[vcpu] - 1);
}


void
pvperfSamplingPass(pvperfTable *table)
{
    pvperfSampling *sampling = &table->sampling;
    uint32_t i;

    for (i = 0; i < sampling->nactive; i++) {
        pvperfSamplingDrain(table, sampling->active[i]);
        pvperfSamplingNotify(table, sampling->active[i]);
    }
    pvperfGrantsPass(table);
}


/* The next NMI of a vCPU is not due yet, and will tell of what there is: no
 * record has to wake anybody before it. */
static bool
pvperfSamplingLater(const pvperfVcpuSampling *on,
                    uint64_t now)
{
    return on->news || (on->crowded && now < on->nmi_next);
}


void
pvperfSamplingArm(pvperfTable *table)
{
    pvperfSampling *sampling = &table->sampling;
    uint32_t i;
    int kind;

    for (i = 0; sampling->watch && i < sampling->nactive; i++) {
        pvperfVcpuSampling *on = &sampling->vcpus[sampling->active[i]];
        bool later = pvperfSamplingLater(on, table->now);

        for (kind = 0; kind < PVPERF_NR_RINGS; kind++) {
            pvperfRing *ring = &on->rings[kind];

            if (ring->fd && !ring->armed && !later)
                ring->armed = sampling->watch(sampling->opaque, ring->fd - 1, false) == 0;
        }
    }
}


bool
pvperfSamplingBusy(const pvperfTable *table)
{
    const pvperfSampling *sampling = &table->sampling;
    uint32_t i;

    for (i = 0; i < sampling->nactive; i++) {
        if (sampling->vcpus[sampling->active[i]].timed)
            return true;
    }
    return false;
}


uint64_t
pvperfSamplingDeadline(const pvperfTable *table)
{
    const pvperfSampling *sampling = &table->sampling;
    uint64_t deadline = sampling->throttled ? sampling->next_grant : 0;
    uint32_t i;

    for (i = 0; i < sampling->nactive; i++) {
        const pvperfVcpuSampling *on = &sampling->vcpus[sampling->active[i]];
        bool later = pvperfSamplingLater(on, table->now);
        uint64_t next = later ? on->nmi_next : on->nmi_at + PVPERF_NMI_LOST_NS;

        if ((later || on->on_its_way) && (!deadline || next < deadline))
            deadline = next;
    }
    return deadline;
}


void
pvperfSamplingReset(pvperfTable *table)
{
    uint32_t vcpu;

    for (vcpu = 0; vcpu < table->nr_vcpus; vcpu++) {
        pvperfVcpuSampling *on = &table->sampling.vcpus[vcpu];
        uint32_t handled = pvperfWindowNmiHandled(table->window, vcpu);

        if (on->nmi_sent != handled || on->on_its_way || on->news) {
            on->nmi_sent = handled;
            on->on_its_way = false;
            on->news = 0;
        }
        /* Raised for a guest that was reset: KVM would deliver it when the next
         * driver unmasks its vectors, and nobody would claim it. */
        if (table->sampling.irq_fds && table->sampling.irq_fds[vcpu])
            table->host->forget(table->sampling.irq_fds[vcpu] - 1);
        pvperfWindowNmiSent(table->window, vcpu, handled);
        pvperfWindowSamples(table->window, vcpu, on->samples_head);
    }
}
