/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_peer.h: one QEMU's connection to pvperf-ivshmem, as the keeper told
 * it: its process and the descriptors a backend needs.
 *
 * Reference counted: the keeper client lists it, a domain uses it. It outlives
 * the keeper's connection on purpose: while the VM runs, a backend can be
 * started from it even if pvperf-ivshmem was restarted and knows nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

typedef struct _pvperfPeer pvperfPeer;
struct _pvperfPeer {
    gatomicrefcount refs;
    uint64_t connection;
    pid_t pid;
    uint64_t start_time;
    uid_t uid;                  /* whose process it is */
    unsigned int vectors;
    uint64_t window_size;
    int window;                 /* memfd */
    int doorbell;
    int pidfd;
    unsigned int nirqs;         /* received so far; complete when = vectors */
    int *irqs;
    char *uuid;                 /* of its domain; NULL: not known (yet) */
};

/* Takes over window, doorbell and pidfd. */
pvperfPeer *pvperfPeerNew(uint64_t connection,
                          pid_t pid,
                          uint64_t start_time,
                          uid_t uid,
                          unsigned int vectors,
                          uint64_t window_size,
                          const int fds[3]);
pvperfPeer *pvperfPeerRef(pvperfPeer *peer);
void pvperfPeerUnref(pvperfPeer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pvperfPeer, pvperfPeerUnref)

bool pvperfPeerComplete(const pvperfPeer *peer);

bool pvperfPeerSameProcess(const pvperfPeer *a,
                           const pvperfPeer *b);

/* The same connection of the same process, told again. */
bool pvperfPeerSame(const pvperfPeer *a,
                    const pvperfPeer *b);
