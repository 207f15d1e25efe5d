/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_socket.h: packets with fds on the control socket.
 *
 * Knows nothing of what the messages mean beyond their header. One listening
 * socket, at most one connection; a new one replaces the old one. Nothing
 * here waits.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pvperf_control.h"

typedef struct _pvperfSocket pvperfSocket;
struct _pvperfSocket {
    int listen_fd;
    int fd;                     /* -1: no daemon is connected */
};

typedef union _pvperfPacket pvperfPacket;
union _pvperfPacket {
    pvperfControlHeader h;
    pvperfControlSetup setup;
    pvperfControlIrqs irqs;
    pvperfControlPolicy policy;
    pvperfControlSession session;
    pvperfControlGroup group;
    pvperfControlOpened opened;
    pvperfControlQuery query;
    uint8_t bytes[PVPERF_CONTROL_MAX];
};

typedef struct _pvperfReceived pvperfReceived;
struct _pvperfReceived {
    pvperfPacket packet;
    uint32_t nfds;
    int fds[PVPERF_CONTROL_FDS_MAX];
};

/* Takes a new connection in place of the old one; its fd, or -1. */
int pvperfSocketAccept(pvperfSocket *socket);
void pvperfSocketDisconnect(pvperfSocket *socket);

/* 1: a packet with a sound header is in received, which owns its fds; 0:
 * nothing there now; -1: the connection is at its end, or talks nonsense. */
int pvperfSocketReceive(pvperfSocket *socket,
                        pvperfReceived *received);

/* Closes what is left of the fds. */
void pvperfSocketDropFds(pvperfReceived *received);

/* Fills in the header's size and version, and sends; false if the connection
 * did not take it. */
bool pvperfSocketSend(pvperfSocket *socket,
                      pvperfControlHeader *message,
                      uint32_t size);
