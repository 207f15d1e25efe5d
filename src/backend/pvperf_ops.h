/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_ops.h: the calls of abi.h, on copied frames.
 *
 * pvperf_serve.c calls pvperfOpsServe() for each frame; pvperf_broker.c hands
 * over the host events of an OPEN. A frame is checked here from its first
 * word to its last before anything is done for it.
 */
#pragma once

#include "pvperf_serve.h"

typedef enum {
    PVPERF_SERVED_NOW,          /* the verdict is final and may be told at once */
    PVPERF_SERVED_JOINS,        /* ... may be told together with the next ENABLE's */
    PVPERF_SERVED_WAITS,        /* for the broker; serve the frame again afterwards */
} pvperfServed;

/* True if this frame may join a run of ENABLEs. */
bool pvperfOpsJoins(const struct pvperf_frame *frame);

/* Serves areas[index].frame, number n; again: for the second time, the broker
 * has answered. verdict comes in as success. */
pvperfServed pvperfOpsServe(pvperfBackend *backend,
                            uint32_t index,
                            uint32_t n,
                            bool again,
                            pvperfVerdict *verdict);

/* The broker opened the group of areas[index].opening: enter the event. The
 * fds are taken. */
pvperfVerdict pvperfOpsOpened(pvperfBackend *backend,
                              uint32_t index,
                              const int *fds);
