/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_backend_client_priv.h: the client's insides, shared by
 * pvperf_backend_client.c (connection, sending) and
 * pvperf_backend_messages.c (what comes in, questions and their answers).
 */
#pragma once

#include "pvperf_backend_client.h"
#include "pvperf_seqpacket.h"
#include "pvperf_share.h"

struct _pvperfBackendClient {
    int fd;
    int stats_fd;               /* for SETUP; -1: none */
    guint source;               /* 0 while it has a pause */
    pvperfShare share;          /* of the daemon's time */
    guint pause_timer;
    guint hello_timer;
    bool ready;                 /* said hello, was set up */
    bool dead;                  /* broken: nothing is sent or read any more */
    bool hostile;               /* dead because it broke the protocol */
    char *broken_why;
    guint broken_idle;
    pvperfPeer *peer;
    pid_t *tids;                /* of its vCPUs, see pvperfBrokerTarget */
    pvperfPolicy policy;
    int group_fd;               /* of its page, the domain's; -1: in no group */
    pvperfControlGroup group;
    uint32_t classes_available;
    pvperfBackendHandlers handlers;
    gpointer opaque;

    uint64_t cookie;            /* of the last question */
    GQueue *questions;          /* pvperfBackendQuestion, oldest first */
    pvperfControlStats stats;   /* last answer */

    /* one message; aligned for any of them */
    _Alignas(uint64_t) char buffer[PVPERF_CONTROL_MAX];
};

void pvperfBackendClientBroken(pvperfBackendClient *client,
                               bool hostile,
                               const char *why);
gboolean pvperfBackendClientTellBroken(gpointer opaque);

void pvperfBackendClientSend(pvperfBackendClient *client,
                             pvperfControlHeader *header,
                             size_t size,
                             pvperfControlType type,
                             uint64_t cookie,
                             const int *fds,
                             unsigned int nfds);

void pvperfBackendClientHello(pvperfBackendClient *client,
                              const pvperfControlHello *hello);

/* Act on client->buffer, of @size bytes; false if it is not of the protocol. */
bool pvperfBackendClientMessage(pvperfBackendClient *client,
                                size_t size);

void pvperfBackendClientDropQuestions(pvperfBackendClient *client);
