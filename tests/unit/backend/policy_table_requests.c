/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * policy_table_requests.c: good and bad requests, whatever the policy.
 *
 * Numbers that matter are stated here as numbers, not by the names that the
 * code under test uses for them.
 */
#include <errno.h>
#include <linux/perf_event.h>

#include "bench_calls.h"
#include "policy_table_requests.h"

#define GENERAL "(any)"
#define OTHER_EVENT 9           /* id and row of what is asked for; 1 is open */

static struct pvperf_result
askOpen(const fakeOpen *open)
{
    struct pvperf_result result;

    bench.now += SECOND;
    result = fakeBenchOpen(open);
    if (result.ret == 0)
        closeEvent(open->id);
    return result;
}


static struct pvperf_result
ask(struct guest_perf_attr attr)
{
    return askOpen(&(fakeOpen) { .id = OTHER_EVENT, .row = OTHER_EVENT, .attr = attr });
}


/* ---- Attributes ------------------------------------------------------------------ */

static void
tableFlags(tableText *table)
{
    struct guest_perf_attr attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK);
    uint32_t bit;

    tableBegin(table, GENERAL, "attr.flags, only bit");
    for (bit = 0; bit < 64; bit++) {
        attr.flags = 1ULL << bit;
        tableCaseNumber(table, bit, ask(attr));
    }
    tableBegin(table, GENERAL, "attr.flags, several");
    attr.flags = 1ULL << 19 | 1ULL << 20;
    tableCase(table, "exclude_host and exclude_guest", ask(attr));
    attr.flags = 0x1804f0;
    tableCase(table, "all that there are", ask(attr));
}


static void
tableFields(tableText *table)
{
    const struct guest_perf_attr good = fakeAttrVcpu(PVPERF_VCPU_CLOCK);
    struct guest_perf_attr attr;
    uint32_t bit;

#define FIELD(field, value) \
    attr = good; \
    attr.field = value; \
    tableCase(table, #field, ask(attr));

    tableBegin(table, GENERAL, "attr, not 0");
    FIELD(pad0, 1);
    FIELD(pad1, 1);
    FIELD(bp_type, 1);
    FIELD(bp_addr, 1);
    FIELD(bp_len, 1);
    FIELD(sample_type, UINT64_MAX);
    tableBegin(table, GENERAL, "attr.read_format, bit");
    for (bit = 0, attr = good; bit < 64; bit++) {
        attr.read_format = 1ULL << bit;
        tableCaseNumber(table, bit, ask(attr));
    }
    tableBegin(table, GENERAL, "attr.sample_period, bit");
    for (bit = 0, attr = good; bit < 64; bit++) {
        attr.sample_period = 1ULL << bit;
        tableCaseNumber(table, bit, ask(attr));
    }
    tableBegin(table, GENERAL, "attr.sample_period in Hz, bit");
    for (bit = 0, attr.flags |= PVPERF_ATTR_FREQ; bit < 64; bit++) {
        attr.sample_period = 1ULL << bit;
        tableCaseNumber(table, bit, ask(attr));
    }
}


/* ---- Types and configs ----------------------------------------------------------------- */

static struct pvperf_result
askEvent(uint32_t type,
         uint64_t config)
{
    return ask((struct guest_perf_attr) { .type = type, .config = config });
}


static void
tableConfigs(tableText *table,
             const char *name,
             uint32_t type)
{
    uint64_t config;

    tableBegin(table, GENERAL, name);
    for (config = 0; config < 16; config++)
        tableCaseNumber(table, config, askEvent(type, config));
    tableCase(table, "0 with bit 32", askEvent(type, 1ULL << 32));
    tableCase(table, "0 with bit 63", askEvent(type, 1ULL << 63));
}


static void
tableTypes(tableText *table)
{
    uint32_t type;

    tableBegin(table, GENERAL, "config 65535 of type");
    for (type = 0; type < 16; type++)
        tableCaseNumber(table, type, askEvent(type, 65535));
    tableCase(table, "0x70760000", askEvent(0x70760000, 65535));
    tableBegin(table, GENERAL, "config 0 of type");
    tableCase(table, "0x7075ffff", askEvent(0x7075ffff, 0));
    tableCase(table, "0x70760001", askEvent(0x70760001, 0));
    tableCase(table, "0xffffffff", askEvent(0xffffffff, 0));

    tableConfigs(table, "hardware (0), config", PERF_TYPE_HARDWARE);
    tableConfigs(table, "software (1), config", PERF_TYPE_SOFTWARE);
    tableConfigs(table, "tracepoint (2), config", PERF_TYPE_TRACEPOINT);
    tableConfigs(table, "breakpoint (5), config", PERF_TYPE_BREAKPOINT);
    tableConfigs(table, "vcpu, config", 0x70760000);
}


/* All that could be written, one more of each kind included. */
static void
tableCaches(tableText *table)
{
    static const char *const caches[] = { "L1D", "L1I", "LL", "DTLB", "ITLB", "BPU", "NODE", "cache 7" };
    static const char *const ops[] = { "read", "write", "prefetch", "op 3" };
    static const char *const results[] = { "", " miss", " result 2" };
    uint64_t cache;
    uint64_t op;
    uint64_t result;

    for (cache = 0; cache < G_N_ELEMENTS(caches); cache++) {
        tableBegin(table, GENERAL, caches[cache]);
        for (op = 0; op < G_N_ELEMENTS(ops); op++) {
            for (result = 0; result < G_N_ELEMENTS(results); result++) {
                g_autofree char *way = g_strconcat(ops[op], results[result], NULL);

                tableCase(table, way, askEvent(PERF_TYPE_HW_CACHE, cache | op << 8 | result << 16));
            }
        }
    }
    tableBegin(table, GENERAL, "L1D read, and bit");
    for (op = 24; op < 64; op++)
        tableCaseNumber(table, op, askEvent(PERF_TYPE_HW_CACHE, 1ULL << op));
}


/* ---- Ids, places, areas ---------------------------------------------------------------- */

static void
tableIds(tableText *table)
{
    static const struct {
        const char *name;
        uint64_t id;
    } ids[] = {
        { "open", 1 }, { "not open", 2 }, { "16383", 16383 }, { "16384", 16384 }, { "-1", UINT64_MAX },
        { "2^31", 1ULL << 31 }, { "2^32-1", UINT32_MAX }, { "2^32+1", (1ULL << 32) + 1 },
    };
    static const struct {
        const char *name;
        uint32_t op;
    } ops[] = { { "ENABLE, id", ENABLE }, { "READ, id", READ }, { "DISABLE, id", DISABLE }, { "CLOSE, id", CLOSE } };
    size_t i;
    size_t k;

    for (k = 0; k < G_N_ELEMENTS(ops); k++) {
        tableBegin(table, GENERAL, ops[k].name);
        for (i = 0; i < G_N_ELEMENTS(ids); i++)
            tableCase(table, ids[i].name,
                      fakeBenchCall(ops[k].op == CLOSE ? fakeGuestControl(&bench.guest) : 0, ops[k].op, ids[i].id));
    }
    tableBegin(table, GENERAL, "OPEN, id");
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    for (i = 0; i < G_N_ELEMENTS(ids); i++) {
        fakeOpen open = { .id = ids[i].id, .row = OTHER_EVENT, .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK) };

        /* The argument of an OPEN has 32 bits for it. */
        if (ids[i].id <= UINT32_MAX || ids[i].id == UINT64_MAX)
            tableCase(table, ids[i].name, askOpen(&open));
    }
}


