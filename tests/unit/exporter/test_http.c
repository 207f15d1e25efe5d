/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_http.c: the exporter, as Prometheus sees it.
 *
 * The web side runs in this process on a socket file, against a daemon that
 * answers from a file on a private bus, one that never answers, and none. The
 * program itself is started once for its command line and its end.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>

#include "../tools/mock_daemon.h"
#include "pvperf_exporter_http.h"

#define TIMEOUT_SEC 1

static const char *answers;
static const char *interfaceXML;
static const char *program;
static GTestDBus *bus;
static char *dir;


/* ---- asking ---- */

static GSocketAddress *
testAddress(void)
{
    g_autofree char *path = g_build_filename(dir, "web", NULL);

    return g_unix_socket_address_new(path);
}


/* Head and body of the answer to one request. */
static char *
testAsk(GSocketAddress *address,
        const char *method,
        const char *path,
        const char *accept)
{
    g_autofree char *request = g_strdup_printf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: %s\r\n\r\n",
                                               method, path, accept);
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnection) connection = NULL;
    g_autoptr(GError) error = NULL;
    GString *text = g_string_new(NULL);
    char buffer[4096];
    gssize got;

    g_socket_client_set_timeout(client, 20);
    connection = g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, &error);
    g_assert_no_error(error);
    g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(connection)), request, strlen(request),
                              NULL, NULL, &error);
    g_assert_no_error(error);
    while ((got = g_input_stream_read(g_io_stream_get_input_stream(G_IO_STREAM(connection)), buffer, sizeof(buffer),
                                      NULL, &error)) > 0)
        g_string_append_len(text, buffer, got);
    g_assert_no_error(error);
    return g_string_free(text, FALSE);
}


static void
testExpect(const char *method,
           const char *path,
           const char *accept,
           ...)
{
    g_autoptr(GSocketAddress) address = testAddress();
    g_autofree char *answer = testAsk(address, method, path, accept);
    const char *text;
    va_list list;

    va_start(list, accept);
    while ((text = va_arg(list, const char *))) {
        if (!strstr(answer, text)) {
            g_test_message("%s %s: no '%s' in:\n%s", method, path, text, answer);
            g_test_fail();
        }
    }
    va_end(list);
}


static pvperfHttp *
testStart(pvperfScraper *scraper)
{
    g_autofree char *where = g_strdup_printf("unix:%s/web", dir);
    g_autoptr(GError) error = NULL;
    pvperfHttp *http = pvperfHttpNew(where, "/metrics", scraper, &error);

    g_assert_no_error(error);
    return http;
}


/* ---- tests ---- */

static void
testNegotiate(void)
{
    static const struct {
        const char *accept;
        pvperfFormat format;
    } rows[] = {
        { NULL, PVPERF_FORMAT_TEXT },
        { "", PVPERF_FORMAT_TEXT },
        { "*/*", PVPERF_FORMAT_TEXT },
        { "text/html,application/xhtml+xml,*/*;q=0.8", PVPERF_FORMAT_TEXT },
        { "application/openmetrics-text", PVPERF_FORMAT_OPENMETRICS },
        { "Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", PVPERF_FORMAT_OPENMETRICS },
        { "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
          PVPERF_FORMAT_OPENMETRICS },
        { "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
          "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
          "text/plain;version=0.0.4;q=0.3,*/*;q=0.2", PVPERF_FORMAT_OPENMETRICS },
        { "application/openmetrics-text;q=0.5, text/plain;q=0.9", PVPERF_FORMAT_TEXT },
        { "application/openmetrics-text;q=0", PVPERF_FORMAT_TEXT },
        { "application/openmetrics-text;q=x", PVPERF_FORMAT_TEXT },
        { "application/openmetrics-text;version=2.0.0", PVPERF_FORMAT_TEXT },
        { ",;,;;q=1,;version", PVPERF_FORMAT_TEXT },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].accept);
        g_assert_cmpint(pvperfHttpNegotiate(rows[i].accept), ==, rows[i].format);
    }
}


