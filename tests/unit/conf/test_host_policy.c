/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_host_policy.c: who bounds whom.
 *
 * Rows: the host's policy 'gold', its ceiling, an element, and what is in force
 * for it on 2 vCPUs. What is in force is told in one line, what is as in the
 * row before it with a host that says nothing is left out:
 * "classes=ipc+vcpu max=64 ...".
 */
#include <string.h>

#include <glib.h>

#include "conf/pvperf_host_policy.h"
#include "conf/pvperf_policy_text.h"

#define VCPUS 2

typedef struct _Row Row;
struct _Row {
    const char *gold;           /* NULL: there is none */
    const char *ceiling;
    const char *element;
    const char *expected;       /* differences from the bare element's policy; or "error: ..." */
    const char *remarks;
};

#define RAW(list) "<class name='raw' allow='yes'>" list "</class>"
#define SAMPLES(text) "<sampletune>" text "</sampletune>"
#define SEC(n) "<total_samples_sec>" n "</total_samples_sec>"
#define SEC_MAX(n) "<total_samples_sec_max>" n "</total_samples_sec_max>"
#define SEC_LENGTH(n) "<total_samples_sec_max_length>" n "</total_samples_sec_max_length>"
#define CPU(period, quota) "<cputune><period>" period "</period><quota>" quota "</quota></cputune>"

