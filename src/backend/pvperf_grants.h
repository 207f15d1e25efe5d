/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_grants.h: how many overflows each sampler may still have.
 *
 * Grants come out of the VM's budget and are bounded in the kernel
 * (PERF_EVENT_IOC_REFRESH), not after the fact; they are renewed as overflows
 * are taken out of the ring. A sampler that gets none is throttled: its host
 * event, and with a leader its group, stands still, and that time is lost time.
 * What is granted on a vCPU always fits its ring.
 */
#pragma once

#include "pvperf_event_table.h"

/* Switches a sampler's host event on, or has it wait for a grant. 0 or -errno. */
int pvperfGrantsOn(pvperfTable *table,
                   pvperfEvent *event,
                   uint32_t vcpu);
int pvperfGrantsOff(pvperfTable *table,
                    pvperfEvent *event,
                    uint32_t vcpu);

/* Grants anew if little is left; the vCPU's rings were just drained. */
void pvperfGrantsRenew(pvperfTable *table,
                       pvperfEvent *event,
                       uint32_t vcpu);

/* The cell is no sampler any more, or gets something: it waits no longer. */
void pvperfGrantsUnthrottle(pvperfTable *table,
                            pvperfCell *cell);

/* ns that a cell was throttled since this was last asked. */
uint64_t pvperfGrantsLost(pvperfTable *table,
                          pvperfCell *cell);

/* Grants to who is throttled, if it is time for that. */
void pvperfGrantsPass(pvperfTable *table);
