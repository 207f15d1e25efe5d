/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From overflows to perf's samples; see pvperf_sample.c.
 *
 * On the CPU concerned: in an NMI or an interrupt that tells of overflows, or
 * in one of the driver's own calls with interrupts off, never both at once.
 */
#ifndef PVPERF_SAMPLE_H
#define PVPERF_SAMPLE_H

#include "pvperf_cpu.h"

struct pt_regs;

/* What became of the overflows that the host reported, since the driver was loaded. */
struct pvperf_sample_stats {
	u64	written;	/* samples handed to perf's core */
	u64	coalesced;	/* came together with one that was */
	u64	throttled;	/* while perf's core had the event throttled */
	u64	filtered;	/* in a mode that the event excludes */
	u64	lost;		/* nobody was there to take them any more */
};

/*
 * Takes what the slot has beyond the base.  regs: where the CPU was
 * interrupted, NULL if it was not for this.
 */
void pvperf_sample_slot(struct pvperf_event *pe, struct pvperf_base *base,
			const struct guest_perf_event *slot, struct pt_regs *regs);

/* Takes the overflows up to one whose place the host knows. */
void pvperf_sample_place(struct pvperf_event *pe, struct pvperf_base *base,
			 const struct pvperf_sample *place, struct pt_regs *regs);

/* The base is brought up to the slot; nobody gets what lies between. */
void pvperf_sample_skip(struct pvperf_base *base, const struct guest_perf_event *slot);

void pvperf_sample_stats_sum(struct pvperf_sample_stats *sum);

/* Once, before there are events. */
void pvperf_sample_init(void);

#endif
