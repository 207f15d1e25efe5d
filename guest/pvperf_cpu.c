// SPDX-License-Identifier: GPL-2.0-only
/*
 * What perf wants counted on a CPU, made so at the host.
 *
 * perf's core adds and deletes events one by one inside pmu_disable brackets.
 * Here that only changes what is wanted; when the last bracket closes, a flush
 * compares it with what the host does and sends the difference as one batch:
 * DISABLEs, which are waited for because their counts are due, then ENABLEs,
 * which are not.  An event that goes and comes back inside a bracket costs
 * nothing.  A group needs no bookkeeping: its members' frames follow each
 * other, leader first, and the host switches them together.
 *
 * When the host does not deliver:
 *
 *  - what it reports as lost (slot.time_lost) is taken off the running time;
 *  - an event that it does not serve (down, new session, refused, late) stays
 *    scheduled, all its time is taken off, and a retry runs until it counts;
 *  - the answer to a READ or DISABLE comes too late: the time is taken off and
 *    owed; it is given back together with the count when the answer is there.
 *
 * All state is per CPU and used with interrupts off, hence no lock.  Frames
 * are neither sent nor awaited in an NMI.  An NMI that tells of overflows in the
 * middle of one of the functions here leaves them to that function's end.
 */
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/smp.h>

#include "pvperf_account.h"
#include "pvperf_cpu.h"
#include "pvperf_refresh.h"
#include "pvperf_retry.h"
#include "pvperf_sample.h"
#include "pvperf_x86.h"

/* A group fits, and a ring has room for one that follows one unanswered. */
#define PVPERF_BATCH	(PVPERF_NR_FRAMES / 2)
static_assert(PVPERF_BATCH >= PVPERF_MAX_GROUP);

/* An event of the batch under construction. */
struct pvperf_entry {
	struct pvperf_event	*pe;
	u32			op;
	unsigned int		frame;	/* index into ops */
};

struct pvperf_cpu {
	int			nesting;
	unsigned int		txn;
	unsigned int		nr_active;
	struct list_head	active;
	struct list_head	changed;
	struct list_head	reading;
	bool			retry;		/* something wanted does not count */
	bool			busy;		/* bases are in use; an NMI keeps off them */
	bool			overflowed;	/* ... and leaves word here */
	unsigned int		nr_samplers;	/* active ones that sample */
	unsigned int		nr_entries;
	unsigned int		nr_ops;
	unsigned int		nr_awaited;	/* ops up to the last one to wait for */
	struct pvperf_entry	entries[PVPERF_BATCH];
	struct pvperf_op	ops[PVPERF_BATCH];
};

static DEFINE_PER_CPU(struct pvperf_cpu, pvperf_cpus);

/* The host as this CPU sees it during one flush. */
struct pvperf_view {
	struct pvperf_channel	*ch;	/* NULL: nobody there */
	u64			session;
	u32			vcpu;
	bool			late;
	bool			hope;	/* it may serve this CPU later */
};

/* ---- The batch ------------------------------------------------------------------ */

static void view_take(struct pvperf_view *view)
{
	struct pvperf_channel *ch = rcu_dereference(pvperf_channel);

	*view = (struct pvperf_view) { .vcpu = pvperf_vcpu_of_cpu(smp_processor_id()) };
	if (!ch || ch->foreign || view->vcpu >= ch->nr_vcpus)
		return;
	view->hope = true;
	view->session = ch->ops->session(ch);
	if (!view->session)
		return;
	view->ch = ch;
	view->late = ch->ops->late(ch, view->vcpu);
}

/* The id's epoch if the host has it open, else 0. */
static u32 id_epoch(const struct pvperf_id *id, const struct pvperf_view *view)
{
	/* Pairs with id_send_open(): the epoch is not older than the session. */
	if (!view->ch || smp_load_acquire(&id->session) != view->session)
		return 0;
	return READ_ONCE(id->epoch);
}

static struct pvperf_base *base_of(struct pvperf_id *id, u32 epoch, const struct pvperf_view *view)
{
	struct pvperf_base *base = this_cpu_ptr(id->base);

	if (base->epoch != epoch || base->vcpu != view->vcpu)
		*base = (struct pvperf_base) { .epoch = epoch, .vcpu = view->vcpu };
	return base;
}

