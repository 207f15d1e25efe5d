/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_check_gather.c: the facts of "check", from this machine.
 *
 * All the I/O of the command. Each source may be away; what it would have said
 * then stays unknown and the next is asked. The ivshmem socket is never
 * connected to (a peer gets a window and counts against a limit): that
 * somebody listens is in /proc/net/unix.
 */
#include "pvperf_check.h"

#include <string.h>

#include <libxml/xpath.h>

#include "pvperf_bus.h"
#include "util/pvperf_emulator.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlXPathContext, xmlXPathFreeContext)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlXPathObject, xmlXPathFreeObject)

/* The value of an XPath expression over a text, as a string; NULL if empty. */
static char *
pvperfGatherXPath(const char *text,
                  const char *expression)
{
    g_autoptr(xmlDoc) doc = xmlReadMemory(text, (int) strlen(text), NULL, NULL,
                                          XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    g_autoptr(xmlXPathContext) context = doc ? xmlXPathNewContext(doc) : NULL;
    g_autoptr(xmlXPathObject) object = NULL;
    xmlChar *value;
    char *result = NULL;

    if (!context)
        return NULL;
    object = xmlXPathEval(BAD_CAST expression, context);
    value = object ? xmlXPathCastToString(object) : NULL;
    if (value && *value)
        result = g_strdup((const char *) value);
    xmlFree(value);
    return result;
}

static void
pvperfGatherEmulatorPath(pvperfShell *shell,
                         pvperfCheckFacts *facts)
{
    const pvperfDomainXML *xml = pvperfCheckCurrent(facts);
    g_autofree char *capabilities = NULL;

    if (xml && xml->emulator) {
        facts->emulator = g_strdup(xml->emulator);
        return;
    }
    capabilities = virConnectGetDomainCapabilities(shell->conn, NULL, NULL, NULL, NULL, 0);
    if (capabilities)
        facts->emulator = pvperfGatherXPath(capabilities, "string(/domainCapabilities/path)");
}

static bool
pvperfGatherDomain(pvperfShell *shell,
                   const char *domain,
                   pvperfCheckFacts *facts,
                   GError **error)
{
    g_autoptr(virDomain) dom = pvperfShellDomain(shell, domain, error);

    if (!dom)
        return false;
    facts->domain = g_strdup(virDomainGetName(dom));
    facts->active = virDomainIsActive(dom) == 1;
    facts->persistent = virDomainIsPersistent(dom) == 1;
    if (facts->persistent)
        facts->config_text = pvperfDomainRead(dom, VIR_DOMAIN_XML_INACTIVE, error);
    if (facts->persistent && !facts->config_text)
        return false;
    if (facts->active)
        facts->live_text = pvperfDomainRead(dom, PVPERF_DOMAIN_LIVE, error);
    if (facts->active && !facts->live_text)
        return false;
    return true;
}

/* What the texts of the domain say; also for the texts of a test. */
bool
pvperfCheckParseDomain(pvperfCheckFacts *facts,
                       GError **error)
{
    static const char vhost[] = "string(//filesystem/driver[@type='virtiofs']/@type | "
        "//interface[@type='vhostuser']/@type | //disk[@type='vhostuser']/@type)";
    g_autofree char *found = NULL;

    if (facts->config_text) {
        facts->config = pvperfDomainXMLParse(facts->config_text, error);
        if (!facts->config)
            return false;
    }
    if (facts->live_text) {
        facts->live = pvperfDomainXMLParse(facts->live_text, error);
        if (!facts->live)
            return false;
    }
    if (facts->live_text || facts->config_text)
        found = pvperfGatherXPath(facts->live_text ? facts->live_text : facts->config_text, vhost);
    facts->vhost_user = found != NULL;
    return true;
}

static bool
pvperfGatherContains(const char *path,
                     const char *text)
{
    g_autofree char *content = NULL;

    return g_file_get_contents(path, &content, NULL, NULL) && strstr(content, text);
}

/* How libvirt confines QEMU, and for AppArmor whether a hot-plugged device is
 * allowed: our file and what includes it, or the local file of older libvirts. */
static void
pvperfGatherSecurity(virConnectPtr conn,
                     pvperfCheckFacts *facts)
{
    static const char models[] = "string(/capabilities/host/secmodel/model[. != 'none' and . != 'dac'])";
    static const char features[] = "/sys/kernel/security/apparmor/features/";
    static const char abstractions[] = "/etc/apparmor.d/abstractions/";
    g_autofree char *af_unix = g_strconcat(features, "network/af_unix", NULL);
    g_autofree char *af_unix_v9 = g_strconcat(features, "network_v9/af_unix", NULL);
    g_autofree char *libvirt = g_strconcat(abstractions, "libvirt-qemu", NULL);
    g_autofree char *ours = g_strconcat(abstractions, "libvirt-qemu.d/pvperf", NULL);
    g_autofree char *capabilities = virConnectGetCapabilities(conn);

    facts->security = capabilities ? pvperfGatherXPath(capabilities, models) : NULL;
    facts->apparmor_asks = pvperfGatherContains(af_unix, "yes") || pvperfGatherContains(af_unix_v9, "yes");
    facts->apparmor_rule =
        (g_file_test(ours, G_FILE_TEST_EXISTS) && pvperfGatherContains(libvirt, "libvirt-qemu.d")) ||
        pvperfGatherContains("/etc/apparmor.d/local/abstractions/libvirt-qemu", "pvperf/ivshmem.sock");
}

static bool
pvperfGatherLibvirt(pvperfShell *shell,
                    const char *domain,
                    pvperfCheckFacts *facts,
                    GError **error)
{
    g_autoptr(GError) cause = NULL;
    virConnectPtr conn = pvperfShellConnect(shell, &cause);

    if (!conn) {
        facts->libvirt_error = g_strdup(cause->message);
        return true;
    }
    facts->libvirt_uri = virConnectGetURI(conn);
    facts->driver = g_strdup(virConnectGetType(conn));
    virConnectGetLibVersion(conn, &facts->libvirt_version);
    pvperfGatherSecurity(conn, facts);
    if (domain && (!pvperfGatherDomain(shell, domain, facts, error) ||
                   !pvperfCheckParseDomain(facts, error)))
        return false;
    pvperfGatherEmulatorPath(shell, facts);
    return true;
}

static void
pvperfGatherSocket(pvperfCheckFacts *facts)
{
    g_autofree char *text = NULL;

    if (!facts->socket)
        facts->socket = pvperfDomainSocketDefault(facts->session);
    facts->socket_exists = g_file_test(facts->socket, G_FILE_TEST_EXISTS);
    if (facts->socket_exists && g_file_get_contents("/proc/net/unix", &text, NULL, NULL))
        facts->socket_listens = pvperfCheckListens(text, facts->socket);
}

/* The daemon's words on @domain. */
static void
pvperfGatherRow(pvperfShell *shell,
                pvperfCheckFacts *facts)
{
    g_autoptr(GVariant) domains = pvperfBusDomains(shell, NULL);
    g_autoptr(GVariant) stats = NULL;
    const char *uuid;
    gsize i;

    for (i = 0; domains && i < g_variant_n_children(domains) && !facts->row; i++) {
        g_autoptr(GVariant) row = g_variant_get_child_value(domains, i);

        if (g_str_equal(pvperfDictString(row, "name"), facts->domain))
            facts->row = g_steal_pointer(&row);
    }
    if (!facts->row || !facts->active)
        return;
    uuid = pvperfDictString(facts->row, "uuid");
    stats = pvperfBusCall(shell, "GetStats", g_variant_new("(^as)", (const char *[]) { uuid, NULL }),
                          "aa{sv}", NULL);
    if (stats && g_variant_n_children(stats) > 0)
        facts->stats = g_variant_get_child_value(stats, 0);
}

/* What the host grants of the element that counts. */
static void
pvperfGatherPolicy(pvperfShell *shell,
                   pvperfCheckFacts *facts)
{
    const pvperfDomainXML *xml = pvperfCheckCurrent(facts);
    g_autofree char *element = xml && xml->def ? pvperfDomainDefFormat(xml->def, true) : NULL;

    if (element)
        facts->policy = pvperfBusCall(shell, "GetPolicy", g_variant_new("(su)", element, xml->max_vcpus),
                                      "a{sv}", NULL);
}

static void
pvperfGatherDaemon(pvperfShell *shell,
                   pvperfCheckFacts *facts)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GVariant) properties = pvperfBusProperties(shell, &cause);
    const char *socket;

    if (!properties) {
        facts->daemon_error = g_strdup(cause->message);
        return;
    }
    facts->daemon_version = g_strdup(pvperfDictString(properties, "Version"));
    facts->daemon_libvirt = pvperfDictBool(properties, "LibvirtConnected");
    facts->daemon_ivshmem = pvperfDictBool(properties, "IvshmemConnected");
    socket = pvperfDictString(properties, "IvshmemSocket");
    facts->socket = *socket ? g_strdup(socket) : NULL;
    facts->capabilities = pvperfBusCall(shell, "GetCapabilities", NULL, "a{sv}", NULL);
    if (facts->domain) {
        pvperfGatherRow(shell, facts);
        pvperfGatherPolicy(shell, facts);
    }
}