static void
tablePlaces(tableText *table)
{
    const fakeOpen good = { .id = OTHER_EVENT, .row = OTHER_EVENT, .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK) };
    fakeOpen open;

#define PLACE(name, ...) \
    open = good; \
    __VA_ARGS__; \
    tableCase(table, name, askOpen(&open))

    tableBegin(table, GENERAL, "OPEN, place");
    PLACE("as good as any", (void)open);
    PLACE("bound", open.bound = true; open.vcpu = 1);
    PLACE("vCPU 2 of 2", open.vcpu = 2);
    PLACE("row in use", open.row = 1);
    PLACE("row 1023", open.row = 1023);
    PLACE("row 1024", open.row = 1024);
    PLACE("sibling of an open one", open.sibling = true; open.leader = 1);
    PLACE("sibling of none", open.sibling = true; open.leader = 2);
    PLACE("sibling of itself", open.sibling = true; open.leader = OTHER_EVENT);
    PLACE("bound sibling of an unbound one", open.sibling = true; open.leader = 1; open.bound = true);
}


static struct pvperf_result
askFrame(uint32_t area,
         struct pvperf_frame frame)
{
    struct pvperf_result result = fakeBenchFrame(area, frame);

    if (pvperfTableFind(&bench.backend.table, OTHER_EVENT))
        closeEvent(OTHER_EVENT);
    if (!pvperfTableFind(&bench.backend.table, 1))
        g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    return result;
}


static struct pvperf_frame
frameOf(uint32_t op)
{
    fakeOpen open = { .id = OTHER_EVENT, .row = OTHER_EVENT, .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK) };

    return op == KVM_PERF_OP_OPEN ? fakeFrameOpen(&bench.guest, &open) : fakeFrame(op, 1);
}


/* OPEN 1, CLOSE 2, ENABLE 3, DISABLE 4, READ 5. */
static void
tableAreas(tableText *table)
{
    static const char *const names[] = { "vCPU area, op", "control area, op" };
    uint32_t control = fakeGuestControl(&bench.guest);
    struct pvperf_frame frame;
    uint32_t op;
    uint32_t i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        tableBegin(table, GENERAL, names[i]);
        for (op = 0; op < 8; op++)
            tableCaseNumber(table, op, askFrame(i ? control : 0, frameOf(op)));
    }
    tableBegin(table, GENERAL, "frame with reserved not 0, op");
    for (op = 0; op < 8; op++) {
        frame = frameOf(op);
        frame.reserved[1] = 1;
        tableCaseNumber(table, op, askFrame(op < 3 ? control : 0, frame));
    }
    tableBegin(table, GENERAL, "frame of another session, op");
    for (op = 0; op < 8; op++) {
        frame = frameOf(op);
        frame.session = bench.guest.session + 1;
        tableCaseNumber(table, op, askFrame(op < 3 ? control : 0, frame));
    }
}