/* The id's base if pe counts at the host now, else NULL. */
static struct pvperf_base *counting_base(const struct pvperf_event *pe,
					 const struct pvperf_view *view)
{
	u32 epoch = id_epoch(pe->id, view);
	struct pvperf_base *base;

	if (!epoch || pe->epoch != epoch)
		return NULL;
	base = base_of(pe->id, epoch, view);
	return base->owner == pe ? base : NULL;
}

static void slot_of(struct pvperf_id *id, const struct pvperf_view *view,
		    struct guest_perf_event *slot)
{
	view->ch->ops->slot(view->ch, id->row, view->vcpu, slot);
}

static void batch_op(struct pvperf_cpu *cpu, u32 op, s32 id)
{
	cpu->ops[cpu->nr_ops++] = (struct pvperf_op) { .op = op, .id = id };
	if (op != KVM_PERF_OP_ENABLE)
		cpu->nr_awaited = cpu->nr_ops;
}

/* ---- Answers --------------------------------------------------------------------------- */

/* The slot is as of now (READ) or final (DISABLE). */
static void entry_known(struct pvperf_event *pe, struct pvperf_base *base,
			const struct pvperf_view *view)
{
	struct guest_perf_event slot;

	slot_of(pe->id, view, &slot);
	if (slot.state != PVPERF_SLOT_REFUSED && slot.state != PVPERF_SLOT_CLOSED) {
		if (is_sampling_event(pe->event))
			pvperf_sample_slot(pe, base, &slot, NULL);
		pvperf_account_known(pe, base, &slot);
		return;
	}
	/* The ENABLE failed: nothing was counted for us. */
	base->synced = false;
	base->owner = NULL;
	pe->epoch = 0;
	pvperf_account_unknown(pe);
}

static void entry_stop(struct pvperf_entry *entry, struct pvperf_base *base,
		       const struct pvperf_view *view, int error, bool posted)
{
	struct pvperf_event *pe = entry->pe;

	pe->epoch = 0;
	base->owner = NULL;
	if (!error) {
		entry_known(pe, base, view);
		return;
	}
	if (posted && error == -EAGAIN) {
		pvperf_account_late(pe, base);
		base->unsettled = true;
		WRITE_ONCE(pe->id->unsettled, true);
		return;
	}
	pvperf_account_unknown(pe);
	base->synced = false;
	base->stuck = !posted;
}

static void entry_read(struct pvperf_entry *entry, struct pvperf_base *base,
		       const struct pvperf_view *view, int error)
{
	if (error)
		pvperf_account_late(entry->pe, base);
	else
		entry_known(entry->pe, base, view);
}

/*
 * Who reads, or disables from another CPU, or ends, gets no second chance to
 * see the answer, and holds up nobody: it waits longer than a context switch.
 */
static bool patient(void)
{
	return in_hardirq() || (current->flags & PF_EXITING);
}

/* The event with this id that counts here, or is just being stopped. */
static struct pvperf_event *counting_here(struct pvperf_cpu *cpu, const struct pvperf_view *view,
					  u32 id)
{
	struct pvperf_event *pe;
	unsigned int i;

	for (i = 0; i < cpu->nr_entries; i++)
		if (cpu->entries[i].pe->id->id == id && cpu->entries[i].op == KVM_PERF_OP_DISABLE)
			return cpu->entries[i].pe;
	list_for_each_entry_rcu(pe, &cpu->active, active)
		if (pe->id->id == id && counting_base(pe, view))
			return pe;
	return NULL;
}

/* Overflows whose places the host knows. */
static void take_places(struct pvperf_cpu *cpu, const struct pvperf_view *view,
			struct pt_regs *regs)
{
	unsigned int n = PVPERF_NR_SAMPLES;
	struct pvperf_sample place;
	struct pvperf_event *pe;

	while (n-- && view->ch->ops->place(view->ch, view->vcpu, &place)) {
		pe = counting_here(cpu, view, place.id);
		if (pe && is_sampling_event(pe->event))
			pvperf_sample_place(pe, this_cpu_ptr(pe->id->base), &place, regs);
	}
}

