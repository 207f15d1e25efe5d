/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_sched.h: how the host's scheduler is to treat a backend.
 *
 * Called once by main(). Needs no privilege.
 */
#pragma once

/* Asks for short time slices, so that a backend that wakes up runs before the
 * slice of a vCPU that spins for it is over. Without effect on kernels before
 * 6.12, which take no slice from a SCHED_OTHER thread. */
void pvperfSchedShortSlices(void);
