/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_grants.c: how many overflows happen, and what waiting costs.
 *
 * The host's events are on for as many overflows as the VM's budget lets
 * through, and stand still then: throttled, with the time in the slots as lost.
 * On fakes (fake_host.h), whose kernel switches an event off as the real one
 * does.
 */
#include <glib.h>
#include <linux/perf_event.h>

#include "bench_calls.h"

/* ---- Grants ------------------------------------------------------------------------------ */

/* Without a limit there is one all the same, as small as the ring is. */
static void
testUnlimited(void)
{
    const uint32_t samplers = 16;
    uint32_t total = 0;
    uint32_t id;
    uint32_t i;

    begin(1, 0);
    for (id = 0; id < samplers; id++)
        openClock(id, -1);
    for (id = 0; id < samplers; id++)
        call(0, ENABLE, id);
    for (id = 0; id < samplers; id++)
        total += fakeBenchPerf(id, 0)->limit;
    g_assert_cmpuint(sampling()->granted, ==, total);
    g_assert_cmpuint(fakeBenchPerf(0, 0)->limit, ==, 64);
    g_assert_cmpuint(total * pvperfRingRecordBytes(true, 1), <=, PVPERF_RING_BYTES * 3 / 4);

    /* All happen before anybody looks: they fit, and nothing is lost. */
    for (i = 0, total = 0; i < 100; i++) {
        for (id = 0; id < samplers; id++) {
            while (overflow(id, 0))
                total++;
        }
        fakeBenchServe();
        g_assert_cmpuint(bench.backend.stats->sampling.overflows, ==, total);
    }
    g_assert_cmpuint(total, >=, 100 * 64);
    fakeBenchFree();
}


/* The ring is its vCPU's own: however many others sample on theirs, it is not
 * shared with them. */
static void
testManyVcpus(void)
{
    const uint32_t vcpus = 64;
    uint32_t vcpu;
    uint32_t id;

    begin(vcpus, 0);
    openClock(0, -1);
    openClock(1, -1);
    for (id = 0; id < 2; id++) {
        for (vcpu = 0; vcpu < vcpus; vcpu++)
            call(vcpu, ENABLE, id);
    }
    for (id = 0; id < 2; id++) {
        for (vcpu = 0; vcpu < vcpus; vcpu++)
            g_assert_cmpuint(fakeBenchPerf(id, vcpu)->limit, ==, 64);
    }
    fakeBenchFree();
}


/* A sampler never has less than what it needs until the next look. */
static void
testRenewed(void)
{
    uint32_t i;

    begin(1, 0);
    openClock(1, -1);
    call(0, ENABLE, 1);
    for (i = 0; i < 1000; i++) {
        g_assert_true(overflow(1, 0));
        fakeBenchServe();
        g_assert_cmpuint(fakeBenchPerf(1, 0)->limit, >=, 32);
        g_assert_cmpuint(fakeBenchPerf(1, 0)->limit, <=, 64);
    }
    /* What is left of it is used when it is on again. */
    for (i = 0; i < 10; i++)
        g_assert_true(overflow(1, 0));
    call(0, DISABLE, 1);
    g_assert_cmpuint(sampling()->granted, ==, 0);
    i = fakeBenchPerf(1, 0)->limit;
    call(0, ENABLE, 1);
    g_assert_cmpuint(fakeBenchPerf(1, 0)->limit, ==, i);
    g_assert_cmpuint(sampling()->granted, ==, i);
    g_assert_cmpuint(slot(1, 0).throttles, ==, 0);
    fakeBenchFree();
}


/* Events that overflow as fast as they can, on two vCPUs: 1000 a second and one
 * bucket of 101, however they share it. */
static void
testBudgetHolds(void)
{
    uint64_t start;
    uint64_t total = 0;
    uint32_t i;

    begin(2, 1000);
    for (i = 0; i < 4; i++) {
        openClock(i, -1);
        call(0, ENABLE, i);
        call(1, ENABLE, i);
    }
    start = bench.now;
    g_assert_cmpuint(sampling()->granted, <=, 101);
    while (bench.now < start + 5 * SECOND) {
        for (i = 0; i < 8; i++) {
            while (overflow(i / 2, i % 2))
                total++;
        }
        fakeBenchServe();
        g_assert_cmpuint(total + sampling()->granted, <=, 101 + (bench.now - start) / MS);
        bench.now += MS;
    }
    g_assert_cmpuint(total, >=, 5000);
    g_assert_cmpuint(bench.backend.stats->sampling.overflows, ==, total);
    fakeBenchFree();
}


/* A burst is one for grants, too. */
static void
testBurst(void)
{
    uint64_t start;
    uint64_t total = 0;

    begin(1, 100);
    bench.backend.policy.total_samples_sec_max = 2000;
    bench.backend.policy.total_samples_sec_max_length = 2;
    openClock(1, -1);
    start = bench.now;
    call(0, ENABLE, 1);
    for (; bench.now < start + 10 * SECOND; bench.now += MS) {
        while (overflow(1, 0))
            total++;
        fakeBenchServe();
        g_assert_cmpuint(total, <=, 201 + (bench.now - start) / MS * 2);
        g_assert_cmpuint(total, <=, 4000 + (bench.now - start) / (10 * MS));
    }
    g_assert_cmpuint(total, >=, 4900);
    fakeBenchFree();
}


