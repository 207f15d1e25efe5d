/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_text.c: what virsh-pvperf prints is safe, aligned and exact.
 *
 * Pure parts of tools/virsh-pvperf: escaping, widths, tables, numbers, JSON,
 * perf's event names and /proc/net/unix. Also built under ASan and UBSan.
 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "pvperf_check.h"
#include "pvperf_json.h"
#include "pvperf_perf_event.h"
#include "pvperf_text.h"

static void
testEscape(void)
{
    static const struct {
        const char *text;
        bool lines;
        const char *escaped;
    } cases[] = {
        { "", false, "" },
        { "plain text ~", false, "plain text ~" },
        { "a\nb\tc", false, "a\\nb\\tc" },
        { "a\nb\rc", true, "a\nb\\u{d}c" },
        { "\033[2J", false, "\\u{1b}[2J" },
        { "\x7f", false, "\\u{7f}" },
        { "\xc2\x9b" "2J", false, "\\u{9b}2J" },
        { "東京 é", false, "東京 é" },
        { "a\u202eb\u200bc\u2066d", false, "a\\u{202e}b\\u{200b}c\\u{2066}d" },
        { "\ue000", false, "\\u{e000}" },
        { "bad\xff\xc3", false, "bad\\xff\\xc3" },
        { "\xed\xa0\x80", false, "\\xed\\xa0\\x80" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *escaped = pvperfTextEscape(cases[i].text, cases[i].lines);

        g_assert_cmpstr(escaped, ==, cases[i].escaped);
    }
}

static void
testWidth(void)
{
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {
        { "", 0 },
        { "abc", 3 },
        { "東京", 4 },
        { "e\u0301", 1 },
        { "Live≠config", 11 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpuint(pvperfTextWidth(cases[i].text), ==, cases[i].width);
}

static void
testNumbers(void)
{
    static const struct {
        uint64_t part;
        uint64_t whole;
        const char *text;
    } percents[] = {
        { 0, 0, "-" },
        { 0, 7, "0.00%" },
        { 1, 3, "33.33%" },
        { 99999, 100000, "99.99%" },
        { 5, 5, "100.00%" },
        { UINT64_MAX, UINT64_MAX, "100.00%" },
        { UINT64_MAX - 1, UINT64_MAX, "99.99%" },
    };
    static const struct {
        uint64_t ns;
        const char *text;
    } seconds[] = {
        { 0, "0.000000000" },
        { 1, "0.000000001" },
        { 1000000000, "1.000000000" },
        { UINT64_MAX, "18446744073.709551615" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(percents); i++) {
        g_autofree char *text = pvperfTextPercent(percents[i].part, percents[i].whole);

        g_assert_cmpstr(text, ==, percents[i].text);
    }
    for (i = 0; i < G_N_ELEMENTS(seconds); i++) {
        g_autofree char *text = pvperfTextSeconds(seconds[i].ns);

        g_assert_cmpstr(text, ==, seconds[i].text);
    }
}

static char *
testTablePrint(pvperfTableStyle style,
               bool rows)
{
    static const char *const columns[] = { "Name", ">Count", "Last", NULL };
    g_autoptr(pvperfTable) table = pvperfTableNew(columns);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (rows) {
        pvperfTableAdd(table, "東京");
        pvperfTableAddNumber(table, UINT64_MAX);
        pvperfTableAdd(table, "");
        pvperfTableAdd(table, "a");
        pvperfTableAddNumber(table, 0);
        pvperfTableTake(table, g_strdup("x\ny"));
    }
    pvperfTablePrint(table, style, out);
    fclose(out);
    return text;
}

static void
testTable(void)
{
    static const struct {
        pvperfTableStyle style;
        bool rows;
        const char *text;
    } cases[] = {
        { PVPERF_TABLE_FULL, true,
          " Name                  Count   Last\n"
          "-------------------------------------\n"
          " 東京   18446744073709551615\n"
          " a                         0   x\\ny\n"
          "\n" },
        { PVPERF_TABLE_FULL, false,
          " Name   Count   Last\n"
          "----------------------\n"
          "\n" },
        { PVPERF_TABLE_ROWS, true,
          " 東京   18446744073709551615\n"
          " a                         0   x\\ny\n" },
        { PVPERF_TABLE_BARE, true,
          "東京   18446744073709551615\n"
          "a                         0   x\\ny\n" },
        { PVPERF_TABLE_BARE, false, "" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *text = testTablePrint(cases[i].style, cases[i].rows);

        g_assert_cmpstr(text, ==, cases[i].text);
        free(text);
    }
}

static char *
testJsonPrint(const char *variant)
{
    static const char *const keys[] = { "b", "i", "u", "t", "s", "as", "absent", NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) dict = g_variant_parse(G_VARIANT_TYPE("a{sv}"), variant, NULL, NULL, &error);
    g_autoptr(pvperfJson) json = NULL;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    g_assert_no_error(error);
    json = pvperfJsonDict(dict, keys);
    pvperfJsonAddUint(json, "more", UINT64_MAX);
    pvperfJsonAddBool(json, "yes", true);
    pvperfJsonAddString(json, "nothing", NULL);
    pvperfJsonPrint(json, out);
    fclose(out);
    return text;
}

static void
testJson(void)
{
    char *text = testJsonPrint("{'b': <true>, 'i': <-1>, 'u': <uint32 4294967295>, "
                               "'t': <uint64 18446744073709551615>, "
                               "'s': <'\"\\\\ /\\n\\u001b\\u009b\\u202e東\\U0001f4a9\\u007f'>, 'as': <['x', '']>}");

    g_assert_cmpstr(text, ==,
                    "{\n"
                    "  \"b\": true,\n"
                    "  \"i\": -1,\n"
                    "  \"u\": 4294967295,\n"
                    "  \"t\": 18446744073709551615,\n"
                    "  \"s\": \"\\\"\\\\ /\\n\\u001b\\u009b\\u202e東💩\\u007f\",\n"
                    "  \"as\": [\n"
                    "    \"x\",\n"
                    "    \"\"\n"
                    "  ],\n"
                    "  \"absent\": null,\n"
                    "  \"more\": 18446744073709551615,\n"
                    "  \"yes\": true,\n"
                    "  \"nothing\": null\n"
                    "}\n");
    free(text);
}

/* Where the locale is not UTF-8 only ASCII is printed. */
static void
testAsciiLocale(void)
{
    g_autofree char *escaped = NULL;
    char *json;

    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
        g_test_trap_assert_passed();
        return;
    }
    setlocale(LC_ALL, "C");
    escaped = pvperfTextEscape("東a", false);
    g_assert_cmpstr(escaped, ==, "\\u{6771}a");
    json = testJsonPrint("{'s': <'東\\U0001f4a9'>}");
    g_assert_nonnull(strstr(json, "\"\\u6771\\ud83d\\udca9\""));
    free(json);
}

static void
testPerfEvent(void)
{
    static const struct {
        const char *text;
        const char *name;       /* "": not ours, "software": the guest's own */
        uint64_t raw;
    } cases[] = {
        { "cycles", "cycles", 0 },
        { "cycles:u", "cycles", 0 },
        { "cpu-cycles", "cycles", 0 },
        { "branch-instructions:k", "branches", 0 },
        { "cpu/cycles/", "cycles", 0 },
        { "L1-dcache-load-misses", "L1-dcache-load-misses", 0 },
        { "pvperf/vcpu-clock/", "vcpu-clock", 0 },
        { "pvperf/vcpu-clock/u", "vcpu-clock", 0 },
        { "vcpu-switches", "vcpu-switches", 0 },
        { "r1c2", "raw", 0x1c2 },
        { "r1C2:u", "raw", 0x1c2 },
        { "cpu/r1c2/", "raw", 0x1c2 },
        { "cpu/event=0xc2,umask=0x1/", "raw", 0x1c2 },
        { "cpu/event=0xc2,umask=1,edge,inv,cmask=2/u", "raw", 0x28401c2 },
        { "cpu/config=0x1c2/", "raw", 0x1c2 },
        { "task-clock", "software", 0 },
        { "context-switches:u", "software", 0 },
        { "cpu/event=0x1c2/", "", 0 },
        { "cpu/event=zz/", "", 0 },
        { "cpu//", "", 0 },
        { "uncore/cycles/", "", 0 },
        { "raw", "", 0 },
        { "rr", "", 0 },
        { "", "", 0 },
        { ":u", "", 0 },
        { "nonsense", "", 0 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        const pvperfPerfEvent event = pvperfPerfEventParse(cases[i].text);
        const pvperfEventInfo *info = pvperfEventGet(event.event);

        g_test_message("%s", cases[i].text);
        g_assert_cmpstr(info ? info->name : event.is_software ? "software" : "", ==, cases[i].name);
        if (info)
            g_assert_cmphex(event.raw_config, ==, cases[i].raw);
    }
}

static void
testListens(void)
{
    static const char unix_sockets[] =
        "Num       RefCount Protocol Flags    Type St Inode Path\n"
        "00000000aaaaaaaa: 00000003 00000000 00000000 0001 03 1586\n"
        "00000000bbbbbbbb: 00000002 00000000 00010000 0001 01 1234 /run/a.sock\n"
        "00000000cccccccc: 00000003 00000000 00000000 0001 03 1235 /run/connected.sock\n"
        "00000000dddddddd: 00000002 00000000 00010000 0001 01 1236 /run/with space.sock\n"
        "00000000eeeeeeee: 00000002 00000000 00010000 0005 01 1237 @abstract\n";

    g_assert_true(pvperfCheckListens(unix_sockets, "/run/a.sock"));
    g_assert_true(pvperfCheckListens(unix_sockets, "/run/with space.sock"));
    g_assert_false(pvperfCheckListens(unix_sockets, "/run/connected.sock"));
    g_assert_false(pvperfCheckListens(unix_sockets, "/run/a"));
    g_assert_false(pvperfCheckListens(unix_sockets, "/run/a.sock2"));
    g_assert_false(pvperfCheckListens("", "/run/a.sock"));
    g_assert_false(pvperfCheckListens("garbage\n\n", "/run/a.sock"));
}

int
main(int argc,
     char **argv)
{
    setlocale(LC_ALL, "C.UTF-8");
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/text/escape", testEscape);
    g_test_add_func("/text/width", testWidth);
    g_test_add_func("/text/numbers", testNumbers);
    g_test_add_func("/text/table", testTable);
    g_test_add_func("/text/json", testJson);
    g_test_add_func("/text/ascii-locale", testAsciiLocale);
    g_test_add_func("/text/perf-event", testPerfEvent);
    g_test_add_func("/text/listens", testListens);
    return g_test_run();
}
