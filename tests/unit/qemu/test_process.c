/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_process.c: programs that end well, badly or not at all; adoption.
 */
#include "../../../src/qemu/pvperf_process.h"
#include "../../../src/qemu/pvperf_identity.h"
#include "../../../src/qemu/pvperf_stopped.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_util.h"

typedef struct _testProcess testProcess;
struct _testProcess {
    char *dir;
    char *program;
    pvperfProcess *process;
    char *how;
    pvperfProcessOwner owner;
};


static void
testOnEnded(pvperfProcess *process,
            const char *how,
            gpointer opaque)
{
    testProcess *test = opaque;

    g_assert_null(test->how);
    test->how = g_strdup(how);
}


static bool
testHasEnded(gpointer opaque)
{
    return ((testProcess *)opaque)->how != NULL;
}


static void
testSetUp(testProcess *test,
          const char *script)
{
    g_autofree char *text = g_strdup_printf("#!/bin/sh\n%s\n", script);

    memset(test, 0, sizeof(*test));
    test->dir = testDirNew();
    test->program = g_build_filename(test->dir, "program", NULL);
    testFile(test->dir, "program", text);
    g_assert_cmpint(chmod(test->program, 0755), ==, 0);
    test->owner.pid = 4242;
    test->owner.start_time = 99;
    test->process = pvperfProcessNew(test->dir, "uuid", &test->owner, testOnEnded, test);
}


static void
testTearDown(testProcess *test)
{
    pvperfProcessFree(test->process);
    g_free(test->how);
    g_free(test->program);
    testDirRemove(test->dir);
}


static bool
testStart(testProcess *test,
          uint64_t kib,
          GError **error)
{
    const pvperfProcessOptions options = { .program = test->program, .max_rings_kib = kib, .net_fd = -1 };

    return pvperfProcessStart(test->process, &options, error);
}


