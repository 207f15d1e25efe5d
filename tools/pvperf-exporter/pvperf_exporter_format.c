/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_exporter_format.c: the table of metrics, and how each is written.
 *
 * Called by the HTTP side with what one scrape brought, and by the unit test
 * with recorded answers. Invariants: integers are written as they came, times
 * by integer arithmetic, never by way of a double. Label values are the
 * host's: names of events, ops and reasons are those of our own tables, never
 * the keys of an answer, so that their number is bounded. What a guest says of
 * itself, its driver's version, must be a version.
 */
#include "pvperf_exporter_format.h"

#include <inttypes.h>
#include <string.h>

#include "conf/pvperf_events.h"

#define NS_PER_SEC UINT64_C(1000000000)

typedef enum {
    PVPERF_METRIC_COUNTER,
    PVPERF_METRIC_GAUGE,
    PVPERF_METRIC_INFO,
} pvperfMetricType;

typedef struct _pvperfMetric pvperfMetric;
typedef struct _pvperfWriter pvperfWriter;

struct _pvperfWriter {
    GString *text;
    pvperfFormat format;
    const pvperfScrape *scrape;
    const pvperfMetric *metric;
    bool begun;                 /* the metric's HELP and TYPE are written */
};

struct _pvperfMetric {
    const char *name;
    pvperfMetricType type;
    const char *unit;           /* "seconds": values are ns; or NULL */
    const char *labels;
    const char *help;
    /* All samples. Of one domain if @dict is not NULL, which is then its answer. */
    void (*write)(pvperfWriter *writer, GVariant *dict);
    const char *key;            /* where in the answer the value is */
    int field;                  /* and which part of it */
};

typedef struct {
    const char *name;
    const char *value;
} pvperfLabel;

static const char *const typeNames[] = {
    [PVPERF_METRIC_COUNTER] = "counter",
    [PVPERF_METRIC_GAUGE] = "gauge",
    [PVPERF_METRIC_INFO] = "info",
};

static const char *const opNames[] = { "hello", "open", "close", "enable", "disable", "read" };


/* ---- samples ---- */

/* OpenMetrics names a family without the suffix that its type gives a sample. */
static int
pvperfMetricFamilyLength(const pvperfMetric *metric,
                         pvperfFormat format)
{
    static const char *const suffixes[] = {
        [PVPERF_METRIC_COUNTER] = "_total",
        [PVPERF_METRIC_GAUGE] = "",
        [PVPERF_METRIC_INFO] = "_info",
    };
    size_t length = strlen(metric->name);

    return format == PVPERF_FORMAT_OPENMETRICS ? length - strlen(suffixes[metric->type]) : length;
}


static void
pvperfWriteHead(pvperfWriter *writer)
{
    const pvperfMetric *metric = writer->metric;
    const bool open = writer->format == PVPERF_FORMAT_OPENMETRICS;
    const int length = pvperfMetricFamilyLength(metric, writer->format);
    /* 0.0.4 has no type info. */
    const char *type = typeNames[!open && metric->type == PVPERF_METRIC_INFO ? PVPERF_METRIC_GAUGE : metric->type];

    g_string_append_printf(writer->text, "# HELP %.*s %s\n# TYPE %.*s %s\n", length, metric->name, metric->help,
                           length, metric->name, type);
    if (open && metric->unit)
        g_string_append_printf(writer->text, "# UNIT %.*s %s\n", length, metric->name, metric->unit);
}


static void
pvperfWriteEscaped(GString *text,
                   const char *value)
{
    for (; *value; value++) {
        if (*value == '\n') {
            g_string_append(text, "\\n");
        } else {
            if (*value == '"' || *value == '\\')
                g_string_append_c(text, '\\');
            g_string_append_c(text, *value);
        }
    }
}


