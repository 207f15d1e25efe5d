/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_device.c: when a device is given or taken, what is remembered, and the
 * write against a libvirt that the test plays, with others who write too.
 */
#include "../../../src/qemu/pvperf_device.h"

#include <string.h>

#include <gio/gio.h>

#include "test_util.h"

#define SOCKET "/run/libvirt/pvperf/ivshmem.sock"
#define ELEMENT "<pvperf xmlns='" PVPERF_XMLNS "'/>"
#define DOMAIN(memory, element) \
    "<domain type='qemu'>\n" \
    "  <name>vm</name>\n" \
    "  <uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809</uuid>\n" \
    "  <metadata>\n" element "\n  </metadata>\n" \
    "  <memory unit='KiB'>" memory "</memory>\n" \
    "  <vcpu placement='static'>2</vcpu>\n" \
    "  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>\n" \
    "  <devices>\n" \
    "    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n" \
    "    <controller type='pci' index='0' model='pcie-root'/>\n" \
    "  </devices>\n" \
    "</domain>\n"

#define YES PVPERF_TRISTATE_YES
#define NO PVPERF_TRISTATE_NO
#define NONE PVPERF_RECORD_NONE
#define GIVEN PVPERF_RECORD_GIVEN
#define REMOVED PVPERF_RECORD_REMOVED

/* persistent, auto_manage, keeper */
#define USUAL .persistent = true, .auto_manage = true, .keeper = true
#define FITTING .devices = 1, .has_override = true, .vectors_match = true

static const struct {
    const char *name;
    pvperfDeviceFacts facts;
    pvperfDeviceVerdict verdict;
    pvperfRecord record;        /* after it was seen */
} decisions[] = {
    { "no element", { USUAL }, PVPERF_DEVICE_NO_ELEMENT, NONE },
    { "element appears", { USUAL, .element = true }, PVPERF_DEVICE_GIVE, NONE },
    { "managed='yes' by hand", { USUAL, .element = true, .managed = YES }, PVPERF_DEVICE_GIVE, NONE },
    { "managed='no'", { USUAL, .element = true, .managed = NO }, PVPERF_DEVICE_NOT_MANAGED, NONE },
    { "invalid element", { USUAL, .invalid = true }, PVPERF_DEVICE_NOTHING, NONE },
    { "invalid element, given", { USUAL, .invalid = true, FITTING, .record = GIVEN },
      PVPERF_DEVICE_NOTHING, GIVEN },
    { "manual", { .persistent = true, .keeper = true, .element = true }, PVPERF_DEVICE_MANUAL, NONE },
    { "no keeper", { .persistent = true, .auto_manage = true, .element = true },
      PVPERF_DEVICE_WAIT_KEEPER, NONE },
    { "tried before", { USUAL, .element = true, .attempted = true }, PVPERF_DEVICE_ATTEMPTED, NONE },
    { "given, there", { USUAL, .element = true, .managed = YES, FITTING, .record = GIVEN },
      PVPERF_DEVICE_NOTHING, GIVEN },
    { "there, never seen", { USUAL, .element = true, .managed = YES, FITTING },
      PVPERF_DEVICE_NOTHING, GIVEN },
    { "there by hand", { USUAL, .element = true, FITTING }, PVPERF_DEVICE_NOTHING, NONE },
    { "given, somebody took it out", { USUAL, .element = true, .managed = YES, .record = GIVEN },
      PVPERF_DEVICE_WAS_REMOVED, REMOVED },
    { "given, redefined without a trace", { USUAL, .element = true, .record = GIVEN },
      PVPERF_DEVICE_WAS_REMOVED, REMOVED },
    { "taken out", { USUAL, .element = true, .managed = YES, .record = REMOVED },
      PVPERF_DEVICE_WAS_REMOVED, REMOVED },
    { "taken out, enabled again", { USUAL, .element = true, .managed = YES, FITTING, .record = REMOVED },
      PVPERF_DEVICE_NOTHING, GIVEN },
    { "taken out, element gone", { USUAL, .record = REMOVED }, PVPERF_DEVICE_NO_ELEMENT, NONE },
    { "element gone, given", { USUAL, FITTING, .record = GIVEN }, PVPERF_DEVICE_TAKE, GIVEN },
    { "element gone, given, manual", { .persistent = true, .keeper = true, FITTING, .record = GIVEN },
      PVPERF_DEVICE_NOTHING, GIVEN },
    { "element gone, tried before", { USUAL, FITTING, .record = GIVEN, .attempted = true },
      PVPERF_DEVICE_NOTHING, GIVEN },
    { "element gone, not ours", { USUAL, FITTING }, PVPERF_DEVICE_NOTHING, NONE },
    { "more vCPUs", { USUAL, .element = true, .managed = YES, .devices = 1, .has_override = true,
      .record = GIVEN }, PVPERF_DEVICE_GIVE, GIVEN },
    { "more vCPUs, by hand", { USUAL, .element = true, .devices = 1, .has_override = true },
      PVPERF_DEVICE_NOTHING, NONE },
    { "override lost", { USUAL, .element = true, .managed = YES, .devices = 1, .vectors_match = true,
      .record = GIVEN }, PVPERF_DEVICE_GIVE, GIVEN },
    { "migratable='no'", { USUAL, .element = true, .managed = YES, .migratable = NO, .devices = 1,
      .vectors_match = true, .record = GIVEN }, PVPERF_DEVICE_NOTHING, GIVEN },
    { "two devices", { USUAL, .element = true, .devices = 2 }, PVPERF_DEVICE_TOO_MANY, NONE },
    { "transient", { .auto_manage = true, .keeper = true }, PVPERF_DEVICE_TRANSIENT, NONE },
};


