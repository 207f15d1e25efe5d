/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_device.h: giving a domain its device, and taking it away.
 *
 * Two halves. pvperfDeviceDecide() is the rule, a pure function of what is
 * known. pvperfDeviceApply() is the one write to libvirt, in its thread: XML
 * read again right before, verified after, undone if somebody else wrote at
 * the same moment. It works on an ops structure so that tests play libvirt.
 *
 * Who else writes the XML (Nova, Terraform, virt-manager) is never fought:
 * one attempt per XML, none after somebody took the device out.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "../conf/pvperf_domain_xml.h"
#include "pvperf_record.h"

/* X(constant, what `virsh-pvperf list` says as the reason). */
#define PVPERF_DEVICE_VERDICTS(X) \
    X(PVPERF_DEVICE_NOTHING, "") \
    X(PVPERF_DEVICE_GIVE, "the device is being added to the persistent XML") \
    X(PVPERF_DEVICE_TAKE, "the device is being taken out of the persistent XML") \
    X(PVPERF_DEVICE_WAIT_KEEPER, "pvperf-ivshmem is not running; the device is added when it is") \
    X(PVPERF_DEVICE_MANUAL, "the daemon runs with --manage-devices=manual: 'virsh-pvperf enable' adds the device") \
    X(PVPERF_DEVICE_NOT_MANAGED, "managed='no': 'virsh-pvperf enable' adds the device") \
    X(PVPERF_DEVICE_WAS_REMOVED, "the device was taken out of the XML; 'virsh-pvperf enable' adds it again") \
    X(PVPERF_DEVICE_ATTEMPTED, "adding the device to this XML failed before; 'virsh-pvperf enable' tries again") \
    X(PVPERF_DEVICE_TRANSIENT, \
      "the domain is transient: create it from an XML made by 'virsh-pvperf enable --print-xml'") \
    X(PVPERF_DEVICE_NO_ELEMENT, "only the running domain has the element: the device needs it in the persistent XML") \
    X(PVPERF_DEVICE_TOO_MANY, "the XML has more than one pvperf device: 'virsh-pvperf disable' takes them out")

#define PVPERF_DEVICE_ENUM(constant, text) constant,
typedef enum {
    PVPERF_DEVICE_VERDICTS(PVPERF_DEVICE_ENUM)
    PVPERF_NR_DEVICE_VERDICTS
} pvperfDeviceVerdict;
#undef PVPERF_DEVICE_ENUM

const char *pvperfDeviceVerdictText(pvperfDeviceVerdict verdict);

typedef struct _pvperfDeviceFacts pvperfDeviceFacts;
struct _pvperfDeviceFacts {
    bool persistent;
    bool auto_manage;           /* not --manage-devices=manual */
    bool keeper;                /* pvperf-ivshmem is there: a domain with the device can start */
    bool element;               /* <pvperf> in the persistent XML, valid */
    bool invalid;               /* <pvperf> in the persistent XML, wrong */
    pvperfTristate managed;
    pvperfTristate migratable;
    unsigned int devices;       /* in the persistent XML */
    bool has_override;
    bool vectors_match;         /* vectors = maximum vCPUs */
    pvperfRecord record;
    bool attempted;             /* this very XML was tried before */
};

void pvperfDeviceFactsFromXML(pvperfDeviceFacts *facts,
                              const pvperfDomainXML *config);

pvperfDeviceVerdict pvperfDeviceDecide(const pvperfDeviceFacts *facts);

/* The record after what is known was seen: what was managed and had its device
 * is "given", and "removed" once the device is gone while the element stays. */
pvperfRecord pvperfDeviceNextRecord(const pvperfDeviceFacts *facts);

/* What libvirt is asked; all with a GError, in the libvirt thread. */
typedef struct _pvperfDeviceOps pvperfDeviceOps;
struct _pvperfDeviceOps {
    /* the persistent XML, secrets included; NULL with @error */
    char *(*get)(gpointer ctx,
                 GError **error);
    bool (*define)(gpointer ctx,
                   const char *xml,
                   GError **error);
    bool (*undefine)(gpointer ctx,
                     GError **error);
    /* start to count this domain's lifecycle events */
    void (*watch)(gpointer ctx);
    /* wait (bounded) until a define was told, then how many of each were */
    void (*collect)(gpointer ctx,
                    unsigned int *updated,
                    unsigned int *added,
                    unsigned int *undefined);
};

typedef enum {
    PVPERF_DEVICE_DONE,         /* written and verified */
    PVPERF_DEVICE_CHANGED,      /* the XML changed meanwhile: nothing was written, its event follows */
    PVPERF_DEVICE_FAILED,       /* nothing was written */
    PVPERF_DEVICE_OVERTAKEN,    /* written, and somebody wrote after us: theirs stands */
    PVPERF_DEVICE_UNDONE,       /* written, and taken back */
} pvperfDeviceOutcome;

/* Do @verdict (GIVE or TAKE). @facts are those of the decision, without what
 * comes from the XML, which is read and decided upon again. @error is set
 * unless DONE. */
pvperfDeviceOutcome pvperfDeviceApply(const pvperfDeviceOps *ops,
                                      gpointer ctx,
                                      const pvperfDeviceFacts *facts,
                                      pvperfDeviceVerdict verdict,
                                      const char *socket,
                                      GError **error);

/* @xml without anything of ours and without indentation: what must be the
 * same before and after. */
char *pvperfDeviceCanonicalXML(const char *xml);
