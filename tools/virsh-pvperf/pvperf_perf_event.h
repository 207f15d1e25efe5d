/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_perf_event.h: an event as the user of perf writes it.
 *
 * "cycles:u", "pvperf/vcpu-clock/", "cpu/event=0xc2,umask=1/" and "r1c2" become
 * an entry of the table of events; called by "check".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "conf/pvperf_events.h"

typedef struct _pvperfPerfEvent pvperfPerfEvent;
struct _pvperfPerfEvent {
    pvperfEventIndex event;     /* PVPERF_EVENT_NONE: not ours */
    uint64_t raw_config;        /* of the entry "raw" */
    bool is_software;           /* the guest's own kernel counts it */
};

pvperfPerfEvent pvperfPerfEventParse(const char *text);
