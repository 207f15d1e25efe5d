/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_defaults.c: what the bare element lets an ordinary user of perf do.
 *
 * `perf stat -a -ddd`, `perf record -a` and `perf top` at perf's own rate, and
 * as many context switches as docs/policy.rst promises, on 2 to 64 vCPUs: no
 * refusal and no throttling. On fakes (fake_host.h), in virtual time: all vCPUs
 * are as busy as they can be.
 */
#include <errno.h>
#include <glib.h>
#include <linux/perf_event.h>

#include "bench_calls.h"

#define PER_CPU 16              /* events of perf stat -ddd, in the order in which perf opens them */
#define TOOLS 4                 /* of that size fit beside each other */
#define RATE 4000               /* of perf record and perf top, Hz */
#define TICK (SECOND / RATE)
#define LATE 16                 /* ticks in a row that the backend misses now and then: 4 ms */
#define FIRST_PERIODS 10        /* overflows until the kernel knows the period of a frequency */

static const char *const ddd[PER_CPU] = {
    "cycles", "instructions", "branches", "branch-misses",
    "L1-dcache-loads", "L1-dcache-load-misses", "LLC-loads", "LLC-load-misses",
    "L1-icache-loads", "L1-icache-load-misses", "dTLB-loads", "dTLB-load-misses",
    "iTLB-loads", "iTLB-load-misses",
    "L1-dcache-prefetches", "L1-dcache-prefetch-misses",
};

static const uint32_t sizes[] = { 2, 3, 4, 8, 16, 32, 64 };

static uint32_t vcpus;

static void
beginDefault(uint32_t nr_vcpus)
{
    pvperfPolicy policy;

    vcpus = nr_vcpus;
    fakeBenchInit(vcpus);
    bench.backend.classes_available = (1U << PVPERF_NR_CLASSES) - 1;
    pvperfPolicyInitDefault(&policy, vcpus);
    g_assert_true(pvperfServePolicy(&bench.backend, &policy));
    g_assert_cmpint(fakeBenchHello(SAMPLING).ret, ==, 0);
}


static void
endDefault(void)
{
    int reason;

    for (reason = 0; reason < PVPERF_NR_REASONS; reason++)
        g_assert_cmpuint(bench.backend.stats->refusals[reason], ==, 0);
    g_assert_cmpuint(bench.backend.stats->sampling.throttles, ==, 0);
    g_assert_cmpuint(bench.backend.stats->sampling.throttled_ns, ==, 0);
    fakeBenchFree();
}


/* The id of an event of a CPU's; what is on different CPUs shares a row. */
static uint32_t
idOf(uint32_t row,
     uint32_t vcpu)
{
    return row * vcpus + vcpu;
}


/* leader -1: alone. */
static struct pvperf_result
openBound(uint32_t row,
          uint32_t vcpu,
          int32_t leader,
          struct guest_perf_attr attr)
{
    return fakeBenchOpen(&(fakeOpen) {
        .id = idOf(row, vcpu), .row = row, .vcpu = vcpu, .bound = true,
        .sibling = leader >= 0, .leader = leader, .attr = attr,
    });
}


static struct guest_perf_attr
attrOf(const char *name)
{
    const pvperfEventInfo *info = pvperfEventGet(pvperfEventFromName(name));

    return (struct guest_perf_attr) {
        .type = info->type, .config = info->config, .flags = PVPERF_ATTR_EXCLUDE_GUEST,
    };
}


static void
putRows(uint32_t op,
        uint32_t vcpu,
        uint32_t first,
        uint32_t rows)
{
    uint32_t row;

    for (row = first; row < first + rows; row++)
        fakeGuestPut(&bench.guest, vcpu, fakeFrame(op, idOf(row, vcpu)));
}


/* ---- perf stat -a -ddd --------------------------------------------------------------- */

static void
openTool(uint32_t tool)
{
    uint32_t vcpu;
    uint32_t i;

    for (vcpu = 0; vcpu < vcpus; vcpu++) {
        for (i = 0; i < PER_CPU; i++)
            g_assert_cmpint(openBound(tool * PER_CPU + i, vcpu, -1, attrOf(ddd[i])).ret, ==, 0);
    }
}


/* What counts on each CPU changes from one tool's events to the next one's, at
 * one instant, in one batch. */
static void
rotate(uint32_t from,
       uint32_t to)
{
    uint32_t vcpu;
    uint32_t i;

    for (vcpu = 0; vcpu < vcpus; vcpu++) {
        if (from != to)
            putRows(DISABLE, vcpu, from * PER_CPU, PER_CPU);
        putRows(ENABLE, vcpu, to * PER_CPU, PER_CPU);
        fakeGuestPublish(&bench.guest, vcpu);
    }
    fakeBenchServe();
    for (vcpu = 0; vcpu < vcpus; vcpu++) {
        g_assert_cmpuint(bench.backend.table.counting[vcpu], ==, PER_CPU);
        for (i = 0; i < PER_CPU; i++)
            g_assert_cmpuint(slot(to * PER_CPU + i, vcpu).state, ==, PVPERF_SLOT_COUNTING);
    }
}


static void
testStat(gconstpointer data)
{
    uint32_t tool;
    uint32_t turn;

    beginDefault(GPOINTER_TO_UINT(data));
    openTool(0);
    rotate(0, 0);
    /* All in one instant: what the operator lets through at once is enough. */
    for (tool = 1; tool < TOOLS; tool++)
        openTool(tool);
    for (turn = 0; turn < 2 * TOOLS; turn++)
        rotate(turn % TOOLS, (turn + 1) % TOOLS);
    g_assert_cmpuint(bench.backend.table.open, ==, TOOLS * PER_CPU * vcpus);
    g_assert_cmpuint(bench.backend.policy.max, ==, TOOLS * PER_CPU * vcpus);
    endDefault();
}


