/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_check_domain.c: what "check" says about one domain.
 *
 * Rules without I/O over pvperfCheckFacts: the element, the device in
 * definition and running domain, what the guest brings itself, what the
 * daemon says, and what was refused.
 */
#include "pvperf_bus.h"
#include "pvperf_check.h"

#include "conf/pvperf_states.h"

#define SCOPE "DOMAIN"

const pvperfDomainXML *
pvperfCheckCurrent(const pvperfCheckFacts *facts)
{
    return facts->live ? facts->live : facts->config;
}

/* Neither element nor device: that the element lacks says it all. */
static bool
pvperfCheckHasNothing(const pvperfDomainXML *xml)
{
    return !xml || (xml->place == PVPERF_PLACE_NONE && xml->device.count == 0);
}

static void
pvperfCheckElement(const pvperfCheckFacts *facts,
                   GPtrArray *findings)
{
    static const char what[] = "<pvperf> is there and right";
    const pvperfDomainXML *xml = facts->config ? facts->config : facts->live;
    g_autofree char *enable = g_strdup_printf("'virsh-pvperf enable %s' adds it", facts->domain);
    g_autofree char *edit = g_strdup_printf("'virsh-pvperf edit %s' checks before it saves", facts->domain);
    g_autoptr(GError) error = NULL;

    if (xml->place == PVPERF_PLACE_NONE)
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL, enable,
                        "libvirt has none: written directly in <domain>, or in <metadata> without xmlns, "
                        "it drops it without a word");
    else if (!pvperfDomainCheck(xml, &error))
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL, edit, "%s", error->message);
    else if (xml->def->state == PVPERF_TRISTATE_NO)
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_WARN, edit,
                        "it says state='off': the guest counts nothing");
    else
        pvperfCheckPass(findings, SCOPE, what, NULL);
}

static void
pvperfCheckDiffers(const pvperfCheckFacts *facts,
                   GPtrArray *findings)
{
    static const char what[] = "the running domain obeys the <pvperf> of its definition";
    bool differs;

    if (!facts->config || !facts->live || !facts->config->def)
        return;
    if (facts->row)
        differs = pvperfDictBool(facts->row, "differs");
    else
        differs = !facts->live->def || !pvperfDomainDefEqual(facts->config->def, facts->live->def);
    if (!differs)
        pvperfCheckPass(findings, SCOPE, what, NULL);
    else
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_WARN,
                        "shut it down and start it, or change the running one with 'virsh metadata --live'",
                        "they differ: the running domain has %s",
                        facts->live->place == PVPERF_PLACE_NONE ? "none" : "another one");
}

/* The host may grant less than the element asks for. */
static void
pvperfCheckGranted(const pvperfCheckFacts *facts,
                   GPtrArray *findings)
{
    static const char what[] = "the host grants what it asks for";
    const char *remarks = facts->policy ? pvperfDictString(facts->policy, "remarks") : "";

    if (*remarks)
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_WARN,
                        "the host's operator changes policies and ceilings, see virtpvperfd(8)", "%s", remarks);
    else if (facts->policy)
        pvperfCheckPass(findings, SCOPE, what, NULL);
}

/* What of @device would keep it from working; NULL if nothing. */
static char *
pvperfCheckDeviceWrong(const pvperfCheckFacts *facts,
                       const pvperfDomainXML *xml)
{
    const pvperfDevice *device = &xml->device;

    if (device->count > 1)
        return g_strdup_printf("it is there %u times, and only one works", device->count);
    if (g_strcmp0(device->socket, facts->socket) != 0)
        return g_strdup_printf("its socket is '%s', pvperf-ivshmem's is '%s'",
                               device->socket ? device->socket : "", facts->socket);
    if (device->vectors < xml->max_vcpus)
        return g_strdup_printf("its vectors='%u' are fewer than the %u vCPUs: those beyond count nothing",
                               device->vectors, xml->max_vcpus);
    return NULL;
}

