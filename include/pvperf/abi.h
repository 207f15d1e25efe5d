/* SPDX-License-Identifier: (LGPL-2.1-or-later OR GPL-2.0-only) */
/*
 * abi.h: the guest <-> host ABI of paravirtual perf, version 1.0.
 *
 * The only file that guest and host share.  It describes one VM's shared
 * window: the memory behind BAR2 of the ivshmem-doorbell device.  The guest
 * driver (guest/) and the backend (src/backend/) are its only users; the
 * keeper (src/ivshmem/) writes the identity line of a new window and nothing
 * else.  docs/abi.rst is its manual.
 *
 * Invariants:
 *  - little endian; every field is naturally aligned by explicit padding, so
 *    that 32-bit and 64-bit compilers agree (asserted at the end);
 *  - every cache line (64 bytes) has ONE writer, named at each structure;
 *  - "address" means an offset from the start of the window: the host never
 *    reads or writes any other guest memory;
 *  - areas, slots and vectors are indexed by the VMM's vCPU index (QEMU's
 *    cpu_index), never by the guest OS's CPU number;
 *  - both sides treat everything the other one writes as hostile: copy once,
 *    check, use the copy;
 *  - counters named "free running" start anywhere and wrap; only differences
 *    have a meaning.
 */
#ifndef PVPERF_ABI_H
#define PVPERF_ABI_H

#include <linux/types.h>

/* ---- Numbers of the 2010 interface, unchanged ---------------------------- */

/*
 * The bit that says "paravirtual perf is here".  It was a CPUID bit; mainline
 * gave that bit away, so it is looked for in pvperf_identity.features.
 */
#define KVM_FEATURE_PV_PERF	4

/* The hypercall number, carried in pvperf_frame.nr. */
#define KVM_PERF_OP		3

/* Operations, carried in pvperf_frame.a0. */
#define KVM_PERF_OP_OPEN	1
#define KVM_PERF_OP_CLOSE	2
#define KVM_PERF_OP_ENABLE	3
#define KVM_PERF_OP_DISABLE	4
#define KVM_PERF_OP_READ	5

/* ---- Numbers of this version --------------------------------------------- */

/* The bytes "pv-perf1". */
#define PVPERF_MAGIC		0x31667265702d7670ULL

/* A guest refuses another major; a minor only adds feature bits. */
#define PVPERF_VERSION_MAJOR	1
#define PVPERF_VERSION_MINOR	0

/*
 * Feature bits (numbers of bits, not masks).  The host offers, the guest
 * answers in PVPERF_HELLO with the ones it uses.
 */
#define PVPERF_F_SAMPLING	5	/* overflows, samples and NMIs are delivered */
#define PVPERF_F_FREE_RUNNING	6	/* reserved: events run freely, one exit snapshots a vCPU */

/*
 * pvperf_frame.nr of the one call that the 2010 interface does not have: a
 * driver starts.  The host closes every event this guest had open (a driver
 * that died, kexec) and notes who asks.
 *   a0  ABI version of the driver, major << 16 | minor
 *   a1  feature mask the driver uses
 *   a2  version of the driver, major << 16 | minor << 8 | patch
 * 0, or -EPROTONOSUPPORT for another major.  Control area only.
 */
#define PVPERF_HELLO		0x7076

/* Source of each size: see "Sizes" in docs/abi.rst. */
#define PVPERF_LINE		64	/* bytes; cache line of every supported CPU */
#define PVPERF_MAX_VCPUS	1024	/* KVM's own limit on x86-64 */
#define PVPERF_VCPUS_PER_WORKER	8
#define PVPERF_MAX_IDS		16384	/* ids are 0 .. PVPERF_MAX_IDS - 1 */
#define PVPERF_NR_FRAMES	64	/* per area, a power of two */
#define PVPERF_NR_PARAMS	16	/* per area */
#define PVPERF_NR_ROWS		1024	/* of slots; a row is one slot per vCPU */
#define PVPERF_NR_SAMPLES	256	/* per area, a power of two */
#define PVPERF_MAX_GROUP	32	/* members of one group, the leader included */

