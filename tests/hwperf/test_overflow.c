/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_overflow.c: overflows of a hardware counter.
 *
 * Of cycles, for which the emulated PMU's interrupt comes in time. A period is
 * far longer than what the interrupt takes.
 */
#include <linux/perf_event.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"
#include "pvperf_cells.h"
#include "pvperf_ring.h"
#include "tests.h"
#include "vmm.h"

#define KERNEL PVPERF_ATTR_EXCLUDE_USER
#define USER PVPERF_ATTR_EXCLUDE_KERNEL
#define CYCLES PERF_COUNT_HW_CPU_CYCLES
#define CYCLES_EACH 2

/* What an overflow test does. The period and a round have nothing in common. */
typedef struct _overflowRun overflowRun;
struct _overflowRun {
    vmmWork work;
    uint64_t period;
    unsigned int serve_us;      /* between two passes of the backend */
    unsigned int tolerance;     /* of cycles, thousandths */
};

static const overflowRun local = {
    .work = { .kernel_turns = 40000, .user_turns = 60000, .rounds = 50 },
    .period = 97001,
    .serve_us = 500,
};

static const overflowRun remote = {
    .work = { .kernel_turns = 40000, .user_turns = 60000, .rounds = 300 },
    .period = 1000003,
    .serve_us = 8000,
    .tolerance = TWO_CPUS,
};


/* Lets the guest run, and serves as the poll loop would. */
static void
serveWork(const overflowRun *run)
{
    vmmBegin(&run->work);
    while (!vmmDone()) {
        usleep(run->serve_us);
        hwBenchServe();
    }
}


/* In one mode alone, there and nowhere else; else by how long it ran in each. */
static void
expectPlaces(const overflowRun *run,
             uint64_t modes,
             uint32_t overflows)
{
    const struct pvperf_area *area = fakeGuestArea(&hw.guest, 0);
    uint32_t head = area->complete.samples_head;
    uint32_t kernel = 0;
    uint32_t user = 0;
    uint32_t i;

    tapEqual("samples with a place", head, overflows);
    for (i = 0; i < head && i < PVPERF_NR_SAMPLES; i++) {
        const struct pvperf_sample *sample = &area->samples[i];

        kernel += sample->mode == PERF_RECORD_MISC_GUEST_KERNEL && vmmInKernel(sample->ip);
        user += sample->mode == PERF_RECORD_MISC_GUEST_USER && vmmInUser(sample->ip);
    }
    printf("# k: %u, u: %u\n", kernel, user);
    tapEqual("those in the right mode at the right place", kernel + user, overflows);
    if (modes)
        tapEqual("those of the event's mode", modes == USER ? user : kernel, overflows);
    else
        tapNear("hundredths in u", 100 * user / overflows,
                100 * run->work.user_turns / (run->work.kernel_turns + run->work.user_turns), 100);
}


static void
sample(const overflowRun *run,
       uint64_t modes)
{
    uint64_t kernel = modes == USER ? 0 : vmmKernelInstructions(&run->work);
    uint64_t user = modes == KERNEL ? 0 : vmmUserInstructions(&run->work);
    struct guest_perf_event slot;

    hwBenchOpenEvent(0, -1, CYCLES, modes, run->period);
    hwBenchCall(ENABLE, 0);
    serveWork(run);
    hwBenchCall(DISABLE, 0);
    slot = hwBenchSlot(0);
    tapAbove("cycles", slot.count, CYCLES_EACH * (kernel + user), run->tolerance);
    tapEqual("overflows", slot.overflows, slot.count / run->period);
    tapEqual("their periods", slot.period_sum, slot.overflows * run->period);
    tapEqual("throttled", slot.throttles, 0);
    expectPlaces(run, modes, slot.overflows);
    tapTrue("the guest was told", fakeGuestArea(&hw.guest, 0)->complete.nmi_sent > 0);
}


void
testSamples(void)
{
    static const uint64_t modes[] = { 0, USER, KERNEL };
    int i;

    for (i = 0; i < 3; i++) {
        if (i > 0) {
            hwBenchFree();
            hwBenchInit();
        }
        sample(&local, modes[i]);
    }
}


void
testSamplesRemote(void)
{
    sample(&remote, 0);
}


/* ---- Bounds --------------------------------------------------------------------------- */

/* Records that were not taken out of the vCPU's ring. */
static uint64_t
records(void)
{
    const pvperfRing *ring = &hw.backend.table.sampling.vcpus[0].rings[PVPERF_RING_HARDWARE];

    return (pvperfRingHead(ring) - ring->tail) / pvperfRingRecordBytes(false, 1);
}


void
testRefresh(void)
{
    const pvperfEvent *event;
    uint32_t granted;

    hwBenchOpenEvent(0, -1, CYCLES, 0, local.period);
    pvperfHostperfReal.refresh(hwBenchFd(0), 5);
    vmmRun(&local.work);
    tapEqual("of IOC_REFRESH(5)", records(), 5);
    hwBenchCall(CLOSE, 0);

    /* Nobody serves while the guest runs. */
    hwBenchOpenEvent(1, -1, CYCLES, 0, local.period);
    hwBenchCall(ENABLE, 1);
    event = pvperfTableFind(&hw.backend.table, 1);
    granted = pvperfTableCell(&hw.backend.table, event, 0)->sampler->granted;
    tapTrue("more periods than were granted",
            granted < CYCLES_EACH * vmmKernelInstructions(&local.work) / local.period);
    vmmRun(&local.work);
    hwBenchCall(DISABLE, 1);
    tapEqual("of a grant", hwBenchSlot(1).overflows, granted);
}
