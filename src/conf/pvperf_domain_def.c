/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_def.c: a parsed <pvperf>: format, compare, defaults, free.
 *
 * Owns what is done with a pvperfDomainDef once it exists; reading one is
 * pvperf_domain_parse.c, checking one pvperf_domain_check.c. Called by the
 * daemon and the tools.
 *
 * Invariants: format of a def parses into an equal def; elements come in one
 * fixed order, so that equal defs give equal text.
 */
#include <string.h>

#include "pvperf_domain_priv.h"

G_DEFINE_QUARK(pvperf-conf-error-quark, pvperf_conf_error)


void
pvperfDomainDefFree(pvperfDomainDef *def)
{
    if (!def)
        return;

    g_free(def->policy);
    g_free(def->group_name);
    g_clear_pointer(&def->raw, g_array_unref);
    g_clear_pointer(&def->monitor, g_array_unref);
    g_free(def);
}


static void
formatTristate(GString *buf,
               const char *attr,
               pvperfTristate value,
               const char *yes,
               const char *no)
{
    if (value != PVPERF_TRISTATE_ABSENT)
        g_string_append_printf(buf, " %s='%s'", attr,
                               value == PVPERF_TRISTATE_YES ? yes : no);
}


static void
formatString(GString *buf,
             const char *format,
             const char *value)
{
    g_autofree char *text = g_markup_printf_escaped(format, value);

    g_string_append(buf, text);
}


static void
formatAttribute(GString *buf,
                const char *attr,
                const pvperfOptional *number)
{
    if (number->present)
        g_string_append_printf(buf, " %s='%" G_GUINT64_FORMAT "'", attr, number->value);
}


static void
formatElement(GString *buf,
              const char *indent,
              const char *element,
              const pvperfOptional *number)
{
    if (number->present)
        g_string_append_printf(buf, "%s<%s>%" G_GUINT64_FORMAT "</%s>\n",
                               indent, element, number->value, element);
}


static void
formatRaw(GString *buf,
          GArray *raw)
{
    for (guint i = 0; i < raw->len; i++) {
        const pvperfPolicyRaw *entry = &g_array_index(raw, pvperfPolicyRaw, i);

        g_string_append_printf(buf,
                               "    <raw config='0x%04" G_GINT64_MODIFIER "x'"
                               " mask='0x%04" G_GINT64_MODIFIER "x'/>\n",
                               entry->config, entry->mask);
    }
}


static void
formatClasses(GString *buf,
              const pvperfDomainDef *def)
{
    for (int i = 0; i < PVPERF_NR_CLASSES; i++) {
        if (def->classes[i] == PVPERF_TRISTATE_ABSENT)
            continue;

        g_string_append_printf(buf, "  <class name='%s'", pvperfClassName(i));
        formatTristate(buf, "allow", def->classes[i], "yes", "no");

        if (i == PVPERF_CLASS_RAW && def->raw) {
            g_string_append(buf, ">\n");
            formatRaw(buf, def->raw);
            g_string_append(buf, "  </class>\n");
        } else {
            g_string_append(buf, "/>\n");
        }
    }
}


static void
formatSampletune(GString *buf,
                 const pvperfDomainDef *def)
{
    if (!def->has_sampletune)
        return;

    g_string_append(buf, "  <sampletune>\n");
    formatElement(buf, "    ", "min_period", &def->min_period);
    formatElement(buf, "    ", "total_samples_sec", &def->total_samples_sec);
    formatElement(buf, "    ", "total_samples_sec_max", &def->total_samples_sec_max);
    formatElement(buf, "    ", "total_samples_sec_max_length",
                  &def->total_samples_sec_max_length);
    g_string_append(buf, "  </sampletune>\n");
}


static void
formatCputune(GString *buf,
              const pvperfDomainDef *def)
{
    if (!def->has_cputune)
        return;

    g_string_append(buf, "  <cputune>\n");
    formatElement(buf, "    ", "period", &def->cpu_period);
    formatElement(buf, "    ", "quota", &def->cpu_quota);
    g_string_append(buf, "  </cputune>\n");
}


static void
formatMonitor(GString *buf,
              const pvperfDomainDef *def)
{
    if (!def->has_monitor)
        return;

    g_string_append(buf, "  <monitor>\n");
    for (guint i = 0; def->monitor && i < def->monitor->len; i++) {
        pvperfEventIndex event = g_array_index(def->monitor, pvperfEventIndex, i);

        g_string_append_printf(buf, "    <event name='%s'/>\n",
                               pvperfEventGet(event)->name);
    }
    g_string_append(buf, "  </monitor>\n");
}


char *
pvperfDomainDefFormat(const pvperfDomainDef *def,
                      bool with_xmlns)
{
    g_autoptr(GString) buf = g_string_new("<pvperf");
    g_autoptr(GString) body = g_string_new(NULL);

    if (with_xmlns)
        g_string_append(buf, " xmlns='" PVPERF_XMLNS "'");
    formatTristate(buf, "state", def->state, "on", "off");
    if (def->policy)
        formatString(buf, " policy='%s'", def->policy);
    formatTristate(buf, "managed", def->managed, "yes", "no");
    formatTristate(buf, "migratable", def->migratable, "yes", "no");

    if (def->max.present || def->per_vcpu.present) {
        g_string_append(body, "  <events");
        formatAttribute(body, "max", &def->max);
        formatAttribute(body, "per_vcpu", &def->per_vcpu);
        g_string_append(body, "/>\n");
    }
    formatClasses(body, def);
    formatSampletune(body, def);
    formatElement(body, "  ", "requests_sec", &def->requests_sec);
    formatCputune(body, def);
    if (def->group_name)
        formatString(body, "  <group_name>%s</group_name>\n", def->group_name);
    formatMonitor(body, def);

    if (body->len == 0)
        g_string_append(buf, "/>\n");
    else
        g_string_append_printf(buf, ">\n%s</pvperf>\n", body->str);

    return g_string_free(g_steal_pointer(&buf), FALSE);
}


