/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_dbus.c: methods, properties and signals.
 *
 * What a backend has to be asked for is asked of all at once; a call is
 * answered when the last of them answered or ran out of its time, never
 * later, and nothing else waits meanwhile.
 */
#include "pvperf_dbus.h"

#include <string.h>

#include "pvperf_access.h"
#include "pvperf_dbus_format.h"

#define PVPERF_DBUS_PROPERTIES "org.freedesktop.DBus.Properties"
#define PVPERF_DBUS_RESOURCE "/org/pvperf/Daemon1.xml"
#define PVPERF_ERROR_NO_DOMAIN "org.pvperf.Error.NoDomain"
#define PVPERF_ERROR_NOT_RUNNING "org.pvperf.Error.NotRunning"
#define PVPERF_ERROR_TIMED_OUT "org.pvperf.Error.TimedOut"
#define PVPERF_ERROR_FAILED "org.pvperf.Error.Failed"

struct _pvperfDBus {
    GDBusConnection *bus;
    GDBusNodeInfo *node;
    pvperfDriver *driver;
    pvperfGate *gate;
    guint id;
};


/* ---- asking backends ---- */

typedef GVariant *(*pvperfDBusFormatFunc)(const pvperfDomainView *view);

/* One call that waits for backends. */
typedef struct _pvperfDBusGather pvperfDBusGather;
struct _pvperfDBusGather {
    GDBusMethodInvocation *invocation;
    pvperfDBusFormatFunc format;
    GPtrArray *views;
    unsigned int pending;
};

typedef struct _pvperfDBusQuestion pvperfDBusQuestion;
struct _pvperfDBusQuestion {
    pvperfDBusGather *gather;
    pvperfDomain *dom;          /* outlives its backend's client, which answers */
    pvperfDomainView *view;
};


static pvperfDomainView *
pvperfDBusView(pvperfDomain *dom)
{
    const pvperfPolicy *policy = pvperfDomainPolicy(dom);
    pvperfDomainView *view = g_new0(pvperfDomainView, 1);

    view->name = g_strdup(pvperfDomainName(dom));
    view->uuid = g_strdup(dom->uuid);
    view->id = dom->reading->id;
    view->state = pvperfDomainStateName(dom->state);
    view->reason = g_strdup(dom->reason);
    view->migratable = pvperfDomainMigratable(dom);
    view->differs = pvperfDomainDiffers(dom);
    view->serves = dom->client && pvperfBackendClientReady(dom->client);
    if (policy)
        view->policy = *policy;
    view->policy_name = g_strdup(dom->effective.policy_name);
    view->group_name = g_strdup(dom->effective.group_name);
    if (dom->seat) {
        view->group_limits = dom->group_limits;
        pvperfSeatUse(dom->seat, &view->group_use);
    }
    return view;
}


static void
pvperfDBusGatherUnref(pvperfDBusGather *gather)
{
    GVariantBuilder builder;
    guint i;

    if (--gather->pending > 0)
        return;
    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (i = 0; i < gather->views->len; i++)
        g_variant_builder_add_value(&builder, gather->format(g_ptr_array_index(gather->views, i)));
    g_dbus_method_invocation_return_value(gather->invocation, g_variant_new("(aa{sv})", &builder));
    g_ptr_array_unref(gather->views);
    g_free(gather);
}


static void
pvperfDBusOnStats(const pvperfControlStats *stats,
                  bool fresh,
                  gpointer opaque)
{
    pvperfDBusQuestion *question = opaque;

    if (fresh || !pvperfDomainStoredStats(question->dom, &question->view->stats))
        question->view->stats = *stats;
    question->view->fresh = fresh;
    pvperfDBusGatherUnref(question->gather);
    g_free(question);
}


static pvperfDBusGather *
pvperfDBusGatherNew(GDBusMethodInvocation *invocation,
                    pvperfDBusFormatFunc format)
{
    pvperfDBusGather *gather = g_new0(pvperfDBusGather, 1);

    gather->invocation = invocation;
    gather->format = format;
    gather->views = g_ptr_array_new_with_free_func((GDestroyNotify)pvperfDomainViewFree);
    gather->pending = 1;        /* until all were asked */
    return gather;
}


static void
pvperfDBusGatherAdd(pvperfDBusGather *gather,
                    pvperfDomain *dom)
{
    pvperfDomainView *view = pvperfDBusView(dom);
    pvperfDBusQuestion *question;

    g_ptr_array_add(gather->views, view);
    if (!view->serves) {
        pvperfDomainStoredStats(dom, &view->stats);
        view->stats.open = 0;
        return;
    }
    question = g_new0(pvperfDBusQuestion, 1);
    question->gather = gather;
    question->dom = dom;
    question->view = view;
    gather->pending++;
    pvperfBackendClientQueryStats(dom->client, pvperfDBusOnStats, question);
}


