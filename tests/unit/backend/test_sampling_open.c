/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_sampling_open.c: which events may sample, and what the daemon is asked.
 *
 * Refusals, periods and frequencies on their way to the daemon, and the rings:
 * one per vCPU and kind, asked for once. On fakes (fake_host.h): bench.asked is
 * the last request. What overflows do is test_sampling.c's.
 */
#include <errno.h>
#include <glib.h>
#include <linux/perf_event.h>

#include "bench_calls.h"

static void
testRingOnce(void)
{
    begin(2, 0);
    openClock(1, -1);
    g_assert_cmpuint(bench.asked.ring, ==, 1);
    openClock(2, -1);
    g_assert_cmpuint(bench.asked.ring, ==, 0);
    g_assert_cmpint(openAttr(3, -1, instructions).ret, ==, 0);
    g_assert_cmpuint(bench.asked.ring, ==, 1);
    g_assert_cmpint(openAttr(4, -1, instructions).ret, ==, 0);
    g_assert_cmpuint(bench.asked.ring, ==, 0);
    /* A group is of the hardware's kind as soon as one member is. */
    g_assert_cmpint(openAttr(5, 1, instructions).ret, ==, 0);
    g_assert_cmpuint(bench.asked.ring, ==, 0);
    g_assert_cmpuint(fakeBenchRings(), ==, 2);
    g_assert_cmpint(bench.requests, ==, 5);

    /* The other vCPU has rings of its own. */
    call(1, ENABLE, 2);
    g_assert_cmpuint(bench.asked.ring, ==, 1);
    call(1, ENABLE, 1);
    g_assert_cmpuint(bench.asked.ring, ==, 1);
    call(1, ENABLE, 5);
    call(1, ENABLE, 3);
    g_assert_cmpuint(bench.asked.ring, ==, 0);
    g_assert_cmpuint(fakeBenchRings(), ==, 4);
    fakeBenchFree();
}


/* An event that only counts needs none, whoever its leader is. */
static void
testRingNotForCounting(void)
{
    struct guest_perf_attr counting = instructions;

    counting.sample_period = 0;
    begin(2, 0);
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    g_assert_cmpint(openAttr(2, 1, counting).ret, ==, 0);
    g_assert_cmpuint(bench.asked.ring, ==, 0);
    g_assert_cmpuint(fakeBenchRings(), ==, 0);
    openClock(3, 1);
    g_assert_cmpuint(bench.asked.ring, ==, 1);
    g_assert_true(pvperfSamplingReady(&bench.backend.table, 0, PVPERF_RING_HARDWARE));
    g_assert_false(pvperfSamplingReady(&bench.backend.table, 0, PVPERF_RING_SOFTWARE));
    fakeBenchFree();
}


static void
testNeedsFeature(void)
{
    struct pvperf_result result;

    fakeBenchInit(1);
    result = fakeBenchOpenSampler(1, 1, -1, PERIOD);
    g_assert_cmpint(result.ret, ==, -EOPNOTSUPP);
    g_assert_cmpint(result.reason, ==, PVPERF_REASON_UNSUPPORTED);
    g_assert_cmpint(fakeBenchHello(1U << KVM_FEATURE_PV_PERF).ret, ==, 0);
    g_assert_cmpint(fakeBenchOpenSampler(1, 1, -1, PERIOD).ret, ==, -EOPNOTSUPP);
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    g_assert_cmpint(fakeBenchHello(SAMPLING).ret, ==, 0);
    openClock(1, -1);
    /* The next driver may be another one. */
    g_assert_cmpint(fakeBenchHello(0).ret, ==, 0);
    g_assert_cmpint(fakeBenchOpenSampler(1, 1, -1, PERIOD).ret, ==, -EOPNOTSUPP);
    g_assert_cmpuint(bench.requests, ==, 2);
    fakeBenchFree();
}


#define FREQ PVPERF_ATTR_FREQ
#define MIN_PERIOD -EINVAL, PVPERF_REASON_MIN_PERIOD, 1000
#define MALFORMED -EINVAL, PVPERF_REASON_MALFORMED, 0
#define FINE 0, PVPERF_REASON_NONE, 0

