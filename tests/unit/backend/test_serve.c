/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_serve.c: every op in every state, counts to the last unit.
 *
 * Everything runs in this process on fakes (fake_host.h), so each number is
 * known beforehand.
 */
#include <errno.h>
#include <glib.h>
#include <linux/perf_event.h>

#include "fake_host.h"

#define ENABLE KVM_PERF_OP_ENABLE
#define DISABLE KVM_PERF_OP_DISABLE
#define READ KVM_PERF_OP_READ
#define CLOSE KVM_PERF_OP_CLOSE

static uint32_t
control(void)
{
    return fakeGuestControl(&bench.guest);
}


static struct guest_perf_event
slot(uint32_t row,
     uint32_t vcpu)
{
    return fakeGuestSlot(&bench.guest, row, vcpu);
}


static void
call(uint32_t area,
     uint32_t op,
     uint64_t id)
{
    g_assert_cmpint(fakeBenchCall(area, op, id).ret, ==, 0);
}


/* ---- Op x state -------------------------------------------------------------- */

typedef struct {
    enum pvperf_slot_state from;
    uint32_t op;
    int ret;
    enum pvperf_slot_state to;
    uint64_t count;             /* of the slot afterwards, 100 more on the host */
} opCase;

/* Each starts with count 10 from an earlier interval (CLOSED: 0). */
static const opCase opCases[] = {
    { PVPERF_SLOT_CLOSED, ENABLE, 0, PVPERF_SLOT_COUNTING, 0 },
    { PVPERF_SLOT_CLOSED, DISABLE, 0, PVPERF_SLOT_FINAL, 0 },
    { PVPERF_SLOT_CLOSED, READ, 0, PVPERF_SLOT_CLOSED, 0 },
    { PVPERF_SLOT_CLOSED, CLOSE, 0, PVPERF_SLOT_CLOSED, 0 },
    { PVPERF_SLOT_COUNTING, ENABLE, 0, PVPERF_SLOT_COUNTING, 10 },
    { PVPERF_SLOT_COUNTING, DISABLE, 0, PVPERF_SLOT_FINAL, 110 },
    { PVPERF_SLOT_COUNTING, READ, 0, PVPERF_SLOT_COUNTING, 110 },
    { PVPERF_SLOT_COUNTING, CLOSE, 0, PVPERF_SLOT_CLOSED, 110 },
    { PVPERF_SLOT_FINAL, ENABLE, 0, PVPERF_SLOT_COUNTING, 10 },
    { PVPERF_SLOT_FINAL, DISABLE, 0, PVPERF_SLOT_FINAL, 10 },
    { PVPERF_SLOT_FINAL, READ, 0, PVPERF_SLOT_FINAL, 10 },
    { PVPERF_SLOT_FINAL, CLOSE, 0, PVPERF_SLOT_CLOSED, 10 },
    { PVPERF_SLOT_REFUSED, ENABLE, 0, PVPERF_SLOT_COUNTING, 10 },
    { PVPERF_SLOT_REFUSED, DISABLE, 0, PVPERF_SLOT_REFUSED, 10 },
    { PVPERF_SLOT_REFUSED, READ, 0, PVPERF_SLOT_REFUSED, 10 },
    { PVPERF_SLOT_REFUSED, CLOSE, 0, PVPERF_SLOT_CLOSED, 10 },
};

/* Brings event 5, row 2, vCPU 1 into a state. */
static void
bringInto(enum pvperf_slot_state state)
{
    g_assert_cmpint(fakeBenchOpenClock(5, 2, -1).ret, ==, 0);
    if (state == PVPERF_SLOT_CLOSED)
        return;
    call(1, ENABLE, 5);
    fakeBenchRun(1, 1000, 1000, 10);
    call(1, DISABLE, 5);
    if (state == PVPERF_SLOT_COUNTING) {
        call(1, ENABLE, 5);
    } else if (state == PVPERF_SLOT_REFUSED) {
        bench.backend.policy.on = 0;
        g_assert_cmpint(fakeBenchCall(1, ENABLE, 5).ret, ==, -ENOENT);
        bench.backend.policy.on = 1;
    }
    g_assert_cmpint(slot(2, 1).state, ==, state);
}


