/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_budget.c: what a VM may sample, to the last sample.
 *
 * The leaky buckets of pvperf_budget.h without a host: the test moves the time
 * and takes samples. What is given in a time is never more than the rate times
 * that time and one bucket, and hardly less.
 */
#include <glib.h>

#include "pvperf_budget.h"

#define SECOND 1000000000ULL
#define MS 1000000ULL

static pvperfBudget budget;
static pvperfPolicy policy;

static void
limit(uint64_t rate,
      uint64_t max,
      uint32_t length)
{
    budget = (pvperfBudget) { 0 };
    policy = (pvperfPolicy) {
        .total_samples_sec = rate,
        .total_samples_sec_max = max,
        .total_samples_sec_max_length = length,
    };
}


static uint32_t
freeAt(uint64_t now)
{
    return pvperfBudgetFree(&budget, &policy, now);
}


/* Takes all there is; how much that was. */
static uint64_t
drain(uint64_t now)
{
    uint64_t taken = 0;

    while (freeAt(now) > 0) {
        pvperfBudgetTake(&budget);
        taken++;
    }
    return taken;
}


static void
testUnlimited(void)
{
    uint64_t now;

    limit(0, 0, 0);
    for (now = 0; now < 1000 * SECOND; now += SECOND) {
        g_assert_cmpuint(freeAt(now), ==, PVPERF_BUDGET_UNLIMITED);
        pvperfBudgetTake(&budget);
    }
    /* A burst without a rate is none. */
    limit(0, 10, 5);
    g_assert_cmpuint(freeAt(SECOND), ==, PVPERF_BUDGET_UNLIMITED);
}


