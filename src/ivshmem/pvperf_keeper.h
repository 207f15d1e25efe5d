/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_keeper.h: what pvperf-ivshmem and virtpvperfd tell each other.
 *
 * A SOCK_SEQPACKET socket beside the ivshmem socket, in a directory of the
 * daemon's own. The daemon connects and is first told of every connection that
 * exists (KNOWN ones, one PVPERF_KEEPER_PEER with the fds and as many
 * PVPERF_KEEPER_IRQS as the vectors need), then PVPERF_KEEPER_SYNCED, then
 * every change as it happens. A daemon that does not read is disconnected,
 * never waited for; it connects again and is told everything anew.
 *
 * A keeper that was restarted knows less than the daemon. Once SYNCED, the
 * daemon hands back what it has, by the same PEER and IRQS the other way, with
 * connection 0. One peer at a time: each is answered, by being told of it as of
 * any other under its new number, or by PVPERF_KEEPER_REFUSED.
 *
 * Sizes: every message is one struct pvperfKeeperMessage.
 */
#pragma once

#include <stdint.h>

#define PVPERF_KEEPER_VERSION 2
#define PVPERF_KEEPER_FDS_MAX 250       /* below the kernel's SCM_MAX_FD, 253 */

typedef enum {
    PVPERF_KEEPER_PEER = 1,     /* fds: [0] memfd, [1] doorbell eventfd, [2] pidfd of the peer */
    PVPERF_KEEPER_IRQS,         /* fds: eventfds of vectors first .. first + count - 1 */
    PVPERF_KEEPER_SYNCED,
    PVPERF_KEEPER_GONE,         /* the peer hung up; its connection number is never used again */
    PVPERF_KEEPER_REFUSED,      /* the keeper does not take back the peer of this pid */
} pvperfKeeperType;

typedef struct _pvperfKeeperMessage pvperfKeeperMessage;
struct _pvperfKeeperMessage {
    uint32_t size;              /* of this structure */
    uint16_t version;           /* PVPERF_KEEPER_VERSION */
    uint16_t type;
    uint64_t connection;        /* number of the connection, from 1, rising; 0: handed back */
    int32_t pid;                /* SO_PEERCRED of the peer */
    uint32_t uid;
    uint32_t vectors;
    uint32_t first;             /* IRQS: index of the first vector */
    uint32_t count;             /* IRQS: number of fds */
    uint32_t pad;
    uint64_t window_size;
    uint64_t start_time;        /* field 22 of /proc/PID/stat at accept time, in ticks */
};
