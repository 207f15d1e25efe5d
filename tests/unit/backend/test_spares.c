/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_spares.c: an OPEN takes the host event that a CLOSE left.
 *
 * What a reused host event counted for its former user must never show, and a
 * host event that is not exactly of the kind wanted must never be used. On
 * fakes (fake_host.h): bench.requests counts what the daemon was asked.
 */
#include <glib.h>
#include <linux/perf_event.h>

#include "fake_host.h"

#define ENABLE KVM_PERF_OP_ENABLE
#define DISABLE KVM_PERF_OP_DISABLE
#define CLOSE KVM_PERF_OP_CLOSE

static void
call(uint32_t area,
     uint32_t op,
     uint64_t id)
{
    g_assert_cmpint(fakeBenchCall(area, op, id).ret, ==, 0);
}


static void
openClock(int32_t id,
          uint32_t row)
{
    g_assert_cmpint(fakeBenchOpenClock(id, row, -1).ret, ==, 0);
}


static void
closeEvent(int32_t id)
{
    call(fakeGuestControl(&bench.guest), CLOSE, id);
}


static void
assertSlot(uint32_t row,
           uint32_t vcpu,
           uint64_t count,
           uint64_t enabled)
{
    struct guest_perf_event slot = fakeGuestSlot(&bench.guest, row, vcpu);

    g_assert_cmpuint(slot.count, ==, count);
    g_assert_cmpuint(slot.time_enabled, ==, enabled);
    g_assert_cmpuint(slot.time_lost, ==, 0);
}


static void
testCountsFromZero(void)
{
    fakeBenchInit(2);
    openClock(1, 0);
    call(0, ENABLE, 1);
    fakeBenchRun(0, 1000, 1000, 77);
    /* Closed while it counts, and on both vCPUs. */
    call(1, ENABLE, 1);
    fakeBenchRun(1, 500, 500, 5);
    closeEvent(1);
    assertSlot(0, 0, 77, 1000);
    g_assert_cmpuint(bench.requests, ==, 2);

    openClock(2, 1);
    fakeBenchRun(0, 1000, 1000, 9);
    call(0, ENABLE, 2);
    fakeBenchRun(0, 200, 200, 3);
    call(0, DISABLE, 2);
    assertSlot(1, 0, 3, 200);
    /* The other vCPU's host event comes back at the first ENABLE there. */
    call(1, ENABLE, 2);
    fakeBenchRun(1, 40, 40, 4);
    call(1, DISABLE, 2);
    assertSlot(1, 1, 4, 40);
    g_assert_cmpuint(bench.requests, ==, 2);
    g_assert_cmpuint(bench.backend.table.open, ==, 1);
    g_assert_cmpuint(bench.backend.stats->totals[pvperfEventFromName("vcpu-clock")].count, ==, 89);
    g_assert_cmpuint(bench.backend.stats->totals[pvperfEventFromName("vcpu-clock")].opened, ==, 2);
    fakeBenchFree();
}


/* Two at once have two host events. */
static void
testOneUser(void)
{
    fakeBenchInit(1);
    openClock(1, 0);
    closeEvent(1);
    openClock(2, 1);
    openClock(3, 2);
    g_assert_cmpuint(bench.requests, ==, 2);
    call(0, ENABLE, 2);
    fakeBenchRun(0, 10, 10, 1);
    call(0, ENABLE, 3);
    fakeBenchRun(0, 10, 10, 1);
    call(0, DISABLE, 2);
    call(0, DISABLE, 3);
    assertSlot(1, 0, 2, 20);
    assertSlot(2, 0, 1, 10);
    fakeBenchFree();
}


/* Other event, other vCPU, other modes, other raw event: asked for. */
static void
testKinds(void)
{
    const struct guest_perf_attr raw = { .type = PERF_TYPE_RAW, .config = 0x01c2 };
    fakeOpen first = { .id = 1, .row = 0, .bound = true, .attr = raw };
    fakeOpen other[3] = { first, first, first };
    size_t i;

    other[0].attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK);
    other[1].vcpu = 1;
    other[2].attr.flags = PVPERF_ATTR_EXCLUDE_USER;
    for (i = 0; i < G_N_ELEMENTS(other); i++) {
        fakeBenchInit(2);
        g_assert_cmpint(fakeBenchOpen(&first).ret, ==, 0);
        closeEvent(1);
        g_assert_cmpint(fakeBenchOpen(&other[i]).ret, ==, 0);
        g_assert_cmpuint(bench.requests, ==, 2);
        closeEvent(1);
        g_assert_cmpint(fakeBenchOpen(&first).ret, ==, 0);
        g_assert_cmpuint(bench.requests, ==, 2);
        fakeBenchFree();
    }
}