static void
testAnswers(void)
{
    g_autoptr(pvperfScraper) scraper = pvperfScraperNew(true, 10);
    g_autoptr(pvperfHttp) http = testStart(scraper);
    mockDaemon *mock = mockDaemonStart(g_test_dbus_get_bus_address(bus), interfaceXML);

    mockDaemonSetAnswers(mock, answers);
    testExpect("GET", "/metrics", "*/*", "200 OK", "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n",
               "\npvperf_up 1\n", "\npvperf_libvirt_up 1\n", "\npvperf_ivshmem_up 1\n",
               "\npvperf_domain_events_max{domain=\"vm1\"} 128\n", NULL);
    testExpect("GET", "/metrics", "application/openmetrics-text", "200 OK",
               "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n", "\npvperf_up 1\n",
               "\n# EOF\n", NULL);
    testExpect("HEAD", "/metrics", "*/*", "200 OK", NULL);
    testExpect("GET", "/", "*/*", "200 OK", "text/html", "<a href=\"/metrics\">", NULL);
    testExpect("GET", "/healthz", "*/*", "200 OK", "\r\n\r\nok\n", NULL);
    testExpect("GET", "/metrics/", "*/*", "404 Not Found", NULL);
    testExpect("POST", "/metrics", "*/*", "405 Method Not Allowed", "Allow: GET, HEAD\r\n", NULL);
    mockDaemonStop(mock);
}


static void
testAbsent(void)
{
    g_autoptr(pvperfScraper) scraper = pvperfScraperNew(true, 10);
    g_autoptr(pvperfHttp) http = testStart(scraper);

    testExpect("GET", "/metrics", "*/*", "200 OK", "\npvperf_up 0\n", "\npvperf_build_info{", NULL);
    g_setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus", TRUE);
    testExpect("GET", "/metrics", "*/*", "200 OK", "\npvperf_up 0\n", NULL);
    g_setenv("DBUS_SESSION_BUS_ADDRESS", g_test_dbus_get_bus_address(bus), TRUE);
}


static GDBusMessage *
testSwallow(GDBusConnection *connection,
            GDBusMessage *message,
            gboolean incoming,
            gpointer opaque)
{
    if (incoming && g_dbus_message_get_message_type(message) == G_DBUS_MESSAGE_TYPE_METHOD_CALL)
        g_clear_object(&message);
    return message;
}


static gpointer
testScrapeStuck(gpointer opaque)
{
    testExpect("GET", "/metrics", "*/*", "200 OK", "\npvperf_up 0\n", NULL);
    return NULL;
}


/* A daemon that takes calls and does not answer: each of several scrapes ends
 * with its own deadline, and nothing else waits for them. */
static void
testStuck(void)
{
    g_autoptr(pvperfScraper) scraper = pvperfScraperNew(true, TIMEOUT_SEC);
    g_autoptr(pvperfHttp) http = testStart(scraper);
    g_autoptr(GDBusConnection) owner = NULL;
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GError) error = NULL;
    GThread *threads[8];
    gint64 start;
    size_t i;

    owner = g_dbus_connection_new_for_address_sync(g_test_dbus_get_bus_address(bus),
                                                   G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, &error);
    g_assert_no_error(error);
    g_dbus_connection_add_filter(owner, testSwallow, NULL, NULL);
    reply = g_dbus_connection_call_sync(owner, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                        "RequestName", g_variant_new("(su)", "org.pvperf.Daemon1", 4), NULL,
                                        G_DBUS_CALL_FLAGS_NONE, 10000, NULL, &error);
    g_assert_no_error(error);

    start = g_get_monotonic_time();
    for (i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("scrape", testScrapeStuck, NULL);
    testExpect("GET", "/healthz", "*/*", "200 OK", NULL);
    for (i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    /* One after the other they would take eight times as long. */
    g_assert_cmpint(g_get_monotonic_time() - start, >=, TIMEOUT_SEC * G_USEC_PER_SEC / 2);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 7 * TIMEOUT_SEC * G_USEC_PER_SEC);
    g_dbus_connection_close_sync(owner, NULL, NULL);
}


static unsigned int
testDescriptors(void)
{
    g_autoptr(GDir) fds = g_dir_open("/proc/self/fd", 0, NULL);
    unsigned int n = 0;

    while (g_dir_read_name(fds))
        n++;
    return n;
}


/* A scrape leaves nothing behind. What it closes is closed by GDBus's thread,
 * a moment later. */
static void
testManyScrapes(void)
{
    g_autoptr(pvperfScraper) scraper = pvperfScraperNew(true, 10);
    g_autoptr(pvperfHttp) http = testStart(scraper);
    unsigned int before = 0;
    int i;

    for (i = 0; i < 60; i++) {
        if (i == 10)
            before = testDescriptors();
        testExpect("GET", "/metrics", "*/*", "\npvperf_up 0\n", NULL);
    }
    for (i = 0; i < 100 && testDescriptors() > before + 10; i++)
        g_usleep(50000);
    g_assert_cmpuint(testDescriptors(), <=, before + 10);
}


