/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Looking after events that stay scheduled for long; see pvperf_refresh.c.
 */
#ifndef PVPERF_REFRESH_H
#define PVPERF_REFRESH_H

/* One that only counts was scheduled in here.  Interrupts off; the scheduler's locks may be held. */
void pvperf_refresh_need(void);

void pvperf_refresh_init(void);

/* Nothing is scheduled any more. */
void pvperf_refresh_exit(void);

#endif
