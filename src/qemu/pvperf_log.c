/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_log.c: GLib's log writer of the daemon.
 *
 * A line is written with one write, so that lines of daemon and backends,
 * which share stderr, do not mix. A message with an id (MESSAGE_ID: the audit) is
 * always written, and goes to the journal with its fields if stderr is the
 * journal.
 */
#include "pvperf_log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

static bool logVerbose;
static bool logJournal;


static const char *
pvperfLogPriority(GLogLevelFlags level,
                  const char **name)
{
    if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) {
        *name = "error: ";
        return "<3>";
    }
    if (level & G_LOG_LEVEL_WARNING) {
        *name = "warning: ";
        return "<4>";
    }
    *name = "";
    return level & G_LOG_LEVEL_MESSAGE ? "<5>" : "<6>";
}


static GLogWriterOutput
pvperfLogWrite(GLogLevelFlags level,
               const GLogField *fields,
               gsize nfields,
               gpointer opaque)
{
    const char *message = "";
    bool ours = true;
    bool fields_matter = false;
    const char *name;
    const char *priority = pvperfLogPriority(level, &name);
    g_autofree char *line = NULL;
    gsize i;

    for (i = 0; i < nfields; i++) {
        if (strcmp(fields[i].key, "MESSAGE") == 0)
            message = fields[i].value;
        /* libraries name their domain, we have none */
        if (strcmp(fields[i].key, "GLIB_DOMAIN") == 0)
            ours = false;
        if (strcmp(fields[i].key, "MESSAGE_ID") == 0)
            fields_matter = true;
    }
    if (level & (G_LOG_LEVEL_INFO | G_LOG_LEVEL_DEBUG) && !(logVerbose && ours) && !fields_matter)
        return G_LOG_WRITER_HANDLED;
    if (logJournal && fields_matter &&
        g_log_writer_journald(level, fields, nfields, NULL) == G_LOG_WRITER_HANDLED)
        return G_LOG_WRITER_HANDLED;

    line = g_strdup_printf("%svirtpvperfd: %s%s\n",
                           logJournal ? priority : "", name, message);
    if (write(STDERR_FILENO, line, strlen(line)) < 0)
        return G_LOG_WRITER_UNHANDLED;
    return G_LOG_WRITER_HANDLED;
}


void
pvperfLogInit(bool verbose)
{
    logVerbose = verbose;
    logJournal = g_log_writer_is_journald(STDERR_FILENO);
    g_log_set_writer_func(pvperfLogWrite, NULL, NULL);
}
