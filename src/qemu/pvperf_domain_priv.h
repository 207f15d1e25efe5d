/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_priv.h: shared by pvperf_domain.c (what is known and seen) and
 * pvperf_domain_backend.c (the backend's life).
 */
#pragma once

#include "pvperf_domain.h"

/* Whether a backend is wanted, and with which policy: tell the lifecycle. */
void pvperfDomainUpdateBackend(pvperfDomain *dom);
