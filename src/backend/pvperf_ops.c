/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_ops.c: OPEN, CLOSE, ENABLE, DISABLE, READ, HELLO.
 *
 * Works on copies only. Each op first says what a well-formed frame of it is,
 * then asks the policy, then acts. An ENABLE that is refused for whatever
 * reason leaves its slot REFUSED, because the guest posts ENABLE without
 * looking at the answer.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "pvperf_broker.h"
#include "pvperf_cells.h"
#include "pvperf_ops.h"

#define PVPERF_MALFORMED pvperfVerdictRefuse(-EINVAL, PVPERF_REASON_MALFORMED)
#define PVPERF_GRANTED pvperfVerdictRefuse(0, PVPERF_REASON_NONE)

bool
pvperfOpsJoins(const struct pvperf_frame *frame)
{
    return frame->nr == KVM_PERF_OP && frame->a0 == KVM_PERF_OP_ENABLE;
}


/* ---- OPEN ---------------------------------------------------------------- */

/* Everything of an OPEN that is neither right nor wrong by itself, but by what
 * is open already. */
static pvperfVerdict
pvperfOpsCheckPlace(pvperfBackend *backend,
                    const pvperfOpening *opening)
{
    pvperfTable *table = &backend->table;
    const pvperfEvent *leader;

    if (pvperfTableFind(table, opening->id) ||
        !pvperfTablePlaceFree(table, opening->row, opening->bound, opening->vcpu))
        return PVPERF_MALFORMED;
    if (opening->leader == PVPERF_NO_ID)
        return PVPERF_GRANTED;

    leader = pvperfTableFind(table, opening->leader);
    if (!leader || leader->leader != opening->leader ||
        leader->members >= PVPERF_MAX_GROUP || leader->bound != opening->bound ||
        (leader->bound && leader->vcpu != opening->vcpu))
        return PVPERF_MALFORMED;
    return PVPERF_GRANTED;
}


/* Copies an OPEN's arguments and turns them into an opening. */
static pvperfVerdict
pvperfOpsParseOpen(pvperfBackend *backend,
                   uint32_t index,
                   pvperfOpening *opening)
{
    const struct pvperf_frame *frame = &backend->areas[index].frame;
    pvperfSubject *subject = &backend->areas[index].subject;
    uint32_t leader = frame->a3 >> 32;
    uint32_t vcpu = (uint32_t)frame->a3 & ~PVPERF_OPEN_BOUND;
    struct guest_perf_event_param param;
    struct guest_perf_attr attr;
    pvperfVerdict verdict;
    int row;

    if (frame->a1 > UINT32_MAX || frame->a2 > UINT32_MAX ||
        !pvperfWindowCopyParam(backend->window, index, frame->a2 << 32 | frame->a1,
                               &param, &attr) ||
        param.pad0 || param.id < 0 || param.id >= PVPERF_MAX_IDS ||
        vcpu >= backend->table.nr_vcpus ||
        (leader != PVPERF_OPEN_NO_LEADER && leader >= PVPERF_MAX_IDS))
        return PVPERF_MALFORMED;
    row = pvperfWindowRow(backend->window, param.guest_event_addr);
    if (row < 0)
        return PVPERF_MALFORMED;

    verdict = pvperfCheckAttr(&attr, &backend->policy, backend->classes_available, &subject->event);
    if (attr.type == PERF_TYPE_RAW)
        subject->raw_config = attr.config;
    if (verdict.ret < 0)
        return verdict;
    if (attr.sample_period && !(backend->stats->driver_features & 1U << PVPERF_F_SAMPLING))
        return pvperfVerdictRefuse(-EOPNOTSUPP, PVPERF_REASON_UNSUPPORTED);

    opening->kind.event = subject->event;
    opening->kind.raw_config = subject->raw_config;
    opening->id = param.id;
    opening->leader = leader == PVPERF_OPEN_NO_LEADER ? PVPERF_NO_ID : (int32_t)leader;
    opening->row = row;
    opening->vcpu = vcpu;
    opening->bound = frame->a3 & PVPERF_OPEN_BOUND;
    opening->kind.modes = 0;
    if (pvperfEventGet(opening->kind.event)->guest_modes)
        opening->kind.modes = attr.flags & (PVPERF_ATTR_EXCLUDE_USER | PVPERF_ATTR_EXCLUDE_KERNEL);
    opening->kind.sample_period = attr.sample_period;
    opening->kind.freq = !!(attr.flags & PVPERF_ATTR_FREQ);
    return PVPERF_GRANTED;
}


