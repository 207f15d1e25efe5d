/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_running.c: a guest that runs while it is looked at.
 *
 * With one CPU the guest stands still while this thread does anything, so that
 * nothing is missed between one call and the next. With two it goes on, and an
 * event that counts all the time is what the other one is held against.
 */
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"
#include "tests.h"
#include "vmm.h"

#define KERNEL PVPERF_ATTR_EXCLUDE_USER
#define USER PVPERF_ATTR_EXCLUDE_KERNEL
#define INSTRUCTIONS PERF_COUNT_HW_INSTRUCTIONS

/* With two CPUs, each call waits until the emulator has run either for a while. */
static const vmmWork work = { .kernel_turns = 5000, .user_turns = 3000, .rounds = 1000 };
static const vmmWork longWork = { .kernel_turns = 5000, .user_turns = 3000, .rounds = 5000 };


static uint64_t
all(const vmmWork *of)
{
    return vmmKernelInstructions(of) + vmmUserInstructions(of);
}


static void
readRunning(const vmmWork *of,
            unsigned int tolerance)
{
    uint64_t last = 0;
    unsigned int grew = 0;
    bool ordered = true;

    hwBenchOpenEvent(0, -1, INSTRUCTIONS, 0, 0);
    hwBenchCall(ENABLE, 0);
    vmmBegin(of);
    while (!vmmDone()) {
        uint64_t count;

        usleep(500);
        hwBenchCall(READ, 0);
        count = hwBenchSlot(0).count;
        ordered = ordered && count >= last;
        grew += count > last && count < all(of);
        last = count;
    }
    hwBenchCall(DISABLE, 0);
    printf("# it grew %u times\n", grew);
    tapTrue("it grew while the guest ran", grew > 10);
    tapTrue("it never went back", ordered);
    tapAbove("at the end", hwBenchSlot(0).count, all(of), tolerance);
}


void
testRead(void)
{
    readRunning(&work, 0);
}


void
testReadRemote(void)
{
    readRunning(&longWork, TWO_CPUS);
}


/* ---- On and off ----------------------------------------------------------------------- */

/* Events 1 and 2 on and off by turns. */
static unsigned int
toggle(void)
{
    unsigned int changes = 0;

    hwBenchCall(ENABLE, 1);
    vmmBegin(&work);
    while (!vmmDone()) {
        usleep(300);
        hwBenchCall(DISABLE, 1 + changes % 2);
        hwBenchCall(ENABLE, 2 - changes % 2);
        changes++;
    }
    hwBenchCall(DISABLE, 1 + changes % 2);
    return changes;
}


static void
toggleModes(const char *what,
            uint64_t modes,
            uint64_t wanted)
{
    uint64_t before = hwBenchSlot(1).count + hwBenchSlot(2).count;
    unsigned int changes;

    hwBenchOpenEvent(1, -1, INSTRUCTIONS, modes, 0);
    hwBenchOpenEvent(2, -1, INSTRUCTIONS, modes, 0);
    changes = toggle();
    printf("# %s: changed %u times\n", what, changes);
    tapTrue("several times while the guest ran", changes > 10);
    tapEqual(what, hwBenchSlot(1).count + hwBenchSlot(2).count - before, wanted);
    hwBenchCall(CLOSE, 1);
    hwBenchCall(CLOSE, 2);
}


void
testToggle(void)
{
    toggleModes("u + k", 0, all(&work));
    toggleModes("u", USER, vmmUserInstructions(&work));
    toggleModes("k", KERNEL, vmmKernelInstructions(&work));
}


/* ---- From another CPU -------------------------------------------------------------------- */

static uint64_t
readCount(int id)
{
    hwBenchCall(READ, id);
    return hwBenchSlot(id).count;
}


/* One interval of event 1, between what event 0 counted in it and around it. */
static bool
bracket(uint64_t *inside,
        uint64_t *seen,
        uint64_t *around)
{
    uint64_t count = hwBenchSlot(1).count;
    uint64_t before = readCount(0);
    uint64_t first;
    uint64_t last;

    hwBenchCall(ENABLE, 1);
    first = readCount(0);
    usleep(2000);
    last = readCount(0);
    hwBenchCall(DISABLE, 1);
    count = hwBenchSlot(1).count - count;
    before = readCount(0) - before;
    *inside += last - first;
    *seen += count;
    *around += before;
    return last - first <= count && count <= before;
}


static void
bracketModes(const char *what,
             uint64_t modes,
             uint64_t wanted)
{
    uint64_t start = hwBenchSlot(0).count;
    unsigned int intervals = 0;
    uint64_t inside = 0;
    uint64_t around = 0;
    uint64_t seen = 0;
    bool between = true;

    hwBenchOpenEvent(0, -1, INSTRUCTIONS, modes, 0);
    hwBenchOpenEvent(1, -1, INSTRUCTIONS, modes, 0);
    hwBenchCall(ENABLE, 0);
    vmmBegin(&longWork);
    for (; !vmmDone(); intervals++)
        between = bracket(&inside, &seen, &around) && between;
    hwBenchCall(DISABLE, 0);
    printf("# %s: %u intervals, %" PRIu64 " inside, %" PRIu64 " counted, %" PRIu64 " around\n",
           what, intervals, inside, seen, around);
    tapTrue("several intervals while the guest ran, and not empty", intervals >= 3 && inside > 0);
    tapTrue("each between what another event counted in it and around it", between);
    tapAbove(what, hwBenchSlot(0).count - start, wanted, TWO_CPUS);
    hwBenchCall(CLOSE, 0);
    hwBenchCall(CLOSE, 1);
}


void
testToggleRemote(void)
{
    bracketModes("u + k", 0, all(&longWork));
    bracketModes("u", USER, vmmUserInstructions(&longWork));
    bracketModes("k", KERNEL, vmmKernelInstructions(&longWork));
}


/* On when the guest stands still. */
void
testModesRemote(void)
{
    static const uint64_t modes[] = { 0, USER, KERNEL };
    int i;

    for (i = 0; i < 3; i++) {
        hwBenchOpenEvent(i, -1, INSTRUCTIONS, modes[i], 0);
        hwBenchCall(ENABLE, i);
    }
    vmmRun(&work);
    for (i = 0; i < 3; i++)
        hwBenchCall(DISABLE, i);
    tapAbove("u + k", hwBenchSlot(0).count, all(&work), TWO_CPUS);
    tapAbove("u", hwBenchSlot(1).count, vmmUserInstructions(&work), TWO_CPUS);
    tapAbove("k", hwBenchSlot(2).count, vmmKernelInstructions(&work), TWO_CPUS);
}
