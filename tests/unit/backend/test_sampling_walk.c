/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_sampling_walk.c: a random walk over groups, vCPUs and overflows.
 *
 * Events are opened, closed, switched on and off and overflow as the dice fall,
 * from a fixed seed, without a limit and with two. After each step what the
 * backend holds is compared with what the fake kernel (fake_host.h) does: every
 * overflow is in one slot, no event is on that nobody wants or that has no
 * limit, none that somebody wants stands still without waiting for a grant, no
 * interval is refused, and no number goes backwards.
 */
#include <glib.h>
#include <linux/perf_event.h>
#include <string.h>

#include "bench_calls.h"

#define VCPUS 4
#define IDS 12
#define STEPS 12000

/* Row is id; a member whose leader is not open is opened alone. */
static const struct {
    int32_t leader;
    bool bound;                 /* to vCPU 2 */
    uint32_t type;
    uint64_t config;
    uint64_t period;
} kinds[IDS] = {
    { -1, false, PVPERF_TYPE_VCPU, PVPERF_VCPU_CLOCK, PERIOD },
    { 0, false, PVPERF_TYPE_VCPU, PVPERF_VCPU_CLOCK, PERIOD },
    { 0, false, PVPERF_TYPE_VCPU, PVPERF_VCPU_CLOCK, 0 },
    { 0, false, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, 5000 },
    { -1, false, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, 5000 },
    { -1, false, PVPERF_TYPE_VCPU, PVPERF_VCPU_SWITCHES, 1 },
    { -1, false, PVPERF_TYPE_VCPU, PVPERF_VCPU_MIGRATIONS, 0 },
    { 6, false, PVPERF_TYPE_VCPU, PVPERF_VCPU_SWITCHES, 2 },
    { 6, false, PVPERF_TYPE_VCPU, PVPERF_VCPU_CLOCK, PERIOD },
    { -1, true, PERF_TYPE_RAW, 0x01c2, 1000 },
    { 9, true, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, 5000 },
    { -1, true, PVPERF_TYPE_VCPU, PVPERF_VCPU_CLOCK, PERIOD },
};

static GRand *dice;
static uint64_t written;
static uint64_t periods[IDS][VCPUS]; /* of those that are not clocks */
static struct guest_perf_event last[IDS][VCPUS];

static uint32_t
roll(uint32_t sides)
{
    return g_rand_int_range(dice, 0, sides);
}


static bool
isClock(uint32_t id)
{
    return kinds[id].type == PVPERF_TYPE_VCPU && kinds[id].config == PVPERF_VCPU_CLOCK;
}


static void
checkSlot(uint32_t id,
          uint32_t vcpu)
{
    struct guest_perf_event *was = &last[id][vcpu];
    struct guest_perf_event is = slot(id, vcpu);

    g_assert_cmpuint(is.count, >=, was->count);
    g_assert_cmpuint(is.time_enabled, >=, was->time_enabled);
    g_assert_cmpuint(is.time_lost, >=, was->time_lost);
    g_assert_cmpuint(is.period_sum, >=, was->period_sum);
    g_assert_cmpuint(is.overflows, >=, was->overflows);
    g_assert_cmpuint(is.time_lost, <=, is.time_enabled);
    g_assert_cmpuint(is.time_enabled, <=, bench.now);
    g_assert_cmpuint(is.overflows, <=, written);
    g_assert_cmpuint(is.throttles, <=, bench.backend.stats->sampling.throttles);
    /* Every vCPU ran in each interval. */
    g_assert_cmpuint(is.state, !=, PVPERF_SLOT_REFUSED);
    if (!isClock(id))
        g_assert_cmpuint(is.period_sum, ==, periods[id][vcpu]);
    else
        g_assert_cmpuint(is.period_sum % PERIOD, ==, 0);
    *was = is;
}


/* One open sampler on one vCPU, all rings empty: what the backend holds is what
 * the kernel does. */
static void
checkSampler(const pvperfEvent *event,
             const pvperfCell *cell)
{
    const pvperfTable *table = &bench.backend.table;
    uint32_t vcpu = (cell - table->cells) / PVPERF_NR_ROWS;
    const pvperfCell *first = pvperfTableCell(table, &table->events[event->leader], vcpu);
    const fakePerf *perf = cell->fd ? &bench.perf[cell->fd - 1 - FAKE_FD_FIRST] : NULL;

    g_assert_cmpuint(cell->sampler->granted, <=, 64);
    if (cell->sampler->throttled)
        g_assert_true(cell->enabled);
    if (!perf) {
        g_assert_cmpuint(cell->sampler->granted, ==, 0);
        return;
    }
    g_assert_cmpuint(perf->limit, ==, cell->sampler->granted);
    g_assert_cmpint(perf->output, !=, 0);
    /* On only while the guest wants it, and never without a limit. */
    if (perf->on && bench.perf[perf->leader].on)
        g_assert_true(cell->enabled && first->enabled && perf->limit > 0);
    /* And if the guest does, it is on or waits for a grant. */
    if (cell->enabled && first->host_on)
        g_assert_true(perf->on != (cell->sampler->throttled != 0));
}