static const Row rows[] = {
    /* nobody bounds: the element has its way */
    { NULL, NULL, "<pvperf/>", "", NULL },
    { NULL, NULL, "<pvperf><events max='9000' per_vcpu='100'/></pvperf>", "max=9000 per_vcpu=100", NULL },
    { NULL, NULL, "<pvperf><requests_sec>0</requests_sec></pvperf>", "requests_sec=0", NULL },
    { NULL, NULL, "<pvperf policy='gold'/>",
      "error: this host has no policy 'gold'; allowed: none", NULL },
    { NULL, NULL, "<pvperf><group_name>g</group_name></pvperf>",
      "error: this host has no group 'g'; allowed: none", NULL },

    /* the element inherits ... */
    { "<pvperf/>", NULL, "<pvperf policy='gold'/>", "", NULL },
    { "<pvperf><events max='300'/></pvperf>", NULL, "<pvperf policy='gold'/>", "max=300", NULL },
    { "<pvperf><events per_vcpu='4'/></pvperf>", NULL, "<pvperf policy='gold'/>", "max=32 per_vcpu=4", NULL },
    { "<pvperf state='off'/>", NULL, "<pvperf policy='gold'/>", "on=0", NULL },
    { "<pvperf><class name='cache' allow='no'/></pvperf>", NULL, "<pvperf policy='gold'/>",
      "classes=ipc+branch+vcpu", NULL },
    { "<pvperf>" RAW("<raw config='0x1c2' mask='0xffff'/>") "</pvperf>", NULL, "<pvperf policy='gold'/>",
      "classes=ipc+branch+cache+vcpu+raw raw=1c2/ffff", NULL },
    { "<pvperf>" SAMPLES(SEC("100") SEC_MAX("200") SEC_LENGTH("5")) "</pvperf>", NULL, "<pvperf policy='gold'/>",
      "samples=100/200/5", NULL },
    { "<pvperf>" CPU("10000", "2000") "</pvperf>", NULL, "<pvperf policy='gold'/>", "cpu=2000/10000", NULL },
    /* ... lowers ... */
    { "<pvperf><events max='300'/></pvperf>", NULL, "<pvperf policy='gold'><events max='20'/></pvperf>",
      "max=20", NULL },
    { "<pvperf><events max='300'/></pvperf>", NULL, "<pvperf policy='gold'><events per_vcpu='2'/></pvperf>",
      "max=16 per_vcpu=2", NULL },
    { "<pvperf/>", NULL, "<pvperf policy='gold' state='off'/>", "on=0", NULL },
    { "<pvperf/>", NULL, "<pvperf policy='gold'><class name='vcpu' allow='no'/></pvperf>",
      "classes=ipc+branch+cache", NULL },
    { "<pvperf>" SAMPLES(SEC("0")) "</pvperf>", NULL,
      "<pvperf policy='gold'>" SAMPLES(SEC("10") SEC_MAX("20")) "</pvperf>", "samples=10/20/1", NULL },
    { "<pvperf>" SAMPLES(SEC("100") SEC_MAX("200") SEC_LENGTH("5")) "</pvperf>", NULL,
      "<pvperf policy='gold'>" SAMPLES(SEC("10")) "</pvperf>", "samples=10/200/5", NULL },
    { "<pvperf>" SAMPLES("<min_period>100</min_period>") "</pvperf>", NULL,
      "<pvperf policy='gold'>" SAMPLES("<min_period>1000</min_period>") "</pvperf>", "min_period=1000", NULL },
    { "<pvperf>" CPU("10000", "5000") "</pvperf>", NULL,
      "<pvperf policy='gold'>" CPU("100000", "40000") "</pvperf>", "cpu=40000/100000", NULL },
    { "<pvperf>" CPU("10000", "5000") "</pvperf>", NULL,
      "<pvperf policy='gold'><cputune><period>100000</period></cputune></pvperf>", "cpu=50000/100000", NULL },
    { "<pvperf>" RAW("<raw config='0xc2' mask='0xff'/>") "</pvperf>", NULL,
      "<pvperf policy='gold'>" RAW("<raw config='0x01c2' mask='0xffff'/>") "</pvperf>",
      "classes=ipc+branch+cache+vcpu+raw raw=1c2/ffff", NULL },
    /* ... and never raises */
    { "<pvperf><events max='300'/></pvperf>", NULL, "<pvperf policy='gold'><events max='301'/></pvperf>",
      "max=300", "policy 'gold' grants events max 300 (not 301)" },
    { "<pvperf><events per_vcpu='4'/></pvperf>", NULL,
      "<pvperf policy='gold'><events per_vcpu='5'/></pvperf>", "max=32 per_vcpu=4",
      "policy 'gold' grants events max 32 (not 40), events per_vcpu 4 (not 5)" },
    { "<pvperf state='off'/>", NULL, "<pvperf policy='gold' state='on'/>", "on=0",
      "policy 'gold' grants state off" },
    { "<pvperf><class name='cache' allow='no'/></pvperf>", NULL,
      "<pvperf policy='gold'><class name='cache' allow='yes'/></pvperf>",
      "classes=ipc+branch+vcpu", "policy 'gold' grants class cache denied" },
    { "<pvperf/>", NULL, "<pvperf policy='gold'>" RAW("<raw config='1' mask='255'/>") "</pvperf>", "",
      "policy 'gold' grants class raw denied" },
    { "<pvperf>" RAW("<raw config='0x1c2' mask='0xffff'/>") "</pvperf>", NULL,
      "<pvperf policy='gold'>" RAW("<raw config='0xc2' mask='0xff'/><raw config='0xc4' mask='0xff'/>") "</pvperf>",
      "classes=ipc+branch+cache+vcpu+raw raw=1c2/ffff", "policy 'gold' grants 1 <raw> (2)" },
    { "<pvperf>" RAW("<raw config='0x1c2' mask='0xffff'/>") "</pvperf>", NULL,
      "<pvperf policy='gold'>" RAW("<raw config='0xc4' mask='0xff'/>") "</pvperf>",
      "", "policy 'gold' grants class raw denied" },
    { "<pvperf>" SAMPLES(SEC("100")) "</pvperf>", NULL,
      "<pvperf policy='gold'>" SAMPLES(SEC("50") SEC_MAX("200")) "</pvperf>", "samples=50/0/0",
      "policy 'gold' grants total_samples_sec_max none (not 200)" },
    { "<pvperf>" SAMPLES(SEC("100") SEC_MAX("150")) "</pvperf>", NULL,
      "<pvperf policy='gold'>" SAMPLES(SEC("0")) "</pvperf>", "samples=100/150/1",
      "policy 'gold' grants total_samples_sec 100 (not without limit)" },
    { "<pvperf>" SAMPLES(SEC("100") SEC_MAX("150") SEC_LENGTH("2")) "</pvperf>", NULL,
      "<pvperf policy='gold'>" SAMPLES(SEC("200") SEC_MAX("400") SEC_LENGTH("9")) "</pvperf>", "samples=100/150/2",
      "policy 'gold' grants total_samples_sec 100 (not 200), total_samples_sec_max 150 (not 400), "
      "total_samples_sec_max_length 2 (not 9)" },
    { "<pvperf><requests_sec>10</requests_sec></pvperf>", NULL,
      "<pvperf policy='gold'><requests_sec>0</requests_sec></pvperf>", "requests_sec=10",
      "policy 'gold' grants requests_sec 10 (not without limit)" },
    { "<pvperf>" SAMPLES("<min_period>100</min_period>") "</pvperf>", NULL,
      "<pvperf policy='gold'>" SAMPLES("<min_period>10</min_period>") "</pvperf>", "min_period=100",
      "policy 'gold' grants min_period 100 (not 10)" },
    { "<pvperf>" CPU("10000", "5000") "</pvperf>", NULL,
      "<pvperf policy='gold'>" CPU("100000", "60000") "</pvperf>", "cpu=5000/10000",
      "policy 'gold' grants cputune quota 5000 in 10000 (not 60000 in 100000)" },
    { "<pvperf>" CPU("10000", "5000") "</pvperf>", NULL,
      "<pvperf policy='gold'>" CPU("10000", "0") "</pvperf>", "cpu=5000/10000",
      "policy 'gold' grants cputune quota 5000 in 10000 (not without limit)" },

    /* ceilings bind the policy silently, the element aloud, and defaults, too */
    { NULL, "max=50", "<pvperf/>", "max=50", NULL },
    { NULL, "max=50", "<pvperf><events max='60'/></pvperf>", "max=50", "the host grants events max 50 (not 60)" },
    { NULL, "max=50", "<pvperf><events max='40'/></pvperf>", "max=40", NULL },
    { "<pvperf><events max='300'/></pvperf>", "max=50", "<pvperf policy='gold'/>", "max=50", NULL },
    { "<pvperf><events max='30'/></pvperf>", "max=50", "<pvperf policy='gold'><events max='60'/></pvperf>",
      "max=30", "policy 'gold' grants events max 30 (not 60)" },
    { NULL, "samples=10", "<pvperf/>", "samples=10/0/0", NULL },
    { NULL, "samples=10", "<pvperf>" SAMPLES(SEC("5") SEC_MAX("7")) "</pvperf>", "samples=5/0/0",
      "the host grants total_samples_sec_max none (not 7)" },
    { NULL, "requests=10", "<pvperf><requests_sec>0</requests_sec></pvperf>", "requests_sec=10",
      "the host grants requests_sec 10 (not without limit)" },
    { NULL, "per_vcpu=2", "<pvperf><events per_vcpu='4'/></pvperf>", "max=32 per_vcpu=2",
      "the host grants events per_vcpu 2 (not 4)" },
};


