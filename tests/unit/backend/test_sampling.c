/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_sampling.c: overflows, from the host's ring to the guest's NMI.
 *
 * What overflows do to slots and samples, when the guest is told, and what is
 * left when all is over. On fakes (fake_host.h): an event overflows when the
 * test says so. Who may sample at all is test_sampling_open.c's, and how often
 * test_grants.c's.
 */
#include <errno.h>
#include <glib.h>
#include <linux/perf_event.h>
#include <string.h>

#include "bench_calls.h"

#define GUEST_USER PERF_RECORD_MISC_GUEST_USER
#define GUEST_KERNEL PERF_RECORD_MISC_GUEST_KERNEL

static void
overflowBy(int32_t id,
           uint32_t vcpu,
           uint64_t period)
{
    g_assert_true(fakeBenchOverflow(fakeBenchFd(id, vcpu), period, GUEST_USER, 0x1000 + id));
}


/* ---- Overflows ------------------------------------------------------------------------ */

static void
assertOverflows(uint32_t row,
                uint32_t vcpu,
                uint32_t overflows,
                uint64_t period_sum)
{
    g_assert_cmpuint(slot(row, vcpu).overflows, ==, overflows);
    g_assert_cmpuint(slot(row, vcpu).period_sum, ==, period_sum);
}


static void
testPeriods(void)
{
    uint64_t sum = 0;
    uint64_t i;

    begin(2, 0);
    g_assert_cmpint(openAttr(1, -1, instructions).ret, ==, 0);
    call(0, ENABLE, 1);
    call(1, ENABLE, 1);
    for (i = 1; i <= 300; i++) {
        overflowBy(1, 0, 100000 + i);
        sum += 100000 + i;
        if (i % 7)
            continue;
        fakeBenchServe();
        assertOverflows(1, 0, i, sum);
    }
    overflowBy(1, 1, 5);
    call(0, READ, 1);
    assertOverflows(1, 0, 300, sum);
    assertOverflows(1, 1, 1, 5);
    g_assert_cmpuint(slot(1, 0).state, ==, PVPERF_SLOT_COUNTING);
    overflowBy(1, 0, 11);
    call(0, DISABLE, 1);
    assertOverflows(1, 0, 301, sum + 11);

    /* Off is off; on again goes on; what uses the slot later goes on, too. */
    g_assert_false(fakeBenchOverflow(fakeBenchFd(1, 0), 1, GUEST_USER, 1));
    call(0, ENABLE, 1);
    overflowBy(1, 0, 1);
    closeEvent(1);
    assertOverflows(1, 0, 302, sum + 12);
    g_assert_cmpint(openAttr(1, -1, instructions).ret, ==, 0);
    call(0, ENABLE, 1);
    overflowBy(1, 0, 2);
    call(0, DISABLE, 1);
    assertOverflows(1, 0, 303, sum + 14);
    g_assert_cmpuint(bench.backend.stats->sampling.overflows, ==, 304);
    fakeBenchFree();
}


/* Runs a clock and lets its timer go off. */
static void
tick(int32_t id,
     uint64_t ns)
{
    fakeBenchRun(0, ns, ns, ns);
    overflowBy(id, 0, PERIOD);
    fakeBenchServe();
}


/* What a late timer left out are whole periods, by the count. */
static void
testLateClock(void)
{
    uint64_t count = 0;
    uint32_t i;

    begin(1, 0);
    openClock(1, -1);
    call(0, ENABLE, 1);
    tick(1, PERIOD);
    assertOverflows(1, 0, 1, PERIOD);
    tick(1, 5 * PERIOD + PERIOD / 4);
    assertOverflows(1, 0, 2, 6 * PERIOD);
    tick(1, PERIOD - PERIOD / 4);
    assertOverflows(1, 0, 3, 7 * PERIOD);
    /* Early ones are one, too; the sum waits for the count then. */
    tick(1, PERIOD / 8);
    assertOverflows(1, 0, 4, 8 * PERIOD);
    tick(1, PERIOD * 3);
    assertOverflows(1, 0, 5, 10 * PERIOD);

    /* On again, the count goes on where it was. */
    call(0, DISABLE, 1);
    call(0, ENABLE, 1);
    tick(1, PERIOD);
    assertOverflows(1, 0, 6, 11 * PERIOD);
    for (i = 0; i < 200; i++) {
        tick(1, PERIOD + i * 12345);
        call(0, READ, 1);
        count = slot(1, 0).count;
        g_assert_cmpuint(slot(1, 0).period_sum + PERIOD / 2, >=, count);
        g_assert_cmpuint(slot(1, 0).period_sum, <=, count + PERIOD / 2);
    }
    fakeBenchFree();
}


