/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_access.h: who may read over D-Bus, beyond what the bus's policy says.
 *
 * Called by pvperf_dbus.c for every call that came through the bus's policy,
 * reads of properties included. With read_access = "polkit" a caller who is
 * neither root nor the daemon's own user has to be allowed polkit's action as
 * well. Nothing waits for the answer but that one call, and no call waits
 * longer than a bounded time; whatever goes wrong, it is denied.
 */
#pragma once

#include <gio/gio.h>

#include "pvperf_host_config.h"

/* Declared in org.pvperf.daemon1.policy. */
#define PVPERF_ACCESS_ACTION "org.pvperf.daemon1.read"
#define PVPERF_ERROR_ACCESS_DENIED "org.pvperf.Error.AccessDenied"

typedef struct _pvperfGate pvperfGate;

/* Serves a call whose caller may read, and answers it. */
typedef void (*pvperfGateServe)(GDBusMethodInvocation *invocation,
                                gpointer opaque);

pvperfGate *pvperfGateNew(GDBusConnection *bus,
                          pvperfGateServe serve,
                          gpointer opaque);

/* Calls that still wait are denied; none is served any more. */
void pvperfGateFree(pvperfGate *gate);

/* Serves the call, now or later, or denies it with PVPERF_ERROR_ACCESS_DENIED. */
void pvperfGateAsk(pvperfGate *gate,
                   pvperfAccess access,
                   GDBusMethodInvocation *invocation);
