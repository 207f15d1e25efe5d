/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_sandbox_user.c: a name of virtpvperfd.conf -> user and group.
 *
 * All backends share a user: what keeps one from another is that none can name
 * or reach a process, and the kernel's account of locked memory, the one thing
 * that a user's processes share, is followed by a limit of each process's own
 * (docs/backend.rst, "Sandbox").
 */
#include "pvperf_sandbox_user.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define PVPERF_USER "pvperf"            /* of pvperf.sysusers */
#define PVPERF_USER_OF_ALL "nobody"     /* every host has it */

static bool
pvperfSandboxUserTry(pvperfSandboxUser *user,
                     const char *name)
{
    g_autofree char *buffer = g_malloc(16384);
    struct passwd entry;
    struct passwd *found = NULL;

    if (getpwnam_r(name, &entry, buffer, 16384, &found) != 0 || !found)
        return false;
    user->name = g_strdup(name);
    user->uid = entry.pw_uid;
    user->gid = entry.pw_gid;
    user->change = true;
    return true;
}


bool
pvperfSandboxUserFind(pvperfSandboxUser *user,
                      const char *name,
                      GError **error)
{
    if (geteuid() != 0) {
        user->name = g_strdup(g_get_user_name());
        return true;
    }
    if (pvperfSandboxUserTry(user, name ? name : PVPERF_USER))
        return true;
    if (name) {
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                    "backend_user = \"%s\": allowed: the name of a user of this host", name);
        return false;
    }
    if (!pvperfSandboxUserTry(user, PVPERF_USER_OF_ALL)) {
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                    "backend_user: this host has neither the user \"%s\" nor \"%s\"; allowed: the name of a user "
                    "of this host", PVPERF_USER, PVPERF_USER_OF_ALL);
        return false;
    }
    user->shared = true;
    return true;
}


void
pvperfSandboxUserTell(const pvperfSandboxUser *user)
{
    if (user->shared)
        g_warning("there is no user '%s': backends run as '%s', as others may; 'systemd-sysusers' makes the user, "
                  "backend_user of virtpvperfd.conf names another one", PVPERF_USER, PVPERF_USER_OF_ALL);
}


void
pvperfSandboxUserClear(pvperfSandboxUser *user)
{
    g_clear_pointer(&user->name, g_free);
}