static void
describeItem(GString *text,
             const char *format,
             ...) G_GNUC_PRINTF(2, 3);

static void
describeItem(GString *text,
             const char *format,
             ...)
{
    va_list args;

    if (text->len)
        g_string_append_c(text, ' ');
    va_start(args, format);
    g_string_append_vprintf(text, format, args);
    va_end(args);
}


static void
describeClasses(GString *text,
                const pvperfPolicy *policy)
{
    const char *separator = "classes=";

    if (text->len)
        g_string_append_c(text, ' ');
    for (int i = 0; i < PVPERF_NR_CLASSES; i++) {
        if (policy->classes & 1U << i) {
            g_string_append_printf(text, "%s%s", separator, pvperfClassName(i));
            separator = "+";
        }
    }
}


/* What a policy has that the bare element's has not. */
static char *
describe(const pvperfPolicy *policy)
{
    GString *text = g_string_new(NULL);
    pvperfPolicy bare;

    pvperfPolicyInitDefault(&bare, VCPUS);
    if (policy->on != bare.on)
        describeItem(text, "on=%u", policy->on);
    if (policy->classes != bare.classes)
        describeClasses(text, policy);
    if (policy->max != bare.max)
        describeItem(text, "max=%u", policy->max);
    if (policy->per_vcpu != bare.per_vcpu)
        describeItem(text, "per_vcpu=%u", policy->per_vcpu);
    if (policy->min_period != bare.min_period)
        describeItem(text, "min_period=%" G_GUINT64_FORMAT, policy->min_period);
    if (policy->total_samples_sec != bare.total_samples_sec || policy->total_samples_sec_max)
        describeItem(text, "samples=%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT "/%u", policy->total_samples_sec,
                     policy->total_samples_sec_max, policy->total_samples_sec_max_length);
    if (policy->requests_sec != bare.requests_sec)
        describeItem(text, "requests_sec=%" G_GUINT64_FORMAT, policy->requests_sec);
    if (policy->cpu_quota_us != bare.cpu_quota_us || policy->cpu_period_us != bare.cpu_period_us)
        describeItem(text, "cpu=%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT,
                     policy->cpu_quota_us, policy->cpu_period_us);
    for (uint32_t i = 0; i < policy->nraw; i++)
        describeItem(text, "raw=%" G_GINT64_MODIFIER "x/%" G_GINT64_MODIFIER "x",
                     policy->raw[i].config, policy->raw[i].mask);
    return g_string_free(text, FALSE);
}


