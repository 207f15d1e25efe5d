/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_tell.c: what the daemon learns of refusals.
 *
 * The last refusal of each reason in the statistics, with the event and the
 * limit; one message a reason and minute, however many refusals there are. Runs
 * on fakes (fake_host.h).
 */
#include <errno.h>
#include <glib.h>
#include <linux/perf_event.h>

#include "fake_host.h"

#define SECOND 1000000000ULL
#define ENABLE KVM_PERF_OP_ENABLE

static void
assertLast(enum pvperf_reason reason,
           const char *event,
           uint64_t raw_config,
           uint64_t limit)
{
    const pvperfControlRefusal *last = &bench.backend.stats->last_refusals[reason];

    g_assert_cmpint(last->event, ==, event ? pvperfEventFromName(event) : PVPERF_EVENT_NONE);
    g_assert_cmpuint(last->raw_config, ==, raw_config);
    g_assert_cmpuint(last->limit, ==, limit);
    g_assert_cmpuint(bench.backend.stats->refusals[reason], >, 0);
}


/* The event is named as soon as it is known, and not before. */
static void
testEvents(void)
{
    fakeOpen open = { .id = 9, .row = 9, .attr = { .type = PERF_TYPE_HARDWARE } };
    struct pvperf_frame frame;

    fakeBenchInit(1);
    open.attr.config = PERF_COUNT_HW_CACHE_MISSES;
    g_assert_cmpint(fakeBenchOpen(&open).reason, ==, PVPERF_REASON_CLASS);
    assertLast(PVPERF_REASON_CLASS, "cache-misses", 0, 0);
    open.attr.config = PERF_COUNT_HW_BRANCH_INSTRUCTIONS;
    g_assert_cmpint(fakeBenchOpen(&open).reason, ==, PVPERF_REASON_HOST);
    assertLast(PVPERF_REASON_HOST, "branches", 0, 0);
    open.attr = (struct guest_perf_attr) { .type = PERF_TYPE_RAW, .config = 0x01c3 };
    g_assert_cmpint(fakeBenchOpen(&open).reason, ==, PVPERF_REASON_RAW);
    assertLast(PVPERF_REASON_RAW, "raw", 0x01c3, 0);
    open.attr = fakeAttrVcpu(PVPERF_NR_VCPU_EVENTS);
    g_assert_cmpint(fakeBenchOpen(&open).reason, ==, PVPERF_REASON_UNKNOWN);
    assertLast(PVPERF_REASON_UNKNOWN, NULL, 0, 0);
    open.attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK);
    open.attr.sample_period = 999;
    g_assert_cmpint(fakeBenchOpen(&open).reason, ==, PVPERF_REASON_MIN_PERIOD);
    assertLast(PVPERF_REASON_MIN_PERIOD, "vcpu-clock", 0, 1000);

    open.attr.pad0 = 1;
    g_assert_cmpint(fakeBenchOpen(&open).reason, ==, PVPERF_REASON_MALFORMED);
    assertLast(PVPERF_REASON_MALFORMED, NULL, 0, 0);
    frame = fakeFrame(ENABLE, 0);
    frame.session++;
    g_assert_cmpint(fakeBenchFrame(0, frame).reason, ==, PVPERF_REASON_SESSION);
    assertLast(PVPERF_REASON_SESSION, NULL, 0, 0);
    fakeBenchFree();
}


