/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cmd_validate.c: "validate", a <pvperf> element or the one of a domain
 * XML, checked alone: no libvirt, no daemon.
 *
 * What passes here is what virtpvperfd takes; the grammar is that of src/conf.
 */
#include <string.h>

#include <libxml/parser.h>

#include "pvperf_domain.h"
#include "pvperf_file.h"

/* True if the document element of @xml is <domain>; a text that is not
 * well-formed is none, and the parser of the element says where. */
static bool
pvperfValidateIsDomain(const char *xml)
{
    xmlDocPtr doc = xmlReadMemory(xml, (int) strlen(xml), NULL, NULL,
                                  XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL;
    const bool is_domain = root && xmlStrEqual(root->name, BAD_CAST "domain");

    if (doc)
        xmlFreeDoc(doc);
    return is_domain;
}

static bool
pvperfValidateDomain(pvperfShell *shell,
                     const char *name,
                     const char *text,
                     GError **error)
{
    g_autoptr(pvperfDomainXML) xml = pvperfDomainXMLParse(text, error);

    if (!xml || !pvperfDomainCheck(xml, error))
        return false;
    if (xml->place == PVPERF_PLACE_NONE)
        pvperfShellWarn(shell, "%s: the domain has no <pvperf>", name);
    return true;
}

static int
pvperfValidate(pvperfShell *shell,
               GError **error)
{
    const char *name = g_str_equal(shell->args[0], "-") ? "standard input" : shell->args[0];
    g_autofree char *text = pvperfFileRead(shell->args[0], error);
    g_autoptr(pvperfDomainDef) def = NULL;
    bool ok;

    if (!text)
        return -1;
    if (pvperfValidateIsDomain(text)) {
        ok = pvperfValidateDomain(shell, name, text, error);
    } else {
        def = pvperfDomainDefParseString(text, error);
        ok = def != NULL;
    }
    if (!ok) {
        g_prefix_error(error, "%s: ", name);
        return -1;
    }
    pvperfShellNote(shell, "%s validates", name);
    return 0;
}

const pvperfCommand pvperfCommandValidate = {
    .name = "validate",
    .args = "FILE|-",
    .min_args = 1,
    .max_args = 1,
    .summary = "check a <pvperf> element, or the one of a domain XML, in a file",
    .handler = pvperfValidate,
    .complete = PVPERF_COMPLETE_FILE,
};
