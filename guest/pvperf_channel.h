/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the driver's parts talk to the host.
 *
 * A channel carries calls to one host.  The logic of perf (pvperf_ids.c,
 * pvperf_cpu.c) sees nothing else of it, so that it runs on a fake one as well;
 * pvperf_window.c is the real one, the shared window of the device.
 *
 * Everything a channel hands out is a copy: the host may write what it likes
 * at any time.  A session is the host's nonce for what is open; 0 means that
 * no host serves.
 */
#ifndef PVPERF_CHANNEL_H
#define PVPERF_CHANNEL_H

#include <linux/types.h>

#include <pvperf/abi.h>

#define PVPERF_DRIVER_MAJOR	0
#define PVPERF_DRIVER_MINOR	1
#define PVPERF_DRIVER_PATCH	0

struct pvperf_channel;

/* One call of a vCPU's area. */
struct pvperf_op {
	u32	op;		/* KVM_PERF_OP_ENABLE, _DISABLE or _READ */
	u32	id;
};

/* The arguments of OPEN. */
struct pvperf_open {
	s32				id;
	s32				leader;		/* -1: none */
	u32				row;
	u32				vcpu;
	bool				bound;
	const struct guest_perf_attr	*attr;
};

struct pvperf_channel_ops {
	/* Any context. */
	u64 (*session)(struct pvperf_channel *ch);
	void (*header)(struct pvperf_channel *ch, struct pvperf_header *copy);
	u32 (*per_vcpu)(struct pvperf_channel *ch);
	bool (*samples)(struct pvperf_channel *ch);	/* does the host offer them? */
	/* An NMI was sent to this vCPU and is not claimed yet. */
	bool (*owed)(struct pvperf_channel *ch, u32 vcpu);

	/*
	 * Process context, one caller at a time; may sleep.  close() does not
	 * wait for the answer; -EBUSY: try again later.
	 */
	int (*hello)(struct pvperf_channel *ch, u64 session);
	int (*open)(struct pvperf_channel *ch, u64 session, const struct pvperf_open *open,
		    struct pvperf_result *result);
	int (*close)(struct pvperf_channel *ch, u64 session, s32 id);

	/*
	 * On the CPU that runs as vcpu, interrupts off, not in an NMI.
	 *
	 * post() publishes calls as one batch and says which frame the first
	 * one is; wait() waits for the frames before end, longer if patient;
	 * -EAGAIN: the host is late, and late() is true until it has answered
	 * them after all.
	 */
	bool (*late)(struct pvperf_channel *ch, u32 vcpu);
	int (*post)(struct pvperf_channel *ch, u32 vcpu, u64 session,
		    const struct pvperf_op *ops, unsigned int n, u32 *first);
	int (*wait)(struct pvperf_channel *ch, u32 vcpu, u32 end, bool patient);
	int (*result)(struct pvperf_channel *ch, u32 vcpu, u32 frame);
	/* From an NMI, too: one was sent that is not claimed yet; it is now. */
	bool (*claim)(struct pvperf_channel *ch, u32 vcpu);
	/* From an NMI, too: the next overflow whose place the host knows. */
	bool (*place)(struct pvperf_channel *ch, u32 vcpu, struct pvperf_sample *copy);
	void (*slot)(struct pvperf_channel *ch, u32 row, u32 vcpu, struct guest_perf_event *copy);
};

struct pvperf_channel {
	const struct pvperf_channel_ops	*ops;
	u32				nr_vcpus;
	bool				dead;		/* no more waits: the device goes */
	bool				foreign;	/* speaks another major version */
};

struct device;
struct pvperf_channel *pvperf_window_create(struct device *dev, void *window, u64 size,
					    void __iomem *regs);
void pvperf_window_destroy(struct pvperf_channel *ch);

#endif
