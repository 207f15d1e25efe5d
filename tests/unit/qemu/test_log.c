/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_log.c: what the daemon's log writer makes of messages, on a pipe and on
 * a journal that the test plays, in a mount namespace of its own.
 */
#include "../../../src/qemu/pvperf_log.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib.h>

#define ID "0123456789abcdef0123456789abcdef"


static void
testLogAll(void)
{
    g_warning("one");
    g_message("two");
    g_info("three");
    g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "MESSAGE_ID", ID, "PVPERF_COUNT", "17",
                     "MESSAGE", "four of %s", "web1");
    g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_INFO, "MESSAGE_ID", ID, "PVPERF_COUNT", "18",
                     "MESSAGE", "five");
}


static void
testPipe(void)
{
    int saved = dup(STDERR_FILENO);
    char text[1024] = "";
    int fds[2];

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    dup2(fds[1], STDERR_FILENO);
    pvperfLogInit(false);
    testLogAll();
    dup2(saved, STDERR_FILENO);
    g_assert_cmpint(read(fds[0], text, sizeof(text) - 1), >, 0);
    g_assert_cmpstr(text, ==,
                    "virtpvperfd: warning: one\n"
                    "virtpvperfd: two\n"
                    "virtpvperfd: four of web1\n"
                    "virtpvperfd: five\n");
}


static int
testListen(const char *path,
           int type)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    if (type == SOCK_STREAM) {
        int connected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        g_assert_cmpint(listen(fd, 1), ==, 0);
        g_assert_cmpint(connect(connected, (struct sockaddr *)&address, sizeof(address)), ==, 0);
        dup2(connected, STDERR_FILENO);
        fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        g_assert_cmpint(fd, >=, 0);
    }
    return fd;
}


static void
testExpectEntry(int fd,
                const char *const *lines)
{
    char text[4096] = "";
    size_t i;

    g_assert_cmpint(read(fd, text, sizeof(text) - 1), >, 0);
    for (i = 0; lines[i]; i++)
        g_assert_nonnull(strstr(text, lines[i]));
}


/* In a child: stderr is the journal. */
static void
testJournalChild(void)
{
    const char *const four[] = { "MESSAGE_ID=" ID "\n", "PVPERF_COUNT=17\n", "PRIORITY=5\n",
                                 "MESSAGE=four of web1\n", NULL };
    const char *const five[] = { "MESSAGE_ID=" ID "\n", "PVPERF_COUNT=18\n", "PRIORITY=6\n",
                                 "MESSAGE=five\n", NULL };
    char text[1024] = "";
    int entries;
    int stream;

    g_assert_cmpint(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), ==, 0);
    g_assert_cmpint(mount("none", "/run", "tmpfs", 0, NULL), ==, 0);
    g_assert_cmpint(mkdir("/run/systemd", 0755), ==, 0);
    g_assert_cmpint(mkdir("/run/systemd/journal", 0755), ==, 0);
    entries = testListen("/run/systemd/journal/socket", SOCK_DGRAM);
    stream = testListen("/run/systemd/journal/stdout", SOCK_STREAM);
    pvperfLogInit(false);
    testLogAll();

    g_assert_cmpint(read(stream, text, sizeof(text) - 1), >, 0);
    g_assert_cmpstr(text, ==, "<4>virtpvperfd: warning: one\n<5>virtpvperfd: two\n");
    testExpectEntry(entries, four);
    testExpectEntry(entries, five);

    /* The journal does not take entries: as everywhere else. */
    unlink("/run/systemd/journal/socket");
    testLogAll();
    memset(text, 0, sizeof(text));
    g_assert_cmpint(read(stream, text, sizeof(text) - 1), >, 0);
    g_assert_nonnull(strstr(text, "<5>virtpvperfd: four of web1\n<6>virtpvperfd: five\n"));
}


static void
testJournal(void)
{
    if (g_test_subprocess()) {
        /* 77: not allowed here */
        if (unshare(CLONE_NEWNS) < 0)
            _exit(77);
        testJournalChild();
        _exit(0);
    }
    g_test_trap_subprocess(NULL, 10 * G_USEC_PER_SEC, G_TEST_SUBPROCESS_DEFAULT);
    if (!g_test_trap_has_passed() && unshare(CLONE_NEWNS) < 0)
        g_test_skip("no mount namespace can be made here");
    else
        g_test_trap_assert_passed();
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* a warning is what is tested here */
    g_test_add_func("/log/journal", testJournal);
    g_test_add_func("/log/pipe", testPipe);
    return g_test_run();
}