/* ---- methods ---- */

static bool
pvperfDBusServes(const pvperfDomain *dom)
{
    return dom->client && pvperfBackendClientReady(dom->client);
}


/* The domain of this uuid, or the call is answered with the error. */
static pvperfDomain *
pvperfDBusFind(pvperfDBus *dbus,
               GDBusMethodInvocation *invocation,
               const char *uuid)
{
    pvperfDomain *dom = pvperfDriverFind(dbus->driver, uuid);
    g_autofree char *message = NULL;

    if (dom)
        return dom;
    message = g_strdup_printf("there is no domain with <pvperf> and the uuid '%s'", uuid);
    g_dbus_method_invocation_return_dbus_error(invocation, PVPERF_ERROR_NO_DOMAIN, message);
    return NULL;
}


/* One that has a backend, or had one since its QEMU started. */
static bool
pvperfDBusHasStats(const pvperfDomain *dom)
{
    pvperfControlStats stats;

    return pvperfDBusServes(dom) || pvperfDomainStoredStats(dom, &stats);
}


/* The same for one that @can do what is asked for. */
static pvperfDomain *
pvperfDBusFindRunning(pvperfDBus *dbus,
                      GDBusMethodInvocation *invocation,
                      const char *uuid,
                      bool (*can)(const pvperfDomain *dom))
{
    pvperfDomain *dom = pvperfDBusFind(dbus, invocation, uuid);
    g_autofree char *message = NULL;

    if (!dom || can(dom))
        return dom;
    message = g_strdup_printf("nothing counts for domain '%s' now: %s%s%s", pvperfDomainName(dom),
                              dom->reading->active ? pvperfDomainStateName(dom->state) : "it is not running",
                              dom->reading->active && *dom->reason ? ": " : "",
                              dom->reading->active ? dom->reason : "");
    g_dbus_method_invocation_return_dbus_error(invocation, PVPERF_ERROR_NOT_RUNNING, message);
    return NULL;
}


static void
pvperfDBusListDomains(pvperfDBus *dbus,
                      GVariant *args,
                      GDBusMethodInvocation *invocation)
{
    g_autoptr(GPtrArray) domains = pvperfDriverDomains(dbus->driver);
    pvperfDBusGather *gather = pvperfDBusGatherNew(invocation, pvperfDBusFormatDomain);
    guint i;

    for (i = 0; i < domains->len; i++)
        pvperfDBusGatherAdd(gather, g_ptr_array_index(domains, i));
    pvperfDBusGatherUnref(gather);
}


static void
pvperfDBusGetStats(pvperfDBus *dbus,
                   GVariant *args,
                   GDBusMethodInvocation *invocation)
{
    g_autoptr(GPtrArray) domains = NULL;
    g_autofree const char **uuids = NULL;
    pvperfDBusGather *gather;
    guint i;

    g_variant_get(args, "(^a&s)", &uuids);
    domains = uuids[0] ? g_ptr_array_new() : pvperfDriverDomains(dbus->driver);
    for (i = 0; uuids[i]; i++) {
        pvperfDomain *dom = pvperfDBusFindRunning(dbus, invocation, uuids[i], pvperfDBusHasStats);

        if (!dom)
            return;
        g_ptr_array_add(domains, dom);
    }

    gather = pvperfDBusGatherNew(invocation, pvperfDBusFormatStats);
    for (i = 0; i < domains->len; i++) {
        if (pvperfDBusHasStats(g_ptr_array_index(domains, i)))
            pvperfDBusGatherAdd(gather, g_ptr_array_index(domains, i));
    }
    pvperfDBusGatherUnref(gather);
}


static void
pvperfDBusOnEvents(GArray *records,
                   const GError *error,
                   gpointer opaque)
{
    GDBusMethodInvocation *invocation = opaque;
    GVariantBuilder builder;
    guint i;

    if (error) {
        g_dbus_method_invocation_return_dbus_error(invocation,
            g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) ?
            PVPERF_ERROR_TIMED_OUT : PVPERF_ERROR_NOT_RUNNING, error->message);
        return;
    }
    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (i = 0; i < records->len; i++)
        g_variant_builder_add_value(&builder, pvperfDBusFormatEvent(
            &g_array_index(records, pvperfControlRecord, i)));
    g_dbus_method_invocation_return_value(invocation, g_variant_new("(aa{sv})", &builder));
}


static void
pvperfDBusGetEvents(pvperfDBus *dbus,
                    GVariant *args,
                    GDBusMethodInvocation *invocation)
{
    const char *uuid;
    pvperfDomain *dom;

    g_variant_get(args, "(&s)", &uuid);
    dom = pvperfDBusFindRunning(dbus, invocation, uuid, pvperfDBusServes);
    if (dom)
        pvperfBackendClientQueryEvents(dom->client, pvperfDBusOnEvents, invocation);
}


