/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cmd_list.c: "list", the domains that have <pvperf> and their state.
 *
 * The daemon decides a domain's state (src/conf/pvperf_states.h) and why; this
 * filters as virsh list does and prints.
 */
#include "conf/pvperf_states.h"
#include "pvperf_bus.h"
#include "pvperf_json.h"
#include "pvperf_text.h"

static const char *const listKeys[] = {
    "id", "name", "uuid", "state", "reason", "migratable", "differs", "policy", "group", "open",
    "max", "driver", NULL
};

static bool
pvperfListWanted(pvperfShell *shell,
                 GVariant *domain)
{
    const bool active = pvperfDictInt(domain, "id", -1) >= 0;
    const char *state = pvperfShellOption(shell, "state");

    if (state && !g_str_equal(state, pvperfDictString(domain, "state")))
        return false;
    if (pvperfShellHas(shell, "all"))
        return true;
    return active != pvperfShellHas(shell, "inactive");
}

static void
pvperfListJson(GPtrArray *domains,
               FILE *out)
{
    g_autoptr(pvperfJson) array = json_object_new_array();
    unsigned int i;

    for (i = 0; i < domains->len; i++) {
        GVariant *domain = g_ptr_array_index(domains, i);
        pvperfJson *row = pvperfJsonDict(domain, listKeys);

        if (pvperfDictInt(domain, "id", -1) < 0)
            json_object_object_add(row, "id", NULL);
        json_object_array_add(array, row);
    }
    pvperfJsonPrint(array, out);
}

static char *
pvperfListId(GVariant *domain)
{
    const int id = pvperfDictInt(domain, "id", -1);

    return id < 0 ? g_strdup("-") : g_strdup_printf("%d", id);
}

/* --id, --name, --uuid: for scripts, without header. */
static void
pvperfListNames(pvperfShell *shell,
                GPtrArray *domains)
{
    static const char *const anything[] = { "", "", "", NULL };
    const bool id = pvperfShellHas(shell, "id");
    const bool uuid = pvperfShellHas(shell, "uuid");
    const bool name = pvperfShellHas(shell, "name");
    g_autoptr(pvperfTable) table = pvperfTableNew(anything + 3 - (id + uuid + name));
    unsigned int i;

    for (i = 0; i < domains->len; i++) {
        GVariant *domain = g_ptr_array_index(domains, i);

        if (id)
            pvperfTableTake(table, pvperfListId(domain));
        if (uuid)
            pvperfTableAdd(table, pvperfDictString(domain, "uuid"));
        if (name)
            pvperfTableAdd(table, pvperfDictString(domain, "name"));
    }
    pvperfTablePrint(table, PVPERF_TABLE_BARE, shell->out);
}

static void
pvperfListTable(pvperfShell *shell,
                GPtrArray *domains)
{
    const char *columns[] = {
        "Id", "Name", "State", "Migratable",
        g_get_charset(NULL) ? "Live≠config" : "Live/=config", "Reason", NULL
    };
    g_autoptr(pvperfTable) table = pvperfTableNew(columns);
    unsigned int i;

    for (i = 0; i < domains->len; i++) {
        GVariant *domain = g_ptr_array_index(domains, i);

        pvperfTableTake(table, pvperfListId(domain));
        pvperfTableAdd(table, pvperfDictString(domain, "name"));
        pvperfTableAdd(table, pvperfDictString(domain, "state"));
        pvperfTableAdd(table, pvperfDictBool(domain, "migratable") ? "yes" : "no");
        pvperfTableAdd(table, pvperfDictBool(domain, "differs") ? "yes" : "no");
        pvperfTableAdd(table, pvperfDictString(domain, "reason"));
    }
    pvperfTablePrint(table, shell->quiet ? PVPERF_TABLE_ROWS : PVPERF_TABLE_FULL, shell->out);
}

static int
pvperfList(pvperfShell *shell,
           GError **error)
{
    g_autoptr(GPtrArray) domains = g_ptr_array_new_with_free_func((GDestroyNotify) g_variant_unref);
    g_autoptr(GVariant) reply = pvperfBusDomains(shell, error);
    gsize i;

    if (!reply)
        return -1;
    for (i = 0; i < g_variant_n_children(reply); i++) {
        g_autoptr(GVariant) domain = g_variant_get_child_value(reply, i);

        if (pvperfListWanted(shell, domain))
            g_ptr_array_add(domains, g_steal_pointer(&domain));
    }
    if (pvperfShellIsJson(shell))
        pvperfListJson(domains, shell->out);
    else if (!pvperfShellHas(shell, "table") &&
             (pvperfShellHas(shell, "id") || pvperfShellHas(shell, "uuid") ||
              pvperfShellHas(shell, "name")))
        pvperfListNames(shell, domains);
    else
        pvperfListTable(shell, domains);
    return 0;
}

#define STATE_NAME(constant, name, text) name,
static const char *const listStates[] = { PVPERF_DOMAIN_STATES(STATE_NAME) NULL };
#undef STATE_NAME

static const pvperfOption listOptions[] = {
    { "all", NULL, "running domains and others", NULL, 0 },
    { "inactive", NULL, "only domains that do not run", NULL, 0 },
    { "state", "STATE", "only domains in this state", listStates, 0 },
    { "id", NULL, "only ids, for scripts", NULL, 0 },
    { "name", NULL, "only names, for scripts", NULL, 0 },
    { "uuid", NULL, "only uuids, for scripts", NULL, 0 },
    { "table", NULL, "a table (the default)", NULL, 0 },
    PVPERF_OPTION_FORMAT,
    { NULL, NULL, NULL, NULL, 0 },
};

const pvperfCommand pvperfCommandList = {
    .name = "list",
    .args = "",
    .summary = "list the domains that have <pvperf>, and their state",
    .options = listOptions,
    .handler = pvperfList,
};
