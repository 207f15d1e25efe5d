/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_format.c: what the daemon answers, as text.
 *
 * Each group of cases.conf is one case: "stats" and "properties" are the
 * daemon's answers as GVariant text (without "stats" there is no daemon),
 * "duration" is in ns. What comes of it in either format is compared with
 * golden/NAME.txt and golden/NAME.openmetrics, and the table of metrics with
 * the one in docs/monitoring.rst. PVPERF_REGENERATE=1 writes them anew, for
 * review.
 */
#include <string.h>

#include "pvperf_exporter_format.h"

#define TABLE_BEGIN ".. The table is the program's own: see tests/unit/exporter.\n\n"
#define TABLE_END "\n.. End of the table.\n"

static const char *sourceDir;
static const char *manual;
static GKeyFile *cases;


static void
testCompare(const char *path,
            const char *actual)
{
    g_autofree char *expected = NULL;

    if (g_getenv("PVPERF_REGENERATE")) {
        g_assert_true(g_file_set_contents(path, actual, -1, NULL));
        return;
    }
    if (!g_file_get_contents(path, &expected, NULL, NULL))
        expected = g_strdup("");
    if (!g_str_equal(expected, actual)) {
        g_test_message("%s: expected:\n%s\nactual:\n%s", path, expected, actual);
        g_test_fail();
    }
}


static GVariant *
testAnswer(const char *group,
           const char *key,
           const char *type)
{
    g_autofree char *text = g_key_file_get_value(cases, group, key, NULL);
    g_autoptr(GError) error = NULL;
    GVariant *value;

    if (!text)
        return NULL;
    value = g_variant_parse(G_VARIANT_TYPE(type), text, NULL, NULL, &error);
    g_assert_no_error(error);
    return value;
}


static void
testCase(gconstpointer opaque)
{
    static const char *const suffixes[] = {
        [PVPERF_FORMAT_TEXT] = "txt",
        [PVPERF_FORMAT_OPENMETRICS] = "openmetrics",
    };
    const char *group = opaque;
    g_autoptr(GVariant) stats = testAnswer(group, "stats", "aa{sv}");
    g_autoptr(GVariant) properties = testAnswer(group, "properties", "a{sv}");
    const pvperfScrape scrape = {
        stats, properties, g_key_file_get_uint64(cases, group, "duration", NULL), "1.2.3",
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *text = pvperfFormatScrape(&scrape, i);
        g_autofree char *path = g_strdup_printf("%s/golden/%s.%s", sourceDir, group, suffixes[i]);

        g_assert_true(g_utf8_validate(text, -1, NULL));
        testCompare(path, text);
    }
}


static void
testTable(void)
{
    g_autofree char *table = pvperfFormatTable();
    g_autofree char *page = NULL;
    g_autofree char *whole = NULL;
    char *begin;
    char *end;

    g_assert_true(g_file_get_contents(manual, &page, NULL, NULL));
    begin = strstr(page, TABLE_BEGIN);
    g_assert_nonnull(begin);
    begin += strlen(TABLE_BEGIN);
    end = strstr(begin, TABLE_END);
    g_assert_nonnull(end);
    whole = g_strdup_printf("%.*s%s%s", (int)(begin - page), page, table, end);
    testCompare(manual, whole);
}


int
main(int argc,
     char **argv)
{
    g_auto(GStrv) groups = NULL;
    g_autofree char *path = NULL;
    char **group;
    int rc;

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(argc, ==, 3);
    sourceDir = argv[1];
    manual = argv[2];
    path = g_build_filename(sourceDir, "cases.conf", NULL);
    cases = g_key_file_new();
    g_assert_true(g_key_file_load_from_file(cases, path, G_KEY_FILE_NONE, NULL));
    groups = g_key_file_get_groups(cases, NULL);
    for (group = groups; *group; group++) {
        g_autofree char *name = g_strdup_printf("/exporter/format/%s", *group);

        g_test_add_data_func(name, *group, testCase);
    }
    g_test_add_func("/exporter/format/table", testTable);
    rc = g_test_run();
    g_key_file_unref(cases);
    return rc;
}
