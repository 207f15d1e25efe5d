/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_log.h: where the daemon's messages go: stderr, one line each, with
 * the priority that systemd's journal reads if stderr is the journal.
 *
 * Everybody else calls GLib: g_warning for what the operator should act on,
 * g_message for what changed (devices, backends, connections), g_info for
 * steps that only --verbose shows. What programs are to read has fields and a
 * MESSAGE_ID (g_log_structured), and is written at every level.
 */
#pragma once

#include <stdbool.h>

void pvperfLogInit(bool verbose);
