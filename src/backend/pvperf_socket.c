/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_socket.c: accept4, recvmsg, send on the control socket.
 *
 * The daemon is trusted to mean well, not to be right: a packet that is cut
 * off, of another version or of a size that its header denies ends the
 * connection. fds that nobody takes are closed with their packet.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pvperf_log.h"
#include "pvperf_socket.h"

int
pvperfSocketAccept(pvperfSocket *socket)
{
    int fd = accept4(socket->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return -1;
    pvperfSocketDisconnect(socket);
    socket->fd = fd;
    return fd;
}


void
pvperfSocketDisconnect(pvperfSocket *socket)
{
    if (socket->fd >= 0)
        close(socket->fd);
    socket->fd = -1;
}


void
pvperfSocketDropFds(pvperfReceived *received)
{
    uint32_t i;

    for (i = 0; i < received->nfds; i++) {
        if (received->fds[i] >= 0)
            close(received->fds[i]);
    }
    received->nfds = 0;
}


static void
pvperfSocketTakeFds(struct msghdr *msg,
                    pvperfReceived *received)
{
    struct cmsghdr *cmsg;

    received->nfds = 0;
    for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        uint32_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        if (n > PVPERF_CONTROL_FDS_MAX - received->nfds)
            n = PVPERF_CONTROL_FDS_MAX - received->nfds;
        memcpy(received->fds + received->nfds, CMSG_DATA(cmsg), n * sizeof(int));
        received->nfds += n;
    }
}


int
pvperfSocketReceive(pvperfSocket *socket,
                    pvperfReceived *received)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(PVPERF_CONTROL_FDS_MAX * sizeof(int))];
    } control;
    struct iovec iov = { .iov_base = &received->packet, .iov_len = sizeof(received->packet) };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    const pvperfControlHeader *header = &received->packet.h;
    ssize_t got = recvmsg(socket->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    received->nfds = 0;
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    pvperfSocketTakeFds(&msg, received);
    /* A packet of no bytes may bring fds all the same. */
    if (got == 0 && received->nfds == 0)
        return -1;
    if ((msg.msg_flags & MSG_TRUNC) || (size_t)got < sizeof(*header) ||
        header->size != got || header->version != PVPERF_CONTROL_VERSION) {
        pvperfLog("control socket: a packet of %zd bytes that is not version %d",
                  got, PVPERF_CONTROL_VERSION);
        pvperfSocketDropFds(received);
        return -1;
    }
    /* Too many open files: the fds are gone, the message is still an answer. */
    if (msg.msg_flags & MSG_CTRUNC) {
        pvperfLog("control socket: no room for the file descriptors of message type %u",
                  header->type);
        pvperfSocketDropFds(received);
    }
    return 1;
}


bool
pvperfSocketSend(pvperfSocket *socket,
                 pvperfControlHeader *message,
                 uint32_t size)
{
    message->size = size;
    message->version = PVPERF_CONTROL_VERSION;
    return socket->fd >= 0 &&
           send(socket->fd, message, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}
