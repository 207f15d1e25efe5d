/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_libvirt.c: connecting, reading, and the jobs of the libvirt thread.
 *
 * The worker thread owns `conn`; the main context owns the rest, except what
 * stands under `lock`. Events are in pvperf_libvirt_events.c.
 */
#include "pvperf_libvirt.h"

#include <string.h>

#include <gio/gio.h>
#include <libvirt/virterror.h>

#include "pvperf_libvirt_priv.h"

#define PVPERF_RETRY_FIRST_MS 500
#define PVPERF_RETRY_MAX_MS 30000
/* how long the daemon's end waits for a call that hangs */
#define PVPERF_STOP_TIMEOUT (2 * G_TIME_SPAN_SECOND)

static void pvperfLibvirtConnect(pvperfLibvirt *lv);


static void
pvperfLibvirtIgnoreError(void *opaque,
                         virErrorPtr error)
{
    /* errors are returned and reported by who called */
}


bool
pvperfLibvirtInit(GError **error)
{
    virSetErrorFunc(NULL, pvperfLibvirtIgnoreError);
    if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot use libvirt: %s",
                    virGetLastErrorMessage());
        return false;
    }
    return true;
}


/* ---- connecting ---- */

typedef struct _pvperfConnectJob pvperfConnectJob;
struct _pvperfConnectJob {
    pvperfLibvirt *lv;
    bool connected;
    char *message;              /* why not */
    GPtrArray *readings;
};


static void
pvperfConnectJobFree(gpointer opaque)
{
    pvperfConnectJob *job = opaque;

    g_clear_pointer(&job->readings, g_ptr_array_unref);
    g_free(job->message);
    g_free(job);
}


/* In the worker. */
static bool
pvperfLibvirtReadAll(pvperfLibvirt *lv,
                     pvperfConnectJob *job)
{
    virDomainPtr *doms = NULL;
    int n = virConnectListAllDomains(lv->conn, &doms, 0);
    int i;

    if (n < 0)
        return false;
    job->readings = g_ptr_array_new_with_free_func((GDestroyNotify)pvperfReadingFree);
    for (i = 0; i < n; i++) {
        g_autoptr(GError) error = NULL;
        pvperfReading *reading = pvperfReadingNew(doms[i], &error);

        if (reading)
            g_ptr_array_add(job->readings, reading);
        else
            g_warning("%s", error->message);
        virDomainFree(doms[i]);
    }
    free(doms);
    return true;
}


/* In the worker. */
static void
pvperfLibvirtDropConn(pvperfLibvirt *lv)
{
    if (!lv->conn)
        return;
    pvperfLibvirtEventsUnregister(lv);
    virConnectClose(lv->conn);
    lv->conn = NULL;
}


static void
pvperfConnectRun(gpointer opaque)
{
    pvperfConnectJob *job = opaque;
    pvperfLibvirt *lv = job->lv;

    pvperfLibvirtDropConn(lv);
    lv->conn = virConnectOpen(lv->uri);
    if (lv->conn && pvperfLibvirtEventsRegister(lv) && pvperfLibvirtReadAll(lv, job)) {
        job->connected = true;
        return;
    }
    job->message = g_strdup(virGetLastErrorMessage());
    pvperfLibvirtDropConn(lv);
}


static gboolean
pvperfLibvirtRetry(gpointer opaque)
{
    pvperfLibvirt *lv = opaque;

    lv->retry = 0;
    pvperfLibvirtConnect(lv);
    return G_SOURCE_REMOVE;
}


static void
pvperfLibvirtScheduleRetry(pvperfLibvirt *lv)
{
    if (lv->retry)
        return;
    lv->retry = g_timeout_add(lv->retry_ms, pvperfLibvirtRetry, lv);
    lv->retry_ms = MIN(lv->retry_ms * 2, PVPERF_RETRY_MAX_MS);
}


static void
pvperfConnectDone(gpointer opaque)
{
    pvperfConnectJob *job = opaque;
    pvperfLibvirt *lv = job->lv;

    lv->connecting = false;
    if (lv->lost_early)
        job->connected = false;
    if (job->connected) {
        g_message("connected to libvirt at %s, %u domains", lv->uri, job->readings->len);
        lv->connected = true;
        lv->said_unreachable = false;
        lv->retry_ms = PVPERF_RETRY_FIRST_MS;
        lv->handlers.connected(true, job->readings, lv->opaque);
    } else {
        if (!lv->said_unreachable)
            g_warning("cannot reach libvirt at %s: %s; trying until it answers",
                      lv->uri, job->message ? job->message : "the connection broke at once");
        lv->said_unreachable = true;
        pvperfLibvirtScheduleRetry(lv);
    }
    pvperfConnectJobFree(job);
}


