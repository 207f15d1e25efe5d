/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench_broker.c: what one VM's requests to the daemon cost another VM's.
 *
 * This process is the daemon: its main loop, its clients of two backends, its
 * broker and real perf events. Each VM is two processes: one whose threads are
 * named as QEMU names its vCPUs, asleep, and one that plays the backend. The
 * victim's opens one event, waits for the answer, and rests for a millisecond. The
 * neighbour's does nothing, or keeps a request of each area of 64 vCPUs
 * under way, as many as a backend may. Both in turns within one run.
 *
 * The limit is the victim's time with a neighbour that asks for nothing.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "../../src/qemu/pvperf_backend_client.h"
#include "../../src/qemu/pvperf_seqpacket.h"
#include "bench_util.h"

#define ROUNDS 10
#define OPENS_PER_ROUND 150
#define MAX_OPENS (ROUNDS * OPENS_PER_ROUND)
#define REST_US 1000
#define TICK_MS 5               /* at which the main loop looks whether a round is over */
#define NEIGHBOUR_VCPUS 64
#define FACTOR 2.0

typedef enum {
    NEIGHBOUR_SILENT,
    NEIGHBOUR_SINGLE,           /* one event at a time */
    NEIGHBOUR_GROUP,            /* the largest group, of samplers, the last of which fails */
    NR_NEIGHBOURS
} neighbourKind;

static const char *const neighbourNames[NR_NEIGHBOURS] = {
    [NEIGHBOUR_SILENT] = "asks for nothing",
    [NEIGHBOUR_SINGLE] = "single events",
    [NEIGHBOUR_GROUP] = "groups of 32",
};

/* What all processes see. */
typedef struct _sharedPage sharedPage;
struct _sharedPage {
    neighbourKind kind;         /* what the neighbour does now */
    uint32_t wanted;            /* answers that the victim should have, ever ... */
    uint32_t answered;          /* ... and has */
    uint32_t failed;
    uint64_t served;            /* of the neighbour's ... */
    uint32_t under_way;         /* ... and what is not served yet */
    uint64_t ns[OPENS_PER_ROUND];
};

static sharedPage *page;

/* ---- the players ---- */

static void *
vcpuThread(void *opaque)
{
    char name[16];

    snprintf(name, sizeof(name), "CPU %u/TCG", GPOINTER_TO_UINT(opaque));
    prctl(PR_SET_NAME, name);
    for (;;)
        pause();
    return NULL;
}


static pid_t
forkQemu(unsigned int nr_vcpus)
{
    pid_t pid = fork();
    pthread_t thread;
    unsigned int i;

    if (pid < 0)
        err(99, "fork");
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (i = 0; i < nr_vcpus; i++) {
        if (pthread_create(&thread, NULL, vcpuThread, GUINT_TO_POINTER(i)) != 0)
            errx(99, "pthread_create");
    }
    for (;;)
        pause();
}


static void
sendOpen(int fd,
         neighbourKind kind,
         uint32_t vcpu)
{
    pvperfControlOpen open = {
        .h = { .size = sizeof(open), .version = PVPERF_CONTROL_VERSION, .type = PVPERF_CONTROL_OPEN,
               .cookie = vcpu },
        .vcpu = vcpu,
        .count = 1,
    };
    uint32_t i;

    open.events[0].event = pvperfEventFromName("vcpu-clock");
    if (kind == NEIGHBOUR_GROUP) {
        open.count = PVPERF_MAX_GROUP;
        for (i = 0; i < open.count; i++)
            open.events[i] = (pvperfControlEvent) {
                .event = pvperfEventFromName(i == open.count - 1 ? "cycles" : "vcpu-clock"),
                .sample_period = 1000,
                .freq = 1,
            };
    }
    if (send(fd, &open, sizeof(open), MSG_NOSIGNAL) != sizeof(open))
        err(99, "send");
}


/* The next answer to an OPEN; false if there is none in so many ms. */
static bool
receiveOpened(int fd,
              int timeout_ms,
              pvperfControlOpened *opened)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    _Alignas(uint64_t) char buffer[PVPERF_CONTROL_MAX];
    pvperfPacket packet;

    while (poll(&pfd, 1, timeout_ms) > 0) {
        if (pvperfPacketReceive(fd, buffer, sizeof(buffer), &packet) != PVPERF_PACKET_GOT)
            exit(0);
        pvperfPacketCloseFds(&packet);
        memcpy(opened, buffer, sizeof(*opened));
        if (opened->h.type == PVPERF_CONTROL_OPENED)
            return true;
    }
    return false;
}


