/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_exporter_http.h: the web side of the exporter.
 *
 * Owns the listening socket and libmicrohttpd's daemon on it.
 */
#pragma once

#include "pvperf_exporter_scrape.h"

typedef struct _pvperfHttp pvperfHttp;

/* @address: "HOST:PORT", HOST numeric (IPv6 in brackets) or "localhost", or
 * "unix:PATH". @path must outlive it. */
pvperfHttp *pvperfHttpNew(const char *address,
                          const char *path,
                          pvperfScraper *scraper,
                          GError **error);

/* Waits for requests that are being served. */
void pvperfHttpFree(pvperfHttp *http);

/* Which format an Accept header (or NULL) asks for. */
pvperfFormat pvperfHttpNegotiate(const char *accept);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(pvperfHttp, pvperfHttpFree)
