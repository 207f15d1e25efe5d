/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cmd_stats.c: "stats", totals of each domain since it started.
 *
 * Closed events are in the totals, so that they equal what the guest's perf
 * printed. Refusals come with the sentence of their reason
 * (include/pvperf/abi.h).
 */
#include "conf/pvperf_events.h"
#include "pvperf_bus.h"
#include "pvperf_json.h"
#include "pvperf_text.h"

static const char *const statsKeys[] = {
    "name", "uuid", "stale", "open", "open_peak", "max", "per_vcpu", "classes", "requests_sec",
    "min_period", "total_samples_sec", "total_samples_sec_max",
    "total_samples_sec_max_length", "cpu_period", "cpu_quota", "policy", "group", "driver", "batches",
    "kicks", "sleeps", NULL
};

static const char *const statsMaps[] = { "ops", "sampling", "refusals", "group_use", NULL };

typedef struct _pvperfStatsTotal pvperfStatsTotal;
struct _pvperfStatsTotal {
    guint64 opened;
    guint64 count;
    guint64 enabled;
    guint64 running;
};

/* The member @key of @stats, a dictionary of @type, or an empty one. */
static GVariant *
pvperfStatsMember(GVariant *stats,
                  const char *key,
                  const char *type)
{
    GVariant *member = g_variant_lookup_value(stats, key, G_VARIANT_TYPE(type));

    return member ? member : g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE(type + 1), NULL, 0));
}

static int
pvperfStatsCompareNames(const void *a,
                        const void *b)
{
    return g_strcmp0(*(char *const *) a, *(char *const *) b);
}

/* Names of the entries of a dictionary, in alphabetical order. */
static GPtrArray *
pvperfStatsNames(GVariant *dict)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    gsize i;

    for (i = 0; i < g_variant_n_children(dict); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(dict, i);
        g_autoptr(GVariant) name = g_variant_get_child_value(entry, 0);

        g_ptr_array_add(names, g_variant_dup_string(name, NULL));
    }
    g_ptr_array_sort(names, pvperfStatsCompareNames);
    return names;
}

static void
pvperfStatsGetTotal(GVariant *events,
                    const char *name,
                    pvperfStatsTotal *total)
{
    g_variant_lookup(events, name, "(tttt)", &total->opened, &total->count,
                     &total->enabled, &total->running);
}

static pvperfJson *
pvperfStatsLastRefusalsJson(GVariant *stats)
{
    pvperfJson *object = json_object_new_object();
    g_autoptr(GVariant) lasts = pvperfStatsMember(stats, "last_refusals", "a{s(st)}");
    g_autoptr(GPtrArray) names = pvperfStatsNames(lasts);
    unsigned int i;

    for (i = 0; i < names->len; i++) {
        pvperfJson *row = json_object_new_object();
        const char *event = "";
        guint64 limit = 0;

        g_variant_lookup(lasts, names->pdata[i], "(&st)", &event, &limit);
        pvperfJsonAddString(row, "event", event);
        pvperfJsonAddUint(row, "limit", limit);
        json_object_object_add(object, names->pdata[i], row);
    }
    return object;
}

static pvperfJson *
pvperfStatsJson(GVariant *stats)
{
    pvperfJson *object = pvperfJsonDict(stats, statsKeys);
    pvperfJson *array = json_object_new_array();
    g_autoptr(GVariant) events = pvperfStatsMember(stats, "events", "a{s(tttt)}");
    g_autoptr(GPtrArray) names = pvperfStatsNames(events);
    unsigned int i;
    size_t m;

    for (i = 0; i < names->len; i++) {
        pvperfJson *row = json_object_new_object();
        pvperfStatsTotal total = { 0 };

        pvperfStatsGetTotal(events, names->pdata[i], &total);
        pvperfJsonAddString(row, "event", names->pdata[i]);
        pvperfJsonAddUint(row, "opened", total.opened);
        pvperfJsonAddUint(row, "count", total.count);
        pvperfJsonAddUint(row, "enabled", total.enabled);
        pvperfJsonAddUint(row, "running", total.running);
        json_object_array_add(array, row);
    }
    json_object_object_add(object, "events", array);

    for (m = 0; statsMaps[m]; m++) {
        g_autoptr(GVariant) map = pvperfStatsMember(stats, statsMaps[m], "a{st}");
        g_autoptr(GPtrArray) keys = pvperfStatsNames(map);
        g_auto(GStrv) list = NULL;

        g_ptr_array_add(keys, NULL);
        list = (GStrv) g_ptr_array_steal(keys, NULL);
        json_object_object_add(object, statsMaps[m], pvperfJsonDict(map, (const char *const *) list));
    }
    json_object_object_add(object, "last_refusals", pvperfStatsLastRefusalsJson(stats));
    return object;
}

