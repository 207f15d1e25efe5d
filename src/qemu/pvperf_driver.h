/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_driver.h: all domains, and who tells them what.
 *
 * Owned by main(), lives on the main context. Connects libvirt's readings and
 * the keeper's peers to the domain objects (a peer by its process's identity),
 * and passes on what D-Bus tells the world.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "pvperf_capabilities.h"
#include "pvperf_config.h"
#include "pvperf_domain.h"

typedef struct _pvperfDriver pvperfDriver;

/* What the world is told. */
typedef struct _pvperfDriverHandlers pvperfDriverHandlers;
struct _pvperfDriverHandlers {
    void (*changed)(pvperfDomain *dom,
                    gpointer opaque);
    void (*announce)(pvperfDomain *dom,
                     bool given,
                     const char *message,
                     gpointer opaque);
    /* a connection came or went */
    void (*connections)(gpointer opaque);
};

/* Nothing runs yet; libvirt must be initialised. Takes over @host_config. */
pvperfDriver *pvperfDriverNew(const pvperfConfig *config,
                              pvperfHostConfig *host_config,
                              const pvperfDriverHandlers *handlers,
                              gpointer opaque);

/* Backends that run are left alone: the next daemon keeps them. */
void pvperfDriverFree(pvperfDriver *driver);

void pvperfDriverStart(pvperfDriver *driver);

/* Read virtpvperfd.conf, policies and groups again; every domain is looked at
 * anew. What is wrong is logged and stays as it was. */
void pvperfDriverReload(pvperfDriver *driver);

const pvperfHostConfig *pvperfDriverHostConfig(const pvperfDriver *driver);
const pvperfConfig *pvperfDriverConfig(const pvperfDriver *driver);
bool pvperfDriverLibvirtConnected(const pvperfDriver *driver);
bool pvperfDriverIvshmemConnected(const pvperfDriver *driver);

/* What the host can count, probed now. */
const pvperfCapabilities *pvperfDriverProbe(pvperfDriver *driver);

/* The domain, if it has a <pvperf>; NULL otherwise. */
pvperfDomain *pvperfDriverFind(const pvperfDriver *driver,
                               const char *uuid);

/* Every domain that has a <pvperf>, by name; free with g_ptr_array_unref. */
GPtrArray *pvperfDriverDomains(const pvperfDriver *driver);
