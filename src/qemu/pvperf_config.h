/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_config.h: what virtpvperfd was told on its command line, and the
 * paths that follow from it.
 *
 * Read once in main(), constant after that, handed to every other part.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

typedef struct _pvperfConfig pvperfConfig;
struct _pvperfConfig {
    char *uri;
    bool session;               /* the URI's path is /session: own user, session bus */
    char *run_dir;              /* sockets: ivshmem.sock, keeper.sock, backend/ */
    char *state_dir;            /* records of devices given, see pvperf_record.h */
    char *qemu_run_dir;         /* libvirt's pid files and status XML */
    char *backend;              /* program */
    char *file;                 /* virtpvperfd.conf, see pvperf_host_config.h */
    bool file_given;            /* and it has to be there */
    bool manual;                /* never change a domain's XML, whatever the file says */
    bool verbose;
    bool version;               /* only print the version */

    /* derived */
    char *ivshmem_socket;       /* what a domain's device names */
    char *keeper_socket;
    char *backend_dir;
};

void pvperfConfigFree(pvperfConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pvperfConfig, pvperfConfigFree)

/* Parse @argv and fill in defaults; NULL with @error for a wrong option.
 * --help prints and exits, as GOption does. */
pvperfConfig *pvperfConfigNew(int argc,
                              char **argv,
                              GError **error);

/* Make the directories of ours that do not exist; backend/ and the state
 * directory are for this user alone. */
bool pvperfConfigPrepareDirs(const pvperfConfig *config,
                             GError **error);