static void
testStale(void)
{
    g_autoptr(pvperfScraper) scraper = pvperfScraperNew(true, 10);
    g_autofree char *path = g_build_filename(dir, "web", NULL);
    g_autofree char *where = g_strdup_printf("unix:%s", path);
    g_autoptr(GSocketAddress) address = testAddress();
    g_autoptr(GSocket) left = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfHttp) http = NULL;

    g_assert_true(g_socket_bind(left, address, FALSE, NULL));
    g_assert_true(g_socket_close(left, NULL));
    http = testStart(scraper);
    g_assert_null(pvperfHttpNew(where, "/metrics", scraper, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
    testExpect("GET", "/healthz", "*/*", "200 OK", NULL);
    g_clear_pointer(&http, pvperfHttpFree);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}


/* ---- the program ---- */

static void
testUsage(void)
{
    static const struct {
        const char *arg;
        int status;
        const char *says;
    } rows[] = {
        { "--version", 0, "pvperf-exporter " PVPERF_VERSION "\n" },
        { "--help", 0, "--web.listen-address" },
        { "--nonsense", 2, "--nonsense" },
        { "more", 2, "unknown argument 'more'" },
        { "--scrape.timeout=0", 2, "'0' is not between 1 and 60" },
        { "--web.telemetry-path=metrics", 2, "'metrics' is not a path" },
        { "--web.listen-address=example.org:1", 1, "'example.org:1' is none of" },
        { "--web.listen-address=127.0.0.1:65536", 1, "'127.0.0.1:65536' is none of" },
        { "--web.listen-address=unix:relative", 1, "'unix:relative' is none of" },
        { "--web.listen-address=", 1, "'' is none of" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GSubprocess) process = NULL;
        g_autofree char *out = NULL;

        process = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, NULL,
                                   program, rows[i].arg, NULL);
        g_assert_true(g_subprocess_communicate_utf8(process, NULL, NULL, &out, NULL, NULL));
        g_test_message("%s: %s", rows[i].arg, out);
        g_assert_cmpint(g_subprocess_get_exit_status(process), ==, rows[i].status);
        g_assert_nonnull(strstr(out, rows[i].says));
    }
}


static void
testProgram(void)
{
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GDataInputStream) lines = NULL;
    g_autoptr(GSocketAddress) address = NULL;
    g_autofree char *line = NULL;
    g_autofree char *answer = NULL;
    unsigned int port = 0;

    process = g_subprocess_new(G_SUBPROCESS_FLAGS_STDERR_PIPE, NULL, program, "--session",
                               "--web.listen-address=127.0.0.1:0", "--web.telemetry-path=/m", NULL);
    lines = g_data_input_stream_new(g_subprocess_get_stderr_pipe(process));
    line = g_data_input_stream_read_line(lines, NULL, NULL, NULL);
    g_assert_cmpint(sscanf(line, "pvperf-exporter: listening on 127.0.0.1:%u, metrics at /m", &port), ==, 1);
    address = g_inet_socket_address_new_from_string("127.0.0.1", port);
    answer = testAsk(address, "GET", "/m", "*/*");
    g_assert_nonnull(strstr(answer, "\npvperf_up 0\n"));
    g_subprocess_send_signal(process, SIGTERM);
    g_assert_true(g_subprocess_wait(process, NULL, NULL));
    g_assert_true(g_subprocess_get_successful(process));
}


int
main(int argc,
     char **argv)
{
    int rc;

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(argc, ==, 4);
    answers = argv[1];
    interfaceXML = argv[2];
    program = argv[3];
    dir = g_dir_make_tmp("pvperf-exporter-XXXXXX", NULL);
    bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(bus);

    g_test_add_func("/exporter/http/negotiate", testNegotiate);
    g_test_add_func("/exporter/http/answers", testAnswers);
    g_test_add_func("/exporter/http/absent", testAbsent);
    g_test_add_func("/exporter/http/stuck", testStuck);
    g_test_add_func("/exporter/http/many-scrapes", testManyScrapes);
    g_test_add_func("/exporter/http/stale-socket", testStale);
    g_test_add_func("/exporter/http/usage", testUsage);
    g_test_add_func("/exporter/http/program", testProgram);
    rc = g_test_run();

    g_test_dbus_down(bus);
    g_object_unref(bus);
    g_rmdir(dir);
    g_free(dir);
    return rc;
}
