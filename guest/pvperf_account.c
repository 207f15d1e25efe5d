// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts and times: what goes into event->count, what is taken off
 * event->total_time_running.
 *
 * event->count grows only by differences of slot.count.  Whenever the count of
 * a stretch of time is not known, that stretch is taken off, so that perf
 * scales or says <not counted>; see pvperf_cpu.c for the cases.  perf's core
 * adds the whole stretch by itself, so time is taken off after it did.
 *
 * The stretch is measured on perf's clock (event->tstamp), the gaps inside it
 * on ours; the host's losses are in its own.  What cannot be taken off at once
 * because of that remains as debt.  Called by pvperf_cpu.c alone, on the
 * event's CPU with interrupts off.
 */
#include <linux/minmax.h>
#include <linux/sched/clock.h>

#include "pvperf_account.h"
#include "pvperf_sample.h"

#define PVPERF_LOST_MAX		(3600ULL * NSEC_PER_SEC)	/* of one answer */

void pvperf_account_begin(struct pvperf_event *pe)
{
	pe->mark = pe->event->tstamp;
	pe->since = 0;
	pe->ahead = false;
	pe->gap = 0;
}

void pvperf_account_gap(struct pvperf_event *pe)
{
	u64 now = sched_clock();

	if (pe->since)
		pe->gap += now - pe->since;
	pe->since = now;
}

/* Takes ns off the running time of the stretch that ends now. */
static void take_off(struct pvperf_event *pe, u64 stretch, u64 ns)
{
	struct perf_event *event = pe->event;
	u64 taken;

	ns = min(ns, PVPERF_LOST_MAX) + pe->debt;
	taken = min3(ns, stretch, event->total_time_running);
	event->total_time_running -= taken;
	pe->debt = min(ns - taken, PVPERF_LOST_MAX);
}

/* Closes the stretch and begins the next; returns its length. */
static u64 next_stretch(struct pvperf_event *pe)
{
	s64 stretch = pe->event->tstamp - pe->mark;

	/* perf's clock stands when somebody reads without updating it. */
	if (stretch <= 0)
		return 0;
	pe->mark = pe->event->tstamp;
	pe->since = sched_clock();
	pe->ahead = false;
	return stretch;
}

/* The base is at the slot from here on; what it said beyond it is returned. */
static void advance(struct pvperf_base *base, const struct guest_perf_event *slot,
		    u64 *count, u64 *lost, u64 *owed)
{
	*count = slot->count > base->count ? slot->count - base->count : 0;
	*lost = slot->time_lost > base->lost ? slot->time_lost - base->lost : 0;
	*lost = min(*lost, PVPERF_LOST_MAX);
	*owed = base->owed;
	base->count = slot->count;
	base->lost = slot->time_lost;
	base->owed = 0;
}

void pvperf_account_unknown(struct pvperf_event *pe)
{
	/* Without perf's clock: of what it will add, the part that was not accounted. */
	u64 part = pe->ahead ? pe->gap + sched_clock() - pe->since : U64_MAX;
	u64 stretch = next_stretch(pe);

	if (!stretch)
		return;
	pe->gap = 0;
	take_off(pe, stretch, min(stretch, part));
}

void pvperf_account_known(struct pvperf_event *pe, struct pvperf_base *base,
			  const struct guest_perf_event *slot)
{
	u64 count, lost, owed, stretch;

	advance(base, slot, &count, &lost, &owed);
	local64_add(count, &pe->event->count);
	pe->event->total_time_running += owed;
	lost += pe->gap;
	pe->gap = 0;
	stretch = next_stretch(pe);
	if (!stretch && pe->since) {
		pe->since = sched_clock();
		pe->ahead = true;
	}
	take_off(pe, stretch, lost);
}

void pvperf_account_late(struct pvperf_event *pe, struct pvperf_base *base)
{
	u64 before = pe->event->total_time_running;

	pvperf_account_unknown(pe);
	base->owed += before - pe->event->total_time_running;
}

/*
 * The event that a late answer belongs to may run elsewhere by now, or have
 * ended with its task.  So it goes where perf's core sums up copies that ended:
 * those sums are atomic and part of what is read.
 */
void pvperf_account_rebase(struct pvperf_id *id, struct pvperf_base *base,
			   const struct guest_perf_event *slot)
{
	u64 count, lost, owed;

	advance(base, slot, &count, &lost, &owed);
	if (base->synced && base->unsettled) {
		atomic64_add(count, &id->event->child_count);
		atomic64_add(owed - min(owed, lost), &id->event->child_total_time_running);
	}
	pvperf_sample_skip(base, slot);
	base->synced = true;
	base->unsettled = false;
}
