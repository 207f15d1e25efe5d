/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cmd_tune.c: "tune", show or change the limits of a domain.
 *
 * Reads the element, changes what was asked for and nothing else, and gives it
 * back through libvirt's metadata API, so that libvirt's access control
 * decides; virtpvperfd sees the change as it sees any. A change that is invalid
 * is refused whole, before anything is written.
 */
#include <string.h>

#include "conf/pvperf_domain_def.h"
#include "pvperf_bus.h"
#include "pvperf_domain.h"
#include "pvperf_text.h"

/* An option with a number, and where it goes. */
typedef struct _pvperfTuneNumber pvperfTuneNumber;
struct _pvperfTuneNumber {
    const char *option;
    size_t offset;              /* of a pvperfOptional of pvperfDomainDef */
};

#define PVPERF_TUNE(option_, member) { option_, G_STRUCT_OFFSET(pvperfDomainDef, member) }

static const pvperfTuneNumber tuneNumbers[] = {
    PVPERF_TUNE("max-events", max),
    PVPERF_TUNE("per-vcpu", per_vcpu),
    PVPERF_TUNE("min-period", min_period),
    PVPERF_TUNE("total-samples-sec", total_samples_sec),
    PVPERF_TUNE("total-samples-sec-max", total_samples_sec_max),
    PVPERF_TUNE("total-samples-sec-max-length", total_samples_sec_max_length),
    PVPERF_TUNE("requests-sec", requests_sec),
    PVPERF_TUNE("cpu-period", cpu_period),
    PVPERF_TUNE("cpu-quota", cpu_quota),
};

static bool
pvperfTuneFail(GError **error,
               pvperfShellError code,
               const char *format,
               ...) G_GNUC_PRINTF(3, 4);

static bool
pvperfTuneFail(GError **error,
               pvperfShellError code,
               const char *format,
               ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_set_error_literal(error, PVPERF_SHELL_ERROR, code, text);
    return false;
}

/* ---- Changing ---- */

static bool
pvperfTuneNumbers(pvperfShell *shell,
                  pvperfDomainDef *def,
                  GError **error)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(tuneNumbers); i++) {
        const char *text = pvperfShellOption(shell, tuneNumbers[i].option);
        pvperfOptional *number = G_STRUCT_MEMBER_P(def, tuneNumbers[i].offset);

        if (!text)
            continue;
        if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &number->value, NULL))
            return pvperfTuneFail(error, PVPERF_SHELL_ERROR_USAGE,
                                  "--%s '%s': a number is allowed", tuneNumbers[i].option, text);
        number->present = true;
    }
    if (def->min_period.present || def->total_samples_sec.present ||
        def->total_samples_sec_max.present || def->total_samples_sec_max_length.present)
        def->has_sampletune = true;
    if (def->cpu_period.present || def->cpu_quota.present)
        def->has_cputune = true;
    return true;
}

static bool
pvperfTuneClasses(pvperfShell *shell,
                  const char *option,
                  pvperfTristate allow,
                  pvperfDomainDef *def,
                  GError **error)
{
    const char *text = pvperfShellOption(shell, option);
    g_auto(GStrv) names = text ? g_strsplit(text, ",", -1) : NULL;
    unsigned int i;

    for (i = 0; names && names[i]; i++) {
        const int klass = pvperfClassFromName(names[i]);

        if (klass < 0) {
            g_autofree char *allowed = pvperfDomainDefClasses();

            return pvperfTuneFail(error, PVPERF_SHELL_ERROR_USAGE, "--%s '%s': there is no class '%s'; "
                                  "allowed: %s", option, text, names[i], allowed);
        }
        def->classes[klass] = allow;
        /* A list without the class would be a contradiction. */
        if (klass == PVPERF_CLASS_RAW && allow == PVPERF_TRISTATE_NO)
            g_clear_pointer(&def->raw, g_array_unref);
    }
    return true;
}

