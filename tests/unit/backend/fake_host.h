/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake_host.h: the backend's other side, inside the test.
 *
 * A fakeBench is a backend served by the test itself: fake guest, fake perf
 * events whose every count is set by the test, a broker whose answers come when
 * the test says so, and a clock that it moves. There is one at a time.
 */
#pragma once

#include "fake_guest.h"
#include "pvperf_broker.h"
#include "pvperf_serve.h"

#define FAKE_FDS 4096
#define FAKE_FD_FIRST 1000

/* A host perf event. */
typedef struct _fakePerf fakePerf;
struct _fakePerf {
    bool open;
    bool on;
    int leader;                 /* index of its group's leader */
    uint32_t vcpu;
    pvperfEventIndex event;
    uint64_t count;
    uint64_t enabled;
    uint64_t running;
};

typedef struct _fakeBench fakeBench;
struct _fakeBench {
    fakeGuest guest;
    pvperfBackend backend;
    uint64_t now;
    fakePerf perf[FAKE_FDS];
    pvperfControlOpen asked;    /* last request */
    uint32_t requests;
    int ask_fails;              /* -errno of the next requests, else 0 */
    bool answers;               /* the broker answers at once, with success */
    int broken;                 /* -errno of every enable(), else 0 */
    uint32_t calls;             /* enable, disable and read calls */
};

extern fakeBench bench;

/* A set-up backend with a session and the default policy, raw allowed for
 * config 0x01c2. */
void fakeBenchInit(uint32_t nr_vcpus);

/* Ends the session and dies if an event is still open on the host. */
void fakeBenchFree(void);

/* Lets time pass on a vCPU: host groups there that are on are enabled for so
 * long, run for so long, and each member counts so much. */
void fakeBenchRun(uint32_t vcpu,
                  uint64_t enabled,
                  uint64_t running,
                  uint64_t count);

/* Answers the last request: opens its events, or refuses with ret. */
void fakeBenchAnswer(int ret,
                     enum pvperf_reason reason);

/* Passes until there is nothing left to do. */
void fakeBenchServe(void);

/* Posts, serves, and gives the answer; ret 1 if there is none yet. */
struct pvperf_result fakeBenchFrame(uint32_t area,
                                    struct pvperf_frame frame);
struct pvperf_result fakeBenchCall(uint32_t area,
                                   uint32_t op,
                                   uint64_t id);
struct pvperf_result fakeBenchOpen(const fakeOpen *open);

/* OPEN of the clock, unbound, on vCPU 0; leader -1: alone. */
struct pvperf_result fakeBenchOpenClock(int32_t id,
                                        uint32_t row,
                                        int32_t leader);
