/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mock_daemon.c: a virtpvperfd that answers from a file.
 *
 * See mock_daemon.h. The thread owns a main context with the connection; the
 * answers are swapped under a lock.
 */
#include "mock_daemon.h"

#include <string.h>

struct _mockDaemon {
    GThread *thread;
    GMainContext *context;
    GMainLoop *loop;
    char *address;
    GDBusNodeInfo *node;
    GMutex lock;
    GCond ready;
    gboolean is_ready;
    GKeyFile *answers;
};

static void
mockDaemonCall(GDBusConnection *connection,
               const char *sender,
               const char *path,
               const char *interface,
               const char *method,
               GVariant *parameters,
               GDBusMethodInvocation *invocation,
               void *opaque)
{
    mockDaemon *mock = opaque;
    const GDBusMethodInfo *info = g_dbus_method_invocation_get_method_info(invocation);
    g_autofree char *type = g_strdup_printf("(%s)", info->out_args[0]->signature);
    g_autofree char *key = NULL;
    g_autofree char *text = NULL;
    g_autofree char *failure = NULL;
    g_autofree char *tuple = NULL;
    g_autoptr(GError) error = NULL;
    GVariant *reply;

    if (g_str_equal(method, "GetEvents"))
        g_variant_get_child(parameters, 0, "s", &key);
    else
        key = g_strdup("reply");

    g_mutex_lock(&mock->lock);
    failure = g_key_file_get_string(mock->answers, method, "error", NULL);
    text = g_key_file_get_string(mock->answers, method, key, NULL);
    g_mutex_unlock(&mock->lock);

    if (failure) {
        char *space = strchr(failure, ' ');

        *space = 0;
        g_dbus_method_invocation_return_dbus_error(invocation, failure, space + 1);
        return;
    }
    tuple = g_strdup_printf("(%s,)", text ? text : "[]");
    reply = g_variant_parse(G_VARIANT_TYPE(type), tuple, NULL, NULL, &error);
    if (!reply)
        g_error("mock answer of %s: %s", method, error->message);
    g_dbus_method_invocation_return_value(invocation, reply);
    g_variant_unref(reply);
}

static GVariant *
mockDaemonGet(GDBusConnection *connection,
              const char *sender,
              const char *path,
              const char *interface,
              const char *property,
              GError **error,
              void *opaque)
{
    mockDaemon *mock = opaque;
    g_autofree char *text = NULL;
    GVariant *value;

    g_mutex_lock(&mock->lock);
    text = g_key_file_get_string(mock->answers, "properties", property, NULL);
    g_mutex_unlock(&mock->lock);
    if (!text) {
        g_set_error(error, G_DBUS_ERROR, G_DBUS_ERROR_FAILED, "no %s", property);
        return NULL;
    }
    value = g_variant_parse(NULL, text, NULL, NULL, error);
    return value;
}

static void
mockDaemonSignalReady(mockDaemon *mock)
{
    g_mutex_lock(&mock->lock);
    mock->is_ready = TRUE;
    g_cond_signal(&mock->ready);
    g_mutex_unlock(&mock->lock);
}

static void
mockDaemonNamed(GDBusConnection *connection,
                const char *name,
                void *opaque)
{
    mockDaemonSignalReady(opaque);
}

static void *
mockDaemonThread(void *opaque)
{
    static const GDBusInterfaceVTable vtable = { mockDaemonCall, mockDaemonGet, NULL, { 0 } };
    mockDaemon *mock = opaque;
    g_autoptr(GDBusConnection) connection = NULL;
    g_autoptr(GError) error = NULL;
    guint owner;

    g_main_context_push_thread_default(mock->context);
    connection = g_dbus_connection_new_for_address_sync(
        mock->address,
        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
        NULL, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_dbus_connection_register_object(connection, "/org/pvperf/Daemon1",
                                                       mock->node->interfaces[0], &vtable, mock,
                                                       NULL, &error), !=, 0);
    owner = g_bus_own_name_on_connection(connection, "org.pvperf.Daemon1", 0,
                                         mockDaemonNamed, NULL, mock, NULL);
    g_main_loop_run(mock->loop);
    g_bus_unown_name(owner);
    g_dbus_connection_close_sync(connection, NULL, NULL);
    g_main_context_pop_thread_default(mock->context);
    return NULL;
}

mockDaemon *
mockDaemonStart(const char *address,
                const char *interface_xml)
{
    mockDaemon *mock = g_new0(mockDaemon, 1);
    g_autofree char *xml = NULL;
    g_autoptr(GError) error = NULL;

    g_file_get_contents(interface_xml, &xml, NULL, &error);
    g_assert_no_error(error);
    mock->node = g_dbus_node_info_new_for_xml(xml, &error);
    g_assert_no_error(error);
    mock->address = g_strdup(address);
    mock->answers = g_key_file_new();
    mock->context = g_main_context_new();
    mock->loop = g_main_loop_new(mock->context, FALSE);
    g_mutex_init(&mock->lock);
    g_cond_init(&mock->ready);
    mock->thread = g_thread_new("mock", mockDaemonThread, mock);

    g_mutex_lock(&mock->lock);
    while (!mock->is_ready)
        g_cond_wait(&mock->ready, &mock->lock);
    g_mutex_unlock(&mock->lock);
    return mock;
}

void
mockDaemonSetAnswers(mockDaemon *mock,
                     const char *path)
{
    GKeyFile *answers = g_key_file_new();
    g_autoptr(GError) error = NULL;

    g_key_file_load_from_file(answers, path, G_KEY_FILE_NONE, &error);
    g_assert_no_error(error);
    g_mutex_lock(&mock->lock);
    g_key_file_unref(mock->answers);
    mock->answers = answers;
    g_mutex_unlock(&mock->lock);
}

void
mockDaemonStop(mockDaemon *mock)
{
    g_main_loop_quit(mock->loop);
    g_thread_join(mock->thread);
    g_main_loop_unref(mock->loop);
    g_main_context_unref(mock->context);
    g_key_file_unref(mock->answers);
    g_dbus_node_info_unref(mock->node);
    g_mutex_clear(&mock->lock);
    g_cond_clear(&mock->ready);
    g_free(mock->address);
    g_free(mock);
}
