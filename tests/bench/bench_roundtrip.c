/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench_roundtrip.c: what a call through the backend costs.
 *
 * One run measures, in turns so that drift hits all alike: the perf calls made
 * directly by a thread of another CPU than the counted one (what the backend
 * itself has to do), the same through a real pvperf-backend that polls, through
 * one that sleeps, and a plain eventfd ping-pong. The fake guest's thread is
 * pinned to one CPU and is what the events count; backend, direct caller and
 * the ping-pong's other half share another CPU.
 *
 * No VM, no daemon: the fake guest answers the broker's requests itself while it
 * waits. An OPEN of a kind that was closed within the last second needs none;
 * "first OPEN+CLOSE" is one of a kind that was not.
 */
#include <err.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench_util.h"
#include "fake_vm.h"

#define ROUNDS 20
#define FAST_PER_ROUND 250
#define SLOW_PER_ROUND 25
#define MAX_SAMPLES (ROUNDS * FAST_PER_ROUND)
#define TARGET_ADDED_NS 1500.0
#define TARGET_SLEEPING 1.3

typedef struct _series series;
struct _series {
    uint64_t ns[MAX_SAMPLES];
    uint32_t n;
};

typedef enum {
    BENCH_READ_IDLE,            /* the counted thread sleeps: no IPI in it */
    BENCH_READ,
    BENCH_DISABLE,
    BENCH_OPEN_CLOSE,
    BENCH_FIRST_OPEN,           /* the daemon is asked */
    NR_BENCHES
} benchKind;

static const char *const benchNames[NR_BENCHES] = {
    [BENCH_READ_IDLE] = "READ, vCPU asleep",
    [BENCH_READ] = "READ, vCPU running",
    [BENCH_DISABLE] = "DISABLE, running",
    [BENCH_OPEN_CLOSE] = "OPEN+CLOSE",
    [BENCH_FIRST_OPEN] = "first OPEN+CLOSE",
};

static series direct[NR_BENCHES];
static series polling[NR_BENCHES];
static series sleeping[NR_BENCHES];
static series pingpong;

static int guestCpu;
static int hostCpu;
static pid_t sleeperTid;
static fakeVm vm;

static void
add(series *s,
    uint64_t ns)
{
    s->ns[s->n++] = ns;
}


static double
percentile(series *s,
           unsigned int percent)
{
    return benchPercentile(s->ns, s->n, percent);
}


static bool
opensAndCloses(benchKind kind)
{
    return kind == BENCH_OPEN_CLOSE || kind == BENCH_FIRST_OPEN;
}


/* ---- The calls made directly ------------------------------------------------- */

typedef struct _directJob directJob;
struct _directJob {
    benchKind kind;
    int event;
    bool done;
};

static int
openClock(pid_t tid)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_SW_TASK_CLOCK,
        .disabled = 1,
        .read_format = PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED |
            PERF_FORMAT_TOTAL_TIME_RUNNING,
    };
    int fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);

    if (fd < 0)
        err(99, "perf_event_open");
    return fd;
}


static void *
directThread(void *opaque)
{
    directJob *job = opaque;
    uint64_t values[8];
    uint32_t i;

    benchPin(gettid(), hostCpu);
    for (i = 0; i < FAST_PER_ROUND; i++) {
        uint64_t start;

        if (job->kind == BENCH_DISABLE)
            ioctl(job->event, PERF_EVENT_IOC_ENABLE, 0);
        start = benchNow();
        if (opensAndCloses(job->kind)) {
            close(openClock(vm.tid));
        } else {
            if (job->kind == BENCH_DISABLE)
                ioctl(job->event, PERF_EVENT_IOC_DISABLE, 0);
            if (read(job->event, values, sizeof(values)) <= 0)
                err(99, "read");
        }
        add(&direct[job->kind], benchNow() - start);
    }
    __atomic_store_n(&job->done, true, __ATOMIC_RELEASE);
    return NULL;
}


/* This thread runs meanwhile, as a vCPU does. */
static void
measureDirect(benchKind kind)
{
    directJob job = {
        .kind = kind,
        .event = openClock(kind == BENCH_READ_IDLE ? sleeperTid : vm.tid),
    };
    pthread_t thread;

    ioctl(job.event, PERF_EVENT_IOC_ENABLE, 0);
    if (pthread_create(&thread, NULL, directThread, &job) != 0)
        errx(99, "pthread_create");
    while (!__atomic_load_n(&job.done, __ATOMIC_ACQUIRE))
        __builtin_ia32_pause();
    pthread_join(thread, NULL);
    close(job.event);
}


