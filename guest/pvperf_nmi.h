/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How overflows reach the CPUs; see pvperf_nmi.c.
 */
#ifndef PVPERF_NMI_H
#define PVPERF_NMI_H

#include <linux/types.h>

struct pci_dev;
struct pvperf_channel;

enum pvperf_delivery {
	PVPERF_DELIVERY_NONE,	/* counting only */
	PVPERF_DELIVERY_IRQ,	/* not where interrupts are off */
	PVPERF_DELIVERY_NMI,
};

/*
 * Process context.  start() says once in the log how overflows arrive, and
 * never fails: without a way it is counting only.  stop() returns when none is
 * on its way any more.
 */
void pvperf_delivery_start(struct pci_dev *pdev, struct pvperf_channel *ch);
void pvperf_delivery_stop(struct pci_dev *pdev);

/* The one of the present device. */
enum pvperf_delivery pvperf_delivery(void);
const char *pvperf_delivery_name(void);

#endif
