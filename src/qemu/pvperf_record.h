/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_record.h: what the daemon remembers about a domain's device over its
 * own restarts: one small file per domain in the state directory.
 *
 * Needed for two promises: never give a device again that somebody took out,
 * and take away only what was given. Nobody else reads these files.
 */
#pragma once

#include <glib.h>

typedef enum {
    PVPERF_RECORD_NONE,
    PVPERF_RECORD_GIVEN,        /* the XML had a device that the daemon manages */
    PVPERF_RECORD_REMOVED,      /* it had, and somebody took the device out */
} pvperfRecord;

pvperfRecord pvperfRecordRead(const char *dir,
                              const char *uuid);

/* A failure to write is logged; the record then lasts until the daemon ends. */
void pvperfRecordWrite(const char *dir,
                       const char *uuid,
                       pvperfRecord record);

/* Remove records of domains that @known (a set of uuids) does not hold. */
void pvperfRecordPrune(const char *dir,
                       GHashTable *known);
