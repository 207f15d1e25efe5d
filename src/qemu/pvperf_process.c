/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_process.c: spawn, adopt, end and reap a backend.
 *
 * A process is held by a pidfd whether it is our child or not; the child watch
 * of GLib is not used because an adopted backend is nobody's child here. The
 * backend gets the listening socket by number and nothing else: the sockets of
 * the daemon are close-on-exec. It is put into a session of its own, so that
 * what ends the daemon does not end it. Limits that are the VM's are set here,
 * before the program runs; the rest of its sandbox it makes itself.
 */
#include "pvperf_process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib-unix.h>

#include "pvperf_identity.h"
#include "pvperf_seqpacket.h"
#include "pvperf_stopped.h"

#define PVPERF_STOP_MS 2000
/* the numbers at which the backend finds its socket and its network namespace */
#define PVPERF_CONTROL_FD 3
#define PVPERF_NET_FD 4

struct _pvperfProcess {
    char *socket;
    char *pidfile;
    pvperfProcessOwner owner;
    pvperfProcessEnded ended;
    gpointer opaque;
    pid_t pid;                  /* 0: none */
    int pidfd;
    bool child;                 /* ours to reap */
    bool stopped;               /* and killed for it */
    guint watch;
    pvperfStopped *stopped_watch;
    guint timer;
};


pvperfProcess *
pvperfProcessNew(const char *dir,
                 const char *uuid,
                 const pvperfProcessOwner *owner,
                 pvperfProcessEnded ended,
                 gpointer opaque)
{
    pvperfProcess *process = g_new0(pvperfProcess, 1);

    process->socket = g_strconcat(dir, "/", uuid, ".sock", NULL);
    process->pidfile = g_strconcat(dir, "/", uuid, ".pid", NULL);
    process->owner = *owner;
    process->ended = ended;
    process->opaque = opaque;
    process->pidfd = -1;
    return process;
}


void
pvperfProcessFree(pvperfProcess *process)
{
    if (!process)
        return;
    g_clear_handle_id(&process->watch, g_source_remove);
    g_clear_handle_id(&process->timer, g_source_remove);
    pvperfStoppedUnwatch(process->stopped_watch);
    if (process->pidfd >= 0)
        close(process->pidfd);
    g_free(process->socket);
    g_free(process->pidfile);
    g_free(process);
}


pid_t
pvperfProcessPid(const pvperfProcess *process)
{
    return process->pid;
}


const char *
pvperfProcessSocket(const pvperfProcess *process)
{
    return process->socket;
}


static int
pvperfProcessPidfd(pid_t pid)
{
    return syscall(SYS_pidfd_open, pid, 0);
}


static char *
pvperfProcessHow(const pvperfProcess *process)
{
    int status;

    if (process->stopped) {
        if (process->child)
            waitpid(process->pid, &status, 0);
        return g_strdup("was stopped by a signal, and is killed for it");
    }
    if (!process->child || waitpid(process->pid, &status, 0) != process->pid)
        return g_strdup("ended");
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return g_strdup("was killed by seccomp for a system call that is not on its list (the host's audit log "
                        "names it)");
    if (WIFSIGNALED(status))
        return g_strdup_printf("was killed by signal %d (%s)", WTERMSIG(status),
                               strsignal(WTERMSIG(status)));
    return g_strdup_printf("exited with status %d", WEXITSTATUS(status));
}


static gboolean
pvperfProcessOnEnd(gint fd,
                   GIOCondition condition,
                   gpointer opaque)
{
    pvperfProcess *process = opaque;
    g_autofree char *how = pvperfProcessHow(process);

    process->watch = 0;
    process->pid = 0;
    g_clear_handle_id(&process->timer, g_source_remove);
    g_clear_pointer(&process->stopped_watch, pvperfStoppedUnwatch);
    unlink(process->socket);
    unlink(process->pidfile);
    process->ended(process, how, process->opaque);
    return G_SOURCE_REMOVE;
}


