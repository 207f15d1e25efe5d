/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_exporter_scrape.c: what a scrape asks virtpvperfd.
 *
 * Called in the threads of HTTP connections. A scrape connects to the bus,
 * makes two calls, GetStats for all domains and GetAll for the daemon's two
 * connections, and disconnects: nothing is kept that a bus or daemon that was
 * restarted could make wrong. Everything in it, connecting too, is bounded by
 * one deadline: a thread of its own cancels what is late. A failure is logged
 * when it begins, not at each scrape.
 */
#include "pvperf_exporter_scrape.h"

#include <gio/gio.h>

#define PVPERF_BUS_NAME "org.pvperf.Daemon1"
#define PVPERF_BUS_PATH "/org/pvperf/Daemon1"

struct _pvperfScraper {
    bool session;
    unsigned int timeout_sec;

    GMainContext *context;      /* of the deadlines */
    GMainLoop *loop;
    GThread *thread;

    gint failed;                /* atomic: the last scrape did */
};


/* ---- the deadline ---- */

static gpointer
pvperfScraperThread(gpointer opaque)
{
    pvperfScraper *scraper = opaque;

    g_main_loop_run(scraper->loop);
    return NULL;
}


static gboolean
pvperfScraperLate(gpointer opaque)
{
    g_cancellable_cancel(opaque);
    return G_SOURCE_REMOVE;
}


static GSource *
pvperfScraperDeadline(pvperfScraper *scraper,
                      GCancellable *cancellable)
{
    GSource *source = g_timeout_source_new_seconds(scraper->timeout_sec);

    g_source_set_callback(source, pvperfScraperLate, g_object_ref(cancellable), g_object_unref);
    g_source_attach(source, scraper->context);
    return source;
}


/* ---- the calls ---- */

static GDBusConnection *
pvperfScraperConnect(pvperfScraper *scraper,
                     GCancellable *cancellable,
                     GError **error)
{
    g_autofree char *address = NULL;

    address = g_dbus_address_get_for_bus_sync(scraper->session ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM,
                                              cancellable, error);
    if (!address)
        return NULL;
    return g_dbus_connection_new_for_address_sync(address,
                                                  G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                  G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                  NULL, cancellable, error);
}


/* The one value that the method answers, of @type. */
static GVariant *
pvperfScraperCall(GDBusConnection *bus,
                  const char *interface,
                  const char *method,
                  GVariant *args,
                  const char *type,
                  GCancellable *cancellable,
                  GError **error)
{
    g_autofree char *tuple = g_strdup_printf("(%s)", type);
    g_autoptr(GVariant) reply = NULL;

    reply = g_dbus_connection_call_sync(bus, PVPERF_BUS_NAME, PVPERF_BUS_PATH, interface, method, args,
                                        G_VARIANT_TYPE(tuple), G_DBUS_CALL_FLAGS_NO_AUTO_START,
                                        G_MAXINT, cancellable, error);
    return reply ? g_variant_get_child_value(reply, 0) : NULL;
}


static bool
pvperfScraperCalls(pvperfScraper *scraper,
                   pvperfScrape *scrape,
                   GCancellable *cancellable,
                   GError **error)
{
    g_autoptr(GDBusConnection) bus = pvperfScraperConnect(scraper, cancellable, error);

    if (!bus)
        return false;
    scrape->stats = pvperfScraperCall(bus, PVPERF_BUS_NAME, "GetStats", g_variant_new("(as)", NULL), "aa{sv}",
                                      cancellable, error);
    if (!scrape->stats)
        return false;
    scrape->properties = pvperfScraperCall(bus, "org.freedesktop.DBus.Properties", "GetAll",
                                           g_variant_new("(s)", PVPERF_BUS_NAME), "a{sv}", cancellable, error);
    if (!scrape->properties)
        g_clear_pointer(&scrape->stats, g_variant_unref);
    return scrape->stats;
}


static void
pvperfScraperLog(pvperfScraper *scraper,
                 const GError *error)
{
    if (g_atomic_int_get(&scraper->failed) == (error != NULL))
        return;
    g_atomic_int_set(&scraper->failed, error != NULL);
    if (!error)
        g_printerr("pvperf-exporter: virtpvperfd answers again\n");
    else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_printerr("pvperf-exporter: virtpvperfd did not answer within %u s\n", scraper->timeout_sec);
    else
        g_printerr("pvperf-exporter: cannot ask virtpvperfd on the %s bus: %s\n",
                   scraper->session ? "session" : "system", error->message);
}


void
pvperfScraperAsk(pvperfScraper *scraper,
                 pvperfScrape *scrape)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GSource) deadline = pvperfScraperDeadline(scraper, cancellable);
    g_autoptr(GError) error = NULL;
    gint64 start = g_get_monotonic_time();

    pvperfScraperCalls(scraper, scrape, cancellable, &error);
    g_source_destroy(deadline);
    scrape->duration_ns = (uint64_t)(g_get_monotonic_time() - start) * 1000;
    pvperfScraperLog(scraper, error);
}


void
pvperfScrapeClear(pvperfScrape *scrape)
{
    g_clear_pointer(&scrape->stats, g_variant_unref);
    g_clear_pointer(&scrape->properties, g_variant_unref);
}


pvperfScraper *
pvperfScraperNew(bool session,
                 unsigned int timeout_sec)
{
    pvperfScraper *scraper = g_new0(pvperfScraper, 1);

    scraper->session = session;
    scraper->timeout_sec = timeout_sec;
    scraper->context = g_main_context_new();
    scraper->loop = g_main_loop_new(scraper->context, FALSE);
    scraper->thread = g_thread_new("deadlines", pvperfScraperThread, scraper);
    return scraper;
}


/* Quits in the loop's own thread: it may not run yet. */
static gboolean
pvperfScraperQuit(gpointer opaque)
{
    g_main_loop_quit(opaque);
    return G_SOURCE_REMOVE;
}


void
pvperfScraperFree(pvperfScraper *scraper)
{
    g_autoptr(GSource) source = g_idle_source_new();

    g_source_set_callback(source, pvperfScraperQuit, scraper->loop, NULL);
    g_source_attach(source, scraper->context);
    g_thread_join(scraper->thread);
    g_main_loop_unref(scraper->loop);
    g_main_context_unref(scraper->context);
    g_free(scraper);
}