static void
setCeiling(pvperfHostPolicy *host,
           const char *text)
{
    const struct {
        const char *name;
        void *field;
        bool wide;
    } names[] = {
        { "max=", &host->ceiling.max, false },
        { "per_vcpu=", &host->ceiling.per_vcpu, false },
        { "samples=", &host->ceiling.total_samples_sec, true },
        { "requests=", &host->ceiling.requests_sec, true },
    };

    for (size_t i = 0; text && i < G_N_ELEMENTS(names); i++) {
        uint64_t value = g_ascii_strtoull(text + strlen(names[i].name), NULL, 10);

        if (!g_str_has_prefix(text, names[i].name))
            continue;
        if (names[i].wide)
            *(uint64_t *)names[i].field = value;
        else
            *(uint32_t *)names[i].field = value;
        return;
    }
    g_assert_null(text);
}


static void
testRow(gconstpointer data)
{
    const Row *row = data;
    g_autoptr(pvperfHostPolicy) host = pvperfHostPolicyNew();
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfDomainDef) def = pvperfDomainDefParseString(row->element, &error);
    pvperfEffective effective = { .policy_name = NULL };
    g_autofree char *found = NULL;

    g_assert_no_error(error);
    setCeiling(host, row->ceiling);
    if (row->gold)
        g_assert_true(pvperfHostPolicyAdd(host, PVPERF_HOST_POLICY, "gold", row->gold, &error));
    g_assert_no_error(error);

    if (pvperfHostPolicyEffective(host, def, VCPUS, &effective, &error))
        found = describe(&effective.policy);
    else
        found = g_strdup_printf("error: %s", error->message);
    g_assert_cmpstr(found, ==, row->expected);
    g_assert_cmpstr(effective.remarks, ==, row->remarks);
    if (!error) {
        /* the text says all of it, and limiting again changes nothing */
        g_autofree char *text = pvperfPolicyTextElement(&effective.policy, NULL);
        g_autoptr(pvperfDomainDef) again = pvperfDomainDefParseString(text, &error);
        pvperfPolicy policy;

        g_assert_no_error(error);
        pvperfDomainDefPolicy(again, VCPUS, &policy);
        g_assert_cmpmem(&policy, sizeof(policy), &effective.policy, sizeof(effective.policy));
        g_assert_cmpint(pvperfPolicyLimit(&policy, &effective.policy), ==, 0);
        g_assert_cmpmem(&policy, sizeof(policy), &effective.policy, sizeof(effective.policy));
    }
    pvperfEffectiveClear(&effective);
}


/* ---- the rest ---- */

static void
testDefaultPolicy(void)
{
    g_autoptr(pvperfHostPolicy) host = pvperfHostPolicyNew();
    g_autoptr(pvperfDomainDef) bare = pvperfDomainDefParseString("<pvperf/>", NULL);
    g_autoptr(pvperfDomainDef) own = pvperfDomainDefParseString("<pvperf policy='own'/>", NULL);
    pvperfEffective effective;

    g_assert_true(pvperfHostPolicyAdd(host, PVPERF_HOST_POLICY, "own", "<pvperf><events max='9'/></pvperf>", NULL));
    g_assert_true(pvperfHostPolicyAdd(host, PVPERF_HOST_POLICY, "all", "<pvperf><events max='5'/></pvperf>", NULL));
    host->default_policy = g_strdup("all");
    g_assert_true(pvperfHostPolicyEffective(host, bare, VCPUS, &effective, NULL));
    g_assert_cmpuint(effective.policy.max, ==, 5);
    g_assert_cmpstr(effective.policy_name, ==, "all");
    pvperfEffectiveClear(&effective);
    g_assert_true(pvperfHostPolicyEffective(host, own, VCPUS, &effective, NULL));
    g_assert_cmpuint(effective.policy.max, ==, 9);
    pvperfEffectiveClear(&effective);
}