static void
pvperfDBusGetPolicy(pvperfDBus *dbus,
                    GVariant *args,
                    GDBusMethodInvocation *invocation)
{
    const pvperfHostPolicy *host = pvperfDriverHostConfig(dbus->driver)->policy;
    pvperfEffective effective = { .policy_name = NULL };
    g_autoptr(pvperfDomainDef) def = NULL;
    g_autoptr(GError) error = NULL;
    const char *element;
    guint32 vcpus;

    g_variant_get(args, "(&su)", &element, &vcpus);
    def = pvperfDomainDefParseString(element, &error);
    if (def && pvperfHostPolicyEffective(host, def, vcpus, &effective, &error))
        g_dbus_method_invocation_return_value(invocation,
            g_variant_new("(@a{sv})", pvperfDBusFormatPolicy(&effective)));
    else
        g_dbus_method_invocation_return_dbus_error(invocation, PVPERF_ERROR_FAILED, error->message);
    pvperfEffectiveClear(&effective);
}


static void
pvperfDBusGetCapabilities(pvperfDBus *dbus,
                          GVariant *args,
                          GDBusMethodInvocation *invocation)
{
    const pvperfCapabilities *caps = pvperfDriverProbe(dbus->driver);

    g_dbus_method_invocation_return_value(invocation,
        g_variant_new("(@a{sv})", pvperfCapabilitiesFormat(caps)));
}


static const struct {
    const char *name;
    void (*func)(pvperfDBus *dbus,
                 GVariant *args,
                 GDBusMethodInvocation *invocation);
} dbusMethods[] = {
    { "ListDomains", pvperfDBusListDomains },
    { "GetEvents", pvperfDBusGetEvents },
    { "GetStats", pvperfDBusGetStats },
    { "GetPolicy", pvperfDBusGetPolicy },
    { "GetCapabilities", pvperfDBusGetCapabilities },
};


static void
pvperfDBusCallMethod(pvperfDBus *dbus,
                     const char *method,
                     GVariant *args,
                     GDBusMethodInvocation *invocation)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(dbusMethods); i++) {
        if (strcmp(method, dbusMethods[i].name) == 0) {
            dbusMethods[i].func(dbus, args, invocation);
            return;
        }
    }
    g_dbus_method_invocation_return_dbus_error(invocation, PVPERF_ERROR_FAILED,
                                               "the daemon does not implement this method");
}


/* ---- properties ---- */

static GVariant *
pvperfDBusVersion(pvperfDriver *driver)
{
    return g_variant_new_string(PVPERF_VERSION);
}


static GVariant *
pvperfDBusUri(pvperfDriver *driver)
{
    return g_variant_new_string(pvperfDriverConfig(driver)->uri);
}


static GVariant *
pvperfDBusIvshmemSocket(pvperfDriver *driver)
{
    return g_variant_new_string(pvperfDriverConfig(driver)->ivshmem_socket);
}


static GVariant *
pvperfDBusLibvirtConnected(pvperfDriver *driver)
{
    return g_variant_new_boolean(pvperfDriverLibvirtConnected(driver));
}


static GVariant *
pvperfDBusIvshmemConnected(pvperfDriver *driver)
{
    return g_variant_new_boolean(pvperfDriverIvshmemConnected(driver));
}


static const struct {
    const char *name;
    GVariant *(*func)(pvperfDriver *driver);
} dbusProperties[] = {
    { "Version", pvperfDBusVersion },
    { "Uri", pvperfDBusUri },
    { "IvshmemSocket", pvperfDBusIvshmemSocket },
    { "LibvirtConnected", pvperfDBusLibvirtConnected },
    { "IvshmemConnected", pvperfDBusIvshmemConnected },
};


static void
pvperfDBusGet(pvperfDBus *dbus,
              const char *property,
              GDBusMethodInvocation *invocation)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(dbusProperties); i++) {
        if (strcmp(property, dbusProperties[i].name) == 0) {
            g_dbus_method_invocation_return_value(invocation,
                g_variant_new("(v)", dbusProperties[i].func(dbus->driver)));
            return;
        }
    }
    g_dbus_method_invocation_return_dbus_error(invocation, PVPERF_ERROR_FAILED,
                                               "the daemon does not implement this property");
}


static void
pvperfDBusGetAll(pvperfDBus *dbus,
                 GDBusMethodInvocation *invocation)
{
    GVariantBuilder all;
    size_t i;

    g_variant_builder_init(&all, G_VARIANT_TYPE("a{sv}"));
    for (i = 0; i < G_N_ELEMENTS(dbusProperties); i++)
        g_variant_builder_add(&all, "{sv}", dbusProperties[i].name, dbusProperties[i].func(dbus->driver));
    g_dbus_method_invocation_return_value(invocation, g_variant_new("(a{sv})", &all));
}


