/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_domain_xml.c: every domain XML of data/domain.
 *
 * Of NAME.xml: NAME.info is what is read from it; NAME.add what it becomes
 * with the device, or NAME.add.err why not; NAME.remove the same file without
 * the device. Adding twice, removing twice, and removing what was added must
 * change nothing more. What libvirt's own schema takes must still pass it
 * with the device in it.
 */
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "conf/pvperf_domain_xml.h"
#include "test_data.h"

#define DIR "domain"
#define SOCKET "/run/libvirt/pvperf/ivshmem.sock"
#define LIBVIRT_SCHEMA "/usr/share/libvirt/schemas/domain.rng"

static const char *const places[] = {
    [PVPERF_PLACE_NONE] = "none",
    [PVPERF_PLACE_METADATA] = "metadata",
    [PVPERF_PLACE_TOP_LEVEL] = "top level",
    [PVPERF_PLACE_NO_XMLNS] = "no xmlns",
    [PVPERF_PLACE_WRONG_XMLNS] = "wrong xmlns",
    [PVPERF_PLACE_TWICE] = "twice",
};


static char *
describe(const pvperfDomainXML *dom)
{
    g_autofree char *def = dom->def ? pvperfDomainDefFormat(dom->def, false) : NULL;

    return g_strdup_printf("name: %s\nuuid: %s\ntype: %s\nmachine: %s\nemulator: %s\n"
                           "max_vcpus: %u\npmu_off: %d\nplace: %s\nerror: %s\n"
                           "device: %u, socket %s, vectors %u, alias %d, override %d\n"
                           "other shmem: %u\n%s",
                           dom->name, dom->uuid, dom->type, dom->machine, dom->emulator,
                           dom->max_vcpus, dom->pmu_off, places[dom->place],
                           dom->def_error ? dom->def_error->message : "none",
                           dom->device.count, dom->device.socket, dom->device.vectors,
                           dom->device.has_alias, dom->device.has_override,
                           dom->device.other_ivshmem, def ? def : "");
}


static char *
removeFrom(const char *xml,
           bool with_element)
{
    g_autoptr(GError) error = NULL;
    char *out = pvperfDomainXMLRemoveDevice(xml, with_element, &error);

    g_assert_no_error(error);
    return out;
}


static void
checkRemoved(const char *xml)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfDomainXML) dom = pvperfDomainXMLParse(xml, &error);
    g_autofree char *again = removeFrom(xml, false);

    g_assert_no_error(error);
    g_assert_cmpuint(dom->device.count, ==, 0);
    g_assert_false(dom->device.has_override);
    g_assert_cmpstr(xml, ==, again);
}


/* A domain on one line gets line breaks with the device; they may stay. */
static char *
withoutBlanks(char *xml)
{
    g_autofree char *own = xml;
    g_autoptr(GRegex) blanks = g_regex_new(">\\s+<", 0, 0, NULL);

    return g_regex_replace_literal(blanks, xml, -1, 0, "><", 0, NULL);
}


static void
checkAdded(const char *xml,
           const char *added)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *again = pvperfDomainXMLAddDevice(added, SOCKET, &error);
    g_autoptr(pvperfDomainXML) dom = pvperfDomainXMLParse(added, NULL);
    g_autofree char *removed = withoutBlanks(removeFrom(added, false));
    g_autofree char *removed_all = withoutBlanks(removeFrom(added, true));
    g_autofree char *without = withoutBlanks(removeFrom(xml, false));
    g_autofree char *without_all = withoutBlanks(removeFrom(xml, true));

    g_assert_no_error(error);
    g_assert_cmpstr(added, ==, again);
    g_assert_cmpuint(dom->device.count, ==, 1);
    g_assert_cmpuint(dom->device.vectors, ==, dom->max_vcpus);
    g_assert_cmpstr(dom->device.socket, ==, SOCKET);
    g_assert_true(dom->device.has_alias);
    g_assert_true(dom->device.has_override || dom->def->migratable == PVPERF_TRISTATE_NO);
    g_assert_cmpint(dom->def->managed, !=, PVPERF_TRISTATE_ABSENT);
    g_assert_cmpstr(removed, ==, without);
    g_assert_cmpstr(removed_all, ==, without_all);

    if (access(LIBVIRT_SCHEMA, R_OK) == 0 && testDataValidate(LIBVIRT_SCHEMA, xml))
        g_assert_true(testDataValidate(LIBVIRT_SCHEMA, added));
}


