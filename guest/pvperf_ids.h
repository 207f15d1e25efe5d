/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What this guest has open at the host.
 *
 * An id names one event of the guest and all copies that inheritance makes of
 * it: at most one of them runs on a CPU at a time, so one slot per vCPU serves
 * them all.  pvperf_pmu.c opens and puts ids, pvperf_cpu.c counts with them.
 */
#ifndef PVPERF_IDS_H
#define PVPERF_IDS_H

#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>

#include "pvperf_channel.h"

struct perf_event;
struct pvperf_event;

/*
 * What a CPU knows of an id.  Used only on that CPU, interrupts off.  Valid
 * while epoch and vcpu are the present ones.
 */
struct pvperf_base {
	u32			epoch;
	u32			vcpu;
	bool			synced;		/* count and lost are the slot's last ones */
	bool			stuck;		/* enabled there, nobody counts: DISABLE it first */
	bool			unsettled;	/* the last DISABLE was not answered in time */
	struct pvperf_event	*owner;		/* the copy that counts now */
	u64			count;
	u64			lost;
	u64			owed;		/* ns taken off for an answer still to come */
	u64			period_sum;	/* sampling: the slot's last ones that were taken */
	u32			overflows;
	u32			throttles;
};

struct pvperf_id {
	refcount_t			refs;		/* one per copy */
	s32				id;
	u32				row;
	u32				vcpu;		/* opened there */
	bool				bound;		/* counts only there */
	bool				leads;		/* others have it as leader */
	bool				unsettled;	/* so is its base on some CPU */
	struct perf_event		*event;		/* the one that the others are copies of */
	u64				session;	/* under which it is open; 0: is not */
	u32				epoch;		/* never 0 while open; another one after each OPEN */
	struct pvperf_id __rcu		*leader;	/* of the host's group; NULL: none */
	struct guest_perf_attr		attr;
	struct pvperf_base __percpu	*base;
	struct list_head		node;		/* all, in the order of OPEN */
	struct rcu_head			rcu;
};

/* What is to be opened. */
struct pvperf_id_request {
	struct guest_perf_attr	attr;
	struct pvperf_id	*leader;	/* or NULL */
	u32			vcpu;
	bool			bound;
};

/* The last refusal, by the driver or the host; text NULL: none yet. */
struct pvperf_refusal {
	const char	*name;
	const char	*text;
	u64		limit;
};

/* The channel to the host, or NULL; under RCU. */
extern struct pvperf_channel __rcu *pvperf_channel;

/* Process context. */
struct pvperf_id *pvperf_id_open(const struct pvperf_id_request *request);
struct pvperf_id *pvperf_id_get(struct pvperf_id *id);
/* False: it could not be closed yet, a retry is due. */
bool pvperf_id_put(struct pvperf_id *id);
void pvperf_id_refuse(const struct guest_perf_attr *attr, const char *name, const char *text,
		      u64 limit);
void pvperf_ids_last_refusal(struct pvperf_refusal *refusal);

/*
 * Opens under the present session what is not open under it.  True if all is,
 * or if nothing can be done about the rest.
 */
bool pvperf_ids_resume(void);

/* Is anything open, and is some of it not open in the present session? */
bool pvperf_ids_watch(bool *stale);

/* Lets every CPU look again at ids with an answer that came late. */
bool pvperf_ids_settle(void (*look)(void *id));

/* -EBUSY: there is a channel already. */
int pvperf_ids_attach(struct pvperf_channel *ch);

/* No CPU and no caller uses the channel when this returns. */
void pvperf_ids_detach(struct pvperf_channel *ch);

/* Frees what is left; all events are gone. */
void pvperf_ids_exit(void);

#endif
