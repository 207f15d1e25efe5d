// SPDX-License-Identifier: GPL-2.0-only
/*
 * From overflows to perf's samples.
 *
 * The host tells how often an event overflowed, how much of it that was, and,
 * where it knows, the place in the guest.  Here that becomes samples:
 *
 *  - with a place of the host's: one sample for each;
 *  - without: one sample for all there are, at the place where the CPU was
 *    interrupted for them.  What the host's NMI was too late for is taken when
 *    the event is descheduled, while its task is still current: at the place
 *    where that task left user space.
 *
 * A callchain, registers or a stack are only ever taken from one set of
 * registers, the CPU's own: with those a place of the host's is not used.
 *
 * Every overflow is counted once: as written, coalesced, throttled, filtered
 * or lost.  Called by pvperf_cpu.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kprobes.h>
#include <linux/percpu.h>
#include <linux/perf_event.h>
#include <linux/sched/task_stack.h>
#include <asm/irq_regs.h>

#include "pvperf_sample.h"
#include "pvperf_x86.h"

/* perf's own limit by default, where its core cannot be asked. */
#define PVPERF_SAMPLES_PER_TICK	max(100000 / HZ, 1)

/* hw.interrupts of an event that perf's core has throttled (kernel/events/core.c). */
#define PVPERF_MAX_INTERRUPTS	(~0ULL)

/* What needs registers that belong together. */
#define PVPERF_NEEDS_REGS	(PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_USER | \
				 PERF_SAMPLE_REGS_INTR | PERF_SAMPLE_STACK_USER)

static DEFINE_PER_CPU(struct pvperf_sample_stats, sample_stats);

/* perf's core does not export them. */
static int (*core_overflow)(struct perf_event *event, struct perf_sample_data *data,
			    struct pt_regs *regs);
static int (*core_account_interrupt)(struct perf_event *event);

/* ---- Where ------------------------------------------------------------------------- */

static bool in_user_task(void)
{
	return current->mm && !(current->flags & PF_KTHREAD);
}

/* The registers of a sample that no interrupt brought. */
static struct pt_regs *own_regs(const struct perf_event *event, struct pt_regs *room)
{
	struct pt_regs *regs = in_hardirq() ? get_irq_regs() : NULL;

	if (regs && !(user_mode(regs) ? event->attr.exclude_user : event->attr.exclude_kernel))
		return regs;
	if (in_user_task() && !event->attr.exclude_user)
		return task_pt_regs(current);
	memset(room, 0, sizeof(*room));
	perf_fetch_caller_regs(room);
	return room;
}

/*
 * The mode is told by the address: what the host's kernel says of it may be of
 * an earlier moment (KVM of Linux 6.1).  A CPU's event is not descheduled with
 * a task, so an address of user space may be the former task's by now.
 */
static bool place_fits(const struct perf_event *event, const struct pvperf_sample *place)
{
	if (!place || (event->attr.sample_type & PVPERF_NEEDS_REGS))
		return false;
	return !pvperf_is_user(place->ip) || (event->attach_state & PERF_ATTACH_TASK);
}

static struct pt_regs *place_regs(const struct pvperf_sample *place, struct pt_regs *room)
{
	bool user = pvperf_is_user(place->ip);

	if (user && in_user_task())
		*room = *task_pt_regs(current);
	else
		memset(room, 0, sizeof(*room));
	pvperf_set_place(room, place->ip, user);
	return room;
}

static struct pt_regs *sample_regs(const struct perf_event *event,
				   const struct pvperf_sample *place,
				   struct pt_regs *regs, struct pt_regs *room)
{
	if (place_fits(event, place))
		return place_regs(place, room);
	return regs ?: own_regs(event, room);
}

/* ---- Into perf's core ---------------------------------------------------------------- */

/* Without the core's function: its output, and a limit of our own. */
static void plain_overflow(struct pvperf_event *pe, struct perf_sample_data *data,
			   struct pt_regs *regs)
{
	perf_overflow_handler_t handler = READ_ONCE(pe->event->overflow_handler);
	unsigned long now = jiffies;

	if (pe->tick != now) {
		pe->tick = now;
		pe->in_tick = 0;
	}
	if (pe->in_tick++ >= PVPERF_SAMPLES_PER_TICK || !handler) {
		this_cpu_inc(sample_stats.throttled);
		return;
	}
	handler(pe->event, data, regs);
	this_cpu_inc(sample_stats.written);
}

