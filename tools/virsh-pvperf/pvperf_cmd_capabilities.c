/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cmd_capabilities.c: "capabilities", what this host can count.
 *
 * The daemon probes; this prints each class and event, and why one is missing.
 * Order is that of the tables in src/conf, what only the daemon knows last.
 */
#include "conf/pvperf_events.h"
#include "pvperf_bus.h"
#include "pvperf_json.h"
#include "pvperf_text.h"

/* An index into the vocabulary by name, negative if it is not there. */
typedef int (*pvperfRankFunc)(const char *name);

typedef struct _pvperfAbility pvperfAbility;
struct _pvperfAbility {
    char *name;
    gboolean available;
    char *reason;
    unsigned int rank;
};

static void
pvperfAbilityFree(gpointer data)
{
    pvperfAbility *ability = data;

    g_free(ability->name);
    g_free(ability->reason);
    g_free(ability);
}

static int
pvperfAbilityCompare(gconstpointer a,
                     gconstpointer b)
{
    const pvperfAbility *left = *(pvperfAbility *const *) a;
    const pvperfAbility *right = *(pvperfAbility *const *) b;

    if (left->rank != right->rank)
        return left->rank < right->rank ? -1 : 1;
    return g_strcmp0(left->name, right->name);
}

/* The dictionary a{s(bs)} at @key as a sorted array. */
static GPtrArray *
pvperfAbilities(GVariant *capabilities,
                const char *key,
                pvperfRankFunc rank)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(pvperfAbilityFree);
    g_autoptr(GVariant) dict = g_variant_lookup_value(capabilities, key, G_VARIANT_TYPE("a{s(bs)}"));
    gsize i;

    for (i = 0; dict && i < g_variant_n_children(dict); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(dict, i);
        pvperfAbility *ability = g_new0(pvperfAbility, 1);

        g_variant_get(entry, "{s(bs)}", &ability->name, &ability->available, &ability->reason);
        ability->rank = (unsigned int) rank(ability->name);
        g_ptr_array_add(list, ability);
    }
    g_ptr_array_sort(list, pvperfAbilityCompare);
    return list;
}

static pvperfJson *
pvperfAbilitiesJson(GPtrArray *list)
{
    pvperfJson *array = json_object_new_array();
    unsigned int i;

    for (i = 0; i < list->len; i++) {
        const pvperfAbility *ability = list->pdata[i];
        pvperfJson *row = json_object_new_object();

        pvperfJsonAddString(row, "name", ability->name);
        pvperfJsonAddBool(row, "available", ability->available);
        pvperfJsonAddString(row, "reason", ability->reason);
        json_object_array_add(array, row);
    }
    return array;
}

static void
pvperfAbilitiesPrint(pvperfShell *shell,
                     GPtrArray *list,
                     const char *title)
{
    const char *columns[] = { title, "Available", "Reason", NULL };
    g_autoptr(pvperfTable) table = pvperfTableNew(columns);
    unsigned int i;

    for (i = 0; i < list->len; i++) {
        const pvperfAbility *ability = list->pdata[i];

        pvperfTableAdd(table, ability->name);
        pvperfTableAdd(table, ability->available ? "yes" : "no");
        pvperfTableAdd(table, ability->reason);
    }
    pvperfTablePrint(table, shell->quiet ? PVPERF_TABLE_ROWS : PVPERF_TABLE_FULL, shell->out);
}

static void
pvperfCapabilitiesPrintUser(pvperfShell *shell,
                            GVariant *reply)
{
    g_autofree char *user = pvperfTextEscape(pvperfDictString(reply, "backend_user"), false);

    if (*user)
        fprintf(shell->out, "Backends run as:            %s%s\n", user,
                pvperfDictBool(reply, "backend_user_own") ? "" : " (there is no user 'pvperf')");
    fputc('\n', shell->out);
}

static int
pvperfCapabilities(pvperfShell *shell,
                   GError **error)
{
    static const char *const keys[] = {
        "perf_event_paranoid", "perf_event_max_sample_rate", "virtualization",
        "backend_user", "backend_user_own", NULL
    };
    g_autoptr(GVariant) reply = pvperfBusCall(shell, "GetCapabilities", NULL, "a{sv}", error);
    g_autoptr(GPtrArray) classes = NULL;
    g_autoptr(GPtrArray) events = NULL;

    if (!reply)
        return -1;
    classes = pvperfAbilities(reply, "classes", pvperfClassFromName);
    events = pvperfAbilities(reply, "events", pvperfEventFromName);

    if (pvperfShellIsJson(shell)) {
        g_autoptr(pvperfJson) object = pvperfJsonDict(reply, keys);

        json_object_object_add(object, "classes", pvperfAbilitiesJson(classes));
        json_object_object_add(object, "events", pvperfAbilitiesJson(events));
        pvperfJsonPrint(object, shell->out);
    } else {
        g_autofree char *virtualization =
            pvperfTextEscape(pvperfDictString(reply, "virtualization"), false);

        fprintf(shell->out, "perf_event_paranoid:        %d\n",
                pvperfDictInt(reply, "perf_event_paranoid", 0));
        fprintf(shell->out, "perf_event_max_sample_rate: %" G_GUINT64_FORMAT "\n",
                pvperfDictUint(reply, "perf_event_max_sample_rate"));
        fprintf(shell->out, "Virtualization:             %s\n", virtualization);
        pvperfCapabilitiesPrintUser(shell, reply);
        pvperfAbilitiesPrint(shell, classes, "Class");
        pvperfAbilitiesPrint(shell, events, "Event");
    }
    return 0;
}

static const pvperfOption capabilitiesOptions[] = {
    PVPERF_OPTION_FORMAT,
    { NULL, NULL, NULL, NULL, 0 },
};

const pvperfCommand pvperfCommandCapabilities = {
    .name = "capabilities",
    .args = "",
    .summary = "show what this host can count, and why not the rest",
    .options = capabilitiesOptions,
    .handler = pvperfCapabilities,
};
