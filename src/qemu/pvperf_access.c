/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_access.c: asks the bus who the caller is, and polkit what he may.
 *
 * Both are asked by messages whose answers come on the main context. The subject
 * is the caller's name on the bus, which belongs to one connection for ever, so
 * the answer is about who made the call. How many calls may wait is bounded by
 * the bus: it limits the pending replies of a connection.
 */
#include "pvperf_access.h"

#include <unistd.h>

#define PVPERF_GATE_TIMEOUT_MS 5000
/* with somebody who types a password */
#define PVPERF_GATE_INTERACTIVE_MS 120000
/* polkit's CheckAuthorizationFlags: AllowUserInteraction */
#define PVPERF_POLKIT_INTERACTIVE 1

struct _pvperfGate {
    GDBusConnection *bus;
    GCancellable *closed;
    pvperfGateServe serve;
    gpointer opaque;
};

/* One call that waits. The gate is there unless closed is cancelled. */
typedef struct _pvperfGateCall pvperfGateCall;
struct _pvperfGateCall {
    pvperfGate *gate;
    GCancellable *closed;
    GDBusMethodInvocation *invocation;
    bool interactive;           /* the caller may be asked for a password */
};


pvperfGate *
pvperfGateNew(GDBusConnection *bus,
              pvperfGateServe serve,
              gpointer opaque)
{
    pvperfGate *gate = g_new0(pvperfGate, 1);

    gate->bus = g_object_ref(bus);
    gate->closed = g_cancellable_new();
    gate->serve = serve;
    gate->opaque = opaque;
    return gate;
}


void
pvperfGateFree(pvperfGate *gate)
{
    if (!gate)
        return;
    g_cancellable_cancel(gate->closed);
    g_object_unref(gate->closed);
    g_object_unref(gate->bus);
    g_free(gate);
}


/* ---- the end of a call ---- */

static void
pvperfGateCallFree(pvperfGateCall *call)
{
    g_object_unref(call->closed);
    g_free(call);
}


static void
pvperfGateAllow(pvperfGateCall *call)
{
    call->gate->serve(call->invocation, call->gate->opaque);
    pvperfGateCallFree(call);
}


static void
pvperfGateDeny(pvperfGateCall *call,
               const char *why)
{
    g_autofree char *message = g_strdup_printf("permission denied: %s", why);

    g_dbus_method_invocation_return_dbus_error(call->invocation, PVPERF_ERROR_ACCESS_DENIED, message);
    pvperfGateCallFree(call);
}


/* The answer to a question, or NULL when the call was denied for want of one. */
static GVariant *
pvperfGateAnswer(pvperfGateCall *call,
                 GObject *bus,
                 GAsyncResult *result,
                 const char *no_answer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(bus), result, &error);
    g_autofree char *why = NULL;

    if (g_cancellable_is_cancelled(call->closed)) {
        pvperfGateDeny(call, "virtpvperfd ends");
        return NULL;
    }
    if (!reply) {
        g_dbus_error_strip_remote_error(error);
        why = g_strdup_printf("%s: %s", no_answer, error->message);
        pvperfGateDeny(call, why);
    }
    return g_steal_pointer(&reply);
}


/* ---- polkit ---- */

static void
pvperfGateOnAuthorization(GObject *bus,
                          GAsyncResult *result,
                          gpointer opaque)
{
    pvperfGateCall *call = opaque;
    g_autoptr(GVariant) reply = pvperfGateAnswer(call, bus, result, "polkit does not answer for the action "
                                                 PVPERF_ACCESS_ACTION);
    gboolean allowed;
    gboolean challenge;

    if (!reply)
        return;
    g_variant_get(reply, "((bb@a{ss}))", &allowed, &challenge, NULL);
    if (allowed)
        pvperfGateAllow(call);
    else if (challenge && !call->interactive)
        pvperfGateDeny(call, "polkit's action " PVPERF_ACCESS_ACTION
                       " wants authentication, which this call does not allow");
    else
        pvperfGateDeny(call, "polkit's action " PVPERF_ACCESS_ACTION " does not allow it");
}


static void
pvperfGateAskPolkit(pvperfGateCall *call)
{
    const char *sender = g_dbus_method_invocation_get_sender(call->invocation);
    GVariantBuilder subject;

    g_variant_builder_init(&subject, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&subject, "{sv}", "name", g_variant_new_string(sender));
    g_dbus_connection_call(call->gate->bus, "org.freedesktop.PolicyKit1",
                           "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority",
                           "CheckAuthorization",
                           g_variant_new("((sa{sv})sa{ss}us)", "system-bus-name", &subject,
                                         PVPERF_ACCESS_ACTION, NULL,
                                         call->interactive ? PVPERF_POLKIT_INTERACTIVE : 0, ""),
                           G_VARIANT_TYPE("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE,
                           call->interactive ? PVPERF_GATE_INTERACTIVE_MS : PVPERF_GATE_TIMEOUT_MS,
                           call->closed, pvperfGateOnAuthorization, call);
}


/* ---- the caller ---- */

/* Who may do everything here anyway does not depend on a polkit that works. */
static void
pvperfGateOnUser(GObject *bus,
                 GAsyncResult *result,
                 gpointer opaque)
{
    pvperfGateCall *call = opaque;
    g_autoptr(GVariant) reply = pvperfGateAnswer(call, bus, result, "the bus does not say who asks");
    guint32 uid;

    if (!reply)
        return;
    g_variant_get(reply, "(u)", &uid);
    if (uid == 0 || uid == geteuid())
        pvperfGateAllow(call);
    else
        pvperfGateAskPolkit(call);
}


void
pvperfGateAsk(pvperfGate *gate,
              pvperfAccess access,
              GDBusMethodInvocation *invocation)
{
    GDBusMessage *message = g_dbus_method_invocation_get_message(invocation);
    pvperfGateCall *call;

    if (access == PVPERF_ACCESS_BUS) {
        gate->serve(invocation, gate->opaque);
        return;
    }
    call = g_new0(pvperfGateCall, 1);
    call->gate = gate;
    call->closed = g_object_ref(gate->closed);
    call->invocation = invocation;
    call->interactive = g_dbus_message_get_flags(message) & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION;
    g_dbus_connection_call(gate->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                           "GetConnectionUnixUser",
                           g_variant_new("(s)", g_dbus_method_invocation_get_sender(invocation)),
                           G_VARIANT_TYPE("(u)"), G_DBUS_CALL_FLAGS_NONE, PVPERF_GATE_TIMEOUT_MS,
                           gate->closed, pvperfGateOnUser, call);
}
