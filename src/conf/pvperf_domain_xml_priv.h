/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_xml_priv.h: what reading and changing a domain XML share.
 *
 * Small helpers on libxml2's tree, and the places where our parts stand.
 * Nobody outside src/conf includes this.
 */
#pragma once

#include "pvperf_domain_priv.h"
#include "pvperf_domain_xml.h"

#define PVPERF_QEMU_XMLNS "http://libvirt.org/schemas/domain/qemu/1.0"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)

/* Is it an element of this name and namespace (NULL: none)? */
bool pvperfXMLIsElement(xmlNodePtr node,
                        const char *name,
                        const char *xmlns);

/* First child element of that name without namespace, or NULL; of a NULL
 * node NULL. */
xmlNodePtr pvperfXMLChild(xmlNodePtr node,
                          const char *name);
xmlNodePtr pvperfXMLChildNS(xmlNodePtr node,
                            const char *name,
                            const char *xmlns);

/* The attribute equals @value. */
bool pvperfXMLHasAttr(xmlNodePtr node,
                      const char *attr,
                      const char *value);

/* The document of a domain XML; checks that the root is <domain>. */
xmlDocPtr pvperfDomainXMLReadDoc(const char *xml,
                                 GError **error);

/* The element in our namespace within <metadata> after @prev (NULL: the
 * first), or NULL. */
xmlNodePtr pvperfDomainXMLFindElement(xmlNodePtr root,
                                      xmlNodePtr prev);

/* The next device that is ours after @prev, by name or alias, or NULL. */
xmlNodePtr pvperfDomainXMLFindDevice(xmlNodePtr root,
                                     xmlNodePtr prev);

/* The <qemu:property name='master'> for our alias, or NULL. */
xmlNodePtr pvperfDomainXMLFindOverride(xmlNodePtr root);

/* What the document says of us. */
pvperfDomainXML *pvperfDomainXMLReadTree(xmlNodePtr root,
                                         GError **error);

/* ---- pvperf_xml_tree.c ---- */

/* On a line of its own; as the last element of @parent. */
void pvperfXMLInsertAfter(xmlNodePtr prev,
                          xmlNodePtr node);
void pvperfXMLAppend(xmlNodePtr parent,
                     xmlNodePtr node);
void pvperfXMLReplace(xmlNodePtr old,
                      xmlNodePtr node);

/* Upwards: with each parent below the root that is left empty. */
void pvperfXMLTakeOut(xmlNodePtr node);
void pvperfXMLTakeOutUpwards(xmlNodePtr node);

/* The element of @text, which is our own, for @doc. */
xmlNodePtr pvperfXMLNewElement(xmlDocPtr doc,
                               const char *text);

char *pvperfXMLSave(xmlDocPtr doc,
                    bool declaration);
