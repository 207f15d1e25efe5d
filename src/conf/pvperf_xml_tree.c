/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_xml_tree.c: changes a document so that it still looks written.
 *
 * Owns white space: what is put in stands on lines of its own, two blanks per
 * level, as libvirt writes; what is taken out leaves no hole. Called by
 * pvperf_domain_device.c.
 *
 * Invariant: nodes that are not named in a call keep every byte but their
 * quotes, which become libvirt's: '.
 */
#include <string.h>
#include <libxml/xmlsave.h>

#include "pvperf_domain_xml_priv.h"


static xmlNodePtr
newBlank(int depth)
{
    g_autofree char *text = g_strdup_printf("\n%*s", 2 * depth, "");

    return xmlNewText(BAD_CAST text);
}


static int
depthOf(xmlNodePtr node)
{
    int depth = 0;

    while ((node = node->parent) && node->type == XML_ELEMENT_NODE)
        depth++;

    return depth;
}


static void
freeNode(xmlNodePtr node)
{
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}


/* Lays out the insides of an element that is itself @depth deep. */
static void
indent(xmlNodePtr node,
       int depth)
{
    xmlNodePtr child = node->children;

    if (!xmlFirstElementChild(node))
        return;

    for (xmlNodePtr next; child; child = next) {
        next = child->next;
        if (xmlIsBlankNode(child)) {
            freeNode(child);
        } else {
            xmlAddPrevSibling(child, newBlank(depth + 1));
            indent(child, depth + 1);
        }
    }

    xmlAddChild(node, newBlank(depth));
}


void
pvperfXMLInsertAfter(xmlNodePtr prev,
                     xmlNodePtr node)
{
    xmlAddNextSibling(prev, node);
    indent(node, depthOf(node));
    xmlAddPrevSibling(node, newBlank(depthOf(node)));

    if (!node->next)
        xmlAddChild(node->parent, newBlank(depthOf(node) - 1));
}


void
pvperfXMLAppend(xmlNodePtr parent,
                xmlNodePtr node)
{
    xmlNodePtr last = xmlLastElementChild(parent);

    if (last) {
        pvperfXMLInsertAfter(last, node);
        return;
    }

    xmlAddChild(parent, node);
    indent(node, depthOf(node));
    xmlAddPrevSibling(node, newBlank(depthOf(node)));
    xmlAddChild(parent, newBlank(depthOf(parent)));
}


void
pvperfXMLReplace(xmlNodePtr old,
                 xmlNodePtr node)
{
    xmlReplaceNode(old, node);
    xmlFreeNode(old);
    indent(node, depthOf(node));
}


static bool
isEmpty(xmlNodePtr node)
{
    for (xmlNodePtr child = node->children; child; child = child->next) {
        if (!xmlIsBlankNode(child))
            return false;
    }

    return true;
}


void
pvperfXMLTakeOut(xmlNodePtr node)
{
    xmlNodePtr parent = node->parent;

    /* The blank in front of it belonged to its line. */
    if (node->prev && xmlIsBlankNode(node->prev))
        freeNode(node->prev);
    freeNode(node);

    while (isEmpty(parent) && parent->children)
        freeNode(parent->children);
}


void
pvperfXMLTakeOutUpwards(xmlNodePtr node)
{
    while (depthOf(node) > 0) {
        xmlNodePtr parent = node->parent;

        pvperfXMLTakeOut(node);
        if (!isEmpty(parent))
            return;
        node = parent;
    }
}


xmlNodePtr
pvperfXMLNewElement(xmlDocPtr doc,
                    const char *text)
{
    g_autoptr(xmlDoc) own = pvperfXMLRead(text, "element", NULL);

    g_assert(own);
    return xmlDocCopyNode(xmlDocGetRootElement(own), doc, 1);
}


/* Past the end of a comment, section or instruction that starts at @p. */
static char *
skipMarkup(char *p)
{
    const struct {
        const char *start;
        const char *end;
    } markup[] = {
        { "<!--", "-->" },
        { "<![CDATA[", "]]>" },
        { "<?", "?>" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(markup); i++) {
        char *end;

        if (g_str_has_prefix(p, markup[i].start) &&
            (end = strstr(p, markup[i].end)))
            return end + strlen(markup[i].end);
    }

    return p;
}


/* libxml2 writes ", libvirt '; where the value allows it, have libvirt's. */
static void
singleQuotes(char *text)
{
    bool tag = false;

    for (char *p = text; *p; p++) {
        char *end = tag ? p : skipMarkup(p);

        if (end != p) {
            p = end - 1;
        } else if (*p == '<') {
            tag = true;
        } else if (*p == '>') {
            tag = false;
        } else if (tag && (*p == '"' || *p == '\'') && (end = strchr(p + 1, *p))) {
            if (*p == '"' && !memchr(p, '\'', end - p))
                *p = *end = '\'';
            p = end;
        }
    }
}


char *
pvperfXMLSave(xmlDocPtr doc,
              bool declaration)
{
    xmlBufferPtr buf = xmlBufferCreate();
    xmlSaveCtxtPtr ctxt = xmlSaveToBuffer(buf, "UTF-8", declaration ? 0 : XML_SAVE_NO_DECL);
    char *text;

    xmlSaveDoc(ctxt, doc);
    xmlSaveClose(ctxt);
    text = g_strdup((const char *)xmlBufferContent(buf));
    xmlBufferFree(buf);

    singleQuotes(text);
    return text;
}
