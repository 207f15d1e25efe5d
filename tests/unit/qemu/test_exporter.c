/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_exporter.c: pvperf-exporter beside the real daemon, which serves a fake
 * QEMU with a real backend (test_rig.h).
 *
 * What it writes is tested in tests/unit/exporter; here is that the two speak
 * the same D-Bus, and what becomes of a scrape while the daemon is stopped.
 */
#include <signal.h>
#include <string.h>

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>

#include "test_rig.h"
#include "test_util.h"

static const char *exporterPath;


static GSubprocess *
testExporter(testDaemon *test)
{
    g_autofree char *where = g_strdup_printf("--web.listen-address=unix:%s/web", test->dir);
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autoptr(GDataInputStream) lines = NULL;
    g_autofree char *line = NULL;
    g_autoptr(GError) error = NULL;
    GSubprocess *process;

    g_subprocess_launcher_set_child_setup(launcher, testEndsWithUs, NULL, NULL);
    process = g_subprocess_launcher_spawn(launcher, &error, exporterPath, where, "--scrape.timeout=2", NULL);
    g_assert_no_error(error);
    lines = g_data_input_stream_new(g_subprocess_get_stderr_pipe(process));
    g_filter_input_stream_set_close_base_stream(G_FILTER_INPUT_STREAM(lines), FALSE);
    line = g_data_input_stream_read_line(lines, NULL, NULL, NULL);
    g_assert_nonnull(line);
    g_assert_nonnull(strstr(line, "listening on"));
    return process;
}


static char *
testScrape(testDaemon *test)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    g_autofree char *path = g_build_filename(test->dir, "web", NULL);
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnection) connection = NULL;
    g_autoptr(GError) error = NULL;
    GString *text = g_string_new(NULL);
    GIOStream *stream;
    char buffer[4096];
    gssize got;

    g_socket_client_set_timeout(client, 20);
    connection = g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, &error);
    g_assert_no_error(error);
    stream = G_IO_STREAM(connection);
    g_output_stream_write_all(g_io_stream_get_output_stream(stream), request, strlen(request), NULL, NULL, &error);
    g_assert_no_error(error);
    while ((got = g_input_stream_read(g_io_stream_get_input_stream(stream), buffer, sizeof(buffer), NULL, &error)) > 0)
        g_string_append_len(text, buffer, got);
    g_assert_no_error(error);
    return g_string_free(text, FALSE);
}


static void
testExpect(testDaemon *test,
           const char *const *texts)
{
    g_autofree char *answer = testScrape(test);

    for (; *texts; texts++) {
        if (!strstr(answer, *texts)) {
            g_test_message("no '%s' in:\n%s", *texts, answer);
            g_test_fail();
        }
    }
}


static void
testMetrics(void)
{
    static const char *const up[] = {
        "\npvperf_up 1\n", "\npvperf_libvirt_up 1\n", "\npvperf_ivshmem_up 1\n",
        "\npvperf_domain_events_max{domain=\"served\"} 9\n", "\npvperf_domain_events_open{domain=\"served\"} 0\n",
        "\npvperf_domain_stale{domain=\"served\"} 0\n",
        "\npvperf_domain_requests_total{domain=\"served\",op=\"open\"} 0\n",
        "\npvperf_domain_refusals_total{domain=\"served\",reason=\"max\"} 0\n",
        "\npvperf_domain_overflows_total{domain=\"served\"} 0\n",
        "\npvperf_domain_throttled_seconds_total{domain=\"served\"} 0.000000000\n",
        "\npvperf_domain_info{domain=\"served\",uuid=\"" SERVED "\",policy=\"\",group=\"\",driver=\"\"} 1\n", NULL,
    };
    static const char *const down[] = { "\npvperf_up 0\n", NULL };
    g_autoptr(GSubprocess) exporter = NULL;
    testDaemon test;

    testStart(&test);
    exporter = testExporter(&test);
    testExpect(&test, up);
    g_subprocess_send_signal(test.process, SIGSTOP);
    testExpect(&test, down);
    g_subprocess_send_signal(test.process, SIGCONT);
    testExpect(&test, up);

    g_subprocess_send_signal(exporter, SIGTERM);
    g_assert_true(g_subprocess_wait(exporter, NULL, NULL));
    g_assert_true(g_subprocess_get_successful(exporter));
    testStop(&test);
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(argc, ==, 4);
    testDaemonPath = argv[1];
    testBackendPath = argv[2];
    exporterPath = argv[3];
    g_test_add_func("/exporter/metrics", testMetrics);
    return g_test_run();
}
