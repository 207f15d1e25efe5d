/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_backend_client.h: the daemon's end of a backend's control socket.
 *
 * Owned by the domain object, runs on the main context. Sets the backend up,
 * hands policy and sessions to it, serves its OPENs through the broker, and
 * asks it for events and statistics. What comes in is not trusted: size, type
 * and every number are checked, and a backend that sends anything else, sends
 * descriptors or does not read what it is sent is reported as broken, once.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "../backend/pvperf_control.h"
#include "pvperf_peer.h"

typedef struct _pvperfBackendClient pvperfBackendClient;

/* @records (of pvperfControlRecord) are all open events; NULL with @error. */
typedef void (*pvperfBackendEventsFunc)(GArray *records,
                                        const GError *error,
                                        gpointer opaque);

/* @fresh: the backend answered in time; otherwise the last answer, which may
 * be all zero. */
typedef void (*pvperfBackendStatsFunc)(const pvperfControlStats *stats,
                                       bool fresh,
                                       gpointer opaque);

typedef struct _pvperfBackendHandlers pvperfBackendHandlers;
struct _pvperfBackendHandlers {
    /* it is set up and serves */
    void (*ready)(gpointer opaque);
    /* it hung up, or (@hostile) broke the protocol; @why says what it did. The
     * client may be freed in it. */
    void (*broken)(const char *why,
                   bool hostile,
                   gpointer opaque);
    /* it tells of a refusal; and its statistics, whoever asked for them */
    void (*refused)(const pvperfControlRefused *refused,
                    gpointer opaque);
    void (*stats)(const pvperfControlStats *stats,
                  gpointer opaque);
};

/* Connect to @path; @policy is kept up to date by pvperfBackendClientPolicy.
 * @stats_fd (pvperfStatsFileOpen) becomes the client's, whatever happens. */
pvperfBackendClient *pvperfBackendClientNew(const char *path,
                                            pvperfPeer *peer,
                                            int stats_fd,
                                            const pvperfPolicy *policy,
                                            uint32_t classes_available,
                                            const pvperfBackendHandlers *handlers,
                                            gpointer opaque,
                                            GError **error);

/* Pending questions are answered with an error. */
void pvperfBackendClientFree(pvperfBackendClient *client);

bool pvperfBackendClientReady(const pvperfBackendClient *client);

/* New limits; true if they were sent, which they are not if they are the old
 * ones or the backend is not set up yet (it gets them then). */
bool pvperfBackendClientPolicy(pvperfBackendClient *client,
                               const pvperfPolicy *policy);

/* The group that it is in: the page of @fd (which stays the caller's, and open
 * until the next call), its line there and the limits; @fd -1: none. Nothing is
 * sent if that is so already. */
void pvperfBackendClientGroup(pvperfBackendClient *client,
                              int fd,
                              uint32_t member,
                              const pvperfGroupLimits *limits);

/* Everything the guest had open is void: a new random session. */
void pvperfBackendClientNewSession(pvperfBackendClient *client);

/* Tell the guest that nobody serves it any more. */
void pvperfBackendClientHostDown(pvperfBackendClient *client);

void pvperfBackendClientQueryEvents(pvperfBackendClient *client,
                                    pvperfBackendEventsFunc func,
                                    gpointer opaque);
void pvperfBackendClientQueryStats(pvperfBackendClient *client,
                                   pvperfBackendStatsFunc func,
                                   gpointer opaque);
