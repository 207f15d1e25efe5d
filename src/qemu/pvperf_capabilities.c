/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_capabilities.c: probes each entry of the event table.
 *
 * An event is opened, disabled, on the daemon's own thread with the attr that
 * the broker would use; the kernel checks PMU, rights and exclude_host there
 * just as on a vCPU's thread.
 */
#include "pvperf_capabilities.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
# include <cpuid.h>
#endif

#include "pvperf_broker.h"

/* cycles: user-space and kernel, what any core PMU counts */
#define PVPERF_RAW_PROBE 0x3cULL


static const char *
pvperfCapabilitiesVirtualization(void)
{
#if defined(__x86_64__)
    static const struct {
        const char *signature;
        const char *name;
    } known[] = {
        { "KVMKVMKVM", "kvm" },
        { "TCGTCGTCGTCG", "tcg" },
        { "XenVMMXenVMM", "xen" },
        { "Microsoft Hv", "hyperv" },
        { "VMwareVMware", "vmware" },
    };
    unsigned int eax, ebx, ecx, edx;
    char signature[13] = { 0 };
    size_t i;

    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & (1U << 31)))
        return "none";
    __cpuid(0x40000000, eax, ebx, ecx, edx);
    memcpy(signature, &ebx, 4);
    memcpy(signature + 4, &ecx, 4);
    memcpy(signature + 8, &edx, 4);
    for (i = 0; i < G_N_ELEMENTS(known); i++) {
        if (strcmp(signature, known[i].signature) == 0)
            return known[i].name;
    }
#endif
    return "unknown";
}


static void
pvperfCapabilitiesReadHost(pvperfHostFacts *host)
{
    const char *devices = "/sys/bus/event_source/devices/";
    static const char *const pmus[] = { "cpu", "cpu_core", "armv8_pmuv3", "armv8_pmuv3_0" };
    g_autofree char *text = NULL;
    size_t i;

    host->perf_event_paranoid = -2;
    if (g_file_get_contents("/proc/sys/kernel/perf_event_paranoid", &text, NULL, NULL))
        host->perf_event_paranoid = g_ascii_strtoll(text, NULL, 10);

    host->max_sample_rate = pvperfBrokerMaxSampleRate("/proc");
    host->has_pmu = false;
    for (i = 0; i < G_N_ELEMENTS(pmus); i++) {
        g_autofree char *path = g_strconcat(devices, pmus[i], NULL);

        if (g_file_test(path, G_FILE_TEST_IS_DIR))
            host->has_pmu = true;
    }
    host->virtualization = pvperfCapabilitiesVirtualization();
}


void
pvperfCapabilitiesProbe(pvperfCapabilities *caps,
                        int (*open)(struct perf_event_attr *attr,
                                    pid_t tid,
                                    int group_fd))
{
    struct perf_event_attr attr;
    int i;

    memset(caps, 0, sizeof(*caps));
    pvperfCapabilitiesReadHost(&caps->host);
    for (i = 0; i < pvperfEventCount(); i++) {
        const pvperfEventInfo *info = pvperfEventGet(i);
        const pvperfControlEvent event = { .event = i, .raw_config = PVPERF_RAW_PROBE };
        int fd;

        pvperfBrokerAttr(&event, true, &attr);
        fd = open(&attr, 0, -1);
        if (fd < 0) {
            caps->errors[i] = -fd;
        } else {
            caps->classes_available |= 1U << info->klass;
            close(fd);
        }
    }
}


char *
pvperfCapabilitiesExplain(const pvperfHostFacts *host,
                          int err)
{
    switch (err) {
    case 0:
        return g_strdup("");
    case ENOSYS:
        return g_strdup("the host's kernel has no perf");
    case EACCES:
    case EPERM:
        return g_strdup_printf("the daemon may not open it: kernel.perf_event_paranoid is %d, "
                               "which asks for %s", host->perf_event_paranoid,
                               host->perf_event_paranoid >= 3 ?
                               "CAP_PERFMON and (Debian) CAP_SYS_ADMIN; "
                               "'sysctl kernel.perf_event_paranoid=2' lowers it" :
                               "CAP_PERFMON; 'sysctl kernel.perf_event_paranoid=1' does without");
    case EOPNOTSUPP:
        if (host->has_pmu)
            return g_strdup("the host's KVM mediates the PMU and keeps guest-only events for itself");
        /* fall through */
    case ENOENT:
    case ENODEV:
    case ENXIO:
        if (!host->has_pmu && strcmp(host->virtualization, "none") != 0)
            return g_strdup_printf("the host has no PMU: it is itself a guest (of %s) without one",
                                   host->virtualization);
        if (!host->has_pmu)
            return g_strdup("the host has no PMU that its kernel knows");
        return g_strdup("the host's PMU has no such event");
    default:
        return g_strdup_printf("perf_event_open says: %s", g_strerror(err));
    }
}


/* Why a class is not available: what its first event says. */
static int
pvperfCapabilitiesClassError(const pvperfCapabilities *caps,
                             int klass)
{
    int i;

    if (caps->classes_available & (1U << klass))
        return 0;
    for (i = 0; i < pvperfEventCount(); i++) {
        if ((int)pvperfEventGet(i)->klass == klass)
            return caps->errors[i];
    }
    return ENOENT;
}


GVariant *
pvperfCapabilitiesFormat(const pvperfCapabilities *caps)
{
    GVariantDict dict;
    GVariantBuilder classes;
    GVariantBuilder events;
    int i;

    g_variant_builder_init(&classes, G_VARIANT_TYPE("a{s(bs)}"));
    for (i = 0; i < PVPERF_NR_CLASSES; i++) {
        int err = pvperfCapabilitiesClassError(caps, i);
        g_autofree char *why = pvperfCapabilitiesExplain(&caps->host, err);

        g_variant_builder_add(&classes, "{s(bs)}", pvperfClassName(i), err == 0, why);
    }

    g_variant_builder_init(&events, G_VARIANT_TYPE("a{s(bs)}"));
    for (i = 0; i < pvperfEventCount(); i++) {
        g_autofree char *why = pvperfCapabilitiesExplain(&caps->host, caps->errors[i]);

        g_variant_builder_add(&events, "{s(bs)}", pvperfEventGet(i)->name, caps->errors[i] == 0, why);
    }

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert_value(&dict, "classes", g_variant_builder_end(&classes));
    g_variant_dict_insert_value(&dict, "events", g_variant_builder_end(&events));
    g_variant_dict_insert(&dict, "perf_event_paranoid", "i", caps->host.perf_event_paranoid);
    g_variant_dict_insert(&dict, "perf_event_max_sample_rate", "t", caps->host.max_sample_rate);
    g_variant_dict_insert(&dict, "virtualization", "s", caps->host.virtualization);
    if (caps->user) {
        g_variant_dict_insert(&dict, "backend_user", "s", caps->user->name);
        g_variant_dict_insert(&dict, "backend_user_own", "b", !caps->user->shared);
    }
    return g_variant_dict_end(&dict);
}
