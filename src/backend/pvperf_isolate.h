/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_isolate.h: what the backend gives up before it listens to anybody.
 *
 * Stages that main() calls in order, by name. Each returns false, with a line
 * logged, if it could not do what it promises; the process then ends.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* No core files; as many fds as the hard limit allows; locked memory for so many
 * bytes of sample rings (0: for all that a VM can need). */
bool pvperfIsolateLimits(uint64_t ring_bytes_max);

/* Every fd but 0, 1, 2 and this one is closed. */
bool pvperfIsolateFds(int keep);

/* No capability, and none to be had again. */
bool pvperfIsolateCapabilities(void);

/* Nobody of the same user may look into this process. */
bool pvperfIsolateMemory(void);
