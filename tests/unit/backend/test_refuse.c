/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_refuse.c: what the guest may not do, and what it is told.
 *
 * Bad frames field by field, the operator's limits, and a broker that refuses,
 * is late, or is not there. Runs on fakes (fake_host.h).
 */
#include <errno.h>
#include <glib.h>
#include <linux/perf_event.h>
#include <stddef.h>

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
assertRefused(struct pvperf_result result,
              int ret,
              enum pvperf_reason reason,
              uint64_t limit)
{
    g_assert_cmpint(result.ret, ==, ret);
    g_assert_cmpint(result.reason, ==, reason);
    g_assert_cmpuint(result.limit, ==, limit);
}


/* ---- Frames, field by field ---------------------------------------------------- */

typedef enum { IN_FRAME, IN_PARAM, IN_ATTR } where;

typedef struct {
    const char *what;
    where in;
    size_t offset;
    size_t size;
    uint64_t value;
    int ret;
    enum pvperf_reason reason;
} badField;

#define FRAME(field) IN_FRAME, offsetof(struct pvperf_frame, field), \
    sizeof(((struct pvperf_frame *)0)->field)
#define PARAM(field) IN_PARAM, offsetof(struct guest_perf_event_param, field), \
    sizeof(((struct guest_perf_event_param *)0)->field)
#define ATTR(field) IN_ATTR, offsetof(struct guest_perf_attr, field), \
    sizeof(((struct guest_perf_attr *)0)->field)
#define MALFORMED -EINVAL, PVPERF_REASON_MALFORMED

/* Each is put into an otherwise good OPEN of id 9 in a VM of two vCPUs; id 3
 * is open in row 0, ids 4 and 5 are a group. Offsets: control area 2. */
