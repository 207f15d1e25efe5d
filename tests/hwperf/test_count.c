/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_count.c: counts of a guest that stands still when they are taken.
 *
 * Each is equal to what the guest is known to have executed. The emulated CPU
 * makes two cycles of an instruction.
 */
#include <err.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "qemu/pvperf_broker.h"
#include "qemu/pvperf_identity.h"
#include "tests.h"
#include "vmm.h"

#define KERNEL PVPERF_ATTR_EXCLUDE_USER
#define USER PVPERF_ATTR_EXCLUDE_KERNEL
#define CYCLES_EACH 2

static const vmmWork works[] = {
    { .kernel_turns = 1, .user_turns = 1, .rounds = 1 },
    { .kernel_turns = 1, .user_turns = 1, .rounds = 1000 },
    { .kernel_turns = 12345, .user_turns = 1, .rounds = 7 },
    { .kernel_turns = 1, .user_turns = 54321, .rounds = 7 },
    { .kernel_turns = 100000, .user_turns = 50000, .rounds = 20, .host_turns = 1000 },
};


/* What an event with these modes counts. */
static uint64_t
expected(const vmmWork *work,
         uint64_t config,
         uint64_t modes)
{
    uint64_t n = (modes & PVPERF_ATTR_EXCLUDE_KERNEL ? 0 : vmmKernelInstructions(work)) +
        (modes & PVPERF_ATTR_EXCLUDE_USER ? 0 : vmmUserInstructions(work));

    return config == PERF_COUNT_HW_CPU_CYCLES ? n * CYCLES_EACH : n;
}


static void
modes(const vmmWork *work,
      uint64_t config)
{
    static const uint64_t ways[] = { 0, USER, KERNEL, USER | KERNEL };
    static const char *const names[] = { "u + k", "u", "k", "none" };
    uint64_t before[4];
    char what[64];
    int i;

    for (i = 0; i < 4; i++) {
        hwBenchOpenEvent(i, -1, config, ways[i], 0);
        before[i] = hwBenchSlot(i).count;
        hwBenchCall(ENABLE, i);
    }
    vmmRun(work);
    for (i = 0; i < 4; i++) {
        hwBenchCall(DISABLE, i);
        snprintf(what, sizeof(what), "%s, %s",
                 config == PERF_COUNT_HW_CPU_CYCLES ? "cycles" : "instructions", names[i]);
        tapEqual(what, hwBenchSlot(i).count - before[i], expected(work, config, ways[i]));
        hwBenchCall(CLOSE, i);
    }
    tapEqual("time lost", hwBenchSlot(0).time_lost, 0);
}


void
testModes(void)
{
    unsigned int i;

    for (i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
        modes(&works[i], PERF_COUNT_HW_INSTRUCTIONS);
        modes(&works[i], PERF_COUNT_HW_CPU_CYCLES);
    }
}


/* ---- The host ---------------------------------------------------------------------- */

/* What the vCPU's thread executes outside the guest. */
static int
openHostSide(void)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_HW_INSTRUCTIONS,
        .exclude_guest = 1,
    };
    int fd = pvperfBrokerPerfEventOpen(&attr, pvperfIdentityFindVcpu("/proc", getpid(), 0), -1);

    if (fd < 0)
        errx(99, "no event for the host's side: %s", strerror(-fd));
    return fd;
}


void
testHost(void)
{
    const vmmWork work = { .kernel_turns = 10, .user_turns = 10, .rounds = 10, .host_turns = 1000000 };
    volatile uint64_t turns = 1000000;
    uint64_t host = 0;
    int fd = openHostSide();

    hwBenchOpenEvent(0, -1, PERF_COUNT_HW_INSTRUCTIONS, 0, 0);
    hwBenchOpenEvent(1, -1, PERF_COUNT_HW_CPU_CYCLES, 0, 0);
    hwBenchCall(ENABLE, 0);
    hwBenchCall(ENABLE, 1);
    while (turns > 0)
        turns--;
    vmmRun(&work);
    hwBenchCall(DISABLE, 0);
    hwBenchCall(DISABLE, 1);
    if (read(fd, &host, sizeof(host)) != sizeof(host))
        err(99, "the host's side");
    close(fd);
    tapTrue("the thread executed more than that on the host", host > work.rounds * work.host_turns);
    tapEqual("instructions", hwBenchSlot(0).count, expected(&work, PERF_COUNT_HW_INSTRUCTIONS, 0));
    tapEqual("cycles", hwBenchSlot(1).count, expected(&work, PERF_COUNT_HW_CPU_CYCLES, 0));

    /* No guest, no count. */
    hwBenchCall(ENABLE, 0);
    turns = 1000000;
    while (turns > 0)
        turns--;
    hwBenchCall(DISABLE, 0);
    tapEqual("instructions after nothing", hwBenchSlot(0).count, expected(&work, PERF_COUNT_HW_INSTRUCTIONS, 0));
}