/* Sends the batch, waits for what is to be waited for, accounts. */
static void batch_send(struct pvperf_cpu *cpu, struct pvperf_view *view)
{
	struct pvperf_channel *ch = view->ch;
	int posted, waited, error;
	unsigned int i;
	u32 first = 0;

	posted = ch->ops->post(ch, view->vcpu, view->session, cpu->ops, cpu->nr_ops, &first);
	waited = posted;
	if (!posted && cpu->nr_awaited)
		waited = view->late ? -EAGAIN :
			 ch->ops->wait(ch, view->vcpu, first + cpu->nr_awaited, patient());
	/* A host that starts anew takes all frames as answered. */
	if (ch->ops->session(ch) != view->session)
		waited = -ESTALE;
	if (waited == -EAGAIN)
		view->late = true;
	if (!waited && cpu->nr_awaited)
		take_places(cpu, view, NULL);

	for (i = 0; i < cpu->nr_entries; i++) {
		struct pvperf_entry *entry = &cpu->entries[i];
		struct pvperf_base *base = this_cpu_ptr(entry->pe->id->base);

		error = waited;
		if (!error && entry->op != KVM_PERF_OP_ENABLE)
			error = ch->ops->result(ch, view->vcpu, first + entry->frame);
		if (entry->op == KVM_PERF_OP_DISABLE) {
			entry_stop(entry, base, view, error, !posted);
		} else if (entry->op == KVM_PERF_OP_READ) {
			entry_read(entry, base, view, error);
		} else if (posted) {
			entry->pe->epoch = 0;
			base->owner = NULL;
		}
		if (base->unsettled || (entry->pe->wanted && !entry->pe->epoch))
			cpu->retry = true;
	}
	cpu->nr_entries = 0;
	cpu->nr_ops = 0;
	cpu->nr_awaited = 0;
}

static void batch_room(struct pvperf_cpu *cpu, struct pvperf_view *view)
{
	if (cpu->nr_ops == PVPERF_BATCH || cpu->nr_entries == PVPERF_BATCH)
		batch_send(cpu, view);
}

static void batch_add(struct pvperf_cpu *cpu, struct pvperf_view *view, struct pvperf_event *pe,
		      u32 op)
{
	batch_room(cpu, view);
	cpu->entries[cpu->nr_entries++] = (struct pvperf_entry) { pe, op, cpu->nr_ops };
	batch_op(cpu, op, pe->id->id);
}

/* Siblings that stay while their leader stops do not count: perf detached it. */
static void stop_orphans(struct pvperf_cpu *cpu, struct pvperf_view *view, struct pvperf_id *leader)
{
	struct pvperf_event *pe;

	if (!READ_ONCE(leader->leads))
		return;
	list_for_each_entry(pe, &cpu->active, active) {
		if (rcu_access_pointer(pe->id->leader) != leader || !pe->wanted ||
		    !counting_base(pe, view))
			continue;
		batch_add(cpu, view, pe, KVM_PERF_OP_DISABLE);
	}
}

static void stop_one(struct pvperf_cpu *cpu, struct pvperf_view *view, struct pvperf_event *pe)
{
	if (!counting_base(pe, view)) {
		pe->epoch = 0;
		pvperf_account_unknown(pe);
		return;
	}
	batch_add(cpu, view, pe, KVM_PERF_OP_DISABLE);
	stop_orphans(cpu, view, pe->id);
}

/* Can pe count now?  Its base if so. */
static struct pvperf_base *startable(struct pvperf_cpu *cpu, struct pvperf_view *view,
				     struct pvperf_event *pe)
{
	u32 epoch = id_epoch(pe->id, view);
	struct pvperf_id *leader = rcu_dereference(pe->id->leader);
	struct pvperf_base *base;

	if (!epoch || view->late || (pe->id->bound && pe->id->vcpu != view->vcpu))
		return NULL;
	base = base_of(pe->id, epoch, view);
	if (base->stuck) {
		batch_room(cpu, view);
		batch_op(cpu, KVM_PERF_OP_DISABLE, pe->id->id);
		base->stuck = false;
		base->synced = false;
		return NULL;
	}
	/* Another copy is being stopped in this very batch. */
	if (base->owner && cpu->nr_ops)
		batch_send(cpu, view);
	if (base->owner || view->late)
		return NULL;
	if (leader) {
		u32 lead = id_epoch(leader, view);

		if (!lead || !base_of(leader, lead, view)->owner)
			return NULL;
	}
	return base;
}

