/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_sandbox_user.h: as which user backends run.
 *
 * Looked up when virtpvperfd.conf is read, because asking for a user may take
 * long, and never while a VM starts.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

typedef struct _pvperfSandboxUser pvperfSandboxUser;
struct _pvperfSandboxUser {
    char *name;
    bool change;                /* false: the daemon is not root, and they run as it does */
    bool shared;                /* no user of their own: one that others run as, too */
    uid_t uid;
    gid_t gid;
};

/* The one of this name; without a name "pvperf", and "nobody" if there is none.
 * False with @error: there is no such user. */
bool pvperfSandboxUserFind(pvperfSandboxUser *user,
                           const char *name,
                           GError **error);
void pvperfSandboxUserClear(pvperfSandboxUser *user);

/* Logs that it is not one of their own, if so. */
void pvperfSandboxUserTell(const pvperfSandboxUser *user);
