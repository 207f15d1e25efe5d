/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_dbus.c DAEMON BACKEND: the whole daemon, asked over the bus.
 *
 * Every method, property and error of the interface XML is asked for; a
 * method without a test is an error.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../../../src/qemu/pvperf_dbus.h"
#include "test_rig.h"
#include "test_util.h"


/* ---- one test per method ---- */

static void
testListDomains(testDaemon *test)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = testCall(test, "ListDomains", NULL, &error);
    g_autoptr(GVariant) served = NULL;
    g_autoptr(GVariant) plain = NULL;
    g_autofree char *state = NULL;
    g_autofree char *reason = NULL;
    g_autofree char *bare_state = NULL;
    g_autofree char *bare_reason = NULL;
    static const struct {
        const char *key;
        const char *type;
    } keys[] = {
        { "name", "s" }, { "uuid", "s" }, { "id", "i" }, { "state", "s" }, { "reason", "s" },
        { "policy", "s" }, { "group", "s" },
        { "migratable", "b" }, { "differs", "b" }, { "open", "u" }, { "max", "u" }, { "driver", "s" },
    };
    guint32 max;
    size_t i;

    g_assert_no_error(error);
    served = testFindDomain(reply, SERVED);
    for (i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autoptr(GVariant) value = g_variant_lookup_value(served, keys[i].key, NULL);

        g_assert_nonnull(value);
        g_assert_cmpstr(g_variant_get_type_string(value), ==, keys[i].type);
    }
    g_assert_cmpuint(g_variant_n_children(served), ==, G_N_ELEMENTS(keys));
    g_assert_true(g_variant_lookup(served, "max", "u", &max));
    g_assert_cmpuint(max, ==, 9);
    plain = testFindDomain(reply, PLAIN);
    g_assert_null(plain);

    state = testState(test, WRONG, &reason);
    g_assert_cmpstr(state, ==, "invalid");
    g_assert_nonnull(strstr(reason, "max"));
    bare_state = testState(test, BARE, &bare_reason);
    g_assert_cmpstr(bare_state, ==, "on");
    g_assert_cmpstr(test->added, ==, BARE);
    g_assert_cmpuint(test->changes, >, 0);
}


static void
testGetEvents(testDaemon *test)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = testCall(test, "GetEvents", g_variant_new("(s)", SERVED), &error);

    g_assert_no_error(error);
    g_assert_cmpstr(g_variant_get_type_string(reply), ==, "(aa{sv})");
    testCallFails(test, "GetEvents", g_variant_new("(s)", "junk"), "org.pvperf.Error.NoDomain",
                  "there is no domain with <pvperf> and the uuid 'junk'");
    testCallFails(test, "GetEvents", g_variant_new("(s)", PLAIN), "org.pvperf.Error.NoDomain", NULL);
    testCallFails(test, "GetEvents", g_variant_new("(s)", BARE), "org.pvperf.Error.NotRunning",
                  "nothing counts for domain 'bare' now: it is not running");
    testCallFails(test, "GetEvents", g_variant_new("(s)", WRONG), "org.pvperf.Error.NotRunning", NULL);
}


