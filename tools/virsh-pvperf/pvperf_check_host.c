/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_check_host.c: what "check" says about the host.
 *
 * Rules without I/O over pvperfCheckFacts, in the order in which things depend
 * on each other: libvirt, QEMU, pvperf-ivshmem, virtpvperfd, the kernel.
 */
#include "pvperf_bus.h"
#include "pvperf_check.h"

#define SCOPE "HOST"

static void
pvperfCheckLibvirt(const pvperfCheckFacts *facts,
                   GPtrArray *findings)
{
    static const char what[] = "libvirt answers";
    static const char override[] = "libvirt keeps <qemu:override>, which makes the device migratable";
    const unsigned long version = facts->libvirt_version;

    if (facts->libvirt_error) {
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL,
                        "mend this first: without it domains can be neither read nor changed",
                        "%s", facts->libvirt_error);
        return;
    }
    pvperfCheckPass(findings, SCOPE, what, "%s", facts->libvirt_uri);
    if (version >= 8002000)
        pvperfCheckPass(findings, SCOPE, override, "libvirt %lu.%lu.%lu",
                        version / 1000000, version / 1000 % 1000, version % 1000);
    else
        pvperfCheckFind(findings, SCOPE, override, PVPERF_CHECK_WARN,
                        "use libvirt 8.2.0 or later, or write migratable='no' in <pvperf>",
                        "libvirt %lu.%lu.%lu drops it: a domain with the device can be neither saved nor migrated",
                        version / 1000000, version / 1000 % 1000, version % 1000);
}

static void
pvperfCheckQemu(const pvperfCheckFacts *facts,
                GPtrArray *findings)
{
    static const char what[] = "QEMU has the device ivshmem-doorbell";

    if (facts->driver && g_ascii_strcasecmp(facts->driver, "QEMU") != 0) {
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL, "use libvirt's QEMU driver",
                        "libvirt's driver here is '%s'", facts->driver);
        return;
    }
    switch (facts->ivshmem) {
    case PVPERF_TRISTATE_YES:
        pvperfCheckPass(findings, SCOPE, what, "%s", facts->emulator);
        break;
    case PVPERF_TRISTATE_NO:
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL,
                        "use a QEMU that was built with ivshmem",
                        "'%s' was built without it, as RHEL's and CentOS Stream's are", facts->emulator);
        break;
    case PVPERF_TRISTATE_ABSENT:
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_WARN,
                        "run 'qemu-system-x86_64 -device ivshmem-doorbell,help' on the host",
                        "not known: %s", facts->ivshmem_error ? facts->ivshmem_error : "libvirt names no emulator");
        break;
    }
}

static void
pvperfCheckSecurity(const pvperfCheckFacts *facts,
                    GPtrArray *findings)
{
    static const char what[] = "a confined QEMU may connect to pvperf-ivshmem";

    if (!facts->security)
        return;
    if (!g_str_equal(facts->security, "apparmor"))
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_WARN,
                        "if a domain with the device does not start, look at 'ausearch -m AVC -ts recent'; "
                        "docs/confinement.rst says what it needs",
                        "not known: libvirt's security driver is %s", facts->security);
    else if (facts->apparmor_asks && !facts->apparmor_rule)
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_WARN,
                        "add '/run/libvirt/pvperf/ivshmem.sock rw,' to "
                        "/etc/apparmor.d/local/abstractions/libvirt-qemu, and see docs/confinement.rst",
                        "AppArmor: one that starts with the device may, one that gets it while it runs may not");
    else
        pvperfCheckPass(findings, SCOPE, what, "AppArmor: %s", facts->apparmor_asks ?
                        "the rule is there" : "this kernel does not ask for a rule");
}

static void
pvperfCheckSocket(const pvperfCheckFacts *facts,
                  GPtrArray *findings)
{
    static const char what[] = "pvperf-ivshmem listens for QEMU";
    const char *start = facts->session ? "start it with 'pvperf-ivshmem --session'" :
        "start it with 'systemctl enable --now pvperf-ivshmem.socket'";

    if (facts->socket_listens)
        pvperfCheckPass(findings, SCOPE, what, "%s", facts->socket);
    else if (facts->socket_exists)
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL, start,
                        "'%s' is left over and nobody listens: domains with the device do not start",
                        facts->socket);
    else
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL, start,
                        "there is no socket '%s': domains with the device do not start", facts->socket);
}

