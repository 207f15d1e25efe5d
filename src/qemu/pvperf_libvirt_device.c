/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_libvirt_device.c: pvperfDeviceApply() on a real libvirt: the job and
 * the operations it needs, in the worker.
 */
#include "pvperf_libvirt_priv.h"

#include <gio/gio.h>
#include <libvirt/virterror.h>

#include "../util/pvperf_emulator.h"

/* libvirt tells of a define right after it answers */
#define PVPERF_DEFINE_EVENT_TIMEOUT (2 * G_TIME_SPAN_SECOND)

typedef struct _pvperfDeviceJob pvperfDeviceJob;
struct _pvperfDeviceJob {
    pvperfLibvirt *lv;
    char *uuid;
    char *socket;
    pvperfDeviceFacts facts;
    pvperfDeviceVerdict verdict;
    pvperfDeviceOutcome outcome;
    GError *error;
    virDomainPtr dom;
};


static void
pvperfDeviceJobFree(gpointer opaque)
{
    pvperfDeviceJob *job = opaque;

    g_clear_error(&job->error);
    g_free(job->uuid);
    g_free(job->socket);
    g_free(job);
}


static bool
pvperfDeviceJobFail(GError **error)
{
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "libvirt: %s", virGetLastErrorMessage());
    return false;
}


static char *
pvperfDeviceJobGet(gpointer ctx,
                   GError **error)
{
    pvperfDeviceJob *job = ctx;
    char *text = virDomainGetXMLDesc(job->dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
    char *copy;

    if (!text) {
        pvperfDeviceJobFail(error);
        return NULL;
    }
    copy = g_strdup(text);
    free(text);
    return copy;
}


static bool
pvperfDeviceJobDefine(gpointer ctx,
                      const char *xml,
                      GError **error)
{
    pvperfDeviceJob *job = ctx;
    virDomainPtr dom = virDomainDefineXMLFlags(job->lv->conn, xml, 0);

    if (!dom)
        return pvperfDeviceJobFail(error);
    virDomainFree(dom);
    return true;
}


static bool
pvperfDeviceJobUndefine(gpointer ctx,
                        GError **error)
{
    pvperfDeviceJob *job = ctx;

    if (virDomainUndefineFlags(job->dom, VIR_DOMAIN_UNDEFINE_KEEP_NVRAM) < 0 &&
        virDomainUndefine(job->dom) < 0)
        return pvperfDeviceJobFail(error);
    return true;
}


static void
pvperfDeviceJobWatch(gpointer ctx)
{
    pvperfDeviceJob *job = ctx;
    pvperfLibvirtWatch *watch = &job->lv->watch;

    g_mutex_lock(&job->lv->lock);
    g_free(watch->uuid);
    watch->uuid = g_strdup(job->uuid);
    watch->updated = watch->added = watch->undefined = 0;
    g_mutex_unlock(&job->lv->lock);
}


static void
pvperfDeviceJobCollect(gpointer ctx,
                       unsigned int *updated,
                       unsigned int *added,
                       unsigned int *undefined)
{
    pvperfDeviceJob *job = ctx;
    pvperfLibvirtWatch *watch = &job->lv->watch;
    gint64 deadline = g_get_monotonic_time() + PVPERF_DEFINE_EVENT_TIMEOUT;

    g_mutex_lock(&job->lv->lock);
    while (watch->updated + watch->added == 0 &&
           g_cond_wait_until(&watch->cond, &job->lv->lock, deadline))
        ;
    *updated = watch->updated;
    *added = watch->added;
    *undefined = watch->undefined;
    g_mutex_unlock(&job->lv->lock);
}


static const pvperfDeviceOps libvirtOps = {
    .get = pvperfDeviceJobGet,
    .define = pvperfDeviceJobDefine,
    .undefine = pvperfDeviceJobUndefine,
    .watch = pvperfDeviceJobWatch,
    .collect = pvperfDeviceJobCollect,
};


/* False if the domain's QEMU lacks the device, and would not start with it. One
 * that does not say is given the benefit of the doubt. */
static bool
pvperfDeviceJobEmulator(pvperfDeviceJob *job,
                        GError **error)
{
    g_autofree char *text = pvperfDeviceJobGet(job, error);
    g_autofree char *why = NULL;
    g_autofree char *sentence = NULL;
    g_autoptr(pvperfDomainXML) xml = text ? pvperfDomainXMLParse(text, error) : NULL;

    if (!xml)
        return false;
    if (!xml->emulator)
        return true;
    switch (pvperfEmulatorHasIvshmem(xml->emulator, &why)) {
    case PVPERF_TRISTATE_YES:
        return true;
    case PVPERF_TRISTATE_ABSENT:
        g_message("it is not known whether QEMU has the device ivshmem-doorbell: %s", why);
        return true;
    case PVPERF_TRISTATE_NO:
        break;
    }
    sentence = pvperfEmulatorExplain(xml->emulator);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, sentence);
    return false;
}


static void
pvperfDeviceJobRun(gpointer opaque)
{
    pvperfDeviceJob *job = opaque;
    pvperfLibvirt *lv = job->lv;

    job->outcome = PVPERF_DEVICE_FAILED;
    job->dom = lv->conn ? virDomainLookupByUUIDString(lv->conn, job->uuid) : NULL;
    if (!job->dom) {
        /* gone, or the connection is: nothing was tried */
        job->outcome = PVPERF_DEVICE_CHANGED;
        g_set_error(&job->error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "libvirt does not know it now");
        return;
    }
    if (job->verdict != PVPERF_DEVICE_GIVE || pvperfDeviceJobEmulator(job, &job->error))
        job->outcome = pvperfDeviceApply(&libvirtOps, job, &job->facts, job->verdict,
                                         job->socket, &job->error);
    virDomainFree(job->dom);
    job->dom = NULL;

    g_mutex_lock(&lv->lock);
    g_clear_pointer(&lv->watch.uuid, g_free);
    g_mutex_unlock(&lv->lock);
}


static void
pvperfDeviceJobDone(gpointer opaque)
{
    pvperfDeviceJob *job = opaque;

    job->lv->handlers.device(job->uuid, job->verdict, job->outcome, job->error, job->lv->opaque);
    pvperfDeviceJobFree(job);
}


void
pvperfLibvirtDevice(pvperfLibvirt *lv,
                    const char *uuid,
                    const pvperfDeviceFacts *facts,
                    pvperfDeviceVerdict verdict,
                    const char *socket)
{
    pvperfDeviceJob *job = g_new0(pvperfDeviceJob, 1);

    job->lv = lv;
    job->uuid = g_strdup(uuid);
    job->socket = g_strdup(socket);
    job->facts = *facts;
    job->verdict = verdict;
    pvperfWorkerPush(lv->worker, pvperfDeviceJobRun, pvperfDeviceJobDone,
                     pvperfDeviceJobFree, job);
}
