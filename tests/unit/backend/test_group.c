/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_group.c: what VMs share, by two or more backends on one page.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib.h>

#include "pvperf_group.h"
#include "pvperf_policy_check.h"

#define SEC 1000000000ULL
#define START (1000 * SEC)

static int
newPage(uint32_t members)
{
    int fd = memfd_create("group", MFD_CLOEXEC);

    g_assert_cmpint(ftruncate(fd, sizeof(pvperfGroupPage)), ==, 0);
    g_assert_cmpint(pwrite(fd, &members, sizeof(members), offsetof(pvperfGroupPage, nmembers)), ==, sizeof(members));
    return fd;
}


static void
join(pvperfGroup *groups,
     uint32_t n,
     const pvperfGroupLimits *limits)
{
    int fd = newPage(n);
    uint32_t i;

    memset(groups, 0, n * sizeof(*groups));
    for (i = 0; i < n; i++)
        g_assert_true(pvperfGroupJoin(&groups[i], fd, i, limits));
    close(fd);
}


static void
leave(pvperfGroup *groups,
      uint32_t n)
{
    while (n > 0)
        pvperfGroupLeave(&groups[--n]);
}


static uint64_t
freeFor(pvperfGroup *group,
        uint32_t granted,
        uint64_t now)
{
    uint32_t waiting;

    return pvperfGroupSamplesFree(group, granted, now, &waiting);
}


/* In no group nothing is limited. */
static void
testNone(void)
{
    pvperfGroup group = { .page = NULL };
    const pvperfGroupLimits limits = { .max = 1 };
    int fd = memfd_create("small", MFD_CLOEXEC);

    g_assert_true(pvperfGroupReserve(&group, 1000));
    g_assert_true(pvperfGroupCharge(&group, START, false));
    g_assert_cmpuint(freeFor(&group, 0, START), ==, UINT64_MAX);
    pvperfGroupOpen(&group, 5);
    pvperfGroupGranted(&group, 5, 1, true);
    pvperfGroupSample(&group, START);
    pvperfGroupLeave(&group);

    g_assert_false(pvperfGroupJoin(&group, fd, 0, &limits));
    g_assert_false(pvperfGroupJoin(&group, -1, 0, &limits));
    g_assert_null(group.page);
    close(fd);
}


/* The sum counts; who leaves makes room. */
static void
testOpen(void)
{
    const pvperfGroupLimits limits = { .max = 10 };
    const pvperfGroupLimits none = { .max = 0 };
    pvperfGroup groups[3];
    uint32_t i;

    join(groups, 3, &limits);
    for (i = 0; i < 6; i++)
        g_assert_true(pvperfGroupReserve(&groups[0], i));
    for (i = 0; i < 4; i++)
        g_assert_true(pvperfGroupReserve(&groups[1], i));
    g_assert_false(pvperfGroupReserve(&groups[2], 0));
    g_assert_false(pvperfGroupReserve(&groups[0], 6));
    g_assert_cmpuint(groups[0].page->lines[0].open, ==, 6);
    g_assert_cmpuint(groups[0].page->lines[2].open, ==, 0);

    pvperfGroupOpen(&groups[1], 3);
    g_assert_true(pvperfGroupReserve(&groups[2], 0));
    g_assert_false(pvperfGroupReserve(&groups[2], 1));
    pvperfGroupLeave(&groups[0]);
    g_assert_true(pvperfGroupReserve(&groups[2], 1));

    /* limits change and the page stays */
    g_assert_true(pvperfGroupJoin(&groups[1], -1, 1, &none));
    g_assert_true(pvperfGroupReserve(&groups[1], 1000));
    leave(groups, 3);
}


#define THREADS 4
#define TRIES 20000

static gint together;
static gint most;

static void *
openAndClose(void *opaque)
{
    pvperfGroup *group = opaque;
    int i;

    for (i = 0; i < TRIES; i++) {
        if (pvperfGroupReserve(group, 0)) {
            gint now = g_atomic_int_add(&together, 1) + 1;

            if (now > g_atomic_int_get(&most))
                g_atomic_int_set(&most, now);
            g_atomic_int_add(&together, -1);
            pvperfGroupOpen(group, 0);
        }
    }
    return NULL;
}


/* Never more than the limit, whoever is how fast. */
static void
testOpenAtOnce(void)
{
    const pvperfGroupLimits limits = { .max = 2 };
    pvperfGroup groups[THREADS];
    pthread_t threads[THREADS];
    int i;

    join(groups, THREADS, &limits);
    for (i = 0; i < THREADS; i++)
        g_assert_cmpint(pthread_create(&threads[i], NULL, openAndClose, &groups[i]), ==, 0);
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    g_assert_cmpint(most, >=, 1);
    g_assert_cmpint(most, <=, 2);
    leave(groups, THREADS);
}


/* The rate and its burst hold for all together; what must not be refused is
 * charged, too, up to one more burst. */
static void
testRequests(void)
{
    const pvperfGroupLimits limits = { .requests_sec = 10000 };
    const uint64_t burst = 1000;    /* a tenth of a second's worth */
    pvperfGroup groups[2];
    uint64_t granted = 0;
    uint64_t now;
    int i;

    join(groups, 2, &limits);
    for (now = START; now < START + 10 * SEC; now += SEC / 50000)
        granted += pvperfGroupCharge(&groups[now / 20000 % 2], now, false);
    g_assert_cmpuint(granted, >=, 10 * 10000);
    g_assert_cmpuint(granted, <=, 10 * 10000 + burst);

    pvperfGroupCharge(&groups[0], now, false);
    g_assert_false(pvperfGroupCharge(&groups[0], now, false));
    for (i = 0; i < 100000; i++)
        g_assert_true(pvperfGroupCharge(&groups[1], now, true));
    g_assert_false(pvperfGroupCharge(&groups[0], now + SEC / 10 - 1, false));
    g_assert_true(pvperfGroupCharge(&groups[0], now + SEC / 10 + SEC / 5000, false));
    leave(groups, 2);
}


