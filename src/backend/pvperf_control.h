/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_control.h: what virtpvperfd and a backend say to each other.
 *
 * A SOCK_SEQPACKET socket on which the backend listens (the daemon creates it
 * and hands it over by number) so that a new daemon can adopt a running
 * backend; a new connection replaces the old one. One message is one packet:
 * a pvperfControlHeader, then the body of its type, at most
 * PVPERF_CONTROL_MAX bytes in all. fds travel as SCM_RIGHTS, only from the
 * daemon to the backend; the daemon takes none and drops a backend that sends
 * some. Both sides check size, type and every number before they use it.
 *
 * A request carries a cookie, its answer the same one. Neither side waits for
 * the other: the backend goes on serving the areas that do not need the
 * answer, the daemon never blocks in send (a full socket is a broken backend).
 */
#pragma once

#include <stdint.h>

#include "../conf/pvperf_events.h"
#include "../conf/pvperf_policy.h"

#define PVPERF_CONTROL_VERSION 1
#define PVPERF_CONTROL_MAX 16384
#define PVPERF_CONTROL_FDS_MAX 250      /* below the kernel's SCM_MAX_FD, 253 */

typedef enum {
    /* daemon -> backend */
    PVPERF_CONTROL_SETUP = 1,   /* once; fds: window, doorbell, pidfd of QEMU, and the file of
                                 * statistics, if there is one */
    PVPERF_CONTROL_IRQS,        /* fds: eventfds of vectors first .. first + count - 1 */
    PVPERF_CONTROL_POLICY,      /* whole effective policy; the backend applies the difference */
    PVPERF_CONTROL_SESSION,     /* close all, start to serve under this nonce; 0: host down, serve nothing */
    PVPERF_CONTROL_OPENED,      /* answer to OPEN; fds: the events, in the order asked */
    PVPERF_CONTROL_QUERY,       /* asks for EVENTS */
    PVPERF_CONTROL_GET_STATS,   /* asks for STATS */
    PVPERF_CONTROL_GROUP,       /* limits shared with other VMs; fd: the page, if it is another one */

    /* backend -> daemon */
    PVPERF_CONTROL_HELLO,       /* first message on every connection */
    PVPERF_CONTROL_OPEN,        /* broker: open these events, as one group, on a vCPU's thread */
    PVPERF_CONTROL_EVENTS,
    PVPERF_CONTROL_STATS,
    PVPERF_CONTROL_REFUSED,     /* the guest was refused something; nobody answers it */
} pvperfControlType;

typedef struct _pvperfControlHeader pvperfControlHeader;
struct _pvperfControlHeader {
    uint32_t size;              /* of the whole message */
    uint16_t version;
    uint16_t type;
    uint64_t cookie;
};

typedef struct _pvperfControlSetup pvperfControlSetup;
struct _pvperfControlSetup {
    pvperfControlHeader h;
    uint64_t window_size;
    uint32_t nr_vcpus;
    uint32_t classes_available; /* what this host can count, a mask */
};

typedef struct _pvperfControlIrqs pvperfControlIrqs;
struct _pvperfControlIrqs {
    pvperfControlHeader h;
    uint32_t first;
    uint32_t count;
};

typedef struct _pvperfControlPolicy pvperfControlPolicy;
struct _pvperfControlPolicy {
    pvperfControlHeader h;
    pvperfPolicy policy;
};

/* Limits that the VMs of a group share; 0: none. */
typedef struct _pvperfGroupLimits pvperfGroupLimits;
struct _pvperfGroupLimits {
    uint32_t max;
    uint32_t total_samples_sec_max_length; /* seconds */
    uint64_t total_samples_sec;
    uint64_t total_samples_sec_max;
    uint64_t requests_sec;
};

typedef struct _pvperfControlGroup pvperfControlGroup;
struct _pvperfControlGroup {
    pvperfControlHeader h;
    uint32_t joined;            /* 0: in no group, the rest is 0 */
    uint32_t member;            /* line of the page, see pvperf_group.h */
    pvperfGroupLimits limits;
};

typedef struct _pvperfControlSession pvperfControlSession;
struct _pvperfControlSession {
    pvperfControlHeader h;
    uint64_t session;
};

/* What the broker opens for one member of a group. The daemon looks event up
 * in the table, checks a raw config against its own copy of the policy, and
 * builds the attr: nothing of it comes from the guest. */
typedef struct _pvperfControlEvent pvperfControlEvent;
struct _pvperfControlEvent {
    int32_t event;              /* pvperfEventIndex */
    uint32_t modes;             /* PVPERF_ATTR_EXCLUDE_USER | _KERNEL */
    uint64_t raw_config;        /* of the entry "raw", else 0 */
    uint64_t sample_period;     /* events, or Hz if freq; 0: counts only */
    uint32_t freq;
    uint32_t pad;
};

typedef struct _pvperfControlOpen pvperfControlOpen;
struct _pvperfControlOpen {
    pvperfControlHeader h;
    uint32_t vcpu;
    uint32_t count;             /* 1 .. PVPERF_MAX_GROUP; [0] leads */
    uint32_t ring;              /* 1: and an event that never counts, in the group's context,
                                 * into whose ring samples can be redirected */
    uint32_t pad;
    pvperfControlEvent events[PVPERF_MAX_GROUP];
};

/* OPEN is always sent whole. ret 0: as many fds as were asked for, in the order
 * of the request, the ring's last; leader and samplers disabled (other siblings
 * as the daemon likes, the backend enables them), with read_format GROUP |
 * TOTAL_TIME_ENABLED | TOTAL_TIME_RUNNING (GROUP also for one alone). Else
 * -errno as the guest is to see it, no fds, and which member failed. */