/* What continues it may never come, and its VM is not served until then. */
static void
pvperfProcessOnStopped(gpointer opaque)
{
    pvperfProcess *process = opaque;

    process->stopped = true;
    pvperfProcessKill(process);
}


static void
pvperfProcessWatch(pvperfProcess *process,
                   pid_t pid,
                   int pidfd,
                   bool child)
{
    process->pid = pid;
    process->pidfd = pidfd;
    process->child = child;
    process->watch = g_unix_fd_add(pidfd, G_IO_IN, pvperfProcessOnEnd, process);
    process->stopped_watch = pvperfStoppedWatch(pid, pidfd, child, pvperfProcessOnStopped, process);
}


/* ---- adopt ---- */

/* What the pid file says: process, its start time, QEMU, its start time. */
static bool
pvperfProcessReadFile(const pvperfProcess *process,
                      pid_t *pid,
                      uint64_t *start_time,
                      pvperfProcessOwner *owner)
{
    g_autofree char *text = NULL;
    guint64 start;
    guint64 owner_start;

    if (!g_file_get_contents(process->pidfile, &text, NULL, NULL) ||
        sscanf(text, "%d %" G_GUINT64_FORMAT " %d %" G_GUINT64_FORMAT,
               pid, &start, &owner->pid, &owner_start) != 4)
        return false;
    *start_time = start;
    owner->start_time = owner_start;
    return *pid > 0;
}


bool
pvperfProcessAdopt(pvperfProcess *process)
{
    pvperfProcessOwner owner;
    uint64_t start_time;
    pid_t pid;
    int pidfd;

    if (!pvperfProcessReadFile(process, &pid, &start_time, &owner))
        return false;
    pidfd = pvperfProcessPidfd(pid);
    if (pidfd < 0)
        return false;
    /* the same number may be another process by now */
    if (pvperfIdentityStartTime("/proc", pid) != start_time) {
        close(pidfd);
        return false;
    }
    if (owner.pid == process->owner.pid && owner.start_time == process->owner.start_time) {
        pvperfProcessWatch(process, pid, pidfd, false);
        return true;
    }
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    close(pidfd);
    return false;
}


/* ---- start ---- */

/* What is beyond the hard limit needs a right that may not be there. */
static void
pvperfProcessLimit(int resource,
                   uint64_t wanted)
{
    struct rlimit limit = { wanted, wanted };

    if (wanted == 0 || setrlimit(resource, &limit) == 0 || getrlimit(resource, &limit) < 0)
        return;
    limit.rlim_cur = MIN(wanted, limit.rlim_max);
    setrlimit(resource, &limit);
}


/* In the child, between fork and exec. */
static void
pvperfProcessChildSetup(gpointer opaque)
{
    const pvperfProcessOptions *options = opaque;
    sigset_t none;

    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    pvperfProcessLimit(RLIMIT_NOFILE, options->max_fds);
    pvperfProcessLimit(RLIMIT_AS, options->max_memory);
}


/* Takes over value. */
static void
pvperfProcessArg(GPtrArray *argv,
                 const char *name,
                 char *value)
{
    g_ptr_array_add(argv, g_strdup(name));
    g_ptr_array_add(argv, value);
}


static GPtrArray *
pvperfProcessArgv(const pvperfProcessOptions *options)
{
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(argv, g_strdup(options->program));
    pvperfProcessArg(argv, "--control-fd", g_strdup_printf("%d", PVPERF_CONTROL_FD));
    if (options->max_rings_kib)
        pvperfProcessArg(argv, "--max-rings-kib", g_strdup_printf("%" G_GUINT64_FORMAT, options->max_rings_kib));
    if (options->net_fd >= 0)
        pvperfProcessArg(argv, "--netns-fd", g_strdup_printf("%d", PVPERF_NET_FD));
    if (options->change_user)
        pvperfProcessArg(argv, "--user", g_strdup_printf("%u:%u", options->uid, options->gid));
    if (options->seccomp)
        pvperfProcessArg(argv, "--seccomp", g_strconcat("action=", options->seccomp, NULL));
    g_ptr_array_add(argv, NULL);
    return argv;
}


