/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_affinity.c: follow emulatorpin, keep off the CPUs of vCPUs.
 *
 * The kernel is asked, not libvirt: the masks are what holds, whoever set them
 * and whatever a cpuset made of them. Masks have the size that the kernel wants
 * for its number of CPUs.
 */
#include "pvperf_affinity.h"

#include <errno.h>
#include <string.h>

#include <gio/gio.h>

#include "pvperf_identity.h"

/* The kernel itself knows at most 8192 CPUs. */
#define PVPERF_MAX_HOST_CPUS 65536


void
pvperfAffinityChoose(size_t size,
                     const cpu_set_t *emulator,
                     const cpu_set_t *const *vcpus,
                     size_t nvcpus,
                     cpu_set_t *cpus)
{
    g_autofree cpu_set_t *both = g_malloc0(size);
    size_t i;

    memcpy(cpus, emulator, size);
    for (i = 0; i < nvcpus; i++) {
        CPU_AND_S(size, both, emulator, vcpus[i]);
        if (CPU_EQUAL_S(size, both, emulator))
            continue;
        CPU_AND_S(size, both, cpus, vcpus[i]);
        CPU_XOR_S(size, cpus, cpus, both);
    }
    if (CPU_COUNT_S(size, cpus) == 0)
        memcpy(cpus, emulator, size);
}


/* The mask of a thread, and its size: *@size, or, if that is 0, what the kernel
 * wants. */
static cpu_set_t *
pvperfAffinityGet(pid_t tid,
                  size_t *size)
{
    size_t ncpus;

    for (ncpus = CPU_SETSIZE; ncpus <= PVPERF_MAX_HOST_CPUS; ncpus *= 2) {
        size_t bytes = *size ? *size : CPU_ALLOC_SIZE(ncpus);
        g_autofree cpu_set_t *set = g_malloc0(bytes);

        if (sched_getaffinity(tid, bytes, set) == 0) {
            *size = bytes;
            return g_steal_pointer(&set);
        }
        if (*size || errno != EINVAL)
            break;
    }
    return NULL;
}


static GArray *
pvperfAffinityTasks(const char *proc,
                    pid_t pid)
{
    GArray *tasks = g_array_new(FALSE, FALSE, sizeof(pid_t));
    g_autofree char *path = g_strdup_printf("%s/%d/task", proc, pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        guint64 number;
        pid_t tid;

        if (!g_ascii_string_to_unsigned(name, 10, 1, INT32_MAX, &number, NULL))
            continue;
        tid = number;
        g_array_append_val(tasks, tid);
    }
    return tasks;
}


/* The masks of the vCPU threads; one that has just ended has none. */
static GPtrArray *
pvperfAffinityVcpus(const char *proc,
                    pid_t qemu,
                    size_t *size)
{
    GPtrArray *masks = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) tasks = pvperfAffinityTasks(proc, qemu);
    guint i;

    for (i = 0; i < tasks->len; i++) {
        pid_t tid = g_array_index(tasks, pid_t, i);
        g_autofree char *path = g_strdup_printf("%s/%d/task/%d/comm", proc, qemu, tid);
        g_autofree char *comm = NULL;
        cpu_set_t *mask;

        if (!g_file_get_contents(path, &comm, NULL, NULL) ||
            pvperfIdentityParseComm(g_strchomp(comm)) < 0)
            continue;
        mask = pvperfAffinityGet(tid, size);
        if (mask)
            g_ptr_array_add(masks, mask);
    }
    return masks;
}


static bool
pvperfAffinitySet(const char *proc,
                  pid_t pid,
                  size_t size,
                  const cpu_set_t *cpus,
                  GError **error)
{
    g_autoptr(GArray) tasks = pvperfAffinityTasks(proc, pid);
    guint i;

    for (i = 0; i < tasks->len; i++) {
        pid_t tid = g_array_index(tasks, pid_t, i);
        g_autofree cpu_set_t *now = pvperfAffinityGet(tid, &size);

        if (!now || CPU_EQUAL_S(size, now, cpus) || sched_setaffinity(tid, size, cpus) == 0)
            continue;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
                    "cannot put process %d on the CPUs of the emulator: %s", pid, g_strerror(errno));
        return false;
    }
    return true;
}


bool
pvperfAffinityFollow(const char *proc,
                     pid_t qemu,
                     pid_t backend,
                     GError **error)
{
    size_t size = 0;
    g_autofree cpu_set_t *emulator = pvperfAffinityGet(qemu, &size);
    g_autofree cpu_set_t *cpus = NULL;
    g_autoptr(GPtrArray) vcpus = NULL;

    if (!emulator) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
                    "cannot ask for the CPUs of process %d: %s", qemu, g_strerror(errno));
        return false;
    }
    vcpus = pvperfAffinityVcpus(proc, qemu, &size);
    cpus = g_malloc0(size);
    pvperfAffinityChoose(size, emulator, (const cpu_set_t *const *)vcpus->pdata, vcpus->len, cpus);
    return pvperfAffinitySet(proc, backend, size, cpus, error);
}
