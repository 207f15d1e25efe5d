/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_handback.h: a peer that the daemon hands back.
 */
#pragma once

#include <stdint.h>

#include "pvperf_handshake.h"
#include "pvperf_peer.h"

/* All zero: none has begun. */
typedef struct {
    pvperfPeerIdentity identity;        /* as the daemon says */
    pvperfHandshake *handshake;         /* NULL: none has begun */
    uint32_t irqs;                      /* received so far */
} pvperfHandback;

typedef enum {
    PVPERF_HANDBACK_MORE,       /* there is nothing to do yet */
    PVPERF_HANDBACK_COMPLETE,   /* to be checked, and then taken over or cleared */
    PVPERF_HANDBACK_BROKEN,     /* not a message of the protocol */
    PVPERF_HANDBACK_CLOSED,     /* the daemon has hung up */
} pvperfHandbackStatus;

/* Takes one message from the daemon. Never blocks. */
pvperfHandbackStatus pvperfHandbackReceive(pvperfHandback *handback,
                                           int socket);

/* Why it is not what a VM of this libvirt was given, or NULL: it is. */
const char *pvperfHandbackCheck(pvperfHandback *handback,
                                const char *qemuRunDir);

/* Closes all that was received. */
void pvperfHandbackClear(pvperfHandback *handback);