static void
pvperfLibvirtConnect(pvperfLibvirt *lv)
{
    pvperfConnectJob *job = g_new0(pvperfConnectJob, 1);

    job->lv = lv;
    lv->connecting = true;
    lv->lost_early = false;
    pvperfWorkerPush(lv->worker, pvperfConnectRun, pvperfConnectDone,
                     pvperfConnectJobFree, job);
}


void
pvperfLibvirtLost(pvperfLibvirt *lv)
{
    lv->lost_early = lv->connecting;
    if (!lv->connected || lv->connecting)
        return;
    g_message("lost the connection to libvirt at %s", lv->uri);
    lv->connected = false;
    lv->handlers.connected(false, NULL, lv->opaque);
    pvperfLibvirtScheduleRetry(lv);
}


/* ---- reading ---- */

typedef struct _pvperfReadJob pvperfReadJob;
struct _pvperfReadJob {
    pvperfLibvirt *lv;
    char *uuid;
    pvperfReading *reading;
    bool lost;
};


static void
pvperfReadJobFree(gpointer opaque)
{
    pvperfReadJob *job = opaque;

    g_free(job->uuid);
    pvperfReadingFree(job->reading);
    g_free(job);
}


static void
pvperfReadRun(gpointer opaque)
{
    pvperfReadJob *job = opaque;
    g_autoptr(GError) error = NULL;

    /* what happens from here on needs a reading of its own */
    g_mutex_lock(&job->lv->lock);
    g_hash_table_remove(job->lv->queued, job->uuid);
    g_mutex_unlock(&job->lv->lock);

    if (!job->lv->conn)
        return;
    job->reading = pvperfReadingNewByUuid(job->lv->conn, job->uuid, &error);
    if (!job->reading) {
        g_info("%s", error->message);
        job->lost = virConnectIsAlive(job->lv->conn) <= 0;
    }
}


static void
pvperfReadDone(gpointer opaque)
{
    pvperfReadJob *job = opaque;

    if (job->lost)
        pvperfLibvirtLost(job->lv);
    else if (job->reading)
        job->lv->handlers.reading(g_steal_pointer(&job->reading), job->lv->opaque);
    pvperfReadJobFree(job);
}


void
pvperfLibvirtRead(pvperfLibvirt *lv,
                  const char *uuid)
{
    pvperfReadJob *job;
    bool fresh;

    g_mutex_lock(&lv->lock);
    fresh = g_hash_table_add(lv->queued, g_strdup(uuid));
    g_mutex_unlock(&lv->lock);
    if (!fresh)
        return;

    job = g_new0(pvperfReadJob, 1);
    job->lv = lv;
    job->uuid = g_strdup(uuid);
    pvperfWorkerPush(lv->worker, pvperfReadRun, pvperfReadDone, pvperfReadJobFree, job);
}


/* ---- life ---- */

bool
pvperfLibvirtConnected(const pvperfLibvirt *lv)
{
    return lv->connected;
}


pvperfLibvirt *
pvperfLibvirtNew(const char *uri,
                 const pvperfLibvirtHandlers *handlers,
                 gpointer opaque)
{
    pvperfLibvirt *lv = g_new0(pvperfLibvirt, 1);

    lv->uri = g_strdup(uri);
    lv->handlers = *handlers;
    lv->opaque = opaque;
    lv->retry_ms = PVPERF_RETRY_FIRST_MS;
    lv->queued = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_mutex_init(&lv->lock);
    g_cond_init(&lv->watch.cond);
    lv->worker = pvperfWorkerNew("libvirt");
    pvperfLibvirtConnect(lv);
    return lv;
}


static void
pvperfLibvirtCloseRun(gpointer opaque)
{
    pvperfLibvirtDropConn(opaque);
}


void
pvperfLibvirtFree(pvperfLibvirt *lv)
{
    if (!lv)
        return;
    if (lv->retry)
        g_source_remove(lv->retry);
    pvperfWorkerPush(lv->worker, pvperfLibvirtCloseRun, NULL, NULL, lv);
    if (!pvperfWorkerStop(lv->worker, PVPERF_STOP_TIMEOUT))
        return; /* the thread hangs in libvirt and still uses lv; the process ends anyway */
    g_hash_table_unref(lv->queued);
    g_mutex_clear(&lv->lock);
    g_cond_clear(&lv->watch.cond);
    g_free(lv->watch.uuid);
    g_free(lv->uri);
    g_free(lv);
}
