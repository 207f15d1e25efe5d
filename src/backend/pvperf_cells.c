/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cells.c: counts and times of one id on one vCPU.
 *
 * A host group is switched by its leader alone and read by one read(), so that
 * its members are of one instant and cost one IPI. What a read brings is the
 * difference to the last one; it is added to a cell only if the guest has that
 * event enabled. Hence: whenever an event joins or leaves a group that is
 * running, the group is read first.
 *
 * Numbers only ever grow; a host event that is replaced starts from 0 and so
 * do the cell's host_* (its past is in the slot already: "folded").
 */
#include <errno.h>
#include <stddef.h>

#include "pvperf_cells.h"
#include "pvperf_grants.h"
#include "pvperf_slots.h"

/* A vCPU that was switched on in one pass and off in another, this much later,
 * has run in between; shorter than what an unplug and a plug take. */
#define PVPERF_CELLS_GONE_NS 1000000ULL

static uint64_t
pvperfCellsDifference(uint64_t now,
                      uint64_t *last)
{
    uint64_t before = *last;

    *last = now;
    return now > before ? now - before : 0;
}


/* Reads a host group; every enabled member's slot is of now. */
static int
pvperfCellsSync(pvperfTable *table,
                pvperfEvent *leader,
                uint32_t vcpu)
{
    pvperfCell *first = pvperfTableCell(table, leader, vcpu);
    pvperfEvent *event = leader;
    pvperfHostRead now;
    uint64_t enabled;
    uint64_t running;
    uint64_t lost;
    uint32_t i;
    int ret;

    pvperfSamplingDrain(table, vcpu);
    ret = table->host->read(first->fd - 1, first->host_members, &now);
    if (ret < 0)
        return ret;
    lost = pvperfSlotsLoseGroup(table, leader, vcpu);

    enabled = pvperfCellsDifference(now.enabled, &first->host_enabled);
    running = pvperfCellsDifference(now.running, &first->host_running);

    for (i = 0; i < first->host_members && event; i++) {
        pvperfCell *cell = pvperfTableCell(table, event, vcpu);
        uint64_t count = pvperfCellsDifference(now.count[i], &cell->host_count);

        if (cell->enabled) {
            pvperfSlotsAdvance(table, event, cell, count, enabled, running);
            if (event != leader)
                pvperfSlotsLoseSibling(table, event, vcpu, lost, running);
            pvperfSlotsPublish(table, event, vcpu);
        }
        event = pvperfTableNext(table, event);
    }
    return 0;
}


void
pvperfCellsResume(pvperfTable *table,
                  pvperfEvent *event,
                  uint32_t vcpu)
{
    pvperfEvent *leader = &table->events[event->leader];
    pvperfCell *first = pvperfTableCell(table, leader, vcpu);

    if (!first->host_on)
        return;
    pvperfCellsSync(table, leader, vcpu);
    if (event == leader)
        first->host_since = table->now;
}


static int
pvperfCellsSwitchOff(pvperfTable *table,
                     pvperfEvent *event,
                     uint32_t vcpu)
{
    if (event->kind.sample_period)
        return pvperfGrantsOff(table, event, vcpu);
    return table->host->disable(pvperfTableCell(table, event, vcpu)->fd - 1);
}


static int
pvperfCellsSwitchOn(pvperfTable *table,
                    pvperfEvent *event,
                    uint32_t vcpu)
{
    if (event->kind.sample_period)
        return pvperfGrantsOn(table, event, vcpu);
    return table->host->enable(pvperfTableCell(table, event, vcpu)->fd - 1);
}


/* Switches a running host group off and reads it. */
static int
pvperfCellsStop(pvperfTable *table,
                pvperfEvent *leader,
                uint32_t vcpu)
{
    pvperfCell *first = pvperfTableCell(table, leader, vcpu);
    int ret = pvperfCellsSwitchOff(table, leader, vcpu);
    int ret_sync = pvperfCellsSync(table, leader, vcpu);

    first->host_on = false;
    if (leader->kind.sample_period)
        pvperfGrantsUnthrottle(table, first);
    return ret < 0 ? ret : ret_sync;
}


/* The host group was on for a while, its vCPU ran in it (it asks for the end),
 * and yet the host counted no time: the events are those of a thread that is
 * gone, because the vCPU was taken out and put in again. The interval is lost,
 * and the next ENABLE asks for events of the thread of now. */
