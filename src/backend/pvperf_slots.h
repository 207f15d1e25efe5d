/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_slots.h: what stands in the slot of one event on one vCPU.
 *
 * The host's own copy is in the cell; nothing is read back from the window.
 * pvperf_cells.c moves slots on, with what it reads from host events.
 */
#pragma once

#include "pvperf_event_table.h"

typedef enum {
    PVPERF_ACTION_ENABLE,
    PVPERF_ACTION_REFUSE,
    PVPERF_ACTION_DISABLE,
    PVPERF_ACTION_CLOSE,
    PVPERF_NR_ACTIONS
} pvperfAction;

/* Moves a cell on, with the number of cells that count on the vCPU. The slot
 * in the window does not know yet: pvperfSlotsPublish(). */
void pvperfSlotsAct(pvperfTable *table,
                    const pvperfEvent *event,
                    uint32_t vcpu,
                    pvperfAction action,
                    int error);

/* Copies the slot into the window. */
void pvperfSlotsPublish(pvperfTable *table,
                        const pvperfEvent *event,
                        uint32_t vcpu);

/* So much more was counted, in so many ns of which it ran so many. */
void pvperfSlotsAdvance(pvperfTable *table,
                        const pvperfEvent *event,
                        pvperfCell *cell,
                        uint64_t count,
                        uint64_t enabled,
                        uint64_t running);

/* Adds the time in which a leader was throttled, and its whole group and its
 * clocks stood still; how much that was, in ns. */
uint64_t pvperfSlotsLoseGroup(pvperfTable *table,
                              pvperfEvent *leader,
                              uint32_t vcpu);

/* The same for a sibling, whose times are those of its group, which lost that
 * much and ran for @enabled ns. */
void pvperfSlotsLoseSibling(pvperfTable *table,
                            pvperfEvent *event,
                            uint32_t vcpu,
                            uint64_t group_ns,
                            uint64_t enabled);