static const badField openFields[] = {
    { "nr", FRAME(nr), 4, MALFORMED },
    { "nr 0", FRAME(nr), 0, MALFORMED },
    { "pad0", FRAME(pad0), 1, MALFORMED },
    { "session", FRAME(session), 1, -ESTALE, PVPERF_REASON_SESSION },
    { "op 0", FRAME(a0), 0, MALFORMED },
    { "op 6", FRAME(a0), 6, MALFORMED },
    { "op 2^32 + OPEN", FRAME(a0), 1ULL << 32 | KVM_PERF_OP_OPEN, MALFORMED },
    { "ENABLE in control area", FRAME(a0), ENABLE, MALFORMED },
    { "address 0", FRAME(a1), 0, MALFORMED },
    { "address of the header", FRAME(a1), 8, MALFORMED },
    { "address high half", FRAME(a2), 1, MALFORMED },
    { "address above 32 bits in a1", FRAME(a1), 1ULL << 32, MALFORMED },
    { "address above 32 bits in a2", FRAME(a2), 1ULL << 32, MALFORMED },
    { "address at the end", FRAME(a1), 0xffffffff, MALFORMED },
    { "vcpu too large", FRAME(a3), PVPERF_OPEN_A3(PVPERF_OPEN_NO_LEADER, 0, 2), MALFORMED },
    { "vcpu far too large", FRAME(a3), PVPERF_OPEN_A3(PVPERF_OPEN_NO_LEADER, 1, 0x7fffffff), MALFORMED },
    { "leader not open", FRAME(a3), PVPERF_OPEN_A3(77, 0, 0), MALFORMED },
    { "leader itself", FRAME(a3), PVPERF_OPEN_A3(9, 0, 0), MALFORMED },
    { "leader is a sibling", FRAME(a3), PVPERF_OPEN_A3(5, 0, 0), MALFORMED },
    { "leader too large", FRAME(a3), PVPERF_OPEN_A3(PVPERF_MAX_IDS, 0, 0), MALFORMED },
    { "leader negative", FRAME(a3), PVPERF_OPEN_A3(0x80000000, 0, 0), MALFORMED },
    { "bound beside an unbound leader", FRAME(a3), PVPERF_OPEN_A3(4, 1, 0), MALFORMED },
    { "reserved[0]", FRAME(reserved[0]), 1, MALFORMED },
    { "reserved[1]", FRAME(reserved[1]), 1ULL << 63, MALFORMED },
    { "attr address 0", PARAM(attr_addr), 0, MALFORMED },
    { "attr address all ones", PARAM(attr_addr), UINT64_MAX, MALFORMED },
    { "attr in another area", PARAM(attr_addr), PVPERF_AREA_OFFSET(0) + 0x800 + 24, MALFORMED },
    { "slot address 0", PARAM(guest_event_addr), 0, MALFORMED },
    { "slot address all ones", PARAM(guest_event_addr), UINT64_MAX, MALFORMED },
    { "slot of vCPU 1", PARAM(guest_event_addr), PVPERF_SLOT_OFFSET(2, 9, 1), MALFORMED },
    { "slot behind the last row", PARAM(guest_event_addr), PVPERF_SLOT_OFFSET(2, PVPERF_NR_ROWS, 0), MALFORMED },
    { "slot misaligned", PARAM(guest_event_addr), PVPERF_SLOT_OFFSET(2, 9, 0) + 8, MALFORMED },
    { "row in use", PARAM(guest_event_addr), PVPERF_SLOT_OFFSET(2, 0, 0), MALFORMED },
    { "id -1", PARAM(id), 0xffffffff, MALFORMED },
    { "id least", PARAM(id), 0x80000000, MALFORMED },
    { "id too large", PARAM(id), PVPERF_MAX_IDS, MALFORMED },
    { "id open", PARAM(id), 3, MALFORMED },
    { "param pad0", PARAM(pad0), 1, MALFORMED },
    { "attr pad0", ATTR(pad0), 1, MALFORMED },
    { "attr pad1", ATTR(pad1), 1, MALFORMED },
    { "read_format", ATTR(read_format), 8, MALFORMED },
    { "flag disabled", ATTR(flags), 1, MALFORMED },
    { "flag 63", ATTR(flags), 1ULL << 63, MALFORMED },
    { "bp_type", ATTR(bp_type), 1, MALFORMED },
    { "bp_addr", ATTR(bp_addr), 1, MALFORMED },
    { "bp_len", ATTR(bp_len), 1, MALFORMED },
    { "only exclude_host", ATTR(flags), PVPERF_ATTR_EXCLUDE_HOST, -EOPNOTSUPP, PVPERF_REASON_UNSUPPORTED },
    { "sampling", ATTR(sample_period), 100000, -EOPNOTSUPP, PVPERF_REASON_UNSUPPORTED },
    { "period too short", ATTR(sample_period), 999, -EINVAL, PVPERF_REASON_MIN_PERIOD },
    { "type unknown", ATTR(type), 99, -ENOENT, PVPERF_REASON_UNKNOWN },
    { "tracepoint", ATTR(type), PERF_TYPE_TRACEPOINT, -ENOENT, PVPERF_REASON_UNKNOWN },
    { "breakpoint", ATTR(type), PERF_TYPE_BREAKPOINT, -ENOENT, PVPERF_REASON_UNKNOWN },
    { "config unknown", ATTR(config), PVPERF_NR_VCPU_EVENTS, -ENOENT, PVPERF_REASON_UNKNOWN },
    { "config huge", ATTR(config), UINT64_MAX, -ENOENT, PVPERF_REASON_UNKNOWN },
};

static void
poke(void *base,
     const badField *bad)
{
    memcpy((uint8_t *)base + bad->offset, &bad->value, bad->size);
}


static void
testOpenFields(void)
{
    fakeOpen open = { .id = 9, .row = 9, .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK) };
    size_t i;

    fakeBenchInit(2);
    fakeBenchOpenClock(3, 0, -1);
    fakeBenchOpenClock(4, 1, -1);
    fakeBenchOpenClock(5, 2, 4);
    for (i = 0; i < G_N_ELEMENTS(openFields); i++) {
        const badField *bad = &openFields[i];
        struct pvperf_param *param = &fakeGuestArea(&bench.guest, 2)->
            params[bench.guest.submitted[2] % PVPERF_NR_PARAMS];
        struct pvperf_frame frame = fakeFrameOpen(&bench.guest, &open);
        uint32_t requests = bench.requests;
        struct pvperf_result result;

        poke(bad->in == IN_FRAME ? (void *)&frame :
             bad->in == IN_PARAM ? (void *)&param->param : (void *)&param->attr, bad);
        result = fakeBenchFrame(2, frame);
        g_test_message("%s: %d, reason %u", bad->what, result.ret, result.reason);
        g_assert_cmpint(result.ret, ==, bad->ret);
        g_assert_cmpint(result.reason, ==, bad->reason);
        g_assert_cmpuint(bench.requests, ==, requests);
        g_assert_cmpuint(bench.backend.table.open, ==, 3);
    }
    g_assert_cmpint(fakeBenchOpen(&open).ret, ==, 0);
    fakeBenchFree();
}


