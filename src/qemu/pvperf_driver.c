/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_driver.c: the set of domains.
 *
 * An object exists for every domain that libvirt or the keeper told of, also
 * for one without <pvperf>: that its device was taken out must be noticed. It
 * is forgotten once libvirt does not know the domain and no backend is left.
 */
#include "pvperf_driver.h"

#include <string.h>
#include <unistd.h>

#include "pvperf_broker.h"
#include "pvperf_identity.h"
#include "pvperf_keeper_client.h"
#include "pvperf_libvirt.h"
#include "pvperf_record.h"

struct _pvperfDriver {
    const pvperfConfig *config;
    pvperfHostConfig *host_config;
    pvperfDriverHandlers handlers;
    gpointer opaque;
    pvperfCapabilities caps;
    pvperfDomainHost host;      /* what every domain is told of us */
    GHashTable *domains;        /* uuid -> pvperfDomain */
    pvperfKeeperClient *keeper;
    pvperfLibvirt *libvirt;
    guint forget;               /* idle source */
};


/* ---- what domains ask for ---- */

static void
pvperfDriverOnDevice(pvperfDomain *dom,
                     const pvperfDeviceFacts *facts,
                     pvperfDeviceVerdict verdict,
                     gpointer opaque)
{
    pvperfDriver *driver = opaque;

    pvperfLibvirtDevice(driver->libvirt, dom->uuid, facts, verdict,
                        driver->config->ivshmem_socket);
}


static void
pvperfDriverOnChanged(pvperfDomain *dom,
                      gpointer opaque)
{
    pvperfDriver *driver = opaque;

    driver->handlers.changed(dom, driver->opaque);
}


static void
pvperfDriverOnAnnounce(pvperfDomain *dom,
                       bool given,
                       const char *message,
                       gpointer opaque)
{
    pvperfDriver *driver = opaque;

    driver->handlers.announce(dom, given, message, driver->opaque);
}


static gboolean
pvperfDriverForget(gpointer opaque)
{
    pvperfDriver *driver = opaque;
    GHashTableIter iter;
    gpointer value;

    driver->forget = 0;
    g_hash_table_iter_init(&iter, driver->domains);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        pvperfDomain *dom = value;

        if (dom->reading && !dom->reading->exists && !dom->writing && !dom->peer &&
            dom->backend == PVPERF_BACKEND_NONE)
            g_hash_table_iter_remove(&iter);
    }
    return G_SOURCE_REMOVE;
}


static void
pvperfDriverScheduleForget(pvperfDriver *driver)
{
    if (!driver->forget)
        driver->forget = g_idle_add(pvperfDriverForget, driver);
}


static void
pvperfDriverOnSettled(pvperfDomain *dom,
                      gpointer opaque)
{
    pvperfDriverScheduleForget(opaque);
}


static pvperfDomain *
pvperfDriverDomain(pvperfDriver *driver,
                   const char *uuid)
{
    pvperfDomain *dom = g_hash_table_lookup(driver->domains, uuid);

    if (!dom) {
        dom = pvperfDomainNew(uuid, &driver->host);
        g_hash_table_insert(driver->domains, dom->uuid, dom);
    }
    return dom;
}


static void
pvperfDriverUpdateAll(pvperfDriver *driver)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, driver->domains);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        pvperfDomainUpdate(value);
}


/* ---- peers ---- */

/* Which domain is this process? Start time and pidfd are looked at before and
 * after, so that the answer is about the process that connected. */
static void
pvperfDriverIdentify(pvperfDriver *driver,
                     pvperfPeer *peer)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *uuid = NULL;

    if (peer->uuid || pvperfIdentityStartTime("/proc", peer->pid) != peer->start_time)
        return;
    uuid = pvperfIdentityFindDomain(driver->config->qemu_run_dir, geteuid(), peer->pid, &error);
    if (!uuid) {
        g_info("%s", error->message);
        return;
    }
    if (pvperfIdentityStartTime("/proc", peer->pid) != peer->start_time ||
        !pvperfIdentityAlive(peer->pidfd))
        return;
    g_info("process %d is domain %s", peer->pid, uuid);
    peer->uuid = g_steal_pointer(&uuid);
}


/* Give @dom the connection that is its own, if there is one. */
static void
pvperfDriverMatch(pvperfDriver *driver,
                  pvperfDomain *dom)
{
    g_autoptr(GPtrArray) peers = pvperfKeeperClientPeers(driver->keeper);
    guint i;

    if (dom->peer)
        return;
    for (i = 0; i < peers->len; i++) {
        pvperfPeer *peer = g_ptr_array_index(peers, i);

        pvperfDriverIdentify(driver, peer);
        if (g_strcmp0(peer->uuid, dom->uuid) == 0) {
            pvperfDomainSetPeer(dom, peer);
            return;
        }
    }
}


