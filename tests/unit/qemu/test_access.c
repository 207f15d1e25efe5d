/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_access.c: the gate before the daemon's D-Bus interface.
 *
 * The test is the message bus and polkit at the other end of one connection, so
 * that each can say anything, or nothing, and callers have any uid. The real
 * polkit is in tests/integration/test_access.py.
 */
#include "../../../src/qemu/pvperf_access.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test_util.h"

#define CALLER ":1.7"
#define OTHER (geteuid() + 1)   /* neither root nor the daemon's user */

typedef enum {
    POLKIT_YES,
    POLKIT_NO,
    POLKIT_CHALLENGE,
    POLKIT_ERROR,
    POLKIT_MALFORMED,
    POLKIT_SILENT,
} testPolkit;

typedef struct _testGate testGate;
struct _testGate {
    GDBusConnection *daemon;
    GDBusConnection *world;
    pvperfGate *gate;
    pvperfAccess access;
    guint32 uid;                /* of the caller; G_MAXUINT32: the bus does not know it */
    testPolkit polkit;
    guint asked;                /* polkit was, so many times ... */
    guint32 flags;              /* ... the last time with these flags */
    guint served;
    guint answered;
    char *error;                /* of the last answer: NAME: MESSAGE */
    GDBusMethodInvocation *unanswered;
};

static const char interfaces[] =
    "<node>"
    "<interface name='org.pvperf.Daemon1'><method name='Ask'/></interface>"
    "<interface name='org.freedesktop.DBus'><method name='GetConnectionUnixUser'>"
    "<arg type='s' direction='in'/><arg type='u' direction='out'/></method></interface>"
    "<interface name='org.freedesktop.PolicyKit1.Authority'><method name='CheckAuthorization'>"
    "<arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/><arg type='a{ss}' direction='in'/>"
    "<arg type='u' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='(bba{ss})' direction='out'/></method></interface>"
    "</node>";


/* ---- the world ---- */

static void
testBus(testGate *test,
        GVariant *args,
        GDBusMethodInvocation *invocation)
{
    const char *name;

    g_variant_get(args, "(&s)", &name);
    g_assert_cmpstr(name, ==, CALLER);
    if (test->uid == G_MAXUINT32)
        g_dbus_method_invocation_return_dbus_error(invocation, "org.freedesktop.DBus.Error.NameHasNoOwner", "gone");
    else
        g_dbus_method_invocation_return_value(invocation, g_variant_new("(u)", test->uid));
}


/* GDBus itself sends nothing that the interface does not say. */
static void
testMalformed(testGate *test,
              GDBusMethodInvocation *invocation)
{
    g_autoptr(GDBusMessage) reply =
        g_dbus_message_new_method_reply(g_dbus_method_invocation_get_message(invocation));

    g_dbus_message_set_body(reply, g_variant_new("(b)", TRUE));
    g_dbus_connection_send_message(test->world, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
    g_object_unref(invocation);
}


static void
testAuthority(testGate *test,
              GVariant *args,
              GDBusMethodInvocation *invocation)
{
    g_autoptr(GVariant) subject = NULL;
    const char *kind;
    const char *action;
    const char *name;

    g_variant_get(args, "((&s@a{sv})&sa{ss}u&s)", &kind, &subject, &action, NULL, &test->flags, NULL);
    g_assert_cmpstr(kind, ==, "system-bus-name");
    g_assert_true(g_variant_lookup(subject, "name", "&s", &name));
    g_assert_cmpstr(name, ==, CALLER);
    g_assert_cmpstr(action, ==, PVPERF_ACCESS_ACTION);
    test->asked++;
    switch (test->polkit) {
    case POLKIT_YES:
    case POLKIT_NO:
    case POLKIT_CHALLENGE:
        g_dbus_method_invocation_return_value(invocation,
            g_variant_new("((bba{ss}))", test->polkit == POLKIT_YES, test->polkit == POLKIT_CHALLENGE, NULL));
        break;
    case POLKIT_ERROR:
        g_dbus_method_invocation_return_dbus_error(invocation, "org.freedesktop.PolicyKit1.Error.Failed",
                                                   "Action is not registered");
        break;
    case POLKIT_MALFORMED:
        testMalformed(test, invocation);
        break;
    case POLKIT_SILENT:
        g_set_object(&test->unanswered, invocation);
        g_object_unref(invocation);
        break;
    }
}


static void
testOnCall(GDBusConnection *conn,
           const char *sender,
           const char *path,
           const char *interface,
           const char *method,
           GVariant *args,
           GDBusMethodInvocation *invocation,
           gpointer opaque)
{
    testGate *test = opaque;

    if (strcmp(method, "Ask") == 0)
        pvperfGateAsk(test->gate, test->access, invocation);
    else if (strcmp(method, "GetConnectionUnixUser") == 0)
        testBus(test, args, invocation);
    else
        testAuthority(test, args, invocation);
}


static void
testServe(GDBusMethodInvocation *invocation,
          gpointer opaque)
{
    ((testGate *)opaque)->served++;
    g_dbus_method_invocation_return_value(invocation, NULL);
}


static GDBusConnection *
testConnection(int fd)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, &error);
    g_autoptr(GSocketConnection) stream = socket ? g_socket_connection_factory_create_connection(socket) : NULL;
    GDBusConnection *conn;

    g_assert_no_error(error);
    conn = g_dbus_connection_new_sync(G_IO_STREAM(stream), NULL, G_DBUS_CONNECTION_FLAGS_NONE, NULL, NULL, &error);
    g_assert_no_error(error);
    return conn;
}