static void
pvperfCheckDaemon(const pvperfCheckFacts *facts,
                  GPtrArray *findings)
{
    static const char what[] = "virtpvperfd answers";
    static const char libvirt[] = "virtpvperfd is connected to libvirt";
    static const char ivshmem[] = "virtpvperfd is connected to pvperf-ivshmem";

    if (facts->daemon_error) {
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL,
                        "without it domains run, but nothing is counted", "%s", facts->daemon_error);
        return;
    }
    if (g_strcmp0(facts->daemon_version, PVPERF_VERSION) == 0)
        pvperfCheckPass(findings, SCOPE, what, "version %s", facts->daemon_version);
    else
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_WARN,
                        "restart virtpvperfd after an upgrade, and install both from one release",
                        "it is version %s, this is %s", facts->daemon_version, PVPERF_VERSION);
    if (facts->daemon_libvirt)
        pvperfCheckPass(findings, SCOPE, libvirt, NULL);
    else
        pvperfCheckFind(findings, SCOPE, libvirt, PVPERF_CHECK_FAIL,
                        "see that libvirtd runs and lets the daemon in; it tries again by itself",
                        "it is not");
    if (facts->daemon_ivshmem)
        pvperfCheckPass(findings, SCOPE, ivshmem, NULL);
    else
        pvperfCheckFind(findings, SCOPE, ivshmem, PVPERF_CHECK_FAIL,
                        "see that pvperf-ivshmem runs; the daemon tries again by itself", "it is not");
}

/* True if the daemon said that the class can be counted. */
static bool
pvperfCheckClassAvailable(const pvperfCheckFacts *facts,
                          const char *klass)
{
    g_autoptr(GVariant) classes = NULL;
    gboolean available = FALSE;
    const char *reason;

    if (!facts->capabilities)
        return false;
    classes = g_variant_lookup_value(facts->capabilities, "classes", G_VARIANT_TYPE("a{s(bs)}"));
    if (classes)
        g_variant_lookup(classes, klass, "(b&s)", &available, &reason);
    return available;
}

static void
pvperfCheckRights(const pvperfCheckFacts *facts,
                  GPtrArray *findings)
{
    static const char what[] = "the kernel lets virtpvperfd open events";
    const int limit = facts->session ? 1 : 2;
    const char *fix = facts->session ? "'sysctl kernel.perf_event_paranoid=1' allows it" :
        "'sysctl kernel.perf_event_paranoid=2' allows it";

    if (pvperfCheckClassAvailable(facts, "vcpu"))
        pvperfCheckPass(findings, SCOPE, what, "kernel.perf_event_paranoid is %d", facts->paranoid);
    else if (facts->capabilities)
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL, fix,
                        "it could open none; kernel.perf_event_paranoid is %d", facts->paranoid);
    else if (facts->paranoid <= limit)
        pvperfCheckPass(findings, SCOPE, what, "kernel.perf_event_paranoid is %d", facts->paranoid);
    else
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_WARN, fix,
                        "kernel.perf_event_paranoid is %d, which %s, and no daemon answers that tried",
                        facts->paranoid, facts->session ? "keeps users from counting guests" :
                        "on Debian refuses even CAP_PERFMON without CAP_SYS_ADMIN");
}

static void
pvperfCheckPmu(const pvperfCheckFacts *facts,
               GPtrArray *findings)
{
    static const char what[] = "the host has a PMU";
    static const char mediated[] = "KVM leaves the PMU to perf";

    if (!facts->has_pmu) {
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_WARN,
                        "none on this machine: it is itself a guest without PMU, or its firmware hides it",
                        "it has none: cycles, instructions, branches and caches are <not supported> in "
                        "guests; class vcpu works");
        return;
    }
    pvperfCheckPass(findings, SCOPE, what, NULL);
    if (!facts->mediated)
        pvperfCheckPass(findings, SCOPE, mediated, NULL);
    else
        pvperfCheckFind(findings, SCOPE, mediated, PVPERF_CHECK_WARN,
                        "load kvm_intel or kvm_amd with enable_mediated_pmu=0",
                        "it mediates the PMU: hardware events of guests are <not supported>; class vcpu works");
}

void
pvperfCheckHost(const pvperfCheckFacts *facts,
                GPtrArray *findings)
{
    pvperfCheckLibvirt(facts, findings);
    if (!facts->libvirt_error)
        pvperfCheckQemu(facts, findings);
    pvperfCheckSecurity(facts, findings);
    pvperfCheckSocket(facts, findings);
    pvperfCheckDaemon(facts, findings);
    pvperfCheckRights(facts, findings);
    pvperfCheckPmu(facts, findings);
}
