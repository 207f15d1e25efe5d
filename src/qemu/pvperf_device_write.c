/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_device_write.c: the one write to a domain's XML.
 *
 * libvirt has no compare-and-swap on a domain's XML. What stands in for it:
 * the XML is read again right before the define; lifecycle events are counted
 * around it (every define is told as one, also one that we overwrote); and
 * what is read afterwards must be what was meant, except for what is ours.
 */
#include "pvperf_device.h"

#include <string.h>

#include <gio/gio.h>
#include <libxml/parser.h>
#include <libxml/tree.h>

#define PVPERF_QEMU_XMLNS "http://libvirt.org/schemas/domain/qemu/1.0"


/* ---- canonical text ---- */

static bool
pvperfDeviceNodeIs(xmlNodePtr node,
                   const char *name,
                   const char *ns)
{
    return strcmp((const char *)node->name, name) == 0 &&
        g_strcmp0(node->ns ? (const char *)node->ns->href : NULL, ns) == 0;
}


static bool
pvperfDeviceAttrIs(xmlNodePtr node,
                   const char *attr,
                   const char *value)
{
    xmlChar *prop = xmlGetNoNsProp(node, BAD_CAST attr);
    bool same = prop && strcmp((const char *)prop, value) == 0;

    xmlFree(prop);
    return same;
}


static bool
pvperfDeviceNodeIsOurs(xmlNodePtr node)
{
    return pvperfDeviceNodeIs(node, "pvperf", PVPERF_XMLNS) ||
        (pvperfDeviceNodeIs(node, "shmem", NULL) &&
         pvperfDeviceAttrIs(node, "name", PVPERF_DEVICE_NAME)) ||
        (pvperfDeviceNodeIs(node, "device", PVPERF_QEMU_XMLNS) &&
         pvperfDeviceAttrIs(node, "alias", PVPERF_DEVICE_ALIAS));
}


static void
pvperfDeviceCanonicalNode(xmlNodePtr node,
                          GString *out)
{
    xmlNodePtr child;
    xmlAttrPtr attr;
    gsize start = out->len;
    gsize content;

    g_string_append_printf(out, "<%s{%s}", node->name,
                           node->ns ? (const char *)node->ns->href : "");
    for (attr = node->properties; attr; attr = attr->next) {
        xmlChar *value = xmlNodeListGetString(node->doc, attr->children, 1);

        g_string_append_printf(out, " %s='%s'", attr->name, value ? (const char *)value : "");
        xmlFree(value);
    }
    g_string_append_c(out, '>');
    content = out->len;

    for (child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE && !pvperfDeviceNodeIsOurs(child))
            pvperfDeviceCanonicalNode(child, out);
        else if ((child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE) &&
                 !xmlIsBlankNode(child))
            g_string_append(out, (const char *)child->content);
    }

    /* the containers that come and go with what they hold of ours */
    if (out->len == content &&
        (pvperfDeviceNodeIs(node, "metadata", NULL) ||
         pvperfDeviceNodeIs(node, "override", PVPERF_QEMU_XMLNS)))
        g_string_truncate(out, start);
    else
        g_string_append(out, "</>\n");
}