static void
testGetStats(testDaemon *test)
{
    const char *one[] = { SERVED, NULL };
    const char *upper[] = { "11111111-2222-3333-4444-555555555501", NULL };
    const char *none[] = { NULL };
    const char *bad[] = { SERVED, BARE, NULL };
    const char *const *cases[] = { one, upper, none };
    g_autoptr(GError) error = NULL;
    gboolean is_stale;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GVariant) reply = testCall(test, "GetStats", g_variant_new("(^as)", cases[i]), &error);
        g_autoptr(GVariant) dict = NULL;
        g_autoptr(GVariant) ops = NULL;
        g_autoptr(GVariant) refusals = NULL;
        guint32 max;

        g_assert_no_error(error);
        dict = testFindDomain(reply, SERVED);
        g_assert_nonnull(dict);
        g_assert_true(g_variant_lookup(dict, "stale", "b", &is_stale));
        g_assert_false(is_stale);
        g_assert_true(g_variant_lookup(dict, "max", "u", &max));
        g_assert_cmpuint(max, ==, 9);
        ops = g_variant_lookup_value(dict, "ops", G_VARIANT_TYPE("a{st}"));
        g_assert_cmpuint(g_variant_n_children(ops), ==, 6);
        /* nothing was refused */
        refusals = g_variant_lookup_value(dict, "last_refusals", G_VARIANT_TYPE("a{s(st)}"));
        g_assert_cmpuint(g_variant_n_children(refusals), ==, 0);
    }
    testCallFails(test, "GetStats", g_variant_new("(^as)", bad), "org.pvperf.Error.NotRunning", NULL);
}


static void
testGetCapabilities(testDaemon *test)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = testCall(test, "GetCapabilities", NULL, &error);
    g_autoptr(GVariant) dict = NULL;
    g_autoptr(GVariant) classes = NULL;
    g_autoptr(GVariant) events = NULL;
    const char *virtualization;
    gint32 paranoid;

    g_assert_no_error(error);
    dict = g_variant_get_child_value(reply, 0);
    classes = g_variant_lookup_value(dict, "classes", G_VARIANT_TYPE("a{s(bs)}"));
    events = g_variant_lookup_value(dict, "events", G_VARIANT_TYPE("a{s(bs)}"));
    g_assert_cmpuint(g_variant_n_children(classes), ==, PVPERF_NR_CLASSES);
    g_assert_cmpuint(g_variant_n_children(events), ==, pvperfEventCount());
    g_assert_true(g_variant_lookup(dict, "perf_event_paranoid", "i", &paranoid));
    g_assert_true(g_variant_lookup(dict, "virtualization", "&s", &virtualization));
}


static void
testGetPolicy(testDaemon *test)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) failed = NULL;
    g_autoptr(GVariant) reply = testCall(test, "GetPolicy",
        g_variant_new("(su)", "<pvperf><events per_vcpu='4'/></pvperf>", 2), &error);
    g_autoptr(GVariant) dict = NULL;
    const char *element;
    const char *remarks;

    g_assert_no_error(error);
    dict = g_variant_get_child_value(reply, 0);
    g_assert_true(g_variant_lookup(dict, "element", "&s", &element));
    g_assert_nonnull(strstr(element, "<events max='32' per_vcpu='4'/>"));
    g_assert_true(g_variant_lookup(dict, "remarks", "&s", &remarks));
    g_assert_cmpstr(remarks, ==, "");

    g_assert_null(testCall(test, "GetPolicy", g_variant_new("(su)", "<pvperf policy='x'/>", 2), &failed));
    g_assert_nonnull(strstr(failed->message, "this host has no policy 'x'; allowed: none"));
}


static const struct {
    const char *method;
    void (*func)(testDaemon *test);
} methods[] = {
    { "ListDomains", testListDomains },
    { "GetEvents", testGetEvents },
    { "GetStats", testGetStats },
    { "GetPolicy", testGetPolicy },
    { "GetCapabilities", testGetCapabilities },
};


/* The interface as the source tree has it. */
static GDBusNodeInfo *
testInterface(void)
{
    g_autofree char *xml = NULL;
    g_autoptr(GError) error = NULL;
    GDBusNodeInfo *node;

    g_assert_true(g_file_get_contents(g_getenv("PVPERF_INTERFACE"), &xml, NULL, &error));
    node = g_dbus_node_info_new_for_xml(xml, &error);
    g_assert_no_error(error);
    return node;
}