static void
testDefaults(void)
{
    g_autoptr(pvperfHostPolicy) host = pvperfHostPolicyNew();
    g_autoptr(pvperfDomainDef) bare = pvperfDomainDefParseString("<pvperf/>", NULL);
    pvperfEffective effective;

    host->defaults = (pvperfPolicyDefaults) {
        .classes = 1U << PVPERF_CLASS_VCPU,
        .per_vcpu = 2,
        .samples_sec = 10,
        .requests_sec = 20,
        .cpu_period_us = 4000,
        .cpu_quota_us = 1000,
    };
    g_assert_true(pvperfHostPolicyEffective(host, bare, 8, &effective, NULL));
    g_assert_cmpuint(effective.policy.classes, ==, 1U << PVPERF_CLASS_VCPU);
    g_assert_cmpuint(effective.policy.per_vcpu, ==, 2);
    g_assert_cmpuint(effective.policy.max, ==, 4 * 2 * 8);
    g_assert_cmpuint(effective.policy.total_samples_sec, ==, 80);
    g_assert_cmpuint(effective.policy.requests_sec, ==, 160);
    g_assert_cmpuint(effective.policy.cpu_period_us, ==, 4000);
    g_assert_cmpuint(effective.policy.cpu_quota_us, ==, 8000);
    pvperfEffectiveClear(&effective);
}


/* What a policy and a group may say. */
static void
testAdd(void)
{
    const struct {
        pvperfHostKind kind;
        const char *name;
        const char *xml;
        const char *message;    /* NULL: fine */
    } cases[] = {
        { PVPERF_HOST_POLICY, "gold", "<pvperf state='on'><events per_vcpu='4'/></pvperf>", NULL },
        { PVPERF_HOST_POLICY, "../x", "<pvperf/>", "name of a policy: '../x' is no name; " },
        { PVPERF_HOST_POLICY, "gold", "<pvperf", "line 1: " },
        { PVPERF_HOST_POLICY, "gold", "<pvperf policy='x'/>", "a policy does not say the attribute 'policy'; " },
        { PVPERF_HOST_POLICY, "gold", "<pvperf managed='no'/>", "a policy does not say the attribute 'managed'; " },
        { PVPERF_HOST_POLICY, "gold", "<pvperf migratable='no'/>",
          "a policy does not say the attribute 'migratable'; " },
        { PVPERF_HOST_POLICY, "gold", "<pvperf><group_name>g</group_name></pvperf>",
          "a policy does not say <group_name>; " },
        { PVPERF_HOST_POLICY, "gold", "<pvperf><monitor/></pvperf>", "a policy does not say <monitor>; " },
        { PVPERF_HOST_GROUP, "g", "<pvperf><events max='7'/>" SAMPLES(SEC("5") SEC_MAX("6"))
          "<requests_sec>3</requests_sec></pvperf>", NULL },
        { PVPERF_HOST_GROUP, "g", "<pvperf state='off'/>", "a group does not say the attribute 'state'; " },
        { PVPERF_HOST_GROUP, "g", "<pvperf><events per_vcpu='7'/></pvperf>", "a group does not say per_vcpu; " },
        { PVPERF_HOST_GROUP, "g", "<pvperf><class name='ipc' allow='no'/></pvperf>",
          "a group does not say <class>; " },
        { PVPERF_HOST_GROUP, "g", "<pvperf>" SAMPLES("<min_period>1</min_period>") "</pvperf>",
          "a group does not say <min_period>; " },
        { PVPERF_HOST_GROUP, "g", "<pvperf>" CPU("5000", "1000") "</pvperf>", "a group does not say <cputune>; " },
    };
    g_autoptr(pvperfHostPolicy) host = pvperfHostPolicyNew();
    g_autofree char *names = NULL;
    pvperfPolicy shared;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        bool ok = pvperfHostPolicyAdd(host, cases[i].kind, cases[i].name, cases[i].xml, &error);

        g_assert_cmpint(ok, ==, !cases[i].message);
        if (!ok && !g_str_has_prefix(error->message, cases[i].message))
            g_error("case %zu: '%s', expected '%s...'", i, error->message, cases[i].message);
    }

    names = pvperfHostPolicyNames(host, PVPERF_HOST_GROUP);
    g_assert_cmpstr(names, ==, "g");
    g_assert_false(pvperfHostPolicyGroup(host, "gold", &shared));
    g_assert_true(pvperfHostPolicyGroup(host, "g", &shared));
    g_assert_cmpuint(shared.max, ==, 7);
    g_assert_cmpuint(shared.total_samples_sec, ==, 5);
    g_assert_cmpuint(shared.total_samples_sec_max, ==, 6);
    g_assert_cmpuint(shared.requests_sec, ==, 3);
}