/* One "Name:   value" line, as virsh dominfo prints. */
static void
pvperfStatsLine(FILE *out,
                const char *name,
                const char *format,
                ...) G_GNUC_PRINTF(3, 4);

static void
pvperfStatsLine(FILE *out,
                const char *name,
                const char *format,
                ...)
{
    g_autofree char *value = NULL;
    g_autofree char *safe = NULL;
    va_list ap;

    va_start(ap, format);
    value = g_strdup_vprintf(format, ap);
    va_end(ap);
    safe = pvperfTextEscape(value, false);
    fprintf(out, " %-15s %s\n", name, safe);
}

static char *
pvperfStatsLimit(GVariant *stats,
                 const char *key)
{
    const uint64_t limit = pvperfDictUint(stats, key);

    return limit ? g_strdup_printf("%" G_GUINT64_FORMAT, limit) : g_strdup("no limit");
}

/* The limits of total_samples_sec, with its burst. */
static char *
pvperfStatsSamples(GVariant *stats)
{
    g_autofree char *rate = pvperfStatsLimit(stats, "total_samples_sec");
    const uint64_t max = pvperfDictUint(stats, "total_samples_sec_max");

    if (!max)
        return g_steal_pointer(&rate);
    return g_strdup_printf("%s (%" G_GUINT64_FORMAT " for %" G_GUINT64_FORMAT " s)", rate, max,
                           MAX(pvperfDictUint(stats, "total_samples_sec_max_length"), 1));
}

/* As in <cputune>: microseconds in each period. */
static char *
pvperfStatsCPU(GVariant *stats)
{
    const uint64_t quota = pvperfDictUint(stats, "cpu_quota");

    if (!quota)
        return g_strdup("no limit");
    return g_strdup_printf("%" G_GUINT64_FORMAT " us in each %" G_GUINT64_FORMAT " us",
                           quota, pvperfDictUint(stats, "cpu_period"));
}