/* The bench's min_period is 1000. */
static const struct {
    uint32_t type;
    uint64_t config;
    uint64_t flags;
    uint64_t period;
    int ret;
    enum pvperf_reason reason;
    uint64_t limit;
} openCases[] = {
    { PVPERF_TYPE_VCPU, PVPERF_VCPU_CLOCK, 0, INT64_MAX + 1ULL, MALFORMED },
    { PVPERF_TYPE_VCPU, PVPERF_VCPU_CLOCK, FREQ, UINT64_MAX, MALFORMED },
    { PVPERF_TYPE_VCPU, PVPERF_VCPU_CLOCK, 0, INT64_MAX, FINE },
    { PVPERF_TYPE_VCPU, PVPERF_VCPU_CLOCK, 0, 1000, FINE },
    { PVPERF_TYPE_VCPU, PVPERF_VCPU_CLOCK, 0, 999, MIN_PERIOD },
    { PVPERF_TYPE_VCPU, PVPERF_VCPU_CLOCK, FREQ, 999, FINE },
    { PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, 0, 1, MIN_PERIOD },
    { PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, 0, 1000, FINE },
    { PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, FREQ, 1, FINE },
    { PERF_TYPE_RAW, 0x01c2, 0, 999, MIN_PERIOD },
    { PERF_TYPE_RAW, 0x01c2, 0, 1000, FINE },
    { PVPERF_TYPE_VCPU, PVPERF_VCPU_SWITCHES, 0, 1, FINE },
    { PVPERF_TYPE_VCPU, PVPERF_VCPU_MIGRATIONS, 0, 1, FINE },
};


static void
testOpenCases(void)
{
    size_t i;

    begin(1, 0);
    for (i = 0; i < G_N_ELEMENTS(openCases); i++) {
        const typeof(openCases[0]) *c = &openCases[i];
        struct guest_perf_attr attr = {
            .type = c->type, .config = c->config, .flags = c->flags, .sample_period = c->period,
        };
        struct pvperf_result result = openAttr(i, -1, attr);

        g_test_message("case %zu: ret %d", i, result.ret);
        g_assert_cmpint(result.ret, ==, c->ret);
        g_assert_cmpint(result.reason, ==, c->reason);
        g_assert_cmpuint(result.limit, ==, c->limit);
    }
    fakeBenchFree();
}


/* Period and frequency reach the daemon, at OPEN and at the first ENABLE
 * elsewhere. */
static void
testCarried(void)
{
    struct guest_perf_attr attr = fakeAttrVcpu(PVPERF_VCPU_SWITCHES);
    uint32_t round;

    begin(2, 0);
    openClock(1, -1);
    attr.sample_period = 4000;
    attr.flags |= FREQ;
    g_assert_cmpint(openAttr(2, 1, attr).ret, ==, 0);
    g_assert_cmpint(fakeBenchOpenClock(3, 3, 1).ret, ==, 0);
    for (round = 0; round < 2; round++) {
        g_assert_cmpuint(bench.asked.vcpu, ==, round);
        g_assert_cmpuint(bench.asked.count, ==, 3);
        g_assert_cmpuint(bench.asked.events[0].sample_period, ==, PERIOD);
        g_assert_cmpuint(bench.asked.events[0].freq, ==, 0);
        g_assert_cmpuint(bench.asked.events[1].sample_period, ==, 4000);
        g_assert_cmpuint(bench.asked.events[1].freq, ==, 1);
        g_assert_cmpuint(bench.asked.events[2].sample_period, ==, 0);
        g_assert_cmpuint(bench.asked.events[2].freq, ==, 0);
        call(1, ENABLE, 1);
    }
    fakeBenchFree();
}


