/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench_neighbour.c: what a VM that hammers its backend costs another VM.
 *
 * Two fake guests, each with a real pvperf-backend in a control group with the
 * default quota. The victim has one vCPU that enables, reads and disables an
 * event at a moderate pace and waits for each answer. The neighbour's vCPUs burn
 * their CPUs in any case; in turns within one run it is
 *
 *   busy       its backend asleep, a process that burns CPU in the backend's
 *              place, in its control group
 *   hostile    its vCPUs keep their rings full of ENABLE, READ and DISABLE
 *   unbound    the same, the backend without its quota
 *
 * The limit is the victim with a busy neighbour: what a VM may use is not what
 * this is about. Figures are medians over the rounds.
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench_group.h"
#include "bench_util.h"
#include "fake_vm.h"

#define ROUNDS 9
#define OPS_PER_ROUND 600
#define REST_NS 300000
#define SETTLE_US 50000
#define MAX_VCPUS 8
#define BATCH 63                /* of the 64 frames of a ring: whole threes */
#define TARGET_PERCENT 10.0

typedef enum {
    NEIGHBOUR_BUSY,
    NEIGHBOUR_HOSTILE,
    NEIGHBOUR_UNBOUND,
    NR_NEIGHBOURS
} neighbourKind;

static const char *const neighbourNames[NR_NEIGHBOURS] = {
    [NEIGHBOUR_BUSY] = "busy",
    [NEIGHBOUR_HOSTILE] = "hostile",
    [NEIGHBOUR_UNBOUND] = "unbound",
};

/* What the neighbour's vCPUs do. */
typedef enum {
    VCPUS_BURN,
    VCPUS_HAMMER,
    VCPUS_END,
} vcpuDoes;

/* Of each round: the victim's times in ns, the neighbour's calls a second. */
typedef struct _figures figures;
struct _figures {
    uint64_t p50[ROUNDS];
    uint64_t p99[ROUNDS];
    uint64_t calls[ROUNDS];
};

static fakeVm victim;
static fakeVm neighbour;
static pid_t tids[MAX_VCPUS];
static uint64_t calls[MAX_VCPUS];
static pid_t burner;
static pthread_t threads[MAX_VCPUS];
static uint32_t nthreads;
static vcpuDoes does;
static bool grouped;
static volatile sig_atomic_t interrupted;

/* ---- the neighbour ---- */

static void
hammer(uint32_t vcpu)
{
    static const uint32_t ops[] = { KVM_PERF_OP_ENABLE, KVM_PERF_OP_READ, KVM_PERF_OP_DISABLE };
    uint32_t n = 0;
    uint32_t i;

    for (i = 0; i < BATCH; i++)
        n = fakeGuestPut(&neighbour.guest, vcpu, fakeFrame(ops[i % 3], 1));
    fakeGuestPublish(&neighbour.guest, vcpu);
    while (!fakeGuestDone(&neighbour.guest, vcpu, n))
        __builtin_ia32_pause();
    __atomic_add_fetch(&calls[vcpu], BATCH, __ATOMIC_RELAXED);
}


static void *
vcpuThread(void *opaque)
{
    uint32_t vcpu = (uintptr_t)opaque;

    __atomic_store_n(&tids[vcpu], gettid(), __ATOMIC_RELEASE);
    for (;;) {
        switch (__atomic_load_n(&does, __ATOMIC_ACQUIRE)) {
        case VCPUS_BURN:
            __builtin_ia32_pause();
            break;
        case VCPUS_HAMMER:
            hammer(vcpu);
            break;
        case VCPUS_END:
            return NULL;
        }
    }
}


static pid_t
forkBurner(void)
{
    pid_t pid = fork();

    if (pid < 0)
        err(99, "fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            __builtin_ia32_pause();
    }
    return pid;
}


