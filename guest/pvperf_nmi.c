// SPDX-License-Identifier: GPL-2.0-only
/*
 * How overflows reach the CPUs.
 *
 * The device has one MSI-X vector per vCPU.  Its message is written to deliver
 * an NMI to that vCPU's local APIC.  Such a vector is never requested as an
 * interrupt: the kernel would rewrite its message when CPUs come and go.
 * Instead each CPU unmasks its own vector when it comes online and masks it
 * when it goes.
 *
 * Where an NMI cannot be had the vectors are plain interrupts, which come late
 * where interrupts are off; where even that fails the driver counts only.
 *
 * An NMI is ours if the host says that it sent one that was not claimed yet
 * (abi.h: nmi_handled); any other is left to the rest of the kernel.
 */
#include <linux/cpuhotplug.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/module.h>
#include <linux/msi.h>
#include <linux/pci.h>
#include <asm/irq_regs.h>
#include <asm/nmi.h>

#include "pvperf_channel.h"
#include "pvperf_cpu.h"
#include "pvperf_nmi.h"
#include "pvperf_x86.h"

#define PVPERF_QUIET_MS	20	/* what is on its way has come by then */

static char *delivery = "auto";
module_param(delivery, charp, 0444);
MODULE_PARM_DESC(delivery, "how overflows arrive: auto, nmi, irq, none");

static enum pvperf_delivery mode;
static struct pci_dev *device;			/* of the vectors */
static struct pvperf_channel *claims;		/* of the host that sends; NULL: none does */
static int hotplug_state = -1;

enum pvperf_delivery pvperf_delivery(void)
{
	return READ_ONCE(mode);
}

const char *pvperf_delivery_name(void)
{
	static const char * const names[] = {
		[PVPERF_DELIVERY_NONE] = "none",
		[PVPERF_DELIVERY_IRQ] = "irq",
		[PVPERF_DELIVERY_NMI] = "nmi",
	};

	return names[pvperf_delivery()];
}

/* ---- In the CPU concerned -------------------------------------------------------- */

static bool claim(void)
{
	struct pvperf_channel *ch = READ_ONCE(claims);
	u32 vcpu = pvperf_vcpu_of_cpu(smp_processor_id());

	return ch && vcpu < ch->nr_vcpus && ch->ops->claim(ch, vcpu);
}

static int nmi_handler(unsigned int type, struct pt_regs *regs)
{
	if (!claim())
		return NMI_DONE;
	pvperf_cpu_overflow(regs);
	return NMI_HANDLED;
}

static irqreturn_t irq_handler(int irq, void *data)
{
	/* Interrupts are off, as in all that uses this CPU's events. */
	if (claim())
		pvperf_cpu_overflow(get_irq_regs());
	return IRQ_HANDLED;
}

/* ---- Vectors ---------------------------------------------------------------------- */

static int vector_of_cpu(unsigned int cpu)
{
	u32 vcpu = pvperf_vcpu_of_cpu(cpu);

	return vcpu < claims->nr_vcpus ? pci_irq_vector(device, vcpu) : -ENOENT;
}

static int cpu_online_nmi(unsigned int cpu)
{
	struct msi_msg message;
	int irq = vector_of_cpu(cpu);

	if (irq < 0 || !pvperf_nmi_message(cpu, &message))
		return 0;
	pci_write_msi_msg(irq, &message);
	pci_msi_unmask_irq(irq_get_irq_data(irq));
	return 0;
}

static int cpu_offline_nmi(unsigned int cpu)
{
	int irq = vector_of_cpu(cpu);

	if (irq >= 0)
		pci_msi_mask_irq(irq_get_irq_data(irq));
	return 0;
}

static int cpu_online_irq(unsigned int cpu)
{
	int irq = vector_of_cpu(cpu);

	if (irq >= 0)
		irq_set_affinity(irq, cpumask_of(cpu));
	return 0;
}

static int start_nmi(void)
{
	int ret;

	ret = register_nmi_handler(NMI_LOCAL, nmi_handler, 0, "pvperf");
	if (ret)
		return ret;
	ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "pvperf:online", cpu_online_nmi,
				cpu_offline_nmi);
	if (ret < 0) {
		unregister_nmi_handler(NMI_LOCAL, "pvperf");
		return ret;
	}
	hotplug_state = ret;
	return 0;
}

static void free_irqs(u32 n)
{
	while (n-- > 0)
		free_irq(pci_irq_vector(device, n), &claims);
}

