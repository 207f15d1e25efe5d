/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_seqpacket.h: packets with file descriptors over a local socket,
 * never blocking. Used towards the keeper and towards backends.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <glib.h>

/* most descriptors that any packet of ours carries */
#define PVPERF_PACKET_FDS_MAX 253

typedef struct _pvperfPacket pvperfPacket;
struct _pvperfPacket {
    size_t size;                /* bytes received */
    unsigned int nfds;
    int fds[PVPERF_PACKET_FDS_MAX];
};

typedef enum {
    PVPERF_PACKET_GOT,
    PVPERF_PACKET_NOTHING,      /* would block */
    PVPERF_PACKET_CLOSED,       /* the other side hung up, or an error */
    PVPERF_PACKET_BROKEN,       /* truncated: larger, or with more fds, than anything allowed */
} pvperfPacketResult;

/* Receive one packet into @data; descriptors in @packet belong to the caller
 * (only with GOT). */
pvperfPacketResult pvperfPacketReceive(int fd,
                                       void *data,
                                       size_t size,
                                       pvperfPacket *packet);

void pvperfPacketCloseFds(pvperfPacket *packet);

/* False (errno) if the packet could not be queued at once. */
bool pvperfPacketSend(int fd,
                      const void *data,
                      size_t size,
                      const int *fds,
                      unsigned int nfds);

/* A connected, non-blocking SOCK_SEQPACKET socket, or -1 with errno. */
int pvperfPacketConnect(const char *path);

/* A listening one at @path, which is replaced and only for this user. */
int pvperfPacketListen(const char *path,
                       GError **error);
