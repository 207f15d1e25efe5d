/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_emulator.c: runs "EMULATOR -device ivshmem-doorbell,help".
 *
 * The emulator may be any program that a domain's XML names. So it runs as
 * nobody if we are root, in a session of its own without a descriptor of ours,
 * for a bounded time, and what it writes is read to a bound; when either is
 * reached the whole session is killed, so that a wrapper's child cannot keep
 * us waiting. Answers are kept by what identifies the file.
 */
#include "pvperf_emulator.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PVPERF_EMULATOR_SECONDS 10
#define PVPERF_EMULATOR_OUTPUT 65536
#define PVPERF_EMULATOR_NOBODY 65534

static GMutex lock;             /* of what follows */
static GHashTable *answers;     /* file -> pvperfTristate, YES and NO only */


/* In the child, before exec; a step that fails ends it. */
static void
pvperfEmulatorConfine(gpointer opaque G_GNUC_UNUSED)
{
    const struct rlimit no_core = { 0, 0 };

    setsid();
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(STDOUT_FILENO, STDERR_FILENO);
    if (geteuid() == 0 &&
        (setgroups(0, NULL) < 0 ||
         setresgid(PVPERF_EMULATOR_NOBODY, PVPERF_EMULATOR_NOBODY, PVPERF_EMULATOR_NOBODY) < 0 ||
         setresuid(PVPERF_EMULATOR_NOBODY, PVPERF_EMULATOR_NOBODY, PVPERF_EMULATOR_NOBODY) < 0))
        _exit(126);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        _exit(126);
}


/* What comes from @fd until it ends; NULL if time or space did first. */
static char *
pvperfEmulatorRead(int fd)
{
    gint64 end = g_get_monotonic_time() + PVPERF_EMULATOR_SECONDS * G_TIME_SPAN_SECOND;
    g_autoptr(GString) text = g_string_new(NULL);
    char buffer[4096];

    while (text->len < PVPERF_EMULATOR_OUTPUT) {
        struct pollfd poller = { .fd = fd, .events = POLLIN };
        gint64 left = (end - g_get_monotonic_time()) / G_TIME_SPAN_MILLISECOND;
        ssize_t n;

        if (left <= 0)
            return NULL;
        if (poll(&poller, 1, (int)left) <= 0)
            continue;
        n = read(fd, buffer, sizeof(buffer));
        if (n == 0)
            return g_string_free(g_steal_pointer(&text), FALSE);
        if (n < 0 && errno != EINTR)
            return NULL;
        if (n > 0)
            g_string_append_len(text, buffer, n);
    }
    return NULL;
}


/* Everything that the emulator says; NULL with @why. */
static char *
pvperfEmulatorAsk(const char *path,
                  char **why)
{
    char *argv[] = { (char *)path, (char *)"-device", (char *)"ivshmem-doorbell,help", NULL };
    char *envp[] = { (char *)"PATH=/usr/bin:/bin", (char *)"LC_ALL=C", NULL };
    g_autoptr(GError) error = NULL;
    char *text;
    GPid pid;
    int out;

    if (!g_spawn_async_with_pipes("/", argv, envp, G_SPAWN_DO_NOT_REAP_CHILD, pvperfEmulatorConfine, NULL,
                                  &pid, NULL, &out, NULL, &error)) {
        *why = g_strdup(error->message);
        return NULL;
    }
    text = pvperfEmulatorRead(out);
    if (!text)
        *why = g_strdup_printf("'%s -device help' did not end within %d seconds and %d bytes", path,
                               PVPERF_EMULATOR_SECONDS, PVPERF_EMULATOR_OUTPUT);
    close(out);
    /* All of its session, whatever is left of it. */
    kill(-pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return text;
}


static char *
pvperfEmulatorKey(const char *path,
                  char **why)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        *why = g_strdup_printf("'%s': %s", path, g_strerror(errno));
        return NULL;
    }
    return g_strdup_printf("%s %ju %ju %jd %jd.%09ld", path, (uintmax_t)st.st_dev, (uintmax_t)st.st_ino,
                           (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}


pvperfTristate
pvperfEmulatorHasIvshmem(const char *path,
                         char **why)
{
    g_autofree char *key = pvperfEmulatorKey(path, why);
    g_autofree char *text = NULL;
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);
    pvperfTristate has = PVPERF_TRISTATE_ABSENT;

    if (!key)
        return has;
    if (!answers)
        answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    has = GPOINTER_TO_INT(g_hash_table_lookup(answers, key));
    if (has != PVPERF_TRISTATE_ABSENT)
        return has;

    text = pvperfEmulatorAsk(path, why);
    if (!text)
        return has;
    if (strstr(text, "vectors="))
        has = PVPERF_TRISTATE_YES;
    else if (strstr(text, "'ivshmem-doorbell'"))
        has = PVPERF_TRISTATE_NO;
    else
        *why = g_strdup_printf("'%s' says: %s", path, g_strstrip(text));
    if (has != PVPERF_TRISTATE_ABSENT)
        g_hash_table_insert(answers, g_steal_pointer(&key), GINT_TO_POINTER(has));
    return has;
}


char *
pvperfEmulatorExplain(const char *path)
{
    return g_strdup_printf("'%s' was built without the device ivshmem-doorbell, as RHEL's and CentOS Stream's are, and "
                           "could not start the domain with it: name another QEMU in <emulator>", path);
}