/* ---- Vocabulary ----------------------------------------------------------- */

/*
 * Classes of events.  X(constant, name, what it holds).  The constant is a bit
 * number of pvperf_policy_line.classes_*; the name is the one of XML, command
 * line, D-Bus, metrics and the guest's sysfs.
 */
#define PVPERF_CLASSES(X) \
	X(PVPERF_CLASS_IPC,	"ipc",		"cycles, instructions, ref-cycles") \
	X(PVPERF_CLASS_BRANCH,	"branch",	"branches, branch-misses") \
	X(PVPERF_CLASS_CACHE,	"cache",	"cache-references, cache-misses and the hardware cache events") \
	X(PVPERF_CLASS_VCPU,	"vcpu",		"what the host does to this vCPU") \
	X(PVPERF_CLASS_RAW,	"raw",		"the PMU's own event numbers, from a list")

/*
 * Events of class "vcpu": guest_perf_attr.type is PVPERF_TYPE_VCPU and
 * config one of these.  X(constant, name, unit; "" is a plain number).
 */
#define PVPERF_TYPE_VCPU	0x70760000U

#define PVPERF_VCPU_EVENTS(X) \
	X(PVPERF_VCPU_CLOCK,		"vcpu-clock",		"ns") \
	X(PVPERF_VCPU_SWITCHES,		"vcpu-switches",	"") \
	X(PVPERF_VCPU_MIGRATIONS,	"vcpu-migrations",	"")

/*
 * Why an event was refused, in pvperf_result.reason.
 * X(constant, name, sentence for people).
 */
#define PVPERF_REASONS(X) \
	X(PVPERF_REASON_NONE,		"none",		"nothing was refused") \
	X(PVPERF_REASON_STATE,		"state",	"perf is switched off for this VM") \
	X(PVPERF_REASON_CLASS,		"class",	"the operator does not allow this class of events") \
	X(PVPERF_REASON_RAW,		"raw",		"this raw event is not on the operator's list") \
	X(PVPERF_REASON_MAX,		"max",		"as many events are open as the operator allows this VM") \
	X(PVPERF_REASON_PER_VCPU,	"per_vcpu", \
	  "as many events are counting on this vCPU as the operator allows") \
	X(PVPERF_REASON_RATE,		"requests_sec",	"more requests per second than the operator allows this VM") \
	X(PVPERF_REASON_MIN_PERIOD,	"min_period",	"the sample period is below the operator's minimum") \
	X(PVPERF_REASON_UNKNOWN,	"unknown",	"no such event exists here") \
	X(PVPERF_REASON_HOST,		"host",		"the host has no such event") \
	X(PVPERF_REASON_HOST_RIGHTS,	"host_rights",	"the host does not let the daemon open this event") \
	X(PVPERF_REASON_MALFORMED,	"malformed",	"the request is malformed") \
	X(PVPERF_REASON_SESSION,	"session",	"the request belongs to an earlier session") \
	X(PVPERF_REASON_UNSUPPORTED,	"unsupported",	"this attribute is not supported in a guest") \
	X(PVPERF_REASON_RESOURCES,	"resources",	"the host is out of memory or file descriptors for this VM") \
	X(PVPERF_REASON_BROKER,		"broker",	"the host's daemon does not answer; it opens the events")

#define PVPERF_ENUM(constant, name, text) constant,
enum pvperf_class { PVPERF_CLASSES(PVPERF_ENUM) PVPERF_NR_CLASSES };
enum pvperf_vcpu_event { PVPERF_VCPU_EVENTS(PVPERF_ENUM) PVPERF_NR_VCPU_EVENTS };
enum pvperf_reason { PVPERF_REASONS(PVPERF_ENUM) PVPERF_NR_REASONS };
#undef PVPERF_ENUM

/* ---- Structures of the 2010 interface, with their padding made explicit --- */