static bool
testFileExists(testProcess *test,
               const char *name)
{
    g_autofree char *path = g_build_filename(test->dir, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}


static const struct {
    const char *script;
    const char *how;
} ends[] = {
    { "exit 0", "exited with status 0" },
    { "exit 3", "exited with status 3" },
    { "kill -9 $$", "was killed by signal 9 (Killed)" },
    { "kill -SYS $$", "was killed by seccomp for a system call that is not on its list (the host's audit log "
      "names it)" },
    /* it gets its socket as promised, and no other one */
    { "[ \"$1 $2\" = '--control-fd 3' ] && [ -S /proc/$$/fd/3 ] || exit 8\n"
      "for fd in /proc/$$/fd/*; do\n"
      "  case ${fd##*/} in [0123]) ;; *) [ -S $fd ] && exit 9 ;; esac\n"
      "done\nexit 0", "exited with status 0" },
};


static void
testEnd(gconstpointer opaque)
{
    const typeof(ends[0]) *end = opaque;
    testProcess test;
    g_autoptr(GError) error = NULL;

    testSetUp(&test, end->script);
    g_assert_true(testStart(&test, 0, &error));
    g_assert_no_error(error);
    testRunUntil(testHasEnded, &test);
    g_assert_cmpstr(test.how, ==, end->how);
    g_assert_false(testFileExists(&test, "uuid.sock"));
    g_assert_false(testFileExists(&test, "uuid.pid"));
    testTearDown(&test);
}


/* The ceiling is an option that `ps` shows; without one there is none. */
static void
testRings(gconstpointer opaque)
{
    uint64_t kib = GPOINTER_TO_SIZE(opaque);
    g_autofree char *script = g_strdup_printf("[ \"$*\" = '--control-fd 3%s' ]",
                                              kib ? " --max-rings-kib 640" : "");
    g_autoptr(GError) error = NULL;
    testProcess test;

    testSetUp(&test, script);
    g_assert_true(testStart(&test, kib, &error));
    testRunUntil(testHasEnded, &test);
    g_assert_cmpstr(test.how, ==, "exited with status 0");
    testTearDown(&test);
}


/* All that a backend is told and given. */
static void
testOptions(void)
{
    testProcess test;
    g_autoptr(GError) error = NULL;
    pvperfProcessOptions options = {
        .max_fds = 77, .max_memory = 1ULL << 30, .change_user = true, .uid = 12, .gid = 34, .seccomp = "log",
    };

    testSetUp(&test, "[ \"$*\" = '--control-fd 3 --netns-fd 4 --user 12:34 --seccomp action=log' ] || exit 8\n"
              "[ \"$(ulimit -n) $(ulimit -v)\" = '77 1048576' ] || exit 9\n"
              "[ \"$(readlink /proc/$$/fd/4)\" = \"$(readlink /proc/$$/ns/net)\" ] || exit 10");
    options.program = test.program;
    options.net_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    g_assert_true(pvperfProcessStart(test.process, &options, &error));
    close(options.net_fd);
    testRunUntil(testHasEnded, &test);
    g_assert_cmpstr(test.how, ==, "exited with status 0");
    testTearDown(&test);
}


static void
testNoProgram(void)
{
    const pvperfProcessOptions options = { .program = "/nonexistent/backend", .net_fd = -1 };
    testProcess test;
    g_autoptr(GError) error = NULL;

    testSetUp(&test, "");
    g_assert_false(pvperfProcessStart(test.process, &options, &error));
    g_assert_nonnull(strstr(error->message, "/nonexistent/backend"));
    g_assert_false(testFileExists(&test, "uuid.sock"));
    testTearDown(&test);
}


static void
testStop(void)
{
    testProcess test;
    g_autoptr(GError) error = NULL;

    testSetUp(&test, "exec sleep 60");
    g_assert_true(testStart(&test, 0, &error));
    testRunFor(100);
    pvperfProcessStop(test.process);
    testRunUntil(testHasEnded, &test);
    g_assert_cmpstr(test.how, ==, "was killed by signal 15 (Terminated)");
    testTearDown(&test);
}


static void
testStopStubborn(void)
{
    testProcess test;
    g_autoptr(GError) error = NULL;

    testSetUp(&test, "trap '' TERM; while :; do sleep 0.1; done");
    g_assert_true(testStart(&test, 0, &error));
    testRunFor(200);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*did not end in 2000 ms and is killed");
    pvperfProcessStop(test.process);
    testRunUntil(testHasEnded, &test);
    g_test_assert_expected_messages();
    g_assert_cmpstr(test.how, ==, "was killed by signal 9 (Killed)");
    testTearDown(&test);
}


static pid_t
testReadPid(testProcess *test)
{
    g_autofree char *path = g_build_filename(test->dir, "uuid.pid", NULL);
    g_autofree char *text = NULL;
    pid_t pid;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpint(sscanf(text, "%d", &pid), ==, 1);
    return pid;
}


/* The daemon ends, its backend does not; the next daemon takes it over. */
static void
testAdopt(void)
{
    testProcess test;
    g_autoptr(GError) error = NULL;
    pvperfProcess *next;
    pid_t pid;

    testSetUp(&test, "exec sleep 60");
    g_assert_true(testStart(&test, 0, &error));
    pid = testReadPid(&test);
    pvperfProcessFree(test.process);
    g_assert_cmpint(kill(pid, 0), ==, 0);
    g_assert_true(testFileExists(&test, "uuid.sock"));

    next = pvperfProcessNew(test.dir, "uuid", &test.owner, testOnEnded, &test);
    g_assert_true(pvperfProcessAdopt(next));
    test.process = next;
    pvperfProcessKill(next);
    testRunUntil(testHasEnded, &test);
    g_assert_false(testFileExists(&test, "uuid.sock"));
    testTearDown(&test);
}


/* One that is stopped serves nobody: it is replaced, whoever started it. */
static void
testStopped(gconstpointer opaque)
{
    bool adopted = opaque != NULL;
    testProcess test;
    g_autoptr(GError) error = NULL;
    gint64 start;

    testSetUp(&test, "exec sleep 60");
    g_assert_true(testStart(&test, 0, &error));
    if (adopted) {
        pvperfProcessFree(test.process);
        test.process = pvperfProcessNew(test.dir, "uuid", &test.owner, testOnEnded, &test);
        g_assert_true(pvperfProcessAdopt(test.process));
    }
    testRunFor(100);
    g_assert_null(test.how);
    start = g_get_monotonic_time();
    g_assert_cmpint(kill(testReadPid(&test), SIGSTOP), ==, 0);
    testRunUntil(testHasEnded, &test);
    g_test_message("noticed and ended after %.1f ms", (g_get_monotonic_time() - start) / 1000.0);
    g_assert_cmpstr(test.how, ==, "was stopped by a signal, and is killed for it");
    testTearDown(&test);
}


/* More of them than one turn looks at. */
static void
testStoppedOfMany(void)
{
    enum { MANY = 3 * PVPERF_STOPPED_PER_TURN };
    testProcess tests[MANY];
    int i;

    for (i = 0; i < MANY; i++) {
        g_autoptr(GError) error = NULL;

        testSetUp(&tests[i], "exec sleep 60");
        g_assert_true(testStart(&tests[i], 0, &error));
        pvperfProcessFree(tests[i].process);
        tests[i].process = pvperfProcessNew(tests[i].dir, "uuid", &tests[i].owner, testOnEnded, &tests[i]);
        g_assert_true(pvperfProcessAdopt(tests[i].process));
    }
    for (i = 0; i < MANY; i += 7) {
        g_assert_cmpint(kill(testReadPid(&tests[i]), SIGSTOP), ==, 0);
        testRunUntil(testHasEnded, &tests[i]);
    }
    for (i = 0; i < MANY; i++) {
        g_assert_cmpint(!tests[i].how, ==, i % 7 != 0);
        pvperfProcessKill(tests[i].process);
        testRunUntil(testHasEnded, &tests[i]);
        testTearDown(&tests[i]);
    }
}


static bool
testIsZombie(gpointer opaque)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", *(pid_t *)opaque);
    g_autofree char *text = NULL;

    return !g_file_get_contents(path, &text, NULL, NULL) || strstr(text, ") Z ");
}


