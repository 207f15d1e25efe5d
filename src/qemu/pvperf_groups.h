/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_groups.h: the groups of this host that have running members.
 *
 * Owned by the driver. Each group has a page of memory that the backends of
 * its members map (src/backend/pvperf_group.h); a seat is a member's line in
 * it. Domains take a seat when their backend starts and give it back when it
 * has ended or left. What is read from a page is only shown.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef struct _pvperfGroups pvperfGroups;
typedef struct _pvperfSeat pvperfSeat;

pvperfGroups *pvperfGroupsNew(void);

/* No seat may be taken any more. */
void pvperfGroupsFree(pvperfGroups *groups);

/* A seat in the group of this name, which is made if it has no member yet;
 * NULL with @error if it is full or there is no memory. */
pvperfSeat *pvperfSeatTake(pvperfGroups *groups,
                           const char *name,
                           GError **error);

/* @ended: the process that had it is gone; else it leaves by itself. */
void pvperfSeatLeave(pvperfSeat *seat,
                     bool ended);

const char *pvperfSeatGroup(const pvperfSeat *seat);
int pvperfSeatFd(const pvperfSeat *seat);
uint32_t pvperfSeatNumber(const pvperfSeat *seat);

/* What all members use together. */
typedef struct _pvperfGroupUse pvperfGroupUse;
struct _pvperfGroupUse {
    uint32_t members;           /* that run */
    uint64_t open;              /* events */
    uint64_t overflows;         /* since the group has members */
    uint64_t requests;
};

void pvperfSeatUse(const pvperfSeat *seat,
                   pvperfGroupUse *use);