static void
checkAll(void)
{
    const pvperfTable *table = &bench.backend.table;
    const pvperfControlTotal *totals = bench.backend.stats->totals;
    uint64_t granted = 0;
    uint64_t overflows = 0;
    uint32_t throttled = 0;
    uint32_t id;
    uint32_t vcpu;

    for (id = 0; id < IDS * VCPUS; id++) {
        const pvperfEvent *event = pvperfTableFind(table, id / VCPUS);
        const pvperfCell *cell;

        vcpu = id % VCPUS;
        checkSlot(id / VCPUS, vcpu);
        overflows += last[id / VCPUS][vcpu].overflows;
        cell = event ? pvperfTableCell(table, event, vcpu) : NULL;
        if (!cell || cell->owner != (int32_t)(id / VCPUS) + 1 || !cell->sampler)
            continue;
        checkSampler(event, cell);
        granted += cell->enabled && !cell->sampler->throttled ? cell->sampler->granted : 0;
        throttled += cell->sampler->throttled != 0;
    }
    g_assert_cmpuint(overflows, ==, written);
    g_assert_cmpuint(bench.backend.stats->sampling.overflows, ==, written);
    g_assert_cmpuint(sampling()->granted, ==, granted);
    g_assert_cmpuint(sampling()->throttled, ==, throttled);
    g_assert_cmpuint(bench.backend.stats->sampling.throttled_ns, <=, bench.now * IDS * VCPUS);
    for (id = 0; id < PVPERF_EVENTS_MAX; id++)
        g_assert_cmpuint(totals[id].time_running, <=, totals[id].time_enabled);
}


static struct pvperf_frame
rollOpen(int32_t id)
{
    int32_t leader = kinds[id].leader;
    const pvperfEvent *first = leader < 0 ? NULL : pvperfTableFind(&bench.backend.table, leader);
    fakeOpen open = {
        .id = id,
        .row = id,
        .vcpu = kinds[id].bound ? 2 : roll(VCPUS),
        .bound = kinds[id].bound,
        .sibling = first && first->leader == leader,
        .leader = leader,
        .attr = {
            .type = kinds[id].type, .config = kinds[id].config, .sample_period = kinds[id].period,
        },
    };

    return fakeFrameOpen(&bench.guest, &open);
}


/* Up to a few overflows of one event, if it is counting. */
static void
rollOverflows(void)
{
    uint32_t id = roll(IDS);
    uint32_t vcpu = roll(VCPUS);
    uint32_t n = roll(8) ? roll(4) : roll(70);
    int fd = fakeBenchFd(id, vcpu);

    while (kinds[id].period && fd >= 0 && n-- > 0) {
        uint64_t period = isClock(id) ? PERIOD : kinds[id].period + roll(1000);

        if (!fakeBenchOverflow(fd, period, roll(2) ? PERF_RECORD_MISC_GUEST_USER : PERF_RECORD_MISC_KERNEL, 1))
            break;
        written++;
        if (!isClock(id))
            periods[id][vcpu] += period;
    }
}


/* A batch: some frames of one kind, leaders first, as a driver sends them, or
 * any frames in any order; one OPEN or CLOSE. */
static void
rollFrames(uint32_t area)
{
    uint32_t op = ENABLE + roll(3);
    uint32_t some = roll(1 << IDS) & roll(1 << IDS);
    uint32_t n = roll(2) ? roll(3 * IDS) : 0;
    uint32_t id = roll(IDS);

    if (area == VCPUS) {
        if (pvperfTableFind(&bench.backend.table, id))
            fakeGuestPut(&bench.guest, area, fakeFrame(CLOSE, id));
        else
            fakeGuestPut(&bench.guest, area, rollOpen(id));
        return;
    }
    for (id = 0; id < IDS && n == 0; id++) {
        if (some & 1U << id)
            fakeGuestPut(&bench.guest, area, fakeFrame(op, id));
    }
    for (; n > 0; n--)
        fakeGuestPut(&bench.guest, area, fakeFrame(ENABLE + roll(3), roll(IDS)));
}


static void
step(void)
{
    uint32_t area = roll(8) ? roll(VCPUS) : VCPUS;
    uint64_t now = bench.now;
    uint64_t ns = roll(20) ? 1 + roll(100000) : 1 + roll(30 * MS);
    uint32_t vcpu;

    for (vcpu = 0; vcpu < VCPUS; vcpu++)
        fakeBenchRun(vcpu, ns, ns, ns);
    bench.now = now + ns;
    rollOverflows();
    rollOverflows();
    if (roll(3))
        rollFrames(area);
    fakeGuestPublish(&bench.guest, area);
    fakeBenchServe();
    if (roll(3) == 0)
        fakeBenchClaim(roll(VCPUS));
    checkAll();
}


static void
testWalk(gconstpointer opaque)
{
    uint32_t i;

    dice = g_rand_new_with_seed(20100621 + GPOINTER_TO_UINT(opaque));
    written = 0;
    memset(periods, 0, sizeof(periods));
    memset(last, 0, sizeof(last));
    fakeBenchInit(VCPUS);
    bench.backend.policy.total_samples_sec = GPOINTER_TO_UINT(opaque);
    g_assert_cmpint(fakeBenchHello(1U << PVPERF_F_SAMPLING).ret, ==, 0);
    for (i = 0; i < STEPS; i++)
        step();
    g_test_message("%" G_GUINT64_FORMAT " overflows, throttled %" G_GUINT64_FORMAT " times", written,
                   bench.backend.stats->sampling.throttles);
    g_assert_cmpuint(written, >, 1000);
    if (opaque)
        g_assert_cmpuint(bench.backend.stats->sampling.throttles, >, 20);
    pvperfServeSession(&bench.backend, 0);
    g_assert_cmpuint(sampling()->granted, ==, 0);
    g_assert_cmpuint(sampling()->throttled, ==, 0);
    g_assert_cmpuint(sampling()->nactive, ==, 0);
    g_assert_cmpuint(bench.backend.stats->sampling.overflows, ==, written);
    fakeBenchFree();
    g_rand_free(dice);
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/sampling-walk/unlimited", NULL, testWalk);
    g_test_add_data_func("/sampling-walk/300", GUINT_TO_POINTER(300), testWalk);
    g_test_add_data_func("/sampling-walk/4000", GUINT_TO_POINTER(4000), testWalk);
    return g_test_run();
}
