/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests.h: the tests, by the CPUs that they need.
 *
 * Of one CPU: all counts are exact. ...Remote: of two; what the emulator itself
 * adds to a count then is allowed for.
 */
#pragma once

#include "tap.h"

/* What a count may be too large with two CPUs, in thousandths: the emulator's
 * counters go on while it runs the other CPU. */
#define TWO_CPUS 20

/* test_count.c */
void testModes(void);
void testHost(void);
void testGroup(void);
void testIntervals(void);

/* test_running.c */
void testRead(void);
void testToggle(void);
void testModesRemote(void);
void testReadRemote(void);
void testToggleRemote(void);

/* test_overflow.c */
void testSamples(void);
void testRefresh(void);
void testSamplesRemote(void);

/* test_limits.c */
void testErrno(void);
void testLargeGroup(void);
void testMultiplex(void);