static void
pvperfWriteSample(pvperfWriter *writer,
                  const pvperfLabel *labels,
                  size_t n,
                  uint64_t value)
{
    GString *text = writer->text;
    size_t i;

    if (!writer->begun)
        pvperfWriteHead(writer);
    writer->begun = true;
    g_string_append(text, writer->metric->name);
    for (i = 0; i < n; i++) {
        g_string_append_printf(text, "%s%s=\"", i ? "," : "{", labels[i].name);
        pvperfWriteEscaped(text, labels[i].value);
        g_string_append_c(text, '"');
    }
    if (n)
        g_string_append_c(text, '}');
    if (writer->metric->unit)
        g_string_append_printf(text, " %" PRIu64 ".%09" PRIu64 "\n", value / NS_PER_SEC, value % NS_PER_SEC);
    else
        g_string_append_printf(text, " %" PRIu64 "\n", value);
}


/* ---- of a domain ---- */

static const char *
pvperfDictString(GVariant *dict,
                 const char *key)
{
    const char *value = "";

    g_variant_lookup(dict, key, "&s", &value);
    return value;
}


/* A number or a boolean; false if there is none. */
static bool
pvperfDictNumber(GVariant *dict,
                 const char *key,
                 uint64_t *value)
{
    gboolean flag;
    guint32 narrow;

    if (g_variant_lookup(dict, key, "b", &flag))
        *value = flag;
    else if (g_variant_lookup(dict, key, "u", &narrow))
        *value = narrow;
    else
        return g_variant_lookup(dict, key, "t", value);
    return true;
}


static void
pvperfWriteDomainNumber(pvperfWriter *writer,
                        GVariant *dict)
{
    const pvperfLabel label = { "domain", pvperfDictString(dict, "name") };
    uint64_t value;

    if (pvperfDictNumber(dict, writer->metric->key, &value))
        pvperfWriteSample(writer, &label, 1, value);
}


static void
pvperfWriteDomainSampling(pvperfWriter *writer,
                          GVariant *dict)
{
    g_autoptr(GVariant) sampling = g_variant_lookup_value(dict, "sampling", G_VARIANT_TYPE("a{st}"));
    const pvperfLabel label = { "domain", pvperfDictString(dict, "name") };
    uint64_t value;

    if (sampling && g_variant_lookup(sampling, writer->metric->key, "t", &value))
        pvperfWriteSample(writer, &label, 1, value);
}


static void
pvperfWriteDomainEvents(pvperfWriter *writer,
                        GVariant *dict)
{
    g_autoptr(GVariant) events = g_variant_lookup_value(dict, "events", G_VARIANT_TYPE("a{s(tttt)}"));
    uint64_t totals[4];
    int i;

    for (i = 0; events && i < pvperfEventCount(); i++) {
        const pvperfLabel labels[] = {
            { "domain", pvperfDictString(dict, "name") },
            { "event", pvperfEventGet(i)->name },
        };

        if (g_variant_lookup(events, labels[1].value, "(tttt)", &totals[0], &totals[1], &totals[2], &totals[3]))
            pvperfWriteSample(writer, labels, G_N_ELEMENTS(labels), totals[writer->metric->field]);
    }
}


static void
pvperfWriteDomainRefusals(pvperfWriter *writer,
                          GVariant *dict)
{
    g_autoptr(GVariant) refusals = g_variant_lookup_value(dict, "refusals", G_VARIANT_TYPE("a{st}"));
    uint64_t value;
    int i;

    for (i = PVPERF_REASON_NONE + 1; refusals && i < PVPERF_NR_REASONS; i++) {
        const pvperfLabel labels[] = {
            { "domain", pvperfDictString(dict, "name") },
            { "reason", pvperfReasonName(i) },
        };

        if (g_variant_lookup(refusals, labels[1].value, "t", &value))
            pvperfWriteSample(writer, labels, G_N_ELEMENTS(labels), value);
    }
}