/* Without a burst: a tenth of a second, and one. */
static void
testTenth(void)
{
    static const struct {
        uint64_t rate;
        uint64_t size;
    } cases[] = {
        { 1, 1 }, { 9, 1 }, { 10, 2 }, { 11, 2 }, { 99, 10 }, { 100, 11 }, { 5000, 501 }, { 1000000, 100001 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        limit(cases[i].rate, 0, 0);
        g_assert_cmpuint(freeAt(0), ==, cases[i].size);
        g_assert_cmpuint(drain(SECOND), ==, cases[i].size);
        g_assert_cmpuint(freeAt(SECOND), ==, 0);
        /* It never holds more, however long nobody takes any. */
        g_assert_cmpuint(freeAt(100 * SECOND), ==, cases[i].size);
        /* A length without a burst means nothing. */
        policy.total_samples_sec_max_length = 60;
        g_assert_cmpuint(freeAt(100 * SECOND), ==, cases[i].size);
    }
}


static void
testSteady(void)
{
    uint64_t now = SECOND;
    uint32_t i;

    limit(1000, 0, 0);
    g_assert_cmpuint(drain(now), ==, 101);
    for (i = 0; i < 10000; i++) {
        now += MS / 2;
        g_assert_cmpuint(drain(now), ==, 0);
        now += MS / 2 - 1;
        g_assert_cmpuint(drain(now), ==, 0);
        now += 1;
        g_assert_cmpuint(drain(now), ==, 1);
    }
    /* Half of it, and the rest is there later. */
    now += 50 * MS;
    g_assert_cmpuint(freeAt(now), ==, 50);
    for (i = 0; i < 20; i++)
        pvperfBudgetTake(&budget);
    g_assert_cmpuint(freeAt(now), ==, 30);
    g_assert_cmpuint(freeAt(now + 71 * MS), ==, 101);
    g_assert_cmpuint(freeAt(now + 72 * MS), ==, 101);
}


/* More is taken than there is (it was handed out before): a debt, not a wrap. */
static void
testDebt(void)
{
    uint32_t i;

    limit(1000, 0, 0);
    for (i = 0; i < 301; i++)
        pvperfBudgetTake(&budget);
    g_assert_cmpuint(freeAt(0), ==, 0);
    g_assert_cmpuint(freeAt(200 * MS), ==, 0);
    g_assert_cmpuint(freeAt(201 * MS), ==, 1);
    limit(1000, 2000, 1);
    for (i = 0; i < 2300; i++)
        pvperfBudgetTake(&budget);
    g_assert_cmpuint(freeAt(0), ==, 0);
    g_assert_cmpuint(freeAt(300 * MS), ==, 0);
    g_assert_cmpuint(freeAt(SECOND), ==, 0);
    g_assert_cmpuint(freeAt(1100 * MS), ==, 101);
}


/* 100 a second, 1000 for 3 seconds: 3000 in all as fast as 1000 a second, then
 * 100 again. */
static void
testBurst(void)
{
    uint64_t now = SECOND;
    uint64_t taken;

    limit(100, 1000, 3);
    taken = drain(now);
    g_assert_cmpuint(taken, ==, 101);
    for (; now < 4 * SECOND; now += MS)
        taken += drain(now);
    g_assert_cmpuint(taken, >=, 3099);
    g_assert_cmpuint(taken, <=, 3101);

    /* 300 of the first bucket leaked out meanwhile; when they are taken too, it
     * is the rate alone. */
    for (; now < 5 * SECOND; now += MS)
        taken += drain(now);
    g_assert_cmpuint(taken, >=, 3000 + 398);
    g_assert_cmpuint(taken, <=, 3000 + 400);
    taken = 0;
    for (; now < 15 * SECOND; now += MS)
        taken += drain(now);
    g_assert_cmpuint(taken, >=, 999);
    g_assert_cmpuint(taken, <=, 1001);

    /* A third of the burst comes back in a third of the time. */
    now += 10 * SECOND;
    taken = drain(now);
    g_assert_cmpuint(taken, ==, 101);
    for (now += MS; taken < 1000; now += MS)
        taken += drain(now);
    g_assert_cmpuint(now, <, 26 * SECOND);
}


/* No length: one second. */
static void
testBurstLength(void)
{
    uint64_t now;
    uint64_t taken[3] = { 0 };
    uint32_t length;

    for (length = 0; length <= 2; length++) {
        limit(1, 200, length);
        for (now = 0; now < 10 * SECOND; now += MS)
            taken[length] += drain(now);
    }
    g_assert_cmpuint(taken[0], ==, taken[1]);
    g_assert_cmpuint(taken[1], >=, 200 + 9);
    g_assert_cmpuint(taken[1], <=, 200 + 10);
    g_assert_cmpuint(taken[2], >=, 400 + 9);
    g_assert_cmpuint(taken[2], <=, 400 + 10);
}


static void
testLongIdle(void)
{
    static const uint64_t rates[] = { 1, 7, 5000, 1000000000, UINT64_MAX };
    static const uint64_t times[] = {
        3600 * SECOND, 365 * 86400 * SECOND, INT64_MAX, UINT64_MAX / 2 + 1, UINT64_MAX - 1, UINT64_MAX,
    };
    size_t i;
    size_t k;

    for (i = 0; i < G_N_ELEMENTS(rates); i++) {
        for (k = 0; k < G_N_ELEMENTS(times); k++) {
            uint64_t now = SECOND;
            uint32_t whole;
            uint32_t n;

            limit(rates[i], k % 2 ? rates[i] : 0, 2);
            whole = freeAt(0);
            g_assert_cmpuint(freeAt(now), ==, whole);
            for (n = 0; n < 1000 && freeAt(now); n++)
                pvperfBudgetTake(&budget);
            g_assert_cmpuint(freeAt(now), ==, whole - n);
            g_assert_cmpuint(freeAt(times[k]), ==, whole);
        }
    }
}


static void
testHugeRates(void)
{
    uint32_t i;

    limit(UINT64_MAX, 0, 0);
    g_assert_cmpuint(freeAt(0), ==, 100000001);
    limit(UINT64_MAX, UINT64_MAX, UINT32_MAX);
    g_assert_cmpuint(freeAt(0), ==, 100000001);
    for (i = 0; i < 100000; i++)
        pvperfBudgetTake(&budget);
    g_assert_cmpuint(freeAt(0), ==, 99900001);
    g_assert_cmpuint(freeAt(50000), ==, 99950001);
    g_assert_cmpuint(freeAt(100000), ==, 100000001);
    /* A burst below the rate still bounds. */
    limit(1000000000, 10, 1);
    g_assert_cmpuint(drain(0), ==, 2);
    limit(1000000000, 1, UINT32_MAX);
    g_assert_cmpuint(drain(0), ==, 1);
}


static const struct {
    uint64_t rate;
    uint64_t max;
    uint32_t length;
    uint64_t size;              /* of the first bucket */
} totals[] = {
    { 1, 0, 0, 1 },
    { 17, 0, 0, 2 },
    { 999, 0, 0, 100 },
    { 5000, 0, 0, 501 },
    { 20000, 0, 0, 2001 },
    { 100, 1000, 10, 10000 },
    { 3000, 4000, 60, 240000 },
    { 1000, 1000, 0, 1000 },
};


/* Ten minutes in steps of up to 20 ms, all taken at once or nothing for a
 * while. */
static void
testTotals(gconstpointer opaque)
{
    const typeof(totals[0]) *c = opaque;
    GRand *dice = g_rand_new_with_seed(20100621);
    int greedy;

    for (greedy = 0; greedy < 2; greedy++) {
        uint64_t start = SECOND * 86400 + 12345;
        uint64_t now = start;
        uint64_t taken = 0;
        uint64_t most;

        limit(c->rate, c->max, c->length);
        while (now - start < 600 * SECOND) {
            if (greedy || g_rand_int_range(dice, 0, 3) == 0)
                taken += drain(now);
            /* rate * t would be all that leaks, were it not rounded down. */
            most = (now - start) / 1000 * c->rate / MS + c->size + 1;
            g_assert_cmpuint(taken, <=, most);
            if (c->max)
                g_assert_cmpuint(taken, <=, (now - start) / 1000 * c->max / MS + c->max / 10 + 2);
            now += g_rand_int_range(dice, 1, greedy || g_rand_int_range(dice, 0, 50) ? 20 * MS : SECOND);
        }
        most = c->rate * 600 + c->size;
        g_test_message("rate %" G_GUINT64_FORMAT ": %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT,
                       c->rate, taken, most);
        if (greedy && (!c->max || c->max > 2 * c->rate))
            g_assert_cmpuint(taken, >=, most - most / 100 - 2);
        else if (greedy)
            g_assert_cmpuint(taken, >=, c->rate * 599);
    }
    g_rand_free(dice);
}


int
main(int argc,
     char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/budget/unlimited", testUnlimited);
    g_test_add_func("/budget/tenth", testTenth);
    g_test_add_func("/budget/steady", testSteady);
    g_test_add_func("/budget/debt", testDebt);
    g_test_add_func("/budget/burst", testBurst);
    g_test_add_func("/budget/burst-length", testBurstLength);
    g_test_add_func("/budget/long-idle", testLongIdle);
    g_test_add_func("/budget/huge-rates", testHugeRates);
    for (i = 0; i < G_N_ELEMENTS(totals); i++) {
        g_autofree char *path = g_strdup_printf("/budget/totals/%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT,
                                                totals[i].rate, totals[i].max);

        g_test_add_data_func(path, &totals[i], testTotals);
    }
    return g_test_run();
}