/* Each clock of a group goes by its own count, whenever it was opened. */
static void
testLateClockInGroup(void)
{
    begin(1, 0);
    g_assert_cmpint(openAttr(1, -1, instructions).ret, ==, 0);
    openClock(2, 1);
    openClock(3, 1);
    call(0, ENABLE, 1);
    call(0, ENABLE, 2);
    tick(2, 4 * PERIOD);
    call(0, ENABLE, 3);
    tick(3, 3 * PERIOD);
    tick(2, 0);
    assertOverflows(2, 0, 2, 7 * PERIOD);
    assertOverflows(3, 0, 1, 3 * PERIOD);
    overflowBy(1, 0, 100000);
    call(0, READ, 1);
    assertOverflows(1, 0, 1, 100000);

    /* Another member comes and one goes. */
    openClock(4, 1);
    tick(3, 2 * PERIOD);
    assertOverflows(3, 0, 2, 5 * PERIOD);
    closeEvent(2);
    tick(3, 2 * PERIOD);
    assertOverflows(3, 0, 3, 7 * PERIOD);
    fakeBenchFree();
}


/* The guest's places are in the samples; the host's are nowhere in the window. */
static void
testPlaces(void)
{
    static const uint16_t modes[] = {
        GUEST_USER, PERF_RECORD_MISC_USER, GUEST_KERNEL, PERF_RECORD_MISC_KERNEL,
        PERF_RECORD_MISC_HYPERVISOR, PERF_RECORD_MISC_CPUMODE_UNKNOWN, 6, 7,
    };
    struct pvperf_area *area;
    uint64_t host;
    uint32_t n = 0;
    uint64_t i;

    begin(2, 0);
    area = fakeGuestArea(&bench.guest, 1);
    g_assert_cmpint(openAttr(7, -1, instructions).ret, ==, 0);
    call(1, ENABLE, 7);
    for (i = 0; i < 2000; i++) {
        uint16_t mode = modes[i % G_N_ELEMENTS(modes)];
        bool guest = mode == GUEST_USER || mode == GUEST_KERNEL;
        uint64_t ip = (guest ? 0x400000 : 0xffffffffa5a50000) + i;
        struct pvperf_sample sample;

        /* Other bits of misc are not the mode. */
        g_assert_true(fakeBenchOverflow(fakeBenchFd(7, 1), 1000, mode | PERF_RECORD_MISC_EXACT_IP, ip));
        fakeBenchServe();
        if (!guest) {
            g_assert_cmpuint(area->complete.samples_head, ==, n);
            continue;
        }
        sample = area->samples[n++ % PVPERF_NR_SAMPLES];
        g_assert_cmpuint(area->complete.samples_head, ==, n);
        g_assert_cmphex(sample.ip, ==, ip);
        g_assert_cmpuint(sample.id, ==, 7);
        g_assert_cmpuint(sample.mode, ==, mode);
        g_assert_cmpuint(sample.overflows, ==, i + 1);
        g_assert_cmpuint(sample.period_sum, ==, (i + 1) * 1000);
        g_assert_cmpuint(sample.pad0, ==, 0);
    }
    assertOverflows(7, 1, 2000, 2000000);
    g_assert_cmpuint(fakeGuestArea(&bench.guest, 0)->complete.samples_head, ==, 0);
    for (i = 0; i + sizeof(host) <= bench.guest.size; i += 4) {
        memcpy(&host, bench.guest.base + i, sizeof(host));
        g_assert_cmphex(host >> 16, !=, 0xffffffffa5a5);
    }
    fakeBenchFree();
}


