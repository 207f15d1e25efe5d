/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events that perf holds scheduled and the host does not count; see
 * pvperf_retry.c.
 */
#ifndef PVPERF_RETRY_H
#define PVPERF_RETRY_H

/* Something on this CPU does not count: try again soon.  Any context. */
void pvperf_retry_ask(void);

/* Process context. */
/* There is a new channel: events that live are to be told. */
void pvperf_retry_host_changed(void);
/* There is an open event: look now and then whether the host still has it. */
void pvperf_retry_watch(void);
void pvperf_retry_exit(void);

#endif
