/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_libvirt.h: the connection to libvirtd (or virtqemud).
 *
 * Owned by the driver. Every call into libvirt runs in the one worker thread;
 * libvirt's events arrive on the main context and only say which domain to
 * read. A connection that breaks is made again, with back-off, for ever; then
 * everything is read anew. No keepalive: a local socket tells at once when
 * libvirtd ends, and an idle host shall have no timers.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "pvperf_device.h"
#include "pvperf_domain_reading.h"

typedef struct _pvperfLibvirt pvperfLibvirt;

/* Called in the main context. */
typedef struct _pvperfLibvirtHandlers pvperfLibvirtHandlers;
struct _pvperfLibvirtHandlers {
    /* connected or not; with @readings (of pvperfReading) of every domain */
    void (*connected)(bool up,
                      GPtrArray *readings,
                      gpointer opaque);
    /* one domain was read */
    void (*reading)(pvperfReading *reading,
                    gpointer opaque);
    /* the guest starts anew, or its memory was replaced: old sessions are void */
    void (*reset)(const char *uuid,
                  const char *why,
                  gpointer opaque);
    /* pvperfLibvirtDevice() was done; @error unless DONE */
    void (*device)(const char *uuid,
                   pvperfDeviceVerdict verdict,
                   pvperfDeviceOutcome outcome,
                   const GError *error,
                   gpointer opaque);
};

/* Once per process, before anything else of libvirt. */
bool pvperfLibvirtInit(GError **error);

pvperfLibvirt *pvperfLibvirtNew(const char *uri,
                                const pvperfLibvirtHandlers *handlers,
                                gpointer opaque);
void pvperfLibvirtFree(pvperfLibvirt *lv);

bool pvperfLibvirtConnected(const pvperfLibvirt *lv);

/* Read a domain again. */
void pvperfLibvirtRead(pvperfLibvirt *lv,
                       const char *uuid);

/* Give or take the device (pvperfDeviceApply). */
void pvperfLibvirtDevice(pvperfLibvirt *lv,
                         const char *uuid,
                         const pvperfDeviceFacts *facts,
                         pvperfDeviceVerdict verdict,
                         const char *socket);
