/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_serve.c: passes over the areas, batches, sessions.
 *
 * A run of ENABLE frames is served as one: the leaders that it leaves to be
 * switched on are started when the run ends, so that a group that is enabled
 * member by member costs one IPI. Every other frame is published at once,
 * because a vCPU may be spinning for it.
 *
 * The guest owns `submitted`: it may jump. More than a ring ahead is nothing
 * that can be served; the area is then taken up again at the new value. Each
 * pass serves at most one ring per area, so no area starves another.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "pvperf_broker.h"
#include "pvperf_cells.h"
#include "pvperf_ops.h"
#include "pvperf_serve.h"

/* Between two messages on the same reason: they are for a log of one line a
 * minute. A daemon that was not there to take one may be back sooner. */
#define PVPERF_TELL_NS 60000000000ULL
#define PVPERF_TELL_AGAIN_NS 1000000000ULL

static uint32_t
pvperfServeWorkers(const pvperfBackend *backend)
{
    return (backend->table.nr_vcpus + PVPERF_VCPUS_PER_WORKER - 1) / PVPERF_VCPUS_PER_WORKER;
}


static size_t
pvperfServeAreaBytes(const pvperfBackend *backend)
{
    return (backend->table.nr_vcpus + 1) * sizeof(*backend->areas);
}


int
pvperfServeInit(pvperfBackend *backend,
                pvperfWindow *window,
                const pvperfHostperf *host,
                uint32_t classes_available,
                pvperfControlStats *stats)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    int ret;

    memset(backend, 0, sizeof(*backend));
    backend->window = window;
    backend->classes_available = classes_available;
    backend->line.classes_available = classes_available;
    backend->stats = stats;
    stats->session = 0;
    stats->open = 0;
    stats->driver_abi = 0;
    stats->driver_version = 0;
    stats->driver_features = 0;

    ret = pvperfTableInit(&backend->table, window, host, stats->totals);
    if (ret < 0)
        return ret;
    backend->table.open_peak = stats->open_peak;
    backend->table.sampling.policy = &backend->policy;
    backend->table.sampling.group = &backend->group;
    backend->table.sampling.stats = &stats->sampling;

    backend->areas = mmap(NULL, pvperfServeAreaBytes(backend), PROT_READ | PROT_WRITE,
                          flags, -1, 0);
    backend->heartbeats = mmap(NULL, pvperfServeWorkers(backend) * sizeof(uint64_t),
                               PROT_READ | PROT_WRITE, flags, -1, 0);
    if (backend->areas == MAP_FAILED || backend->heartbeats == MAP_FAILED)
        return -ENOMEM;
    return 0;
}


void
pvperfServeFree(pvperfBackend *backend)
{
    pvperfGroupLeave(&backend->group);
    munmap(backend->areas, pvperfServeAreaBytes(backend));
    munmap(backend->heartbeats, pvperfServeWorkers(backend) * sizeof(uint64_t));
    pvperfTableFree(&backend->table);
}


static uint32_t
pvperfServeHostState(const pvperfBackend *backend)
{
    if (backend->session == 0)
        return PVPERF_HOST_DOWN;
    return backend->policy.on ? PVPERF_HOST_UP : PVPERF_HOST_OFF;
}


void
pvperfServeSession(pvperfBackend *backend,
                   uint64_t session)
{
    uint32_t i;

    /* Whatever the guest still sends belongs to nobody from here on. */
    backend->session = 0;
    pvperfWindowWriteSession(backend->window, 0, PVPERF_HOST_DOWN);
    pvperfTableCloseAll(&backend->table);
    backend->line.open = 0;

    for (i = 0; i <= backend->table.nr_vcpus; i++) {
        pvperfArea *area = &backend->areas[i];

        area->waiting = false;
        area->held = false;
    }
    backend->waiting = 0;
    if (session == 0)
        return;

    /* Restore and migration overwrote the window: write all of it that is the
     * host's, and the nonce last. */
    pvperfWindowWriteIdentity(backend->window);
    pvperfTableReset(&backend->table);
    pvperfSamplingReset(&backend->table);
    pvperfWindowWritePolicy(backend->window, &backend->line);
    pvperfWindowWriteNeedKick(backend->window, false);
    for (i = 0; i < pvperfServeWorkers(backend); i++)
        pvperfWindowWriteHeartbeat(backend->window, i, backend->heartbeats[i]);
    for (i = 0; i <= backend->table.nr_vcpus; i++) {
        pvperfArea *area = &backend->areas[i];

        area->completed = pvperfWindowSubmitted(backend->window, i);
        area->submitted = area->completed;
        area->noted = area->completed;
        pvperfWindowComplete(backend->window, i, area->completed);
    }

    backend->session = session;
    pvperfWindowWriteSession(backend->window, session, pvperfServeHostState(backend));
}


void
pvperfServeOpenChanged(pvperfBackend *backend)
{
    backend->line.open = backend->table.open;
    backend->stats->open = backend->table.open;
    pvperfWindowWritePolicy(backend->window, &backend->line);
}