static bool
arrayEqual(GArray *a,
           GArray *b)
{
    guint alen = a ? a->len : 0;
    guint blen = b ? b->len : 0;

    if (alen != blen)
        return false;

    return alen == 0 ||
        memcmp(a->data, b->data, (size_t)alen * g_array_get_element_size(a)) == 0;
}


bool
pvperfDomainDefEqual(const pvperfDomainDef *a,
                     const pvperfDomainDef *b)
{
    for (const pvperfNumber *n = pvperfNumbers; n->element; n++) {
        const pvperfOptional *x = pvperfNumberGet((pvperfDomainDef *)a, n);
        const pvperfOptional *y = pvperfNumberGet((pvperfDomainDef *)b, n);

        if (x->present != y->present || (x->present && x->value != y->value))
            return false;
    }

    return a->state == b->state &&
           g_strcmp0(a->policy, b->policy) == 0 &&
           a->managed == b->managed &&
           a->migratable == b->migratable &&
           memcmp(a->classes, b->classes, sizeof(a->classes)) == 0 &&
           arrayEqual(a->raw, b->raw) &&
           a->has_sampletune == b->has_sampletune &&
           a->has_cputune == b->has_cputune &&
           g_strcmp0(a->group_name, b->group_name) == 0 &&
           a->has_monitor == b->has_monitor &&
           arrayEqual(a->monitor, b->monitor);
}


static void
policyClasses(const pvperfDomainDef *def,
              pvperfPolicy *policy)
{
    for (int i = 0; i < PVPERF_NR_CLASSES; i++) {
        if (def->classes[i] == PVPERF_TRISTATE_YES)
            policy->classes |= 1U << i;
        else if (def->classes[i] == PVPERF_TRISTATE_NO)
            policy->classes &= ~(1U << i);
    }

    if (!(policy->classes & 1U << PVPERF_CLASS_RAW)) {
        policy->nraw = 0;
        memset(policy->raw, 0, sizeof(policy->raw));
    } else if (def->raw) {
        memset(policy->raw, 0, sizeof(policy->raw));
        policy->nraw = MIN(def->raw->len, PVPERF_RAW_MAX);
        memcpy(policy->raw, def->raw->data, policy->nraw * sizeof(policy->raw[0]));
    }
}


static void
policySamples(const pvperfDomainDef *def,
              pvperfPolicy *policy)
{
    if (def->min_period.present)
        policy->min_period = def->min_period.value;
    if (def->total_samples_sec.present)
        policy->total_samples_sec = def->total_samples_sec.value;
    if (def->total_samples_sec_max.present) {
        policy->total_samples_sec_max = def->total_samples_sec_max.value;
        policy->total_samples_sec_max_length = 1;
    }
    if (def->total_samples_sec_max_length.present)
        policy->total_samples_sec_max_length = def->total_samples_sec_max_length.value;
}


static void
policyCPU(const pvperfDomainDef *def,
          const pvperfPolicyDefaults *defaults,
          unsigned int nr_vcpus,
          pvperfPolicy *policy)
{
    uint64_t period = policy->cpu_period_us;
    uint64_t quota = policy->cpu_quota_us;

    if (def->cpu_period.present) {
        policy->cpu_period_us = def->cpu_period.value;
        /* the same share of a CPU as before, in the new period */
        if (quota == pvperfPolicyDefaultQuota(defaults, period, nr_vcpus))
            policy->cpu_quota_us = pvperfPolicyDefaultQuota(defaults, policy->cpu_period_us, nr_vcpus);
        else if (quota)
            policy->cpu_quota_us = MAX(quota * policy->cpu_period_us / period, PVPERF_MIN_CPU_QUOTA);
    }
    if (def->cpu_quota.present) {
        policy->cpu_quota_us = def->cpu_quota.value;
        if (!policy->cpu_period_us)
            policy->cpu_period_us = PVPERF_DEFAULT_CPU_PERIOD;
    }
    if (policy->cpu_quota_us == 0)
        policy->cpu_period_us = 0;
}


void
pvperfDomainDefOverlay(const pvperfDomainDef *def,
                       const pvperfPolicyDefaults *defaults,
                       unsigned int nr_vcpus,
                       pvperfPolicy *policy)
{
    nr_vcpus = CLAMP(nr_vcpus, 1, PVPERF_MAX_VCPUS);

    if (def->state != PVPERF_TRISTATE_ABSENT)
        policy->on = def->state == PVPERF_TRISTATE_YES;
    policyClasses(def, policy);

    if (def->per_vcpu.present) {
        policy->per_vcpu = def->per_vcpu.value;
        policy->max = pvperfPolicyDefaultMax(policy->per_vcpu, nr_vcpus);
    }
    if (def->max.present)
        policy->max = def->max.value;

    policySamples(def, policy);
    if (def->requests_sec.present)
        policy->requests_sec = def->requests_sec.value;
    policyCPU(def, defaults, nr_vcpus, policy);
}


void
pvperfDomainDefPolicy(const pvperfDomainDef *def,
                      unsigned int nr_vcpus,
                      pvperfPolicy *policy)
{
    pvperfPolicyInitDefault(policy, nr_vcpus);
    pvperfDomainDefOverlay(def, &pvperfPolicyBuiltin, nr_vcpus, policy);
}
