// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events that stay scheduled on a busy CPU without a call from perf's core.
 *
 * perf stat -a may run for hours without one, and all that it counted would be
 * lost with a host that dies.  So each CPU on which something is scheduled that
 * only counts has a timer that reads it once a second, and that notices soon when
 * the host has started anew.  The timer is deferrable: an idle CPU, which counts
 * nothing, is not woken.  A CPU without such an event has none.
 */
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/timer.h>

#include "pvperf_cpu.h"
#include "pvperf_refresh.h"

#define PVPERF_REFRESH_LOOK	(HZ / 4)	/* has the host started anew? */
#define PVPERF_REFRESH_READ	HZ

struct pvperf_refresh {
	struct timer_list	timer;
	struct irq_work		start;		/* a timer is not armed under the scheduler's locks */
	unsigned long		read;		/* jiffies of the last read */
};

static DEFINE_PER_CPU(struct pvperf_refresh, refreshes);

static void refresh_fn(struct timer_list *timer)
{
	struct pvperf_refresh *refresh;
	unsigned long flags;
	bool read, any;

	local_irq_save(flags);
	/* Another CPU's, if that one went offline. */
	refresh = this_cpu_ptr(&refreshes);
	read = time_after_eq(jiffies, refresh->read + PVPERF_REFRESH_READ);
	if (read)
		refresh->read = jiffies;
	any = pvperf_cpu_refresh(read);
	if (any)
		mod_timer(&refresh->timer, jiffies + PVPERF_REFRESH_LOOK);
	local_irq_restore(flags);
}

static void refresh_start(struct irq_work *work)
{
	struct pvperf_refresh *refresh = container_of(work, struct pvperf_refresh, start);

	refresh->read = jiffies;
	mod_timer(&refresh->timer, jiffies + PVPERF_REFRESH_LOOK);
}

void pvperf_refresh_need(void)
{
	struct pvperf_refresh *refresh = this_cpu_ptr(&refreshes);

	if (!timer_pending(&refresh->timer))
		irq_work_queue(&refresh->start);
}

void pvperf_refresh_init(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct pvperf_refresh *refresh = per_cpu_ptr(&refreshes, cpu);

		timer_setup(&refresh->timer, refresh_fn, TIMER_PINNED | TIMER_DEFERRABLE);
		init_irq_work(&refresh->start, refresh_start);
	}
}

void pvperf_refresh_exit(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct pvperf_refresh *refresh = per_cpu_ptr(&refreshes, cpu);

		irq_work_sync(&refresh->start);
		del_timer_sync(&refresh->timer);
	}
}