/* Whatever else is in the ring. */
static void
testOtherRecords(void)
{
    const uint64_t unknown[] = { 987654, 0x1234, 1000 };
    const uint64_t lost[] = { 1, 2 };
    uint64_t stopped[] = { 55, 0, 0 };
    int fd;

    begin(1, 0);
    g_assert_cmpint(openAttr(1, -1, instructions).ret, ==, 0);
    g_assert_cmpint(openAttr(2, -1, instructions).ret, ==, 0);
    call(0, ENABLE, 1);
    fd = fakeBenchFd(1, 0);
    stopped[1] = bench.perf[fd - FAKE_FD_FIRST].sample_id;

    fakeBenchRecord(fd, PERF_RECORD_SAMPLE, GUEST_USER, unknown, 3);
    fakeBenchRecord(fd, PERF_RECORD_SAMPLE, GUEST_USER, unknown, 2);
    fakeBenchRecord(fd, PERF_RECORD_SAMPLE, GUEST_USER, NULL, 0);
    fakeBenchRecord(fd, PERF_RECORD_LOST, 0, lost, 2);
    fakeBenchServe();
    g_assert_cmpuint(bench.backend.stats->sampling.overflows, ==, 0);
    assertOverflows(1, 0, 0, 0);
    g_assert_cmpuint(bench.nmis[0], ==, 0);

    /* The host kernel's own throttling is told, and nothing else. */
    fakeBenchRecord(fd, PERF_RECORD_THROTTLE, 0, stopped, 3);
    fakeBenchRecord(fd, PERF_RECORD_UNTHROTTLE, 0, stopped, 3);
    fakeBenchServe();
    g_assert_cmpuint(slot(1, 0).throttles, ==, 1);
    g_assert_cmpuint(bench.backend.stats->sampling.host_throttles, ==, 1);
    g_assert_cmpuint(bench.backend.stats->sampling.throttles, ==, 0);
    g_assert_cmpuint(bench.nmis[0], ==, 0);

    /* A record of an event that is not enabled is nobody's. */
    fakeBenchRecord(fakeBenchFd(2, 0), PERF_RECORD_SAMPLE, GUEST_USER,
                    (uint64_t[]) { fakeBenchPerf(2, 0)->sample_id, 1, 1 }, 3);
    overflowBy(1, 0, 100000);
    fakeBenchServe();
    assertOverflows(1, 0, 1, 100000);
    assertOverflows(2, 0, 0, 0);
    fakeBenchFree();
}


/* A frequency that needs too short periods is halved, after eight in a row. */
static void
testShortPeriods(void)
{
    struct guest_perf_attr attr = instructions;
    uint64_t period = 0;
    uint32_t i;

    begin(1, 0);
    attr.flags = PVPERF_ATTR_FREQ;
    attr.sample_period = 10000;
    g_assert_cmpint(openAttr(1, -1, attr).ret, ==, 0);
    call(0, ENABLE, 1);
    for (i = 0; i < 40; i++) {
        overflowBy(1, 0, i % 8 == 7 ? 1000 : 999);
        period += i % 8 == 7 ? 1000 : 999;
    }
    fakeBenchServe();
    g_assert_cmpuint(fakeBenchPerf(1, 0)->hz, ==, 0);
    assertOverflows(1, 0, 40, period);
    for (i = 0; i < 15; i++)
        overflowBy(1, 0, 10);
    fakeBenchServe();
    g_assert_cmpuint(fakeBenchPerf(1, 0)->hz, ==, 5000);
    overflowBy(1, 0, 10);
    fakeBenchServe();
    g_assert_cmpuint(fakeBenchPerf(1, 0)->hz, ==, 2500);
    for (i = 0; i < 200; i++) {
        overflowBy(1, 0, 10);
        fakeBenchServe();
    }
    g_assert_cmpuint(fakeBenchPerf(1, 0)->hz, ==, 1);
    fakeBenchFree();
}


/* ---- NMIs ------------------------------------------------------------------------------ */

static void
assertNmis(uint32_t vcpu,
           uint32_t nmis)
{
    fakeBenchServe();
    g_assert_cmpuint(bench.nmis[vcpu], ==, nmis);
    g_assert_cmpuint(fakeGuestArea(&bench.guest, vcpu)->complete.nmi_sent, ==, nmis);
}


