/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cgroup.h: the control group of a backend, `pvperf` below the group
 * that libvirt made for the VM.
 *
 * Called by the domain object around its backend's process. The CPU time of
 * the backend is then accounted to the VM and bounded by the VM's own limits
 * as well as by its own quota. Works on the directories that PROC/self/mountinfo
 * names and nowhere else; PROC is an argument so that tests run on fixtures.
 * Knows hierarchies of version 1 (cpu, and cpuacct where that is another one)
 * and version 2.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

typedef struct _pvperfCgroup pvperfCgroup;

/* The groups of the VM whose QEMU is process @pid. Nothing is made yet. NULL
 * with @error where libvirt gave the VM no group with the controller `cpu`. */
pvperfCgroup *pvperfCgroupFind(const char *proc,
                               pid_t pid,
                               GError **error);

/* Forgets them; the groups themselves stay. */
void pvperfCgroupFree(pvperfCgroup *group);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pvperfCgroup, pvperfCgroupFree)

/* Where the backend's group with the quota is, to tell people. */
const char *pvperfCgroupPath(const pvperfCgroup *group);

/* Make the backend's groups where they are missing, and move @pid with all its
 * threads into them. */
bool pvperfCgroupJoin(const pvperfCgroup *group,
                      pid_t pid,
                      GError **error);

/* @quota_us of CPU time in each @period_us; 0: no limit. Written only if the
 * kernel has something else. G_IO_ERROR_INVALID_ARGUMENT: the kernel (version
 * 1) refuses a share above that of a group further up, which then is the limit. */
bool pvperfCgroupLimit(const pvperfCgroup *group,
                       uint64_t period_us,
                       uint64_t quota_us,
                       GError **error);

/* The backend has ended: remove its groups. With @vm_gone also the VM's, if
 * libvirt could not because the backend was still in there; one that is not
 * empty stays. */
void pvperfCgroupRemove(const pvperfCgroup *group,
                        bool vm_gone);
