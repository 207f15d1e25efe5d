/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_log.c: writes a line to stderr in one write(), without allocating.
 */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "pvperf_log.h"

void
pvperfLog(const char *format,
          ...)
{
    char line[512] = "pvperf-backend: ";
    int used = sizeof("pvperf-backend: ") - 1;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line + used, sizeof(line) - used - 1, format, args);
    va_end(args);
    if (n < 0)
        return;
    used += n;
    if (used > (int)sizeof(line) - 2)
        used = sizeof(line) - 2;
    line[used++] = '\n';
    /* A log that cannot be written is nothing to act on. */
    if (write(STDERR_FILENO, line, used) < 0)
        return;
}
