/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_share.c: a leaky bucket of time.
 */
#include "pvperf_share.h"

#include <glib.h>

#define PVPERF_SHARE_AHEAD_US (PVPERF_SHARE_BURST_US * PVPERF_SHARE_PART)


uint64_t
pvperfShareCharge(pvperfShare *share,
                  uint64_t now,
                  uint64_t took)
{
    uint64_t paid_at = MAX(share->paid_at, now) + took * PVPERF_SHARE_PART;

    share->paid_at = MIN(paid_at, now + PVPERF_SHARE_AHEAD_US + PVPERF_SHARE_PAUSE_US);
    return share->paid_at > now + PVPERF_SHARE_AHEAD_US ? share->paid_at - now - PVPERF_SHARE_AHEAD_US : 0;
}
