/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_namespaces.c: an empty root, no network.
 *
 * The root is a directory of a tmpfs that nothing else has mounted, read-only;
 * what was mounted before is detached, so that no path leads anywhere. All
 * backends may share one network namespace, as there is nothing in it: making
 * one takes the kernel milliseconds, under one lock, and some 200 KiB.
 *
 * System calls: unshare, setns, mount, pivot_root, umount2.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pvperf_isolate.h"
#include "pvperf_log.h"

/* Any directory that every host has will do. */
#define PVPERF_ROOT_OVER "/tmp"

static bool
pvperfNamespacesEmptyRoot(void)
{
    const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return pvperfIsolateFailed("mounts of its own");
    if (mount("pvperf", PVPERF_ROOT_OVER, "tmpfs", flags, "size=4k,nr_inodes=2,mode=555") < 0)
        return pvperfIsolateFailed("an empty directory on " PVPERF_ROOT_OVER);
    if (chdir(PVPERF_ROOT_OVER) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
        umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return pvperfIsolateFailed("an empty root");
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL) < 0)
        return pvperfIsolateFailed("a root that is read-only");
    return true;
}


bool
pvperfIsolateNamespaces(int net_fd,
                        bool may_map)
{
    const int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (net_fd < 0 ? CLONE_NEWNET : 0);

    if (unshare(flags) < 0 &&
        (errno != EPERM || !may_map || unshare(flags | CLONE_NEWUSER) < 0)) {
        if (errno != EPERM && errno != ENOSPC)
            return pvperfIsolateFailed("namespaces of its own");
        pvperfLog("isolation: goes on without namespaces of its own, which need CAP_SYS_ADMIN: %s",
                  strerror(errno));
        return true;
    }
    if (net_fd >= 0 && setns(net_fd, CLONE_NEWNET) < 0)
        return pvperfIsolateFailed("network namespace");
    return pvperfNamespacesEmptyRoot();
}
