/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_grants_edges.c: grants when many want them, and when they change.
 *
 * Fair shares, grants that were kept while their event was off, an operator who
 * changes the rate, and a kernel that uses up a grant while it is granted anew,
 * or takes none. On fakes (fake_host.h); the plain cases are test_grants.c's.
 */
#include <errno.h>
#include <glib.h>
#include <linux/perf_event.h>

#include "bench_calls.h"

static uint32_t
granted(int32_t id)
{
    const pvperfTable *table = &bench.backend.table;

    return pvperfTableCell(table, pvperfTableFind(table, id), 0)->sampler->granted;
}


/* ---- Shares ------------------------------------------------------------------------------ */

/* Eight cells want all there is: each gets its share of 5000. */
static void
testFair(void)
{
    uint32_t got[8] = { 0 };
    uint64_t start;
    uint32_t i;

    begin(2, 1000);
    for (i = 0; i < 4; i++) {
        openClock(i, -1);
        call(0, ENABLE, i);
        call(1, ENABLE, i);
    }
    for (start = bench.now; bench.now < start + 5 * SECOND; bench.now += MS) {
        for (i = 0; i < 8; i++) {
            while (overflow(i / 2, i % 2))
                got[i]++;
        }
        fakeBenchServe();
    }
    for (i = 0; i < 8; i++)
        g_assert_cmpuint(got[i], >=, 300);
    fakeBenchFree();
}


/* ---- Kept over DISABLE ------------------------------------------------------------------- */

/* Each has a grant from a time when it was alone; how much that is of all. */
static uint32_t
enableAgain(uint32_t samplers)
{
    uint32_t kept = 0;
    uint32_t id;

    for (id = 0; id < samplers; id++) {
        openClock(id, -1);
        call(0, ENABLE, id);
        call(0, DISABLE, id);
        kept += fakeBenchPerf(id, 0)->limit;
    }
    for (id = 0; id < samplers; id++)
        call(0, ENABLE, id);
    return kept;
}


/* Overflows that the kernel lets happen until somebody looks. */
static uint32_t
onHost(uint32_t samplers)
{
    uint32_t total = 0;
    uint32_t on = 0;
    uint32_t id;

    for (id = 0; id < samplers; id++) {
        const fakePerf *perf = fakeBenchPerf(id, 0);

        if (!perf->on)
            continue;
        g_assert_cmpuint(perf->limit, >, 0);
        total += perf->limit;
        on++;
    }
    g_assert_cmpuint(on + sampling()->throttled, ==, samplers);
    return total;
}


static void
testKeptInBudget(void)
{
    const uint32_t samplers = 12;
    uint32_t got[12] = { 0 };
    uint64_t total = 0;
    uint64_t start;
    uint32_t id;

    begin(1, 1000);
    start = bench.now;
    g_assert_cmpuint(enableAgain(samplers), >, 101);
    g_assert_cmpuint(onHost(samplers), <=, 101);

    for (; bench.now < start + 6 * SECOND; bench.now += MS) {
        for (id = 0; id < samplers; id++) {
            while (overflow(id, 0))
                got[id]++, total++;
        }
        fakeBenchServe();
        g_assert_cmpuint(total + onHost(samplers), <=, 101 + (bench.now - start) / MS);
    }
    g_assert_cmpuint(total, >=, 5900);
    for (id = 0; id < samplers; id++)
        g_assert_cmpuint(got[id], >=, 300);
    fakeBenchFree();
}


static void
testKeptInRing(void)
{
    const uint32_t samplers = 16;
    const uint32_t bytes = pvperfRingRecordBytes(true, 1);
    uint32_t got[16] = { 0 };
    uint32_t id;
    uint32_t i;

    begin(1, 0);
    g_assert_cmpuint(enableAgain(samplers) * bytes, >, PVPERF_RING_BYTES);

    for (i = 0; i < 1000; i++, bench.now += MS) {
        g_assert_cmpuint(onHost(samplers) * bytes, <=, PVPERF_RING_BYTES * 3 / 4);
        for (id = 0; id < samplers; id++) {
            while (overflow(id, 0))
                got[id]++;
        }
        fakeBenchServe();
    }
    for (id = 0; id < samplers; id++)
        g_assert_cmpuint(got[id], >=, 500);
    fakeBenchFree();
}


/* A sibling is off on the host while it waits, however it came to be on when
 * its group was off. */
