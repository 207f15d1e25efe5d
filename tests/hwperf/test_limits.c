/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_limits.c: what this PMU does not have, or not enough of.
 *
 * The emulated PMU counts cycles and instructions, on six counters and one for
 * cycles alone. Branches and caches it does not count: that is how a host
 * looks that lacks them.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"
#include "tests.h"
#include "vmm.h"

#define COUNTERS 6
#define CACHE(cache, op, result) \
    (PERF_COUNT_HW_CACHE_ ## cache | PERF_COUNT_HW_CACHE_OP_ ## op << 8 | PERF_COUNT_HW_CACHE_RESULT_ ## result << 16)

static void
expectRefused(const char *what,
              uint32_t type,
              uint64_t config,
              int wanted,
              enum pvperf_reason reason)
{
    const struct guest_perf_attr attr = { .type = type, .config = config };
    struct pvperf_result result = hwBenchOpen(0, -1, &attr);

    printf("# %d, %s\n", result.ret, pvperfReasonName(result.reason));
    tapTrue(what, result.ret == wanted && result.reason == (uint32_t)reason);
}


/* What was refused leaves nothing behind: counting goes on. */
static void
expectCounting(void)
{
    const vmmWork work = { .kernel_turns = 100, .user_turns = 100, .rounds = 1 };

    hwBenchOpenEvent(100, -1, PERF_COUNT_HW_INSTRUCTIONS, 0, 0);
    hwBenchCall(ENABLE, 100);
    vmmRun(&work);
    hwBenchCall(DISABLE, 100);
    tapEqual("instructions, after all that",
             hwBenchSlot(100).count, vmmKernelInstructions(&work) + vmmUserInstructions(&work));
}


void
testErrno(void)
{
    expectRefused("branches", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS, -ENOENT, PVPERF_REASON_HOST);
    expectRefused("cache-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, -ENOENT, PVPERF_REASON_HOST);
    expectRefused("ref-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_REF_CPU_CYCLES, -ENOENT, PVPERF_REASON_HOST);
    expectRefused("node-loads", PERF_TYPE_HW_CACHE, CACHE(NODE, READ, ACCESS), -ENOENT, PVPERF_REASON_HOST);
    expectRefused("an event nobody has", PERF_TYPE_HARDWARE, 99, -ENOENT, PVPERF_REASON_UNKNOWN);
    expectRefused("raw, denied", PERF_TYPE_RAW, 0x08, -ENOENT, PVPERF_REASON_CLASS);
    expectCounting();
    hw.policy.classes &= ~(1U << PVPERF_CLASS_IPC);
    hwBenchPolicy();
    expectRefused("instructions, denied", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, -ENOENT,
                  PVPERF_REASON_CLASS);
}


/* The kernel leaves out of its reckoning a leader that is off: it takes one
 * member more than there are counters, and that group never counts. */
void
testLargeGroup(void)
{
    const vmmWork work = { .kernel_turns = 100000, .user_turns = 100000, .rounds = 1 };
    const struct guest_perf_attr attr = { .type = PERF_TYPE_HARDWARE, .config = PERF_COUNT_HW_INSTRUCTIONS };
    struct pvperf_result result = { 0 };
    int members = 0;
    int i;

    while (members < PVPERF_MAX_GROUP) {
        result = hwBenchOpen(members, members > 0 ? 0 : -1, &attr);
        if (result.ret != 0)
            break;
        members++;
    }
    tapEqual("members of a group", members, COUNTERS + 1);
    printf("# one more: %d, %s\n", result.ret, pvperfReasonName(result.reason));
    tapTrue("one more is refused", result.ret == -EINVAL && result.reason == PVPERF_REASON_HOST);

    for (i = 0; i < members; i++)
        hwBenchCall(ENABLE, i);
    vmmRun(&work);
    for (i = 0; i < members; i++)
        hwBenchCall(DISABLE, i);
    tapEqual("it does not fit and does not count", hwBenchSlot(0).count, 0);
    tapTrue("it was enabled", hwBenchSlot(0).time_enabled > 0);
    tapEqual("all of that is time lost", hwBenchSlot(0).time_lost, hwBenchSlot(0).time_enabled);

    hwBenchCall(CLOSE, members - 1);
    for (i = 0; i < members - 1; i++)
        hwBenchCall(ENABLE, i);
    vmmRun(&work);
    hwBenchCall(DISABLE, 0);
    tapEqual("with one less it does", hwBenchSlot(0).count, vmmKernelInstructions(&work) + vmmUserInstructions(&work));
}


/* ---- More events than counters ---------------------------------------------------------- */

/* perf rotates every so often; more often makes a shorter test. */
static void
rotateEachMs(void)
{
    glob_t found;
    size_t i;

    if (glob("/sys/bus/event_source/devices/*/perf_event_mux_interval_ms", 0, NULL, &found) != 0)
        return;
    for (i = 0; i < found.gl_pathc; i++) {
        int fd = open(found.gl_pathv[i], O_WRONLY | O_CLOEXEC);

        if (fd >= 0 && write(fd, "1", 1) != 1)
            printf("# %s stays\n", found.gl_pathv[i]);
        close(fd);
    }
    globfree(&found);
}


static void
expectScaled(int id,
             const struct guest_perf_event *before,
             uint64_t wanted)
{
    struct guest_perf_event slot = hwBenchSlot(id);
    uint64_t enabled = slot.time_enabled - before->time_enabled;
    uint64_t running = enabled - (slot.time_lost - before->time_lost);
    char what[96];

    snprintf(what, sizeof(what), "event %d, %2u %% of the time, scaled", id,
             (unsigned int)(running * 100 / enabled));
    tapNear(what, (double)(slot.count - before->count) * enabled / running, wanted, 30);
}


void
testMultiplex(void)
{
    enum { EVENTS = 11 };
    const vmmWork work = { .kernel_turns = 1000000, .user_turns = 1000000, .rounds = 12 };
    const uint64_t all = vmmKernelInstructions(&work) + vmmUserInstructions(&work);
    struct guest_perf_event before[EVENTS];
    uint64_t shares = 0;
    int i;

    rotateEachMs();
    for (i = 0; i < EVENTS; i++) {
        hwBenchOpenEvent(i, -1, PERF_COUNT_HW_INSTRUCTIONS, 0, 0);
        before[i] = hwBenchSlot(i);
        hwBenchCall(ENABLE, i);
    }
    vmmRun(&work);
    for (i = 0; i < EVENTS; i++) {
        struct guest_perf_event slot;

        hwBenchCall(DISABLE, i);
        slot = hwBenchSlot(i);
        shares += (slot.time_enabled - slot.time_lost) * 1000 / slot.time_enabled;
        expectScaled(i, &before[i], all);
        tapTrue("some of the time it was off", slot.time_lost > 0);
    }
    tapNear("thousandths of counters in use", shares, COUNTERS * 1000, 30);
}