static void
pvperfServeTell(pvperfBackend *backend,
                enum pvperf_reason reason)
{
    pvperfControlRefused refused = {
        .h.type = PVPERF_CONTROL_REFUSED,
        .reason = reason,
        .total = backend->stats->refusals[reason],
        .last = backend->stats->last_refusals[reason],
    };
    bool told = backend->tell(backend->opaque, &refused);

    if (told)
        backend->stats->last_refusals[reason].told = refused.total;
    backend->tell_at[reason] = backend->now + (told ? PVPERF_TELL_NS : PVPERF_TELL_AGAIN_NS);
}


void
pvperfServeTold(pvperfBackend *backend)
{
    uint32_t i;

    for (i = 0; i < PVPERF_NR_REASONS; i++)
        backend->stats->last_refusals[i].told = backend->stats->refusals[i];
}


/* A refusal that the guest's user can do something about goes to the policy
 * line; one that only says "start again" or "wait for your turn" does not hide
 * it. */
static void
pvperfServeRefusal(pvperfBackend *backend,
                   const pvperfVerdict *verdict,
                   const pvperfSubject *subject)
{
    pvperfControlRefusal *last = &backend->stats->last_refusals[verdict->reason];

    backend->stats->refusals[verdict->reason]++;
    last->event = subject->event;
    last->raw_config = subject->raw_config;
    last->limit = verdict->limit;
    if (backend->now >= backend->tell_at[verdict->reason])
        pvperfServeTell(backend, verdict->reason);

    if (verdict->reason == PVPERF_REASON_SESSION || verdict->reason == PVPERF_REASON_PER_VCPU)
        return;
    backend->line.refusals++;
    backend->line.last_refusal = verdict->reason;
    backend->line.last_refusal_limit = verdict->limit;
    pvperfWindowWritePolicy(backend->window, &backend->line);
}


/* What counts under a policy that does not allow it any more is stopped now,
 * not at its next start: an event of a whole CPU may not have one for hours. */
static void
pvperfServeEnforce(pvperfBackend *backend)
{
    pvperfTable *table = &backend->table;
    int32_t id;
    uint32_t vcpu;

    for (id = 0; id < table->id_end; id++) {
        pvperfEvent *event = &table->events[id];
        const pvperfSubject subject = { event->kind.event, event->kind.raw_config };
        pvperfVerdict verdict;
        bool stopped = false;

        if (!event->open)
            continue;
        verdict = pvperfCheckOpen(&backend->policy, event->kind.event, event->kind.raw_config);
        for (vcpu = 0; verdict.ret < 0 && vcpu < table->nr_vcpus; vcpu++)
            stopped |= pvperfCellsForbid(table, event, vcpu, verdict.ret);
        if (stopped)
            pvperfServeRefusal(backend, &verdict, &subject);
    }
}


bool
pvperfServePolicy(pvperfBackend *backend,
                  const pvperfPolicy *policy)
{
    struct pvperf_policy_line *line = &backend->line;

    if (policy->max < 1 || policy->max > PVPERF_MAX_IDS ||
        policy->per_vcpu < 1 || policy->per_vcpu > PVPERF_MAX_PER_VCPU ||
        policy->nraw > PVPERF_RAW_MAX)
        return false;

    if (policy->total_samples_sec != backend->policy.total_samples_sec ||
        policy->total_samples_sec_max != backend->policy.total_samples_sec_max ||
        policy->total_samples_sec_max_length != backend->policy.total_samples_sec_max_length)
        pvperfBudgetChange(&backend->table.sampling.budget, policy, backend->now);
    /* what was asked for at another rate is not owed at this one */
    if (policy->requests_sec != backend->policy.requests_sec)
        backend->rate = (pvperfRate) { 0 };
    backend->policy = *policy;
    pvperfServeEnforce(backend);
    line->classes_allowed = policy->on ? policy->classes : 0;
    line->max = policy->max;
    line->per_vcpu = policy->per_vcpu;
    line->min_period = policy->min_period;
    pvperfWindowWritePolicy(backend->window, line);
    if (backend->session)
        pvperfWindowWriteSession(backend->window, backend->session,
                                 pvperfServeHostState(backend));
    return true;
}


void
pvperfServeResult(pvperfBackend *backend,
                  uint32_t area,
                  uint32_t n,
                  const pvperfVerdict *verdict)
{
    struct pvperf_result result = {
        .ret = verdict->ret,
        .reason = verdict->reason,
        .limit = verdict->limit,
    };

    pvperfWindowWriteResult(backend->window, area, n, &result);
    if (verdict->ret < 0)
        pvperfServeRefusal(backend, verdict, &backend->areas[area].subject);
}


/* Publishes an area's frames up to n - 1, once what they enabled runs. */
static void
pvperfServePublish(pvperfBackend *backend,
                   uint32_t index,
                   uint32_t n)
{
    uint32_t i;

    for (i = 0; i < backend->nstarts; i++) {
        const pvperfStart *start = &backend->starts[i];
        pvperfEvent *leader = &backend->table.events[start->leader];
        pvperfVerdict verdict = { .reason = PVPERF_REASON_HOST };

        verdict.ret = pvperfCellsStart(&backend->table, leader, index);
        backend->areas[index].subject = (pvperfSubject) {
            leader->kind.event, leader->kind.raw_config
        };
        if (verdict.ret < 0)
            pvperfServeResult(backend, index, start->n, &verdict);
    }
    backend->nstarts = 0;
    backend->areas[index].completed = n;
    pvperfWindowComplete(backend->window, index, n);
}


