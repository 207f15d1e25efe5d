/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_bus.c: virtpvperfd, as the commands see it.
 *
 * See pvperf_bus.h. The connection is private to the shell, so that a bus that
 * goes away does not end the process. Calls are bounded by
 * PVPERF_BUS_TIMEOUT_MS; the daemon's own bound per backend is far below it.
 */
#include "pvperf_bus.h"

#define PVPERF_BUS_NAME "org.pvperf.Daemon1"
#define PVPERF_BUS_PATH "/org/pvperf/Daemon1"
#define PVPERF_BUS_INTERFACE "org.pvperf.Daemon1"
#define PVPERF_BUS_ERROR_PREFIX "org.pvperf.Error."
#define PVPERF_BUS_TIMEOUT_MS 10000

static const char *
pvperfBusLabel(bool session)
{
    return session ? "session" : "system";
}

static void
pvperfBusNoDaemon(bool session,
                  GError **error)
{
    g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_NO_DAEMON,
                "virtpvperfd is not running on the %s bus: start it with '%s'",
                pvperfBusLabel(session),
                session ? "virtpvperfd --uri qemu:///session" : "systemctl start virtpvperfd");
}

/* What went wrong with a call, told in our own words. */
static void
pvperfBusTranslate(bool session,
                   GError *cause,
                   GError **error)
{
    g_autofree char *remote = g_dbus_error_get_remote_error(cause);

    if (g_error_matches(cause, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
        g_error_matches(cause, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER)) {
        pvperfBusNoDaemon(session, error);
    } else if (g_error_matches(cause, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED) ||
               g_error_matches(cause, G_DBUS_ERROR, G_DBUS_ERROR_AUTH_FAILED)) {
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_DAEMON,
                    "permission denied: the %s bus does not let you talk to virtpvperfd; be root or a member of the "
                    "group 'libvirt'",
                    pvperfBusLabel(session));
    } else if (g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) ||
               g_error_matches(cause, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
               g_error_matches(cause, G_DBUS_ERROR, G_DBUS_ERROR_TIMEOUT)) {
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_DAEMON,
                    "virtpvperfd did not answer within %d seconds: its log says why",
                    PVPERF_BUS_TIMEOUT_MS / 1000);
    } else if (g_error_matches(cause, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD) ||
               g_error_matches(cause, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_INTERFACE) ||
               g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT)) {
        g_dbus_error_strip_remote_error(cause);
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_DAEMON,
                    "virtpvperfd and virsh-pvperf are of different versions: %s", cause->message);
    } else {
        g_dbus_error_strip_remote_error(cause);
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_DAEMON, "%s%s",
                    remote && g_str_has_prefix(remote, PVPERF_BUS_ERROR_PREFIX) ? "" : "virtpvperfd: ",
                    cause->message);
    }
}

static GDBusConnection *
pvperfBusConnect(pvperfShell *shell,
                 bool session,
                 GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autofree char *address = NULL;

    if (shell->bus)
        return shell->bus;
    address = g_dbus_address_get_for_bus_sync(session ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM,
                                              NULL, &cause);
    if (address)
        shell->bus = g_dbus_connection_new_for_address_sync(
            address,
            G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
            G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
            NULL, NULL, &cause);
    if (!shell->bus)
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_NO_DAEMON,
                    "cannot reach the %s bus, on which virtpvperfd answers: %s%s",
                    pvperfBusLabel(session), cause->message,
                    session ? "; DBUS_SESSION_BUS_ADDRESS says where it is" : "");
    return shell->bus;
}

static GVariant *
pvperfBusCallInterface(pvperfShell *shell,
                       const char *interface,
                       const char *method,
                       GVariant *args,
                       const char *reply_type,
                       GError **error)
{
    g_autoptr(GVariant) arguments = args ? g_variant_ref_sink(args) : NULL;
    g_autoptr(GError) cause = NULL;
    GDBusConnection *bus;
    GVariant *reply;
    bool session;
    bool remote;

    if (!pvperfShellWhere(shell, &session, &remote, error))
        return NULL;
    if (remote) {
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_NO_DAEMON,
                    "virtpvperfd answers only on its own host: run the command there");
        return NULL;
    }
    bus = pvperfBusConnect(shell, session, error);
    if (!bus)
        return NULL;
    reply = g_dbus_connection_call_sync(bus, PVPERF_BUS_NAME, PVPERF_BUS_PATH, interface, method,
                                        arguments, G_VARIANT_TYPE(reply_type),
                                        G_DBUS_CALL_FLAGS_NONE, PVPERF_BUS_TIMEOUT_MS, NULL, &cause);
    if (!reply)
        pvperfBusTranslate(session, cause, error);
    return reply;
}

