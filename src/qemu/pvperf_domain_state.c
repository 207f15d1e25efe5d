/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_state.c: the tables.
 *
 * A backend that was told to end still has the window, so a new one waits
 * (RENEW) until it is reaped: there are never two on one window.
 */
#include "pvperf_domain_state.h"

#include <glib.h>

#define CELL(action, next) { PVPERF_ACTION_##action, PVPERF_BACKEND_##next }

static const pvperfLifecycleCell lifecycle[PVPERF_NR_BACKEND_STATES][PVPERF_NR_BACKEND_EVENTS] = {
    [PVPERF_BACKEND_NONE] = {
        [PVPERF_EVENT_WANTED] = CELL(START, UP),
        [PVPERF_EVENT_UNWANTED] = CELL(NONE, NONE),
        [PVPERF_EVENT_DIED] = CELL(NONE, NONE),
        [PVPERF_EVENT_TIMER] = CELL(NONE, NONE),
        [PVPERF_EVENT_RESET] = CELL(NONE, NONE),
    },
    [PVPERF_BACKEND_UP] = {
        [PVPERF_EVENT_WANTED] = CELL(NONE, UP),
        [PVPERF_EVENT_UNWANTED] = CELL(STOP, ENDING),
        [PVPERF_EVENT_DIED] = CELL(ARM, BACKOFF),
        [PVPERF_EVENT_TIMER] = CELL(NONE, UP),
        [PVPERF_EVENT_RESET] = CELL(SESSION, UP),
    },
    [PVPERF_BACKEND_BACKOFF] = {
        [PVPERF_EVENT_WANTED] = CELL(NONE, BACKOFF),
        [PVPERF_EVENT_UNWANTED] = CELL(DISARM, NONE),
        [PVPERF_EVENT_DIED] = CELL(NONE, BACKOFF),
        [PVPERF_EVENT_TIMER] = CELL(START, UP),
        /* the next backend begins with a session of its own */
        [PVPERF_EVENT_RESET] = CELL(NONE, BACKOFF),
    },
    [PVPERF_BACKEND_ENDING] = {
        [PVPERF_EVENT_WANTED] = CELL(NONE, RENEW),
        [PVPERF_EVENT_UNWANTED] = CELL(NONE, ENDING),
        [PVPERF_EVENT_DIED] = CELL(NONE, NONE),
        [PVPERF_EVENT_TIMER] = CELL(NONE, ENDING),
        [PVPERF_EVENT_RESET] = CELL(NONE, ENDING),
    },
    [PVPERF_BACKEND_RENEW] = {
        [PVPERF_EVENT_WANTED] = CELL(NONE, RENEW),
        [PVPERF_EVENT_UNWANTED] = CELL(NONE, ENDING),
        [PVPERF_EVENT_DIED] = CELL(START, UP),
        [PVPERF_EVENT_TIMER] = CELL(NONE, RENEW),
        [PVPERF_EVENT_RESET] = CELL(NONE, RENEW),
    },
};

#define PVPERF_BACKOFF_SECOND_MS 250U
#define PVPERF_BACKOFF_MAX_MS 30000U


const pvperfLifecycleCell *
pvperfLifecycle(pvperfBackendState state,
                pvperfBackendEvent event)
{
    return &lifecycle[state][event];
}


const char *
pvperfBackendStateName(pvperfBackendState state)
{
#define PVPERF_STATE_NAME(constant, name) [constant] = name,
    static const char *const names[] = { PVPERF_BACKEND_STATES(PVPERF_STATE_NAME) };
#undef PVPERF_STATE_NAME

    return names[state];
}


unsigned int
pvperfBackendBackoff(unsigned int failures)
{
    if (failures <= 1)
        return 0;
    if (failures > 9)
        return PVPERF_BACKOFF_MAX_MS;
    return MIN(PVPERF_BACKOFF_SECOND_MS << (failures - 2), PVPERF_BACKOFF_MAX_MS);
}


