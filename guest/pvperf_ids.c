// SPDX-License-Identifier: GPL-2.0-only
/*
 * OPEN and CLOSE, sessions, and the channel of the moment.
 *
 * Everything here runs in process context under one mutex; the CPUs' side
 * (pvperf_cpu.c) reads an id's session and leader without it.  Invariants:
 *
 *  - an id is sent to the host only under the session it was opened in;
 *  - the numbers of ids are given out in a circle, so that a frame that is
 *    served late does not meet a new event of the same number;
 *  - an id whose CLOSE could not be sent keeps its number and row until it
 *    was, or until the session ends, which closes everything.
 *
 * A host that starts anew (restart, restore, migration, reset) has a new
 * session.  The driver then says HELLO and opens all its ids again; what was
 * not counted in between is time not running.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/idr.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "pvperf_ids.h"
#include "pvperf_rows.h"

#define PVPERF_REPEAT_MS 10000	/* the same refusal is not printed again within */

struct pvperf_channel __rcu *pvperf_channel;

static DEFINE_MUTEX(ids_lock);
static DEFINE_IDR(ids);
static LIST_HEAD(open_ids);
static LIST_HEAD(closing_ids);
static u64 hello_session;	/* the host answered our HELLO in it */

static struct pvperf_refusal last_refusal;
static unsigned long last_refusal_at;
static u32 refusals_seen;	/* of the host's, up to last_refusal */

static struct pvperf_channel *current_channel(void)
{
	return rcu_dereference_protected(pvperf_channel, lockdep_is_held(&ids_lock));
}

/* ---- Refusals --------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *text;
} reasons[] = {
#define PVPERF_REASON(constant, name, text) { name, text },
	PVPERF_REASONS(PVPERF_REASON)
#undef PVPERF_REASON
};

/* How many the host has had so far, and, if asked for, what the last one was. */
static u32 host_refusals(struct pvperf_refusal *refusal)
{
	struct pvperf_channel *ch = current_channel();
	struct pvperf_header header = {};
	u32 reason;

	if (ch && !ch->foreign)
		ch->ops->header(ch, &header);
	reason = header.policy.last_refusal;
	if (refusal && reason != PVPERF_REASON_NONE && reason < ARRAY_SIZE(reasons))
		*refusal = (struct pvperf_refusal) {
			reasons[reason].name, reasons[reason].text,
			header.policy.last_refusal_limit
		};
	return header.policy.refusals;
}

/* Remembers for sysfs why something was refused, and tells the kernel log. */
static void refuse(const struct guest_perf_attr *attr, const char *name, const char *text,
		   u64 limit)
{
	static DEFINE_RATELIMIT_STATE(rate, 5 * HZ, 4);
	bool again = last_refusal.name == name &&
		     time_before(jiffies, last_refusal_at + msecs_to_jiffies(PVPERF_REPEAT_MS));

	lockdep_assert_held(&ids_lock);
	last_refusal = (struct pvperf_refusal) { name, text, limit };
	refusals_seen = host_refusals(NULL);
	if (again || !__ratelimit(&rate))
		return;
	last_refusal_at = jiffies;
	if (limit)
		pr_info("event refused: %s (%s %llu), type %u config %#llx\n",
			text, name, limit, attr->type, attr->config);
	else
		pr_info("event refused: %s (%s), type %u config %#llx\n",
			text, name, attr->type, attr->config);
}

static void refuse_result(const struct guest_perf_attr *attr, int ret,
			  const struct pvperf_result *result)
{
	u32 reason = result->reason;

	if (reason == PVPERF_REASON_NONE || reason >= ARRAY_SIZE(reasons)) {
		if (ret == -EAGAIN)
			refuse(attr, "timeout", "the host does not answer", 0);
		else
			refuse(attr, "unknown", "the host gives no reason", 0);
		return;
	}
	refuse(attr, reasons[reason].name, reasons[reason].text, result->limit);
}

