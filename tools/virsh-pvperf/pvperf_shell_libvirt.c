/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_shell_libvirt.c: how virsh-pvperf reaches libvirt.
 *
 * The connection is opened at its first use, with virsh's rules for URI and
 * authentication. libvirt's errors become one sentence with what to do about
 * it; libvirt itself prints nothing.
 */
#include "pvperf_shell.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <libxml/uri.h>

static void
pvperfLibvirtSilent(void *opaque,
                    virErrorPtr error)
{
}

/* What to do about libvirt's last error, or "". */
static const char *
pvperfLibvirtHint(virErrorPtr error)
{
    switch (error ? error->code : VIR_ERR_OK) {
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_ACCESS_DENIED:
        return "; be root or a member of the group 'libvirt', or have a polkit rule";
    case VIR_ERR_SYSTEM_ERROR:
        if (error->int1 == EACCES || error->int1 == EPERM)
            return "; be root or a member of the group 'libvirt'";
        if (error->int1 == ENOENT || error->int1 == ECONNREFUSED)
            return "; start it with 'systemctl start libvirtd'";
        return "";
    default:
        return "";
    }
}

void
pvperfShellLibvirtError(GError **error,
                        const char *format,
                        ...)
{
    virErrorPtr last = virGetLastError();
    g_autofree char *what = NULL;
    va_list ap;

    va_start(ap, format);
    what = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_LIBVIRT, "%s: %s%s",
                what, last && last->message ? last->message : "unknown error",
                pvperfLibvirtHint(last));
}

virConnectPtr
pvperfShellConnect(pvperfShell *shell,
                   GError **error)
{
    g_autofree char *what = NULL;

    if (shell->conn)
        return shell->conn;
    virSetErrorFunc(NULL, pvperfLibvirtSilent);
    shell->conn = virConnectOpenAuth(shell->uri, virConnectAuthPtrDefault, 0);
    if (shell->conn)
        return shell->conn;
    what = shell->uri ? g_strdup_printf("cannot connect to libvirt at '%s'", shell->uri) :
        g_strdup("cannot connect to libvirt");
    pvperfShellLibvirtError(error, "%s", what);
    return NULL;
}

/* The URI as it is in force: ours, or what libvirt's probing chose. */
static char *
pvperfShellEffectiveUri(pvperfShell *shell)
{
    g_autofree char *uri = NULL;
    char *result;

    if (shell->uri)
        return g_strdup(shell->uri);
    if (pvperfShellConnect(shell, NULL)) {
        uri = virConnectGetURI(shell->conn);
        result = g_strdup(uri);
        if (result)
            return result;
    }
    /* libvirt is away: what it would have chosen for the QEMU driver. */
    return g_strdup(geteuid() == 0 ? "qemu:///system" : "qemu:///session");
}

bool
pvperfShellWhere(pvperfShell *shell,
                 bool *session,
                 bool *remote,
                 GError **error)
{
    g_autofree char *text = pvperfShellEffectiveUri(shell);
    xmlURIPtr uri = xmlParseURI(text);

    if (!uri) {
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_USAGE, "'%s' is not a URI", text);
        return false;
    }
    *session = g_strcmp0(uri->path, "/session") == 0;
    *remote = uri->server != NULL;
    xmlFreeURI(uri);
    return true;
}

static virDomainPtr
pvperfShellLookup(virConnectPtr conn,
                  const char *domain)
{
    virDomainPtr dom = NULL;
    uint64_t id;

    if (g_ascii_string_to_unsigned(domain, 10, 0, INT_MAX, &id, NULL))
        dom = virDomainLookupByID(conn, (int) id);
    if (!dom && strlen(domain) == VIR_UUID_STRING_BUFLEN - 1)
        dom = virDomainLookupByUUIDString(conn, domain);
    if (!dom)
        dom = virDomainLookupByName(conn, domain);
    return dom;
}

virDomainPtr
pvperfShellDomain(pvperfShell *shell,
                  const char *domain,
                  GError **error)
{
    virConnectPtr conn = pvperfShellConnect(shell, error);
    virDomainPtr dom;

    if (!conn)
        return NULL;
    dom = pvperfShellLookup(conn, domain);
    if (dom)
        return dom;
    if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_NO_DOMAIN,
                    "no domain '%s': 'virsh list --all' lists those that exist", domain);
    else
        pvperfShellLibvirtError(error, "cannot look up domain '%s'", domain);
    return NULL;
}
