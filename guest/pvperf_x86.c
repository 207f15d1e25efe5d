// SPDX-License-Identifier: GPL-2.0-only
/*
 * All that is x86 in the driver.
 *
 * The host indexes areas and slots by the VMM's vCPU index.  Linux numbers
 * CPUs in the order in which they come up, which differs after a hot-add and
 * in a crash kernel; the ACPI processor id is the VMM's index in both.  A
 * guest without ACPI brings up its CPUs in the VMM's order.
 */
#include <linux/cc_platform.h>
#include <linux/irqdomain.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/percpu.h>
#include <linux/msi.h>
#include <linux/perf_event.h>
#include <linux/uaccess.h>
#include <asm/ibt.h>
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

/* ---- NMIs --------------------------------------------------------------------------- */

/* An 8-bit destination; 255 is all CPUs. */
#define PVPERF_APICID_MAX	254

const char *pvperf_no_nmi(const struct device *dev)
{
	const struct irq_domain *domain = dev_get_msi_domain(dev);
	unsigned int cpu;

	if (!boot_cpu_has(X86_FEATURE_APIC))
		return "no local APIC";
	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT))
		return "this is an encrypted guest";
	/* The IOMMU refuses a message that it did not write. */
	if (domain && domain->name && strstr(domain->name, "IR-"))
		return "interrupts are remapped";
	for_each_present_cpu(cpu)
		if (per_cpu(x86_cpu_to_apicid, cpu) > PVPERF_APICID_MAX)
			return "a CPU's APIC id is above 254";
	return NULL;
}

bool pvperf_nmi_message(unsigned int cpu, struct msi_msg *message)
{
	u32 apicid = per_cpu(x86_cpu_to_apicid, cpu);

	if (apicid > PVPERF_APICID_MAX)
		return false;
	memset(message, 0, sizeof(*message));
	/* SDM volume 3, "Message Signalled Interrupts": physical destination, NMI. */
	message->address_lo = 0xfee00000 | apicid << 12;
	message->data = 0x400;
	return true;
}

bool pvperf_is_user(u64 ip)
{
	return ip < TASK_SIZE_MAX;
}

void pvperf_set_place(struct pt_regs *regs, u64 ip, bool user)
{
	regs->ip = ip;
	regs->cs = user ? __USER_CS : __KERNEL_CS;
	regs->ss = user ? __USER_DS : __KERNEL_DS;
	regs->flags = X86_EFLAGS_FIXED | X86_EFLAGS_IF;
}

/*
 * A kprobe at a function that begins with ENDBR is placed behind it.  A function
 * that is never called by pointer has its ENDBR taken out when IBT is in use.
 */
void *pvperf_callable(void *probed)
{
#ifdef CONFIG_X86_KERNEL_IBT
	u32 before;

	if (get_kernel_nofault(before, (u32 *)(probed - 4)))
		return NULL;
	if (is_endbr(before)) {
		if (cpu_feature_enabled(X86_FEATURE_IBT) && before == gen_endbr_poison())
			return NULL;
		return probed - 4;
	}
	if (cpu_feature_enabled(X86_FEATURE_IBT))
		return NULL;
#endif
	return probed;
}

/* ---- Names of events ------------------------------------------------------------------ */

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