/*
 * guest_perf_attr: what to count.  Writer: guest, in a param of an area; the
 * host copies it once while it serves OPEN.
 */
struct guest_perf_attr {
	__u32	type;		/* PERF_TYPE_HARDWARE, _HW_CACHE, _RAW or PVPERF_TYPE_VCPU */
	__u32	pad0;		/* 0 */
	__u64	config;		/* as perf_event_attr.config for the type */
	__u64	sample_period;	/* events, or Hz with PVPERF_ATTR_FREQ; 0: counting only */
	__u64	sample_type;	/* perf_event_attr.sample_type, for the host to know; not acted on */
	__u64	read_format;	/* 0: the slot carries all; anything else is -EINVAL */
	__u64	flags;		/* PVPERF_ATTR_*; another bit is -EINVAL */
	__u32	bp_type;	/* 0: breakpoints do not exist here */
	__u32	pad1;		/* 0 */
	__u64	bp_addr;	/* 0 */
	__u64	bp_len;		/* 0 */
};

/* guest_perf_attr.flags: the bit of the same name of perf_event_attr. */
#define PVPERF_ATTR_EXCLUDE_USER	(1ULL << 4)
#define PVPERF_ATTR_EXCLUDE_KERNEL	(1ULL << 5)
#define PVPERF_ATTR_EXCLUDE_HV		(1ULL << 6)	/* accepted, means nothing */
#define PVPERF_ATTR_EXCLUDE_IDLE	(1ULL << 7)	/* accepted, means nothing */
#define PVPERF_ATTR_FREQ		(1ULL << 10)	/* sample_period is a frequency */
#define PVPERF_ATTR_EXCLUDE_HOST	(1ULL << 19)	/* -EOPNOTSUPP without EXCLUDE_GUEST too */
#define PVPERF_ATTR_EXCLUDE_GUEST	(1ULL << 20)	/* perf sets it on every event; means nothing */

#define PVPERF_ATTR_FLAGS \
	(PVPERF_ATTR_EXCLUDE_USER | PVPERF_ATTR_EXCLUDE_KERNEL | \
	 PVPERF_ATTR_EXCLUDE_HV | PVPERF_ATTR_EXCLUDE_IDLE | \
	 PVPERF_ATTR_FREQ | PVPERF_ATTR_EXCLUDE_HOST | \
	 PVPERF_ATTR_EXCLUDE_GUEST)

/*
 * guest_perf_event: one slot, what one event counts on one vCPU.  Writer:
 * host.  The 2010 structure is the first two members; the guest never writes
 * here (its "reset to 0 by cmpxchg" made two writers), it keeps what it has
 * consumed in memory of its own and takes differences.
 *
 * Ordering: the host makes seq odd, writes, makes seq even (seqcount).  After
 * a completed DISABLE the slot does not change until the next ENABLE, so a
 * guest that waited for it needs no seqcount.
 * Bound: no field but state goes backwards within a session.
 */
struct guest_perf_event {
	__u64	count;		/* of the event, while enabled on this vCPU */
	__u32	overflows;	/* free running, host-monotonic */
	__u32	seq;		/* odd while the host writes */
	__u64	time_enabled;	/* ns the event was enabled by the guest and its vCPU ran */
	__u64	time_lost;	/* ns of time_enabled in which nothing was counted */
	__u64	period_sum;	/* sum of the overflowed periods, in events */
	__u32	state;		/* enum pvperf_slot_state */
	__s32	error;		/* -errno of a refused ENABLE, else 0 */
	__u32	throttles;	/* free running: times the host stopped it to keep to the sample limits */
	__u32	pad0;		/* 0 */
	__u64	reserved;	/* 0 */
};

enum pvperf_slot_state {
	PVPERF_SLOT_CLOSED,	/* nothing was ever enabled here, or it was closed */
	PVPERF_SLOT_COUNTING,	/* enabled; count is as of the last READ */
	PVPERF_SLOT_FINAL,	/* disabled; count is final until the next ENABLE */
	PVPERF_SLOT_REFUSED,	/* the last ENABLE failed with error: the interval is lost */
};

