// SPDX-License-Identifier: GPL-2.0-only
/*
 * The channel through the device's shared window.
 *
 * Owns the request areas: where the next frame goes, how long a CPU may wait,
 * when the doorbell is rung.  Called by pvperf_ids.c (control area, process
 * context, under its mutex) and pvperf_cpu.c (the area of the CPU it runs on,
 * interrupts off), so each area has one user at a time and needs no lock.
 *
 * The host writes its lines whenever it likes: every value is loaded once,
 * bounded, and used from the copy.  What the driver has to rely on (its own
 * position in a ring, the size of the window) it keeps in memory of its own.
 */
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "pvperf_channel.h"
#include "pvperf_x86.h"

/* A CPU may wait this long at any time ... */
#define PVPERF_WAIT_US		200
/* ... and, beyond it, what it saved up: a part of the time that passed. */
#define PVPERF_WAIT_SHIFT	4
#define PVPERF_WAIT_SAVED_US	50000
/* A wait that holds up nobody else. */
#define PVPERF_WAIT_PATIENT_US	200000

/* OPEN takes the host's daemon and kernel; more than this is not an answer. */
#define PVPERF_CALL_MS		3000
#define PVPERF_ROOM_MS		500
#define PVPERF_CALL_SPIN_US	100
#define PVPERF_CALL_SLEEP_US	50
#define PVPERF_CALL_SLEEP_MAX	2000

#define PVPERF_SLOT_TRIES	1000

/* NMIs that may come twice, and for how long. */
#define PVPERF_NMI_EXTRA_MAX	8
#define PVPERF_NMI_EXTRA_US	100000

struct pvperf_ring {
	struct pvperf_area	*area;
	u32			submitted;
	u32			late_end;	/* frames before it were given up */
	bool			late;
	u64			saved;		/* cycles */
	u64			last;		/* when saved was right */
	u32			nmi_handled;
	u32			nmi_extra;	/* sent, for an NMI that was lost, or came late ... */
	u64			nmi_extra_at;	/* ... and when that was noticed, in cycles */
	u32			places_tail;
} ____cacheline_aligned_in_smp;

struct pvperf_window {
	struct pvperf_channel		ch;
	struct pvperf_header		*header;
	struct pvperf_worker_line	*workers;
	struct guest_perf_event		*slots;
	void __iomem			*regs;
	u64				wait_cycles;
	u64				saved_cycles;
	u64				patient_cycles;
	u64				extra_cycles;
	struct pvperf_ring		rings[];	/* nr_vcpus, then the control area's */
};

static struct pvperf_window *to_window(struct pvperf_channel *ch)
{
	return container_of(ch, struct pvperf_window, ch);
}

/* ---- Rings --------------------------------------------------------------- */

static u32 ring_completed(const struct pvperf_ring *ring)
{
	/* Results and slots are read after it. */
	return smp_load_acquire(&ring->area->complete.completed);
}

static bool ring_reached(const struct pvperf_ring *ring, u32 end)
{
	return (s32)(ring_completed(ring) - end) >= 0;
}

static void ring_put(struct pvperf_ring *ring, u32 n, const struct pvperf_frame *frame)
{
	ring->area->frames[n % PVPERF_NR_FRAMES] = *frame;
}

/* Publishes the frames before end and wakes the host if it sleeps. */
static void ring_publish(struct pvperf_window *w, struct pvperf_ring *ring, u32 end)
{
	u32 index = ring - w->rings;
	u32 worker = index == w->ch.nr_vcpus ? 0 : index / PVPERF_VCPUS_PER_WORKER;

	ring->submitted = end;
	/* The frames are there before it. */
	smp_store_release(&ring->area->submit.submitted, end);

	/* Pairs with the host's: it sets need_kick, then looks at submitted. */
	mb();
	if (READ_ONCE(w->workers[worker].need_kick))
		writel(PVPERF_DOORBELL, w->regs + PVPERF_DOORBELL_REG);
}

/*
 * No host that is well has answered what was never asked.  One that starts anew
 * takes our place from the window: if that was written over, it is put right, and
 * the host finds it.
 */
static u32 ring_room(struct pvperf_window *w, struct pvperf_ring *ring)
{
	u32 flying = ring->submitted - ring_completed(ring);

	if (flying <= PVPERF_NR_FRAMES)
		return PVPERF_NR_FRAMES - flying;
	ring_publish(w, ring, ring->submitted);
	return 0;
}