static void
testKeptBySibling(void)
{
    int32_t id;

    begin(1, 1000);
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    openClock(2, 1);
    call(0, ENABLE, 1);
    call(0, ENABLE, 2);
    call(0, DISABLE, 1);
    call(0, DISABLE, 2);
    for (id = 3; id < 12; id++) {
        openClock(id, -1);
        call(0, ENABLE, id);
    }
    call(0, ENABLE, 2);
    call(0, ENABLE, 1);
    g_assert_cmpint(overflow(2, 0), ==, sampling()->throttled == 0);
    fakeBenchFree();
}


/* ---- The operator changes the rate ---------------------------------------------------------- */

static void
setRate(uint64_t samples_sec)
{
    pvperfPolicy policy = bench.backend.policy;

    policy.total_samples_sec = samples_sec;
    g_assert_true(pvperfServePolicy(&bench.backend, &policy));
}


/* Lets one event overflow until it has to wait, or so many times. */
static void
drain(int32_t id,
      uint32_t most)
{
    uint32_t n;

    for (n = 0; n < most; n++) {
        if (!overflow(id, 0)) {
            fakeBenchServe();
            if (!overflow(id, 0))
                break;
        }
        if (n % 16 == 15)
            fakeBenchServe();
    }
    fakeBenchServe();
}


/* ns until there is a new sample. */
static uint64_t
nextSample(int32_t id)
{
    uint64_t start = bench.now;

    while (!overflow(id, 0) && bench.now < start + 100 * SECOND) {
        bench.now += MS;
        fakeBenchServe();
    }
    return bench.now - start;
}


/* What was taken while there was no limit is no debt. */
static void
testLimitAgain(void)
{
    begin(1, 1000);
    openClock(1, -1);
    call(0, ENABLE, 1);
    setRate(0);
    drain(1, 100000);
    g_assert_cmpuint(bench.backend.stats->sampling.overflows, ==, 100000);
    setRate(1000);
    g_assert_cmpuint(nextSample(1), <=, SECOND / 5);
    /* With what the kernel was told before used up, the limit holds. */
    drain(1, UINT32_MAX);
    g_assert_cmpuint(nextSample(1), <=, SECOND / 5);
    g_assert_cmpuint(bench.backend.stats->sampling.overflows, <=, 100000 + 64 + 101 + 400);
    fakeBenchFree();
}


/* A full bucket is one of the new size. */
static void
testLowerLimit(void)
{
    begin(1, 1000000);
    openClock(1, -1);
    call(0, ENABLE, 1);
    drain(1, UINT32_MAX);
    g_assert_cmpuint(bench.backend.stats->sampling.overflows, ==, 100001);
    g_assert_cmpuint(sampling()->throttled, ==, 1);
    setRate(100);
    g_assert_cmpuint(nextSample(1), <=, SECOND);
    fakeBenchFree();
}


/* ---- refresh() ------------------------------------------------------------------------------- */

/* What the kernel does while it is told of a grant: so many overflows, and if
 * they used up what was left, the event is switched off after all. */
static struct {
    int (*refresh)(int fd, int32_t overflows);
    pvperfHostperf host;
    uint64_t period;
    uint32_t overflows;         /* of the next one, which then happened */
    uint32_t calls;
    int fails;                  /* -errno of each, else 0 */
} kernel;

static int
racingRefresh(int fd,
              int32_t overflows)
{
    fakePerf *perf = &bench.perf[fd - FAKE_FD_FIRST];
    bool used_up = false;
    int ret;

    kernel.calls++;
    if (kernel.fails)
        return kernel.fails;
    for (; kernel.overflows; kernel.overflows--) {
        used_up = perf->limit == 1;
        g_assert_true(fakeBenchOverflow(fd, kernel.period, PERF_RECORD_MISC_GUEST_USER, 1));
    }
    ret = kernel.refresh(fd, overflows);
    if (used_up)
        perf->on = false;
    return ret;
}


static void
setKernel(uint64_t period)
{
    kernel.host = *bench.backend.table.host;
    kernel.refresh = kernel.host.refresh;
    kernel.host.refresh = racingRefresh;
    kernel.period = period;
    kernel.overflows = 0;
    kernel.calls = 0;
    kernel.fails = 0;
    bench.backend.table.host = &kernel.host;
}


static void
openInstructions(int32_t id)
{
    g_assert_cmpint(fakeBenchOpen(&(fakeOpen) { .id = id, .row = id, .attr = instructions }).ret, ==, 0);
}


/* One sampler with so much left of its grant, and nobody who has looked yet. */
static void
beginLeft(bool clock,
          uint32_t left)
{
    begin(1, 0);
    setKernel(clock ? PERIOD : instructions.sample_period);
    if (clock)
        openClock(1, -1);
    else
        openInstructions(1);
    call(0, ENABLE, 1);
    g_assert_cmpuint(kernel.calls, ==, 1);
    g_assert_cmpuint(granted(1), ==, 64);
    while (fakeBenchPerf(1, 0)->limit > left)
        g_assert_true(overflow(1, 0));
}


