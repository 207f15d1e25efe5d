/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_seccomp.c: the system calls of a backend that serves.
 *
 * Whoever makes the backend call something else has to add it here, with who
 * needs it; `--seccomp action=log` finds it. No call on the list makes a new
 * descriptor but accept4 and recvmsg (of what the daemon sends), none takes a
 * path into account that leads anywhere, and memory cannot become code.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/perf_event.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pvperf_isolate.h"
#include "pvperf_log.h"

/* Whatever their arguments are. */
static const int plainCalls[] = {
    /* host events, interrupts, the log */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(close),
    SCMP_SYS(munmap),
    /* tables that give back their pages */
    SCMP_SYS(madvise),
    /* the loop; pvperfHostperfForget */
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(restart_syscall),
    /* the control socket */
    SCMP_SYS(accept4),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendto),
    /* size of the window and of a group's page */
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    /* the C library: its heap, abort() and what it says before */
    SCMP_SYS(brk),
    SCMP_SYS(writev),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

static const unsigned long perfRequests[] = {
    PERF_EVENT_IOC_ENABLE,
    PERF_EVENT_IOC_DISABLE,
    PERF_EVENT_IOC_REFRESH,
    PERF_EVENT_IOC_ID,
    PERF_EVENT_IOC_SET_OUTPUT,
    PERF_EVENT_IOC_PERIOD,
};

/* Those where an argument decides: 0 or -errno. */
static int
pvperfSeccompAddChecked(scmp_filter_ctx filter)
{
    int ret = 0;
    size_t i;

    /* The kernel looks at 32 bits of a request, at all of a mode or protection. */
    for (i = 0; ret == 0 && i < sizeof(perfRequests) / sizeof(perfRequests[0]); i++)
        ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                               SCMP_A1_32(SCMP_CMP_EQ, (uint32_t)perfRequests[i]));
    if (ret == 0)
        ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (ret == 0)
        ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
                               SCMP_A1_32(SCMP_CMP_EQ, F_GET_SEALS));
    if (ret == 0)
        ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fallocate), 1,
                               SCMP_A1_32(SCMP_CMP_EQ, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE));
    if (ret == 0)
        ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                               SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)getpid()));
    return ret;
}


static int
pvperfSeccompLoad(scmp_filter_ctx filter,
                  uint32_t otherwise)
{
    int ret = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, otherwise);
    size_t i;

    if (ret == 0)
        ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    for (i = 0; ret == 0 && i < sizeof(plainCalls) / sizeof(plainCalls[0]); i++)
        ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, plainCalls[i], 0);
    if (ret == 0)
        ret = pvperfSeccompAddChecked(filter);
    /* The one that is made all the time and whose arguments the kernel has to look at. */
    if (ret == 0)
        ret = seccomp_syscall_priority(filter, SCMP_SYS(ioctl), UINT8_MAX);
    return ret == 0 ? seccomp_load(filter) : ret;
}


bool
pvperfIsolateSystemCalls(pvperfSeccompAction action)
{
    uint32_t otherwise = action == PVPERF_SECCOMP_KILL ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_LOG;
    scmp_filter_ctx filter;
    int ret;

    if (action == PVPERF_SECCOMP_NONE)
        return true;
    filter = seccomp_init(otherwise);
    ret = filter ? pvperfSeccompLoad(filter, otherwise) : -ENOMEM;
    seccomp_release(filter);
    if (ret < 0)
        pvperfLog("isolation: seccomp: %s; '--seccomp action=none' does without", strerror(-ret));
    return ret == 0;
}
