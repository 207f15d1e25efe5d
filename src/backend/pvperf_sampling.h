/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_sampling.h: overflows: from the host's rings to the guest's NMI.
 *
 * A sampler is an enabled cell whose event has a sample period. Its host event
 * is on for as many overflows as it has been granted (pvperf_grants.h); its
 * records are taken out of the vCPU's ring and counted in its slot.
 *
 * pvperf_cells.c tells when a cell becomes a sampler and ceases to be one, and
 * has a vCPU's ring drained before it looks at counts; the poll loop has all
 * rings drained on each pass. What is granted on a vCPU always fits its ring.
 */
#pragma once

#include "pvperf_budget.h"
#include "pvperf_control.h"
#include "pvperf_group.h"
#include "pvperf_ring.h"

struct _pvperfTable;
struct _pvperfEvent;
struct _pvperfCell;

/* Most cells that can be enabled on one vCPU. */
#define PVPERF_SAMPLERS_MAX PVPERF_MAX_PER_VCPU

/* The kinds of ring: before Linux 6.2 a thread's software events cannot write
 * into the ring of its hardware events. */
typedef enum {
    PVPERF_RING_SOFTWARE,
    PVPERF_RING_HARDWARE,
    PVPERF_NR_RINGS
} pvperfRingKind;

/* Part of a cell. All zero: no sampler, and its host event was never on. */
typedef struct _pvperfSampler pvperfSampler;
struct _pvperfSampler {
    uint64_t sample_id;         /* the kernel's number of the host event */
    uint64_t sampled;           /* clocks: count up to which periods are in the slot */
    uint64_t throttled;         /* ns: since when it gets nothing; 0: it is not throttled */
    uint64_t freq_now;          /* Hz; 0: the one of the event */
    uint32_t granted;           /* overflows that the kernel still lets happen */
    uint16_t short_periods;     /* in a row */
    uint8_t ring;               /* pvperfRingKind: where the host event writes */
    bool on;                    /* the host event is, or waits for a grant */
    bool changed;               /* the window's slot is behind */
};

typedef struct _pvperfVcpuSampling pvperfVcpuSampling;
struct _pvperfVcpuSampling {
    pvperfRing rings[PVPERF_NR_RINGS];
    uint32_t nsamplers;
    int32_t samplers[PVPERF_SAMPLERS_MAX]; /* ids */
    uint32_t nmi_sent;
    uint32_t samples_head;
    uint32_t news;              /* overflows, and throttlings, of which the guest was not told */
    bool crowded;               /* the last NMI told of several: the next will, too */
    bool on_its_way;            /* an NMI was not claimed yet when last looked */
    bool timed;                 /* ... and it is watched how long that takes */
    uint64_t nmi_at;            /* ns: when it was raised */
    uint64_t nmi_takes;         /* ns, an average; 0: not known yet */
    uint64_t nmi_next;          /* ns: none before this */
};

typedef struct _pvperfSampling pvperfSampling;
struct _pvperfSampling {
    pvperfVcpuSampling *vcpus;  /* [nr_vcpus] */
    uint16_t *active;           /* [nr_vcpus]: the vCPUs that have samplers ... */
    uint32_t nactive;           /* ... so many */
    uint32_t first;             /* of them, who is granted first */
    uint32_t nsamplers;         /* on all vCPUs */
    uint64_t granted;           /* to all samplers that are not throttled */
    uint32_t throttled;         /* samplers that are */
    uint64_t next_grant;        /* ns: when those are looked at again */
    uint64_t ring_bytes;        /* mapped, on all vCPUs ... */
    uint64_t ring_bytes_max;    /* ... and how many may be; 0: no limit */
    pvperfBudget budget;
    const pvperfPolicy *policy;
    pvperfGroup *group;
    const int *irq_fds;         /* [nr_vcpus], eventfd + 1; may be NULL */
    pvperfControlSampling *stats;
    int (*watch)(void *opaque,  /* a ring is to wake the poll loop, once; may be NULL. */
                 int fd,        /* 0 or -errno */
                 bool first);
    void *opaque;
};

/* The ring that a group needs on a vCPU is there. */
bool pvperfSamplingReady(const struct _pvperfTable *table,
                         uint32_t vcpu,
                         pvperfRingKind kind);

/* Gives a vCPU a ring; the fd is the table's from now on. 0 or -errno, -ENOMEM
 * if that would be more ring_bytes than there may be. */
int pvperfSamplingSetRing(struct _pvperfTable *table,
                          uint32_t vcpu,
                          pvperfRingKind kind,
                          int fd);

/* Drops a vCPU's rings: they are those of a thread that is gone. */
void pvperfSamplingDropRings(struct _pvperfTable *table,
                             uint32_t vcpu);

/* A cell has a new host event, which is off. 0 or -errno. */
int pvperfSamplingAttach(struct _pvperfTable *table,
                         struct _pvperfEvent *event,
                         uint32_t vcpu,
                         pvperfRingKind kind);

/* A cell has lost its host event. */
void pvperfSamplingDetach(struct _pvperfTable *table,
                          struct _pvperfCell *cell);

/* A cell becomes a sampler, or ceases to be one. */
void pvperfSamplingEnter(struct _pvperfTable *table,
                         const struct _pvperfEvent *event,
                         uint32_t vcpu);
void pvperfSamplingLeave(struct _pvperfTable *table,
                         const struct _pvperfEvent *event,
                         uint32_t vcpu);

/* Takes what is in a vCPU's rings; slots in the window are of now. */
void pvperfSamplingDrain(struct _pvperfTable *table,
                         uint32_t vcpu);

/* The guest has looked by itself, or is about to: no NMI for what there is. */
void pvperfSamplingSeen(struct _pvperfTable *table,
                        uint32_t vcpu);

/* Drains all rings, raises NMIs, grants to who is throttled. */
void pvperfSamplingPass(struct _pvperfTable *table);

/* The poll loop goes to sleep: rings wake it whose vCPUs can be told of more. */
void pvperfSamplingArm(struct _pvperfTable *table);

/* A pass was due a moment ago and another is at once: no sleep. */
bool pvperfSamplingBusy(const struct _pvperfTable *table);

/* When a pass is due without a record, ns; 0: never. */
uint64_t pvperfSamplingDeadline(const struct _pvperfTable *table);

/* A new session: no NMI is on its way. */
void pvperfSamplingReset(struct _pvperfTable *table);