/* ---- calls ---- */

/* GDBus has checked names and types; it answers a Set itself, there is nothing
 * to be written. */
static void
pvperfDBusServe(GDBusMethodInvocation *invocation,
                gpointer opaque)
{
    const char *interface = g_dbus_method_invocation_get_interface_name(invocation);
    const char *method = g_dbus_method_invocation_get_method_name(invocation);
    GVariant *args = g_dbus_method_invocation_get_parameters(invocation);
    const char *property;

    if (strcmp(interface, PVPERF_DBUS_PROPERTIES) != 0) {
        pvperfDBusCallMethod(opaque, method, args, invocation);
    } else if (strcmp(method, "GetAll") == 0) {
        pvperfDBusGetAll(opaque, invocation);
    } else {
        g_variant_get(args, "(&s&s)", NULL, &property);
        pvperfDBusGet(opaque, property, invocation);
    }
}


static void
pvperfDBusOnCall(GDBusConnection *bus,
                 const char *sender,
                 const char *path,
                 const char *interface,
                 const char *method,
                 GVariant *args,
                 GDBusMethodInvocation *invocation,
                 gpointer opaque)
{
    pvperfDBus *dbus = opaque;

    pvperfGateAsk(dbus->gate, pvperfDriverHostConfig(dbus->driver)->read_access, invocation);
}


/* ---- signals ---- */

static void
pvperfDBusEmit(pvperfDBus *dbus,
               const char *interface,
               const char *signal,
               GVariant *args)
{
    g_autoptr(GError) error = NULL;

    if (!g_dbus_connection_emit_signal(dbus->bus, NULL, PVPERF_DBUS_PATH, interface,
                                       signal, args, &error))
        g_warning("cannot send the signal %s: %s", signal, error->message);
}


void
pvperfDBusDomainChanged(pvperfDBus *dbus,
                        pvperfDomain *dom)
{
    pvperfDBusEmit(dbus, PVPERF_DBUS_INTERFACE, "DomainChanged",
                   g_variant_new("(ssss)", dom->uuid, pvperfDomainName(dom),
                                 pvperfDomainStateName(dom->state), dom->reason));
}


void
pvperfDBusDevice(pvperfDBus *dbus,
                 pvperfDomain *dom,
                 bool given,
                 const char *message)
{
    pvperfDBusEmit(dbus, PVPERF_DBUS_INTERFACE, given ? "DeviceAdded" : "DeviceRemoved",
                   g_variant_new("(sss)", dom->uuid, pvperfDomainName(dom), message));
}


void
pvperfDBusConnections(pvperfDBus *dbus)
{
    GVariantBuilder changed;

    g_variant_builder_init(&changed, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&changed, "{sv}", "LibvirtConnected",
                          pvperfDBusLibvirtConnected(dbus->driver));
    g_variant_builder_add(&changed, "{sv}", "IvshmemConnected",
                          pvperfDBusIvshmemConnected(dbus->driver));
    pvperfDBusEmit(dbus, PVPERF_DBUS_PROPERTIES, "PropertiesChanged",
                   g_variant_new("(sa{sv}as)", PVPERF_DBUS_INTERFACE, &changed, NULL));
}


/* ---- life ---- */

pvperfDBus *
pvperfDBusNew(GDBusConnection *bus,
              pvperfDriver *driver,
              GError **error)
{
    /* Without get_property reads of properties come here, too, and may be answered later. */
    static const GDBusInterfaceVTable vtable = { .method_call = pvperfDBusOnCall };
    g_autoptr(GBytes) xml = g_resources_lookup_data(PVPERF_DBUS_RESOURCE, 0, error);
    g_autoptr(GDBusNodeInfo) node = NULL;
    pvperfDBus *dbus;
    guint id;

    if (!xml)
        return NULL;
    node = g_dbus_node_info_new_for_xml(g_bytes_get_data(xml, NULL), error);
    if (!node)
        return NULL;
    dbus = g_new0(pvperfDBus, 1);
    id = g_dbus_connection_register_object(bus, PVPERF_DBUS_PATH, node->interfaces[0],
                                           &vtable, dbus, NULL, error);
    if (!id) {
        g_free(dbus);
        return NULL;
    }
    dbus->bus = g_object_ref(bus);
    dbus->node = g_steal_pointer(&node);
    dbus->driver = driver;
    dbus->gate = pvperfGateNew(bus, pvperfDBusServe, dbus);
    dbus->id = id;
    return dbus;
}


void
pvperfDBusFree(pvperfDBus *dbus)
{
    if (!dbus)
        return;
    g_dbus_connection_unregister_object(dbus->bus, dbus->id);
    pvperfGateFree(dbus->gate);
    g_object_unref(dbus->bus);
    g_dbus_node_info_unref(dbus->node);
    g_free(dbus);
}
