/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cells.h: counting: one event on one vCPU, and its host group.
 *
 * The arithmetic of counts and times, and the life of a slot as a state x
 * action table. pvperf_ops.c calls this for each frame, pvperf_event_table.c
 * when something is opened or closed. vCPU numbers are checked by the caller,
 * and so is that the event may stand there (a bound one only on its vCPU).
 */
#pragma once

#include "pvperf_event_table.h"

/* Gives a group its host events on a vCPU, in the order of the group; ones
 * that it had there are folded into the slots and closed; samplers write into
 * this ring. The fds are the table's from now on. 0 or -errno (then the group has none there). */
int pvperfCellsInstall(pvperfTable *table,
                       pvperfEvent *leader,
                       uint32_t vcpu,
                       pvperfRingKind ring,
                       const int *fds);

/* A throttled sampler is about to go on: what was lost is in the slots. */
void pvperfCellsResume(pvperfTable *table,
                       pvperfEvent *event,
                       uint32_t vcpu);

/* The host event on a vCPU that serves this kind of event. */
pvperfSpareKind pvperfCellsKind(const pvperfControlEvent *kind,
                                uint32_t vcpu);

/* Gives an event that stands alone, and has none there, this host event of its
 * kind. */
void pvperfCellsReuse(pvperfTable *table,
                      const pvperfEvent *event,
                      const pvperfSpare *spare);

/* Enables an event; its group's host events are complete. True if its leader
 * has yet to be switched on with pvperfCellsStart(), which may wait until the
 * rest of a batch has been looked at. */
bool pvperfCellsEnable(pvperfTable *table,
                       pvperfEvent *event,
                       uint32_t vcpu);

/* Switches a host group on; 0, or -errno and all that should have started is
 * refused. */
int pvperfCellsStart(pvperfTable *table,
                     pvperfEvent *leader,
                     uint32_t vcpu);

/* The ENABLE failed: the interval is lost. */
void pvperfCellsRefuse(pvperfTable *table,
                       pvperfEvent *event,
                       uint32_t vcpu,
                       int error);

/* An interval that the guest asked for and nobody counted. */
void pvperfCellsLose(pvperfTable *table,
                     pvperfEvent *event,
                     uint32_t vcpu,
                     uint64_t ns);

/* Final numbers are in the slot; 0, or -errno if the host gave none. */
int pvperfCellsDisable(pvperfTable *table,
                       pvperfEvent *event,
                       uint32_t vcpu);

/* Numbers of now are in the slot; what counts goes on counting. */
int pvperfCellsRead(pvperfTable *table,
                    pvperfEvent *event,
                    uint32_t vcpu);

/* Stops what the policy does not allow any more: the interval is lost, and what
 * a leader's siblings counted ends with it. False: it did not count here. */
bool pvperfCellsForbid(pvperfTable *table,
                       pvperfEvent *event,
                       uint32_t vcpu,
                       int error);

/* Takes an event's host event off a vCPU and closes the slot. The siblings of
 * a leader go on alone, counting or not as they did. */
void pvperfCellsClose(pvperfTable *table,
                      pvperfEvent *event,
                      uint32_t vcpu);
