/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_data.h: golden files and schemas for the tests of src/conf.
 *
 * PVPERF_TEST_DATA names the data directory, PVPERF_SCHEMAS ours of schemas.
 * With PVPERF_REGENERATE=1 in the environment a golden file that differs is
 * written anew instead of failing the test, for review with git diff.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

/* Adds one test per NAME.xml of the directory, sorted; each gets NAME. */
void testDataAdd(const char *dir,
                 GTestDataFunc func);

char *testDataPath(const char *dir,
                   const char *name,
                   const char *suffix);

/* Contents, or NULL if there is no such file. */
char *testDataRead(const char *dir,
                   const char *name,
                   const char *suffix);

/* Fails the test unless the file holds @text. A @text of NULL means that the
 * file must not be there. */
void testDataCompare(const char *dir,
                     const char *name,
                     const char *suffix,
                     const char *text);

/* Does @text validate against the RELAX NG schema? */
bool testDataValidate(const char *schema,
                      const char *text);

/* The reason that the list gives for this name, or NULL. Lines: NAME: reason */
char *testDataReason(const char *list,
                     const char *name);