static void
testOpsByState(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(opCases); i++) {
        const opCase *c = &opCases[i];
        struct pvperf_result result;

        fakeBenchInit(2);
        bringInto(c->from);
        fakeBenchRun(1, 2000, 2000, 100);
        result = fakeBenchCall(c->op == CLOSE ? control() : 1, c->op, 5);
        g_test_message("state %d op %u: ret %d", c->from, c->op, result.ret);
        g_assert_cmpint(result.ret, ==, c->ret);
        g_assert_cmpint(slot(2, 1).state, ==, c->to);
        g_assert_cmpuint(slot(2, 1).count, ==, c->count);
        g_assert_cmpuint(slot(2, 0).count, ==, 0);
        fakeBenchFree();
    }
}


/* ---- Counting ----------------------------------------------------------------- */

static void
testMovesOverVcpus(void)
{
    uint32_t v;
    uint64_t sum = 0;

    fakeBenchInit(4);
    g_assert_cmpint(fakeBenchOpenClock(1, 0, -1).ret, ==, 0);
    for (v = 0; v < 40; v++) {
        call(v % 4, ENABLE, 1);
        fakeBenchRun(v % 4, 100, 100, v);
        fakeBenchRun((v + 1) % 4, 100, 100, 1000);
        call(v % 4, DISABLE, 1);
    }
    for (v = 0; v < 4; v++)
        sum += slot(0, v).count;
    g_assert_cmpuint(sum, ==, 39 * 40 / 2);
    g_assert_cmpuint(bench.requests, ==, 4);
    call(control(), CLOSE, 1);
    g_assert_cmpuint(bench.backend.stats->totals[pvperfEventFromName("vcpu-clock")].count, ==, sum);
    fakeBenchFree();
}


/* The host multiplexes: what it did not count is lost, not made up. */
static void
testMultiplexed(void)
{
    fakeBenchInit(1);
    fakeBenchOpenClock(1, 0, -1);
    call(0, ENABLE, 1);
    fakeBenchRun(0, 1000, 250, 7);
    call(0, READ, 1);
    fakeBenchRun(0, 1000, 1000, 3);
    call(0, DISABLE, 1);
    g_assert_cmpuint(slot(0, 0).count, ==, 10);
    g_assert_cmpuint(slot(0, 0).time_enabled, ==, 2000);
    g_assert_cmpuint(slot(0, 0).time_lost, ==, 750);
    fakeBenchFree();
}


/* A vCPU was taken out and put in again: the events are of a thread that is no
 * more. One interval is lost, and says so; then there are new ones. */
static void
testThreadGone(void)
{
    fakeBenchInit(2);
    fakeBenchOpenClock(1, 0, -1);
    call(0, ENABLE, 1);
    fakeBenchRun(0, 100, 100, 5);
    call(0, DISABLE, 1);
    g_assert_cmpint(slot(0, 0).state, ==, PVPERF_SLOT_FINAL);

    call(0, ENABLE, 1);
    bench.now += 5000000;
    call(0, DISABLE, 1);
    g_assert_cmpint(slot(0, 0).state, ==, PVPERF_SLOT_REFUSED);
    g_assert_cmpint(slot(0, 0).error, ==, -EAGAIN);
    g_assert_cmpuint(slot(0, 0).count, ==, 5);
    g_assert_cmpuint(bench.requests, ==, 1);

    call(0, ENABLE, 1);
    g_assert_cmpuint(bench.requests, ==, 2);
    fakeBenchRun(0, 100, 100, 2);
    call(0, DISABLE, 1);
    g_assert_cmpint(slot(0, 0).state, ==, PVPERF_SLOT_FINAL);
    g_assert_cmpuint(slot(0, 0).count, ==, 7);
    fakeBenchFree();
}


