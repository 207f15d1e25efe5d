/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cmd_enable.c: "enable", give a domain <pvperf> and its device.
 *
 * What virtpvperfd does within a second of "virsh edit", done at once: one
 * define of the persistent XML with the element (the bare one, if there is
 * none), the device and its override. The running domain is touched only by
 * --live, because a hot-plugged device has no override and so cannot be saved
 * or migrated. --print-xml writes nothing.
 */
#include "pvperf_domain.h"
#include "pvperf_file.h"
#include "util/pvperf_emulator.h"

/* @xml with the element, if it had none, and the device. */
static char *
pvperfEnableXml(const char *xml,
                const void *opaque,
                GError **error)
{
    const char *socket = opaque;
    const pvperfDomainDef bare = { 0 };
    g_autoptr(pvperfDomainXML) parsed = pvperfDomainXMLParse(xml, error);
    g_autofree char *with_element = NULL;

    if (!parsed || !pvperfDomainCheck(parsed, error))
        return NULL;
    if (parsed->place == PVPERF_PLACE_NONE) {
        with_element = pvperfDomainXMLSetDef(xml, &bare, error);
        if (!with_element)
            return NULL;
    }
    return pvperfDomainXMLAddDevice(with_element ? with_element : xml, socket, error);
}

/* True if the definition has all already; the texts differ in quotes and white
 * space, so what they say of ours is compared. */
static bool
pvperfEnableIsDone(virDomainPtr dom,
                   const char *socket)
{
    g_autofree char *before = pvperfDomainRead(dom, PVPERF_DOMAIN_CONFIG, NULL);
    g_autofree char *after = before ? pvperfEnableXml(before, socket, NULL) : NULL;
    g_autoptr(pvperfDomainXML) old = after ? pvperfDomainXMLParse(before, NULL) : NULL;
    g_autoptr(pvperfDomainXML) new = after ? pvperfDomainXMLParse(after, NULL) : NULL;

    return old && new && old->def && new->def &&
           pvperfDomainDefEqual(old->def, new->def) &&
           old->device.count == new->device.count &&
           old->device.has_alias == new->device.has_alias &&
           old->device.has_override == new->device.has_override &&
           old->device.vectors == new->device.vectors &&
           g_strcmp0(old->device.socket, new->device.socket) == 0;
}

/* Reads back what libvirt made of the definition. */
static bool
pvperfEnableVerify(pvperfShell *shell,
                   virDomainPtr dom,
                   GError **error)
{
    g_autofree char *text = pvperfDomainRead(dom, PVPERF_DOMAIN_CONFIG, error);
    g_autoptr(pvperfDomainXML) xml = text ? pvperfDomainXMLParse(text, error) : NULL;
    const char *name = virDomainGetName(dom);

    if (!xml)
        return false;
    if (!xml->def || xml->device.count != 1) {
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_FAILED,
                    "libvirt took the definition of domain '%s', but %s is not in it: "
                    "somebody else changed it, or this driver does not keep it",
                    name, xml->def ? "the device" : "<pvperf>");
        return false;
    }
    if (!xml->device.has_override && xml->def->migratable != PVPERF_TRISTATE_NO)
        pvperfShellWarn(shell, "libvirt did not keep <qemu:override> for domain '%s': it can be neither "
                        "saved nor migrated while it has the device (needs libvirt 8.2.0 or later)", name);
    return true;
}

static void
pvperfEnableTell(pvperfShell *shell,
                 virDomainPtr dom)
{
    const char *name = virDomainGetName(dom);

    if (virDomainIsActive(dom) == 1)
        pvperfShellNote(shell, "Domain '%s' has the device from its next cold start: "
                        "shut it down and start it, a reboot is not enough", name);
    if (virDomainHasManagedSaveImage(dom, 0) == 1)
        pvperfShellNote(shell, "Domain '%s' has a managed save image, which starts without the device; "
                        "'virsh managedsave-remove %s' discards it", name, name);
}

static bool
pvperfEnableConfig(pvperfShell *shell,
                   virDomainPtr dom,
                   const char *socket,
                   GError **error)
{
    const char *name = virDomainGetName(dom);
    g_autoptr(GError) cause = NULL;

    if (virDomainIsPersistent(dom) == 0) {
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_FAILED,
                    "domain '%s' is transient and has no persistent definition: use --live, or "
                    "--print-xml and create it from that", name);
        return false;
    }
    if (pvperfEnableIsDone(dom, socket)) {
        pvperfShellNote(shell, "Domain '%s' has <pvperf> and its device already", name);
        return true;
    }
    if (!pvperfDomainChange(dom, pvperfEnableXml, socket, &cause)) {
        if (cause->domain == PVPERF_CONF_ERROR)
            g_prefix_error(&cause, "domain '%s': ", name);
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    if (!pvperfEnableVerify(shell, dom, error))
        return false;
    pvperfShellNote(shell, "Domain '%s': <pvperf> and its device are in the persistent definition; "
                    "'virsh-pvperf disable %s' takes them out", name, name);
    pvperfEnableTell(shell, dom);
    return true;
}

