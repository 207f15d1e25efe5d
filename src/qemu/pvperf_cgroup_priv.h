/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cgroup_priv.h: shared by pvperf_cgroup_find.c (where the VM's groups
 * are) and pvperf_cgroup.c (what is done with them).
 */
#pragma once

#include "pvperf_cgroup.h"

/* With systemd libvirt makes a group of this name inside the VM's scope. */
#define PVPERF_CGROUP_INNER "libvirt"

#define PVPERF_NR_CGROUPS 2

struct _pvperfCgroup {
    bool unified;                       /* version 2 */
    char *vm[PVPERF_NR_CGROUPS];        /* [0] has cpu, [1] cpuacct or is NULL */
    char *own[PVPERF_NR_CGROUPS];       /* below each of them */
};

/* @cpuacct: NULL if it is the same hierarchy as @cpu, or none. */
pvperfCgroup *pvperfCgroupNew(bool unified,
                              const char *cpu,
                              const char *cpuacct);

/* Whether libvirt gives this name to a group of QEMU's threads. */
bool pvperfCgroupIsThreads(const char *name);

/* Whether DIR/FILE, words with blanks between them, has this one. */
bool pvperfCgroupHasWord(const char *dir,
                         const char *file,
                         const char *word);
