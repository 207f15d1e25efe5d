/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_bus.h: virtpvperfd, as the commands see it.
 *
 * Owns the D-Bus side: which bus, one call, and the sentence for everything
 * that can go wrong. The interface is schemas/org.pvperf.Daemon1.xml. A key
 * that a daemon does not know stays absent; one that we do not know is
 * ignored.
 */
#pragma once

#include "pvperf_shell.h"

/* The answer of @method, a value of @reply_type, or NULL with @error set. */
GVariant *pvperfBusCall(pvperfShell *shell,
                        const char *method,
                        GVariant *args,
                        const char *reply_type,
                        GError **error);

/* All properties, a{sv}. */
GVariant *pvperfBusProperties(pvperfShell *shell,
                              GError **error);

/* The array that ListDomains answers, aa{sv}. */
GVariant *pvperfBusDomains(pvperfShell *shell,
                           GError **error);

/* The uuid of @domain (id, uuid or name), from the daemon's list @domains; if
 * it is not there the error says whether libvirt knows it. */
char *pvperfBusResolve(pvperfShell *shell,
                       GVariant *domains,
                       const char *domain,
                       GError **error);

/* A member of a dictionary; where it is absent "", false, the fallback or 0.
 * A string belongs to the dictionary. */
const char *pvperfDictString(GVariant *dict,
                             const char *key);
bool pvperfDictBool(GVariant *dict,
                    const char *key);
int pvperfDictInt(GVariant *dict,
                  const char *key,
                  int fallback);
/* Of type u or t. */
uint64_t pvperfDictUint(GVariant *dict,
                        const char *key);
