/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_check.h: "check", in two halves.
 *
 * Facts are gathered once (pvperf_check_gather.c, all the I/O); rules
 * (pvperf_check_host.c, pvperf_check_domain.c) turn them into findings and do
 * no I/O, so that tests give them any machine. A fact that could not be
 * gathered says why, and the rules go on with the others: check is for when
 * things are broken.
 */
#pragma once

#include "pvperf_domain.h"

typedef enum {
    PVPERF_CHECK_PASS,
    PVPERF_CHECK_WARN,          /* works, but not as one would expect */
    PVPERF_CHECK_FAIL,          /* something does not count because of this */
} pvperfCheckResult;

typedef struct _pvperfFinding pvperfFinding;
struct _pvperfFinding {
    const char *scope;          /* HOST, DOMAIN or EVENT */
    const char *what;           /* what was looked at */
    pvperfCheckResult result;
    char *detail;               /* what was found, or NULL */
    char *fix;                  /* what to do, NULL if it passed */
};

typedef struct _pvperfCheckFacts pvperfCheckFacts;
struct _pvperfCheckFacts {
    bool session;

    char *libvirt_error;        /* why there is no connection; NULL: there is */
    char *libvirt_uri;
    unsigned long libvirt_version;  /* 1000000 * major + 1000 * minor + release */
    char *driver;               /* "QEMU" */

    char *emulator;
    pvperfTristate ivshmem;     /* the emulator has the device; ABSENT: not known */
    char *ivshmem_error;        /* why it is not known */

    char *security;             /* libvirt's security model, "apparmor" or "selinux"; NULL: it confines no QEMU */
    bool apparmor_asks;         /* the kernel's AppArmor asks at connect() to a socket file */
    bool apparmor_rule;         /* every domain's profile has our rule */

    char *socket;               /* that the device must name */
    bool socket_exists;
    bool socket_listens;

    char *daemon_error;         /* why it does not answer; NULL: it does */
    char *daemon_version;
    bool daemon_libvirt;
    bool daemon_ivshmem;
    GVariant *capabilities;     /* of GetCapabilities, or NULL */

    int paranoid;               /* kernel.perf_event_paranoid */
    bool has_pmu;
    bool mediated;              /* KVM keeps the PMU for itself */

    char *domain;               /* name, or NULL: only the host is checked */
    bool active;
    bool persistent;
    pvperfDomainXML *config;    /* NULL if transient */
    pvperfDomainXML *live;      /* NULL if it does not run */
    char *config_text;
    char *live_text;
    bool vhost_user;            /* it has vhost-user devices */
    GVariant *row;              /* of ListDomains, or NULL */
    GVariant *stats;            /* of GetStats, or NULL */
    GVariant *policy;           /* of GetPolicy for the element that counts, or NULL */

    char *event;                /* as the user wrote it, or NULL */
};

void pvperfCheckFactsClear(pvperfCheckFacts *facts);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(pvperfCheckFacts, pvperfCheckFactsClear)

/* Fills @facts. False with @error set only if the domain does not exist. */
bool pvperfCheckGather(pvperfShell *shell,
                       const char *domain,
                       const char *event,
                       pvperfCheckFacts *facts,
                       GError **error);

/* Fills config, live and vhost_user from the texts of the domain. */
bool pvperfCheckParseDomain(pvperfCheckFacts *facts,
                            GError **error);

/* True if somebody listens on the stream socket @path, by the text of
 * /proc/net/unix. */
bool pvperfCheckListens(const char *proc_net_unix,
                        const char *path);

/* What to do when events are refused for this reason. */
const char *pvperfCheckReasonFix(int reason);

/* All findings, in the order in which things depend on each other. */
GPtrArray *pvperfCheckAll(const pvperfCheckFacts *facts);

bool pvperfCheckFailed(GPtrArray *findings);
void pvperfCheckPrint(GPtrArray *findings,
                      bool quiet,
                      FILE *out);
void pvperfCheckPrintJson(GPtrArray *findings,
                          FILE *out);

/* The rules of each scope; each adds findings to the list. */
void pvperfCheckHost(const pvperfCheckFacts *facts,
                     GPtrArray *findings);
void pvperfCheckDomain(const pvperfCheckFacts *facts,
                       GPtrArray *findings);
void pvperfCheckEvent(const pvperfCheckFacts *facts,
                      GPtrArray *findings);

void pvperfCheckPass(GPtrArray *findings,
                     const char *scope,
                     const char *what,
                     const char *detail,
                     ...) G_GNUC_PRINTF(4, 5);

/* @fix is what to do, @detail what was found. */
void pvperfCheckFind(GPtrArray *findings,
                     const char *scope,
                     const char *what,
                     pvperfCheckResult result,
                     const char *fix,
                     const char *detail,
                     ...) G_GNUC_PRINTF(6, 7);

/* The element and device that count for the domain now: of the running domain,
 * else of its definition. NULL if neither could be read. */
const pvperfDomainXML *pvperfCheckCurrent(const pvperfCheckFacts *facts);