/* What is granted to others is not free, what was taken comes back by time. */
static void
testSamples(void)
{
    const pvperfGroupLimits limits = { .total_samples_sec = 1000 };
    pvperfGroup groups[2];
    uint64_t now = START;
    int i;

    join(groups, 2, &limits);
    g_assert_cmpuint(freeFor(&groups[0], 0, now), ==, 101);
    pvperfGroupGranted(&groups[1], 40, 0, true);
    g_assert_cmpuint(freeFor(&groups[0], 0, now), ==, 61);
    g_assert_cmpuint(freeFor(&groups[0], 11, now), ==, 50);
    g_assert_cmpuint(freeFor(&groups[1], 40, now), ==, 61);

    for (i = 0; i < 40; i++)
        pvperfGroupSample(&groups[1], now);
    pvperfGroupGranted(&groups[1], 0, 0, false);
    g_assert_cmpuint(freeFor(&groups[0], 0, now), ==, 61);
    g_assert_cmpuint(freeFor(&groups[0], 0, now + SEC / 50), ==, 81);
    g_assert_cmpuint(freeFor(&groups[0], 0, now + SEC), ==, 101);
    g_assert_cmpuint(groups[0].page->lines[1].overflows, ==, 40);
    leave(groups, 2);
}


/* Three that always look in the same order, where there is never enough for all:
 * each gets a third. One that says it waits and never comes delays, no more. */
static void
testTurns(void)
{
    const pvperfGroupLimits limits = { .total_samples_sec = 100 };
    pvperfGroup groups[4];
    uint32_t got[3] = { 0, 0, 0 };
    uint64_t now;
    int i;

    join(groups, 4, &limits);
    for (i = 0; i < 3; i++)
        pvperfGroupGranted(&groups[i], 0, 1, false);
    for (now = START; now < START + 30 * SEC; now += SEC / 100) {
        if (now == START + 20 * SEC)
            pvperfGroupGranted(&groups[3], 0, 1, false);
        for (i = 0; i < 3; i++) {
            if (freeFor(&groups[i], 0, now + i) == 0)
                continue;
            pvperfGroupGranted(&groups[i], 1, 0, true);
            pvperfGroupSample(&groups[i], now + i);
            pvperfGroupGranted(&groups[i], 0, 1, false);
            got[i]++;
        }
        if (now < START + 20 * SEC)
            g_assert_cmpuint(MAX(got[0], MAX(got[1], got[2])) - MIN(got[0], MIN(got[1], got[2])), <=, 10);
    }
    g_assert_cmpuint(got[0] + got[1] + got[2], >=, 2000 + 10 * 20);
    leave(groups, 4);
}


/* A burst is as fast as its own rate and as long as its length. */
static void
testBurst(void)
{
    const pvperfGroupLimits limits = {
        .total_samples_sec = 100,
        .total_samples_sec_max = 1000,
        .total_samples_sec_max_length = 2,
    };
    pvperfGroup group;
    uint64_t taken = 0;
    uint64_t in_two = 0;
    uint64_t now;

    join(&group, 1, &limits);
    for (now = START; now < START + 12 * SEC; now += SEC / 10000) {
        if (freeFor(&group, 0, now) > 0) {
            pvperfGroupSample(&group, now);
            taken++;
        }
        if (now < START + 2 * SEC)
            in_two = taken;
    }
    g_assert_cmpuint(in_two, >=, 2000);
    g_assert_cmpuint(in_two, <=, 2000 + 101);
    g_assert_cmpuint(taken, <=, 2000 + 12 * 100 + 101);
    g_assert_cmpuint(taken, >=, 2000 + 10 * 100);
    leave(&group, 1);
}


/* What a member that was taken over writes is no index and no time. */
static void
testHostile(void)
{
    const pvperfGroupLimits limits = {
        .max = 10,
        .total_samples_sec = 1,
        .total_samples_sec_max = SEC,
        .total_samples_sec_max_length = 3600,
        .requests_sec = SEC,
    };
    pvperfGroup groups[2];
    pvperfGroupPage *page;

    join(groups, 2, &limits);
    page = groups[1].page;
    memset(page, 0xff, sizeof(*page));
    g_assert_false(pvperfGroupReserve(&groups[0], 0));
    g_assert_false(pvperfGroupCharge(&groups[0], START, false));
    g_assert_cmpuint(freeFor(&groups[0], 0, START), ==, 0);
    pvperfGroupSample(&groups[0], START);
    /* two bursts later its clock does not matter any more */
    g_assert_true(pvperfGroupCharge(&groups[0], START + SEC, true));
    memset(page, 0, sizeof(*page));
    g_assert_true(pvperfGroupReserve(&groups[0], 0) || page->nmembers == 0);
    leave(groups, 2);
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/group/none", testNone);
    g_test_add_func("/group/open", testOpen);
    g_test_add_func("/group/open-at-once", testOpenAtOnce);
    g_test_add_func("/group/requests", testRequests);
    g_test_add_func("/group/samples", testSamples);
    g_test_add_func("/group/turns", testTurns);
    g_test_add_func("/group/burst", testBurst);
    g_test_add_func("/group/hostile", testHostile);
    return g_test_run();
}