/*
 * guest_perf_event_param: the argument of OPEN.  Writer: guest, in a param of
 * an area.
 */
struct guest_perf_event_param {
	__u64	attr_addr;		/* offset of a guest_perf_attr in a param */
	__u64	guest_event_addr;	/* offset of slot 0 of a row: PVPERF_SLOT_OFFSET */
	__s32	id;			/* 0 .. PVPERF_MAX_IDS - 1, not open */
	__u32	pad0;			/* 0 */
};

/* ---- The window ------------------------------------------------------------ */

/*
 * Layout, all offsets from the start of the window, for V = nr_vcpus:
 *
 *   0x0000  pvperf_header                              host and guest lines
 *   0x1000  pvperf_worker_line[128]                    host
 *   0x4000  pvperf_area[V]                             one per vCPU
 *           pvperf_area                                the control area
 *           guest_perf_event[PVPERF_NR_ROWS][V]        host
 *
 * The control area carries OPEN, CLOSE and PVPERF_HELLO: calls that may wait
 * for the host's kernel and that a guest makes from a context that can sleep.
 * vCPU areas carry ENABLE, DISABLE and READ of that vCPU.
 */

/*
 * Line 0.  Writer: host (the keeper, before the VMM gets the window; written
 * again with the same values by each backend when it starts, because restore
 * and migration overwrite the window).  Constant for the guest.
 */
struct pvperf_identity {
	__u64	magic;		/* PVPERF_MAGIC */
	__u16	version_major;
	__u16	version_minor;
	__u32	features;	/* mask; bit KVM_FEATURE_PV_PERF always set */
	__u64	window_size;	/* bytes: pvperf_window_size(nr_vcpus) */
	__u32	nr_vcpus;	/* 1 .. PVPERF_MAX_VCPUS: vectors of the device */
	__u32	pad0;
	__u64	reserved[4];
};

/*
 * Line 1.  Writer: host (the keeper once: all zero; then the backend).
 * session is written last, with release; a guest reads it first, with acquire.
 */
struct pvperf_session {
	__u64	session;	/* random, never 0, new at each start, restore, reset; 0: host down */
	__u32	state;		/* enum pvperf_host_state */
	__u32	pad0;
	__u64	reserved[6];
};

enum pvperf_host_state {
	PVPERF_HOST_DOWN,	/* no backend: ops fail at once, wait for a session */
	PVPERF_HOST_UP,
	PVPERF_HOST_OFF,	/* a backend serves, the operator's state is 'off': OPEN is refused */
};

/*
 * Line 2.  Writer: host (the backend).  What the guest may know of the
 * operator's policy; shown in the guest's sysfs.  Advisory for the guest (the
 * host enforces on its own copy), except per_vcpu, by which the guest's add()
 * rotates.
 */
struct pvperf_policy_line {
	__u32	seq;			/* odd while the host writes */
	__u32	classes_allowed;	/* mask of enum pvperf_class */
	__u32	classes_available;	/* mask: the host can count some of it */
	__u32	max;			/* events open at once in the VM */
	__u32	open;			/* events open now */
	__u32	per_vcpu;		/* events counting at once on a vCPU */
	__u32	refusals;		/* free running: number of refusals */
	__u32	last_refusal;		/* enum pvperf_reason */
	__u64	last_refusal_limit;	/* the limit's value, 0 where it has none */
	__u64	min_period;		/* events; 0: none */
	__u64	reserved[2];
};

/* The header page.  Bytes behind it up to 0x1000 are reserved, 0. */
struct pvperf_header {
	struct pvperf_identity		identity;
	struct pvperf_session		session;
	struct pvperf_policy_line	policy;
};

/*
 * One line per worker; worker w serves the areas of vCPUs 8w .. 8w+7, worker 0
 * the control area too.  Writer: host (the backend).
 *
 * need_kick: the host sets it to 1, full barrier, looks at the areas once
 * more, sleeps; sets it to 0 when it wakes.  The guest publishes (submitted),
 * full barrier, reads need_kick and rings the doorbell if it is not 0:
 * writel(PVPERF_DOORBELL, BAR0 + PVPERF_DOORBELL_REG).
 */
