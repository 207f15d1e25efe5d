/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_reading.c: reads a domain through libvirt, in its thread.
 *
 * A domain may change or vanish between two of the calls; then the reading
 * fails or is out of date, and the event that tells of the change brings the
 * next one.
 */
#include "pvperf_domain_reading.h"

#include <gio/gio.h>
#include <libvirt/virterror.h>


void
pvperfReadingFree(pvperfReading *reading)
{
    if (!reading)
        return;
    g_free(reading->uuid);
    g_free(reading->name);
    pvperfDomainXMLFree(reading->live);
    pvperfDomainXMLFree(reading->config);
    g_free(reading->digest);
    g_free(reading);
}


char *
pvperfReadingDigest(const char *xml)
{
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, xml, -1);
}


static pvperfReading *
pvperfReadingFail(pvperfReading *reading,
                  const char *what,
                  GError **error)
{
    g_autofree char *uuid = g_strdup(reading->uuid);

    pvperfReadingFree(reading);
    if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN) {
        reading = g_new0(pvperfReading, 1);
        reading->uuid = g_steal_pointer(&uuid);
        reading->id = -1;
        return reading;
    }
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot read %s of domain %s: %s",
                what, uuid, virGetLastErrorMessage());
    return NULL;
}


/* One of the domain's XMLs; @digest may be NULL. */
static bool
pvperfReadingXML(virDomainPtr dom,
                 unsigned int flags,
                 pvperfDomainXML **xml,
                 char **digest)
{
    g_autoptr(GError) error = NULL;
    char *text = virDomainGetXMLDesc(dom, flags);

    if (!text)
        return false;
    *xml = pvperfDomainXMLParse(text, &error);
    if (digest)
        *digest = pvperfReadingDigest(text);
    free(text);
    if (!*xml)
        g_warning("libvirt's own XML of a domain cannot be read: %s", error->message);
    return *xml != NULL;
}


pvperfReading *
pvperfReadingNew(virDomainPtr dom,
                 GError **error)
{
    pvperfReading *reading = g_new0(pvperfReading, 1);
    char uuid[VIR_UUID_STRING_BUFLEN];
    int state;
    int flag;

    virResetLastError();
    virDomainGetUUIDString(dom, uuid);
    reading->uuid = g_strdup(uuid);
    reading->name = g_strdup(virDomainGetName(dom));
    reading->exists = true;

    if ((flag = virDomainIsPersistent(dom)) < 0)
        return pvperfReadingFail(reading, "the persistence", error);
    reading->persistent = flag;
    if (virDomainGetState(dom, &state, NULL, 0) < 0)
        return pvperfReadingFail(reading, "the state", error);
    reading->running = state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED;
    reading->active = state != VIR_DOMAIN_SHUTOFF && state != VIR_DOMAIN_NOSTATE &&
        virDomainIsActive(dom) > 0;
    reading->id = reading->active ? (int)virDomainGetID(dom) : -1;

    if (reading->active && !pvperfReadingXML(dom, 0, &reading->live, NULL))
        return pvperfReadingFail(reading, "the live XML", error);
    if (reading->persistent &&
        !pvperfReadingXML(dom, VIR_DOMAIN_XML_INACTIVE, &reading->config, &reading->digest))
        return pvperfReadingFail(reading, "the persistent XML", error);
    return reading;
}


pvperfReading *
pvperfReadingNewByUuid(virConnectPtr conn,
                       const char *uuid,
                       GError **error)
{
    virDomainPtr dom;
    pvperfReading *reading;

    virResetLastError();
    dom = virDomainLookupByUUIDString(conn, uuid);
    if (!dom) {
        reading = g_new0(pvperfReading, 1);
        reading->uuid = g_strdup(uuid);
        return pvperfReadingFail(reading, "anything", error);
    }
    reading = pvperfReadingNew(dom, error);
    virDomainFree(dom);
    return reading;
}
