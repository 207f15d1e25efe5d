/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a stretch of time brought an event; see pvperf_account.c.
 *
 * A stretch is the time between two accountings of an event that perf holds
 * scheduled.  It is ended by exactly one of the functions account_*().
 */
#ifndef PVPERF_ACCOUNT_H
#define PVPERF_ACCOUNT_H

#include "pvperf_cpu.h"

/* The event is scheduled in: its first stretch begins. */
void pvperf_account_begin(struct pvperf_event *pe);

/* It counts, or tried to, from now on: what passed of the stretch is a gap. */
void pvperf_account_gap(struct pvperf_event *pe);

/* The slot is as of now (READ) or final (DISABLE). */
void pvperf_account_known(struct pvperf_event *pe, struct pvperf_base *base,
			  const struct guest_perf_event *slot);

/* Nothing was counted, or nobody knows what. */
void pvperf_account_unknown(struct pvperf_event *pe);

/* The answer is not there yet: the time is owed until it is. */
void pvperf_account_late(struct pvperf_event *pe, struct pvperf_base *base);

/*
 * Nobody counts: the base is brought up to the slot.  An answer that came late
 * is credited.
 */
void pvperf_account_rebase(struct pvperf_id *id, struct pvperf_base *base,
			   const struct guest_perf_event *slot);

#endif