static void
testDecide(gconstpointer opaque)
{
    const typeof(decisions[0]) *d = opaque;

    pvperfDeviceFacts facts = d->facts;

    /* as the domain does it: what was seen is remembered, then it is decided */
    facts.record = pvperfDeviceNextRecord(&facts);
    g_assert_cmpint(facts.record, ==, d->record);
    g_assert_cmpint(pvperfDeviceDecide(&facts), ==, d->verdict);
}


static void
testRecord(void)
{
    char *dir = testDirNew();
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);

    g_assert_cmpint(pvperfRecordRead(dir, "a"), ==, NONE);
    pvperfRecordWrite(dir, "a", GIVEN);
    pvperfRecordWrite(dir, "b", REMOVED);
    g_assert_cmpint(pvperfRecordRead(dir, "a"), ==, GIVEN);
    g_assert_cmpint(pvperfRecordRead(dir, "b"), ==, REMOVED);
    pvperfRecordWrite(dir, "a", NONE);
    pvperfRecordWrite(dir, "a", NONE);
    g_assert_cmpint(pvperfRecordRead(dir, "a"), ==, NONE);

    pvperfRecordWrite(dir, "a", GIVEN);
    testFile(dir, "other", "kept\n");
    testFile(dir, "junk.device", "what\n");
    g_assert_cmpint(pvperfRecordRead(dir, "junk"), ==, NONE);
    g_hash_table_add(known, (gpointer)"a");
    pvperfRecordPrune(dir, known);
    g_assert_cmpint(pvperfRecordRead(dir, "a"), ==, GIVEN);
    g_assert_cmpint(pvperfRecordRead(dir, "b"), ==, NONE);
    testDirRemove(dir);
}


/* ---- a libvirt ---- */

typedef enum {
    NOBODY,
    BEFORE_REREAD,              /* somebody defines between decision and re-read */
    BEFORE_DEFINE,              /* between re-read and our define: overwritten */
    AFTER_DEFINE,               /* right after our define */
    UNDEFINED_BEFORE_DEFINE,
    DEFINE_FAILS,
    LIBVIRT_CHANGES_MORE,
    LIBVIRT_DROPS_OVERRIDE,
    NO_DOMAIN,
} testRace;

typedef struct _testLibvirt testLibvirt;
struct _testLibvirt {
    testRace race;
    char *xml;                  /* NULL: undefined */
    unsigned int gets;
    unsigned int defines;
    unsigned int undefines;
    bool watching;
    unsigned int updated;
    unsigned int added;
    unsigned int undefined;
};


static void
testSet(testLibvirt *lv,
        const char *xml)
{
    if (lv->watching && lv->xml)
        lv->updated++;
    else if (lv->watching)
        lv->added++;
    g_free(lv->xml);
    lv->xml = g_strdup(xml);
}


static char *
testGet(gpointer ctx,
        GError **error)
{
    testLibvirt *lv = ctx;

    if (++lv->gets == 2 && lv->race == BEFORE_REREAD)
        testSet(lv, DOMAIN("2097152", ELEMENT));
    if (!lv->xml || lv->race == NO_DOMAIN) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "libvirt: no domain");
        return NULL;
    }
    return g_strdup(lv->xml);
}