/* An event on all its vCPUs, with its host events in place. */
static void
startNeighbour(const char *backend,
               uint32_t nr_vcpus)
{
    fakeOpen open = { .id = 1, .row = 1, .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK) };
    uint32_t i;

    fakeVmStart(&neighbour, backend, nr_vcpus);
    neighbour.tids = tids;
    for (i = 0; i < nr_vcpus; i++) {
        if (pthread_create(&threads[i], NULL, vcpuThread, (void *)(uintptr_t)i) != 0)
            errx(99, "pthread_create");
        nthreads++;
        while (!__atomic_load_n(&tids[i], __ATOMIC_ACQUIRE))
            usleep(100);
    }
    if (fakeVmOpen(&neighbour, &open).ret < 0)
        errx(99, "the neighbour cannot open its event");
    for (i = 0; i < nr_vcpus; i++) {
        if (fakeVmCall(&neighbour, i, KVM_PERF_OP_ENABLE, 1).ret < 0 ||
            fakeVmCall(&neighbour, i, KVM_PERF_OP_DISABLE, 1).ret < 0)
            errx(99, "the neighbour cannot enable its event");
    }
    burner = forkBurner();
}


static void
setNeighbour(neighbourKind kind)
{
    if (grouped)
        benchGroupQuota("neighbour", neighbour.policy.cpu_period_us,
                        kind == NEIGHBOUR_UNBOUND ? 0 : neighbour.policy.cpu_quota_us);
    kill(burner, kind == NEIGHBOUR_BUSY ? SIGCONT : SIGSTOP);
    __atomic_store_n(&does, kind == NEIGHBOUR_BUSY ? VCPUS_BURN : VCPUS_HAMMER, __ATOMIC_RELEASE);
    usleep(SETTLE_US);
}


/* ---- the victim ---- */

static void
startVictim(const char *backend)
{
    fakeOpen open = { .id = 1, .row = 1, .bound = true, .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK) };

    fakeVmStart(&victim, backend, 1);
    if (fakeVmOpen(&victim, &open).ret < 0)
        errx(99, "the victim cannot open its event");
}


static void
runRound(neighbourKind kind,
         figures *f,
         uint32_t round,
         uint32_t nr_vcpus)
{
    static const uint32_t ops[] = { KVM_PERF_OP_ENABLE, KVM_PERF_OP_READ, KVM_PERF_OP_DISABLE };
    static uint64_t ns[OPS_PER_ROUND];
    const struct timespec rest = { .tv_nsec = REST_NS };
    uint64_t before = 0;
    uint64_t after = 0;
    uint64_t begin;
    uint32_t i;

    setNeighbour(kind);
    for (i = 0; i < nr_vcpus; i++)
        before += __atomic_load_n(&calls[i], __ATOMIC_RELAXED);
    begin = benchNow();
    for (i = 0; i < OPS_PER_ROUND; i++) {
        uint64_t start = benchNow();
        struct pvperf_result result = fakeVmCall(&victim, 0, ops[i % 3], 1);

        ns[i] = benchNow() - start;
        if (result.ret < 0)
            errx(1, "the victim's call: %s, reason %u", strerror(-result.ret), result.reason);
        if (i % 3 == 2)
            nanosleep(&rest, NULL);
    }
    for (i = 0; i < nr_vcpus; i++)
        after += __atomic_load_n(&calls[i], __ATOMIC_RELAXED);
    f->calls[round] = (after - before) * 1000000000ULL / (benchNow() - begin);
    f->p50[round] = benchPercentile(ns, OPS_PER_ROUND, 50);
    f->p99[round] = benchPercentile(ns, OPS_PER_ROUND, 99);
}


/* ---- where they run ---- */

static void
enterGroups(void)
{
    grouped = benchGroupMake("victim") && benchGroupMake("neighbour") &&
        benchGroupQuota("victim", victim.policy.cpu_period_us, victim.policy.cpu_quota_us) &&
        benchGroupEnter("victim", victim.backend) &&
        benchGroupEnter("neighbour", neighbour.backend) &&
        benchGroupEnter("neighbour", burner);
}


/* vCPUs on the first CPU and, the neighbour's others, in turns on both; the
 * backends and what burns in their place on the second. */
static void
pin(uint32_t nr_vcpus)
{
    uint32_t i;

    benchPin(gettid(), 0);
    for (i = 0; i < nr_vcpus; i++)
        benchPin(tids[i], i % 2);
    benchPin(victim.backend, 1);
    benchPin(neighbour.backend, 1);
    benchPin(burner, 1);
}


/* ---- figures ---- */