/* A reading that failed: the one of before stays, and it is said. */
static void
testBroken(void)
{
    g_autoptr(pvperfHostPolicy) old = pvperfHostPolicyNew();
    g_autoptr(pvperfHostPolicy) host = pvperfHostPolicyNew();
    g_autoptr(pvperfDomainDef) def = pvperfDomainDefParseString("<pvperf policy='gold'/>", NULL);
    g_autoptr(GError) error = NULL;
    pvperfEffective effective;

    pvperfHostPolicyBroken(host, PVPERF_HOST_POLICY, "gold", "line 1: no", old);
    g_assert_false(pvperfHostPolicyEffective(host, def, VCPUS, &effective, &error));
    g_assert_cmpstr(error->message, ==, "this host's policy 'gold' is wrong: line 1: no");

    g_assert_true(pvperfHostPolicyAdd(old, PVPERF_HOST_POLICY, "gold", "<pvperf><events max='9'/></pvperf>", NULL));
    pvperfHostPolicyBroken(host, PVPERF_HOST_POLICY, "gold", "line 1: no", old);
    g_assert_true(pvperfHostPolicyEffective(host, def, VCPUS, &effective, NULL));
    g_assert_cmpuint(effective.policy.max, ==, 9);
    g_assert_cmpstr(effective.remarks, ==, "policy 'gold' is as it was before: line 1: no");
    pvperfEffectiveClear(&effective);
}


/* Two lists that meet in more than a list holds. */
static void
testRawTooMany(void)
{
    g_autoptr(GString) low = g_string_new("<pvperf policy='gold'><class name='raw' allow='yes'>");
    g_autoptr(GString) high = g_string_new("<pvperf><class name='raw' allow='yes'>");
    g_autoptr(pvperfHostPolicy) host = pvperfHostPolicyNew();
    g_autoptr(pvperfDomainDef) def = NULL;
    g_autoptr(GError) error = NULL;
    pvperfEffective effective;

    for (int i = 0; i < 9; i++) {
        g_string_append_printf(low, "<raw config='%d' mask='255'/>", i);
        g_string_append_printf(high, "<raw config='%d' mask='0xff00'/>", i << 8);
    }
    g_string_append(low, "</class></pvperf>");
    g_string_append(high, "</class></pvperf>");
    g_assert_true(pvperfHostPolicyAdd(host, PVPERF_HOST_POLICY, "gold", high->str, NULL));
    def = pvperfDomainDefParseString(low->str, &error);
    g_assert_no_error(error);
    g_assert_false(pvperfHostPolicyEffective(host, def, VCPUS, &effective, &error));
    g_assert_cmpstr(error->message, ==, "<class name='raw'>: its list and that of policy 'gold' have more than "
                    "64 entries in common; allowed: up to 64");
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/host-policy/row/%02zu", i);

        g_test_add_data_func(path, &rows[i], testRow);
    }
    g_test_add_func("/host-policy/default-policy", testDefaultPolicy);
    g_test_add_func("/host-policy/defaults", testDefaults);
    g_test_add_func("/host-policy/add", testAdd);
    g_test_add_func("/host-policy/broken", testBroken);
    g_test_add_func("/host-policy/raw-too-many", testRawTooMany);

    return g_test_run();
}