/* Ops of vCPU areas on ids that are none, in areas that are not theirs. */
static void
testIds(void)
{
    static const uint64_t ids[] = {
        1, PVPERF_MAX_IDS - 1, PVPERF_MAX_IDS, 0x7fffffff, 0x80000000, 0xffffffff,
        1ULL << 32, UINT64_MAX, (uint64_t)INT64_MIN,
    };
    static const uint32_t ops[] = { ENABLE, DISABLE, READ };
    size_t i;
    size_t k;

    fakeBenchInit(1);
    fakeBenchOpenClock(0, 0, -1);
    for (i = 0; i < G_N_ELEMENTS(ids); i++) {
        for (k = 0; k < G_N_ELEMENTS(ops); k++)
            assertRefused(fakeBenchCall(0, ops[k], ids[i]), MALFORMED, 0);
        assertRefused(fakeBenchCall(control(), CLOSE, ids[i]), MALFORMED, 0);
    }
    for (k = 0; k < G_N_ELEMENTS(ops); k++)
        assertRefused(fakeBenchCall(control(), ops[k], 0), MALFORMED, 0);
    assertRefused(fakeBenchCall(0, CLOSE, 0), MALFORMED, 0);
    g_assert_cmpuint(bench.backend.table.open, ==, 1);
    fakeBenchFree();
}


static void
testGroupTooLarge(void)
{
    int32_t i;

    fakeBenchInit(1);
    for (i = 0; i < PVPERF_MAX_GROUP; i++)
        g_assert_cmpint(fakeBenchOpenClock(i, i, i ? 0 : -1).ret, ==, 0);
    assertRefused(fakeBenchOpenClock(i, i, 0), MALFORMED, 0);
    fakeBenchFree();
}


/* ---- The operator's limits --------------------------------------------------------- */

static void
testMax(void)
{
    struct pvperf_policy_line *line;

    fakeBenchInit(1);
    bench.backend.policy.max = 2;
    line = &fakeGuestHeader(&bench.guest)->policy;
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    g_assert_cmpint(fakeBenchOpenClock(2, 2, -1).ret, ==, 0);
    assertRefused(fakeBenchOpenClock(3, 3, -1), -EBUSY, PVPERF_REASON_MAX, 2);
    g_assert_cmpuint(line->open, ==, 2);
    g_assert_cmpuint(line->refusals, ==, 1);
    g_assert_cmpuint(line->last_refusal, ==, PVPERF_REASON_MAX);
    g_assert_cmpuint(line->last_refusal_limit, ==, 2);
    g_assert_cmpuint(bench.backend.stats->refusals[PVPERF_REASON_MAX], ==, 1);

    g_assert_cmpint(fakeBenchCall(control(), CLOSE, 1).ret, ==, 0);
    g_assert_cmpint(fakeBenchOpenClock(3, 3, -1).ret, ==, 0);
    fakeBenchFree();
}


static void
testPerVcpu(void)
{
    int32_t i;

    fakeBenchInit(2);
    bench.backend.policy.per_vcpu = 2;
    for (i = 0; i < 3; i++)
        fakeBenchOpenClock(i, i, -1);
    g_assert_cmpint(fakeBenchCall(0, ENABLE, 0).ret, ==, 0);
    g_assert_cmpint(fakeBenchCall(0, ENABLE, 1).ret, ==, 0);
    g_assert_cmpint(fakeBenchCall(0, ENABLE, 1).ret, ==, 0);
    assertRefused(fakeBenchCall(0, ENABLE, 2), -EAGAIN, PVPERF_REASON_PER_VCPU, 2);
    g_assert_cmpint(slot(2, 0).state, ==, PVPERF_SLOT_REFUSED);
    g_assert_cmpint(slot(2, 0).error, ==, -EAGAIN);
    g_assert_cmpint(fakeBenchCall(1, ENABLE, 2).ret, ==, 0);

    /* Rotation: one goes, the other comes. */
    g_assert_cmpint(fakeBenchCall(0, DISABLE, 0).ret, ==, 0);
    g_assert_cmpint(fakeBenchCall(0, ENABLE, 2).ret, ==, 0);
    g_assert_cmpint(slot(2, 0).error, ==, 0);
    fakeBenchFree();
}