static void
pvperfWriteDomainRequests(pvperfWriter *writer,
                          GVariant *dict)
{
    g_autoptr(GVariant) ops = g_variant_lookup_value(dict, "ops", G_VARIANT_TYPE("a{st}"));
    uint64_t value;
    size_t i;

    for (i = 0; ops && i < G_N_ELEMENTS(opNames); i++) {
        const pvperfLabel labels[] = {
            { "domain", pvperfDictString(dict, "name") },
            { "op", opNames[i] },
        };

        if (g_variant_lookup(ops, opNames[i], "t", &value))
            pvperfWriteSample(writer, labels, G_N_ELEMENTS(labels), value);
    }
}


/* Digits and dots alone, and not many: it is the guest that says it. */
static const char *
pvperfDriverVersion(GVariant *dict)
{
    const char *version = pvperfDictString(dict, "driver");
    size_t length = strlen(version);

    return length < 16 && strspn(version, "0123456789.") == length ? version : "";
}


static void
pvperfWriteDomainInfo(pvperfWriter *writer,
                      GVariant *dict)
{
    const pvperfLabel labels[] = {
        { "domain", pvperfDictString(dict, "name") },
        { "uuid", pvperfDictString(dict, "uuid") },
        { "policy", pvperfDictString(dict, "policy") },
        { "group", pvperfDictString(dict, "group") },
        { "driver", pvperfDriverVersion(dict) },
    };

    pvperfWriteSample(writer, labels, G_N_ELEMENTS(labels), 1);
}


/* ---- of the host ---- */

static void
pvperfWriteProperty(pvperfWriter *writer,
                    GVariant *dict)
{
    uint64_t value;

    if (writer->scrape->properties && pvperfDictNumber(writer->scrape->properties, writer->metric->key, &value))
        pvperfWriteSample(writer, NULL, 0, value);
}


static void
pvperfWriteUp(pvperfWriter *writer,
              GVariant *dict)
{
    pvperfWriteSample(writer, NULL, 0, writer->scrape->stats != NULL);
}


static void
pvperfWriteDuration(pvperfWriter *writer,
                    GVariant *dict)
{
    pvperfWriteSample(writer, NULL, 0, writer->scrape->duration_ns);
}


static void
pvperfWriteBuild(pvperfWriter *writer,
                 GVariant *dict)
{
    const pvperfLabel label = { "version", writer->scrape->version };

    pvperfWriteSample(writer, &label, 1, 1);
}


/* ---- the table ---- */

#define COUNTER PVPERF_METRIC_COUNTER
#define GAUGE PVPERF_METRIC_GAUGE
#define INFO PVPERF_METRIC_INFO