static void
beginTwoClocks(void)
{
    begin(2, 0);
    openClock(1, -1);
    openClock(2, -1);
    call(0, ENABLE, 1);
    call(1, ENABLE, 1);
    call(1, ENABLE, 2);
}


static void
testOneNmi(void)
{
    beginTwoClocks();
    assertNmis(1, 0);
    overflowBy(1, 1, PERIOD);
    overflowBy(2, 1, PERIOD);
    assertNmis(1, 1);
    overflowBy(2, 1, PERIOD);
    assertNmis(1, 1);
    g_assert_true(fakeBenchClaim(1));
    g_assert_false(fakeBenchClaim(1));
    /* The handler looked after it claimed: it found the third. */
    assertNmis(1, 1);
    overflowBy(1, 1, PERIOD);
    assertNmis(1, 2);
    assertNmis(0, 0);
    overflowBy(1, 0, PERIOD);
    assertNmis(0, 1);
    g_assert_cmpuint(bench.backend.stats->sampling.nmis, ==, 3);
    fakeBenchFree();
}


/* Nobody is told of what a DISABLE or READ of the vCPU has brought. */
static void
testNoNmiForSync(void)
{
    beginTwoClocks();
    overflowBy(1, 1, PERIOD);
    call(1, READ, 2);
    overflowBy(2, 1, PERIOD);
    call(1, DISABLE, 1);
    assertNmis(1, 0);
    assertOverflows(1, 1, 1, PERIOD);
    assertOverflows(2, 1, 1, PERIOD);

    /* One of another vCPU is not its business. */
    overflowBy(2, 1, PERIOD);
    call(0, READ, 1);
    assertNmis(1, 1);
    /* A claim is due for the one on its way all the same. */
    overflowBy(2, 1, PERIOD);
    call(1, DISABLE, 2);
    g_assert_true(fakeBenchClaim(1));
    assertNmis(1, 1);
    fakeBenchFree();
}


static void
testLostNmi(void)
{
    uint32_t i;

    beginTwoClocks();
    overflowBy(1, 1, PERIOD);
    assertNmis(1, 1);
    g_assert_cmpuint(pvperfSamplingDeadline(&bench.backend.table), ==, bench.now + 100 * MS);
    bench.now += 100 * MS - 1;
    assertNmis(1, 1);
    bench.now += 1;
    assertNmis(1, 2);
    g_assert_cmpuint(pvperfSamplingDeadline(&bench.backend.table), ==, bench.now + 100 * MS);
    g_assert_true(fakeBenchClaim(1));
    bench.now += 1000 * MS;
    assertNmis(1, 2);
    g_assert_cmpuint(pvperfSamplingDeadline(&bench.backend.table), ==, 0);

    /* A guest that writes anything gets ten a second, of the vCPU that samples. */
    for (i = 0; i < 1000; i++) {
        fakeGuestArea(&bench.guest, 1)->submit.nmi_handled = 0x80000000 + i;
        bench.now += MS;
        overflowBy(2, 1, PERIOD);
        fakeBenchServe();
    }
    g_assert_cmpuint(bench.nmis[1], >=, 11);
    g_assert_cmpuint(bench.nmis[1], <=, 13);
    g_assert_cmpuint(bench.nmis[0], ==, 0);
    fakeBenchFree();
}


static void
testNoVectors(void)
{
    beginTwoClocks();
    bench.backend.table.sampling.irq_fds = NULL;
    overflowBy(1, 1, PERIOD);
    fakeBenchServe();
    g_assert_cmpuint(fakeGuestArea(&bench.guest, 1)->complete.nmi_sent, ==, 1);
    bench.backend.table.sampling.irq_fds = bench.irq_fds;
    bench.irq_fds[0] = 0;
    overflowBy(1, 0, PERIOD);
    fakeBenchServe();
    g_assert_cmpuint(fakeGuestArea(&bench.guest, 0)->complete.nmi_sent, ==, 1);
    g_assert_cmpuint(bench.nmis[0] + bench.nmis[1], ==, 0);
    fakeBenchFree();
}