/* An element that is set is the one that is read; taking it out leaves none. */
static void
checkSet(const char *xml)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfDomainDef) def =
        pvperfDomainDefParseString("<pvperf state='off'><events max='7'/></pvperf>", &error);
    g_autofree char *set = pvperfDomainXMLSetDef(xml, def, &error);
    g_autofree char *again = pvperfDomainXMLSetDef(set, def, &error);
    g_autofree char *unset = pvperfDomainXMLSetDef(set, NULL, &error);
    g_autofree char *unset_short = withoutBlanks(g_strdup(unset));
    g_autofree char *never_short = withoutBlanks(pvperfDomainXMLSetDef(xml, NULL, &error));
    g_autoptr(pvperfDomainXML) dom = pvperfDomainXMLParse(set, &error);
    g_autoptr(pvperfDomainXML) none = pvperfDomainXMLParse(unset, &error);

    g_assert_no_error(error);
    g_assert_cmpint(dom->place, ==, PVPERF_PLACE_METADATA);
    g_assert_true(pvperfDomainDefEqual(dom->def, def));
    g_assert_cmpstr(set, ==, again);
    g_assert_cmpint(none->place, !=, PVPERF_PLACE_METADATA);
    g_assert_cmpstr(unset_short, ==, never_short);
}


static void
testFile(const void *data)
{
    const char *name = data;
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = testDataRead(DIR, name, ".xml");
    g_autoptr(pvperfDomainXML) dom = pvperfDomainXMLParse(xml, &error);
    g_autofree char *info = NULL;
    g_autofree char *added = NULL;
    g_autofree char *removed = NULL;
    g_autofree char *err = NULL;

    g_assert_no_error(error);
    info = describe(dom);
    testDataCompare(DIR, name, ".info", info);

    added = pvperfDomainXMLAddDevice(xml, SOCKET, &error);
    g_assert_true(!added == !!error);
    err = error ? g_strconcat(error->message, "\n", NULL) : NULL;
    testDataCompare(DIR, name, ".add", added);
    testDataCompare(DIR, name, ".add.err", err);
    if (added)
        checkAdded(xml, added);

    removed = removeFrom(xml, false);
    checkRemoved(removed);
    testDataCompare(DIR, name, ".remove", dom->device.count ? removed : NULL);

    checkSet(xml);
}


static void
testNoDomain(void)
{
    const struct {
        const char *xml;
        const char *message;
    } rows[] = {
        { "", "line 1: the domain is not well-formed XML: Document is empty" },
        { "<domain>", "line 1: the domain is not well-formed XML: "
          "Premature end of data in tag domain line 1" },
        { "<network/>", "line 1: <network> is no domain; allowed: <domain>" },
        { "<!DOCTYPE domain [<!ENTITY a 'b'>]>\n<domain/>",
          "the domain has a document type (DOCTYPE); allowed: none" },
        { "<domain><vcpu>many</vcpu></domain>",
          "line 1: <vcpu>: 'many' is no number of vCPUs; allowed: 1 to 2147483647" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(pvperfDomainXMLParse(rows[i].xml, &error));
        g_assert_error(error, PVPERF_CONF_ERROR, PVPERF_CONF_ERROR_XML);
        g_assert_cmpstr(error->message, ==, rows[i].message);
    }
}


static void
testFormatDevice(void)
{
    g_autofree char *text = pvperfDomainXMLFormatDevice("/a&b/ivshmem.sock", 4);

    g_assert_cmpstr(text, ==,
                    "<shmem name='pvperf' role='master'>\n"
                    "  <model type='ivshmem-doorbell'/>\n"
                    "  <server path='/a&amp;b/ivshmem.sock'/>\n"
                    "  <msi vectors='4'/>\n"
                    "  <alias name='ua-pvperf'/>\n"
                    "</shmem>\n");
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    testDataAdd(DIR, testFile);
    g_test_add_func("/no-domain", testNoDomain);
    g_test_add_func("/format-device", testFormatDevice);

    return g_test_run();
}
