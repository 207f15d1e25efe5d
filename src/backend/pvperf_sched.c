/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_sched.c: short time slices.
 *
 * From Linux 6.6 on a thread that wakes up waits until the running one's slice
 * (about 3 ms) is over, unless it has asked for a shorter slice of its own. A
 * vCPU that waits for an answer spins meanwhile, and gives up after a while:
 * on a host whose CPUs are all busy that made counts late. A backend works for
 * microseconds at a time, so a short slice costs it nothing.
 *
 * System call: sched_setattr, which Debian 12's C library does not wrap.
 */
#include <errno.h>
#include <linux/sched/types.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pvperf_log.h"
#include "pvperf_sched.h"

#define PVPERF_SCHED_SLICE_NS 100000ULL /* the shortest that the kernel grants */

void
pvperfSchedShortSlices(void)
{
    struct sched_attr attr = {
        .size = sizeof(attr),
        .sched_policy = 0, /* SCHED_OTHER */
        .sched_nice = getpriority(PRIO_PROCESS, 0),
        .sched_runtime = PVPERF_SCHED_SLICE_NS,
    };

    if (syscall(SYS_sched_setattr, 0, &attr, 0) < 0)
        pvperfLog("cannot ask for short time slices: %s", strerror(errno));
}
