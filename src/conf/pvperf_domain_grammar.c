/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_grammar.c: the tables of the grammar and the readers of values.
 *
 * Owns what each element and attribute of <pvperf> may hold and where it goes
 * in a pvperfDomainDef. Called by the walk in pvperf_domain_parse.c, which has
 * already refused what the tables do not name. schemas/pvperf.rng says the
 * same; the tests hold the two together.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "pvperf_domain_grammar.h"


bool
pvperfGrammarSetError(GError **error,
                      xmlNodePtr node,
                      const char *format,
                      ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);

    return pvperfConfSetError(error, PVPERF_CONF_ERROR_INVALID,
                              xmlGetLineNo(node), "%s", text);
}


static char *
getAttr(xmlNodePtr node,
        const char *attr)
{
    return (char *)xmlGetNoNsProp(node, BAD_CAST attr);
}


static char *
getRequiredAttr(xmlNodePtr node,
                const char *attr,
                GError **error)
{
    char *value = getAttr(node, attr);

    if (!value)
        pvperfGrammarSetError(error, node, "<%s> lacks the attribute '%s'", node->name, attr);

    return value;
}


/* Digits only: no sign, no blank, no leading zero; with @hex also 0x... */
static bool
parseDigits(const char *text,
            bool hex,
            uint64_t *value,
            bool *overflow)
{
    const char *digits = text;
    int base = 10;
    char *end;

    *overflow = false;

    if (hex && (g_str_has_prefix(text, "0x") || g_str_has_prefix(text, "0X"))) {
        digits += 2;
        base = 16;
        if (!g_ascii_isxdigit(digits[0]))
            return false;
    } else if (!g_ascii_isdigit(digits[0]) ||
               (digits[0] == '0' && digits[1] != '\0')) {
        return false;
    }

    errno = 0;
    *value = g_ascii_strtoull(digits, &end, base);
    *overflow = errno == ERANGE;

    return *end == '\0';
}


static bool
parseNumber(pvperfDomainDef *def,
            xmlNodePtr node,
            const char *attr,
            const char *text,
            GError **error)
{
    const pvperfNumber *number = pvperfNumberFind((const char *)node->name, attr);
    pvperfOptional *opt = pvperfNumberGet(def, number);
    uint64_t value;
    bool overflow;

    if (!parseDigits(text, false, &value, &overflow)) {
        g_autofree char *allowed = pvperfNumberAllowed(number);

        return pvperfGrammarSetError(error, node,
                                     "<%s>: %s%s'%s' is no whole number; allowed: %s",
                                     node->name, attr ? attr : "", attr ? "=" : "", text, allowed);
    }

    if (overflow)
        value = UINT64_MAX;
    if (!pvperfNumberCheck(number, value, text, xmlGetLineNo(node), error))
        return false;

    opt->present = true;
    opt->value = value;
    return true;
}


static bool
parseNumberElement(pvperfDomainDef *def,
                   xmlNodePtr node,
                   GError **error)
{
    g_autofree char *text = (char *)xmlNodeGetContent(node);

    return parseNumber(def, node, NULL, text, error);
}


/* Absent stays absent. */
static bool
parseTristate(xmlNodePtr node,
              const char *attr,
              const char *yes,
              const char *no,
              pvperfTristate *value,
              GError **error)
{
    g_autofree char *text = getAttr(node, attr);

    if (!text)
        return true;

    if (strcmp(text, yes) == 0)
        *value = PVPERF_TRISTATE_YES;
    else if (strcmp(text, no) == 0)
        *value = PVPERF_TRISTATE_NO;
    else
        return pvperfGrammarSetError(error, node, "<%s>: %s='%s' is not allowed; allowed: %s, %s",
                                     node->name, attr, text, yes, no);

    return true;
}