void pvperf_id_refuse(const struct guest_perf_attr *attr, const char *name, const char *text,
		      u64 limit)
{
	mutex_lock(&ids_lock);
	refuse(attr, name, text, limit);
	mutex_unlock(&ids_lock);
}

void pvperf_ids_last_refusal(struct pvperf_refusal *refusal)
{
	struct pvperf_refusal host = {};

	mutex_lock(&ids_lock);
	*refusal = last_refusal;
	/* One that no caller was told: what counted had to stop, or was not started. */
	if (host_refusals(&host) != refusals_seen && host.text)
		*refusal = host;
	mutex_unlock(&ids_lock);
}

/* ---- One id ------------------------------------------------------------------- */

static void id_free_rcu(struct rcu_head *rcu)
{
	struct pvperf_id *id = container_of(rcu, struct pvperf_id, rcu);

	free_percpu(id->base);
	kfree(id);
}

/* Gives its number and slots back. */
static void id_release(struct pvperf_id *id)
{
	idr_remove(&ids, id->id);
	pvperf_row_put(id->row, id->bound, id->vcpu);
	list_del(&id->node);
	call_rcu(&id->rcu, id_free_rcu);
}

static struct pvperf_id *id_alloc(const struct pvperf_id_request *request)
{
	struct pvperf_id *id = kzalloc(sizeof(*id), GFP_KERNEL);
	int ret = -ENOMEM;

	if (!id)
		return ERR_PTR(-ENOMEM);
	refcount_set(&id->refs, 1);
	id->attr = request->attr;
	id->vcpu = request->vcpu;
	id->bound = request->bound;
	RCU_INIT_POINTER(id->leader, request->leader);

	id->base = alloc_percpu(struct pvperf_base);
	if (!id->base)
		goto free_id;
	ret = pvperf_row_get(id->bound, id->vcpu);
	if (ret < 0)
		goto free_base;
	id->row = ret;
	ret = idr_alloc_cyclic(&ids, id, 0, PVPERF_MAX_IDS, GFP_KERNEL);
	if (ret < 0)
		goto put_row;
	id->id = ret;
	list_add_tail(&id->node, &open_ids);
	return id;

put_row:
	pvperf_row_put(id->row, id->bound, id->vcpu);
free_base:
	free_percpu(id->base);
free_id:
	kfree(id);
	return ERR_PTR(ret == -ENOMEM ? ret : -EBUSY);
}

static struct pvperf_id *id_leader(const struct pvperf_id *id)
{
	return rcu_dereference_protected(id->leader, lockdep_is_held(&ids_lock));
}

static int id_send_open(struct pvperf_channel *ch, u64 session, struct pvperf_id *id,
			struct pvperf_result *result)
{
	struct pvperf_id *leader = id_leader(id);
	struct pvperf_open open = {
		.id = id->id,
		.leader = leader ? leader->id : -1,
		.row = id->row,
		.vcpu = id->vcpu,
		.bound = id->bound,
		.attr = &id->attr,
	};
	int ret;

	*result = (struct pvperf_result) { .reason = PVPERF_REASON_NONE };
	if (id->vcpu >= ch->nr_vcpus) {
		result->reason = PVPERF_REASON_HOST;
		return -ENOENT;
	}
	ret = ch->ops->open(ch, session, &open, result);
	if (ret == 0) {
		if (leader)
			leader->leads = true;
		WRITE_ONCE(id->epoch, id->epoch + 1 ?: 1);
		/* Whoever sees the session sees the epoch. */
		smp_store_release(&id->session, session);
	}
	return ret;
}

/* ---- Sessions ------------------------------------------------------------------ */

/* The host forgot what was to be closed. */
static void forget_closing(void)
{
	struct pvperf_id *id, *next;

	list_for_each_entry_safe(id, next, &closing_ids, node)
		id_release(id);
}

static void retry_closing(struct pvperf_channel *ch, u64 session)
{
	struct pvperf_id *id, *next;

	list_for_each_entry_safe(id, next, &closing_ids, node) {
		if (ch->ops->close(ch, session, id->id))
			return;
		id_release(id);
	}
}

