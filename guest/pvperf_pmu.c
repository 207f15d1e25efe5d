// SPDX-License-Identifier: GPL-2.0-only
/*
 * What perf's core calls.
 *
 * Two PMUs: "cpu", which takes PERF_TYPE_HARDWARE, _HW_CACHE and _RAW where the
 * guest has no PMU of its own, and "pvperf", with the events that tell what
 * the host does to a vCPU.  Both live as long as the module, device or not:
 * a PMU that went with its device would go under living events.
 *
 * Here an event is judged, given an id, and turned into guest_perf_attr; all
 * that happens on a CPU is pvperf_cpu.c's.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "pvperf_compat.h"
#include "pvperf_cpu.h"
#include "pvperf_nmi.h"
#include "pvperf_pmu.h"
#include "pvperf_retry.h"
#include "pvperf_x86.h"

static struct pmu *cpu_pmu;	/* NULL: the guest has its own */
static struct pmu *vcpu_pmu;

static bool is_ours(const struct perf_event *event)
{
	return event->pmu && (event->pmu == cpu_pmu || event->pmu == vcpu_pmu);
}

static struct pvperf_event *to_pe(const struct perf_event *event)
{
	return event->pmu_private;
}

/* ---- Judging an event ------------------------------------------------------------ */

/* What no event of ours can do. */
static int check_attr(struct perf_event *event)
{
	const struct perf_event_attr *attr = &event->attr;

	if (attr->precise_ip || has_branch_stack(event))
		return -EOPNOTSUPP;
	if (attr->aux_output || attr->aux_sample_size)
		return -EOPNOTSUPP;
	/* Only the guests of this guest (:G): there is nobody to count them. */
	if (attr->exclude_host)
		return -EOPNOTSUPP;
	if (attr->config1 || attr->config2)
		return -EINVAL;
	return 0;
}

static u64 attr_flags(const struct perf_event_attr *attr)
{
	return (attr->exclude_user ? PVPERF_ATTR_EXCLUDE_USER : 0) |
	       (attr->exclude_kernel ? PVPERF_ATTR_EXCLUDE_KERNEL : 0) |
	       (attr->exclude_hv ? PVPERF_ATTR_EXCLUDE_HV : 0) |
	       (attr->exclude_idle ? PVPERF_ATTR_EXCLUDE_IDLE : 0) |
	       (attr->exclude_guest ? PVPERF_ATTR_EXCLUDE_GUEST : 0) |
	       (attr->freq ? PVPERF_ATTR_FREQ : 0);
}

/* An alias of "cpu"'s events/ is the event of its name, whatever the host's CPU. */
static void resolve_alias(struct guest_perf_attr *out)
{
	const struct pvperf_alias *alias;

	for (alias = pvperf_aliases(); alias->name; alias++) {
		if (out->config != alias->raw)
			continue;
		out->type = PERF_TYPE_HARDWARE;
		out->config = alias->hw;
		return;
	}
}

static int fill_attr(const struct perf_event *event, struct guest_perf_attr *out)
{
	const struct perf_event_attr *attr = &event->attr;

	*out = (struct guest_perf_attr) {
		.type = attr->type,
		.config = attr->config,
		.sample_type = attr->sample_type,
		/* Or the frequency: the host finds the period for it. */
		.sample_period = attr->sample_period,
		.flags = attr_flags(attr),
	};
	if (event->pmu == vcpu_pmu) {
		if (attr->config >= PVPERF_NR_VCPU_EVENTS)
			return -EINVAL;
		out->type = PVPERF_TYPE_VCPU;
		return 0;
	}
	if (attr->type == PERF_TYPE_RAW) {
		if (attr->config & ~PVPERF_RAW_MASK)
			return -EINVAL;
		resolve_alias(out);
	} else if (attr->type == PERF_TYPE_HARDWARE && attr->config >= PERF_COUNT_HW_MAX) {
		return -EINVAL;
	}
	return 0;
}

/* Overflows need a host that tells of them and a way for them to arrive. */
static int check_sampling(struct perf_event *event, const struct guest_perf_attr *attr)
{
	struct pvperf_channel *ch;
	bool offered;

	if (!is_sampling_event(event))
		return 0;
	rcu_read_lock();
	ch = rcu_dereference(pvperf_channel);
	offered = !ch || ch->foreign || !ch->ops->session(ch) || ch->ops->samples(ch);
	rcu_read_unlock();
	if (!offered)
		pvperf_id_refuse(attr, "sampling", "the host counts, but tells of no overflows", 0);
	else if (ch && pvperf_delivery() == PVPERF_DELIVERY_NONE)
		pvperf_id_refuse(attr, "sampling", "overflows cannot reach this guest's CPUs", 0);
	else
		return 0;
	return -EOPNOTSUPP;
}

