/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_keeper.c: tell the daemon of every connection, and take back those that
 * an earlier keeper had told it of.
 *
 * What a client has been told is a position in the list of connections, which
 * is ordered by number; what is still to be told follows from it and is never
 * stored. Only hang-ups of connections that it was told of need memory, a
 * short ring. So a slow client costs nothing but its socket buffer, and is
 * disconnected when it has not read for a while or the ring is full: it comes
 * again and is told everything anew.
 */
#include "pvperf_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pvperf/abi.h>

#include "pvperf_keeper.h"

#define PVPERF_CLIENTS_MAX 4
#define PVPERF_CLIENT_GONE_MAX 256
#define PVPERF_CLIENT_SLOW_MS 5000
#define PVPERF_CLIENT_RETRY_MS 20

struct _pvperfClient {
    pvperfClient *next;
    pvperfWatch watch;
    uint64_t told;              /* number of the last connection it knows */
    uint32_t irqsTold;          /* of that connection */
    bool partial;               /* more vectors of that connection follow */
    bool synced;
    pvperfHandback incoming;    /* what it hands back */
    pid_t refused;              /* that it is still to be told of; 0: none */
    uint64_t gone[PVPERF_CLIENT_GONE_MAX];
    unsigned int goneFirst;
    unsigned int goneCount;
    int64_t blockedSince;       /* ms; INT64_MAX: it reads what we send */
    int64_t retryAt;            /* ms; INT64_MAX: not waiting for fds in flight */
};

static void
pvperfClientClose(pvperfServer *server,
                  pvperfClient *client)
{
    pvperfClient **link = &server->clients;

    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    pvperfWatchClose(server, &client->watch);
    pvperfHandbackClear(&client->incoming);
    free(client);
}