/* What is refused when it is opened, enabled, and switched on. */
static void
testOps(void)
{
    fakeOpen open = { .id = 2, .row = 2, .attr = fakeAttrVcpu(PVPERF_VCPU_SWITCHES) };

    fakeBenchInit(1);
    bench.backend.policy.max = 3;
    bench.backend.policy.per_vcpu = 1;
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    g_assert_cmpint(fakeBenchOpen(&open).ret, ==, 0);
    g_assert_cmpint(fakeBenchCall(0, ENABLE, 1).ret, ==, 0);
    g_assert_cmpint(fakeBenchCall(0, ENABLE, 2).reason, ==, PVPERF_REASON_PER_VCPU);
    assertLast(PVPERF_REASON_PER_VCPU, "vcpu-switches", 0, 1);

    /* The host does not switch it on. */
    g_assert_cmpint(fakeBenchCall(0, KVM_PERF_OP_DISABLE, 1).ret, ==, 0);
    bench.broken = -EIO;
    g_assert_cmpint(fakeBenchCall(0, ENABLE, 2).reason, ==, PVPERF_REASON_HOST);
    assertLast(PVPERF_REASON_HOST, "vcpu-switches", 0, 0);
    bench.broken = 0;

    /* The daemon refuses. */
    bench.answers = false;
    open.id = open.row = 3;
    open.attr = (struct guest_perf_attr) { .type = PERF_TYPE_RAW, .config = 0x01c2 };
    g_assert_cmpint(fakeBenchOpen(&open).ret, ==, 1);
    fakeBenchAnswer(-ENOENT, PVPERF_REASON_HOST_RIGHTS);
    assertLast(PVPERF_REASON_HOST_RIGHTS, "raw", 0x01c2, 0);

    bench.backend.policy.max = 2;
    g_assert_cmpint(fakeBenchOpen(&open).reason, ==, PVPERF_REASON_MAX);
    assertLast(PVPERF_REASON_MAX, "raw", 0x01c2, 2);
    fakeBenchFree();
}


static void
assertTold(uint32_t tellings,
           enum pvperf_reason reason,
           uint64_t total,
           uint64_t told)
{
    g_assert_cmpuint(bench.tellings, ==, tellings);
    g_assert_cmpuint(bench.refused.h.type, ==, PVPERF_CONTROL_REFUSED);
    g_assert_cmpuint(bench.refused.reason, ==, reason);
    g_assert_cmpuint(bench.refused.total, ==, total);
    g_assert_cmpuint(bench.refused.last.told, ==, told);
}


static void
testOncePerMinute(void)
{
    uint32_t i;

    fakeBenchInit(1);
    bench.backend.policy.max = 1;
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    for (i = 0; i < 500; i++)
        g_assert_cmpint(fakeBenchOpenClock(2, 2, -1).ret, ==, -EBUSY);
    assertTold(1, PVPERF_REASON_MAX, 1, 0);
    g_assert_cmpint(bench.refused.last.event, ==, pvperfEventFromName("vcpu-clock"));
    g_assert_cmpuint(bench.refused.last.limit, ==, 1);

    /* Another reason has its own minute. */
    g_assert_cmpint(fakeBenchCall(0, ENABLE, 77).ret, ==, -EINVAL);
    assertTold(2, PVPERF_REASON_MALFORMED, 1, 0);

    bench.now += 60 * SECOND - 1;
    fakeBenchOpenClock(2, 2, -1);
    g_assert_cmpuint(bench.tellings, ==, 2);
    bench.now++;
    fakeBenchOpenClock(2, 2, -1);
    assertTold(3, PVPERF_REASON_MAX, 502, 1);
    g_assert_cmpuint(bench.backend.stats->last_refusals[PVPERF_REASON_MAX].told, ==, 502);
    fakeBenchFree();
}


/* A daemon that is away is told later, of all; STATS tells, too. */
static void
testNobodyThere(void)
{
    uint32_t i;

    fakeBenchInit(1);
    bench.backend.policy.max = 1;
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    bench.tell_fails = true;
    for (i = 0; i < 500; i++)
        fakeBenchOpenClock(2, 2, -1);
    g_assert_cmpuint(bench.tellings, ==, 1);
    bench.now += SECOND;
    bench.tell_fails = false;
    fakeBenchOpenClock(2, 2, -1);
    assertTold(2, PVPERF_REASON_MAX, 501, 0);

    fakeBenchOpenClock(2, 2, -1);
    pvperfServeTold(&bench.backend);
    bench.now += 60 * SECOND;
    fakeBenchOpenClock(2, 2, -1);
    assertTold(3, PVPERF_REASON_MAX, 503, 502);
    fakeBenchFree();
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tell/events", testEvents);
    g_test_add_func("/tell/ops", testOps);
    g_test_add_func("/tell/once-per-minute", testOncePerMinute);
    g_test_add_func("/tell/nobody-there", testNobodyThere);
    return g_test_run();
}
