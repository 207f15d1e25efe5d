/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_libvirt_priv.h: the connection's insides, shared by
 * pvperf_libvirt.c (connecting, reading), pvperf_libvirt_events.c (what
 * libvirt tells) and pvperf_libvirt_device.c (the write). Nobody else
 * includes it.
 */
#pragma once

#include "pvperf_libvirt.h"
#include "pvperf_worker.h"

#define PVPERF_LIBVIRT_EVENTS 6

/* Lifecycle events of one domain, counted while its XML is written. */
typedef struct _pvperfLibvirtWatch pvperfLibvirtWatch;
struct _pvperfLibvirtWatch {
    GCond cond;
    char *uuid;                 /* NULL: nothing is watched */
    unsigned int updated;
    unsigned int added;
    unsigned int undefined;
};

struct _pvperfLibvirt {
    char *uri;
    pvperfLibvirtHandlers handlers;
    gpointer opaque;
    pvperfWorker *worker;

    /* main context */
    bool connected;
    bool connecting;
    bool lost_early;            /* the connection broke while it was being made */
    bool said_unreachable;
    guint retry;
    guint retry_ms;

    /* worker */
    virConnectPtr conn;
    int callbacks[PVPERF_LIBVIRT_EVENTS];
    bool close_callback;

    GMutex lock;                /* of what follows */
    GHashTable *queued;         /* uuids that a job will read */
    pvperfLibvirtWatch watch;
};

/* In the worker: register for the events of lv->conn; false if there would be
 * no lifecycle events. */
bool pvperfLibvirtEventsRegister(pvperfLibvirt *lv);
void pvperfLibvirtEventsUnregister(pvperfLibvirt *lv);

/* In the main context: the connection broke. */
void pvperfLibvirtLost(pvperfLibvirt *lv);
