/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_cycles.c: VMs start, stop and fail a thousand times, and nothing stays.
 *
 * The real daemon and real backends; the keeper, QEMU (a process whose thread
 * passes for a vCPU) and the guest are the test's. Kinds of cycles are mixed
 * by a seeded dice (--seed). What is counted in the end is what was counted
 * after the first few: processes, descriptors of each kind, threads, files,
 * and memory within a margin that 1,000 leaks of any size would break.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../backend/fake_guest.h"
#include "test_rig.h"
#include "test_util.h"

#define CYCLES 1000
#define WARM_UP 50              /* allocators, tables that grow on first use */
#define RSS_MARGIN_KIB 1024     /* one KiB for each cycle */
#define EVENTS 3

typedef enum {
    CYCLE_QEMU_DIES,
    CYCLE_DETACHED,
    CYCLE_BACKEND_KILLED,
    CYCLE_BACKEND_STOPPED,
    CYCLE_DRIVER_RELOADED,
    NR_CYCLES,
} testCycle;

typedef struct _testCycles testCycles;
struct _testCycles {
    testDaemon host;
    fakeGuest guest;
    fakeGuest next;             /* whose window QEMU has open, too, for an attach */
    bool attached;              /* that one is used */
    uint64_t connection;
    uint64_t session;           /* the one before */
    bool struck;                /* this QEMU's backend failed already */
    unsigned int done[NR_CYCLES];
    uint64_t opened;
};

/* What must not grow. */
typedef struct _testCounts testCounts;
struct _testCounts {
    unsigned int fds;
    unsigned int threads;
    unsigned int children;
    unsigned int files;
    unsigned long rss_kib;
};


/* ---- counting ---- */

static unsigned int
testEntries(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    unsigned int n = 0;

    while (dir && g_dir_read_name(dir))
        n++;
    return n;
}


static unsigned long
testStatus(pid_t pid,
           const char *field)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", pid);
    g_autofree char *text = NULL;
    const char *at;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    at = strstr(text, field);
    g_assert_nonnull(at);
    return strtoul(at + strlen(field), NULL, 10);
}


static void
testCount(testCycles *test,
          testCounts *counts)
{
    pid_t daemon = atoi(g_subprocess_get_identifier(test->host.process));
    g_autofree char *fds = g_strdup_printf("/proc/%d/fd", daemon);
    g_autofree char *children = g_strdup_printf("/proc/%d/task/%d/children", daemon, daemon);
    g_autofree char *files = g_build_filename(test->host.dir, "run", "backend", NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) pids = NULL;

    g_assert_true(g_file_get_contents(children, &text, NULL, NULL));
    pids = g_strsplit(g_strstrip(text), " ", -1);
    counts->fds = testEntries(fds);
    counts->threads = testStatus(daemon, "Threads:");
    counts->children = *text ? g_strv_length(pids) : 0;
    counts->files = testEntries(files);
    counts->rss_kib = testStatus(daemon, "VmRSS:");
}


/* ---- the guest ---- */

static bool
testServed(gpointer opaque)
{
    testCycles *test = opaque;
    const struct pvperf_session *session = &fakeGuestHeader(&test->guest)->session;
    uint64_t now = __atomic_load_n(&session->session, __ATOMIC_ACQUIRE);

    return now && now != test->session;
}


static int
testFrame(testCycles *test,
          uint32_t area,
          struct pvperf_frame frame,
          gint64 end)
{
    uint32_t n = fakeGuestPut(&test->guest, area, frame);

    fakeGuestPublish(&test->guest, area);
    while (!fakeGuestDone(&test->guest, area, n)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(50);
    }
    return fakeGuestResult(&test->guest, area, n).ret;
}


/* Until it is served: the daemon may be late with an answer, as drivers know. */
static void
testCallFrame(testCycles *test,
              uint32_t area,
              struct pvperf_frame frame)
{
    gint64 end = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;
    int ret;

    while ((ret = testFrame(test, area, frame, end)) == -EAGAIN)
        g_usleep(1000);
    g_assert_cmpint(ret, ==, 0);
}


/* What a driver does first, and then a perf that is never ended in good order. */
static void
testWork(testCycles *test)
{
    struct pvperf_frame hello = {
        .nr = PVPERF_HELLO,
        .a0 = PVPERF_VERSION_MAJOR << 16,
        .a1 = 1U << KVM_FEATURE_PV_PERF,
    };
    int32_t id;

    test->session = fakeGuestHeader(&test->guest)->session.session;
    test->guest.session = test->session;
    testCallFrame(test, fakeGuestControl(&test->guest), hello);
    for (id = 0; id < EVENTS; id++) {
        const fakeOpen opening = {
            .id = id,
            .row = id,
            .attr = fakeAttrVcpu(id % 2 ? PVPERF_VCPU_SWITCHES : PVPERF_VCPU_CLOCK),
        };

        testCallFrame(test, fakeGuestControl(&test->guest), fakeFrameOpen(&test->guest, &opening));
        testCallFrame(test, 0, fakeFrame(KVM_PERF_OP_ENABLE, id));
        testCallFrame(test, 0, fakeFrame(KVM_PERF_OP_READ, id));
        test->opened++;
    }
}


