/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cmd_disable.c: "disable", take pvperf out of domains again.
 *
 * One define takes element, device and override out of the persistent XML; the
 * running domain loses its element at once, so that its guest stops counting,
 * and its device at its next shutdown, or now with --live if guest and machine
 * type let it go. What still holds the device afterwards is named.
 */
#include <string.h>

#include "pvperf_domain.h"
#include "pvperf_holders.h"
#include "pvperf_text.h"

/* What one domain has of ours. */
typedef struct _pvperfDisableFacts pvperfDisableFacts;
struct _pvperfDisableFacts {
    bool config_element;
    bool config_device;
    bool live_element;
    bool live_device;
    bool unplug;                /* the running domain's device is to go now */
};

static bool
pvperfDisableLook(virDomainPtr dom,
                  unsigned int flags,
                  bool *element,
                  bool *device,
                  GError **error)
{
    g_autofree char *text = pvperfDomainRead(dom, flags, error);
    g_autoptr(pvperfDomainXML) xml = text ? pvperfDomainXMLParse(text, error) : NULL;

    if (!xml)
        return false;
    *element = xml->place != PVPERF_PLACE_NONE;
    *device = xml->device.count > 0 || xml->device.has_override;
    return true;
}

static bool
pvperfDisableGather(pvperfShell *shell,
                    virDomainPtr dom,
                    pvperfDisableFacts *facts,
                    GError **error)
{
    const bool active = virDomainIsActive(dom) == 1;
    bool config = pvperfShellHas(shell, "config");
    bool live = pvperfShellHas(shell, "live");

    memset(facts, 0, sizeof(*facts));
    if (pvperfShellHas(shell, "current")) {
        live = active;
        config = !active;
    }
    facts->unplug = live;
    if (!config && !live)
        config = live = true;
    if (config && virDomainIsPersistent(dom) == 1 &&
        !pvperfDisableLook(dom, PVPERF_DOMAIN_CONFIG, &facts->config_element,
                           &facts->config_device, error))
        return false;
    if (live && active &&
        !pvperfDisableLook(dom, PVPERF_DOMAIN_LIVE, &facts->live_element, &facts->live_device, error))
        return false;
    return true;
}

static char *
pvperfDisableXml(const char *xml,
                 const void *opaque,
                 GError **error)
{
    return pvperfDomainXMLRemoveDevice(xml, true, error);
}

static bool
pvperfDisableConfig(pvperfShell *shell,
                    virDomainPtr dom,
                    GError **error)
{
    const char *name = virDomainGetName(dom);
    bool element = false;
    bool device = false;

    if (!pvperfDomainChange(dom, pvperfDisableXml, NULL, error) ||
        !pvperfDisableLook(dom, PVPERF_DOMAIN_CONFIG, &element, &device, error))
        return false;
    if (element || device) {
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_FAILED,
                    "%s is in the definition of domain '%s' again: somebody else put it back",
                    element ? "<pvperf>" : "the device", name);
        return false;
    }
    pvperfShellNote(shell, "Domain '%s': the persistent definition has nothing of pvperf any more", name);
    return true;
}

static bool
pvperfDisableUnplug(pvperfShell *shell,
                    virDomainPtr dom,
                    GError **error)
{
    const char *name = virDomainGetName(dom);

    if (virDomainDetachDeviceAlias(dom, PVPERF_DEVICE_ALIAS, VIR_DOMAIN_AFFECT_LIVE) < 0) {
        pvperfShellLibvirtError(error, "cannot unplug the device from the running domain '%s', "
                                "which has it until it is shut down", name);
        return false;
    }
    pvperfShellNote(shell, "Domain '%s': its guest was asked to let the device go", name);
    return true;
}

static bool
pvperfDisableLive(pvperfShell *shell,
                  virDomainPtr dom,
                  const pvperfDisableFacts *facts,
                  GError **error)
{
    const char *name = virDomainGetName(dom);

    if (facts->live_element) {
        if (virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, NULL, PVPERF_XMLNS_PREFIX,
                                 PVPERF_XMLNS, VIR_DOMAIN_AFFECT_LIVE) < 0) {
            pvperfShellLibvirtError(error, "cannot take <pvperf> out of the running domain '%s'", name);
            return false;
        }
        pvperfShellNote(shell, "Domain '%s': the running domain has no <pvperf> any more", name);
    }
    if (!facts->live_device)
        return true;
    if (facts->unplug)
        return pvperfDisableUnplug(shell, dom, error);
    pvperfShellNote(shell, "Domain '%s': the running domain has the device, unused, until it is shut down; "
                    "--live unplugs it", name);
    return true;
}

static void
pvperfDisableTellHolders(pvperfShell *shell,
                         virDomainPtr dom)
{
    g_autoptr(GPtrArray) holders = pvperfHoldersList(dom);
    unsigned int i;

    for (i = 0; i < holders->len; i++)
        pvperfShellWarn(shell, "%s", (const char *) holders->pdata[i]);
}