static bool
pvperfClientSend(pvperfClient *client,
                 pvperfKeeperMessage *message,
                 const int *fds,
                 size_t nfds)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * PVPERF_KEEPER_FDS_MAX)];
    } control;
    struct iovec iov = { .iov_base = message, .iov_len = sizeof(*message) };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    message->size = sizeof(*message);
    message->version = PVPERF_KEEPER_VERSION;
    if (nfds > 0) {
        memset(&control, 0, sizeof(control));
        msg.msg_control = control.space;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
        memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * nfds);
    }
    do {
        n = sendmsg(client->watch.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(*message);
}

static void
pvperfClientDescribe(const pvperfConnection *connection,
                     pvperfKeeperType type,
                     pvperfKeeperMessage *message)
{
    *message = (pvperfKeeperMessage) {
        .type = (uint16_t)type,
        .connection = connection->number,
        .pid = connection->identity.pid,
        .uid = connection->identity.uid,
        .vectors = connection->identity.vectors,
        .window_size = pvperf_window_size(connection->identity.vectors),
        .start_time = connection->identity.startTime,
    };
}

static bool
pvperfClientSendIrqs(pvperfClient *client,
                     const pvperfConnection *connection)
{
    pvperfKeeperMessage message;
    uint32_t count = connection->identity.vectors - client->irqsTold;

    if (count > PVPERF_KEEPER_FDS_MAX)
        count = PVPERF_KEEPER_FDS_MAX;
    pvperfClientDescribe(connection, PVPERF_KEEPER_IRQS, &message);
    message.first = client->irqsTold;
    message.count = count;
    if (!pvperfClientSend(client, &message, connection->handshake->irqs + client->irqsTold, count))
        return false;
    client->irqsTold += count;
    client->partial = client->irqsTold < connection->identity.vectors;
    return true;
}

static bool
pvperfClientSendPeer(pvperfClient *client,
                     const pvperfConnection *connection)
{
    const int fds[] = {
        connection->handshake->memfd,
        connection->handshake->doorbell,
        connection->identity.pidfd,
    };
    pvperfKeeperMessage message;

    pvperfClientDescribe(connection, PVPERF_KEEPER_PEER, &message);
    if (!pvperfClientSend(client, &message, fds, sizeof(fds) / sizeof(fds[0])))
        return false;
    client->told = connection->number;
    client->irqsTold = 0;
    client->partial = true;
    return true;
}

static bool
pvperfClientSendGone(pvperfClient *client)
{
    pvperfKeeperMessage message = {
        .type = PVPERF_KEEPER_GONE,
        .connection = client->gone[client->goneFirst],
    };

    if (!pvperfClientSend(client, &message, NULL, 0))
        return false;
    client->goneFirst = (client->goneFirst + 1) % PVPERF_CLIENT_GONE_MAX;
    client->goneCount--;
    return true;
}

static bool
pvperfClientSendRefused(pvperfClient *client)
{
    pvperfKeeperMessage message = {
        .type = PVPERF_KEEPER_REFUSED,
        .pid = client->refused,
    };

    if (!pvperfClientSend(client, &message, NULL, 0))
        return false;
    client->refused = 0;
    return true;
}

/* The connection to tell of next (the one begun, or the first it does not
 * know), or NULL: it knows all. */
static const pvperfConnection *
pvperfClientNext(const pvperfServer *server,
                 const pvperfClient *client)
{
    const pvperfConnection *connection;

    /* Those it does not know are at the end. */
    for (connection = server->last; connection; connection = connection->previous) {
        if (connection->number != 0 && connection->number <= client->told)
            break;
    }
    if (!client->partial)
        connection = connection ? connection->next : server->first;
    while (connection && connection->number == 0)
        connection = connection->next;
    return connection;
}

/* One message; false: the socket did not take it, errno says why. *done: there
 * was nothing to tell. */
static bool
pvperfClientStep(pvperfServer *server,
                 pvperfClient *client,
                 bool *done)
{
    const pvperfConnection *connection;

    *done = false;
    if (client->goneCount > 0)
        return pvperfClientSendGone(client);
    connection = pvperfClientNext(server, client);
    if (connection && client->partial)
        return pvperfClientSendIrqs(client, connection);
    if (connection)
        return pvperfClientSendPeer(client, connection);
    if (!client->synced) {
        pvperfKeeperMessage message = { .type = PVPERF_KEEPER_SYNCED };

        client->synced = pvperfClientSend(client, &message, NULL, 0);
        return client->synced;
    }
    if (client->refused != 0)
        return pvperfClientSendRefused(client);
    *done = true;
    return true;
}

/* Waits for room; false: the client is to be given up. */
static bool
pvperfClientBlocked(pvperfServer *server,
                    pvperfClient *client,
                    int error)
{
    int64_t now = pvperfNow();

    if (error != EAGAIN && error != ETOOMANYREFS && error != ENOBUFS && error != ENOMEM)
        return false;
    if (client->blockedSince == INT64_MAX)
        client->blockedSince = now;
    if (error != EAGAIN)
        client->retryAt = now + PVPERF_CLIENT_RETRY_MS;
    pvperfWatchChange(server, &client->watch,
                      error == EAGAIN ? EPOLLIN | EPOLLRDHUP | EPOLLOUT : EPOLLIN | EPOLLRDHUP);
    return true;
}

/* Tells what there is to tell; the client may be gone afterwards. */
static void
pvperfClientFlush(pvperfServer *server,
                  pvperfClient *client)
{
    bool done = false;

    client->retryAt = INT64_MAX;
    while (!done) {
        if (!pvperfClientStep(server, client, &done)) {
            /* What it sent before it hung up is still to be read, and then its end. */
            if (errno == EPIPE || errno == ECONNRESET)
                return;
            if (!pvperfClientBlocked(server, client, errno))
                pvperfClientClose(server, client);
            return;
        }
        client->blockedSince = INT64_MAX;
    }
    pvperfWatchChange(server, &client->watch, EPOLLIN | EPOLLRDHUP);
}

void
pvperfKeeperAccept(pvperfServer *server)
{
    int fd = accept4(server->listenKeeper.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ucred cred;
    socklen_t length = sizeof(cred);
    pvperfClient *client;
    unsigned int count = 0;

    if (fd < 0)
        return;
    for (client = server->clients; client; client = client->next)
        count++;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) < 0 ||
        (cred.uid != geteuid() && cred.uid != 0)) {
        pvperfLog("keeper socket: uid %u is refused, allowed are 0 and %u",
                  (unsigned int)cred.uid, (unsigned int)geteuid());
        close(fd);
        return;
    }
    client = count < PVPERF_CLIENTS_MAX ? calloc(1, sizeof(*client)) : NULL;
    if (!client) {
        pvperfLog("keeper socket: pid %d is refused, %u clients are connected and %d allowed",
                  (int)cred.pid, count, PVPERF_CLIENTS_MAX);
        close(fd);
        return;
    }
    client->blockedSince = INT64_MAX;
    client->retryAt = INT64_MAX;
    client->watch = (pvperfWatch) { PVPERF_WATCH_CLIENT, client, fd };
    client->next = server->clients;
    server->clients = client;
    if (!pvperfWatchAdd(server, &client->watch, EPOLLIN | EPOLLRDHUP)) {
        pvperfClientClose(server, client);
        return;
    }
    pvperfClientFlush(server, client);
}

