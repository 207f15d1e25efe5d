/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_identity_vcpu.c: vCPU -> thread.
 *
 * The broker calls this around every open. A vCPU's thread is known by the
 * name that QEMU gave it; the process by its pidfd, so that a pid that was
 * used again is noticed. Needs the kernel's /proc and nothing of libvirt's.
 */
#include "pvperf_identity.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

bool
pvperfIdentityAlive(int pidfd)
{
    struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

    return poll(&pfd, 1, 0) == 0;
}


int
pvperfIdentityParseComm(const char *comm)
{
    unsigned long vcpu;
    char *end;

    if (strncmp(comm, "CPU ", 4) != 0 || !g_ascii_isdigit(comm[4]))
        return -1;
    vcpu = strtoul(comm + 4, &end, 10);
    if (vcpu > INT16_MAX ||
        (strcmp(end, "/KVM") != 0 && strcmp(end, "/TCG") != 0))
        return -1;
    return vcpu;
}


bool
pvperfIdentityIsVcpu(const char *proc,
                     pid_t pid,
                     pid_t tid,
                     unsigned int vcpu)
{
    g_autofree char *path = g_strdup_printf("%s/%d/task/%d/comm", proc, pid, tid);
    g_autofree char *comm = NULL;

    if (!g_file_get_contents(path, &comm, NULL, NULL))
        return false;
    g_strchomp(comm);
    return pvperfIdentityParseComm(comm) == (int)vcpu;
}


pid_t
pvperfIdentityFindVcpu(const char *proc,
                       pid_t pid,
                       unsigned int vcpu)
{
    g_autofree char *path = g_strdup_printf("%s/%d/task", proc, pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *file;
    pid_t tid;

    while (dir && (file = g_dir_read_name(dir))) {
        tid = g_ascii_strtoull(file, NULL, 10);
        if (pvperfIdentityIsVcpu(proc, pid, tid, vcpu))
            return tid;
    }
    return 0;
}
