/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_sampling_edges.c: sampling where two things happen at once.
 *
 * A leader that is closed while its sibling waits, two requests for one ring,
 * frames that follow each other in one batch, records that are not taken yet
 * when the group changes, NMIs that are due when nobody is left. On fakes
 * (fake_host.h); what happens one after the other is test_sampling.c's and
 * test_grants.c's, what many do at once test_grants_edges.c's.
 */
#include <errno.h>
#include <glib.h>
#include <linux/perf_event.h>

#include "bench_calls.h"

static void
openCounter(int32_t id,
            int32_t leader)
{
    g_assert_cmpint(fakeBenchOpenClock(id, id, leader).ret, ==, 0);
}


static void
openInstructions(int32_t id)
{
    g_assert_cmpint(fakeBenchOpen(&(fakeOpen) { .id = id, .row = id, .attr = instructions }).ret, ==, 0);
}


/* The thread of vCPU 0 runs, and so do its clocks. */
static void
run(uint64_t ns)
{
    fakeBenchRun(0, ns, ns, ns);
}


/* ---- Groups -------------------------------------------------------------------------------- */

/* A sibling that waits in a group that is off, whose leader is closed: it waits
 * for its ENABLE then, and for nothing else. */
static void
testWaitsWithoutLeader(void)
{
    uint64_t lost;
    int again;

    for (again = 0; again < 2; again++) {
        begin(1, 1);
        openCounter(1, -1);
        openClock(2, 1);
        call(0, ENABLE, 1);
        call(0, ENABLE, 2);
        run(10 * MS);
        g_assert_true(overflow(2, 0));
        fakeBenchServe();
        g_assert_cmpuint(sampling()->throttled, ==, 1);
        call(0, DISABLE, 1);
        closeEvent(1);
        g_assert_cmpuint(sampling()->throttled, ==, 0);

        /* There is a sample for it long since. */
        run(2000 * MS);
        fakeBenchServe();
        run(2000 * MS);
        fakeBenchServe();
        g_assert_false(fakeBenchPerf(2, 0)->on);
        g_assert_false(overflow(2, 0));

        if (again) {
            call(0, DISABLE, 2);
            g_assert_false(fakeBenchPerf(2, 0)->on);
        }
        call(0, ENABLE, 2);
        g_assert_true(fakeBenchPerf(2, 0)->on);
        g_assert_cmpuint(fakeBenchPerf(2, 0)->limit, >, 0);
        lost = slot(2, 0).time_lost;
        g_assert_cmpuint(lost, ==, 0);
        run(10 * MS);
        call(0, READ, 2);
        assertTimes(2, 20 * MS, lost);
        call(0, DISABLE, 2);
        g_assert_false(fakeBenchPerf(2, 0)->on);
        run(2000 * MS);
        fakeBenchServe();
        g_assert_false(fakeBenchPerf(2, 0)->on);
        assertTimes(2, 20 * MS, lost);
        fakeBenchFree();
    }
}


/* Records of a group are those of the members that it had when they were
 * written. */
static void
testClosedBeforeDrain(void)
{
    begin(1, 0);
    openCounter(1, -1);
    openClock(2, 1);
    openClock(3, 1);
    call(0, ENABLE, 1);
    call(0, ENABLE, 3);
    run(4 * PERIOD);
    g_assert_true(overflow(3, 0));
    closeEvent(2);
    g_assert_cmpuint(slot(3, 0).overflows, ==, 1);
    g_assert_cmpuint(slot(3, 0).period_sum, ==, 4 * PERIOD);
    run(3 * PERIOD);
    g_assert_true(overflow(3, 0));
    fakeBenchServe();
    g_assert_cmpuint(slot(3, 0).period_sum, ==, 7 * PERIOD);
    fakeBenchFree();
}


/* ---- Lost time ------------------------------------------------------------------------------ */

