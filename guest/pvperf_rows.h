/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which slots of the window are in use; see pvperf_rows.c.
 */
#ifndef PVPERF_ROWS_H
#define PVPERF_ROWS_H

#include <linux/types.h>

/*
 * A row for an event that counts on one vCPU (bound) or on all; -EBUSY if
 * there is none, -ENOMEM.  Callers hold one lock.
 */
int pvperf_row_get(bool bound, u32 vcpu);
void pvperf_row_put(u32 row, bool bound, u32 vcpu);
void pvperf_rows_exit(void);

#endif
