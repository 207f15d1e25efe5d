/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_keeper_client.c: the keeper's messages, checked, become peers.
 *
 * What a keeper that was restarted does not tell of is handed back to it, so
 * that the next daemon has it from there.
 *
 * A message that is not as pvperf_keeper.h says ends the connection; the next
 * one begins from nothing. Each peer's pidfd is watched too, so that a peer
 * goes away with its process even while the keeper is down.
 */
#include "pvperf_keeper_client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib-unix.h>

#include "../ivshmem/pvperf_keeper.h"
#include "pvperf/abi.h"
#include "pvperf_identity.h"
#include "pvperf_seqpacket.h"

/* soon: until it has what is handed back, it must not be this daemon that ends */
#define PVPERF_KEEPER_RETRY_FIRST_MS 20
#define PVPERF_KEEPER_RETRY_MAX_MS 5000

typedef struct _pvperfKnownPeer pvperfKnownPeer;
struct _pvperfKnownPeer {
    pvperfKeeperClient *client;
    pvperfPeer *peer;
    guint watch;                /* of its pidfd */
    bool told;                  /* on this connection */
    bool offered;               /* back to the keeper, on this connection */
};

struct _pvperfKeeperClient {
    char *path;
    pvperfKeeperHandlers handlers;
    gpointer opaque;
    int fd;
    guint source;
    guint retry;
    guint retry_ms;
    bool synced;
    bool said;                  /* that nobody listens */
    pvperfPeer *incoming;       /* told, but its IRQS are not complete */
    pid_t offered;              /* its answer is waited for; 0: none */
    GPtrArray *known;           /* of pvperfKnownPeer */
};

static void pvperfKeeperClientConnect(pvperfKeeperClient *client);


static void
pvperfKnownPeerFree(gpointer opaque)
{
    pvperfKnownPeer *known = opaque;

    if (known->watch)
        g_source_remove(known->watch);
    pvperfPeerUnref(known->peer);
    g_free(known);
}


static void
pvperfKeeperClientRemove(pvperfKeeperClient *client,
                         pvperfKnownPeer *known)
{
    g_autoptr(pvperfPeer) peer = pvperfPeerRef(known->peer);

    g_ptr_array_remove_fast(client->known, known);
    g_info("keeper: connection %" G_GUINT64_FORMAT " of process %d is gone",
           peer->connection, peer->pid);
    client->handlers.gone(peer, client->opaque);
}


static gboolean
pvperfKnownPeerDied(gint fd,
                    GIOCondition condition,
                    gpointer opaque)
{
    pvperfKnownPeer *known = opaque;

    known->watch = 0;
    pvperfKeeperClientRemove(known->client, known);
    return G_SOURCE_REMOVE;
}


static bool
pvperfKeeperClientOffer(pvperfKeeperClient *client,
                        const pvperfPeer *peer)
{
    const int fds[] = { peer->window, peer->doorbell, peer->pidfd };
    pvperfKeeperMessage msg = {
        .size = sizeof(msg),
        .version = PVPERF_KEEPER_VERSION,
        .type = PVPERF_KEEPER_PEER,
        .pid = peer->pid,
        .uid = peer->uid,
        .vectors = peer->vectors,
        .window_size = peer->window_size,
        .start_time = peer->start_time,
    };

    if (!pvperfPacketSend(client->fd, &msg, sizeof(msg), fds, G_N_ELEMENTS(fds)))
        return false;
    msg.type = PVPERF_KEEPER_IRQS;
    for (; msg.first < peer->vectors; msg.first += msg.count) {
        msg.count = MIN(peer->vectors - msg.first, PVPERF_KEEPER_FDS_MAX);
        if (!pvperfPacketSend(client->fd, &msg, sizeof(msg), peer->irqs + msg.first, msg.count))
            return false;
    }
    return true;
}


/* Hands back the next peer that the keeper does not know: one at a time, which
 * always fits the socket. */
static void
pvperfKeeperClientHandBack(pvperfKeeperClient *client)
{
    unsigned int offered = 0;
    unsigned int taken = 0;
    guint i;

    client->offered = 0;
    for (i = 0; i < client->known->len; i++) {
        pvperfKnownPeer *known = g_ptr_array_index(client->known, i);

        offered += known->offered;
        taken += known->offered && known->told;
        if (known->told || known->offered)
            continue;
        known->offered = true;
        client->offered = known->peer->pid;
        g_info("keeper: process %d is handed back", client->offered);
        if (!pvperfKeeperClientOffer(client, known->peer)) {
            g_info("keeper: cannot hand back process %d: %s", client->offered, g_strerror(errno));
            /* seen as its hang-up: begun anew, later each time */
            shutdown(client->fd, SHUT_RDWR);
        }
        return;
    }
    if (offered)
        g_message("pvperf-ivshmem has taken back %u of %u connections that it did not know", taken, offered);
    client->retry_ms = PVPERF_KEEPER_RETRY_FIRST_MS;
}


