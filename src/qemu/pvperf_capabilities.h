/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_capabilities.h: what this host can count, and why not the rest.
 *
 * Probed with the broker's own attrs at start (for the backends) and again at
 * each GetCapabilities: a sysctl may have changed.
 */
#pragma once

#include <glib.h>
#include <linux/perf_event.h>

#include "../conf/pvperf_events.h"
#include "pvperf_sandbox_user.h"

/* What the explanation of a refusal needs to know about the host. */
typedef struct _pvperfHostFacts pvperfHostFacts;
struct _pvperfHostFacts {
    int perf_event_paranoid;    /* -2: the kernel has no perf */
    uint64_t max_sample_rate;   /* samples per second and CPU; 0: not known */
    bool has_pmu;               /* a PMU "cpu" (or its hybrid forms) exists */
    const char *virtualization; /* hypervisor that this host runs under, or "none" */
};

typedef struct _pvperfCapabilities pvperfCapabilities;
struct _pvperfCapabilities {
    pvperfHostFacts host;
    int errors[PVPERF_EVENTS_MAX];      /* per event: 0, or the positive errno */
    uint32_t classes_available;         /* mask: something of the class can be counted */
    const pvperfSandboxUser *user;      /* of backends; NULL: not told */
};

/* Probe with @open (pvperfBrokerPerfEventOpen). */
void pvperfCapabilitiesProbe(pvperfCapabilities *caps,
                             int (*open)(struct perf_event_attr *attr,
                                         pid_t tid,
                                         int group_fd));

/* Why perf_event_open answers @err here, one sentence; "" for 0. */
char *pvperfCapabilitiesExplain(const pvperfHostFacts *host,
                                int err);

/* The answer of GetCapabilities, floating. */
GVariant *pvperfCapabilitiesFormat(const pvperfCapabilities *caps);