/* ---- A vCPU's area -------------------------------------------------------- */

static bool window_late(struct pvperf_channel *ch, u32 vcpu)
{
	struct pvperf_window *w = to_window(ch);
	struct pvperf_ring *ring = &w->rings[vcpu];

	if (ring->late && ring_reached(ring, ring->late_end))
		ring->late = false;
	if (ring->late)
		ring_room(w, ring);
	return ring->late;
}

static int window_post(struct pvperf_channel *ch, u32 vcpu, u64 session,
		       const struct pvperf_op *ops, unsigned int n, u32 *first)
{
	struct pvperf_window *w = to_window(ch);
	struct pvperf_ring *ring = &w->rings[vcpu];
	struct pvperf_frame frame = {
		.nr = KVM_PERF_OP,
		.session = session,
	};
	unsigned int i;

	if (n > ring_room(w, ring))
		return -EBUSY;

	*first = ring->submitted;
	for (i = 0; i < n; i++) {
		frame.a0 = ops[i].op;
		frame.a1 = ops[i].id;
		ring_put(ring, *first + i, &frame);
	}
	ring_publish(w, ring, *first + n);
	return 0;
}

static int window_wait(struct pvperf_channel *ch, u32 vcpu, u32 end, bool patient)
{
	struct pvperf_window *w = to_window(ch);
	struct pvperf_ring *ring = &w->rings[vcpu];
	u64 start, spent, limit;
	int ret = 0;

	if (ring_reached(ring, end))
		return 0;

	start = pvperf_cycles();
	if (start > ring->last)
		ring->saved = min(ring->saved + ((start - ring->last) >> PVPERF_WAIT_SHIFT),
				  w->saved_cycles);
	limit = w->wait_cycles + ring->saved;
	if (patient)
		limit = max(limit, w->patient_cycles);
	do {
		cpu_relax();
		spent = pvperf_cycles() - start;
		if (READ_ONCE(ch->dead) || spent > limit) {
			ret = -EAGAIN;
			break;
		}
	} while (!ring_reached(ring, end));

	if (spent > w->wait_cycles)
		ring->saved -= min(ring->saved, spent - w->wait_cycles);
	ring->last = start + spent;
	if (ret) {
		ring->late = true;
		ring->late_end = end;
	}
	return ret;
}

static int bounded_errno(s32 ret)
{
	return ret > 0 || ret < -MAX_ERRNO ? -EIO : ret;
}

static int window_result(struct pvperf_channel *ch, u32 vcpu, u32 frame)
{
	struct pvperf_ring *ring = &to_window(ch)->rings[vcpu];

	return bounded_errno(READ_ONCE(ring->area->results[frame % PVPERF_NR_FRAMES].ret));
}

static void window_slot(struct pvperf_channel *ch, u32 row, u32 vcpu,
			struct guest_perf_event *copy)
{
	struct guest_perf_event *slot =
		&to_window(ch)->slots[(size_t)row * ch->nr_vcpus + vcpu];
	unsigned int tries = PVPERF_SLOT_TRIES;
	u32 seq;

	do {
		/* Pairs with the host's release of an even seq. */
		seq = smp_load_acquire(&slot->seq);
		copy->count = READ_ONCE(slot->count);
		copy->overflows = READ_ONCE(slot->overflows);
		copy->time_enabled = READ_ONCE(slot->time_enabled);
		copy->time_lost = READ_ONCE(slot->time_lost);
		copy->period_sum = READ_ONCE(slot->period_sum);
		copy->state = READ_ONCE(slot->state);
		copy->error = READ_ONCE(slot->error);
		copy->throttles = READ_ONCE(slot->throttles);
		/* All of it before seq once more. */
		smp_rmb();
	} while (((seq & 1) || READ_ONCE(slot->seq) != seq) && --tries);
	copy->seq = seq;
}

/* ---- NMIs and samples --------------------------------------------------------- */

static bool window_owed(struct pvperf_channel *ch, u32 vcpu)
{
	const struct pvperf_ring *ring = &to_window(ch)->rings[vcpu];

	return READ_ONCE(ring->area->complete.nmi_sent) != READ_ONCE(ring->nmi_handled);
}

/*
 * The host sends one NMI at a time, so each is claimed once.  Only for one that
 * seems lost it sends another, and then both may come.
 */
