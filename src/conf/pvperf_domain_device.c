/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_device.c: puts our device into a domain XML and takes it out.
 *
 * Owns the shape of <shmem> and <qemu:override>, the choice of the PCI slot,
 * and replacing <pvperf>. Called by the daemon (one define when <pvperf>
 * appears or goes) and by virsh-pvperf enable, disable and edit.
 *
 * Invariants: text in, text out; nodes that are not ours are carried over
 * untouched, white space included; doing a thing twice changes nothing more.
 */
#include <stdlib.h>
#include <string.h>

#include "pvperf_domain_xml_priv.h"

#define PVPERF_ALIAS_XML "<alias name='" PVPERF_DEVICE_ALIAS "'/>"

/* Slots of bus 0 that we take, from the first down to the last. Below come
 * the chipset and what libvirt hands out from the front; left out in between
 * are the habitual places of q35: 0x1a and 0x1d USB, 0x1b sound, 0x1f LPC. */
#define SLOT_FIRST 0x1e
#define SLOT_LAST 0x03
#define SLOTS_LEFT_OUT (1U << 0x1a | 1U << 0x1b | 1U << 0x1d)


/* ---- The PCI slot ---------------------------------------------------------- */

/* Devices of the domain have <address> as a child; deeper ones are the
 * host's. */
static uint32_t
usedSlots(xmlNodePtr devices)
{
    uint32_t used = 0;

    for (xmlNodePtr dev = devices->children; dev; dev = dev->next) {
        xmlNodePtr address = pvperfXMLChild(dev, "address");
        g_autofree char *domain = NULL;
        g_autofree char *bus = NULL;
        g_autofree char *slot = NULL;

        if (!address || !pvperfXMLHasAttr(address, "type", "pci"))
            continue;

        domain = (char *)xmlGetNoNsProp(address, BAD_CAST "domain");
        bus = (char *)xmlGetNoNsProp(address, BAD_CAST "bus");
        slot = (char *)xmlGetNoNsProp(address, BAD_CAST "slot");

        if ((domain && strtoul(domain, NULL, 0)) || (bus && strtoul(bus, NULL, 0)) || !slot)
            continue;
        used |= 1U << (strtoul(slot, NULL, 0) & 0x1f);
    }

    return used;
}


static int
findSlot(const pvperfDomainXML *dom,
         xmlNodePtr devices,
         GError **error)
{
    const char *const no_pci[] = { "microvm", "isapc", "none" };
    uint32_t used = usedSlots(devices) | SLOTS_LEFT_OUT;

    for (size_t i = 0; i < G_N_ELEMENTS(no_pci); i++) {
        if (g_strcmp0(dom->machine, no_pci[i]) == 0) {
            pvperfConfSetError(error, PVPERF_CONF_ERROR_DEVICE, 0,
                               "machine type '%s' has no PCI bus for the device; "
                               "allowed: q35, pc", dom->machine);
            return -1;
        }
    }

    for (int slot = SLOT_FIRST; slot >= SLOT_LAST; slot--) {
        if (!(used & 1U << slot))
            return slot;
    }

    pvperfConfSetError(error, PVPERF_CONF_ERROR_DEVICE, 0,
                       "no free PCI slot on bus 0 for the device; move or remove one of "
                       "the devices there");
    return -1;
}


/* ---- Adding ---------------------------------------------------------------- */

static char *
formatDevice(const char *socket,
             unsigned int vectors,
             int slot)
{
    g_autofree char *path = g_markup_escape_text(socket, -1);
    g_autofree char *address = NULL;

    if (slot >= 0)
        address = g_strdup_printf("  <address type='pci' domain='0x0000' bus='0x00' "
                                  "slot='0x%02x' function='0x0'/>\n", slot);

    return g_strdup_printf("<shmem name='" PVPERF_DEVICE_NAME "' role='master'>\n"
                           "  <model type='ivshmem-doorbell'/>\n"
                           "  <server path='%s'/>\n"
                           "  <msi vectors='%u'/>\n"
                           "  " PVPERF_ALIAS_XML "\n"
                           "%s"
                           "</shmem>\n",
                           path, vectors, address ? address : "");
}


char *
pvperfDomainXMLFormatDevice(const char *socket,
                            unsigned int vectors)
{
    return formatDevice(socket, vectors, -1);
}


static bool
checkElement(const pvperfDomainXML *dom,
             GError **error)
{
    if (dom->def_error) {
        g_propagate_error(error, g_error_copy(dom->def_error));
        return false;
    }

    if (!dom->def)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_PLACE, 0,
                                  "the domain has no <pvperf> in <metadata>");

    if (dom->max_vcpus > PVPERF_MAX_VCPUS)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_DEVICE, 0,
                                  "the domain may have %u vCPUs; allowed: up to %d",
                                  dom->max_vcpus, PVPERF_MAX_VCPUS);

    return true;
}