/* Another event uses the slot afterwards: its numbers go on from there. */
static void
testSlotReused(void)
{
    fakeBenchInit(1);
    fakeBenchOpenClock(1, 0, -1);
    call(0, ENABLE, 1);
    fakeBenchRun(0, 1000, 1000, 10);
    call(control(), CLOSE, 1);
    g_assert_cmpint(fakeBenchOpenClock(2, 0, -1).ret, ==, 0);
    g_assert_cmpuint(slot(0, 0).count, ==, 10);
    call(0, ENABLE, 2);
    fakeBenchRun(0, 1000, 1000, 5);
    call(0, DISABLE, 2);
    g_assert_cmpuint(slot(0, 0).count, ==, 15);
    g_assert_cmpuint(slot(0, 0).time_enabled, ==, 2000);
    fakeBenchFree();
}


/* Bound events of different vCPUs share a row; nothing else does. */
static void
testRows(void)
{
    fakeOpen open = { .id = 1, .row = 4, .vcpu = 1, .bound = true,
                      .attr = fakeAttrVcpu(PVPERF_VCPU_SWITCHES) };

    fakeBenchInit(3);
    g_assert_cmpint(fakeBenchOpen(&open).ret, ==, 0);
    open.id = 2;
    g_assert_cmpint(fakeBenchOpen(&open).ret, ==, -EINVAL);
    open.vcpu = 2;
    g_assert_cmpint(fakeBenchOpen(&open).ret, ==, 0);
    g_assert_cmpint(fakeBenchOpenClock(3, 4, -1).ret, ==, -EINVAL);
    g_assert_cmpint(fakeBenchOpenClock(3, 5, -1).ret, ==, 0);
    open.id = 4;
    open.row = 5;
    g_assert_cmpint(fakeBenchOpen(&open).ret, ==, -EINVAL);

    /* A bound event counts nowhere else. */
    g_assert_cmpint(fakeBenchCall(0, ENABLE, 1).ret, ==, -EINVAL);
    g_assert_cmpint(fakeBenchCall(0, DISABLE, 1).ret, ==, -EINVAL);
    g_assert_cmpint(fakeBenchCall(0, READ, 1).ret, ==, -EINVAL);
    call(1, ENABLE, 1);

    call(control(), CLOSE, 1);
    call(control(), CLOSE, 2);
    g_assert_cmpint(fakeBenchOpenClock(6, 4, -1).ret, ==, 0);
    fakeBenchFree();
}


/* ---- Groups -------------------------------------------------------------------- */

static void
testGroupBatch(void)
{
    uint32_t i;

    fakeBenchInit(2);
    for (i = 0; i < 4; i++)
        g_assert_cmpint(fakeBenchOpenClock(i, i, i ? 0 : -1).ret, ==, 0);
    g_assert_cmpuint(bench.asked.count, ==, 4);

    call(0, ENABLE, 0);
    call(0, DISABLE, 0);
    bench.calls = 0;
    for (i = 0; i < 4; i++)
        fakeGuestPut(&bench.guest, 0, fakeFrame(ENABLE, i));
    fakeGuestPublish(&bench.guest, 0);
    fakeBenchServe();
    g_assert_cmpuint(bench.calls, ==, 1);

    fakeBenchRun(0, 100, 50, 6);
    for (i = 0; i < 4; i++)
        fakeGuestPut(&bench.guest, 0, fakeFrame(DISABLE, i));
    fakeGuestPublish(&bench.guest, 0);
    fakeBenchServe();
    g_assert_cmpuint(bench.calls, ==, 3);
    for (i = 0; i < 4; i++) {
        g_assert_cmpuint(slot(i, 0).count, ==, 6);
        g_assert_cmpuint(slot(i, 0).time_enabled, ==, 100);
        g_assert_cmpuint(slot(i, 0).time_lost, ==, 50);
        g_assert_cmpint(slot(i, 0).state, ==, PVPERF_SLOT_FINAL);
    }
    fakeBenchFree();
}


