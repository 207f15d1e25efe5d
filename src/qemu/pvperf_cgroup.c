/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cgroup.c: join, limit and remove the group of a backend.
 *
 * Where the VM's group is, is worked out in pvperf_cgroup_find.c. All paths
 * come from the kernel; a process is moved by its number, which the caller
 * holds by a pidfd. Version 1 and 2 differ in three places: how a group is made
 * (in version 2 QEMU's threads stand in threaded groups, and only a threaded one
 * may stand beside them), how the quota is written, and in the number of
 * hierarchies.
 */
#include "pvperf_cgroup_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>

#define PVPERF_CGROUP_NAME "pvperf"


void
pvperfCgroupFree(pvperfCgroup *group)
{
    size_t i;

    if (!group)
        return;
    for (i = 0; i < PVPERF_NR_CGROUPS; i++) {
        g_free(group->vm[i]);
        g_free(group->own[i]);
    }
    g_free(group);
}


pvperfCgroup *
pvperfCgroupNew(bool unified,
                const char *cpu,
                const char *cpuacct)
{
    pvperfCgroup *group = g_new0(pvperfCgroup, 1);
    const char *const vm[PVPERF_NR_CGROUPS] = { cpu, cpuacct };
    size_t i;

    group->unified = unified;
    for (i = 0; i < PVPERF_NR_CGROUPS && vm[i]; i++) {
        group->vm[i] = g_strdup(vm[i]);
        group->own[i] = g_build_filename(vm[i], PVPERF_CGROUP_NAME, NULL);
    }
    return group;
}


const char *
pvperfCgroupPath(const pvperfCgroup *group)
{
    return group->own[0];
}


/* ---- files ---- */

static bool
pvperfCgroupFailed(GError **error,
                   const char *what,
                   const char *dir,
                   const char *file)
{
    int number = errno;

    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(number), "%s %s%s%s: %s",
                what, dir, *file ? "/" : "", file, g_strerror(number));
    return false;
}


static bool
pvperfCgroupWrite(const char *dir,
                  const char *file,
                  const char *text,
                  GError **error)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    g_autofree char *what = g_strdup_printf("cannot write '%s' to", text);
    ssize_t size = strlen(text);
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);
    bool ok = fd >= 0 && write(fd, text, size) == size;

    if (!ok)
        pvperfCgroupFailed(error, what, dir, file);
    if (fd >= 0)
        close(fd);
    return ok;
}


/* What a file says, without the end of line; "" if it cannot be read. */
static char *
pvperfCgroupRead(const char *dir,
                 const char *file)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return g_strdup("");
    return g_strchomp(text);
}


/* Write what is not there already. */
static bool
pvperfCgroupSet(const char *dir,
                const char *file,
                const char *text,
                GError **error)
{
    g_autofree char *now = pvperfCgroupRead(dir, file);

    return strcmp(now, text) == 0 || pvperfCgroupWrite(dir, file, text, error);
}


bool
pvperfCgroupHasWord(const char *dir,
                    const char *file,
                    const char *word)
{
    g_autofree char *text = pvperfCgroupRead(dir, file);
    g_auto(GStrv) words = g_strsplit(text, " ", -1);

    return g_strv_contains((const char *const *)words, word);
}


/* ---- join ---- */

static bool
pvperfCgroupMake(const pvperfCgroup *group,
                 size_t i,
                 GError **error)
{
    if (mkdir(group->own[i], 0755) < 0 && errno != EEXIST)
        return pvperfCgroupFailed(error, "cannot make", group->own[i], "");
    if (!group->unified)
        return true;
    return pvperfCgroupSet(group->own[i], "cgroup.type", "threaded", error) &&
        (pvperfCgroupHasWord(group->vm[i], "cgroup.subtree_control", "cpu") ||
         pvperfCgroupWrite(group->vm[i], "cgroup.subtree_control", "+cpu", error));
}


bool
pvperfCgroupJoin(const pvperfCgroup *group,
                 pid_t pid,
                 GError **error)
{
    g_autofree char *number = g_strdup_printf("%d", pid);
    size_t i;

    for (i = 0; i < PVPERF_NR_CGROUPS && group->vm[i]; i++) {
        /* cgroup.procs moves all threads, into a threaded group as well */
        if (!pvperfCgroupMake(group, i, error) ||
            !pvperfCgroupWrite(group->own[i], "cgroup.procs", number, error))
            return false;
    }
    return true;
}


/* ---- quota ---- */

/* Version 1 checks each write by itself against the groups above. Without a
 * quota any period is right, so it goes first, and what is refused at the end
 * leaves no limit but theirs. */
static bool
pvperfCgroupLimitV1(const char *dir,
                    const char *period,
                    const char *quota,
                    GError **error)
{
    g_autofree char *period_now = pvperfCgroupRead(dir, "cpu.cfs_period_us");
    g_autofree char *quota_now = pvperfCgroupRead(dir, "cpu.cfs_quota_us");

    if (strcmp(quota, quota_now) == 0 && (*quota == '-' || strcmp(period, period_now) == 0))
        return true;
    return pvperfCgroupSet(dir, "cpu.cfs_quota_us", "-1", error) &&
        pvperfCgroupSet(dir, "cpu.cfs_period_us", period, error) &&
        pvperfCgroupSet(dir, "cpu.cfs_quota_us", quota, error);
}


bool
pvperfCgroupLimit(const pvperfCgroup *group,
                  uint64_t period_us,
                  uint64_t quota_us,
                  GError **error)
{
    g_autofree char *period = g_strdup_printf("%" G_GUINT64_FORMAT, period_us);
    g_autofree char *quota = g_strdup_printf("%" G_GUINT64_FORMAT, quota_us);
    /* A policy without a quota may have no period either; the kernel's stays, for it takes no 0. */
    g_autofree char *max = g_strjoin(" ", quota_us ? quota : "max", period_us ? period : NULL, NULL);

    if (group->unified)
        return pvperfCgroupSet(group->own[0], "cpu.max", max, error);
    return pvperfCgroupLimitV1(group->own[0], period, quota_us ? quota : "-1", error);
}


/* ---- remove ---- */

/* What libvirt makes for a VM: a group for each kind of thread, the VM's, and
 * with systemd the scope around it. rmdir takes only what is empty. */
static void
pvperfCgroupRemoveVM(const char *vm)
{
    g_autoptr(GDir) dir = g_dir_open(vm, 0, NULL);
    g_autofree char *parent = g_path_get_dirname(vm);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(vm, name, NULL);

        if (pvperfCgroupIsThreads(name))
            rmdir(path);
    }
    if (rmdir(vm) == 0 && g_str_has_suffix(vm, "/" PVPERF_CGROUP_INNER))
        rmdir(parent);
}


void
pvperfCgroupRemove(const pvperfCgroup *group,
                   bool vm_gone)
{
    size_t i;

    for (i = 0; i < PVPERF_NR_CGROUPS && group->vm[i]; i++) {
        if (rmdir(group->own[i]) < 0 && errno != ENOENT)
            g_info("cannot remove %s: %s", group->own[i], g_strerror(errno));
        if (vm_gone)
            pvperfCgroupRemoveVM(group->vm[i]);
    }
}
