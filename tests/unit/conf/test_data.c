/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_data.c: golden files and schemas for the tests of src/conf.
 *
 * Schemas are read once and kept until the process ends.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>

#include "test_data.h"


char *
testDataPath(const char *dir,
             const char *name,
             const char *suffix)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);

    return g_build_filename(g_getenv("PVPERF_TEST_DATA"), dir, file, NULL);
}


char *
testDataRead(const char *dir,
             const char *name,
             const char *suffix)
{
    g_autofree char *path = testDataPath(dir, name, suffix);
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}


static int
compareNames(const void *a,
             const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}


void
testDataAdd(const char *dir,
            GTestDataFunc func)
{
    g_autofree char *path = testDataPath(dir, "", "");
    g_autoptr(GDir) listing = g_dir_open(path, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *file;

    g_assert_nonnull(listing);
    while ((file = g_dir_read_name(listing))) {
        if (g_str_has_suffix(file, ".xml"))
            g_ptr_array_add(names, g_strndup(file, strlen(file) - 4));
    }
    g_ptr_array_sort(names, compareNames);

    for (guint i = 0; i < names->len; i++) {
        g_autofree char *test = g_strdup_printf("/%s/%s", dir,
                                                (char *)g_ptr_array_index(names, i));

        g_test_add_data_func_full(test, g_ptr_array_index(names, i), func, g_free);
    }
}


void
testDataCompare(const char *dir,
                const char *name,
                const char *suffix,
                const char *text)
{
    g_autofree char *expected = testDataRead(dir, name, suffix);
    g_autofree char *path = testDataPath(dir, name, suffix);

    if (g_strcmp0(expected, text) == 0)
        return;

    if (g_getenv("PVPERF_REGENERATE")) {
        if (text)
            g_assert_true(g_file_set_contents(path, text, -1, NULL));
        else
            g_unlink(path);
        return;
    }

    g_test_message("%s is expected to hold:\n%s\nbut it would be:\n%s", path,
                   expected ? expected : "(no such file)", text ? text : "(no such file)");
    g_test_fail();
}


static void
ignoreMessage(void *data,
              const char *format,
              ...)
{
}


static xmlRelaxNGPtr
getSchema(const char *path)
{
    static GHashTable *schemas;
    xmlRelaxNGPtr schema;

    if (!schemas)
        schemas = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                        (GDestroyNotify)xmlRelaxNGFree);

    schema = g_hash_table_lookup(schemas, path);
    if (!schema) {
        xmlRelaxNGParserCtxtPtr ctxt = xmlRelaxNGNewParserCtxt(path);

        schema = xmlRelaxNGParse(ctxt);
        xmlRelaxNGFreeParserCtxt(ctxt);
        g_assert_nonnull(schema);
        g_hash_table_insert(schemas, g_strdup(path), schema);
    }

    return schema;
}


bool
testDataValidate(const char *schema,
                 const char *text)
{
    xmlDocPtr doc = xmlReadMemory(text, strlen(text), NULL, NULL,
                                  XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    xmlRelaxNGValidCtxtPtr ctxt;
    int ret;

    if (!doc)
        return false;

    ctxt = xmlRelaxNGNewValidCtxt(getSchema(schema));
    xmlRelaxNGSetValidErrors(ctxt, ignoreMessage, ignoreMessage, NULL);
    ret = xmlRelaxNGValidateDoc(ctxt, doc);
    xmlRelaxNGFreeValidCtxt(ctxt);
    xmlFreeDoc(doc);

    return ret == 0;
}


char *
testDataReason(const char *list,
               const char *name)
{
    g_autofree char *text = testDataRead(".", list, "");
    g_autofree char *start = g_strconcat(name, ": ", NULL);
    g_auto(GStrv) lines = NULL;

    g_assert_nonnull(text);
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (g_str_has_prefix(*line, start))
            return g_strdup(*line + strlen(start));
    }

    return NULL;
}
