/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_broker.h: opens host perf events for a backend.
 *
 * Called by the backend client for each OPEN of the control protocol. The
 * backend names entries of the event table; the attr is built here, from the
 * table and the daemon's own copy of the policy, and nothing of it comes from
 * the guest. The broker keeps no fd and no state of its own.
 */
#pragma once

#include <linux/perf_event.h>
#include <sys/types.h>

#include "../backend/pvperf_control.h"

/* Whose vCPU threads are counted. */
typedef struct _pvperfBrokerTarget pvperfBrokerTarget;
struct _pvperfBrokerTarget {
    const char *proc;           /* "/proc" */
    pid_t pid;                  /* QEMU */
    int pidfd;
    unsigned int nr_vcpus;
    pid_t *tids;                /* [nr_vcpus], the caller's: where vCPUs were found, or 0 */
    const pvperfPolicy *policy;

    /* perf_event_open(2) with FD_CLOEXEC; -errno. Tests put theirs here. */
    int (*open)(struct perf_event_attr *attr,
                pid_t tid,
                int group_fd);
};

/* The attr of one event, which is in the table: @leader and samplers start
 * disabled, siblings follow. */
void pvperfBrokerAttr(const pvperfControlEvent *event,
                      bool leader,
                      struct perf_event_attr *attr);

/* The host's limit of samples per second and CPU, kernel.perf_event_max_sample_rate;
 * 0: not known. */
uint64_t pvperfBrokerMaxSampleRate(const char *proc);

/* A frequency is a wish: as much of it as host and policy let through (Hz). */
uint64_t pvperfBrokerFrequency(const pvperfEventInfo *info,
                               const pvperfPolicy *policy,
                               uint64_t hz,
                               uint64_t max_sample_rate);

/* What the guest is told when the kernel refused member @member with @err
 * (positive); sets @reason. */
int pvperfBrokerErrno(int err,
                      unsigned int member,
                      uint32_t *reason);

/* Whether the table and the policy let @request through; else answer's ret,
 * reason and failed say why. */
bool pvperfBrokerCheck(const pvperfControlOpen *request,
                       const pvperfPolicy *policy,
                       unsigned int nr_vcpus,
                       pvperfControlOpened *answer);

/* fds of one answer: a group and the ring of its samples. */
#define PVPERF_BROKER_FDS (PVPERF_MAX_GROUP + 1)

/* Serve @request (its size was checked): ret, reason, failed and count of
 * @answer, and count of the PVPERF_BROKER_FDS fds, which the caller closes. */
void pvperfBrokerOpen(const pvperfBrokerTarget *target,
                      const pvperfControlOpen *request,
                      pvperfControlOpened *answer,
                      int *fds);

/* perf_event_open(2) itself, for pvperfBrokerTarget.open. */
int pvperfBrokerPerfEventOpen(struct perf_event_attr *attr,
                              pid_t tid,
                              int group_fd);