/* A group that a vCPU can never count at once would wait for ever. */
static int check_group(const struct perf_event *event, const struct guest_perf_attr *attr)
{
	struct perf_event *leader = event->group_leader, *sibling;
	unsigned int members = 1;
	struct pvperf_channel *ch;
	u32 limit = 0;

	if (leader == event)
		return 0;
	members += is_ours(leader);
	for_each_sibling_event(sibling, leader)
		members += is_ours(sibling);

	if (members > PVPERF_MAX_GROUP) {
		pvperf_id_refuse(attr, "group", "a group has at most so many events",
				 PVPERF_MAX_GROUP);
		return -EINVAL;
	}
	rcu_read_lock();
	ch = rcu_dereference(pvperf_channel);
	if (ch && !ch->foreign)
		limit = ch->ops->per_vcpu(ch);
	rcu_read_unlock();
	if (limit && members > limit) {
		pvperf_id_refuse(attr, "per_vcpu",
				 "a group may not be larger than what may count at once on a vCPU",
				 limit);
		return -EINVAL;
	}
	return 0;
}

/* ---- Its life ------------------------------------------------------------------------ */

static void pvperf_event_destroy(struct perf_event *event)
{
	struct pvperf_event *pe = to_pe(event);

	if (!pvperf_id_put(pe->id))
		pvperf_retry_ask();
	event->pmu_private = NULL;
	kfree(pe);
}

static struct pvperf_id *event_id(struct perf_event *event)
{
	const struct perf_event *leader = event->group_leader;
	struct pvperf_id_request request = {
		.bound = event->cpu >= 0,
	};
	struct pvperf_id *id;
	int ret;

	ret = check_attr(event) ?: fill_attr(event, &request.attr) ?:
	      check_sampling(event, &request.attr) ?: check_group(event, &request.attr);
	if (ret)
		return ERR_PTR(ret);

	/* perf's core asks this too late for us. */
	if (request.bound && !cpu_online(event->cpu))
		return ERR_PTR(-ENODEV);
	request.vcpu = pvperf_vcpu_of_cpu(event->cpu >= 0 ? event->cpu : raw_smp_processor_id());
	if (request.bound && request.vcpu >= PVPERF_MAX_VCPUS)
		return ERR_PTR(-ENOENT);
	if (leader != event && is_ours(leader))
		request.leader = to_pe(leader)->id;
	id = pvperf_id_open(&request);
	if (!IS_ERR(id))
		pvperf_retry_watch();
	return id;
}

static int event_init(struct perf_event *event)
{
	struct pvperf_event *pe = kzalloc(sizeof(*pe), GFP_KERNEL);
	struct pvperf_id *id;

	if (!pe)
		return -ENOMEM;
	/* A copy by inheritance counts under the same id: no call. */
	id = event->parent ? pvperf_id_get(to_pe(event->parent)->id) : event_id(event);
	if (IS_ERR(id)) {
		kfree(pe);
		return PTR_ERR(id);
	}
	pe->event = event;
	pe->id = id;
	if (!event->parent)
		id->event = event;
	INIT_LIST_HEAD(&pe->active);
	INIT_LIST_HEAD(&pe->changed);
	INIT_LIST_HEAD(&pe->reading);
	event->pmu_private = pe;
	event->destroy = pvperf_event_destroy;
	return 0;
}

static int pvperf_cpu_event_init(struct perf_event *event)
{
	switch (event->attr.type) {
	case PERF_TYPE_HARDWARE:
	case PERF_TYPE_HW_CACHE:
	case PERF_TYPE_RAW:
		return event_init(event);
	default:
		return -ENOENT;
	}
}

static int pvperf_vcpu_event_init(struct perf_event *event)
{
	return event->attr.type == event->pmu->type ? event_init(event) : -ENOENT;
}

/* ---- Counting --------------------------------------------------------------------------- */

static void pvperf_pmu_disable(struct pmu *pmu)
{
	pvperf_cpu_hold();
}

static void pvperf_pmu_enable(struct pmu *pmu)
{
	pvperf_cpu_release();
}

static int pvperf_pmu_add(struct perf_event *event, int flags)
{
	int ret;

	event->hw.state = PERF_HES_UPTODATE | PERF_HES_STOPPED;
	ret = pvperf_cpu_add(to_pe(event), flags & PERF_EF_START);
	if (!ret && (flags & PERF_EF_START))
		event->hw.state = 0;
	return ret;
}

