/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_policy_text.h: policies as text for people and for a later reading.
 */
#pragma once

#include <glib.h>

#include "pvperf_policy.h"

/* Appends, with @separator in front if something stands there already. */
void pvperfPolicyTextAdd(GString *text,
                         const char *separator,
                         const char *format,
                         ...) G_GNUC_PRINTF(3, 4);

/* What @granted has less of than @asked, such as "events max 64 (not 512),
 * class cache denied"; NULL if nothing. */
char *pvperfPolicyTextLowered(const pvperfPolicy *asked,
                              const pvperfPolicy *granted);

/* What changed from one to the other, such as "events max 64 (was 512), class
 * cache allowed"; NULL if nothing. */
char *pvperfPolicyTextChanges(const pvperfPolicy *from,
                              const pvperfPolicy *to);

/* A <pvperf> that says all of it, and the @group (or NULL), so that its reading,
 * on any host, gives the same policy again. */
char *pvperfPolicyTextElement(const pvperfPolicy *policy,
                              const char *group);