static void
testMethods(void)
{
    g_autoptr(GDBusNodeInfo) node = testInterface();
    GDBusMethodInfo **info;
    testDaemon test;
    size_t i;

    testStart(&test);
    for (info = node->interfaces[0]->methods; *info; info++) {
        for (i = 0; i < G_N_ELEMENTS(methods); i++) {
            if (strcmp(methods[i].method, (*info)->name) == 0)
                break;
        }
        g_test_message("method %s", (*info)->name);
        g_assert_cmpuint(i, <, G_N_ELEMENTS(methods));
        methods[i].func(&test);
    }
    testStop(&test);
}


/* All at once: the same; and nothing else is there, or can be written. */
static void
testPropertyCalls(testDaemon *test,
                  GDBusPropertyInfo **properties)
{
    g_autoptr(GVariant) all = testPropertyCall(test, "GetAll", g_variant_new("(s)", PVPERF_DBUS_INTERFACE), NULL);
    g_autoptr(GVariant) dict = g_variant_get_child_value(all, 0);
    GDBusPropertyInfo **info;

    for (info = properties; *info; info++) {
        g_autoptr(GVariant) one = testProperty(test, (*info)->name);
        g_autoptr(GVariant) same = g_variant_lookup_value(dict, (*info)->name, NULL);

        g_assert_nonnull(same);
        g_assert_true(g_variant_equal(one, same));
    }
    g_assert_cmpuint(g_variant_n_children(dict), ==, info - properties);
    testPropertyCall(test, "Get", g_variant_new("(ss)", PVPERF_DBUS_INTERFACE, "Junk"),
                     "org.freedesktop.DBus.Error.InvalidArgs");
    testPropertyCall(test, "Set", g_variant_new("(ssv)", PVPERF_DBUS_INTERFACE, "Version", g_variant_new_string("")),
                     "org.freedesktop.DBus.Error.InvalidArgs");
}


static void
testProperties(void)
{
    g_autoptr(GDBusNodeInfo) node = testInterface();
    GDBusPropertyInfo **info;
    g_autoptr(GVariant) version = NULL;
    g_autoptr(GVariant) socket = NULL;
    testDaemon test;

    testStart(&test);
    for (info = node->interfaces[0]->properties; *info; info++) {
        g_autoptr(GVariant) value = testProperty(&test, (*info)->name);

        g_assert_cmpstr(g_variant_get_type_string(value), ==, (*info)->signature);
    }
    version = testProperty(&test, "Version");
    g_assert_cmpstr(g_variant_get_string(version, NULL), ==, PVPERF_VERSION);
    socket = testProperty(&test, "IvshmemSocket");
    g_assert_true(g_str_has_suffix(g_variant_get_string(socket, NULL), "/run/ivshmem.sock"));
    g_assert_true(testPropertyTrue(&test, "LibvirtConnected"));
    g_assert_true(testPropertyTrue(&test, "IvshmemConnected"));
    testPropertyCalls(&test, node->interfaces[0]->properties);
    testStop(&test);
}


/* ---- life ---- */

static bool
testBackendGone(gpointer opaque)
{
    testDaemon *test = opaque;
    g_autofree char *path = g_build_filename(test->dir, "run", "backend", SERVED ".sock", NULL);

    return !g_file_test(path, G_FILE_TEST_EXISTS);
}


static bool
testIsUnavailable(gpointer opaque)
{
    g_autofree char *reason = NULL;
    g_autofree char *state = testState(opaque, SERVED, &reason);

    return g_strcmp0(state, "unavailable") == 0;
}


/* While a backend is replaced there are the figures of the one before, and they say
 * that they are stale. */
static void
testReplaced(testDaemon *test,
             int how)
{
    const char *one[] = { SERVED, NULL };
    pid_t before = testBackendPid(test);
    gint64 end = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;
    gboolean is_stale = true;

    g_assert_cmpint(kill(before, how), ==, 0);
    while (is_stale || kill(before, 0) == 0) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = testCall(test, "GetStats", g_variant_new("(^as)", one), &error);
        g_autoptr(GVariant) dict = NULL;

        g_assert_no_error(error);
        dict = testFindDomain(reply, SERVED);
        g_assert_nonnull(dict);
        g_assert_true(g_variant_lookup(dict, "stale", "b", &is_stale));
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_cmpint(testBackendPid(test), !=, before);
}


