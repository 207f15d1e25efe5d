/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_poll.c: adaptive polling.
 *
 * After an op the backend goes on looking at the areas for a while, because
 * the next op is likely to be near and a doorbell costs the guest an exit and
 * the host a wake-up. How long adapts as KVM's halt polling does: a sleep that
 * turns out shorter than the longest window means polling would have won, so
 * the window grows; a longer one means it would have been for nothing, so it
 * shrinks to zero.
 *
 * Going to sleep: need_kick = 1, full barrier, one more look, epoll_wait. The
 * guest publishes, full barrier, reads need_kick: one of the two sees the
 * other. The doorbell is edge-triggered and never read: an eventfd tells of
 * every write to it, and a read would be one system call more in each wake-up.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "pvperf_broker.h"
#include "pvperf_log.h"
#include "pvperf_poll.h"

#define PVPERF_POLL_MAX_NS 50000ULL     /* longest window */
#define PVPERF_POLL_FIRST_NS 10000ULL   /* first step up from zero */
#define PVPERF_POLL_LOOK_NS 20000ULL    /* between looks at the other fds while polling */
#define PVPERF_POLL_GRAVES 128          /* host events that may wait for a quiet moment */
#define PVPERF_POLL_SETUP_MS 30000      /* a daemon that never sets us up */
#define PVPERF_NS_PER_SEC 1000000000ULL

/* Every kind of fd in the epoll set. */
typedef enum {
    PVPERF_FD_LISTEN,
    PVPERF_FD_DAEMON,
    PVPERF_FD_DOORBELL,
    PVPERF_FD_QEMU,
    PVPERF_FD_SIGNAL,
    PVPERF_FD_RING,
} pvperfFdKind;

typedef struct _pvperfPoll pvperfPoll;
struct _pvperfPoll {
    pvperfMessages *messages;
    int epoll_fd;
    bool watching;              /* the fds that SETUP brought are in the set */
    bool ended;
    int status;
    uint64_t window;            /* ns, how long to poll */
    uint64_t idle_since;        /* end of the last work */
    uint64_t looked;            /* when the other fds were last looked at */
};

/* The process has one. */
static pvperfPoll thePoll;

static uint64_t
pvperfPollNow(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * PVPERF_NS_PER_SEC + ts.tv_nsec;
}


static bool
pvperfPollWatch(pvperfPoll *poll,
                int fd,
                uint32_t events,
                pvperfFdKind kind)
{
    struct epoll_event event = { .events = events, .data.u32 = kind };

    if (epoll_ctl(poll->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return true;
    poll->ended = true;
    poll->status = EXIT_FAILURE;
    return false;
}


/* One record wakes: those that follow are taken with it. */
static int
pvperfPollWatchRing(void *opaque,
                    int fd,
                    bool first)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.u32 = PVPERF_FD_RING };
    const pvperfPoll *poll = opaque;

    return epoll_ctl(poll->epoll_fd, first ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) < 0 ? -errno : 0;
}


static void
pvperfPollEnd(pvperfPoll *poll,
              int status)
{
    poll->ended = true;
    poll->status = status;
}


/* A message came: watch what SETUP brought; end if there will be no SETUP. */
static void
pvperfPollAfterMessage(pvperfPoll *poll)
{
    pvperfMessages *messages = poll->messages;

    if (messages->set_up && !poll->watching) {
        poll->watching = true;
        if (!pvperfPollWatch(poll, messages->doorbell_fd, EPOLLIN | EPOLLET, PVPERF_FD_DOORBELL) ||
            !pvperfPollWatch(poll, messages->qemu_fd, EPOLLIN, PVPERF_FD_QEMU))
            pvperfLog("the doorbell or QEMU's pidfd cannot be polled");
    }
    if (!messages->set_up && messages->socket.fd < 0) {
        pvperfLog("the daemon went away before it set anything up");
        pvperfPollEnd(poll, EXIT_FAILURE);
    }
}


/* True if the doorbell was among the events. */
static bool
pvperfPollHandle(pvperfPoll *poll,
                 const struct epoll_event *events,
                 int n)
{
    pvperfMessages *messages = poll->messages;
    bool doorbell = false;
    int fd;
    int i;

    for (i = 0; i < n; i++) {
        switch ((pvperfFdKind)events[i].data.u32) {
        case PVPERF_FD_LISTEN:
            fd = pvperfMessagesConnect(messages);
            if (fd >= 0)
                pvperfPollWatch(poll, fd, EPOLLIN | EPOLLRDHUP, PVPERF_FD_DAEMON);
            break;
        case PVPERF_FD_DAEMON:
            if (messages->socket.fd >= 0) {
                pvperfMessagesReceive(messages);
                pvperfPollAfterMessage(poll);
            }
            break;
        case PVPERF_FD_DOORBELL:
            messages->backend.stats->kicks++;
            doorbell = true;
            break;
        case PVPERF_FD_QEMU:
            pvperfPollEnd(poll, EXIT_SUCCESS);
            break;
        case PVPERF_FD_RING:
            /* The next pass looks at all of them. */
            break;
        case PVPERF_FD_SIGNAL:
            /* Tell the guest at once instead of leaving it to find out. */
            if (messages->set_up)
                pvperfServeSession(&messages->backend, 0);
            pvperfPollEnd(poll, EXIT_SUCCESS);
            break;
        }
    }
    return doorbell;
}


/* Time until something is due that no fd tells of; false: nothing is. */
static bool
pvperfPollTimeout(const pvperfPoll *poll,
                  uint64_t now,
                  struct timespec *timeout)
{
    const pvperfMessages *messages = poll->messages;
    uint64_t deadlines[3];
    uint64_t deadline = UINT64_MAX;
    size_t i;