static void pvperf_pmu_del(struct perf_event *event, int flags)
{
	event->hw.state = PERF_HES_UPTODATE | PERF_HES_STOPPED;
	pvperf_cpu_del(to_pe(event));
}

static void pvperf_pmu_start(struct perf_event *event, int flags)
{
	event->hw.state = 0;
	pvperf_cpu_start(to_pe(event));
}

static void pvperf_pmu_stop(struct perf_event *event, int flags)
{
	event->hw.state = PERF_HES_UPTODATE | PERF_HES_STOPPED;
	pvperf_cpu_stop(to_pe(event));
}

static void pvperf_pmu_read(struct perf_event *event)
{
	pvperf_cpu_read(to_pe(event));
}

static void pvperf_pmu_start_txn(struct pmu *pmu, unsigned int flags)
{
	pvperf_cpu_start_txn(flags);
}

static int pvperf_pmu_commit_txn(struct pmu *pmu)
{
	pvperf_cpu_end_txn();
	return 0;
}

static void pvperf_pmu_cancel_txn(struct pmu *pmu)
{
	pvperf_cpu_end_txn();
}

/* PERF_EVENT_IOC_PERIOD: the period is the host's. */
static int pvperf_pmu_check_period(struct perf_event *event, u64 value)
{
	return -EOPNOTSUPP;
}

#ifdef PVPERF_SWAPS_CONTEXTS
static void pvperf_pmu_swap_task_ctx(pvperf_task_ctx *prev, pvperf_task_ctx *next)
{
	pvperf_cpu_swap();
}
#endif

static const struct pmu pmu_template = {
	.module		= THIS_MODULE,
	.capabilities	= PVPERF_PMU_CAPS,
	.task_ctx_nr	= perf_hw_context,
	.pmu_enable	= pvperf_pmu_enable,
	.pmu_disable	= pvperf_pmu_disable,
	.add		= pvperf_pmu_add,
	.del		= pvperf_pmu_del,
	.start		= pvperf_pmu_start,
	.stop		= pvperf_pmu_stop,
	.read		= pvperf_pmu_read,
	.start_txn	= pvperf_pmu_start_txn,
	.commit_txn	= pvperf_pmu_commit_txn,
	.cancel_txn	= pvperf_pmu_cancel_txn,
	.check_period	= pvperf_pmu_check_period,
#ifdef PVPERF_SWAPS_CONTEXTS
	.swap_task_ctx	= pvperf_pmu_swap_task_ctx,
#endif
};

/* ---- Registration -------------------------------------------------------------------------- */

static struct pmu *register_one(const char *name, int type,
				int (*init)(struct perf_event *event),
				const struct attribute_group **groups)
{
	struct pmu *pmu = kmemdup(&pmu_template, sizeof(pmu_template), GFP_KERNEL);
	int ret;

	if (!pmu)
		return ERR_PTR(-ENOMEM);
	pmu->event_init = init;
	pmu->attr_groups = groups;
	ret = perf_pmu_register(pmu, name, type);
	if (ret) {
		kfree(pmu);
		return ERR_PTR(ret);
	}
	pvperf_contexts_adopt(pmu);
	return pmu;
}

static void unregister_one(struct pmu *pmu)
{
	pvperf_contexts_leave(pmu);
	perf_pmu_unregister(pmu);
#ifndef PVPERF_PMU_IS_KEPT
	kfree(pmu);
#endif
}

int pvperf_pmus_register(void)
{
	vcpu_pmu = register_one("pvperf", -1, pvperf_vcpu_event_init, pvperf_vcpu_groups);
	if (IS_ERR(vcpu_pmu))
		return PTR_ERR(vcpu_pmu);

	if (pvperf_has_own_pmu()) {
		pr_info("this guest has a PMU of its own: \"cpu\" is left to it\n");
		return 0;
	}
	cpu_pmu = register_one("cpu", PERF_TYPE_RAW, pvperf_cpu_event_init, pvperf_cpu_groups);
	if (IS_ERR(cpu_pmu)) {
		pr_warn("there is a PMU \"cpu\" already (error %ld): only \"pvperf\" counts\n",
			PTR_ERR(cpu_pmu));
		cpu_pmu = NULL;
	}
	return 0;
}

void pvperf_pmus_unregister(void)
{
	if (cpu_pmu)
		unregister_one(cpu_pmu);
	unregister_one(vcpu_pmu);
}