static void
testKinds(void)
{
    fakeOpen open = { .id = 1, .row = 1, .attr = { .type = PERF_TYPE_HARDWARE } };
    pvperfPolicy policy;

    fakeBenchInit(1);
    open.attr.config = PERF_COUNT_HW_CACHE_MISSES;
    assertRefused(fakeBenchOpen(&open), -ENOENT, PVPERF_REASON_CLASS, 0);
    open.attr.config = PERF_COUNT_HW_BRANCH_INSTRUCTIONS;
    assertRefused(fakeBenchOpen(&open), -ENOENT, PVPERF_REASON_HOST, 0);
    open.attr.type = PERF_TYPE_RAW;
    open.attr.config = 0x01c3;
    assertRefused(fakeBenchOpen(&open), -ENOENT, PVPERF_REASON_RAW, 0);
    open.attr.config = 0x01c2;
    open.attr.flags = PVPERF_ATTR_EXCLUDE_KERNEL | PVPERF_ATTR_EXCLUDE_GUEST;
    g_assert_cmpint(fakeBenchOpen(&open).ret, ==, 0);
    g_assert_cmpuint(bench.asked.events[0].raw_config, ==, 0x01c2);
    g_assert_cmpuint(bench.asked.events[0].modes, ==, PVPERF_ATTR_EXCLUDE_KERNEL);

    /* The modes are hardware's; a clock would lose everything by them. */
    open = (fakeOpen) { .id = 2, .row = 2, .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK) };
    open.attr.flags = PVPERF_ATTR_EXCLUDE_USER;
    g_assert_cmpint(fakeBenchOpen(&open).ret, ==, 0);
    g_assert_cmpuint(bench.asked.events[0].modes, ==, 0);

    /* Live: what is open does not start any more. */
    policy = bench.backend.policy;
    policy.classes &= ~(1U << PVPERF_CLASS_RAW);
    g_assert_true(pvperfServePolicy(&bench.backend, &policy));
    assertRefused(fakeBenchCall(0, ENABLE, 1), -ENOENT, PVPERF_REASON_CLASS, 0);
    policy.on = 0;
    g_assert_true(pvperfServePolicy(&bench.backend, &policy));
    g_assert_cmpuint(fakeGuestHeader(&bench.guest)->session.state, ==, PVPERF_HOST_OFF);
    g_assert_cmpuint(fakeGuestHeader(&bench.guest)->policy.classes_allowed, ==, 0);
    assertRefused(fakeBenchOpenClock(3, 3, -1), -ENOENT, PVPERF_REASON_STATE, 0);
    policy.on = 1;
    policy.max = 0;
    g_assert_false(pvperfServePolicy(&bench.backend, &policy));
    fakeBenchFree();
}


static void
testRate(void)
{
    uint32_t i;
    uint32_t served = 0;

    fakeBenchInit(1);
    bench.backend.policy.requests_sec = 1000;
    fakeBenchOpenClock(1, 1, -1);
    g_assert_cmpint(fakeBenchCall(0, ENABLE, 1).ret, ==, 0);
    for (i = 0; i < 1000; i++)
        served += fakeBenchCall(0, READ, 1).ret == 0;
    g_assert_cmpuint(served, ==, 254);
    assertRefused(fakeBenchCall(0, READ, 1), -EAGAIN, PVPERF_REASON_RATE, 1000);
    assertRefused(fakeBenchOpenClock(2, 2, -1), -EAGAIN, PVPERF_REASON_RATE, 1000);

    /* What gives something back is never refused. */
    g_assert_cmpint(fakeBenchCall(0, DISABLE, 1).ret, ==, 0);
    assertRefused(fakeBenchCall(0, ENABLE, 1), -EAGAIN, PVPERF_REASON_RATE, 1000);
    g_assert_cmpint(slot(1, 0).state, ==, PVPERF_SLOT_REFUSED);
    g_assert_cmpint(fakeBenchCall(control(), CLOSE, 1).ret, ==, 0);
    bench.now += 1000000000;
    g_assert_cmpint(fakeBenchOpenClock(2, 2, -1).ret, ==, 0);
    fakeBenchFree();
}


