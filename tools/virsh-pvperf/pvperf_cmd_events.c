/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cmd_events.c: "events", what a guest has open now.
 *
 * One row per event and vCPU on which it counted. Counts are the host's, read
 * when the daemon asks the backend; the order is by event id, then vCPU.
 */
#include "pvperf_bus.h"
#include "pvperf_json.h"
#include "pvperf_text.h"

static const char *const eventKeys[] = {
    "id", "vcpu", "event", "class", "raw", "state", "count", "unit", "enabled", "running", NULL
};

static int
pvperfEventsCompare(const void *a,
                    const void *b)
{
    GVariant *const *left = a;
    GVariant *const *right = b;
    const int id = pvperfDictInt(*left, "id", -1) - pvperfDictInt(*right, "id", -1);
    const uint64_t lvcpu = pvperfDictUint(*left, "vcpu");
    const uint64_t rvcpu = pvperfDictUint(*right, "vcpu");

    return id ? id : (lvcpu > rvcpu) - (lvcpu < rvcpu);
}

/* A raw event as perf writes it: r1c2. */
static char *
pvperfEventsName(GVariant *event)
{
    const char *name = pvperfDictString(event, "event");

    if (g_str_equal(name, "raw"))
        return g_strdup_printf("r%" G_GINT64_MODIFIER "x", pvperfDictUint(event, "raw"));
    return g_strdup(name);
}

static void
pvperfEventsTable(pvperfShell *shell,
                  GPtrArray *events)
{
    static const char *const columns[] = {
        ">Id", ">vCPU", "Event", "State", ">Count", "Unit", ">Enabled (s)", ">Running (s)", ">Share", NULL
    };
    g_autoptr(pvperfTable) table = pvperfTableNew(columns);
    unsigned int i;

    for (i = 0; i < events->len; i++) {
        GVariant *event = g_ptr_array_index(events, i);
        const uint64_t enabled = pvperfDictUint(event, "enabled");
        const uint64_t running = pvperfDictUint(event, "running");

        pvperfTableTake(table, g_strdup_printf("%d", pvperfDictInt(event, "id", -1)));
        pvperfTableAddNumber(table, pvperfDictUint(event, "vcpu"));
        pvperfTableTake(table, pvperfEventsName(event));
        pvperfTableAdd(table, pvperfDictString(event, "state"));
        pvperfTableAddNumber(table, pvperfDictUint(event, "count"));
        pvperfTableAdd(table, pvperfDictString(event, "unit"));
        pvperfTableTake(table, pvperfTextSeconds(enabled));
        pvperfTableTake(table, pvperfTextSeconds(running));
        pvperfTableTake(table, pvperfTextPercent(running, enabled));
    }
    pvperfTablePrint(table, shell->quiet ? PVPERF_TABLE_ROWS : PVPERF_TABLE_FULL, shell->out);
}

static void
pvperfEventsJson(GPtrArray *events,
                 FILE *out)
{
    g_autoptr(pvperfJson) array = json_object_new_array();
    unsigned int i;

    for (i = 0; i < events->len; i++)
        json_object_array_add(array, pvperfJsonDict(g_ptr_array_index(events, i), eventKeys));
    pvperfJsonPrint(array, out);
}

static int
pvperfEvents(pvperfShell *shell,
             GError **error)
{
    g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func((GDestroyNotify) g_variant_unref);
    g_autoptr(GVariant) domains = pvperfBusDomains(shell, error);
    g_autoptr(GVariant) reply = NULL;
    g_autofree char *uuid = NULL;
    gsize i;

    if (!domains)
        return -1;
    uuid = pvperfBusResolve(shell, domains, shell->args[0], error);
    if (!uuid)
        return -1;
    reply = pvperfBusCall(shell, "GetEvents", g_variant_new("(s)", uuid), "aa{sv}", error);
    if (!reply)
        return -1;
    for (i = 0; i < g_variant_n_children(reply); i++)
        g_ptr_array_add(events, g_variant_get_child_value(reply, i));
    g_ptr_array_sort(events, pvperfEventsCompare);

    if (pvperfShellIsJson(shell))
        pvperfEventsJson(events, shell->out);
    else
        pvperfEventsTable(shell, events);
    return 0;
}

static const pvperfOption eventsOptions[] = {
    PVPERF_OPTION_FORMAT,
    { NULL, NULL, NULL, NULL, 0 },
};

const pvperfCommand pvperfCommandEvents = {
    .name = "events",
    .args = "DOMAIN",
    .min_args = 1,
    .max_args = 1,
    .summary = "show the events that a guest has open, and what they counted",
    .options = eventsOptions,
    .handler = pvperfEvents,
    .complete = PVPERF_COMPLETE_DOMAIN,
};
