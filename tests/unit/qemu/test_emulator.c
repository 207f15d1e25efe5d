/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_emulator.c: programs that play QEMU, with the device, without it, and
 * worse.
 */
#include <stdbool.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "util/pvperf_emulator.h"

/* What QEMU 7.2 writes, shortened, and what one without the device does. */
#define HAS "echo 'ivshmem-doorbell options:'; echo '  vectors=<uint32>       -  (default: 1)'\n"
#define LACKS "echo \"qemu-kvm: -device ivshmem-doorbell,help: " \
    "'ivshmem-doorbell' is not a valid device model name\" >&2; exit 1\n"

static char *dir;


static char *
testEmulator(const char *name,
             const char *script)
{
    char *path = g_build_filename(dir, name, NULL);
    g_autofree char *text = g_strdup_printf("#!/bin/sh\n%s", script);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_cmpint(g_chmod(path, 0755), ==, 0);
    return path;
}


static void
testExpect(const char *script,
           pvperfTristate expected,
           const char *words)
{
    static int n;
    g_autofree char *name = g_strdup_printf("emulator-%d", n++);
    g_autofree char *path = testEmulator(name, script);
    g_autofree char *why = NULL;

    g_assert_cmpint(pvperfEmulatorHasIvshmem(path, &why), ==, expected);
    if (words)
        g_assert_nonnull(strstr(why, words));
    else
        g_assert_null(why);
}


static void
testAnswers(void)
{
    testExpect(HAS, PVPERF_TRISTATE_YES, NULL);
    testExpect(LACKS, PVPERF_TRISTATE_NO, NULL);
    testExpect("echo 'error while loading shared libraries' >&2; exit 127\n", PVPERF_TRISTATE_ABSENT,
               "shared libraries");
    testExpect("exit 0\n", PVPERF_TRISTATE_ABSENT, "says: ");
    testExpect("yes | head -c 1000000\n", PVPERF_TRISTATE_ABSENT, "did not end");
    testExpect("[ \"$*\" = '-device ivshmem-doorbell,help' ] || exit 1\n" HAS, PVPERF_TRISTATE_YES, NULL);
}


static void
testMissing(void)
{
    g_autofree char *why = NULL;

    g_assert_cmpint(pvperfEmulatorHasIvshmem("/nonexistent/qemu", &why), ==, PVPERF_TRISTATE_ABSENT);
    g_assert_cmpstr(why, ==, "'/nonexistent/qemu': No such file or directory");
}


/* No descriptor, no right, no new one. */
static void
testConfined(void)
{
    testExpect("[ \"$(id -u)\" != 0 ] && [ -z \"$SECRET\" ] && [ \"$(ls /proc/self/fd | wc -l)\" = 4 ] && "
               "grep -q 'NoNewPrivs:.1' /proc/self/status || exit 1\n" HAS, PVPERF_TRISTATE_YES, NULL);
}


/* The one that hangs, with a child that holds the pipe. */
static void
testHangs(void)
{
    gint64 begin = g_get_monotonic_time();

    testExpect("sleep 1000 & sleep 1000\n", PVPERF_TRISTATE_ABSENT, "did not end within 10 seconds and 65536 bytes");
    g_assert_cmpint(g_get_monotonic_time() - begin, <, 30 * G_TIME_SPAN_SECOND);
}


/* Asked once; another file behind the path is asked again. */
static void
testCache(void)
{
    g_autofree char *path = testEmulator("cached", HAS);
    g_autofree char *other = NULL;
    g_autofree char *why = NULL;
    struct stat st;
    struct timespec times[2];

    g_assert_cmpint(pvperfEmulatorHasIvshmem(path, &why), ==, PVPERF_TRISTATE_YES);
    /* The same size, inode and time: it is not run, or this would be seen. */
    g_assert_cmpint(stat(path, &st), ==, 0);
    times[0] = st.st_atim;
    times[1] = st.st_mtim;
    g_assert_cmpint(g_chmod(path, 0644), ==, 0);
    g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
    g_assert_cmpint(pvperfEmulatorHasIvshmem(path, &why), ==, PVPERF_TRISTATE_YES);

    other = testEmulator("other", LACKS);
    g_assert_cmpint(g_rename(other, path), ==, 0);
    g_assert_cmpint(pvperfEmulatorHasIvshmem(path, &why), ==, PVPERF_TRISTATE_NO);
    g_assert_null(why);
}


static void
testSentence(void)
{
    g_autofree char *text = pvperfEmulatorExplain("/usr/libexec/qemu-kvm");

    g_assert_true(g_str_has_prefix(text, "'/usr/libexec/qemu-kvm' was built without the device ivshmem-doorbell"));
    g_assert_nonnull(strstr(text, "name another QEMU in <emulator>"));
}


int
main(int argc,
     char **argv)
{
    g_autofree char *clean = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    g_setenv("SECRET", "kept", TRUE);
    dir = g_dir_make_tmp("pvperf-emulator-XXXXXX", NULL);
    g_assert_nonnull(dir);
    g_assert_cmpint(g_chmod(dir, 0755), ==, 0);

    g_test_add_func("/emulator/answers", testAnswers);
    g_test_add_func("/emulator/missing", testMissing);
    g_test_add_func("/emulator/confined", testConfined);
    g_test_add_func("/emulator/hangs", testHangs);
    g_test_add_func("/emulator/cache", testCache);
    g_test_add_func("/emulator/sentence", testSentence);
    status = g_test_run();

    clean = g_strdup_printf("rm -rf '%s'", dir);
    if (!g_spawn_command_line_sync(clean, NULL, NULL, NULL, NULL))
        status = 1;
    g_free(dir);
    return status;
}
