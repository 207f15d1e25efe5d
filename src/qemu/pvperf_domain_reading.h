/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_reading.h: what libvirt says about one domain at one time.
 *
 * Made in the libvirt thread, handed to the main context, which only reads
 * it. Live and persistent XML are always read both: no event says which of
 * them changed.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>
#include <libvirt/libvirt.h>

#include "../conf/pvperf_domain_xml.h"

typedef struct _pvperfReading pvperfReading;
struct _pvperfReading {
    char *uuid;
    char *name;                 /* NULL if the domain does not exist any more */
    int id;                     /* -1: shut off */
    bool exists;
    bool active;
    bool running;               /* active and its vCPUs run (not paused) */
    bool persistent;
    pvperfDomainXML *live;      /* if active */
    pvperfDomainXML *config;    /* if persistent */
    char *digest;               /* of the persistent XML's text */
};

void pvperfReadingFree(pvperfReading *reading);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pvperfReading, pvperfReadingFree)

/* What the daemon knows a persistent XML by. */
char *pvperfReadingDigest(const char *xml);

/* Read one domain. NULL with @error if libvirt did not answer; a domain that
 * does not exist (any more) is no error. */
pvperfReading *pvperfReadingNew(virDomainPtr dom,
                                GError **error);
pvperfReading *pvperfReadingNewByUuid(virConnectPtr conn,
                                      const char *uuid,
                                      GError **error);
