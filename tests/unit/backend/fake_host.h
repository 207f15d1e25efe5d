/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake_host.h: the backend's other side, inside the test.
 *
 * A fakeBench is a backend served by the test itself: fake guest, fake perf
 * events whose every count and every overflow is made by the test, a broker
 * whose answers come when the test says so, and a clock that it moves. There is
 * one at a time.
 */
#pragma once

#include "fake_guest.h"
#include "pvperf_broker.h"
#include "pvperf_serve.h"

#define FAKE_FDS 4096
#define FAKE_FD_FIRST 1000
#define FAKE_RINGS 256          /* owners of rings, behind the FAKE_FDS events */
#define FAKE_IRQS 8             /* vCPUs with a vector */
#define FAKE_IRQ_FIRST 9000

/* A host perf event, or the owner of a ring. */
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
    uint64_t sample_period;     /* as asked for; 0: no sampling */
    bool freq;
    bool hardware;              /* its group, or its ring, is in the hardware context */
    uint32_t limit;             /* overflows until it is switched off; 0: never */
    uint64_t sample_id;
    int output;                 /* index of the ring's owner; 0: its records go nowhere */
    uint64_t hz;                /* last new frequency, 0: none */
    uint8_t *memory;            /* of a ring's owner, mapped */
};

typedef struct _fakeBench fakeBench;
struct _fakeBench {
    fakeGuest guest;
    pvperfBackend backend;
    pvperfControlStats stats;
    uint64_t now;
    fakePerf perf[FAKE_FDS + FAKE_RINGS];
    int end;                    /* no event was ever open from here on; rings are elsewhere */
    pvperfControlOpen asked;    /* last request */
    uint32_t requests;
    int ask_fails;              /* -errno of the next requests, else 0 */
    pvperfControlRefused refused; /* last one told */
    uint32_t tellings;          /* tried */
    bool tell_fails;
    bool answers;               /* the broker answers at once, with success */
    int broken;                 /* -errno of every enable() and refresh(), else 0 */
    int redirect_fails;         /* -errno of every redirect(), else 0 */
    uint32_t calls;             /* enable, refresh, disable and read calls */
    uint64_t sample_ids;        /* given out */
    int irq_fds[FAKE_IRQS];     /* + 1, as the backend has them */
    uint32_t nmis[FAKE_IRQS];   /* raised */
    uint32_t forgotten;         /* vectors from which was taken what nobody fetched */
};

extern fakeBench bench;

/* A set-up backend with a session and the default policy, raw allowed for
 * config 0x01c2. */
void fakeBenchInit(uint32_t nr_vcpus);

/* Ends the session and dies if an event is still open on the host, or a ring
 * when the tables are gone. */
void fakeBenchFree(void);

/* Lets time pass on a vCPU: host groups there that are on are enabled for so
 * long, run for so long, and each member counts so much. */
void fakeBenchRun(uint32_t vcpu,
                  uint64_t enabled,
                  uint64_t running,
                  uint64_t count);

/* Answers the last request: opens its events, and a ring if it is to bring one,
 * or refuses with ret. */
void fakeBenchAnswer(int ret,
                     enum pvperf_reason reason);

/* Passes until there is nothing left to do. */
void fakeBenchServe(void);

/* Posts, serves, and gives the answer; ret 1 if there is none yet. */
struct pvperf_result fakeBenchFrame(uint32_t area,
                                    struct pvperf_frame frame);
struct pvperf_result fakeBenchOpen(const fakeOpen *open);

static inline struct pvperf_result
fakeBenchCall(uint32_t area,
              uint32_t op,
              uint64_t id)
{
    return fakeBenchFrame(area, fakeFrame(op, id));
}

/* ---- Sampling ---- */

/* A driver starts and uses these features (a mask). */
struct pvperf_result fakeBenchHello(uint64_t features);

/* OPEN of a clock that overflows, unbound, on vCPU 0; leader -1: alone. */
struct pvperf_result fakeBenchOpenSampler(int32_t id,
                                          uint32_t row,
                                          int32_t leader,
                                          uint64_t period);

/* The same without overflows. */
static inline struct pvperf_result
fakeBenchOpenClock(int32_t id,
                   uint32_t row,
                   int32_t leader)
{
    return fakeBenchOpenSampler(id, row, leader, 0);
}

/* The host event of an open id on a vCPU; -1: it has none there. */
int fakeBenchFd(int32_t id,
                uint32_t vcpu);
fakePerf *fakeBenchPerf(int32_t id,
                        uint32_t vcpu);

/* An event overflows: writes the record that the daemon's attr asks for, and
 * is switched off if that was the last one of its limit. False, and nothing
 * happens, if it is not counting. */
bool fakeBenchOverflow(int fd,
                       uint64_t period,
                       uint16_t mode,
                       uint64_t ip);

/* Writes any record into the ring of an event; dies if it does not fit. */
void fakeBenchRecord(int fd,
                     uint32_t type,
                     uint16_t misc,
                     const uint64_t *words,
                     uint32_t n);

/* The guest's NMI handler: false if the NMI is none of the host's. */
bool fakeBenchClaim(uint32_t vcpu);

/* Rings that are open on the host. */
uint32_t fakeBenchRings(void);