/* ---- Ends ------------------------------------------------------------------------------- */

static void
assertNothingLeft(void)
{
    const pvperfSampling *sampling = &bench.backend.table.sampling;
    uint32_t vcpu;

    g_assert_cmpuint(sampling->granted, ==, 0);
    g_assert_cmpuint(sampling->throttled, ==, 0);
    g_assert_cmpuint(sampling->nactive, ==, 0);
    g_assert_cmpuint(pvperfSamplingDeadline(&bench.backend.table), ==, 0);
    for (vcpu = 0; vcpu < bench.guest.nr_vcpus; vcpu++) {
        g_assert_cmpuint(sampling->vcpus[vcpu].nsamplers, ==, 0);
        g_assert_cmpuint(bench.backend.table.counting[vcpu], ==, 0);
    }
}


static void
testSessions(void)
{
    uint32_t end;

    for (end = 0; end < 3; end++) {
        beginTwoClocks();
        openClock(3, 2);
        call(1, ENABLE, 2);
        call(1, ENABLE, 3);
        overflowBy(1, 0, PERIOD);
        fakeBenchServe();
        overflowBy(1, 1, PERIOD);
        overflowBy(3, 1, PERIOD);
        if (end == 0)
            pvperfTableCloseAll(&bench.backend.table);
        else if (end == 1)
            g_assert_cmpint(fakeBenchHello(SAMPLING).ret, ==, 0);
        else
            pvperfServeSession(&bench.backend, bench.guest.session = 0xfee2);
        assertNothingLeft();
        g_assert_cmpuint(bench.backend.stats->sampling.overflows, ==, 3);
        if (end < 2) {
            assertOverflows(1, 0, 1, PERIOD);
            assertOverflows(1, 1, 1, PERIOD);
        } else {
            assertOverflows(1, 0, 0, 0);
            g_assert_cmpuint(fakeGuestArea(&bench.guest, 0)->complete.nmi_sent, ==,
                             fakeGuestArea(&bench.guest, 0)->submit.nmi_handled);
        }

        /* It all begins anew, with the rings that there are. */
        openClock(1, -1);
        g_assert_cmpuint(bench.asked.ring, ==, 0);
        call(1, ENABLE, 1);
        overflowBy(1, 1, PERIOD);
        call(1, DISABLE, 1);
        assertOverflows(1, 1, end < 2 ? 2 : 1, (end < 2 ? 2 : 1) * PERIOD);
        closeEvent(1);
        assertNothingLeft();
        fakeBenchFree();
    }
}


/* A vCPU was taken out and put in again: its rings go with its events. */
static void
testThreadGone(void)
{
    begin(2, 0);
    openClock(1, -1);
    call(0, ENABLE, 1);
    call(1, ENABLE, 1);
    overflowBy(1, 0, PERIOD);
    bench.now += 5 * MS;
    call(0, DISABLE, 1);
    g_assert_cmpint(slot(1, 0).state, ==, PVPERF_SLOT_REFUSED);
    g_assert_cmpuint(fakeBenchRings(), ==, 1);
    call(0, ENABLE, 1);
    g_assert_cmpuint(bench.asked.ring, ==, 1);
    overflowBy(1, 0, PERIOD);
    call(0, READ, 1);
    assertOverflows(1, 0, 2, 2 * PERIOD);
    fakeBenchFree();
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sampling/periods", testPeriods);
    g_test_add_func("/sampling/late-clock", testLateClock);
    g_test_add_func("/sampling/late-clock-in-group", testLateClockInGroup);
    g_test_add_func("/sampling/places", testPlaces);
    g_test_add_func("/sampling/other-records", testOtherRecords);
    g_test_add_func("/sampling/short-periods", testShortPeriods);
    g_test_add_func("/sampling/one-nmi", testOneNmi);
    g_test_add_func("/sampling/no-nmi-for-sync", testNoNmiForSync);
    g_test_add_func("/sampling/lost-nmi", testLostNmi);
    g_test_add_func("/sampling/no-vectors", testNoVectors);
    g_test_add_func("/sampling/sessions", testSessions);
    g_test_add_func("/sampling/thread-gone", testThreadGone);
    return g_test_run();
}
