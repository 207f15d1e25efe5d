/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_states.c: names and sentences of a domain's states.
 *
 * Owns nothing but the lookup; the table itself is PVPERF_DOMAIN_STATES in
 * the header. Called by whatever shows a state to people: D-Bus, command
 * line, metrics.
 */
#include <stddef.h>

#include "pvperf_states.h"

#define NAME_ROW(constant, name, text) [constant] = name,
#define TEXT_ROW(constant, name, text) [constant] = text,

static const char *const state_names[] = { PVPERF_DOMAIN_STATES(NAME_ROW) };
static const char *const state_texts[] = { PVPERF_DOMAIN_STATES(TEXT_ROW) };


const char *
pvperfDomainStateName(int state)
{
    if (state < 0 || state >= PVPERF_NR_DOMAIN_STATES)
        return NULL;

    return state_names[state];
}


const char *
pvperfDomainStateText(int state)
{
    if (state < 0 || state >= PVPERF_NR_DOMAIN_STATES)
        return NULL;

    return state_texts[state];
}