/* The element that the running domain gets: the one of its definition. */
static char *
pvperfEnableLiveElement(virDomainPtr dom)
{
    const pvperfDomainDef bare = { 0 };
    g_autofree char *text = NULL;
    g_autoptr(pvperfDomainXML) xml = NULL;

    if (virDomainIsPersistent(dom) == 1)
        text = pvperfDomainRead(dom, PVPERF_DOMAIN_CONFIG, NULL);
    if (text)
        xml = pvperfDomainXMLParse(text, NULL);
    return pvperfDomainDefFormat(xml && xml->def ? xml->def : &bare, false);
}

static bool
pvperfEnableLiveMetadata(virDomainPtr dom,
                         GError **error)
{
    g_autofree char *element = pvperfEnableLiveElement(dom);
    g_autofree char *text = NULL;
    g_autoptr(pvperfDomainXML) live = NULL;
    const char *name = virDomainGetName(dom);

    if (virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, element, PVPERF_XMLNS_PREFIX,
                             PVPERF_XMLNS, VIR_DOMAIN_AFFECT_LIVE) < 0) {
        pvperfShellLibvirtError(error, "cannot add <pvperf> to the running domain '%s'", name);
        return false;
    }
    text = pvperfDomainRead(dom, PVPERF_DOMAIN_LIVE, error);
    live = text ? pvperfDomainXMLParse(text, error) : NULL;
    if (live && !live->def)
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_FAILED,
                    "libvirt took <pvperf> for the running domain '%s', but it is not there: "
                    "somebody else took it out", name);
    return live && live->def;
}

static bool
pvperfEnableAttach(pvperfShell *shell,
                   virDomainPtr dom,
                   const pvperfDomainXML *live,
                   const char *socket,
                   GError **error)
{
    g_autofree char *device = pvperfDomainXMLFormatDevice(socket, live->max_vcpus);
    const char *name = virDomainGetName(dom);

    if (live->device.count > 0) {
        pvperfShellNote(shell, "Domain '%s' runs with the device already", name);
        return true;
    }
    if (virDomainAttachDeviceFlags(dom, device, VIR_DOMAIN_AFFECT_LIVE) < 0) {
        pvperfShellLibvirtError(error, "cannot plug the device into the running domain '%s'", name);
        return false;
    }
    pvperfShellNote(shell, "Domain '%s': the device is plugged into the running domain", name);
    pvperfShellWarn(shell, "a hot-plugged device is not migratable: domain '%s' can be neither saved nor "
                    "migrated until it was shut down", name);
    return true;
}

static bool
pvperfEnableLive(pvperfShell *shell,
                 virDomainPtr dom,
                 const char *socket,
                 GError **error)
{
    const char *name = virDomainGetName(dom);
    g_autofree char *text = NULL;
    g_autoptr(pvperfDomainXML) live = NULL;

    if (virDomainIsActive(dom) != 1) {
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_FAILED,
                    "domain '%s' does not run: without --live it gets the device for its next start", name);
        return false;
    }
    text = pvperfDomainRead(dom, PVPERF_DOMAIN_LIVE, error);
    live = text ? pvperfDomainXMLParse(text, error) : NULL;
    if (!live || !pvperfDomainCheck(live, error)) {
        g_prefix_error(error, "running domain '%s': ", name);
        return false;
    }
    /* The device first: an element without it would only look as if. */
    if (!pvperfEnableAttach(shell, dom, live, socket, error))
        return false;
    return live->place != PVPERF_PLACE_NONE || pvperfEnableLiveMetadata(dom, error);
}

/* --print-xml: the XML of a domain, or of a file, with everything added. */
static int
pvperfEnablePrint(pvperfShell *shell,
                  virDomainPtr dom,
                  const char *socket,
                  GError **error)
{
    const char *file = pvperfShellOption(shell, "file");
    unsigned int flags = 0;
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;

    if (pvperfShellHas(shell, "security-info"))
        flags |= VIR_DOMAIN_XML_SECURE;
    if (dom && virDomainIsPersistent(dom) == 1)
        flags |= VIR_DOMAIN_XML_INACTIVE;
    before = dom ? pvperfDomainRead(dom, flags, error) : pvperfFileRead(file, error);
    if (!before)
        return -1;
    after = pvperfEnableXml(before, socket, error);
    if (!after) {
        g_prefix_error(error, "%s '%s': ", dom ? "domain" : "file", dom ? virDomainGetName(dom) : file);
        return -1;
    }
    fputs(after, shell->out);
    return 0;
}