/* ---- cycles ---- */

static void
testConnect(testCycles *test)
{
    test->session = 0;
    testTellPeerOf(&test->host, ++test->connection, test->guest.window_fd, test->guest.doorbell_fd);
}


/* A QEMU has its windows open: they are there before it is forked. */
static void
testNewQemu(testCycles *test)
{
    kill(test->host.qemu, SIGKILL);
    waitpid(test->host.qemu, NULL, 0);
    testTellGone(&test->host, test->connection);
    fakeGuestInit(&test->guest, 2);
    fakeGuestInit(&test->next, 2);
    test->attached = false;
    testStartQemu(&test->host);
    testConnect(test);
}


static void
testQemuDies(testCycles *test)
{
    fakeGuestFree(&test->guest);
    if (!test->attached)
        fakeGuestFree(&test->next);
    testNewQemu(test);
}


static void
testDetached(testCycles *test)
{
    testTellGone(&test->host, test->connection);
    fakeGuestFree(&test->guest);
    test->guest = test->next;
    test->attached = true;
    testConnect(test);
}


static void
testReloaded(testCycles *test)
{
    /* it says HELLO and opens anew under the session that there is */
    test->session = 0;
}


static void
testOneCycle(testCycles *test,
             testCycle kind)
{
    switch (kind) {
    case CYCLE_QEMU_DIES:
        testQemuDies(test);
        break;
    case CYCLE_DETACHED:
        testDetached(test);
        break;
    case CYCLE_BACKEND_KILLED:
        kill(testBackendPid(&test->host), SIGKILL);
        break;
    case CYCLE_BACKEND_STOPPED:
        kill(testBackendPid(&test->host), SIGSTOP);
        break;
    case CYCLE_DRIVER_RELOADED:
        testReloaded(test);
        break;
    case NR_CYCLES:
        g_assert_not_reached();
    }
    testRunUntil(testServed, test);
    testWork(test);
    test->done[kind]++;
}


/* A backend that fails twice in a row waits before its next start, and is
 * forgiven with another QEMU. */
static testCycle
testDice(testCycles *test)
{
    testCycle kind = g_test_rand_int_range(0, NR_CYCLES);
    bool strikes = kind == CYCLE_BACKEND_KILLED || kind == CYCLE_BACKEND_STOPPED;

    if ((strikes && test->struck) || (kind == CYCLE_DETACHED && test->attached))
        kind = CYCLE_QEMU_DIES;
    if (kind != CYCLE_DRIVER_RELOADED)
        test->struck = strikes && !test->struck;
    return kind;
}


static bool
testNoFiles(gpointer opaque)
{
    testCounts counts;

    testCount(opaque, &counts);
    return counts.files == 0 && counts.children == 0;
}


static void
testThousand(void)
{
    testCycles test = { .connection = 0 };
    testCounts before;
    testCounts after;
    int i;

    testStart(&test.host);
    /* the rig's own connection goes for one with a guest */
    test.connection = 1;
    testNewQemu(&test);
    testRunUntil(testServed, &test);
    testWork(&test);

    for (i = 0; i < CYCLES + WARM_UP; i++) {
        if (i == WARM_UP) {
            testCount(&test, &before);
            memset(test.done, 0, sizeof(test.done));
        }
        testOneCycle(&test, testDice(&test));
    }
    testCount(&test, &after);
    g_test_message("cycles: %u QEMU died, %u detached, %u backends killed, %u stopped, %u drivers reloaded; "
                   "%" G_GUINT64_FORMAT " events opened", test.done[CYCLE_QEMU_DIES], test.done[CYCLE_DETACHED],
                   test.done[CYCLE_BACKEND_KILLED], test.done[CYCLE_BACKEND_STOPPED],
                   test.done[CYCLE_DRIVER_RELOADED], test.opened);
    g_test_message("daemon: fds %u -> %u, threads %u -> %u, children %u -> %u, files %u -> %u, RSS %lu -> %lu KiB",
                   before.fds, after.fds, before.threads, after.threads, before.children, after.children,
                   before.files, after.files, before.rss_kib, after.rss_kib);
    g_assert_cmpuint(after.fds, <=, before.fds);
    g_assert_cmpuint(after.threads, <=, before.threads);
    g_assert_cmpuint(after.children, ==, 1);
    g_assert_cmpuint(after.files, <=, before.files);
    g_assert_cmpuint(after.rss_kib, <=, before.rss_kib + RSS_MARGIN_KIB);

    kill(test.host.qemu, SIGKILL);
    testTellGone(&test.host, test.connection);
    testRunUntil(testNoFiles, &test);
    fakeGuestFree(&test.guest);
    if (!test.attached)
        fakeGuestFree(&test.next);
    testStop(&test.host);
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(argc, ==, 3);
    testDaemonPath = argv[1];
    testBackendPath = argv[2];
    g_test_add_func("/cycles/thousand", testThousand);
    return g_test_run();
}
