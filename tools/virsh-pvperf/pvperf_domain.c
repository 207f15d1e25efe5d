/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain.c: reading and writing a domain's XML through libvirt.
 *
 * See pvperf_domain.h. libvirt has no compare-and-swap for definitions: the
 * window between the last read and the define is one round trip, and what the
 * definition became is read back and checked by the caller.
 */
#include "pvperf_domain.h"

#include "pvperf_bus.h"

/* Times that a change is made anew because somebody else wrote in between. */
#define PVPERF_DOMAIN_TRIES 5

char *
pvperfDomainRead(virDomainPtr dom,
                 unsigned int flags,
                 GError **error)
{
    char *xml = virDomainGetXMLDesc(dom, flags);

    if (!xml)
        pvperfShellLibvirtError(error, "cannot read the XML of domain '%s'", virDomainGetName(dom));
    return xml;
}

pvperfDomainWriteResult
pvperfDomainWrite(virDomainPtr dom,
                  const char *before,
                  const char *after,
                  unsigned int define_flags,
                  GError **error)
{
    g_autofree char *now = pvperfDomainRead(dom, PVPERF_DOMAIN_CONFIG, error);
    g_autoptr(virDomain) defined = NULL;

    if (!now)
        return PVPERF_DOMAIN_REFUSED;
    if (!g_str_equal(now, before))
        return PVPERF_DOMAIN_RACED;
    defined = virDomainDefineXMLFlags(virDomainGetConnect(dom), after, define_flags);
    if (defined)
        return PVPERF_DOMAIN_WRITTEN;
    pvperfShellLibvirtError(error, "libvirt refused the definition of domain '%s'",
                            virDomainGetName(dom));
    return PVPERF_DOMAIN_REFUSED;
}

bool
pvperfDomainChange(virDomainPtr dom,
                   pvperfDomainTransform transform,
                   const void *opaque,
                   GError **error)
{
    int try;

    for (try = 0; try < PVPERF_DOMAIN_TRIES; try++) {
        g_autofree char *before = pvperfDomainRead(dom, PVPERF_DOMAIN_CONFIG, error);
        g_autofree char *after = before ? transform(before, opaque, error) : NULL;

        if (!after)
            return false;
        switch (pvperfDomainWrite(dom, before, after, 0, error)) {
        case PVPERF_DOMAIN_WRITTEN:
            return true;
        case PVPERF_DOMAIN_REFUSED:
            return false;
        case PVPERF_DOMAIN_RACED:
            break;
        }
    }
    g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_FAILED,
                "somebody else keeps changing the definition of domain '%s': nothing was written",
                virDomainGetName(dom));
    return false;
}

bool
pvperfDomainCheck(const pvperfDomainXML *xml,
                  GError **error)
{
    static const char *const wrong[] = {
        [PVPERF_PLACE_TOP_LEVEL] =
            "<pvperf> stands directly in <domain>, where libvirt drops it: put it into <metadata>",
        [PVPERF_PLACE_NO_XMLNS] =
            "<pvperf> in <metadata> has no xmlns, and libvirt drops it: write <pvperf xmlns='" PVPERF_XMLNS "'>",
        [PVPERF_PLACE_WRONG_XMLNS] =
            "<pvperf> in <metadata> has another xmlns than '" PVPERF_XMLNS "'",
        [PVPERF_PLACE_TWICE] =
            "<metadata> holds <pvperf> more than once, and libvirt keeps only one: leave one",
    };

    if (xml->place < G_N_ELEMENTS(wrong) && wrong[xml->place]) {
        g_set_error_literal(error, PVPERF_CONF_ERROR, PVPERF_CONF_ERROR_PLACE, wrong[xml->place]);
        return false;
    }
    if (xml->def_error) {
        g_propagate_error(error, g_error_copy(xml->def_error));
        return false;
    }
    if (xml->device.count > 1) {
        g_set_error(error, PVPERF_CONF_ERROR, PVPERF_CONF_ERROR_DEVICE,
                    "the domain has %u <shmem name='" PVPERF_DEVICE_NAME "'> devices: leave one",
                    xml->device.count);
        return false;
    }
    return true;
}

/* The path that virtpvperfd says, or NULL. */
static char *
pvperfDomainSocketOfDaemon(pvperfShell *shell)
{
    g_autoptr(GVariant) properties = pvperfBusProperties(shell, NULL);
    const char *path = properties ? pvperfDictString(properties, "IvshmemSocket") : "";

    return *path ? g_strdup(path) : NULL;
}

char *
pvperfDomainSocketDefault(bool session)
{
    if (session)
        return g_build_filename(g_get_user_runtime_dir(), "libvirt", "pvperf", "ivshmem.sock", NULL);
    return g_strdup("/run/libvirt/pvperf/ivshmem.sock");
}

char *
pvperfDomainSocket(pvperfShell *shell,
                   GError **error)
{
    bool session;
    bool remote;
    char *path;

    if (!pvperfShellWhere(shell, &session, &remote, error))
        return NULL;
    path = remote ? NULL : pvperfDomainSocketOfDaemon(shell);
    if (path)
        return path;
    if (remote && session) {
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_FAILED,
                    "the socket's path of a session on another host is not known here: run the command there");
        return NULL;
    }
    return pvperfDomainSocketDefault(session);
}