static void
pvperfDriverOnPeer(pvperfPeer *peer,
                   gpointer opaque)
{
    pvperfDriver *driver = opaque;

    pvperfDriverIdentify(driver, peer);
    if (peer->uuid)
        pvperfDriverMatch(driver, pvperfDriverDomain(driver, peer->uuid));
}


static void
pvperfDriverOnGone(pvperfPeer *peer,
                   gpointer opaque)
{
    pvperfDriver *driver = opaque;
    pvperfDomain *dom = peer->uuid ? g_hash_table_lookup(driver->domains, peer->uuid) : NULL;

    if (!dom || dom->peer != peer)
        return;
    pvperfDomainSetPeer(dom, NULL);
    pvperfDriverMatch(driver, dom);
    pvperfDriverScheduleForget(driver);
}


static void
pvperfDriverOnKeeper(bool up,
                     gpointer opaque)
{
    pvperfDriver *driver = opaque;

    driver->host.keeper = up;
    pvperfDriverUpdateAll(driver);
    driver->handlers.connections(driver->opaque);
}


static const pvperfKeeperHandlers keeperHandlers = {
    .connected = pvperfDriverOnKeeper,
    .peer = pvperfDriverOnPeer,
    .gone = pvperfDriverOnGone,
};


/* ---- libvirt ---- */

static void
pvperfDriverOnReading(pvperfReading *reading,
                      gpointer opaque)
{
    pvperfDriver *driver = opaque;
    pvperfDomain *dom = g_hash_table_lookup(driver->domains, reading->uuid);

    if (!dom && !reading->exists) {
        pvperfReadingFree(reading);
        return;
    }
    dom = pvperfDriverDomain(driver, reading->uuid);
    pvperfDomainSetReading(dom, reading);
    if (reading->active)
        pvperfDriverMatch(driver, dom);
    if (!reading->exists)
        pvperfDriverScheduleForget(driver);
}


/* libvirt was not there for a while: domains may have vanished unseen. */
static void
pvperfDriverDropOthers(pvperfDriver *driver,
                       GPtrArray *readings)
{
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) lost = g_ptr_array_new_with_free_func((GDestroyNotify)pvperfReadingFree);
    GHashTableIter iter;
    gpointer uuid;
    guint i;

    for (i = 0; i < readings->len; i++)
        g_hash_table_add(known, ((pvperfReading *)g_ptr_array_index(readings, i))->uuid);
    pvperfRecordPrune(driver->config->state_dir, known);
    pvperfProcessPrune(driver->config->backend_dir, known);

    g_hash_table_iter_init(&iter, driver->domains);
    while (g_hash_table_iter_next(&iter, &uuid, NULL)) {
        if (!g_hash_table_contains(known, uuid)) {
            pvperfReading *reading = g_new0(pvperfReading, 1);

            reading->uuid = g_strdup(uuid);
            reading->id = -1;
            g_ptr_array_add(lost, reading);
        }
    }
    while (lost->len > 0)
        pvperfDriverOnReading(g_ptr_array_steal_index(lost, lost->len - 1), driver);
}


static void
pvperfDriverOnLibvirt(bool up,
                      GPtrArray *readings,
                      gpointer opaque)
{
    pvperfDriver *driver = opaque;

    if (up) {
        pvperfDriverDropOthers(driver, readings);
        while (readings->len > 0)
            pvperfDriverOnReading(g_ptr_array_steal_index(readings, readings->len - 1), driver);
    }
    driver->handlers.connections(driver->opaque);
}


static void
pvperfDriverOnReset(const char *uuid,
                    const char *why,
                    gpointer opaque)
{
    pvperfDriver *driver = opaque;
    pvperfDomain *dom = g_hash_table_lookup(driver->domains, uuid);

    if (dom)
        pvperfDomainReset(dom, why);
}


static void
pvperfDriverOnDeviceDone(const char *uuid,
                         pvperfDeviceVerdict verdict,
                         pvperfDeviceOutcome outcome,
                         const GError *error,
                         gpointer opaque)
{
    pvperfDriver *driver = opaque;
    pvperfDomain *dom = g_hash_table_lookup(driver->domains, uuid);

    if (!dom)
        return;
    pvperfDomainDeviceDone(dom, verdict, outcome, error);
    /* readings that came during the write were not acted upon */
    pvperfLibvirtRead(driver->libvirt, uuid);
}


