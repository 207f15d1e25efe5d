/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_fuzz.c: a guest that writes anything anywhere, within bounds of time.
 *
 * A fixed seed and a fixed number of steps (PVPERF_FUZZ_STEPS for more): random
 * frames that are nearly right, random bytes over all lines the guest may
 * write, random jumps, answers and time. Under the sanitizers it finds what
 * goes out of bounds; in any build it checks that counts never go backwards,
 * that every pass ends, and that no host event is left open.
 */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "fake_host.h"

#define VCPUS 3
#define IDS 24
#define ROWS 20
#define DEFAULT_STEPS 20000
#define MAX_PASSES 10000

static GRand *dice;
static struct guest_perf_event last[ROWS][VCPUS];

static uint32_t
roll(uint32_t sides)
{
    return g_rand_int_range(dice, 0, sides);
}


static uint64_t
rollWord(void)
{
    return (uint64_t)g_rand_int(dice) << 32 | g_rand_int(dice);
}


/* Counts of a session only rise; slots are never torn. */
static void
checkSlots(bool fresh)
{
    uint32_t row;
    uint32_t v;

    for (row = 0; row < ROWS; row++) {
        for (v = 0; v < VCPUS; v++) {
            struct guest_perf_event *was = &last[row][v];
            struct guest_perf_event is = fakeGuestSlot(&bench.guest, row, v);

            if (!fresh) {
                g_assert_cmpuint(is.count, >=, was->count);
                g_assert_cmpuint(is.time_enabled, >=, was->time_enabled);
                g_assert_cmpuint(is.time_lost, >=, was->time_lost);
            }
            g_assert_cmpuint(is.time_lost, <=, is.time_enabled);
            *was = is;
        }
    }
}


static struct pvperf_frame
rollFrame(uint32_t area)
{
    struct pvperf_frame frame;

    if (area == fakeGuestControl(&bench.guest) && roll(3) > 0) {
        fakeOpen open = {
            .id = roll(IDS),
            .row = roll(ROWS),
            .vcpu = roll(VCPUS),
            .bound = roll(2),
            .sibling = roll(2),
            .leader = roll(IDS),
            .attr = fakeAttrVcpu(roll(PVPERF_NR_VCPU_EVENTS)),
        };
        frame = fakeFrameOpen(&bench.guest, &open);
    } else if (area == fakeGuestControl(&bench.guest)) {
        frame = fakeFrame(KVM_PERF_OP_CLOSE, roll(IDS));
    } else {
        frame = fakeFrame(KVM_PERF_OP_ENABLE + roll(3), roll(IDS));
    }
    if (roll(200) == 0)
        frame = (struct pvperf_frame) { .nr = PVPERF_HELLO, .a0 = 1 << 16 };
    if (roll(50) == 0)
        ((uint64_t *)&frame)[roll(8)] = roll(2) ? rollWord() : 1ULL << roll(64);
    return frame;
}


/* Random words over the frames, params and the submit line of an area. */
static void
scribble(uint32_t area)
{
    struct pvperf_area *to = fakeGuestArea(&bench.guest, area);
    uint32_t i;

    for (i = 0; i < 16; i++) {
        ((uint64_t *)to->frames)[roll(sizeof(to->frames) / 8)] = rollWord();
        ((uint64_t *)to->params)[roll(sizeof(to->params) / 8)] = rollWord();
    }
    if (roll(4) == 0)
        bench.guest.submitted[area] = g_rand_int(dice);
}


static void
answer(void)
{
    if (!bench.requests)
        return;
    if (roll(4) == 0)
        fakeBenchAnswer(-1 - (int)roll(100), roll(PVPERF_NR_REASONS));
    else
        fakeBenchAnswer(0, PVPERF_REASON_NONE);
}


static void
step(void)
{
    uint32_t area = roll(VCPUS + 1);
    uint32_t frames = roll(8) ? roll(6) : roll(70);
    uint32_t passes = 0;
    bool fresh = false;

    while (frames-- > 0)
        fakeGuestPut(&bench.guest, area, rollFrame(area));
    if (roll(20) == 0)
        scribble(area);
    fakeGuestPublish(&bench.guest, area);

    bench.broken = roll(500) == 0 ? -5 : 0;
    while (pvperfServePass(&bench.backend, bench.now)) {
        g_assert_cmpuint(++passes, <, MAX_PASSES);
        if (roll(2))
            answer();
    }
    if (roll(2))
        answer();
    while (roll(4) && pvperfTableReap(&bench.backend.table))
        ;
    fakeBenchRun(roll(VCPUS), roll(1000), roll(1000), roll(100));
    if (roll(100) == 0)
        pvperfBrokerExpire(&bench.backend, bench.now, true);
    if (roll(1000) == 0) {
        fresh = true;
        bench.guest.session = rollWord() | 1;
        pvperfServeSession(&bench.backend, bench.guest.session);
    }
    checkSlots(fresh);
}


static void
testFuzz(void)
{
    const char *more = g_getenv("PVPERF_FUZZ_STEPS");
    uint32_t steps = more ? strtoul(more, NULL, 10) : DEFAULT_STEPS;
    uint32_t v;

    dice = g_rand_new_with_seed(20100621);
    fakeBenchInit(VCPUS);
    bench.answers = false;
    while (steps-- > 0)
        step();
    /* The dice did open and count something. */
    g_assert_cmpuint(bench.backend.table.open_peak, >, 10);
    g_assert_cmpuint(bench.backend.stats->totals[pvperfEventFromName("vcpu-clock")].count, >, 10000);
    pvperfServeSession(&bench.backend, 0);
    for (v = 0; v < VCPUS; v++)
        g_assert_cmpuint(bench.backend.table.counting[v], ==, 0);
    fakeBenchFree();
    g_rand_free(dice);
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fuzz/guest", testFuzz);
    return g_test_run();
}
