/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_window.h: access to the window that a VM and its backend share.
 *
 * pvperf_window.c is the only file with pointers into the window. What the
 * guest writes is copied out exactly once, by functions that check where it
 * lies; what they hand out is the caller's own memory. What the host writes
 * goes in with the ordering that abi.h promises and is never read back.
 *
 * Callers give area, row and vCPU numbers that they have checked themselves;
 * offsets that come from the guest are checked here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pvperf/abi.h"

typedef struct _pvperfWindow pvperfWindow;

/* Maps the memfd. NULL with errno set, and a sentence in *why, if it is not
 * the window of a device with nr_vcpus vectors, or not sealed against
 * shrinking. There is one window per process; the fd stays the caller's. */
pvperfWindow *pvperfWindowMap(int fd,
                              uint64_t size,
                              uint32_t nr_vcpus,
                              const char **why);

void pvperfWindowUnmap(pvperfWindow *window);

uint32_t pvperfWindowVcpus(const pvperfWindow *window);

/* ---- From the guest ---- */

/* Frames published in an area (acquire: the frames are there). */
uint32_t pvperfWindowSubmitted(const pvperfWindow *window,
                               uint32_t area);

/* Copies frame number n of an area. */
void pvperfWindowCopyFrame(const pvperfWindow *window,
                           uint32_t area,
                           uint32_t n,
                           struct pvperf_frame *frame);

/* Copies the guest_perf_event_param at an offset that the guest gave, and the
 * guest_perf_attr that it names. Both have to lie in params of this area;
 * false if they do not. */
bool pvperfWindowCopyParam(const pvperfWindow *window,
                           uint32_t area,
                           uint64_t offset,
                           struct guest_perf_event_param *param,
                           struct guest_perf_attr *attr);

/* The row whose slot (row, 0) stands at an offset that the guest gave; -1 if
 * there is none. */
int pvperfWindowRow(const pvperfWindow *window,
                    uint64_t offset);

/* ---- To the guest ---- */

/* The answer to frame number n; not visible before pvperfWindowComplete(). */
void pvperfWindowWriteResult(pvperfWindow *window,
                             uint32_t area,
                             uint32_t n,
                             const struct pvperf_result *result);

/* Publishes everything served in an area up to frame number completed - 1. */
void pvperfWindowComplete(pvperfWindow *window,
                          uint32_t area,
                          uint32_t completed);

/* Copies a slot's values into the window. values->seq is even and private to
 * this function: it is advanced by two. */
void pvperfWindowWriteSlot(pvperfWindow *window,
                           uint32_t row,
                           uint32_t vcpu,
                           struct guest_perf_event *values);

/* Sampling: the guest's nmi_handled, after a full barrier (any number may
 * stand there); one sample, not visible before pvperfWindowSamples(); nmi_sent. */
uint32_t pvperfWindowNmiHandled(const pvperfWindow *window,
                                uint32_t vcpu);
void pvperfWindowWriteSample(pvperfWindow *window,
                             uint32_t vcpu,
                             uint32_t n,
                             const struct pvperf_sample *sample);
void pvperfWindowSamples(pvperfWindow *window,
                         uint32_t vcpu,
                         uint32_t head);
void pvperfWindowNmiSent(pvperfWindow *window,
                         uint32_t vcpu,
                         uint32_t sent);

/* Makes all slots zero and gives their memory back. */
void pvperfWindowClearSlots(pvperfWindow *window);

/* line->seq is even and private to this function, as above. */
void pvperfWindowWritePolicy(pvperfWindow *window,
                             struct pvperf_policy_line *line);

void pvperfWindowWriteIdentity(pvperfWindow *window);

/* The session line; state first, then the nonce with release. */
void pvperfWindowWriteSession(pvperfWindow *window,
                              uint64_t session,
                              uint32_t state);

void pvperfWindowWriteHeartbeat(pvperfWindow *window,
                                uint32_t worker,
                                uint64_t heartbeat);

/* Writes need_kick of all worker lines; a full barrier follows a 1. */
void pvperfWindowWriteNeedKick(pvperfWindow *window,
                               bool need_kick);
