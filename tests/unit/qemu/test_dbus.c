/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_dbus.c DAEMON BACKEND: the whole daemon on a private bus, with
 * libvirt's test driver, a keeper that the test plays and a real backend.
 *
 * Every method, property and error of the interface XML is asked for; a
 * method without a test is an error. The fake QEMU is a process that sleeps.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gio/gio.h>

#include "../../../src/ivshmem/pvperf_keeper.h"
#include "../../../src/qemu/pvperf_dbus.h"
#include "../../../src/qemu/pvperf_identity.h"
#include "../../../src/qemu/pvperf_seqpacket.h"
#include "pvperf/abi.h"
#include "test_util.h"

#define SERVED "11111111-2222-3333-4444-555555555501"
#define BARE "11111111-2222-3333-4444-555555555502"
#define PLAIN "11111111-2222-3333-4444-555555555503"
#define WRONG "11111111-2222-3333-4444-555555555504"
#define ELEMENT(content) "<metadata><pvperf xmlns='" PVPERF_XMLNS "' " content "</metadata>"
#define SHUT_OFF \
    "<test:runstate>5</test:runstate>"
#define DOMAIN(name, uuid, metadata, device, state) \
    "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>" \
    "<name>" name "</name><uuid>" uuid "</uuid>" metadata \
    "<memory>65536</memory><vcpu>2</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>" \
    "<devices>" device "</devices>" state "</domain>"
#define DEVICE \
    "<shmem name='pvperf' role='master'><model type='ivshmem-doorbell'/><server path='/x'/>" \
    "<msi vectors='2'/><alias name='ua-pvperf'/></shmem>"

static const char *daemonPath;
static const char *backendPath;

typedef struct _testDaemon testDaemon;
struct _testDaemon {
    GTestDBus *bus;
    GDBusConnection *conn;
    char *dir;
    GSubprocess *process;
    int listener;
    int keeper;
    pid_t qemu;
    guint signals;
    unsigned int changes;
    char *added;                /* uuid of the last DeviceAdded */
};


/* ---- the fakes ---- */

static bool
testTryAccept(gpointer opaque)
{
    testDaemon *test = opaque;

    test->keeper = accept4(test->listener, NULL, NULL, SOCK_CLOEXEC);
    return test->keeper >= 0;
}


static void
testTellPeer(testDaemon *test)
{
    pvperfKeeperMessage msg = {
        .size = sizeof(msg),
        .version = PVPERF_KEEPER_VERSION,
        .type = PVPERF_KEEPER_PEER,
        .connection = 1,
        .pid = test->qemu,
        .vectors = 2,
        .window_size = pvperf_window_size(2),
        .start_time = pvperfIdentityStartTime("/proc", test->qemu),
    };
    int fds[] = { memfd_create("window", MFD_CLOEXEC | MFD_ALLOW_SEALING), eventfd(0, EFD_CLOEXEC),
                  syscall(SYS_pidfd_open, test->qemu, 0) };
    int irqs[] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) };
    size_t i;

    g_assert_cmpint(ftruncate(fds[0], msg.window_size), ==, 0);
    g_assert_cmpint(fcntl(fds[0], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), ==, 0);
    g_assert_true(pvperfPacketSend(test->keeper, &msg, sizeof(msg), fds, 3));
    msg.type = PVPERF_KEEPER_IRQS;
    msg.count = 2;
    g_assert_true(pvperfPacketSend(test->keeper, &msg, sizeof(msg), irqs, 2));
    msg.type = PVPERF_KEEPER_SYNCED;
    g_assert_true(pvperfPacketSend(test->keeper, &msg, sizeof(msg), NULL, 0));
    for (i = 0; i < 3; i++)
        close(fds[i]);
    for (i = 0; i < 2; i++)
        close(irqs[i]);
}


static void
testOnSignal(GDBusConnection *conn,
             const char *sender,
             const char *path,
             const char *interface,
             const char *signal,
             GVariant *args,
             gpointer opaque)
{
    testDaemon *test = opaque;

    if (strcmp(signal, "DomainChanged") == 0) {
        test->changes++;
    } else if (strcmp(signal, "DeviceAdded") == 0) {
        g_free(test->added);
        g_variant_get_child(args, 0, "s", &test->added);
    }
}


static GSubprocess *
testSpawn(testDaemon *test,
          const char *uri,
          GSubprocessFlags flags)
{
    g_autofree char *run = g_build_filename(test->dir, "run", NULL);
    g_autofree char *qemu = g_build_filename(test->dir, "qemu", NULL);
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(flags);
    g_autoptr(GError) error = NULL;
    GSubprocess *process;

    g_subprocess_launcher_set_child_setup(launcher, testEndsWithUs, NULL, NULL);
    process = g_subprocess_launcher_spawn(launcher, &error, daemonPath, "--verbose", "--uri", uri,
                                          "--run-dir", run, "--qemu-run-dir", qemu,
                                          "--backend", backendPath, NULL);
    g_assert_no_error(error);
    return process;
}


