/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_dbus.h: org.pvperf.Daemon1 on the bus.
 *
 * The interface XML in schemas/ is the one source: it is built into the
 * daemon and answers introspection; each of its methods and properties has a
 * handler in a table. Read-only: there is nothing to be changed here. Who may
 * ask is the bus's policy (org.pvperf.Daemon1.conf), and pvperf_access.h.
 */
#pragma once

#include <gio/gio.h>

#include "pvperf_driver.h"

#define PVPERF_DBUS_NAME "org.pvperf.Daemon1"
#define PVPERF_DBUS_PATH "/org/pvperf/Daemon1"
#define PVPERF_DBUS_INTERFACE "org.pvperf.Daemon1"

typedef struct _pvperfDBus pvperfDBus;

/* Export @driver on @bus. */
pvperfDBus *pvperfDBusNew(GDBusConnection *bus,
                          pvperfDriver *driver,
                          GError **error);
void pvperfDBusFree(pvperfDBus *dbus);

void pvperfDBusDomainChanged(pvperfDBus *dbus,
                             pvperfDomain *dom);
void pvperfDBusDevice(pvperfDBus *dbus,
                      pvperfDomain *dom,
                      bool given,
                      const char *message);
void pvperfDBusConnections(pvperfDBus *dbus);
