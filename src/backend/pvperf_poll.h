/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_poll.h: the one loop of the backend: serve, poll, sleep.
 */
#pragma once

#include "pvperf_messages.h"

/* Gets what the loop needs of the system; false with a line logged. */
bool pvperfPollStart(pvperfMessages *messages);

/* Serves until QEMU ends, or SIGTERM asks for the end, or the daemon goes
 * before it has set anything up. The exit status of the process. */
int pvperfPollRun(void);
