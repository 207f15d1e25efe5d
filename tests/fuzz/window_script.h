/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * window_script.h: a whole backend on fake perf events, led by a script of bytes.
 *
 * Used by fuzz_window.c and fuzz_window_race.c. One backend lives as long as the
 * process; each script begins with a new session, full buckets and a window in
 * which the guest has written nothing, and ends with everything closed. What
 * must hold is asserted after each step, on the host's own copies: what stands in the
 * window is the guest's to overwrite.
 */
#pragma once

#include "fake_host.h"
#include "fuzz.h"

#define SCRIPT_VCPUS 2
#define SCRIPT_ROWS 12          /* of those that slots are checked in */

/* Makes the backend; once. */
void scriptInit(void);

/* A new session on a clean window. */
void scriptBegin(void);

/* One action of the guest or the host. */
void scriptStep(fuzzInput *input);

/* Serves until nothing is left to do, closes all, and looks whether the host has
 * anything open. */
void scriptEnd(void);
