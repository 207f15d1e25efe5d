/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain.h: reading and writing a domain's XML through libvirt.
 *
 * The only place of virsh-pvperf that changes a definition. A write happens
 * only if the definition is still what the caller read; what libvirt made of
 * it is read back. src/conf does the work on the XML itself.
 */
#pragma once

#include "conf/pvperf_domain_xml.h"
#include "pvperf_shell.h"

#define PVPERF_DOMAIN_CONFIG (VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE)
#define PVPERF_DOMAIN_LIVE 0

/* The XML; @flags as of virDomainGetXMLDesc. */
char *pvperfDomainRead(virDomainPtr dom,
                       unsigned int flags,
                       GError **error);

typedef enum {
    PVPERF_DOMAIN_WRITTEN,
    PVPERF_DOMAIN_RACED,        /* the definition is not @before any more; nothing was written */
    PVPERF_DOMAIN_REFUSED,      /* libvirt refused, or the domain went away: error is set */
} pvperfDomainWriteResult;

/* Makes @after the persistent definition of @dom if it is still @before;
 * @define_flags as of virDomainDefineXMLFlags. */
pvperfDomainWriteResult pvperfDomainWrite(virDomainPtr dom,
                                          const char *before,
                                          const char *after,
                                          unsigned int define_flags,
                                          GError **error);

/* @xml changed, or NULL with @error set. */
typedef char *(*pvperfDomainTransform)(const char *xml,
                                       const void *opaque,
                                       GError **error);

/* Defines what @transform makes of the persistent definition, anew on somebody
 * else's change if one comes in between. */
bool pvperfDomainChange(virDomainPtr dom,
                        pvperfDomainTransform transform,
                        const void *opaque,
                        GError **error);

/* False with @error set if <pvperf> stands wrong or is wrong in @xml, or there
 * is more than one device. True also if there is nothing. */
bool pvperfDomainCheck(const pvperfDomainXML *xml,
                       GError **error);

char *pvperfDomainSocketDefault(bool session);

/* The path that the domain's device must name: the daemon's word, or the
 * default of the URI if no daemon answers. */
char *pvperfDomainSocket(pvperfShell *shell,
                         GError **error);