static bool
testDefine(gpointer ctx,
           const char *xml,
           GError **error)
{
    testLibvirt *lv = ctx;
    g_autofree char *more = NULL;
    g_auto(GStrv) parts = NULL;

    if (lv->race == DEFINE_FAILS) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "libvirt: no ivshmem");
        return false;
    }
    lv->defines++;
    if (lv->defines > 1) {
        testSet(lv, xml);
        return true;
    }
    if (lv->race == BEFORE_DEFINE)
        testSet(lv, DOMAIN("2097152", ELEMENT));
    if (lv->race == UNDEFINED_BEFORE_DEFINE) {
        g_clear_pointer(&lv->xml, g_free);
        lv->undefined++;
    }
    testSet(lv, xml);
    if (lv->race == AFTER_DEFINE)
        testSet(lv, DOMAIN("2097152", ELEMENT));
    if (lv->race == LIBVIRT_CHANGES_MORE) {
        parts = g_strsplit(lv->xml, "1048576", 2);
        more = g_strjoinv("1048577", parts);
        g_free(lv->xml);
        lv->xml = g_steal_pointer(&more);
    }
    if (lv->race == LIBVIRT_DROPS_OVERRIDE) {
        char *begin = strstr(lv->xml, "<qemu:override>");
        char *end = strstr(lv->xml, "</qemu:override>") + strlen("</qemu:override>");

        memmove(begin, end, strlen(end) + 1);
    }
    return true;
}


static bool
testUndefine(gpointer ctx,
             GError **error)
{
    testLibvirt *lv = ctx;

    lv->undefines++;
    g_clear_pointer(&lv->xml, g_free);
    return true;
}


static void
testWatch(gpointer ctx)
{
    testLibvirt *lv = ctx;

    lv->watching = true;
    lv->updated = lv->added = lv->undefined = 0;
}


static void
testCollect(gpointer ctx,
            unsigned int *updated,
            unsigned int *added,
            unsigned int *undefined)
{
    testLibvirt *lv = ctx;

    *updated = lv->updated;
    *added = lv->added;
    *undefined = lv->undefined;
}


static const pvperfDeviceOps ops = {
    .get = testGet,
    .define = testDefine,
    .undefine = testUndefine,
    .watch = testWatch,
    .collect = testCollect,
};

static const struct {
    const char *name;
    testRace race;
    pvperfDeviceOutcome outcome;
    const char *error;
    unsigned int defines;       /* of ours */
    bool device;                /* the XML has it at the end */
    const char *memory;         /* NULL: undefined at the end */
} writes[] = {
    { "alone", NOBODY, PVPERF_DEVICE_DONE, NULL, 1, true, "1048576" },
    { "changed before the re-read", BEFORE_REREAD, PVPERF_DEVICE_CHANGED,
      "the XML changed meanwhile", 0, false, "2097152" },
    { "changed before the define", BEFORE_DEFINE, PVPERF_DEVICE_UNDONE,
      "somebody else defined the domain at the same moment; look whether that change is still there",
      2, false, "1048576" },
    { "changed after the define", AFTER_DEFINE, PVPERF_DEVICE_OVERTAKEN,
      "somebody else defined the domain right after, and that stands", 1, false, "2097152" },
    { "undefined before the define", UNDEFINED_BEFORE_DEFINE, PVPERF_DEVICE_UNDONE,
      "the domain was undefined at the same moment, and is so again", 1, false, NULL },
    { "define fails", DEFINE_FAILS, PVPERF_DEVICE_FAILED, "libvirt: no ivshmem", 0, false, "1048576" },
    { "libvirt changes more", LIBVIRT_CHANGES_MORE, PVPERF_DEVICE_UNDONE,
      "libvirt changed more than the device", 2, false, "1048576" },
    { "libvirt drops the override", LIBVIRT_DROPS_OVERRIDE, PVPERF_DEVICE_UNDONE,
      "libvirt did not keep the override that makes the device migratable; migratable='no' does without",
      2, false, "1048576" },
    { "no domain", NO_DOMAIN, PVPERF_DEVICE_FAILED, "libvirt: no domain", 0, false, "1048576" },
};


static bool
testHasDevice(const char *xml)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfDomainXML) parsed = pvperfDomainXMLParse(xml, &error);

    g_assert_no_error(error);
    return parsed->device.count == 1;
}


static void
testWrite(gconstpointer opaque)
{
    const typeof(writes[0]) *w = opaque;
    testLibvirt lv = { .race = w->race, .xml = g_strdup(DOMAIN("1048576", ELEMENT)) };
    const pvperfDeviceFacts facts = { USUAL };
    g_autoptr(GError) error = NULL;
    pvperfDeviceOutcome outcome;

    outcome = pvperfDeviceApply(&ops, &lv, &facts, PVPERF_DEVICE_GIVE, SOCKET, &error);
    g_assert_cmpint(outcome, ==, w->outcome);
    g_assert_cmpstr(error ? error->message : NULL, ==, w->error);
    g_assert_cmpuint(lv.defines, ==, w->defines);
    if (!w->memory) {
        g_assert_null(lv.xml);
    } else {
        g_assert_cmpint(testHasDevice(lv.xml), ==, w->device);
        g_assert_nonnull(strstr(lv.xml, w->memory));
    }
    g_free(lv.xml);
}