static void start_one(struct pvperf_cpu *cpu, struct pvperf_view *view, struct pvperf_event *pe)
{
	struct pvperf_base *base = startable(cpu, view, pe);
	struct guest_perf_event slot;

	pvperf_account_gap(pe);
	if (!base) {
		pe->epoch = 0;
		cpu->retry |= view->hope;
		return;
	}
	if (!base->synced || base->unsettled) {
		slot_of(pe->id, view, &slot);
		pvperf_account_rebase(pe->id, base, &slot);
	}
	pe->epoch = base->epoch;
	base->owner = pe;
	batch_add(cpu, view, pe, KVM_PERF_OP_ENABLE);
}

static void take_overflows(struct pvperf_cpu *cpu, struct pt_regs *regs)
{
	struct guest_perf_event slot;
	struct pvperf_view view;
	struct pvperf_base *base;
	struct pvperf_event *pe;

	if (!cpu->nr_samplers)
		return;
	rcu_read_lock();
	view_take(&view);
	if (view.ch)
		take_places(cpu, &view, regs);
	list_for_each_entry_rcu(pe, &cpu->active, active) {
		if (!is_sampling_event(pe->event))
			continue;
		base = counting_base(pe, &view);
		if (!base)
			continue;
		slot_of(pe->id, &view, &slot);
		pvperf_sample_slot(pe, base, &slot, regs);
	}
	rcu_read_unlock();
}

static void enter(struct pvperf_cpu *cpu)
{
	WRITE_ONCE(cpu->busy, true);
	/* An NMI on this CPU sees it before anything else. */
	barrier();
}

static void leave(struct pvperf_cpu *cpu)
{
	for (;;) {
		barrier();
		WRITE_ONCE(cpu->busy, false);
		barrier();
		if (!READ_ONCE(cpu->overflowed))
			return;
		enter(cpu);
		WRITE_ONCE(cpu->overflowed, false);
		take_overflows(cpu, NULL);
	}
}

static void finish(struct pvperf_cpu *cpu, struct pvperf_view *view)
{
	/* Who waits for an answer gets no NMI for the overflows before it. */
	cpu->overflowed |= cpu->nr_awaited;
	if (cpu->nr_ops)
		batch_send(cpu, view);
	if (cpu->retry) {
		cpu->retry = false;
		pvperf_retry_ask();
	}
}

static void flush(struct pvperf_cpu *cpu)
{
	struct pvperf_event *pe, *next;
	struct pvperf_view view;

	enter(cpu);
	rcu_read_lock();
	view_take(&view);
	list_for_each_entry_safe(pe, next, &cpu->changed, changed) {
		if (pe->wanted)
			continue;
		list_del_init(&pe->changed);
		stop_one(cpu, &view, pe);
	}
	list_for_each_entry_safe(pe, next, &cpu->changed, changed) {
		list_del_init(&pe->changed);
		if (!counting_base(pe, &view))
			start_one(cpu, &view, pe);
	}
	finish(cpu, &view);
	rcu_read_unlock();
	leave(cpu);
}

static void change(struct pvperf_cpu *cpu, struct pvperf_event *pe, bool wanted)
{
	pe->wanted = wanted;
	if (list_empty(&pe->changed))
		list_add_tail(&pe->changed, &cpu->changed);
	if (!cpu->nesting && !in_nmi())
		flush(cpu);
}

/* ---- Called by perf's core ---------------------------------------------------------------- */

void pvperf_cpu_hold(void)
{
	this_cpu_inc(pvperf_cpus.nesting);
}

void pvperf_cpu_release(void)
{
	struct pvperf_cpu *cpu = this_cpu_ptr(&pvperf_cpus);

	if (!--cpu->nesting && !list_empty(&cpu->changed) && !in_nmi())
		flush(cpu);
}

static bool vcpu_full(const struct pvperf_cpu *cpu)
{
	struct pvperf_channel *ch;
	bool full = false;
	u32 limit;

	rcu_read_lock();
	ch = rcu_dereference(pvperf_channel);
	if (ch && !ch->foreign && ch->ops->session(ch)) {
		limit = ch->ops->per_vcpu(ch);
		full = limit && cpu->nr_active >= limit;
	}
	rcu_read_unlock();
	return full;
}