struct pvperf_worker_line {
	__u64	heartbeat;	/* free running: passes over the areas that found work */
	__u32	need_kick;
	__u32	pad0;
	__u64	reserved[6];
};

#define PVPERF_DOORBELL_REG	12		/* of the ivshmem device */
#define PVPERF_DOORBELL		(1U << 16)	/* peer 1, vector 0 */

/*
 * Writer: guest (the vCPU that owns the area; the control area: under a lock).
 *
 * nmi_handled: the guest's NMI handler claims an NMI if nmi_sent differs from
 * it, stores nmi_sent here, full barrier, then looks at slots and samples.  The
 * host writes slots and samples, full barrier, and raises the next NMI only if
 * nmi_handled has reached nmi_sent: what it wrote is otherwise found by the NMI
 * that is on its way.  So at most one is, none merges with another, and the
 * guest can tell its own from any other.
 */
struct pvperf_submit_line {
	__u32	submitted;	/* free running: frames published; written with release */
	__u32	nmi_handled;	/* value of nmi_sent that was last claimed */
	__u64	reserved[7];
};

/* Writer: host (the backend). */
struct pvperf_complete_line {
	__u32	completed;	/* free running: frames served; written with release */
	__u32	nmi_sent;	/* free running: NMIs raised on this vCPU; see nmi_handled */
	__u32	samples_head;	/* free running: samples written */
	__u32	pad0;
	__u64	reserved[6];
};

/*
 * One call.  Writer: guest, before it advances submitted past it; the host
 * copies it once.  Frame number n (a value of submitted before it) stands at
 * index n % PVPERF_NR_FRAMES, its pvperf_result at the same index.  At most
 * PVPERF_NR_FRAMES may be in flight.
 *
 *   OPEN     a1, a2  low and high 32 bits of the offset of a guest_perf_event_param
 *            a3      PVPERF_OPEN_A3(): group leader and vCPU
 *   others   a1      id
 *
 * ENABLE and DISABLE name one event, a group's sibling too: a slot advances
 * only while its own event is enabled.  A sibling that is enabled before its
 * leader starts with it.  In a batch put the leader first: the host then starts
 * and stops the whole group once and the siblings' frames cost it nothing.
 *
 * A batch is what lies between two values of submitted; frames of an area are
 * served in order, areas in any order.
 */
struct pvperf_frame {
	__u32	nr;		/* KVM_PERF_OP or PVPERF_HELLO */
	__u32	pad0;		/* 0 */
	__u64	session;	/* pvperf_session.session as the guest last saw it */
	__u64	a0;
	__u64	a1;
	__u64	a2;
	__u64	a3;
	__u64	reserved[2];	/* 0 */
};

/*
 * a3 of OPEN.  The vCPU is the one on which the host opens the event at once;
 * PVPERF_OPEN_BOUND says that it will never count on another.
 */
#define PVPERF_OPEN_NO_LEADER	0xffffffffU
#define PVPERF_OPEN_BOUND	0x80000000U
#define PVPERF_OPEN_A3(leader, bound, vcpu) \
	((__u64)(__u32)(leader) << 32 | ((bound) ? PVPERF_OPEN_BOUND : 0U) | (__u32)(vcpu))

/* The answer to a frame.  Writer: host, before it advances completed. */
struct pvperf_result {
	__s32	ret;		/* 0 or -errno */
	__u32	reason;		/* enum pvperf_reason */
	__u64	limit;		/* the limit that refused, else 0 */
};

/* Room for the arguments of an OPEN.  Writer: guest. */
struct pvperf_param {
	struct guest_perf_event_param	param;
	struct guest_perf_attr		attr;
	__u64				reserved[4];
};