/* Is the device that is there the one we would add? */
static bool
checkDevice(const pvperfDomainXML *dom,
            xmlNodePtr device,
            const char *socket,
            GError **error)
{
    long line = xmlGetLineNo(device);

    if (dom->device.count > 1)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_DEVICE, line,
                                  "the domain has %u <shmem name='%s'>; allowed: one",
                                  dom->device.count, PVPERF_DEVICE_NAME);

    if (!pvperfXMLHasAttr(device, "name", PVPERF_DEVICE_NAME) ||
        !pvperfXMLHasAttr(device, "role", "master") ||
        !pvperfXMLHasAttr(pvperfXMLChild(device, "model"), "type", "ivshmem-doorbell"))
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_DEVICE, line,
                                  "the domain's own <shmem> with the name '%s' or the alias '%s' "
                                  "is another device; allowed: role='master', "
                                  "<model type='ivshmem-doorbell'/>",
                                  PVPERF_DEVICE_NAME, PVPERF_DEVICE_ALIAS);

    if (g_strcmp0(dom->device.socket, socket) != 0)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_DEVICE, line,
                                  "<shmem name='%s'>: <server path='%s'/> is not ours; "
                                  "allowed: '%s'", PVPERF_DEVICE_NAME,
                                  dom->device.socket ? dom->device.socket : "", socket);

    if (dom->device.vectors != dom->max_vcpus)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_DEVICE, line,
                                  "<shmem name='%s'>: <msi vectors='%u'/> does not fit the domain; "
                                  "allowed: %u, its maximum of vCPUs", PVPERF_DEVICE_NAME,
                                  dom->device.vectors, dom->max_vcpus);

    if (!dom->device.has_alias && pvperfXMLChild(device, "alias"))
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_DEVICE, line,
                                  "<shmem name='%s'> has an alias of its own; allowed: '%s'",
                                  PVPERF_DEVICE_NAME, PVPERF_DEVICE_ALIAS);

    return true;
}


static bool
addDevice(const pvperfDomainXML *dom,
          xmlNodePtr root,
          const char *socket,
          GError **error)
{
    xmlNodePtr device = pvperfDomainXMLFindDevice(root, NULL);
    xmlNodePtr devices = pvperfXMLChild(root, "devices");
    g_autofree char *text = NULL;
    int slot;

    if (device) {
        if (!checkDevice(dom, device, socket, error))
            return false;
        if (!dom->device.has_alias)
            pvperfXMLAppend(device, pvperfXMLNewElement(root->doc, PVPERF_ALIAS_XML));
        return true;
    }

    if (!devices)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_DEVICE, 0,
                                  "the domain has no <devices>");

    if ((slot = findSlot(dom, devices, error)) < 0)
        return false;

    text = formatDevice(socket, dom->max_vcpus, slot);
    pvperfXMLAppend(devices, pvperfXMLNewElement(root->doc, text));
    return true;
}


/* xmlns:qemu on <domain>, where libvirt and people look for it. */
static xmlNsPtr
qemuNamespace(xmlNodePtr root,
              GError **error)
{
    xmlNsPtr ns = xmlSearchNsByHref(root->doc, root, BAD_CAST PVPERF_QEMU_XMLNS);

    if (!ns)
        ns = xmlNewNs(root, BAD_CAST PVPERF_QEMU_XMLNS, BAD_CAST "qemu");
    if (!ns)
        pvperfConfSetError(error, PVPERF_CONF_ERROR_DEVICE, xmlGetLineNo(root),
                           "<domain>: xmlns:qemu is not '%s'", PVPERF_QEMU_XMLNS);

    return ns;
}


static bool
addOverride(xmlNodePtr root,
            GError **error)
{
    xmlNodePtr override = pvperfXMLChildNS(root, "override", PVPERF_QEMU_XMLNS);
    xmlNodePtr property = pvperfDomainXMLFindOverride(root);
    xmlNodePtr node;
    xmlNsPtr ns;

    if (property)
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_DEVICE, xmlGetLineNo(property),
                                  "<qemu:override> sets 'master' of '%s' to something else; "
                                  "allowed: value='on'", PVPERF_DEVICE_ALIAS);

    if (!(ns = qemuNamespace(root, error)))
        return false;

    node = xmlNewDocNode(root->doc, ns, BAD_CAST "device", NULL);
    xmlNewProp(node, BAD_CAST "alias", BAD_CAST PVPERF_DEVICE_ALIAS);
    property = xmlNewChild(xmlNewChild(node, ns, BAD_CAST "frontend", NULL),
                           ns, BAD_CAST "property", NULL);
    xmlNewProp(property, BAD_CAST "name", BAD_CAST "master");
    xmlNewProp(property, BAD_CAST "type", BAD_CAST "string");
    xmlNewProp(property, BAD_CAST "value", BAD_CAST "on");

    if (override) {
        pvperfXMLAppend(override, node);
    } else {
        override = xmlNewDocNode(root->doc, ns, BAD_CAST "override", NULL);
        xmlAddChild(override, node);
        pvperfXMLAppend(root, override);
    }

    return true;
}