/* Gives frames that queue behind a waiting one the time of their arrival. */
static bool
pvperfServeNote(pvperfBackend *backend,
                pvperfArea *area,
                uint32_t submitted)
{
    bool any = false;

    if ((int32_t)(area->noted - area->completed) < 0)
        area->noted = area->completed;
    /* The guest may take back what it had published. */
    if ((int32_t)(area->noted - submitted) > 0)
        area->noted = submitted;
    for (; area->noted != submitted; area->noted++) {
        area->arrival[area->noted % PVPERF_NR_FRAMES] = backend->now;
        any = true;
    }
    return any;
}


/* The guest jumped: nothing between here and there can be told apart. */
static void
pvperfServeResync(pvperfBackend *backend,
                  uint32_t index,
                  uint32_t submitted)
{
    pvperfVerdict verdict = pvperfVerdictRefuse(-EINVAL, PVPERF_REASON_MALFORMED);
    const pvperfSubject subject = { .event = PVPERF_EVENT_NONE };
    pvperfArea *area = &backend->areas[index];

    pvperfBrokerForget(backend, area);
    area->held = false;
    area->completed = submitted;
    area->noted = submitted;
    pvperfWindowComplete(backend->window, index, submitted);
    pvperfServeRefusal(backend, &verdict, &subject);
}


static void
pvperfServeFrames(pvperfBackend *backend,
                  uint32_t index,
                  uint32_t submitted)
{
    pvperfArea *area = &backend->areas[index];
    uint32_t n = area->completed;

    while (n != submitted) {
        pvperfVerdict verdict = pvperfVerdictRefuse(0, PVPERF_REASON_NONE);
        bool held = area->held;
        pvperfServed served;

        if (!held)
            pvperfWindowCopyFrame(backend->window, index, n, &area->frame);
        area->held = false;

        if (backend->nstarts && !pvperfOpsJoins(&area->frame))
            pvperfServePublish(backend, index, n);

        served = pvperfOpsServe(backend, index, n, held, &verdict);
        if (served == PVPERF_SERVED_WAITS) {
            pvperfServePublish(backend, index, n);
            pvperfServeNote(backend, area, submitted);
            return;
        }
        pvperfServeResult(backend, index, n, &verdict);
        n++;
        if (served == PVPERF_SERVED_NOW)
            pvperfServePublish(backend, index, n);
    }
    if (area->completed != n)
        pvperfServePublish(backend, index, n);
    /* Nobody waits here any more; the numbers are free running. */
    area->noted = n;
}


/* True if there was something to do. */
static bool
pvperfServeArea(pvperfBackend *backend,
                uint32_t index)
{
    pvperfArea *area = &backend->areas[index];
    uint32_t submitted = pvperfWindowSubmitted(backend->window, index);

    if (submitted == area->completed)
        return false;
    if (submitted - area->completed > PVPERF_NR_FRAMES) {
        pvperfServeResync(backend, index, submitted);
        return true;
    }
    if (area->waiting)
        return pvperfServeNote(backend, area, submitted);

    if (submitted != area->submitted)
        backend->stats->batches++;
    area->submitted = submitted;
    pvperfServeFrames(backend, index, submitted);
    return true;
}


/* While an event is being opened its place in the group is taken already. */
static void
pvperfServeTellGroup(pvperfBackend *backend)
{
    if (!backend->areas[PVPERF_CONTROL_AREA(backend->table.nr_vcpus)].waiting)
        pvperfGroupOpen(&backend->group, backend->table.open);
    pvperfGroupGranted(&backend->group, backend->table.sampling.granted,
                       backend->table.sampling.throttled, false);
}


bool
pvperfServeGroup(pvperfBackend *backend,
                 int fd,
                 uint32_t member,
                 const pvperfGroupLimits *limits)
{
    if (!pvperfGroupJoin(&backend->group, fd, member, limits))
        return false;
    pvperfServeTellGroup(backend);
    return true;
}


bool
pvperfServePass(pvperfBackend *backend,
                uint64_t now)
{
    uint32_t control = PVPERF_CONTROL_AREA(backend->table.nr_vcpus);
    uint32_t i;
    bool any = false;
    uint32_t alive = UINT32_MAX;

    if (backend->session == 0)
        return false;
    backend->now = now;
    backend->table.now = now;

    for (i = 0; i <= control; i++) {
        uint32_t worker = i == control ? 0 : i / PVPERF_VCPUS_PER_WORKER;

        if (!pvperfServeArea(backend, i))
            continue;
        any = true;
        if (worker != alive)
            pvperfWindowWriteHeartbeat(backend->window, worker, ++backend->heartbeats[worker]);
        alive = worker;
    }
    pvperfSamplingPass(&backend->table);
    pvperfServeTellGroup(backend);
    return any;
}