static void
pvperfCheckConfigDevice(const pvperfCheckFacts *facts,
                        GPtrArray *findings)
{
    static const char what[] = "the definition has the device";
    static const char override[] = "the device is migratable";
    const pvperfDomainXML *xml = facts->config;
    g_autofree char *enable = g_strdup_printf("'virsh-pvperf enable %s' adds it", facts->domain);
    g_autofree char *again = g_strdup_printf("'virsh-pvperf disable %s', then 'virsh-pvperf enable %s'",
                                             facts->domain, facts->domain);
    g_autofree char *wrong = NULL;

    if (!xml || xml->place == PVPERF_PLACE_NONE)
        return;
    if (xml->device.count == 0) {
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL, enable, "it has none%s",
                        xml->def && xml->def->managed == PVPERF_TRISTATE_NO ?
                        ", and with managed='no' the daemon does not add it" : "");
        return;
    }
    wrong = pvperfCheckDeviceWrong(facts, xml);
    if (wrong)
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL, again, "%s", wrong);
    else
        pvperfCheckPass(findings, SCOPE, what, NULL);
    if (xml->device.has_override)
        pvperfCheckPass(findings, SCOPE, override, NULL);
    else if (xml->def && xml->def->migratable == PVPERF_TRISTATE_NO)
        pvperfCheckPass(findings, SCOPE, override, "no, as migratable='no' says");
    else
        pvperfCheckFind(findings, SCOPE, override, PVPERF_CHECK_WARN, enable,
                        "it has no <qemu:override>: the domain can be neither saved nor migrated");
}

static void
pvperfCheckLiveDevice(const pvperfCheckFacts *facts,
                      GPtrArray *findings)
{
    static const char runs[] = "the domain runs";
    static const char what[] = "the running domain has the device";
    g_autofree char *start = g_strdup_printf("'virsh start %s'", facts->domain);
    g_autofree char *wrong = NULL;

    if (!facts->live) {
        pvperfCheckFind(findings, SCOPE, runs, PVPERF_CHECK_WARN, start, "it does not: nothing counts now");
        return;
    }
    if (facts->live->device.count == 0) {
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL,
                        "shut it down and start it: a reboot is not enough", "it was started without");
        return;
    }
    wrong = pvperfCheckDeviceWrong(facts, facts->live);
    if (wrong)
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL,
                        "mend the definition, shut it down and start it", "%s", wrong);
    else
        pvperfCheckPass(findings, SCOPE, what, NULL);
}

static void
pvperfCheckBeside(const pvperfCheckFacts *facts,
                  GPtrArray *findings)
{
    static const char pmu[] = "the guest has no PMU of its own beside us";
    const pvperfDomainXML *xml = pvperfCheckCurrent(facts);

    if (xml->device.other_ivshmem)
        pvperfCheckPass(findings, SCOPE, "other ivshmem devices do not matter",
                        "%u of them; the guest's driver leaves them alone", xml->device.other_ivshmem);
    if (facts->vhost_user)
        pvperfCheckPass(findings, SCOPE, "vhost-user devices (virtiofs) do not matter",
                        "their back ends can write the shared window, as the guest can, and are trusted as little");
    if (g_strcmp0(xml->type, "kvm") != 0)
        pvperfCheckPass(findings, SCOPE, pmu, "domain type '%s' gives it none", xml->type);
    else if (xml->pmu_off || !facts->has_pmu)
        pvperfCheckPass(findings, SCOPE, pmu, NULL);
    else
        pvperfCheckFind(findings, SCOPE, pmu, PVPERF_CHECK_WARN,
                        "write <features><pmu state='off'/></features> into the domain XML",
                        "it has one: what it counts is outside <pvperf>'s limits, and the guest's 'cycles' "
                        "are its own");
}

/* What to do about each state; the states are those of pvperf_states.h. */
static const struct {
    pvperfCheckResult result;
    const char *fix;
} checkStates[] = {
    [PVPERF_DOMAIN_ON] = { PVPERF_CHECK_PASS, NULL },
    [PVPERF_DOMAIN_OFF] = { PVPERF_CHECK_WARN, "write state='on' into <pvperf>" },
    [PVPERF_DOMAIN_PENDING_RESTART] = { PVPERF_CHECK_WARN, "shut it down and start it: a reboot is not enough" },
    [PVPERF_DOMAIN_INVALID] = { PVPERF_CHECK_FAIL, "'virsh-pvperf edit' checks before it saves" },
    [PVPERF_DOMAIN_UNMANAGED] = { PVPERF_CHECK_WARN, "'virsh-pvperf enable' adds the device" },
    [PVPERF_DOMAIN_UNAVAILABLE] = { PVPERF_CHECK_FAIL, "mend what fails above" },
};
G_STATIC_ASSERT(G_N_ELEMENTS(checkStates) == PVPERF_NR_DOMAIN_STATES);