/* --raw CONFIG[/MASK],...: the whole list. */
static bool
pvperfTuneRaw(pvperfShell *shell,
              pvperfDomainDef *def,
              GError **error)
{
    const char *text = pvperfShellOption(shell, "raw");
    g_auto(GStrv) entries = text ? g_strsplit(text, ",", -1) : NULL;
    unsigned int i;

    if (!entries)
        return true;
    g_clear_pointer(&def->raw, g_array_unref);
    def->raw = g_array_new(FALSE, FALSE, sizeof(pvperfPolicyRaw));
    for (i = 0; entries[i]; i++) {
        pvperfPolicyRaw raw = { .mask = PVPERF_RAW_BITS };
        char *end = NULL;

        raw.config = g_ascii_strtoull(entries[i], &end, 0);
        if (end != entries[i] && *end == '/') {
            const char *mask = end + 1;

            raw.mask = g_ascii_strtoull(mask, &end, 0);
            end = end == mask ? entries[i] : end;
        }
        if (end == entries[i] || *end)
            return pvperfTuneFail(error, PVPERF_SHELL_ERROR_USAGE, "--raw '%s': numbers are allowed, "
                                  "as CONFIG or CONFIG/MASK", entries[i]);
        g_array_append_val(def->raw, raw);
    }
    def->classes[PVPERF_CLASS_RAW] = PVPERF_TRISTATE_YES;
    return true;
}

static bool
pvperfTuneApply(pvperfShell *shell,
                pvperfDomainDef *def,
                GError **error)
{
    return pvperfTuneNumbers(shell, def, error) &&
           pvperfTuneClasses(shell, "allow", PVPERF_TRISTATE_YES, def, error) &&
           pvperfTuneClasses(shell, "deny", PVPERF_TRISTATE_NO, def, error) &&
           pvperfTuneRaw(shell, def, error) &&
           pvperfDomainDefValidate(def, error);
}

/* ---- The element ---- */

static pvperfDomainDef *
pvperfTuneRead(virDomainPtr dom,
               unsigned int flags,
               GError **error)
{
    const char *which = flags == VIR_DOMAIN_AFFECT_LIVE ? "running" : "persistent";
    /* Asking for the name would forget why the element cannot be had. */
    const char *name = virDomainGetName(dom);
    g_autofree char *text = virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, PVPERF_XMLNS, flags);

    if (text)
        return pvperfDomainDefParseString(text, error);
    if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN_METADATA)
        pvperfTuneFail(error, PVPERF_SHELL_ERROR_FAILED, "the %s definition of domain '%s' has no <pvperf>; "
                       "'virsh-pvperf enable %s' gives it one", which, name, name);
    else
        pvperfShellLibvirtError(error, "cannot read <pvperf> of domain '%s'", name);
    return NULL;
}

static bool
pvperfTuneWrite(virDomainPtr dom,
                const pvperfDomainDef *def,
                unsigned int flags,
                GError **error)
{
    g_autofree char *element = pvperfDomainDefFormat(def, false);
    const char *name = virDomainGetName(dom);
    g_autoptr(pvperfDomainDef) now = NULL;

    if (virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, element, PVPERF_XMLNS_PREFIX,
                             PVPERF_XMLNS, flags) < 0) {
        pvperfShellLibvirtError(error, "cannot change <pvperf> of domain '%s'", name);
        return false;
    }
    now = pvperfTuneRead(dom, flags, error);
    if (now && !pvperfDomainDefEqual(now, def))
        return pvperfTuneFail(error, PVPERF_SHELL_ERROR_FAILED, "libvirt took <pvperf> of domain '%s', but "
                              "somebody else changed it at the same time", name);
    return now != NULL;
}

/* ---- Showing ---- */

static void
pvperfTuneShowNumber(pvperfShell *shell,
                     const char *name,
                     uint64_t value)
{
    fprintf(shell->out, "%-29s: %" G_GUINT64_FORMAT "\n", name, value);
}

/* What the daemon makes of this element, or NULL if it says nothing. */
static GVariant *
pvperfTuneAsk(pvperfShell *shell,
              const pvperfDomainDef *def,
              unsigned int nr_vcpus)
{
    g_autofree char *element = pvperfDomainDefFormat(def, true);
    g_autoptr(GError) error = NULL;
    GVariant *answer = pvperfBusCall(shell, "GetPolicy", g_variant_new("(su)", element, nr_vcpus), "a{sv}", &error);

    if (!answer)
        fprintf(shell->err, "note: shown with the defaults of a host that was told nothing: %s\n", error->message);
    return answer;
}

