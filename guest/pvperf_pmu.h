/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's two PMUs; see pvperf_pmu.c.
 */
#ifndef PVPERF_PMU_H
#define PVPERF_PMU_H

#include <linux/device.h>

/* /sys/bus/event_source/devices/{cpu,pvperf}/; see pvperf_sysfs.c. */
extern const struct attribute_group *pvperf_cpu_groups[];
extern const struct attribute_group *pvperf_vcpu_groups[];

/* The bits of a raw config that "cpu" has names for. */
#define PVPERF_RAW_MASK		(0xffULL | 0xffULL << 8 | 1ULL << 18 | 1ULL << 23 | 0xffULL << 24)

int pvperf_pmus_register(void);
void pvperf_pmus_unregister(void);

#endif