/* Given, the element taken out by somebody, taken away: the same XML as before. */
static void
testRoundTrip(void)
{
    testLibvirt lv = { .xml = g_strdup(DOMAIN("1048576", ELEMENT)) };
    pvperfDeviceFacts facts = { USUAL };
    g_autoptr(GError) error = NULL;
    g_autofree char *before = pvperfDeviceCanonicalXML(lv.xml);
    g_autofree char *after = NULL;
    g_autofree char *given = NULL;

    g_assert_cmpint(pvperfDeviceApply(&ops, &lv, &facts, PVPERF_DEVICE_GIVE, SOCKET, &error), ==,
                    PVPERF_DEVICE_DONE);
    given = g_steal_pointer(&lv.xml);
    lv.xml = pvperfDomainXMLSetDef(given, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(testHasDevice(lv.xml));

    facts.record = GIVEN;
    lv.watching = false;
    g_assert_cmpint(pvperfDeviceApply(&ops, &lv, &facts, PVPERF_DEVICE_TAKE, SOCKET, &error), ==,
                    PVPERF_DEVICE_DONE);
    g_assert_no_error(error);
    g_assert_false(testHasDevice(lv.xml));
    after = pvperfDeviceCanonicalXML(lv.xml);
    g_assert_cmpstr(before, ==, after);
    g_free(lv.xml);
}


/* The number of vCPUs changed: one define makes the device anew. */
static void
testVectors(void)
{
    g_auto(GStrv) parts = NULL;
    testLibvirt lv = { .xml = g_strdup(DOMAIN("1048576", ELEMENT)) };
    pvperfDeviceFacts facts = { USUAL };
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfDomainXML) parsed = NULL;

    g_assert_cmpint(pvperfDeviceApply(&ops, &lv, &facts, PVPERF_DEVICE_GIVE, SOCKET, &error), ==,
                    PVPERF_DEVICE_DONE);
    parts = g_strsplit(lv.xml, "<vcpu placement=\"static\">2<", 2);
    if (!parts[1]) {
        g_strfreev(g_steal_pointer(&parts));
        parts = g_strsplit(lv.xml, "<vcpu placement='static'>2<", 2);
    }
    g_assert_nonnull(parts[1]);
    g_free(lv.xml);
    lv.xml = g_strjoinv("<vcpu placement='static'>6<", parts);

    facts.record = GIVEN;
    lv.watching = false;
    g_assert_cmpint(pvperfDeviceApply(&ops, &lv, &facts, PVPERF_DEVICE_GIVE, SOCKET, &error), ==,
                    PVPERF_DEVICE_DONE);
    parsed = pvperfDomainXMLParse(lv.xml, &error);
    g_assert_cmpuint(parsed->device.count, ==, 1);
    g_assert_cmpuint(parsed->device.vectors, ==, 6);
    g_assert_true(parsed->device.has_override);
    g_assert_cmpuint(lv.defines, ==, 2);
    g_free(lv.xml);
}


static void
testCanonical(void)
{
    g_autofree char *plain = pvperfDeviceCanonicalXML(
        "<domain><name>a</name><devices><disk x='1'/></devices></domain>");
    g_autofree char *ours = pvperfDeviceCanonicalXML(
        "<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>\n <name>a</name>\n"
        " <metadata>\n  <p:pvperf xmlns:p='" PVPERF_XMLNS "' managed='yes'/>\n </metadata>\n"
        " <devices>\n  <disk x='1'/>\n  <shmem name='pvperf'><model type='x'/></shmem>\n </devices>\n"
        " <q:override><q:device alias='ua-pvperf'><q:frontend/></q:device></q:override>\n</domain>");
    g_autofree char *other = pvperfDeviceCanonicalXML(
        "<domain><name>a</name><devices><disk x='2'/></devices></domain>");
    g_autofree char *shmem = pvperfDeviceCanonicalXML(
        "<domain><name>a</name><devices><disk x='1'/><shmem name='other'/></devices></domain>");

    g_assert_cmpstr(plain, ==, ours);
    g_assert_cmpstr(plain, !=, other);
    g_assert_cmpstr(plain, !=, shmem);
}


int
main(int argc,
     char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(decisions); i++) {
        g_autofree char *path = g_strconcat("/device/decide/", decisions[i].name, NULL);

        g_test_add_data_func(path, &decisions[i], testDecide);
    }
    g_test_add_func("/device/record", testRecord);
    g_test_add_func("/device/canonical", testCanonical);
    for (i = 0; i < G_N_ELEMENTS(writes); i++) {
        g_autofree char *path = g_strconcat("/device/write/", writes[i].name, NULL);

        g_test_add_data_func(path, &writes[i], testWrite);
    }
    g_test_add_func("/device/write/round trip", testRoundTrip);
    g_test_add_func("/device/write/vectors", testVectors);
    return g_test_run();
}
