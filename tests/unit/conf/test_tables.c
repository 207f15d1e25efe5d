/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_tables.c: the table of events holds what it promises.
 *
 * Checks names, uniqueness and look-up of events, classes, reasons and states;
 * the arithmetic of the default policy; the raw list.
 */
#include <glib.h>
#include <linux/perf_event.h>

#include "conf/pvperf_events.h"
#include "conf/pvperf_policy.h"
#include "conf/pvperf_states.h"


static void
testEventsUnique(void)
{
    int n = pvperfEventCount();
    unsigned int classes = 0;

    g_assert_cmpint(n, ==, 43);

    for (int i = 0; i < n; i++) {
        const pvperfEventInfo *info = pvperfEventGet(i);

        g_assert_nonnull(info);
        g_assert_cmpint(pvperfEventFromName(info->name), ==, i);
        g_assert_cmpint(pvperfEventFind(info->type, info->config), ==, i);
        g_assert_nonnull(info->unit);
        classes |= 1U << info->klass;
    }

    g_assert_cmpuint(classes, ==, (1U << PVPERF_NR_CLASSES) - 1);
    g_assert_null(pvperfEventGet(-1));
    g_assert_null(pvperfEventGet(n));
}


static void
testEventsRows(void)
{
    const struct {
        const char *name;
        int klass;
        uint32_t type;
        uint64_t config;
        uint32_t host_type;
        uint64_t host_config;
        bool min_period;
        bool modes;
        const char *unit;
    } rows[] = {
        /* The numbers are what `perf stat -vv -e NAME` shows. */
        { "cycles", PVPERF_CLASS_IPC, 0, 0, 0, 0, true, true, "" },
        { "instructions", PVPERF_CLASS_IPC, 0, 1, 0, 1, true, true, "" },
        { "ref-cycles", PVPERF_CLASS_IPC, 0, 9, 0, 9, true, true, "" },
        { "branches", PVPERF_CLASS_BRANCH, 0, 4, 0, 4, true, true, "" },
        { "cache-misses", PVPERF_CLASS_CACHE, 0, 3, 0, 3, true, true, "" },
        { "L1-dcache-loads", PVPERF_CLASS_CACHE, 3, 0, 3, 0, true, true, "" },
        { "L1-dcache-prefetch-misses", PVPERF_CLASS_CACHE, 3, 0x10200, 3, 0x10200, true, true, "" },
        { "LLC-store-misses", PVPERF_CLASS_CACHE, 3, 0x10102, 3, 0x10102, true, true, "" },
        { "iTLB-load-misses", PVPERF_CLASS_CACHE, 3, 0x10004, 3, 0x10004, true, true, "" },
        { "branch-loads", PVPERF_CLASS_CACHE, 3, 5, 3, 5, true, true, "" },
        { "node-prefetches", PVPERF_CLASS_CACHE, 3, 0x206, 3, 0x206, true, true, "" },
        { "vcpu-clock", PVPERF_CLASS_VCPU, PVPERF_TYPE_VCPU, PVPERF_VCPU_CLOCK,
          PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, true, false, "ns" },
        { "vcpu-switches", PVPERF_CLASS_VCPU, PVPERF_TYPE_VCPU, PVPERF_VCPU_SWITCHES,
          PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES, false, false, "" },
        { "vcpu-migrations", PVPERF_CLASS_VCPU, PVPERF_TYPE_VCPU, PVPERF_VCPU_MIGRATIONS,
          PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS, false, false, "" },
        { "raw", PVPERF_CLASS_RAW, 4, 0, 4, 0, true, true, "" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const pvperfEventInfo *info = pvperfEventGet(pvperfEventFromName(rows[i].name));

        g_assert_nonnull(info);
        g_assert_cmpint(info->klass, ==, rows[i].klass);
        g_assert_cmpuint(info->type, ==, rows[i].type);
        g_assert_cmpuint(info->config, ==, rows[i].config);
        g_assert_cmpuint(info->host_type, ==, rows[i].host_type);
        g_assert_cmpuint(info->host_config, ==, rows[i].host_config);
        g_assert_cmpint(info->has_min_period, ==, rows[i].min_period);
        g_assert_cmpint(info->guest_modes, ==, rows[i].modes);
        g_assert_cmpstr(info->unit, ==, rows[i].unit);
    }
}


static void
testEventsFind(void)
{
    int raw = pvperfEventCount() - 1;

    g_assert_cmpstr(pvperfEventGet(raw)->name, ==, "raw");
    g_assert_cmpint(pvperfEventFind(PERF_TYPE_RAW, 0x01c2), ==, raw);
    g_assert_cmpint(pvperfEventFind(PERF_TYPE_RAW, UINT64_MAX), ==, raw);

    /* What does not exist: bus-cycles, stores into the instruction cache, a
     * config with a stray upper half, breakpoints, tracepoints, the host's own
     * software events. */
    g_assert_cmpint(pvperfEventFind(PERF_TYPE_HARDWARE, PERF_COUNT_HW_BUS_CYCLES), ==, PVPERF_EVENT_NONE);
    g_assert_cmpint(pvperfEventFind(PERF_TYPE_HW_CACHE, 0x101), ==, PVPERF_EVENT_NONE);
    g_assert_cmpint(pvperfEventFind(PERF_TYPE_HARDWARE, 1ULL << 32), ==, PVPERF_EVENT_NONE);
    g_assert_cmpint(pvperfEventFind(PERF_TYPE_BREAKPOINT, 0), ==, PVPERF_EVENT_NONE);
    g_assert_cmpint(pvperfEventFind(PERF_TYPE_TRACEPOINT, 0), ==, PVPERF_EVENT_NONE);
    g_assert_cmpint(pvperfEventFind(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK), ==, PVPERF_EVENT_NONE);
    g_assert_cmpint(pvperfEventFind(PVPERF_TYPE_VCPU, PVPERF_NR_VCPU_EVENTS), ==, PVPERF_EVENT_NONE);

    g_assert_cmpint(pvperfEventFromName("Cycles"), ==, PVPERF_EVENT_NONE);
    g_assert_cmpint(pvperfEventFromName(""), ==, PVPERF_EVENT_NONE);
}


static void
testVocabulary(void)
{
    for (int i = 0; i < PVPERF_NR_CLASSES; i++) {
        g_assert_cmpint(pvperfClassFromName(pvperfClassName(i)), ==, i);
        g_assert_nonnull(pvperfClassText(i));
    }
    g_assert_null(pvperfClassName(-1));
    g_assert_null(pvperfClassName(PVPERF_NR_CLASSES));
    g_assert_null(pvperfClassText(PVPERF_NR_CLASSES));
    g_assert_cmpint(pvperfClassFromName("IPC"), ==, -1);

    for (int i = 0; i < PVPERF_NR_REASONS; i++) {
        g_assert_nonnull(pvperfReasonName(i));
        g_assert_nonnull(pvperfReasonText(i));
    }
    g_assert_cmpstr(pvperfReasonName(PVPERF_REASON_MAX), ==, "max");
    g_assert_null(pvperfReasonName(PVPERF_NR_REASONS));
    g_assert_null(pvperfReasonText(-1));

    for (int i = 0; i < PVPERF_NR_DOMAIN_STATES; i++) {
        g_assert_nonnull(pvperfDomainStateName(i));
        g_assert_nonnull(pvperfDomainStateText(i));
    }
    g_assert_cmpstr(pvperfDomainStateName(PVPERF_DOMAIN_PENDING_RESTART), ==, "pending-restart");
    g_assert_null(pvperfDomainStateName(-1));
    g_assert_null(pvperfDomainStateText(PVPERF_NR_DOMAIN_STATES));
}


static void
testPolicyDefault(void)
{
    const struct {
        unsigned int nr_vcpus;
        uint32_t max;
        uint64_t samples;
        uint64_t requests;
        uint64_t quota;
    } rows[] = {
        { 0, 64, 5000, 200000, 1000 },
        { 1, 64, 5000, 200000, 1000 },
        { 2, 128, 10000, 400000, 1250 },
        { 8, 512, 40000, 1600000, 5000 },
        { 256, 16384, 1280000, 51200000, 160000 },
        { 257, 16384, 1285000, 51400000, 160625 },
        { 1024, 16384, 5120000, 204800000, 640000 },
        { 1025, 16384, 5120000, 204800000, 640000 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        pvperfPolicy policy;

        pvperfPolicyInitDefault(&policy, rows[i].nr_vcpus);
        g_assert_cmpuint(policy.on, ==, 1);
        g_assert_cmpuint(policy.classes, ==, 0xf);
        g_assert_cmpuint(policy.per_vcpu, ==, 16);
        g_assert_cmpuint(policy.max, ==, rows[i].max);
        g_assert_cmpuint(policy.min_period, ==, 0);
        g_assert_cmpuint(policy.total_samples_sec, ==, rows[i].samples);
        g_assert_cmpuint(policy.total_samples_sec_max, ==, 0);
        g_assert_cmpuint(policy.total_samples_sec_max_length, ==, 0);
        g_assert_cmpuint(policy.requests_sec, ==, rows[i].requests);
        g_assert_cmpuint(policy.cpu_period_us, ==, 5000);
        g_assert_cmpuint(policy.cpu_quota_us, ==, rows[i].quota);
        g_assert_cmpuint(policy.nraw, ==, 0);
    }
}


static void
testPolicyRaw(void)
{
    pvperfPolicy policy;

    pvperfPolicyInitDefault(&policy, 2);
    policy.raw[0] = (pvperfPolicyRaw) { 0x01c2, 0xffff };
    policy.nraw = 1;
    g_assert_false(pvperfPolicyAllowsRaw(&policy, 0x01c2));

    policy.classes |= 1U << PVPERF_CLASS_RAW;
    g_assert_true(pvperfPolicyAllowsRaw(&policy, 0x01c2));
    g_assert_true(pvperfPolicyAllowsRaw(&policy, 0x018401c2));
    g_assert_false(pvperfPolicyAllowsRaw(&policy, 0x02c2));
    /* AnyThread (bit 21) counts the neighbour on the same core. */
    g_assert_false(pvperfPolicyAllowsRaw(&policy, 0x2001c2));
    g_assert_false(pvperfPolicyAllowsRaw(&policy, 1ULL << 40 | 0x01c2));
    /* Bits 32 to 35 make another event of it on AMD. */
    g_assert_false(pvperfPolicyAllowsRaw(&policy, 1ULL << 32 | 0x01c2));
    g_assert_false(pvperfPolicyAllowsRaw(&policy, 1ULL << 35 | 0x01c2));

    policy.nraw = 0;
    g_assert_false(pvperfPolicyAllowsRaw(&policy, 0x01c2));
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/tables/events/unique", testEventsUnique);
    g_test_add_func("/tables/events/rows", testEventsRows);
    g_test_add_func("/tables/events/find", testEventsFind);
    g_test_add_func("/tables/vocabulary", testVocabulary);
    g_test_add_func("/policy/default", testPolicyDefault);
    g_test_add_func("/policy/raw", testPolicyRaw);

    return g_test_run();
}