static void
tableHello(tableText *table)
{
    struct pvperf_frame hello = { .nr = 0x7076, .a1 = SAMPLING };
    uint32_t control = fakeGuestControl(&bench.guest);
    uint32_t major;

    tableBegin(table, GENERAL, "HELLO, major");
    for (major = 0; major < 4; major++) {
        hello.a0 = major << 16;
        tableCaseNumber(table, major, askFrame(control, hello));
    }
    tableBegin(table, GENERAL, "HELLO of major 1");
    hello.a0 = 1 << 16 | 0xffff;
    tableCase(table, "minor 65535", askFrame(control, hello));
    tableCase(table, "in a vCPU area", askFrame(0, hello));
    hello.a1 = 1ULL << 32;
    tableCase(table, "feature 32", askFrame(control, hello));
}


void
tableRequests(tableText *table)
{
    tableFlags(table);
    tableFields(table);
    tableTypes(table);
    tableCaches(table);
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
    tableIds(table);
    tablePlaces(table);
    tableAreas(table);
    tableHello(table);
}


/* ---- Two faults ---------------------------------------------------------------------- */

static void
beginWith(const GPtrArray *policies,
          const char *name)
{
    fakeBenchInit(2);
    g_assert_true(pvperfServePolicy(&bench.backend, &tablePolicyFind(policies, name)->policy));
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 0);
}


void
tableOrder(tableText *table,
           const GPtrArray *policies)
{
    fakeOpen open = { .id = OTHER_EVENT, .row = OTHER_EVENT, .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK) };
    struct pvperf_frame frame;
    uint32_t control;

    beginWith(policies, "requests-one");
    while (fakeBenchCall(0, READ, 1).ret == 0)
        ;
    tableBegin(table, GENERAL, "OPEN with two faults");
    control = fakeGuestControl(&bench.guest);
    frame = fakeFrameOpen(&bench.guest, &open);
    frame.pad0 = 1;
    tableCase(table, "frame's padding and rate", fakeBenchFrame(control, frame));
    frame.session = bench.guest.session + 1;
    tableCase(table, "session and frame's padding", fakeBenchFrame(control, frame));
    open.attr.pad0 = 1;
    tableCase(table, "rate and attr's padding", fakeBenchOpen(&open));
    fakeBenchFree();

    beginWith(policies, "max-one");
    open.attr.type = PERF_TYPE_SOFTWARE;
    tableCase(table, "attr's padding and type", fakeBenchOpen(&open));
    open.attr.pad0 = 0;
    open.row = 1;
    tableCase(table, "type and row in use", fakeBenchOpen(&open));
    open.attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK);
    tableCase(table, "row in use and max", fakeBenchOpen(&open));
    open.row = OTHER_EVENT;
    tableCase(table, "max alone", fakeBenchOpen(&open));
    fakeBenchFree();
}


/* ---- The host ------------------------------------------------------------------------ */

/* The errno is the daemon's choice (test_broker.c) and goes through as it is. */
static void
tableDaemon(tableText *table,
            const char *way,
            int ret,
            enum pvperf_reason reason)
{
    uint32_t control = fakeGuestControl(&bench.guest);
    uint32_t n = bench.guest.submitted[control];

    bench.answers = false;
    g_assert_cmpint(fakeBenchOpenClock(2, 2, -1).ret, ==, 1);
    fakeBenchAnswer(ret, reason);
    tableCase(table, way, fakeGuestResult(&bench.guest, control, n));
    bench.answers = true;
}


void
tableHost(tableText *table)
{
    uint32_t control;
    uint32_t n;

    fakeBenchInit(2);
    control = fakeGuestControl(&bench.guest);
    tableBegin(table, GENERAL, "OPEN, the daemon");
    tableDaemon(table, "finds no such event", -ENOENT, PVPERF_REASON_HOST);
    tableDaemon(table, "may not", -ENOENT, PVPERF_REASON_HOST_RIGHTS);
    tableDaemon(table, "has no descriptor left", -ENOMEM, PVPERF_REASON_RESOURCES);
    bench.ask_fails = -EAGAIN;
    tableCase(table, "is not there", fakeBenchOpenClock(1, 1, -1));
    bench.ask_fails = 0;
    bench.answers = false;
    n = bench.guest.submitted[control];
    g_assert_cmpint(fakeBenchOpenClock(1, 1, -1).ret, ==, 1);
    bench.now = pvperfBrokerDeadline(&bench.backend);
    pvperfBrokerExpire(&bench.backend, bench.now, false);
    tableCase(table, "does not answer", fakeGuestResult(&bench.guest, control, n));
    fakeBenchFree();
}
