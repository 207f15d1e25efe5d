/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_util.c: see the header.
 */
#include "test_util.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <glib/gstdio.h>


char *
testDirNew(void)
{
    g_autoptr(GError) error = NULL;
    char *dir = g_dir_make_tmp("pvperf-test-XXXXXX", &error);

    g_assert_no_error(error);
    return dir;
}


static void
testDirEmpty(const char *dir)
{
    g_autoptr(GDir) handle = g_dir_open(dir, 0, NULL);
    const char *name;

    while (handle && (name = g_dir_read_name(handle))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);

        if (g_file_test(path, G_FILE_TEST_IS_DIR) && !g_file_test(path, G_FILE_TEST_IS_SYMLINK))
            testDirEmpty(path);
        g_remove(path);
    }
}


void
testDirRemove(char *dir)
{
    testDirEmpty(dir);
    g_rmdir(dir);
    g_free(dir);
}


void
testFile(const char *dir,
         const char *name,
         const char *text)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autofree char *parent = g_path_get_dirname(path);
    FILE *file;

    g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
    /* in place: the file may be the kernel's */
    file = fopen(path, "w");
    g_assert_nonnull(file);
    g_assert_cmpint(fputs(text, file), >=, 0);
    g_assert_cmpint(fclose(file), ==, 0);
}


void
testEndsWithUs(gpointer opaque)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}


pid_t
testSleeper(void)
{
    pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        testEndsWithUs(NULL);
        prctl(PR_SET_NAME, "CPU 0/KVM");
        close(STDOUT_FILENO);
        close(STDERR_FILENO);
        for (;;)
            pause();
    }
    return pid;
}


static gboolean
testTick(gpointer opaque)
{
    return G_SOURCE_CONTINUE;
}


void
testRunUntil(bool (*done)(gpointer opaque),
             gpointer opaque)
{
    gint64 deadline = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;
    guint tick = g_timeout_add(20, testTick, NULL);

    while (!done(opaque)) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_main_context_iteration(NULL, TRUE);
    }
    g_source_remove(tick);
}


static bool
testTimePassed(gpointer opaque)
{
    return g_get_monotonic_time() >= *(gint64 *)opaque;
}


void
testRunFor(unsigned int ms)
{
    gint64 end = g_get_monotonic_time() + ms * G_TIME_SPAN_MILLISECOND;

    testRunUntil(testTimePassed, &end);
}
