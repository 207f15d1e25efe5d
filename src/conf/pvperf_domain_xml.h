/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_xml.h: a whole libvirt domain XML, as far as it concerns us.
 *
 * Finds <pvperf> (by namespace URI, whatever the prefix) and says where it
 * stands wrong; finds, adds and takes out the ivshmem device and the override
 * it needs. Called by the daemon (devices of running and defined domains) and
 * by virsh-pvperf (enable, disable, edit, check, validate).
 *
 * Invariants: pure text in, text out; what is not ours in the XML is kept as
 * it is (but for quotes, which become '); adding twice or removing twice is an error or no change, never a
 * second device.
 */
#pragma once

#include <glib.h>

#include "pvperf_domain_def.h"

#define PVPERF_DEVICE_NAME "pvperf"         /* <shmem name=...> */
#define PVPERF_DEVICE_ALIAS "ua-pvperf"

/* Where <pvperf> was found in the XML. */
typedef enum {
    PVPERF_PLACE_NONE,          /* nowhere */
    PVPERF_PLACE_METADATA,      /* where it belongs */
    PVPERF_PLACE_TOP_LEVEL,     /* child of <domain>: define drops it */
    PVPERF_PLACE_NO_XMLNS,      /* in <metadata> without our namespace */
    PVPERF_PLACE_WRONG_XMLNS,   /* in <metadata> with a namespace that resembles ours */
    PVPERF_PLACE_TWICE,         /* more than one in our namespace: libvirt keeps one */
} pvperfPlace;

/* Our device, as found in a domain XML. */
typedef struct _pvperfDevice pvperfDevice;
struct _pvperfDevice {
    unsigned int count;         /* <shmem name='pvperf'> or alias ua-pvperf: 0, 1, or too many */
    char *socket;               /* server path */
    unsigned int vectors;
    bool has_alias;             /* carries PVPERF_DEVICE_ALIAS */
    bool has_override;          /* <qemu:override> sets master=on for the alias */
    unsigned int other_ivshmem; /* other <shmem> devices of the domain */
};

typedef struct _pvperfDomainXML pvperfDomainXML;
struct _pvperfDomainXML {
    char *name;
    char *uuid;
    char *type;                 /* kvm, qemu, ... */
    char *machine;              /* as in <type machine=...> */
    char *emulator;
    unsigned int max_vcpus;
    bool pmu_off;               /* <features><pmu state='off'/> */
    pvperfPlace place;
    pvperfDomainDef *def;       /* NULL: no valid element */
    GError *def_error;          /* why def is NULL although an element is there */
    pvperfDevice device;
};

void pvperfDomainXMLFree(pvperfDomainXML *dom);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pvperfDomainXML, pvperfDomainXMLFree)

/* Read @xml. NULL with @error only if it is no domain XML at all; an element
 * that is invalid or stands wrong is reported in place / def_error. */
pvperfDomainXML *pvperfDomainXMLParse(const char *xml,
                                      GError **error);

/* A domain XML with our device added (alias, server path @socket, vectors =
 * maximum vCPUs, explicit free PCI address of pcie.0 / pci.0), with the
 * override unless migratable='no', and managed='yes' filled into <pvperf>.
 * The XML must have a valid element. If an equal device is there already only
 * what lacks is added; a different one is PVPERF_CONF_ERROR_DEVICE.
 * Returns new text, or NULL with @error set. */
char *pvperfDomainXMLAddDevice(const char *xml,
                               const char *socket,
                               GError **error);

/* The same XML without device, override (and the <qemu:override>, the
 * namespace, if nothing else is in it). @with_element takes <pvperf> out too;
 * otherwise only managed='yes' is taken out of it, which AddDevice put there. */
char *pvperfDomainXMLRemoveDevice(const char *xml,
                                  bool with_element,
                                  GError **error);

/* The <shmem> element alone, for a hot-plug; no PCI address. */
char *pvperfDomainXMLFormatDevice(const char *socket,
                                  unsigned int vectors);

/* @xml with <pvperf> in <metadata> replaced by @def, added if it was not
 * there, taken out if @def is NULL. */
char *pvperfDomainXMLSetDef(const char *xml,
                            const pvperfDomainDef *def,
                            GError **error);