char *
pvperfDomainXMLAddDevice(const char *xml,
                         const char *socket,
                         GError **error)
{
    g_autoptr(xmlDoc) doc = pvperfDomainXMLReadDoc(xml, error);
    g_autoptr(pvperfDomainXML) dom = NULL;
    xmlNodePtr root;

    if (!doc)
        return NULL;

    root = xmlDocGetRootElement(doc);
    if (!(dom = pvperfDomainXMLReadTree(root, error)) ||
        !checkElement(dom, error) ||
        !addDevice(dom, root, socket, error))
        return NULL;

    if (dom->def->migratable != PVPERF_TRISTATE_NO &&
        !dom->device.has_override &&
        !addOverride(root, error))
        return NULL;

    if (dom->def->managed == PVPERF_TRISTATE_ABSENT)
        xmlSetProp(pvperfDomainXMLFindElement(root, NULL), BAD_CAST "managed", BAD_CAST "yes");

    return pvperfXMLSave(doc, g_str_has_prefix(xml, "<?xml"));
}


/* ---- Removing -------------------------------------------------------------- */

static bool
usesNamespace(xmlNodePtr node,
              const char *xmlns)
{
    if (node->ns && strcmp((const char *)node->ns->href, xmlns) == 0)
        return true;

    for (xmlAttrPtr attr = node->properties; attr; attr = attr->next) {
        if (attr->ns && strcmp((const char *)attr->ns->href, xmlns) == 0)
            return true;
    }

    for (xmlNodePtr child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE && usesNamespace(child, xmlns))
            return true;
    }

    return false;
}


static void
removeNamespace(xmlNodePtr root,
                const char *xmlns)
{
    xmlNsPtr *link = &root->nsDef;

    while (*link) {
        xmlNsPtr ns = *link;

        if (strcmp((const char *)ns->href, xmlns) == 0) {
            *link = ns->next;
            xmlFreeNs(ns);
        } else {
            link = &ns->next;
        }
    }
}


static void
removeOverride(xmlNodePtr root)
{
    xmlNodePtr property = pvperfDomainXMLFindOverride(root);

    if (!property)
        return;

    pvperfXMLTakeOutUpwards(property);
    if (!usesNamespace(root, PVPERF_QEMU_XMLNS))
        removeNamespace(root, PVPERF_QEMU_XMLNS);
}


static void
removeElements(xmlNodePtr root)
{
    xmlNodePtr node;

    while ((node = pvperfDomainXMLFindElement(root, NULL)))
        pvperfXMLTakeOutUpwards(node);
}


char *
pvperfDomainXMLRemoveDevice(const char *xml,
                            bool with_element,
                            GError **error)
{
    g_autoptr(xmlDoc) doc = pvperfDomainXMLReadDoc(xml, error);
    xmlNodePtr root;
    xmlNodePtr node;

    if (!doc)
        return NULL;

    root = xmlDocGetRootElement(doc);
    while ((node = pvperfDomainXMLFindDevice(root, NULL)))
        pvperfXMLTakeOut(node);
    removeOverride(root);

    node = pvperfDomainXMLFindElement(root, NULL);
    if (with_element)
        removeElements(root);
    else if (node && pvperfXMLHasAttr(node, "managed", "yes"))
        xmlUnsetProp(node, BAD_CAST "managed");

    return pvperfXMLSave(doc, g_str_has_prefix(xml, "<?xml"));
}


/* ---- The element ----------------------------------------------------------- */

/* <metadata>, made where libvirt itself writes it if there is none. */
static xmlNodePtr
getMetadata(xmlNodePtr root)
{
    const char *const before[] = { "description", "title", "genid", "uuid", "name" };
    xmlNodePtr metadata = pvperfXMLChild(root, "metadata");
    xmlNodePtr prev = NULL;

    if (metadata)
        return metadata;

    metadata = xmlNewDocNode(root->doc, NULL, BAD_CAST "metadata", NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(before) && !prev; i++)
        prev = pvperfXMLChild(root, before[i]);

    if (prev) {
        pvperfXMLInsertAfter(prev, metadata);
    } else {
        pvperfXMLAppend(root, metadata);
    }

    return metadata;
}


char *
pvperfDomainXMLSetDef(const char *xml,
                      const pvperfDomainDef *def,
                      GError **error)
{
    g_autoptr(xmlDoc) doc = pvperfDomainXMLReadDoc(xml, error);
    g_autofree char *text = NULL;
    xmlNodePtr root;
    xmlNodePtr old;
    xmlNodePtr node;

    if (!doc)
        return NULL;

    root = xmlDocGetRootElement(doc);
    if (!def) {
        removeElements(root);
        return pvperfXMLSave(doc, g_str_has_prefix(xml, "<?xml"));
    }

    text = pvperfDomainDefFormat(def, true);
    node = pvperfXMLNewElement(doc, text);

    old = pvperfDomainXMLFindElement(root, NULL);
    if (!old) {
        pvperfXMLAppend(getMetadata(root), node);
        return pvperfXMLSave(doc, g_str_has_prefix(xml, "<?xml"));
    }

    pvperfXMLReplace(old, node);
    while ((old = pvperfDomainXMLFindElement(root, node)))
        pvperfXMLTakeOut(old);

    return pvperfXMLSave(doc, g_str_has_prefix(xml, "<?xml"));
}
