/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_isolate.h: what the backend gives up before it listens to anybody.
 *
 * Stages that main() calls in this order, by name. Each returns false, with a
 * line logged, if it could not do what it promises; the process then ends.
 * docs/backend.rst, "Sandbox", says what each is for.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum {
    PVPERF_SECCOMP_KILL,        /* the default */
    PVPERF_SECCOMP_LOG,         /* the kernel's audit log names what is not on the list */
    PVPERF_SECCOMP_NONE,
} pvperfSeccompAction;

#define PVPERF_KEEP_USER ((uid_t)-1)

/* Namespaces of its own for mounts, IPC and host name, with nothing mounted but an
 * empty directory; the network namespace net_fd, or a new one if that is -1.
 * Without the right to: says so, and true. may_map: try by way of a user
 * namespace, in which no other user exists. */
bool pvperfIsolateNamespaces(int net_fd,
                             bool may_map);

/* Every fd but 0, 1, 2 and this one is closed. */
bool pvperfIsolateFds(int keep);

/* No core files, no file that grows; locked memory for so many bytes of sample rings (0: for
 * all that a VM can need). Memory and fds are limited by whoever starts the process. */
bool pvperfIsolateLimits(uint64_t ring_bytes_max);

/* This user and group and no other group, unless PVPERF_KEEP_USER. No capability, and
 * none to be had again. No process beside this one. */
bool pvperfIsolateUser(uid_t uid,
                       gid_t gid);

/* Nobody of the same user may look into this process. */
bool pvperfIsolateMemory(void);

/* Only the system calls that serving needs. Last of all. */
bool pvperfIsolateSystemCalls(pvperfSeccompAction action);

/* For the stages alone: logs that @what failed, with errno, and returns false. */
bool pvperfIsolateFailed(const char *what);