static bool
pvperfEnableCheckUsage(pvperfShell *shell,
                       GError **error)
{
    const bool print = pvperfShellHas(shell, "print-xml");
    const bool file = pvperfShellHas(shell, "file");
    const bool config = pvperfShellHas(shell, "config");
    const bool live = pvperfShellHas(shell, "live");
    const bool current = pvperfShellHas(shell, "current");
    const char *wrong = NULL;

    if (file && !print)
        wrong = "--file needs --print-xml: a file is no domain yet";
    else if (file && shell->nargs)
        wrong = "give a domain or --file, not both";
    else if (!file && !shell->nargs)
        wrong = "command 'enable' needs DOMAIN";
    else if (print && (config || live || current))
        wrong = "--print-xml writes nothing: --config, --live and --current do not go with it";
    else if (current && (config || live))
        wrong = "--current does not go with --config or --live";
    else if (pvperfShellHas(shell, "security-info") && !print)
        wrong = "--security-info needs --print-xml";
    if (wrong)
        g_set_error_literal(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_USAGE, wrong);
    return !wrong;
}

/* False if the domain's QEMU lacks the device, and would not start with it. One
 * that cannot be asked, as on another host, is taken for one that has it. */
static bool
pvperfEnableCheckEmulator(pvperfShell *shell,
                          virDomainPtr dom,
                          GError **error)
{
    unsigned int flags = virDomainIsPersistent(dom) == 1 ? VIR_DOMAIN_XML_INACTIVE : 0;
    g_autofree char *text = NULL;
    g_autofree char *why = NULL;
    g_autofree char *sentence = NULL;
    g_autoptr(pvperfDomainXML) xml = NULL;
    bool session, remote;

    if (!pvperfShellWhere(shell, &session, &remote, error))
        return false;
    text = remote ? NULL : pvperfDomainRead(dom, flags, NULL);
    xml = text ? pvperfDomainXMLParse(text, NULL) : NULL;
    if (!xml || !xml->emulator || pvperfEmulatorHasIvshmem(xml->emulator, &why) != PVPERF_TRISTATE_NO)
        return true;
    sentence = pvperfEmulatorExplain(xml->emulator);
    g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_FAILED, "domain '%s': %s",
                virDomainGetName(dom), sentence);
    return false;
}

static int
pvperfEnable(pvperfShell *shell,
             GError **error)
{
    g_autoptr(virDomain) dom = NULL;
    g_autofree char *socket = NULL;
    bool config = pvperfShellHas(shell, "config");
    bool live = pvperfShellHas(shell, "live");

    if (!pvperfEnableCheckUsage(shell, error))
        return -1;
    if (shell->nargs) {
        dom = pvperfShellDomain(shell, shell->args[0], error);
        if (!dom)
            return -1;
    }
    socket = pvperfDomainSocket(shell, error);
    if (!socket)
        return -1;
    if (pvperfShellHas(shell, "print-xml"))
        return pvperfEnablePrint(shell, dom, socket, error);

    if (pvperfShellHas(shell, "current"))
        live = virDomainIsActive(dom) == 1;
    if (!live)
        config = true;
    if (!pvperfEnableCheckEmulator(shell, dom, error))
        return -1;
    if (config && !pvperfEnableConfig(shell, dom, socket, error))
        return -1;
    if (live && !pvperfEnableLive(shell, dom, socket, error))
        return -1;
    return 0;
}

static const pvperfOption enableOptions[] = {
    { "config", NULL, "change the persistent definition (the default)", NULL, 0 },
    { "live", NULL, "plug the device into the running domain", NULL, 0 },
    { "current", NULL, "--live if the domain runs, else --config", NULL, 0 },
    { "print-xml", NULL, "print the XML with everything added, change nothing", NULL, 0 },
    { "file", "FILE", "with --print-xml: a domain XML in a file, - for standard input", NULL, 0 },
    { "security-info", NULL, "with --print-xml: with passwords", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 },
};

const pvperfCommand pvperfCommandEnable = {
    .name = "enable",
    .args = "DOMAIN",
    .max_args = 1,
    .summary = "give a domain <pvperf> and its device",
    .options = enableOptions,
    .handler = pvperfEnable,
    .complete = PVPERF_COMPLETE_DOMAIN,
};