static bool
pvperfCellsThreadGone(const pvperfTable *table,
                      const pvperfCell *first)
{
    return first->host_enabled == first->host_started &&
           table->now - first->host_since >= PVPERF_CELLS_GONE_NS;
}


static void
pvperfCellsForgetFd(pvperfTable *table,
                    pvperfCell *cell)
{
    pvperfSamplingDetach(table, cell);
    cell->fd = 0;
    cell->host_members = 0;
    cell->host_on = false;
    cell->host_count = 0;
    cell->host_enabled = 0;
    cell->host_running = 0;
    cell->host_started = 0;
}


/* Lets go of a cell's host event. At once if the kernel's group is to change
 * by it; else it may be closed when there is time. */
static void
pvperfCellsDropFd(pvperfTable *table,
                  pvperfCell *cell,
                  bool at_once)
{
    if (cell->fd && at_once)
        table->host->close(cell->fd - 1);
    else if (cell->fd)
        pvperfTableBury(table, cell->fd - 1);
    pvperfCellsForgetFd(table, cell);
}


pvperfSpareKind
pvperfCellsKind(const pvperfControlEvent *kind,
                uint32_t vcpu)
{
    return (pvperfSpareKind) {
        .event = kind->event,
        .vcpu = vcpu,
        .modes = kind->modes,
        .raw_config = kind->raw_config,
    };
}


/* Keeps the host event of one that stands alone, and is off, for the next OPEN. */
static void
pvperfCellsSpare(pvperfTable *table,
                 const pvperfEvent *event,
                 pvperfCell *cell,
                 uint32_t vcpu)
{
    pvperfSpare spare = {
        .kind = pvperfCellsKind(&event->kind, vcpu),
        .fd = cell->fd - 1,
        .count = cell->host_count,
        .enabled = cell->host_enabled,
        .running = cell->host_running,
        .until = table->now + PVPERF_SPARES_NS,
    };

    if (pvperfSparesPut(&table->spares, &spare))
        pvperfCellsForgetFd(table, cell);
    else
        pvperfCellsDropFd(table, cell, false);
}


void
pvperfCellsReuse(pvperfTable *table,
                 const pvperfEvent *event,
                 const pvperfSpare *spare)
{
    pvperfCell *cell = pvperfTableTake(table, event, spare->kind.vcpu);

    cell->fd = spare->fd + 1;
    cell->host_members = 1;
    cell->host_count = spare->count;
    cell->host_enabled = spare->enabled;
    cell->host_running = spare->running;
}


static void
pvperfCellsDropGroup(pvperfTable *table,
                     pvperfEvent *leader,
                     uint32_t vcpu)
{
    pvperfEvent *event;

    for (event = leader; event; event = pvperfTableNext(table, event))
        pvperfCellsDropFd(table, pvperfTableCell(table, event, vcpu), false);
}


/* pvperfCellsStop() for a DISABLE of the leader. */
static int
pvperfCellsFinish(pvperfTable *table,
                  pvperfEvent *leader,
                  uint32_t vcpu)
{
    pvperfCell *first = pvperfTableCell(table, leader, vcpu);
    bool waits = first->sampler && first->sampler->throttled;
    int ret = pvperfCellsStop(table, leader, vcpu);
    pvperfEvent *event;
    int fd;

    if (ret < 0 || waits || !pvperfCellsThreadGone(table, first))
        return ret;
    for (event = leader; event; event = pvperfTableNext(table, event)) {
        if (pvperfTableCell(table, event, vcpu)->enabled)
            pvperfCellsRefuse(table, event, vcpu, -EAGAIN);
    }
    pvperfCellsDropGroup(table, leader, vcpu);
    while ((fd = pvperfSparesOfVcpu(&table->spares, vcpu)) >= 0)
        pvperfTableBury(table, fd);
    pvperfSamplingDropRings(table, vcpu);
    return 0;
}


