/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_check.c: what values a <pvperf> may hold.
 *
 * Owns the ranges, the shape of names, the rules between items, and the words
 * of their errors. Called by the parser, which knows lines, and through
 * pvperfDomainDefValidate by whoever changed a def by hand, who has none
 * (line 0).
 *
 * Invariant: whatever parse accepts passes here.
 */
#include <stdarg.h>
#include <string.h>

#include "pvperf_domain_priv.h"

#define NUMBER(element_, attr_, member, zero_, min_, max_) \
    { \
        .element = element_, \
        .attr = attr_, \
        .offset = G_STRUCT_OFFSET(pvperfDomainDef, member), \
        .zero = zero_, \
        .min = min_, \
        .max = max_, \
    }

const pvperfNumber pvperfNumbers[] = {
    NUMBER("events", "max", max, false, 1, PVPERF_MAX_IDS),
    NUMBER("events", "per_vcpu", per_vcpu, false, 1, PVPERF_MAX_PER_VCPU),
    /* The kernel refuses a period with the top bit set. */
    NUMBER("min_period", NULL, min_period, true, 1, INT64_MAX),
    NUMBER("total_samples_sec", NULL, total_samples_sec, true, 1, PVPERF_RATE_MAX),
    NUMBER("total_samples_sec_max", NULL, total_samples_sec_max, false, 1, PVPERF_RATE_MAX),
    NUMBER("total_samples_sec_max_length", NULL, total_samples_sec_max_length,
           false, 1, PVPERF_BURST_MAX),
    NUMBER("requests_sec", NULL, requests_sec, true, 1, PVPERF_RATE_MAX),
    NUMBER("period", NULL, cpu_period, false, PVPERF_MIN_CPU_PERIOD, PVPERF_MAX_CPU_PERIOD),
    NUMBER("quota", NULL, cpu_quota, true, PVPERF_MIN_CPU_QUOTA, PVPERF_MAX_CPU_QUOTA),
    { .element = NULL },
};


bool
pvperfConfSetError(GError **error,
                   pvperfConfError code,
                   long line,
                   const char *format,
                   ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);

    if (line > 0)
        g_set_error(error, PVPERF_CONF_ERROR, code, "line %ld: %s", line, text);
    else
        g_set_error_literal(error, PVPERF_CONF_ERROR, code, text);

    return false;
}


const pvperfNumber *
pvperfNumberFind(const char *element,
                 const char *attr)
{
    const pvperfNumber *n;

    for (n = pvperfNumbers; n->element; n++) {
        if (strcmp(n->element, element) == 0 && g_strcmp0(n->attr, attr) == 0)
            return n;
    }

    g_assert_not_reached();
}


pvperfOptional *
pvperfNumberGet(pvperfDomainDef *def,
                const pvperfNumber *number)
{
    return G_STRUCT_MEMBER_P(def, number->offset);
}


char *
pvperfNumberAllowed(const pvperfNumber *number)
{
    const char *zero = "";

    if (number->zero)
        zero = number->min == 1 ? "0 (no limit) or " : "0 (no limit), or ";

    return g_strdup_printf("%s%" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
                           zero, number->min, number->max);
}


bool
pvperfNumberCheck(const pvperfNumber *number,
                  uint64_t value,
                  const char *text,
                  long line,
                  GError **error)
{
    g_autofree char *allowed = NULL;

    if (number->zero && value == 0)
        return true;
    if (value >= number->min && value <= number->max)
        return true;

    if (value == 0 && g_strcmp0(number->attr, "max") == 0)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID, line,
                                  "<events>: max='%s' is refused: "
                                  "to forbid counting use state='off'", text);

    allowed = pvperfNumberAllowed(number);
    if (number->attr)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID, line,
                                  "<%s>: %s='%s' is out of range; allowed: %s",
                                  number->element, number->attr, text, allowed);

    return pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID, line,
                              "<%s>: '%s' is out of range; allowed: %s",
                              number->element, text, allowed);
}


bool
pvperfCheckName(const char *what,
                const char *name,
                long line,
                GError **error)
{
    const char *allowed = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_.-";
    size_t len = strlen(name);

    if (len >= 1 && len <= PVPERF_NAME_MAX &&
        strspn(name, allowed) == len &&
        name[0] != '.' && name[0] != '-')
        return true;

    return pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID, line,
                              "%s: '%s' is no name; allowed: 1 to %d of "
                              "A-Z a-z 0-9 _ . - with no . or - in front",
                              what, name, PVPERF_NAME_MAX);
}