static int start_irq(void)
{
	u32 i;
	int ret;

	for (i = 0; i < claims->nr_vcpus; i++) {
		ret = request_irq(pci_irq_vector(device, i), irq_handler,
				  IRQF_NOBALANCING | IRQF_NO_THREAD, "pvperf", &claims);
		if (ret) {
			free_irqs(i);
			return ret;
		}
	}
	ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "pvperf:online", cpu_online_irq, NULL);
	if (ret < 0) {
		free_irqs(i);
		return ret;
	}
	hotplug_state = ret;
	return 0;
}

/* ---- Choosing ---------------------------------------------------------------------- */

static enum pvperf_delivery choose(const char **why)
{
	*why = "asked for";
	if (!strcmp(delivery, "none"))
		return PVPERF_DELIVERY_NONE;
	if (!strcmp(delivery, "irq"))
		return PVPERF_DELIVERY_IRQ;
	if (strcmp(delivery, "auto") && strcmp(delivery, "nmi"))
		dev_warn(&device->dev, "delivery=%s: auto, nmi, irq and none are allowed; taken for auto\n",
			 delivery);
	*why = pvperf_no_nmi(&device->dev);
	return *why ? PVPERF_DELIVERY_IRQ : PVPERF_DELIVERY_NMI;
}

static int start(enum pvperf_delivery wanted)
{
	u32 n = claims->nr_vcpus;
	int ret;

	ret = pci_alloc_irq_vectors(device, n, n, PCI_IRQ_MSIX);
	if (ret < 0)
		return ret;
	ret = wanted == PVPERF_DELIVERY_NMI ? start_nmi() : start_irq();
	if (ret)
		pci_free_irq_vectors(device);
	return ret;
}

void pvperf_delivery_start(struct pci_dev *pdev, struct pvperf_channel *ch)
{
	enum pvperf_delivery wanted;
	const char *why;
	int ret;

	if (ch->foreign)
		return;
	device = pdev;
	/* The vectors' messages are the device's own writes. */
	pci_set_master(pdev);
	WRITE_ONCE(claims, ch);
	wanted = choose(&why);
	if (wanted != PVPERF_DELIVERY_NONE) {
		ret = start(wanted);
		if (ret) {
			dev_warn(&pdev->dev, "%u MSI-X vectors cannot be had (error %d): counting only, no samples\n",
				 ch->nr_vcpus, ret);
			wanted = PVPERF_DELIVERY_NONE;
			why = NULL;
		}
	}
	WRITE_ONCE(mode, wanted);
	if (wanted == PVPERF_DELIVERY_NMI)
		dev_info(&pdev->dev, "samples arrive by NMI\n");
	else if (wanted == PVPERF_DELIVERY_IRQ)
		dev_info(&pdev->dev, "samples arrive by interrupt, late where interrupts are off: %s\n",
			 why);
	else if (why)
		dev_info(&pdev->dev, "counting only, no samples: %s\n", why);
}

/* All that was sent is claimed, or will not come. */
static void quiet(void)
{
	unsigned int ms, cpu;
	bool open;

	for (ms = 0; ms < PVPERF_QUIET_MS; ms++) {
		open = false;
		cpus_read_lock();
		for_each_online_cpu(cpu) {
			u32 vcpu = pvperf_vcpu_of_cpu(cpu);

			open |= vcpu < claims->nr_vcpus && claims->ops->owed(claims, vcpu);
		}
		cpus_read_unlock();
		if (!open)
			return;
		usleep_range(1000, 2000);
	}
}

void pvperf_delivery_stop(struct pci_dev *pdev)
{
	enum pvperf_delivery was = mode;

	if (device != pdev)
		return;
	WRITE_ONCE(mode, PVPERF_DELIVERY_NONE);
	if (was != PVPERF_DELIVERY_NONE) {
		cpuhp_remove_state(hotplug_state);
		quiet();
	}
	if (was == PVPERF_DELIVERY_NMI)
		unregister_nmi_handler(NMI_LOCAL, "pvperf");
	else if (was == PVPERF_DELIVERY_IRQ)
		free_irqs(claims->nr_vcpus);
	WRITE_ONCE(claims, NULL);
	/* A handler may just have read it. */
	synchronize_rcu();
	if (was != PVPERF_DELIVERY_NONE)
		pci_free_irq_vectors(pdev);
	device = NULL;
}
