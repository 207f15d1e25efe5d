/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_exporter_http.c: who asks, for what, in which format.
 *
 * libmicrohttpd serves each connection in a thread of its own, at most
 * PVPERF_HTTP_CONNECTIONS at once: a scrape that waits for the daemon holds up
 * nobody else, /healthz least of all. Everything is answered from the path and
 * the Accept header; a body is not taken.
 */
#include "pvperf_exporter_http.h"

#include <fcntl.h>
#include <string.h>
#include <sys/un.h>

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <microhttpd.h>

#define PVPERF_HTTP_CONNECTIONS 16
#define PVPERF_HTTP_IDLE_SEC 30

#define TYPE_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

struct _pvperfHttp {
    const char *path;
    char *landing;
    char *unix_path;            /* to be removed; or NULL */
    pvperfScraper *scraper;
    GSocket *socket;
    struct MHD_Daemon *daemon;
};


/* ---- content negotiation ---- */

/* A quality, "0.75", in thousandths; what is no quality is none. */
static unsigned int
pvperfHttpQuality(const char *text)
{
    unsigned int value = 0;
    unsigned int digit = 1000;

    if (!g_ascii_isdigit(text[0]) || (text[1] && text[1] != '.'))
        return 0;
    value = (text[0] - '0') * 1000;
    for (text += text[1] ? 2 : 1; g_ascii_isdigit(*text) && digit > 1; text++) {
        digit /= 10;
        value += (*text - '0') * digit;
    }
    return MIN(value, 1000);
}


/* How much one entry of an Accept header wants each format. */
static void
pvperfHttpEntry(const char *entry,
                unsigned int *text,
                unsigned int *open)
{
    g_auto(GStrv) parts = g_strsplit(entry, ";", -1);
    const char *type = parts[0] ? g_strstrip(parts[0]) : "";
    const char *version = NULL;
    unsigned int quality = 1000;
    size_t i;

    for (i = 1; parts[0] && parts[i]; i++) {
        const char *part = g_strstrip(parts[i]);

        if (g_ascii_strncasecmp(part, "q=", 2) == 0)
            quality = pvperfHttpQuality(part + 2);
        else if (g_ascii_strncasecmp(part, "version=", 8) == 0)
            version = part + 8;
    }
    if (g_ascii_strcasecmp(type, "application/openmetrics-text") == 0) {
        if (!version || g_str_equal(version, "1.0.0"))
            *open = MAX(*open, quality);
    } else if (g_ascii_strcasecmp(type, "text/plain") == 0) {
        if (!version || g_str_equal(version, "0.0.4"))
            *text = MAX(*text, quality);
    } else if (g_ascii_strcasecmp(type, "text/*") == 0 || g_str_equal(type, "*/*")) {
        *text = MAX(*text, quality);
    }
}


/* OpenMetrics for whom asks for it by name, and wants nothing else more. */
pvperfFormat
pvperfHttpNegotiate(const char *accept)
{
    g_auto(GStrv) entries = g_strsplit(accept ? accept : "", ",", 64);
    unsigned int text = 0;
    unsigned int open = 0;
    size_t i;

    for (i = 0; entries[i]; i++)
        pvperfHttpEntry(entries[i], &text, &open);
    return open && open >= text ? PVPERF_FORMAT_OPENMETRICS : PVPERF_FORMAT_TEXT;
}


/* ---- answers ---- */

static enum MHD_Result
pvperfHttpReply(struct MHD_Connection *connection,
                unsigned int status,
                const char *type,
                const char *text)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    response = MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}


static enum MHD_Result
pvperfHttpMetrics(pvperfHttp *http,
                  struct MHD_Connection *connection)
{
    const char *accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
    pvperfFormat format = pvperfHttpNegotiate(accept);
    g_auto(pvperfScrape) scrape = { .version = PVPERF_VERSION };
    g_autofree char *text = NULL;

    pvperfScraperAsk(http->scraper, &scrape);
    text = pvperfFormatScrape(&scrape, format);
    return pvperfHttpReply(connection, MHD_HTTP_OK,
                           format == PVPERF_FORMAT_OPENMETRICS ? TYPE_OPENMETRICS : TYPE_TEXT, text);
}