static void
playVictim(int fd)
{
    pvperfControlOpened opened;
    uint64_t start;

    for (;;) {
        if (__atomic_load_n(&page->wanted, __ATOMIC_ACQUIRE) == page->answered) {
            receiveOpened(fd, 1, &opened);
            continue;
        }
        start = benchNow();
        sendOpen(fd, NEIGHBOUR_SINGLE, 0);
        if (!receiveOpened(fd, 10000, &opened) || opened.ret < 0)
            page->failed++;
        page->ns[page->answered % OPENS_PER_ROUND] = benchNow() - start;
        __atomic_add_fetch(&page->answered, 1, __ATOMIC_RELEASE);
        usleep(REST_US);
    }
}


static void
playNeighbour(int fd)
{
    pvperfControlOpened opened;

    for (;;) {
        neighbourKind kind = __atomic_load_n(&page->kind, __ATOMIC_ACQUIRE);

        while (kind != NEIGHBOUR_SILENT && page->under_way < NEIGHBOUR_VCPUS)
            sendOpen(fd, kind, page->under_way++);
        while (receiveOpened(fd, 1, &opened)) {
            kind = __atomic_load_n(&page->kind, __ATOMIC_ACQUIRE);
            page->served++;
            if (kind != NEIGHBOUR_SILENT)
                sendOpen(fd, kind, opened.h.cookie);
            else
                __atomic_sub_fetch(&page->under_way, 1, __ATOMIC_RELEASE);
        }
    }
}


static pid_t
forkBackend(int listener,
            void (*play)(int fd))
{
    pvperfControlHello hello = {
        .h = { .size = sizeof(hello), .version = PVPERF_CONTROL_VERSION, .type = PVPERF_CONTROL_HELLO },
    };
    pid_t pid = fork();
    int fd;

    if (pid < 0)
        err(99, "fork");
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 || send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) != sizeof(hello))
        err(99, "backend");
    play(fd);
    exit(0);
}


/* ---- the daemon ---- */

typedef struct _benchVm benchVm;
struct _benchVm {
    pid_t qemu;
    pid_t backend;
    pvperfPeer *peer;
    pvperfBackendClient *client;
};

static void
onReady(gpointer opaque)
{
}


static void
onBroken(const char *why,
         bool hostile,
         gpointer opaque)
{
    errx(99, "a backend %s", why);
}


static const pvperfBackendHandlers handlers = { .ready = onReady, .broken = onBroken };


static void
startVm(benchVm *vm,
        const char *dir,
        unsigned int nr_vcpus,
        void (*play)(int fd))
{
    g_autofree char *path = g_build_filename(dir, "backend.sock", NULL);
    g_autoptr(GError) error = NULL;
    pvperfPolicy policy;
    int listener = pvperfPacketListen(path, &error);

    if (listener < 0)
        errx(99, "%s", error->message);
    pvperfPolicyInitDefault(&policy, nr_vcpus);
    vm->qemu = forkQemu(nr_vcpus);
    vm->backend = forkBackend(listener, play);
    close(listener);
    vm->peer = pvperfPeerNew(1, vm->qemu, 1, getuid(), nr_vcpus, 4096,
                             (int[]) { memfd_create("window", MFD_CLOEXEC), eventfd(0, EFD_CLOEXEC),
                                       syscall(SYS_pidfd_open, vm->qemu, 0) });
    while (vm->peer->nirqs < nr_vcpus)
        vm->peer->irqs[vm->peer->nirqs++] = eventfd(0, EFD_CLOEXEC);
    vm->client = pvperfBackendClientNew(path, vm->peer, -1, &policy, 1U << PVPERF_CLASS_VCPU, &handlers, NULL, &error);
    if (!vm->client)
        errx(99, "%s", error->message);
    g_unlink(path);
    while (!pvperfBackendClientReady(vm->client))
        g_main_context_iteration(NULL, TRUE);
}


static void
stopVm(benchVm *vm)
{
    pvperfBackendClientFree(vm->client);
    pvperfPeerUnref(vm->peer);
    kill(vm->backend, SIGKILL);
    kill(vm->qemu, SIGKILL);
    waitpid(vm->backend, NULL, 0);
    waitpid(vm->qemu, NULL, 0);
}