static bool window_claim(struct pvperf_channel *ch, u32 vcpu)
{
	struct pvperf_window *w = to_window(ch);
	struct pvperf_ring *ring = &w->rings[vcpu];
	u32 sent = READ_ONCE(ring->area->complete.nmi_sent);
	u32 news = sent - ring->nmi_handled;

	if (!news) {
		if (!ring->nmi_extra || pvperf_cycles() - ring->nmi_extra_at > w->extra_cycles)
			return false;
		ring->nmi_extra--;
		return true;
	}
	ring->nmi_extra = min_t(u32, news - 1, PVPERF_NMI_EXTRA_MAX);
	ring->nmi_extra_at = pvperf_cycles();
	WRITE_ONCE(ring->nmi_handled, sent);
	WRITE_ONCE(ring->area->submit.nmi_handled, sent);
	/* Pairs with the host's: it writes overflows, then looks at nmi_handled. */
	smp_mb();
	return true;
}

static bool window_place(struct pvperf_channel *ch, u32 vcpu, struct pvperf_sample *copy)
{
	struct pvperf_ring *ring = &to_window(ch)->rings[vcpu];
	/* Samples are read after it. */
	u32 head = smp_load_acquire(&ring->area->complete.samples_head);
	const struct pvperf_sample *from;

	/* A new host, or one that is more than a ring ahead. */
	if (head - ring->places_tail > PVPERF_NR_SAMPLES)
		ring->places_tail = head;
	if (head == ring->places_tail)
		return false;

	from = &ring->area->samples[ring->places_tail++ % PVPERF_NR_SAMPLES];
	copy->ip = READ_ONCE(from->ip);
	copy->id = READ_ONCE(from->id);
	copy->mode = READ_ONCE(from->mode);
	copy->period_sum = READ_ONCE(from->period_sum);
	copy->overflows = READ_ONCE(from->overflows);
	return true;
}

/* ---- The control area ------------------------------------------------------ */

static int control_wait(struct pvperf_window *w, struct pvperf_ring *ring, u32 end, u64 session)
{
	unsigned long until = jiffies + msecs_to_jiffies(PVPERF_CALL_MS);
	u64 spin = pvperf_cycles() + pvperf_us_to_cycles(PVPERF_CALL_SPIN_US);
	unsigned int us = PVPERF_CALL_SLEEP_US;

	while (!ring_reached(ring, end)) {
		if (READ_ONCE(w->ch.dead))
			return -ENODEV;
		if (READ_ONCE(w->header->session.session) != session)
			return -ESTALE;
		if (pvperf_cycles() < spin) {
			cpu_relax();
			continue;
		}
		if (time_after(jiffies, until))
			return -EAGAIN;
		usleep_range(us, 2 * us);
		us = min(2 * us, PVPERF_CALL_SLEEP_MAX);
	}
	/* A host that starts anew takes all frames as answered. */
	return READ_ONCE(w->header->session.session) == session ? 0 : -ESTALE;
}

static int control_call(struct pvperf_window *w, const struct pvperf_frame *frame,
			struct pvperf_result *result)
{
	struct pvperf_ring *ring = &w->rings[w->ch.nr_vcpus];
	u32 n = ring->submitted;
	int ret;

	ring_put(ring, n, frame);
	ring_publish(w, ring, n + 1);
	ret = control_wait(w, ring, n + 1, frame->session);
	if (ret)
		return ret;

	n %= PVPERF_NR_FRAMES;
	result->ret = bounded_errno(READ_ONCE(ring->area->results[n].ret));
	result->reason = READ_ONCE(ring->area->results[n].reason);
	result->limit = READ_ONCE(ring->area->results[n].limit);
	return result->ret;
}

/* Waits until at most this many calls are in flight. */
static int control_room(struct pvperf_window *w, u32 flying)
{
	struct pvperf_ring *ring = &w->rings[w->ch.nr_vcpus];
	unsigned long until = jiffies + msecs_to_jiffies(PVPERF_ROOM_MS);

	while (ring_room(w, ring) < PVPERF_NR_FRAMES - flying) {
		if (READ_ONCE(w->ch.dead) || time_after(jiffies, until))
			return -EBUSY;
		usleep_range(PVPERF_CALL_SLEEP_US, 2 * PVPERF_CALL_SLEEP_US);
	}
	return 0;
}