/* "use of limit", or the use alone. */
static char *
pvperfStatsUse(GVariant *use,
               const char *used,
               const char *limit)
{
    const uint64_t max = pvperfDictUint(use, limit);
    const uint64_t is = pvperfDictUint(use, used);

    return max ? g_strdup_printf("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT, is, max) :
        g_strdup_printf("%" G_GUINT64_FORMAT, is);
}

/* Whose limits bind the domain beside its own, and what its group uses of them. */
static void
pvperfStatsPrintOthers(GVariant *stats,
                       FILE *out)
{
    g_autoptr(GVariant) use = pvperfStatsMember(stats, "group_use", "a{st}");
    g_autofree char *open = pvperfStatsUse(use, "open", "max");
    g_autofree char *samples = pvperfStatsLimit(use, "total_samples_sec");
    g_autofree char *requests = pvperfStatsLimit(use, "requests_sec");
    const char *policy = pvperfDictString(stats, "policy");
    const char *group = pvperfDictString(stats, "group");

    if (*policy)
        pvperfStatsLine(out, "Policy:", "%s", policy);
    if (!*group)
        return;
    pvperfStatsLine(out, "Group:", "%s, %" G_GUINT64_FORMAT " running domains", group,
                    pvperfDictUint(use, "members"));
    pvperfStatsLine(out, "", "open events %s, samples/s %s, requests/s %s", open, samples, requests);
}

static void
pvperfStatsPrintLimits(GVariant *stats,
                       FILE *out)
{
    g_autofree const char **classes = NULL;
    g_autofree char *joined = NULL;
    g_autofree char *requests = pvperfStatsLimit(stats, "requests_sec");
    g_autofree char *period = pvperfStatsLimit(stats, "min_period");
    g_autofree char *samples = pvperfStatsSamples(stats);
    g_autofree char *cpu = pvperfStatsCPU(stats);
    const char *driver = pvperfDictString(stats, "driver");

    if (g_variant_lookup(stats, "classes", "^a&s", &classes))
        joined = g_strjoinv(" ", (char **) classes);
    if (pvperfDictBool(stats, "stale"))
        pvperfStatsLine(out, "Figures:", "of its backend's last answer; it does not answer now");
    pvperfStatsLine(out, "Open events:", "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                    " (peak %" G_GUINT64_FORMAT ")", pvperfDictUint(stats, "open"),
                    pvperfDictUint(stats, "max"), pvperfDictUint(stats, "open_peak"));
    pvperfStatsLine(out, "Per vCPU:", "%" G_GUINT64_FORMAT " counting at once",
                    pvperfDictUint(stats, "per_vcpu"));
    pvperfStatsLine(out, "Classes:", "%s", joined && *joined ? joined : "none");
    pvperfStatsLine(out, "Requests/s:", "%s", requests);
    pvperfStatsLine(out, "Min period:", "%s", period);
    pvperfStatsLine(out, "Samples/s:", "%s", samples);
    pvperfStatsLine(out, "CPU time:", "%s", cpu);
    pvperfStatsPrintOthers(stats, out);
    pvperfStatsLine(out, "Guest driver:", "%s", *driver ? driver : "not seen since the domain started");
}

static void
pvperfStatsPrintWork(GVariant *stats,
                     FILE *out)
{
    g_autoptr(GVariant) ops = pvperfStatsMember(stats, "ops", "a{st}");
    g_autoptr(GPtrArray) names = pvperfStatsNames(ops);
    g_autoptr(GString) line = g_string_new(NULL);
    unsigned int i;

    for (i = 0; i < names->len; i++)
        g_string_append_printf(line, "%s%s %" G_GUINT64_FORMAT, i ? ", " : "",
                               (char *) names->pdata[i], pvperfDictUint(ops, names->pdata[i]));
    pvperfStatsLine(out, "Requests:", "%s", names->len ? line->str : "none");
    pvperfStatsLine(out, "Batches:", "%" G_GUINT64_FORMAT " (%" G_GUINT64_FORMAT
                    " doorbells, %" G_GUINT64_FORMAT " sleeps)", pvperfDictUint(stats, "batches"),
                    pvperfDictUint(stats, "kicks"), pvperfDictUint(stats, "sleeps"));
}

static void
pvperfStatsPrintSampling(GVariant *stats,
                         FILE *out)
{
    g_autoptr(GVariant) sampling = pvperfStatsMember(stats, "sampling", "a{st}");
    const uint64_t host = pvperfDictUint(sampling, "host_throttles");

    pvperfStatsLine(out, "Overflows:", "%" G_GUINT64_FORMAT " (%" G_GUINT64_FORMAT " NMIs)",
                    pvperfDictUint(sampling, "overflows"), pvperfDictUint(sampling, "nmis"));
    pvperfStatsLine(out, "Throttled:", "%" G_GUINT64_FORMAT " times, %.3f s",
                    pvperfDictUint(sampling, "throttles"),
                    pvperfDictUint(sampling, "throttled_ns") / 1e9);
    if (host)
        pvperfStatsLine(out, "", "%" G_GUINT64_FORMAT " times by the host's kernel", host);
}

static const char *
pvperfStatsReasonText(const char *name)
{
    int reason;

    for (reason = 0; reason < PVPERF_NR_REASONS; reason++) {
        if (g_str_equal(pvperfReasonName(reason), name))
            return pvperfReasonText(reason);
    }
    return NULL;
}

/* What the last refusal of a reason was about: "; last: EVENT, limit N". */
static char *
pvperfStatsLastRefusal(GVariant *last,
                       const char *reason)
{
    const char *event = "";
    guint64 limit = 0;
    g_autofree char *number = NULL;

    g_variant_lookup(last, reason, "(&st)", &event, &limit);
    if (limit)
        number = g_strdup_printf("limit %" G_GUINT64_FORMAT, limit);
    if (!*event && !limit)
        return g_strdup("");
    return g_strdup_printf("; last: %s%s%s", event, *event && limit ? ", " : "", number ? number : "");
}

static void
pvperfStatsPrintRefusals(GVariant *stats,
                         FILE *out)
{
    g_autoptr(GVariant) refusals = pvperfStatsMember(stats, "refusals", "a{st}");
    g_autoptr(GVariant) lasts = pvperfStatsMember(stats, "last_refusals", "a{s(st)}");
    g_autoptr(GPtrArray) names = pvperfStatsNames(refusals);
    const char *label = "Refused:";
    unsigned int i;

    for (i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        const uint64_t count = pvperfDictUint(refusals, name);
        const char *text = pvperfStatsReasonText(name);
        g_autofree char *last = pvperfStatsLastRefusal(lasts, name);

        if (count == 0)
            continue;
        pvperfStatsLine(out, label, "%" G_GUINT64_FORMAT " %s%s%s%s", count, name,
                        text ? ": " : "", text ? text : "", last);
        label = "";
    }
    if (*label)
        pvperfStatsLine(out, label, "none");
}

static void
pvperfStatsPrintEvents(pvperfShell *shell,
                       GVariant *stats)
{
    static const char *const columns[] = {
        "Event", ">Opened", ">Count", "Unit", ">Enabled (s)", ">Running (s)", ">Share", NULL
    };
    g_autoptr(GVariant) events = pvperfStatsMember(stats, "events", "a{s(tttt)}");
    g_autoptr(GPtrArray) names = pvperfStatsNames(events);
    g_autoptr(pvperfTable) table = pvperfTableNew(columns);
    unsigned int i;

    for (i = 0; i < names->len; i++) {
        const pvperfEventInfo *info = pvperfEventGet(pvperfEventFromName(names->pdata[i]));
        pvperfStatsTotal total = { 0 };

        pvperfStatsGetTotal(events, names->pdata[i], &total);
        pvperfTableAdd(table, names->pdata[i]);
        pvperfTableAddNumber(table, total.opened);
        pvperfTableAddNumber(table, total.count);
        pvperfTableAdd(table, info ? info->unit : "");
        pvperfTableTake(table, pvperfTextSeconds(total.enabled));
        pvperfTableTake(table, pvperfTextSeconds(total.running));
        pvperfTableTake(table, pvperfTextPercent(total.running, total.enabled));
    }
    fputc('\n', shell->out);
    if (names->len)
        pvperfTablePrint(table, shell->quiet ? PVPERF_TABLE_ROWS : PVPERF_TABLE_FULL, shell->out);
    if (names->len && shell->quiet)
        fputc('\n', shell->out);
}

static void
pvperfStatsPrint(pvperfShell *shell,
                 GVariant *stats)
{
    g_autofree char *name = pvperfTextEscape(pvperfDictString(stats, "name"), false);

    fprintf(shell->out, "Domain: '%s'\n", name);
    pvperfStatsPrintLimits(stats, shell->out);
    pvperfStatsPrintWork(stats, shell->out);
    pvperfStatsPrintSampling(stats, shell->out);
    pvperfStatsPrintRefusals(stats, shell->out);
    pvperfStatsPrintEvents(shell, stats);
}

/* The uuids of the arguments, as GetStats wants them. */
static GVariant *
pvperfStatsUuids(pvperfShell *shell,
                 GError **error)
{
    g_autoptr(GVariantBuilder) builder = g_variant_builder_new(G_VARIANT_TYPE("as"));
    g_autoptr(GVariant) domains = NULL;
    unsigned int i;

    if (shell->nargs > 0) {
        domains = pvperfBusDomains(shell, error);
        if (!domains)
            return NULL;
    }
    for (i = 0; i < shell->nargs; i++) {
        g_autofree char *uuid = pvperfBusResolve(shell, domains, shell->args[i], error);

        if (!uuid)
            return NULL;
        g_variant_builder_add(builder, "s", uuid);
    }
    return g_variant_new("(as)", builder);
}

static int
pvperfStats(pvperfShell *shell,
            GError **error)
{
    g_autoptr(pvperfJson) array = json_object_new_array();
    g_autoptr(GVariant) reply = NULL;
    GVariant *uuids = pvperfStatsUuids(shell, error);
    gsize i;

    if (!uuids)
        return -1;
    reply = pvperfBusCall(shell, "GetStats", uuids, "aa{sv}", error);
    if (!reply)
        return -1;
    for (i = 0; i < g_variant_n_children(reply); i++) {
        g_autoptr(GVariant) stats = g_variant_get_child_value(reply, i);

        if (pvperfShellIsJson(shell))
            json_object_array_add(array, pvperfStatsJson(stats));
        else
            pvperfStatsPrint(shell, stats);
    }
    if (pvperfShellIsJson(shell))
        pvperfJsonPrint(array, shell->out);
    else if (i == 0)
        pvperfShellNote(shell, "no domain with pvperf runs");
    return 0;
}

static const pvperfOption statsOptions[] = {
    PVPERF_OPTION_FORMAT,
    { NULL, NULL, NULL, NULL, 0 },
};

const pvperfCommand pvperfCommandStats = {
    .name = "stats",
    .args = "[DOMAIN...]",
    .max_args = G_MAXUINT,
    .summary = "show totals per event, limits and their use, and refusals",
    .options = statsOptions,
    .handler = pvperfStats,
    .complete = PVPERF_COMPLETE_DOMAINS,
};
