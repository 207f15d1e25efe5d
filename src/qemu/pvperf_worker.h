/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_worker.h: one thread that runs jobs in order.
 *
 * All calls into libvirt are jobs here: they may hang while a VM starts, and
 * the main context must go on serving backends, keeper and D-Bus. A job's
 * `run` is called in the thread, its `done` in the main context afterwards;
 * `done` owns the data.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

typedef struct _pvperfWorker pvperfWorker;

typedef void (*pvperfWorkerFunc)(gpointer data);

pvperfWorker *pvperfWorkerNew(const char *name);

/* No `done` is called any more. Waits until the thread has run what is queued,
 * at most @timeout_us; false if it hangs: it is left behind then, and what its
 * jobs use must stay. */
bool pvperfWorkerStop(pvperfWorker *worker,
                      gint64 timeout_us);

void pvperfWorkerPush(pvperfWorker *worker,
                      pvperfWorkerFunc run,
                      pvperfWorkerFunc done,
                      GDestroyNotify destroy,
                      gpointer data);
