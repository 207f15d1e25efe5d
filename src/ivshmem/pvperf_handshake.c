/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_handshake.c: all that one VMM is sent.
 *
 * QEMU's ivshmem-doorbell reads from its server, while it makes the device,
 * until it has the memory; silence or an early end hangs it. So everything is
 * made first (window and eventfds), and only then is anything sent; the
 * messages after the memory are read by QEMU's main loop and may come later.
 *
 * The messages, 8 bytes little endian each, at most one fd each, one sendmsg
 * each (QEMU takes one fd per message):
 *
 *   0         0            protocol version
 *   1         0            the VMM's own id
 *   2        -1  + memfd   the window
 *   3         1  + eventfd the one other peer: its doorbell
 *   4 ..      0  + eventfd one interrupt vector each
 *
 * Every vector gets an eventfd of its own and no more are sent than the
 * device has vectors: QEMU aborts when a guest unmasks a vector that has none,
 * KVM takes an eventfd for one interrupt only.
 */
#include "pvperf_handshake.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pvperf_window.h"

#define PVPERF_IVSHMEM_VERSION 0
#define PVPERF_IVSHMEM_ID_VMM 0
#define PVPERF_IVSHMEM_ID_BACKEND 1
#define PVPERF_HANDSHAKE_FIXED 4        /* messages before the vectors */

static void
pvperfHandshakeClose(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void
pvperfHandshakeRelease(pvperfHandshake *handshake)
{
    uint32_t i;

    if (handshake->ownMemfd)
        pvperfHandshakeClose(&handshake->memfd);
    pvperfHandshakeClose(&handshake->doorbell);
    for (i = 0; i < handshake->vectors; i++)
        pvperfHandshakeClose(&handshake->irqs[i]);
}

void
pvperfHandshakeFree(pvperfHandshake *handshake)
{
    if (!handshake)
        return;
    pvperfHandshakeRelease(handshake);
    free(handshake);
}

pvperfHandshake *
pvperfHandshakeEmpty(uint32_t vectors)
{
    pvperfHandshake *handshake;
    uint32_t i;

    handshake = calloc(1, sizeof(*handshake) + vectors * sizeof(handshake->irqs[0]));
    if (!handshake)
        return NULL;
    handshake->vectors = vectors;
    handshake->memfd = -1;
    handshake->ownMemfd = true;
    handshake->doorbell = -1;
    for (i = 0; i < vectors; i++)
        handshake->irqs[i] = -1;
    return handshake;
}

pvperfHandshake *
pvperfHandshakeNew(uint32_t vectors,
                   int sharedMemfd)
{
    pvperfHandshake *handshake = pvperfHandshakeEmpty(vectors);
    uint32_t i;
    int saved;

    if (!handshake)
        return NULL;
    handshake->ownMemfd = sharedMemfd < 0;
    handshake->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    handshake->memfd = sharedMemfd < 0 ? pvperfWindowCreate(vectors) : sharedMemfd;
    if (handshake->doorbell < 0 || handshake->memfd < 0)
        goto error;
    for (i = 0; i < vectors; i++) {
        handshake->irqs[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (handshake->irqs[i] < 0)
            goto error;
    }
    return handshake;

 error:
    saved = errno;
    pvperfHandshakeFree(handshake);
    errno = saved;
    return NULL;
}

static ssize_t
pvperfHandshakeSendOne(int socket,
                       int64_t value,
                       int fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { .space = { 0 } };
    int64_t wire = (int64_t)htole64((uint64_t)value);
    struct iovec iov = { .iov_base = &wire, .iov_len = sizeof(wire) };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (fd >= 0) {
        msg.msg_control = control.space;
        msg.msg_controllen = sizeof(control.space);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    }
    return sendmsg(socket, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t
pvperfHandshakeSendNext(const pvperfHandshake *handshake,
                        int socket)
{
    switch (handshake->next) {
    case 0:
        return pvperfHandshakeSendOne(socket, PVPERF_IVSHMEM_VERSION, -1);
    case 1:
        return pvperfHandshakeSendOne(socket, PVPERF_IVSHMEM_ID_VMM, -1);
    case 2:
        return pvperfHandshakeSendOne(socket, -1, handshake->memfd);
    case 3:
        return pvperfHandshakeSendOne(socket, PVPERF_IVSHMEM_ID_BACKEND,
                                      handshake->doorbell);
    default:
        return pvperfHandshakeSendOne(socket, PVPERF_IVSHMEM_ID_VMM,
                                      handshake->irqs[handshake->next - PVPERF_HANDSHAKE_FIXED]);
    }
}

pvperfSendStatus
pvperfHandshakeSend(pvperfHandshake *handshake,
                    int fd)
{
    while (handshake->next < PVPERF_HANDSHAKE_FIXED + handshake->vectors) {
        ssize_t n = pvperfHandshakeSendNext(handshake, fd);

        /* 8 bytes go whole or not at all: a stream splits at buffer ends only,
         * and each sendmsg starts a buffer. */
        if (n == (ssize_t)sizeof(int64_t)) {
            handshake->next++;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM))
            return errno == EAGAIN ? PVPERF_SEND_AGAIN : PVPERF_SEND_RETRY;
        if (n < 0 && errno == ETOOMANYREFS)
            return PVPERF_SEND_RETRY;
        return PVPERF_SEND_FAILED;
    }
    return PVPERF_SEND_DONE;
}