static bool
parseRoot(pvperfDomainDef *def,
          xmlNodePtr node,
          GError **error)
{
    def->policy = getAttr(node, "policy");
    if (def->policy &&
        !pvperfCheckName("<pvperf>: policy", def->policy, xmlGetLineNo(node), error))
        return false;

    return parseTristate(node, "state", "on", "off", &def->state, error) &&
           parseTristate(node, "managed", "yes", "no", &def->managed, error) &&
           parseTristate(node, "migratable", "yes", "no", &def->migratable, error);
}


static bool
parseEvents(pvperfDomainDef *def,
            xmlNodePtr node,
            GError **error)
{
    const char *const attrs[] = { "max", "per_vcpu" };

    for (size_t i = 0; i < G_N_ELEMENTS(attrs); i++) {
        g_autofree char *text = getAttr(node, attrs[i]);

        if (text && !parseNumber(def, node, attrs[i], text, error))
            return false;
    }

    return true;
}


char *
pvperfDomainDefClasses(void)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (int i = 0; i < PVPERF_NR_CLASSES; i++)
        g_string_append_printf(list, "%s%s", i ? ", " : "", pvperfClassName(i));

    return g_string_free(g_steal_pointer(&list), FALSE);
}


static bool
parseClass(pvperfDomainDef *def,
           xmlNodePtr node,
           GError **error)
{
    g_autofree char *name = getRequiredAttr(node, "name", error);
    g_autofree char *allow = NULL;
    int klass;

    if (!name)
        return false;

    klass = pvperfClassFromName(name);
    if (klass < 0) {
        g_autofree char *allowed = pvperfDomainDefClasses();

        return pvperfGrammarSetError(error, node, "<class>: name='%s' is no class; allowed: %s",
                                     name, allowed);
    }

    if (def->classes[klass] != PVPERF_TRISTATE_ABSENT)
        return pvperfGrammarSetError(error, node, "<class name='%s'> stands twice; allowed: once", name);

    if (!(allow = getRequiredAttr(node, "allow", error)) ||
        !parseTristate(node, "allow", "yes", "no", &def->classes[klass], error))
        return false;

    if (klass != PVPERF_CLASS_RAW && xmlFirstElementChild(node))
        return pvperfGrammarSetError(error, xmlFirstElementChild(node),
                                     "<%s> is not allowed in <class name='%s'>; "
                                     "a list stands only in <class name='raw'>",
                                     xmlFirstElementChild(node)->name, name);

    return true;
}


static bool
parseRawNumber(xmlNodePtr node,
               const char *attr,
               uint64_t *value,
               GError **error)
{
    g_autofree char *text = getRequiredAttr(node, attr, error);
    bool overflow;

    if (!text)
        return false;

    if (!parseDigits(text, true, value, &overflow) || overflow)
        return pvperfGrammarSetError(error, node,
                                     "<raw>: %s='%s' is no number of 64 bits; "
                                     "allowed: decimal, or hexadecimal with 0x in front", attr, text);

    return true;
}


static bool
parseRaw(pvperfDomainDef *def,
         xmlNodePtr node,
         GError **error)
{
    pvperfPolicyRaw raw;

    if (!parseRawNumber(node, "config", &raw.config, error) ||
        !parseRawNumber(node, "mask", &raw.mask, error) ||
        !pvperfCheckRaw(&raw, xmlGetLineNo(node), error))
        return false;

    if (!def->raw)
        def->raw = g_array_new(FALSE, FALSE, sizeof(raw));

    for (guint i = 0; i < def->raw->len; i++) {
        const pvperfPolicyRaw *other = &g_array_index(def->raw, pvperfPolicyRaw, i);

        if (other->config == raw.config && other->mask == raw.mask)
            return pvperfGrammarSetError(error, node,
                                         "<raw config='0x%" G_GINT64_MODIFIER "x' mask='0x%"
                                         G_GINT64_MODIFIER "x'> stands twice; allowed: once",
                                         raw.config, raw.mask);
    }

    g_array_append_val(def->raw, raw);
    return true;
}


static bool
parseSampletune(pvperfDomainDef *def,
                xmlNodePtr node,
                GError **error)
{
    def->has_sampletune = true;
    return true;
}