/* Opens an event without the daemon, by a host event that the guest closed a
 * moment ago; false if there is none of its kind. */
static bool
pvperfOpsReopen(pvperfBackend *backend,
                const pvperfOpening *opening)
{
    pvperfTable *table = &backend->table;
    pvperfSpareKind kind = pvperfCellsKind(&opening->kind, opening->vcpu);
    pvperfSpare spare;

    if (opening->kind.sample_period || !pvperfSparesTake(&table->spares, &kind, &spare))
        return false;
    pvperfTableAdd(table, opening);
    pvperfCellsReuse(table, &table->events[opening->id], &spare);
    pvperfServeOpenChanged(backend);
    return true;
}


static pvperfServed
pvperfOpsOpen(pvperfBackend *backend,
              uint32_t index,
              pvperfVerdict *verdict)
{
    pvperfOpening *opening = &backend->areas[index].opening;
    pvperfEvent *leader = NULL;

    *verdict = pvperfOpsParseOpen(backend, index, opening);
    if (verdict->ret == 0)
        *verdict = pvperfOpsCheckPlace(backend, opening);
    if (verdict->ret == 0)
        *verdict = pvperfCheckMax(&backend->policy, backend->table.open);
    if (verdict->ret == 0 && !pvperfGroupReserve(&backend->group, backend->table.open))
        *verdict = (pvperfVerdict) {
            .ret = -EBUSY,
            .reason = PVPERF_REASON_MAX,
            .limit = backend->group.limits.max,
        };
    if (verdict->ret < 0)
        return PVPERF_SERVED_NOW;

    if (opening->leader != PVPERF_NO_ID)
        leader = &backend->table.events[opening->leader];
    else if (pvperfOpsReopen(backend, opening))
        return PVPERF_SERVED_NOW;
    *verdict = pvperfBrokerAsk(backend, index, leader, opening, opening->vcpu);
    return verdict->ret < 0 ? PVPERF_SERVED_NOW : PVPERF_SERVED_WAITS;
}


pvperfVerdict
pvperfOpsOpened(pvperfBackend *backend,
                uint32_t index,
                const int *fds)
{
    const pvperfArea *area = &backend->areas[index];
    const pvperfOpening *opening = &area->opening;
    pvperfTable *table = &backend->table;
    pvperfEvent *event;
    pvperfVerdict verdict = { .reason = PVPERF_REASON_HOST };

    pvperfTableAdd(table, opening);
    event = &table->events[opening->id];
    verdict.ret = pvperfCellsInstall(table, &table->events[event->leader],
                                     opening->vcpu, area->ring, fds);
    if (verdict.ret < 0)
        pvperfTableClose(table, event);
    else
        verdict.reason = PVPERF_REASON_NONE;
    pvperfServeOpenChanged(backend);
    return verdict;
}


/* ---- The others ----------------------------------------------------------- */

static pvperfVerdict
pvperfOpsClose(pvperfBackend *backend,
               const struct pvperf_frame *frame)
{
    pvperfEvent *event = pvperfTableFind(&backend->table, frame->a1);

    if (!event)
        return PVPERF_MALFORMED;
    pvperfTableClose(&backend->table, event);
    pvperfServeOpenChanged(backend);
    return PVPERF_GRANTED;
}


static pvperfVerdict
pvperfOpsHello(pvperfBackend *backend,
               const struct pvperf_frame *frame)
{
    if (frame->a0 > UINT32_MAX || frame->a1 > UINT32_MAX || frame->a2 > UINT32_MAX)
        return PVPERF_MALFORMED;
    if (frame->a0 >> 16 != PVPERF_VERSION_MAJOR)
        return pvperfVerdictRefuse(-EPROTONOSUPPORT, PVPERF_REASON_UNSUPPORTED);

    pvperfTableCloseAll(&backend->table);
    backend->stats->driver_abi = frame->a0;
    backend->stats->driver_features = frame->a1;
    backend->stats->driver_version = frame->a2;
    pvperfServeOpenChanged(backend);
    return PVPERF_GRANTED;
}


