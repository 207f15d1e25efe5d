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


static char *
numberText(uint64_t value)
{
    return value ? g_strdup_printf("%" G_GUINT64_FORMAT, value) : g_strdup("without limit");
}


static void
textAdd(GString *text,
        const char *format,
        ...) G_GNUC_PRINTF(2, 3);

static void
textAdd(GString *text,
        const char *format,
        ...)
{
    va_list args;

    if (text->len)
        g_string_append(text, ", ");
    va_start(args, format);
    g_string_append_vprintf(text, format, args);
    va_end(args);
}


static void
textNumbers(GString *text,
            const pvperfPolicy *asked,
            const pvperfPolicy *granted)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(numbers); i++) {
        uint64_t want = numberGet(asked, &numbers[i]);
        uint64_t have = numberGet(granted, &numbers[i]);
        g_autofree char *not = numberText(want);
        g_autofree char *is = numberText(have);

        /* no burst is less than any; of the others 0 is the most */
        if (want == have || (numbers[i].offset == offsetof(pvperfPolicy, total_samples_sec_max_length) &&
                             granted->total_samples_sec_max != asked->total_samples_sec_max))
            continue;
        if (numbers[i].offset == offsetof(pvperfPolicy, total_samples_sec_max)) {
            if (!have)
                textAdd(text, "no total_samples_sec_max (not %s)", not);
            else if (want)
                textAdd(text, "%s %s (not %s)", numbers[i].name, is, not);
            continue;
        }
        textAdd(text, "%s %s (not %s)", numbers[i].name, is, not);
    }
}


char *
pvperfPolicyTextLowered(const pvperfPolicy *asked,
                        const pvperfPolicy *granted)
{
    g_autoptr(GString) text = g_string_new(NULL);
    int i;

    if (asked->on && !granted->on)
        textAdd(text, "state off");
    for (i = 0; i < PVPERF_NR_CLASSES; i++) {
        if (asked->classes & ~granted->classes & 1U << i)
            textAdd(text, "class %s denied", pvperfClassName(i));
    }
    if (granted->classes & 1U << PVPERF_CLASS_RAW &&
        (asked->nraw != granted->nraw ||
         memcmp(asked->raw, granted->raw, granted->nraw * sizeof(granted->raw[0])) != 0))
        textAdd(text, "fewer raw events");
    textNumbers(text, asked, granted);
    if (asked->cpu_quota_us != granted->cpu_quota_us || asked->cpu_period_us != granted->cpu_period_us) {
        g_autofree char *quota = numberText(asked->cpu_quota_us);

        textAdd(text, "cputune quota %" G_GUINT64_FORMAT " of period %" G_GUINT64_FORMAT " (not %s)",
                granted->cpu_quota_us, granted->cpu_period_us, quota);
    }
    return text->len ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
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
pvperfPolicyTextElement(const pvperfPolicy *policy)
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
