/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_domain_def.c: every <pvperf> of data/def, good and bad.
 *
 * NAME.xml is read. It is refused with the text of NAME.err, or formats to
 * NAME.out, or, without either, to itself. schemas/pvperf.rng must agree,
 * unless schema_cannot.txt says why it cannot.
 */
#include <glib.h>
#include <string.h>

#include "conf/pvperf_domain_def.h"
#include "test_data.h"

#define DIR "def"


static void
checkSchema(const char *name,
            const char *xml,
            bool valid)
{
    g_autofree char *schema = g_build_filename(g_getenv("PVPERF_SCHEMAS"), "pvperf.rng", NULL);
    g_autofree char *reason = testDataReason("schema_cannot.txt", name);

    if (testDataValidate(schema, xml) == valid) {
        if (reason) {
            g_test_message("%s is in schema_cannot.txt, but the schema can", name);
            g_test_fail();
        }
    } else if (!reason) {
        g_test_message("schema and parser disagree: parser says %s", valid ? "yes" : "no");
        g_test_fail();
    }
}


/* What format wrote says the same as what parse read, in both forms. */
static void
checkRoundTrip(const pvperfDomainDef *def,
               bool with_xmlns)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = pvperfDomainDefFormat(def, with_xmlns);
    g_autoptr(pvperfDomainDef) again = pvperfDomainDefParseString(text, &error);

    g_assert_no_error(error);
    g_assert_true(pvperfDomainDefEqual(def, again));
    g_assert_true(pvperfDomainDefValidate(again, &error));
    g_assert_cmpint(strstr(text, "xmlns=") != NULL, ==, with_xmlns);
}


static void
testFile(const void *data)
{
    const char *name = data;
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = testDataRead(DIR, name, ".xml");
    g_autoptr(pvperfDomainDef) def = pvperfDomainDefParseString(xml, &error);
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    g_assert_true(!def == !!error);

    if (def) {
        out = pvperfDomainDefFormat(def, true);
        checkRoundTrip(def, true);
        checkRoundTrip(def, false);
    } else {
        g_assert_true(error->domain == PVPERF_CONF_ERROR);
        err = g_strconcat(error->message, "\n", NULL);
    }

    testDataCompare(DIR, name, ".err", err);
    testDataCompare(DIR, name, ".out", g_strcmp0(out, xml) == 0 ? NULL : out);
    checkSchema(name, xml, def != NULL);
}


static pvperfDomainDef *
parse(const char *xml)
{
    g_autoptr(GError) error = NULL;
    pvperfDomainDef *def = pvperfDomainDefParseString(xml, &error);

    g_assert_no_error(error);
    return def;
}


static void
testEqual(void)
{
    const char *const xmls[] = {
        "<pvperf/>",
        "<pvperf state='on'/>",
        "<pvperf state='off'/>",
        "<pvperf policy='gold'/>",
        "<pvperf policy='silver'/>",
        "<pvperf managed='yes'/>",
        "<pvperf migratable='no'/>",
        "<pvperf><events max='64'/></pvperf>",
        "<pvperf><events max='65'/></pvperf>",
        "<pvperf><events per_vcpu='64'/></pvperf>",
        "<pvperf><class name='ipc' allow='yes'/></pvperf>",
        "<pvperf><class name='ipc' allow='no'/></pvperf>",
        "<pvperf><class name='raw' allow='no'/></pvperf>",
        "<pvperf><class name='raw' allow='no'><raw config='1' mask='1'/></class></pvperf>",
        "<pvperf><class name='raw' allow='no'><raw config='1' mask='3'/></class></pvperf>",
        "<pvperf><sampletune/></pvperf>",
        "<pvperf><sampletune><min_period>1</min_period></sampletune></pvperf>",
        "<pvperf><requests_sec>1</requests_sec></pvperf>",
        "<pvperf><cputune/></pvperf>",
        "<pvperf><cputune><quota>1000</quota></cputune></pvperf>",
        "<pvperf><group_name>a</group_name></pvperf>",
        "<pvperf><monitor/></pvperf>",
        "<pvperf><monitor><event name='cycles'/></monitor></pvperf>",
        "<pvperf><monitor><event name='branches'/></monitor></pvperf>",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(xmls); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(xmls); j++) {
            g_autoptr(pvperfDomainDef) a = parse(xmls[i]);
            g_autoptr(pvperfDomainDef) b = parse(xmls[j]);

            g_assert_cmpint(pvperfDomainDefEqual(a, b), ==, i == j);
        }
    }
}


