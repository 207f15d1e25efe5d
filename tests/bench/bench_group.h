/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench_group.h: control groups of a benchmark's own, with a quota of CPU time.
 *
 * Of version 1, or of version 2 where the controller is on for the children of
 * the root. They have the process id in their names. Every call says whether
 * the machine let it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

bool benchGroupMake(const char *name);

/* In us; quota 0: none. */
bool benchGroupQuota(const char *name,
                     uint64_t period,
                     uint64_t quota);

bool benchGroupEnter(const char *name,
                     pid_t pid);

/* What was in it has ended. */
void benchGroupRemove(const char *name);