/* One that serves another QEMU is killed, never adopted. */
static void
testAdoptStranger(void)
{
    testProcess test;
    g_autoptr(GError) error = NULL;
    pvperfProcessOwner other = { .pid = 4242, .start_time = 100 };
    pid_t pid;

    testSetUp(&test, "exec sleep 60");
    g_assert_true(testStart(&test, 0, &error));
    pid = testReadPid(&test);
    pvperfProcessFree(test.process);
    test.process = pvperfProcessNew(test.dir, "uuid", &other, testOnEnded, &test);
    g_assert_false(pvperfProcessAdopt(test.process));
    testRunUntil(testIsZombie, &pid);
    testTearDown(&test);
}


/* A pid that is another process now is let alone. */
static void
testAdoptStalePid(void)
{
    testProcess test;
    g_autofree char *line = g_strdup_printf("%d 1 4242 99\n", getppid());

    testSetUp(&test, "");
    testFile(test.dir, "uuid.pid", line);
    g_assert_false(pvperfProcessAdopt(test.process));
    testFile(test.dir, "uuid.pid", "junk");
    g_assert_false(pvperfProcessAdopt(test.process));
    testFile(test.dir, "uuid.pid", "-1 1 4242 99\n");
    g_assert_false(pvperfProcessAdopt(test.process));
    testTearDown(&test);
}


/* Its pid file cannot be written, for want of space say: nothing of it is left. */
static void
testNoPidFile(void)
{
    pvperfProcessOptions options = { .net_fd = -1 };
    testProcess test;
    g_autoptr(GError) error = NULL;
    g_autofree char *in_the_way = NULL;

    testSetUp(&test, "exec sleep 60");
    options.program = test.program;
    in_the_way = g_build_filename(test.dir, "uuid.pid", NULL);
    g_assert_cmpint(mkdir(in_the_way, 0700), ==, 0);
    g_assert_false(pvperfProcessStart(test.process, &options, &error));
    g_assert_nonnull(error);
    g_assert_cmpint(waitpid(-1, NULL, WNOHANG), ==, -1);
    g_assert_cmpint(errno, ==, ECHILD);
    g_assert_false(testFileExists(&test, "uuid.sock"));
    g_assert_cmpint(rmdir(in_the_way), ==, 0);
    testTearDown(&test);
}


/* Files of domains that are gone go; those of a backend that lives, or of a domain
 * that there is, do not. */
static void
testPrune(void)
{
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    g_autofree char *lives = g_strdup_printf("%d %" G_GUINT64_FORMAT " 4242 99\n", getpid(),
                                             pvperfIdentityStartTime("/proc", getpid()));
    testProcess test;

    testSetUp(&test, "");
    testFile(test.dir, "gone.pid", "1 1 4242 99\n");
    testFile(test.dir, "gone.xml", "");
    testFile(test.dir, "gone.stats.new", "");
    testFile(test.dir, "known.xml", "");
    testFile(test.dir, "lives.pid", lives);
    testFile(test.dir, "lives.stats", "");
    g_hash_table_add(known, (gpointer)"known");
    g_hash_table_add(known, (gpointer)"program");
    pvperfProcessPrune(test.dir, known);
    g_assert_false(testFileExists(&test, "gone.pid"));
    g_assert_false(testFileExists(&test, "gone.xml"));
    g_assert_false(testFileExists(&test, "gone.stats.new"));
    g_assert_true(testFileExists(&test, "known.xml"));
    g_assert_true(testFileExists(&test, "lives.pid"));
    g_assert_true(testFileExists(&test, "lives.stats"));
    testTearDown(&test);
}


int
main(int argc,
     char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(ends); i++) {
        g_autofree char *path = g_strdup_printf("/process/end/%zu", i);

        g_test_add_data_func(path, &ends[i], testEnd);
    }
    g_test_add_data_func("/process/rings/none", GSIZE_TO_POINTER(0), testRings);
    g_test_add_data_func("/process/rings/ceiling", GSIZE_TO_POINTER(640), testRings);
    g_test_add_func("/process/options", testOptions);
    g_test_add_func("/process/no program", testNoProgram);
    g_test_add_func("/process/no pid file", testNoPidFile);
    g_test_add_func("/process/stop", testStop);
    g_test_add_func("/process/stop stubborn", testStopStubborn);
    g_test_add_data_func("/process/stopped", NULL, testStopped);
    g_test_add_data_func("/process/stopped/adopted", "", testStopped);
    g_test_add_func("/process/stopped/of many", testStoppedOfMany);
    g_test_add_func("/process/adopt", testAdopt);
    g_test_add_func("/process/adopt stranger", testAdoptStranger);
    g_test_add_func("/process/adopt stale pid", testAdoptStalePid);
    g_test_add_func("/process/prune", testPrune);
    return g_test_run();
}
