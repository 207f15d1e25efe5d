/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_text.c: text that is safe on a terminal, and tables of it.
 *
 * See pvperf_text.h. Called by every command that prints for people. Pure but
 * for pvperfTablePrint, which writes to the stream it is given.
 */
#include "pvperf_text.h"

#include <string.h>

struct _pvperfTable {
    unsigned int ncolumns;
    GPtrArray *names;           /* escaped */
    GArray *right;              /* of bool */
    GPtrArray *cells;           /* escaped, row by row */
};

bool
pvperfTextIsSafe(gunichar c)
{
    if (c < 0x80)
        return c >= 0x20 && c < 0x7f;
    if (!g_get_charset(NULL))
        return false;
    /* Format characters reorder or hide text; private ones may be anything. */
    return g_unichar_isprint(c) &&
           g_unichar_type(c) != G_UNICODE_FORMAT &&
           g_unichar_type(c) != G_UNICODE_PRIVATE_USE;
}

char *
pvperfTextEscape(const char *text,
                 bool lines)
{
    GString *out = g_string_new(NULL);
    const char *p = text;

    while (*p) {
        const gunichar c = g_utf8_get_char_validated(p, -1);

        if (c == (gunichar) -1 || c == (gunichar) -2) {
            g_string_append_printf(out, "\\x%02x", (unsigned char) *p);
            p++;
            continue;
        }
        if (c == '\n' && !lines)
            g_string_append(out, "\\n");
        else if (c == '\t')
            g_string_append(out, "\\t");
        else if (c == '\n' || pvperfTextIsSafe(c))
            g_string_append_len(out, p, g_utf8_next_char(p) - p);
        else
            g_string_append_printf(out, "\\u{%x}", c);
        p = g_utf8_next_char(p);
    }
    return g_string_free(out, FALSE);
}

size_t
pvperfTextWidth(const char *text)
{
    size_t width = 0;
    const char *p;

    for (p = text; *p; p = g_utf8_next_char(p)) {
        const gunichar c = g_utf8_get_char(p);

        if (!g_unichar_iszerowidth(c))
            width += g_unichar_iswide(c) ? 2 : 1;
    }
    return width;
}

char *
pvperfTextSeconds(uint64_t ns)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT ".%09" G_GUINT64_FORMAT,
                           ns / G_GUINT64_CONSTANT(1000000000),
                           ns % G_GUINT64_CONSTANT(1000000000));
}

char *
pvperfTextPercent(uint64_t part,
                  uint64_t whole)
{
    uint64_t hundredths;

    if (whole == 0)
        return g_strdup("-");
    hundredths = (uint64_t) ((unsigned __int128) part * 10000 / whole);
    return g_strdup_printf("%" G_GUINT64_FORMAT ".%02u%%",
                           hundredths / 100, (unsigned int) (hundredths % 100));
}

pvperfTable *
pvperfTableNew(const char *const *columns)
{
    pvperfTable *table = g_new0(pvperfTable, 1);

    table->names = g_ptr_array_new_with_free_func(g_free);
    table->cells = g_ptr_array_new_with_free_func(g_free);
    table->right = g_array_new(FALSE, FALSE, sizeof(bool));
    for (; *columns; columns++) {
        const bool right = **columns == '>';

        g_array_append_val(table->right, right);
        g_ptr_array_add(table->names, pvperfTextEscape(*columns + right, false));
    }
    table->ncolumns = table->names->len;
    return table;
}

void
pvperfTableFree(pvperfTable *table)
{
    if (!table)
        return;
    g_ptr_array_unref(table->names);
    g_ptr_array_unref(table->cells);
    g_array_unref(table->right);
    g_free(table);
}

void
pvperfTableAdd(pvperfTable *table,
               const char *text)
{
    g_ptr_array_add(table->cells, pvperfTextEscape(text, false));
}

void
pvperfTableAddNumber(pvperfTable *table,
                     uint64_t number)
{
    g_ptr_array_add(table->cells, g_strdup_printf("%" G_GUINT64_FORMAT, number));
}

void
pvperfTableTake(pvperfTable *table,
                char *text)
{
    pvperfTableAdd(table, text);
    g_free(text);
}

static void
pvperfTablePrintRow(const pvperfTable *table,
                    char **cells,
                    const size_t *widths,
                    const char *margin,
                    FILE *out)
{
    g_autoptr(GString) line = g_string_new(margin);
    unsigned int i;

    for (i = 0; i < table->ncolumns; i++) {
        const int pad = (int) (widths[i] - pvperfTextWidth(cells[i]));
        const bool right = g_array_index(table->right, bool, i);

        g_string_append_printf(line, "%s%*s%s%*s", i ? "   " : "",
                               right ? pad : 0, "", cells[i], right ? 0 : pad, "");
    }
    while (line->len && line->str[line->len - 1] == ' ')
        g_string_truncate(line, line->len - 1);
    fprintf(out, "%s\n", line->str);
}

static size_t *
pvperfTableWidths(const pvperfTable *table,
                  bool header)
{
    size_t *widths = g_new0(size_t, table->ncolumns);
    unsigned int i;

    for (i = 0; header && i < table->ncolumns; i++)
        widths[i] = pvperfTextWidth(g_ptr_array_index(table->names, i));
    for (i = 0; i < table->cells->len; i++) {
        size_t *width = &widths[i % table->ncolumns];

        *width = MAX(*width, pvperfTextWidth(g_ptr_array_index(table->cells, i)));
    }
    return widths;
}

void
pvperfTablePrint(const pvperfTable *table,
                 pvperfTableStyle style,
                 FILE *out)
{
    const bool full = style == PVPERF_TABLE_FULL;
    const char *margin = style == PVPERF_TABLE_BARE ? "" : " ";
    g_autofree size_t *widths = pvperfTableWidths(table, full);
    unsigned int i;

    if (full) {
        g_autofree char *rule = NULL;
        size_t total = 0;

        for (i = 0; i < table->ncolumns; i++)
            total += widths[i] + 3;
        rule = g_strnfill(total, '-');
        pvperfTablePrintRow(table, (char **) table->names->pdata, widths, margin, out);
        fprintf(out, "%s\n", rule);
    }
    for (i = 0; i + table->ncolumns <= table->cells->len; i += table->ncolumns)
        pvperfTablePrintRow(table, (char **) table->cells->pdata + i, widths, margin, out);
    if (full)
        fputc('\n', out);
}