/* Whom the operator gives more does not pay for what he asked for before. */
static void
testRateRaised(void)
{
    pvperfPolicy policy;
    uint32_t i;

    fakeBenchInit(1);
    policy = bench.backend.policy;
    policy.requests_sec = 10;
    g_assert_true(pvperfServePolicy(&bench.backend, &policy));
    for (i = 0; i < 1000; i++) {
        fakeBenchOpenClock(1, 1, -1);
        fakeBenchCall(control(), CLOSE, 1);
    }
    assertRefused(fakeBenchOpenClock(1, 1, -1), -EAGAIN, PVPERF_REASON_RATE, 10);
    policy.max--;
    g_assert_true(pvperfServePolicy(&bench.backend, &policy));
    assertRefused(fakeBenchOpenClock(1, 1, -1), -EAGAIN, PVPERF_REASON_RATE, 10);
    policy.requests_sec = 100000;
    g_assert_true(pvperfServePolicy(&bench.backend, &policy));
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    fakeBenchFree();
}


/* ---- The broker ------------------------------------------------------------------------ */

static void
testBrokerRefuses(void)
{
    fakeBenchInit(2);
    bench.answers = false;
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 1);
    fakeBenchAnswer(-EACCES, PVPERF_REASON_HOST_RIGHTS);
    assertRefused(fakeGuestResult(&bench.guest, control(), 0), -EACCES,
                  PVPERF_REASON_HOST_RIGHTS, 0);
    g_assert_cmpuint(bench.backend.table.open, ==, 0);

    /* An ENABLE: refused, and not asked again at once. */
    bench.answers = true;
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    bench.answers = false;
    g_assert_cmpint(fakeBenchCall(1, ENABLE, 1).ret, ==, 1);
    fakeBenchAnswer(-EMFILE, PVPERF_REASON_RESOURCES);
    fakeBenchServe();
    assertRefused(fakeGuestResult(&bench.guest, 1, 0), -EMFILE, PVPERF_REASON_RESOURCES, 0);
    g_assert_cmpint(slot(1, 1).state, ==, PVPERF_SLOT_REFUSED);
    g_assert_cmpint(slot(1, 1).error, ==, -EMFILE);
    bench.requests = 0;
    assertRefused(fakeBenchCall(1, ENABLE, 1), -EMFILE, PVPERF_REASON_RESOURCES, 0);
    g_assert_cmpuint(bench.requests, ==, 0);
    bench.now += 20000000;
    bench.answers = true;
    g_assert_cmpint(fakeBenchCall(1, ENABLE, 1).ret, ==, 0);
    fakeBenchFree();
}


/* An area that waits holds up nobody; what waits in it is lost time. */
static void
testBrokerWaits(void)
{
    fakeBenchInit(2);
    fakeBenchOpenClock(1, 1, -1);
    fakeBenchOpenClock(2, 2, -1);
    bench.answers = false;
    fakeGuestPut(&bench.guest, 1, fakeFrame(ENABLE, 1));
    fakeGuestPublish(&bench.guest, 1);
    fakeBenchServe();
    bench.now += 500;
    fakeGuestPut(&bench.guest, 1, fakeFrame(DISABLE, 1));
    g_assert_cmpint(fakeBenchCall(1, READ, 1).ret, ==, 1);
    g_assert_cmpint(fakeBenchCall(0, ENABLE, 1).ret, ==, 0);
    bench.now += 500;
    fakeBenchAnswer(0, PVPERF_REASON_NONE);
    fakeBenchServe();
    g_assert_true(fakeGuestDone(&bench.guest, 1, 2));
    g_assert_cmpuint(slot(1, 1).time_enabled, ==, 1000);
    g_assert_cmpuint(slot(1, 1).time_lost, ==, 1000);
    g_assert_cmpuint(slot(1, 1).count, ==, 0);
    g_assert_cmpint(slot(1, 1).state, ==, PVPERF_SLOT_FINAL);

    /* The next interval waits for nobody. */
    g_assert_cmpint(fakeBenchCall(1, ENABLE, 1).ret, ==, 0);
    g_assert_cmpuint(slot(1, 1).time_lost, ==, 1000);
    fakeBenchFree();
}


