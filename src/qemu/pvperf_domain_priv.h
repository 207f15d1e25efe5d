/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_priv.h: shared by pvperf_domain.c (what is known and seen),
 * pvperf_domain_policy.c (what is in force), pvperf_domain_group.c (what it
 * shares), pvperf_domain_place.c (where the backend runs),
 * pvperf_domain_audit.c (what the guest was refused) and
 * pvperf_domain_backend.c (the backend's life).
 */
#pragma once

#include "pvperf_domain.h"

/* The XML whose element counts now, or NULL. */
const pvperfDomainXML *pvperfDomainXMLThatCounts(const pvperfDomain *dom);

/* Why the element that counts is wrong in itself. */
char *pvperfDomainInvalidReason(const pvperfDomain *dom);

/* What is in force: find out; tell the backend; write down for a daemon that
 * comes after this one, and not any more. */
void pvperfDomainUpdatePolicy(pvperfDomain *dom);
void pvperfDomainPolicySend(pvperfDomain *dom);
void pvperfDomainPolicyKeep(pvperfDomain *dom);
void pvperfDomainPolicyDrop(pvperfDomain *dom);

/* Tell the backend, which there is, in which group it is; give the seat back,
 * because the backend @ended or is to leave. */
void pvperfDomainUpdateGroup(pvperfDomain *dom);
void pvperfDomainGroupLeave(pvperfDomain *dom,
                            bool ended);

/* Whether a backend is wanted, and with which policy: tell the lifecycle. */
void pvperfDomainUpdateBackend(pvperfDomain *dom);

/* Free after the client, which may still answer, and before what a line names. */
void pvperfDomainAuditNew(pvperfDomain *dom);
void pvperfDomainAuditFree(pvperfDomain *dom);

/* Asks the backend, if there is one, for what it has not told. */
void pvperfDomainAuditAsk(pvperfDomain *dom);

/* The backend's news (pvperfBackendHandlers). */
void pvperfDomainOnRefused(const pvperfControlRefused *refused,
                           gpointer opaque);
void pvperfDomainOnStats(const pvperfControlStats *stats,
                         gpointer opaque);

/* The backend has started, or was adopted: find its VM's control group and put
 * it there; then the same as UpdatePlace. */
void pvperfDomainPlace(pvperfDomain *dom);

/* Quota and CPUs as policy and pinning are now. */
void pvperfDomainUpdatePlace(pvperfDomain *dom);

/* The backend is to end: it does not wait for its quota, and libvirt, which
 * tries for a second to remove its group, not for it. */
void pvperfDomainLiftQuota(pvperfDomain *dom);

/* The backend has ended: no group of it stays. */
void pvperfDomainUnplace(pvperfDomain *dom);

/* The daemon ends, the backend stays where it is. */
void pvperfDomainForgetPlace(pvperfDomain *dom);
