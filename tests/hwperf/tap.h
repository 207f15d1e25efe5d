/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tap.h: assertions that go on, and say what they saw.
 *
 * A test is one line of the Test Anything Protocol; its assertions print the
 * numbers in comments, right or wrong.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct _tapTest tapTest;
struct _tapTest {
    const char *name;
    void (*run)(void);
};

/* Runs them one after the other, with a bench each. */
void tapRun(const tapTest *tests,
            unsigned int n);

/* Each prints what was seen, and by how much that is more than was wanted. */
void tapEqual(const char *what,
              uint64_t seen,
              uint64_t wanted);

/* wanted <= seen <= wanted + that many thousandths of it. */
void tapAbove(const char *what,
              uint64_t seen,
              uint64_t wanted,
              unsigned int thousandths);

/* As far from it as so many thousandths of it, up or down. */
void tapNear(const char *what,
             uint64_t seen,
             uint64_t wanted,
             unsigned int thousandths);

void tapTrue(const char *what,
             bool holds);
