/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cgroup_find.c: from QEMU's process to the directories of its VM.
 *
 * PROC/PID/cgroup names the group of QEMU's main thread in each hierarchy,
 * PROC/self/mountinfo where this process sees that hierarchy, and which part of
 * it. A group counts as a VM's only by the names that libvirt gives:
 *
 *   /machine/qemu-1-NAME.libvirt-qemu[/emulator]
 *   /machine.slice/machine-qemu\x2d1\x2dNAME.scope[/libvirt][/emulator]
 *
 * or the same below another partition. QEMU in any other group is none of ours.
 */
#include "pvperf_cgroup_priv.h"

#include <string.h>

#include <gio/gio.h>


static bool
pvperfCgroupIsNumbered(const char *name,
                       const char *prefix)
{
    size_t len = strlen(prefix);

    return strncmp(name, prefix, len) == 0 && name[len] &&
        strspn(name + len, "0123456789") == strlen(name + len);
}


bool
pvperfCgroupIsThreads(const char *name)
{
    return strcmp(name, "emulator") == 0 || pvperfCgroupIsNumbered(name, "vcpu") ||
        pvperfCgroupIsNumbered(name, "iothread");
}


static bool
pvperfCgroupIsVM(const char *name)
{
    return g_str_has_suffix(name, ".libvirt-qemu") ||
        (g_str_has_prefix(name, "machine-qemu\\x2d") && g_str_has_suffix(name, ".scope"));
}


/* The VM's part of a path in a hierarchy, NULL if it is in no VM's group. */
static char *
pvperfCgroupVMPath(const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    size_t last = g_strv_length(names);

    /* outside of this process's cgroup namespace */
    if (g_strv_contains((const char *const *)names, ".."))
        return NULL;
    if (last > 0 && pvperfCgroupIsThreads(names[last - 1]))
        g_clear_pointer(&names[--last], g_free);
    if (last > 1 && strcmp(names[last - 1], PVPERF_CGROUP_INNER) == 0 && pvperfCgroupIsVM(names[last - 2]))
        return g_strjoinv("/", names);
    return last > 0 && pvperfCgroupIsVM(names[last - 1]) ? g_strjoinv("/", names) : NULL;
}


static bool
pvperfCgroupListHas(const char *list,
                    const char *word)
{
    g_auto(GStrv) words = g_strsplit(list, ",", -1);

    return g_strv_contains((const char *const *)words, word);
}


/* The path in the hierarchy of @controller, NULL: of version 2; NULL if there
 * is no such line. */
static const char *
pvperfCgroupLine(char **lines,
                 const char *controller)
{
    for (; *lines; lines++) {
        g_auto(GStrv) fields = g_strsplit(*lines, ":", 3);

        if (g_strv_length(fields) == 3 &&
            (controller ? pvperfCgroupListHas(fields[1], controller)
                        : strcmp(fields[0], "0") == 0 && !*fields[1]))
            return *lines + strlen(fields[0]) + strlen(fields[1]) + 2;
    }
    return NULL;
}


/* Where @path is below a mount, NULL if that mount does not show it. */
static char *
pvperfCgroupBelow(const char *mount_root,
                  const char *mount_point,
                  const char *path)
{
    g_autofree char *root = g_strcompress(mount_root);
    g_autofree char *point = g_strcompress(mount_point);
    size_t len = strcmp(root, "/") == 0 ? 0 : strlen(root);

    if (strncmp(path, root, len) != 0 || path[len] != '/')
        return NULL;
    return g_strconcat(point, path + len, NULL);
}


/* The directory of @path in that hierarchy. Mounts are listed in their order: a
 * later one may have covered an earlier one. */
static char *
pvperfCgroupDirectory(char **mounts,
                      const char *controller,
                      const char *path)
{
    char *dir = NULL;

    for (; *mounts; mounts++) {
        /* id parent device ROOT POINT options [tags] - TYPE source OPTIONS */
        g_auto(GStrv) halves = g_strsplit(*mounts, " - ", 2);
        g_auto(GStrv) front = g_strsplit(halves[0] ? halves[0] : "", " ", -1);
        g_auto(GStrv) back = g_strsplit(halves[0] && halves[1] ? halves[1] : "", " ", -1);
        char *found;

        if (g_strv_length(front) < 6 || g_strv_length(back) < 3 ||
            strcmp(back[0], controller ? "cgroup" : "cgroup2") != 0 ||
            (controller && !pvperfCgroupListHas(back[2], controller)))
            continue;
        found = pvperfCgroupBelow(front[3], front[4], path);
        if (found && g_file_test(found, G_FILE_TEST_IS_DIR)) {
            g_free(dir);
            dir = g_steal_pointer(&found);
        }
        g_free(found);
    }
    return dir;
}


/* The directory of the VM in the hierarchy of @controller. */
static char *
pvperfCgroupVM(char **lines,
               char **mounts,
               const char *controller,
               GError **error)
{
    const char *line = pvperfCgroupLine(lines, controller);
    g_autofree char *path = line ? pvperfCgroupVMPath(line) : NULL;
    char *dir = path ? pvperfCgroupDirectory(mounts, controller, path) : NULL;

    if (!line)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no control group with the controller cpu");
    else if (!path)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "QEMU is in the control group %s, "
                    "which is not one that libvirt makes for a VM", line);
    else if (!dir)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "the VM's control group %s is not mounted here", path);
    return dir;
}


static char **
pvperfCgroupLines(const char *proc,
                  const char *of,
                  const char *file,
                  GError **error)
{
    g_autofree char *path = g_build_filename(proc, of, file, NULL);
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, error) ? g_strsplit(text, "\n", -1) : NULL;
}


pvperfCgroup *
pvperfCgroupFind(const char *proc,
                 pid_t pid,
                 GError **error)
{
    g_autofree char *number = g_strdup_printf("%d", pid);
    g_auto(GStrv) lines = pvperfCgroupLines(proc, number, "cgroup", error);
    g_auto(GStrv) mounts = lines ? pvperfCgroupLines(proc, "self", "mountinfo", error) : NULL;
    bool unified = lines && !pvperfCgroupLine(lines, "cpu");
    g_autofree char *cpu = NULL;
    g_autofree char *cpuacct = NULL;

    if (!mounts)
        return NULL;
    cpu = pvperfCgroupVM(lines, mounts, unified ? NULL : "cpu", error);
    if (!cpu)
        return NULL;
    if (unified && !pvperfCgroupHasWord(cpu, "cgroup.controllers", "cpu")) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "the VM's control group %s "
                    "does not have the controller cpu", cpu);
        return NULL;
    }
    if (!unified)
        cpuacct = pvperfCgroupVM(lines, mounts, "cpuacct", NULL);
    if (g_strcmp0(cpuacct, cpu) == 0)
        g_clear_pointer(&cpuacct, g_free);
    return pvperfCgroupNew(unified, cpu, cpuacct);
}
