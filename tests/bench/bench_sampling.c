/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench_sampling.c: how long an overflow takes to the guest's handler, and
 * what that costs.
 *
 * sampling_rig.h says who takes part. A latency begins where the kernel took
 * the overflow, which is the count in its record, and ends where the handler has
 * read the slot. Counts become times between two notes of the vCPU; one during
 * which the vCPU was away is not used. How late the kernel's interrupt was itself
 * is a matter of the host's timer and told apart: what a count is beyond whole
 * periods, as long as the vCPU was never away (its period starts anew then).
 *
 * The limit is the bare run at the same rate just before. Fails if an overflow
 * that the kernel recorded did not reach the handler, never for a time.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_util.h"
#include "sampling_rig.h"

#define RUN_NS (3 * RIG_NS_PER_SEC)
#define SLOW_RUN_NS (RIG_NS_PER_SEC * 11 / 2)   /* at 1/s: five overflows */
#define GAP_NS 1000ULL          /* more than that between two notes: the vCPU was away */
#define TIMER_RATE 1000         /* at which the timer's lateness is told */
#define LOST_PERCENT 1          /* of what is expected, for "without loss" */

static const uint32_t rates[] = { 1, 1000, 10000, 20000, 50000, 100000 };
#define NR_RATES (sizeof(rates) / sizeof(rates[0]))

typedef struct _series series;
struct _series {
    uint64_t ns[RIG_OVERFLOWS];
    uint32_t n;
};

/* What is left of a run. Times in us. */
typedef struct _figures figures;
struct _figures {
    double p50;                 /* from the kernel's interrupt to the handler */
    double p99;
    uint32_t timed;
    double late50;              /* of the interrupt */
    double late99;
    uint32_t nlate;
    double write50;             /* from write to read; bare runs */
    double write99;
    uint64_t expected;          /* whole periods in the count */
    uint64_t periods;           /* the same in the slot's sum; of the backend */
    uint64_t host;
    uint64_t slot;
    uint64_t handler;
    uint64_t unwritten;
    uint64_t nmis;
    double cpu;                 /* % of one */
};

static figures backendFigures[NR_RATES];
static figures bareFigures[NR_RATES];
static size_t nrates;           /* that were tried */

static series latencies;
static series lates;

static double
percentileUs(uint64_t *ns,
             uint32_t n,
             unsigned int percent)
{
    return benchPercentile(ns, n, percent) / 1000.0;
}


/* When the event had this count, or 0 if the vCPU was away about then. *k is the
 * last note before it; *away: how often the vCPU was away until there. */
static uint64_t
whenCounted(uint64_t count,
            uint32_t *k,
            uint32_t *away)
{
    for (; *k + 1 < rig.nnotes; (*k)++) {
        const rigNote *a = &rig.notes[*k];
        const rigNote *b = a + 1;
        uint64_t ns = b->at - a->at;
        uint64_t counted = b->count - a->count;
        bool gap = ns > counted + GAP_NS || counted > ns + GAP_NS;

        if (count < a->count)
            return 0;
        if (count < b->count)
            return gap ? 0 : a->at + (count - a->count) * ns / counted;
        *away += gap;
    }
    return 0;
}


static void
evaluate(figures *f,
         uint64_t period)
{
    uint32_t away = 0;
    uint32_t k = 0;
    uint32_t i;

    latencies.n = 0;
    lates.n = 0;
    for (i = 0; i < rig.noverflows; i++) {
        const rigOverflow *overflow = &rig.overflows[i];
        uint64_t at = whenCounted(overflow->count, &k, &away);

        if (!at)
            continue;
        latencies.ns[latencies.n++] = overflow->seen > at ? overflow->seen - at : 0;
        if (!away)
            lates.ns[lates.n++] = overflow->count % period;
    }
    *f = (figures) {
        .p50 = percentileUs(latencies.ns, latencies.n, 50),
        .p99 = percentileUs(latencies.ns, latencies.n, 99),
        .timed = latencies.n,
        .late50 = percentileUs(lates.ns, lates.n, 50),
        .late99 = percentileUs(lates.ns, lates.n, 99),
        .nlate = lates.n,
        .write50 = percentileUs(rig.pings, rig.npings, 50),
        .write99 = percentileUs(rig.pings, rig.npings, 99),
        .expected = rig.count / period,
        .periods = rig.period_sum / period,
        .host = rig.host,
        .slot = rig.slot,
        .handler = rig.handler,
        .unwritten = rig.unwritten,
        .nmis = rig.nmis,
        .cpu = 100.0 * rig.cpu_ns / rig.ns,
    };
}


/* ---- Figures ------------------------------------------------------------------------ */

static unsigned long long
sampleRateMax(void)
{
    FILE *file = fopen("/proc/sys/kernel/perf_event_max_sample_rate", "re");
    unsigned long long rate = 0;

    if (file && fscanf(file, "%llu", &rate) != 1)
        rate = 0;
    if (file)
        fclose(file);
    return rate;
}


static void
printMachine(double load)
{
    benchPrintMachine(load);
    printf("peer: fake guest's vCPU on CPU %d, pvperf-backend on CPU %d, the handler there too%s; "
           "the benchmark is the broker\n", rig.guest_cpu, rig.host_cpu,
           rig.in_front ? " (SCHED_FIFO)" : " (it may have to wait for the backend: no SCHED_FIFO)");
    puts("bare: the limit, in turns with the backend in the same run: the same kernel event and handler, and a\n"
         "      thread between them that does nothing but write the eventfd");
    printf("runs: %.1f s, at 1/s %.1f s; unlimited samples; times in us, from the kernel's interrupt "
           "to the handler\n\n", RUN_NS / 1e9, SLOW_RUN_NS / 1e9);
}


