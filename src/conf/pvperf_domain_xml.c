/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_xml.c: reads what a domain XML says of us.
 *
 * Owns finding <pvperf> (by URI), naming the ways in which it can stand wrong,
 * and describing our device as it is there. Called by the daemon for every
 * domain and by virsh-pvperf; changing the XML is pvperf_domain_device.c.
 *
 * Invariants: reads only; a domain XML without anything of ours is no error;
 * what is wrong with our element never hides the rest of the domain.
 */
#include <stdlib.h>
#include <string.h>

#include "pvperf_domain_xml_priv.h"


void
pvperfDomainXMLFree(pvperfDomainXML *dom)
{
    if (!dom)
        return;

    g_free(dom->name);
    g_free(dom->uuid);
    g_free(dom->type);
    g_free(dom->machine);
    g_free(dom->emulator);
    g_free(dom->device.socket);
    g_clear_pointer(&dom->def, pvperfDomainDefFree);
    g_clear_error(&dom->def_error);
    g_free(dom);
}


bool
pvperfXMLIsElement(xmlNodePtr node,
                   const char *name,
                   const char *xmlns)
{
    const char *href = node->ns ? (const char *)node->ns->href : NULL;

    return node->type == XML_ELEMENT_NODE &&
           strcmp((const char *)node->name, name) == 0 &&
           g_strcmp0(href, xmlns) == 0;
}


xmlNodePtr
pvperfXMLChildNS(xmlNodePtr node,
                 const char *name,
                 const char *xmlns)
{
    xmlNodePtr child = node ? node->children : NULL;

    while (child && !pvperfXMLIsElement(child, name, xmlns))
        child = child->next;

    return child;
}


xmlNodePtr
pvperfXMLChild(xmlNodePtr node,
               const char *name)
{
    return pvperfXMLChildNS(node, name, NULL);
}


static char *
getAttr(xmlNodePtr node,
        const char *attr)
{
    return node ? (char *)xmlGetNoNsProp(node, BAD_CAST attr) : NULL;
}


bool
pvperfXMLHasAttr(xmlNodePtr node,
                 const char *attr,
                 const char *value)
{
    g_autofree char *text = getAttr(node, attr);

    return g_strcmp0(text, value) == 0;
}


static char *
getText(xmlNodePtr node)
{
    char *text = node ? (char *)xmlNodeGetContent(node) : NULL;

    return text ? g_strstrip(text) : NULL;
}


xmlDocPtr
pvperfDomainXMLReadDoc(const char *xml,
                       GError **error)
{
    g_autoptr(xmlDoc) doc = pvperfXMLRead(xml, "the domain", error);
    xmlNodePtr root;

    if (!doc)
        return NULL;

    root = xmlDocGetRootElement(doc);
    if (!pvperfXMLIsElement(root, "domain", NULL)) {
        pvperfConfSetError(error, PVPERF_CONF_ERROR_XML, xmlGetLineNo(root),
                           "<%s> is no domain; allowed: <domain>", root->name);
        return NULL;
    }

    return g_steal_pointer(&doc);
}


/* The first of @node and its next siblings that is an element of ours. */
static xmlNodePtr
nextOfOurs(xmlNodePtr node)
{
    for (; node; node = node->next) {
        if (node->type == XML_ELEMENT_NODE && node->ns &&
            strcmp((const char *)node->ns->href, PVPERF_XMLNS) == 0)
            return node;
    }

    return NULL;
}


xmlNodePtr
pvperfDomainXMLFindElement(xmlNodePtr root,
                           xmlNodePtr prev)
{
    xmlNodePtr metadata;

    if (prev)
        return nextOfOurs(prev->next);

    metadata = pvperfXMLChild(root, "metadata");
    return metadata ? nextOfOurs(metadata->children) : NULL;
}


/* The first child element named <pvperf> in any namespace. */
static xmlNodePtr
findAnyNamed(xmlNodePtr parent)
{
    xmlNodePtr node = parent ? parent->children : NULL;

    while (node && !(node->type == XML_ELEMENT_NODE &&
                     strcmp((const char *)node->name, "pvperf") == 0))
        node = node->next;

    return node;
}


static void
readElement(pvperfDomainXML *dom,
            xmlNodePtr root)
{
    GError **error = &dom->def_error;
    xmlNodePtr first = pvperfDomainXMLFindElement(root, NULL);
    xmlNodePtr second = first ? pvperfDomainXMLFindElement(root, first) : NULL;
    xmlNodePtr wrong;

    if (second) {
        dom->place = PVPERF_PLACE_TWICE;
        pvperfConfSetError(error, PVPERF_CONF_ERROR_PLACE, xmlGetLineNo(second),
                           "a second <%s> in <metadata>: libvirt keeps one of them; "
                           "allowed: one", second->name);
    } else if (first) {
        dom->place = PVPERF_PLACE_METADATA;
        dom->def = pvperfDomainDefParseNode(first, error);
    } else if ((wrong = findAnyNamed(pvperfXMLChild(root, "metadata")))) {
        if (wrong->ns) {
            dom->place = PVPERF_PLACE_WRONG_XMLNS;
            pvperfConfSetError(error, PVPERF_CONF_ERROR_PLACE, xmlGetLineNo(wrong),
                               "<pvperf> has xmlns='%s', which nobody reads; allowed: xmlns='%s'",
                               wrong->ns->href, PVPERF_XMLNS);
        } else {
            dom->place = PVPERF_PLACE_NO_XMLNS;
            pvperfConfSetError(error, PVPERF_CONF_ERROR_PLACE, xmlGetLineNo(wrong),
                               "<pvperf> has no xmlns, and libvirt drops it without a word; "
                               "write <pvperf xmlns='%s'>", PVPERF_XMLNS);
        }
    } else if ((wrong = findAnyNamed(root))) {
        dom->place = PVPERF_PLACE_TOP_LEVEL;
        pvperfConfSetError(error, PVPERF_CONF_ERROR_PLACE, xmlGetLineNo(wrong),
                           "<pvperf> stands directly in <domain>, where libvirt drops it; "
                           "write <metadata><pvperf xmlns='%s'>", PVPERF_XMLNS);
    }
}


