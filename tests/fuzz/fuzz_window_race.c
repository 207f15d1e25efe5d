/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_window_race.c: frames and window, while another vCPU writes there, too.
 *
 * The first eight bytes of an input seed what a second thread writes, the rest is
 * a script as in fuzz_window.c, during which that thread changes the lines, frames
 * and params of all areas without looking. What it finds is found by chance: a
 * finding is replayed with -runs=N on the same input.
 *
 * The writer takes turns with nobody: it is told where a script begins and ends,
 * and the script does not end before it has written something.
 */
#include <pthread.h>
#include <sched.h>

#include "window_script.h"

#define STEPS_MAX 200
#define FRAMES_WORDS (PVPERF_NR_FRAMES * sizeof(struct pvperf_frame) / 8)
#define PARAMS_WORDS (PVPERF_NR_PARAMS * sizeof(struct pvperf_param) / 8)
#define WRITES_MAX 2048                 /* of one script: the passes have to end */

static uint64_t seed;                   /* of the script that runs; 0: none does */
static uint64_t wrote;                  /* seed that was written from last */

static uint64_t
writerNext(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}


/* A word that is often small, so that it is an id, an op or an offset. */
static void
writerWrite(uint64_t *state)
{
    uint64_t dice = writerNext(state);
    uint64_t value = writerNext(state) >> (dice & 63);
    struct pvperf_area *area = fakeGuestArea(&bench.guest, (dice >> 6) % (SCRIPT_VCPUS + 1));
    size_t n = dice >> 16;

    switch ((dice >> 8) % 8) {
    case 0:
        __atomic_store_n(&area->submit.submitted, (uint32_t)value, __ATOMIC_RELEASE);
        break;
    case 1:
        __atomic_store_n(&area->submit.nmi_handled, (uint32_t)value, __ATOMIC_RELEASE);
        break;
    case 2:
    case 3:
    case 4:
        n %= FRAMES_WORDS;
        __atomic_store_n((uint64_t *)area->frames + n, value, __ATOMIC_RELAXED);
        break;
    default:
        n %= PARAMS_WORDS;
        __atomic_store_n((uint64_t *)area->params + n, value, __ATOMIC_RELAXED);
        break;
    }
}


static void *
writer(void *opaque)
{
    uint64_t from = 0;
    uint64_t state = 0;
    uint32_t writes = 0;

    (void)opaque;
    for (;;) {
        uint64_t now = __atomic_load_n(&seed, __ATOMIC_ACQUIRE);

        if (now != from) {
            from = state = now;
            writes = 0;
        }
        if (from && writes++ < WRITES_MAX)
            writerWrite(&state);
        else
            sched_yield();
        __atomic_store_n(&wrote, from, __ATOMIC_RELEASE);
    }
    return NULL;
}


int
LLVMFuzzerInitialize(int *argc,
                     char ***argv)
{
    pthread_t thread;

    (void)argc;
    (void)argv;
    scriptInit();
    fuzzExpect(pthread_create(&thread, NULL, writer, NULL) == 0);
    return 0;
}


static void
writerWait(uint64_t for_seed)
{
    __atomic_store_n(&seed, for_seed, __ATOMIC_RELEASE);
    while (__atomic_load_n(&wrote, __ATOMIC_ACQUIRE) != for_seed)
        sched_yield();
}


int
LLVMFuzzerTestOneInput(const uint8_t *data,
                       size_t size)
{
    fuzzInput input = { data, size };
    uint64_t with;
    uint32_t steps = 0;

    fuzzBytes(&input, &with, sizeof(with));
    scriptBegin();
    writerWait(with | 1);
    while (input.size && steps++ < STEPS_MAX)
        scriptStep(&input);
    writerWait(0);
    scriptEnd();
    return 0;
}