/*
 * One overflow whose place in the guest the host knows.  Writer: host.
 * PVPERF_F_SAMPLING.  Sample number n (a value of samples_head before it)
 * stands at index n % PVPERF_NR_SAMPLES; a guest that is more than a ring behind
 * has lost places, not overflows: those are in the slot.
 */
struct pvperf_sample {
	__u64	ip;		/* guest's instruction pointer */
	__u32	id;
	__u32	mode;		/* PERF_RECORD_MISC_GUEST_KERNEL or _GUEST_USER */
	__u64	period_sum;	/* of the slot, this overflow included */
	__u32	overflows;	/* of the slot, this overflow included */
	__u32	pad0;		/* 0 */
};

/* One request area. */
struct pvperf_area {
	struct pvperf_submit_line	submit;
	struct pvperf_complete_line	complete;
	__u64				reserved[112];
	struct pvperf_result		results[PVPERF_NR_FRAMES];
	struct pvperf_param		params[PVPERF_NR_PARAMS];
	struct pvperf_frame		frames[PVPERF_NR_FRAMES];
	struct pvperf_sample		samples[PVPERF_NR_SAMPLES];
};

#define PVPERF_WORKERS_OFFSET	0x1000ULL
#define PVPERF_AREAS_OFFSET	0x4000ULL
#define PVPERF_AREA_SIZE	0x4000ULL
#define PVPERF_SLOT_SIZE	64ULL

#define PVPERF_AREA_OFFSET(index)	(PVPERF_AREAS_OFFSET + (__u64)(index) * PVPERF_AREA_SIZE)
#define PVPERF_CONTROL_AREA(nr_vcpus)	(nr_vcpus)	/* its index */
#define PVPERF_SLOTS_OFFSET(nr_vcpus)	PVPERF_AREA_OFFSET((nr_vcpus) + 1ULL)
#define PVPERF_SLOT_OFFSET(nr_vcpus, row, vcpu) \
	(PVPERF_SLOTS_OFFSET(nr_vcpus) + \
	 ((__u64)(row) * (nr_vcpus) + (vcpu)) * PVPERF_SLOT_SIZE)

/* What is used of the window; its size is the next power of two. */
#define PVPERF_WINDOW_USED(nr_vcpus)	PVPERF_SLOT_OFFSET(nr_vcpus, PVPERF_NR_ROWS, 0)

/*
 * Bytes of the window of a device with nr_vcpus vectors; 0 for a number that
 * no device has.  Frozen: a saved VM is restored only into the same size.
 */
static inline __u64
pvperf_window_size(__u32 nr_vcpus)
{
	__u64 size = 1;

	if (nr_vcpus < 1 || nr_vcpus > PVPERF_MAX_VCPUS)
		return 0;
	while (size < PVPERF_WINDOW_USED(nr_vcpus))
		size <<= 1;
	return size;
}

/* ---- The layout, asserted by every compiler that reads this file ----------- */

