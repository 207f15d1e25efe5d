/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_backend.c: carries out what the lifecycle table says.
 *
 * The state is set before its action runs, because an action may bring the
 * next event at once (a backend that cannot be started has died).
 */
#include "pvperf_domain_priv.h"

#include <string.h>

#include "pvperf_identity.h"
#include "pvperf_sandbox.h"
#include "pvperf_stats_file.h"

/* A failure is forgiven for each of these that the next backend served: one that
 * fails now and then is replaced at once, one that cannot serve ever more rarely. */
#define PVPERF_FORGIVE_TIME (2 * G_TIME_SPAN_SECOND)

static void pvperfDomainEvent(pvperfDomain *dom,
                              pvperfBackendEvent event);


static gboolean
pvperfDomainBackoffOver(gpointer opaque)
{
    pvperfDomain *dom = opaque;

    dom->timer = 0;
    pvperfDomainEvent(dom, PVPERF_EVENT_TIMER);
    pvperfDomainUpdate(dom);
    return G_SOURCE_REMOVE;
}


static void
pvperfDomainArm(pvperfDomain *dom)
{
    gint64 served = (g_get_monotonic_time() - dom->started) / PVPERF_FORGIVE_TIME;
    unsigned int ms;

    dom->failures -= MIN(served, dom->failures);
    ms = pvperfBackendBackoff(++dom->failures);
    if (ms)
        g_warning("domain %s: its backend %s; it is started again in %u ms",
                  pvperfDomainName(dom), dom->backend_error, ms);
    else
        g_warning("domain %s: its backend %s; it is started again at once",
                  pvperfDomainName(dom), dom->backend_error);
    dom->timer = g_timeout_add(ms, pvperfDomainBackoffOver, dom);
}


static void G_GNUC_PRINTF(2, 3)
pvperfDomainBackendError(pvperfDomain *dom,
                         const char *format,
                         ...)
{
    va_list args;

    va_start(args, format);
    g_free(dom->backend_error);
    dom->backend_error = g_strdup_vprintf(format, args);
    va_end(args);
}


/* ---- the backend's own news ---- */

static void
pvperfDomainOnReady(gpointer opaque)
{
    pvperfDomain *dom = opaque;

    g_info("domain %s: its backend serves", pvperfDomainName(dom));
    /* one that was running already may have refused things when nobody was told */
    pvperfDomainAuditAsk(dom);
    pvperfDomainUpdate(dom);
}


static void
pvperfDomainOnBroken(const char *why,
                     bool hostile,
                     gpointer opaque)
{
    pvperfDomain *dom = opaque;

    pvperfDomainBackendError(dom, "%s", why);
    if (hostile)
        g_warning("domain %s: its backend %s and is killed", pvperfDomainName(dom), why);
    g_clear_pointer(&dom->client, pvperfBackendClientFree);
    /* one that hung up is just ending, as a rule */
    if (hostile)
        pvperfProcessKill(dom->process);
    else
        pvperfProcessStop(dom->process);
    pvperfDomainUpdate(dom);
}


static void
pvperfDomainOnEnded(pvperfProcess *process,
                    const char *how,
                    gpointer opaque)
{
    pvperfDomain *dom = opaque;

    g_info("domain %s: its backend %s", pvperfDomainName(dom), how);
    pvperfDomainBackendError(dom, "%s", how);
    g_clear_pointer(&dom->client, pvperfBackendClientFree);
    g_clear_pointer(&dom->process, pvperfProcessFree);
    pvperfDomainPolicyDrop(dom);
    pvperfDomainGroupLeave(dom, true);
    pvperfDomainUnplace(dom);
    /* with its QEMU: nothing failed, and the keeper is about to tell */
    if (dom->backend == PVPERF_BACKEND_UP && dom->peer &&
        !pvperfIdentityAlive(dom->peer->pidfd))
        pvperfDomainEvent(dom, PVPERF_EVENT_UNWANTED);
    pvperfDomainEvent(dom, PVPERF_EVENT_DIED);
    pvperfDomainUpdate(dom);
}


static const pvperfBackendHandlers backendHandlers = {
    .ready = pvperfDomainOnReady,
    .broken = pvperfDomainOnBroken,
    .refused = pvperfDomainOnRefused,
    .stats = pvperfDomainOnStats,
};


/* ---- actions ---- */

static pvperfProcessOwner
pvperfDomainOwner(const pvperfDomain *dom)
{
    return (pvperfProcessOwner) { dom->peer->pid, dom->peer->start_time };
}


bool
pvperfDomainStoredStats(const pvperfDomain *dom,
                        pvperfControlStats *stats)
{
    pvperfProcessOwner owner;

    if (!dom->peer)
        return false;
    owner = pvperfDomainOwner(dom);
    return pvperfStatsFileRead(dom->host->config->backend_dir, dom->uuid, &owner, stats);
}


static bool
pvperfDomainConnect(pvperfDomain *dom)
{
    const pvperfProcessOwner owner = pvperfDomainOwner(dom);
    g_autoptr(GError) error = NULL;
    int stats_fd = pvperfStatsFileOpen(dom->host->config->backend_dir, dom->uuid, &owner, &error);

    if (stats_fd < 0) {
        g_warning("domain %s: its totals end with its backend: %s", pvperfDomainName(dom), error->message);
        g_clear_error(&error);
    }
    pvperfAuditBegin(dom->audit);
    dom->client = pvperfBackendClientNew(pvperfProcessSocket(dom->process), dom->peer, stats_fd,
                                         &dom->effective.policy, dom->host->classes_available,
                                         &backendHandlers, dom, &error);
    if (!dom->client)
        pvperfDomainBackendError(dom, "cannot be used: %s", error->message);
    return dom->client != NULL;
}


