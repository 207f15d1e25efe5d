/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_host_config.h: virtpvperfd.conf, and the policies and groups beside it.
 *
 * Read at start and again on SIGHUP. A new reading replaces the old one whole
 * or, if virtpvperfd.conf is wrong, not at all; a policy or group whose file is
 * wrong stays as it was.
 */
#pragma once

#include <stdbool.h>

#include "conf/pvperf_host_policy.h"
#include "pvperf_sandbox_user.h"

typedef enum {
    PVPERF_ACCESS_BUS,          /* the bus's policy decides alone who may read */
    PVPERF_ACCESS_POLKIT,       /* and polkit has to agree */
} pvperfAccess;

typedef enum {
    PVPERF_BACKEND_SECCOMP_KILL,
    PVPERF_BACKEND_SECCOMP_LOG,
    PVPERF_BACKEND_SECCOMP_NONE,
} pvperfBackendSeccomp;

typedef struct _pvperfHostConfig pvperfHostConfig;
struct _pvperfHostConfig {
    pvperfHostPolicy *policy;
    bool manage_devices;        /* false: never change a domain's XML */
    pvperfAccess read_access;
    uint64_t ceiling_memory;    /* KiB of sample rings of one VM; 0: none */
    pvperfBackendSeccomp backend_seccomp;
    char *backend_user;         /* as the file says; NULL: it says nothing */
    pvperfSandboxUser user;     /* who that is */
};

void pvperfHostConfigFree(pvperfHostConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pvperfHostConfig, pvperfHostConfigFree)

/* Reads @path, and policies/NAME.xml and groups/NAME.xml in the directory
 * pvperf beside it. A file that is not there says nothing, unless @required.
 * @old (or NULL) has what stays of a policy or group whose file is wrong; that
 * is logged. NULL with @error if @path is wrong. */
pvperfHostConfig *pvperfHostConfigLoad(const char *path,
                                       bool required,
                                       const pvperfHostConfig *old,
                                       GError **error);
