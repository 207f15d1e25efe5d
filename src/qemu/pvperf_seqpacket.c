/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_seqpacket.c: sendmsg and recvmsg with SCM_RIGHTS.
 */
#include "pvperf_seqpacket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gio/gio.h>


static void
pvperfPacketTakeFds(struct msghdr *msg,
                    pvperfPacket *packet)
{
    struct cmsghdr *cmsg;
    size_t n;

    for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(packet->fds + packet->nfds, CMSG_DATA(cmsg), n * sizeof(int));
        packet->nfds += n;
    }
}


pvperfPacketResult
pvperfPacketReceive(int fd,
                    void *data,
                    size_t size,
                    pvperfPacket *packet)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * PVPERF_PACKET_FDS_MAX)];
    } control;
    struct iovec iov = { .iov_base = data, .iov_len = size };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    ssize_t got;

    packet->nfds = 0;
    do {
        got = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return PVPERF_PACKET_NOTHING;
    if (got < 0)
        return PVPERF_PACKET_CLOSED;

    pvperfPacketTakeFds(&msg, packet);
    /* a packet of no bytes may bring descriptors all the same */
    if (got == 0 && packet->nfds == 0)
        return PVPERF_PACKET_CLOSED;
    if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        pvperfPacketCloseFds(packet);
        return PVPERF_PACKET_BROKEN;
    }
    packet->size = got;
    return PVPERF_PACKET_GOT;
}


void
pvperfPacketCloseFds(pvperfPacket *packet)
{
    while (packet->nfds > 0)
        close(packet->fds[--packet->nfds]);
}


bool
pvperfPacketSend(int fd,
                 const void *data,
                 size_t size,
                 const int *fds,
                 unsigned int nfds)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * PVPERF_PACKET_FDS_MAX)];
    } control;
    struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr *cmsg;
    ssize_t sent;

    if (nfds > PVPERF_PACKET_FDS_MAX) {
        errno = EINVAL;
        return false;
    }
    if (nfds > 0) {
        memset(&control, 0, sizeof(control));
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
        memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
    }
    do {
        sent = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)size;
}


static bool
pvperfPacketAddress(const char *path,
                    struct sockaddr_un *addr)
{
    memset(addr, 0, sizeof(*addr));
    addr->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(addr->sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    g_strlcpy(addr->sun_path, path, sizeof(addr->sun_path));
    return true;
}


int
pvperfPacketConnect(const char *path)
{
    struct sockaddr_un addr;
    int fd;
    int saved;

    if (!pvperfPacketAddress(path, &addr))
        return -1;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}


int
pvperfPacketListen(const char *path,
                   GError **error)
{
    struct sockaddr_un addr;
    int fd = -1;

    if (pvperfPacketAddress(path, &addr) &&
        (fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) >= 0) {
        /* the directory is ours alone, so no other user gets in between */
        unlink(path);
        if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
            chmod(path, 0600) == 0 && listen(fd, 4) == 0)
            return fd;
    }
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
                "cannot listen on %s: %s", path, g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}