static int window_hello(struct pvperf_channel *ch, u64 session)
{
	struct pvperf_window *w = to_window(ch);
	struct pvperf_result result;
	struct pvperf_frame frame = {
		.nr = PVPERF_HELLO,
		.session = session,
		.a0 = PVPERF_VERSION_MAJOR << 16 | PVPERF_VERSION_MINOR,
		.a1 = 1U << KVM_FEATURE_PV_PERF | (ch->ops->samples(ch) ? 1U << PVPERF_F_SAMPLING : 0),
		.a2 = PVPERF_DRIVER_MAJOR << 16 | PVPERF_DRIVER_MINOR << 8 | PVPERF_DRIVER_PATCH,
	};

	return control_room(w, PVPERF_NR_FRAMES - 1) ?: control_call(w, &frame, &result);
}

static int window_close(struct pvperf_channel *ch, u64 session, s32 id)
{
	struct pvperf_window *w = to_window(ch);
	struct pvperf_ring *ring = &w->rings[ch->nr_vcpus];
	u32 n = ring->submitted;
	struct pvperf_frame frame = {
		.nr = KVM_PERF_OP,
		.session = session,
		.a0 = KVM_PERF_OP_CLOSE,
		.a1 = id,
	};

	if (control_room(w, PVPERF_NR_FRAMES - 1))
		return -EBUSY;
	ring_put(ring, n, &frame);
	ring_publish(w, ring, n + 1);
	return 0;
}

static int window_open(struct pvperf_channel *ch, u64 session, const struct pvperf_open *open,
		       struct pvperf_result *result)
{
	struct pvperf_window *w = to_window(ch);
	struct pvperf_ring *ring = &w->rings[ch->nr_vcpus];
	u32 n = ring->submitted % PVPERF_NR_PARAMS;
	struct pvperf_param *param = &ring->area->params[n];
	u64 addr = PVPERF_AREA_OFFSET(PVPERF_CONTROL_AREA(ch->nr_vcpus)) +
		   offsetof(struct pvperf_area, params) + n * sizeof(*param);
	struct pvperf_frame frame = {
		.nr = KVM_PERF_OP,
		.session = session,
		.a0 = KVM_PERF_OP_OPEN,
		.a1 = lower_32_bits(addr),
		.a2 = upper_32_bits(addr),
		.a3 = PVPERF_OPEN_A3(open->leader, open->bound, open->vcpu),
	};
	int ret;

	BUILD_BUG_ON(offsetof(struct pvperf_param, param) != 0);
	BUILD_BUG_ON(PVPERF_OPEN_NO_LEADER != (u32)-1);

	memset(result, 0, sizeof(*result));
	/* Its param is that of the frame PVPERF_NR_PARAMS before it. */
	if (control_room(w, PVPERF_NR_PARAMS - 1))
		return -EAGAIN;

	param->attr = *open->attr;
	param->param.attr_addr = addr + offsetof(struct pvperf_param, attr);
	param->param.guest_event_addr = PVPERF_SLOT_OFFSET(ch->nr_vcpus, open->row, 0);
	param->param.id = open->id;
	param->param.pad0 = 0;

	ret = control_call(w, &frame, result);
	/* It may succeed after all: it must not stay open then. */
	if (ret == -EAGAIN && result->reason == PVPERF_REASON_NONE)
		window_close(ch, session, open->id);
	return ret;
}

/* ---- The header ------------------------------------------------------------ */

static u64 window_session(struct pvperf_channel *ch)
{
	/* Frames are built from what the host wrote before it. */
	return smp_load_acquire(&to_window(ch)->header->session.session);
}

static u32 window_per_vcpu(struct pvperf_channel *ch)
{
	return READ_ONCE(to_window(ch)->header->policy.per_vcpu);
}

static bool window_samples(struct pvperf_channel *ch)
{
	return READ_ONCE(to_window(ch)->header->identity.features) & 1U << PVPERF_F_SAMPLING;
}

static void window_header(struct pvperf_channel *ch, struct pvperf_header *copy)
{
	const struct pvperf_header *header = to_window(ch)->header;
	unsigned int tries = PVPERF_SLOT_TRIES;
	u32 seq;

	do {
		/* Pairs with the host's release of an even seq. */
		seq = smp_load_acquire(&header->policy.seq);
		memcpy(copy, header, sizeof(*copy));
		/* All of it before seq once more. */
		smp_rmb();
	} while (((seq & 1) || READ_ONCE(header->policy.seq) != seq) && --tries);
}

