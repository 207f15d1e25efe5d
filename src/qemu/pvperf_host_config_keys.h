/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_host_config_keys.h: one key of virtpvperfd.conf at a time.
 */
#pragma once

#include "pvperf_host_config.h"

/* Puts @value, as the file has it, where the key belongs; false with @error if
 * the key is not known or the value not allowed. */
bool pvperfHostConfigSet(pvperfHostConfig *config,
                         const char *key,
                         const char *value,
                         GError **error);