/* Time that is the group's loss is not its sibling's once more. */
static void
testBothThrottled(void)
{
    begin(1, 100);
    openClock(1, -1);
    openClock(2, 1);
    call(0, ENABLE, 1);
    call(0, ENABLE, 2);
    run(10 * MS);
    /* The leader last: it stops its group. */
    while (overflow(2, 0) || overflow(1, 0))
        fakeBenchServe();
    g_assert_cmpuint(sampling()->throttled, ==, 2);
    run(8 * MS);
    call(0, READ, 2);
    assertTimes(1, 18 * MS, 8 * MS);
    assertTimes(2, 18 * MS, 8 * MS);
    g_assert_cmpuint(slot(2, 0).count, ==, 10 * MS);
    fakeBenchFree();
}


/* A group that is off loses nothing, whoever of it waits. */
static void
testThrottledWhileOff(void)
{
    const pvperfControlTotal *total = &bench.backend.stats->totals[pvperfEventFromName("vcpu-clock")];

    begin(1, 1);
    openCounter(1, -1);
    openClock(2, 1);
    call(0, ENABLE, 1);
    call(0, ENABLE, 2);
    run(10 * MS);
    g_assert_true(overflow(2, 0));
    fakeBenchServe();
    run(5 * MS);
    call(0, DISABLE, 1);
    run(50 * MS);
    fakeBenchServe();
    call(0, ENABLE, 1);
    run(5 * MS);
    call(0, DISABLE, 2);
    call(0, DISABLE, 1);
    assertTimes(1, 20 * MS, 0);
    assertTimes(2, 20 * MS, 10 * MS);
    g_assert_cmpuint(total->time_enabled, ==, 40 * MS);
    g_assert_cmpuint(total->time_running, ==, 30 * MS);
    fakeBenchFree();
}


/* Nor does one lose more than it had, whatever its row counted before. */
static void
testRowUsedBefore(void)
{
    const pvperfControlTotal *total = &bench.backend.stats->totals[pvperfEventFromName("vcpu-clock")];

    begin(1, 1);
    openInstructions(2);
    call(0, ENABLE, 2);
    run(5000 * MS);
    closeEvent(2);

    openCounter(1, -1);
    openClock(2, 1);
    call(0, ENABLE, 1);
    call(0, ENABLE, 2);
    run(10 * MS);
    g_assert_true(overflow(2, 0));
    fakeBenchServe();
    /* The vCPU sleeps. */
    bench.now += 900 * MS;
    call(0, READ, 2);
    g_assert_cmpuint(total->time_enabled, ==, 20 * MS);
    g_assert_cmpuint(total->time_running, <=, 20 * MS);
    g_assert_cmpuint(total->time_running, >=, 10 * MS);
    g_assert_cmpuint(slot(2, 0).time_enabled, ==, 5010 * MS);
    g_assert_cmpuint(slot(2, 0).time_lost, <=, 10 * MS);
    fakeBenchFree();
}


/* ---- Batches --------------------------------------------------------------------------------- */

/* A READ just before says nothing about the thread. */
static void
testReadThenDisable(void)
{
    begin(1, 0);
    openClock(1, -1);
    call(0, ENABLE, 1);
    run(5 * MS);
    fakeGuestPut(&bench.guest, 0, fakeFrame(READ, 1));
    call(0, DISABLE, 1);
    g_assert_cmpint(slot(1, 0).state, ==, PVPERF_SLOT_FINAL);
    assertTimes(1, 5 * MS, 0);
    g_assert_cmpuint(fakeBenchRings(), ==, 1);
    fakeBenchFree();
}


/* Neither does time in which it was throttled, though the thread has not run
 * since then. */
