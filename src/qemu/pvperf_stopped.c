/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_stopped.c: SIGCHLD for children, turns for the others.
 *
 * The signal's handler only wakes the main loop up: which child it was, the
 * kernel may have told once for several. The handler stays for good, because
 * there is one for the whole process.
 */
#include "pvperf_stopped.h"

#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "pvperf_identity.h"

struct _pvperfStopped {
    pid_t pid;
    int pidfd;
    bool child;
    pvperfStoppedFunc func;
    gpointer opaque;
};

static GPtrArray *children;     /* pvperfStopped */
static GQueue *others;          /* pvperfStopped, the one to be looked at next is first */
static guint turn;
static int wake = -1;


static void
pvperfStoppedWake(int signum)
{
    eventfd_write(wake, 1);
}


static gboolean
pvperfStoppedChildren(gint fd,
                      GIOCondition condition,
                      gpointer opaque)
{
    eventfd_t value;
    guint i;

    eventfd_read(fd, &value);
    for (i = 0; i < children->len; i++) {
        pvperfStopped *watch = children->pdata[i];
        siginfo_t info = { .si_pid = 0 };

        if (waitid(P_PIDFD, watch->pidfd, &info, WSTOPPED | WNOHANG) == 0 && info.si_pid)
            watch->func(watch->opaque);
    }
    return G_SOURCE_CONTINUE;
}


static gboolean
pvperfStoppedTurn(gpointer opaque)
{
    guint looks = MIN(g_queue_get_length(others), PVPERF_STOPPED_PER_TURN);

    while (looks--) {
        pvperfStopped *watch = others->head->data;

        g_queue_push_tail_link(others, g_queue_pop_head_link(others));
        if (pvperfIdentityState("/proc", watch->pid) == 'T')
            watch->func(watch->opaque);
    }
    return G_SOURCE_CONTINUE;
}


static void
pvperfStoppedPrepare(void)
{
    struct sigaction action = { .sa_handler = pvperfStoppedWake, .sa_flags = SA_RESTART };

    if (children)
        return;
    children = g_ptr_array_new();
    others = g_queue_new();
    wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake < 0)
        g_error("eventfd: %s", g_strerror(errno));
    g_unix_fd_add(wake, G_IO_IN, pvperfStoppedChildren, NULL);
    sigaction(SIGCHLD, &action, NULL);
}


pvperfStopped *
pvperfStoppedWatch(pid_t pid,
                   int pidfd,
                   bool child,
                   pvperfStoppedFunc func,
                   gpointer opaque)
{
    pvperfStopped *watch = g_new0(pvperfStopped, 1);

    watch->pid = pid;
    watch->pidfd = pidfd;
    watch->child = child;
    watch->func = func;
    watch->opaque = opaque;
    pvperfStoppedPrepare();
    if (child) {
        g_ptr_array_add(children, watch);
        /* it may have been stopped already */
        eventfd_write(wake, 1);
    } else {
        g_queue_push_head(others, watch);
        if (!turn)
            turn = g_timeout_add(PVPERF_STOPPED_TURN_MS, pvperfStoppedTurn, NULL);
    }
    return watch;
}


void
pvperfStoppedUnwatch(pvperfStopped *watch)
{
    if (!watch)
        return;
    if (watch->child)
        g_ptr_array_remove_fast(children, watch);
    else
        g_queue_remove(others, watch);
    if (g_queue_is_empty(others))
        g_clear_handle_id(&turn, g_source_remove);
    g_free(watch);
}