/* Limits as the host grants them, else as the element says with built-in defaults. */
static void
pvperfTunePolicy(const pvperfDomainDef *def,
                 GVariant *answer,
                 unsigned int nr_vcpus,
                 pvperfPolicy *policy)
{
    const char *element = answer ? pvperfDictString(answer, "element") : "";
    g_autoptr(pvperfDomainDef) granted = *element ? pvperfDomainDefParseString(element, NULL) : NULL;

    pvperfDomainDefPolicy(granted ? granted : def, nr_vcpus, policy);
}

static void
pvperfTuneShowText(pvperfShell *shell,
                   const char *name,
                   GVariant *answer)
{
    const char *text = answer ? pvperfDictString(answer, name) : "";

    if (*text)
        fprintf(shell->out, "%-29s: %s\n", name, text);
}

/* Everything, with what is left to the host filled in. */
static void
pvperfTuneShow(pvperfShell *shell,
               const pvperfDomainDef *def,
               GVariant *answer,
               unsigned int nr_vcpus)
{
    g_autoptr(GString) classes = g_string_new(NULL);
    pvperfPolicy policy;
    int i;

    pvperfTunePolicy(def, answer, nr_vcpus, &policy);
    for (i = 0; i < PVPERF_NR_CLASSES; i++) {
        if (policy.classes & (1U << i))
            g_string_append_printf(classes, "%s%s", classes->len ? "," : "", pvperfClassName(i));
    }
    pvperfTuneShowNumber(shell, "max-events", policy.max);
    pvperfTuneShowNumber(shell, "per-vcpu", policy.per_vcpu);
    fprintf(shell->out, "%-29s: %s\n", "allow", classes->str);
    for (i = 0; i < (int)policy.nraw; i++)
        fprintf(shell->out, "%-29s: %#" G_GINT64_MODIFIER "x/%#" G_GINT64_MODIFIER "x\n", "raw",
                policy.raw[i].config, policy.raw[i].mask);
    pvperfTuneShowNumber(shell, "min-period", policy.min_period);
    pvperfTuneShowNumber(shell, "total-samples-sec", policy.total_samples_sec);
    pvperfTuneShowNumber(shell, "total-samples-sec-max", policy.total_samples_sec_max);
    pvperfTuneShowNumber(shell, "total-samples-sec-max-length", policy.total_samples_sec_max_length);
    pvperfTuneShowNumber(shell, "requests-sec", policy.requests_sec);
    pvperfTuneShowNumber(shell, "cpu-period", policy.cpu_period_us);
    pvperfTuneShowNumber(shell, "cpu-quota", policy.cpu_quota_us);
    pvperfTuneShowText(shell, "policy", answer);
    pvperfTuneShowText(shell, "group", answer);
    pvperfTuneShowText(shell, "remarks", answer);
}

/* ---- The command ---- */

static bool
pvperfTuneChanges(pvperfShell *shell)
{
    static const char *const others[] = { "allow", "deny", "raw" };
    bool any = false;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(tuneNumbers); i++)
        any |= pvperfShellHas(shell, tuneNumbers[i].option);
    for (i = 0; i < G_N_ELEMENTS(others); i++)
        any |= pvperfShellHas(shell, others[i]);
    return any;
}

/* The definitions that are meant: one or both of the two flags; 0: an error. */
static unsigned int
pvperfTuneFlags(pvperfShell *shell,
                virDomainPtr dom,
                GError **error)
{
    unsigned int flags = 0;

    if (pvperfShellHas(shell, "live"))
        flags |= VIR_DOMAIN_AFFECT_LIVE;
    if (pvperfShellHas(shell, "config"))
        flags |= VIR_DOMAIN_AFFECT_CONFIG;
    if (flags && pvperfShellHas(shell, "current")) {
        pvperfTuneFail(error, PVPERF_SHELL_ERROR_USAGE, "--current does not go with --config or --live");
        return 0;
    }
    if (!flags)
        flags = virDomainIsActive(dom) == 1 ? VIR_DOMAIN_AFFECT_LIVE : VIR_DOMAIN_AFFECT_CONFIG;
    return flags;
}