static void
pvperfCheckState(const pvperfCheckFacts *facts,
                 GPtrArray *findings)
{
    static const char what[] = "virtpvperfd serves the domain";
    const char *name;
    const char *reason;
    int state;

    if (facts->daemon_error)
        return;
    if (!facts->row) {
        if (pvperfCheckCurrent(facts)->place != PVPERF_PLACE_NONE)
            pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL,
                            "see that it is connected to the same libvirt", "it does not know the domain");
        return;
    }
    name = pvperfDictString(facts->row, "state");
    reason = pvperfDictString(facts->row, "reason");
    for (state = 0; state < PVPERF_NR_DOMAIN_STATES; state++) {
        if (g_str_equal(pvperfDomainStateName(state), name))
            break;
    }
    if (state == PVPERF_NR_DOMAIN_STATES)
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_WARN, "use tools of the daemon's version",
                        "state '%s' is of a later version", name);
    else if (checkStates[state].result == PVPERF_CHECK_PASS)
        pvperfCheckPass(findings, SCOPE, what, "state '%s'", name);
    else
        pvperfCheckFind(findings, SCOPE, what, checkStates[state].result, checkStates[state].fix,
                        "state '%s': %s", name, *reason ? reason : pvperfDomainStateText(state));
}

static void
pvperfCheckDriver(const pvperfCheckFacts *facts,
                  GPtrArray *findings)
{
    static const char what[] = "the guest's driver has been seen";
    const char *driver;

    if (!facts->row || !facts->live || facts->live->device.count == 0)
        return;
    driver = pvperfDictString(facts->row, "driver");
    if (*driver)
        pvperfCheckPass(findings, SCOPE, what, "version %s; this host is %s", driver, PVPERF_VERSION);
    else
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_WARN,
                        "in the guest: 'modprobe pvperf', then 'dmesg | grep pvperf'",
                        "not since the domain started: perf there has no event of ours");
}

static void
pvperfCheckRefusals(const pvperfCheckFacts *facts,
                    GPtrArray *findings)
{
    static const char what[] = "nothing was refused";
    static const char room[] = "there is room for another event";
    g_autoptr(GVariant) refusals = NULL;
    bool any = false;
    int reason;

    if (!facts->stats)
        return;
    refusals = g_variant_lookup_value(facts->stats, "refusals", G_VARIANT_TYPE("a{st}"));
    for (reason = 0; refusals && reason < PVPERF_NR_REASONS; reason++) {
        const uint64_t count = pvperfDictUint(refusals, pvperfReasonName(reason));

        if (count == 0)
            continue;
        any = true;
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_WARN, pvperfCheckReasonFix(reason),
                        "%" G_GUINT64_FORMAT " since the domain started: %s", count,
                        pvperfReasonText(reason));
    }
    if (!any)
        pvperfCheckPass(findings, SCOPE, what, NULL);
    if (pvperfDictUint(facts->stats, "open") < pvperfDictUint(facts->stats, "max"))
        pvperfCheckPass(findings, SCOPE, room, "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " are open",
                        pvperfDictUint(facts->stats, "open"), pvperfDictUint(facts->stats, "max"));
    else
        pvperfCheckFind(findings, SCOPE, room, PVPERF_CHECK_WARN,
                        pvperfCheckReasonFix(PVPERF_REASON_MAX),
                        "all %" G_GUINT64_FORMAT " are open", pvperfDictUint(facts->stats, "max"));
}

void
pvperfCheckDomain(const pvperfCheckFacts *facts,
                  GPtrArray *findings)
{
    if (!facts->domain || !pvperfCheckCurrent(facts))
        return;
    pvperfCheckElement(facts, findings);
    pvperfCheckDiffers(facts, findings);
    pvperfCheckGranted(facts, findings);
    pvperfCheckConfigDevice(facts, findings);
    if (!pvperfCheckHasNothing(facts->config) || !pvperfCheckHasNothing(facts->live))
        pvperfCheckLiveDevice(facts, findings);
    pvperfCheckBeside(facts, findings);
    pvperfCheckState(facts, findings);
    pvperfCheckDriver(facts, findings);
    pvperfCheckRefusals(facts, findings);
}
