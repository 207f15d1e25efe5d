/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_broker.c: requests to the daemon and what becomes of them.
 *
 * A cookie is a serial number and the index of the area, so that an answer
 * finds its area at once and a late one finds nothing. The answer to an OPEN
 * completes it; the answer to an ENABLE only puts the host events in place (or
 * notes the refusal in the leader's cell), and the frame is served once more.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "pvperf_broker.h"
#include "pvperf_cells.h"
#include "pvperf_ops.h"

#define PVPERF_BROKER_TIMEOUT_NS 1000000000ULL
#define PVPERF_BROKER_RETRY_NS 10000000ULL

/* Bits of a cookie for the area: PVPERF_MAX_VCPUS + 1 of them exist. */
#define PVPERF_COOKIE_AREA_BITS 11
_Static_assert(PVPERF_MAX_VCPUS < 1 << PVPERF_COOKIE_AREA_BITS, "an area fits its bits");

static const pvperfVerdict noBroker = {
    .ret = -EAGAIN,
    .reason = PVPERF_REASON_BROKER,
};

static void
pvperfBrokerName(pvperfControlOpen *request,
                 const pvperfControlEvent *event)
{
    request->events[request->count++] = *event;
    if (event->sample_period)
        request->ring = 1;
}


/* The ring that the request's samplers need. */
static pvperfRingKind
pvperfBrokerRing(const pvperfControlOpen *request)
{
    uint32_t i;

    for (i = 0; i < request->count; i++) {
        if (pvperfEventGet(request->events[i].event)->host_type != PERF_TYPE_SOFTWARE)
            return PVPERF_RING_HARDWARE;
    }
    return PVPERF_RING_SOFTWARE;
}


pvperfVerdict
pvperfBrokerAsk(pvperfBackend *backend,
                uint32_t index,
                pvperfEvent *leader,
                const pvperfOpening *opening,
                uint32_t vcpu)
{
    pvperfArea *area = &backend->areas[index];
    pvperfControlOpen request = {
        .h = {
            .size = sizeof(request),
            .version = PVPERF_CONTROL_VERSION,
            .type = PVPERF_CONTROL_OPEN,
            .cookie = ++backend->requests << PVPERF_COOKIE_AREA_BITS | index,
        },
        .vcpu = vcpu,
    };
    const pvperfEvent *event = leader;

    while (event) {
        pvperfBrokerName(&request, &event->kind);
        event = pvperfTableNext(&backend->table, event);
    }
    if (opening)
        pvperfBrokerName(&request, &opening->kind);
    area->ring = pvperfBrokerRing(&request);
    if (request.ring && pvperfSamplingReady(&backend->table, vcpu, area->ring))
        request.ring = 0;

    if (backend->ask(backend->opaque, &request) < 0)
        return noBroker;

    area->waiting = true;
    area->wants_ring = request.ring;
    area->cookie = request.h.cookie;
    area->deadline = backend->now + PVPERF_BROKER_TIMEOUT_NS;
    area->vcpu = vcpu;
    area->leader = leader ? leader->leader : PVPERF_NO_ID;
    area->generation = leader ? leader->generation : 0;
    backend->waiting++;
    return pvperfVerdictRefuse(0, PVPERF_REASON_NONE);
}


void
pvperfBrokerForget(pvperfBackend *backend,
                   pvperfArea *area)
{
    if (!area->waiting)
        return;
    area->waiting = false;
    backend->waiting--;
}


/* The group that was asked for, if it is still the same. */
static pvperfEvent *
pvperfBrokerGroup(pvperfBackend *backend,
                  const pvperfArea *area)
{
    pvperfEvent *leader = pvperfTableFind(&backend->table, (uint64_t)(int64_t)area->leader);

    return leader && leader->generation == area->generation ? leader : NULL;
}


/* An OPEN ends here: answer it and let the area go on. */
static void
pvperfBrokerEndOpen(pvperfBackend *backend,
                    uint32_t index,
                    const pvperfVerdict *verdict)
{
    pvperfArea *area = &backend->areas[index];

    pvperfServeResult(backend, index, area->completed, verdict);
    area->completed++;
    pvperfWindowComplete(backend->window, index, area->completed);
}


/* No host events for this group on this vCPU, for a while. */
static void
pvperfBrokerBackOff(pvperfBackend *backend,
                    pvperfEvent *leader,
                    uint32_t vcpu,
                    const pvperfVerdict *verdict)
{
    pvperfCell *first = pvperfTableTake(&backend->table, leader, vcpu);

    first->retry_at = backend->now + PVPERF_BROKER_RETRY_NS;
    first->retry_error = verdict->ret;
    first->retry_reason = verdict->reason;
}


/* What waited gets a verdict without host events. */
static void
pvperfBrokerRefuse(pvperfBackend *backend,
                   uint32_t index,
                   const pvperfVerdict *verdict)
{
    pvperfArea *area = &backend->areas[index];
    pvperfEvent *leader;

    pvperfBrokerForget(backend, area);
    if (index == PVPERF_CONTROL_AREA(backend->table.nr_vcpus)) {
        pvperfBrokerEndOpen(backend, index, verdict);
        return;
    }

    area->held = true;
    leader = pvperfBrokerGroup(backend, area);
    if (leader)
        pvperfBrokerBackOff(backend, leader, area->vcpu, verdict);
}


/* The ring that came with the events, if there was to be one. */
static int
pvperfBrokerTakeRing(pvperfBackend *backend,
                     const pvperfArea *area,
                     const int *fds,
                     uint32_t nfds)
{
    if (!area->wants_ring)
        return 0;
    return pvperfSamplingSetRing(&backend->table, area->vcpu, area->ring, fds[nfds - 1]);
}


/* The daemon is trusted, but a wrong number must not become a wrong index or
 * an answer that looks like success. */
static pvperfVerdict
pvperfBrokerVerdict(const pvperfControlOpened *answer,
                    uint32_t nfds,
                    uint32_t members)
{
    if (answer->ret == 0 && answer->count == members && nfds == members)
        return pvperfVerdictRefuse(0, PVPERF_REASON_NONE);
    if (answer->ret < 0 && answer->ret >= -4095 && answer->reason < PVPERF_NR_REASONS)
        return pvperfVerdictRefuse(answer->ret, answer->reason);
    return pvperfVerdictRefuse(-ENOMEM, PVPERF_REASON_RESOURCES);
}


static void
pvperfBrokerClose(pvperfBackend *backend,
                  const int *fds,
                  uint32_t nfds)
{
    uint32_t i;

    for (i = 0; i < nfds; i++)
        backend->table.host->close(fds[i]);
}


/* True if the fds were taken. */
static bool
pvperfBrokerTake(pvperfBackend *backend,
                 uint32_t index,
                 const pvperfControlOpened *answer,
                 const int *fds,
                 uint32_t nfds)
{
    pvperfArea *area = &backend->areas[index];
    bool control = index == PVPERF_CONTROL_AREA(backend->table.nr_vcpus);
    pvperfEvent *leader = pvperfBrokerGroup(backend, area);
    uint32_t members = (leader ? leader->members : 0) + control;
    pvperfVerdict verdict = pvperfBrokerVerdict(answer, nfds, members + area->wants_ring);

    if (verdict.ret < 0) {
        pvperfBrokerRefuse(backend, index, &verdict);
        return false;
    }
    if (pvperfBrokerTakeRing(backend, area, fds, nfds) < 0) {
        verdict = pvperfVerdictRefuse(-ENOMEM, PVPERF_REASON_RESOURCES);
        pvperfBrokerRefuse(backend, index, &verdict);
        pvperfBrokerClose(backend, fds, members);
        return true;
    }

    pvperfBrokerForget(backend, area);
    if (control) {
        verdict = pvperfOpsOpened(backend, index, fds);
        pvperfBrokerEndOpen(backend, index, &verdict);
        return true;
    }

    /* Serve the ENABLE again, with or without what was asked for. */
    area->held = true;
    if (!leader) {
        pvperfBrokerClose(backend, fds, members);
        return true;
    }
    verdict.ret = pvperfCellsInstall(&backend->table, leader, area->vcpu, area->ring, fds);
    verdict.reason = PVPERF_REASON_HOST;
    if (verdict.ret < 0)
        pvperfBrokerBackOff(backend, leader, area->vcpu, &verdict);
    return true;
}


void
pvperfBrokerAnswer(pvperfBackend *backend,
                   const pvperfControlOpened *answer,
                   const int *fds,
                   uint32_t nfds)
{
    uint32_t index = answer->h.cookie & ((1U << PVPERF_COOKIE_AREA_BITS) - 1);

    if (index <= PVPERF_CONTROL_AREA(backend->table.nr_vcpus) &&
        backend->areas[index].waiting &&
        backend->areas[index].cookie == answer->h.cookie &&
        pvperfBrokerTake(backend, index, answer, fds, nfds))
        return;

    pvperfBrokerClose(backend, fds, nfds);
}


void
pvperfBrokerExpire(pvperfBackend *backend,
                   uint64_t now,
                   bool all)
{
    uint32_t i;

    backend->now = now;
    for (i = 0; backend->waiting && i <= backend->table.nr_vcpus; i++) {
        pvperfArea *area = &backend->areas[i];

        if (area->waiting && (all || area->deadline <= now))
            pvperfBrokerRefuse(backend, i, &noBroker);
    }
}


uint64_t
pvperfBrokerDeadline(const pvperfBackend *backend)
{
    uint64_t deadline = 0;
    uint32_t i;

    if (!backend->waiting)
        return 0;
    for (i = 0; i <= backend->table.nr_vcpus; i++) {
        const pvperfArea *area = &backend->areas[i];

        if (area->waiting && (!deadline || area->deadline < deadline))
            deadline = area->deadline;
    }
    return deadline;
}