static void
printTimes(void)
{
    size_t i;

    printf("%-11s %8s %8s %7s  %8s %8s %7s  %8s  %10s %8s\n", "", "backend", "", "",
           "bare", "", "", "added", "write>read", "");
    printf("%-11s %8s %8s %7s  %8s %8s %7s  %8s  %10s %8s\n", "overflows/s", "p50", "p99", "n",
           "p50", "p99", "n", "p50", "p50", "p99");
    for (i = 0; i < nrates; i++) {
        const figures *f = &backendFigures[i];
        const figures *b = &bareFigures[i];

        printf("%-11u %8.2f %8.2f %7u  %8.2f %8.2f %7u  %8.2f  %10.2f %8.2f\n", rates[i],
               f->p50, f->p99, f->timed, b->p50, b->p99, b->timed, f->p50 - b->p50,
               b->write50, b->write99);
    }
    for (i = 0; i < nrates; i++) {
        const figures *b = &bareFigures[i];

        if (rates[i] == TIMER_RATE)
            printf("before that: the kernel's interrupt comes p50 %.2f, p99 %.2f after the overflow was due "
                   "(bare, n %u)\n", b->late50, b->late99, b->nlate);
    }
    puts("");
}


/* The highest rate up to which the kernel took what was expected; 0: none. */
static uint32_t
highestWhole(const figures *f)
{
    uint32_t highest = 0;
    size_t i;

    for (i = 0; i < nrates; i++) {
        if (f[i].host == 0 || f[i].handler != f[i].host ||
            f[i].host * 100 < f[i].expected * (100 - LOST_PERCENT))
            break;
        highest = rates[i];
    }
    return highest;
}


static void
printLimits(void)
{
    pvperfControlStats stats;

    if (!fakeVmStats(&rig.vm, &stats))
        errx(99, "the backend does not tell its statistics");
    printf("\nthrottled: %llu times by the VM's limits, %llu by the host's kernel "
           "(kernel.perf_event_max_sample_rate %llu)\n",
           (unsigned long long)stats.sampling.throttles,
           (unsigned long long)stats.sampling.host_throttles, sampleRateMax());
    if (nrates < NR_RATES)
        printf("not tried: %u/s and more; the host's timer alone does not come to half of %u/s\n",
               rates[nrates], rates[nrates - 1]);
    printf("highest rate of which %d %% and more is taken and seen: %u/s, bare %u/s\n",
           100 - LOST_PERCENT, highestWhole(backendFigures), highestWhole(bareFigures));
}


/* False if an overflow did not get from the kernel to the handler. */
static bool
printCounts(void)
{
    bool whole = true;
    size_t i;

    printf("%-11s %8s %8s  %8s %8s %8s %8s  %8s %9s  %8s %7s\n", "", "bare", "", "backend", "", "", "", "", "",
           "backend", "bare");
    printf("%-11s %8s %8s  %8s %8s %8s %8s  %8s %9s  %8s %7s\n", "overflows/s", "expected", "taken",
           "expected", "periods", "slot", "handler", "NMIs", "coalesced", "CPU", "CPU");
    for (i = 0; i < nrates; i++) {
        const figures *f = &backendFigures[i];
        const figures *b = &bareFigures[i];

        printf("%-11u %8lu %8lu  %8lu %8lu %8lu %8lu  %8lu %8.1f%%  %7.1f%% %6.1f%%\n", rates[i],
               b->expected, b->host, f->expected, f->periods, f->slot, f->handler, f->nmis,
               f->slot ? 100.0 * ((double)f->slot - f->nmis) / f->slot : 0.0, f->cpu, b->cpu);
    }
    for (i = 0; i < nrates; i++) {
        const figures *f = &backendFigures[i];

        if (f->host == f->slot && f->slot == f->handler && f->unwritten == 0)
            continue;
        printf("LOST at %u/s: the kernel recorded %lu, the slot says %lu, the handler saw %lu; "
               "there was no room for a record %lu times\n", rates[i], f->host, f->slot, f->handler, f->unwritten);
        whole = false;
    }
    return whole;
}


int
main(void)
{
    const char *backend = getenv("PVPERF_BACKEND");
    double load[1] = { 0 };
    bool whole;

    if (!backend)
        errx(99, "PVPERF_BACKEND is not set; `meson test --benchmark` sets it");
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        puts("skipped: vCPU and backend need a CPU each");
        return 77;
    }
    getloadavg(load, 1);
    rigStart(backend, 0, 1);

    /* A timer that is always late leaves its CPU no time for anything else. */
    while (nrates < NR_RATES &&
           (nrates == 0 || bareFigures[nrates - 1].host * 2 >= bareFigures[nrates - 1].expected)) {
        uint64_t period = RIG_NS_PER_SEC / rates[nrates];
        uint64_t ns = rates[nrates] == 1 ? SLOW_RUN_NS : RUN_NS;

        rigRunBare(period, ns);
        evaluate(&bareFigures[nrates], period);
        rigRunBackend(period, ns);
        evaluate(&backendFigures[nrates], period);
        nrates++;
    }

    printMachine(load[0]);
    printTimes();
    whole = printCounts();
    printLimits();
    return fakeVmStop(&rig.vm) == 0 && whole ? 0 : 1;
}