static bool
testHasName(gpointer opaque)
{
    testDaemon *test = opaque;
    g_autoptr(GVariant) reply = g_dbus_connection_call_sync(test->conn, "org.freedesktop.DBus",
        "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
        g_variant_new("(s)", PVPERF_DBUS_NAME), NULL, 0, 1000, NULL, NULL);
    gboolean owned = FALSE;

    if (reply)
        g_variant_get(reply, "(b)", &owned);
    return owned;
}


static void
testStartBus(testDaemon *test)
{
    g_autoptr(GError) error = NULL;

    memset(test, 0, sizeof(*test));
    test->listener = test->keeper = -1;
    test->dir = testDirNew();
    test->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(test->bus);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address(test->bus), TRUE);
    test->conn = g_dbus_connection_new_for_address_sync(g_test_dbus_get_bus_address(test->bus),
        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
        NULL, NULL, &error);
    g_assert_no_error(error);
    test->signals = g_dbus_connection_signal_subscribe(test->conn, NULL, PVPERF_DBUS_INTERFACE, NULL, NULL,
                                                       NULL, 0, testOnSignal, test, NULL);
}


static void
testStop(testDaemon *test)
{
    g_autoptr(GError) error = NULL;

    if (test->process) {
        g_subprocess_send_signal(test->process, SIGTERM);
        g_subprocess_wait(test->process, NULL, &error);
        g_assert_no_error(error);
        g_assert_true(g_subprocess_get_if_exited(test->process));
        g_assert_cmpint(g_subprocess_get_exit_status(test->process), ==, 0);
        g_object_unref(test->process);
    }
    g_dbus_connection_signal_unsubscribe(test->conn, test->signals);
    g_dbus_connection_close_sync(test->conn, NULL, NULL);
    g_object_unref(test->conn);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_test_dbus_down(test->bus);
    g_object_unref(test->bus);
    if (test->keeper >= 0)
        close(test->keeper);
    if (test->listener >= 0)
        close(test->listener);
    if (test->qemu > 0) {
        kill(test->qemu, SIGKILL);
        waitpid(test->qemu, NULL, 0);
    }
    g_free(test->added);
    testDirRemove(test->dir);
}


/* ---- calls ---- */

static GVariant *
testCall(testDaemon *test,
         const char *method,
         GVariant *args,
         GError **error)
{
    return g_dbus_connection_call_sync(test->conn, PVPERF_DBUS_NAME, PVPERF_DBUS_PATH,
                                       PVPERF_DBUS_INTERFACE, method, args, NULL, 0, 10000, NULL, error);
}


/* The call must fail with this error of ours. */
static void
testCallFails(testDaemon *test,
              const char *method,
              GVariant *args,
              const char *name,
              const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = testCall(test, method, args, &error);
    g_autofree char *remote = NULL;

    g_assert_null(reply);
    remote = g_dbus_error_get_remote_error(error);
    g_assert_cmpstr(remote, ==, name);
    g_dbus_error_strip_remote_error(error);
    if (message)
        g_assert_cmpstr(error->message, ==, message);
}


static GVariant *
testProperty(testDaemon *test,
             const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_sync(test->conn, PVPERF_DBUS_NAME, PVPERF_DBUS_PATH,
        "org.freedesktop.DBus.Properties", "Get",
        g_variant_new("(ss)", PVPERF_DBUS_INTERFACE, name), NULL, 0, 10000, NULL, &error);
    GVariant *value;

    g_assert_no_error(error);
    g_variant_get(reply, "(v)", &value);
    return value;
}


static bool
testPropertyTrue(testDaemon *test,
                 const char *name)
{
    g_autoptr(GVariant) value = testProperty(test, name);

    return g_variant_get_boolean(value);
}


/* The dictionary of @uuid in an aa{sv}. */
static GVariant *
testFindDomain(GVariant *reply,
               const char *uuid)
{
    g_autoptr(GVariant) list = g_variant_get_child_value(reply, 0);
    gsize i;

    for (i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) dict = g_variant_get_child_value(list, i);
        const char *value;

        if (g_variant_lookup(dict, "uuid", "&s", &value) && strcmp(value, uuid) == 0)
            return g_steal_pointer(&dict);
    }
    return NULL;
}


static char *
testState(testDaemon *test,
          const char *uuid,
          char **reason)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = testCall(test, "ListDomains", NULL, &error);
    g_autoptr(GVariant) dict = NULL;
    char *state = NULL;

    g_assert_no_error(error);
    dict = testFindDomain(reply, uuid);
    if (!dict)
        return NULL;
    g_assert_true(g_variant_lookup(dict, "state", "s", &state));
    g_assert_true(g_variant_lookup(dict, "reason", "s", reason));
    return state;
}


static bool
testServes(gpointer opaque)
{
    g_autofree char *reason = NULL;
    g_autofree char *state = testState(opaque, SERVED, &reason);

    return g_strcmp0(state, "on") == 0;
}


static bool
testWasAdded(gpointer opaque)
{
    return ((testDaemon *)opaque)->added != NULL;
}


