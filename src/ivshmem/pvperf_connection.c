/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_connection.c: the life of a VMM's connection.
 *
 * accept -> identify -> make everything -> send -> keep until it hangs up.
 * Whoever connects gets a complete handshake, because a VMM that does not
 * hangs: there are three kinds.
 *
 *   kept    a QEMU of our libvirt: its memfd, eventfds and pidfd stay open
 *           and the daemon is told. One per process. A keeper that was restarted
 *           has them from the daemon, without a connection: until the process
 *           ends or connects anew.
 *   dead    anybody else: a window of his own that nothing will ever serve.
 *           Once it is sent only the connection stays, so that the quota
 *           knows when the window is given back.
 *   shared  beyond the quota, or out of memory or fds: a dead window that all
 *           such peers share. Sent at once as far as the socket takes it (the
 *           memory and some 250 vectors) and closed, which costs nothing more.
 *
 * Dead windows have the size that the peer's device asks for, so that a saved
 * VM can be restored even if nobody vouches for it.
 */
#include "pvperf_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pvperf/abi.h>

#include "pvperf_window.h"

#define PVPERF_RETRY_MS 20
#define PVPERF_DEAD_SEND_MS 30000       /* a dead peer that does not read is given up */
#define PVPERF_SEND_BUFFER (1 << 20)    /* room for 1024 vectors; the kernel caps it */

static unsigned int
pvperfWindowOrder(uint32_t vectors)
{
    return (unsigned int)__builtin_ctzll(pvperf_window_size(vectors));
}

