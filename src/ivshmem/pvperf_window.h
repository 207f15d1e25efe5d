/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_window.h: make the shared window of one VM.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A sealed memfd with the identity line of a device of this many vectors,
 * or -1 and errno. */
int pvperfWindowCreate(uint32_t vectors);

bool pvperfWindowSame(int a,
                      int b);

/* Whether it is one that pvperfWindowCreate could have made for that many. */
bool pvperfWindowValid(int fd,
                       uint32_t vectors);
