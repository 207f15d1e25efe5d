/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_isolate.c: limits, fds, capabilities, memory.
 *
 * System calls: getrlimit, setrlimit, close_range, prctl, capset. Plain calls
 * without a library, because there is nothing to compute: all goes.
 */
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pvperf_isolate.h"
#include "pvperf_log.h"
#include "pvperf_sampling.h"

static bool
pvperfIsolateFailed(const char *what)
{
    pvperfLog("isolation: %s: %s", what, strerror(errno));
    return false;
}


/* Perf rings are locked memory: as many as a VM can need, or as it may have.
 * Whoever may not raise the limit keeps what there is; a ring beyond it is refused
 * to the guest. The kernel charges a user's first rings elsewhere, so the exact
 * limit is pvperfSampling.ring_bytes_max, and this one stands behind it. */
static bool
pvperfIsolateMlock(uint64_t ring_bytes_max)
{
    const rlim_t all = (rlim_t)PVPERF_MAX_VCPUS * PVPERF_NR_RINGS * PVPERF_RING_MAPPED;
    const rlim_t wanted = ring_bytes_max && ring_bytes_max < all ? ring_bytes_max : all;
    struct rlimit limit;

    if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
        return pvperfIsolateFailed("RLIMIT_MEMLOCK");
    if (limit.rlim_cur >= wanted && !ring_bytes_max)
        return true;
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted || ring_bytes_max)
        limit.rlim_max = wanted;
    if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0 && errno != EPERM)
        return pvperfIsolateFailed("RLIMIT_MEMLOCK");
    return true;
}


bool
pvperfIsolateLimits(uint64_t ring_bytes_max)
{
    struct rlimit limit = { 0, 0 };

    if (setrlimit(RLIMIT_CORE, &limit) < 0)
        return pvperfIsolateFailed("RLIMIT_CORE");
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return pvperfIsolateFailed("RLIMIT_NOFILE");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return pvperfIsolateFailed("RLIMIT_NOFILE");
    return pvperfIsolateMlock(ring_bytes_max);
}


bool
pvperfIsolateFds(int keep)
{
    if (keep > STDERR_FILENO + 1 &&
        close_range(STDERR_FILENO + 1, keep - 1, 0) < 0)
        return pvperfIsolateFailed("close_range");
    if (close_range(keep + 1, UINT_MAX, 0) < 0)
        return pvperfIsolateFailed("close_range");
    return true;
}


bool
pvperfIsolateCapabilities(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
    int cap;

    /* Beyond the last one that the kernel knows: EINVAL. Without CAP_SETPCAP:
     * EPERM, and then no_new_privs has to do. */
    for (cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
        ;
    if (syscall(SYS_capset, &header, none) < 0)
        return pvperfIsolateFailed("capset");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return pvperfIsolateFailed("PR_SET_NO_NEW_PRIVS");
    return true;
}


bool
pvperfIsolateMemory(void)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return pvperfIsolateFailed("PR_SET_DUMPABLE");
    return true;
}
