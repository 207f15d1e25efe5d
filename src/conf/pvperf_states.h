/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_states.h: the state of a domain's pvperf, as people see it.
 *
 * One table for daemon (which decides), D-Bus, command line and metrics.
 * Pure data: no I/O, no GLib.
 */
#pragma once

/* X(constant, name, what it means). */
#define PVPERF_DOMAIN_STATES(X) \
    X(PVPERF_DOMAIN_ON, "on", "the guest's perf works, or will when the domain starts") \
    X(PVPERF_DOMAIN_OFF, "off", "switched off by state='off'") \
    X(PVPERF_DOMAIN_PENDING_RESTART, "pending-restart", "the device is there from the domain's next cold start") \
    X(PVPERF_DOMAIN_INVALID, "invalid", "the element is wrong; a running domain keeps what was in force") \
    X(PVPERF_DOMAIN_UNMANAGED, "unmanaged", "the daemon leaves the device alone") \
    X(PVPERF_DOMAIN_UNAVAILABLE, "unavailable", "the domain has the device, but the host cannot serve it now")

#define PVPERF_DOMAIN_STATE_ENUM(constant, name, text) constant,
typedef enum {
    PVPERF_DOMAIN_STATES(PVPERF_DOMAIN_STATE_ENUM)
    PVPERF_NR_DOMAIN_STATES
} pvperfDomainState;
#undef PVPERF_DOMAIN_STATE_ENUM

/* Name and sentence of a state, or NULL. */
const char *pvperfDomainStateName(int state);
const char *pvperfDomainStateText(int state);
