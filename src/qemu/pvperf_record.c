/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_record.c: STATEDIR/UUID.device, holding one word.
 */
#include "pvperf_record.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#define PVPERF_RECORD_SUFFIX ".device"

static const char *const recordWords[] = {
    [PVPERF_RECORD_GIVEN] = "given\n",
    [PVPERF_RECORD_REMOVED] = "removed\n",
};


static char *
pvperfRecordPath(const char *dir,
                 const char *uuid)
{
    return g_strconcat(dir, "/", uuid, PVPERF_RECORD_SUFFIX, NULL);
}


pvperfRecord
pvperfRecordRead(const char *dir,
                 const char *uuid)
{
    g_autofree char *path = pvperfRecordPath(dir, uuid);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return PVPERF_RECORD_NONE;
    if (strcmp(text, recordWords[PVPERF_RECORD_GIVEN]) == 0)
        return PVPERF_RECORD_GIVEN;
    if (strcmp(text, recordWords[PVPERF_RECORD_REMOVED]) == 0)
        return PVPERF_RECORD_REMOVED;
    return PVPERF_RECORD_NONE;
}


void
pvperfRecordWrite(const char *dir,
                  const char *uuid,
                  pvperfRecord record)
{
    g_autofree char *path = pvperfRecordPath(dir, uuid);
    g_autoptr(GError) error = NULL;

    if (record == PVPERF_RECORD_NONE) {
        if (g_unlink(path) < 0 && errno != ENOENT)
            g_warning("cannot remove %s: %s", path, g_strerror(errno));
    } else if (!g_file_set_contents(path, recordWords[record], -1, &error)) {
        g_warning("cannot remember what became of a domain's device: %s", error->message);
    }
}


void
pvperfRecordPrune(const char *dir,
                  GHashTable *known)
{
    g_autoptr(GDir) handle = g_dir_open(dir, 0, NULL);
    const char *file;

    while (handle && (file = g_dir_read_name(handle))) {
        g_autofree char *uuid = NULL;

        if (!g_str_has_suffix(file, PVPERF_RECORD_SUFFIX))
            continue;
        uuid = g_strndup(file, strlen(file) - strlen(PVPERF_RECORD_SUFFIX));
        if (!g_hash_table_contains(known, uuid))
            pvperfRecordWrite(dir, uuid, PVPERF_RECORD_NONE);
    }
}
