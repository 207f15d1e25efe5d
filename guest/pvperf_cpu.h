/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counting on one CPU; see pvperf_cpu.c.
 *
 * Every function but the last runs on the CPU concerned with interrupts off,
 * most of them called by perf's core through pvperf_pmu.c.
 */
#ifndef PVPERF_CPU_H
#define PVPERF_CPU_H

#include <linux/list.h>
#include <linux/perf_event.h>

#include "pvperf_ids.h"

/* Our half of a perf_event. */
struct pvperf_event {
	struct perf_event	*event;
	struct pvperf_id	*id;
	struct list_head	active;		/* on its CPU's list while added there */
	struct list_head	changed;	/* on its CPU's list until the next flush */
	struct list_head	reading;	/* on its CPU's list until the transaction ends */
	bool			wanted;		/* perf wants it to count */
	u32			epoch;		/* of the id that counts for it; 0: none does */
	u64			mark;		/* event->tstamp up to which all is accounted */
	u64			since;		/* our clock: all is accounted; 0: has not started since mark */
	bool			ahead;		/* since is later than mark */
	u64			gap;		/* ns since mark in which nothing counted */
	u64			debt;		/* ns still to be taken off */
	bool			muted;		/* perf's core throttles it */
	u32			in_tick;	/* samples in the tick; without perf's core alone */
	unsigned long		tick;
};

int pvperf_cpu_add(struct pvperf_event *pe, bool start);
void pvperf_cpu_del(struct pvperf_event *pe);
void pvperf_cpu_start(struct pvperf_event *pe);
void pvperf_cpu_stop(struct pvperf_event *pe);
void pvperf_cpu_read(struct pvperf_event *pe);

/*
 * Between hold() and release() nothing is sent; they nest, over both PMUs.
 * The last release() sends what was added and deleted, in one batch.
 */
void pvperf_cpu_hold(void);
void pvperf_cpu_release(void);

/* The host says that events overflowed; in an NMI or an interrupt. */
void pvperf_cpu_overflow(struct pt_regs *regs);

/* Tasks change places under events that go on counting: what came before is the present task's. */
void pvperf_cpu_swap(void);

void pvperf_cpu_start_txn(unsigned int flags);
void pvperf_cpu_end_txn(void);

/* Starts what is wanted on this CPU and does not count; an IPI's function. */
void pvperf_cpu_retry(void *unused);

/* Credits an answer to this id that came late, if it is there now; an IPI's function. */
void pvperf_cpu_settle(void *id);

/*
 * Accounts, with @read, what counts here, and starts what does not since the host
 * started anew.  False: nothing is scheduled here that only counts.
 */
bool pvperf_cpu_refresh(bool read);

/* Once, before there are PMUs. */
void pvperf_cpus_init(void);

#endif
