// SPDX-License-Identifier: GPL-2.0-only
/*
 * Getting events to count again after the host was away, late or new.
 *
 * pvperf_cpu.c asks for a retry whenever it leaves a scheduled event without
 * a count.  A work item then opens under the present session what is not
 * open, and lets each CPU start what it wants; while that does not succeed it
 * runs again, ever more rarely.  Where nothing is open nothing runs.
 *
 * A watch looks once a second for a new session as long as something is open,
 * without waking idle CPUs, so that what is scheduled after a while finds its
 * event open.  What stays scheduled is pvperf_refresh.c's.
 */
#include <linux/cpu.h>
#include <linux/irq_work.h>
#include <linux/minmax.h>
#include <linux/workqueue.h>

#include "pvperf_cpu.h"
#include "pvperf_ids.h"
#include "pvperf_retry.h"

#define PVPERF_RETRY_MIN_MS	10
#define PVPERF_RETRY_MAX_MS	1000

static void retry_kick(struct irq_work *work);
static void retry_fn(struct work_struct *work);
static void watch_fn(struct work_struct *work);

/* The scheduler's locks may be held by who asks: no work can be queued there. */
static DEFINE_IRQ_WORK(retry_irq_work, retry_kick);
static DECLARE_DELAYED_WORK(retry_work, retry_fn);
static DECLARE_DEFERRABLE_WORK(watch_work, watch_fn);

static unsigned int retry_ms = PVPERF_RETRY_MIN_MS;
static atomic_t retry_asked;
static bool retry_off;

static void retry_kick(struct irq_work *work)
{
	queue_delayed_work(system_wq, &retry_work, msecs_to_jiffies(READ_ONCE(retry_ms)));
}

void pvperf_retry_ask(void)
{
	if (!READ_ONCE(retry_off) && !atomic_xchg(&retry_asked, 1))
		irq_work_queue(&retry_irq_work);
}

static void retry_fn(struct work_struct *work)
{
	bool done;

	atomic_set(&retry_asked, 0);
	done = pvperf_ids_resume();
	on_each_cpu(pvperf_cpu_retry, NULL, 1);
	done &= pvperf_ids_settle(pvperf_cpu_settle);

	if (done && !atomic_read(&retry_asked)) {
		WRITE_ONCE(retry_ms, PVPERF_RETRY_MIN_MS);
		return;
	}
	WRITE_ONCE(retry_ms, min(2 * retry_ms, PVPERF_RETRY_MAX_MS));
	pvperf_retry_ask();
}

static void watch_fn(struct work_struct *work)
{
	bool stale;

	if (!pvperf_ids_watch(&stale))
		return;
	if (stale)
		pvperf_retry_ask();
	pvperf_retry_watch();
}

void pvperf_retry_watch(void)
{
	if (!READ_ONCE(retry_off))
		queue_delayed_work(system_wq, &watch_work, HZ);
}

void pvperf_retry_host_changed(void)
{
	WRITE_ONCE(retry_ms, PVPERF_RETRY_MIN_MS);
	pvperf_retry_ask();
}

void pvperf_retry_exit(void)
{
	WRITE_ONCE(retry_off, true);
	cancel_delayed_work_sync(&watch_work);
	irq_work_sync(&retry_irq_work);
	cancel_delayed_work_sync(&retry_work);
}