static int say_hello(struct pvperf_channel *ch, u64 session)
{
	struct pvperf_id *id;
	int ret;

	if (hello_session == session)
		return 0;
	ret = ch->ops->hello(ch, session);
	if (ret == -EPROTONOSUPPORT && !ch->foreign) {
		ch->foreign = true;
		pr_err("the host does not support version %u.%u of the interface: update this driver or the host\n",
		       PVPERF_VERSION_MAJOR, PVPERF_VERSION_MINOR);
	}
	if (ret)
		return ret;
	hello_session = session;
	refusals_seen = host_refusals(NULL);
	/* HELLO closes everything, whatever the session. */
	list_for_each_entry(id, &open_ids, node)
		WRITE_ONCE(id->session, 0);
	forget_closing();
	return 0;
}

static bool resume(struct pvperf_channel *ch, u64 session)
{
	struct pvperf_result result;
	struct pvperf_id *id;
	bool done = true;
	int ret;

	if (say_hello(ch, session))
		return ch->foreign;
	retry_closing(ch, session);

	list_for_each_entry(id, &open_ids, node) {
		if (id->session == session)
			continue;
		ret = id_send_open(ch, session, id, &result);
		if (ret == -ESTALE)
			return false;
		if (ret) {
			refuse_result(&id->attr, ret, &result);
			done = false;
		}
	}
	return done && list_empty(&closing_ids);
}

bool pvperf_ids_resume(void)
{
	struct pvperf_channel *ch;
	bool done = true;
	u64 session;

	mutex_lock(&ids_lock);
	ch = current_channel();
	if (ch && !ch->foreign) {
		session = ch->ops->session(ch);
		if (session)
			done = resume(ch, session);
		else
			done = list_empty(&open_ids) && list_empty(&closing_ids);
	}
	mutex_unlock(&ids_lock);
	return done;
}

bool pvperf_ids_settle(void (*look)(void *id))
{
	struct pvperf_id *id;
	bool done = true;

	mutex_lock(&ids_lock);
	list_for_each_entry(id, &open_ids, node) {
		if (!READ_ONCE(id->unsettled))
			continue;
		WRITE_ONCE(id->unsettled, false);
		on_each_cpu(look, id, 1);
		done &= !READ_ONCE(id->unsettled);
	}
	mutex_unlock(&ids_lock);
	return done;
}

bool pvperf_ids_watch(bool *stale)
{
	struct pvperf_channel *ch;
	struct pvperf_id *id;
	u64 session = 0;
	bool any;

	mutex_lock(&ids_lock);
	any = !list_empty(&open_ids);
	ch = current_channel();
	if (ch && !ch->foreign)
		session = ch->ops->session(ch);
	*stale = false;
	list_for_each_entry(id, &open_ids, node)
		*stale |= session && id->session != session;
	mutex_unlock(&ids_lock);
	return any;
}

/* ---- Open, get, put ------------------------------------------------------------- */

/* A channel and a session to open in, or why not. */
static int open_prepare(const struct guest_perf_attr *attr, u64 *session)
{
	struct pvperf_channel *ch = current_channel();
	int ret;

	if (!ch) {
		refuse(attr, "device", "this guest has no pvperf device", 0);
		return -ENOENT;
	}
	if (ch->foreign) {
		refuse(attr, "version", "driver and host speak different versions", 0);
		return -ENOENT;
	}
	*session = ch->ops->session(ch);
	if (!*session) {
		refuse(attr, "down", "the host does not serve this VM now", 0);
		return -ENOENT;
	}
	ret = say_hello(ch, *session);
	if (ret && ret != -ESTALE)
		refuse(attr, "timeout", "the host does not answer", 0);
	return ret;
}