/* One definition's element as it is to be, or NULL. */
static pvperfDomainDef *
pvperfTunePrepare(pvperfShell *shell,
                  virDomainPtr dom,
                  unsigned int flag,
                  GError **error)
{
    g_autoptr(pvperfDomainDef) def = pvperfTuneRead(dom, flag, error);

    if (!def || (pvperfTuneChanges(shell) && !pvperfTuneApply(shell, def, error)))
        return NULL;
    return g_steal_pointer(&def);
}

static bool
pvperfTuneFinish(pvperfShell *shell,
                 virDomainPtr dom,
                 const pvperfDomainDef *def,
                 unsigned int flag,
                 GError **error)
{
    const unsigned int nr_vcpus = MAX(virDomainGetVcpusFlags(dom, VIR_DOMAIN_VCPU_MAXIMUM | flag), 1);
    g_autoptr(GVariant) answer = NULL;

    if (pvperfTuneChanges(shell))
        return pvperfTuneWrite(dom, def, flag, error);
    answer = pvperfTuneAsk(shell, def, nr_vcpus);
    pvperfTuneShow(shell, def, answer, nr_vcpus);
    return true;
}

static int
pvperfTune(pvperfShell *shell,
           GError **error)
{
    g_autoptr(virDomain) dom = pvperfShellDomain(shell, shell->args[0], error);
    const unsigned int flags = dom ? pvperfTuneFlags(shell, dom, error) : 0;
    g_autoptr(pvperfDomainDef) live = NULL;
    g_autoptr(pvperfDomainDef) config = NULL;

    if (!flags)
        return -1;
    /* Nothing is written before all of it is known to be right. */
    if (flags & VIR_DOMAIN_AFFECT_LIVE) {
        live = pvperfTunePrepare(shell, dom, VIR_DOMAIN_AFFECT_LIVE, error);
        if (!live)
            return -1;
    }
    if (flags & VIR_DOMAIN_AFFECT_CONFIG) {
        config = pvperfTunePrepare(shell, dom, VIR_DOMAIN_AFFECT_CONFIG, error);
        if (!config)
            return -1;
    }
    if (live && !pvperfTuneFinish(shell, dom, live, VIR_DOMAIN_AFFECT_LIVE, error))
        return -1;
    if (config && !pvperfTuneFinish(shell, dom, config, VIR_DOMAIN_AFFECT_CONFIG, error))
        return -1;
    return 0;
}

static const pvperfOption tuneOptions[] = {
    { "max-events", "N", "events open at once in the domain", NULL, 0 },
    { "per-vcpu", "N", "events counting at once on a vCPU", NULL, 0 },
    { "allow", "CLASS,...", "classes of events to allow: ipc, branch, cache, vcpu", NULL, 0 },
    { "deny", "CLASS,...", "classes of events to deny", NULL, 0 },
    { "raw", "CONFIG/MASK,...", "raw events to allow, all of them", NULL, 0 },
    { "min-period", "N", "smallest sample period; 0: no limit", NULL, 0 },
    { "total-samples-sec", "N", "samples per second; 0: no limit", NULL, 0 },
    { "total-samples-sec-max", "N", "samples per second during a burst", NULL, 0 },
    { "total-samples-sec-max-length", "SECONDS", "how long a burst may last", NULL, 0 },
    { "requests-sec", "N", "requests per second; 0: no limit", NULL, 0 },
    { "cpu-period", "US", "period of the CPU quota", NULL, 0 },
    { "cpu-quota", "US", "CPU time of the backend in each period", NULL, 0 },
    { "live", NULL, "of the running domain", NULL, 0 },
    { "config", NULL, "of the persistent definition", NULL, 0 },
    { "current", NULL, "--live if the domain runs, else --config (the default)", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 },
};

const pvperfCommand pvperfCommandTune = {
    .name = "tune",
    .args = "DOMAIN",
    .min_args = 1,
    .max_args = 1,
    .summary = "show or change the limits of a domain",
    .options = tuneOptions,
    .handler = pvperfTune,
    .complete = PVPERF_COMPLETE_DOMAIN,
};
