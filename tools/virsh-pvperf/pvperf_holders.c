/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_holders.c: where else a domain's device lives on.
 *
 * See pvperf_holders.h; called by "disable". What cannot be read is left out:
 * a driver without snapshots has none.
 */
#include "pvperf_holders.h"

#include <string.h>

#include <libxml/parser.h>

#include "conf/pvperf_domain_xml.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)

static bool
pvperfHoldersDomainXml(const char *text)
{
    g_autoptr(pvperfDomainXML) xml = text ? pvperfDomainXMLParse(text, NULL) : NULL;

    return xml && xml->device.count > 0;
}

/* A <domainsnapshot> holds the running XML, and the persistent one beside it. */
static bool
pvperfHoldersSnapshotXml(const char *text)
{
    g_autoptr(xmlDoc) doc = NULL;
    xmlNodePtr node;
    bool holds = false;

    doc = text ? xmlReadMemory(text, (int) strlen(text), NULL, NULL,
                               XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING) : NULL;
    if (!doc || !xmlDocGetRootElement(doc))
        return false;
    for (node = xmlDocGetRootElement(doc)->children; node; node = node->next) {
        xmlBufferPtr buffer;

        if (!xmlStrEqual(node->name, BAD_CAST "domain") &&
            !xmlStrEqual(node->name, BAD_CAST "inactiveDomain"))
            continue;
        xmlNodeSetName(node, BAD_CAST "domain");
        buffer = xmlBufferCreate();
        xmlNodeDump(buffer, doc, node, 0, 0);
        holds = holds || pvperfHoldersDomainXml((const char *) xmlBufferContent(buffer));
        xmlBufferFree(buffer);
    }
    return holds;
}

static void
pvperfHoldersSnapshots(virDomainPtr dom,
                       GPtrArray *list)
{
    virDomainSnapshotPtr *snapshots = NULL;
    const int count = virDomainListAllSnapshots(dom, &snapshots, 0);
    int i;

    for (i = 0; i < count; i++) {
        g_autofree char *xml = virDomainSnapshotGetXMLDesc(snapshots[i], 0);
        const char *snapshot = virDomainSnapshotGetName(snapshots[i]);
        const char *name = virDomainGetName(dom);

        if (pvperfHoldersSnapshotXml(xml))
            g_ptr_array_add(list, g_strdup_printf(
                "snapshot '%s' of domain '%s' holds the device: reverting brings it back; "
                "'virsh snapshot-delete %s %s' deletes it", snapshot, name, name, snapshot));
        virDomainSnapshotFree(snapshots[i]);
    }
    free(snapshots);
}

static void
pvperfHoldersManagedSave(virDomainPtr dom,
                         GPtrArray *list)
{
    g_autofree char *xml = NULL;
    const char *name = virDomainGetName(dom);

    if (virDomainHasManagedSaveImage(dom, 0) != 1)
        return;
    xml = virDomainManagedSaveGetXMLDesc(dom, 0);
    if (pvperfHoldersDomainXml(xml))
        g_ptr_array_add(list, g_strdup_printf(
            "the managed save image of domain '%s' holds the device: the next start brings it back; "
            "'virsh managedsave-remove %s' discards the saved state", name, name));
}

GPtrArray *
pvperfHoldersList(virDomainPtr dom)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);

    pvperfHoldersManagedSave(dom, list);
    pvperfHoldersSnapshots(dom, list);
    return list;
}
