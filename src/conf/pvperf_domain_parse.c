/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_parse.c: reads <pvperf>.
 *
 * Owns the one walk over the element, along the tables of the grammar: what
 * they do not name is refused, with its line. Called by the daemon and the
 * tools, for an element alone or within a domain.
 *
 * Trusts nothing: the text comes from people. No entity is ever expanded (a
 * document type is refused), nothing is fetched; recursion is as deep as the
 * tables.
 */
#include <string.h>

#include "pvperf_domain_grammar.h"


static const char *
nodeNamespace(xmlNodePtr node)
{
    return node->ns ? (const char *)node->ns->href : NULL;
}


static bool
checkAttrs(const pvperfElement *element,
           xmlNodePtr node,
           GError **error)
{
    const char *const none[] = { NULL };
    const char *const *attrs = element->attrs ? element->attrs : none;

    for (xmlAttrPtr attr = node->properties; attr; attr = attr->next) {
        g_autofree char *allowed = NULL;

        if (!attr->ns && g_strv_contains(attrs, (const char *)attr->name))
            continue;

        allowed = attrs[0] ? g_strjoinv(", ", (char **)attrs) : g_strdup("none");
        return pvperfGrammarSetError(error, node, "unknown attribute '%s%s%s' in <%s>; allowed: %s",
                                     attr->ns && attr->ns->prefix ? (const char *)attr->ns->prefix : "",
                                     attr->ns && attr->ns->prefix ? ":" : "",
                                     attr->name, node->name, allowed);
    }

    return true;
}


static bool
setErrorUnknownElement(const pvperfElement *element,
                       xmlNodePtr node,
                       GError **error)
{
    g_autoptr(GString) allowed = g_string_new(NULL);

    for (const pvperfElement *c = element->children; c && c->name; c++)
        g_string_append_printf(allowed, "%s<%s>", allowed->len ? ", " : "", c->name);
    if (element->text)
        g_string_append(allowed, "text");

    return pvperfGrammarSetError(error, node, "unknown element <%s> in <%s>; allowed: %s",
                                 node->name, element->name, allowed->len ? allowed->str : "nothing");
}


/* The table entry of a child, if it may stand here. */
static const pvperfElement *
findChild(const pvperfElement *element,
          xmlNodePtr node,
          uint32_t *seen,
          GError **error)
{
    const pvperfElement *c = element->children;

    if (g_strcmp0(nodeNamespace(node), nodeNamespace(node->parent)) != 0) {
        pvperfGrammarSetError(error, node, "<%s> has the namespace '%s' and <%s> around it '%s'; "
                              "allowed: the same",
                              node->name, nodeNamespace(node) ? nodeNamespace(node) : "",
                              element->name, nodeNamespace(node->parent) ? nodeNamespace(node->parent) : "");
        return NULL;
    }

    while (c && c->name && strcmp(c->name, (const char *)node->name) != 0)
        c++;

    if (!c || !c->name) {
        setErrorUnknownElement(element, node, error);
        return NULL;
    }

    if (!c->many && *seen & 1U << (c - element->children)) {
        pvperfGrammarSetError(error, node, "<%s> stands twice in <%s>; allowed: once",
                              node->name, element->name);
        return NULL;
    }

    *seen |= 1U << (c - element->children);
    return c;
}


static bool
checkText(const pvperfElement *element,
          xmlNodePtr node,
          GError **error)
{
    g_autofree char *text = NULL;

    if (element->text || xmlIsBlankNode(node))
        return true;

    text = g_strndup((const char *)node->content, 32);
    return pvperfGrammarSetError(error, node->parent, "<%s> holds the text '%s'; allowed: %s",
                                 element->name, g_strstrip(text),
                                 element->children ? "elements" : "nothing");
}


static bool
walk(pvperfDomainDef *def,
     const pvperfElement *element,
     xmlNodePtr node,
     GError **error)
{
    uint32_t seen = 0;

    if (!checkAttrs(element, node, error))
        return false;

    if (element->text && xmlFirstElementChild(node))
        return setErrorUnknownElement(element, xmlFirstElementChild(node), error);

    if (element->parse && !element->parse(def, node, error))
        return false;

    for (xmlNodePtr child = node->children; child; child = child->next) {
        const pvperfElement *c;

        switch (child->type) {
        case XML_ELEMENT_NODE:
            if (!(c = findChild(element, child, &seen, error)) ||
                !walk(def, c, child, error))
                return false;
            break;

        case XML_TEXT_NODE:
        case XML_CDATA_SECTION_NODE:
            if (!checkText(element, child, error))
                return false;
            break;

        default:
            /* comments, processing instructions */
            break;
        }
    }

    return !element->finish || element->finish(def, xmlGetLineNo(node), error);
}


pvperfDomainDef *
pvperfDomainDefParseNode(xmlNodePtr node,
                         GError **error)
{
    g_autoptr(pvperfDomainDef) def = g_new0(pvperfDomainDef, 1);

    if (nodeNamespace(node) && strcmp(nodeNamespace(node), PVPERF_XMLNS) != 0) {
        pvperfConfSetError(error, PVPERF_CONF_ERROR_PLACE, xmlGetLineNo(node),
                           "<%s> has the namespace '%s'; allowed: '%s'",
                           node->name, nodeNamespace(node), PVPERF_XMLNS);
        return NULL;
    }

    if (strcmp((const char *)node->name, pvperfGrammarRoot.name) != 0) {
        pvperfGrammarSetError(error, node, "unknown element <%s>; allowed: <pvperf>", node->name);
        return NULL;
    }

    if (!walk(def, &pvperfGrammarRoot, node, error))
        return NULL;

    return g_steal_pointer(&def);
}


pvperfDomainDef *
pvperfDomainDefParseString(const char *xml,
                           GError **error)
{
    xmlDocPtr doc = pvperfXMLRead(xml, "<pvperf>", error);
    pvperfDomainDef *def;

    if (!doc)
        return NULL;

    def = pvperfDomainDefParseNode(xmlDocGetRootElement(doc), error);
    xmlFreeDoc(doc);

    return def;
}
