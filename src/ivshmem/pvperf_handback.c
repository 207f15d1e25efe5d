/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_handback.c: a peer that the daemon hands back.
 *
 * The daemon outlives a keeper that is killed, and has what that one kept. It
 * is root's or our own user's, yet nothing that it sends is believed: each
 * descriptor must be of the kind that it is said to be, the window as
 * pvperf_window.c makes one, and the process a VM that libvirt vouches for, by
 * the same check as when it connects. So no more can be brought here than there
 * are VMs, one each, and nothing that is not theirs.
 *
 * Called by pvperf_keeper.c for each of its clients; one peer at a time.
 */
#include "pvperf_handback.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pvperf/abi.h>

#include "pvperf_keeper.h"
#include "pvperf_window.h"

#define PVPERF_PEER_FDS 3               /* of PVPERF_KEEPER_PEER */

typedef struct {
    int fds[PVPERF_KEEPER_FDS_MAX];
    uint32_t count;
} pvperfFds;

static void
pvperfFdsClose(pvperfFds *fds)
{
    while (fds->count > 0)
        close(fds->fds[--fds->count]);
}

static void
pvperfFdsTake(pvperfFds *fds,
              struct msghdr *msg)
{
    struct cmsghdr *header;

    for (header = CMSG_FIRSTHDR(msg); header; header = CMSG_NXTHDR(msg, header)) {
        uint32_t count = (uint32_t)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));

        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        memcpy(fds->fds + fds->count, CMSG_DATA(header), count * sizeof(int));
        fds->count += count;
    }
}

void
pvperfHandbackClear(pvperfHandback *handback)
{
    if (handback->handshake && handback->identity.pidfd >= 0)
        close(handback->identity.pidfd);
    pvperfHandshakeFree(handback->handshake);
    memset(handback, 0, sizeof(*handback));
}

static bool
pvperfHandbackPeer(pvperfHandback *handback,
                   const pvperfKeeperMessage *message,
                   pvperfFds *fds)
{
    if (handback->handshake || fds->count != PVPERF_PEER_FDS || message->pid <= 0 ||
        message->vectors < 1 || message->vectors > PVPERF_MAX_VCPUS ||
        message->window_size != pvperf_window_size(message->vectors))
        return false;
    handback->handshake = pvperfHandshakeEmpty(message->vectors);
    if (!handback->handshake)
        return false;
    handback->handshake->memfd = fds->fds[0];
    handback->handshake->doorbell = fds->fds[1];
    handback->identity = (pvperfPeerIdentity) {
        .pid = message->pid,
        .uid = message->uid,
        .pidfd = fds->fds[2],
        .startTime = message->start_time,
        .vectors = message->vectors,
    };
    handback->irqs = 0;
    fds->count = 0;
    return true;
}

static bool
pvperfHandbackIrqs(pvperfHandback *handback,
                   const pvperfKeeperMessage *message,
                   pvperfFds *fds)
{
    if (!handback->handshake || message->first != handback->irqs ||
        message->count != fds->count || message->count < 1 ||
        message->count > handback->handshake->vectors - handback->irqs)
        return false;
    memcpy(handback->handshake->irqs + handback->irqs, fds->fds, fds->count * sizeof(int));
    handback->irqs += fds->count;
    fds->count = 0;
    return true;
}

static bool
pvperfHandbackMessage(pvperfHandback *handback,
                      const pvperfKeeperMessage *message,
                      pvperfFds *fds)
{
    if (message->size != sizeof(*message) || message->version != PVPERF_KEEPER_VERSION ||
        message->connection != 0)
        return false;
    if (message->type == PVPERF_KEEPER_PEER)
        return pvperfHandbackPeer(handback, message, fds);
    if (message->type == PVPERF_KEEPER_IRQS)
        return pvperfHandbackIrqs(handback, message, fds);
    return false;
}

pvperfHandbackStatus
pvperfHandbackReceive(pvperfHandback *handback,
                      int socket)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * PVPERF_KEEPER_FDS_MAX)];
    } control;
    pvperfKeeperMessage message;
    struct iovec iov = { .iov_base = &message, .iov_len = sizeof(message) };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    pvperfFds fds = { .count = 0 };
    ssize_t n = recvmsg(socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    bool good;

    /* A reset is told once, before what was sent ahead of it. */
    if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ECONNRESET))
        return PVPERF_HANDBACK_MORE;
    if (n < 0)
        return PVPERF_HANDBACK_CLOSED;
    /* A packet of no bytes, which is taken for the end, may bring some, too. */
    pvperfFdsTake(&fds, &msg);
    if (n == 0) {
        pvperfFdsClose(&fds);
        return PVPERF_HANDBACK_CLOSED;
    }
    good = n == (ssize_t)sizeof(message) && (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
        pvperfHandbackMessage(handback, &message, &fds);
    pvperfFdsClose(&fds);
    if (!good)
        return PVPERF_HANDBACK_BROKEN;
    return handback->irqs == handback->handshake->vectors ?
        PVPERF_HANDBACK_COMPLETE : PVPERF_HANDBACK_MORE;
}

static bool
pvperfFdIsEventfd(int fd)
{
    static const char kind[] = "anon_inode:[eventfd]";
    char path[64];
    char target[sizeof(kind)];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return readlink(path, target, sizeof(target)) == (ssize_t)sizeof(kind) - 1 &&
        memcmp(target, kind, sizeof(kind) - 1) == 0;
}

/* The process that a pidfd is of; -1: none, or it is no pidfd. */
static int
pvperfFdPid(int fd)
{
    char path[64];
    char line[64];
    FILE *file;
    int pid = -1;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    file = fopen(path, "re");
    if (!file)
        return -1;
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "Pid:\t%d", &pid) == 1)
            break;
    }
    fclose(file);
    return pid;
}

const char *
pvperfHandbackCheck(pvperfHandback *handback,
                    const char *qemuRunDir)
{
    const pvperfHandshake *handshake = handback->handshake;
    uint32_t i;

    if (!pvperfWindowValid(handshake->memfd, handshake->vectors))
        return "its window is none of ours";
    if (!pvperfFdIsEventfd(handshake->doorbell))
        return "its doorbell is not an eventfd";
    for (i = 0; i < handshake->vectors; i++) {
        if (!pvperfFdIsEventfd(handshake->irqs[i]))
            return "one of its vectors is not an eventfd";
    }
    if (pvperfFdPid(handback->identity.pidfd) != handback->identity.pid)
        return "its pidfd is not of that process";
    pvperfPeerVerify(qemuRunDir, &handback->identity);
    return handback->identity.why;
}
