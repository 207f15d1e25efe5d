/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_sandbox.h: what the daemon contributes to a backend's sandbox.
 *
 * Called by the domain when it starts its backend.
 */
#pragma once

#include "pvperf_host_config.h"
#include "pvperf_process.h"

/* How to start @program as the backend of a VM with so many vectors. Sized for
 * what the host's ceilings let a domain have, so that no change of its limits
 * needs another backend. */
void pvperfSandboxOptions(const pvperfHostConfig *config,
                          const char *program,
                          unsigned int vectors,
                          pvperfProcessOptions *options);