/* However many of the rest happen before the kernel adds the new grant, the
 * event is on with what it was granted. */
static void
testUsedUpMeanwhile(void)
{
    uint32_t left;
    uint32_t happen;
    int clock;

    for (left = 8; left < 32; left++) {
        for (happen = left - 2; happen <= left; happen++) {
            for (clock = 0; clock < 2; clock++) {
                beginLeft(clock, left);
                kernel.overflows = happen;
                fakeBenchServe();
                g_assert_cmpuint(kernel.calls, ==, 2);
                g_assert_true(fakeBenchPerf(1, 0)->on);
                g_assert_cmpuint(fakeBenchPerf(1, 0)->limit, >=, 32);
                fakeBenchServe();
                g_assert_true(fakeBenchPerf(1, 0)->on);
                g_assert_cmpuint(fakeBenchPerf(1, 0)->limit, ==, granted(1));
                g_assert_cmpuint(slot(1, 0).overflows, ==, 64 - left + happen);
                g_assert_true(overflow(1, 0));
                fakeBenchFree();
            }
        }
    }
}


/* With less left the records would not show it. */
static void
testLittleLeft(void)
{
    uint32_t left;

    for (left = 1; left < 8; left++) {
        uint32_t i;

        beginLeft(true, left);
        fakeBenchServe();
        for (i = left; i > 0; i--) {
            g_assert_cmpuint(kernel.calls, ==, 1);
            g_assert_cmpuint(fakeBenchPerf(1, 0)->limit, ==, i);
            g_assert_true(overflow(1, 0));
            fakeBenchServe();
        }
        g_assert_cmpuint(kernel.calls, ==, 2);
        g_assert_cmpuint(slot(1, 0).overflows, ==, 64);
        g_assert_cmpuint(slot(1, 0).throttles, ==, 0);
        g_assert_true(fakeBenchPerf(1, 0)->on);
        g_assert_cmpuint(fakeBenchPerf(1, 0)->limit, ==, 64);
        fakeBenchFree();
    }
}


/* A grant of which the kernel was not told is none. */
static void
testRefreshFails(void)
{
    begin(1, 0);
    setKernel(PERIOD);
    openClock(1, -1);
    kernel.fails = -EIO;
    g_assert_cmpint(fakeBenchCall(0, ENABLE, 1).ret, ==, -EIO);
    g_assert_cmpint(slot(1, 0).state, ==, PVPERF_SLOT_REFUSED);
    g_assert_cmpint(slot(1, 0).error, ==, -EIO);
    g_assert_cmpuint(granted(1), ==, 0);
    g_assert_cmpuint(sampling()->granted, ==, 0);
    g_assert_false(fakeBenchPerf(1, 0)->on);
    kernel.fails = 0;
    call(0, ENABLE, 1);
    g_assert_true(fakeBenchPerf(1, 0)->on);
    g_assert_cmpuint(fakeBenchPerf(1, 0)->limit, ==, 64);
    g_assert_cmpuint(granted(1), ==, 64);

    /* The same while it counts. */
    while (fakeBenchPerf(1, 0)->limit > 20)
        g_assert_true(overflow(1, 0));
    kernel.fails = -EIO;
    fakeBenchServe();
    g_assert_cmpuint(granted(1), ==, 20);
    g_assert_cmpuint(sampling()->granted, ==, 20);
    call(0, DISABLE, 1);
    kernel.fails = 0;
    call(0, ENABLE, 1);
    g_assert_true(fakeBenchPerf(1, 0)->on);
    g_assert_cmpuint(fakeBenchPerf(1, 0)->limit, ==, granted(1));
    g_assert_cmpuint(granted(1), ==, 64);
    fakeBenchFree();
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/grants-edges/fair", testFair);
    g_test_add_func("/grants-edges/kept-in-budget", testKeptInBudget);
    g_test_add_func("/grants-edges/kept-in-ring", testKeptInRing);
    g_test_add_func("/grants-edges/kept-by-sibling", testKeptBySibling);
    g_test_add_func("/grants-edges/limit-again", testLimitAgain);
    g_test_add_func("/grants-edges/lower-limit", testLowerLimit);
    g_test_add_func("/grants-edges/used-up-meanwhile", testUsedUpMeanwhile);
    g_test_add_func("/grants-edges/little-left", testLittleLeft);
    g_test_add_func("/grants-edges/refresh-fails", testRefreshFails);
    return g_test_run();
}