int
pvperfCellsInstall(pvperfTable *table,
                   pvperfEvent *leader,
                   uint32_t vcpu,
                   pvperfRingKind ring,
                   const int *fds)
{
    pvperfCell *first = pvperfTableCell(table, leader, vcpu);
    bool was_on = first->host_on;
    pvperfEvent *event;
    uint32_t i = 0;
    int ret = 0;

    if (was_on)
        pvperfCellsStop(table, leader, vcpu);
    pvperfCellsDropGroup(table, leader, vcpu);

    for (event = leader; event; event = pvperfTableNext(table, event))
        pvperfTableTake(table, event, vcpu)->fd = fds[i++] + 1;
    first->host_members = leader->members;
    first->retry_at = 0;

    for (event = leader; event && ret == 0; event = pvperfTableNext(table, event)) {
        const pvperfCell *cell = pvperfTableCell(table, event, vcpu);

        if (event->kind.sample_period)
            ret = pvperfSamplingAttach(table, event, vcpu, ring);
        /* Siblings stay on for good; they count while their leader does. A
         * sampler writes records then, so it has to be wanted. */
        if (ret == 0 && event != leader && (cell->enabled || !event->kind.sample_period))
            ret = pvperfCellsSwitchOn(table, event, vcpu);
    }
    if (ret == 0 && was_on)
        ret = pvperfCellsStart(table, leader, vcpu);
    if (ret < 0)
        pvperfCellsDropGroup(table, leader, vcpu);
    return ret;
}


bool
pvperfCellsEnable(pvperfTable *table,
                  pvperfEvent *event,
                  uint32_t vcpu)
{
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);
    pvperfEvent *leader = &table->events[event->leader];
    pvperfCell *first = pvperfTableCell(table, leader, vcpu);
    int ret = 0;

    if (!cell->enabled) {
        /* What the group counted so far is not this event's. */
        if (first->host_on)
            pvperfCellsSync(table, leader, vcpu);
        pvperfSlotsAct(table, event, vcpu, PVPERF_ACTION_ENABLE, 0);
        if (event->kind.sample_period && event != leader)
            ret = pvperfGrantsOn(table, event, vcpu);
        if (ret < 0)
            pvperfCellsRefuse(table, event, vcpu, ret);
        else
            pvperfSlotsPublish(table, event, vcpu);
    }
    return first->enabled && !first->host_on;
}


int
pvperfCellsStart(pvperfTable *table,
                 pvperfEvent *leader,
                 uint32_t vcpu)
{
    pvperfCell *first = pvperfTableCell(table, leader, vcpu);
    pvperfEvent *event;
    int ret;

    if (first->host_on)
        return 0;
    for (event = pvperfTableNext(table, leader); event; event = pvperfTableNext(table, event)) {
        pvperfCell *cell = pvperfTableCell(table, event, vcpu);

        if (!cell->sampler || !cell->sampler->on)
            continue;
        if (!cell->enabled)
            pvperfGrantsOff(table, event, vcpu);
        else if (cell->sampler->throttled)
            cell->sampler->throttled = table->now; /* it lost nothing before */
    }
    ret = pvperfCellsSwitchOn(table, leader, vcpu);
    first->host_on = ret == 0;
    first->host_since = table->now;
    first->host_started = first->host_enabled;
    for (event = leader; ret < 0 && event; event = pvperfTableNext(table, event)) {
        if (pvperfTableCell(table, event, vcpu)->enabled)
            pvperfCellsRefuse(table, event, vcpu, ret);
    }
    return ret;
}


void
pvperfCellsRefuse(pvperfTable *table,
                  pvperfEvent *event,
                  uint32_t vcpu,
                  int error)
{
    pvperfSlotsAct(table, event, vcpu, PVPERF_ACTION_REFUSE, error);
    pvperfSlotsPublish(table, event, vcpu);
}


void
pvperfCellsLose(pvperfTable *table,
                pvperfEvent *event,
                uint32_t vcpu,
                uint64_t ns)
{
    pvperfSlotsAdvance(table, event, pvperfTableCell(table, event, vcpu), 0, ns, 0);
    pvperfSlotsPublish(table, event, vcpu);
}


int
pvperfCellsDisable(pvperfTable *table,
                   pvperfEvent *event,
                   uint32_t vcpu)
{
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);
    pvperfEvent *leader = &table->events[event->leader];
    pvperfCell *first = pvperfTableCell(table, leader, vcpu);
    int ret = 0;

    if (first->host_on && cell->enabled) {
        if (event == leader) {
            ret = pvperfCellsFinish(table, leader, vcpu);
        } else {
            if (event->kind.sample_period)
                pvperfGrantsOff(table, event, vcpu);
            ret = pvperfCellsSync(table, leader, vcpu);
        }
    }
    pvperfSlotsAct(table, event, vcpu, PVPERF_ACTION_DISABLE, cell->slot.error);
    pvperfSlotsPublish(table, event, vcpu);
    return ret;
}


