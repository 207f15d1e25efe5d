/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_policy_text.c: a policy in the words of the element.
 *
 * The numbers stand in one table, in the order of the element. Called by
 * pvperf_host_policy.c for the reasons that people read, and by the daemon,
 * which keeps what is in force beside a backend.
 */
#include "pvperf_policy_text.h"

#include <stddef.h>
#include <string.h>

#include "pvperf_domain_def.h"

typedef struct _pvperfPolicyNumber pvperfPolicyNumber;
struct _pvperfPolicyNumber {
    const char *name;
    size_t offset;
    bool wide;                  /* uint64_t, else uint32_t */
};

#define NUMBER(name_, member, wide_) \
    { name_, offsetof(pvperfPolicy, member), wide_ }

static const pvperfPolicyNumber numbers[] = {
    NUMBER("events max", max, false),
    NUMBER("events per_vcpu", per_vcpu, false),
    NUMBER("min_period", min_period, true),
    NUMBER("total_samples_sec", total_samples_sec, true),
    NUMBER("total_samples_sec_max", total_samples_sec_max, true),
    NUMBER("total_samples_sec_max_length", total_samples_sec_max_length, false),
    NUMBER("requests_sec", requests_sec, true),
};


static uint64_t
numberGet(const pvperfPolicy *policy,
          const pvperfPolicyNumber *number)
{
    const char *at = (const char *)policy + number->offset;

    return number->wide ? *(const uint64_t *)at : *(const uint32_t *)at;
}


/* A limit of 0 is none; no burst is less than any. */
static char *
numberText(const pvperfPolicyNumber *number,
           uint64_t value)
{
    if (value == 0 && number->offset != offsetof(pvperfPolicy, min_period))
        return g_strdup(number->offset == offsetof(pvperfPolicy, total_samples_sec_max) ? "none" : "without limit");
    return g_strdup_printf("%" G_GUINT64_FORMAT, value);
}


static char *
textCPU(const pvperfPolicy *policy)
{
    if (policy->cpu_quota_us == 0)
        return g_strdup("without limit");
    return g_strdup_printf("%" G_GUINT64_FORMAT " in %" G_GUINT64_FORMAT,
                           policy->cpu_quota_us, policy->cpu_period_us);
}


void
pvperfPolicyTextAdd(GString *text,
                    const char *separator,
                    const char *format,
                    ...)
{
    va_list args;

    if (text->len)
        g_string_append(text, separator);
    va_start(args, format);
    g_string_append_vprintf(text, format, args);
    va_end(args);
}


static void
textClasses(GString *text,
            const pvperfPolicy *from,
            const pvperfPolicy *to)
{
    int i;

    for (i = 0; i < PVPERF_NR_CLASSES; i++) {
        if ((from->classes ^ to->classes) & 1U << i)
            pvperfPolicyTextAdd(text, ", ", "class %s %s", pvperfClassName(i),
                                to->classes & 1U << i ? "allowed" : "denied");
    }
    if (from->classes & to->classes & 1U << PVPERF_CLASS_RAW &&
        (from->nraw != to->nraw || memcmp(from->raw, to->raw, to->nraw * sizeof(to->raw[0])) != 0))
        pvperfPolicyTextAdd(text, ", ", "%u <raw> (%u)", to->nraw, from->nraw);
}


/* The length of a burst says nothing where there is none. */
static bool
textNumberMatters(const pvperfPolicyNumber *number,
                  const pvperfPolicy *from,
                  const pvperfPolicy *to)
{
    if (numberGet(from, number) == numberGet(to, number))
        return false;
    return number->offset != offsetof(pvperfPolicy, total_samples_sec_max_length) ||
        (from->total_samples_sec_max && to->total_samples_sec_max);
}


/* What differs, as it is in @to; @word introduces what it is in @from. */
static char *
textDifference(const pvperfPolicy *from,
               const pvperfPolicy *to,
               const char *word)
{
    g_autoptr(GString) text = g_string_new(NULL);
    size_t i;

    if (!from->on != !to->on)
        pvperfPolicyTextAdd(text, ", ", "state %s", to->on ? "on" : "off");
    textClasses(text, from, to);
    for (i = 0; i < G_N_ELEMENTS(numbers); i++) {
        g_autofree char *was = numberText(&numbers[i], numberGet(from, &numbers[i]));
        g_autofree char *is = numberText(&numbers[i], numberGet(to, &numbers[i]));

        if (textNumberMatters(&numbers[i], from, to))
            pvperfPolicyTextAdd(text, ", ", "%s %s (%s %s)", numbers[i].name, is, word, was);
    }
    if (from->cpu_quota_us != to->cpu_quota_us || from->cpu_period_us != to->cpu_period_us) {
        g_autofree char *was = textCPU(from);
        g_autofree char *is = textCPU(to);

        pvperfPolicyTextAdd(text, ", ", "cputune quota %s (%s %s)", is, word, was);
    }
    return text->len ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}


char *
pvperfPolicyTextLowered(const pvperfPolicy *asked,
                        const pvperfPolicy *granted)
{
    return textDifference(asked, granted, "not");
}


char *
pvperfPolicyTextChanges(const pvperfPolicy *from,
                        const pvperfPolicy *to)
{
    return textDifference(from, to, "was");
}


static void
optionalSet(pvperfOptional *optional,
            bool present,
            uint64_t value)
{
    optional->present = present;
    optional->value = value;
}


char *
pvperfPolicyTextElement(const pvperfPolicy *policy,
                        const char *group)
{
    g_autoptr(pvperfDomainDef) def = g_new0(pvperfDomainDef, 1);
    bool burst = policy->total_samples_sec_max != 0;
    int i;

    def->state = policy->on ? PVPERF_TRISTATE_YES : PVPERF_TRISTATE_NO;
    optionalSet(&def->max, true, policy->max);
    optionalSet(&def->per_vcpu, true, policy->per_vcpu);
    for (i = 0; i < PVPERF_NR_CLASSES; i++)
        def->classes[i] = policy->classes & 1U << i ? PVPERF_TRISTATE_YES : PVPERF_TRISTATE_NO;
    if (policy->nraw) {
        def->raw = g_array_new(FALSE, FALSE, sizeof(pvperfPolicyRaw));
        g_array_append_vals(def->raw, policy->raw, policy->nraw);
    }
    def->group_name = g_strdup(group);
    def->has_sampletune = true;
    optionalSet(&def->min_period, true, policy->min_period);
    optionalSet(&def->total_samples_sec, true, policy->total_samples_sec);
    optionalSet(&def->total_samples_sec_max, burst, policy->total_samples_sec_max);
    optionalSet(&def->total_samples_sec_max_length, burst, policy->total_samples_sec_max_length);
    optionalSet(&def->requests_sec, true, policy->requests_sec);
    def->has_cputune = true;
    optionalSet(&def->cpu_period, policy->cpu_period_us != 0, policy->cpu_period_us);
    optionalSet(&def->cpu_quota, true, policy->cpu_quota_us);
    return pvperfDomainDefFormat(def, true);
}
