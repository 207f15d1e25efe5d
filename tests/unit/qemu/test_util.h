/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_util.h: what the daemon's unit tests share.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

/* A fresh directory; testDirRemove takes it and what is in it away. */
char *testDirNew(void);
void testDirRemove(char *dir);

/* DIR/NAME with this text; its directories are made. */
void testFile(const char *dir,
              const char *name,
              const char *text);

/* A process that sleeps and ends with the test; reap it. */
pid_t testSleeper(void);

/* For GSubprocessLauncher: the child ends with the test. */
void testEndsWithUs(gpointer opaque);

/* Run the main context until @done says so; fails the test after 10 s. */
void testRunUntil(bool (*done)(gpointer opaque),
                  gpointer opaque);

/* Run the main context for @ms. */
void testRunFor(unsigned int ms);
