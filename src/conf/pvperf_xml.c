/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_xml.c: text to document, the same way everywhere.
 *
 * Owns the options of the XML reader and the wording of its errors. Called by
 * the two parsers of src/conf.
 *
 * Trusts nothing: no network, no document type (so no entity but the five of
 * XML itself), libxml2's own bounds on depth and size stay on.
 */
#include <string.h>
#include <libxml/parser.h>

#include "pvperf_domain_priv.h"


static void
setParserError(xmlParserCtxtPtr ctxt,
               const char *what,
               GError **error)
{
    const xmlError *err = xmlCtxtGetLastError(ctxt);
    g_autofree char *message = g_strdup(err && err->message ? err->message : "unknown error");

    pvperfConfSetError(error, PVPERF_CONF_ERROR_XML, err ? err->line : 0,
                       "%s is not well-formed XML: %s", what, g_strstrip(message));
}


xmlDocPtr
pvperfXMLRead(const char *text,
              const char *what,
              GError **error)
{
    xmlParserCtxtPtr ctxt = xmlNewParserCtxt();
    xmlDocPtr doc;

    if (!ctxt)
        g_error("out of memory");

    doc = xmlCtxtReadMemory(ctxt, text, strlen(text), NULL, NULL,
                            XML_PARSE_NONET | XML_PARSE_NOERROR |
                            XML_PARSE_NOWARNING | XML_PARSE_BIG_LINES);
    if (!doc) {
        setParserError(ctxt, what, error);
    } else if (doc->intSubset) {
        pvperfConfSetError(error, PVPERF_CONF_ERROR_XML, 0,
                           "%s has a document type (DOCTYPE); allowed: none", what);
        g_clear_pointer(&doc, xmlFreeDoc);
    }

    xmlFreeParserCtxt(ctxt);
    return doc;
}