static int open_locked(struct pvperf_id *id)
{
	struct pvperf_result result = { .reason = PVPERF_REASON_NONE };
	struct pvperf_channel *ch = current_channel();
	struct pvperf_id *leader = id_leader(id);
	unsigned int tries = 3;
	u64 session;
	int ret;

	do {
		ret = open_prepare(&id->attr, &session);
		if (ret == 0 && leader && leader->session != session)
			ret = resume(ch, session) ? 0 : -EAGAIN;
		if (ret == 0) {
			ret = id_send_open(ch, session, id, &result);
			if (ret && ret != -ESTALE)
				refuse_result(&id->attr, ret, &result);
		}
	} while (ret == -ESTALE && --tries);

	return ret == -ESTALE ? -EAGAIN : ret;
}

struct pvperf_id *pvperf_id_open(const struct pvperf_id_request *request)
{
	struct pvperf_id *id;
	int ret;

	mutex_lock(&ids_lock);
	id = id_alloc(request);
	if (IS_ERR(id)) {
		if (PTR_ERR(id) == -EBUSY)
			refuse(&request->attr, "slots", "all slots of the window are in use", 0);
		goto unlock;
	}
	/* Not on the list while it is opened: resume() must not open it, too. */
	list_del_init(&id->node);
	ret = open_locked(id);
	if (ret) {
		id_release(id);
		id = ERR_PTR(ret);
	} else {
		list_add_tail(&id->node, &open_ids);
	}
unlock:
	mutex_unlock(&ids_lock);
	return id;
}

struct pvperf_id *pvperf_id_get(struct pvperf_id *id)
{
	refcount_inc(&id->refs);
	return id;
}

/* The host makes the members of a closed group events of their own. */
static void orphan_siblings(struct pvperf_id *leader)
{
	struct pvperf_id *id;

	if (!leader->leads)
		return;
	list_for_each_entry(id, &open_ids, node)
		if (id_leader(id) == leader)
			RCU_INIT_POINTER(id->leader, NULL);
}

bool pvperf_id_put(struct pvperf_id *id)
{
	struct pvperf_channel *ch;
	bool closed = true;
	u64 session;

	if (!refcount_dec_and_test(&id->refs))
		return true;

	mutex_lock(&ids_lock);
	orphan_siblings(id);
	session = id->session;
	WRITE_ONCE(id->session, 0);
	ch = current_channel();
	if (session && ch && session == hello_session && session == ch->ops->session(ch) &&
	    ch->ops->close(ch, session, id->id))
		closed = false;
	if (closed)
		id_release(id);
	else
		list_move(&id->node, &closing_ids);
	mutex_unlock(&ids_lock);
	return closed;
}

/* ---- The channel ----------------------------------------------------------------- */

int pvperf_ids_attach(struct pvperf_channel *ch)
{
	int ret = 0;

	mutex_lock(&ids_lock);
	if (current_channel()) {
		ret = -EBUSY;
	} else {
		hello_session = 0;
		rcu_assign_pointer(pvperf_channel, ch);
	}
	mutex_unlock(&ids_lock);
	return ret;
}

/* The host is not to count on for a driver that is gone. */
static void close_all(struct pvperf_channel *ch)
{
	u64 session = ch->foreign ? 0 : ch->ops->session(ch);
	bool answers = session && session == hello_session;
	struct pvperf_id *id;

	list_for_each_entry(id, &open_ids, node) {
		answers = answers && (id->session != session ||
				      !ch->ops->close(ch, session, id->id));
		WRITE_ONCE(id->session, 0);
	}
	if (answers)
		retry_closing(ch, session);
	forget_closing();
}

void pvperf_ids_detach(struct pvperf_channel *ch)
{
	WRITE_ONCE(ch->dead, true);
	mutex_lock(&ids_lock);
	RCU_INIT_POINTER(pvperf_channel, NULL);

	/* CPUs use it with interrupts off, under rcu_read_lock(). */
	synchronize_rcu();
	WRITE_ONCE(ch->dead, false);
	close_all(ch);
	mutex_unlock(&ids_lock);
}

void pvperf_ids_exit(void)
{
	forget_closing();
	rcu_barrier();
	idr_destroy(&ids);
	pvperf_rows_exit();
}