/* The event that a vCPU area's frame names, if it may count there: its subject. */
static pvperfEvent *
pvperfOpsEvent(pvperfBackend *backend,
               const struct pvperf_frame *frame,
               uint32_t vcpu)
{
    pvperfEvent *event = pvperfTableFind(&backend->table, frame->a1);

    if (!event || (event->bound && event->vcpu != vcpu))
        return NULL;
    backend->areas[vcpu].subject = (pvperfSubject) { event->kind.event, event->kind.raw_config };
    return event;
}


/* Asks for the group's host events on this vCPU, unless the last request
 * failed just now: a guest that tries at every context switch must not become
 * a request to the daemon at each. */
static pvperfServed
pvperfOpsAskForGroup(pvperfBackend *backend,
                     uint32_t vcpu,
                     pvperfEvent *leader,
                     pvperfVerdict *verdict)
{
    const pvperfCell *first = pvperfTableCell(&backend->table, leader, vcpu);

    if (leader->members == 1 && !leader->kind.sample_period && !first->fd) {
        pvperfSpareKind kind = pvperfCellsKind(&leader->kind, vcpu);
        pvperfSpare spare;

        if (pvperfSparesTake(&backend->table.spares, &kind, &spare)) {
            pvperfCellsReuse(&backend->table, leader, &spare);
            return PVPERF_SERVED_JOINS;
        }
    }
    if (first->retry_at > backend->now)
        *verdict = pvperfVerdictRefuse(first->retry_error, first->retry_reason);
    else
        *verdict = pvperfBrokerAsk(backend, vcpu, leader, NULL, vcpu);
    return verdict->ret < 0 ? PVPERF_SERVED_JOINS : PVPERF_SERVED_WAITS;
}


static pvperfServed
pvperfOpsEnable(pvperfBackend *backend,
                uint32_t vcpu,
                uint32_t n,
                pvperfVerdict *verdict)
{
    pvperfArea *area = &backend->areas[vcpu];
    pvperfTable *table = &backend->table;
    pvperfEvent *event = pvperfOpsEvent(backend, &area->frame, vcpu);
    pvperfCell *cell;
    pvperfEvent *leader;

    if (!event) {
        *verdict = PVPERF_MALFORMED;
        return PVPERF_SERVED_JOINS;
    }
    cell = pvperfTableCell(table, event, vcpu);
    leader = &table->events[event->leader];
    if (cell->enabled && pvperfTableCell(table, leader, vcpu)->host_on)
        return PVPERF_SERVED_JOINS;

    if (verdict->ret == 0 && !cell->enabled)
        *verdict = pvperfCheckStart(&backend->policy, event->kind.event, event->kind.raw_config,
                                    table->counting[vcpu]);
    if (verdict->ret == 0 && !pvperfTableComplete(table, leader, vcpu) &&
        pvperfOpsAskForGroup(backend, vcpu, leader, verdict) == PVPERF_SERVED_WAITS)
        return PVPERF_SERVED_WAITS;
    if (verdict->ret < 0) {
        pvperfCellsRefuse(table, event, vcpu, verdict->ret);
        return PVPERF_SERVED_JOINS;
    }

    if (pvperfCellsEnable(table, event, vcpu))
        backend->starts[backend->nstarts++] = (pvperfStart) { n, event->leader };
    if ((int32_t)(area->noted - n) > 0)
        pvperfCellsLose(table, event, vcpu,
                        backend->now - area->arrival[n % PVPERF_NR_FRAMES]);
    return PVPERF_SERVED_JOINS;
}