static void
testBrokerLate(void)
{
    pvperfControlOpen late;

    fakeBenchInit(2);
    bench.answers = false;
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 1);
    g_assert_cmpuint(pvperfBrokerDeadline(&bench.backend), >, bench.now);
    bench.now = pvperfBrokerDeadline(&bench.backend);
    pvperfBrokerExpire(&bench.backend, bench.now, false);
    assertRefused(fakeGuestResult(&bench.guest, control(), 0), -EAGAIN,
                  PVPERF_REASON_BROKER, 0);
    g_assert_cmpuint(pvperfBrokerDeadline(&bench.backend), ==, 0);
    fakeBenchAnswer(0, PVPERF_REASON_NONE);
    g_assert_cmpuint(bench.backend.table.open, ==, 0);

    /* Not there at all. */
    bench.ask_fails = -EAGAIN;
    assertRefused(fakeBenchOpenClock(1, 1, -1), -EAGAIN, PVPERF_REASON_BROKER, 0);
    bench.ask_fails = 0;

    /* The session ends while it waits. */
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 1);
    bench.guest.session++;
    pvperfServeSession(&bench.backend, bench.guest.session);
    fakeBenchAnswer(0, PVPERF_REASON_NONE);
    g_assert_cmpuint(bench.backend.table.open, ==, 0);

    /* The event is closed, or its group grows, while its ENABLE waits. */
    bench.answers = true;
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    bench.answers = false;
    g_assert_cmpint(fakeBenchCall(1, ENABLE, 1).ret, ==, 1);
    g_assert_cmpint(fakeBenchCall(control(), CLOSE, 1).ret, ==, 0);
    fakeBenchAnswer(0, PVPERF_REASON_NONE);
    fakeBenchServe();
    g_assert_cmpint(fakeGuestResult(&bench.guest, 1, 0).ret, ==, -EINVAL);

    bench.answers = true;
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    bench.answers = false;
    g_assert_cmpint(fakeBenchCall(1, ENABLE, 1).ret, ==, 1);
    late = bench.asked;
    g_assert_cmpint(fakeBenchOpenClock(2, 2, 1).ret, ==, 1);
    fakeBenchAnswer(0, PVPERF_REASON_NONE);
    bench.asked = late;
    fakeBenchAnswer(0, PVPERF_REASON_NONE);
    fakeBenchServe();
    g_assert_cmpuint(bench.asked.count, ==, 2);
    fakeBenchAnswer(0, PVPERF_REASON_NONE);
    fakeBenchServe();
    g_assert_cmpint(slot(1, 1).state, ==, PVPERF_SLOT_COUNTING);
    fakeBenchFree();
}


/* Numbers in the daemon's answer that do not fit. */
static void
testBrokerNonsense(void)
{
    pvperfControlOpened answer = { .ret = 0, .count = 1 };

    fakeBenchInit(1);
    bench.answers = false;
    fakeBenchOpenClock(1, 1, -1);
    answer.h.cookie = UINT64_MAX;
    pvperfBrokerAnswer(&bench.backend, &answer, NULL, 0);
    answer.h.cookie = bench.asked.h.cookie + 1;
    pvperfBrokerAnswer(&bench.backend, &answer, NULL, 0);
    g_assert_false(fakeGuestDone(&bench.guest, control(), 0));
    answer.h.cookie = bench.asked.h.cookie;
    pvperfBrokerAnswer(&bench.backend, &answer, NULL, 0);
    assertRefused(fakeGuestResult(&bench.guest, control(), 0), -ENOMEM,
                  PVPERF_REASON_RESOURCES, 0);
    fakeBenchFree();
}


/* A class that is denied stops what counts, and what counts with it, and
 * nothing else; it may start again when it is allowed. */
