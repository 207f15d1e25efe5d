/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_def.h: <pvperf>, the element of the domain XML, as data.
 *
 * Owns the grammar: parse, validate, format, compare, defaults. Called by the
 * daemon and the tools; schemas/pvperf.rng says the same to other people's
 * tools and tests hold the two together.
 *
 * Invariants: no I/O; an optional item has a presence bit, never a sentinel;
 * what was absent stays absent in format; an error names element, value, what
 * is allowed, and the line.
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>

#include "pvperf_events.h"
#include "pvperf_policy.h"

#define PVPERF_XMLNS "http://libvirt-pvperf.org/xmlns/libvirt/domain/1.0"
#define PVPERF_XMLNS_PREFIX "pvperf"

#define PVPERF_CONF_ERROR (pvperf_conf_error_quark())
GQuark pvperf_conf_error_quark(void);

typedef enum {
    PVPERF_CONF_ERROR_XML,      /* not well-formed */
    PVPERF_CONF_ERROR_INVALID,  /* an element, attribute or value is wrong or contradictory */
    PVPERF_CONF_ERROR_PLACE,    /* <pvperf> stands where libvirt drops it, or lacks its xmlns */
    PVPERF_CONF_ERROR_DEVICE,   /* the domain's devices do not fit: second device, no PCI slot, ... */
} pvperfConfError;

typedef enum {
    PVPERF_TRISTATE_ABSENT = 0,
    PVPERF_TRISTATE_YES,
    PVPERF_TRISTATE_NO,
} pvperfTristate;

/* An optional number: value means something only if present. */
typedef struct _pvperfOptional pvperfOptional;
struct _pvperfOptional {
    bool present;
    uint64_t value;
};

typedef struct _pvperfDomainDef pvperfDomainDef;
struct _pvperfDomainDef {
    pvperfTristate state;       /* YES: 'on' */
    char *policy;               /* name of the host's policy, or NULL */
    pvperfTristate managed;
    pvperfTristate migratable;

    pvperfOptional max;
    pvperfOptional per_vcpu;
    pvperfTristate classes[PVPERF_NR_CLASSES];
    GArray *raw;                /* of pvperfPolicyRaw, NULL if none */

    bool has_sampletune;
    pvperfOptional min_period;
    pvperfOptional total_samples_sec;
    pvperfOptional total_samples_sec_max;
    pvperfOptional total_samples_sec_max_length;

    pvperfOptional requests_sec;

    bool has_cputune;
    pvperfOptional cpu_period;  /* us */
    pvperfOptional cpu_quota;   /* us */

    char *group_name;           /* or NULL */
    bool has_monitor;
    GArray *monitor;            /* of pvperfEventIndex, NULL if none */
};

void pvperfDomainDefFree(pvperfDomainDef *def);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pvperfDomainDef, pvperfDomainDefFree)

/* Parse and validate one element, given as text or as a node of a document.
 * The text may have or lack its xmlns (virDomainGetMetadata gives it, the
 * form that virDomainSetMetadata wants does not).
 * Returns a new def, or NULL with @error set. */
pvperfDomainDef *pvperfDomainDefParseString(const char *xml,
                                            GError **error);
pvperfDomainDef *pvperfDomainDefParseNode(xmlNodePtr node,
                                          GError **error);

/* Ranges, and contradictions between items (raw allowed without a list, a
 * burst below its rate, ...). Parse does the same with lines; this is for a
 * def changed by hand. */
bool pvperfDomainDefValidate(const pvperfDomainDef *def,
                             GError **error);

/* The element as text, two-space indented, ending in a newline; @with_xmlns
 * false gives the form that virDomainSetMetadata wants. */
char *pvperfDomainDefFormat(const pvperfDomainDef *def,
                            bool with_xmlns);

/* The names of all classes, for a message on one that is not there. */
char *pvperfDomainDefClasses(void);

/* True if both say the same (absent and explicit default differ). */
bool pvperfDomainDefEqual(const pvperfDomainDef *a,
                          const pvperfDomainDef *b);

/* Puts what the element says over @policy, which holds what it says nothing
 * of; what is left out and follows from what is given (max from per_vcpu, the
 * quota from the period) follows. */
void pvperfDomainDefOverlay(const pvperfDomainDef *def,
                            const pvperfPolicyDefaults *defaults,
                            unsigned int nr_vcpus,
                            pvperfPolicy *policy);

/* Limits with the built-in defaults filled in for a VM of nr_vcpus maximum
 * vCPUs. */
void pvperfDomainDefPolicy(const pvperfDomainDef *def,
                           unsigned int nr_vcpus,
                           pvperfPolicy *policy);