/* ---- Throttled ----------------------------------------------------------------------------- */

/* One sample a second: the first overflow is the last one for a while. */
static void
testLeaderThrottled(void)
{
    begin(1, 1);
    openClock(1, -1);
    g_assert_cmpint(fakeBenchOpenClock(2, 2, 1).ret, ==, 0);
    call(0, ENABLE, 1);
    call(0, ENABLE, 2);
    fakeBenchRun(0, 10 * MS, 10 * MS, 10);
    g_assert_true(overflow(1, 0));
    fakeBenchServe();
    g_assert_cmpuint(slot(1, 0).throttles, ==, 1);
    g_assert_cmpuint(slot(2, 0).throttles, ==, 0);
    g_assert_cmpuint(bench.backend.stats->sampling.throttles, ==, 1);
    g_assert_cmpuint(sampling()->throttled, ==, 1);
    g_assert_false(overflow(1, 0));

    fakeBenchRun(0, 300 * MS, 300 * MS, 1000);
    fakeBenchServe();
    call(0, READ, 2);
    assertTimes(1, 310 * MS, 300 * MS);
    assertTimes(2, 310 * MS, 300 * MS);
    g_assert_cmpuint(slot(2, 0).count, ==, 10);
    g_assert_cmpuint(bench.backend.stats->sampling.throttled_ns, ==, 300 * MS);

    /* A second after the sample there is another one. */
    fakeBenchRun(0, 700 * MS, 700 * MS, 1000);
    fakeBenchServe();
    g_assert_cmpuint(sampling()->throttled, ==, 0);
    g_assert_cmpuint(pvperfSamplingDeadline(&bench.backend.table), ==,
                     bench.now - 1000 * MS + 100 * MS + 1000 * MS);
    fakeBenchRun(0, 5 * MS, 5 * MS, 5);
    call(0, DISABLE, 1);
    call(0, DISABLE, 2);
    assertTimes(1, 1015 * MS, 1000 * MS);
    assertTimes(2, 1015 * MS, 1000 * MS);
    g_assert_cmpuint(slot(1, 0).count, ==, 15);
    g_assert_cmpuint(slot(2, 0).count, ==, 15);
    g_assert_cmpuint(bench.backend.stats->sampling.throttled_ns, ==, 1000 * MS);
    g_assert_cmpuint(bench.backend.stats->totals[pvperfEventFromName("vcpu-clock")].time_running, ==, 30 * MS);
    fakeBenchFree();
}


/* Its own time is lost; its group goes on. */
static void
testSiblingThrottled(void)
{
    begin(1, 1);
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    openClock(2, 1);
    call(0, ENABLE, 1);
    call(0, ENABLE, 2);
    fakeBenchRun(0, 10 * MS, 10 * MS, 10);
    g_assert_true(overflow(2, 0));
    fakeBenchServe();
    fakeBenchRun(0, 300 * MS, 300 * MS, 300);
    call(0, READ, 1);
    assertTimes(1, 310 * MS, 0);
    assertTimes(2, 310 * MS, 300 * MS);
    g_assert_cmpuint(slot(1, 0).count, ==, 310);
    g_assert_cmpuint(slot(2, 0).count, ==, 10);
    g_assert_cmpuint(slot(2, 0).throttles, ==, 1);

    fakeBenchRun(0, 700 * MS, 700 * MS, 700);
    fakeBenchServe();
    fakeBenchRun(0, 5 * MS, 5 * MS, 5);
    call(0, DISABLE, 1);
    call(0, DISABLE, 2);
    assertTimes(1, 1015 * MS, 0);
    assertTimes(2, 1015 * MS, 1000 * MS);
    g_assert_cmpuint(slot(1, 0).count, ==, 1015);
    g_assert_cmpuint(slot(2, 0).count, ==, 15);
    g_assert_cmpuint(bench.backend.stats->totals[pvperfEventFromName("vcpu-clock")].time_running, ==,
                     1030 * MS);
    fakeBenchFree();
}


/* Off while it waits: the time until then is lost, the vCPU's thread is not
 * taken for gone, and nothing waits any more. */
static void
testDisabledThrottled(void)
{
    int end;

    for (end = 0; end < 2; end++) {
        begin(1, 1);
        openClock(1, -1);
        call(0, ENABLE, 1);
        fakeBenchRun(0, MS, MS, 1);
        g_assert_true(overflow(1, 0));
        fakeBenchServe();
        fakeBenchRun(0, 500 * MS, 500 * MS, 1000);
        if (end == 0)
            call(0, DISABLE, 1);
        else
            call(fakeGuestControl(&bench.guest), CLOSE, 1);
        g_assert_cmpint(slot(1, 0).state, ==, end == 0 ? PVPERF_SLOT_FINAL : PVPERF_SLOT_CLOSED);
        assertTimes(1, 501 * MS, 500 * MS);
        g_assert_cmpuint(sampling()->throttled, ==, 0);
        g_assert_cmpuint(fakeBenchRings(), ==, 1);
        fakeBenchRun(0, 100 * MS, 100 * MS, 1000);
        fakeBenchServe();
        assertTimes(1, 501 * MS, 500 * MS);
        fakeBenchFree();
    }
}


