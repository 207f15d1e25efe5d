/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_event_table.h: what the guest has open, and the host events behind it.
 *
 * Two tables, both mapped once and touched only where used, so that a VM with
 * few events costs few pages however many vCPUs it may have:
 *
 *   events  by the guest's id: kind, group, place in the slots;
 *   cells   by (row, vCPU), one per slot: the host event of one id on one
 *           vCPU, and the host's own copy of what stands in the slot.
 *
 * A group is a list of events in the order of their OPEN; on each vCPU it is
 * one host group or none. Only the host group's leader is ever switched on or
 * off; a cell's numbers advance only while its own event is enabled.
 *
 * pvperf_ops.c calls this with numbers that it has checked; nothing here comes
 * from the guest unchecked and nothing is read back from the window. A slot's
 * numbers never go backwards in a session, whoever uses the slot.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "conf/pvperf_events.h"
#include "pvperf_control.h"
#include "pvperf_hostperf.h"
#include "pvperf_sampling.h"
#include "pvperf_spares.h"
#include "pvperf_window.h"

#define PVPERF_NO_ID (-1)
#define PVPERF_GRAVES 65536     /* a power of two */

/* One event of the guest, all its inherited copies included. */
typedef struct _pvperfEvent pvperfEvent;
struct _pvperfEvent {
    bool open;
    bool bound;                 /* counts only on vcpu */
    uint16_t row;
    uint16_t vcpu;              /* on which it was opened */
    uint16_t members;           /* of a leader: events in the group, itself included */
    int32_t leader;             /* own id if it leads or is alone */
    int32_t next;               /* of the group, or PVPERF_NO_ID */
    uint32_t generation;        /* of a leader: changes whenever the members do */
    pvperfControlEvent kind;    /* what the daemon opens for it */
};

/* What OPEN asks for, checked. */
typedef struct _pvperfOpening pvperfOpening;
struct _pvperfOpening {
    int32_t id;
    int32_t leader;             /* PVPERF_NO_ID: none */
    uint16_t row;
    uint16_t vcpu;
    bool bound;
    pvperfControlEvent kind;
};

/* One id on one vCPU. All zero is a free cell; an event takes its cell on a vCPU
 * when something first happens there, so that an event costs no memory for the
 * vCPUs on which it never counts. */
typedef struct _pvperfCell pvperfCell;
struct _pvperfCell {
    struct guest_perf_event slot; /* the truth; the window holds a copy */
    uint64_t host_count;        /* of the host event when last read */
    uint64_t host_enabled;      /* leader: times of the host group when last read */
    uint64_t host_running;
    uint64_t host_since;        /* leader: when the host group was switched on (ns) ... */
    uint64_t host_started;      /* ... and its host_enabled then */
    uint64_t base_count;        /* slot's numbers when its present event took it */
    uint64_t base_enabled;
    uint64_t base_lost;
    uint64_t retry_at;          /* leader: no new request to the broker before this (ns) */
    int32_t retry_error;        /* ... and what the last one said */
    uint32_t retry_reason;
    int32_t owner;              /* id + 1; 0: free */
    int32_t fd;                 /* host event + 1; 0: none */
    uint16_t host_members;      /* leader: events in the host group */
    bool enabled;               /* by the guest: state is COUNTING */
    bool host_on;               /* leader: the host group is switched on */
    bool used;                  /* was enabled by its present event */
    pvperfSampler *sampler;     /* of an event with a sample period, else NULL */
};

typedef struct _pvperfTable pvperfTable;
struct _pvperfTable {
    pvperfWindow *window;
    const pvperfHostperf *host;
    uint32_t nr_vcpus;
    uint64_t now;               /* of the pass over the areas, ns */
    pvperfEvent *events;        /* [PVPERF_MAX_IDS] */
    pvperfCell *cells;          /* [nr_vcpus][PVPERF_NR_ROWS] */
    pvperfSampler *samplers;    /* the same */
    uint16_t *row_users;        /* [PVPERF_NR_ROWS]: events in it; ROW_WHOLE: one, on all vCPUs */
    uint16_t *counting;         /* [nr_vcpus]: cells enabled there */
    int32_t id_end;             /* ids from here on were never open in this session */
    uint32_t open;
    uint32_t open_peak;
    uint32_t generation;        /* last one given out */
    int *graves;                /* [PVPERF_GRAVES]: host events to be closed, a ring */
    uint32_t buried;            /* free running: put in */
    uint32_t reaped;            /* free running: closed */
    pvperfSpares spares;        /* host events for the next OPENs */
    pvperfSampling sampling;
    pvperfControlTotal *totals; /* [PVPERF_EVENTS_MAX] */
};

/* Maps the tables; 0 or -errno. */
int pvperfTableInit(pvperfTable *table,
                    pvperfWindow *window,
                    const pvperfHostperf *host,
                    pvperfControlTotal *totals);
void pvperfTableFree(pvperfTable *table);

/* The open event of this id, or NULL; any number may be asked. */
pvperfEvent *pvperfTableFind(const pvperfTable *table,
                             uint64_t id);
/* The next member of its group, or NULL. */
pvperfEvent *pvperfTableNext(const pvperfTable *table,
                             const pvperfEvent *event);

pvperfCell *pvperfTableCell(const pvperfTable *table,
                            const pvperfEvent *event,
                            uint32_t vcpu);

/* The same, taken by the event if it was free. */
pvperfCell *pvperfTableTake(pvperfTable *table,
                            const pvperfEvent *event,
                            uint32_t vcpu);

/* Can an event stand there? (no other one uses a slot of it) */
bool pvperfTablePlaceFree(const pvperfTable *table,
                          uint32_t row,
                          bool bound,
                          uint32_t vcpu);

/* The group's host events on a vCPU are all there. */
bool pvperfTableComplete(const pvperfTable *table,
                         const pvperfEvent *leader,
                         uint32_t vcpu);

/* Enters a new event at the end of its group; it counts nowhere. */
void pvperfTableAdd(pvperfTable *table,
                    const pvperfOpening *opening);

void pvperfTableClose(pvperfTable *table,
                      pvperfEvent *event);
void pvperfTableCloseAll(pvperfTable *table);

/* Closes a host event that is off, some time soon: closing interrupts the
 * vCPU's CPU, and an event may have one on each vCPU. */
void pvperfTableBury(pvperfTable *table,
                     int fd);

/* Closes one of those, or a spare whose time is over; false if there is none. */
bool pvperfTableReap(pvperfTable *table);

/* How many there are. */
uint32_t pvperfTableBuried(const pvperfTable *table);

/* A new session: nothing is open (pvperfTableCloseAll), all slots are zero. */
void pvperfTableReset(pvperfTable *table);
