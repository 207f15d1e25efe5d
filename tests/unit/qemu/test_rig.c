/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_rig.c: see the header.
 */
#include "test_rig.h"

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

#include "../../../src/ivshmem/pvperf_keeper.h"
#include "../../../src/qemu/pvperf_dbus.h"
#include "../../../src/qemu/pvperf_identity.h"
#include "../../../src/qemu/pvperf_seqpacket.h"
#include "pvperf/abi.h"
#include "test_util.h"

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

const char *testDaemonPath;
const char *testBackendPath;


/* ---- the fakes ---- */

bool
testTryAccept(gpointer opaque)
{
    testDaemon *test = opaque;

    test->keeper = accept4(test->listener, NULL, NULL, SOCK_CLOEXEC);
    return test->keeper >= 0;
}


static void
testTell(testDaemon *test,
         pvperfKeeperType type,
         uint64_t connection)
{
    const pvperfKeeperMessage msg = {
        .size = sizeof(msg),
        .version = PVPERF_KEEPER_VERSION,
        .type = type,
        .connection = connection,
    };

    g_assert_true(pvperfPacketSend(test->keeper, &msg, sizeof(msg), NULL, 0));
}


void
testTellPeerOf(testDaemon *test,
               uint64_t connection,
               int window,
               int doorbell)
{
    pvperfKeeperMessage msg = {
        .size = sizeof(msg),
        .version = PVPERF_KEEPER_VERSION,
        .type = PVPERF_KEEPER_PEER,
        .connection = connection,
        .pid = test->qemu,
        .vectors = 2,
        .window_size = pvperf_window_size(2),
        .start_time = pvperfIdentityStartTime("/proc", test->qemu),
    };
    int fds[] = { window, doorbell, syscall(SYS_pidfd_open, test->qemu, 0) };
    int irqs[] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) };
    size_t i;

    g_assert_true(pvperfPacketSend(test->keeper, &msg, sizeof(msg), fds, 3));
    msg.type = PVPERF_KEEPER_IRQS;
    msg.count = 2;
    g_assert_true(pvperfPacketSend(test->keeper, &msg, sizeof(msg), irqs, 2));
    close(fds[2]);
    for (i = 0; i < 2; i++)
        close(irqs[i]);
}


void
testTellPeer(testDaemon *test)
{
    int doorbell = eventfd(0, EFD_CLOEXEC);

    testTellPeerOf(test, 1, test->window, doorbell);
    testTell(test, PVPERF_KEEPER_SYNCED, 0);
    close(doorbell);
}


void
testTellGone(testDaemon *test,
             uint64_t connection)
{
    testTell(test, PVPERF_KEEPER_GONE, connection);
}


void
testStartQemu(testDaemon *test)
{
    g_autofree char *pid = NULL;
    g_autofree char *status = NULL;

    test->qemu = testSleeper();
    pid = g_strdup_printf("%d\n", test->qemu);
    status = g_strdup_printf("<domstatus pid='%d'><domain><uuid>" SERVED "</uuid></domain></domstatus>",
                             test->qemu);
    testFile(test->dir, "qemu/served.pid", pid);
    testFile(test->dir, "qemu/served.xml", status);
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


GSubprocess *
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
    process = g_subprocess_launcher_spawn(launcher, &error, testDaemonPath, "--verbose", "--uri", uri,
                                          "--run-dir", run, "--qemu-run-dir", qemu,
                                          "--backend", testBackendPath, NULL);
    g_assert_no_error(error);
    return process;
}


bool
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


void
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


void
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
    close(test->window);
    if (test->qemu > 0) {
        kill(test->qemu, SIGKILL);
        waitpid(test->qemu, NULL, 0);
    }
    g_free(test->added);
    testDirRemove(test->dir);
}


/* ---- calls ---- */

GVariant *
testCall(testDaemon *test,
         const char *method,
         GVariant *args,
         GError **error)
{
    return g_dbus_connection_call_sync(test->conn, PVPERF_DBUS_NAME, PVPERF_DBUS_PATH,
                                       PVPERF_DBUS_INTERFACE, method, args, NULL, 0, 10000, NULL, error);
}


/* The call must fail with this error of ours. */
void
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


GVariant *
testPropertyCall(testDaemon *test,
                 const char *method,
                 GVariant *args,
                 const char *fails)
{
    g_autoptr(GError) error = NULL;
    GVariant *reply = g_dbus_connection_call_sync(test->conn, PVPERF_DBUS_NAME, PVPERF_DBUS_PATH,
                                                  "org.freedesktop.DBus.Properties", method, args, NULL,
                                                  0, 10000, NULL, &error);
    g_autofree char *remote = error ? g_dbus_error_get_remote_error(error) : NULL;

    g_assert_cmpstr(remote, ==, fails);
    return reply;
}


GVariant *
testProperty(testDaemon *test,
             const char *name)
{
    g_autoptr(GVariant) reply = testPropertyCall(test, "Get",
                                                 g_variant_new("(ss)", PVPERF_DBUS_INTERFACE, name), NULL);
    GVariant *value;

    g_variant_get(reply, "(v)", &value);
    return value;
}


bool
testPropertyTrue(testDaemon *test,
                 const char *name)
{
    g_autoptr(GVariant) value = testProperty(test, name);

    return g_variant_get_boolean(value);
}


/* The dictionary of @uuid in an aa{sv}. */
GVariant *
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


char *
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


bool
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


void
testStart(testDaemon *test)
{
    g_autofree char *uri = NULL;
    g_autofree char *socket = NULL;
    g_autoptr(GError) error = NULL;

    testStartBus(test);
    test->window = memfd_create("window", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    g_assert_cmpint(ftruncate(test->window, pvperf_window_size(2)), ==, 0);
    g_assert_cmpint(fcntl(test->window, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), ==, 0);
    testStartQemu(test);
    testFile(test->dir, "node.xml",
             "<node>"
             DOMAIN("served", SERVED, ELEMENT("managed='yes' migratable='no'><events max='9'/></pvperf>"), DEVICE, "")
             DOMAIN("bare", BARE, ELEMENT("migratable='no'/>"),
                    "<controller type='pci' index='0' model='pcie-root'/>", SHUT_OFF)
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


pid_t
testBackendPid(testDaemon *test)
{
    g_autofree char *path = g_build_filename(test->dir, "run", "backend", SERVED ".pid", NULL);
    g_autofree char *text = NULL;
    pid_t pid;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpint(sscanf(text, "%d", &pid), ==, 1);
    return pid;
}
