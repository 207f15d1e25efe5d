/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_exporter_format.h: one scrape as text, for Prometheus.
 *
 * Pure: what the daemon answered goes in, text comes out. Owns the table of
 * metrics, of which HELP, TYPE and UNIT and the table in docs/monitoring.rst
 * are made.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef struct _pvperfScrape pvperfScrape;
struct _pvperfScrape {
    GVariant *stats;            /* aa{sv} of GetStats; NULL: the daemon did not answer */
    GVariant *properties;       /* a{sv}; NULL with stats */
    uint64_t duration_ns;       /* that asking took */
    const char *version;        /* of the exporter */
};

typedef enum {
    PVPERF_FORMAT_TEXT,         /* Prometheus text format 0.0.4 */
    PVPERF_FORMAT_OPENMETRICS,  /* OpenMetrics 1.0 */
} pvperfFormat;

char *pvperfFormatScrape(const pvperfScrape *scrape,
                         pvperfFormat format);

/* The table of all metrics, in reStructuredText. */
char *pvperfFormatTable(void);