static void
pvperfKeeperClientRefused(pvperfKeeperClient *client,
                          pid_t pid)
{
    guint i;

    for (i = 0; i < client->known->len; i++) {
        pvperfKnownPeer *known = g_ptr_array_index(client->known, i);

        if (known->peer->pid == pid && !known->told && pvperfIdentityAlive(known->peer->pidfd))
            g_warning("pvperf-ivshmem does not take back process %d, its log says why: "
                      "the domain's perf ends with this daemon, until a cold start", pid);
    }
    if (client->offered == pid)
        pvperfKeeperClientHandBack(client);
}


/* The known peer that @peer is, told again; NULL: it is new. Another window of
 * the same process is gone: the device was taken out while nobody looked. */
static pvperfKnownPeer *
pvperfKeeperClientFind(pvperfKeeperClient *client,
                       const pvperfPeer *peer)
{
    guint i;

    for (i = 0; i < client->known->len; i++) {
        pvperfKnownPeer *known = g_ptr_array_index(client->known, i);

        if (pvperfPeerSame(known->peer, peer))
            return known;
        if (pvperfPeerSameProcess(known->peer, peer)) {
            pvperfKeeperClientRemove(client, known);
            return NULL;
        }
    }
    return NULL;
}


static void
pvperfKeeperClientAdd(pvperfKeeperClient *client,
                      pvperfPeer *peer)
{
    pvperfKnownPeer *known;

    known = g_new0(pvperfKnownPeer, 1);
    known->client = client;
    known->peer = pvperfPeerRef(peer);
    known->told = true;
    known->watch = g_unix_fd_add(peer->pidfd, G_IO_IN, pvperfKnownPeerDied, known);
    g_ptr_array_add(client->known, known);
    g_info("keeper: connection %" G_GUINT64_FORMAT " of process %d, %u vectors",
           peer->connection, peer->pid, peer->vectors);
    client->handlers.peer(peer, client->opaque);
}


/* @client->incoming is complete: known already, or new. */
static void
pvperfKeeperClientAdopt(pvperfKeeperClient *client)
{
    g_autoptr(pvperfPeer) peer = g_steal_pointer(&client->incoming);
    pvperfKnownPeer *known = pvperfKeeperClientFind(client, peer);

    if (known) {
        known->peer->connection = peer->connection;
        known->told = true;
    } else {
        pvperfKeeperClientAdd(client, peer);
    }
    if (client->offered == peer->pid)
        pvperfKeeperClientHandBack(client);
}


static void
pvperfKeeperClientSynced(pvperfKeeperClient *client)
{
    guint i = 0;

    /* numbers of an earlier keeper mean nothing on this connection */
    while (i < client->known->len) {
        pvperfKnownPeer *known = g_ptr_array_index(client->known, i);

        if (!known->told) {
            known->peer->connection = 0;
            if (!pvperfIdentityAlive(known->peer->pidfd)) {
                pvperfKeeperClientRemove(client, known);
                i = 0;
                continue;
            }
        }
        i++;
    }
    client->synced = true;
    client->said = false;
    g_message("connected to pvperf-ivshmem at %s, %u connections", client->path, client->known->len);
    client->handlers.connected(true, client->opaque);
    pvperfKeeperClientHandBack(client);
}


static void
pvperfKeeperClientGone(pvperfKeeperClient *client,
                       uint64_t connection)
{
    guint i;

    for (i = 0; i < client->known->len; i++) {
        pvperfKnownPeer *known = g_ptr_array_index(client->known, i);

        if (known->peer->connection == connection) {
            pvperfKeeperClientRemove(client, known);
            return;
        }
    }
}


/* One message with its descriptors; takes what it needs of them. False: it is
 * not as agreed. */
static bool
pvperfKeeperClientMessage(pvperfKeeperClient *client,
                          const pvperfKeeperMessage *msg,
                          pvperfPacket *packet)
{
    pvperfPeer *peer = client->incoming;

    if (packet->size != sizeof(*msg) || msg->size != sizeof(*msg) ||
        msg->version != PVPERF_KEEPER_VERSION)
        return false;

    switch ((pvperfKeeperType)msg->type) {
    case PVPERF_KEEPER_PEER:
        if (peer || packet->nfds != 3 || msg->pid <= 0 ||
            msg->vectors < 1 || msg->vectors > PVPERF_MAX_VCPUS ||
            msg->window_size != pvperf_window_size(msg->vectors))
            return false;
        client->incoming = pvperfPeerNew(msg->connection, msg->pid, msg->start_time, msg->uid,
                                         msg->vectors, msg->window_size, packet->fds);
        packet->nfds = 0;
        return true;
    case PVPERF_KEEPER_IRQS:
        if (!peer || msg->connection != peer->connection || msg->first != peer->nirqs ||
            msg->count != packet->nfds || msg->count < 1 ||
            msg->count > peer->vectors - peer->nirqs)
            return false;
        memcpy(peer->irqs + peer->nirqs, packet->fds, msg->count * sizeof(int));
        peer->nirqs += msg->count;
        packet->nfds = 0;
        if (pvperfPeerComplete(peer))
            pvperfKeeperClientAdopt(client);
        return true;
    case PVPERF_KEEPER_SYNCED:
        if (peer || packet->nfds != 0 || client->synced)
            return false;
        pvperfKeeperClientSynced(client);
        return true;
    case PVPERF_KEEPER_GONE:
        if (packet->nfds != 0 || !msg->connection)
            return false;
        if (peer && peer->connection == msg->connection)
            g_clear_pointer(&client->incoming, pvperfPeerUnref);
        else
            pvperfKeeperClientGone(client, msg->connection);
        return true;
    case PVPERF_KEEPER_REFUSED:
        if (peer || packet->nfds != 0 || msg->pid <= 0)
            return false;
        pvperfKeeperClientRefused(client, msg->pid);
        return true;
    }
    return false;
}