static void
testThrottledThenDisable(void)
{
    int once;

    for (once = 0; once < 2; once++) {
        begin(1, 1);
        openClock(1, -1);
        openClock(2, -1);
        if (once == 0) {
            call(0, ENABLE, 1);
            run(5 * MS);
            g_assert_true(overflow(1, 0));
            fakeBenchServe();
        } else {
            /* Throttled from the start. */
            call(0, ENABLE, 2);
            g_assert_true(overflow(2, 0));
            call(0, DISABLE, 2);
            call(0, ENABLE, 1);
        }
        g_assert_cmpuint(sampling()->throttled, ==, 1);
        bench.now += 1000 * MS;
        fakeBenchServe();
        g_assert_cmpuint(sampling()->throttled, ==, 0);
        g_assert_true(fakeBenchPerf(1, 0)->on);
        bench.now += once == 0 ? MS : MS - 1;
        call(0, DISABLE, 1);
        g_assert_cmpint(slot(1, 0).state, ==, PVPERF_SLOT_FINAL);
        g_assert_cmpuint(fakeBenchRings(), ==, 1);
        fakeBenchFree();
    }
}


/* ---- Rings ----------------------------------------------------------------------------------- */

/* Two requests for a ring may be in flight: the one that comes first stays. */
static void
testTwoRequests(void)
{
    fakeOpen open = {
        .id = 2, .row = 2, .vcpu = 1, .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK),
    };
    int order;

    open.attr.sample_period = PERIOD;
    for (order = 0; order < 2; order++) {
        int32_t first = order == 0 ? 1 : 2;
        pvperfControlOpen asked[2];
        int output;

        begin(2, 0);
        openClock(1, -1);
        bench.answers = false;
        g_assert_cmpint(fakeBenchCall(1, ENABLE, 1).ret, ==, 1);
        asked[0] = bench.asked;
        g_assert_cmpint(fakeBenchOpen(&open).ret, ==, 1);
        asked[1] = bench.asked;
        g_assert_cmpuint(asked[0].ring + asked[1].ring, ==, 2);

        bench.asked = asked[order];
        fakeBenchAnswer(0, PVPERF_REASON_NONE);
        fakeBenchServe();
        g_assert_cmpuint(fakeBenchRings(), ==, 2);
        output = fakeBenchPerf(first, 1)->output;
        g_assert_nonnull(bench.perf[output].memory);
        bench.asked = asked[1 - order];
        fakeBenchAnswer(0, PVPERF_REASON_NONE);
        fakeBenchServe();
        g_assert_cmpuint(fakeBenchRings(), ==, 2);
        g_assert_cmpint(fakeBenchPerf(first, 1)->output, ==, output);
        g_assert_cmpint(fakeBenchPerf(3 - first, 1)->output, ==, output);
        g_assert_nonnull(bench.perf[output].memory);

        call(1, ENABLE, 2);
        g_assert_true(overflow(1, 1));
        g_assert_true(overflow(2, 1));
        fakeBenchServe();
        g_assert_cmpuint(slot(1, 1).overflows, ==, 1);
        g_assert_cmpuint(slot(2, 1).overflows, ==, 1);
        fakeBenchFree();
    }
}


/* Host events write into the ring that they were opened with, whatever kind
 * their group is of by now. */
static void
testKindChanges(void)
{
    struct guest_perf_attr counting = instructions;
    int end;

    counting.sample_period = 0;
    for (end = 0; end < 2; end++) {
        fakeOpen open = { .id = 2 - end, .row = 2 - end, .sibling = end == 0, .leader = 1, .attr = counting };
        int32_t id = 1 + end;
        uint32_t vcpu = 1 - end;
        uint32_t i;

        begin(2, 0);
        if (end == 0) {
            /* Hardware joins, on another vCPU for the time being. */
            openClock(1, -1);
            call(1, ENABLE, 1);
            g_assert_cmpint(fakeBenchOpen(&open).ret, ==, 0);
        } else {
            /* Hardware goes. */
            g_assert_cmpint(fakeBenchOpen(&open).ret, ==, 0);
            openClock(2, 1);
            call(0, ENABLE, 1);
            call(0, ENABLE, 2);
            closeEvent(1);
        }
        for (i = 1; i <= 1000; i++) {
            g_assert_true(overflow(id, vcpu));
            fakeBenchServe();
            g_assert_cmpuint(slot(id, vcpu).overflows, ==, i);
        }
        fakeBenchFree();
    }
}