static bool
isOurDevice(xmlNodePtr node)
{
    return pvperfXMLIsElement(node, "shmem", NULL) &&
           (pvperfXMLHasAttr(node, "name", PVPERF_DEVICE_NAME) ||
            pvperfXMLHasAttr(pvperfXMLChild(node, "alias"), "name", PVPERF_DEVICE_ALIAS));
}


xmlNodePtr
pvperfDomainXMLFindDevice(xmlNodePtr root,
                          xmlNodePtr prev)
{
    xmlNodePtr devices = pvperfXMLChild(root, "devices");
    xmlNodePtr node = devices ? devices->children : NULL;

    if (prev)
        node = prev->next;

    while (node && !isOurDevice(node))
        node = node->next;

    return node;
}


xmlNodePtr
pvperfDomainXMLFindOverride(xmlNodePtr root)
{
    xmlNodePtr override = pvperfXMLChildNS(root, "override", PVPERF_QEMU_XMLNS);
    xmlNodePtr device = override ? override->children : NULL;
    xmlNodePtr property;

    while (device && !(pvperfXMLIsElement(device, "device", PVPERF_QEMU_XMLNS) &&
                       pvperfXMLHasAttr(device, "alias", PVPERF_DEVICE_ALIAS)))
        device = device->next;

    property = pvperfXMLChildNS(device, "frontend", PVPERF_QEMU_XMLNS);
    property = property ? property->children : NULL;

    while (property && !(pvperfXMLIsElement(property, "property", PVPERF_QEMU_XMLNS) &&
                         pvperfXMLHasAttr(property, "name", "master")))
        property = property->next;

    return property;
}


static void
readDevice(pvperfDevice *dev,
           xmlNodePtr root)
{
    xmlNodePtr devices = pvperfXMLChild(root, "devices");
    xmlNodePtr ours = pvperfDomainXMLFindDevice(root, NULL);
    xmlNodePtr override = pvperfDomainXMLFindOverride(root);

    for (xmlNodePtr node = devices ? devices->children : NULL; node; node = node->next) {
        if (isOurDevice(node))
            dev->count++;
        else if (pvperfXMLIsElement(node, "shmem", NULL))
            dev->other_ivshmem++;
    }

    if (ours) {
        g_autofree char *vectors = getAttr(pvperfXMLChild(ours, "msi"), "vectors");

        dev->socket = getAttr(pvperfXMLChild(ours, "server"), "path");
        dev->vectors = vectors ? strtoul(vectors, NULL, 10) : 0;
        dev->has_alias = pvperfXMLHasAttr(pvperfXMLChild(ours, "alias"), "name",
                                          PVPERF_DEVICE_ALIAS);
    }

    dev->has_override = override && pvperfXMLHasAttr(override, "value", "on");
}


static bool
readMaxVcpus(pvperfDomainXML *dom,
             xmlNodePtr root,
             GError **error)
{
    xmlNodePtr vcpu = pvperfXMLChild(root, "vcpu");
    g_autofree char *text = getText(vcpu);
    guint64 value = 1;

    if (text && !g_ascii_string_to_unsigned(text, 10, 1, INT_MAX, &value, NULL))
        return pvperfConfSetError(error, PVPERF_CONF_ERROR_XML, xmlGetLineNo(vcpu),
                                  "<vcpu>: '%s' is no number of vCPUs; allowed: 1 to %d",
                                  text, INT_MAX);

    dom->max_vcpus = value;
    return true;
}


pvperfDomainXML *
pvperfDomainXMLReadTree(xmlNodePtr root,
                        GError **error)
{
    g_autoptr(pvperfDomainXML) dom = g_new0(pvperfDomainXML, 1);

    dom->name = getText(pvperfXMLChild(root, "name"));
    dom->uuid = getText(pvperfXMLChild(root, "uuid"));
    dom->type = getAttr(root, "type");
    dom->machine = getAttr(pvperfXMLChild(pvperfXMLChild(root, "os"), "type"), "machine");
    dom->emulator = getText(pvperfXMLChild(pvperfXMLChild(root, "devices"), "emulator"));
    dom->pmu_off = pvperfXMLHasAttr(pvperfXMLChild(pvperfXMLChild(root, "features"), "pmu"),
                                    "state", "off");

    if (!readMaxVcpus(dom, root, error))
        return NULL;

    readElement(dom, root);
    readDevice(&dom->device, root);

    return g_steal_pointer(&dom);
}


pvperfDomainXML *
pvperfDomainXMLParse(const char *xml,
                     GError **error)
{
    g_autoptr(xmlDoc) doc = pvperfDomainXMLReadDoc(xml, error);

    return doc ? pvperfDomainXMLReadTree(xmlDocGetRootElement(doc), error) : NULL;
}