/* The process that is going to be counted has to be the one that got the window. */
static bool
pvperfDomainIsGenuine(pvperfDomain *dom)
{
    if (pvperfIdentityHolds("/proc", dom->peer->pid, dom->peer->window))
        return true;
    pvperfDomainBackendError(dom, "cannot be started: its QEMU, process %d, does not have the window open",
                             dom->peer->pid);
    return false;
}


static void
pvperfDomainStart(pvperfDomain *dom)
{
    const pvperfConfig *config = dom->host->config;
    const pvperfProcessOwner owner = pvperfDomainOwner(dom);
    pvperfProcessOptions options;
    g_autoptr(GError) error = NULL;

    dom->started = g_get_monotonic_time();
    if (!pvperfDomainIsGenuine(dom)) {
        pvperfDomainEvent(dom, PVPERF_EVENT_DIED);
        return;
    }
    pvperfSandboxOptions(dom->host->host_config, config->backend, dom->peer->vectors, &options);
    dom->process = pvperfProcessNew(config->backend_dir, dom->uuid, &owner,
                                    pvperfDomainOnEnded, dom);
    if (pvperfProcessAdopt(dom->process)) {
        g_message("domain %s: its backend is running already and is kept", pvperfDomainName(dom));
    } else if (!pvperfProcessStart(dom->process, &options, &error)) {
        pvperfDomainBackendError(dom, "cannot be started: %s", error->message);
        g_clear_pointer(&dom->process, pvperfProcessFree);
        pvperfDomainEvent(dom, PVPERF_EVENT_DIED);
        return;
    }
    pvperfDomainPlace(dom);
    if (!pvperfDomainConnect(dom))
        pvperfProcessKill(dom->process);
}


static void
pvperfDomainStop(pvperfDomain *dom)
{
    if (dom->client)
        pvperfBackendClientHostDown(dom->client);
    g_clear_pointer(&dom->client, pvperfBackendClientFree);
    dom->failures = 0;
    pvperfDomainLiftQuota(dom);
    if (dom->process)
        pvperfProcessStop(dom->process);
}


static void
pvperfDomainEvent(pvperfDomain *dom,
                  pvperfBackendEvent event)
{
    const pvperfLifecycleCell *cell = pvperfLifecycle(dom->backend, event);
    bool settled = dom->backend != PVPERF_BACKEND_NONE && cell->next == PVPERF_BACKEND_NONE;

    if (cell->next != dom->backend)
        g_info("domain %s: backend %s -> %s", pvperfDomainName(dom),
               pvperfBackendStateName(dom->backend), pvperfBackendStateName(cell->next));
    dom->backend = cell->next;
    switch (cell->action) {
    case PVPERF_ACTION_START:
        pvperfDomainStart(dom);
        break;
    case PVPERF_ACTION_STOP:
        pvperfDomainStop(dom);
        break;
    case PVPERF_ACTION_ARM:
        pvperfDomainArm(dom);
        break;
    case PVPERF_ACTION_DISARM:
        g_clear_handle_id(&dom->timer, g_source_remove);
        dom->failures = 0;
        break;
    case PVPERF_ACTION_SESSION:
        if (dom->client)
            pvperfBackendClientNewSession(dom->client);
        break;
    case PVPERF_ACTION_NONE:
    case PVPERF_NR_BACKEND_ACTIONS:
        break;
    }
    if (settled)
        dom->host->settled(dom, dom->host->opaque);
}


/* ---- what the domain says ---- */

static bool
pvperfDomainWantsBackend(const pvperfDomain *dom)
{
    const pvperfReading *reading = dom->reading;

    if (!reading || !reading->active || !dom->peer || !dom->in_force ||
        reading->live->place == PVPERF_PLACE_NONE || reading->live->device.count != 1)
        return false;
    /* a domain that is being restored or came by migration is paused until its
     * window has its contents; one that was paused later keeps its backend */
    return reading->running || dom->backend == PVPERF_BACKEND_UP ||
        dom->backend == PVPERF_BACKEND_BACKOFF || dom->backend == PVPERF_BACKEND_RENEW;
}


void
pvperfDomainUpdateBackend(pvperfDomain *dom)
{
    bool wanted = pvperfDomainWantsBackend(dom);

    if (wanted && dom->client)
        pvperfDomainPolicySend(dom);
    if (wanted)
        pvperfDomainUpdatePlace(dom);
    pvperfDomainEvent(dom, wanted ? PVPERF_EVENT_WANTED : PVPERF_EVENT_UNWANTED);
    if (wanted && dom->client)
        pvperfDomainUpdateGroup(dom);
    if (wanted && dom->process)
        pvperfDomainPolicyKeep(dom);
}


void
pvperfDomainReset(pvperfDomain *dom,
                  const char *why)
{
    if (dom->backend == PVPERF_BACKEND_UP)
        g_message("domain %s: %s: new session", pvperfDomainName(dom), why);
    pvperfDomainEvent(dom, PVPERF_EVENT_RESET);
}