#define PVPERF_ASSERT_SIZE(type, size) \
	_Static_assert(sizeof(type) == (size), "size of " #type)
#define PVPERF_ASSERT_OFFSET(type, member, offset) \
	_Static_assert(__builtin_offsetof(type, member) == (offset), \
		       "offset of " #type "." #member)

PVPERF_ASSERT_SIZE(struct guest_perf_attr, 72);
PVPERF_ASSERT_OFFSET(struct guest_perf_attr, config, 8);
PVPERF_ASSERT_OFFSET(struct guest_perf_attr, sample_period, 16);
PVPERF_ASSERT_OFFSET(struct guest_perf_attr, sample_type, 24);
PVPERF_ASSERT_OFFSET(struct guest_perf_attr, read_format, 32);
PVPERF_ASSERT_OFFSET(struct guest_perf_attr, flags, 40);
PVPERF_ASSERT_OFFSET(struct guest_perf_attr, bp_type, 48);
PVPERF_ASSERT_OFFSET(struct guest_perf_attr, bp_addr, 56);
PVPERF_ASSERT_OFFSET(struct guest_perf_attr, bp_len, 64);
PVPERF_ASSERT_SIZE(struct guest_perf_event, PVPERF_SLOT_SIZE);
PVPERF_ASSERT_OFFSET(struct guest_perf_event, overflows, 8);
PVPERF_ASSERT_OFFSET(struct guest_perf_event, seq, 12);
PVPERF_ASSERT_OFFSET(struct guest_perf_event, time_enabled, 16);
PVPERF_ASSERT_OFFSET(struct guest_perf_event, time_lost, 24);
PVPERF_ASSERT_OFFSET(struct guest_perf_event, period_sum, 32);
PVPERF_ASSERT_OFFSET(struct guest_perf_event, state, 40);
PVPERF_ASSERT_OFFSET(struct guest_perf_event, error, 44);
PVPERF_ASSERT_OFFSET(struct guest_perf_event, throttles, 48);
PVPERF_ASSERT_SIZE(struct guest_perf_event_param, 24);
PVPERF_ASSERT_OFFSET(struct guest_perf_event_param, guest_event_addr, 8);
PVPERF_ASSERT_OFFSET(struct guest_perf_event_param, id, 16);
PVPERF_ASSERT_SIZE(struct pvperf_identity, PVPERF_LINE);
PVPERF_ASSERT_OFFSET(struct pvperf_identity, features, 12);
PVPERF_ASSERT_OFFSET(struct pvperf_identity, window_size, 16);
PVPERF_ASSERT_OFFSET(struct pvperf_identity, nr_vcpus, 24);
PVPERF_ASSERT_SIZE(struct pvperf_session, PVPERF_LINE);
PVPERF_ASSERT_SIZE(struct pvperf_policy_line, PVPERF_LINE);
PVPERF_ASSERT_OFFSET(struct pvperf_policy_line, last_refusal_limit, 32);
PVPERF_ASSERT_SIZE(struct pvperf_header, 3 * PVPERF_LINE);
PVPERF_ASSERT_SIZE(struct pvperf_worker_line, PVPERF_LINE);
PVPERF_ASSERT_SIZE(struct pvperf_submit_line, PVPERF_LINE);
PVPERF_ASSERT_OFFSET(struct pvperf_submit_line, nmi_handled, 4);
PVPERF_ASSERT_SIZE(struct pvperf_complete_line, PVPERF_LINE);
PVPERF_ASSERT_OFFSET(struct pvperf_complete_line, nmi_sent, 4);
PVPERF_ASSERT_OFFSET(struct pvperf_complete_line, samples_head, 8);
PVPERF_ASSERT_SIZE(struct pvperf_frame, PVPERF_LINE);
PVPERF_ASSERT_OFFSET(struct pvperf_frame, session, 8);
PVPERF_ASSERT_OFFSET(struct pvperf_frame, a0, 16);
PVPERF_ASSERT_OFFSET(struct pvperf_frame, a3, 40);
PVPERF_ASSERT_SIZE(struct pvperf_result, 16);
PVPERF_ASSERT_SIZE(struct pvperf_param, 128);
PVPERF_ASSERT_SIZE(struct pvperf_sample, 32);
PVPERF_ASSERT_OFFSET(struct pvperf_area, complete, 0x40);
PVPERF_ASSERT_OFFSET(struct pvperf_area, results, 0x400);
PVPERF_ASSERT_OFFSET(struct pvperf_area, params, 0x800);
PVPERF_ASSERT_OFFSET(struct pvperf_area, frames, 0x1000);
PVPERF_ASSERT_OFFSET(struct pvperf_area, samples, 0x2000);
PVPERF_ASSERT_SIZE(struct pvperf_area, PVPERF_AREA_SIZE);
_Static_assert(PVPERF_WORKERS_OFFSET +
	       PVPERF_MAX_VCPUS / PVPERF_VCPUS_PER_WORKER * PVPERF_LINE <=
	       PVPERF_AREAS_OFFSET, "worker lines fit before the areas");

#endif /* PVPERF_ABI_H */