/* ---- NMIs ------------------------------------------------------------------------------------ */

/* Nobody is left to be told of what a closed event did. */
static void
testClosedUntold(void)
{
    begin(2, 0);
    openClock(1, -1);
    openClock(2, -1);
    call(1, ENABLE, 1);
    g_assert_true(overflow(1, 1));
    closeEvent(1);
    g_assert_cmpuint(slot(1, 1).overflows, ==, 1);
    call(1, ENABLE, 2);
    fakeBenchServe();
    g_assert_cmpuint(bench.nmis[1], ==, 0);
    g_assert_true(overflow(2, 1));
    fakeBenchServe();
    g_assert_cmpuint(bench.nmis[1], ==, 1);
    fakeBenchFree();
}


static void
testSessionUntold(void)
{
    const struct pvperf_area *area;

    begin(2, 0);
    area = fakeGuestArea(&bench.guest, 1);
    openClock(1, -1);
    call(1, ENABLE, 1);
    g_assert_true(overflow(1, 1));
    bench.guest.session = 0xfee2;
    pvperfServeSession(&bench.backend, bench.guest.session);
    g_assert_cmpint(fakeBenchHello(SAMPLING).ret, ==, 0);
    openClock(1, -1);
    call(1, ENABLE, 1);
    bench.now += 1000 * MS;
    fakeBenchServe();
    g_assert_cmpuint(bench.nmis[1], ==, 0);
    g_assert_cmpuint(area->complete.nmi_sent, ==, area->submit.nmi_handled);
    fakeBenchFree();
}


/* A guest learns at once that it is throttled, and by an NMI: there will be no
 * overflow by which it could. */
static void
testThrottleTold(void)
{
    begin(1, 1);
    openClock(1, -1);
    openClock(2, -1);
    call(0, ENABLE, 1);
    g_assert_cmpuint(bench.nmis[0], ==, 0);
    call(0, ENABLE, 2);
    g_assert_cmpuint(slot(2, 0).throttles, ==, 1);
    g_assert_cmpuint(bench.nmis[0], ==, 1);
    g_assert_true(fakeBenchClaim(0));
    fakeBenchServe();
    g_assert_cmpuint(bench.nmis[0], ==, 1);

    /* That of the last overflow tells of both. */
    g_assert_true(overflow(1, 0));
    fakeBenchServe();
    g_assert_cmpuint(slot(1, 0).overflows, ==, 1);
    g_assert_cmpuint(slot(1, 0).throttles, ==, 1);
    g_assert_cmpuint(bench.nmis[0], ==, 2);
    fakeBenchFree();
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sampling-edges/waits-without-leader", testWaitsWithoutLeader);
    g_test_add_func("/sampling-edges/closed-before-drain", testClosedBeforeDrain);
    g_test_add_func("/sampling-edges/both-throttled", testBothThrottled);
    g_test_add_func("/sampling-edges/throttled-while-off", testThrottledWhileOff);
    g_test_add_func("/sampling-edges/row-used-before", testRowUsedBefore);
    g_test_add_func("/sampling-edges/read-then-disable", testReadThenDisable);
    g_test_add_func("/sampling-edges/throttled-then-disable", testThrottledThenDisable);
    g_test_add_func("/sampling-edges/two-requests", testTwoRequests);
    g_test_add_func("/sampling-edges/kind-changes", testKindChanges);
    g_test_add_func("/sampling-edges/closed-untold", testClosedUntold);
    g_test_add_func("/sampling-edges/session-untold", testSessionUntold);
    g_test_add_func("/sampling-edges/throttle-told", testThrottleTold);
    return g_test_run();
}
