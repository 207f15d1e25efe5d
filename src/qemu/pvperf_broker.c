/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_broker.c: from a backend's wish to host perf events.
 *
 * Invariants: events are opened on a vCPU's thread only, which is looked up
 * by its name and looked at again after the open, so that a thread id that
 * was used again in between counts nobody else. Not pinned: the host's admin
 * and other VMs keep their share. Hardware events count guest mode only
 * (exclude_host) and honour the guest's user/kernel bits; software events are
 * told neither, they would lose time instead.
 */
#include "pvperf_broker.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pvperf_identity.h"


int
pvperfBrokerPerfEventOpen(struct perf_event_attr *attr,
                          pid_t tid,
                          int group_fd)
{
    int fd = syscall(SYS_perf_event_open, attr, tid, -1, group_fd, PERF_FLAG_FD_CLOEXEC);

    return fd < 0 ? -errno : fd;
}


void
pvperfBrokerAttr(const pvperfEventInfo *info,
                 uint32_t modes,
                 uint64_t raw_config,
                 bool leader,
                 struct perf_event_attr *attr)
{
    memset(attr, 0, sizeof(*attr));
    attr->size = sizeof(*attr);
    attr->type = info->host_type;
    attr->config = info->klass == PVPERF_CLASS_RAW ? raw_config : info->host_config;
    attr->read_format = PERF_FORMAT_GROUP |
        PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    attr->disabled = leader;

    if (info->guest_modes) {
        attr->exclude_host = 1;
        attr->exclude_user = !!(modes & PVPERF_ATTR_EXCLUDE_USER);
        attr->exclude_kernel = !!(modes & PVPERF_ATTR_EXCLUDE_KERNEL);
    }
}


int
pvperfBrokerErrno(int err,
                  unsigned int member,
                  uint32_t *reason)
{
    switch (err) {
    case EACCES:
    case EPERM:
        *reason = PVPERF_REASON_HOST_RIGHTS;
        return -ENOENT;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        *reason = PVPERF_REASON_RESOURCES;
        return -ENOMEM;
    case EBUSY:
        *reason = PVPERF_REASON_HOST;
        return -EBUSY;
    case ESRCH:
        /* the vCPU has no thread now (being plugged or unplugged) */
        *reason = PVPERF_REASON_HOST;
        return -EAGAIN;
    case EINVAL:
        /* a sibling: the group does not fit on the PMU, which perf in the
         * guest answers by taking the group apart */
        *reason = PVPERF_REASON_HOST;
        return member > 0 ? -EINVAL : -ENOENT;
    default:
        *reason = PVPERF_REASON_HOST;
        return -ENOENT;
    }
}


static bool
pvperfBrokerRefuse(pvperfControlOpened *answer,
                   int ret,
                   uint32_t reason,
                   unsigned int member)
{
    answer->ret = ret;
    answer->reason = reason;
    answer->failed = member;
    answer->count = 0;
    return false;
}


bool
pvperfBrokerCheck(const pvperfControlOpen *request,
                  const pvperfPolicy *policy,
                  unsigned int nr_vcpus,
                  pvperfControlOpened *answer)
{
    unsigned int i;

    if (request->count < 1 || request->count > PVPERF_MAX_GROUP || request->vcpu >= nr_vcpus)
        return pvperfBrokerRefuse(answer, -EINVAL, PVPERF_REASON_MALFORMED, 0);
    if (!policy->on)
        return pvperfBrokerRefuse(answer, -ENOENT, PVPERF_REASON_STATE, 0);

    for (i = 0; i < request->count; i++) {
        const pvperfControlEvent *event = &request->events[i];
        const pvperfEventInfo *info = pvperfEventGet(event->event);

        if (!info)
            return pvperfBrokerRefuse(answer, -ENOENT, PVPERF_REASON_UNKNOWN, i);
        if (event->modes & ~(uint32_t)(PVPERF_ATTR_EXCLUDE_USER | PVPERF_ATTR_EXCLUDE_KERNEL))
            return pvperfBrokerRefuse(answer, -EINVAL, PVPERF_REASON_MALFORMED, i);
        if (!(policy->classes & (1U << info->klass)))
            return pvperfBrokerRefuse(answer, -ENOENT, PVPERF_REASON_CLASS, i);
        if (info->klass == PVPERF_CLASS_RAW) {
            if (!pvperfPolicyAllowsRaw(policy, event->raw_config))
                return pvperfBrokerRefuse(answer, -ENOENT, PVPERF_REASON_RAW, i);
        } else if (event->raw_config) {
            return pvperfBrokerRefuse(answer, -EINVAL, PVPERF_REASON_MALFORMED, i);
        }
    }
    return true;
}


/* The members, as one group on @tid: number of fds opened. */
static unsigned int
pvperfBrokerOpenMembers(const pvperfBrokerTarget *target,
                        const pvperfControlOpen *request,
                        pid_t tid,
                        pvperfControlOpened *answer,
                        int *fds)
{
    struct perf_event_attr attr;
    uint32_t reason;
    unsigned int i;
    int ret;

    for (i = 0; i < request->count; i++) {
        pvperfBrokerAttr(pvperfEventGet(request->events[i].event), request->events[i].modes,
                         request->events[i].raw_config, i == 0, &attr);
        fds[i] = target->open(&attr, tid, i == 0 ? -1 : fds[0]);
        if (fds[i] < 0) {
            ret = pvperfBrokerErrno(-fds[i], i, &reason);
            pvperfBrokerRefuse(answer, ret, reason, i);
            break;
        }
    }
    return i;
}


void
pvperfBrokerOpen(const pvperfBrokerTarget *target,
                 const pvperfControlOpen *request,
                 pvperfControlOpened *answer,
                 int *fds)
{
    unsigned int opened;
    uint32_t reason;
    pid_t tid;

    answer->ret = 0;
    answer->reason = PVPERF_REASON_NONE;
    answer->failed = 0;
    answer->count = 0;
    if (!pvperfBrokerCheck(request, target->policy, target->nr_vcpus, answer))
        return;

    tid = pvperfIdentityFindVcpu(target->proc, target->pid, request->vcpu);
    if (!tid || !pvperfIdentityAlive(target->pidfd)) {
        pvperfBrokerRefuse(answer, pvperfBrokerErrno(ESRCH, 0, &reason),
                           PVPERF_REASON_HOST, 0);
        return;
    }

    opened = pvperfBrokerOpenMembers(target, request, tid, answer, fds);
    if (opened == request->count &&
        (!pvperfIdentityIsVcpu(target->proc, target->pid, tid, request->vcpu) ||
         !pvperfIdentityAlive(target->pidfd)))
        pvperfBrokerRefuse(answer, pvperfBrokerErrno(ESRCH, 0, &reason),
                           PVPERF_REASON_HOST, 0);

    if (answer->ret < 0) {
        while (opened > 0)
            close(fds[--opened]);
        return;
    }
    answer->count = opened;
}