/* ---- The same through the backend ---------------------------------------------- */

static void
post(uint32_t area,
     struct pvperf_frame frame)
{
    uint32_t n = fakeGuestPut(&vm.guest, area, frame);
    bool broker = area == fakeGuestControl(&vm.guest);
    struct pvperf_result result;

    fakeGuestPublish(&vm.guest, area);
    while (!fakeGuestDone(&vm.guest, area, n)) {
        if (broker)
            fakeVmServe(&vm, 0, NULL);
        __builtin_ia32_pause();
    }
    result = fakeGuestResult(&vm.guest, area, n);
    if (result.ret < 0)
        errx(99, "area %u op %u: %s, reason %u", area, (unsigned int)frame.a0,
             strerror(-result.ret), result.reason);
}


static void
spin(uint64_t ns)
{
    uint64_t since = benchNow();

    while (benchNow() - since < ns)
        __builtin_ia32_pause();
}


/* Until the backend sleeps, and a little longer. */
static void
waitUntilAsleep(void)
{
    volatile struct pvperf_worker_line *line =
        (struct pvperf_worker_line *)(vm.guest.base + PVPERF_WORKERS_OFFSET);

    while (!line->need_kick)
        __builtin_ia32_pause();
    spin(100000);
}


/* A driver that starts anew has closed nothing yet: no host event is kept. The
 * backend goes on polling for longer than this waits. */
static void
forgetClosed(void)
{
    struct pvperf_frame hello = {
        .nr = PVPERF_HELLO,
        .a0 = PVPERF_VERSION_MAJOR << 16 | PVPERF_VERSION_MINOR,
    };

    post(fakeGuestControl(&vm.guest), hello);
    spin(30000);
}


static void
measureBackend(benchKind kind,
               bool asleep)
{
    uint32_t calls = asleep ? SLOW_PER_ROUND : FAST_PER_ROUND;
    fakeOpen open = { .id = 1, .row = 1, .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK) };
    uint32_t control = fakeGuestControl(&vm.guest);
    pid_t self = vm.tid;
    uint32_t i;

    /* Another thread becomes vCPU 0. */
    forgetClosed();
    if (kind == BENCH_READ_IDLE)
        vm.tid = sleeperTid;
    if (!opensAndCloses(kind)) {
        post(control, fakeFrameOpen(&vm.guest, &open));
        post(0, fakeFrame(KVM_PERF_OP_ENABLE, 1));
    }
    for (i = 0; i < calls; i++) {
        uint64_t start;

        if (kind == BENCH_DISABLE)
            post(0, fakeFrame(KVM_PERF_OP_ENABLE, 1));
        if (kind == BENCH_FIRST_OPEN)
            forgetClosed();
        if (asleep)
            waitUntilAsleep();
        start = benchNow();
        switch (kind) {
        case BENCH_OPEN_CLOSE:
        case BENCH_FIRST_OPEN:
            post(control, fakeFrameOpen(&vm.guest, &open));
            post(control, fakeFrame(KVM_PERF_OP_CLOSE, 1));
            break;
        case BENCH_DISABLE:
            post(0, fakeFrame(KVM_PERF_OP_DISABLE, 1));
            break;
        default:
            post(0, fakeFrame(KVM_PERF_OP_READ, 1));
            break;
        }
        add(asleep ? &sleeping[kind] : &polling[kind], benchNow() - start);
    }
    if (!opensAndCloses(kind))
        post(control, fakeFrame(KVM_PERF_OP_CLOSE, 1));
    vm.tid = self;
}


/* ---- The plain eventfd ping-pong -------------------------------------------------- */

static int ping;
static int pong;

static void *
pongThread(void *opaque)
{
    uint64_t value;
    uint32_t i;

    benchPin(gettid(), hostCpu);
    for (i = 0; i < FAST_PER_ROUND; i++) {
        if (read(ping, &value, sizeof(value)) < 0 || write(pong, &value, sizeof(value)) < 0)
            err(99, "eventfd");
    }
    return NULL;
}


static void
measurePingPong(void)
{
    uint64_t value = 1;
    pthread_t thread;
    uint32_t i;

    if (pthread_create(&thread, NULL, pongThread, NULL) != 0)
        errx(99, "pthread_create");
    usleep(1000);
    for (i = 0; i < FAST_PER_ROUND; i++) {
        uint64_t start = benchNow();

        if (write(ping, &value, sizeof(value)) < 0 || read(pong, &value, sizeof(value)) < 0)
            err(99, "eventfd");
        add(&pingpong, benchNow() - start);
    }
    pthread_join(thread, NULL);
}


