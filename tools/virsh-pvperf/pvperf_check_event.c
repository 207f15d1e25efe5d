/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_check_event.c: what "check" says about one event of one domain.
 *
 * Rules without I/O over pvperfCheckFacts: is it an event of ours, may this
 * domain count it, can this host, and did it count all the time.
 */
#include "pvperf_bus.h"
#include "pvperf_check.h"
#include "pvperf_perf_event.h"
#include "pvperf_text.h"

#define SCOPE "EVENT"

/* The limits that hold for the domain now, by the daemon if it said so; false
 * if it has no valid element. */
static bool
pvperfCheckPolicy(const pvperfCheckFacts *facts,
                  pvperfPolicy *policy)
{
    const pvperfDomainXML *xml = pvperfCheckCurrent(facts);
    const char *element = facts->policy ? pvperfDictString(facts->policy, "element") : "";
    g_autoptr(pvperfDomainDef) granted = *element ? pvperfDomainDefParseString(element, NULL) : NULL;

    if (!xml || !xml->def)
        return false;
    pvperfDomainDefPolicy(granted ? granted : xml->def, xml->max_vcpus, policy);
    return true;
}

static void
pvperfCheckAllowed(const pvperfCheckFacts *facts,
                   const pvperfPerfEvent *event,
                   GPtrArray *findings)
{
    static const char what[] = "the domain's <pvperf> allows it";
    const pvperfEventInfo *info = pvperfEventGet(event->event);
    const char *klass = pvperfClassName(info->klass);
    g_autofree char *fix = NULL;
    pvperfPolicy policy;

    if (!pvperfCheckPolicy(facts, &policy))
        return;
    if (info->klass == PVPERF_CLASS_RAW && !pvperfPolicyAllowsRaw(&policy, event->raw_config)) {
        fix = g_strdup_printf("<class name='raw' allow='yes'><raw config='0x%" G_GINT64_MODIFIER
                              "x' mask='0x%" G_GINT64_MODIFIER "x'/></class> allows it",
                              (guint64) (event->raw_config & PVPERF_RAW_BITS),
                              (guint64) PVPERF_RAW_BITS);
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL, fix,
                        "raw event 0x%" G_GINT64_MODIFIER "x is not on its list%s", event->raw_config,
                        event->raw_config & ~PVPERF_RAW_BITS ?
                        ", and has bits that no guest may set (they count neighbours)" : "");
    } else if (!(policy.classes & 1U << info->klass)) {
        fix = g_strdup_printf("<class name='%s' allow='yes'/> allows it%s", klass,
                              facts->policy && *pvperfDictString(facts->policy, "policy") ?
                              ", if the host's policy allows it as well" : "");
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL, fix,
                        "class '%s' (%s) is not allowed", klass, pvperfClassText(info->klass));
    } else if (!policy.on) {
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL, "write state='on' into <pvperf>",
                        "state='off' forbids every event");
    } else {
        pvperfCheckPass(findings, SCOPE, what, "class '%s'", klass);
    }
}

static void
pvperfCheckCountable(const pvperfCheckFacts *facts,
                     const pvperfPerfEvent *event,
                     GPtrArray *findings)
{
    static const char what[] = "the host can count it";
    const pvperfEventInfo *info = pvperfEventGet(event->event);
    g_autoptr(GVariant) events = NULL;
    gboolean available = FALSE;
    const char *reason = "";

    if (facts->capabilities)
        events = g_variant_lookup_value(facts->capabilities, "events", G_VARIANT_TYPE("a{s(bs)}"));
    if (events && g_variant_lookup(events, info->name, "(b&s)", &available, &reason)) {
        if (available)
            pvperfCheckPass(findings, SCOPE, what, NULL);
        else
            pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL,
                            "'virsh-pvperf capabilities' shows what it can count", "%s", reason);
    } else if (info->klass != PVPERF_CLASS_VCPU && !facts->has_pmu) {
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL,
                        "use events of class vcpu, or a host with a PMU", "it has no PMU");
    } else {
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_WARN, "start virtpvperfd, which tries",
                        "not known: no daemon answers that tried");
    }
}

static void
pvperfCheckShare(const pvperfCheckFacts *facts,
                 const pvperfPerfEvent *event,
                 GPtrArray *findings)
{
    static const char what[] = "it counted while it was enabled";
    const char *name = pvperfEventGet(event->event)->name;
    g_autoptr(GVariant) events = NULL;
    g_autofree char *share = NULL;
    guint64 opened, count, enabled, running;

    if (facts->stats)
        events = g_variant_lookup_value(facts->stats, "events", G_VARIANT_TYPE("a{s(tttt)}"));
    if (!events || !g_variant_lookup(events, name, "(tttt)", &opened, &count, &enabled, &running) ||
        opened == 0)
        return;
    share = pvperfTextPercent(running, enabled);
    /* What opening costs is no sharing. */
    if (enabled - MIN(running, enabled) <= enabled / 100)
        pvperfCheckPass(findings, SCOPE, what, "%s of the time", share);
    else
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_WARN,
                        "open fewer events at once, here and on the host; 0.00% prints as <not counted>",
                        "%s of the time: the counters were shared, or an answer came too late", share);
}

void
pvperfCheckEvent(const pvperfCheckFacts *facts,
                 GPtrArray *findings)
{
    static const char what[] = "it is an event of ours";
    pvperfPerfEvent event;

    if (!facts->event)
        return;
    event = pvperfPerfEventParse(facts->event);
    if (event.is_software) {
        pvperfCheckPass(findings, SCOPE, "the guest's own kernel counts it", "'%s' needs nothing of the host",
                        facts->event);
        return;
    }
    if (event.event == PVPERF_EVENT_NONE) {
        pvperfCheckFind(findings, SCOPE, what, PVPERF_CHECK_FAIL,
                        "'virsh-pvperf capabilities' lists them; a raw one is written r1c2",
                        "'%s' is none", facts->event);
        return;
    }
    pvperfCheckPass(findings, SCOPE, what, "'%s' is %s", facts->event, pvperfEventGet(event.event)->name);
    pvperfCheckAllowed(facts, &event, findings);
    pvperfCheckCountable(facts, &event, findings);
    pvperfCheckShare(facts, &event, findings);
}
