/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_backend_client.c: connection, set-up and what is sent to a backend.
 *
 * A connection begins with the backend's HELLO. One that has no window yet is
 * sent SETUP, IRQS, POLICY and SESSION, in this order and at once; one that an
 * earlier daemon set up is sent POLICY, and goes on in its session. Messages
 * that come in are looked at one per turn of the main loop, and a backend that
 * has used more than its share of the daemon's time is not read from for a
 * while, so that none keeps the daemon from the others.
 */
#include "pvperf_backend_client.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib-unix.h>

#include "pvperf_backend_client_priv.h"
#include "pvperf_broker.h"

/* a backend that was just spawned may take its time on a busy host */
#define PVPERF_HELLO_TIMEOUT_MS 10000


void
pvperfBackendClientBroken(pvperfBackendClient *client,
                          bool hostile,
                          const char *why)
{
    if (client->dead)
        return;
    client->dead = true;
    client->hostile = hostile;
    g_clear_handle_id(&client->source, g_source_remove);
    g_clear_handle_id(&client->pause_timer, g_source_remove);
    g_clear_handle_id(&client->hello_timer, g_source_remove);
    /* not from below a caller that goes on to use the client */
    client->broken_why = g_strdup(why);
    client->broken_idle = g_idle_add(pvperfBackendClientTellBroken, client);
}


gboolean
pvperfBackendClientTellBroken(gpointer opaque)
{
    pvperfBackendClient *client = opaque;

    client->broken_idle = 0;
    client->handlers.broken(client->broken_why, client->hostile, client->opaque);
    return G_SOURCE_REMOVE;
}


void
pvperfBackendClientSend(pvperfBackendClient *client,
                        pvperfControlHeader *header,
                        size_t size,
                        pvperfControlType type,
                        uint64_t cookie,
                        const int *fds,
                        unsigned int nfds)
{
    if (client->dead)
        return;
    header->size = size;
    header->version = PVPERF_CONTROL_VERSION;
    header->type = type;
    header->cookie = cookie;
    if (!pvperfPacketSend(client->fd, header, size, fds, nfds)) {
        int err = errno;
        g_autofree char *why = g_strdup_printf("cannot be sent to: %s", g_strerror(err));

        pvperfBackendClientBroken(client, err != EPIPE && err != ECONNRESET, why);
    }
}


/* ---- what the domain asks for ---- */

static void
pvperfBackendClientSendPolicy(pvperfBackendClient *client)
{
    pvperfControlPolicy msg = { .policy = client->policy };

    pvperfBackendClientSend(client, &msg.h, sizeof(msg), PVPERF_CONTROL_POLICY, 0, NULL, 0);
}


static void
pvperfBackendClientSendSession(pvperfBackendClient *client,
                               uint64_t session)
{
    pvperfControlSession msg = { .session = session };

    pvperfBackendClientSend(client, &msg.h, sizeof(msg), PVPERF_CONTROL_SESSION, 0, NULL, 0);
}


bool
pvperfBackendClientPolicy(pvperfBackendClient *client,
                          const pvperfPolicy *policy)
{
    if (memcmp(&client->policy, policy, sizeof(*policy)) == 0)
        return false;
    client->policy = *policy;
    if (client->ready)
        pvperfBackendClientSendPolicy(client);
    return client->ready;
}


static void
pvperfBackendClientSendGroup(pvperfBackendClient *client,
                             bool page)
{
    pvperfControlGroup msg = client->group;

    pvperfBackendClientSend(client, &msg.h, sizeof(msg), PVPERF_CONTROL_GROUP, 0,
                            &client->group_fd, page && msg.joined);
}


void
pvperfBackendClientGroup(pvperfBackendClient *client,
                         int fd,
                         uint32_t member,
                         const pvperfGroupLimits *limits)
{
    const pvperfControlGroup was = client->group;
    bool page = !was.joined || was.member != member || client->group_fd != fd;

    client->group_fd = fd;
    client->group = (pvperfControlGroup) { .joined = fd >= 0, .member = member };
    if (limits)
        client->group.limits = *limits;
    if (client->ready && memcmp(&was, &client->group, sizeof(was)) != 0)
        pvperfBackendClientSendGroup(client, page);
}


void
pvperfBackendClientNewSession(pvperfBackendClient *client)
{
    uint64_t session = 0;

    if (!client->ready)
        return; /* it begins with a new one anyway */
    while (!session) {
        if (getrandom(&session, sizeof(session), 0) != sizeof(session))
            session = 0;
    }
    pvperfBackendClientSendSession(client, session);
}


void
pvperfBackendClientHostDown(pvperfBackendClient *client)
{
    if (client->ready)
        pvperfBackendClientSendSession(client, 0);
}


bool
pvperfBackendClientReady(const pvperfBackendClient *client)
{
    return client->ready && !client->dead;
}


/* ---- set-up ---- */

static void
pvperfBackendClientSetUp(pvperfBackendClient *client)
{
    const pvperfPeer *peer = client->peer;
    const int fds[] = { peer->window, peer->doorbell, peer->pidfd, client->stats_fd };
    pvperfControlSetup setup = {
        .window_size = peer->window_size,
        .nr_vcpus = peer->vectors,
        .classes_available = client->classes_available,
    };
    unsigned int first;

    pvperfBackendClientSend(client, &setup.h, sizeof(setup), PVPERF_CONTROL_SETUP, 0,
                            fds, client->stats_fd < 0 ? 3 : 4);
    for (first = 0; first < peer->vectors; first += PVPERF_CONTROL_FDS_MAX) {
        pvperfControlIrqs irqs = {
            .first = first,
            .count = MIN(peer->vectors - first, PVPERF_CONTROL_FDS_MAX),
        };

        pvperfBackendClientSend(client, &irqs.h, sizeof(irqs), PVPERF_CONTROL_IRQS, 0,
                                peer->irqs + first, irqs.count);
    }
}


