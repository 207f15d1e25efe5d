/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_sandbox.c: user, limits and network namespace of backends.
 *
 * The namespace is one for all, made when the first backend is started, and
 * has nothing in it. The daemon stays where it is: a thread goes there and ends.
 */
#include "pvperf_sandbox.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "backend/pvperf_limits.h"

static const char *const seccompWords[] = {
    [PVPERF_BACKEND_SECCOMP_KILL] = "kill",
    [PVPERF_BACKEND_SECCOMP_LOG] = "log",
    [PVPERF_BACKEND_SECCOMP_NONE] = "none",
};

static gpointer
pvperfSandboxMakeNetwork(gpointer opaque)
{
    int *fd = opaque;

    if (unshare(CLONE_NEWNET) == 0)
        *fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    return NULL;
}


/* -1: it cannot be made, or a process that is not root has to map its user first. */
static int
pvperfSandboxNetwork(void)
{
    static bool tried;
    static int fd = -1;

    if (!tried && geteuid() == 0)
        g_thread_join(g_thread_new("network", pvperfSandboxMakeNetwork, &fd));
    tried = true;
    return fd;
}


void
pvperfSandboxOptions(const pvperfHostConfig *config,
                     const char *program,
                     unsigned int vectors,
                     pvperfProcessOptions *options)
{
    *options = (pvperfProcessOptions) {
        .program = program,
        .max_rings_kib = config->ceiling_memory,
        .max_fds = pvperfLimitsFds(vectors, config->policy->ceiling.max),
        .max_memory = pvperfLimitsMemory(vectors),
        .change_user = config->user.change,
        .uid = config->user.uid,
        .gid = config->user.gid,
        .seccomp = seccompWords[config->backend_seccomp],
        .net_fd = pvperfSandboxNetwork(),
    };
}
