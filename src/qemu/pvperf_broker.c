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

#include <glib.h>

#include "pvperf_identity.h"

#define NSEC_PER_SEC 1000000000ULL

int
pvperfBrokerPerfEventOpen(struct perf_event_attr *attr,
                          pid_t tid,
                          int group_fd)
{
    int fd = syscall(SYS_perf_event_open, attr, tid, -1, group_fd, PERF_FLAG_FD_CLOEXEC);

    return fd < 0 ? -errno : fd;
}


/* What pvperf_ring.c reads: identifier, place, period; of a clock, whose late
 * timer leaves periods out, the count, too. */
static void
pvperfBrokerAttrSampling(const pvperfEventInfo *info,
                         const pvperfControlEvent *event,
                         struct perf_event_attr *attr)
{
    attr->sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_PERIOD |
        (info->clock ? PERF_SAMPLE_READ : 0);
    attr->freq = !!event->freq;
    attr->sample_period = event->sample_period;
    attr->wakeup_events = 1;
    attr->disabled = 1;
}


void
pvperfBrokerAttr(const pvperfControlEvent *event,
                 bool leader,
                 struct perf_event_attr *attr)
{
    const pvperfEventInfo *info = pvperfEventGet(event->event);

    memset(attr, 0, sizeof(*attr));
    attr->size = sizeof(*attr);
    attr->type = info->host_type;
    attr->config = info->klass == PVPERF_CLASS_RAW ? event->raw_config : info->host_config;
    attr->read_format = PERF_FORMAT_GROUP |
        PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    attr->disabled = leader;

    if (info->guest_modes) {
        attr->exclude_host = 1;
        attr->exclude_user = !!(event->modes & PVPERF_ATTR_EXCLUDE_USER);
        attr->exclude_kernel = !!(event->modes & PVPERF_ATTR_EXCLUDE_KERNEL);
    }
    if (event->sample_period)
        pvperfBrokerAttrSampling(info, event, attr);
}


uint64_t
pvperfBrokerMaxSampleRate(const char *proc)
{
    g_autofree char *path = g_strconcat(proc, "/sys/kernel/perf_event_max_sample_rate", NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    return g_ascii_strtoull(text, NULL, 10);
}


uint64_t
pvperfBrokerFrequency(const pvperfEventInfo *info,
                      const pvperfPolicy *policy,
                      uint64_t hz,
                      uint64_t max_sample_rate)
{
    if (info->clock && policy->min_period)
        hz = MIN(hz, MAX(NSEC_PER_SEC / policy->min_period, 1));
    if (max_sample_rate)
        hz = MIN(hz, max_sample_rate);
    return hz;
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
        if (event->sample_period > INT64_MAX)
            return pvperfBrokerRefuse(answer, -EINVAL, PVPERF_REASON_MALFORMED, i);
        if (event->sample_period && !event->freq && info->has_min_period &&
            event->sample_period < policy->min_period)
            return pvperfBrokerRefuse(answer, -EINVAL, PVPERF_REASON_MIN_PERIOD, i);
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
    uint64_t max_sample_rate = 0;
    uint32_t reason;
    unsigned int i;
    int ret;

    for (i = 0; i < request->count; i++) {
        pvperfControlEvent event = request->events[i];

        if (event.freq && !max_sample_rate)
            max_sample_rate = pvperfBrokerMaxSampleRate(target->proc);
        if (event.freq)
            event.sample_period = pvperfBrokerFrequency(pvperfEventGet(event.event), target->policy,
                                                        event.sample_period, max_sample_rate);
        pvperfBrokerAttr(&event, i == 0, &attr);
        fds[i] = target->open(&attr, tid, i == 0 ? -1 : fds[0]);
        if (fds[i] < 0) {
            ret = pvperfBrokerErrno(-fds[i], i, &reason);
            pvperfBrokerRefuse(answer, ret, reason, i);
            break;
        }
    }
    return i;
}


/* An event that never counts, in the context of the request's: a hardware event
 * if one of them is (before Linux 6.2 a thread has two contexts). */
static bool
pvperfBrokerOpenRing(const pvperfBrokerTarget *target,
                     const pvperfControlOpen *request,
                     pid_t tid,
                     pvperfControlOpened *answer,
                     int *fd)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_SW_DUMMY,
    };
    uint32_t reason;
    unsigned int i;

    for (i = 0; i < request->count; i++) {
        if (pvperfEventGet(request->events[i].event)->host_type != PERF_TYPE_SOFTWARE) {
            pvperfControlEvent event = request->events[i];

            event.sample_period = 0;
            pvperfBrokerAttr(&event, true, &attr);
            break;
        }
    }
    attr.disabled = 1;
    *fd = target->open(&attr, tid, -1);
    if (*fd >= 0)
        return true;
    answer->ret = pvperfBrokerErrno(-*fd, 0, &reason);
    return pvperfBrokerRefuse(answer, answer->ret, reason, 0);
}


/* Looking at all threads takes longer than opening an event: the one found last
 * is looked at first. */
static pid_t
pvperfBrokerFindVcpu(const pvperfBrokerTarget *target,
                     unsigned int vcpu)
{
    pid_t *tid = &target->tids[vcpu];

    if (!*tid || !pvperfIdentityIsVcpu(target->proc, target->pid, *tid, vcpu))
        *tid = pvperfIdentityFindVcpu(target->proc, target->pid, vcpu);
    return *tid;
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

    tid = pvperfBrokerFindVcpu(target, request->vcpu);
    if (!tid || !pvperfIdentityAlive(target->pidfd)) {
        pvperfBrokerRefuse(answer, pvperfBrokerErrno(ESRCH, 0, &reason),
                           PVPERF_REASON_HOST, 0);
        return;
    }

    opened = pvperfBrokerOpenMembers(target, request, tid, answer, fds);
    if (opened == request->count && request->ring &&
        pvperfBrokerOpenRing(target, request, tid, answer, &fds[opened]))
        opened++;
    if (answer->ret == 0 &&
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