/* Nothing is left at ENABLE: it waits from the start. */
static void
testThrottledAtOnce(void)
{
    begin(1, 1);
    openClock(1, -1);
    openClock(2, -1);
    call(0, ENABLE, 1);
    call(0, ENABLE, 2);
    g_assert_false(fakeBenchPerf(2, 0)->on);
    g_assert_cmpuint(sampling()->throttled, ==, 1);
    /* A grant that is given back is the other's at the next look. */
    fakeBenchRun(0, 2 * MS, 2 * MS, 2);
    call(0, DISABLE, 1);
    g_assert_false(overflow(2, 0));
    fakeBenchRun(0, 8 * MS, 8 * MS, 8);
    fakeBenchServe();
    fakeBenchRun(0, 3 * MS, 3 * MS, 3);
    g_assert_true(overflow(2, 0));
    call(0, DISABLE, 2);
    assertTimes(1, 2 * MS, 0);
    assertTimes(2, 13 * MS, 10 * MS);
    g_assert_cmpuint(slot(2, 0).throttles, ==, 1);
    g_assert_cmpuint(slot(2, 0).overflows, ==, 1);
    fakeBenchFree();
}


/* The poll loop is told when to look. */
static void
testDeadline(void)
{
    begin(2, 1);
    openClock(1, -1);
    call(0, ENABLE, 1);
    g_assert_cmpuint(pvperfSamplingDeadline(&bench.backend.table), ==, 0);
    call(1, ENABLE, 1);
    g_assert_cmpuint(pvperfSamplingDeadline(&bench.backend.table), ==, bench.now + 10 * MS);
    bench.now += 10 * MS;
    fakeBenchServe();
    g_assert_cmpuint(pvperfSamplingDeadline(&bench.backend.table), ==, bench.now + 10 * MS);
    call(1, DISABLE, 1);
    g_assert_cmpuint(pvperfSamplingDeadline(&bench.backend.table), ==, 0);
    fakeBenchFree();
}


/* A sampler that is off in a group that is on, however it came to be off. */
static void
testDisabledSibling(void)
{
    begin(1, 0);
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    openClock(2, 1);
    openClock(3, 1);
    call(0, ENABLE, 1);
    call(0, ENABLE, 3);
    g_assert_false(overflow(2, 0));
    g_assert_true(overflow(3, 0));
    call(0, ENABLE, 2);
    g_assert_true(overflow(2, 0));
    call(0, DISABLE, 2);
    g_assert_false(overflow(2, 0));
    g_assert_cmpuint(slot(2, 0).overflows, ==, 1);

    /* Disabled while its leader is: it must not start with it. */
    call(0, ENABLE, 2);
    call(0, DISABLE, 1);
    g_assert_false(overflow(2, 0));
    call(0, DISABLE, 2);
    call(0, ENABLE, 1);
    g_assert_false(overflow(2, 0));
    g_assert_true(overflow(3, 0));

    /* A new member brings new host events, and the leader's CLOSE groups of
     * their own. */
    openClock(4, 1);
    g_assert_false(overflow(2, 0));
    g_assert_false(overflow(4, 0));
    g_assert_true(overflow(3, 0));
    call(fakeGuestControl(&bench.guest), CLOSE, 1);
    g_assert_false(overflow(2, 0));
    g_assert_false(overflow(4, 0));
    g_assert_true(overflow(3, 0));
    call(0, ENABLE, 4);
    g_assert_true(overflow(4, 0));
    fakeBenchServe();
    g_assert_cmpuint(slot(2, 0).overflows, ==, 1);
    g_assert_cmpuint(slot(3, 0).overflows, ==, 4);
    g_assert_cmpuint(slot(4, 0).overflows, ==, 1);
    fakeBenchFree();
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/grants/unlimited", testUnlimited);
    g_test_add_func("/grants/many-vcpus", testManyVcpus);
    g_test_add_func("/grants/renewed", testRenewed);
    g_test_add_func("/grants/budget-holds", testBudgetHolds);
    g_test_add_func("/grants/burst", testBurst);
    g_test_add_func("/grants/leader-throttled", testLeaderThrottled);
    g_test_add_func("/grants/sibling-throttled", testSiblingThrottled);
    g_test_add_func("/grants/disabled-throttled", testDisabledThrottled);
    g_test_add_func("/grants/throttled-at-once", testThrottledAtOnce);
    g_test_add_func("/grants/deadline", testDeadline);
    g_test_add_func("/grants/disabled-sibling", testDisabledSibling);
    return g_test_run();
}
