/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_listen.h: the two listening sockets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *path;
    int type;                   /* SOCK_STREAM or SOCK_SEQPACKET */
    unsigned int mode;
    const char *name;           /* in LISTEN_FDNAMES */
    int fd;
    int lock;                   /* of PATH.lock; -1: the service manager's socket */
} pvperfListener;

/* Takes what the service manager passes in LISTEN_FDS. */
bool pvperfListenActivated(pvperfListener *listeners,
                           size_t count);

/* Makes the socket, and its directory where that is missing. */
bool pvperfListenOpen(pvperfListener *listener);

/* Removes what pvperfListenOpen has made. */
void pvperfListenClose(pvperfListener *listener);