/* A member counts only while it is enabled itself. */
static void
testGroupMembers(void)
{
    fakeBenchInit(1);
    fakeBenchOpenClock(0, 0, -1);
    fakeBenchOpenClock(1, 1, 0);
    fakeBenchOpenClock(2, 2, 0);

    call(0, ENABLE, 1);
    fakeBenchRun(0, 10, 10, 1);
    call(0, ENABLE, 0);
    fakeBenchRun(0, 10, 10, 100);
    call(0, ENABLE, 2);
    fakeBenchRun(0, 10, 10, 1000);
    call(0, DISABLE, 1);
    fakeBenchRun(0, 10, 10, 10000);
    call(0, DISABLE, 0);
    fakeBenchRun(0, 10, 10, 100000);
    call(0, DISABLE, 2);

    g_assert_cmpuint(slot(0, 0).count, ==, 11100);
    g_assert_cmpuint(slot(1, 0).count, ==, 1100);
    g_assert_cmpuint(slot(2, 0).count, ==, 11000);
    g_assert_cmpuint(slot(2, 0).time_enabled, ==, 20);
    fakeBenchFree();
}


/* A sibling comes while the group counts: what was counted is kept. */
static void
testGroupGrows(void)
{
    fakeBenchInit(2);
    fakeBenchOpenClock(0, 0, -1);
    call(0, ENABLE, 0);
    fakeBenchRun(0, 10, 10, 5);
    g_assert_cmpint(fakeBenchOpenClock(1, 1, 0).ret, ==, 0);
    fakeBenchRun(0, 10, 10, 70);
    call(0, READ, 0);
    g_assert_cmpuint(slot(0, 0).count, ==, 75);
    g_assert_cmpuint(slot(1, 0).count, ==, 0);
    call(0, ENABLE, 1);
    fakeBenchRun(0, 10, 10, 900);
    call(0, DISABLE, 0);
    call(0, DISABLE, 1);
    g_assert_cmpuint(slot(0, 0).count, ==, 975);
    g_assert_cmpuint(slot(1, 0).count, ==, 900);

    /* The other vCPU gets the whole group at its first ENABLE. */
    bench.requests = 0;
    call(1, ENABLE, 0);
    call(1, ENABLE, 1);
    g_assert_cmpuint(bench.requests, ==, 1);
    g_assert_cmpuint(bench.asked.count, ==, 2);

    /* And a third member makes it ask again there, while it counts. */
    fakeBenchRun(1, 10, 10, 3);
    g_assert_cmpint(fakeBenchOpenClock(2, 2, 0).ret, ==, 0);
    g_assert_cmpuint(bench.asked.vcpu, ==, 0);
    call(1, ENABLE, 2);
    g_assert_cmpuint(bench.asked.vcpu, ==, 1);
    g_assert_cmpuint(bench.asked.count, ==, 3);
    fakeBenchRun(1, 10, 10, 20);
    call(1, DISABLE, 0);
    g_assert_cmpuint(slot(0, 1).count, ==, 23);
    g_assert_cmpuint(slot(1, 1).count, ==, 23);
    g_assert_cmpuint(slot(2, 1).count, ==, 20);
    fakeBenchFree();
}


/* Whoever goes first, the others count on. */
static void
testGroupShrinks(void)
{
    fakeBenchInit(1);
    fakeBenchOpenClock(0, 0, -1);
    fakeBenchOpenClock(1, 1, 0);
    fakeBenchOpenClock(2, 2, 0);
    fakeBenchOpenClock(3, 3, 0);
    call(0, ENABLE, 0);
    call(0, ENABLE, 1);
    call(0, ENABLE, 2);
    fakeBenchRun(0, 10, 10, 1);
    call(control(), CLOSE, 1);
    fakeBenchRun(0, 10, 10, 20);
    call(control(), CLOSE, 0);
    g_assert_cmpuint(slot(0, 0).count, ==, 21);
    g_assert_cmpuint(slot(1, 0).count, ==, 1);

    /* 2 was counting and still is; 3 was not and must not begin. */
    fakeBenchRun(0, 10, 5, 300);
    call(0, READ, 2);
    g_assert_cmpuint(slot(2, 0).count, ==, 321);
    g_assert_cmpuint(slot(2, 0).time_enabled, ==, 30);
    g_assert_cmpuint(slot(2, 0).time_lost, ==, 5);
    call(0, ENABLE, 3);
    fakeBenchRun(0, 10, 10, 4000);
    call(0, DISABLE, 3);
    call(0, DISABLE, 2);
    g_assert_cmpuint(slot(3, 0).count, ==, 4000);
    g_assert_cmpuint(slot(2, 0).count, ==, 4321);
    call(control(), CLOSE, 2);
    call(control(), CLOSE, 3);
    fakeBenchFree();
}


