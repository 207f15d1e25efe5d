/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_dbus_format.c: names come from the tables, numbers as they are.
 */
#include "pvperf_dbus_format.h"

#include "conf/pvperf_policy_text.h"

static const char *const slotStates[] = {
    [PVPERF_SLOT_CLOSED] = "closed",
    [PVPERF_SLOT_COUNTING] = "counting",
    [PVPERF_SLOT_FINAL] = "final",
    [PVPERF_SLOT_REFUSED] = "refused",
};

/* by the number of the op; [0] is PVPERF_HELLO */
static const char *const opNames[] = {
    "hello",
    [KVM_PERF_OP_OPEN] = "open",
    [KVM_PERF_OP_CLOSE] = "close",
    [KVM_PERF_OP_ENABLE] = "enable",
    [KVM_PERF_OP_DISABLE] = "disable",
    [KVM_PERF_OP_READ] = "read",
};


void
pvperfDomainViewFree(pvperfDomainView *view)
{
    g_free(view->name);
    g_free(view->uuid);
    g_free(view->reason);
    g_free(view->policy_name);
    g_free(view->group_name);
    g_free(view);
}


/* Version of the guest's driver; "" until one said hello. */
static char *
pvperfDBusDriver(const pvperfControlStats *stats)
{
    uint32_t version = stats->driver_version;

    if (!stats->driver_abi)
        return g_strdup("");
    return g_strdup_printf("%u.%u.%u", version >> 16, version >> 8 & 0xff, version & 0xff);
}


/* Why; and how much more is open than max allows since it was lowered. */
static char *
pvperfDBusReason(const pvperfDomainView *view)
{
    uint32_t open = view->stats.open;
    uint32_t max = view->policy.max;

    if (!view->serves || open <= max)
        return g_strdup(view->reason);
    return g_strdup_printf("%s%s%u events are open, %u more than events max, which was lowered to %u",
                           view->reason, *view->reason ? "; " : "", open, open - max, max);
}


GVariant *
pvperfDBusFormatDomain(const pvperfDomainView *view)
{
    g_autofree char *driver = pvperfDBusDriver(&view->stats);
    g_autofree char *reason = pvperfDBusReason(view);
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "name", "s", view->name);
    g_variant_dict_insert(&dict, "uuid", "s", view->uuid);
    g_variant_dict_insert(&dict, "id", "i", view->id);
    g_variant_dict_insert(&dict, "state", "s", view->state);
    g_variant_dict_insert(&dict, "reason", "s", reason);
    g_variant_dict_insert(&dict, "policy", "s", view->policy_name ? view->policy_name : "");
    g_variant_dict_insert(&dict, "group", "s", view->group_name ? view->group_name : "");
    g_variant_dict_insert(&dict, "migratable", "b", view->migratable);
    g_variant_dict_insert(&dict, "differs", "b", view->differs);
    g_variant_dict_insert(&dict, "open", "u", view->stats.open);
    g_variant_dict_insert(&dict, "max", "u", view->policy.max);
    g_variant_dict_insert(&dict, "driver", "s", driver);
    return g_variant_dict_end(&dict);
}


static GVariant *
pvperfDBusFormatClasses(const pvperfPolicy *policy)
{
    GVariantBuilder builder;
    int i;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("as"));
    for (i = 0; i < PVPERF_NR_CLASSES; i++) {
        if (policy->classes & (1U << i))
            g_variant_builder_add(&builder, "s", pvperfClassName(i));
    }
    return g_variant_builder_end(&builder);
}


/* Only events that were ever opened. */
static GVariant *
pvperfDBusFormatTotals(const pvperfControlStats *stats)
{
    GVariantBuilder builder;
    int i;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{s(tttt)}"));
    for (i = 0; i < pvperfEventCount(); i++) {
        const pvperfControlTotal *total = &stats->totals[i];

        if (total->opened)
            g_variant_builder_add(&builder, "{s(tttt)}", pvperfEventGet(i)->name, total->opened,
                                  total->count, total->time_enabled, total->time_running);
    }
    return g_variant_builder_end(&builder);
}


static GVariant *
pvperfDBusFormatOps(const pvperfControlStats *stats)
{
    GVariantBuilder builder;
    size_t i;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{st}"));
    for (i = 0; i < G_N_ELEMENTS(opNames); i++)
        g_variant_builder_add(&builder, "{st}", opNames[i], stats->ops[i]);
    return g_variant_builder_end(&builder);
}


static GVariant *
pvperfDBusFormatSampling(const pvperfControlSampling *sampling)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{st}"));
    g_variant_builder_add(&builder, "{st}", "overflows", sampling->overflows);
    g_variant_builder_add(&builder, "{st}", "nmis", sampling->nmis);
    g_variant_builder_add(&builder, "{st}", "throttles", sampling->throttles);
    g_variant_builder_add(&builder, "{st}", "throttled_ns", sampling->throttled_ns);
    g_variant_builder_add(&builder, "{st}", "host_throttles", sampling->host_throttles);
    return g_variant_builder_end(&builder);
}


/* Limits and use of all members together; empty in no group. */
static GVariant *
pvperfDBusFormatGroup(const pvperfDomainView *view)
{
    const pvperfGroupLimits *limits = &view->group_limits;
    const pvperfGroupUse *use = &view->group_use;
    const struct {
        const char *name;
        uint64_t value;
    } items[] = {
        { "members", use->members },
        { "open", use->open },
        { "max", limits->max },
        { "overflows", use->overflows },
        { "total_samples_sec", limits->total_samples_sec },
        { "total_samples_sec_max", limits->total_samples_sec_max },
        { "total_samples_sec_max_length", limits->total_samples_sec_max_length },
        { "requests", use->requests },
        { "requests_sec", limits->requests_sec },
    };
    GVariantBuilder builder;
    size_t i;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{st}"));
    for (i = 0; use->members && i < G_N_ELEMENTS(items); i++)
        g_variant_builder_add(&builder, "{st}", items[i].name, items[i].value);
    return g_variant_builder_end(&builder);
}


