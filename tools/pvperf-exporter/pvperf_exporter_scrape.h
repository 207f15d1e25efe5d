/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_exporter_scrape.h: asking virtpvperfd, within a deadline.
 *
 * Any thread may scrape, several at once.
 */
#pragma once

#include "pvperf_exporter_format.h"

typedef struct _pvperfScraper pvperfScraper;

pvperfScraper *pvperfScraperNew(bool session,
                                unsigned int timeout_sec);

/* No scrape may be under way. */
void pvperfScraperFree(pvperfScraper *scraper);

/* Fills @scrape, with no stats in it if virtpvperfd cannot be asked. */
void pvperfScraperAsk(pvperfScraper *scraper,
                      pvperfScrape *scrape);

void pvperfScrapeClear(pvperfScrape *scrape);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(pvperfScrape, pvperfScrapeClear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pvperfScraper, pvperfScraperFree)
