/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_quota.h: what peers that nobody vouches for may cost.
 *
 * Per user: a number of dead windows at once, and a rate. Pure: the time is
 * an argument; no I/O, no allocation.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PVPERF_QUOTA_USERS 128          /* remembered at once */
#define PVPERF_QUOTA_WINDOWS 64         /* per user at once */
#define PVPERF_QUOTA_BURST 32           /* per user in one go */
#define PVPERF_QUOTA_PER_SECOND 10      /* per user after that */
#define PVPERF_QUOTA_WARN_MS 60000      /* between two messages about one user */

typedef struct {
    uid_t uid;
    uint32_t windows;
    uint32_t tokens;
    int64_t filled;             /* ms: when tokens was brought up to date */
    int64_t warnAt;             /* ms: not to be told of again before */
    bool used;
} pvperfQuotaUser;

typedef struct {
    pvperfQuotaUser users[PVPERF_QUOTA_USERS];
} pvperfQuota;

/* True: a window of its own, to be given back. False: beyond the quota, *warn
 * says whether to tell so. */
bool pvperfQuotaTake(pvperfQuota *quota,
                     uid_t uid,
                     int64_t now,
                     bool *warn);
void pvperfQuotaGive(pvperfQuota *quota,
                     uid_t uid);