static bool
pvperfProcessWriteFile(pvperfProcess *process,
                       GError **error)
{
    g_autofree char *text =
        g_strdup_printf("%d %" G_GUINT64_FORMAT " %d %" G_GUINT64_FORMAT "\n",
                        process->pid, pvperfIdentityStartTime("/proc", process->pid),
                        process->owner.pid, process->owner.start_time);

    return g_file_set_contents(process->pidfile, text, -1, error);
}


bool
pvperfProcessStart(pvperfProcess *process,
                   const pvperfProcessOptions *options,
                   GError **error)
{
    g_autoptr(GPtrArray) argv = pvperfProcessArgv(options);
    const int targets[] = { PVPERF_CONTROL_FD, PVPERF_NET_FD };
    int fd = pvperfPacketListen(process->socket, error);
    const int fds[] = { fd, options->net_fd };
    GPid pid;
    bool ok;

    if (fd < 0)
        return false;
    ok = g_spawn_async_with_pipes_and_fds(NULL, (const char *const *)argv->pdata, NULL,
                                          G_SPAWN_DO_NOT_REAP_CHILD,
                                          pvperfProcessChildSetup, (gpointer)options, -1, -1, -1,
                                          fds, targets, options->net_fd >= 0 ? 2 : 1,
                                          &pid, NULL, NULL, NULL, error);
    close(fd);
    if (!ok) {
        unlink(process->socket);
        return false;
    }

    pvperfProcessWatch(process, pid, pvperfProcessPidfd(pid), true);
    if (!pvperfProcessWriteFile(process, error)) {
        pvperfProcessKill(process);
        waitpid(pid, NULL, 0);
        unlink(process->socket);
        return false;
    }
    return true;
}


/* ---- stop ---- */

void
pvperfProcessKill(pvperfProcess *process)
{
    if (process->pid)
        syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
}


static gboolean
pvperfProcessTooLong(gpointer opaque)
{
    pvperfProcess *process = opaque;

    process->timer = 0;
    g_warning("backend %d did not end in %d ms and is killed", process->pid, PVPERF_STOP_MS);
    pvperfProcessKill(process);
    return G_SOURCE_REMOVE;
}


void
pvperfProcessStop(pvperfProcess *process)
{
    if (!process->pid || process->timer)
        return;
    syscall(SYS_pidfd_send_signal, process->pidfd, SIGTERM, NULL, 0);
    process->timer = g_timeout_add(PVPERF_STOP_MS, pvperfProcessTooLong, process);
}


/* ---- what is left of earlier ones ---- */

static bool
pvperfProcessLives(const char *dir,
                   const char *uuid)
{
    const pvperfProcessOwner nobody = { 0, 0 };
    g_autoptr(pvperfProcess) process = pvperfProcessNew(dir, uuid, &nobody, NULL, NULL);
    pvperfProcessOwner owner;
    uint64_t start_time;
    pid_t pid;

    return pvperfProcessReadFile(process, &pid, &start_time, &owner) &&
        pvperfIdentityStartTime("/proc", pid) == start_time;
}


void
pvperfProcessPrune(const char *dir,
                   GHashTable *known)
{
    g_autoptr(GDir) handle = g_dir_open(dir, 0, NULL);
    g_autoptr(GPtrArray) left = g_ptr_array_new_with_free_func(g_free);
    const char *file;
    guint i;

    while (handle && (file = g_dir_read_name(handle))) {
        g_autofree char *uuid = g_strndup(file, strcspn(file, "."));

        if (!g_hash_table_contains(known, uuid) && !pvperfProcessLives(dir, uuid))
            g_ptr_array_add(left, g_build_filename(dir, file, NULL));
    }
    for (i = 0; i < left->len; i++)
        unlink(g_ptr_array_index(left, i));
}
