/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * policy_table_requests.h: the part of the policy table that no policy changes.
 *
 * Called by test_policy_table.c, which compares and counts what is entered.
 */
#pragma once

#include "policy_table.h"

/* Attributes, types and configs, ids, areas, HELLO, sessions; on a bench where
 * every class may count and the driver samples. */
void tableRequests(tableText *table);

/* Requests with two faults: which is told. On benches of its own. */
void tableOrder(tableText *table,
                const GPtrArray *policies);

/* What is the host's fault and not the guest's, provoked by a fake daemon. */
void tableHost(tableText *table);