/* The host cannot switch it on: the whole group's interval is lost. */
static void
testStartFails(void)
{
    fakeBenchInit(1);
    fakeBenchOpenClock(0, 0, -1);
    fakeBenchOpenClock(1, 1, 0);
    bench.broken = -EIO;
    call(0, ENABLE, 1);
    g_assert_cmpint(fakeBenchCall(0, ENABLE, 0).ret, ==, -EIO);
    g_assert_cmpint(slot(0, 0).state, ==, PVPERF_SLOT_REFUSED);
    g_assert_cmpint(slot(1, 0).state, ==, PVPERF_SLOT_REFUSED);
    g_assert_cmpint(slot(1, 0).error, ==, -EIO);
    g_assert_cmpuint(bench.backend.table.counting[0], ==, 0);
    fakeBenchFree();
}


/* ---- Sessions and areas --------------------------------------------------------- */

static void
testSessions(void)
{
    struct pvperf_frame stale = fakeFrame(READ, 1);

    fakeBenchInit(2);
    fakeBenchOpenClock(1, 0, -1);
    call(1, ENABLE, 1);
    fakeBenchRun(1, 10, 10, 10);
    stale.session = 0xdead;
    g_assert_cmpint(fakeBenchFrame(1, stale).ret, ==, -ESTALE);
    g_assert_cmpuint(fakeGuestHeader(&bench.guest)->policy.refusals, ==, 0);

    /* What restore leaves behind. */
    fakeGuestHeader(&bench.guest)->identity.magic = 1;
    fakeGuestArea(&bench.guest, 0)->complete.completed = 99;
    pvperfServeSession(&bench.backend, 0xabc);
    g_assert_cmpuint(fakeGuestHeader(&bench.guest)->identity.magic, ==, PVPERF_MAGIC);
    g_assert_cmpuint(fakeGuestHeader(&bench.guest)->session.session, ==, 0xabc);
    g_assert_cmpuint(fakeGuestHeader(&bench.guest)->session.state, ==, PVPERF_HOST_UP);
    g_assert_cmpuint(fakeGuestArea(&bench.guest, 0)->complete.completed, ==,
                     fakeGuestArea(&bench.guest, 0)->submit.submitted);
    g_assert_cmpuint(slot(0, 1).count, ==, 0);
    g_assert_cmpint(slot(0, 1).state, ==, PVPERF_SLOT_CLOSED);
    g_assert_cmpint(fakeBenchCall(1, ENABLE, 1).ret, ==, -ESTALE);
    bench.guest.session = 0xabc;
    g_assert_cmpint(fakeBenchCall(1, ENABLE, 1).ret, ==, -EINVAL);
    g_assert_cmpint(fakeBenchOpenClock(1, 0, -1).ret, ==, 0);

    /* Host down: nothing is served. */
    pvperfServeSession(&bench.backend, 0);
    g_assert_cmpuint(fakeGuestHeader(&bench.guest)->session.state, ==, PVPERF_HOST_DOWN);
    g_assert_cmpint(fakeBenchCall(1, READ, 1).ret, ==, 1);
    fakeBenchFree();
}


static void
testHello(void)
{
    struct pvperf_frame hello = {
        .nr = PVPERF_HELLO,
        .a0 = PVPERF_VERSION_MAJOR << 16 | 7,
        .a1 = 1U << KVM_FEATURE_PV_PERF,
        .a2 = 0x000102,
    };

    fakeBenchInit(1);
    fakeBenchOpenClock(1, 0, -1);
    call(0, ENABLE, 1);
    g_assert_cmpint(fakeBenchFrame(0, hello).ret, ==, -EINVAL);
    g_assert_cmpint(fakeBenchFrame(control(), hello).ret, ==, 0);
    g_assert_cmpuint(bench.backend.table.open, ==, 0);
    g_assert_cmpuint(bench.backend.stats->driver_version, ==, 0x102);
    g_assert_cmpuint(fakeGuestHeader(&bench.guest)->policy.open, ==, 0);
    hello.a0 = (PVPERF_VERSION_MAJOR + 1) << 16;
    g_assert_cmpint(fakeBenchFrame(control(), hello).ret, ==, -EPROTONOSUPPORT);
    fakeBenchFree();
}


