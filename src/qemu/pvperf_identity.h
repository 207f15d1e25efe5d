/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_identity.h: which domain a process is, and which threads its vCPUs
 * are.
 *
 * Called by the driver for each connection that the keeper reports, and by
 * the broker around every open. Trusts libvirt's pid files and status XML
 * (owned by root, or by this user in a session) and the kernel's /proc; never
 * the command line of QEMU, which a QEMU that was taken over can rewrite.
 * The directories are arguments so that tests run on fixtures.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

/* UUID (lower case) of the domain whose process is @pid, from the pid file
 * and the status XML in @qemu_run_dir, both owned by @owner. NULL with @error
 * if there is none. */
char *pvperfIdentityFindDomain(const char *qemu_run_dir,
                               uid_t owner,
                               pid_t pid,
                               GError **error);

/* Field 22 of PROC/PID/stat, in ticks since boot; 0 if there is no such
 * process. */
uint64_t pvperfIdentityStartTime(const char *proc,
                                 pid_t pid);

/* Field 3 of it: 'R', 'S', 'T' (stopped) ...; 0 if there is no such process. */
char pvperfIdentityState(const char *proc,
                         pid_t pid);

/* Whether @pid has the file open that @fd of ours is. Who connected to the keeper
 * is known by its pid alone on kernels before 6.5; a connection that outlived its
 * process and waited until the pid was another QEMU's is told by this: the window
 * went to somebody else. */
bool pvperfIdentityHolds(const char *proc,
                         pid_t pid,
                         int fd);

/* Whether @pidfd's process still lives. */
bool pvperfIdentityAlive(int pidfd);

/* The vCPU whose thread bears this name, "CPU n/KVM" or "CPU n/TCG"; -1 for
 * another thread. */
int pvperfIdentityParseComm(const char *comm);

/* Whether @tid is a thread of @pid and the one of @vcpu. */
bool pvperfIdentityIsVcpu(const char *proc,
                          pid_t pid,
                          pid_t tid,
                          unsigned int vcpu);

/* Thread of @vcpu in @pid, 0 if there is none (yet). */
pid_t pvperfIdentityFindVcpu(const char *proc,
                             pid_t pid,
                             unsigned int vcpu);