/* Neither the XML that counts nor the persistent one has a device. */
static pvperfDomainState
pvperfDomainStateNoDevice(const pvperfDomainFacts *facts,
                          const char **reason)
{
    *reason = pvperfDeviceVerdictText(facts->verdict);
    switch (facts->verdict) {
    case PVPERF_DEVICE_GIVE:
        return facts->active ? PVPERF_DOMAIN_PENDING_RESTART : PVPERF_DOMAIN_ON;
    case PVPERF_DEVICE_WAIT_KEEPER:
        return PVPERF_DOMAIN_UNAVAILABLE;
    default:
        return PVPERF_DOMAIN_UNMANAGED;
    }
}


static pvperfDomainState
pvperfDomainStateServed(const pvperfDomainFacts *facts,
                        const char **reason)
{
    *reason = "";
    if (facts->off)
        return PVPERF_DOMAIN_OFF;
    if (!facts->peer) {
        *reason = facts->keeper && !facts->running ?
            "QEMU has not connected to pvperf-ivshmem yet" : facts->keeper ?
            "pvperf-ivshmem does not know QEMU's connection: the device works again from the next cold start" :
            "pvperf-ivshmem is not running";
        return PVPERF_DOMAIN_UNAVAILABLE;
    }
    if (!facts->countable) {
        *reason = "the host can count nothing: 'virsh-pvperf capabilities' says why";
        return PVPERF_DOMAIN_UNAVAILABLE;
    }
    switch (facts->backend) {
    case PVPERF_BACKEND_UP:
        if (facts->ready) {
            if (facts->short_device)
                *reason = "the device has fewer vectors than the domain may have vCPUs: "
                          "those beyond do not count until the next cold start";
            return PVPERF_DOMAIN_ON;
        }
        *reason = "its backend is being started";
        return PVPERF_DOMAIN_UNAVAILABLE;
    case PVPERF_BACKEND_BACKOFF:
        *reason = NULL;
        return PVPERF_DOMAIN_UNAVAILABLE;
    case PVPERF_BACKEND_NONE:
        if (facts->running) {
            *reason = "its backend is being started";
            return PVPERF_DOMAIN_UNAVAILABLE;
        }
        *reason = "the domain is paused and is served from when it runs";
        return PVPERF_DOMAIN_ON;
    case PVPERF_BACKEND_ENDING:
    case PVPERF_BACKEND_RENEW:
        *reason = "its backend is being replaced";
        return PVPERF_DOMAIN_UNAVAILABLE;
    case PVPERF_NR_BACKEND_STATES:
        break;
    }
    g_return_val_if_reached(PVPERF_DOMAIN_UNAVAILABLE);
}


static pvperfDomainState
pvperfDomainStateShutOff(const pvperfDomainFacts *facts,
                         const char **reason)
{
    if (facts->config_devices == 0 && !facts->off)
        return pvperfDomainStateNoDevice(facts, reason);
    *reason = "";
    if (facts->off)
        return PVPERF_DOMAIN_OFF;
    if (!facts->keeper) {
        *reason = "pvperf-ivshmem is not running: a domain with the device does not start without it";
        return PVPERF_DOMAIN_UNAVAILABLE;
    }
    return PVPERF_DOMAIN_ON;
}


pvperfDomainState
pvperfDomainStateDecide(const pvperfDomainFacts *facts,
                        const char **reason)
{
    if (facts->invalid) {
        *reason = NULL;
        return PVPERF_DOMAIN_INVALID;
    }
    if (facts->live_devices > 1 || facts->config_devices > 1) {
        *reason = pvperfDeviceVerdictText(PVPERF_DEVICE_TOO_MANY);
        return PVPERF_DOMAIN_INVALID;
    }
    if (!facts->active)
        return pvperfDomainStateShutOff(facts, reason);
    if (facts->live_devices == 0) {
        if (facts->config_devices == 0)
            return pvperfDomainStateNoDevice(facts, reason);
        *reason = "shut the domain down and start it again; a reboot inside the guest is not enough";
        return PVPERF_DOMAIN_PENDING_RESTART;
    }
    if (!facts->live_element) {
        *reason = "only the persistent XML has the element; it takes effect at the next start";
        return PVPERF_DOMAIN_PENDING_RESTART;
    }
    return pvperfDomainStateServed(facts, reason);
}