static void
testExport(testGate *test,
           GDBusConnection *conn,
           const char *path,
           const char *interface)
{
    static const GDBusInterfaceVTable vtable = { .method_call = testOnCall };
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(interfaces, &error);

    g_assert_no_error(error);
    g_dbus_connection_register_object(conn, path, g_dbus_node_info_lookup_interface(node, interface),
                                      &vtable, test, NULL, &error);
    g_assert_no_error(error);
}


static void
testSetUp(testGate *test,
          bool with_polkit)
{
    int fds[2];

    memset(test, 0, sizeof(*test));
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    test->daemon = testConnection(fds[0]);
    test->world = testConnection(fds[1]);
    test->gate = pvperfGateNew(test->daemon, testServe, test);
    test->access = PVPERF_ACCESS_POLKIT;
    test->uid = OTHER;
    testExport(test, test->daemon, "/org/pvperf/Daemon1", "org.pvperf.Daemon1");
    testExport(test, test->world, "/org/freedesktop/DBus", "org.freedesktop.DBus");
    if (with_polkit)
        testExport(test, test->world, "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority");
}


static void
testTearDown(testGate *test)
{
    pvperfGateFree(test->gate);
    g_clear_object(&test->unanswered);
    g_dbus_connection_close_sync(test->world, NULL, NULL);
    g_dbus_connection_close_sync(test->daemon, NULL, NULL);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_object_unref(test->world);
    g_object_unref(test->daemon);
    g_free(test->error);
}


/* ---- the caller ---- */

static void
testOnAnswer(GObject *conn,
             GAsyncResult *result,
             gpointer opaque)
{
    testGate *test = opaque;
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusMessage) reply = g_dbus_connection_send_message_with_reply_finish(G_DBUS_CONNECTION(conn),
                                                                                     result, &error);

    g_assert_no_error(error);
    g_clear_pointer(&test->error, g_free);
    if (g_dbus_message_get_message_type(reply) == G_DBUS_MESSAGE_TYPE_ERROR)
        test->error = g_strdup_printf("%s: %s", g_dbus_message_get_error_name(reply), g_dbus_message_get_arg0(reply));
    test->answered++;
}


static void
testAsk(testGate *test,
        bool interactive)
{
    g_autoptr(GDBusMessage) message = g_dbus_message_new_method_call(NULL, "/org/pvperf/Daemon1",
                                                                     "org.pvperf.Daemon1", "Ask");

    g_dbus_message_set_sender(message, CALLER);
    g_dbus_message_set_flags(message, interactive ? G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION : 0);
    g_dbus_connection_send_message_with_reply(test->world, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, 20000, NULL,
                                              NULL, testOnAnswer, test);
}


static bool
testAnswered(gpointer opaque)
{
    return ((testGate *)opaque)->answered > 0;
}


/* ---- tests ---- */

#define DENIED "org.pvperf.Error.AccessDenied: permission denied: "
#define ACTION "polkit's action org.pvperf.daemon1.read "
#define NO_ANSWER "polkit does not answer for the action org.pvperf.daemon1.read: "

enum { UID_OTHER, UID_ROOT, UID_OWN, UID_UNKNOWN };

