/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_perf_event.c: an event as the user of perf writes it.
 *
 * See pvperf_perf_event.h. Only as much of perf's grammar as names one event of
 * PMU "cpu" or "pvperf"; the x86 fields are those of their sysfs "format".
 */
#include "pvperf_perf_event.h"

#include <linux/perf_event.h>
#include <string.h>

#include <glib.h>

static const struct {
    const char *name;
    const char *ours;
} perfAliases[] = {
    { "cpu-cycles", "cycles" },
    { "branch-instructions", "branches" },
};

static const char *const perfSoftware[] = {
    "alignment-faults", "bpf-output", "cgroup-switches", "context-switches", "cpu-clock",
    "cpu-migrations", "cs", "dummy", "emulation-faults", "faults", "major-faults", "migrations",
    "minor-faults", "page-faults", "task-clock", NULL
};

static const struct {
    const char *name;
    unsigned int shift;
    uint64_t max;
} perfFields[] = {
    { "event", 0, 0xff },
    { "umask", 8, 0xff },
    { "edge", 18, 1 },
    { "inv", 23, 1 },
    { "cmask", 24, 0xff },
};

/* One "field" or "field=value" of a PMU's terms. */
static bool
pvperfPerfTerm(const char *term,
               uint64_t *config)
{
    g_auto(GStrv) pair = g_strsplit(term, "=", 2);
    uint64_t value = 1;
    char *end;
    size_t i;

    if (!pair[0])
        return false;
    if (pair[1]) {
        value = g_ascii_strtoull(pair[1], &end, 0);
        if (end == pair[1] || *end)
            return false;
    }
    if (g_str_equal(pair[0], "config")) {
        *config |= value;
        return true;
    }
    for (i = 0; i < G_N_ELEMENTS(perfFields); i++) {
        if (g_str_equal(pair[0], perfFields[i].name) && value <= perfFields[i].max) {
            *config |= value << perfFields[i].shift;
            return true;
        }
    }
    return false;
}

static bool
pvperfPerfTerms(const char *terms,
                uint64_t *config)
{
    g_auto(GStrv) list = g_strsplit(terms, ",", -1);
    size_t i;

    *config = 0;
    for (i = 0; list[i]; i++) {
        if (!pvperfPerfTerm(list[i], config))
            return false;
    }
    return i > 0;
}

/* r followed by a hexadecimal number. */
static bool
pvperfPerfRaw(const char *text,
              uint64_t *config)
{
    return text[0] == 'r' && g_ascii_isxdigit(text[1]) &&
           g_ascii_string_to_unsigned(text + 1, 16, 0, G_MAXUINT64, config, NULL);
}

static pvperfEventIndex
pvperfPerfName(const char *name)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(perfAliases); i++) {
        if (g_str_equal(perfAliases[i].name, name))
            return pvperfEventFromName(perfAliases[i].ours);
    }
    return g_str_equal(name, "raw") ? PVPERF_EVENT_NONE : pvperfEventFromName(name);
}

pvperfPerfEvent
pvperfPerfEventParse(const char *text)
{
    pvperfPerfEvent parsed = { .event = PVPERF_EVENT_NONE };
    g_auto(GStrv) parts = g_strsplit(text, "/", 3);
    const bool in_pmu = g_strv_length(parts) == 3;
    g_autofree char *name = g_strdup(in_pmu ? parts[1] : text);
    char *modifier = in_pmu ? NULL : strchr(name, ':');

    if (in_pmu && !g_str_equal(parts[0], "cpu") && !g_str_equal(parts[0], "pvperf"))
        return parsed;
    if (modifier)
        *modifier = 0;
    parsed.event = pvperfPerfName(name);
    if (parsed.event != PVPERF_EVENT_NONE)
        return parsed;
    if (!in_pmu && g_strv_contains(perfSoftware, name))
        parsed.is_software = true;
    else if (pvperfPerfRaw(name, &parsed.raw_config) ||
             (in_pmu && g_str_equal(parts[0], "cpu") && pvperfPerfTerms(name, &parsed.raw_config)))
        parsed.event = pvperfEventFind(PERF_TYPE_RAW, parsed.raw_config);
    return parsed;
}