static gboolean
onTick(gpointer opaque)
{
    return G_SOURCE_CONTINUE;
}


static uint64_t
cpuNow(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}


/* The victim's times with such a neighbour go to @ns; the neighbour's requests served. */
static uint64_t
runRound(neighbourKind kind,
         uint64_t *ns)
{
    uint64_t served = page->served;

    __atomic_store_n(&page->kind, kind, __ATOMIC_RELEASE);
    __atomic_add_fetch(&page->wanted, OPENS_PER_ROUND, __ATOMIC_RELEASE);
    while (__atomic_load_n(&page->answered, __ATOMIC_ACQUIRE) != page->wanted)
        g_main_context_iteration(NULL, TRUE);
    memcpy(ns, page->ns, OPENS_PER_ROUND * sizeof(*ns));
    served = page->served - served;
    __atomic_store_n(&page->kind, NEIGHBOUR_SILENT, __ATOMIC_RELEASE);
    while (__atomic_load_n(&page->under_way, __ATOMIC_ACQUIRE))
        g_main_context_iteration(NULL, TRUE);
    return served;
}


static void
printTable(uint64_t (*ns)[MAX_OPENS],
           const uint64_t *served,
           const uint64_t *took,
           const uint64_t *busy)
{
    double silent = benchPercentile(ns[NEIGHBOUR_SILENT], MAX_OPENS, 50);
    int kind;

    printf("%-20s %10s %10s %10s %12s %14s\n", "the neighbour", "OPEN p50", "p90", "p99", "its OPENs/s",
           "daemon's CPU");
    for (kind = 0; kind < NR_NEIGHBOURS; kind++)
        printf("%-20s %10.1f %10.1f %10.1f %12.0f %12.1f %%\n", neighbourNames[kind],
               benchPercentile(ns[kind], MAX_OPENS, 50) / 1e3, benchPercentile(ns[kind], MAX_OPENS, 90) / 1e3,
               benchPercentile(ns[kind], MAX_OPENS, 99) / 1e3, served[kind] * 1e9 / took[kind],
               busy[kind] * 100.0 / took[kind]);
    puts("");
    for (kind = NEIGHBOUR_SINGLE; kind < NR_NEIGHBOURS; kind++) {
        double factor = benchPercentile(ns[kind], MAX_OPENS, 50) / silent;

        printf("target %-20s p50 <= %.1f x silent neighbour's %.1f us: %s (%.2f)\n", neighbourNames[kind],
               FACTOR, silent / 1e3, factor <= FACTOR ? "met" : "missed", factor);
    }
    if (page->failed)
        printf("%u of the victim's OPENs failed\n", page->failed);
}


int
main(void)
{
    static uint64_t ns[NR_NEIGHBOURS][MAX_OPENS];
    uint64_t served[NR_NEIGHBOURS] = { 0 };
    uint64_t took[NR_NEIGHBOURS] = { 0 };
    uint64_t busy[NR_NEIGHBOURS] = { 0 };
    double load[1] = { 0 };
    char dir[] = "/tmp/pvperf-bench-XXXXXX";
    benchVm victim;
    benchVm neighbour;
    int round;
    int kind;

    if (!mkdtemp(dir))
        err(99, "%s", dir);
    getloadavg(load, 1);
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        err(99, "mmap");
    startVm(&victim, dir, 1, playVictim);
    startVm(&neighbour, dir, NEIGHBOUR_VCPUS, playNeighbour);
    g_rmdir(dir);
    g_timeout_add(TICK_MS, onTick, NULL);

    for (round = 0; round < ROUNDS; round++) {
        for (kind = 0; kind < NR_NEIGHBOURS; kind++) {
            uint64_t start = benchNow();
            uint64_t cpu = cpuNow();

            served[kind] += runRound(kind, &ns[kind][round * OPENS_PER_ROUND]);
            took[kind] += benchNow() - start;
            busy[kind] += cpuNow() - cpu;
        }
    }

    benchPrintMachine(load[0]);
    printf("peer: the daemon's clients and broker in this process; %d vCPUs asleep in the neighbour, 1 in the victim; "
           "nothing is pinned\ncalls: %u; times in us\n\n", NEIGHBOUR_VCPUS, MAX_OPENS);
    printTable(ns, served, took, busy);
    stopVm(&neighbour);
    stopVm(&victim);
    return 0;
}