static bool
parseCputune(pvperfDomainDef *def,
             xmlNodePtr node,
             GError **error)
{
    def->has_cputune = true;
    return true;
}


static bool
parseGroupName(pvperfDomainDef *def,
               xmlNodePtr node,
               GError **error)
{
    def->group_name = (char *)xmlNodeGetContent(node);

    return pvperfCheckName("<group_name>", def->group_name, xmlGetLineNo(node), error);
}


static bool
parseMonitor(pvperfDomainDef *def,
             xmlNodePtr node,
             GError **error)
{
    def->has_monitor = true;
    return true;
}


static bool
parseMonitorEvent(pvperfDomainDef *def,
                  xmlNodePtr node,
                  GError **error)
{
    g_autofree char *name = getRequiredAttr(node, "name", error);
    pvperfEventIndex event;

    if (!name)
        return false;

    event = pvperfEventFromName(name);
    if (event == PVPERF_EVENT_NONE || pvperfEventGet(event)->klass == PVPERF_CLASS_RAW)
        return pvperfGrammarSetError(error, node,
                                     "<event>: name='%s' is no event that can be monitored; allowed: cycles, "
                                     "instructions, vcpu-clock and the others that "
                                     "'virsh-pvperf capabilities' lists", name);

    if (!def->monitor)
        def->monitor = g_array_new(FALSE, FALSE, sizeof(event));

    for (guint i = 0; i < def->monitor->len; i++) {
        if (g_array_index(def->monitor, pvperfEventIndex, i) == event)
            return pvperfGrammarSetError(error, node, "<event name='%s'> stands twice; allowed: once", name);
    }

    g_array_append_val(def->monitor, event);
    return true;
}


static const char *const root_attrs[] = { "state", "policy", "managed", "migratable", NULL };
static const char *const events_attrs[] = { "max", "per_vcpu", NULL };
static const char *const class_attrs[] = { "name", "allow", NULL };
static const char *const raw_attrs[] = { "config", "mask", NULL };
static const char *const event_attrs[] = { "name", NULL };

static const pvperfElement class_children[] = {
    { .name = "raw", .many = true, .attrs = raw_attrs, .parse = parseRaw },
    { .name = NULL },
};

static const pvperfElement sampletune_children[] = {
    { .name = "min_period", .text = true, .parse = parseNumberElement },
    { .name = "total_samples_sec", .text = true, .parse = parseNumberElement },
    { .name = "total_samples_sec_max", .text = true, .parse = parseNumberElement },
    { .name = "total_samples_sec_max_length", .text = true, .parse = parseNumberElement },
    { .name = NULL },
};

static const pvperfElement cputune_children[] = {
    { .name = "period", .text = true, .parse = parseNumberElement },
    { .name = "quota", .text = true, .parse = parseNumberElement },
    { .name = NULL },
};

static const pvperfElement monitor_children[] = {
    { .name = "event", .many = true, .attrs = event_attrs, .parse = parseMonitorEvent },
    { .name = NULL },
};

static const pvperfElement root_children[] = {
    { .name = "events", .attrs = events_attrs, .parse = parseEvents },
    { .name = "class", .many = true, .attrs = class_attrs, .children = class_children,
      .parse = parseClass, .finish = pvperfCheckRawClass },
    { .name = "sampletune", .children = sampletune_children,
      .parse = parseSampletune, .finish = pvperfCheckSampletune },
    { .name = "requests_sec", .text = true, .parse = parseNumberElement },
    { .name = "cputune", .children = cputune_children, .parse = parseCputune },
    { .name = "group_name", .text = true, .parse = parseGroupName },
    { .name = "monitor", .children = monitor_children, .parse = parseMonitor },
    { .name = NULL },
};

const pvperfElement pvperfGrammarRoot = {
    .name = "pvperf", .attrs = root_attrs, .children = root_children, .parse = parseRoot,
};