static void
pvperfSparesTake(pvperfServer *server)
{
    unsigned int i;

    for (i = 0; i < PVPERF_SPARES; i++) {
        if (server->spares[i] < 0)
            server->spares[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

static void
pvperfSparesGive(pvperfServer *server)
{
    unsigned int i;

    for (i = 0; i < PVPERF_SPARES; i++) {
        if (server->spares[i] >= 0)
            close(server->spares[i]);
        server->spares[i] = -1;
    }
}

bool
pvperfConnectionInit(pvperfServer *server)
{
    unsigned int i;

    for (i = 0; i < PVPERF_WINDOW_SIZES; i++)
        server->shared[i] = -1;
    /* The least that must be there when everything else has run out. */
    server->shared[pvperfWindowOrder(1)] = pvperfWindowCreate(1);
    for (i = 0; i < PVPERF_SPARES; i++)
        server->spares[i] = -1;
    pvperfSparesTake(server);
    return server->shared[pvperfWindowOrder(1)] >= 0;
}

static void
pvperfConnectionLink(pvperfServer *server,
                     pvperfConnection *connection)
{
    connection->previous = server->last;
    if (server->last)
        server->last->next = connection;
    else
        server->first = connection;
    server->last = connection;
}

static void
pvperfConnectionUnlink(pvperfServer *server,
                       pvperfConnection *connection)
{
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        server->first = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    else
        server->last = connection->previous;
}

void
pvperfConnectionClose(pvperfServer *server,
                      pvperfConnection *connection)
{
    uint64_t number = connection->number;

    pvperfConnectionUnlink(server, connection);
    pvperfWatchClose(server, &connection->socket);
    if (number != 0) {
        pvperfWatchClose(server, &connection->process);
        pvperfLog("connection %llu: pid %d is gone",
                  (unsigned long long)number, (int)connection->identity.pid);
    } else {
        pvperfQuotaGive(&server->quota, connection->identity.uid);
    }
    pvperfHandshakeFree(connection->handshake);
    free(connection);
    if (number != 0)
        pvperfKeeperGone(server, number);
}

/* Sends what the socket takes; the connection may be gone afterwards. */
static void
pvperfConnectionSend(pvperfServer *server,
                     pvperfConnection *connection)
{
    connection->retryAt = INT64_MAX;
    switch (pvperfHandshakeSend(connection->handshake, connection->socket.fd)) {
    case PVPERF_SEND_AGAIN:
        pvperfWatchChange(server, &connection->socket, EPOLLRDHUP | EPOLLOUT);
        return;
    case PVPERF_SEND_RETRY:
        pvperfWatchChange(server, &connection->socket, EPOLLRDHUP);
        connection->retryAt = pvperfNow() + PVPERF_RETRY_MS;
        return;
    case PVPERF_SEND_FAILED:
        pvperfConnectionClose(server, connection);
        return;
    case PVPERF_SEND_DONE:
        break;
    }
    connection->giveUpAt = INT64_MAX;
    pvperfWatchChange(server, &connection->socket, EPOLLRDHUP);
    if (connection->number == 0)
        pvperfHandshakeRelease(connection->handshake);
}

void
pvperfConnectionEvent(pvperfServer *server,
                      pvperfConnection *connection,
                      uint32_t events)
{
    /* A VMM never sends; what it may send is not read, so it cannot keep us busy. */
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        pvperfConnectionClose(server, connection);
    else if (events & EPOLLOUT)
        pvperfConnectionSend(server, connection);
}

static bool
pvperfConnectionHungUp(const pvperfConnection *connection)
{
    struct pollfd fd = { .fd = connection->socket.fd, .events = POLLRDHUP };

    return poll(&fd, 1, 0) > 0;
}

/* Whether the process has a window already. One that hung up is not counted,
 * although its event may come after that of the new connection: a device that
 * is unplugged and plugged in again must not end with a dead window. Nor is one
 * that was handed back: nobody would see that it was unplugged. */
static bool
pvperfConnectionHas(pvperfServer *server,
                    pid_t pid)
{
    pvperfConnection *connection;

    for (connection = server->first; connection; connection = connection->next) {
        if (connection->number == 0 || connection->identity.pid != pid)
            continue;
        if (connection->socket.fd >= 0 && !pvperfConnectionHungUp(connection))
            return true;
        pvperfConnectionClose(server, connection);
        return false;
    }
    return false;
}

/* A connection whose handshake is ready to be sent, or NULL: nothing is kept
 * of it, and the socket is still the caller's. */
static pvperfConnection *
pvperfConnectionNew(pvperfServer *server,
                    int fd,
                    const pvperfPeerIdentity *identity)
{
    pvperfConnection *connection = calloc(1, sizeof(*connection));

    if (!connection)
        return NULL;
    connection->handshake = pvperfHandshakeNew(identity->vectors, -1);
    if (!connection->handshake)
        goto error;
    connection->identity = *identity;
    connection->retryAt = INT64_MAX;
    connection->giveUpAt = identity->known ? INT64_MAX : pvperfNow() + PVPERF_DEAD_SEND_MS;
    connection->socket = (pvperfWatch) { PVPERF_WATCH_CONNECTION, connection, fd };
    connection->process = (pvperfWatch) { PVPERF_WATCH_PROCESS, connection, identity->pidfd };
    if (identity->known && !pvperfWatchAdd(server, &connection->process, EPOLLIN))
        goto error;
    if (!pvperfWatchAdd(server, &connection->socket, EPOLLRDHUP)) {
        if (identity->known)
            epoll_ctl(server->epoll, EPOLL_CTL_DEL, identity->pidfd, NULL);
        goto error;
    }
    if (identity->known)
        connection->number = ++server->lastNumber;
    pvperfConnectionLink(server, connection);
    return connection;

 error:
    pvperfHandshakeFree(connection->handshake);
    free(connection);
    return NULL;
}

const char *
pvperfConnectionAdopt(pvperfServer *server,
                      pvperfHandback *handback)
{
    pvperfConnection *connection;

    for (connection = server->first; connection; connection = connection->next) {
        if (connection->number == 0)
            continue;
        if (connection->identity.pid == handback->identity.pid)
            return "its process has a connection already";
        if (pvperfWindowSame(connection->handshake->memfd, handback->handshake->memfd))
            return "another process has its window";
    }
    connection = calloc(1, sizeof(*connection));
    if (!connection)
        return strerror(errno);
    connection->process = (pvperfWatch) { PVPERF_WATCH_PROCESS, connection, handback->identity.pidfd };
    if (!pvperfWatchAdd(server, &connection->process, EPOLLIN)) {
        free(connection);
        return strerror(errno);
    }
    connection->socket = (pvperfWatch) { PVPERF_WATCH_CONNECTION, connection, -1 };
    connection->number = ++server->lastNumber;
    connection->identity = handback->identity;
    connection->handshake = handback->handshake;
    connection->retryAt = INT64_MAX;
    connection->giveUpAt = INT64_MAX;
    memset(handback, 0, sizeof(*handback));
    pvperfConnectionLink(server, connection);
    pvperfLog("connection %llu: pid %d, uid %u, %u vectors, handed back",
              (unsigned long long)connection->number, (int)connection->identity.pid,
              (unsigned int)connection->identity.uid, connection->identity.vectors);
    return NULL;
}

/* Beyond the quota, or when there is nothing left to make more with: the
 * spare fds are enough to do even this much for every peer. Takes fd. */
static void
pvperfConnectionLastResort(pvperfServer *server,
                           int fd,
                           uint32_t vectors)
{
    int *memfd = &server->shared[pvperfWindowOrder(vectors)];
    pvperfHandshake *handshake;

    pvperfSparesGive(server);
    if (*memfd < 0)
        *memfd = pvperfWindowCreate(vectors);
    if (*memfd < 0) {
        vectors = 1;
        memfd = &server->shared[pvperfWindowOrder(vectors)];
    }
    handshake = pvperfHandshakeNew(vectors, *memfd);
    if (!handshake)
        handshake = pvperfHandshakeNew(1, *memfd);
    if (handshake)
        pvperfHandshakeSend(handshake, fd);
    pvperfHandshakeFree(handshake);
    close(fd);
    pvperfSparesTake(server);
}

static void
pvperfConnectionServe(pvperfServer *server,
                      int fd)
{
    pvperfPeerIdentity identity;
    pvperfConnection *connection;
    int size = PVPERF_SEND_BUFFER;
    bool warn = true;

    pvperfPeerIdentify(fd, server->qemuRunDir, &identity);
    if (identity.known && pvperfConnectionHas(server, identity.pid)) {
        identity.known = false;
        identity.why = "its process has a connection already";
        close(identity.pidfd);
        identity.pidfd = -1;
    }
    if (!identity.known && !pvperfQuotaTake(&server->quota, identity.uid, pvperfNow(), &warn)) {
        if (warn)
            pvperfLog("uid %u: more connections than a user may have (%d, %d per second): shared dead windows",
                      (unsigned int)identity.uid, PVPERF_QUOTA_WINDOWS, PVPERF_QUOTA_PER_SECOND);
        pvperfConnectionLastResort(server, fd, identity.vectors);
        return;
    }
    if (identity.known)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));

    connection = pvperfConnectionNew(server, fd, &identity);
    if (!connection) {
        pvperfLog("pid %d, uid %u: shared dead window: %s",
                  (int)identity.pid, (unsigned int)identity.uid, strerror(errno));
        if (identity.known)
            close(identity.pidfd);
        else
            pvperfQuotaGive(&server->quota, identity.uid);
        pvperfConnectionLastResort(server, fd, identity.vectors);
        return;
    }
    if (identity.known)
        pvperfLog("connection %llu: pid %d, uid %u, %u vectors",
                  (unsigned long long)connection->number, (int)identity.pid,
                  (unsigned int)identity.uid, identity.vectors);
    else
        pvperfLog("pid %d, uid %u, %u vectors: dead window: %s",
                  (int)identity.pid, (unsigned int)identity.uid, identity.vectors, identity.why);
    pvperfConnectionSend(server, connection);
    pvperfKeeperAnnounce(server);
}

void
pvperfConnectionAccept(pvperfServer *server)
{
    int fd = accept4(server->listenVmm.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0) {
        pvperfConnectionServe(server, fd);
        return;
    }
    if (errno != EMFILE && errno != ENFILE)
        return;
    /* A peer in the backlog waits for ever: make room for it. */
    pvperfSparesGive(server);
    fd = accept4(server->listenVmm.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        pvperfLog("out of file descriptors: shared dead window");
        pvperfConnectionLastResort(server, fd, 1);
    }
    pvperfSparesTake(server);
}

int64_t
pvperfConnectionDeadline(const pvperfServer *server)
{
    const pvperfConnection *connection;
    int64_t deadline = INT64_MAX;

    for (connection = server->first; connection; connection = connection->next) {
        if (connection->retryAt < deadline)
            deadline = connection->retryAt;
        if (connection->giveUpAt < deadline)
            deadline = connection->giveUpAt;
    }
    return deadline;
}

void
pvperfConnectionTimeout(pvperfServer *server,
                        int64_t now)
{
    pvperfConnection *connection = server->first;

    while (connection) {
        pvperfConnection *next = connection->next;

        if (connection->giveUpAt <= now)
            pvperfConnectionClose(server, connection);
        else if (connection->retryAt <= now)
            pvperfConnectionSend(server, connection);
        connection = next;
    }
}
