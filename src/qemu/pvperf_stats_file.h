/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_stats_file.h: DIR/UUID.stats, what a VM counted since its QEMU started.
 *
 * Made by the daemon, mapped by the VM's backend, which keeps its counters in
 * it; so they outlive both, and the next backend and the next daemon go on from
 * them. Called by the domain object. The daemon only reads it, and never maps
 * it: a backend may have made it shorter or written anything into it.
 */
#pragma once

#include <stdbool.h>

#include "../backend/pvperf_control.h"
#include "pvperf_process.h"

/* The file of this QEMU, made if there is none or if it is another one's; for
 * SETUP. -1 with @error: counters will not outlive the backend. */
int pvperfStatsFileOpen(const char *dir,
                        const char *uuid,
                        const pvperfProcessOwner *owner,
                        GError **error);

/* What is in it; false if there is none, or it is another QEMU's, or damaged. */
bool pvperfStatsFileRead(const char *dir,
                         const char *uuid,
                         const pvperfProcessOwner *owner,
                         pvperfControlStats *stats);

/* QEMU has ended. */
void pvperfStatsFileRemove(const char *dir,
                           const char *uuid);

/* Whether the numbers that stand for something else than themselves do. */
bool pvperfStatsAreSound(const pvperfControlStats *stats);
bool pvperfRefusalIsSound(const pvperfControlRefusal *refusal);