static const struct pvperf_channel_ops window_ops = {
	.session	= window_session,
	.header		= window_header,
	.per_vcpu	= window_per_vcpu,
	.samples	= window_samples,
	.owed		= window_owed,
	.claim		= window_claim,
	.place		= window_place,
	.hello		= window_hello,
	.open		= window_open,
	.close		= window_close,
	.late		= window_late,
	.post		= window_post,
	.wait		= window_wait,
	.result		= window_result,
	.slot		= window_slot,
};

/* ---- Its life --------------------------------------------------------------- */

static int window_check(struct device *dev, const struct pvperf_identity *id, u64 size)
{
	if (id->magic != PVPERF_MAGIC)
		return -ENODEV;
	if (id->version_major != PVPERF_VERSION_MAJOR)
		return 0;
	if (!id->nr_vcpus || id->nr_vcpus > PVPERF_MAX_VCPUS ||
	    id->window_size != pvperf_window_size(id->nr_vcpus) || id->window_size > size) {
		dev_err(dev, "the host announces a window of %llu bytes for %u vCPUs, the device has %llu: not used\n",
			id->window_size, id->nr_vcpus, size);
		return -EINVAL;
	}
	if (!(id->features & 1U << KVM_FEATURE_PV_PERF)) {
		dev_err(dev, "the host does not offer the feature \"pv perf\": not used\n");
		return -EINVAL;
	}
	return 0;
}

/*
 * The channel of a window, or -ENODEV without a word if the window is not
 * ours, or another error with a word.  Of a window of another major version
 * nothing but the header is known: the channel is foreign.
 */
struct pvperf_channel *pvperf_window_create(struct device *dev, void *window, u64 size,
					    void __iomem *regs)
{
	struct pvperf_identity id;
	struct pvperf_window *w;
	u32 i, rings;
	int ret;

	if (size < sizeof(struct pvperf_header))
		return ERR_PTR(-ENODEV);
	memcpy(&id, window, sizeof(id));
	barrier();
	ret = window_check(dev, &id, size);
	if (ret)
		return ERR_PTR(ret);

	rings = id.version_major == PVPERF_VERSION_MAJOR ? id.nr_vcpus + 1 : 0;
	w = kvzalloc(struct_size(w, rings, rings), GFP_KERNEL);
	if (!w)
		return ERR_PTR(-ENOMEM);

	w->ch.ops = &window_ops;
	w->ch.nr_vcpus = rings ? id.nr_vcpus : 0;
	w->header = window;
	w->regs = regs;
	if (!rings) {
		w->ch.foreign = true;
		dev_err(dev, "the host speaks version %u.%u of the interface, this driver version %u.%u: update %s\n",
			id.version_major, id.version_minor,
			PVPERF_VERSION_MAJOR, PVPERF_VERSION_MINOR,
			id.version_major > PVPERF_VERSION_MAJOR ? "this driver" : "the host");
		return &w->ch;
	}

	w->workers = window + PVPERF_WORKERS_OFFSET;
	w->slots = window + PVPERF_SLOTS_OFFSET(id.nr_vcpus);
	w->wait_cycles = pvperf_us_to_cycles(PVPERF_WAIT_US);
	w->saved_cycles = pvperf_us_to_cycles(PVPERF_WAIT_SAVED_US);
	w->patient_cycles = pvperf_us_to_cycles(PVPERF_WAIT_PATIENT_US);
	w->extra_cycles = pvperf_us_to_cycles(PVPERF_NMI_EXTRA_US);
	for (i = 0; i < rings; i++) {
		struct pvperf_ring *ring = &w->rings[i];

		ring->area = window + PVPERF_AREA_OFFSET(i);
		ring->submitted = READ_ONCE(ring->area->submit.submitted);
		ring->last = pvperf_cycles();
		ring->nmi_handled = READ_ONCE(ring->area->submit.nmi_handled);
		ring->places_tail = READ_ONCE(ring->area->complete.samples_head);
		ring->saved = w->saved_cycles;
	}
	return &w->ch;
}

/* Nobody uses the channel any more. */
void pvperf_window_destroy(struct pvperf_channel *ch)
{
	kvfree(to_window(ch));
}
