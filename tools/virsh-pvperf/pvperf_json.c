/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_json.c: --format json.
 *
 * See pvperf_json.h. Called by the commands that have a JSON form; the keys
 * are documented in docs/man/virsh-pvperf.rst and stay.
 */
#include "pvperf_json.h"

#include "pvperf_text.h"

pvperfJson *
pvperfJsonValue(GVariant *value)
{
    switch (g_variant_classify(value)) {
    case G_VARIANT_CLASS_BOOLEAN:
        return json_object_new_boolean(g_variant_get_boolean(value));
    case G_VARIANT_CLASS_INT32:
        return json_object_new_int(g_variant_get_int32(value));
    case G_VARIANT_CLASS_UINT32:
        return json_object_new_uint64(g_variant_get_uint32(value));
    case G_VARIANT_CLASS_UINT64:
        return json_object_new_uint64(g_variant_get_uint64(value));
    case G_VARIANT_CLASS_STRING:
        return json_object_new_string(g_variant_get_string(value, NULL));
    case G_VARIANT_CLASS_ARRAY: {
        pvperfJson *array = json_object_new_array();
        gsize i;

        for (i = 0; i < g_variant_n_children(value); i++) {
            g_autoptr(GVariant) child = g_variant_get_child_value(value, i);

            json_object_array_add(array, pvperfJsonValue(child));
        }
        return array;
    }
    default:
        return NULL;
    }
}

pvperfJson *
pvperfJsonDict(GVariant *dict,
               const char *const *keys)
{
    pvperfJson *object = json_object_new_object();

    for (; *keys; keys++) {
        g_autoptr(GVariant) value = g_variant_lookup_value(dict, *keys, NULL);

        json_object_object_add(object, *keys, value ? pvperfJsonValue(value) : NULL);
    }
    return object;
}

void
pvperfJsonAddString(pvperfJson *object,
                    const char *key,
                    const char *value)
{
    json_object_object_add(object, key, value ? json_object_new_string(value) : NULL);
}

void
pvperfJsonAddUint(pvperfJson *object,
                  const char *key,
                  uint64_t value)
{
    json_object_object_add(object, key, json_object_new_uint64(value));
}

void
pvperfJsonAddBool(pvperfJson *object,
                  const char *key,
                  bool value)
{
    json_object_object_add(object, key, json_object_new_boolean(value));
}

void
pvperfJsonPrint(pvperfJson *json,
                FILE *out)
{
    const char *p = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY |
                                                   JSON_C_TO_STRING_SPACED |
                                                   JSON_C_TO_STRING_NOSLASHESCAPE);

    /* Outside strings JSON is ASCII: what is escaped here stands in one. */
    for (; *p; p = g_utf8_next_char(p)) {
        const gunichar c = g_utf8_get_char(p);

        if (c == '\n' || pvperfTextIsSafe(c))
            fwrite(p, 1, (size_t) (g_utf8_next_char(p) - p), out);
        else if (c > 0xffff)
            fprintf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
        else
            fprintf(out, "\\u%04x", c);
    }
    fputc('\n', out);
}