/* By domain where the labels begin with it. */
static const pvperfMetric metrics[] = {
    { "pvperf_domain_event_count_total", COUNTER, NULL, "domain, event",
      "What the guest counted of an event; clocks count nanoseconds.",
      pvperfWriteDomainEvents, NULL, 1 },
    { "pvperf_domain_event_enabled_seconds_total", COUNTER, "seconds", "domain, event",
      "Time that the guest had an event enabled, summed over its events and vCPUs.",
      pvperfWriteDomainEvents, NULL, 2 },
    { "pvperf_domain_event_running_seconds_total", COUNTER, "seconds", "domain, event",
      "Time of these in which the host counted.",
      pvperfWriteDomainEvents, NULL, 3 },
    { "pvperf_domain_events_open", GAUGE, NULL, "domain",
      "Events that the guest has open.",
      pvperfWriteDomainNumber, "open", 0 },
    { "pvperf_domain_events_max", GAUGE, NULL, "domain",
      "Events that the guest may have open.",
      pvperfWriteDomainNumber, "max", 0 },
    { "pvperf_domain_refusals_total", COUNTER, NULL, "domain, reason",
      "Requests of the guest that were refused.",
      pvperfWriteDomainRefusals, NULL, 0 },
    { "pvperf_domain_requests_total", COUNTER, NULL, "domain, op",
      "Requests of the guest, refused ones too.",
      pvperfWriteDomainRequests, NULL, 0 },
    { "pvperf_domain_overflows_total", COUNTER, NULL, "domain",
      "Overflows of the guest's events that the host took.",
      pvperfWriteDomainSampling, "overflows", 0 },
    { "pvperf_domain_nmis_total", COUNTER, NULL, "domain",
      "NMIs raised in the guest for overflows.",
      pvperfWriteDomainSampling, "nmis", 0 },
    { "pvperf_domain_throttles_total", COUNTER, NULL, "domain",
      "Times that an event was throttled by the domain's limits.",
      pvperfWriteDomainSampling, "throttles", 0 },
    { "pvperf_domain_throttled_seconds_total", COUNTER, "seconds", "domain",
      "Time that events were throttled by the domain's limits, summed over events.",
      pvperfWriteDomainSampling, "throttled_ns", 0 },
    { "pvperf_domain_stale", GAUGE, NULL, "domain",
      "1: the domain's backend did not answer in time or is being replaced; its figures are older ones.",
      pvperfWriteDomainNumber, "stale", 0 },
    { "pvperf_domain_info", INFO, NULL, "domain, uuid, policy, group, driver",
      "What else is known of a domain; always 1.",
      pvperfWriteDomainInfo, NULL, 0 },
    { "pvperf_ivshmem_up", GAUGE, NULL, "",
      "1: the daemon is connected to pvperf-ivshmem.",
      pvperfWriteProperty, "IvshmemConnected", 0 },
    { "pvperf_libvirt_up", GAUGE, NULL, "",
      "1: the daemon is connected to libvirt.",
      pvperfWriteProperty, "LibvirtConnected", 0 },
    { "pvperf_up", GAUGE, NULL, "",
      "1: virtpvperfd answered this scrape in time.",
      pvperfWriteUp, NULL, 0 },
    { "pvperf_scrape_duration_seconds", GAUGE, "seconds", "",
      "Time that asking virtpvperfd took.",
      pvperfWriteDuration, NULL, 0 },
    { "pvperf_build_info", INFO, NULL, "version",
      "Version of the exporter; always 1.",
      pvperfWriteBuild, NULL, 0 },
};


/* All samples of a metric stand together. */
static void
pvperfWriteMetric(pvperfWriter *writer,
                  const pvperfMetric *metric)
{
    GVariant *stats = writer->scrape->stats;
    size_t i;

    writer->metric = metric;
    writer->begun = false;
    if (!g_str_has_prefix(metric->labels, "domain")) {
        metric->write(writer, NULL);
        return;
    }
    for (i = 0; stats && i < g_variant_n_children(stats); i++) {
        g_autoptr(GVariant) dict = g_variant_get_child_value(stats, i);

        metric->write(writer, dict);
    }
}


char *
pvperfFormatScrape(const pvperfScrape *scrape,
                   pvperfFormat format)
{
    pvperfWriter writer = { g_string_new(NULL), format, scrape, NULL, false };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(metrics); i++)
        pvperfWriteMetric(&writer, &metrics[i]);
    if (format == PVPERF_FORMAT_OPENMETRICS)
        g_string_append(writer.text, "# EOF\n");
    return g_string_free(writer.text, FALSE);
}


char *
pvperfFormatTable(void)
{
    static const char rule[] =
        "=============================================  =======  =======  ====================================  "
        "==========\n";
    const char *format = "%-45s  %-7s  %-7s  %-36s  %s\n";
    GString *text = g_string_new(rule);
    size_t i;

    g_string_append_printf(text, format, "name", "type", "unit", "labels", "what");
    g_string_append(text, rule);
    for (i = 0; i < G_N_ELEMENTS(metrics); i++) {
        const pvperfMetric *metric = &metrics[i];
        g_autofree char *name = g_strdup_printf("``%s``", metric->name);

        g_string_append_printf(text, format, name, typeNames[metric->type], metric->unit ? metric->unit : "",
                               metric->labels, metric->help);
    }
    g_string_append(text, rule);
    return g_string_free(text, FALSE);
}
