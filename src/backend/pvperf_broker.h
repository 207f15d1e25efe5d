/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_broker.h: asking the daemon for host events.
 *
 * One request per area at most. A request names a whole group on one vCPU;
 * its answer is matched by cookie, and dropped if meanwhile the session, the
 * group or the area went on without it. An answer that does not come in time,
 * or a daemon that is not there, is a refusal like any other.
 */
#pragma once

#include "pvperf_serve.h"

/* Asks for leader's group (NULL: none yet) and opening (NULL: nothing new) on
 * a vCPU, for the frame that areas[index] holds; the area waits from here on.
 * A verdict below 0 if the daemon cannot be asked. */
pvperfVerdict pvperfBrokerAsk(pvperfBackend *backend,
                              uint32_t index,
                              pvperfEvent *leader,
                              const pvperfOpening *opening,
                              uint32_t vcpu);

/* The daemon's answer, with the fds that came with it; takes or closes them. */
void pvperfBrokerAnswer(pvperfBackend *backend,
                        const pvperfControlOpened *answer,
                        const int *fds,
                        uint32_t nfds);

/* Refuses what has waited past its deadline, or, with all, everything that
 * waits (the daemon went away). */
void pvperfBrokerExpire(pvperfBackend *backend,
                        uint64_t now,
                        bool all);

/* An area does not wait any more. */
void pvperfBrokerForget(pvperfBackend *backend,
                        pvperfArea *area);

/* When pvperfBrokerExpire() is next due; 0: nothing waits. */
uint64_t pvperfBrokerDeadline(const pvperfBackend *backend);
