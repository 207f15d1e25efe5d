/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_keeper_client.h: listens to pvperf-ivshmem.
 *
 * Owned by the driver, runs on the main context. Connects, with back-off, for
 * ever. After each connection the keeper tells everything anew; a peer that
 * is told again is the same object, and one that is not told again but whose
 * process lives stays, and is handed back: pvperf-ivshmem was restarted.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "pvperf_peer.h"

typedef struct _pvperfKeeperClient pvperfKeeperClient;

typedef struct _pvperfKeeperHandlers pvperfKeeperHandlers;
struct _pvperfKeeperHandlers {
    void (*connected)(bool up,
                      gpointer opaque);
    void (*peer)(pvperfPeer *peer,
                 gpointer opaque);
    void (*gone)(pvperfPeer *peer,
                 gpointer opaque);
};

pvperfKeeperClient *pvperfKeeperClientNew(const char *path,
                                          const pvperfKeeperHandlers *handlers,
                                          gpointer opaque);
void pvperfKeeperClientFree(pvperfKeeperClient *client);

bool pvperfKeeperClientConnected(const pvperfKeeperClient *client);

/* All peers that live now, of pvperfPeer. */
GPtrArray *pvperfKeeperClientPeers(const pvperfKeeperClient *client);