/* submitted is the guest's: whatever it says, the host goes on. */
static void
testSubmittedJumps(void)
{
    static const uint32_t jumps[] = { 65, 1000, 0x7fffffff, 0x80000000, 0xffffffff };
    struct pvperf_area *area;
    size_t i;

    fakeBenchInit(1);
    fakeBenchOpenClock(1, 0, -1);
    area = fakeGuestArea(&bench.guest, 0);
    for (i = 0; i < G_N_ELEMENTS(jumps); i++) {
        uint64_t before = bench.backend.stats->refusals[PVPERF_REASON_MALFORMED];

        bench.guest.submitted[0] += jumps[i];
        fakeGuestPublish(&bench.guest, 0);
        fakeBenchServe();
        g_assert_cmpuint(area->complete.completed, ==, bench.guest.submitted[0]);
        g_assert_cmpuint(bench.backend.stats->refusals[PVPERF_REASON_MALFORMED], ==, before + 1);
        call(0, ENABLE, 1);
        call(0, DISABLE, 1);
    }
    fakeBenchFree();
}


/* What waits behind a frame and is taken back by the guest was never there; the pass
 * ends (it would count to 2^32 here). */
static void
testSubmittedBack(void)
{
    uint32_t control;

    fakeBenchInit(1);
    bench.answers = false;
    control = fakeGuestControl(&bench.guest);
    fakeBenchOpenClock(1, 0, -1);
    g_assert_cmpuint(bench.requests, ==, 1);

    bench.guest.submitted[control] += 20;
    fakeGuestPublish(&bench.guest, control);
    g_assert_true(pvperfServePass(&bench.backend, bench.now));
    bench.guest.submitted[control] -= 10;
    fakeGuestPublish(&bench.guest, control);
    g_assert_false(pvperfServePass(&bench.backend, bench.now));
    bench.guest.submitted[control]++;
    fakeGuestPublish(&bench.guest, control);
    g_assert_true(pvperfServePass(&bench.backend, bench.now));
    fakeBenchFree();
}


/* 2^32 frames later the numbers wrap. */
static void
testWraps(void)
{
    uint32_t i;

    fakeBenchInit(1);
    bench.guest.submitted[0] = 0xffffffd0;
    fakeGuestPublish(&bench.guest, 0);
    fakeBenchServe();
    fakeBenchOpenClock(1, 0, -1);
    for (i = 0; i < 100; i++) {
        call(0, ENABLE, 1);
        fakeBenchRun(0, 1, 1, 1);
        call(0, DISABLE, 1);
    }
    g_assert_cmpuint(slot(0, 0).count, ==, 100);
    g_assert_cmpuint(slot(0, 0).time_lost, ==, 0);
    fakeBenchFree();
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/serve/ops-by-state", testOpsByState);
    g_test_add_func("/serve/moves-over-vcpus", testMovesOverVcpus);
    g_test_add_func("/serve/thread-gone", testThreadGone);
    g_test_add_func("/serve/multiplexed", testMultiplexed);
    g_test_add_func("/serve/slot-reused", testSlotReused);
    g_test_add_func("/serve/rows", testRows);
    g_test_add_func("/serve/group-batch", testGroupBatch);
    g_test_add_func("/serve/group-members", testGroupMembers);
    g_test_add_func("/serve/group-grows", testGroupGrows);
    g_test_add_func("/serve/group-shrinks", testGroupShrinks);
    g_test_add_func("/serve/start-fails", testStartFails);
    g_test_add_func("/serve/sessions", testSessions);
    g_test_add_func("/serve/hello", testHello);
    g_test_add_func("/serve/submitted-jumps", testSubmittedJumps);
    g_test_add_func("/serve/submitted-back", testSubmittedBack);
    g_test_add_func("/serve/wraps", testWraps);
    return g_test_run();
}