static void
printTable(figures *f)
{
    double p50[NR_NEIGHBOURS];
    double p99[NR_NEIGHBOURS];
    int kind;

    printf("%-12s %10s %10s %18s\n", "neighbour", "p50", "p99", "its calls/s");
    for (kind = 0; kind < NR_NEIGHBOURS; kind++) {
        p50[kind] = benchPercentile(f[kind].p50, ROUNDS, 50) / 1e3;
        p99[kind] = benchPercentile(f[kind].p99, ROUNDS, 50) / 1e3;
        printf("%-12s %10.1f %10.1f %18ju\n", neighbourNames[kind], p50[kind], p99[kind],
               (uintmax_t)benchPercentile(f[kind].calls, ROUNDS, 50));
    }
    puts("");
    for (kind = NEIGHBOUR_HOSTILE; kind < NR_NEIGHBOURS; kind++) {
        double slower50 = (p50[kind] / p50[NEIGHBOUR_BUSY] - 1) * 100;
        double slower99 = (p99[kind] / p99[NEIGHBOUR_BUSY] - 1) * 100;

        printf("target %-10s slower than busy by <= %.0f %%: p50 %.1f us + %.0f %%: %s (%+.1f %%), "
               "p99 %.1f us + %.0f %%: %s (%+.1f %%)\n", neighbourNames[kind], TARGET_PERCENT,
               p50[NEIGHBOUR_BUSY], TARGET_PERCENT, slower50 <= TARGET_PERCENT ? "met" : "missed", slower50,
               p99[NEIGHBOUR_BUSY], TARGET_PERCENT, slower99 <= TARGET_PERCENT ? "met" : "missed", slower99);
    }
}


static void
end(void)
{
    /* while its backend still serves what they wait for */
    __atomic_store_n(&does, VCPUS_END, __ATOMIC_RELEASE);
    while (nthreads)
        pthread_join(threads[--nthreads], NULL);
    if (burner > 0) {
        kill(burner, SIGKILL);
        waitpid(burner, NULL, 0);
    }
    if (neighbour.backend > 0)
        fakeVmStop(&neighbour);
    if (victim.backend > 0)
        fakeVmStop(&victim);
    benchGroupRemove("victim");
    benchGroupRemove("neighbour");
}


/* A time-out of the test runner leaves no control group behind. */
static void
onTerm(int number)
{
    interrupted = true;
}


int
main(int argc,
     char **argv)
{
    static figures f[NR_NEIGHBOURS];
    const char *backend = getenv("PVPERF_BACKEND");
    bool pinned = argc > 1 && strcmp(argv[1], "pinned") == 0;
    uint32_t nr_vcpus = argc > 2 ? atoi(argv[2]) : 2;
    double load[1] = { 0 };
    uint32_t round;
    int kind;

    if (!backend)
        errx(99, "PVPERF_BACKEND is not set; `meson test --benchmark` sets it");
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2 || nr_vcpus < 1 || nr_vcpus > MAX_VCPUS) {
        puts("skipped: it takes a second CPU, and 1 to 8 vCPUs");
        return 77;
    }
    getloadavg(load, 1);
    atexit(end);
    signal(SIGTERM, onTerm);
    signal(SIGINT, onTerm);
    startVictim(backend);
    startNeighbour(backend, nr_vcpus);
    enterGroups();
    if (pinned)
        pin(nr_vcpus);

    for (round = 0; round < ROUNDS && !interrupted; round++) {
        for (kind = 0; kind < NR_NEIGHBOURS; kind++)
            runRound(kind, &f[kind], round, nr_vcpus);
    }

    if (interrupted)
        return 1;
    benchPrintMachine(load[0]);
    printf("peer: a fake guest with 1 vCPU, its neighbour with %u; backends of both in control groups: %s\n",
           nr_vcpus, grouped ? "yes" : "no, none can be made here: there is no quota");
    puts(!pinned ? "nothing is pinned" :
         "pinned: the victim's vCPU to CPU 0, the neighbour's to CPUs 0 and 1 in turns, both backends to CPU 1");
    printf("calls: %u of the victim, three in a row; times in us, medians of %u rounds\n\n",
           ROUNDS * OPS_PER_ROUND, ROUNDS);
    printTable(f);
    return 0;
}
