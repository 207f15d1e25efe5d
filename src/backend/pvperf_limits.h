/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_limits.h: how many descriptors and how much memory a backend can need.
 *
 * The one place where that is reckoned. Called by the daemon, which sets the
 * limits before it starts the backend, and by the tests in the same way. What
 * does not fit is refused to the guest with reason `resources`.
 */
#pragma once

#include "pvperf_event_table.h"
#include "pvperf_ring.h"
#include "pvperf_serve.h"

#define PVPERF_LIMITS_FDS_OTHER 64      /* standard ones, sockets, window, epoll ...: 12, and a reserve */
#define PVPERF_LIMITS_FDS_ALL (1U << 20) /* fs.nr_open, as kernels have it */
#define PVPERF_LIMITS_PROGRAM (64ULL << 20) /* program, libraries, stack, what rounding takes */

/* For nr_vcpus vCPUs and at most max events open: each has a host event on each
 * vCPU, and as many that were closed may wait for a quiet moment. */
static inline uint64_t
pvperfLimitsFds(uint32_t nr_vcpus,
                uint32_t max)
{
    uint64_t events = (uint64_t)nr_vcpus * (max < PVPERF_NR_ROWS ? max : PVPERF_NR_ROWS);
    uint64_t graves = events < PVPERF_GRAVES ? events : PVPERF_GRAVES;
    uint64_t all = events + graves + PVPERF_SPARES + nr_vcpus * (1ULL + PVPERF_NR_RINGS) +
        PVPERF_CONTROL_FDS_MAX + PVPERF_LIMITS_FDS_OTHER;

    return all < PVPERF_LIMITS_FDS_ALL ? all : PVPERF_LIMITS_FDS_ALL;
}


/* Bytes of address space: the tables are mapped whole, and touched where used. */
static inline uint64_t
pvperfLimitsMemory(uint32_t nr_vcpus)
{
    uint64_t vcpu = PVPERF_NR_ROWS * (sizeof(pvperfCell) + sizeof(pvperfSampler)) +
        sizeof(pvperfVcpuSampling) + sizeof(pvperfArea) + 64 +
        PVPERF_NR_RINGS * PVPERF_RING_MAPPED;

    return nr_vcpus * vcpu + pvperf_window_size(nr_vcpus) +
        PVPERF_MAX_IDS * sizeof(pvperfEvent) + PVPERF_GRAVES * sizeof(int) + PVPERF_LIMITS_PROGRAM;
}