/* A member of a group goes with its group. */
static void
testGroups(void)
{
    fakeBenchInit(1);
    openClock(1, 0);
    g_assert_cmpint(fakeBenchOpenClock(2, 1, 1).ret, ==, 0);
    g_assert_cmpuint(bench.requests, ==, 2);
    closeEvent(2);
    closeEvent(1);
    /* The leader was alone at its end; a sibling never is. */
    openClock(3, 2);
    g_assert_cmpuint(bench.requests, ==, 2);
    g_assert_cmpint(fakeBenchOpenClock(4, 3, 3).ret, ==, 0);
    g_assert_cmpuint(bench.requests, ==, 3);
    fakeBenchFree();
}


static uint32_t
hostEvents(void)
{
    uint32_t n = 0;
    int i;

    fakeBenchServe();
    for (i = 0; i < FAKE_FDS; i++)
        n += bench.perf[i].open;
    return n;
}


static void
testTimeIsOver(void)
{
    fakeBenchInit(1);
    openClock(1, 0);
    closeEvent(1);
    g_assert_cmpuint(pvperfSparesDeadline(&bench.backend.table.spares), ==,
                     bench.now + PVPERF_SPARES_NS);
    bench.now += PVPERF_SPARES_NS - 1;
    g_assert_cmpuint(hostEvents(), ==, 1);
    bench.now += 1;
    g_assert_cmpuint(hostEvents(), ==, 0);
    g_assert_cmpuint(pvperfSparesDeadline(&bench.backend.table.spares), ==, 0);
    openClock(1, 0);
    g_assert_cmpuint(bench.requests, ==, 2);
    fakeBenchFree();
}


static void
testNoRoom(void)
{
    int32_t id;

    fakeBenchInit(1);
    bench.backend.policy.max = 2 * PVPERF_SPARES;
    for (id = 0; id < PVPERF_SPARES + 3; id++)
        openClock(id, id);
    for (id = 0; id < PVPERF_SPARES + 3; id++)
        closeEvent(id);
    g_assert_cmpuint(hostEvents(), ==, PVPERF_SPARES);
    fakeBenchFree();
}


/* What may not be opened is not opened from here either. */
static void
testDenied(void)
{
    fakeBenchInit(1);
    openClock(1, 0);
    closeEvent(1);
    bench.backend.policy.classes &= ~(1U << PVPERF_CLASS_VCPU);
    g_assert_cmpint(fakeBenchOpenClock(1, 0, -1).ret, <, 0);
    fakeBenchFree();
}


/* A vCPU's thread is gone: nothing that was its is used again. A new driver or
 * a new session starts with nothing. */
static void
testDropped(void)
{
    fakeBenchInit(2);
    openClock(1, 0);
    openClock(2, 1);
    closeEvent(2);
    call(0, ENABLE, 1);
    bench.now += 5000000;
    call(0, DISABLE, 1);
    g_assert_cmpuint(hostEvents(), ==, 0);

    openClock(3, 2);
    closeEvent(3);
    g_assert_cmpuint(hostEvents(), ==, 1);
    pvperfServeSession(&bench.backend, 0xfee2);
    g_assert_cmpuint(hostEvents(), ==, 0);
    fakeBenchFree();
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/spares/counts-from-zero", testCountsFromZero);
    g_test_add_func("/spares/one-user", testOneUser);
    g_test_add_func("/spares/kinds", testKinds);
    g_test_add_func("/spares/groups", testGroups);
    g_test_add_func("/spares/time-is-over", testTimeIsOver);
    g_test_add_func("/spares/no-room", testNoRoom);
    g_test_add_func("/spares/denied", testDenied);
    g_test_add_func("/spares/dropped", testDropped);
    return g_test_run();
}