/* Neither kept as a spare nor taken from there. */
static void
testNoSpares(void)
{
    begin(1, 0);
    openClock(1, -1);
    closeEvent(1);
    g_assert_cmpuint(bench.backend.table.spares.n, ==, 0);
    openClock(1, -1);
    call(0, ENABLE, 1);
    closeEvent(1);
    g_assert_cmpuint(bench.backend.table.spares.n, ==, 0);
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    closeEvent(1);
    g_assert_cmpuint(bench.backend.table.spares.n, ==, 1);
    openClock(1, -1);
    g_assert_cmpuint(bench.backend.table.spares.n, ==, 1);
    g_assert_cmpuint(bench.requests, ==, 4);
    fakeBenchFree();
}


/* The ring is one of a thread that is gone: the OPEN has to be tried again, and
 * then it brings a new one. */
static void
testStaleRing(void)
{
    begin(1, 0);
    openClock(1, -1);
    bench.redirect_fails = -EINVAL;
    g_assert_cmpint(fakeBenchOpenSampler(2, 2, -1, PERIOD).ret, ==, -EAGAIN);
    g_assert_cmpuint(fakeBenchRings(), ==, 0);
    bench.redirect_fails = 0;
    openClock(2, -1);
    g_assert_cmpuint(bench.asked.ring, ==, 1);
    g_assert_cmpuint(fakeBenchRings(), ==, 1);

    bench.redirect_fails = -EACCES;
    g_assert_cmpint(fakeBenchOpenSampler(3, 3, -1, PERIOD).ret, ==, -EACCES);
    bench.redirect_fails = 0;
    g_assert_cmpuint(bench.backend.table.open, ==, 2);
    fakeBenchFree();
}


/* A ring beyond the ceiling is refused to the guest, and all else goes on; one that
 * is given back makes room. */
static void
testRingCeiling(void)
{
    struct pvperf_result result;

    begin(3, 0);
    sampling()->ring_bytes_max = 2 * PVPERF_RING_MAPPED + PVPERF_RING_MAPPED - 1;
    openClock(1, -1);
    g_assert_cmpint(openAttr(2, -1, instructions).ret, ==, 0);
    g_assert_cmpuint(sampling()->ring_bytes, ==, 2 * PVPERF_RING_MAPPED);
    call(0, ENABLE, 1);

    /* Not on another vCPU, neither at ENABLE nor at OPEN of one that is bound there. */
    result = fakeBenchCall(1, ENABLE, 1);
    g_assert_cmpint(result.ret, ==, -ENOMEM);
    g_assert_cmpint(result.reason, ==, PVPERF_REASON_RESOURCES);
    g_assert_cmpuint(slot(1, 1).state, ==, PVPERF_SLOT_REFUSED);
    g_assert_cmpuint(fakeBenchRings(), ==, 2);
    g_assert_cmpuint(sampling()->ring_bytes, ==, 2 * PVPERF_RING_MAPPED);

    /* What samples goes on, and so does counting, on the refused vCPU, too. */
    g_assert_true(overflow(1, 0));
    g_assert_cmpint(fakeBenchOpenClock(3, 3, -1).ret, ==, 0);
    call(1, ENABLE, 3);
    fakeBenchRun(1, MS, MS, 5);
    call(1, DISABLE, 3);
    g_assert_cmpuint(slot(3, 1).count, ==, 5);
    openClock(4, -1);

    /* vCPU 0 has a new thread: its rings are dropped. */
    pvperfSamplingDropRings(&bench.backend.table, 0);
    g_assert_cmpuint(sampling()->ring_bytes, ==, 0);
    bench.now += SECOND;
    call(1, ENABLE, 1);
    g_assert_cmpuint(fakeBenchRings(), ==, 1);
    fakeBenchFree();
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sampling-open/ring-once", testRingOnce);
    g_test_add_func("/sampling-open/ring-not-for-counting", testRingNotForCounting);
    g_test_add_func("/sampling-open/needs-feature", testNeedsFeature);
    g_test_add_func("/sampling-open/open-cases", testOpenCases);
    g_test_add_func("/sampling-open/carried", testCarried);
    g_test_add_func("/sampling-open/no-spares", testNoSpares);
    g_test_add_func("/sampling-open/stale-ring", testStaleRing);
    g_test_add_func("/sampling-open/ring-ceiling", testRingCeiling);
    return g_test_run();
}