static enum MHD_Result
pvperfHttpHandle(void *opaque,
                 struct MHD_Connection *connection,
                 const char *url,
                 const char *method,
                 const char *version,
                 const char *data,
                 size_t *size,
                 void **state)
{
    pvperfHttp *http = opaque;

    if (!g_str_equal(method, MHD_HTTP_METHOD_GET) && !g_str_equal(method, MHD_HTTP_METHOD_HEAD))
        return pvperfHttpReply(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", "GET and HEAD only\n");
    if (g_str_equal(url, http->path))
        return pvperfHttpMetrics(http, connection);
    if (g_str_equal(url, "/"))
        return pvperfHttpReply(connection, MHD_HTTP_OK, "text/html; charset=utf-8", http->landing);
    if (g_str_equal(url, "/healthz"))
        return pvperfHttpReply(connection, MHD_HTTP_OK, "text/plain", "ok\n");
    return pvperfHttpReply(connection, MHD_HTTP_NOT_FOUND, "text/plain", "not found\n");
}


/* ---- the socket ---- */

static GSocketAddress *
pvperfHttpParse(const char *address,
                GError **error)
{
    const char *colon = strrchr(address, ':');
    g_autofree char *host = NULL;
    GSocketAddress *parsed = NULL;
    guint64 port;

    if (g_str_has_prefix(address, "unix:") && address[5] == '/' &&
        strlen(address + 5) < sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return g_unix_socket_address_new(address + 5);
    if (colon && g_ascii_string_to_unsigned(colon + 1, 10, 0, G_MAXUINT16, &port, NULL)) {
        if (*address == '[' && colon[-1] == ']')
            host = g_strndup(address + 1, colon - address - 2);
        else
            host = g_strndup(address, colon - address);
        parsed = g_inet_socket_address_new_from_string(g_str_equal(host, "localhost") ? "127.0.0.1" : host, port);
    }
    if (!parsed)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "--web.listen-address: '%s' is none of 'ADDRESS:PORT', '[IPv6]:PORT' (numeric, 0.0.0.0 or [::] for "
                    "all) and 'unix:/PATH'", address);
    return parsed;
}


/* A socket file that nobody listens on any more is in the way. */
static void
pvperfHttpRemoveStale(GSocketAddress *address,
                      const char *path)
{
    g_autoptr(GSocket) probe = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, NULL);
    g_autoptr(GError) error = NULL;

    if (probe && !g_socket_connect(probe, address, NULL, &error) &&
        g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED))
        g_unlink(path);
}


static bool
pvperfHttpListen(pvperfHttp *http,
                 const char *name,
                 GError **error)
{
    g_autoptr(GSocketAddress) address = pvperfHttpParse(name, error);
    const char *path = NULL;

    if (!address)
        return false;
    if (G_IS_UNIX_SOCKET_ADDRESS(address)) {
        path = g_unix_socket_address_get_path(G_UNIX_SOCKET_ADDRESS(address));
        pvperfHttpRemoveStale(address, path);
    }
    http->socket = g_socket_new(g_socket_address_get_family(address), G_SOCKET_TYPE_STREAM, 0, error);
    if (!http->socket || !g_socket_bind(http->socket, address, TRUE, error) || !g_socket_listen(http->socket, error)) {
        g_prefix_error(error, "--web.listen-address: '%s': ", name);
        return false;
    }
    http->unix_path = g_strdup(path);
    return true;
}


/* The port, if it was for the kernel to choose, is known only now. */
static void
pvperfHttpAnnounce(pvperfHttp *http)
{
    g_autoptr(GSocketAddress) address = g_socket_get_local_address(http->socket, NULL);
    g_autofree char *text = NULL;

    if (address && G_IS_SOCKET_CONNECTABLE(address))
        text = g_socket_connectable_to_string(G_SOCKET_CONNECTABLE(address));
    g_printerr("pvperf-exporter: listening on %s, metrics at %s\n",
               http->unix_path ? http->unix_path : text ? text : "?", http->path);
}


pvperfHttp *
pvperfHttpNew(const char *address,
              const char *path,
              pvperfScraper *scraper,
              GError **error)
{
    g_autoptr(pvperfHttp) http = g_new0(pvperfHttp, 1);
    g_autofree char *escaped = g_markup_escape_text(path, -1);
    int listener;

    http->path = path;
    http->scraper = scraper;
    http->landing = g_strdup_printf("<!DOCTYPE html>\n<title>pvperf-exporter</title>\n<h1>pvperf-exporter "
                                    PVPERF_VERSION "</h1>\n<p><a href=\"%s\">Metrics</a></p>\n", escaped);
    if (!pvperfHttpListen(http, address, error))
        return NULL;
    /* libmicrohttpd closes the one that it gets. */
    listener = fcntl(g_socket_get_fd(http->socket), F_DUPFD_CLOEXEC, 0);
    http->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL,
                                    0, NULL, NULL, pvperfHttpHandle, http,
                                    MHD_OPTION_LISTEN_SOCKET, listener,
                                    MHD_OPTION_CONNECTION_LIMIT, (unsigned int)PVPERF_HTTP_CONNECTIONS,
                                    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)PVPERF_HTTP_IDLE_SEC,
                                    MHD_OPTION_END);
    if (!http->daemon) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "libmicrohttpd could not start");
        return NULL;
    }
    pvperfHttpAnnounce(http);
    return g_steal_pointer(&http);
}


void
pvperfHttpFree(pvperfHttp *http)
{
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    g_clear_object(&http->socket);
    if (http->unix_path)
        g_unlink(http->unix_path);
    g_free(http->unix_path);
    g_free(http->landing);
    g_free(http);
}
