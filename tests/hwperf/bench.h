/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench.h: the backend and the broker between a fake driver and a real PMU.
 *
 * Everything between the guest's frames and perf_event_open(2) is the
 * product's own code; only the sockets are left out, and the driver is fake_guest.c.
 * There is one bench at a time. Anything it cannot do ends the process.
 */
#pragma once

#include "fake_guest.h"
#include "pvperf_serve.h"

#define ENABLE KVM_PERF_OP_ENABLE
#define DISABLE KVM_PERF_OP_DISABLE
#define READ KVM_PERF_OP_READ
#define CLOSE KVM_PERF_OP_CLOSE

typedef struct _hwBench hwBench;
struct _hwBench {
    fakeGuest guest;
    pvperfBackend backend;
    pvperfControlStats stats;
    pvperfPolicy policy;        /* the broker's; hwBenchPolicy() makes it the backend's, too */
    int irq_fd;                 /* + 1 */
    int pidfd;
    pvperfControlOpen asked;    /* last request of the backend ... */
    bool asks;                  /* ... and whether it waits for its answer */
};

extern hwBench hw;

/* A session, everything allowed and nothing limited; at the end nothing may be open. */
void hwBenchInit(void);
void hwBenchFree(void);

/* Puts hw.policy in force. */
void hwBenchPolicy(void);

/* What is posted is served, and whatever that asks for. */
void hwBenchServe(void);

/* Opens event id in row id; leader -1: alone. */
struct pvperf_result hwBenchOpen(int32_t id,
                                 int32_t leader,
                                 const struct guest_perf_attr *attr);

/* One that has to work, of PERF_TYPE_HARDWARE. */
void hwBenchOpenEvent(int32_t id,
                      int32_t leader,
                      uint64_t config,
                      uint64_t flags,
                      uint64_t period);

/* ENABLE, DISABLE, READ or CLOSE, which has to work. */
void hwBenchCall(uint32_t op,
                 int32_t id);

static inline struct guest_perf_event
hwBenchSlot(int32_t id)
{
    return fakeGuestSlot(&hw.guest, id, 0);
}


/* The host event of an open event. */
int hwBenchFd(int32_t id);