char *
pvperfDeviceCanonicalXML(const char *xml)
{
    xmlDocPtr doc = xmlReadMemory(xml, strlen(xml), "domain.xml", NULL,
                                  XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    GString *out = g_string_new(NULL);

    if (doc && xmlDocGetRootElement(doc))
        pvperfDeviceCanonicalNode(xmlDocGetRootElement(doc), out);
    xmlFreeDoc(doc);
    return g_string_free(out, FALSE);
}


/* ---- the write ---- */

static pvperfDeviceOutcome G_GNUC_PRINTF(3, 4)
pvperfDeviceFail(GError **error,
                 pvperfDeviceOutcome outcome,
                 const char *format,
                 ...)
{
    va_list args;

    va_start(args, format);
    g_propagate_error(error, g_error_new_valist(G_IO_ERROR, G_IO_ERROR_FAILED, format, args));
    va_end(args);
    return outcome;
}


/* The XML to define, from @xml; *@same is set if the decision no longer holds. */
static char *
pvperfDeviceNewXML(const char *xml,
                   const pvperfDeviceFacts *known,
                   pvperfDeviceVerdict verdict,
                   const char *socket,
                   bool *same,
                   GError **error)
{
    g_autoptr(pvperfDomainXML) config = pvperfDomainXMLParse(xml, error);
    g_autofree char *bare = NULL;
    pvperfDeviceFacts facts = *known;

    if (!config)
        return NULL;
    pvperfDeviceFactsFromXML(&facts, config);
    *same = pvperfDeviceDecide(&facts) == verdict;
    if (!*same)
        return NULL;
    if (verdict == PVPERF_DEVICE_TAKE)
        return pvperfDomainXMLRemoveDevice(xml, false, error);
    if (facts.devices == 0)
        return pvperfDomainXMLAddDevice(xml, socket, error);
    /* a device of ours that no longer fits is made anew */
    bare = pvperfDomainXMLRemoveDevice(xml, false, error);
    return bare ? pvperfDomainXMLAddDevice(bare, socket, error) : NULL;
}


/* Put @before back, unless somebody wrote once more since @after was read. */
static bool
pvperfDeviceUndo(const pvperfDeviceOps *ops,
                 gpointer ctx,
                 const char *before,
                 const char *after,
                 GError **error)
{
    g_autofree char *now = ops->get(ctx, error);

    return now && strcmp(now, after) == 0 && ops->define(ctx, before, error);
}


/* After the define: does what libvirt has now, and what it told, show that
 * nobody else wrote at the same time? */
static pvperfDeviceOutcome
pvperfDeviceVerify(const pvperfDeviceOps *ops,
                   gpointer ctx,
                   const pvperfDeviceFacts *known,
                   pvperfDeviceVerdict verdict,
                   const char *before,
                   GError **error)
{
    pvperfDeviceFacts facts = *known;
    g_autofree char *after = NULL;
    g_autofree char *canon_before = pvperfDeviceCanonicalXML(before);
    g_autofree char *canon_after = NULL;
    g_autoptr(pvperfDomainXML) config = NULL;
    unsigned int updated = 0, added = 0, undefined = 0;
    const char *why;

    ops->collect(ctx, &updated, &added, &undefined);
    if (added || undefined) {
        if (!ops->undefine(ctx, error))
            return PVPERF_DEVICE_OVERTAKEN;
        return pvperfDeviceFail(error, PVPERF_DEVICE_UNDONE,
                                "the domain was undefined at the same moment, and is so again");
    }

    after = ops->get(ctx, error);
    config = after ? pvperfDomainXMLParse(after, error) : NULL;
    if (!config)
        return PVPERF_DEVICE_OVERTAKEN;
    if (config->device.count != (verdict == PVPERF_DEVICE_GIVE ? 1 : 0))
        return pvperfDeviceFail(error, PVPERF_DEVICE_OVERTAKEN,
                                "somebody else defined the domain right after, and that stands");

    /* nothing may be left to do, or it would be done again and again */
    pvperfDeviceFactsFromXML(&facts, config);
    facts.record = verdict == PVPERF_DEVICE_GIVE ? PVPERF_RECORD_GIVEN : PVPERF_RECORD_NONE;
    canon_after = pvperfDeviceCanonicalXML(after);
    if (updated > 1)
        why = "somebody else defined the domain at the same moment; "
              "look whether that change is still there";
    else if (strcmp(canon_before, canon_after) != 0)
        why = "libvirt changed more than the device";
    else if (pvperfDeviceDecide(&facts) == PVPERF_DEVICE_GIVE)
        why = "libvirt did not keep the override that makes the device migratable; "
              "migratable='no' does without";
    else
        return PVPERF_DEVICE_DONE;

    if (!pvperfDeviceUndo(ops, ctx, before, after, NULL))
        return pvperfDeviceFail(error, PVPERF_DEVICE_OVERTAKEN, "%s", why);
    return pvperfDeviceFail(error, PVPERF_DEVICE_UNDONE, "%s", why);
}


pvperfDeviceOutcome
pvperfDeviceApply(const pvperfDeviceOps *ops,
                  gpointer ctx,
                  const pvperfDeviceFacts *facts,
                  pvperfDeviceVerdict verdict,
                  const char *socket,
                  GError **error)
{
    g_autofree char *before = ops->get(ctx, error);
    g_autofree char *again = NULL;
    g_autofree char *xml = NULL;
    bool same = true;

    if (!before)
        return PVPERF_DEVICE_FAILED;
    xml = pvperfDeviceNewXML(before, facts, verdict, socket, &same, error);
    if (!same)
        return pvperfDeviceFail(error, PVPERF_DEVICE_CHANGED, "the XML changed meanwhile");
    if (!xml)
        return PVPERF_DEVICE_FAILED;

    ops->watch(ctx);
    again = ops->get(ctx, error);
    if (!again)
        return PVPERF_DEVICE_FAILED;
    if (strcmp(before, again) != 0)
        return pvperfDeviceFail(error, PVPERF_DEVICE_CHANGED, "the XML changed meanwhile");
    if (!ops->define(ctx, xml, error))
        return PVPERF_DEVICE_FAILED;
    return pvperfDeviceVerify(ops, ctx, facts, verdict, before, error);
}