/* The client may be gone afterwards. */
static void
pvperfClientTakeBack(pvperfServer *server,
                     pvperfClient *client)
{
    pid_t pid = client->incoming.identity.pid;
    const char *why = pvperfHandbackCheck(&client->incoming, server->qemuRunDir);

    if (!why)
        why = pvperfConnectionAdopt(server, &client->incoming);
    if (why) {
        pvperfLog("pid %d is not taken back: %s", (int)pid, why);
        pvperfHandbackClear(&client->incoming);
        client->refused = pid;
    }
    pvperfKeeperAnnounce(server);
}

/* Takes one message; the client may be gone afterwards. */
static void
pvperfClientReceive(pvperfServer *server,
                    pvperfClient *client)
{
    switch (pvperfHandbackReceive(&client->incoming, client->watch.fd)) {
    case PVPERF_HANDBACK_MORE:
        return;
    case PVPERF_HANDBACK_COMPLETE:
        pvperfClientTakeBack(server, client);
        return;
    case PVPERF_HANDBACK_BROKEN:
        pvperfLog("keeper socket: a client sent what is not of its protocol (version %d), and is disconnected",
                  PVPERF_KEEPER_VERSION);
        break;
    case PVPERF_HANDBACK_CLOSED:
        break;
    }
    pvperfClientClose(server, client);
}

void
pvperfKeeperEvent(pvperfServer *server,
                  pvperfClient *client,
                  uint32_t events)
{
    /* What it sent before it hung up counts; it has an end, which is read as well.
     * Room to send comes again as an event of its own. */
    if (events & EPOLLIN)
        pvperfClientReceive(server, client);
    else if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        pvperfClientClose(server, client);
    else if (events & EPOLLOUT)
        pvperfClientFlush(server, client);
}

void
pvperfKeeperAnnounce(pvperfServer *server)
{
    pvperfClient *client = server->clients;

    while (client) {
        pvperfClient *next = client->next;

        pvperfClientFlush(server, client);
        client = next;
    }
}

void
pvperfKeeperGone(pvperfServer *server,
                 uint64_t number)
{
    pvperfClient *client = server->clients;

    while (client) {
        pvperfClient *next = client->next;

        if (number <= client->told) {
            if (number == client->told)
                client->partial = false;
            if (client->goneCount == PVPERF_CLIENT_GONE_MAX) {
                pvperfLog("keeper socket: a client does not read and is disconnected");
                pvperfClientClose(server, client);
                client = next;
                continue;
            }
            client->gone[(client->goneFirst + client->goneCount) % PVPERF_CLIENT_GONE_MAX] = number;
            client->goneCount++;
        }
        pvperfClientFlush(server, client);
        client = next;
    }
}

static int64_t
pvperfClientDeadline(const pvperfClient *client)
{
    int64_t slow = client->blockedSince == INT64_MAX ?
        INT64_MAX : client->blockedSince + PVPERF_CLIENT_SLOW_MS;

    return client->retryAt < slow ? client->retryAt : slow;
}

int64_t
pvperfKeeperDeadline(const pvperfServer *server)
{
    const pvperfClient *client;
    int64_t deadline = INT64_MAX;

    for (client = server->clients; client; client = client->next) {
        if (pvperfClientDeadline(client) < deadline)
            deadline = pvperfClientDeadline(client);
    }
    return deadline;
}

void
pvperfKeeperTimeout(pvperfServer *server,
                    int64_t now)
{
    pvperfClient *client = server->clients;

    while (client) {
        pvperfClient *next = client->next;

        if (client->blockedSince != INT64_MAX &&
            client->blockedSince + PVPERF_CLIENT_SLOW_MS <= now) {
            pvperfLog("keeper socket: a client has not read for %d ms and is disconnected",
                      PVPERF_CLIENT_SLOW_MS);
            pvperfClientClose(server, client);
        } else if (client->retryAt <= now) {
            pvperfClientFlush(server, client);
        }
        client = next;
    }
}
