/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_events.c: THE table of events and classes.
 *
 * Owns the rows behind pvperf_events.h. Names are the ones that perf itself
 * prints, so that a row can be typed after `perf stat -e` and found again in
 * XML, D-Bus and metrics. Called by everybody on the host; the backend calls
 * it in its hot path, so looking up is a walk over a small constant array.
 *
 * Invariants: (type, config) is unique, a name is unique, "raw" is the last
 * row, and every class of abi.h has at least one row. An index is not stable
 * between builds: what leaves a process by index goes to one of the same
 * build (control socket); everything else carries the name.
 */
#include <stddef.h>
#include <string.h>
#include <linux/perf_event.h>

#include "pvperf_events.h"

#define HARDWARE(name_, klass_, config_) \
    { \
        .name = name_, \
        .klass = klass_, \
        .unit = "", \
        .has_min_period = true, \
        .guest_modes = true, \
        .type = PERF_TYPE_HARDWARE, \
        .config = config_, \
        .host_type = PERF_TYPE_HARDWARE, \
        .host_config = config_, \
    }

#define CACHE_CONFIG(cache, op, result) \
    (PERF_COUNT_HW_CACHE_ ## cache | \
     PERF_COUNT_HW_CACHE_OP_ ## op << 8 | \
     PERF_COUNT_HW_CACHE_RESULT_ ## result << 16)

#define CACHE_EVENT(name_, cache, op, result) \
    { \
        .name = name_, \
        .klass = PVPERF_CLASS_CACHE, \
        .unit = "", \
        .has_min_period = true, \
        .guest_modes = true, \
        .type = PERF_TYPE_HW_CACHE, \
        .config = CACHE_CONFIG(cache, op, result), \
        .host_type = PERF_TYPE_HW_CACHE, \
        .host_config = CACHE_CONFIG(cache, op, result), \
    }

/* perf: the plural of the operation for accesses, the singular and "-misses"
 * for misses. */
#define CACHE_OP(prefix, one, many, cache, op) \
    CACHE_EVENT(prefix "-" many, cache, op, ACCESS), \
    CACHE_EVENT(prefix "-" one "-misses", cache, op, MISS)

#define CACHE_LOADS(prefix, cache) \
    CACHE_OP(prefix, "load", "loads", cache, READ)
#define CACHE_STORES(prefix, cache) \
    CACHE_OP(prefix, "store", "stores", cache, WRITE)
#define CACHE_PREFETCHES(prefix, cache) \
    CACHE_OP(prefix, "prefetch", "prefetches", cache, PREFETCH)

#define VCPU_EVENT(name_, unit_, config_, min_period, host) \
    { \
        .name = name_, \
        .klass = PVPERF_CLASS_VCPU, \
        .unit = unit_, \
        .has_min_period = min_period, \
        .guest_modes = false, \
        .clock = min_period, \
        .type = PVPERF_TYPE_VCPU, \
        .config = config_, \
        .host_type = PERF_TYPE_SOFTWARE, \
        .host_config = host, \
    }

/* What the host counts for each event of class "vcpu", and whether that is a
 * clock, whose sample period has a lower limit; names and units come from abi.h. */
#define HOST_OF_PVPERF_VCPU_CLOCK true, PERF_COUNT_SW_TASK_CLOCK
#define HOST_OF_PVPERF_VCPU_SWITCHES false, PERF_COUNT_SW_CONTEXT_SWITCHES
#define HOST_OF_PVPERF_VCPU_MIGRATIONS false, PERF_COUNT_SW_CPU_MIGRATIONS
#define VCPU_EVENT_EXPAND(...) VCPU_EVENT(__VA_ARGS__)
#define VCPU_ROW(constant, name, unit) \
    VCPU_EVENT_EXPAND(name, unit, constant, HOST_OF_ ## constant),

static const pvperfEventInfo events[] = {
    HARDWARE("cycles", PVPERF_CLASS_IPC, PERF_COUNT_HW_CPU_CYCLES),
    HARDWARE("instructions", PVPERF_CLASS_IPC, PERF_COUNT_HW_INSTRUCTIONS),
    HARDWARE("ref-cycles", PVPERF_CLASS_IPC, PERF_COUNT_HW_REF_CPU_CYCLES),
    HARDWARE("branches", PVPERF_CLASS_BRANCH, PERF_COUNT_HW_BRANCH_INSTRUCTIONS),
    HARDWARE("branch-misses", PVPERF_CLASS_BRANCH, PERF_COUNT_HW_BRANCH_MISSES),
    HARDWARE("cache-references", PVPERF_CLASS_CACHE, PERF_COUNT_HW_CACHE_REFERENCES),
    HARDWARE("cache-misses", PVPERF_CLASS_CACHE, PERF_COUNT_HW_CACHE_MISSES),

    /* The pairs of cache and operation that perf itself takes for valid. */
    CACHE_LOADS("L1-dcache", L1D),
    CACHE_STORES("L1-dcache", L1D),
    CACHE_PREFETCHES("L1-dcache", L1D),
    CACHE_LOADS("L1-icache", L1I),
    CACHE_PREFETCHES("L1-icache", L1I),
    CACHE_LOADS("LLC", LL),
    CACHE_STORES("LLC", LL),
    CACHE_PREFETCHES("LLC", LL),
    CACHE_LOADS("dTLB", DTLB),
    CACHE_STORES("dTLB", DTLB),
    CACHE_PREFETCHES("dTLB", DTLB),
    CACHE_LOADS("iTLB", ITLB),
    CACHE_LOADS("branch", BPU),
    CACHE_LOADS("node", NODE),
    CACHE_STORES("node", NODE),
    CACHE_PREFETCHES("node", NODE),

    PVPERF_VCPU_EVENTS(VCPU_ROW)

    {
        .name = "raw",
        .klass = PVPERF_CLASS_RAW,
        .unit = "",
        .has_min_period = true,
        .guest_modes = true,
        .type = PERF_TYPE_RAW,
        .host_type = PERF_TYPE_RAW,
    },
};

#define NR_EVENTS ((int)(sizeof(events) / sizeof(events[0])))

_Static_assert(sizeof(events) / sizeof(events[0]) <= PVPERF_EVENTS_MAX,
               "arrays indexed by the table hold it");

#define NAME_ROW(constant, name, text) [constant] = name,
#define TEXT_ROW(constant, name, text) [constant] = text,

static const char *const class_names[] = { PVPERF_CLASSES(NAME_ROW) };
static const char *const class_texts[] = { PVPERF_CLASSES(TEXT_ROW) };
static const char *const reason_names[] = { PVPERF_REASONS(NAME_ROW) };
static const char *const reason_texts[] = { PVPERF_REASONS(TEXT_ROW) };


int
pvperfEventCount(void)
{
    return NR_EVENTS;
}


const pvperfEventInfo *
pvperfEventGet(pvperfEventIndex event)
{
    if (event < 0 || event >= NR_EVENTS)
        return NULL;

    return &events[event];
}


pvperfEventIndex
pvperfEventFind(uint32_t type,
                uint64_t config)
{
    int i;

    if (type == PERF_TYPE_RAW)
        return NR_EVENTS - 1;

    for (i = 0; i < NR_EVENTS; i++) {
        if (events[i].type == type && events[i].config == config)
            return i;
    }

    return PVPERF_EVENT_NONE;
}


pvperfEventIndex
pvperfEventFromName(const char *name)
{
    int i;

    for (i = 0; i < NR_EVENTS; i++) {
        if (strcmp(events[i].name, name) == 0)
            return i;
    }

    return PVPERF_EVENT_NONE;
}


const char *
pvperfClassName(int klass)
{
    if (klass < 0 || klass >= PVPERF_NR_CLASSES)
        return NULL;

    return class_names[klass];
}


int
pvperfClassFromName(const char *name)
{
    int i;

    for (i = 0; i < PVPERF_NR_CLASSES; i++) {
        if (strcmp(class_names[i], name) == 0)
            return i;
    }

    return -1;
}


const char *
pvperfClassText(int klass)
{
    if (klass < 0 || klass >= PVPERF_NR_CLASSES)
        return NULL;

    return class_texts[klass];
}


const char *
pvperfReasonName(int reason)
{
    if (reason < 0 || reason >= PVPERF_NR_REASONS)
        return NULL;

    return reason_names[reason];
}


const char *
pvperfReasonText(int reason)
{
    if (reason < 0 || reason >= PVPERF_NR_REASONS)
        return NULL;

    return reason_texts[reason];
}
