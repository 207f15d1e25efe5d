/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_file.h: reading a file that the user named.
 */
#pragma once

#include <glib.h>

/* The whole file (standard input for "-"), at most PVPERF_FILE_MAX bytes of
 * UTF-8 without NUL; NULL with @error set otherwise. */
char *pvperfFileRead(const char *path,
                     GError **error);

/* Above every domain XML that libvirt takes over its protocol. */
#define PVPERF_FILE_MAX (16 * 1024 * 1024)
