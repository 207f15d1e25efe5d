/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_share.h: one VM's share of the daemon's time.
 *
 * The daemon serves the backends of all VMs from one thread. Owned by the client
 * of a backend, which charges what each message took; pure, the clock is the
 * caller's. Over any stretch of time a VM gets at most an eighth of it and
 * PVPERF_SHARE_BURST_US on top, and the request that goes beyond.
 *
 * Time is that of the clock, not of the CPU: what the others waited for counts,
 * also if a kernel lock was waited for.
 */
#pragma once

#include <stdint.h>

#define PVPERF_SHARE_PART 8             /* a VM's share is one in so many */
#define PVPERF_SHARE_BURST_US 200000
/* A pause is shorter than a backend waits for an answer, whatever was charged. */
#define PVPERF_SHARE_PAUSE_US 500000

typedef struct _pvperfShare pvperfShare;
struct _pvperfShare {
    uint64_t paid_at;           /* when what was charged is within the share, us */
};

/* Charge @took, which ended at @now; for how long the VM is not to be served,
 * 0: not at all. All us. */
uint64_t pvperfShareCharge(pvperfShare *share,
                           uint64_t now,
                           uint64_t took);