bool
pvperfCheckRaw(const pvperfPolicyRaw *raw,
               long line,
               GError **error)
{
    const struct {
        const char *attr;
        uint64_t value;
    } bits[] = {
        { "config", raw->config },
        { "mask", raw->mask },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bits); i++) {
        if (bits[i].value & ~PVPERF_RAW_BITS)
            return pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID, line,
                                      "<raw>: %s='0x%" G_GINT64_MODIFIER "x' has bits that no guest "
                                      "may set; allowed: bits of 0x%llx "
                                      "(event, umask, edge, inv, cmask)",
                                      bits[i].attr, bits[i].value, PVPERF_RAW_BITS);
    }

    if (raw->mask == 0)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID, line,
                                  "<raw>: mask='0x0' would let every raw event through; "
                                  "allowed: a mask with at least one bit");

    if (raw->config & ~raw->mask)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID, line,
                                  "<raw>: config='0x%" G_GINT64_MODIFIER "x' has bits outside "
                                  "mask='0x%" G_GINT64_MODIFIER "x' and would never match; "
                                  "allowed: a config within its mask",
                                  raw->config, raw->mask);

    return true;
}


bool
pvperfCheckRawClass(const pvperfDomainDef *def,
                    long line,
                    GError **error)
{
    if (def->classes[PVPERF_CLASS_RAW] == PVPERF_TRISTATE_YES &&
        (!def->raw || def->raw->len == 0))
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID, line,
                                  "<class name='raw'>: allow='yes' needs a list of what to allow, "
                                  "such as <raw config='0x01c2' mask='0xffff'/>");

    if (def->raw && def->raw->len > PVPERF_RAW_MAX)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID, line,
                                  "<class name='raw'>: %u <raw> elements are too many; "
                                  "allowed: up to %d",
                                  def->raw->len, PVPERF_RAW_MAX);

    return true;
}


bool
pvperfCheckSampletune(const pvperfDomainDef *def,
                      long line,
                      GError **error)
{
    const pvperfOptional *rate = &def->total_samples_sec;
    const pvperfOptional *burst = &def->total_samples_sec_max;

    if (def->total_samples_sec_max_length.present && !burst->present)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID, line,
                                  "<sampletune>: total_samples_sec_max_length '%" G_GUINT64_FORMAT
                                  "' needs total_samples_sec_max",
                                  def->total_samples_sec_max_length.value);

    if (!burst->present)
        return true;

    if (!rate->present || rate->value == 0)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID, line,
                                  "<sampletune>: total_samples_sec_max '%" G_GUINT64_FORMAT
                                  "' needs total_samples_sec with a limit",
                                  burst->value);

    if (burst->value < rate->value)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID, line,
                                  "<sampletune>: total_samples_sec_max '%" G_GUINT64_FORMAT
                                  "' is below total_samples_sec; allowed: at least %"
                                  G_GUINT64_FORMAT,
                                  burst->value, rate->value);

    return true;
}


static bool
checkNumbers(const pvperfDomainDef *def,
             GError **error)
{
    for (const pvperfNumber *n = pvperfNumbers; n->element; n++) {
        const pvperfOptional *opt = pvperfNumberGet((pvperfDomainDef *)def, n);
        g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, opt->value);

        if (opt->present && !pvperfNumberCheck(n, opt->value, text, 0, error))
            return false;
    }

    return true;
}


bool
pvperfDomainDefValidate(const pvperfDomainDef *def,
                        GError **error)
{
    if (def->policy && !pvperfCheckName("<pvperf>: policy", def->policy, 0, error))
        return false;
    if (def->group_name && !pvperfCheckName("<group_name>", def->group_name, 0, error))
        return false;

    for (guint i = 0; def->raw && i < def->raw->len; i++) {
        if (!pvperfCheckRaw(&g_array_index(def->raw, pvperfPolicyRaw, i), 0, error))
            return false;
    }

    return checkNumbers(def, error) &&
           pvperfCheckRawClass(def, 0, error) &&
           pvperfCheckSampletune(def, 0, error);
}