/* @reply_type is of the one value that every method answers. */
GVariant *
pvperfBusCall(pvperfShell *shell,
              const char *method,
              GVariant *args,
              const char *reply_type,
              GError **error)
{
    g_autofree char *type = g_strdup_printf("(%s)", reply_type);
    g_autoptr(GVariant) reply = NULL;

    reply = pvperfBusCallInterface(shell, PVPERF_BUS_INTERFACE, method, args, type, error);
    return reply ? g_variant_get_child_value(reply, 0) : NULL;
}

GVariant *
pvperfBusProperties(pvperfShell *shell,
                    GError **error)
{
    g_autoptr(GVariant) reply = NULL;

    reply = pvperfBusCallInterface(shell, "org.freedesktop.DBus.Properties", "GetAll",
                                   g_variant_new("(s)", PVPERF_BUS_INTERFACE), "(a{sv})", error);
    return reply ? g_variant_get_child_value(reply, 0) : NULL;
}

GVariant *
pvperfBusDomains(pvperfShell *shell,
                 GError **error)
{
    return pvperfBusCall(shell, "ListDomains", NULL, "aa{sv}", error);
}

static bool
pvperfBusMatches(GVariant *row,
                 const char *key,
                 const char *domain)
{
    g_autofree char *id = NULL;

    if (g_str_equal(key, "id")) {
        const int number = pvperfDictInt(row, key, -1);

        id = number < 0 ? NULL : g_strdup_printf("%d", number);
        return g_strcmp0(id, domain) == 0;
    }
    return g_str_equal(pvperfDictString(row, key), domain);
}

char *
pvperfBusResolve(pvperfShell *shell,
                 GVariant *domains,
                 const char *domain,
                 GError **error)
{
    static const char *const keys[] = { "id", "uuid", "name" };
    g_autoptr(virDomain) dom = NULL;
    g_autoptr(GError) cause = NULL;
    size_t i;
    gsize row;

    for (i = 0; i < G_N_ELEMENTS(keys); i++) {
        for (row = 0; row < g_variant_n_children(domains); row++) {
            g_autoptr(GVariant) dict = g_variant_get_child_value(domains, row);

            if (pvperfBusMatches(dict, keys[i], domain))
                return g_strdup(pvperfDictString(dict, "uuid"));
        }
    }

    dom = pvperfShellDomain(shell, domain, &cause);
    if (dom)
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_NO_DOMAIN,
                    "domain '%s' has no <pvperf>: 'virsh-pvperf enable %s' adds it",
                    domain, domain);
    else if (g_error_matches(cause, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_NO_DOMAIN))
        g_propagate_error(error, g_steal_pointer(&cause));
    else
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_NO_DOMAIN,
                    "virtpvperfd knows no domain '%s' with <pvperf>, and libvirt cannot be asked (%s)",
                    domain, cause->message);
    return NULL;
}

const char *
pvperfDictString(GVariant *dict,
                 const char *key)
{
    const char *value = "";

    g_variant_lookup(dict, key, "&s", &value);
    return value;
}

bool
pvperfDictBool(GVariant *dict,
               const char *key)
{
    gboolean value = FALSE;

    g_variant_lookup(dict, key, "b", &value);
    return value;
}

int
pvperfDictInt(GVariant *dict,
              const char *key,
              int fallback)
{
    gint32 value = fallback;

    g_variant_lookup(dict, key, "i", &value);
    return value;
}

uint64_t
pvperfDictUint(GVariant *dict,
               const char *key)
{
    guint32 narrow;
    guint64 wide;

    if (g_variant_lookup(dict, key, "t", &wide))
        return wide;
    return g_variant_lookup(dict, key, "u", &narrow) ? narrow : 0;
}
