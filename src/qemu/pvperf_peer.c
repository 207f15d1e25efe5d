/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_peer.c: see the header.
 */
#include "pvperf_peer.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


pvperfPeer *
pvperfPeerNew(uint64_t connection,
              pid_t pid,
              uint64_t start_time,
              uid_t uid,
              unsigned int vectors,
              uint64_t window_size,
              const int fds[3])
{
    pvperfPeer *peer = g_new0(pvperfPeer, 1);

    g_atomic_ref_count_init(&peer->refs);
    peer->connection = connection;
    peer->pid = pid;
    peer->start_time = start_time;
    peer->uid = uid;
    peer->vectors = vectors;
    peer->window_size = window_size;
    peer->window = fds[0];
    peer->doorbell = fds[1];
    peer->pidfd = fds[2];
    peer->irqs = g_new(int, vectors);
    return peer;
}


pvperfPeer *
pvperfPeerRef(pvperfPeer *peer)
{
    g_atomic_ref_count_inc(&peer->refs);
    return peer;
}


void
pvperfPeerUnref(pvperfPeer *peer)
{
    if (!peer || !g_atomic_ref_count_dec(&peer->refs))
        return;
    close(peer->window);
    close(peer->doorbell);
    close(peer->pidfd);
    while (peer->nirqs > 0)
        close(peer->irqs[--peer->nirqs]);
    g_free(peer->irqs);
    g_free(peer->uuid);
    g_free(peer);
}


bool
pvperfPeerComplete(const pvperfPeer *peer)
{
    return peer->nirqs == peer->vectors;
}


bool
pvperfPeerSameProcess(const pvperfPeer *a,
                      const pvperfPeer *b)
{
    return a->pid == b->pid && a->start_time == b->start_time;
}


bool
pvperfPeerSame(const pvperfPeer *a,
               const pvperfPeer *b)
{
    struct stat sa;
    struct stat sb;

    return pvperfPeerSameProcess(a, b) &&
        fstat(a->window, &sa) == 0 && fstat(b->window, &sb) == 0 &&
        sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}