static void
testStart(testDaemon *test)
{
    g_autofree char *uri = NULL;
    g_autofree char *socket = NULL;
    g_autofree char *pid = NULL;
    g_autofree char *status = NULL;
    g_autoptr(GError) error = NULL;

    testStartBus(test);
    test->qemu = testSleeper();
    pid = g_strdup_printf("%d\n", test->qemu);
    status = g_strdup_printf("<domstatus pid='%d'><domain><uuid>" SERVED "</uuid></domain></domstatus>",
                             test->qemu);
    testFile(test->dir, "qemu/served.pid", pid);
    testFile(test->dir, "qemu/served.xml", status);
    testFile(test->dir, "node.xml",
             "<node>"
             DOMAIN("served", SERVED, ELEMENT("managed='yes' migratable='no'><events max='9'/></pvperf>"), DEVICE, "")
             DOMAIN("bare", BARE, ELEMENT("migratable='no'/>"), "<controller type='pci' index='0' model='pcie-root'/>", SHUT_OFF)
             DOMAIN("plain", PLAIN, "", "", "")
             DOMAIN("wrong", WRONG, ELEMENT("><events max='0'/></pvperf>"), "", "")
             "</node>");
    testFile(test->dir, "run/empty", "");
    socket = g_build_filename(test->dir, "run", "keeper.sock", NULL);
    test->listener = pvperfPacketListen(socket, &error);
    g_assert_no_error(error);
    g_assert_cmpint(fcntl(test->listener, F_SETFL, O_NONBLOCK), ==, 0);

    uri = g_strdup_printf("test://%s/node.xml", test->dir);
    test->process = testSpawn(test, uri, G_SUBPROCESS_FLAGS_NONE);
    testRunUntil(testTryAccept, test);
    testTellPeer(test);
    testRunUntil(testServes, test);
    testRunUntil(testWasAdded, test);
}


static pid_t
testBackendPid(testDaemon *test)
{
    g_autofree char *path = g_build_filename(test->dir, "run", "backend", SERVED ".pid", NULL);
    g_autofree char *text = NULL;
    pid_t pid;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpint(sscanf(text, "%d", &pid), ==, 1);
    return pid;
}


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
    pid_t backend = testBackendPid(test);

    g_assert_no_error(error);
    g_assert_cmpstr(g_variant_get_type_string(reply), ==, "(aa{sv})");
    testCallFails(test, "GetEvents", g_variant_new("(s)", "junk"), "org.pvperf.Error.NoDomain",
                  "there is no domain with <pvperf> and the uuid 'junk'");
    testCallFails(test, "GetEvents", g_variant_new("(s)", PLAIN), "org.pvperf.Error.NoDomain", NULL);
    testCallFails(test, "GetEvents", g_variant_new("(s)", BARE), "org.pvperf.Error.NotRunning",
                  "nothing counts for domain 'bare' now: it is not running");
    testCallFails(test, "GetEvents", g_variant_new("(s)", WRONG), "org.pvperf.Error.NotRunning", NULL);

    kill(backend, SIGSTOP);
    testCallFails(test, "GetEvents", g_variant_new("(s)", SERVED), "org.pvperf.Error.TimedOut",
                  "its backend did not answer in 1000 ms");
    kill(backend, SIGCONT);
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
    g_autoptr(GVariant) stale = NULL;
    g_autoptr(GVariant) stale_dict = NULL;
    gboolean is_stale;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GVariant) reply = testCall(test, "GetStats", g_variant_new("(^as)", cases[i]), &error);
        g_autoptr(GVariant) dict = NULL;
        g_autoptr(GVariant) ops = NULL;
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
    }
    testCallFails(test, "GetStats", g_variant_new("(^as)", bad), "org.pvperf.Error.NotRunning", NULL);

    kill(testBackendPid(test), SIGSTOP);
    stale = testCall(test, "GetStats", g_variant_new("(^as)", one), &error);
    kill(testBackendPid(test), SIGCONT);
    g_assert_no_error(error);
    stale_dict = testFindDomain(stale, SERVED);
    g_assert_true(g_variant_lookup(stale_dict, "stale", "b", &is_stale));
    g_assert_true(is_stale);
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


static const struct {
    const char *method;
    void (*func)(testDaemon *test);
} methods[] = {
    { "ListDomains", testListDomains },
    { "GetEvents", testGetEvents },
    { "GetStats", testGetStats },
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


static void
testBackendLife(void)
{
    testDaemon test;
    pid_t first;
    pid_t again;

    testStart(&test);
    first = testBackendPid(&test);
    kill(first, SIGKILL);
    testRunFor(100);
    testRunUntil(testServes, &test);
    again = testBackendPid(&test);
    g_assert_cmpint(again, !=, first);

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
    daemonPath = argv[1];
    backendPath = argv[2];
    g_test_add_func("/dbus/methods", testMethods);
    g_test_add_func("/dbus/properties", testProperties);
    g_test_add_func("/dbus/backend's life", testBackendLife);
    g_test_add_func("/dbus/adopt", testAdopt);
    g_test_add_func("/dbus/unreachable", testUnreachable);
    g_test_add_func("/dbus/second", testSecond);
    return g_test_run();
}
