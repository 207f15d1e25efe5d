/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_exporter.c: main() of pvperf-exporter, which shows Prometheus what
 * virtpvperfd knows.
 *
 * A process of its own, without any privilege but to ask the daemon over
 * D-Bus: what speaks HTTP with the network has no business in the daemon. It
 * keeps no state; each scrape asks anew. This file has the command line and
 * the main loop, which only waits for a signal.
 */
#include <locale.h>
#include <stdlib.h>

#include <glib-unix.h>

#include "pvperf_exporter_http.h"

typedef struct {
    char *address;
    char *path;
    int timeout_sec;
    gboolean session;
    gboolean version;
} pvperfExporterOptions;


static bool
pvperfExporterParse(pvperfExporterOptions *options,
                    int argc,
                    char **argv,
                    GError **error)
{
    const GOptionEntry entries[] = {
        { "web.listen-address", 0, 0, G_OPTION_ARG_STRING, &options->address,
          "Where to listen: ADDRESS:PORT, [IPv6]:PORT or unix:/PATH (127.0.0.1:9796)", "WHERE" },
        { "web.telemetry-path", 0, 0, G_OPTION_ARG_STRING, &options->path,
          "Path of the metrics (/metrics)", "PATH" },
        { "scrape.timeout", 0, 0, G_OPTION_ARG_INT, &options->timeout_sec,
          "How long virtpvperfd may take for a scrape, 1 to 60 (5)", "SECONDS" },
        { "session", 0, 0, G_OPTION_ARG_NONE, &options->session,
          "Ask the virtpvperfd of the session bus, not of the system's", NULL },
        { "version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version and exit", NULL },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- metrics of paravirtual perf for Prometheus");

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return false;
    if (!options->address)
        options->address = g_strdup("127.0.0.1:9796");
    if (!options->path)
        options->path = g_strdup("/metrics");
    if (argc > 1)
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "unknown argument '%s'", argv[1]);
    else if (options->timeout_sec < 1 || options->timeout_sec > 60)
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--scrape.timeout: '%d' is not between 1 and 60", options->timeout_sec);
    else if (options->path[0] != '/' || !options->path[1] || g_str_equal(options->path, "/healthz"))
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--web.telemetry-path: '%s' is not a path such as '/metrics'; '/' and '/healthz' are taken",
                    options->path);
    else
        return true;
    return false;
}


static gboolean
pvperfExporterQuit(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}


static int
pvperfExporterRun(const pvperfExporterOptions *options)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(pvperfScraper) scraper = pvperfScraperNew(options->session, options->timeout_sec);
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfHttp) http = NULL;

    g_unix_signal_add(SIGTERM, pvperfExporterQuit, loop);
    g_unix_signal_add(SIGINT, pvperfExporterQuit, loop);
    http = pvperfHttpNew(options->address, options->path, scraper, &error);
    if (!http) {
        g_printerr("pvperf-exporter: %s\n", error->message);
        return EXIT_FAILURE;
    }
    g_main_loop_run(loop);
    return EXIT_SUCCESS;
}


int
main(int argc,
     char **argv)
{
    pvperfExporterOptions options = { .timeout_sec = 5 };
    g_autoptr(GError) error = NULL;
    int rc = EXIT_SUCCESS;

    setlocale(LC_ALL, "");
    if (!pvperfExporterParse(&options, argc, argv, &error)) {
        g_printerr("pvperf-exporter: %s\nTry 'pvperf-exporter --help'.\n", error->message);
        rc = 2;
    } else if (options.version) {
        g_print("pvperf-exporter " PVPERF_VERSION "\n");
    } else {
        rc = pvperfExporterRun(&options);
    }
    g_free(options.address);
    g_free(options.path);
    return rc;
}
