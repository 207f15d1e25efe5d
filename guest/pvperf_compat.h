/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that the driver runs on.
 *
 * The one place that asks for a kernel's version.
 */
#ifndef PVPERF_COMPAT_H
#define PVPERF_COMPAT_H

#include <linux/perf_event.h>
#include <linux/version.h>

#if !defined(CONFIG_X86_64)
#error "pvperf is for 64-bit x86"
#endif

/*
 * Before 6.2 all PMUs that count for tasks share one context per task, and one
 * PMU per boot may claim it unless it says that CPUs differ.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define PVPERF_PMU_CAPS	PERF_PMU_CAP_HETEROGENEOUS_CPUS

/*
 * Before 6.2 a task keeps its context, which points to a PMU, until it ends:
 * a PMU that once counted for tasks may be looked at after it was unregistered.
 */
#define PVPERF_PMU_IS_KEPT
#else
#define PVPERF_PMU_CAPS	0
#endif

/*
 * Two tasks whose events are copies of the same ones exchange their contexts
 * when one follows the other, and the events count on.  Up to 6.14 a PMU is told.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define PVPERF_SWAPS_CONTEXTS
typedef struct perf_event_context pvperf_task_ctx;
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
#define PVPERF_SWAPS_CONTEXTS
typedef struct perf_event_pmu_context pvperf_task_ctx;
#endif

#ifdef PVPERF_PMU_IS_KEPT
/* Turns tasks' empty contexts that point to a PMU that is gone to this one. */
void pvperf_contexts_adopt(struct pmu *pmu);

/* Turns contexts that point to this PMU to the one they share with it. */
void pvperf_contexts_leave(struct pmu *pmu);
#else
static inline void pvperf_contexts_adopt(struct pmu *pmu) { }
static inline void pvperf_contexts_leave(struct pmu *pmu) { }
#endif

#endif