static const struct {
    const char *name;
    pvperfAccess access;
    int uid;
    testPolkit polkit;
    bool interactive;
    guint asked;
    const char *error;          /* how it begins; NULL: the call is served */
} cases[] = {
    { "bus", PVPERF_ACCESS_BUS, UID_OTHER, POLKIT_NO, false, 0, NULL },
    { "root", PVPERF_ACCESS_POLKIT, UID_ROOT, POLKIT_NO, false, 0, NULL },
    { "own user", PVPERF_ACCESS_POLKIT, UID_OWN, POLKIT_NO, false, 0, NULL },
    { "yes", PVPERF_ACCESS_POLKIT, UID_OTHER, POLKIT_YES, false, 1, NULL },
    { "no", PVPERF_ACCESS_POLKIT, UID_OTHER, POLKIT_NO, false, 1, DENIED ACTION "does not allow it" },
    { "no, interactive", PVPERF_ACCESS_POLKIT, UID_OTHER, POLKIT_NO, true, 1, DENIED ACTION "does not allow it" },
    { "challenge", PVPERF_ACCESS_POLKIT, UID_OTHER, POLKIT_CHALLENGE, false, 1,
      DENIED ACTION "wants authentication, which this call does not allow" },
    { "challenge, interactive", PVPERF_ACCESS_POLKIT, UID_OTHER, POLKIT_CHALLENGE, true, 1,
      DENIED ACTION "does not allow it" },
    { "error", PVPERF_ACCESS_POLKIT, UID_OTHER, POLKIT_ERROR, false, 1, DENIED NO_ANSWER "Action is not registered" },
    { "malformed", PVPERF_ACCESS_POLKIT, UID_OTHER, POLKIT_MALFORMED, false, 1, DENIED NO_ANSWER },
    { "nobody", PVPERF_ACCESS_POLKIT, UID_UNKNOWN, POLKIT_YES, false, 0,
      DENIED "the bus does not say who asks: gone" },
};


static void
testCase(gconstpointer opaque)
{
    const typeof(cases[0]) *c = opaque;
    const guint32 uids[] = { OTHER, 0, geteuid(), G_MAXUINT32 };
    testGate test;

    testSetUp(&test, true);
    test.access = c->access;
    test.uid = uids[c->uid];
    test.polkit = c->polkit;
    testAsk(&test, c->interactive);
    testRunUntil(testAnswered, &test);
    g_test_message("%s", test.error ? test.error : "served");
    g_assert_cmpuint(test.served, ==, c->error ? 0 : 1);
    g_assert_cmpuint(test.asked, ==, c->asked);
    g_assert_cmpuint(test.flags, ==, c->interactive ? 1 : 0);
    g_assert_cmpint(test.error != NULL, ==, c->error != NULL);
    if (c->error)
        g_assert_true(g_str_has_prefix(test.error, c->error));
    testTearDown(&test);
}


static void
testAbsent(void)
{
    testGate test;

    testSetUp(&test, false);
    testAsk(&test, false);
    testRunUntil(testAnswered, &test);
    g_assert_cmpuint(test.served, ==, 0);
    g_assert_true(g_str_has_prefix(test.error, DENIED NO_ANSWER));
    testTearDown(&test);
}


/* A polkit that says nothing costs its caller 5 s and nobody else anything. */
static void
testSilent(void)
{
    gint64 start = g_get_monotonic_time();
    testGate test;

    testSetUp(&test, true);
    test.polkit = POLKIT_SILENT;
    testAsk(&test, false);
    testRunFor(100);
    g_assert_cmpuint(test.asked, ==, 1);

    test.uid = 0;
    testAsk(&test, false);
    testRunUntil(testAnswered, &test);
    g_assert_cmpuint(test.served, ==, 1);
    g_assert_null(test.error);

    test.answered = 0;
    testRunUntil(testAnswered, &test);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 4 * G_TIME_SPAN_SECOND);
    g_assert_cmpuint(test.served, ==, 1);
    g_assert_true(g_str_has_prefix(test.error, DENIED NO_ANSWER));
    testTearDown(&test);
}


static void
testEnds(void)
{
    testGate test;

    testSetUp(&test, true);
    test.polkit = POLKIT_SILENT;
    testAsk(&test, true);
    testRunFor(100);
    g_assert_cmpuint(test.asked, ==, 1);
    g_clear_pointer(&test.gate, pvperfGateFree);
    testRunUntil(testAnswered, &test);
    g_assert_cmpuint(test.served, ==, 0);
    g_assert_cmpstr(test.error, ==, DENIED "virtpvperfd ends");
    testTearDown(&test);
}


int
main(int argc,
     char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/access/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], testCase);
    }
    g_test_add_func("/access/absent", testAbsent);
    g_test_add_func("/access/silent", testSilent);
    g_test_add_func("/access/ends", testEnds);
    return g_test_run();
}
