/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_stopped.h: notice that a backend was stopped (SIGSTOP and its like).
 *
 * Called by pvperf_process.c, on the main context. A stopped backend serves
 * nobody and ends nothing: its VM would wait for good. The kernel tells of a
 * child at once (SIGCHLD) and costs nothing until then. One that was adopted is
 * nobody's child here and is looked at now and then: PVPERF_STOPPED_PER_TURN
 * of them every PVPERF_STOPPED_TURN_MS, so that the cost has a bound and up to
 * twenty are noticed within 200 ms.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

#define PVPERF_STOPPED_TURN_MS 100
#define PVPERF_STOPPED_PER_TURN 10

typedef struct _pvperfStopped pvperfStopped;

/* Called whenever the process is found stopped; watches may not be added or
 * taken away in it. */
typedef void (*pvperfStoppedFunc)(gpointer opaque);

/* @pid, which @pidfd holds; the fd stays the caller's and open until Unwatch. */
pvperfStopped *pvperfStoppedWatch(pid_t pid,
                                  int pidfd,
                                  bool child,
                                  pvperfStoppedFunc func,
                                  gpointer opaque);

void pvperfStoppedUnwatch(pvperfStopped *watch);