static void emit(struct pvperf_event *pe, u32 n, u64 period, const struct pvperf_sample *place,
		 struct pt_regs *regs)
{
	struct perf_event *event = pe->event;
	struct perf_sample_data data;
	struct pt_regs room;

	if (pe->muted) {
		this_cpu_add(sample_stats.throttled, n);
		return;
	}
	regs = sample_regs(event, place, regs, &room);
	/* The host's clocks do not know the guest's modes. */
	if (user_mode(regs) ? event->attr.exclude_user : event->attr.exclude_kernel) {
		this_cpu_add(sample_stats.filtered, n);
		return;
	}

	this_cpu_add(sample_stats.coalesced, n - 1);
	event->hw.last_period = period;
	perf_sample_data_init(&data, 0, period);
	if (!core_overflow) {
		plain_overflow(pe, &data, regs);
		return;
	}
	if (core_overflow(event, &data, regs))
		pe->muted = true;
	this_cpu_inc(sample_stats.written);
}

/*
 * The host stopped the event for its limits.  perf's users know that as a
 * THROTTLE record: the core writes it for an event that has interrupted too
 * often, and its tick undoes that.
 */
static void throttle(struct pvperf_event *pe)
{
	struct hw_perf_event *hwc = &pe->event->hw;

	if (!core_account_interrupt || hwc->interrupts == PVPERF_MAX_INTERRUPTS)
		return;
	/* The first call brings it into the present tick. */
	if (!core_account_interrupt(pe->event)) {
		hwc->interrupts = PVPERF_MAX_INTERRUPTS - 1;
		core_account_interrupt(pe->event);
	}
}

/* ---- Called by pvperf_cpu.c ------------------------------------------------------------ */

static void take(struct pvperf_event *pe, struct pvperf_base *base, u32 overflows, u64 period_sum,
		 const struct pvperf_sample *place, struct pt_regs *regs)
{
	u32 n = overflows - base->overflows;
	u64 period = period_sum > base->period_sum ? period_sum - base->period_sum : 0;

	base->overflows = overflows;
	base->period_sum = period_sum;
	emit(pe, n, period, place, regs);
}

void pvperf_sample_slot(struct pvperf_event *pe, struct pvperf_base *base,
			const struct guest_perf_event *slot, struct pt_regs *regs)
{
	if ((s32)(slot->overflows - base->overflows) > 0)
		take(pe, base, slot->overflows, slot->period_sum, NULL, regs);
	if (slot->throttles != base->throttles) {
		base->throttles = slot->throttles;
		throttle(pe);
	}
}

void pvperf_sample_place(struct pvperf_event *pe, struct pvperf_base *base,
			 const struct pvperf_sample *place, struct pt_regs *regs)
{
	if ((s32)(place->overflows - base->overflows) > 0)
		take(pe, base, place->overflows, place->period_sum, place, regs);
}

void pvperf_sample_skip(struct pvperf_base *base, const struct guest_perf_event *slot)
{
	if (base->synced && (s32)(slot->overflows - base->overflows) > 0)
		this_cpu_add(sample_stats.lost, slot->overflows - base->overflows);
	base->overflows = slot->overflows;
	base->period_sum = slot->period_sum;
	base->throttles = slot->throttles;
}

void pvperf_sample_stats_sum(struct pvperf_sample_stats *sum)
{
	unsigned int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct pvperf_sample_stats *one = per_cpu_ptr(&sample_stats, cpu);

		sum->written += READ_ONCE(one->written);
		sum->coalesced += READ_ONCE(one->coalesced);
		sum->throttled += READ_ONCE(one->throttled);
		sum->filtered += READ_ONCE(one->filtered);
		sum->lost += READ_ONCE(one->lost);
	}
}

/* ---- The core's functions ------------------------------------------------------------------ */

static void *core_function(const char *name)
{
	struct kprobe probe = { .symbol_name = name };
	void *function;

	if (register_kprobe(&probe))
		return NULL;
	function = pvperf_callable(probe.addr);
	unregister_kprobe(&probe);
	return function;
}

void pvperf_sample_init(void)
{
	core_overflow = core_function("perf_event_overflow");
	core_account_interrupt = core_function("perf_event_account_interrupt");
	if (!core_overflow)
		pr_info("perf_event_overflow cannot be called: samples are not throttled by perf's core\n");
}
