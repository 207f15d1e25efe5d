/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench_util.h: what every benchmark needs: a clock, a CPU, a percentile, and
 * the machine that its figures are of.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* CLOCK_MONOTONIC, ns. */
uint64_t benchNow(void);

/* Keeps a thread on a CPU. */
void benchPin(pid_t tid,
              int cpu);

/* Sorts n values; one that so many percent of them are below, 0 of none. */
uint64_t benchPercentile(uint64_t *values,
                         uint32_t n,
                         unsigned int percent);

/* Two lines; load is that of the minute before the figures were taken. */
void benchPrintMachine(double load);