static GVariant *
pvperfDBusFormatRefusals(const pvperfControlStats *stats)
{
    GVariantBuilder builder;
    int i;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{st}"));
    for (i = PVPERF_REASON_NONE + 1; i < PVPERF_NR_REASONS; i++)
        g_variant_builder_add(&builder, "{st}", pvperfReasonName(i), stats->refusals[i]);
    return g_variant_builder_end(&builder);
}


/* Only reasons that were ever given. */
static GVariant *
pvperfDBusFormatLastRefusals(const pvperfControlStats *stats)
{
    GVariantBuilder builder;
    int i;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{s(st)}"));
    for (i = PVPERF_REASON_NONE + 1; i < PVPERF_NR_REASONS; i++) {
        const pvperfControlRefusal *last = &stats->last_refusals[i];
        const pvperfEventInfo *info = pvperfEventGet(last->event);

        if (stats->refusals[i])
            g_variant_builder_add(&builder, "{s(st)}", pvperfReasonName(i),
                                  info ? info->name : "", last->limit);
    }
    return g_variant_builder_end(&builder);
}


GVariant *
pvperfDBusFormatStats(const pvperfDomainView *view)
{
    const pvperfControlStats *stats = &view->stats;
    const pvperfPolicy *policy = &view->policy;
    g_autofree char *driver = pvperfDBusDriver(stats);
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "name", "s", view->name);
    g_variant_dict_insert(&dict, "uuid", "s", view->uuid);
    g_variant_dict_insert(&dict, "stale", "b", !view->fresh);
    g_variant_dict_insert(&dict, "open", "u", stats->open);
    g_variant_dict_insert(&dict, "open_peak", "u", stats->open_peak);
    g_variant_dict_insert(&dict, "max", "u", policy->max);
    g_variant_dict_insert(&dict, "per_vcpu", "u", policy->per_vcpu);
    g_variant_dict_insert_value(&dict, "classes", pvperfDBusFormatClasses(policy));
    g_variant_dict_insert(&dict, "requests_sec", "t", policy->requests_sec);
    g_variant_dict_insert(&dict, "min_period", "t", policy->min_period);
    g_variant_dict_insert(&dict, "total_samples_sec", "t", policy->total_samples_sec);
    g_variant_dict_insert(&dict, "total_samples_sec_max", "t", policy->total_samples_sec_max);
    g_variant_dict_insert(&dict, "total_samples_sec_max_length", "t",
                          (guint64)policy->total_samples_sec_max_length);
    g_variant_dict_insert(&dict, "cpu_period", "t", policy->cpu_period_us);
    g_variant_dict_insert(&dict, "cpu_quota", "t", policy->cpu_quota_us);
    g_variant_dict_insert(&dict, "policy", "s", view->policy_name ? view->policy_name : "");
    g_variant_dict_insert(&dict, "group", "s", view->group_name ? view->group_name : "");
    g_variant_dict_insert_value(&dict, "group_use", pvperfDBusFormatGroup(view));
    g_variant_dict_insert(&dict, "driver", "s", driver);
    g_variant_dict_insert(&dict, "batches", "t", stats->batches);
    g_variant_dict_insert(&dict, "kicks", "t", stats->kicks);
    g_variant_dict_insert(&dict, "sleeps", "t", stats->sleeps);
    g_variant_dict_insert_value(&dict, "events", pvperfDBusFormatTotals(stats));
    g_variant_dict_insert_value(&dict, "ops", pvperfDBusFormatOps(stats));
    g_variant_dict_insert_value(&dict, "sampling", pvperfDBusFormatSampling(&stats->sampling));
    g_variant_dict_insert_value(&dict, "refusals", pvperfDBusFormatRefusals(stats));
    g_variant_dict_insert_value(&dict, "last_refusals", pvperfDBusFormatLastRefusals(stats));
    return g_variant_dict_end(&dict);
}


GVariant *
pvperfDBusFormatPolicy(const pvperfEffective *effective)
{
    g_autofree char *element = pvperfPolicyTextElement(&effective->policy, effective->group_name);
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "element", "s", element);
    g_variant_dict_insert(&dict, "policy", "s", effective->policy_name ? effective->policy_name : "");
    g_variant_dict_insert(&dict, "group", "s", effective->group_name ? effective->group_name : "");
    g_variant_dict_insert(&dict, "remarks", "s", effective->remarks ? effective->remarks : "");
    return g_variant_dict_end(&dict);
}


GVariant *
pvperfDBusFormatEvent(const pvperfControlRecord *record)
{
    const pvperfEventInfo *info = pvperfEventGet(record->event);
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "id", "i", record->id);
    g_variant_dict_insert(&dict, "vcpu", "u", record->vcpu);
    g_variant_dict_insert(&dict, "event", "s", info->name);
    g_variant_dict_insert(&dict, "class", "s", pvperfClassName(info->klass));
    g_variant_dict_insert(&dict, "raw", "t", record->raw_config);
    g_variant_dict_insert(&dict, "state", "s", slotStates[record->state]);
    g_variant_dict_insert(&dict, "count", "t", record->count);
    g_variant_dict_insert(&dict, "unit", "s", info->unit);
    g_variant_dict_insert(&dict, "enabled", "t", record->time_enabled);
    g_variant_dict_insert(&dict, "running", "t", record->time_running);
    return g_variant_dict_end(&dict);
}
