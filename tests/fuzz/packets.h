/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * packets.h: packets with file descriptors, as the other side would send them,
 * and as it should not. Used by the targets that have a socket.
 */
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"

#define PACKET_FDS_MAX 16

/* Sends; fds stay the caller's. False: the socket is full, or closed. */
static inline bool
packetSend(int fd,
           const void *data,
           size_t size,
           const int *fds,
           uint32_t nfds)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(PACKET_FDS_MAX * sizeof(int))];
    } control = { .space = { 0 } };
    struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (nfds) {
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(&control.align), fds, nfds * sizeof(int));
    }
    return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}


/* The lowest free fd: it is the same before and after if none was left open. */
static inline int
packetFreeFd(int any)
{
    int fd = dup(any);

    close(fd);
    return fd;
}
