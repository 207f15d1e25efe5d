/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_log.h: the backend's words to its operator.
 *
 * One line on stderr, which the daemon reads. Never in the hot path, and never
 * for anything that the guest can repeat: the guest must not fill a log.
 */
#pragma once

void pvperfLog(const char *format,
               ...) __attribute__((format(printf, 1, 2)));
