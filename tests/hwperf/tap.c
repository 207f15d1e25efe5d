/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tap.c: assertions that go on, and say what they saw.
 */
#include <inttypes.h>
#include <stdio.h>

#include "bench.h"
#include "tap.h"

static bool failed;

void
tapRun(const tapTest *tests,
       unsigned int n)
{
    unsigned int i;

    printf("1..%u\n", n);
    for (i = 0; i < n; i++) {
        failed = false;
        hwBenchInit();
        tests[i].run();
        hwBenchFree();
        printf("%s %u - %s\n", failed ? "not ok" : "ok", i + 1, tests[i].name);
    }
}


static void
tapCompare(const char *what,
           uint64_t seen,
           uint64_t wanted,
           uint64_t below,
           uint64_t above)
{
    bool right = seen + below >= wanted && seen <= wanted + above;

    if (!right)
        failed = true;
    printf("# %s%s: %" PRIu64 ", %+" PRId64 "\n", right ? "" : "WRONG ", what, seen,
           (int64_t)(seen - wanted));
}


void
tapEqual(const char *what,
         uint64_t seen,
         uint64_t wanted)
{
    tapCompare(what, seen, wanted, 0, 0);
}


void
tapAbove(const char *what,
         uint64_t seen,
         uint64_t wanted,
         unsigned int thousandths)
{
    tapCompare(what, seen, wanted, 0, wanted * thousandths / 1000);
}


void
tapNear(const char *what,
        uint64_t seen,
        uint64_t wanted,
        unsigned int thousandths)
{
    tapCompare(what, seen, wanted, wanted * thousandths / 1000, wanted * thousandths / 1000);
}


void
tapTrue(const char *what,
        bool holds)
{
    if (!holds)
        failed = true;
    printf("# %s%s\n", holds ? "" : "WRONG ", what);
}
