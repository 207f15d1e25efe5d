/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_json.h: --format json.
 *
 * Owns the way from what the daemon says (GVariant) to JSON text. json-c
 * writes it, because it carries unsigned 64-bit integers to the last digit.
 * The text is safe on a terminal: what a terminal would act on is \uNNNN.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <gio/gio.h>
#include <json-c/json.h>

typedef struct json_object pvperfJson;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pvperfJson, json_object_put)

/* @value of a basic type or an array of them; NULL (JSON's null) for another. */
pvperfJson *pvperfJsonValue(GVariant *value);

/* An object of these members of @dict, in the order of @keys, which ends in
 * NULL; null where the daemon did not say. */
pvperfJson *pvperfJsonDict(GVariant *dict,
                           const char *const *keys);

/* Adds a member; @object owns what is added. */
void pvperfJsonAddString(pvperfJson *object,
                         const char *key,
                         const char *value);
void pvperfJsonAddUint(pvperfJson *object,
                       const char *key,
                       uint64_t value);
void pvperfJsonAddBool(pvperfJson *object,
                       const char *key,
                       bool value);

void pvperfJsonPrint(pvperfJson *json,
                     FILE *out);
