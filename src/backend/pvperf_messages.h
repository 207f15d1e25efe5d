/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_messages.h: what the daemon's messages do.
 *
 * Owns what the daemon handed over: the window, the doorbell, QEMU's pidfd, the
 * vectors' eventfds. The poll loop watches the fds and calls in here when the
 * control socket has something, or when a report is being put together.
 */
#pragma once

#include "pvperf_report.h"
#include "pvperf_serve.h"
#include "pvperf_socket.h"

typedef struct _pvperfMessages pvperfMessages;
struct _pvperfMessages {
    pvperfSocket socket;
    bool set_up;
    int window_fd;
    int doorbell_fd;
    int qemu_fd;                /* pidfd */
    int *irq_fds;               /* [nr_vcpus], fd + 1, 0: none yet */
    int (*watch_ring)(void *opaque, /* the poll loop's: pvperfSampling.watch */
                      int fd,
                      bool first);
    void *watch_opaque;
    uint64_t ring_bytes_max;    /* pvperfSampling.ring_bytes_max */
    pvperfBackend backend;
    pvperfControlStats stats;   /* where there is no file */
    pvperfReport report;
    pvperfReceived received;
};

/* ring_bytes_max: what sample rings may take in all; 0: no limit. */
void pvperfMessagesInit(pvperfMessages *messages,
                        int listen_fd,
                        uint64_t ring_bytes_max);

/* A daemon connects: greet it. Its fd, or -1. */
int pvperfMessagesConnect(pvperfMessages *messages);

/* Deals with one message; false if there was none. A connection that ends
 * leaves socket.fd at -1. */
bool pvperfMessagesReceive(pvperfMessages *messages);

/* A step of what is to be done between passes; false if there is nothing. */
bool pvperfMessagesWork(pvperfMessages *messages);