static void
testDeniedWhileCounting(void)
{
    pvperfPolicy policy;
    fakeOpen open = {
        .id = 2, .row = 2, .sibling = true, .leader = 1,
        .attr = { .type = PERF_TYPE_HARDWARE, .config = PERF_COUNT_HW_INSTRUCTIONS },
    };
    fakeOpen bound = { .id = 4, .row = 4, .bound = true, .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK) };

    fakeBenchInit(2);
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    g_assert_cmpint(fakeBenchOpen(&open).ret, ==, 0);
    open.id = 3;
    open.row = 3;
    open.sibling = false;
    g_assert_cmpint(fakeBenchOpen(&open).ret, ==, 0);
    /* Two that are bound to a vCPU each, in one row. */
    g_assert_cmpint(fakeBenchOpen(&bound).ret, ==, 0);
    bound = (fakeOpen) { .id = 5, .row = 4, .bound = true, .vcpu = 1, .attr = open.attr };
    g_assert_cmpint(fakeBenchOpen(&bound).ret, ==, 0);
    g_assert_cmpint(fakeBenchCall(1, KVM_PERF_OP_ENABLE, 5).ret, ==, 0);
    g_assert_cmpint(fakeBenchCall(0, KVM_PERF_OP_ENABLE, 1).ret, ==, 0);
    g_assert_cmpint(fakeBenchCall(0, KVM_PERF_OP_ENABLE, 2).ret, ==, 0);
    g_assert_cmpint(fakeBenchCall(0, KVM_PERF_OP_ENABLE, 3).ret, ==, 0);
    fakeBenchRun(0, 1000, 1000, 10);

    policy = bench.backend.policy;
    policy.classes &= ~(1U << PVPERF_CLASS_VCPU);
    g_assert_true(pvperfServePolicy(&bench.backend, &policy));
    g_assert_cmpuint(fakeGuestSlot(&bench.guest, 1, 0).state, ==, PVPERF_SLOT_REFUSED);
    g_assert_cmpint(fakeGuestSlot(&bench.guest, 1, 0).error, ==, -ENOENT);
    g_assert_cmpuint(fakeGuestSlot(&bench.guest, 2, 0).state, ==, PVPERF_SLOT_REFUSED);
    g_assert_cmpuint(fakeGuestSlot(&bench.guest, 3, 0).state, ==, PVPERF_SLOT_COUNTING);
    g_assert_cmpuint(bench.backend.table.counting[0], ==, 1);
    g_assert_cmpuint(fakeGuestSlot(&bench.guest, 4, 1).state, ==, PVPERF_SLOT_COUNTING);
    fakeBenchRun(0, 1000, 1000, 10);
    g_assert_cmpint(fakeBenchCall(0, KVM_PERF_OP_DISABLE, 1).ret, ==, 0);
    g_assert_cmpuint(fakeGuestSlot(&bench.guest, 1, 0).count, ==, 10);
    g_assert_cmpint(fakeBenchCall(0, KVM_PERF_OP_ENABLE, 1).ret, ==, -ENOENT);

    policy.classes |= 1U << PVPERF_CLASS_VCPU;
    g_assert_true(pvperfServePolicy(&bench.backend, &policy));
    g_assert_cmpint(fakeBenchCall(0, KVM_PERF_OP_ENABLE, 1).ret, ==, 0);
    g_assert_cmpuint(fakeGuestSlot(&bench.guest, 1, 0).state, ==, PVPERF_SLOT_COUNTING);

    policy.on = 0;
    g_assert_true(pvperfServePolicy(&bench.backend, &policy));
    g_assert_cmpuint(bench.backend.table.counting[0], ==, 0);
    fakeBenchFree();
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/refuse/open-fields", testOpenFields);
    g_test_add_func("/refuse/denied-while-counting", testDeniedWhileCounting);
    g_test_add_func("/refuse/ids", testIds);
    g_test_add_func("/refuse/group-too-large", testGroupTooLarge);
    g_test_add_func("/refuse/max", testMax);
    g_test_add_func("/refuse/per-vcpu", testPerVcpu);
    g_test_add_func("/refuse/kinds", testKinds);
    g_test_add_func("/refuse/rate", testRate);
    g_test_add_func("/refuse/rate raised", testRateRaised);
    g_test_add_func("/refuse/broker-refuses", testBrokerRefuses);
    g_test_add_func("/refuse/broker-waits", testBrokerWaits);
    g_test_add_func("/refuse/broker-late", testBrokerLate);
    g_test_add_func("/refuse/broker-nonsense", testBrokerNonsense);
    return g_test_run();
}
