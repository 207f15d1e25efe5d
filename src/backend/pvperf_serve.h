/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_serve.h: one VM's backend, and one pass over its areas.
 *
 * pvperfBackend is everything a backend knows, apart from its sockets. The
 * poll loop calls pvperfServePass() and tells it the time; the control socket
 * hands in sessions, policies and the broker's answers. No function here waits
 * or allocates; all of it runs on one thread.
 *
 * Areas are served independently: one whose frame waits for the broker keeps
 * its later frames in order behind it and holds up no other area.
 */
#pragma once

#include "pvperf_event_table.h"
#include "pvperf_group.h"
#include "pvperf_policy_check.h"

typedef struct _pvperfBackend pvperfBackend;

/* The event that a frame is about, once that is known. */
typedef struct _pvperfSubject pvperfSubject;
struct _pvperfSubject {
    pvperfEventIndex event;     /* or PVPERF_EVENT_NONE */
    uint64_t raw_config;
};

/* One area, as the host knows it. */
typedef struct _pvperfArea pvperfArea;
struct _pvperfArea {
    uint32_t completed;
    uint32_t submitted;         /* when last looked at */
    bool waiting;               /* for the broker, with frame number completed */
    bool held;                  /* it answered: serve frame, not the window's copy */
    struct pvperf_frame frame;
    pvperfSubject subject;      /* of frame */
    uint64_t cookie;            /* of the request that waits */
    uint64_t deadline;
    pvperfOpening opening;      /* OPEN */
    int32_t leader;             /* ENABLE: whose group was asked for ... */
    uint32_t generation;        /* ... and which members it had */
    uint32_t vcpu;
    pvperfRingKind ring;        /* that samplers of the request write into */
    bool wants_ring;            /* the answer brings it */
    uint32_t noted;             /* frames before this one have an arrival time */
    uint64_t arrival[PVPERF_NR_FRAMES]; /* ns; when a frame was seen behind one that waits */
};

/* An enabled leader whose host group is not yet switched on. */
typedef struct _pvperfStart pvperfStart;
struct _pvperfStart {
    uint32_t n;                 /* frame */
    int32_t leader;
};

struct _pvperfBackend {
    pvperfWindow *window;
    pvperfTable table;
    pvperfPolicy policy;
    uint32_t classes_available;
    uint64_t session;           /* 0: host down, nothing is served */
    uint64_t now;               /* ns, CLOCK_MONOTONIC, of the pass */
    pvperfRate rate;
    pvperfGroup group;
    struct pvperf_policy_line line;
    pvperfControlStats *stats;  /* counters; the rest is filled in when asked for */
    pvperfArea *areas;          /* [nr_vcpus + 1] */
    uint64_t *heartbeats;       /* [workers] */
    uint32_t waiting;           /* areas that wait for the broker */
    uint64_t requests;          /* sent to the broker, ever */
    pvperfStart starts[PVPERF_NR_FRAMES]; /* of the batch being served */
    uint32_t nstarts;
    uint64_t tell_at[PVPERF_NR_REASONS]; /* ns; a refusal from then on is told at once */

    /* Sends a request to the daemon; 0, or -errno if it cannot be sent now. */
    int (*ask)(void *opaque,
               const pvperfControlOpen *request);
    /* Tells the daemon of a refusal; false if that cannot be sent now. */
    bool (*tell)(void *opaque,
                 const pvperfControlRefused *refused);
    void *opaque;
};

/* 0 or -errno. ask, tell and opaque are the caller's to fill in. @stats, which the
 * caller owns, may hold what earlier backends of the VM counted: counters go on. */
int pvperfServeInit(pvperfBackend *backend,
                    pvperfWindow *window,
                    const pvperfHostperf *host,
                    uint32_t classes_available,
                    pvperfControlStats *stats);
void pvperfServeFree(pvperfBackend *backend);

/* Closes everything; then serves under a new nonce, or nothing if it is 0. */
void pvperfServeSession(pvperfBackend *backend,
                        uint64_t session);

/* Puts a policy in force; false if it is not one. */
bool pvperfServePolicy(pvperfBackend *backend,
                       const pvperfPolicy *policy);

/* The VM shares limits with others, see pvperfGroupJoin(). */
bool pvperfServeGroup(pvperfBackend *backend,
                      int fd,
                      uint32_t member,
                      const pvperfGroupLimits *limits);

/* Looks at every area once and serves what it finds; true if that was
 * anything. At most one ring of frames per area. */
bool pvperfServePass(pvperfBackend *backend,
                     uint64_t now);

/* Writes a frame's answer and keeps account of a refusal, as one of the area's
 * subject. */
void pvperfServeResult(pvperfBackend *backend,
                       uint32_t area,
                       uint32_t n,
                       const pvperfVerdict *verdict);

/* The daemon was told of all refusals so far. */
void pvperfServeTold(pvperfBackend *backend);

/* The number of open events changed. */
void pvperfServeOpenChanged(pvperfBackend *backend);
