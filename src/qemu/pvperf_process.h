/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_process.h: the process of one VM's backend: Prepare, Start or Adopt,
 * Stop.
 *
 * Called by the domain object. Beside the socket DIR/UUID.sock stands
 * DIR/UUID.pid, which says which process serves which QEMU: a daemon that
 * starts while VMs run finds their backends by it and never puts a second one
 * on a window.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

typedef struct _pvperfProcess pvperfProcess;

/* Called once, when the process has ended; @how is "exited with status 1" or
 * the like. The process may be freed in it. */
typedef void (*pvperfProcessEnded)(pvperfProcess *process,
                                   const char *how,
                                   gpointer opaque);

/* Whose backend it is: the QEMU process. */
typedef struct _pvperfProcessOwner pvperfProcessOwner;
struct _pvperfProcessOwner {
    pid_t pid;
    uint64_t start_time;
};

/* How a backend is started; pvperf_sandbox.c says how. */
typedef struct _pvperfProcessOptions pvperfProcessOptions;
struct _pvperfProcessOptions {
    const char *program;
    uint64_t max_rings_kib;     /* KiB of sample rings that it may have; 0: no limit */
    uint64_t max_fds;           /* 0: as the daemon */
    uint64_t max_memory;        /* bytes of address space; 0: as the daemon */
    bool change_user;
    uid_t uid;
    gid_t gid;
    const char *seccomp;        /* NULL: as the program has it */
    int net_fd;                 /* network namespace to be in; -1: one of its own */
};

/* Nothing is done yet. */
pvperfProcess *pvperfProcessNew(const char *dir,
                                const char *uuid,
                                const pvperfProcessOwner *owner,
                                pvperfProcessEnded ended,
                                gpointer opaque);

/* A process that runs is left alone, and its files with it. */
void pvperfProcessFree(pvperfProcess *process);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pvperfProcess, pvperfProcessFree)

/* 0: none runs. */
pid_t pvperfProcessPid(const pvperfProcess *process);

/* Where its control socket is. */
const char *pvperfProcessSocket(const pvperfProcess *process);

/* Take over the process that an earlier daemon started for the same QEMU.
 * False if there is none; one that serves another QEMU, or is no backend of
 * that daemon, is killed on the way. */
bool pvperfProcessAdopt(pvperfProcess *process);

/* Make the socket and run the program on it. All of the options holds for as long as the
 * process lives. */
bool pvperfProcessStart(pvperfProcess *process,
                        const pvperfProcessOptions *options,
                        GError **error);

/* Ask it to end, kill it if it does not in time; `ended` follows. */
void pvperfProcessStop(pvperfProcess *process);

/* Kill it now (it broke the protocol); `ended` follows. */
void pvperfProcessKill(pvperfProcess *process);

/* Remove what stands in @dir, of whatever kind, for domains that are not among
 * the uuids in @known and have no backend that lives. */
void pvperfProcessPrune(const char *dir,
                        GHashTable *known);