bool
pvperfCellsForbid(pvperfTable *table,
                  pvperfEvent *event,
                  uint32_t vcpu,
                  int error)
{
    const pvperfCell *cell = pvperfTableCell(table, event, vcpu);
    pvperfEvent *member = event;

    /* Events bound to other vCPUs may share its row. */
    if (cell->owner != event - table->events + 1 || !cell->enabled)
        return false;
    pvperfCellsDisable(table, event, vcpu);
    pvperfCellsRefuse(table, event, vcpu, error);
    if (event->leader != event - table->events)
        return true;
    while ((member = pvperfTableNext(table, member))) {
        if (pvperfTableCell(table, member, vcpu)->enabled)
            pvperfCellsRefuse(table, member, vcpu, -EAGAIN);
    }
    return true;
}


int
pvperfCellsRead(pvperfTable *table,
                pvperfEvent *event,
                uint32_t vcpu)
{
    pvperfEvent *leader = &table->events[event->leader];

    if (!pvperfTableCell(table, event, vcpu)->enabled ||
        !pvperfTableCell(table, leader, vcpu)->host_on)
        return 0;
    return pvperfCellsSync(table, leader, vcpu);
}


/* Closes a leader's host event. The kernel makes each sibling a group of its
 * own then, switched on as siblings are: those that are not to count have to
 * be off before. */
static void
pvperfCellsSplit(pvperfTable *table,
                 pvperfEvent *leader,
                 uint32_t vcpu)
{
    pvperfCell *first = pvperfTableCell(table, leader, vcpu);
    bool was_on = first->host_on;
    pvperfEvent *event;

    if (was_on)
        pvperfCellsSync(table, leader, vcpu);

    for (event = pvperfTableNext(table, leader); event; event = pvperfTableNext(table, event)) {
        pvperfCell *cell = pvperfTableCell(table, event, vcpu);

        if (!cell->fd)
            continue;
        cell->host_members = 1;
        cell->host_on = was_on && cell->enabled;
        if (!cell->host_on)
            pvperfCellsSwitchOff(table, event, vcpu);
        if (!cell->host_on && cell->sampler)
            pvperfGrantsUnthrottle(table, cell);
    }
    pvperfCellsDropFd(table, first, true);

    for (event = pvperfTableNext(table, leader); event; event = pvperfTableNext(table, event)) {
        pvperfCell *cell = pvperfTableCell(table, event, vcpu);
        pvperfHostRead now;

        /* Its own clocks run from here; the count simply goes on. */
        if (cell->fd && table->host->read(cell->fd - 1, 1, &now) == 0) {
            cell->host_enabled = now.enabled;
            cell->host_running = now.running;
            cell->host_started = now.enabled;
            cell->host_since = table->now;
        }
    }
}


void
pvperfCellsClose(pvperfTable *table,
                 pvperfEvent *event,
                 uint32_t vcpu)
{
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);
    pvperfEvent *leader = &table->events[event->leader];

    if (!cell->owner)
        return;
    /* Records of the group are laid out as it was until now. */
    pvperfSamplingDrain(table, vcpu);
    if (event != leader) {
        if (cell->enabled)
            pvperfCellsDisable(table, event, vcpu);
        if (cell->fd)
            pvperfTableCell(table, leader, vcpu)->host_members--;
        pvperfCellsDropFd(table, cell, true);
    } else if (cell->fd && event->members > 1) {
        pvperfCellsSplit(table, event, vcpu);
    } else {
        bool known = !cell->enabled || pvperfCellsDisable(table, event, vcpu) == 0;

        if (known && cell->fd && cell->host_members == 1 && !event->kind.sample_period)
            pvperfCellsSpare(table, event, cell, vcpu);
        else
            pvperfCellsDropFd(table, cell, false);
    }

    pvperfSlotsAct(table, event, vcpu, PVPERF_ACTION_CLOSE, 0);
    /* A slot that nobody wrote is closed as it is. */
    if (cell->slot.seq)
        pvperfSlotsPublish(table, event, vcpu);
    cell->used = false;
    cell->owner = 0;
}
