/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_quota.c: what peers that nobody vouches for may cost.
 *
 * The listening socket is open to every user, because a VM may run as any.
 * So one user must not be able to use up the process's fds or time with
 * connections of his own. A user who has no window and whose bucket is full
 * again is forgotten when the place is needed.
 */
#include "pvperf_quota.h"

#include <stddef.h>

static void
pvperfQuotaFill(pvperfQuotaUser *user,
                int64_t now)
{
    int64_t earned = (now - user->filled) * PVPERF_QUOTA_PER_SECOND / 1000;

    if (earned <= 0)
        return;
    if (earned >= PVPERF_QUOTA_BURST - (int64_t)user->tokens) {
        user->tokens = PVPERF_QUOTA_BURST;
        user->filled = now;
        return;
    }
    user->tokens += (uint32_t)earned;
    user->filled += earned * 1000 / PVPERF_QUOTA_PER_SECOND;
}

static pvperfQuotaUser *
pvperfQuotaFind(pvperfQuota *quota,
                uid_t uid,
                int64_t now)
{
    pvperfQuotaUser *place = NULL;
    size_t i;

    for (i = 0; i < PVPERF_QUOTA_USERS; i++) {
        pvperfQuotaUser *user = &quota->users[i];

        if (user->used && user->uid == uid) {
            pvperfQuotaFill(user, now);
            return user;
        }
        if (place)
            continue;
        if (user->used)
            pvperfQuotaFill(user, now);
        if (!user->used || (user->windows == 0 && user->tokens == PVPERF_QUOTA_BURST))
            place = user;
    }
    if (place) {
        *place = (pvperfQuotaUser) {
            .uid = uid,
            .tokens = PVPERF_QUOTA_BURST,
            .filled = now,
            .warnAt = now,
            .used = true,
        };
    }
    return place;
}

bool
pvperfQuotaTake(pvperfQuota *quota,
                uid_t uid,
                int64_t now,
                bool *warn)
{
    pvperfQuotaUser *user = pvperfQuotaFind(quota, uid, now);

    *warn = false;
    if (!user)
        return false;
    if (user->windows >= PVPERF_QUOTA_WINDOWS || user->tokens == 0) {
        *warn = now >= user->warnAt;
        if (*warn)
            user->warnAt = now + PVPERF_QUOTA_WARN_MS;
        return false;
    }
    user->tokens--;
    user->windows++;
    return true;
}

void
pvperfQuotaGive(pvperfQuota *quota,
                uid_t uid)
{
    size_t i;

    for (i = 0; i < PVPERF_QUOTA_USERS; i++) {
        pvperfQuotaUser *user = &quota->users[i];

        if (user->used && user->uid == uid && user->windows > 0) {
            user->windows--;
            return;
        }
    }
}
