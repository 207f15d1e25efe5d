/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_state.h: the two decisions about a domain, as data.
 *
 * pvperfLifecycle: when its backend is started, given a new session, stopped.
 * pvperfDomainStateDecide: what people see in `virsh-pvperf list`, and why.
 * Both are pure; the domain object carries out what they say.
 */
#pragma once

#include <stdbool.h>

#include "../conf/pvperf_states.h"
#include "pvperf_device.h"

/* X(constant, name). */
#define PVPERF_BACKEND_STATES(X) \
    X(PVPERF_BACKEND_NONE, "none") \
    X(PVPERF_BACKEND_UP, "up") \
    X(PVPERF_BACKEND_BACKOFF, "back-off") \
    X(PVPERF_BACKEND_ENDING, "ending") \
    X(PVPERF_BACKEND_RENEW, "renew")

/* Events: a backend is wanted (libvirt says running, the keeper has the
 * connection, the live element is valid) or not any more; it died (also: did
 * not start, broke the protocol); the back-off is over; the guest starts anew. */
#define PVPERF_BACKEND_EVENTS(X) \
    X(PVPERF_EVENT_WANTED, "wanted") \
    X(PVPERF_EVENT_UNWANTED, "unwanted") \
    X(PVPERF_EVENT_DIED, "died") \
    X(PVPERF_EVENT_TIMER, "timer") \
    X(PVPERF_EVENT_RESET, "reset")

#define PVPERF_BACKEND_ACTIONS(X) \
    X(PVPERF_ACTION_NONE, "-") \
    X(PVPERF_ACTION_START, "start") \
    X(PVPERF_ACTION_STOP, "stop") \
    X(PVPERF_ACTION_ARM, "arm the timer") \
    X(PVPERF_ACTION_DISARM, "disarm the timer") \
    X(PVPERF_ACTION_SESSION, "new session")

#define PVPERF_STATE_ENUM(constant, name) constant,
typedef enum { PVPERF_BACKEND_STATES(PVPERF_STATE_ENUM) PVPERF_NR_BACKEND_STATES } pvperfBackendState;
typedef enum { PVPERF_BACKEND_EVENTS(PVPERF_STATE_ENUM) PVPERF_NR_BACKEND_EVENTS } pvperfBackendEvent;
typedef enum { PVPERF_BACKEND_ACTIONS(PVPERF_STATE_ENUM) PVPERF_NR_BACKEND_ACTIONS } pvperfBackendAction;
#undef PVPERF_STATE_ENUM

typedef struct _pvperfLifecycleCell pvperfLifecycleCell;
struct _pvperfLifecycleCell {
    pvperfBackendAction action;
    pvperfBackendState next;
};

const pvperfLifecycleCell *pvperfLifecycle(pvperfBackendState state,
                                           pvperfBackendEvent event);

const char *pvperfBackendStateName(pvperfBackendState state);

/* Milliseconds until the next attempt, after @failures in a row. */
unsigned int pvperfBackendBackoff(unsigned int failures);

/* ---- what people see ---- */

typedef struct _pvperfDomainFacts pvperfDomainFacts;
struct _pvperfDomainFacts {
    bool active;
    bool running;
    bool persistent;
    bool invalid;               /* the element that counts is wrong */
    bool live_element;
    bool off;                   /* state='off' */
    unsigned int live_devices;
    unsigned int config_devices;
    bool short_device;          /* the live device has fewer vectors than there may be vCPUs */
    bool keeper;
    bool peer;
    pvperfBackendState backend;
    bool countable;             /* the host can count something */
    bool ready;                 /* the backend is set up */
    pvperfDeviceVerdict verdict;
};

/* The state; *@reason is a sentence, "" if there is nothing to say, NULL if
 * the caller knows better (why the element is invalid, how the backend ended). */
pvperfDomainState pvperfDomainStateDecide(const pvperfDomainFacts *facts,
                                          const char **reason);