int pvperf_cpu_add(struct pvperf_event *pe, bool start)
{
	struct pvperf_cpu *cpu = this_cpu_ptr(&pvperf_cpus);

	if (vcpu_full(cpu))
		return -EAGAIN;
	cpu->nr_active++;
	cpu->nr_samplers += is_sampling_event(pe->event);
	pe->muted = false;
	/* An NMI may walk the list at any time. */
	list_add_tail_rcu(&pe->active, &cpu->active);
	/* What samples is called for all the time. */
	if (!is_sampling_event(pe->event))
		pvperf_refresh_need();
	if (start)
		pvperf_cpu_start(pe);
	return 0;
}

void pvperf_cpu_del(struct pvperf_event *pe)
{
	struct pvperf_cpu *cpu = this_cpu_ptr(&pvperf_cpus);

	pvperf_cpu_stop(pe);
	list_del_rcu(&pe->active);
	INIT_LIST_HEAD(&pe->active);
	cpu->nr_active--;
	cpu->nr_samplers -= is_sampling_event(pe->event);
}

void pvperf_cpu_start(struct pvperf_event *pe)
{
	struct pvperf_cpu *cpu = this_cpu_ptr(&pvperf_cpus);

	/* The end of being throttled by perf's core. */
	pe->muted = false;
	if (pe->wanted)
		return;
	/* One that comes back inside a bracket has never gone. */
	if (list_empty(&pe->changed))
		pvperf_account_begin(pe);
	change(cpu, pe, true);
}

void pvperf_cpu_stop(struct pvperf_event *pe)
{
	struct pvperf_cpu *cpu = this_cpu_ptr(&pvperf_cpus);

	/* perf's core throttles, from a sample. */
	if (in_nmi() || READ_ONCE(cpu->busy))
		pe->muted = true;
	else if (pe->wanted)
		change(cpu, pe, false);
}

/* One READ brings a whole group of the host up to date. */
static const struct pvperf_entry *read_of_group(const struct pvperf_cpu *cpu,
						const struct pvperf_id *id)
{
	const void *group = rcu_access_pointer(id->leader) ?: id;
	unsigned int i;

	for (i = 0; i < cpu->nr_entries; i++) {
		const struct pvperf_id *other = cpu->entries[i].pe->id;
		const void *theirs = rcu_access_pointer(other->leader) ?: other;

		if (cpu->entries[i].op == KVM_PERF_OP_READ && theirs == group)
			return &cpu->entries[i];
	}
	return NULL;
}

static void read_one(struct pvperf_cpu *cpu, struct pvperf_view *view, struct pvperf_event *pe)
{
	struct pvperf_base *base = counting_base(pe, view);
	const struct pvperf_entry *same;

	if (!base) {
		pvperf_account_unknown(pe);
		start_one(cpu, view, pe);
		return;
	}
	if (view->late) {
		pvperf_account_late(pe, base);
		return;
	}
	batch_room(cpu, view);
	same = read_of_group(cpu, pe->id);
	if (same)
		cpu->entries[cpu->nr_entries++] =
			(struct pvperf_entry) { pe, KVM_PERF_OP_READ, same->frame };
	else
		batch_add(cpu, view, pe, KVM_PERF_OP_READ);
}

static void read_all(struct pvperf_cpu *cpu)
{
	struct pvperf_event *pe, *next;
	struct pvperf_view view;

	enter(cpu);
	rcu_read_lock();
	view_take(&view);
	list_for_each_entry_safe(pe, next, &cpu->reading, reading) {
		list_del_init(&pe->reading);
		read_one(cpu, &view, pe);
	}
	finish(cpu, &view);
	rcu_read_unlock();
	leave(cpu);
}

void pvperf_cpu_overflow(struct pt_regs *regs)
{
	struct pvperf_cpu *cpu = this_cpu_ptr(&pvperf_cpus);

	if (READ_ONCE(cpu->busy))
		WRITE_ONCE(cpu->overflowed, true);
	else
		take_overflows(cpu, regs);
}

