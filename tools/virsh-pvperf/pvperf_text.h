/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_text.h: text that is safe on a terminal, and tables of it.
 *
 * Owns escaping, column widths and the few number formats. Domain names and
 * reasons come from other people: no control character, bidirectional mark or
 * invalid byte of theirs reaches the terminal.
 *
 * Invariants: integers are printed to the last digit, never rounded through a
 * floating point number; nothing here does I/O but pvperfTablePrint.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <glib.h>

/* True if @c may be shown as it is: no control or format character and, where
 * the locale is not UTF-8, ASCII. */
bool pvperfTextIsSafe(gunichar c);

/* @text with what a terminal would act on as \n, \t, \xNN (an invalid byte)
 * or \u{N}. Where the locale is not UTF-8 everything but ASCII is written so.
 * @lines keeps newlines. */
char *pvperfTextEscape(const char *text,
                       bool lines);

/* Columns that @text (escaped) takes on a terminal. */
size_t pvperfTextWidth(const char *text);

/* Nanoseconds as seconds with nine digits. */
char *pvperfTextSeconds(uint64_t ns);

/* part / whole as "12.34%", rounded down; "-" if whole is 0. */
char *pvperfTextPercent(uint64_t part,
                        uint64_t whole);

typedef struct _pvperfTable pvperfTable;

/* A column per name; a name that begins with '>' (not shown) is right-aligned. */
pvperfTable *pvperfTableNew(const char *const *columns);
void pvperfTableFree(pvperfTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pvperfTable, pvperfTableFree)

/* Next cell of the current row; rows are filled from left to right. */
void pvperfTableAdd(pvperfTable *table,
                    const char *text);
void pvperfTableAddNumber(pvperfTable *table,
                          uint64_t number);
void pvperfTableTake(pvperfTable *table,
                     char *text);

typedef enum {
    PVPERF_TABLE_FULL,          /* header, rule, rows and an empty line, as virsh prints them */
    PVPERF_TABLE_ROWS,          /* only the rows, as virsh --quiet */
    PVPERF_TABLE_BARE,          /* only the rows, no leading space: for scripts */
} pvperfTableStyle;

void pvperfTablePrint(const pvperfTable *table,
                      pvperfTableStyle style,
                      FILE *out);