static const pvperfLibvirtHandlers libvirtHandlers = {
    .connected = pvperfDriverOnLibvirt,
    .reading = pvperfDriverOnReading,
    .reset = pvperfDriverOnReset,
    .device = pvperfDriverOnDeviceDone,
};


/* ---- life ---- */

pvperfDriver *
pvperfDriverNew(const pvperfConfig *config,
                pvperfHostConfig *host_config,
                const pvperfDriverHandlers *handlers,
                gpointer opaque)
{
    pvperfDriver *driver = g_new0(pvperfDriver, 1);

    driver->config = config;
    driver->host_config = host_config;
    driver->handlers = *handlers;
    driver->opaque = opaque;
    driver->host.config = config;
    driver->host.host_config = host_config;
    pvperfSandboxUserTell(&host_config->user);
    driver->host.groups = pvperfGroupsNew();
    driver->host.opaque = driver;
    driver->host.device = pvperfDriverOnDevice;
    driver->host.changed = pvperfDriverOnChanged;
    driver->host.announce = pvperfDriverOnAnnounce;
    driver->host.settled = pvperfDriverOnSettled;
    driver->domains = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                            (GDestroyNotify)pvperfDomainFree);
    pvperfDriverProbe(driver);
    return driver;
}


void
pvperfDriverStart(pvperfDriver *driver)
{
    driver->keeper = pvperfKeeperClientNew(driver->config->keeper_socket, &keeperHandlers, driver);
    driver->libvirt = pvperfLibvirtNew(driver->config->uri, &libvirtHandlers, driver);
}


void
pvperfDriverFree(pvperfDriver *driver)
{
    if (!driver)
        return;
    pvperfLibvirtFree(driver->libvirt);
    g_hash_table_unref(driver->domains);
    pvperfKeeperClientFree(driver->keeper);
    g_clear_handle_id(&driver->forget, g_source_remove);
    pvperfGroupsFree(driver->host.groups);
    pvperfHostConfigFree(driver->host_config);
    g_free(driver);
}


void
pvperfDriverReload(pvperfDriver *driver)
{
    const pvperfConfig *config = driver->config;
    g_autoptr(GError) error = NULL;
    pvperfHostConfig *next = pvperfHostConfigLoad(config->file, config->file_given, driver->host_config, &error);

    if (!next) {
        g_warning("nothing is changed, because the configuration is wrong: %s", error->message);
        return;
    }
    g_message("configuration, policies and groups are read again");
    if (!driver->host_config->user.shared)
        pvperfSandboxUserTell(&next->user);
    pvperfHostConfigFree(driver->host_config);
    driver->host_config = next;
    driver->host.host_config = next;
    pvperfDriverUpdateAll(driver);
}


/* ---- what D-Bus asks ---- */

const pvperfHostConfig *
pvperfDriverHostConfig(const pvperfDriver *driver)
{
    return driver->host_config;
}


const pvperfConfig *
pvperfDriverConfig(const pvperfDriver *driver)
{
    return driver->config;
}


bool
pvperfDriverLibvirtConnected(const pvperfDriver *driver)
{
    return driver->libvirt && pvperfLibvirtConnected(driver->libvirt);
}


bool
pvperfDriverIvshmemConnected(const pvperfDriver *driver)
{
    return driver->keeper && pvperfKeeperClientConnected(driver->keeper);
}


const pvperfCapabilities *
pvperfDriverProbe(pvperfDriver *driver)
{
    pvperfCapabilitiesProbe(&driver->caps, pvperfBrokerPerfEventOpen);
    driver->caps.user = &driver->host_config->user;
    if (driver->host.classes_available != driver->caps.classes_available) {
        driver->host.classes_available = driver->caps.classes_available;
        pvperfDriverUpdateAll(driver);
    }
    return &driver->caps;
}


pvperfDomain *
pvperfDriverFind(const pvperfDriver *driver,
                 const char *uuid)
{
    g_autofree char *lower = g_ascii_strdown(uuid, -1);
    pvperfDomain *dom = g_hash_table_lookup(driver->domains, lower);

    return dom && dom->listed ? dom : NULL;
}


static gint
pvperfDriverCompare(gconstpointer a,
                    gconstpointer b)
{
    return strcmp(pvperfDomainName(*(pvperfDomain *const *)a),
                  pvperfDomainName(*(pvperfDomain *const *)b));
}


GPtrArray *
pvperfDriverDomains(const pvperfDriver *driver)
{
    GPtrArray *domains = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, driver->domains);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (((pvperfDomain *)value)->listed)
            g_ptr_array_add(domains, value);
    }
    g_ptr_array_sort(domains, pvperfDriverCompare);
    return domains;
}