static void
testBackendLife(void)
{
    testDaemon test;

    testStart(&test);
    testReplaced(&test, SIGKILL);
    testReplaced(&test, SIGSTOP);

    /* QEMU ends: the backend with it */
    kill(test.qemu, SIGKILL);
    testRunUntil(testBackendGone, &test);
    /* libvirt does not tell that the domain stopped: after a while that is said */
    testRunUntil(testIsUnavailable, &test);
    testStop(&test);
}


/* A new daemon goes on with the backends of the last one. */
static void
testAdopt(void)
{
    g_autofree char *uri = NULL;
    testDaemon test;
    pid_t backend;

    testStart(&test);
    backend = testBackendPid(&test);
    g_subprocess_send_signal(test.process, SIGKILL);
    g_subprocess_wait(test.process, NULL, NULL);
    g_clear_object(&test.process);
    close(test.keeper);

    uri = g_strdup_printf("test://%s/node.xml", test.dir);
    test.process = testSpawn(&test, uri, G_SUBPROCESS_FLAGS_NONE);
    testRunUntil(testTryAccept, &test);
    testTellPeer(&test);
    testRunUntil(testHasName, &test);
    testRunUntil(testServes, &test);
    g_assert_cmpint(testBackendPid(&test), ==, backend);
    kill(test.qemu, SIGKILL);
    testRunUntil(testBackendGone, &test);
    testStop(&test);
}


static void
testUnreachable(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) list = NULL;
    testDaemon test;

    testStartBus(&test);
    test.process = testSpawn(&test, "test:///nonexistent/node.xml", G_SUBPROCESS_FLAGS_NONE);
    testRunUntil(testHasName, &test);
    g_assert_false(testPropertyTrue(&test, "LibvirtConnected"));
    g_assert_false(testPropertyTrue(&test, "IvshmemConnected"));
    reply = testCall(&test, "ListDomains", NULL, &error);
    g_assert_no_error(error);
    list = g_variant_get_child_value(reply, 0);
    g_assert_cmpuint(g_variant_n_children(list), ==, 0);
    testStop(&test);
}


/* What a daemon that cannot run says. */
static void
testRefuses(testDaemon *test,
            const char *text)
{
    g_autoptr(GSubprocess) process = testSpawn(test, "test:///default", G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autofree char *err = NULL;
    g_autoptr(GError) error = NULL;

    g_subprocess_communicate_utf8(process, NULL, NULL, NULL, &err, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_subprocess_get_exit_status(process), ==, 1);
    g_test_message("%s", err);
    g_assert_nonnull(strstr(err, text));
}


static void
testSecond(void)
{
    testDaemon test;

    testStartBus(&test);
    test.process = testSpawn(&test, "test:///default", G_SUBPROCESS_FLAGS_NONE);
    testRunUntil(testHasName, &test);
    testRefuses(&test, "cannot get the name org.pvperf.Daemon1 on the system bus: "
                "a virtpvperfd is running already");
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent", TRUE);
    testRefuses(&test, "cannot connect to the system bus: ");
    testStop(&test);
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(argc, ==, 3);
    testDaemonPath = argv[1];
    testBackendPath = argv[2];
    g_test_add_func("/dbus/methods", testMethods);
    g_test_add_func("/dbus/properties", testProperties);
    g_test_add_func("/dbus/backend's life", testBackendLife);
    g_test_add_func("/dbus/adopt", testAdopt);
    g_test_add_func("/dbus/unreachable", testUnreachable);
    g_test_add_func("/dbus/second", testSecond);
    return g_test_run();
}
