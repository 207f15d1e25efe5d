/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_server.c: the epoll loop.
 *
 * Dispatches events and deadlines to pvperf_connection.c (VMMs) and
 * pvperf_keeper.c (the daemon). Nothing here or there blocks; with nothing to
 * do the process sleeps without a timer.
 */
#include "pvperf_server.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

int64_t
pvperfNow(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
pvperfLog(const char *format,
          ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fprintf(stderr, "pvperf-ivshmem: %s\n", text);
}

bool
pvperfWatchAdd(pvperfServer *server,
               pvperfWatch *watch,
               uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };

    return epoll_ctl(server->epoll, EPOLL_CTL_ADD, watch->fd, &event) == 0;
}

void
pvperfWatchChange(pvperfServer *server,
                  pvperfWatch *watch,
                  uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };

    epoll_ctl(server->epoll, EPOLL_CTL_MOD, watch->fd, &event);
}

/* Closing alone does not take a watch back while another process, such as the
 * daemon that was sent a pidfd, holds the same open file. */
void
pvperfWatchClose(pvperfServer *server,
                 pvperfWatch *watch)
{
    if (watch->fd < 0)
        return;
    epoll_ctl(server->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    close(watch->fd);
    watch->fd = -1;
}

static void
pvperfServerSignals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

void
pvperfServerBlockSignals(void)
{
    sigset_t set;

    pvperfServerSignals(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

bool
pvperfServerInit(pvperfServer *server,
                 const char *qemuRunDir,
                 int listenVmm,
                 int listenKeeper)
{
    sigset_t set;

    memset(server, 0, sizeof(*server));
    server->qemuRunDir = qemuRunDir;
    pvperfServerSignals(&set);
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->signals = (pvperfWatch) {
        .kind = PVPERF_WATCH_SIGNAL, .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
    };
    server->listenVmm = (pvperfWatch) { .kind = PVPERF_WATCH_LISTEN_VMM, .fd = listenVmm };
    server->listenKeeper = (pvperfWatch) { .kind = PVPERF_WATCH_LISTEN_KEEPER, .fd = listenKeeper };
    return pvperfConnectionInit(server) &&
        pvperfWatchAdd(server, &server->signals, EPOLLIN) &&
        pvperfWatchAdd(server, &server->listenVmm, EPOLLIN) &&
        pvperfWatchAdd(server, &server->listenKeeper, EPOLLIN);
}

static int
pvperfServerTimeout(const pvperfServer *server)
{
    int64_t deadline = pvperfConnectionDeadline(server);
    int64_t keeper = pvperfKeeperDeadline(server);
    int64_t now;

    if (keeper < deadline)
        deadline = keeper;
    if (deadline == INT64_MAX)
        return -1;
    now = pvperfNow();
    return deadline > now ? (int)(deadline - now) : 0;
}

/* False: a signal says to end. */
static bool
pvperfServerDispatch(pvperfServer *server,
                     pvperfWatch *watch,
                     uint32_t events)
{
    switch (watch->kind) {
    case PVPERF_WATCH_LISTEN_VMM:
        pvperfConnectionAccept(server);
        break;
    case PVPERF_WATCH_LISTEN_KEEPER:
        pvperfKeeperAccept(server);
        break;
    case PVPERF_WATCH_SIGNAL:
        return false;
    case PVPERF_WATCH_CONNECTION:
        pvperfConnectionEvent(server, watch->owner, events);
        break;
    case PVPERF_WATCH_PROCESS:
        /* Readable: the process has exited, whoever else holds its socket. */
        pvperfConnectionClose(server, watch->owner);
        break;
    case PVPERF_WATCH_CLIENT:
        pvperfKeeperEvent(server, watch->owner, events);
        break;
    }
    return true;
}

int
pvperfServerRun(pvperfServer *server)
{
    for (;;) {
        struct epoll_event event;
        int n = epoll_wait(server->epoll, &event, 1, pvperfServerTimeout(server));
        int64_t now;

        if (n < 0 && errno != EINTR) {
            pvperfLog("epoll_wait: %s", strerror(errno));
            return -1;
        }
        if (n > 0 && !pvperfServerDispatch(server, event.data.ptr, event.events))
            return 0;
        now = pvperfNow();
        if (pvperfConnectionDeadline(server) <= now)
            pvperfConnectionTimeout(server, now);
        if (pvperfKeeperDeadline(server) <= now)
            pvperfKeeperTimeout(server, now);
    }
}