void
pvperfBackendClientHello(pvperfBackendClient *client,
                         const pvperfControlHello *hello)
{
    g_clear_handle_id(&client->hello_timer, g_source_remove);
    client->ready = true;
    if (!hello->set_up)
        pvperfBackendClientSetUp(client);
    pvperfBackendClientSendPolicy(client);
    /* one that an earlier daemon set up may be in a group of that one */
    if (client->group.joined || hello->set_up)
        pvperfBackendClientSendGroup(client, true);
    if (!hello->set_up || !hello->session)
        pvperfBackendClientNewSession(client);
    if (!client->dead)
        client->handlers.ready(client->opaque);
}


static gboolean
pvperfBackendClientNoHello(gpointer opaque)
{
    pvperfBackendClient *client = opaque;

    client->hello_timer = 0;
    pvperfBackendClientBroken(client, true, "did not say hello in time");
    return G_SOURCE_REMOVE;
}


static void
pvperfBackendClientWatch(pvperfBackendClient *client);


static gboolean
pvperfBackendClientPauseOver(gpointer opaque)
{
    pvperfBackendClient *client = opaque;

    client->pause_timer = 0;
    pvperfBackendClientWatch(client);
    return G_SOURCE_REMOVE;
}


/* What was begun at @start is served: it may have been more than its share. */
static void
pvperfBackendClientCharge(pvperfBackendClient *client,
                          uint64_t start)
{
    uint64_t now = g_get_monotonic_time();
    uint64_t pause = pvperfShareCharge(&client->share, now, now - start);

    if (client->dead || !pause)
        return;
    g_clear_handle_id(&client->source, g_source_remove);
    client->pause_timer = g_timeout_add((pause + 999) / 1000, pvperfBackendClientPauseOver, client);
}


static gboolean
pvperfBackendClientReadable(gint fd,
                            GIOCondition condition,
                            gpointer opaque)
{
    pvperfBackendClient *client = opaque;
    uint64_t start = g_get_monotonic_time();
    bool ready = client->ready;
    pvperfPacket packet;

    switch (pvperfPacketReceive(fd, client->buffer, sizeof(client->buffer), &packet)) {
    case PVPERF_PACKET_NOTHING:
        return G_SOURCE_CONTINUE;
    case PVPERF_PACKET_CLOSED:
        pvperfBackendClientBroken(client, false, "hung up");
        break;
    case PVPERF_PACKET_BROKEN:
        pvperfBackendClientBroken(client, true, "sent a message that is too large");
        break;
    case PVPERF_PACKET_GOT:
        if (packet.nfds > 0) {
            pvperfPacketCloseFds(&packet);
            pvperfBackendClientBroken(client, true, "sent file descriptors");
        } else if (!pvperfBackendClientMessage(client, packet.size)) {
            pvperfBackendClientBroken(client, true, "sent a message that is not of the protocol");
        }
        break;
    }
    /* HELLO is not charged: what it leads to may let go of the client */
    if (ready)
        pvperfBackendClientCharge(client, start);
    /* the source was removed if the client is dead or has a pause */
    return G_SOURCE_CONTINUE;
}


static void
pvperfBackendClientWatch(pvperfBackendClient *client)
{
    client->source = g_unix_fd_add(client->fd, G_IO_IN | G_IO_HUP | G_IO_ERR,
                                   pvperfBackendClientReadable, client);
}


pvperfBackendClient *
pvperfBackendClientNew(const char *path,
                       pvperfPeer *peer,
                       int stats_fd,
                       const pvperfPolicy *policy,
                       uint32_t classes_available,
                       const pvperfBackendHandlers *handlers,
                       gpointer opaque,
                       GError **error)
{
    pvperfBackendClient *client;
    int fd = pvperfPacketConnect(path);

    if (fd < 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
                    "cannot connect to the backend's socket %s: %s", path, g_strerror(errno));
        if (stats_fd >= 0)
            close(stats_fd);
        return NULL;
    }
    client = g_new0(pvperfBackendClient, 1);
    client->fd = fd;
    client->stats_fd = stats_fd;
    client->peer = pvperfPeerRef(peer);
    client->tids = g_new0(pid_t, peer->vectors);
    client->policy = *policy;
    client->group_fd = -1;
    client->classes_available = classes_available;
    client->handlers = *handlers;
    client->opaque = opaque;
    client->questions = g_queue_new();
    pvperfBackendClientWatch(client);
    client->hello_timer = g_timeout_add(PVPERF_HELLO_TIMEOUT_MS,
                                        pvperfBackendClientNoHello, client);
    return client;
}


void
pvperfBackendClientFree(pvperfBackendClient *client)
{
    if (!client)
        return;
    client->dead = true;
    g_clear_handle_id(&client->source, g_source_remove);
    g_clear_handle_id(&client->pause_timer, g_source_remove);
    g_clear_handle_id(&client->hello_timer, g_source_remove);
    g_clear_handle_id(&client->broken_idle, g_source_remove);
    pvperfBackendClientDropQuestions(client);
    g_queue_free(client->questions);
    close(client->fd);
    if (client->stats_fd >= 0)
        close(client->stats_fd);
    pvperfPeerUnref(client->peer);
    g_free(client->tids);
    g_free(client->broken_why);
    g_free(client);
}
