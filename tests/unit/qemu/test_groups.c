/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_groups.c: seats, and what a page shows.
 */
#include "../../../src/qemu/pvperf_groups.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../src/backend/pvperf_group.h"


static pvperfGroupPage *
testMap(const pvperfSeat *seat)
{
    pvperfGroupPage *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED,
                                 pvperfSeatFd(seat), 0);

    g_assert_true(page != MAP_FAILED);
    return page;
}


static void
testSeats(void)
{
    pvperfGroups *groups = pvperfGroupsNew();
    pvperfSeat *a = pvperfSeatTake(groups, "x", NULL);
    pvperfSeat *b = pvperfSeatTake(groups, "x", NULL);
    pvperfSeat *other = pvperfSeatTake(groups, "y", NULL);
    pvperfGroupPage *page = testMap(a);
    pvperfSeat *again;

    g_assert_cmpuint(pvperfSeatNumber(a), ==, 0);
    g_assert_cmpuint(pvperfSeatNumber(b), ==, 1);
    g_assert_cmpuint(pvperfSeatNumber(other), ==, 0);
    g_assert_cmpint(pvperfSeatFd(a), ==, pvperfSeatFd(b));
    g_assert_cmpint(pvperfSeatFd(a), !=, pvperfSeatFd(other));
    g_assert_cmpstr(pvperfSeatGroup(b), ==, "x");
    g_assert_cmpuint(page->nmembers, ==, 2);
    /* nobody takes memory away from under the others */
    g_assert_cmpint(ftruncate(pvperfSeatFd(a), 0), ==, -1);

    /* a line is given again once it is clear: at the end of its process at once,
     * else when its member has cleared it */
    page->lines[0].open = 5;
    page->lines[1].open = 6;
    pvperfSeatLeave(a, true);
    g_assert_cmpuint(page->lines[0].open, ==, 0);
    pvperfSeatLeave(b, false);
    munmap(page, sizeof(*page));

    a = pvperfSeatTake(groups, "x", NULL);
    b = pvperfSeatTake(groups, "x", NULL);
    page = testMap(a);
    page->lines[0].open = 5;
    pvperfSeatLeave(a, false);
    again = pvperfSeatTake(groups, "x", NULL);
    g_assert_cmpuint(pvperfSeatNumber(again), ==, 2);
    page->lines[0].open = 0;
    a = pvperfSeatTake(groups, "x", NULL);
    g_assert_cmpuint(pvperfSeatNumber(a), ==, 0);
    pvperfSeatLeave(a, true);
    pvperfSeatLeave(again, true);
    pvperfSeatLeave(b, true);
    pvperfSeatLeave(other, true);
    munmap(page, sizeof(*page));
    pvperfGroupsFree(groups);
}


static void
testUse(void)
{
    pvperfGroups *groups = pvperfGroupsNew();
    pvperfSeat *a = pvperfSeatTake(groups, "x", NULL);
    pvperfSeat *b = pvperfSeatTake(groups, "x", NULL);
    pvperfGroupPage *page = testMap(a);
    pvperfGroupUse use;

    page->lines[0] = (pvperfGroupLine) { .open = 3, .overflows = 10, .requests = 20 };
    page->lines[1] = (pvperfGroupLine) { .open = 4, .overflows = 1, .requests = 2 };
    pvperfSeatUse(a, &use);
    g_assert_cmpuint(use.members, ==, 2);
    g_assert_cmpuint(use.open, ==, 7);
    g_assert_cmpuint(use.overflows, ==, 11);
    g_assert_cmpuint(use.requests, ==, 22);

    /* what a member did that is gone does not go with it */
    pvperfSeatLeave(b, true);
    pvperfSeatUse(a, &use);
    g_assert_cmpuint(use.members, ==, 1);
    g_assert_cmpuint(use.open, ==, 3);
    g_assert_cmpuint(use.overflows, ==, 11);
    g_assert_cmpuint(use.requests, ==, 22);
    pvperfSeatLeave(a, true);
    munmap(page, sizeof(*page));
    pvperfGroupsFree(groups);
}


static void
testFull(void)
{
    g_autoptr(GPtrArray) seats = g_ptr_array_new();
    pvperfGroups *groups = pvperfGroupsNew();
    g_autoptr(GError) error = NULL;
    guint i;

    for (i = 0; i < PVPERF_GROUP_MEMBERS; i++)
        g_ptr_array_add(seats, pvperfSeatTake(groups, "x", NULL));
    g_assert_null(pvperfSeatTake(groups, "x", &error));
    g_assert_cmpstr(error->message, ==, "group 'x' has 1023 running domains; allowed: up to 1023");
    for (i = 0; i < seats->len; i++)
        pvperfSeatLeave(g_ptr_array_index(seats, i), true);
    pvperfGroupsFree(groups);
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/groups/seats", testSeats);
    g_test_add_func("/groups/use", testUse);
    g_test_add_func("/groups/full", testFull);
    return g_test_run();
}