/* DISABLE and READ: both bring the slot up to date, by @sync. */
static pvperfVerdict
pvperfOpsSync(pvperfBackend *backend,
              const struct pvperf_frame *frame,
              uint32_t vcpu,
              int (*sync)(pvperfTable *table, pvperfEvent *event, uint32_t vcpu))
{
    pvperfEvent *event = pvperfOpsEvent(backend, frame, vcpu);
    int ret;

    if (!event)
        return PVPERF_MALFORMED;
    ret = sync(&backend->table, event, vcpu);
    /* It looks at all overflows when it has the answer. */
    pvperfSamplingSeen(&backend->table, vcpu);
    return pvperfVerdictRefuse(ret, ret < 0 ? PVPERF_REASON_HOST : PVPERF_REASON_NONE);
}


/* ---- Frames --------------------------------------------------------------- */

/* Which op this is: its number in abi.h, 0 for HELLO; -1 if there is no such
 * one in this kind of area. */
static int
pvperfOpsNumber(const struct pvperf_frame *frame,
                bool control)
{
    if (frame->nr == PVPERF_HELLO)
        return control ? 0 : -1;
    if (frame->nr != KVM_PERF_OP)
        return -1;
    switch (frame->a0) {
    case KVM_PERF_OP_OPEN:
    case KVM_PERF_OP_CLOSE:
        return control ? (int)frame->a0 : -1;
    case KVM_PERF_OP_ENABLE:
    case KVM_PERF_OP_DISABLE:
    case KVM_PERF_OP_READ:
        return control ? -1 : (int)frame->a0;
    default:
        return -1;
    }
}


/* What every frame has to be, and whether it is one too many. */
static pvperfVerdict
pvperfOpsCheckFrame(pvperfBackend *backend,
                    const struct pvperf_frame *frame,
                    int op,
                    bool again)
{
    bool insist = op == 0 || op == KVM_PERF_OP_CLOSE || op == KVM_PERF_OP_DISABLE;

    if (frame->session != backend->session)
        return pvperfVerdictRefuse(-ESTALE, PVPERF_REASON_SESSION);
    if (op < 0 || frame->pad0 || frame->reserved[0] || frame->reserved[1])
        return PVPERF_MALFORMED;
    if (again)
        return PVPERF_GRANTED;

    backend->stats->ops[op]++;
    if (!pvperfRateCharge(&backend->rate, backend->policy.requests_sec, backend->now, insist))
        return (pvperfVerdict) {
            .ret = -EAGAIN,
            .reason = PVPERF_REASON_RATE,
            .limit = backend->policy.requests_sec,
        };
    if (!pvperfGroupCharge(&backend->group, backend->now, insist))
        return (pvperfVerdict) {
            .ret = -EAGAIN,
            .reason = PVPERF_REASON_RATE,
            .limit = backend->group.limits.requests_sec,
        };
    return PVPERF_GRANTED;
}


pvperfServed
pvperfOpsServe(pvperfBackend *backend,
               uint32_t index,
               uint32_t n,
               bool again,
               pvperfVerdict *verdict)
{
    const struct pvperf_frame *frame = &backend->areas[index].frame;
    int op = pvperfOpsNumber(frame, index == PVPERF_CONTROL_AREA(backend->table.nr_vcpus));

    backend->areas[index].subject = (pvperfSubject) { .event = PVPERF_EVENT_NONE };
    *verdict = pvperfOpsCheckFrame(backend, frame, op, again);
    /* A rate that refuses an ENABLE has to mark the slot, too. */
    if (op == KVM_PERF_OP_ENABLE &&
        (verdict->ret == 0 || verdict->reason == PVPERF_REASON_RATE))
        return pvperfOpsEnable(backend, index, n, verdict);
    if (verdict->ret < 0)
        return PVPERF_SERVED_NOW;

    switch (op) {
    case 0:
        *verdict = pvperfOpsHello(backend, frame);
        break;
    case KVM_PERF_OP_OPEN:
        return pvperfOpsOpen(backend, index, verdict);
    case KVM_PERF_OP_CLOSE:
        *verdict = pvperfOpsClose(backend, frame);
        break;
    case KVM_PERF_OP_DISABLE:
        *verdict = pvperfOpsSync(backend, frame, index, pvperfCellsDisable);
        break;
    case KVM_PERF_OP_READ:
        *verdict = pvperfOpsSync(backend, frame, index, pvperfCellsRead);
        break;
    }
    return PVPERF_SERVED_NOW;
}