typedef struct _pvperfControlOpened pvperfControlOpened;
struct _pvperfControlOpened {
    pvperfControlHeader h;
    int32_t ret;
    uint32_t reason;            /* enum pvperf_reason */
    uint32_t failed;            /* index of the member */
    uint32_t count;             /* number of fds */
};

typedef struct _pvperfControlHello pvperfControlHello;
struct _pvperfControlHello {
    pvperfControlHeader h;
    uint64_t session;           /* 0: not set up, or host down */
    uint32_t set_up;            /* 1: has its window; SETUP is not wanted */
    uint32_t pad;
};

/* One open event on one vCPU (an event that never counted anywhere has one
 * record with the vCPU it was opened for). */
typedef struct _pvperfControlRecord pvperfControlRecord;
struct _pvperfControlRecord {
    int32_t id;
    int32_t event;              /* pvperfEventIndex */
    uint32_t vcpu;
    uint32_t state;             /* enum pvperf_slot_state */
    uint64_t raw_config;
    uint64_t count;
    uint64_t time_enabled;
    uint64_t time_running;
};

#define PVPERF_CONTROL_RECORDS_MAX 256

/* QUERY: records from the cursor on (0: from the first). Answer: count
 * records and the cursor of the next page, 0 after the last one. Running
 * events are read before they are told. */
typedef struct _pvperfControlQuery pvperfControlQuery;
struct _pvperfControlQuery {
    pvperfControlHeader h;
    uint64_t cursor;
};

typedef struct _pvperfControlEvents pvperfControlEvents;
struct _pvperfControlEvents {
    pvperfControlHeader h;
    uint64_t cursor;
    uint32_t count;
    uint32_t pad;
    pvperfControlRecord records[PVPERF_CONTROL_RECORDS_MAX]; /* count of them are sent */
};

/* Sums since the VM started; closed events are in them. */
typedef struct _pvperfControlTotal pvperfControlTotal;
struct _pvperfControlTotal {
    uint64_t opened;            /* events opened, ever */
    uint64_t count;
    uint64_t time_enabled;
    uint64_t time_running;
};

/* Sampling, since the VM started. */
typedef struct _pvperfControlSampling pvperfControlSampling;
struct _pvperfControlSampling {
    uint64_t overflows;         /* taken on the host */
    uint64_t nmis;              /* raised in the guest */
    uint64_t throttles;         /* times an event was stopped by the VM's limits ... */
    uint64_t throttled_ns;      /* ... and for how long, summed over events */
    uint64_t host_throttles;    /* times one was stopped by the host kernel's own limit */
};

/* Refusals of one reason, since the VM started: the last of them, and
 * how many a daemon has been told of, by REFUSED or STATS, before this message:
 * one that is new goes on from there. */
typedef struct _pvperfControlRefusal pvperfControlRefusal;
struct _pvperfControlRefusal {
    uint64_t told;
    uint64_t raw_config;        /* of the entry "raw", else 0 */
    uint64_t limit;             /* the limit that said no; 0 if it has no number */
    int32_t event;              /* pvperfEventIndex, or PVPERF_EVENT_NONE: not known */
    uint32_t pad;
};

/* At a reason's first refusal, and at the first one that comes a minute or more
 * after the last such message of that reason. STATS has what came in between. */
typedef struct _pvperfControlRefused pvperfControlRefused;
struct _pvperfControlRefused {
    pvperfControlHeader h;
    uint32_t reason;            /* enum pvperf_reason */
    uint32_t pad;
    uint64_t total;             /* refusals of this reason, since the VM started */
    pvperfControlRefusal last;
};

typedef struct _pvperfControlStats pvperfControlStats;
struct _pvperfControlStats {
    pvperfControlHeader h;
    uint64_t session;
    uint32_t open;              /* events open now */
    uint32_t open_peak;
    uint32_t driver_abi;        /* of the guest's PVPERF_HELLO, 0: none yet */
    uint32_t driver_version;
    uint32_t driver_features;
    uint32_t pad;
    uint64_t batches;           /* changes of `submitted` that were served */
    uint64_t kicks;             /* doorbells read */
    uint64_t sleeps;
    uint64_t ops[8];            /* frames served, by KVM_PERF_OP_*; [0] PVPERF_HELLO */
    pvperfControlSampling sampling;
    uint64_t refusals[PVPERF_NR_REASONS];
    pvperfControlRefusal last_refusals[PVPERF_NR_REASONS];
    pvperfControlTotal totals[PVPERF_EVENTS_MAX]; /* by pvperfEventIndex */
};

/* What the file of statistics holds, which the daemon makes for each QEMU and a
 * backend maps: whatever dies, the next backend goes on from these numbers. The
 * counters in it are those of STATS and always up to date but for what runs, the
 * rest as it was when STATS was last asked for. A backend may write anything
 * into it: a reader takes nothing but numbers from it. */
typedef struct _pvperfControlFile pvperfControlFile;
struct _pvperfControlFile {
    uint32_t version;           /* PVPERF_CONTROL_VERSION */
    uint32_t size;              /* of this */
    uint64_t qemu_start_time;   /* field 22 of /proc/PID/stat */
    int32_t qemu_pid;
    uint32_t pad;
    pvperfControlStats stats;
};

_Static_assert(sizeof(pvperfControlEvents) <= PVPERF_CONTROL_MAX, "EVENTS fits a packet");
_Static_assert(sizeof(pvperfControlStats) <= PVPERF_CONTROL_MAX, "STATS fits a packet");
