/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_window.c: what is accepted as a window, and a page of EVENTS.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_host.h"
#include "pvperf_report.h"

typedef struct {
    const char *what;
    uint32_t vcpus;
    int64_t more;               /* bytes that SETUP says beyond the right ones */
    int64_t file_more;          /* bytes of the file beyond the right ones */
    int seals;
    const char *why;            /* NULL: accepted */
} windowCase;

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define WRONG_SIZE "its size is not the one of a device with so many vectors"

static const windowCase windowCases[] = {
    { "right", 2, 0, 0, SEALS, NULL },
    { "one vCPU", 1, 0, 0, SEALS, NULL },
    { "no vCPU", 0, 0, 4096, SEALS, WRONG_SIZE },
    { "too many vCPUs", PVPERF_MAX_VCPUS + 1, 0, 4096, SEALS, WRONG_SIZE },
    { "too small", 2, -4096, 0, SEALS, WRONG_SIZE },
    { "too large", 2, 4096, 4096, SEALS, WRONG_SIZE },
    { "file too small", 2, 0, -4096, SEALS, "the memfd is smaller than the window" },
    { "may shrink", 2, 0, 0, F_SEAL_GROW, "the memfd is not sealed against shrinking" },
};

static void
testMap(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(windowCases); i++) {
        const windowCase *c = &windowCases[i];
        uint64_t size = pvperf_window_size(c->vcpus);
        int fd = memfd_create("window", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        const char *why = NULL;
        pvperfWindow *window;

        g_test_message("%s", c->what);
        g_assert_cmpint(ftruncate(fd, size + c->file_more), ==, 0);
        g_assert_cmpint(fcntl(fd, F_ADD_SEALS, c->seals), ==, 0);
        window = pvperfWindowMap(fd, size + c->more, c->vcpus, &why);
        g_assert_cmpstr(why, ==, c->why);
        if (window) {
            g_assert_null(pvperfWindowMap(fd, size, c->vcpus, &why));
            g_assert_cmpstr(why, ==, "there is a window already");
            pvperfWindowUnmap(window);
        }
        close(fd);
    }
}


/* Collects all pages of EVENTS; the records' sum of counts. */
static uint64_t
collect(uint32_t *records,
        uint32_t *pages)
{
    static pvperfReport report;
    uint64_t cursor = 0;
    uint64_t sum = 0;
    uint32_t i;

    *records = 0;
    *pages = 0;
    do {
        pvperfReportBegin(&report, 5, cursor);
        while (!pvperfReportStep(&report, &bench.backend))
            ;
        g_assert_cmpuint(report.page.h.cookie, ==, 5);
        for (i = 0; i < report.page.count; i++) {
            sum += report.page.records[i].count;
            g_assert_cmpuint(report.page.records[i].vcpu, <, 4);
        }
        *records += report.page.count;
        ++*pages;
        cursor = report.page.cursor;
    } while (cursor);
    return sum;
}


static void
testReport(void)
{
    fakeOpen bound = { .id = 9000, .row = 900, .vcpu = 3, .bound = true,
                       .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK) };
    uint32_t records;
    uint32_t pages;
    int32_t id;
    uint32_t v;

    fakeBenchInit(4);
    g_assert_cmpuint(collect(&records, &pages), ==, 0);
    g_assert_cmpuint(records, ==, 0);
    g_assert_cmpuint(pages, ==, 1);

    /* 100 events that counted on three vCPUs, 20 that never did, one bound. */
    for (id = 0; id < 120; id++)
        g_assert_cmpint(fakeBenchOpenClock(id, id, -1).ret, ==, 0);
    g_assert_cmpint(fakeBenchOpen(&bound).ret, ==, 0);
    for (v = 0; v < 3; v++) {
        for (id = 0; id < 100; id++) {
            g_assert_cmpint(fakeBenchCall(v, KVM_PERF_OP_ENABLE, id).ret, ==, 0);
            fakeBenchRun(v, 10, 10, 1);
            g_assert_cmpint(fakeBenchCall(v, KVM_PERF_OP_DISABLE, id).ret, ==, 0);
        }
    }
    g_assert_cmpint(fakeBenchCall(3, KVM_PERF_OP_ENABLE, 9000).ret, ==, 0);
    fakeBenchRun(3, 10, 10, 5000);
    g_assert_cmpuint(collect(&records, &pages), ==, 300 + 5000);
    g_assert_cmpuint(records, ==, 321);
    g_assert_cmpuint(pages, ==, 2);
    fakeBenchFree();
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/window/map", testMap);
    g_test_add_func("/window/report", testReport);
    return g_test_run();
}
