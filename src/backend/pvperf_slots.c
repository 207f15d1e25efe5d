/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_slots.c: a slot as a state x action table, and its numbers.
 *
 * Called by pvperf_cells.c. Numbers only ever grow, and so do the VM's totals
 * with them.
 */
#include "pvperf_grants.h"
#include "pvperf_slots.h"

#define PVPERF_NR_SLOT_STATES (PVPERF_SLOT_REFUSED + 1)

/* The life of a slot. READ changes no state. An ENABLE of an enabled event is
 * answered without an action, so COUNTING x REFUSE is a start that failed. A
 * refused slot stays so when it is disabled: the guest learns it there. */
static const uint8_t nextState[PVPERF_NR_SLOT_STATES][PVPERF_NR_ACTIONS] = {
    [PVPERF_SLOT_CLOSED] = {
        [PVPERF_ACTION_ENABLE] = PVPERF_SLOT_COUNTING,
        [PVPERF_ACTION_REFUSE] = PVPERF_SLOT_REFUSED,
        [PVPERF_ACTION_DISABLE] = PVPERF_SLOT_FINAL,
        [PVPERF_ACTION_CLOSE] = PVPERF_SLOT_CLOSED,
    },
    [PVPERF_SLOT_COUNTING] = {
        [PVPERF_ACTION_ENABLE] = PVPERF_SLOT_COUNTING,
        [PVPERF_ACTION_REFUSE] = PVPERF_SLOT_REFUSED,
        [PVPERF_ACTION_DISABLE] = PVPERF_SLOT_FINAL,
        [PVPERF_ACTION_CLOSE] = PVPERF_SLOT_CLOSED,
    },
    [PVPERF_SLOT_FINAL] = {
        [PVPERF_ACTION_ENABLE] = PVPERF_SLOT_COUNTING,
        [PVPERF_ACTION_REFUSE] = PVPERF_SLOT_REFUSED,
        [PVPERF_ACTION_DISABLE] = PVPERF_SLOT_FINAL,
        [PVPERF_ACTION_CLOSE] = PVPERF_SLOT_CLOSED,
    },
    [PVPERF_SLOT_REFUSED] = {
        [PVPERF_ACTION_ENABLE] = PVPERF_SLOT_COUNTING,
        [PVPERF_ACTION_REFUSE] = PVPERF_SLOT_REFUSED,
        [PVPERF_ACTION_DISABLE] = PVPERF_SLOT_REFUSED,
        [PVPERF_ACTION_CLOSE] = PVPERF_SLOT_CLOSED,
    },
};

void
pvperfSlotsAct(pvperfTable *table,
               const pvperfEvent *event,
               uint32_t vcpu,
               pvperfAction action,
               int error)
{
    pvperfCell *cell = pvperfTableTake(table, event, vcpu);
    bool enabled;

    cell->slot.state = nextState[cell->slot.state][action];
    cell->slot.error = error;
    enabled = cell->slot.state == PVPERF_SLOT_COUNTING;

    if (enabled && !cell->enabled) {
        cell->used = true;
        table->counting[vcpu]++;
        if (event->kind.sample_period)
            pvperfSamplingEnter(table, event, vcpu);
    } else if (!enabled && cell->enabled) {
        table->counting[vcpu]--;
        if (event->kind.sample_period)
            pvperfSamplingLeave(table, event, vcpu);
    }
    cell->enabled = enabled;
}


void
pvperfSlotsPublish(pvperfTable *table,
                   const pvperfEvent *event,
                   uint32_t vcpu)
{
    pvperfWindowWriteSlot(table->window, event->row, vcpu,
                          &pvperfTableCell(table, event, vcpu)->slot);
}


void
pvperfSlotsAdvance(pvperfTable *table,
                   const pvperfEvent *event,
                   pvperfCell *cell,
                   uint64_t count,
                   uint64_t enabled,
                   uint64_t running)
{
    pvperfControlTotal *total = &table->totals[event->kind.event];

    if (running > enabled)
        running = enabled;
    cell->slot.count += count;
    cell->slot.time_enabled += enabled;
    cell->slot.time_lost += enabled - running;
    total->count += count;
    total->time_enabled += enabled;
    total->time_running += running;
}


uint64_t
pvperfSlotsLoseGroup(pvperfTable *table,
                     pvperfEvent *leader,
                     uint32_t vcpu)
{
    uint64_t ns = pvperfGrantsLost(table, pvperfTableCell(table, leader, vcpu));
    pvperfEvent *member;

    for (member = leader; ns && member; member = pvperfTableNext(table, member)) {
        if (pvperfTableCell(table, member, vcpu)->enabled)
            pvperfSlotsAdvance(table, member, pvperfTableCell(table, member, vcpu), 0, ns, 0);
    }
    return ns;
}


void
pvperfSlotsLoseSibling(pvperfTable *table,
                       pvperfEvent *event,
                       uint32_t vcpu,
                       uint64_t group_ns,
                       uint64_t enabled)
{
    pvperfCell *cell = pvperfTableCell(table, event, vcpu);
    uint64_t ns = pvperfGrantsLost(table, cell);

    /* That is lost already; and its vCPU may have slept. */
    ns = ns > group_ns ? ns - group_ns : 0;
    if (ns > enabled)
        ns = enabled;
    cell->slot.time_lost += ns;
    table->totals[event->kind.event].time_running -= ns;
}