/* A def changed by hand meets the same rules as one that was parsed. */
static void
testValidate(void)
{
    const struct {
        const char *xml;
        size_t offset;
        uint64_t value;
        const char *message;
    } rows[] = {
        { "<pvperf/>", G_STRUCT_OFFSET(pvperfDomainDef, max), 0,
          "<events>: max='0' is refused: to forbid counting use state='off'" },
        { "<pvperf/>", G_STRUCT_OFFSET(pvperfDomainDef, per_vcpu), 129,
          "<events>: per_vcpu='129' is out of range; allowed: 1 to 128" },
        { "<pvperf/>", G_STRUCT_OFFSET(pvperfDomainDef, cpu_quota), 999,
          "<quota>: '999' is out of range; allowed: 0 (no limit), or 1000 to 17592186044415" },
        { "<pvperf/>", G_STRUCT_OFFSET(pvperfDomainDef, total_samples_sec_max), 5,
          "<sampletune>: total_samples_sec_max '5' needs total_samples_sec with a limit" },
        { "<pvperf/>", G_STRUCT_OFFSET(pvperfDomainDef, cpu_period), 5000, NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(pvperfDomainDef) def = parse(rows[i].xml);
        pvperfOptional *opt = G_STRUCT_MEMBER_P(def, rows[i].offset);
        g_autoptr(GError) error = NULL;

        opt->present = true;
        opt->value = rows[i].value;
        g_assert_cmpint(pvperfDomainDefValidate(def, &error), ==, !rows[i].message);
        g_assert_cmpstr(error ? error->message : NULL, ==, rows[i].message);
    }
}


static void
testValidateRaw(void)
{
    g_autoptr(pvperfDomainDef) def = parse("<pvperf/>");
    g_autoptr(GError) error = NULL;

    def->classes[PVPERF_CLASS_RAW] = PVPERF_TRISTATE_YES;
    g_assert_false(pvperfDomainDefValidate(def, &error));
    g_assert_error(error, PVPERF_CONF_ERROR, PVPERF_CONF_ERROR_INVALID);
    g_assert_cmpstr(error->message, ==,
                    "<class name='raw'>: allow='yes' needs a list of what to allow, "
                    "such as <raw config='0x01c2' mask='0xffff'/>");
}


static void
testPolicyBare(void)
{
    g_autoptr(pvperfDomainDef) def = parse("<pvperf/>");

    for (unsigned int n = 0; n <= PVPERF_MAX_VCPUS + 1; n++) {
        pvperfPolicy bare;
        pvperfPolicy policy;

        pvperfPolicyInitDefault(&bare, n);
        pvperfDomainDefPolicy(def, n, &policy);
        g_assert_cmpmem(&bare, sizeof(bare), &policy, sizeof(policy));
    }
}


static void
testPolicyFull(void)
{
    g_autoptr(pvperfDomainDef) def =
        parse("<pvperf state='off'><events max='512' per_vcpu='32'/>"
              "<class name='ipc' allow='no'/><class name='cache' allow='no'/>"
              "<class name='raw' allow='yes'><raw config='0x01c2' mask='0xffff'/></class>"
              "<sampletune><min_period>10000</min_period>"
              "<total_samples_sec>20000</total_samples_sec>"
              "<total_samples_sec_max>40000</total_samples_sec_max>"
              "<total_samples_sec_max_length>5</total_samples_sec_max_length></sampletune>"
              "<requests_sec>300</requests_sec>"
              "<cputune><period>10000</period><quota>2000</quota></cputune></pvperf>");
    pvperfPolicy policy;

    pvperfDomainDefPolicy(def, 4, &policy);
    g_assert_cmpuint(policy.on, ==, 0);
    g_assert_cmpuint(policy.classes, ==,
                     1 << PVPERF_CLASS_BRANCH | 1 << PVPERF_CLASS_VCPU | 1 << PVPERF_CLASS_RAW);
    g_assert_cmpuint(policy.max, ==, 512);
    g_assert_cmpuint(policy.per_vcpu, ==, 32);
    g_assert_cmpuint(policy.min_period, ==, 10000);
    g_assert_cmpuint(policy.total_samples_sec, ==, 20000);
    g_assert_cmpuint(policy.total_samples_sec_max, ==, 40000);
    g_assert_cmpuint(policy.total_samples_sec_max_length, ==, 5);
    g_assert_cmpuint(policy.requests_sec, ==, 300);
    g_assert_cmpuint(policy.cpu_period_us, ==, 10000);
    g_assert_cmpuint(policy.cpu_quota_us, ==, 2000);
    g_assert_cmpuint(policy.nraw, ==, 1);
    g_assert_true(pvperfPolicyAllowsRaw(&policy, 0x01c2));
}


/* What is left out follows from what is given. */
static void
testPolicyPartial(void)
{
    g_autoptr(pvperfDomainDef) rows = parse("<pvperf><events per_vcpu='4'/></pvperf>");
    g_autoptr(pvperfDomainDef) period = parse("<pvperf><cputune><period>100000</period></cputune></pvperf>");
    g_autoptr(pvperfDomainDef) quota = parse("<pvperf><cputune><quota>0</quota></cputune></pvperf>");
    g_autoptr(pvperfDomainDef) burst =
        parse("<pvperf><sampletune><total_samples_sec>10</total_samples_sec>"
              "<total_samples_sec_max>20</total_samples_sec_max></sampletune></pvperf>");
    g_autoptr(pvperfDomainDef) raw =
        parse("<pvperf><class name='raw' allow='no'><raw config='1' mask='0xff'/></class></pvperf>");
    pvperfPolicy policy;

    pvperfDomainDefPolicy(rows, 8, &policy);
    g_assert_cmpuint(policy.max, ==, 4 * 4 * 8);

    pvperfDomainDefPolicy(period, 8, &policy);
    g_assert_cmpuint(policy.cpu_period_us, ==, 100000);
    g_assert_cmpuint(policy.cpu_quota_us, ==, 100000);

    pvperfDomainDefPolicy(quota, 8, &policy);
    g_assert_cmpuint(policy.cpu_period_us, ==, 0);
    g_assert_cmpuint(policy.cpu_quota_us, ==, 0);

    pvperfDomainDefPolicy(burst, 8, &policy);
    g_assert_cmpuint(policy.total_samples_sec_max, ==, 20);
    g_assert_cmpuint(policy.total_samples_sec_max_length, ==, 1);

    pvperfDomainDefPolicy(raw, 8, &policy);
    g_assert_cmpuint(policy.nraw, ==, 0);
    g_assert_false(pvperfPolicyAllowsRaw(&policy, 1));
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    testDataAdd(DIR, testFile);
    g_test_add_func("/equal", testEqual);
    g_test_add_func("/validate/numbers", testValidate);
    g_test_add_func("/validate/raw", testValidateRaw);
    g_test_add_func("/policy/bare", testPolicyBare);
    g_test_add_func("/policy/full", testPolicyFull);
    g_test_add_func("/policy/partial", testPolicyPartial);

    return g_test_run();
}
