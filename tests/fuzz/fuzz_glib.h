/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_glib.h: for targets whose code logs through GLib.
 */
#pragma once

#include <glib.h>

#include "fuzz.h"

static inline void
fuzzDropMessage(const char *domain,
                GLogLevelFlags level,
                const char *message,
                gpointer opaque)
{
}


/* What is said of hostile input is not written. */
static inline void
fuzzQuiet(void)
{
    g_log_set_default_handler(fuzzDropMessage, NULL);
}