    *timeout = (struct timespec) { .tv_sec = PVPERF_POLL_SETUP_MS / 1000 };
    if (!messages->set_up)
        return true;
    deadlines[0] = pvperfBrokerDeadline(&messages->backend);
    deadlines[1] = pvperfSparesDeadline(&messages->backend.table.spares);
    deadlines[2] = pvperfSamplingDeadline(&messages->backend.table);
    for (i = 0; i < 3; i++) {
        if (deadlines[i] && deadlines[i] < deadline)
            deadline = deadlines[i];
    }
    if (deadline == UINT64_MAX)
        return false;
    deadline = deadline > now ? deadline - now : 0;
    *timeout = (struct timespec) {
        .tv_sec = deadline / PVPERF_NS_PER_SEC,
        .tv_nsec = deadline % PVPERF_NS_PER_SEC,
    };
    return true;
}


static void
pvperfPollAdapt(pvperfPoll *poll,
                uint64_t now)
{
    if (now - poll->idle_since > PVPERF_POLL_MAX_NS) {
        poll->window /= 2;
        if (poll->window < PVPERF_POLL_FIRST_NS)
            poll->window = 0;
    } else {
        poll->window *= 2;
        if (poll->window < PVPERF_POLL_FIRST_NS)
            poll->window = PVPERF_POLL_FIRST_NS;
        if (poll->window > PVPERF_POLL_MAX_NS)
            poll->window = PVPERF_POLL_MAX_NS;
    }
}


/* A short look at all other fds while the areas are polled. */
static void
pvperfPollLook(pvperfPoll *poll,
               uint64_t now)
{
    struct epoll_event events[8];
    int n = epoll_wait(poll->epoll_fd, events, 8, 0);

    poll->looked = now;
    pvperfPollHandle(poll, events, n);
}


static void
pvperfPollSleep(pvperfPoll *poll,
                uint64_t now)
{
    pvperfBackend *backend = &poll->messages->backend;
    bool serving = backend->session != 0;
    struct epoll_event events[8];
    struct timespec timeout;
    bool bounded;
    int n;

    if (serving) {
        pvperfWindowWriteNeedKick(backend->window, true);
        if (pvperfServePass(backend, now)) {
            pvperfWindowWriteNeedKick(backend->window, false);
            poll->idle_since = 0;
            poll->looked = now;
            return;
        }
        backend->stats->sleeps++;
        pvperfSamplingArm(&backend->table);
    }

    bounded = pvperfPollTimeout(poll, now, &timeout);
    n = epoll_pwait2(poll->epoll_fd, events, 8, bounded ? &timeout : NULL, NULL);
    if (serving)
        pvperfWindowWriteNeedKick(backend->window, false);

    now = pvperfPollNow();
    poll->looked = now;
    if (n == 0 && poll->messages->set_up)
        pvperfBrokerExpire(backend, now, false);
    if (n == 0 && !poll->messages->set_up) {
        pvperfLog("no SETUP came within %d ms", PVPERF_POLL_SETUP_MS);
        pvperfPollEnd(poll, EXIT_FAILURE);
    }
    if (pvperfPollHandle(poll, events, n))
        pvperfPollAdapt(poll, now);
}


static bool
pvperfPollStartWatching(pvperfPoll *poll)
{
    sigset_t signals;
    int signal_fd;

    poll->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poll->epoll_fd < 0)
        return false;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);

    return signal_fd >= 0 &&
           pvperfPollWatch(poll, signal_fd, EPOLLIN, PVPERF_FD_SIGNAL) &&
           pvperfPollWatch(poll, poll->messages->socket.listen_fd, EPOLLIN, PVPERF_FD_LISTEN);
}


bool
pvperfPollStart(pvperfMessages *messages)
{
    thePoll = (pvperfPoll) {
        .messages = messages,
        .window = PVPERF_POLL_MAX_NS,
    };
    messages->watch_ring = pvperfPollWatchRing;
    messages->watch_opaque = &thePoll;
    if (pvperfPollStartWatching(&thePoll))
        return true;
    pvperfLog("the control socket cannot be polled");
    return false;
}


/* One turn of a loop that waits: the CPU's other thread may go first. */
static void
pvperfPollPause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}


int
pvperfPollRun(void)
{
    pvperfPoll *poll = &thePoll;
    pvperfMessages *messages = poll->messages;

    while (!poll->ended) {
        uint64_t now = pvperfPollNow();

        if (pvperfServePass(&messages->backend, now)) {
            poll->idle_since = 0;
            /* A guest that never rests must not pile up host events. */
            if (pvperfTableBuried(&messages->backend.table) > PVPERF_POLL_GRAVES)
                pvperfTableReap(&messages->backend.table);
        } else if (pvperfMessagesWork(messages) ||
                   (messages->set_up && pvperfTableReap(&messages->backend.table))) {
            poll->idle_since = 0;
        } else if (pvperfSamplingBusy(&messages->backend.table)) {
            pvperfPollPause();
        } else if (poll->idle_since == 0) {
            poll->idle_since = now;
        } else if (now - poll->idle_since >= poll->window) {
            pvperfPollSleep(poll, now);
            /* It looked at all fds when it woke up. */
            now = poll->looked;
        } else {
            pvperfPollPause();
        }

        /* A guest spins for what the broker answers. */
        if (messages->backend.waiting && messages->socket.fd >= 0) {
            pvperfMessagesReceive(messages);
            pvperfPollAfterMessage(poll);
        }
        if (now - poll->looked >= PVPERF_POLL_LOOK_NS)
            pvperfPollLook(poll, now);
    }
    return poll->status;
}
