/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_handshake.h: all that one VMM is sent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct _pvperfHandshake pvperfHandshake;
struct _pvperfHandshake {
    uint32_t vectors;           /* 1 .. PVPERF_MAX_VCPUS */
    uint32_t next;              /* first message not yet sent */
    int memfd;
    bool ownMemfd;              /* else it is shared and outlives this */
    int doorbell;               /* guest -> backend */
    int irqs[];                 /* backend -> guest, one per vector */
};

typedef enum {
    PVPERF_SEND_DONE,
    PVPERF_SEND_AGAIN,          /* the socket is full: wait for EPOLLOUT */
    PVPERF_SEND_RETRY,          /* too many fds in flight: wait a little */
    PVPERF_SEND_FAILED,         /* errno says why; the peer is gone */
} pvperfSendStatus;

/* Without any descriptor yet (-1), and a window of its own. NULL and errno when
 * the process is out of memory. */
pvperfHandshake *pvperfHandshakeEmpty(uint32_t vectors);

/* sharedMemfd: a window that is not this VM's own, or -1 to make one.
 * NULL and errno when the process is out of memory or fds. */
pvperfHandshake *pvperfHandshakeNew(uint32_t vectors,
                                    int sharedMemfd);
void pvperfHandshakeFree(pvperfHandshake *handshake);

/* Close what only the VMM needs from now on; it has been sent. */
void pvperfHandshakeRelease(pvperfHandshake *handshake);

/* Sends what is left. Never blocks. */
pvperfSendStatus pvperfHandshakeSend(pvperfHandshake *handshake,
                                     int fd);