/* ---- Figures ------------------------------------------------------------------------ */

static void
printMachine(void)
{
    double load[1] = { 0 };

    getloadavg(load, 1);
    benchPrintMachine(load[0]);
    printf("peer: fake guest on CPU %d, pvperf-backend on CPU %d, %u vCPUs; "
           "the fake guest is the broker\n", guestCpu, hostCpu, vm.guest.nr_vcpus);
    printf("calls: %u directly and polling, %u sleeping; times in us\n\n",
           MAX_SAMPLES, ROUNDS * SLOW_PER_ROUND);
}


static void
printTable(void)
{
    double pp50 = percentile(&pingpong, 50);
    double pp99 = percentile(&pingpong, 99);
    int k;

    printf("%-20s %8s %8s  %8s %8s %8s  %8s %8s %8s\n", "", "direct", "",
           "polling", "", "added", "sleeping", "", "/eventfd");
    printf("%-20s %8s %8s  %8s %8s %8s  %8s %8s %8s\n", "call", "p50", "p99",
           "p50", "p99", "p50", "p50", "p99", "p50");
    for (k = 0; k < NR_BENCHES; k++) {
        double d50 = percentile(&direct[k], 50);
        double p50 = percentile(&polling[k], 50);
        double s50 = percentile(&sleeping[k], 50);

        printf("%-20s %8.2f %8.2f  %8.2f %8.2f %8.2f  %8.2f %8.2f %8.2f\n",
               benchNames[k], d50 / 1000, percentile(&direct[k], 99) / 1000,
               p50 / 1000, percentile(&polling[k], 99) / 1000, (p50 - d50) / 1000,
               s50 / 1000, percentile(&sleeping[k], 99) / 1000, s50 / pp50);
    }
    printf("%-20s %8.2f %8.2f\n\n", "eventfd ping-pong", pp50 / 1000, pp99 / 1000);

    for (k = 0; k < NR_BENCHES; k++) {
        double added = percentile(&polling[k], 50) - percentile(&direct[k], 50);
        double ratio = percentile(&sleeping[k], 50) / pp50;

        printf("target %-20s polling adds <= %.2f us: %s (%.2f); sleeping <= %.1f x eventfd: %s (%.2f)\n",
               benchNames[k], TARGET_ADDED_NS / 1000,
               added <= TARGET_ADDED_NS ? "met" : "missed", added / 1000,
               TARGET_SLEEPING, ratio <= TARGET_SLEEPING ? "met" : "missed", ratio);
    }
}


static void *
sleeperThread(void *opaque)
{
    __atomic_store_n(&sleeperTid, gettid(), __ATOMIC_RELEASE);
    for (;;)
        pause();
    return NULL;
}


int
main(int argc,
     char **argv)
{
    const char *backend = getenv("PVPERF_BACKEND");
    uint32_t nr_vcpus = argc > 1 ? atoi(argv[1]) : 2;
    pthread_t sleeper;
    uint32_t round;
    int kind;

    if (!backend)
        errx(99, "PVPERF_BACKEND is not set; `meson test --benchmark` sets it");
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        puts("skipped: polling needs a second CPU");
        return 77;
    }
    guestCpu = 0;
    hostCpu = 1;
    if (pthread_create(&sleeper, NULL, sleeperThread, NULL) != 0)
        errx(99, "pthread_create");
    while (!__atomic_load_n(&sleeperTid, __ATOMIC_ACQUIRE))
        usleep(100);
    ping = eventfd(0, EFD_CLOEXEC);
    pong = eventfd(0, EFD_CLOEXEC);

    fakeVmStart(&vm, backend, nr_vcpus);
    vm.policy.requests_sec = 0;
    fakeVmSendPolicy(&vm);
    benchPin(vm.backend, hostCpu);
    benchPin(gettid(), guestCpu);

    for (round = 0; round < ROUNDS; round++) {
        for (kind = 0; kind < NR_BENCHES; kind++) {
            measureDirect(kind);
            measureBackend(kind, false);
            measureBackend(kind, true);
        }
        measurePingPong();
    }

    printMachine();
    printTable();
    return fakeVmStop(&vm) == 0 ? 0 : 1;
}