/* ---- Groups -------------------------------------------------------------------------- */

static void
expectGroup(const char *when,
            uint64_t all)
{
    char what[64];

    snprintf(what, sizeof(what), "%s: the leader", when);
    tapEqual(what, hwBenchSlot(0).count, all);
    snprintf(what, sizeof(what), "%s: u + k of its siblings", when);
    tapEqual(what, hwBenchSlot(1).count + hwBenchSlot(2).count, all);
    snprintf(what, sizeof(what), "%s: cycles", when);
    tapEqual(what, hwBenchSlot(3).count, CYCLES_EACH * all);
}


void
testGroup(void)
{
    const vmmWork work = { .kernel_turns = 200000, .user_turns = 300000, .rounds = 5 };
    const uint64_t all = vmmKernelInstructions(&work) + vmmUserInstructions(&work);
    unsigned int reads = 0;
    bool one_instant = true;
    int i;

    hwBenchOpenEvent(0, -1, PERF_COUNT_HW_INSTRUCTIONS, 0, 0);
    hwBenchOpenEvent(1, 0, PERF_COUNT_HW_INSTRUCTIONS, USER, 0);
    hwBenchOpenEvent(2, 0, PERF_COUNT_HW_INSTRUCTIONS, KERNEL, 0);
    hwBenchOpenEvent(3, 0, PERF_COUNT_HW_CPU_CYCLES, 0, 0);
    for (i = 0; i < 4; i++)
        hwBenchCall(ENABLE, i);
    vmmBegin(&work);
    while (!vmmDone()) {
        usleep(500);
        hwBenchCall(READ, 0);
        one_instant = one_instant && hwBenchSlot(0).count == hwBenchSlot(1).count + hwBenchSlot(2).count &&
            hwBenchSlot(3).count == CYCLES_EACH * hwBenchSlot(0).count;
        reads++;
    }
    printf("# %u reads of the running group\n", reads);
    tapTrue("one READ is one instant of all four", one_instant);
    tapTrue("the group was read while it ran", reads > 5);
    hwBenchCall(DISABLE, 0);
    expectGroup("at the end", all);
    vmmRun(&work);
    expectGroup("leader off", all);
    hwBenchCall(ENABLE, 0);
    vmmRun(&work);
    hwBenchCall(DISABLE, 0);
    expectGroup("leader on again", 2 * all);
}


/* ---- Intervals ----------------------------------------------------------------------- */

void
testIntervals(void)
{
    const vmmWork work = { .kernel_turns = 3, .user_turns = 5, .rounds = 1 };
    int i;

    hwBenchOpenEvent(0, -1, PERF_COUNT_HW_INSTRUCTIONS, 0, 0);
    hwBenchOpenEvent(1, -1, PERF_COUNT_HW_INSTRUCTIONS, USER, 0);
    for (i = 0; i < 200; i++) {
        hwBenchCall(ENABLE, 0);
        hwBenchCall(ENABLE, 1);
        vmmRun(&work);
        hwBenchCall(DISABLE, 0);
        hwBenchCall(DISABLE, 1);
        vmmRun(&work);
    }
    tapEqual("u + k", hwBenchSlot(0).count, 200 * (vmmKernelInstructions(&work) + vmmUserInstructions(&work)));
    tapEqual("u", hwBenchSlot(1).count, 200 * vmmUserInstructions(&work));
}
