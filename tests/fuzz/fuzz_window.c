/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_window.c: frames and window, one step after the other.
 *
 * An input is a script of what guest and host do (window_script.c). It is
 * replayed exactly: the same bytes do the same on any run.
 */
#include "window_script.h"

#define STEPS_MAX 400

int
LLVMFuzzerInitialize(int *argc,
                     char ***argv)
{
    (void)argc;
    (void)argv;
    scriptInit();
    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data,
                       size_t size)
{
    fuzzInput input = { data, size };
    uint32_t steps = 0;

    scriptBegin();
    while (input.size && steps++ < STEPS_MAX)
        scriptStep(&input);
    scriptEnd();
    return 0;
}