static void
pvperfDisableDryRun(pvperfShell *shell,
                    virDomainPtr dom,
                    const pvperfDisableFacts *facts)
{
    const struct {
        bool there;
        const char *what;
    } would[] = {
        { facts->config_element, "<pvperf> from the persistent definition" },
        { facts->config_device, "the device from the persistent definition" },
        { facts->live_element, "<pvperf> from the running domain" },
        { facts->live_device && facts->unplug, "the device from the running domain" },
    };
    g_autofree char *name = pvperfTextEscape(virDomainGetName(dom), false);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(would); i++) {
        if (would[i].there)
            fprintf(shell->out, "Domain '%s': would take %s\n", name, would[i].what);
    }
    if (facts->live_device && !facts->unplug)
        fprintf(shell->out, "Domain '%s': would leave the device in the running domain until it is shut down\n", name);
}

static bool
pvperfDisableOne(pvperfShell *shell,
                 virDomainPtr dom,
                 GError **error)
{
    pvperfDisableFacts facts;

    if (!pvperfDisableGather(shell, dom, &facts, error))
        return false;
    if (!facts.config_element && !facts.config_device && !facts.live_element && !facts.live_device) {
        if (!pvperfShellHas(shell, "all"))
            pvperfShellNote(shell, "Domain '%s': nothing of pvperf to take out", virDomainGetName(dom));
    } else if (pvperfShellHas(shell, "dry-run")) {
        pvperfDisableDryRun(shell, dom, &facts);
    } else {
        if ((facts.config_element || facts.config_device) && !pvperfDisableConfig(shell, dom, error))
            return false;
        if (!pvperfDisableLive(shell, dom, &facts, error))
            return false;
    }
    pvperfDisableTellHolders(shell, dom);
    return true;
}

static void
pvperfDisableFree(void *dom)
{
    virDomainFree(dom);
}

/* The domains of the arguments, or all of them; NULL with @error set. */
static GPtrArray *
pvperfDisableDomains(pvperfShell *shell,
                     GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(pvperfDisableFree);
    virDomainPtr *domains = NULL;
    virConnectPtr conn;
    unsigned int i;
    int count;

    for (i = 0; i < shell->nargs; i++) {
        virDomainPtr dom = pvperfShellDomain(shell, shell->args[i], error);

        if (!dom)
            return NULL;
        g_ptr_array_add(list, dom);
    }
    if (!pvperfShellHas(shell, "all"))
        return g_steal_pointer(&list);

    conn = pvperfShellConnect(shell, error);
    if (!conn)
        return NULL;
    count = virConnectListAllDomains(conn, &domains, 0);
    if (count < 0) {
        pvperfShellLibvirtError(error, "cannot list the domains");
        return NULL;
    }
    for (i = 0; i < (unsigned int) count; i++)
        g_ptr_array_add(list, domains[i]);
    free(domains);
    return g_steal_pointer(&list);
}

static int
pvperfDisable(pvperfShell *shell,
              GError **error)
{
    g_autoptr(GPtrArray) domains = NULL;
    int status = 0;
    unsigned int i;

    if (pvperfShellHas(shell, "all") == (shell->nargs > 0)) {
        g_set_error_literal(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_USAGE,
                            "command 'disable' needs either domains or --all");
        return -1;
    }
    if (pvperfShellHas(shell, "current") &&
        (pvperfShellHas(shell, "config") || pvperfShellHas(shell, "live"))) {
        g_set_error_literal(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_USAGE,
                            "--current does not go with --config or --live");
        return -1;
    }
    domains = pvperfDisableDomains(shell, error);
    if (!domains)
        return -1;
    /* One domain that refuses does not save the others. */
    for (i = 0; i < domains->len; i++) {
        g_autoptr(GError) cause = NULL;

        if (!pvperfDisableOne(shell, domains->pdata[i], &cause)) {
            pvperfShellComplain(shell, cause);
            status = 1;
        }
    }
    return status;
}

static const pvperfOption disableOptions[] = {
    { "all", NULL, "all domains that have something of pvperf", NULL, 0 },
    { "config", NULL, "only the persistent definition", NULL, 0 },
    { "live", NULL, "only the running domain, its device included", NULL, 0 },
    { "current", NULL, "--live if the domain runs, else --config", NULL, 0 },
    { "dry-run", NULL, "say what would be done, change nothing", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 },
};

const pvperfCommand pvperfCommandDisable = {
    .name = "disable",
    .args = "[DOMAIN...]",
    .max_args = G_MAXUINT,
    .summary = "take <pvperf> and its device out of domains",
    .options = disableOptions,
    .handler = pvperfDisable,
    .complete = PVPERF_COMPLETE_DOMAINS,
};