void pvperf_cpu_swap(void)
{
	struct pvperf_cpu *cpu = this_cpu_ptr(&pvperf_cpus);
	struct pvperf_event *pe;

	if (!cpu->nr_samplers)
		return;
	list_for_each_entry(pe, &cpu->active, active)
		if (is_sampling_event(pe->event) && pe->wanted && list_empty(&pe->reading))
			list_add_tail(&pe->reading, &cpu->reading);
	if (!list_empty(&cpu->reading))
		read_all(cpu);
}

void pvperf_cpu_read(struct pvperf_event *pe)
{
	struct pvperf_cpu *cpu = this_cpu_ptr(&pvperf_cpus);

	/* In an NMI, for a sample, and for one that was just stopped, the count is as it was. */
	if (in_nmi() || READ_ONCE(cpu->busy) || !pe->wanted)
		return;
	if (list_empty(&pe->reading))
		list_add_tail(&pe->reading, &cpu->reading);
	if (!(cpu->txn & PERF_PMU_TXN_READ))
		read_all(cpu);
}

void pvperf_cpu_start_txn(unsigned int flags)
{
	this_cpu_write(pvperf_cpus.txn, flags);
	if (flags & PERF_PMU_TXN_ADD)
		pvperf_cpu_hold();
}

void pvperf_cpu_end_txn(void)
{
	struct pvperf_cpu *cpu = this_cpu_ptr(&pvperf_cpus);
	unsigned int flags = cpu->txn;

	cpu->txn = 0;
	if (flags & PERF_PMU_TXN_ADD)
		pvperf_cpu_release();
	else if (!list_empty(&cpu->reading))
		read_all(cpu);
}

/* ---- In the background ------------------------------------------------------------------- */

void pvperf_cpu_retry(void *unused)
{
	struct pvperf_cpu *cpu = this_cpu_ptr(&pvperf_cpus);
	struct pvperf_event *pe;

	list_for_each_entry(pe, &cpu->active, active)
		if (pe->wanted && list_empty(&pe->changed))
			list_add_tail(&pe->changed, &cpu->changed);
	if (!list_empty(&cpu->changed))
		flush(cpu);
}

/* True if perf has something scheduled here that only counts. */
bool pvperf_cpu_refresh(bool read)
{
	struct pvperf_cpu *cpu = this_cpu_ptr(&pvperf_cpus);
	bool any = cpu->nr_active > cpu->nr_samplers;
	struct pvperf_event *pe;
	struct pvperf_view view;

	if (cpu->nesting || !list_empty(&cpu->changed) || !list_empty(&cpu->reading))
		return any;
	rcu_read_lock();
	view_take(&view);
	/*
	 * What counts is read from a host that answers, but for samplers, whose
	 * overflows tell; what does not count, that is seen by reading it.
	 */
	list_for_each_entry(pe, &cpu->active, active)
		if (pe->wanted && (counting_base(pe, &view) ?
				   read && !view.late && !is_sampling_event(pe->event) : view.ch != NULL))
			list_add_tail(&pe->reading, &cpu->reading);
	rcu_read_unlock();
	if (!list_empty(&cpu->reading))
		read_all(cpu);
	return any;
}

void pvperf_cpu_settle(void *data)
{
	struct pvperf_id *id = data;
	struct guest_perf_event slot;
	struct pvperf_view view;
	struct pvperf_base *base;
	u32 epoch;

	enter(this_cpu_ptr(&pvperf_cpus));
	rcu_read_lock();
	view_take(&view);
	epoch = id_epoch(id, &view);
	if (epoch) {
		base = base_of(id, epoch, &view);
		if (base->unsettled && view.late) {
			WRITE_ONCE(id->unsettled, true);
		} else if (base->unsettled) {
			slot_of(id, &view, &slot);
			pvperf_account_rebase(id, base, &slot);
		}
	}
	rcu_read_unlock();
	leave(this_cpu_ptr(&pvperf_cpus));
}

void pvperf_cpus_init(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		INIT_LIST_HEAD(&per_cpu(pvperf_cpus, cpu).active);
		INIT_LIST_HEAD(&per_cpu(pvperf_cpus, cpu).changed);
		INIT_LIST_HEAD(&per_cpu(pvperf_cpus, cpu).reading);
	}
}
