/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_events.h: THE table of events and classes.
 *
 * Owns the vocabulary: which events exist, their names, their class, how the
 * guest asks for them (abi.h) and what the host opens for them. XML, backend,
 * broker, command line, D-Bus and metrics all read this one table.
 *
 * Pure data: no allocation, no I/O, no GLib; the backend links it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pvperf/abi.h"

typedef struct _pvperfEventInfo pvperfEventInfo;
struct _pvperfEventInfo {
    const char *name;           /* perf's name: "instructions", "L1-dcache-loads", "vcpu-clock" */
    enum pvperf_class klass;
    const char *unit;           /* "ns", or "" for a plain number */
    bool has_min_period;        /* false for vcpu-switches, vcpu-migrations */
    bool guest_modes;           /* exclude_user/_kernel are passed to the host (hardware events) */
    bool clock;                 /* counts ns; a timer of the host makes its overflows */
    uint32_t type;              /* guest_perf_attr.type */
    uint64_t config;            /* guest_perf_attr.config; ignored for the entry "raw" */
    uint32_t host_type;         /* perf_event_attr.type on the host */
    uint64_t host_config;       /* perf_event_attr.config on the host; ignored for "raw" */
};

/* An index into the table; the last entry, "raw", stands for all raw events. */
typedef int pvperfEventIndex;

#define PVPERF_EVENT_NONE (-1)
#define PVPERF_EVENTS_MAX 64    /* bound of the table, for arrays indexed by it */

/* Number of entries; entries are 0 .. count - 1 and never change at run time. */
int pvperfEventCount(void);

/* The entry, or NULL for an index outside the table. */
const pvperfEventInfo *pvperfEventGet(pvperfEventIndex event);

/* Index of the entry that serves (type, config); every PERF_TYPE_RAW config
 * gives the entry "raw". PVPERF_EVENT_NONE if there is no such event. */
pvperfEventIndex pvperfEventFind(uint32_t type,
                                 uint64_t config);

/* Index of the entry of this name, or PVPERF_EVENT_NONE. */
pvperfEventIndex pvperfEventFromName(const char *name);

/* Name of a class / the class of a name; NULL / -1 if there is none. */
const char *pvperfClassName(int klass);
int pvperfClassFromName(const char *name);

/* One sentence on what the class holds, or NULL. */
const char *pvperfClassText(int klass);

/* Name and sentence of a refusal reason (enum pvperf_reason), or NULL. */
const char *pvperfReasonName(int reason);
const char *pvperfReasonText(int reason);