static bool
pvperfGatherFlag(const char *path)
{
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) && strchr("Yy1", *text) && *text;
}

static void
pvperfGatherKernel(pvperfCheckFacts *facts)
{
    static const char *const pmus[] = { "cpu", "cpu_core", "cpu_atom", "armv8_pmuv3", "armv8_pmuv3_0" };
    g_autofree char *text = NULL;
    size_t i;

    if (g_file_get_contents("/proc/sys/kernel/perf_event_paranoid", &text, NULL, NULL))
        facts->paranoid = (int) g_ascii_strtoll(text, NULL, 10);
    for (i = 0; i < G_N_ELEMENTS(pmus); i++) {
        g_autofree char *path = g_build_filename("/sys/bus/event_source/devices", pmus[i], NULL);

        facts->has_pmu = facts->has_pmu || g_file_test(path, G_FILE_TEST_EXISTS);
    }
    facts->mediated = pvperfGatherFlag("/sys/module/kvm_intel/parameters/enable_mediated_pmu") ||
                      pvperfGatherFlag("/sys/module/kvm_amd/parameters/enable_mediated_pmu");
}

bool
pvperfCheckGather(pvperfShell *shell,
                  const char *domain,
                  const char *event,
                  pvperfCheckFacts *facts,
                  GError **error)
{
    bool remote;

    memset(facts, 0, sizeof(*facts));
    facts->event = g_strdup(event);
    if (!pvperfShellWhere(shell, &facts->session, &remote, error))
        return false;
    if (remote) {
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_USAGE,
                    "check looks at its own host: run the command there");
        return false;
    }
    if (!pvperfGatherLibvirt(shell, domain, facts, error))
        return false;
    if (facts->emulator)
        facts->ivshmem = pvperfEmulatorHasIvshmem(facts->emulator, &facts->ivshmem_error);
    pvperfGatherDaemon(shell, facts);
    pvperfGatherSocket(facts);
    pvperfGatherKernel(facts);
    return true;
}
