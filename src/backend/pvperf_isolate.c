/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_isolate.c: fds, limits, user and capabilities, memory.
 *
 * The stages that need nothing but the process itself; pvperf_namespaces.c and
 * pvperf_seccomp.c have the others. Limits come before the user changes, because
 * some are raised; everything after that only takes away.
 */
#include <cap-ng.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pvperf_isolate.h"
#include "pvperf_log.h"
#include "pvperf_sampling.h"

bool
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


/* A log may be a file; nothing else that is written to grows. */
static bool
pvperfIsolateFileSize(void)
{
    const struct rlimit none = { 0, 0 };
    struct stat st;

    if (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode))
        return true;
    if (setrlimit(RLIMIT_FSIZE, &none) < 0)
        return pvperfIsolateFailed("RLIMIT_FSIZE");
    return true;
}


bool
pvperfIsolateLimits(uint64_t ring_bytes_max)
{
    const struct rlimit none = { 0, 0 };

    if (setrlimit(RLIMIT_CORE, &none) < 0)
        return pvperfIsolateFailed("RLIMIT_CORE");
    return pvperfIsolateFileSize() && pvperfIsolateMlock(ring_bytes_max);
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
pvperfIsolateUser(uid_t uid,
                  gid_t gid)
{
    const struct rlimit none = { 0, 0 };
    bool may_bound;
    int ret;

    capng_get_caps_process();
    may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    capng_clear(CAPNG_SELECT_ALL);
    if (uid != PVPERF_KEEP_USER)
        ret = capng_change_id(uid, gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
    else /* The bounding set is CAP_SETPCAP's; without that no_new_privs has to do. */
        ret = capng_apply(may_bound ? CAPNG_SELECT_ALL : CAPNG_SELECT_CAPS);
    if (ret < 0)
        return pvperfIsolateFailed(uid != PVPERF_KEEP_USER ? "user, group, capabilities" : "capabilities");

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return pvperfIsolateFailed("PR_SET_NO_NEW_PRIVS");
    if (setrlimit(RLIMIT_NPROC, &none) < 0)
        return pvperfIsolateFailed("RLIMIT_NPROC");
    return true;
}


bool
pvperfIsolateMemory(void)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return pvperfIsolateFailed("PR_SET_DUMPABLE");
    return true;
}
