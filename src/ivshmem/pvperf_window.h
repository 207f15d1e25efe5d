/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_window.h: make the shared window of one VM.
 */
#pragma once

#include <stdint.h>

/* A sealed memfd with the identity line of a device of this many vectors,
 * or -1 and errno. */
int pvperfWindowCreate(uint32_t vectors);
