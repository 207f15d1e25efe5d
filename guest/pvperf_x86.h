/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the driver needs of the architecture; see pvperf_x86.c.
 */
#ifndef PVPERF_X86_H
#define PVPERF_X86_H

#include <linux/types.h>

/* The VMM's index of the vCPU that a CPU of Linux is. */
u32 pvperf_vcpu_of_cpu(unsigned int cpu);

/* The guest has a PMU of its own, whose driver is "cpu". */
bool pvperf_has_own_pmu(void);

/* A clock that runs with interrupts off and in NMIs; only differences count. */
u64 pvperf_cycles(void);
u64 pvperf_us_to_cycles(u32 us);

struct device;
struct msi_msg;
struct pt_regs;

/* Why NMIs cannot be had from an MSI of this device; NULL: they can. */
const char *pvperf_no_nmi(const struct device *dev);

/* The message that gives this CPU an NMI; false: there is none. */
bool pvperf_nmi_message(unsigned int cpu, struct msi_msg *message);

/* An address of user space. */
bool pvperf_is_user(u64 ip);

/* Makes registers say that they were taken there. */
void pvperf_set_place(struct pt_regs *regs, u64 ip, bool user);

/* What to call for a function at which a kprobe was placed; NULL: it cannot be called. */
void *pvperf_callable(void *probed);

/* An event of /sys/bus/event_source/devices/cpu/events and its raw number. */
struct pvperf_alias {
	const char	*name;
	u32		hw;	/* enum perf_hw_id */
	u32		raw;	/* event | umask << 8 */
};

/* The aliases of this vendor's CPUs; the list ends with a NULL name. */
const struct pvperf_alias *pvperf_aliases(void);

#endif
