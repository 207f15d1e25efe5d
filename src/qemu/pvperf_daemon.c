/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_daemon.c: virtpvperfd's main().
 *
 * Stages, by name: options, logging, directories, libvirt's event loop, the
 * bus, its name, and then the driver: the name on the bus is what keeps two
 * daemons from serving the same domains. The daemon holds no state that a
 * restart would lose; it ends on SIGTERM and SIGINT and leaves backends alone,
 * and reads its configuration again on SIGHUP.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <gio/gio.h>
#include <glib-unix.h>
#include <libxml/parser.h>

#include "pvperf_config.h"
#include "pvperf_dbus.h"
#include "pvperf_driver.h"
#include "pvperf_libvirt.h"
#include "pvperf_log.h"

typedef struct _pvperfDaemon pvperfDaemon;
struct _pvperfDaemon {
    pvperfConfig *config;
    GMainLoop *loop;
    GDBusConnection *bus;
    guint name;
    bool named;
    pvperfDriver *driver;
    pvperfDBus *dbus;
    int status;
};


static void
pvperfDaemonFail(pvperfDaemon *daemon,
                 const char *message)
{
    g_critical("%s", message);
    daemon->status = EXIT_FAILURE;
    g_main_loop_quit(daemon->loop);
}


static gboolean
pvperfDaemonOnReload(gpointer opaque)
{
    pvperfDriverReload(((pvperfDaemon *)opaque)->driver);
    return G_SOURCE_CONTINUE;
}


static gboolean
pvperfDaemonOnSignal(gpointer opaque)
{
    pvperfDaemon *daemon = opaque;

    g_main_loop_quit(daemon->loop);
    return G_SOURCE_CONTINUE;
}


/* ---- from the driver to the bus ---- */

static void
pvperfDaemonOnChanged(pvperfDomain *dom,
                      gpointer opaque)
{
    pvperfDBusDomainChanged(((pvperfDaemon *)opaque)->dbus, dom);
}


static void
pvperfDaemonOnAnnounce(pvperfDomain *dom,
                       bool given,
                       const char *message,
                       gpointer opaque)
{
    pvperfDBusDevice(((pvperfDaemon *)opaque)->dbus, dom, given, message);
}


static void
pvperfDaemonOnConnections(gpointer opaque)
{
    pvperfDBusConnections(((pvperfDaemon *)opaque)->dbus);
}


static const pvperfDriverHandlers driverHandlers = {
    .changed = pvperfDaemonOnChanged,
    .announce = pvperfDaemonOnAnnounce,
    .connections = pvperfDaemonOnConnections,
};


/* ---- the bus ---- */

static void
pvperfDaemonOnBusClosed(GDBusConnection *bus,
                        gboolean remote,
                        GError *error,
                        gpointer opaque)
{
    pvperfDaemonFail(opaque, "the message bus went away");
}


static void
pvperfDaemonOnName(GDBusConnection *bus,
                   const char *name,
                   gpointer opaque)
{
    pvperfDaemon *daemon = opaque;

    daemon->named = true;
    pvperfDriverStart(daemon->driver);
}


static void
pvperfDaemonOnNameLost(GDBusConnection *bus,
                       const char *name,
                       gpointer opaque)
{
    pvperfDaemon *daemon = opaque;
    g_autofree char *message = NULL;

    if (!bus || g_dbus_connection_is_closed(bus))
        return; /* reported by pvperfDaemonOnBusClosed */
    message = g_strdup_printf(daemon->named ?
                              "another program took the name %s on the %s bus" :
                              "cannot get the name %s on the %s bus: a virtpvperfd is running "
                              "already, or the bus's policy does not allow it",
                              name, daemon->config->session ? "session" : "system");
    pvperfDaemonFail(daemon, message);
}


