/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_libvirt_events.c: what libvirt tells, on the main context.
 *
 * A callback never calls libvirt back. It asks for a reading, says when a
 * guest starts anew, and counts the defines of a domain that is just being
 * written.
 */
#include "pvperf_libvirt_priv.h"

#include <string.h>

#include <libvirt/virterror.h>


static void
pvperfLibvirtRefresh(pvperfLibvirt *lv,
                     virDomainPtr dom)
{
    char uuid[VIR_UUID_STRING_BUFLEN];

    virDomainGetUUIDString(dom, uuid);
    pvperfLibvirtRead(lv, uuid);
}


static void
pvperfLibvirtReset(pvperfLibvirt *lv,
                   virDomainPtr dom,
                   const char *why)
{
    char uuid[VIR_UUID_STRING_BUFLEN];

    virDomainGetUUIDString(dom, uuid);
    lv->handlers.reset(uuid, why, lv->opaque);
}


/* Why this event voids the guest's session, or NULL. A session also begins
 * with each backend, so STARTED needs nothing here. */
static const char *
pvperfLibvirtResetReason(int event,
                         int detail)
{
    if (event == VIR_DOMAIN_EVENT_CRASHED)
        return "the guest crashed";
    if (event == VIR_DOMAIN_EVENT_RESUMED && detail == VIR_DOMAIN_EVENT_RESUMED_MIGRATED)
        return "the domain was migrated or restored";
    if ((event == VIR_DOMAIN_EVENT_RESUMED && detail == VIR_DOMAIN_EVENT_RESUMED_FROM_SNAPSHOT) ||
        (event == VIR_DOMAIN_EVENT_STARTED && detail == VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT) ||
        (event == VIR_DOMAIN_EVENT_SUSPENDED && detail == VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT))
        return "the domain was reverted to a snapshot";
    return NULL;
}


static void
pvperfLibvirtCount(pvperfLibvirt *lv,
                   virDomainPtr dom,
                   int event,
                   int detail)
{
    char uuid[VIR_UUID_STRING_BUFLEN];

    virDomainGetUUIDString(dom, uuid);
    g_mutex_lock(&lv->lock);
    if (g_strcmp0(lv->watch.uuid, uuid) == 0) {
        if (event == VIR_DOMAIN_EVENT_UNDEFINED)
            lv->watch.undefined++;
        else if (detail == VIR_DOMAIN_EVENT_DEFINED_ADDED)
            lv->watch.added++;
        else
            lv->watch.updated++;
        g_cond_signal(&lv->watch.cond);
    }
    g_mutex_unlock(&lv->lock);
}


static int
pvperfLibvirtOnLifecycle(virConnectPtr conn,
                         virDomainPtr dom,
                         int event,
                         int detail,
                         void *opaque)
{
    pvperfLibvirt *lv = opaque;
    const char *why = pvperfLibvirtResetReason(event, detail);

    g_info("libvirt: domain %s: lifecycle event %d, detail %d",
           virDomainGetName(dom), event, detail);
    if (event == VIR_DOMAIN_EVENT_DEFINED || event == VIR_DOMAIN_EVENT_UNDEFINED)
        pvperfLibvirtCount(lv, dom, event, detail);
    if (why)
        pvperfLibvirtReset(lv, dom, why);
    pvperfLibvirtRefresh(lv, dom);
    return 0;
}


static void
pvperfLibvirtOnReboot(virConnectPtr conn,
                      virDomainPtr dom,
                      void *opaque)
{
    pvperfLibvirtReset(opaque, dom, "the guest was reset");
}


static void
pvperfLibvirtOnMetadata(virConnectPtr conn,
                        virDomainPtr dom,
                        int type,
                        const char *nsuri,
                        void *opaque)
{
    if (type == VIR_DOMAIN_METADATA_ELEMENT && g_strcmp0(nsuri, PVPERF_XMLNS) == 0)
        pvperfLibvirtRefresh(opaque, dom);
}


static void
pvperfLibvirtOnDevice(virConnectPtr conn,
                      virDomainPtr dom,
                      const char *alias,
                      void *opaque)
{
    if (g_strcmp0(alias, PVPERF_DEVICE_ALIAS) == 0)
        pvperfLibvirtRefresh(opaque, dom);
}


/* emulatorpin, vcpupin or a quota of the VM's: where its backend may run, and
 * how much, is looked at together with a reading. */
static void
pvperfLibvirtOnTunable(virConnectPtr conn,
                       virDomainPtr dom,
                       virTypedParameterPtr params,
                       int nparams,
                       void *opaque)
{
    pvperfLibvirtRefresh(opaque, dom);
}


static void
pvperfLibvirtOnClose(virConnectPtr conn,
                     int reason,
                     void *opaque)
{
    pvperfLibvirtLost(opaque);
}


static const struct {
    int id;
    virConnectDomainEventGenericCallback func;
    bool required;
} libvirtEvents[PVPERF_LIBVIRT_EVENTS] = {
    { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(pvperfLibvirtOnLifecycle), true },
    { VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(pvperfLibvirtOnReboot), false },
    { VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(pvperfLibvirtOnMetadata), false },
    { VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(pvperfLibvirtOnDevice), false },
    { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(pvperfLibvirtOnDevice), false },
    { VIR_DOMAIN_EVENT_ID_TUNABLE, VIR_DOMAIN_EVENT_CALLBACK(pvperfLibvirtOnTunable), false },
};


bool
pvperfLibvirtEventsRegister(pvperfLibvirt *lv)
{
    size_t i;

    lv->close_callback = virConnectRegisterCloseCallback(lv->conn, pvperfLibvirtOnClose, lv, NULL) == 0;
    for (i = 0; i < G_N_ELEMENTS(libvirtEvents); i++) {
        lv->callbacks[i] = virConnectDomainEventRegisterAny(lv->conn, NULL, libvirtEvents[i].id,
                                                            libvirtEvents[i].func, lv, NULL);
        if (lv->callbacks[i] < 0 && libvirtEvents[i].required)
            return false;
    }
    return true;
}


void
pvperfLibvirtEventsUnregister(pvperfLibvirt *lv)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(libvirtEvents); i++) {
        if (lv->callbacks[i] >= 0)
            virConnectDomainEventDeregisterAny(lv->conn, lv->callbacks[i]);
        lv->callbacks[i] = -1;
    }
    if (lv->close_callback)
        virConnectUnregisterCloseCallback(lv->conn, pvperfLibvirtOnClose);
    lv->close_callback = false;
}