/* And that is what the limit is. */
static void
testStatMore(void)
{
    struct pvperf_result result;
    uint32_t tool;

    beginDefault(2);
    for (tool = 0; tool < TOOLS; tool++)
        openTool(tool);
    result = openBound(TOOLS * PER_CPU, 0, -1, attrOf("cycles"));
    g_assert_cmpint(result.ret, ==, -EBUSY);
    g_assert_cmpuint(result.reason, ==, PVPERF_REASON_MAX);
    fakeBenchFree();
}


/* ---- perf record -a, perf top ----------------------------------------------------------- */

static void
overflowOnAll(void)
{
    uint32_t vcpu;

    for (vcpu = 0; vcpu < vcpus; vcpu++)
        g_assert_true(fakeBenchOverflow(fakeBenchFd(idOf(0, vcpu), vcpu), TICK,
                                        PERF_RECORD_MISC_GUEST_USER, 0x1000));
}


/* The backend runs, and the guest claims what it is told. */
static void
serveAndClaim(void)
{
    uint32_t vcpu;

    fakeBenchServe();
    for (vcpu = 0; vcpu < vcpus; vcpu++)
        fakeBenchClaim(vcpu);
}


/* One sampler on each CPU, at @rate Hz, and none of them ever stands still. */
static void
sample(const char *event,
       uint32_t seconds)
{
    struct guest_perf_attr attr = attrOf(event);
    uint64_t sent;
    uint32_t vcpu;
    uint32_t i;

    attr.flags |= PVPERF_ATTR_FREQ;
    attr.sample_period = RATE;
    for (vcpu = 0; vcpu < vcpus; vcpu++) {
        g_assert_cmpint(openBound(0, vcpu, -1, attr).ret, ==, 0);
        call(vcpu, ENABLE, idOf(0, vcpu));
    }
    for (sent = 0; sent < FIRST_PERIODS; sent++)
        overflowOnAll();
    for (i = 0; i < seconds * RATE; i++, sent++) {
        bench.now += TICK;
        overflowOnAll();
        if (i % (4 * LATE) >= LATE)
            serveAndClaim();
    }
    serveAndClaim();
    for (vcpu = 0; vcpu < vcpus; vcpu++) {
        g_assert_cmpuint(slot(0, vcpu).overflows, ==, sent);
        g_assert_cmpuint(slot(0, vcpu).throttles, ==, 0);
        g_assert_cmpuint(slot(0, vcpu).time_lost, ==, 0);
    }
    g_assert_cmpuint(bench.backend.stats->sampling.overflows, ==, sent * vcpus);
}


static void
testRecord(gconstpointer data)
{
    beginDefault(GPOINTER_TO_UINT(data));
    sample("cycles", 5);
    endDefault();
}


static void
testTop(gconstpointer data)
{
    beginDefault(GPOINTER_TO_UINT(data));
    sample("cycles", 60);
    endDefault();
}


/* What perf falls back to where the host has no PMU. */
static void
testRecordClock(gconstpointer data)
{
    beginDefault(GPOINTER_TO_UINT(data));
    sample("vcpu-clock", 5);
    endDefault();
}


/* ---- Context switches -------------------------------------------------------------------- */

/* A group of so many events on each vCPU goes off and on again, so many times a
 * second, for three times as long as the burst lasts. */
static void
switchGroups(uint32_t members,
             uint32_t switches_sec)
{
    uint32_t vcpu;
    uint32_t i;

    for (vcpu = 0; vcpu < vcpus; vcpu++) {
        for (i = 0; i < members; i++)
            g_assert_cmpint(openBound(i, vcpu, i ? (int32_t)idOf(0, vcpu) : -1, attrOf(ddd[i])).ret, ==, 0);
    }
    for (i = 0; i < switches_sec * 3 / 10; i++) {
        bench.now += SECOND / switches_sec;
        for (vcpu = 0; vcpu < vcpus; vcpu++) {
            putRows(ENABLE, vcpu, 0, members);
            putRows(DISABLE, vcpu, 0, members);
            fakeGuestPublish(&bench.guest, vcpu);
        }
        fakeBenchServe();
    }
    for (vcpu = 0; vcpu < vcpus; vcpu++)
        g_assert_cmpuint(slot(members - 1, vcpu).state, ==, PVPERF_SLOT_FINAL);
}


static void
testSwitches(gconstpointer data)
{
    beginDefault(GPOINTER_TO_UINT(data));
    switchGroups(1, 100000);
    endDefault();
}


static void
testSwitchesOfGroups(gconstpointer data)
{
    beginDefault(GPOINTER_TO_UINT(data));
    switchGroups(PER_CPU, 100000 / PER_CPU);
    endDefault();
}


static void
addForAllSizes(const char *name,
               GTestDataFunc test)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *path = g_strdup_printf("/defaults/%s/%u", name, sizes[i]);

        g_test_add_data_func(path, GUINT_TO_POINTER(sizes[i]), test);
    }
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    addForAllSizes("stat", testStat);
    g_test_add_func("/defaults/stat-more", testStatMore);
    addForAllSizes("record", testRecord);
    addForAllSizes("record-clock", testRecordClock);
    addForAllSizes("top", testTop);
    addForAllSizes("switches", testSwitches);
    addForAllSizes("switches-of-groups", testSwitchesOfGroups);
    return g_test_run();
}
