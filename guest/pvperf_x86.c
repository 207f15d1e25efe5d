// SPDX-License-Identifier: GPL-2.0-only
/*
 * All that is x86 in the driver.
 *
 * The host indexes areas and slots by the VMM's vCPU index.  Linux numbers
 * CPUs in the order in which they come up, which differs after a hot-add and
 * in a crash kernel; the ACPI processor id is the VMM's index in both.  A
 * guest without ACPI brings up its CPUs in the VMM's order.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/percpu.h>
#include <linux/perf_event.h>
#include <asm/perf_event.h>
#include <asm/processor.h>
#include <asm/smp.h>
#include <asm/tsc.h>

#include "pvperf_x86.h"

u32 pvperf_vcpu_of_cpu(unsigned int cpu)
{
	u32 id = cpu_acpi_id(cpu);

	return id == U32_MAX ? cpu : id;
}

bool pvperf_has_own_pmu(void)
{
	struct x86_pmu_capability cap;

	perf_get_x86_pmu_capability(&cap);
	return cap.num_counters_gp > 0;
}

u64 pvperf_cycles(void)
{
	return rdtsc_ordered();
}

u64 pvperf_us_to_cycles(u32 us)
{
	/* A TSC that nobody calibrated is taken for a slow one: short waits. */
	return div_u64((u64)us * (tsc_khz ?: 1000000), 1000);
}

/* Intel's architectural events (SDM volume 3, "Pre-defined Architectural Performance Events"). */
static const struct pvperf_alias intel_aliases[] = {
	{ "cpu-cycles",			PERF_COUNT_HW_CPU_CYCLES,		0x003c },
	{ "instructions",		PERF_COUNT_HW_INSTRUCTIONS,		0x00c0 },
	{ "cache-references",		PERF_COUNT_HW_CACHE_REFERENCES,		0x4f2e },
	{ "cache-misses",		PERF_COUNT_HW_CACHE_MISSES,		0x412e },
	{ "branch-instructions",	PERF_COUNT_HW_BRANCH_INSTRUCTIONS,	0x00c4 },
	{ "branch-misses",		PERF_COUNT_HW_BRANCH_MISSES,		0x00c5 },
	{ "ref-cycles",			PERF_COUNT_HW_REF_CPU_CYCLES,		0x0300 },
	{ }
};

/* AMD, family 17h and later, and what else says so (Hygon, QEMU's "max"). */
static const struct pvperf_alias amd_aliases[] = {
	{ "cpu-cycles",			PERF_COUNT_HW_CPU_CYCLES,		0x0076 },
	{ "instructions",		PERF_COUNT_HW_INSTRUCTIONS,		0x00c0 },
	{ "cache-references",		PERF_COUNT_HW_CACHE_REFERENCES,		0xff60 },
	{ "cache-misses",		PERF_COUNT_HW_CACHE_MISSES,		0x0964 },
	{ "branch-instructions",	PERF_COUNT_HW_BRANCH_INSTRUCTIONS,	0x00c2 },
	{ "branch-misses",		PERF_COUNT_HW_BRANCH_MISSES,		0x00c3 },
	{ }
};

const struct pvperf_alias *pvperf_aliases(void)
{
	switch (boot_cpu_data.x86_vendor) {
	case X86_VENDOR_AMD:
	case X86_VENDOR_HYGON:
		return amd_aliases;
	default:
		return intel_aliases;
	}
}