static bool
pvperfDaemonConnectBus(pvperfDaemon *daemon,
                       GError **error)
{
    bool session = daemon->config->session;

    daemon->bus = g_bus_get_sync(session ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM, NULL, error);
    if (!daemon->bus) {
        g_prefix_error(error, "cannot connect to the %s bus: ", session ? "session" : "system");
        return false;
    }
    g_dbus_connection_set_exit_on_close(daemon->bus, FALSE);
    g_signal_connect(daemon->bus, "closed", G_CALLBACK(pvperfDaemonOnBusClosed), daemon);
    return true;
}


/* ---- life ---- */

/* One VM of 64 vCPUs takes about 70 descriptors. */
static void
pvperfDaemonRaiseLimits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}


static bool
pvperfDaemonPrepare(pvperfDaemon *daemon,
                    GError **error)
{
    const pvperfConfig *config = daemon->config;
    g_autoptr(pvperfHostConfig) host_config = NULL;

    xmlInitParser();
    signal(SIGPIPE, SIG_IGN);
    pvperfDaemonRaiseLimits();
    host_config = pvperfHostConfigLoad(config->file, config->file_given, NULL, error);
    if (!host_config ||
        !pvperfConfigPrepareDirs(config, error) ||
        !pvperfLibvirtInit(error) ||
        !pvperfDaemonConnectBus(daemon, error))
        return false;
    daemon->loop = g_main_loop_new(NULL, FALSE);
    daemon->driver = pvperfDriverNew(config, g_steal_pointer(&host_config), &driverHandlers, daemon);
    daemon->dbus = pvperfDBusNew(daemon->bus, daemon->driver, error);
    return daemon->dbus != NULL;
}


static void
pvperfDaemonRun(pvperfDaemon *daemon)
{
    guint terminate = g_unix_signal_add(SIGTERM, pvperfDaemonOnSignal, daemon);
    guint interrupt = g_unix_signal_add(SIGINT, pvperfDaemonOnSignal, daemon);
    guint reload = g_unix_signal_add(SIGHUP, pvperfDaemonOnReload, daemon);

    daemon->name = g_bus_own_name_on_connection(daemon->bus, PVPERF_DBUS_NAME,
                                                G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                                pvperfDaemonOnName, pvperfDaemonOnNameLost,
                                                daemon, NULL);
    g_main_loop_run(daemon->loop);
    g_bus_unown_name(daemon->name);
    g_source_remove(terminate);
    g_source_remove(interrupt);
    g_source_remove(reload);
}


static void
pvperfDaemonFinish(pvperfDaemon *daemon)
{
    pvperfDriverFree(daemon->driver);
    pvperfDBusFree(daemon->dbus);
    if (daemon->bus) {
        g_signal_handlers_disconnect_by_data(daemon->bus, daemon);
        g_dbus_connection_flush_sync(daemon->bus, NULL, NULL);
        g_object_unref(daemon->bus);
    }
    /* results of jobs that nobody waits for any more */
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_clear_pointer(&daemon->loop, g_main_loop_unref);
    pvperfConfigFree(daemon->config);
}


int
main(int argc,
     char **argv)
{
    pvperfDaemon daemon = { .status = EXIT_SUCCESS };
    g_autoptr(GError) error = NULL;

    daemon.config = pvperfConfigNew(argc, argv, &error);
    if (!daemon.config) {
        fprintf(stderr, "virtpvperfd: %s\n", error->message);
        return 2;
    }
    if (daemon.config->version) {
        printf("virtpvperfd (libvirt-pvperf) %s\n", PVPERF_VERSION);
        pvperfConfigFree(daemon.config);
        return EXIT_SUCCESS;
    }
    pvperfLogInit(daemon.config->verbose);

    if (pvperfDaemonPrepare(&daemon, &error)) {
        pvperfDaemonRun(&daemon);
    } else {
        g_critical("%s", error->message);
        daemon.status = EXIT_FAILURE;
    }
    pvperfDaemonFinish(&daemon);
    return daemon.status;
}
