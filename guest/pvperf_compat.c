// SPDX-License-Identifier: GPL-2.0-only
/*
 * The contexts of tasks in kernels before 6.2.
 *
 * There, a task that was ever counted keeps a perf_event_context until it
 * ends, empty or not, and the context's pmu pointer is followed at every
 * switch of the task while anybody counts anything.  So this driver's struct
 * pmu is never freed (what perf's core hangs on it for tasks it does not free
 * either), and when the driver is loaded again, contexts that still point to
 * the former PMU are turned to the present one, which alone may be called.
 *
 * Called by pvperf_pmu.c after registering and before unregistering.
 */
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>

#include "pvperf_compat.h"

#ifdef PVPERF_PMU_IS_KEPT

static struct pmu *owner_of_cpu_context(struct pmu *pmu)
{
	return per_cpu_ptr(pmu->pmu_cpu_context, cpumask_first(cpu_possible_mask))->ctx.pmu;
}

static void adopt_one(struct perf_event_context *ctx, struct pmu *pmu)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ctx->lock, flags);
	if (!ctx->nr_events && ctx->pmu->pmu_cpu_context != pmu->pmu_cpu_context)
		WRITE_ONCE(ctx->pmu, pmu);
	raw_spin_unlock_irqrestore(&ctx->lock, flags);
}

static void leave_one(struct perf_event_context *ctx, struct pmu *pmu, struct pmu *heir)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ctx->lock, flags);
	if (ctx->pmu == pmu)
		WRITE_ONCE(ctx->pmu, heir);
	raw_spin_unlock_irqrestore(&ctx->lock, flags);
}

static void walk_contexts(struct pmu *pmu, struct pmu *heir)
{
	struct perf_event_context *ctx;
	struct task_struct *group, *task;

	rcu_read_lock();
	for_each_process(group) {
		for_each_thread(group, task) {
			ctx = rcu_dereference_raw(task->perf_event_ctxp[perf_hw_context]);
			if (ctx && heir)
				leave_one(ctx, pmu, heir);
			else if (ctx)
				adopt_one(ctx, pmu);
		}
	}
	rcu_read_unlock();
}

void pvperf_contexts_adopt(struct pmu *pmu)
{
	walk_contexts(pmu, NULL);
}

void pvperf_contexts_leave(struct pmu *pmu)
{
	struct pmu *heir = owner_of_cpu_context(pmu);

	if (heir != pmu)
		walk_contexts(pmu, heir);
}

#endif /* PVPERF_PMU_IS_KEPT */
