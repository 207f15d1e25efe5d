// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module, and the device it binds.
 *
 * 1af4:1110 is every ivshmem device.  Ours is known by the magic in its shared
 * memory; any other one is left alone without a word.  The PMUs do not depend
 * on the device: it may come later, go, and come back while events are open.
 *
 * Order on removal: detach() makes sure that no CPU is using the window, then
 * it is unmapped.
 */
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "pvperf_cpu.h"
#include "pvperf_ids.h"
#include "pvperf_nmi.h"
#include "pvperf_pmu.h"
#include "pvperf_refresh.h"
#include "pvperf_retry.h"
#include "pvperf_sample.h"

#define PVPERF_PCI_VENDOR	0x1af4
#define PVPERF_PCI_DEVICE	0x1110
#define PVPERF_BAR_REGS		0
#define PVPERF_BAR_WINDOW	2

struct pvperf_device {
	struct pvperf_channel	*ch;
	void			*window;
	void __iomem		*regs;
};

/*
 * The window is memory that the host maps, too, so it is mapped write-back.
 * Where the firmware's MTRRs call the BAR uncachable the kernel makes that
 * uncached-minus, which is slower and as correct: frames are written once,
 * polled words share a line.  Write-combining would reorder.
 */
static void *map_window(struct pci_dev *pdev)
{
	return memremap(pci_resource_start(pdev, PVPERF_BAR_WINDOW),
			pci_resource_len(pdev, PVPERF_BAR_WINDOW), MEMREMAP_WB);
}

static int pvperf_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct pvperf_device *device;
	int ret;

	if (!(pci_resource_flags(pdev, PVPERF_BAR_WINDOW) & IORESOURCE_MEM) ||
	    !(pci_resource_flags(pdev, PVPERF_BAR_REGS) & IORESOURCE_MEM))
		return -ENODEV;
	device = devm_kzalloc(&pdev->dev, sizeof(*device), GFP_KERNEL);
	if (!device)
		return -ENOMEM;

	ret = pci_enable_device_mem(pdev);
	if (ret)
		return ret;
	ret = pci_request_regions(pdev, "pvperf");
	if (ret)
		goto disable;
	ret = -ENOMEM;
	device->window = map_window(pdev);
	if (!device->window)
		goto release;
	device->regs = pci_iomap(pdev, PVPERF_BAR_REGS, 0);
	if (!device->regs)
		goto unmap_window;

	device->ch = pvperf_window_create(&pdev->dev, device->window,
					  pci_resource_len(pdev, PVPERF_BAR_WINDOW), device->regs);
	if (IS_ERR(device->ch)) {
		ret = PTR_ERR(device->ch);
		goto unmap_regs;
	}
	ret = pvperf_ids_attach(device->ch);
	if (ret) {
		dev_warn(&pdev->dev, "a second pvperf device: not used\n");
		goto destroy;
	}
	pci_set_drvdata(pdev, device);
	pvperf_delivery_start(pdev, device->ch);
	pvperf_retry_host_changed();
	return 0;

destroy:
	pvperf_window_destroy(device->ch);
unmap_regs:
	pci_iounmap(pdev, device->regs);
unmap_window:
	memunmap(device->window);
release:
	pci_release_regions(pdev);
disable:
	pci_disable_device(pdev);
	return ret;
}

static void pvperf_remove(struct pci_dev *pdev)
{
	struct pvperf_device *device = pci_get_drvdata(pdev);

	pvperf_delivery_stop(pdev);
	pvperf_ids_detach(device->ch);
	pvperf_window_destroy(device->ch);
	pci_iounmap(pdev, device->regs);
	memunmap(device->window);
	pci_release_regions(pdev);
	pci_disable_device(pdev);
}

/*
 * Before kexec, and before the machine goes off.  No NMI meets a kernel that
 * does not know it, and the host does not count on for one that is gone.
 * Window and mappings stay: the kernel that owns them ends with them.
 */
static void pvperf_shutdown(struct pci_dev *pdev)
{
	struct pvperf_device *device = pci_get_drvdata(pdev);

	pvperf_delivery_stop(pdev);
	pvperf_ids_detach(device->ch);
}

static const struct pci_device_id pvperf_pci_ids[] = {
	{ PCI_DEVICE(PVPERF_PCI_VENDOR, PVPERF_PCI_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, pvperf_pci_ids);

static struct pci_driver pvperf_pci_driver = {
	.name		= "pvperf",
	.id_table	= pvperf_pci_ids,
	.probe		= pvperf_probe,
	.remove		= pvperf_remove,
	.shutdown	= pvperf_shutdown,
};

static int __init pvperf_init(void)
{
	int ret;

	pvperf_cpus_init();
	pvperf_refresh_init();
	pvperf_sample_init();
	ret = pvperf_pmus_register();
	if (ret)
		return ret;
	ret = pci_register_driver(&pvperf_pci_driver);
	if (ret)
		goto unregister;
	return 0;

unregister:
	pvperf_retry_exit();
	pvperf_pmus_unregister();
	pvperf_refresh_exit();
	pvperf_ids_exit();
	return ret;
}

/* No event is open: each one holds the module. */
static void __exit pvperf_exit(void)
{
	pci_unregister_driver(&pvperf_pci_driver);
	pvperf_retry_exit();
	pvperf_pmus_unregister();
	pvperf_refresh_exit();
	pvperf_ids_exit();
}

module_init(pvperf_init);
module_exit(pvperf_exit);

MODULE_DESCRIPTION("Paravirtual perf for guests of libvirt-pvperf hosts");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