static gboolean
pvperfKeeperClientRetry(gpointer opaque)
{
    pvperfKeeperClient *client = opaque;

    client->retry = 0;
    pvperfKeeperClientConnect(client);
    return G_SOURCE_REMOVE;
}


static void
pvperfKeeperClientDisconnect(pvperfKeeperClient *client)
{
    bool was_synced = client->synced;
    guint i;

    g_clear_handle_id(&client->source, g_source_remove);
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->synced = false;
    g_clear_pointer(&client->incoming, pvperfPeerUnref);
    client->offered = 0;
    for (i = 0; i < client->known->len; i++) {
        pvperfKnownPeer *known = g_ptr_array_index(client->known, i);

        known->told = false;
        known->offered = false;
    }

    if (!client->retry) {
        client->retry = g_timeout_add(client->retry_ms, pvperfKeeperClientRetry, client);
        client->retry_ms = MIN(client->retry_ms * 2, PVPERF_KEEPER_RETRY_MAX_MS);
    }
    if (was_synced) {
        g_message("lost the connection to pvperf-ivshmem at %s", client->path);
        client->handlers.connected(false, client->opaque);
    }
}


static gboolean
pvperfKeeperClientReadable(gint fd,
                           GIOCondition condition,
                           gpointer opaque)
{
    pvperfKeeperClient *client = opaque;
    pvperfKeeperMessage msg;
    pvperfPacket packet;
    bool good = true;

    switch (pvperfPacketReceive(fd, &msg, sizeof(msg), &packet)) {
    case PVPERF_PACKET_NOTHING:
        return G_SOURCE_CONTINUE;
    case PVPERF_PACKET_GOT:
        good = pvperfKeeperClientMessage(client, &msg, &packet);
        pvperfPacketCloseFds(&packet);
        if (good)
            return G_SOURCE_CONTINUE;
        break;
    case PVPERF_PACKET_BROKEN:
        good = false;
        break;
    case PVPERF_PACKET_CLOSED:
        break;
    }
    if (!good && !client->said)
        g_warning("pvperf-ivshmem at %s sent a message that is not of its protocol (version %d)",
                  client->path, PVPERF_KEEPER_VERSION);
    client->said |= !good;
    client->source = 0;
    pvperfKeeperClientDisconnect(client);
    return G_SOURCE_REMOVE;
}


static void
pvperfKeeperClientConnect(pvperfKeeperClient *client)
{
    client->fd = pvperfPacketConnect(client->path);
    if (client->fd < 0) {
        if (!client->said)
            g_warning("cannot reach pvperf-ivshmem at %s: %s; trying until it answers",
                      client->path, g_strerror(errno));
        client->said = true;
        pvperfKeeperClientDisconnect(client);
        return;
    }
    client->source = g_unix_fd_add(client->fd, G_IO_IN | G_IO_HUP | G_IO_ERR,
                                   pvperfKeeperClientReadable, client);
}


pvperfKeeperClient *
pvperfKeeperClientNew(const char *path,
                      const pvperfKeeperHandlers *handlers,
                      gpointer opaque)
{
    pvperfKeeperClient *client = g_new0(pvperfKeeperClient, 1);

    client->path = g_strdup(path);
    client->handlers = *handlers;
    client->opaque = opaque;
    client->fd = -1;
    client->retry_ms = PVPERF_KEEPER_RETRY_FIRST_MS;
    client->known = g_ptr_array_new_with_free_func(pvperfKnownPeerFree);
    pvperfKeeperClientConnect(client);
    return client;
}


void
pvperfKeeperClientFree(pvperfKeeperClient *client)
{
    if (!client)
        return;
    g_clear_handle_id(&client->source, g_source_remove);
    g_clear_handle_id(&client->retry, g_source_remove);
    if (client->fd >= 0)
        close(client->fd);
    pvperfPeerUnref(client->incoming);
    g_ptr_array_unref(client->known);
    g_free(client->path);
    g_free(client);
}


bool
pvperfKeeperClientConnected(const pvperfKeeperClient *client)
{
    return client->synced;
}


GPtrArray *
pvperfKeeperClientPeers(const pvperfKeeperClient *client)
{
    GPtrArray *peers = g_ptr_array_new_with_free_func((GDestroyNotify)pvperfPeerUnref);
    guint i;

    for (i = 0; i < client->known->len; i++)
        g_ptr_array_add(peers, pvperfPeerRef(((pvperfKnownPeer *)
                                              g_ptr_array_index(client->known, i))->peer));
    return peers;
}
