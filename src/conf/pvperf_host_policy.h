/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_host_policy.h: what a host's operator laid down for all domains:
 * defaults, ceilings, named policies and groups; and what of an element's
 * wishes is left of it.
 *
 * Filled by the daemon from its configuration (it does the reading of files),
 * constant after that: a reload makes a new one and replaces the old one whole.
 * Named policies and groups are written in the grammar of <pvperf>, of which
 * they may use what is theirs to say.
 */
#pragma once

#include "pvperf_domain_def.h"

typedef enum {
    PVPERF_HOST_POLICY,         /* <pvperf policy='NAME'> */
    PVPERF_HOST_GROUP,          /* <group_name>NAME</group_name> */
    PVPERF_HOST_NR_KINDS,
} pvperfHostKind;

typedef struct _pvperfHostPolicy pvperfHostPolicy;
struct _pvperfHostPolicy {
    pvperfPolicyDefaults defaults;
    pvperfPolicy ceiling;
    char *default_policy;       /* of elements that name none; or NULL */
    GHashTable *named[PVPERF_HOST_NR_KINDS]; /* name -> pvperfDomainDef */
    GHashTable *broken[PVPERF_HOST_NR_KINDS]; /* name -> why it could not be read; it may be in named as
                                               * it was before */
};

/* Built-in defaults, no ceiling, nothing named. */
pvperfHostPolicy *pvperfHostPolicyNew(void);
void pvperfHostPolicyFree(pvperfHostPolicy *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pvperfHostPolicy, pvperfHostPolicyFree)

/* "policy", "group" */
const char *pvperfHostKindName(pvperfHostKind kind);

/* Adds what @xml says under @name; false with @error if the name or the XML is
 * wrong, or says what is not its to say. */
bool pvperfHostPolicyAdd(pvperfHostPolicy *host,
                         pvperfHostKind kind,
                         const char *name,
                         const char *xml,
                         GError **error);

/* What @name says is wrong, for the reason @why: what @old had, if anything,
 * stays. */
void pvperfHostPolicyBroken(pvperfHostPolicy *host,
                            pvperfHostKind kind,
                            const char *name,
                            const char *why,
                            const pvperfHostPolicy *old);

/* The names of a kind, sorted and comma separated; "none" if there are none. */
char *pvperfHostPolicyNames(const pvperfHostPolicy *host,
                            pvperfHostKind kind);

/* What is in force for an element. */
typedef struct _pvperfEffective pvperfEffective;
struct _pvperfEffective {
    pvperfPolicy policy;
    char *policy_name;          /* or NULL */
    char *group_name;           /* or NULL */
    char *remarks;              /* what the element asks for and does not get, and by whom; that
                                 * its policy is the one of before; or NULL */
};

void pvperfEffectiveClear(pvperfEffective *effective);

/* The element may lower what its policy grants, never raise it; ceilings bind
 * both. False with @error if it names a policy or group that is not there. */
bool pvperfHostPolicyEffective(const pvperfHostPolicy *host,
                               const pvperfDomainDef *def,
                               unsigned int nr_vcpus,
                               pvperfEffective *effective,
                               GError **error);

/* The limits that the VMs of a group share: max, requests_sec and the three of
 * total_samples_sec; the others, and what the group does not limit, are 0.
 * False if there is no such group. */
bool pvperfHostPolicyGroup(const pvperfHostPolicy *host,
                           const char *name,
                           pvperfPolicy *shared);
